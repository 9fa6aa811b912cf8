"""Describes the missing elements of a Series of objects."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Missing:
    """The possible missing elements: `none`: None, `nan`: NaN; `void`: a batch of only missing elements may be float64."""

    none: bool = False
    nan: bool = False
    void: bool = False

    def or_(self, other: Missing) -> Missing:
        """Returns the possible missing elements when each comes from one of the two sides."""
        return Missing(self.none or other.none, self.nan or other.nan, self.void or other.void)

    def as_nan(self) -> Missing:
        """Returns the state with every None replaced by NaN, in a Series that remains object."""
        return Missing(nan=self.none or self.nan)

    def kept(self) -> Missing:
        """Returns the state of a Series that is object in every batch."""
        return replace(self, void=False)


PRESENT = Missing()
