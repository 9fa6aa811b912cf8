"""Lowers the accessor ``.dt`` of Series in microseconds by that of Series in nanoseconds, where the unit changes no result."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from sparkweld.ir.types import F64, I64
from udf_compiler.frontends.pandas import datetimes, microseconds
from udf_compiler.frontends.pandas.calls import datetime_accessor
from udf_compiler.frontends.pandas.calls.arrays import bound
from udf_compiler.frontends.pandas.calls.datetime_accessor import DtAccessor
from udf_compiler.frontends.pandas.calls.time_strings import METHODS as FORMATS
from udf_compiler.frontends.pandas.microseconds import MICROSECONDS
from udf_compiler.frontends.pandas.series import TracedSeries
from udf_compiler.frontends.tracing.lower import run_prototype
from udf_compiler.frontends.tracing.session import refuse


class _Accessor(DtAccessor):
    """The accessor ``s.dt``, whose `series` is in nanoseconds."""

    __slots__ = ("coarse",)

    def __init__(self, coarse: TracedSeries) -> None:
        super().__init__(microseconds.nanoseconds(coarse))
        self.coarse = coarse

    def __getattr__(self, name: str) -> Any:
        call = f"Series.dt.{name}"
        methods, alike = (_METHODS, _FIELDS) if self.coarse.kind is MICROSECONDS else (_SPAN_METHODS, _SPAN_FIELDS)
        if name in methods:
            return bound(methods[name], self.coarse, call)
        if name in alike:
            return datetime_accessor.attribute(self.series, name)
        refuse("SW251", call=f"{call} of a {self.coarse.kind.name} Series")


def accessor(s: TracedSeries) -> DtAccessor:
    return _Accessor(s)


def _rounding(name: str, rule: Callable[..., TracedSeries]) -> Callable[..., Any]:
    def rounded(s: TracedSeries, freq: Any) -> Any:
        call = f"Series.dt.{name}"
        made = rule(microseconds.nanoseconds(s), freq)
        run_prototype(call, lambda: getattr(microseconds.proto(s).dt, name)(freq))
        if pd.tseries.frequencies.to_offset(freq).nanos % 1000:
            refuse("SW262", call=call, what=f"freq={freq!r}, which is no multiple of a microsecond,")
        return microseconds.microseconds(made)

    return rounded


def _normalize(s: TracedSeries) -> Any:
    return microseconds.microseconds(datetime_accessor.normalize(microseconds.nanoseconds(s)))


def _total_seconds(s: TracedSeries) -> TracedSeries:
    """Divides the microseconds, which doubles hold for longer durations than nanoseconds."""
    loop = s.loop
    whole = loop.call("floor_divide", loop.value_of(s.value), loop.const(1000, I64))
    made = loop.call("divide", loop.cast(whole, F64), loop.const(1e6, F64))
    return datetimes.floats(s, made)  # type: ignore[no-any-return]


_ROUNDING = {
    "floor": _rounding("floor", datetime_accessor.floor),
    "ceil": _rounding("ceil", datetime_accessor.ceil),
    "round": _rounding("round", datetime_accessor.round_),
}
_METHODS: Mapping[str, Callable[..., Any]] = {**_ROUNDING, "normalize": _normalize}
_SPAN_METHODS: Mapping[str, Callable[..., Any]] = {**_ROUNDING, "total_seconds": _total_seconds}
#: What does not depend on the unit.
_FIELDS = frozenset([*datetime_accessor.DATETIME_FIELDS, *FORMATS, "isocalendar"])
_SPAN_FIELDS = frozenset(datetime_accessor.TIMEDELTA_FIELDS)
