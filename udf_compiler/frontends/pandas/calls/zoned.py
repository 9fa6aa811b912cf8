"""Lowers Series of datetimes with a time zone: conversion between zones, to naive datetimes, and fields of local time.

The offsets of a zone are tables that pandas itself fills (`udf_compiler.frontends.tracing.zones`). Other uses, and results of
such a Series, are unsupported. Its dtype names the zone, and a worker converts it on output by rules of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
from pandas.core.indexes import accessors

from sparkweld.ir import Value
from sparkweld.ir.types import I64
from udf_compiler.frontends.pandas import datetimes
from udf_compiler.frontends.pandas.calls.datetime_accessor import DATETIME_FIELDS, Handle
from udf_compiler.frontends.pandas.series import TracedSeries
from udf_compiler.frontends.tracing.lower import run_prototype
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.values import Traced, raw, series_class
from udf_compiler.frontends.tracing.zones import PandasZone, pandas_zone

#: Methods of ``.dt`` whose results depend on the local time only.
_METHODS = frozenset("isocalendar strftime day_name month_name".split())


class TracedZoned(Traced):
    """A Series of zoned datetimes. `series`: the naive datetimes in UTC. `zone`: the name of their zone."""

    __slots__ = ("series", "shared", "zone")
    what = "Series of datetimes with a time zone"
    stands_for = pd.Series

    series: TracedSeries
    zone: str

    def __init__(self, series: TracedSeries, zone: str) -> None:
        self.series, self.zone, self.shared = series, zone, True

    __class__ = property(series_class)  # type: ignore[assignment]

    def __getattr__(self, name: str) -> Any:
        if name != "dt":
            refuse("SW276", call=f"Series.{name}")
        return ZonedAccessor(self)

    def _binary(self, name: str, other: Any, reflected: bool) -> Any:
        refuse("SW276", call=f"Series {name}")

    def _unary(self, name: str) -> Any:
        refuse("SW276", call=f"{name} of a Series")

    def _in_place(self, name: str, other: Any) -> Any:
        refuse("SW276", call=f"Series {name}=")


class ZonedAccessor(Handle):
    """The accessor ``s.dt`` of a zoned Series."""

    __slots__ = ("series",)
    what = "Series.dt"
    stands_for = accessors.DatetimeProperties
    of_instances = frozenset({"name", "orig"})

    def __init__(self, series: TracedZoned) -> None:
        self.series = series

    def __getattr__(self, name: str) -> Any:
        if name == "tz_convert":
            return self._convert
        if name == "tz_localize":
            return self._localize
        if name not in DATETIME_FIELDS and name not in _METHODS:
            refuse("SW276", call=f"Series.dt.{name}")
        return getattr(self._local().dt, name)

    def _convert(self, tz: Any) -> Any:
        utc = self.series.series
        return utc if tz is None else TracedZoned(utc, _name(tz, "Series.dt.tz_convert"))

    def _localize(self, tz: Any) -> Any:
        if tz is not None:
            refuse("SW276", call="Series.dt.tz_localize of a Series that has a zone")
        return self._local()

    def _local(self) -> TracedSeries:
        zone = pandas_zone(self.series.zone)
        return _moved(self.series.series, zone, lambda us: zone.local_offset(self.series.series.loop, us), "add")


def tz_localize(s: TracedSeries, tz: Any) -> TracedSeries | TracedZoned:
    """Implements tz_localize. Guards local times that do not exist or exist twice, for which pandas raises."""
    if tz is None:
        return s.twin(shared=False)
    zone = pandas_zone(_name(tz, "Series.dt.tz_localize"))
    return TracedZoned(_moved(s, zone, lambda us: zone.utc_offset(s.loop, us), "subtract"), tz)


def in_utc(s: TracedSeries) -> TracedZoned:
    """Interprets naive datetimes as UTC."""
    s.shared = True
    return TracedZoned(s.twin(shared=True), "UTC")


def _name(tz: Any, call: str) -> str:
    if type(tz) is not str:
        refuse("SW276", call=f"{call}({raw(tz)})")
    run_prototype(call, lambda: pd.Series(pd.to_datetime([0])).dt.tz_localize(tz))
    return tz


def _moved(s: TracedSeries, zone: PandasZone, offset_at: Callable[[Value], Value], fn: str) -> TracedSeries:
    """Shifts each time by its offset. NaT is stored as 1970, whose offset no guard tests."""
    loop = s.loop
    nanoseconds = loop.value_of(s.value)
    offset = offset_at(loop.call("floor_divide", nanoseconds, loop.const(1000, I64)))
    if fn == "subtract" and zone.has_gaps:
        exists = loop.call("not_equal", offset, loop.const(zone.gap, I64))
        missing = loop.call("logical_not", loop.is_valid(s.value)) if s.value.type.nullable else None
        loop.guard(exists if missing is None else loop.call("logical_or", missing, exists))
        offset = loop.select(exists, offset, loop.const(0, I64))
    step = loop.call("multiply", offset, loop.const(1000, I64))
    return datetimes.like(s, datetimes.no_overflow(loop, fn, nanoseconds, step))  # type: ignore[no-any-return]
