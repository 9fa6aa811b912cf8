"""Represents the module datetime and its classes: constructors, parsers and constants, but not the clock.

Calls with values of the row make values of the row; others make constants.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any

from sparkweld.ir import Value
from sparkweld.ir.ops import StrCall
from sparkweld.ir.python_rules import RULES
from sparkweld.ir.time_formats import parsed_items
from sparkweld.ir.types import BOOL, DATE, F64, I32, I64
from udf_compiler.frontends.python import datetime_values, durations, json_values
from udf_compiler.frontends.python.conditions import both
from udf_compiler.frontends.python.durations import SECOND, number_op
from udf_compiler.frontends.python.local_time import local_offset
from udf_compiler.frontends.python.operands import as_float, as_int, guard_between, is_number, is_text, kind_of, raise_type_error
from udf_compiler.frontends.python.path_explorer import explorer
from udf_compiler.frontends.python.values import TracedScalar, is_scalar
from udf_compiler.frontends.python.zoned_datetimes import of_local, of_utc, zone_of
from udf_compiler.frontends.tracing.class_stand_ins import ClassStandIn, class_stand_in
from udf_compiler.frontends.tracing.constants import ConstantDate, ConstantDatetime, constant_date
from udf_compiler.frontends.tracing.exceptions import as_python
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.signatures import check_form
from udf_compiler.frontends.tracing.stand_ins import module_stand_in
from udf_compiler.frontends.tracing.values import Traced, raw

_UTC = datetime.timezone.utc

#: How %z reads the offset of UTC.
_UTC_ZONES = ("Z", "+0000", "-0000", "+00:00", "-00:00")


class _DateMeta(ClassStandIn):
    """The metaclass of the stand-ins of date and datetime."""

    constants: frozenset[str]
    made: Any
    calls: dict[str, Callable[..., Any]]

    def __getattr__(cls, name: str) -> Any:
        if name in cls.calls:
            return _of_row_or_constant(cls.calls[name], _constant(cls.made, name), f"{cls.label}.{name}")
        if name not in cls.constants:
            refuse("SW263", name=f"{cls.label}.{name}")
        return constant_date(getattr(cls.stands_for, name)) if name in ("min", "max") else _constant(cls.made, name)


def _constant(made: Any, name: str) -> Callable[..., Any]:
    """Returns a class method of constants; refuses (SW263) strptime with a format that depends on locale or zone."""
    real = getattr(made, name)

    def call(*args: Any, **kwargs: Any) -> Any:
        if name == "strptime" and len(args) == 2 and type(args[1]) is str and parsed_items(_zoned(args[1])[0]) is None:
            refuse("SW263", name=f"datetime.strptime with the format {args[1]!r}")
        if name == "fromtimestamp" and any(x is not _UTC for x in (*args[1:], *kwargs.values())):
            refuse("SW263", name="a datetime with a time zone")
        if name == "fromtimestamp" and len(args) + len(kwargs) == 1:
            local_offset()
        found = as_python(real, *args, **kwargs)
        if name == "strptime" and found.tzinfo not in (None, _UTC):
            refuse("SW263", name="a datetime with a time zone")
        return found

    return call


def _of_row_or_constant(of_row: Callable[..., Any], of_constants: Callable[..., Any], call: str) -> Callable[..., Any]:
    def called(*args: Any, **kwargs: Any) -> Any:
        if not _has_row((*args, *kwargs.values())):
            return of_constants(*args, **kwargs)
        check_form(of_row, args, kwargs, call)
        return of_row(*args, **kwargs)

    return called


def _has_row(values: tuple[Any, ...]) -> bool:
    return any(issubclass(type(x), Traced) for x in values)


def _date(*args: Any, **kwargs: Any) -> Any:
    return as_python(ConstantDate, *args, **kwargs)


def _datetime(*args: Any, **kwargs: Any) -> Any:
    """Creates a datetime; refuses (SW263) a zone other than UTC."""
    if not all(x is None or x is _UTC for x in (*args[7:], kwargs.get("tzinfo"))):
        refuse("SW263", name="a datetime with a time zone")
    return as_python(ConstantDatetime, *args, **kwargs)


def _row_date(year: Any, month: Any = None, day: Any = None) -> TracedScalar:
    loop = explorer().loop
    return TracedScalar("date", loop.cast(loop.cast(datetime_values.day_number(year, month, day, "datetime.date"), I32), DATE))


def _row_datetime(
    year: Any, month: Any = None, day: Any = None, hour: Any = 0, minute: Any = 0, second: Any = 0, microsecond: Any = 0,
    tzinfo: Any = None, *, fold: Any = 0,
) -> Any:  # fmt: skip
    zone = zone_of(tzinfo)
    if (zone is None and tzinfo not in (None, _UTC)) or fold != 0:
        refuse("SW263", name="a datetime with a time zone or a fold")
    loop, call = explorer().loop, "datetime.datetime"
    midnight = loop.call("multiply", datetime_values.day_number(year, month, day, call), loop.const(durations.DAY, I64))
    clock = dict(zip(datetime_values.CLOCK, (hour, minute, second, microsecond), strict=True))
    value = datetime_values.combined(midnight, clock, call)
    if zone is not None:
        return of_local(value, zone)
    return datetime_values.new(value, "datetime" if tzinfo is None else "utc")


def _strptime(date_string: Any, format: Any) -> TracedScalar:
    """Implements datetime.strptime of a string of the row; rows with other characters than ASCII are guarded.

    A format may end with %z: rows whose offset is not that of UTC are guarded.
    """
    call = "datetime.strptime"
    if type(format) is not str:
        refuse("SW262", call=call, what="a format that is not constant")
    clock, has_zone = _zoned(format)
    if parsed_items(clock) is None:
        refuse("SW262", call=call, what=f"the format {format!r}")
    text = _text(date_string, call)
    run, loop = explorer(), explorer().loop
    run.guard(loop.emit(StrCall("is_ascii"), text))
    return datetime_values.new(_time_of(_without_zone(text) if has_zone else text, clock), "utc" if has_zone else "datetime")


def _zoned(format: str) -> tuple[str, bool]:
    """Returns a format without %z at its end, and whether it has one."""
    has_zone = format.endswith("%z") and (len(format) - len(format[:-1].rstrip("%"))) % 2 == 0
    return (format[:-2], True) if has_zone else (format, False)


def _without_zone(text: Value) -> Value:
    """Returns a string without the offset of UTC at its end; other rows are guarded."""
    run, loop = explorer(), explorer().loop
    ends, rest = loop.const(False, BOOL), text
    for zone in _UTC_ZONES:  # none ends with another
        ends_with = loop.emit(StrCall("ends_with", (zone,)), text)
        rest = loop.select(ends_with, loop.emit(StrCall("remove_suffix", (zone,)), text), rest)
        ends = loop.call("logical_or", ends, ends_with)
    run.guard(ends)
    return rest


def _time_of(text: Value, format: str) -> Value:
    run, loop = explorer(), explorer().loop
    found = loop.emit(StrCall("strptime", (format,)), text)
    run.raise_if(loop.call("logical_not", loop.is_valid(found)), lambda: ValueError("time data does not match format"))
    return loop.value_of(found)


def _text(x: Any, call: str) -> Value:
    if is_text(x):
        return x.value  # type: ignore[no-any-return]
    if is_scalar(x) and not x.is_list:
        raise_type_error(f"{call}: argument must be str")
    refuse("SW262", call=call, what=raw(x))


def _from_iso(text: Value, lengths: tuple[int, int]) -> Value:
    """Returns the time of a string in a common form of ISO 8601, in which all fields have all digits.

    Other rows are guarded, except those that no form of ISO 8601 matches. They do not begin with a digit, or no such date exists.
    """
    run, loop = explorer(), explorer().loop
    size = loop.emit(StrCall("length"), text)
    low, high = (loop.const(length, I64) for length in lengths)
    found = loop.emit(StrCall("parse_iso"), text)
    inside = both(loop, loop.call("greater_equal", size, low), loop.call("less_equal", size, high))
    decided = both(loop, inside, loop.is_valid(found))
    begin = loop.emit(StrCall("slice", (None, 1, 1)), text)
    digits = loop.emit(StrCall("fixed_digits", ("0000-00-00",)), text)
    no_date = both(loop, loop.is_valid(digits), loop.call("logical_not", loop.is_valid(found)))
    never = loop.call("logical_or", loop.call("logical_not", loop.emit(StrCall("isdigit"), begin)), no_date)
    run.guard(both(loop, loop.emit(StrCall("is_ascii"), text), loop.call("logical_or", decided, never)))
    run.raise_if(never, lambda: ValueError("Invalid isoformat string"))
    return loop.value_of(found)


def _date_from_iso(date_string: Any) -> TracedScalar:
    return datetime_values.date(datetime_values.new(_from_iso(_text(date_string, "date.fromisoformat"), (10, 10))))


def _datetime_from_iso(date_string: Any) -> TracedScalar:
    text = _text(date_string, "datetime.fromisoformat")
    loop = explorer().loop
    for suffix in (("Z",) if RULES.reads_iso_zones else ()) + ("+00:00",):
        if explorer().decide(loop.emit(StrCall("ends_with", (suffix,)), text)):
            return datetime_values.new(_from_iso(loop.emit(StrCall("remove_suffix", (suffix,)), text), (16, 26)), "utc")
    return datetime_values.new(_from_iso(text, (10, 26)))


def _from_timestamp(timestamp: Any, tz: Any = None) -> Any:
    """Implements datetime.fromtimestamp; rows outside the years 1 to 9999, or that are NaN, are guarded."""
    value, zone = _of_seconds(timestamp, "datetime.fromtimestamp"), zone_of(tz)
    if zone is not None:
        return of_utc(value, zone)
    if tz not in (None, _UTC):
        refuse("SW262", call="datetime.fromtimestamp", what="a zone that is not constant")
    if tz is None:
        loop = explorer().loop
        value = loop.call("add", value, loop.const(local_offset(), I64))
    return datetime_values.new(value, "datetime" if tz is None else "utc")


def _utc_from_timestamp(timestamp: Any) -> TracedScalar:
    return datetime_values.new(_of_seconds(timestamp, "datetime.utcfromtimestamp"))


def _of_seconds(x: Any, call: str) -> Value:
    """Returns seconds since 1970 in microseconds, rounded to the nearest even as CPython does."""
    x = json_values.settled(x)
    if not is_number(x):
        if x is None or is_text(x) or type(x) is json_values.TracedJson:
            raise_type_error(f"{call}: an integer is required")
        refuse("SW262", call=call, what=raw(x))
    loop = explorer().loop
    low, high = datetime_values.FIRST_CONVERTED, datetime_values.LAST_CONVERTED
    if kind_of(x) != "float":
        guard_between(loop, as_int(x), low // SECOND, high // SECOND)
        return as_int(number_op("mul", x, SECOND))
    value = as_float(x)
    above = loop.call("greater_equal", value, loop.const(float(low // SECOND), F64))
    explorer().guard(both(loop, above, loop.call("less_equal", value, loop.const(float(high // SECOND), F64))))
    whole = loop.call("trunc", value)
    part = loop.call("rint", loop.call("multiply", loop.call("subtract", value, whole), loop.const(float(SECOND), F64)))
    seconds = loop.call("multiply", loop.cast(whole, I64), loop.const(SECOND, I64))
    return loop.call("add", seconds, loop.cast(part, I64))


def _combine(date: Any, time: Any) -> TracedScalar:
    """Implements datetime.combine of a date of the row and a constant naive time."""
    if type(time) is not datetime.time or time.tzinfo is not None or not is_scalar(date) or date.kind not in ("date", "datetime"):
        refuse("SW262", call="datetime.combine", what=raw(time))
    day = date if date.kind == "date" else datetime_values.date(date)
    clock = {name: getattr(time, name) for name in datetime_values.CLOCK}
    return datetime_values.new(datetime_values.combined(datetime_values.of_date(day.value), clock, "datetime.combine"))


DATE_CLASS = class_stand_in(
    datetime.date, "datetime.date", _of_row_or_constant(_row_date, _date, "datetime.date"), _DateMeta, made=ConstantDate,
    constants=frozenset({"min", "max", "fromordinal", "fromisocalendar"}), calls={"fromisoformat": _date_from_iso},
)  # fmt: skip
DATETIME_CLASS = class_stand_in(
    datetime.datetime, "datetime.datetime", _of_row_or_constant(_row_datetime, _datetime, "datetime.datetime"), _DateMeta,
    made=ConstantDatetime, constants=frozenset({"min", "max", "fromordinal"}),
    calls={
        "fromisoformat": _datetime_from_iso, "strptime": _strptime, "fromtimestamp": _from_timestamp,
        "utcfromtimestamp": _utc_from_timestamp, "combine": _combine,
    },
)  # fmt: skip


class _PlainMeta(ClassStandIn):
    """The metaclass of the stand-ins of timedelta and time, whose objects are ordinary constants."""

    def __getattr__(cls, name: str) -> Any:
        return getattr(cls.stands_for, name)


def _timedelta(*args: Any, **kwargs: Any) -> Any:
    return as_python(datetime.timedelta, *args, **kwargs)


TIMEDELTA_CLASS = class_stand_in(
    datetime.timedelta, "datetime.timedelta", _of_row_or_constant(durations.new, _timedelta, "datetime.timedelta"), _PlainMeta
)



def _time(*args: Any, **kwargs: Any) -> Any:
    if _has_row((*args, *kwargs.values())):
        refuse("SW262", call="datetime.time", what="a value of the row")
    return as_python(datetime.time, *args, **kwargs)


def _timezone(*args: Any, **kwargs: Any) -> Any:
    if _has_row((*args, *kwargs.values())):
        refuse("SW262", call="datetime.timezone", what="a value of the row")
    return as_python(datetime.timezone, *args, **kwargs)


_CLASSES = {
    "date": DATE_CLASS, "datetime": DATETIME_CLASS, "timedelta": TIMEDELTA_CLASS,
    "time": class_stand_in(datetime.time, "datetime.time", _time, _PlainMeta),
    "timezone": class_stand_in(datetime.timezone, "datetime.timezone", _timezone, _PlainMeta),
}  # fmt: skip


def _attribute(name: str) -> Any:
    if name == "UTC":
        return _UTC
    if name not in _CLASSES:
        refuse("SW263", name=f"datetime.{name}")
    return _CLASSES[name]


MODULE = module_stand_in(datetime, "datetime", _attribute)

_BY_OBJECT: dict[int, Any] = {id(datetime): MODULE}
_BY_OBJECT |= {id(getattr(datetime, name)): made for name, made in _CLASSES.items()}


def stand_in(obj: Any) -> Any:
    """Returns the stand-in of the module datetime or of one of its classes, or None."""
    return _BY_OBJECT.get(id(obj))


__all__ = ["DATETIME_CLASS", "DATE_CLASS", "MODULE", "TIMEDELTA_CLASS", "stand_in"]
