"""Lowers the accessor ``.dt`` of datetime64[ns] and timedelta64[ns] Series: calendar and clock fields, rounding, durations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.ops import DatePart
from sparkweld.ir.types import DATE, F64, I32, I64
from udf_compiler.frontends.pandas import datetimes
from udf_compiler.frontends.pandas.calls.arrays import bound
from udf_compiler.frontends.pandas.dates import DATES
from udf_compiler.frontends.pandas.frame import TracedFrame
from udf_compiler.frontends.pandas.kind import UNSIGNED
from udf_compiler.frontends.pandas.series import NUMBERS, TracedSeries
from udf_compiler.frontends.tracing.lower import run_prototype
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.values import Traced

SECOND = 10**9
DAY = 86_400 * SECOND


class Handle(Traced):
    """A traced value that supports attribute access only."""

    __slots__ = ()

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        refuse("SW251", call=f"np.{ufunc.__name__} of a {self.what}")


class DtAccessor(Handle):
    """The accessor ``s.dt``."""

    __slots__ = ("series",)
    what = "Series.dt"
    of_instances = frozenset({"name", "orig"})

    def __init__(self, series: TracedSeries) -> None:
        self.series = series

    @property  # type: ignore[override]
    def stands_for(self) -> Any:
        return type(datetimes.proto(self.series).dt)

    def __getattr__(self, name: str) -> Any:
        return attribute(self.series, name)


def accessor(s: TracedSeries) -> DtAccessor:
    """Returns ``s.dt`` of datetimes or timedeltas. Refuses (SW252) dates, which are objects to pandas."""
    if s.kind is NUMBERS or s.kind is DATES:
        error = "AttributeError: Can only use .dt accessor with datetimelike values"
        refuse("SW252", call="Series.dt", error=error)
    if not datetimes.is_time(s):
        refuse("SW251", call=f"Series.dt of a {s.kind.name} Series")
    return DtAccessor(s)


def attribute(s: TracedSeries, name: str) -> Any:
    """Returns a property or a bound method of the accessor, or refuses it."""
    call = f"Series.dt.{name}"
    kind = s.kind
    assert type(kind) is datetimes.TimeKind
    if name in kind.fields:
        return kind.fields[name](s)
    if name in kind.dt_methods:
        return bound(kind.dt_methods[name], s, call)
    if not hasattr(datetimes.proto(s).dt, name):
        refuse("SW252", call=call, error=f"AttributeError: no attribute {name!r} of {s.dtype} values")
    refuse("SW251", call=call)


class Parts:
    """The calendar and clock fields of int64 nanoseconds since 1970, with arithmetic to derive more.

    The loop builder deduplicates fields that are computed repeatedly.
    """

    def __init__(self, loop: LoopBuilder, nanoseconds: Value) -> None:
        self.loop, self.nanoseconds = loop, nanoseconds

    def over(self, x: Value, divisor: int) -> Value:
        return self.loop.call("floor_divide", x, self.loop.const(divisor, x.type))

    def rest(self, x: Value, divisor: int) -> Value:
        return self.loop.call("remainder", x, self.loop.const(divisor, x.type))

    def plus(self, x: Value, number: int) -> Value:
        return self.loop.call("add", x, self.loop.const(number, x.type))

    def equals(self, x: Value, number: int) -> Value:
        return self.loop.call("equal", x, self.loop.const(number, x.type))

    def both(self, a: Value, b: Value) -> Value:
        return self.loop.call("logical_and", a, b)

    @property
    def days(self) -> Value:
        return self.loop.cast(self.over(self.nanoseconds, DAY), I32)

    @property
    def seconds(self) -> Value:
        """Returns the seconds since midnight."""
        return self.loop.cast(self.over(self.rest(self.nanoseconds, DAY), SECOND), I32)

    def small(self, unit: int) -> Value:
        """Returns the number of whole units of `unit` nanoseconds within the second."""
        return self.loop.cast(self.over(self.rest(self.nanoseconds, SECOND), unit), I32)

    def date(self, part: str) -> Value:
        return self.loop.emit(DatePart(part), self.days)


def parts(s: TracedSeries) -> Parts:
    """Returns the fields of the rows; NaT yields those of 1970-01-01."""
    return Parts(s.loop, s.loop.value_of(s.value))


_Number = Callable[[Parts], Value]

#: Integer fields of datetimes.
_NUMBERS: dict[str, _Number] = {
    "year": lambda p: p.date("year"),
    "month": lambda p: p.date("month"),
    "day": lambda p: p.date("day"),
    "hour": lambda p: p.over(p.seconds, 3600),
    "minute": lambda p: p.over(p.rest(p.seconds, 3600), 60),
    "second": lambda p: p.rest(p.seconds, 60),
    "microsecond": lambda p: p.small(1000),
    "nanosecond": lambda p: p.loop.cast(p.rest(p.nanoseconds, 1000), I32),
    "weekday": lambda p: p.date("weekday"),
    "dayofyear": lambda p: p.date("day_of_year"),
    "quarter": lambda p: p.over(p.plus(p.date("month"), 2), 3),
    "days_in_month": lambda p: p.date("days_in_month"),
}
_NUMBERS.update(dayofweek=_NUMBERS["weekday"], day_of_week=_NUMBERS["weekday"], day_of_year=_NUMBERS["dayofyear"])
_NUMBERS.update(daysinmonth=_NUMBERS["days_in_month"])


def _first(p: Parts) -> Value:
    return p.equals(p.date("day"), 1)


def _last(p: Parts) -> Value:
    return p.loop.call("equal", p.date("day"), p.date("days_in_month"))


def _month_of_quarter(p: Parts, number: int) -> Value:
    return p.equals(p.rest(p.date("month"), 3), number)


def is_leap_year(p: Parts) -> Value:
    year = p.date("year")
    fourth, hundredth, era = (p.equals(p.rest(year, n), 0) for n in (4, 100, 400))
    return p.both(fourth, p.loop.call("logical_or", p.loop.call("logical_not", hundredth), era))


#: Predicates of datetimes; False for NaT.
_QUESTIONS: dict[str, _Number] = {
    "is_month_start": _first,
    "is_month_end": _last,
    "is_quarter_start": lambda p: p.both(_first(p), _month_of_quarter(p, 1)),
    "is_quarter_end": lambda p: p.both(_last(p), _month_of_quarter(p, 0)),
    "is_year_start": lambda p: p.both(_first(p), p.equals(p.date("month"), 1)),
    "is_year_end": lambda p: p.both(_last(p), p.equals(p.date("month"), 12)),
    "is_leap_year": is_leap_year,
}


def _field(name: str, number: _Number, finish: Callable[[TracedSeries, Value], TracedSeries]) -> Callable[[TracedSeries], Any]:
    def read(s: TracedSeries) -> TracedSeries:
        made = finish(s, number(parts(s)))
        wanted = run_prototype(f"Series.dt.{name}", lambda: getattr(datetimes.proto(s).dt, name)).dtype
        if not s.value.type.nullable and made.dtype != wanted:
            refuse("SW254", call=f"Series.dt.{name}", type=str(wanted))
        return made

    return read


def _date(s: TracedSeries) -> TracedSeries:
    """Implements ``.dt.date``: a Series of datetime.date objects, in which NaT is missing.

    See `dates.settle` for a batch in which every row is NaT.
    """
    days = s.loop.cast(parts(s).days, DATE)
    valid = s.loop.is_valid(s.value) if s.value.type.nullable else None
    made = TracedSeries(s.loop, datetimes.nat_where(s.loop, days, valid), object, kind=DATES, has_nat=s.has_nat)
    made.nat_objects = valid is not None
    return made


def isocalendar(s: TracedSeries) -> TracedFrame:
    """Implements ``.dt.isocalendar``: year, week and day by ISO 8601, as UInt32 with missing values."""
    p = parts(s)
    numbers = {"year": p.date("iso_year"), "week": p.date("iso_week"), "day": p.plus(p.date("weekday"), 1)}
    valid = s.loop.is_valid(s.value) if s.value.type.nullable else None
    columns = {name: datetimes.nat_where(s.loop, s.loop.cast(v, I64), valid) for name, v in numbers.items()}
    return TracedFrame(s.loop, {name: TracedSeries(s.loop, v, object, kind=UNSIGNED) for name, v in columns.items()})


# Rounding.


def _unit(s: TracedSeries, freq: Any, name: str, call: str) -> int:
    """Returns the nanoseconds of a fixed frequency. Refuses a frequency for which pandas raises."""
    if not isinstance(freq, str):
        refuse("SW262", call=call, what=f"freq={freq!r}")
    run_prototype(call, lambda: getattr(datetimes.proto(s).dt, name)(freq))
    return int(run_prototype(call, lambda: pd.tseries.frequencies.to_offset(freq).nanos))


def floor(s: TracedSeries, freq: Any) -> TracedSeries:
    call = "Series.dt.floor"
    p = parts(s)
    rest = p.rest(p.nanoseconds, _unit(s, freq, "floor", call))
    return datetimes.like(s, datetimes.no_overflow(s.loop, "subtract", p.nanoseconds, rest))


def ceil(s: TracedSeries, freq: Any) -> TracedSeries:
    call = "Series.dt.ceil"
    p = parts(s)
    step = p.rest(s.loop.call("negative", p.nanoseconds), _unit(s, freq, "ceil", call))
    return datetimes.like(s, datetimes.no_overflow(s.loop, "add", p.nanoseconds, step))


def round_(s: TracedSeries, freq: Any) -> TracedSeries:
    """Implements ``.dt.round``: rounds ties to the even multiple."""
    call = "Series.dt.round"
    p, unit, loop = parts(s), _unit(s, freq, "round", call), s.loop
    if unit % 2:
        half = loop.const(unit // 2, I64)
        shifted = datetimes.no_overflow(loop, "subtract", p.nanoseconds, half)
        step = p.rest(loop.call("negative", shifted), unit)
        return datetimes.like(s, datetimes.no_overflow(loop, "add", shifted, step))
    quotient, rest, half = p.over(p.nanoseconds, unit), p.rest(p.nanoseconds, unit), loop.const(unit // 2, I64)
    odd = p.equals(p.rest(quotient, 2), 1)
    tie = p.both(loop.call("equal", rest, half), odd)
    up = loop.call("logical_or", loop.call("greater", rest, half), tie)
    down = datetimes.no_overflow(loop, "subtract", p.nanoseconds, rest)
    step = loop.select(up, loop.const(unit, I64), loop.const(0, I64))
    return datetimes.like(s, datetimes.no_overflow(loop, "add", down, step))


def normalize(s: TracedSeries) -> TracedSeries:
    """Implements ``.dt.normalize``: returns midnight of the day."""
    p = parts(s)
    return datetimes.like(s, datetimes.no_overflow(s.loop, "subtract", p.nanoseconds, p.rest(p.nanoseconds, DAY)))


# Durations.

#: Integer fields of timedeltas: the days are floored, the others are fields of the remainder.
_SPANS: dict[str, _Number] = {
    "days": lambda p: p.over(p.nanoseconds, DAY),
    "seconds": lambda p: p.seconds,
    "microseconds": lambda p: p.small(1000),
    "nanoseconds": lambda p: p.loop.cast(p.rest(p.nanoseconds, 1000), I32),
}


def _components(s: TracedSeries) -> TracedFrame:
    p = parts(s)
    numbers = {
        "days": p.over(p.nanoseconds, DAY),
        "hours": p.over(p.seconds, 3600),
        "minutes": p.over(p.rest(p.seconds, 3600), 60),
        "seconds": p.rest(p.seconds, 60),
        "milliseconds": p.small(10**6),
        "microseconds": p.rest(p.small(1000), 1000),
        "nanoseconds": p.rest(p.nanoseconds, 1000),
    }
    wanted = run_prototype("Series.dt.components", lambda: datetimes.proto(s).dt.components)
    if list(wanted.columns) != list(numbers) or any(dtype != "int64" for dtype in wanted.dtypes):
        refuse("SW254", call="Series.dt.components", type=str(wanted.dtypes.iloc[0]))
    return TracedFrame(s.loop, {name: datetimes.integers(s, s.loop.cast(v, I64)) for name, v in numbers.items()})


def total_seconds(s: TracedSeries) -> TracedSeries:
    loop = s.loop
    return datetimes.floats(s, loop.call("divide", loop.cast(loop.value_of(s.value), F64), loop.const(float(SECOND), F64)))


_Fields = dict[str, Callable[[TracedSeries], Any]]
_Methods = dict[str, Callable[..., Any]]

DATETIME_FIELDS: _Fields = {
    **{name: _field(name, number, datetimes.integers) for name, number in _NUMBERS.items()},
    **{name: _field(name, number, datetimes.bools) for name, number in _QUESTIONS.items()},
    "date": _date,
}
DATETIME_METHODS: _Methods = {
    "isocalendar": isocalendar,
    "floor": floor,
    "ceil": ceil,
    "round": round_,
    "normalize": normalize,
}
TIMEDELTA_FIELDS: _Fields = {
    **{name: _field(name, number, datetimes.integers) for name, number in _SPANS.items()},
    "components": _components,
}
TIMEDELTA_METHODS: _Methods = {"total_seconds": total_seconds, "floor": floor, "ceil": ceil, "round": round_}
