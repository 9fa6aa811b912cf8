"""Represents Python datetimes of a row in a constant time zone, by their local time and offset from UTC."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from sparkweld.ir import Value
from sparkweld.ir.types import I64
from udf_compiler.frontends.python import calendar, datetime_values
from udf_compiler.frontends.python.datetime_values import FIRST, LAST, kind_of_datetime, micros, raise_outside
from udf_compiler.frontends.python.durations import DAY, SECOND, duration, is_duration, number_op
from udf_compiler.frontends.python.durations import microseconds as microseconds_of
from udf_compiler.frontends.python.operands import (
    as_int,
    as_text,
    concatenated,
    guard_between,
    make_bool,
    make_int,
    make_text,
    raise_type_error,
)
from udf_compiler.frontends.python.path_explorer import explorer
from udf_compiler.frontends.python.values import TracedScalar, scalar_kind
from udf_compiler.frontends.python.zone_tables import Zone
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.signatures import check_form
from udf_compiler.frontends.tracing.stand_ins import StandIn, absent_of
from udf_compiler.frontends.tracing.values import COMPARISONS, Traced, symbol


class ZoneConstant(StandIn):
    """A tzinfo object that a function captures or makes of a constant."""

    __slots__ = ("zone",)
    what = "time zone"

    def __init__(self, zone: Zone) -> None:
        self.zone = zone

    @property  # type: ignore[override]
    def stands_for(self) -> type:
        return type(self.zone.tz)

    def __getattr__(self, name: str) -> Any:
        if name in ("zone", "key"):
            return getattr(self.zone.tz, name)
        if name not in ("localize", "normalize") or not self.zone.in_pytz:
            refuse("SW264", call=f".{name} of a time zone")
        return self._localize if name == "localize" else self._normalize

    def _localize(self, dt: Any, is_dst: Any = False) -> Any:
        dt = _present(dt)
        if kind_of_datetime(dt) != "datetime" or (is_dst is not None and type(is_dst) is not bool):
            refuse("SW262", call="localize of a time zone", what="another argument than a naive datetime")
        local = micros(dt)
        return TracedZoned(local, self.zone.localized(local, is_dst), self.zone)

    def _normalize(self, dt: Any, is_dst: Any = False) -> Any:
        dt = _present(dt)
        if type(dt) is not TracedZoned or not dt.zone.in_pytz:
            refuse("SW262", call="normalize of a time zone", what="another argument than a datetime in a zone of pytz")
        return of_utc(utc_of(dt), self.zone)


@lru_cache(maxsize=64)
def zone_constant(tz: Any, in_pytz: bool) -> ZoneConstant:
    """Returns the constant of a tzinfo object: the same one each time, as code may test it by `is`."""
    return ZoneConstant(Zone(tz, in_pytz))


def _present(x: Any) -> Any:
    """Returns an argument of which pytz reads `tzinfo`; AttributeError where it is None."""
    if x is None:
        raise absent_of(type(None), "tzinfo")
    return x


def zone_of(tz: object) -> Zone | None:
    """Returns the zone of a constant tzinfo other than UTC; None for anything else."""
    if type(tz) is ZoneConstant:
        return object.__getattribute__(tz, "zone")  # type: ignore[no-any-return]
    return Zone(tz) if type(tz) is datetime.timezone and tz is not datetime.timezone.utc else None


class TracedZoned(Traced):
    """A datetime of the row with a tzinfo: its local time and its offset from UTC, in microseconds.

    `moved`: it keeps the tzinfo of another time, as those of pytz do, so its name and `dst` are unknown.
    """

    __slots__ = ("local", "moved", "offset", "zone")
    what = "datetime with a time zone"
    stands_for = datetime.datetime

    def __init__(self, local: Value, offset: Value, zone: Zone, moved: bool = False) -> None:
        self.local, self.offset, self.zone, self.moved = local, offset, zone, moved

    def __bool__(self) -> bool:
        return True

    def __format__(self, spec: str) -> str:
        text = _strftime(self, spec) if spec else _iso(self, " ")
        return scalar_kind(text).format(text, "")

    def __getattr__(self, name: str) -> Any:
        if name in datetime_values.CLOCK or name in calendar.FIELDS or name == "date":
            return getattr(_naive(self), name)
        if name == "tzinfo":
            return _constant(self.zone)
        if name not in _METHODS:
            refuse("SW264", call=f".{name} of a datetime with a time zone")
        method = _METHODS[name]

        def called(*args: Any, **kwargs: Any) -> Any:
            check_form(method, (self, *args), kwargs, f"datetime.{name}")
            return method(self, *args, **kwargs)

        return called

    def _binary(self, name: str, other: Any, reflected: bool) -> Any:
        if other is None:
            return name == "ne" if name in ("eq", "ne") else raise_type_error(f"unsupported operand type(s) for {symbol(name)}")
        if is_duration(other) and (name == "add" or (name == "sub" and not reflected)):
            return _moved(self, name, other)
        if type(other) is TracedZoned or kind_of_datetime(other):
            return _of_two(name, self, other, reflected)
        refuse("SW264", call=f"{name} of a datetime with a time zone")


def of_utc(utc: Value, zone: Zone) -> TracedZoned:
    """Returns a time in UTC as a datetime of the zone."""
    guard_between(utc.loop, utc, datetime_values.FIRST_CONVERTED, datetime_values.LAST_CONVERTED)
    offset = zone.of_utc(utc)
    return TracedZoned(utc.loop.call("add", utc, offset), offset, zone)


def of_local(local: Value, zone: Zone) -> TracedZoned:
    """Returns a local time as a datetime of the zone whose fold is 0."""
    return TracedZoned(local, zone.of_local(local), zone, moved=zone.in_pytz)


def utc_of(x: TracedZoned) -> Value:
    """Returns the time in UTC; those at the ends of the calendar are guarded, since Python may raise."""
    loop = x.local.loop
    guard_between(loop, x.local, datetime_values.FIRST_CONVERTED, datetime_values.LAST_CONVERTED)
    return loop.call("subtract", x.local, x.offset)


def as_timestamp(x: Any) -> Any:
    """Returns a datetime with a zone as one in UTC, which Spark stores as the same timestamp; other objects unchanged."""
    return datetime_values.new(utc_of(x), "utc") if type(x) is TracedZoned else x


def _constant(zone: Zone) -> Any:
    """Returns the tzinfo of a datetime. That of one of pytz depends on the row."""
    if zone.in_pytz and zone.fixed is None:
        refuse("SW264", call=".tzinfo of a datetime in a zone of pytz")
    return zone.tz if type(zone.tz) is datetime.timezone else zone_constant(zone.tz, zone.in_pytz)


def _naive(x: TracedZoned) -> TracedScalar:
    return datetime_values.new(x.local)


def _guard_fold(x: TracedZoned) -> None:
    """Guards rows whose fold is 1, which other datetimes made of this one keep."""
    if not x.zone.in_pytz and x.zone.fixed is None:
        explorer().guard(x.local.loop.call("equal", x.offset, x.zone.of_local(x.local)))


def _moved(x: TracedZoned, name: str, span: Any) -> TracedZoned:
    """Returns the datetime at another local time. Its fold is 0; one of pytz keeps its offset."""
    local = as_int(number_op(name, make_int(x.local, (FIRST, LAST)), microseconds_of(span)))
    raise_outside(local)
    return TracedZoned(local, x.offset, x.zone, moved=True) if x.zone.in_pytz else of_local(local, x.zone)


def _of_two(name: str, x: TracedZoned, other: Any, reflected: bool) -> Any:
    kind = "" if type(other) is TracedZoned else kind_of_datetime(other)
    if kind == "datetime":
        return name == "ne" if name in ("eq", "ne") else raise_type_error("can't compare offset-naive and offset-aware datetimes")
    loop = x.local.loop
    # Of two datetimes with one tzinfo, Python reads the local times only. Those of pytz with one tzinfo have one offset.
    if kind == "" and other.zone.tz is x.zone.tz and not x.zone.in_pytz:
        pair = (x.local, other.local)
    else:
        if name in ("eq", "ne"):  # times with a fold equal none in another zone
            zones = (x.zone,) if kind else (x.zone, other.zone)
            if not all(zone.in_pytz or zone.fixed is not None for zone in zones):
                refuse("SW264", call="equality of datetimes in two time zones")
        pair = (utc_of(x), micros(other) if kind else utc_of(other))
    pair = pair[::-1] if reflected else pair
    if name in COMPARISONS:
        return make_bool(loop.call(COMPARISONS[name], *pair))
    if name != "sub":
        refuse("SW264", call=f"{name} of two datetimes")
    return duration(make_int(loop.call("subtract", *pair), (FIRST - LAST - 2 * DAY, LAST - FIRST + 2 * DAY)))


def _offset(x: TracedZoned) -> Any:
    return duration(make_int(x.offset, (-DAY, DAY)))


def _described(what: str) -> Callable[[TracedZoned], Any]:
    def described(x: TracedZoned) -> Any:
        if x.moved and x.zone.fixed is None:
            refuse("SW264", call=f".{what} of a datetime of pytz that was moved")
        return x.zone.described(what, utc_of(x), x.offset)

    return described


def _timestamp(x: TracedZoned) -> Any:
    return number_op("truediv", make_int(utc_of(x), (FIRST - DAY, LAST + DAY)), SECOND)


def _as_zone(x: TracedZoned, tz: Any = None) -> Any:
    zone = zone_of(tz)
    if zone is None and tz is not datetime.timezone.utc:
        refuse("SW262", call="datetime.astimezone", what="a zone that is not constant")
    if zone is None:
        return datetime_values.new(utc_of(x), "utc")
    if zone.tz is x.zone.tz and not zone.in_pytz:
        return x
    if zone.tz is x.zone.tz and x.moved and zone.fixed is None:  # Python returns a datetime whose tzinfo is `tz` unchanged
        loop = x.local.loop
        explorer().guard(loop.call("not_equal", x.offset, loop.const(zone.first, I64)))
    return of_utc(utc_of(x), zone)


def _replace(x: TracedZoned, *args: Any, **given: Any) -> Any:
    """Implements replace; the zone stays unless it is given."""
    _guard_fold(x)
    same = "tzinfo" not in given
    made = _naive(x).replace(*args, **given)
    if not same:
        return made
    return TracedZoned(micros(made), x.offset, x.zone, moved=True) if x.zone.in_pytz else of_local(micros(made), x.zone)


def _strftime(x: TracedZoned, format: Any) -> Any:
    """Implements strftime; %z and %Z are the offset and the name of the zone."""
    call = "datetime.strftime"
    if type(format) is not str:
        refuse("SW262", call=call, what="a format that is not constant")
    pieces: list[Value] = []
    for part in _split(format):
        if part == "%z":
            pieces.append(x.zone.text(x.offset, colon=False))
        elif part == "%Z":
            pieces.append(as_text(x.tzname()))
        elif part:
            pieces.append(datetime_values.formatted(x.local, part, "datetime", call).value)
    return make_text(concatenated(pieces)) if pieces else ""


def _split(format: str) -> list[str]:
    """Splits a format before and after each %z and %Z."""
    parts, at = [""], 0
    while at < len(format):
        directive = format[at : at + (2 if format[at] == "%" else 1)]
        if directive in ("%z", "%Z"):
            parts += [directive, ""]
        else:
            parts[-1] += directive
        at += len(directive)
    return parts


def _iso(x: TracedZoned, sep: Any = "T", timespec: Any = "auto") -> Any:
    text = datetime_values.iso_text(_naive(x), sep, timespec)
    return make_text(concatenated([text.value, x.zone.text(x.offset, colon=True)]))


_METHODS: dict[str, Callable[..., Any]] = {
    "utcoffset": _offset, "timestamp": _timestamp, "astimezone": _as_zone, "replace": _replace, "strftime": _strftime,
    "isoformat": _iso, "dst": _described("dst"), "tzname": _described("tzname"),
}  # fmt: skip
