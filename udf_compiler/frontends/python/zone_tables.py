"""Builds tables of a time zone's offsets by sampling the tzinfo object itself: zoneinfo's, pytz's or datetime.timezone's.

Each table covers the years 1890 to 2110; guards leave rows outside to Python. Changes of an offset from UTC are found on a daily
grid, as the changes of every zone are days apart. A change of a local time's offset is at the local time of such a change, before
or after it. The table is then compared with the object every six hours for three days around each change.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

from sparkweld.ir import Value
from sparkweld.ir.ops import Lookup, Steps
from sparkweld.ir.time_formats import EPOCH
from sparkweld.ir.time_formats import microseconds as since_1970
from sparkweld.ir.types import I64, STR
from udf_compiler.frontends.python.durations import DAY, SECOND, duration
from udf_compiler.frontends.python.operands import guard_between, make_int, make_text
from udf_compiler.frontends.python.path_explorer import explorer
from udf_compiler.frontends.tracing.session import refuse

_FIRST, _LAST = (since_1970(datetime.datetime(year, 1, 1)) for year in (1890, 2110))
_HOUR = 3600 * SECOND
_MICROSECOND = datetime.timedelta(microseconds=1)

#: Represents the offset of a local time for which the object raises.
_NEITHER = 2**62

_OffsetOf = Callable[[int], int]


@dataclass(frozen=True, slots=True, eq=False)
class Zone:
    """A tzinfo object. `in_pytz`: its datetimes keep their offset when they move, until `normalize`."""

    tz: Any
    in_pytz: bool = False

    @property
    def fixed(self) -> int | None:
        """Returns the offset in microseconds of a zone that has only one."""
        offset = self.tz.utcoffset(None)
        return None if offset is None else offset // _MICROSECOND

    @property
    def first(self) -> int:
        """Returns the first offset of a zone of pytz, which the object itself has as the tzinfo of a datetime."""
        return self.tz._utcoffset // _MICROSECOND  # type: ignore[no-any-return]

    def of_utc(self, utc: Value) -> Value:
        """Returns the offset of times in UTC; all times are in microseconds, and rows outside the table are guarded."""
        return self._at(utc, lambda: _of_utc(self.tz))

    def of_local(self, local: Value) -> Value:
        """Returns the offset of local times whose fold is 0."""
        if self.in_pytz and self.fixed is None:  # replace(tzinfo=zone) takes the first offset, whatever the time
            return local.loop.const(self.first, I64)
        return self._at(local, lambda: _of_local(self.tz))

    def localized(self, local: Value, is_dst: bool | None) -> Value:
        """Returns the offset that `localize` of pytz chooses; rows for which it raises are guarded."""
        offset = self._at(local, lambda: _localized(self.tz, is_dst))
        explorer().guard(local.loop.call("not_equal", offset, local.loop.const(_NEITHER, I64)))
        return offset

    def described(self, what: str, utc: Value, offset: Value) -> Any:
        """Returns `tzname` or `dst` of datetimes with these times in UTC; guards rows with another offset than the table has."""
        loop = utc.loop
        if self.fixed is not None:
            return _plain(getattr(self.tz, what)(None), self.tz)
        explorer().guard(loop.call("equal", offset, self.of_utc(utc)))
        found = loop.emit(_described(self.tz, what), utc)
        if what == "dst":
            return duration(make_int(found, (-DAY, DAY)))
        texts: dict[object, object] = dict(enumerate(_names(self.tz)))
        return make_text(loop.value_of(loop.emit(Lookup.of(texts, I64, STR), found)))

    def _at(self, time: Value, table: Callable[[], Steps]) -> Value:
        loop, fixed = time.loop, self.fixed
        if fixed is not None:
            return loop.const(fixed, I64)
        guard_between(loop, time, _FIRST + 4 * DAY, _LAST - 4 * DAY)
        return loop.emit(table(), time)

    def text(self, offset: Value, colon: bool) -> Value:
        """Returns the string of an offset, as isoformat writes it, or as %z does."""
        loop = offset.loop
        known = {self.fixed} if self.fixed is not None else {*map(int, _of_utc(self.tz).values)}
        if self.in_pytz and self.fixed is None:
            known.add(self.first)
        texts: dict[object, object] = {x: _text(x, colon) for x in known}
        return loop.value_of(loop.emit(Lookup.of(texts, I64, STR), offset))


def _text(offset: int, colon: bool) -> str:
    text = datetime.datetime(2000, 1, 1, tzinfo=datetime.timezone(offset * _MICROSECOND)).isoformat()[19:]
    return text if colon else text.replace(":", "")


def _time(microseconds: int) -> datetime.datetime:
    return EPOCH + microseconds * _MICROSECOND


@lru_cache(maxsize=32)
def _of_utc(tz: Any) -> Steps:
    def offset(at: int) -> int:
        utc = _time(at)
        local = _local(tz, at)
        moved = local.replace(tzinfo=None) - utc
        return moved // _MICROSECOND if local.utcoffset() == moved else refuse("SW264", call=f"the zone {tz}")

    return _of_times(tz, offset)


def _of_times(tz: Any, of: _OffsetOf) -> Steps:
    """Returns the table of a function of times in UTC."""
    bounds, values = [], [of(_FIRST)]
    for low in range(_FIRST, _LAST, DAY):
        after = of(low + DAY)
        if after != values[-1]:
            bounds.append(_change(of, low // SECOND, values[-1]))
            values.append(after)
    return _checked(tz, of, bounds, values, bounds)


@lru_cache(maxsize=32)
def _names(tz: Any) -> tuple[str, ...]:
    """Returns the names that a zone has on some day."""
    return tuple(sorted({_plain(_local(tz, at).tzname(), tz) for at in range(_FIRST, _LAST, DAY)}))


@lru_cache(maxsize=32)
def _described(tz: Any, what: str) -> Steps:
    """Returns the table of `dst` in microseconds, or of the positions of names."""
    if what == "dst":
        return _of_times(tz, lambda at: _plain(_local(tz, at).dst(), tz) // _MICROSECOND)
    names = {name: at for at, name in enumerate(_names(tz))}
    return _of_times(tz, lambda at: names[_plain(_local(tz, at).tzname(), tz)])


def _plain(x: Any, tz: Any) -> Any:
    """Returns a name or duration that a zone returns. Refuses (SW264) None and other objects."""
    return x if type(x) in (str, datetime.timedelta) else refuse("SW264", call=f"the zone {tz}")


def _local(tz: Any, at: int) -> datetime.datetime:
    """Returns the local time of a time in UTC."""
    return tz.fromutc(_time(at).replace(tzinfo=tz))  # type: ignore[no-any-return]


def _change(offset: _OffsetOf, low: int, before: int) -> int:
    """Returns the first second, within a day, with another offset."""
    high = low + DAY // SECOND
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if offset(middle * SECOND) == before else (low, middle)
    return high * SECOND


def _of_local_times(tz: Any, offset: _OffsetOf) -> Steps:
    """Returns the table of a function of local times."""
    changes = _of_utc(tz)
    pairs = zip(map(int, changes.bounds), pairwise(map(int, changes.values)), strict=True)
    ends = sorted({change + value for change, around in pairs for value in around})
    bounds, values = [], [offset(_FIRST)]
    for at in ends:
        after = offset(at)
        if after != values[-1]:
            bounds.append(at)
            values.append(after)
    return _checked(tz, offset, bounds, values, ends)


@lru_cache(maxsize=32)
def _of_local(tz: Any) -> Steps:
    return _of_local_times(tz, lambda at: tz.utcoffset(_time(at).replace(tzinfo=tz)) // _MICROSECOND)


@lru_cache(maxsize=32)
def _localized(tz: Any, is_dst: bool | None) -> Steps:
    def offset(at: int) -> int:
        try:
            return tz.localize(_time(at), is_dst=is_dst).utcoffset() // _MICROSECOND  # type: ignore[no-any-return]
        except Exception:  # noqa: BLE001 - pytz has errors of its own for times that exist twice or not at all
            return _NEITHER

    return _of_local_times(tz, offset)


def _checked(tz: Any, offset: _OffsetOf, bounds: list[int], values: list[int], around: Iterable[int]) -> Steps:
    """Returns a table. Refuses (SW264) a zone with which it does not agree around each change."""
    made, at = Steps.of(bounds, values, I64, I64), 0
    times = {x + step for x in around for step in (0, -1, _HOUR // 2, -_HOUR // 2, *range(-3 * DAY, 3 * DAY, 6 * _HOUR))}
    for time in sorted(x for x in times if _FIRST + 4 * DAY <= x <= _LAST - 4 * DAY):
        while at < len(bounds) and bounds[at] <= time:
            at += 1
        if offset(time) != values[at]:
            refuse("SW264", call=f"the zone {tz}")
    return made
