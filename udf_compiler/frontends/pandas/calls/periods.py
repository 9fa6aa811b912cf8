"""Lowers ``s.dt.to_period(freq)`` of days, months, quarters and years: first day, year, month, quarter, and string form."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from pandas.core.indexes import accessors

from sparkweld.ir import Value
from sparkweld.ir.types import I32, I64, STR
from udf_compiler.frontends.pandas import datetimes
from udf_compiler.frontends.pandas.calls.arrays import bound
from udf_compiler.frontends.pandas.calls.datetime_accessor import DAY, Handle, Parts, is_leap_year, parts
from udf_compiler.frontends.pandas.calls.strings.convert import is_str_dtype
from udf_compiler.frontends.pandas.calls.time_strings import SAMPLES, formatted, pieces_of, text_of
from udf_compiler.frontends.pandas.series import TracedSeries
from udf_compiler.frontends.pandas.strings import text_series
from udf_compiler.frontends.tracing.lower import run_prototype
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.values import raw

#: pandas' name of a frequency -> the strftime format of its string; {q} is the quarter.
_FORMATS = {"D": "%Y-%m-%d", "M": "%Y-%m", "Q-DEC": "%YQ{q}", "Y-DEC": "%Y"}


class TracedPeriods(Handle):
    """A Series of periods: the datetimes from which they were made, and their frequency."""

    __slots__ = ("freq", "series")
    what = "Series of periods"
    stands_for = pd.Series

    def __init__(self, series: TracedSeries, freq: str) -> None:
        self.series, self.freq = series, freq

    def __getattr__(self, name: str) -> Any:
        if name == "dt":
            return PeriodAccessor(self)
        if name == "astype":
            return bound(astype, self, "Series.astype")
        refuse("SW251", call=f"{self.what}.{name}")


class PeriodAccessor(Handle):
    """The accessor ``s.dt`` of a Series of periods."""

    __slots__ = ("periods",)
    what = "Series.dt"
    stands_for = accessors.PeriodProperties
    of_instances = frozenset({"name", "orig"})

    def __init__(self, periods: TracedPeriods) -> None:
        self.periods = periods

    def __getattr__(self, name: str) -> Any:
        if name == "to_timestamp":
            return bound(to_timestamp, self.periods, "Series.dt.to_timestamp")
        if name == "start_time":
            return to_timestamp(self.periods)
        if name in ("year", "month", "quarter"):
            return _number(self.periods, name)
        refuse("SW251", call=f"Series.dt.{name} of periods")


def to_period(s: TracedSeries, freq: Any = None) -> TracedPeriods:
    """Implements to_period of days, months, quarters and years. Refuses (SW262) other frequencies."""
    call = "Series.dt.to_period"
    if not isinstance(freq, str):
        refuse("SW262", call=call, what=f"freq={raw(freq)}")
    name = str(run_prototype(call, lambda: datetimes.proto(s).dt.to_period(freq)).dtype)[len("period[") : -1]
    if name not in _FORMATS:
        refuse("SW262", call=call, what=f"freq={freq!r}")
    return TracedPeriods(s, name)


def _first_day(p: Parts, freq: str) -> Value:
    """Computes the days since 1970 of the period's first day."""
    days, loop = p.days, p.loop
    if freq == "D":
        return days
    if freq == "M":
        return p.plus(loop.call("subtract", days, p.date("day")), 1)
    first = p.plus(loop.call("subtract", days, p.date("day_of_year")), 1)
    if freq == "Y-DEC":
        return first
    month = p.date("month")
    for start, before in ((4, 31 + 28 + 31), (7, 30 + 31 + 30), (10, 31 + 31 + 30)):
        length = loop.const(before, I32)
        if start == 4:
            length = loop.call("add", length, loop.cast(is_leap_year(p), I32))
        reached = loop.call("greater_equal", month, loop.const(start, I32))
        first = loop.call("add", first, loop.select(reached, length, loop.const(0, I32)))
    return first


def to_timestamp(periods: TracedPeriods, freq: Any = None, how: Any = "start") -> TracedSeries:
    """Implements to_timestamp: midnight of the first day. Guards days before 1677-09-22, which overflow."""
    call = "Series.dt.to_timestamp"
    s = periods.series
    if freq is not None or how not in ("start", "S", "s"):
        refuse("SW262", call=call, what="the argument freq= or how=")
    made = run_prototype(call, lambda: datetimes.proto(s).dt.to_period(periods.freq[0]).dt.to_timestamp())
    if made.dtype != s.dtype:
        refuse("SW254", call=call, type=str(made.dtype))
    loop = s.loop
    day = _first_day(parts(s), periods.freq)
    loop.guard(loop.call("greater_equal", day, loop.const(-106_751, I32)))
    return datetimes.like(s, loop.call("multiply", loop.cast(day, I64), loop.const(DAY, I64)))  # type: ignore[no-any-return]


def _number(periods: TracedPeriods, name: str) -> TracedSeries:
    """Returns the year, month or quarter as int64; that of datetimes is int32.

    Guards NaT, which yields -1 in some versions of pandas.
    """
    s, call = periods.series, f"Series.dt.{name} of periods"
    made = run_prototype(call, lambda: getattr(datetimes.proto(s).dt.to_period(periods.freq[0]).dt, name))
    if made.dtype != np.int64:
        refuse("SW254", call=call, type=str(made.dtype))
    p, loop = parts(s), s.loop
    if s.value.type.nullable:
        loop.guard(loop.is_valid(s.value))
    number = p.over(p.plus(p.date("month"), 2), 3) if name == "quarter" else p.date(name)
    return TracedSeries(loop, loop.cast(number, I64), np.int64)


def astype(periods: TracedPeriods, dtype: Any) -> TracedSeries:
    """Converts each period to a string; NaT becomes 'NaT'."""
    call, s = "Series.astype of periods", periods.series
    if not is_str_dtype(dtype):
        refuse("SW262", call=call, what=raw(dtype))
    loop, p = s.loop, parts(s)
    format = _FORMATS[periods.freq]
    pieces = pieces_of(format.removesuffix("{q}"), call)
    if format.endswith("{q}"):
        pieces.append((lambda p: p.over(p.plus(p.date("month"), 2), 3), {n: str(n) for n in range(1, 5)}))
    wanted = run_prototype(call, lambda: pd.Series(SAMPLES).dt.to_period(periods.freq[0]).astype(str))
    if [formatted(t, pieces) for t in SAMPLES] != list(wanted):
        refuse("SW262", call=call, what=f"periods of {periods.freq}")
    text = text_of(loop, p, pieces)
    if s.value.type.nullable:
        text = loop.select(loop.is_valid(s.value), text, loop.const("NaT", STR))
    return text_series(loop, text)  # type: ignore[no-any-return]
