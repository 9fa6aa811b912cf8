"""Lowers pd.to_datetime and pd.to_timedelta of Series, and astype of datetimes, to IR on int64 nanoseconds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from sparkweld.ir import Value
from sparkweld.ir.types import BOOL, F64, I32, I64
from udf_compiler.frontends.pandas import datetimes
from udf_compiler.frontends.pandas.calls.datetime_accessor import DAY
from udf_compiler.frontends.pandas.calls.strings.choose import TracedTexts
from udf_compiler.frontends.pandas.calls.time_strings import parse
from udf_compiler.frontends.pandas.calls.zoned import in_utc
from udf_compiler.frontends.pandas.dates import DATES
from udf_compiler.frontends.pandas.datetimes import DATETIMES, TIMEDELTAS
from udf_compiler.frontends.pandas.microseconds import MICROSECONDS
from udf_compiler.frontends.pandas.series import NUMBERS, TracedSeries
from udf_compiler.frontends.pandas.strings import STRINGS
from udf_compiler.frontends.tracing.integer_checks import between
from udf_compiler.frontends.tracing.lower import constant_of, run_prototype, type_of
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.values import raw, refuse_in_place

#: Unit that pandas accepts for numbers -> nanoseconds.
UNITS = {"D": DAY, "h": DAY // 24, "m": 60 * 10**9, "s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}

_LIMIT = 2**63 - 1

#: First and last day whose midnight fits int64 nanoseconds: 1677-09-22 and 2262-04-11.
_FIRST_DAY, _LAST_DAY = -106_751, 106_751


def to_datetime(
    arg: Any, errors: str = "raise", dayfirst: bool = False, yearfirst: bool = False, utc: bool = False, format: Any = None,
    unit: Any = None, cache: bool = True,
) -> Any:  # fmt: skip
    """Implements pd.to_datetime of a Series of datetimes, strings, dates or numbers.

    A missing date or number becomes NaT. With errors="coerce", a date out of range does too.
    """
    call = "pd.to_datetime"
    series = _series(arg, errors, call)
    if dayfirst or yearfirst or type(utc) is not bool:
        refuse("SW262", call=call, what="the argument dayfirst= or yearfirst=")
    if series.kind is MICROSECONDS and not utc and unit is None:
        return series.twin(shared=True)
    if utc:
        return in_utc(to_datetime(arg, errors, format=format, unit=unit))
    if series.kind is DATETIMES and unit is None:
        series.shared = True
        return series.twin(shared=True)
    if series.kind is STRINGS and unit is None:
        return parse(series, format, errors, call)
    if format is not None:
        refuse("SW262", call=call, what="the argument format=")
    if series.kind is DATES and unit is None:
        return _of_dates(series, errors, call)
    if unit is None and series.dtype.kind == "f":
        refuse("SW262", call=call, what="floats without unit=")
    return _of_numbers(series, DATETIMES, "ns" if unit is None else unit, errors, call)


def to_timedelta(arg: Any, unit: Any = None, errors: str = "raise") -> TracedSeries:
    """Implements pd.to_timedelta of a Series of timedeltas or numbers."""
    call = "pd.to_timedelta"
    series = _series(arg, errors, call)
    if series.kind is TIMEDELTAS:
        series.shared = True
        return series.twin(shared=True)
    return _of_numbers(series, TIMEDELTAS, "ns" if unit is None else unit, errors, call)


def _series(arg: Any, errors: Any, call: str) -> TracedSeries:
    if not isinstance(arg, TracedSeries):
        refuse("SW262", call=call, what=raw(arg))
    if errors not in ("raise", "coerce"):
        refuse("SW262", call=call, what=f"errors={errors!r}")
    return arg


def _of_dates(s: TracedSeries, errors: str, call: str) -> TracedSeries:
    made = run_prototype(call, lambda: pd.to_datetime(pd.Series([pd.Timestamp(2020, 1, 1).date()], dtype=object), errors=errors))
    if made.dtype != DATETIMES.numpy_dtype:
        refuse("SW254", call=call, type=str(made.dtype))
    loop = s.loop
    days = loop.cast(loop.value_of(s.value), I32)
    inside = between(loop, days, _FIRST_DAY, _LAST_DAY)
    valid = loop.is_valid(s.value) if s.value.type.nullable else None
    if errors == "raise":
        loop.guard(inside)
    else:
        valid = inside if valid is None else loop.call("logical_and", valid, inside)
    nanoseconds = loop.call("multiply", loop.cast(days, I64), loop.const(DAY, I64))
    return datetimes.new(loop, datetimes.nat_where(loop, nanoseconds, valid), DATETIMES, s.has_nat)


def _of_numbers(s: TracedSeries, kind: datetimes.TimeKind, unit: Any, errors: str, call: str) -> TracedSeries:
    """Converts numbers in a unit to datetimes since 1970 or to durations. Guards rows out of range, for which pandas raises."""
    function = pd.to_datetime if kind is DATETIMES else pd.to_timedelta
    proto = pd.Series(np.ones(1, s.dtype)) if s.kind is NUMBERS else refuse("SW262", call=call, what=f"a {s.kind.name} Series")
    made = run_prototype(call, lambda: function(proto, unit=unit, errors=errors))
    if made.dtype != kind.numpy_dtype:
        refuse("SW254", call=call, type=str(made.dtype))
    length = _nanoseconds(unit, call)
    if s.dtype.kind == "i":
        number = s.loop.cast(s.value, I64)
        limit = _LIMIT // length
        s.loop.guard(between(s.loop, number, -limit, limit))
        return datetimes.new(s.loop, s.loop.call("multiply", number, s.loop.const(length, I64)), kind)
    if s.dtype == np.float64:
        return _of_floats(s, kind, length)
    refuse("SW262", call=call, what=f"a {s.dtype} Series")


def _of_floats(s: TracedSeries, kind: datetimes.TimeKind, length: int) -> TracedSeries:
    """Implements pandas' cast_from_unit_vectorized: whole part times unit, plus the fraction rounded to the unit's digits."""
    loop, x = s.loop, s.value
    valid = loop.call("logical_not", loop.call("isnan", x))
    number = loop.select(valid, x, loop.const(0.0, F64))
    limit = loop.const(float(min(2**62, 2**63 // length - 2)), F64)  # so that no product or sum overflows
    loop.guard(loop.call("less_equal", loop.call("absolute", number), limit))
    whole = loop.cast(number, I64)
    nanoseconds = loop.call("multiply", whole, loop.const(length, I64))
    digits = len(str(length)) - 1
    if length > 1:
        fraction = loop.call("subtract", number, loop.cast(whole, F64))
        factor = loop.const(float(10**digits), F64)
        fraction = loop.call("divide", loop.call("rint", loop.call("multiply", fraction, factor)), factor)
        rest = loop.call("multiply", fraction, loop.const(float(length), F64))
        nanoseconds = loop.call("add", nanoseconds, loop.cast(rest, I64))
    return datetimes.new(loop, loop.optional(nanoseconds, valid), kind)


def _nanoseconds(unit: Any, call: str) -> int:
    """Returns the nanoseconds of a unit, by any name that pandas accepts."""
    made = run_prototype(call, lambda: pd.to_timedelta(1, unit=unit))
    if made._value not in UNITS.values():
        refuse("SW262", call=call, what=f"unit={unit!r}")
    return int(made.as_unit("ns")._value)


def has_times(values: Sequence[Any]) -> bool:
    """Whether any of the values is a Series of datetimes or timedeltas."""
    return any(issubclass(type(v), TracedSeries) and datetimes.is_time(v) for v in values)


def choose_times(condition: Value, x: Any, y: Any, call: str) -> TracedTexts:
    """Implements np.where of two Series of datetimes or of timedeltas. Refuses (SW262) constants: NumPy returns objects."""
    loop = condition.loop
    if not (isinstance(x, TracedSeries) and isinstance(y, TracedSeries) and x.kind is y.kind and x.loop is y.loop is loop):
        refuse("SW262", call=call, what="anything but two Series of one kind of times")
    kind = DATETIMES if x.kind is DATETIMES else TIMEDELTAS
    return TracedTexts(datetimes.new(loop, loop.select(loop.cast(condition, BOOL), x.value, y.value), kind))


def clip(
    s: TracedSeries, lower: Any = None, upper: Any = None, *, axis: Any = None, inplace: bool = False, out: Any = None
) -> TracedSeries:
    """Implements clip of times with constant bounds, which pandas sorts."""
    call = "Series.clip"
    refuse_in_place(inplace or out is not None, call)
    lower, upper = constant_of(lower), constant_of(upper)
    given = [datetimes.constant(b, call) for b in (lower, upper)]
    if any(found is None and not datetimes.is_missing(b) for found, b in zip(given, (lower, upper), strict=True)):
        refuse("SW262", call=call, what="a bound that is not a constant time")
    bounds = [b for b in given if b is not None]
    if not bounds or any(datetimes.kind_of(b) is not s.kind for b in bounds):
        refuse("SW262", call=call, what="no bound of the Series' own kind")
    made = run_prototype(call, datetimes.proto(s).clip, datetimes.plain(lower), datetimes.plain(upper))
    if made.dtype != s.dtype:
        refuse("SW254", call=call, type=str(made.dtype))
    loop = s.loop
    value = loop.value_of(s.value)
    low, high = (min(bounds), max(bounds)) if len(bounds) == 2 else given
    for fn, bound in (("maximum", low), ("minimum", high)):
        if bound is not None:
            value = loop.call(fn, value, loop.const(bound._value, I64))
    return datetimes.like(s, value)  # type: ignore[no-any-return]


def astype(s: TracedSeries, dtype: Any, copy: Any = None, errors: str = "raise") -> TracedSeries:
    """Implements astype of datetimes or timedeltas to int64, where NaT is the smallest integer, or to their own dtype."""
    call, proto = "Series.astype", datetimes.proto(s)
    made = run_prototype(call, proto.astype, dtype)
    if made.dtype == s.dtype:
        return s.twin(shared=False)
    smallest = np.iinfo(np.int64).min
    missing = pd.Series(np.array([smallest]).view(s.dtype))
    nat = run_prototype(call, missing.astype, dtype) if s.value.type.nullable else None
    if made.dtype != np.int64 or made[0] != proto.to_numpy().view(np.int64)[0] or (nat is not None and nat[0] != smallest):
        refuse("SW254", call=call, type=str(made.dtype))
    loop, value = s.loop, s.value
    if value.type.nullable:
        value = loop.select(loop.is_valid(value), loop.value_of(value), loop.const(int(smallest), I64))
    return s.new(value)


def unsigned_astype(s: TracedSeries, dtype: Any, copy: Any = None, errors: str = "raise") -> TracedSeries:
    """Converts a UInt32 Series, as isocalendar returns it, to integers or float64. Guards missing values of integers."""
    call, loop = "Series.astype", s.loop
    made = run_prototype(call, lambda: pd.Series([1], dtype="UInt32").astype(dtype))
    if isinstance(made.dtype, np.dtype) and made.dtype.kind == "i" and made.dtype.itemsize >= 2:
        if s.value.type.nullable:
            loop.guard(loop.is_valid(s.value))
        return TracedSeries(loop, loop.cast(loop.value_of(s.value), type_of(made.dtype, "astype")), made.dtype)
    if made.dtype == np.float64:
        return datetimes.floats(s, loop.cast(loop.value_of(s.value), F64))
    refuse("SW254", call=call, type=str(made.dtype))
