"""Lowers Python's datetime.date of a row to IR: fields, comparisons and differences in days."""

from __future__ import annotations

import datetime
from typing import Any, NoReturn

from sparkweld.ir import Value
from sparkweld.ir.ops.calendar import DatePart
from sparkweld.ir.ops.strings import StrCall
from sparkweld.ir.types import DATE, I32, I64, STR
from udf_compiler.frontends.python import undefined
from udf_compiler.frontends.python.operands import guard_between, make_bool, make_int, raise_type_error
from udf_compiler.frontends.python.path_explorer import explorer
from udf_compiler.frontends.python.values import TracedScalar, is_scalar
from udf_compiler.frontends.tracing.constants import ConstantDate
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.stand_ins import in_place
from udf_compiler.frontends.tracing.values import COMPARISONS, Traced, raw

#: The first and the last date of Python in days since 1970, and the ordinal of 1970-01-01.
FIRST, LAST, EPOCH = -719162, 2932896, 719163

_PARTS = {"year": (1, 9999), "month": (1, 12), "day": (1, 31)}


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
            return TracedDays(make_int(explorer().loop.call("subtract", _days(a), _days(b)), (FIRST - LAST, LAST - FIRST)))
    if name in ("add", "sub") and is_date(a) and type(b) is datetime.timedelta:
        return _moved(a, b.days if name == "add" else -b.days)
    if name == "add" and is_date(b) and type(a) is datetime.timedelta:
        return _moved(b, a.days)
    other = b if is_scalar(a) else a
    if isinstance(other, datetime.date | datetime.timedelta) and not is_scalar(other):
        refuse("SW264", call=f"{name} with {raw(other)}")
    return undefined.operator(name, a, b)


def _moved(x: Any, days: int) -> TracedScalar:
    """Returns the date `days` later; OverflowError outside the years 1 to 9999. The time part of a timedelta is ignored."""
    run, loop = explorer(), explorer().loop
    moved = loop.call("add", _days(x), loop.const(max(-(2**40), min(days, 2**40)), I64))
    low, high = loop.const(FIRST, I64), loop.const(LAST, I64)
    outside = loop.call("logical_or", loop.call("less", moved, low), loop.call("greater", moved, high))
    run.raise_if(outside, lambda: OverflowError("date value out of range"))
    return TracedScalar("date", loop.cast(loop.cast(moved, I32), DATE))


def attribute(x: TracedScalar, name: str) -> Any:
    """Returns ``x.name`` of a date; refuses unsupported attributes (SW264)."""
    if name in _PARTS:
        return _part(x, name, _PARTS[name])
    if name == "weekday":
        return lambda: _part(x, "weekday", (0, 6))
    if name == "isoweekday":
        return lambda: _part(x, "weekday", (0, 6)) + 1
    if name == "toordinal":
        return lambda: make_int(_days(x), (FIRST, LAST))._binary("add", EPOCH, False)
    if name == "isocalendar":
        return lambda: (_part(x, "iso_year", (0, 10_000)), _part(x, "iso_week", (1, 53)), _part(x, "weekday", (0, 6)) + 1)
    if name == "isoformat":
        return lambda: TracedScalar("str", iso_text(x.value))
    refuse("SW264", call=f"date.{name}")


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


class TracedDays(Traced):
    """A datetime.timedelta of whole days."""

    __slots__ = ("days",)
    what = "timedelta"
    stands_for = datetime.timedelta
    visible = frozenset({"days"})

    days: Any

    def __init__(self, days: Any) -> None:
        self.days = days

    __class__ = datetime.timedelta  # type: ignore[assignment]

    def __bool__(self) -> bool:
        return bool(self.days != 0)

    def __getattr__(self, name: str) -> Any:
        if name == "total_seconds":
            return lambda: self.days * 86400.0
        if name in ("seconds", "microseconds"):
            return 0
        refuse("SW264", call=f"timedelta.{name}")

    def _binary(self, name: str, other: Any, reflected: bool) -> Any:
        if name in COMPARISONS and not reflected:
            if type(other) is TracedDays:
                return self.days._binary(name, other.days, False)
            if type(other) is datetime.timedelta and other == datetime.timedelta(days=other.days):
                return self.days._binary(name, other.days, False)
        if name in ("eq", "ne") and not isinstance(other, datetime.timedelta):
            return name == "ne"
        if name in COMPARISONS and other is None:
            raise_type_error("not supported between instances of 'datetime.timedelta' and 'NoneType'")
        refuse("SW264", call=f"{name} of a timedelta")

    def _unary(self, name: str) -> Any:
        if name == "invert":
            raise in_place(TypeError("bad operand type for unary ~: 'datetime.timedelta'"))
        return TracedDays({"neg": lambda d: -d, "abs": abs, "pos": lambda d: d}[name](self.days))

    def _in_place(self, name: str, other: Any) -> NoReturn:
        refuse("SW264", call=f"timedelta {name}= ...")
