"""Lowers Python's datetime.datetime of a row to IR: operators, attributes and methods."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from functools import partial
from typing import Any

from sparkweld.ir import Value
from sparkweld.ir.types import F64, I64
from udf_compiler.frontends.python import calendar, datetime_values, undefined
from udf_compiler.frontends.python.datetime_values import FIRST, LAST, kind_of_datetime, micros
from udf_compiler.frontends.python.durations import SECOND, duration, is_duration, number_op, text_of
from udf_compiler.frontends.python.durations import microseconds as microseconds_of
from udf_compiler.frontends.python.local_time import local_offset
from udf_compiler.frontends.python.operands import as_int, guard_between, make_bool, make_float, make_int
from udf_compiler.frontends.python.path_explorer import explorer
from udf_compiler.frontends.python.values import TracedScalar
from udf_compiler.frontends.python.zoned_datetimes import of_local, of_utc, zone_of
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.signatures import check_form
from udf_compiler.frontends.tracing.values import COMPARISONS


def binary(name: str, a: Any, b: Any) -> Any:
    """Applies an operator with a datetime of the row as one operand."""
    kinds = (kind_of_datetime(a), kind_of_datetime(b))
    if all(kinds):
        return _of_two(name, a, b, kinds)
    if name in ("add", "sub") and kinds[0] and is_duration(b):
        return _moved(name, a, b)
    if name == "add" and kinds[1] and is_duration(a):
        return _moved(name, b, a)
    if calendar.is_date(a) or calendar.is_date(b):
        return name == "ne" if name in ("eq", "ne") else undefined.no_operator(name, a, b)
    return undefined.operator(name, a, b)


def _of_two(name: str, a: Any, b: Any, kinds: tuple[str, str]) -> Any:
    if kinds[0] != kinds[1]:  # a naive and an aware one
        return name == "ne" if name in ("eq", "ne") else undefined.no_operator(name, a, b)
    loop = explorer().loop
    if name in COMPARISONS:
        return make_bool(loop.call(COMPARISONS[name], micros(a), micros(b)))
    if name == "sub":
        return duration(make_int(loop.call("subtract", micros(a), micros(b)), (FIRST - LAST, LAST - FIRST)))
    return undefined.no_operator(name, a, b)


def _moved(name: str, x: Any, span: Any) -> TracedScalar:
    moved = number_op(name, make_int(micros(x), (FIRST, LAST)), microseconds_of(span))
    datetime_values.raise_outside(as_int(moved))
    return datetime_values.new(as_int(moved), kind_of_datetime(x))


def attribute(x: Any, name: str) -> Any:
    """Returns ``x.name`` of a datetime; refuses unsupported attributes (SW264)."""
    if name in datetime_values.CLOCK:
        return datetime_values.clock(x, name)
    if name in calendar.FIELDS:
        return calendar.attribute(datetime_values.date(x), name)
    if name == "fold":
        return 0
    if name == "tzinfo":
        return None if kind_of_datetime(x) == "datetime" else datetime.timezone.utc
    if name not in _METHODS:
        refuse("SW264", call=f"datetime.{name}")

    def called(*args: Any, **kwargs: Any) -> Any:
        check_form(partial(_METHODS[name], x), args, kwargs, f"datetime.{name}")
        return _METHODS[name](x, *args, **kwargs)

    return called


def _timestamp(x: Any) -> Any:
    """Returns ``x.timestamp()``: seconds plus a fraction of a naive datetime, a quotient of an aware one."""
    if kind_of_datetime(x) == "utc":
        return number_op("truediv", make_int(micros(x), (FIRST, LAST)), SECOND)
    loop = explorer().loop
    value = _utc(x)
    seconds = loop.cast(loop.call("floor_divide", value, loop.const(SECOND, I64)), F64)
    rest = loop.cast(loop.call("remainder", value, loop.const(SECOND, I64)), F64)
    return make_float(loop.call("add", seconds, loop.call("divide", rest, loop.const(float(SECOND), F64))))


def _utc(x: Any) -> Any:
    """Returns a naive datetime in local time as UTC; those at the ends of the calendar are guarded, since Python raises."""
    loop = explorer().loop
    guard_between(loop, micros(x), datetime_values.FIRST_CONVERTED, datetime_values.LAST_CONVERTED)
    return loop.call("subtract", micros(x), loop.const(local_offset(), I64))


def _as_zone(x: Any, tz: Any = None) -> Any:
    zone = zone_of(tz)
    if zone is None and tz is not datetime.timezone.utc:
        refuse("SW262", call="datetime.astimezone", what="a zone that is not constant")
    utc = micros(x) if kind_of_datetime(x) == "utc" else _utc(x)
    return datetime_values.new(utc, "utc") if zone is None else of_utc(utc, zone)


def _replace(x: Any, *args: Any, **given: Any) -> Any:
    kind = kind_of_datetime(x)
    zone = zone_of(given.get("tzinfo"))
    if zone is not None:
        return of_local(micros(_replace(x, *args, **(given | {"tzinfo": None}))), zone)
    if "tzinfo" in given or "fold" in given:
        tz, fold = given.pop("tzinfo", datetime.timezone.utc if kind == "utc" else None), given.pop("fold", 0)
        if tz not in (None, datetime.timezone.utc) or fold != 0:
            refuse("SW262", call="datetime.replace", what="this zone or fold")
        kind = "datetime" if tz is None else "utc"
    names = (*calendar.PARTS, *datetime_values.CLOCK)
    if len(args) > len(names) or not given.keys() <= set(names):
        refuse("SW262", call="datetime.replace", what="this form")
    given |= dict(zip(names, args, strict=False))
    if not given:
        return datetime_values.new(micros(x), kind)
    if given.keys() & calendar.PARTS.keys():
        day = calendar.replaced(datetime_values.date(x), {k: v for k, v in given.items() if k in calendar.PARTS})
        midnight = datetime_values.of_date(day)
    else:
        midnight = datetime_values.of_date(datetime_values.date(x).value)
    clock = {name: given.get(name, datetime_values.clock(x, name)) for name in datetime_values.CLOCK}
    return datetime_values.new(datetime_values.combined(midnight, clock, "datetime.replace"), kind)


def _format(x: Any, format: Any) -> Any:
    return datetime_values.formatted(micros(x), format, kind_of_datetime(x), "datetime.strftime")


def _clock(x: Any) -> tuple[Any, Any, Any]:
    return datetime_values.clock(x, "hour"), datetime_values.clock(x, "minute"), datetime_values.clock(x, "second")


def _time_tuple(x: Any) -> Any:
    if kind_of_datetime(x) != "datetime":  # tm_isdst is 0
        refuse("SW264", call="timetuple() of a datetime with a zone")
    return calendar.time_tuple(datetime_values.date(x), _clock(x))


def _offset(x: Any) -> Any:
    return None if kind_of_datetime(x) == "datetime" else datetime.timedelta(0)


_METHODS: dict[str, Callable[..., Any]] = {
    "date": datetime_values.date, "timestamp": _timestamp, "isoformat": datetime_values.iso_text, "strftime": _format,
    "replace": _replace, "astimezone": _as_zone, "utcoffset": _offset, "timetuple": _time_tuple,
}  # fmt: skip


def text_of_time(x: TracedScalar) -> Value:
    """Returns ``str(x)``; that of a datetime is exact where `datetime_values.is_formatted`."""
    if x.kind == "timedelta":
        return text_of(x.value)
    if x.kind == "date":
        return calendar.iso_text(x.value)
    return datetime_values.iso_value(x.value.loop.cast(x.value, I64), x.kind, " ")
