"""Extracts parts of dates, such as year and month, from days since 1970-01-01, by NumPy's proleptic Gregorian calendar."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from sparkweld.errors import VerifyError
from sparkweld.ir.ops.base import Array, Op
from sparkweld.ir.types import I32, Type

#: Days are clamped to this many on either side (about the year 2.9 million), so that 32 bits suffice.
DAY_LIMIT = 2**30


def _days(count: np.ndarray) -> np.ndarray:
    return count.astype("M8[D]")


def _year(days: np.ndarray) -> np.ndarray:
    return days.astype("M8[Y]").astype(np.int64) + 1970


def _weekday(days: np.ndarray) -> np.ndarray:
    return (days.astype(np.int64) + 3) % 7  # 1970-01-01 was a Thursday


def _day_of_year(days: np.ndarray) -> np.ndarray:
    return (days - days.astype("M8[Y]")).astype(np.int64) + 1


def _thursday(days: np.ndarray) -> np.ndarray:
    """Returns the Thursday of the same week: its year is the ISO year."""
    return days + (3 - _weekday(days)).astype("m8[D]")


def _days_in_month(days: np.ndarray) -> np.ndarray:
    month = days.astype("M8[M]")
    return ((month + np.timedelta64(1, "M")).astype("M8[D]") - month.astype("M8[D]")).astype(np.int64)


_PARTS = {
    "year": _year,
    "month": lambda days: days.astype("M8[M]").astype(np.int64) % 12 + 1,
    "day": lambda days: (days - days.astype("M8[M]")).astype(np.int64) + 1,
    "weekday": _weekday,
    "day_of_year": _day_of_year,
    "days_in_month": _days_in_month,
    "iso_year": lambda days: _year(_thursday(days)),
    "iso_week": lambda days: (_day_of_year(_thursday(days)) - 1) // 7 + 1,
}

#: Parts that `DatePart` supports; weekday 0 is Monday, iso_year and iso_week are those of ISO 8601.
DATE_PARTS = tuple(_PARTS)


@dataclass(frozen=True, slots=True)
class DatePart(Op):
    """`part` (one of DATE_PARTS) of a date, as i32. The argument is days since 1970-01-01 (i32), clamped to DAY_LIMIT."""

    part: str
    name: ClassVar[str] = "date_part"

    def __post_init__(self) -> None:
        if self.part not in _PARTS:
            raise VerifyError(f"unknown part of a date {self.part!r}; known: {', '.join(_PARTS)}")

    def infer(self, *args: Type) -> Type:
        self._wants(args == (I32,), "one i32 of days", args)
        return I32

    def evaluate(self, *args: Array) -> Array:
        (x,) = args
        assert isinstance(x, np.ndarray)
        days = _days(np.clip(x, -DAY_LIMIT, DAY_LIMIT).astype(np.int64))
        return np.asarray(_PARTS[self.part](days)).astype(np.int32)


DatePart.examples = tuple((DatePart(part), (I32,)) for part in DATE_PARTS)
