"""Lists the oldest supported version of each package, and finds installed ones that are older."""

from __future__ import annotations

from collections.abc import Mapping

#: Package -> its oldest supported version, which pyproject.toml also requires. LLVM before that of Numba 0.62 has other textual
#: IR (typed pointers).
MINIMUMS = {"numba": "0.62", "numpy": "1.26", "pandas": "2.0", "pyarrow": "14"}


def release(version: str) -> tuple[int, ...]:
    """Returns the major and minor number of a version."""
    return tuple(int(part) for part in version.split(".")[:2] if part.isdigit())


def too_old(versions: Mapping[str, str | None]) -> str | None:
    """Returns what is too old, and its minimum, as a sentence; None when nothing is."""
    old = [
        f"{name} {version} is older than {MINIMUMS[name]}, the oldest that SparkWeld supports"
        for name in MINIMUMS
        if (version := versions.get(name)) is not None and release(version) < release(MINIMUMS[name])
    ]
    return "; ".join(old) or None
