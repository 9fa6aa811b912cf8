"""Lowers pd.DateOffset and pd.offsets, which are constants, and their addition to datetimes or subtraction from them.

The algorithm is that of pandas/_libs/tslibs/offsets.pyx for arrays. It adds the months, clips the day to the month's length or
moves it to the month's end or begin, and adds a fixed duration. Each offset is compared with pandas on times around month ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from sparkweld.ir import Input, LoopBuilder, ProgramBuilder, Value, evaluate
from sparkweld.ir.types import I64
from udf_compiler.frontends.pandas import datetimes
from udf_compiler.frontends.pandas.calls.datetime_accessor import DAY, Parts, parts
from udf_compiler.frontends.pandas.columns import SeriesOperand
from udf_compiler.frontends.pandas.datetimes import DATETIMES
from udf_compiler.frontends.pandas.series import TracedSeries
from udf_compiler.frontends.pandas.time_constants import TimeConstant
from udf_compiler.frontends.tracing.civil import days_of_date
from udf_compiler.frontends.tracing.class_stand_ins import class_stand_in
from udf_compiler.frontends.tracing.lower import run_prototype
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.stand_ins import module_stand_in
from udf_compiler.frontends.tracing.values import Traced

#: Arguments of a DateOffset that pandas adds to arrays: the unit in months, or in nanoseconds.
_MONTHS = {"years": 12, "months": 1}
_LENGTHS = {
    "weeks": 7 * DAY, "days": DAY, "hours": DAY // 24, "minutes": 60 * 10**9, "seconds": 10**9, "microseconds": 1000,
}  # fmt: skip

#: First and last year of which every time fits int64 nanoseconds.
_YEARS = (1678, 2261)

#: Times around the ends of months and years, including leap days.
_SAMPLES = pd.Series(
    [pd.Timestamp(year, month, day, 13, 5, 7, 123456) for year in (1999, 2000, 2023, 2024) for month in (1, 2, 3, 4, 12)
     for day in (1, 2, 15, 28, 29, 30, 31) if day <= pd.Timestamp(year, month, 1).days_in_month]
)  # fmt: skip


@dataclass(frozen=True)
class Shift:
    """Months to add, the adjustment of the day ("cut", "end" or "start"), and nanoseconds to add after that."""

    months: int
    day: str
    nanoseconds: int


class Offset(SeriesOperand):
    """A date offset; supports negation, multiplication by an int, and addition to a Series of datetimes."""

    __slots__ = ("offset",)
    what = "date offset"

    @property  # type: ignore[override]
    def stands_for(self) -> Any:
        return type(self.offset)

    def __init__(self, offset: Any) -> None:
        self.offset = offset

    def _binary(self, name: str, other: Any, reflected: bool) -> Any:
        call = f"{name} of a date offset"
        if isinstance(other, TracedSeries) and not reflected:
            return added(other, self, name, True)
        if name == "mul" and type(other) is int:
            return make(run_prototype(call, lambda: self.offset * other), call)
        refuse("SW275", call=call)

    def with_series(self, series: TracedSeries, name: str, reflected: bool) -> TracedSeries:
        return added(series, self, name, reflected)

    def _unary(self, name: str) -> Any:
        if name != "neg":
            refuse("SW275", call=f"{name} of a date offset")
        return make(-self.offset, "a date offset")


def make(offset: Any, call: str) -> Any:
    """Returns the constant of an offset; a fixed duration becomes a Timedelta. Refuses (SW275) unsupported offsets."""
    if isinstance(offset, pd.offsets.Tick):
        return TimeConstant(run_prototype(call, pd.Timedelta, offset))
    _shift(offset, call)
    return Offset(offset)


def _shift(offset: Any, call: str) -> Shift:
    kind = type(offset)
    if offset.normalize:
        refuse("SW275", call=f"{call}(normalize=True)")
    if kind is pd.offsets.MonthEnd or kind is pd.offsets.MonthBegin:
        return Shift(offset.n, "end" if kind is pd.offsets.MonthEnd else "start", 0)
    if kind is not pd.DateOffset or not offset.kwds or not offset.kwds.keys() <= _MONTHS.keys() | _LENGTHS.keys():
        refuse("SW275", call=call)
    if any(type(number) is not int for number in offset.kwds.values()):
        refuse("SW275", call=f"{call} with numbers that are not whole")
    months = sum(factor * offset.kwds.get(name, 0) for name, factor in _MONTHS.items())
    length = sum(factor * offset.kwds.get(name, 0) for name, factor in _LENGTHS.items())
    if abs(months * offset.n) > 12 * 400 or abs(length * offset.n) >= 2**62:
        refuse("SW275", call=f"{call} of centuries")
    return Shift(months * offset.n, "cut", length * offset.n)


def added(series: TracedSeries, offset: Offset, name: str, reflected: bool) -> TracedSeries:
    """Lowers ``series + offset``, ``offset + series`` or ``series - offset``. Guards times near the limits of int64."""
    call = f"Series {name} a date offset"
    if series.kind is not DATETIMES or name not in ("add", "sub") or (name == "sub" and reflected):
        refuse("SW275", call=call)
    real = offset.offset if name == "add" else -offset.offset
    shift = _shift(real, call)
    wanted = run_prototype(call, lambda: _SAMPLES + real)
    if wanted.dtype != series.dtype or not np.array_equal(wanted.to_numpy().view(np.int64), _tried(shift)):
        refuse("SW275", call=call)
    return datetimes.like(series, _shifted(series.loop, parts(series), shift))  # type: ignore[no-any-return]


def _tried(shift: Shift) -> np.ndarray:
    """Evaluates `_shifted` on the samples; a flagged row yields 0."""
    builder = ProgramBuilder("offset", [Input("t", I64)])
    loop = builder.loop("offset")
    loop.append("r", _shifted(loop, Parts(loop, loop.read("t")), shift))
    loop.close()
    result = evaluate(builder.finish(["r"]), {"t": _SAMPLES.to_numpy().view(np.int64)}, len(_SAMPLES))
    return np.where(result.flagged, 0, np.asarray(result.columns["r"]))


def _shifted(loop: LoopBuilder, p: Parts, shift: Shift) -> Value:
    value = p.nanoseconds
    if shift.months or shift.day != "cut":
        value = _by_months(loop, p, shift)
    if shift.nanoseconds:
        return datetimes.no_overflow(loop, "add", value, loop.const(shift.nanoseconds, I64))
    return value


def _by_months(loop: LoopBuilder, p: Parts, shift: Shift) -> Value:
    def wide(part: str) -> Value:
        return loop.cast(p.date(part), I64)

    day = wide("day")
    months = p.plus(loop.call("add", loop.call("multiply", wide("year"), loop.const(12, I64)), wide("month")), shift.months - 1)
    rolled = _rolled(loop, day, wide("days_in_month"), shift)
    if rolled is not None:
        step = loop.const(-1 if shift.months > 0 else 1, I64)
        months = loop.call("add", months, loop.select(rolled, step, loop.const(0, I64)))
    year, month = p.over(months, 12), p.plus(p.rest(months, 12), 1)
    first, last = _YEARS
    above = loop.call("greater_equal", year, loop.const(first, I64))
    loop.guard(loop.call("logical_and", above, loop.call("less_equal", year, loop.const(last, I64))))
    one, following = loop.const(1, I64), p.plus(months, 1)
    begin = days_of_date(loop, year, month, one)
    length = loop.call("subtract", days_of_date(loop, p.over(following, 12), p.plus(p.rest(following, 12), 1), one), begin)
    at = {"cut": lambda: loop.call("minimum", day, length), "end": lambda: length, "start": lambda: one}[shift.day]()
    days = p.plus(loop.call("add", begin, at), -1)
    clock = p.rest(p.nanoseconds, DAY)
    return loop.call("add", loop.call("multiply", days, loop.const(DAY, I64)), clock)


def _rolled(loop: LoopBuilder, day: Value, length: Value, shift: Shift) -> Value | None:
    """Whether moving to the month's end or begin counts as one of the months (`roll_convention`); None when it never does."""
    if shift.day == "end" and shift.months > 0:
        return loop.call("less", day, length)
    if shift.day == "start" and shift.months <= 0:
        return loop.call("greater", day, loop.const(1, I64))
    return None


def _maker(real: type) -> Any:
    """Creates the stand-in of an offset class; a call returns a constant."""
    call = f"pd.offsets.{real.__name__}"

    def made(*args: Any, **kwargs: Any) -> Any:
        if any(isinstance(x, Traced) for x in (*args, *kwargs.values())):
            refuse("SW262", call=call, what="a column")
        return make(run_prototype(call, real, *args, **kwargs), call)

    return class_stand_in(real, call, made)


def _attribute(name: str) -> Any:
    if name not in _CLASSES:
        refuse("SW275", call=f"pd.offsets.{name}")
    return _CLASSES[name]


_CLASSES = {
    name: _maker(getattr(pd.offsets, name))
    for name in "DateOffset Day Hour Minute Second Milli Micro Nano MonthEnd MonthBegin".split()
}
OFFSETS = module_stand_in(pd.offsets, "pd.offsets", _attribute)


def stand_in(obj: Any) -> Any:
    """Returns the stand-in of the module, of an offset class or of a captured offset; None for other objects."""
    if obj is pd.offsets:
        return OFFSETS
    if isinstance(obj, pd.tseries.offsets.BaseOffset):
        return make(obj, "a captured date offset")
    if isinstance(obj, type) and issubclass(obj, pd.tseries.offsets.BaseOffset):
        return OFFSETS.__getattr__(obj.__name__)
    return None


__all__ = ["OFFSETS", "Offset", "added", "make", "stand_in"]
