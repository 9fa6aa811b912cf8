"""Defines row domains: the identity of a value's rows. Two values combine elementwise only within one domain.

Mozart's split types know lengths at best, so that a filtered and an unfiltered column of equal length could be combined. A
domain has an identity: an input or a filter creates it, and it equals no other.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

_numbers = itertools.count(1)


@dataclass(frozen=True, eq=False)
class RowDomain:
    """The rows of an input, or the rows of `parent` that pass a filter. Equal to itself alone."""

    label: str
    parent: RowDomain | None = None
    number: int = field(default_factory=lambda: next(_numbers))

    def filtered(self, by: str) -> RowDomain:
        """Creates the domain of the rows that pass the filter `by`."""
        return RowDomain(by, self)

    def __str__(self) -> str:
        return f"{self.label}#{self.number}" if self.parent is None else f"{self.label}#{self.number} of {self.parent}"
