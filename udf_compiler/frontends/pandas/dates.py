"""Traces Series of datetime.date objects: comparisons, membership and selection, with the semantics of pandas' object dtype."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any

import numpy as np

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.types import BOOL, DATE, I32
from udf_compiler.frontends.pandas.kind import SeriesKind, optional_element
from udf_compiler.frontends.pandas.missing import Missing
from udf_compiler.frontends.pandas.series import TracedSeries
from udf_compiler.frontends.python.values import of_value
from udf_compiler.frontends.tracing.constants import ConstantDate
from udf_compiler.frontends.tracing.lower import constant_of
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.values import COMPARISONS, raw

_EPOCH = datetime.date(1970, 1, 1).toordinal()


def is_date(x: object) -> bool:
    """Whether `x` is a datetime.date constant, but not a datetime, which compares differently."""
    return type(x) is datetime.date or type(x) is ConstantDate


def days(date: datetime.date) -> int:
    """Returns the days since 1970-01-01."""
    return date.toordinal() - _EPOCH


def date_constant(loop: LoopBuilder, date: datetime.date) -> Value:
    return loop.const(days(date), DATE)


class _Dates(SeriesKind):
    """datetime.date objects, None where NULL; see `TracedSeries` for other missing values."""

    name = "date"
    precedence = 5

    def claims(self, constant: Any) -> bool:
        return is_date(constant)

    def check_numeric(self, call: str) -> None:
        refuse("SW264", call=call)

    def replacement(self, series: TracedSeries, other: Any, method: Callable[..., Any], call: str) -> Value:
        settle(series)
        if isinstance(other, TracedSeries) and other.kind is DATES:
            settle(other)
            return other.value
        if not is_date(other):
            refuse("SW264", call=f"{call} with {raw(other)}")
        return date_constant(series.loop, other)

    def element(self, series: TracedSeries, call: str) -> Callable[[], Any]:
        settle(series)
        return optional_element(series, of_value(series.loop.value_of(series.value)))

    def binary(self, series: TracedSeries, name: str, other: Any, reflected: bool, call: str) -> Any:
        if reflected and name == "sub":
            refuse("SW264", call=call)
        return compare(series, name, other, call)


DATES = _Dates()


def settle(series: Any, compared: bool = False) -> None:
    """Flags the missing rows of a date Series that may be other than None.

    pandas treats a batch of only NaT as datetime64, which matters to comparisons (`compared`). Comparisons treat NaN as
    None.
    """
    other = series.kind is DATES and (series.nat_objects or (series.missing.nan and not compared))
    if other and series.value.type.nullable:
        series.loop.guard(series.loop.is_valid(series.value))


def _shifted(series: Any, name: str, span: datetime.timedelta, call: str) -> Any:
    """Shifts dates by a whole number of days; flags rows past year 9999, for which Python has no date."""
    count = span / datetime.timedelta(days=1)
    known = type(span) is datetime.timedelta or getattr(span, "unit", "") == "ns"  # Python misreads other pandas units
    if not known or not float(count).is_integer():
        refuse("SW264", call=f"{call} with parts of a day")
    settle(series)
    loop = series.loop
    shift = loop.const(int(count) if name == "add" else -int(count), I32)
    moved = loop.call("add", loop.cast(loop.value_of(series.value), I32), shift)
    for fn, limit in (("greater_equal", days(datetime.date.min)), ("less_equal", days(datetime.date.max))):
        loop.guard(loop.call(fn, moved, loop.const(limit, I32)), local=True)
    value = loop.cast(moved, DATE)
    if series.value.type.nullable:
        value = loop.optional(value, loop.is_valid(series.value))
    return TracedSeries(loop, value, object, DATES, missing=Missing(nan=value.type.nullable), has_nat=series.has_nat)


def compare(series: Any, name: str, other: Any, call: str) -> Any:
    """Compares with a date or another Series of dates; False where either is None (True for !=). Adds and subtracts days."""
    loop = series.loop
    if name in ("add", "sub") and series.kind is DATES and isinstance(constant_of(other), datetime.timedelta):
        return _shifted(series, name, constant_of(other), call)
    if name not in COMPARISONS or series.kind is not DATES:
        refuse("SW264", call=call)
    if isinstance(other, TracedSeries) and other.kind is DATES:
        right = other.value
        if name not in ("eq", "ne"):
            settle(other, compared=True)
    elif is_date(other):
        right = date_constant(loop, other)
    else:
        refuse("SW264", call=call)
    if name not in ("eq", "ne"):
        settle(series, compared=True)
    result = loop.call(COMPARISONS[name], loop.value_of(series.value), loop.value_of(right))
    for side in (series.value, right):
        if side.type.nullable:
            result = loop.select(loop.is_valid(side), result, loop.const(name == "ne", BOOL))
    return TracedSeries(loop, result, np.bool_)
