"""Lowers Python's datetime.date of a row to IR: fields, comparisons and differences in days."""

from __future__ import annotations

import datetime
import operator
from typing import Any

from sparkweld.ir import Value
from sparkweld.ir.ops.calendar import DatePart
from sparkweld.ir.ops.strings import StrCall
from sparkweld.ir.types import DATE, I32, I64, STR
from udf_compiler.frontends.python import datetime_values, undefined
from udf_compiler.frontends.python.durations import DAY, duration, is_duration, microseconds, number_op
from udf_compiler.frontends.python.operands import as_int, guard_between, make_bool, make_int
from udf_compiler.frontends.python.path_explorer import explorer
from udf_compiler.frontends.python.values import TracedScalar, is_scalar
from udf_compiler.frontends.tracing.constants import ConstantDate
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.values import COMPARISONS, raw

#: The first and the last date of Python in days since 1970, and the ordinal of 1970-01-01.
FIRST, LAST, EPOCH = -719162, 2932896, 719163

PARTS = {"year": (1, 9999), "month": (1, 12), "day": (1, 31)}

#: The attributes that a datetime has in common with its date.
FIELDS = frozenset((*PARTS, "weekday", "isoweekday", "isocalendar", "toordinal"))


def is_date(x: object) -> bool:
    """Whether `x` is a date of the row or a constant date; a datetime is not."""
    return (is_scalar(x) and x.kind == "date") or type(x) in (datetime.date, ConstantDate)  # type: ignore[attr-defined]


def as_date(x: Any) -> Value:
    """Returns a date as days since 1970-01-01."""
    return x.value if is_scalar(x) else explorer().loop.const(x.toordinal() - EPOCH, DATE)


def _days(x: Any) -> Value:
    loop = explorer().loop
    return loop.cast(loop.cast(as_date(x), I32), I64)


def binary(name: str, a: Any, b: Any) -> Any:
    """Applies an operator with a date of the row as one operand."""
    if is_date(a) and is_date(b):
        if name in COMPARISONS:
            return make_bool(explorer().loop.call(COMPARISONS[name], as_date(a), as_date(b)))
        if name == "sub":
            days = make_int(explorer().loop.call("subtract", _days(a), _days(b)), (FIRST - LAST, LAST - FIRST))
            return duration(number_op("mul", days, DAY))
    if name in ("add", "sub") and is_date(a) and is_duration(b):
        return _moved(name, a, b)
    if name == "add" and is_date(b) and is_duration(a):
        return _moved(name, b, a)
    other = b if is_scalar(a) else a
    if isinstance(other, datetime.date | datetime.timedelta) and not is_scalar(other):
        refuse("SW264", call=f"{name} with {raw(other)}")
    return undefined.operator(name, a, b)


def _moved(name: str, x: Any, span: Any) -> TracedScalar:
    """Returns the date some days later; OverflowError outside the years 1 to 9999. The time part of a timedelta is ignored."""
    run, loop = explorer(), explorer().loop
    days = number_op("floordiv", microseconds(span), DAY)
    moved = as_int(number_op(name, make_int(_days(x), (FIRST, LAST)), days))
    low, high = loop.const(FIRST, I64), loop.const(LAST, I64)
    outside = loop.call("logical_or", loop.call("less", moved, low), loop.call("greater", moved, high))
    run.raise_if(outside, lambda: OverflowError("date value out of range"))
    return TracedScalar("date", loop.cast(loop.cast(moved, I32), DATE))


def attribute(x: TracedScalar, name: str) -> Any:
    """Returns ``x.name`` of a date; refuses unsupported attributes (SW264)."""
    if name in PARTS:
        return _part(x, name, PARTS[name])
    if name == "weekday":
        return lambda: _part(x, "weekday", (0, 6))
    if name == "isoweekday":
        return lambda: _part(x, "weekday", (0, 6)) + 1
    if name == "toordinal":
        return lambda: make_int(_days(x), (FIRST, LAST))._binary("add", EPOCH, False)
    if name == "isocalendar":
        return lambda: IsoCalendar(
            (_part(x, "iso_year", (0, 10_000)), _part(x, "iso_week", (1, 53)), _part(x, "weekday", (0, 6)) + 1)
        )
    if name == "timetuple":
        return lambda: time_tuple(x, (0, 0, 0))
    if name == "isoformat":
        return lambda: TracedScalar("str", iso_text(x.value))
    if name == "strftime":
        return lambda format: datetime_values.formatted(datetime_values.of_date(x.value), format, "datetime", "date.strftime")
    if name == "replace":
        return lambda *args, **kwargs: TracedScalar("date", replaced(x, _named(args, kwargs)))
    refuse("SW264", call=f"date.{name}")


def _named(args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    given = dict(zip(PARTS, args, strict=False)) | kwargs
    if not given or not given.keys() <= PARTS.keys() or len(given) < len(args) + len(kwargs):
        refuse("SW262", call="date.replace", what="this form")
    return given


def replaced(x: Any, given: dict[str, Any]) -> Value:
    """Returns a date with other parts; ValueError where it does not exist."""
    parts = [given.get(name, _part(x, name, span)) for name, span in PARTS.items()]
    loop = explorer().loop
    return loop.cast(loop.cast(datetime_values.day_number(parts[0], parts[1], parts[2], "date.replace"), I32), DATE)


class IsoCalendar(tuple[Any, ...]):
    """The result of isocalendar(), whose elements also have names."""

    __slots__ = ()

    year, week, weekday = (property(operator.itemgetter(at)) for at in range(3))


class TimeTuple(tuple[Any, ...]):
    """The result of timetuple(), whose elements also have names."""

    __slots__ = ()

    tm_year, tm_mon, tm_mday, tm_hour, tm_min, tm_sec, tm_wday, tm_yday, tm_isdst = (
        property(operator.itemgetter(at)) for at in range(9)
    )


def time_tuple(x: Any, clock: tuple[Any, Any, Any]) -> TimeTuple:
    """Returns ``timetuple()`` of a date and the fields of a clock."""
    day = (_part(x, name, span) for name, span in PARTS.items())
    return TimeTuple((*day, *clock, _part(x, "weekday", (0, 6)), _part(x, "day_of_year", (1, 366)), -1))


def iso_text(x: Value) -> Value:
    """Returns ``date.isoformat()``, which equals str()."""
    loop, dash = x.loop, x.loop.const("-", STR)
    days = loop.cast(x, I32)
    parts = []
    for part, width in (("year", 4), ("month", 2), ("day", 2)):
        number = loop.emit(StrCall("int_to_str"), loop.cast(loop.emit(DatePart(part), days), I64))
        parts.append(loop.emit(StrCall("zfill", (width,)), number))
    return loop.emit(StrCall("concat"), parts[0], dash, parts[1], dash, parts[2])


def _part(x: TracedScalar, part: str, span: tuple[int, int]) -> Any:
    loop = explorer().loop
    return make_int(loop.cast(loop.emit(DatePart(part), loop.cast(x.value, I32)), I64), span)


def guard_python_date(value: Value) -> None:
    """Guards rows whose date is outside Python's range: conversion to Python raises for them."""
    loop = explorer().loop
    guard_between(loop, loop.cast(loop.cast(value, I32), I64), FIRST, LAST)
