"""Defines a row of a table: a library's function by its path, and its split types."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sparkweld.annotations.annotation import Annotation, Examples
from sparkweld.annotations.split_types import SplitType


@dataclass(frozen=True)
class Row:
    """`path`: module, a colon, and the name in it: ``scipy.stats:norm.cdf``. The other fields are those of `Annotation`."""

    path: str
    args: tuple[SplitType, ...]
    returns: SplitType
    kwargs: Mapping[str, SplitType] = field(default_factory=dict)
    elementwise: bool = False
    wants_rows: bool = False
    examples: Examples | None = None

    @property
    def library(self) -> str:
        """The module that holds the function."""
        return self.path.partition(":")[0]

    def annotation(self) -> Annotation | None:
        """Returns the annotation; None when the installed version of the library lacks the function."""
        found: Any = importlib.import_module(self.library)
        for name in self.path.partition(":")[2].split("."):
            found = getattr(found, name, None)
        if found is None:
            return None
        return Annotation(found, self.args, self.kwargs, self.returns, self.elementwise, self.wants_rows, self.examples)
