"""Decides whether translators may follow a model class of the installed library: by its version, or by its source.

`python -m tests.libraries` compares all classes with a set of libraries. Versions with which it found no wrong row are listed
here. In another version that is not older than these, a class is accepted if its source is that of a listed version.
`tested_sources.json` has the fingerprints of the sources, which `python -m tests.libraries.sources` collects.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from udf_compiler.frontends.models.source_fingerprint import fingerprint, loaded, of_names


class Unsupported(NamedTuple):
    """Why an estimator is not supported: the code of a refusal, and its parameters."""

    code: str
    params: dict[str, Any]


@dataclass(frozen=True)
class Library:
    """A package, and its tested lines (major and minor version), the oldest first."""

    package: str
    lines: tuple[str, ...]

    @property
    def shown(self) -> str:
        """Returns the lines for a message."""
        return ", ".join(self.lines)


#: Imported name -> the library.
LIBRARIES = {
    "sklearn": Library("scikit-learn", ("1.3", "1.4", "1.5", "1.6", "1.7", "1.8", "1.9")),
    "lightgbm": Library("lightgbm", ("4.0", "4.1", "4.2", "4.3", "4.4", "4.5", "4.6", "4.7")),
    "xgboost": Library("xgboost", ("1.7", "2.0", "2.1", "3.0", "3.1", "3.2", "3.3", "3.4")),
    "catboost": Library("catboost", ("1.2",)),
    "statsmodels": Library("statsmodels", ("0.14", "0.15")),
    "torch": Library("torch", ("2.6",)),
}


def refusal_of(kind: type, methods: tuple[str, ...]) -> Unsupported | None:
    """Returns the refusal of a class; None when its version is tested, or its source is.

    SW803: the version is older than all tested ones. SW806: the source of its `methods` is not that of a tested version.
    """
    root = kind.__module__.partition(".")[0]
    library, version = LIBRARIES[root], loaded(root)
    line = version.split(".")[:2]
    if ".".join(line) in library.lines:
        return None
    given = {"library": library.package, "version": version, "checked": library.shown}
    if _number(line) < _number(library.lines[0].split(".")):
        return Unsupported("SW803", given)
    qualified = f"{kind.__module__}.{kind.__qualname__}"
    own = of_names(kind, methods)  # none in a class that passes its calls on, such as those of statsmodels
    if own and fingerprint(kind, own) in sources().get(qualified, ()):
        return None
    return Unsupported("SW806", {"estimator": qualified, **given})


def _number(line: list[str]) -> tuple[int, ...]:
    """Returns a line as numbers; one that has none counts as newer than all."""
    return tuple(int(part) if part.isdigit() else 1 << 30 for part in line)


@cache
def sources() -> dict[str, list[str]]:
    """Returns the fingerprints of each class in the tested versions."""
    return json.loads(Path(__file__).with_name("tested_sources.json").read_text())  # type: ignore[no-any-return]
