"""Supplies pd.Timestamp, pd.Timedelta, datetime and NumPy times in compiled functions as constants that never read the clock.

pandas itself creates a constant while the function is traced. Strings that pandas completes with today's date (``now``,
``10:00``) are refused, as are zones, locales and anything else that differs between hosts.
"""

from __future__ import annotations

import datetime
import re
from typing import Any

import numpy as np
import pandas as pd

from udf_compiler.frontends.tracing.class_stand_ins import ClassStandIn, class_stand_in
from udf_compiler.frontends.tracing.constants import ConstantDate, Guarded, constant_date, define_operators, unwrapped
from udf_compiler.frontends.tracing.lower import run_prototype
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.values import BINARY, COMPARISONS, UNARY, Traced, raw

#: Strings that name a fixed day; others (now, 10:00) are completed with today's date.
DATE_TEXT = re.compile(
    r"\s*(\d{4}[-/]\d{1,2}[-/]\d{1,2}|\d{1,2}/\d{1,2}/\d{4}|\d{8})([ T]\d{1,2}(:\d{1,2}(:\d{1,2}(\.\d+)?)?)?)?\s*"
)

_NAMES = {
    pd.Timestamp: frozenset(
        """year month day hour minute second microsecond nanosecond weekday dayofweek day_of_week isoweekday dayofyear
        day_of_year quarter week weekofyear days_in_month daysinmonth is_month_start is_month_end is_quarter_start
        is_quarter_end is_year_start is_year_end is_leap_year isoformat toordinal timestamp value date normalize floor ceil
        round replace""".split()
    ),
    pd.Timedelta: frozenset("days seconds microseconds nanoseconds total_seconds value floor ceil round isoformat".split()),
    type(pd.NaT): frozenset(),
}


class TimeConstant(Guarded):
    """A Timestamp, Timedelta or NaT with arithmetic and the deterministic part of its attributes."""

    __slots__ = ()
    what = "time"

    def __getattr__(self, name: str) -> Any:
        kind = type(self._constant)
        call = f"{kind.__name__}.{name}"
        if name not in _NAMES[kind]:
            refuse("SW263", name=call)
        found = getattr(self._constant, name)
        if not callable(found):
            return found
        return lambda *args, **kwargs: time_constant(run_prototype(call, found, *map(unwrapped, args), **kwargs), call)

    def __bool__(self) -> bool:
        return bool(self._constant)

    def __hash__(self) -> int:
        return hash(self._constant)


def time_constant(x: Any, call: str) -> Any:
    """Returns a result of pandas as a constant: times wrapped; numbers, strings and durations unchanged."""
    if isinstance(x, pd.Timestamp | pd.Timedelta) or x is pd.NaT:
        if isinstance(x, pd.Timestamp) and x.tzinfo is not None:
            refuse("SW262", call=call, what="a time with a time zone")
        return TimeConstant(x)
    if isinstance(x, datetime.date):
        return constant_date(x)
    if isinstance(x, bool | int | float | str | np.bool_ | np.number | datetime.timedelta):
        return x
    refuse("SW262", call=call, what=f"a result of type {type(x).__name__}")


def _computed(name: str, *pair: Any) -> Any:
    call = f"{name} of a time"
    for x in pair:
        if type(x) is ConstantDate or isinstance(x, np.ndarray | pd.Series | pd.Index):
            refuse("SW262", call=call, what=raw(x))
    return time_constant(run_prototype(call, BINARY[name], *pair), call)


define_operators(TimeConstant, ("add", "sub", "mul", "truediv", "floordiv", "mod", *COMPARISONS), _computed)
for _name in ("neg", "abs"):
    setattr(TimeConstant, f"__{_name}__", lambda self, f=UNARY[_name]: time_constant(f(self._constant), "a time"))


def _checked_text(args: tuple[Any, ...], call: str) -> None:
    for x in args:
        if isinstance(x, str) and not DATE_TEXT.fullmatch(x):
            refuse("SW263", name=f"{call}({x!r})")  # such as "now", which is a time


class _TimeMeta(ClassStandIn):
    """The metaclass of time classes: calls create constants, and instance checks recognize them."""

    constants: frozenset[str]

    def __getattr__(cls, name: str) -> Any:
        call = f"{cls.__name__}.{name}"
        if name not in cls.constants:
            refuse("SW263", name=call)
        return time_constant(getattr(cls.stands_for, name), call)


def _make_timestamp(*args: Any, **kwargs: Any) -> Any:
    call = "pd.Timestamp"
    given = [unwrapped(a) for a in (*args, *kwargs.values())]
    if any(isinstance(a, Traced) for a in given) or not kwargs.keys() <= _TIMESTAMP_ARGUMENTS:
        refuse("SW262", call=call, what="a column or such an argument")
    if not given:
        refuse("SW263", name="pd.Timestamp()")
    _checked_text(args, call)
    named = {name: unwrapped(a) for name, a in kwargs.items()}
    return time_constant(run_prototype(call, pd.Timestamp, *given[: len(args)], **named), call)


def _make_timedelta(*args: Any, **kwargs: Any) -> Any:
    call = "pd.Timedelta"
    given = [unwrapped(a) for a in args]
    if any(isinstance(a, Traced) for a in (*given, *kwargs.values())):
        refuse("SW262", call=call, what="a column")
    return time_constant(run_prototype(call, pd.Timedelta, *given, **kwargs), call)


def _make_numpy_time(name: str) -> Any:
    """Returns np.datetime64 or np.timedelta64, converted as pandas converts them next to a Series, their only supported use."""

    def make(*args: Any) -> Any:
        call = f"np.{name}"
        given = [unwrapped(a) for a in args]
        if name == "datetime64":
            _checked_text(args[:1], call)
        if not given or not all(isinstance(a, str | int | datetime.date | datetime.timedelta) for a in given):
            refuse("SW262", call=call, what="such an argument")
        real, kind = getattr(np, name), pd.Timestamp if name == "datetime64" else pd.Timedelta
        return time_constant(run_prototype(call, lambda: kind(real(*given))), call)

    return make


def converted(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Converts one constant by pd.to_datetime or pd.to_timedelta."""
    call = f"pd.{function.__name__}"
    given = unwrapped(args[0]) if len(args) == 1 else None
    if not isinstance(given, str | int | float | datetime.date | datetime.timedelta) or not kwargs.keys() <= {"unit", "errors"}:
        refuse("SW263", name=f"{call} of such constants")
    if isinstance(given, str) and function is pd.to_datetime and not DATE_TEXT.fullmatch(given):
        refuse("SW263", name=f"{call}({given!r})")  # such as "now", which is a time
    return time_constant(run_prototype(call, function, given, **kwargs), call)


_TIMESTAMP_ARGUMENTS = frozenset("ts_input unit year month day hour minute second microsecond nanosecond".split())
_BOUNDS = frozenset({"min", "max"})

TimestampStandIn = class_stand_in(pd.Timestamp, "pd.Timestamp", _make_timestamp, _TimeMeta, constants=_BOUNDS)
TimedeltaStandIn = class_stand_in(pd.Timedelta, "pd.Timedelta", _make_timedelta, _TimeMeta, constants=_BOUNDS)
Datetime64StandIn, Timedelta64StandIn = (
    class_stand_in(real, f"np.{real.__name__}", _make_numpy_time(real.__name__), _TimeMeta, constants=frozenset())
    for real in (np.datetime64, np.timedelta64)
)
_STAND_INS = {
    pd.Timestamp: TimestampStandIn,
    pd.Timedelta: TimedeltaStandIn,
    np.datetime64: Datetime64StandIn,
    np.timedelta64: Timedelta64StandIn,
}


def stand_in(obj: Any) -> Any:
    """Returns the stand-in of a time class, or a captured time as a constant; None for any other object."""
    if isinstance(obj, np.datetime64 | np.timedelta64):
        kind = pd.Timestamp if isinstance(obj, np.datetime64) else pd.Timedelta
        obj = run_prototype(f"np.{type(obj).__name__}", kind, obj)
    if obj is pd.NaT or type(obj) in (pd.Timestamp, pd.Timedelta):
        return time_constant(obj, "a captured time")
    return _STAND_INS.get(obj) if isinstance(obj, type) else None
