"""Row domains: which rows a value has. Two values meet row by row only when their rows are the same ones.

Mozart's split types know lengths at best, so that a filtered and an unfiltered column of one length could meet. A domain has
an identity: it is made by an input or by a filter, and nothing else is equal to it.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

_numbers = itertools.count(1)


@dataclass(frozen=True, eq=False)
class RowDomain:
    """Rows of an input, or those of `parent` that a filter kept. Equal to itself alone."""

    label: str
    parent: RowDomain | None = None
    number: int = field(default_factory=lambda: next(_numbers))

    def filtered(self, by: str) -> RowDomain:
        """The domain of the rows that a call keeps."""
        return RowDomain(by, self)

    def __str__(self) -> str:
        return f"{self.label}#{self.number}" if self.parent is None else f"{self.label}#{self.number} of {self.parent}"
