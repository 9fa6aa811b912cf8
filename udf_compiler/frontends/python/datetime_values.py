"""Makes datetimes of the row from their fields, and strings from them; a datetime is microseconds since 1970 on its own clock.

A naive datetime is of kind "datetime". One whose tzinfo is `timezone.utc` is of kind "utc"; no other zone is supported.
"""

from __future__ import annotations

import datetime
from typing import Any

from sparkweld.ir import Value
from sparkweld.ir.ops import StrCall
from sparkweld.ir.ops.calendar import DatePart
from sparkweld.ir.time_formats import microseconds as since_1970
from sparkweld.ir.time_formats import written_items
from sparkweld.ir.types import BOOL, DATE, I32, I64, STR, TS
from udf_compiler.frontends.python.conditions import both
from udf_compiler.frontends.python.durations import DAY, SECOND
from udf_compiler.frontends.python.operands import (
    Operand,
    as_int,
    guard_between,
    is_number,
    kind_of,
    make_int,
    raise_type_error,
    span_of,
)
from udf_compiler.frontends.python.path_explorer import explorer
from udf_compiler.frontends.python.values import TracedScalar, is_scalar
from udf_compiler.frontends.tracing.civil import days_of_date
from udf_compiler.frontends.tracing.constants import ConstantDatetime
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.stand_ins import in_place
from udf_compiler.frontends.tracing.values import raw

KINDS = ("datetime", "utc")

#: The first and the last datetime of Python.
FIRST, LAST = since_1970(datetime.datetime.min), since_1970(datetime.datetime.max)

#: Between these times, conversions between zones stay in the years 1 to 9999, as Python requires.
FIRST_CONVERTED, LAST_CONVERTED = FIRST + 2 * DAY, LAST - 2 * DAY

#: Field -> its first and last value, and the microseconds of one unit.
CLOCK = {"hour": (23, 3600 * SECOND), "minute": (59, 60 * SECOND), "second": (59, SECOND), "microsecond": (SECOND - 1, 1)}
_DATE = {"year": (1, 9999), "month": (1, 12), "day": (1, 31)}

_TIMES = {"hours": "%H", "minutes": "%H:%M", "seconds": "%H:%M:%S", "milliseconds": "%H:%M:%S.%f", "microseconds": "%H:%M:%S.%f"}


def kind_of_datetime(x: object) -> str:
    """Returns the kind of a datetime of the row or a constant one; "" for anything else. Refuses (SW264) other zones."""
    if is_scalar(x):
        return x.kind if x.kind in KINDS else ""  # type: ignore[attr-defined, no-any-return]
    if type(x) not in (datetime.datetime, ConstantDatetime):
        return ""
    zone = datetime.datetime.tzinfo.__get__(x)  # type: ignore[attr-defined]
    if zone not in (None, datetime.timezone.utc):
        refuse("SW264", call="a datetime with a zone other than UTC")
    return "datetime" if zone is None else "utc"


def micros(x: Any) -> Value:
    """Returns a datetime in microseconds since 1970 on its own clock."""
    loop = explorer().loop
    if is_scalar(x):
        return loop.cast(x.value, I64)
    return loop.const(since_1970(datetime.datetime.replace(x, tzinfo=None)), I64)


def new(value: Value, kind: str = "datetime") -> TracedScalar:
    return TracedScalar(kind, explorer().loop.cast(value, TS))


def date_of(value: Value) -> Value:
    """Returns the date of a time in microseconds."""
    loop = value.loop
    return loop.cast(loop.cast(loop.call("floor_divide", value, loop.const(DAY, I64)), I32), DATE)


def date(x: Any) -> TracedScalar:
    return TracedScalar("date", date_of(micros(x)))


def of_date(value: Value) -> Value:
    """Returns the midnight of a date."""
    loop = value.loop
    return loop.call("multiply", loop.cast(loop.cast(value, I32), I64), loop.const(DAY, I64))


def clock(x: Any, name: str) -> TracedScalar:
    """Returns the hour, minute, second or microsecond of a datetime."""
    loop = explorer().loop
    last, unit = CLOCK[name]
    units = loop.call("floor_divide", micros(x), loop.const(unit, I64))
    return make_int(loop.call("remainder", units, loop.const(last + 1, I64)), (0, last))


def whole_number(x: Any, call: str) -> Operand:
    """Returns an argument that Python converts to a C int. TypeError for other classes; rows with larger ints are guarded."""
    if x is None or type(x) is str or (is_scalar(x) and x.kind in ("str", "date", "timedelta", *KINDS)):
        raise_type_error("an integer is required")
    if not is_number(x):
        refuse("SW262", call=call, what=raw(x))
    if kind_of(x) == "float":
        raise_type_error("'float' object cannot be interpreted as an integer")
    low, high = span_of(x)
    if low < -(2**31) or high >= 2**31:  # OverflowError instead of ValueError
        guard_between(explorer().loop, as_int(x), -(2**31), 2**31 - 1)
    return x


def day_number(year: Any, month: Any, day: Any, call: str) -> Value:
    """Returns the days since 1970 of a date; ValueError where it does not exist."""
    loop = explorer().loop
    numbers = [whole_number(x, call) for x in (year, month, day)]
    valid = _inside(dict(zip(_DATE, numbers, strict=True)), _DATE)
    made = days_of_date(loop, *map(as_int, numbers))
    narrow = loop.cast(made, I32)
    # A day past the month's end is a day of the next month.
    same = loop.call("equal", loop.cast(loop.emit(DatePart("month"), narrow), I64), as_int(numbers[1]))
    _raise_unless(both(loop, valid, same))
    return made


def combined(midnight: Value, clock_fields: dict[str, Any], call: str) -> Value:
    """Returns a midnight plus the fields of a clock; ValueError where they are out of range."""
    loop = explorer().loop
    numbers = {name: whole_number(x, call) for name, x in clock_fields.items()}
    _raise_unless(_inside(numbers, {name: (0, CLOCK[name][0]) for name in numbers}))
    for name, x in numbers.items():
        if is_scalar(x) or x:
            midnight = loop.call("add", midnight, loop.call("multiply", as_int(x), loop.const(CLOCK[name][1], I64)))
    return midnight


def _inside(numbers: dict[str, Operand], limits: dict[str, tuple[int, int]]) -> Value:
    loop = explorer().loop
    valid = loop.const(True, BOOL)
    for name, x in numbers.items():
        low, high = limits[name]
        first, last = span_of(x)
        if first < low:
            valid = both(loop, valid, loop.call("greater_equal", as_int(x), loop.const(low, I64)))
        if last > high:
            valid = both(loop, valid, loop.call("less_equal", as_int(x), loop.const(high, I64)))
    return valid


def _raise_unless(valid: Value) -> None:
    loop = explorer().loop
    explorer().raise_if(loop.call("logical_not", valid), lambda: ValueError("a field is out of range"))


def formatted(value: Value, format: Any, kind: str, call: str) -> TracedScalar:
    """Implements strftime of a time in microseconds; refuses (SW262) directives that depend on locale or platform."""
    if type(format) is not str:
        refuse("SW262", call=call, what="a format that is not constant")
    if written_items(_with_zone(format, kind)) is None:
        refuse("SW262", call=call, what=f"the format {format!r}")
    explorer().guard(is_formatted(value), local=True)
    return TracedScalar("str", _text(value, _with_zone(format, kind)))


def is_formatted(value: Value) -> Value:
    """Returns the condition that kernels can format a time: its year has four digits."""
    return value.loop.emit(StrCall("strftime_decided"), value)


def _text(value: Value, format: str) -> Value:
    return value.loop.emit(StrCall("strftime", (format,)), value)


def _with_zone(format: str, kind: str) -> str:
    """Returns a format with %z and %Z replaced by their strings."""
    texts = {"%z": "+0000", "%Z": "UTC"} if kind == "utc" else {"%z": "", "%Z": ""}
    parts, at = [], 0
    while at < len(format):
        size = 2 if format[at] == "%" else 1
        parts.append(texts.get(format[at : at + size], format[at : at + size]))
        at += size
    return "".join(parts)


def iso_text(x: Any, sep: Any = "T", timespec: Any = "auto") -> TracedScalar:
    """Implements datetime.isoformat."""
    if type(sep) is not str or len(sep) != 1 or not sep.isascii() or timespec not in ("auto", *_TIMES):
        refuse("SW262", call="datetime.isoformat", what="this form")
    value = micros(x)
    explorer().guard(is_formatted(value), local=True)
    return TracedScalar("str", iso_value(value, kind_of_datetime(x), sep, timespec))


def iso_value(value: Value, kind: str, sep: str, timespec: str = "auto") -> Value:
    """Returns the string of a time, where `is_formatted`; with a space it equals str()."""
    loop, head = value.loop, "%Y-%m-%d" + sep.replace("%", "%%")
    text = _text(value, head + _TIMES["seconds" if timespec == "auto" else timespec])
    if timespec == "milliseconds":
        text = loop.emit(StrCall("slice", (None, -3, 1)), text)
    if timespec == "auto":
        part = loop.call("remainder", value, loop.const(SECOND, I64))
        text = loop.select(loop.call("equal", part, loop.const(0, I64)), text, _text(value, head + _TIMES["microseconds"]))
    return loop.emit(StrCall("concat"), text, loop.const("+00:00", STR)) if kind == "utc" else text


def raise_outside(value: Value) -> None:
    """OverflowError for times outside the years 1 to 9999."""
    run, loop = explorer(), explorer().loop
    low, high = loop.const(FIRST, I64), loop.const(LAST, I64)
    outside = loop.call("logical_or", loop.call("less", value, low), loop.call("greater", value, high))
    run.raise_if(outside, lambda: in_place(OverflowError("date value out of range")))
