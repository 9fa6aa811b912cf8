"""Traces Series of datetime64[us] and timedelta64[us]: workers of Spark 3.5 make them of timestamps.

The values are int64 nanoseconds, as those of `datetimes`: rows that nanoseconds do not hold are flagged. So whatever does not
depend on the unit is computed as for nanoseconds. The rest is refused.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from sparkweld.ir.types import F64, I64
from udf_compiler.frontends.pandas import datetimes
from udf_compiler.frontends.pandas.datetimes import DATETIMES, TIMEDELTAS, TimeKind
from udf_compiler.frontends.pandas.kind import SeriesKind
from udf_compiler.frontends.pandas.series import TracedSeries
from udf_compiler.frontends.tracing.lower import run_prototype
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.values import BINARY, COMPARISONS, REFLECTED


class MicrosecondKind(SeriesKind):
    """Points in time or durations, NULL where NaT. `exact`: the kind of the same values in nanoseconds."""

    precedence = precedence_as_other = TimeKind.precedence

    def __init__(self, numpy_dtype: str, exact: TimeKind) -> None:
        self.name, self.numpy_dtype, self.exact = np.dtype(numpy_dtype).name, np.dtype(numpy_dtype), exact

    def receiver(self, series: TracedSeries, name: str, call: str) -> TracedSeries:
        if name not in self.methods and name not in self.properties:
            self.check_numeric(call)
        return series

    def binary(self, series: TracedSeries, name: str, other: Any, reflected: bool, call: str) -> Any:
        """Compares, adds and subtracts. pandas computes in the finer unit of the two operands, which is that of the result."""
        if self is SPANS and name == "truediv" and not reflected and TIMEDELTAS.claims(other):
            return _ratio(series, other, call)
        if name not in COMPARISONS and name not in ("add", "sub"):
            self.check_numeric(call)
        exact = nanoseconds(other) if is_coarse(other) else other
        made = datetimes.binary(nanoseconds(series), name, exact, reflected, call)
        if name in COMPARISONS:
            return made
        function = REFLECTED[name] if reflected else BINARY[name]
        example = proto(other) if isinstance(other, TracedSeries) else datetimes.plain(other)
        return _in_unit(made, run_prototype(call, function, proto(series), example).dtype, call)


MICROSECONDS = MicrosecondKind("M8[us]", DATETIMES)
SPANS = MicrosecondKind("m8[us]", TIMEDELTAS)


def _ratio(series: TracedSeries, other: Any, call: str) -> Any:
    """Divides by a constant duration. NumPy converts both to doubles in the finer unit of the two."""
    divisor = datetimes.constant(other, call)
    if not isinstance(divisor, pd.Timedelta) or pd.Timedelta(other).unit == "ns":
        return datetimes.binary(nanoseconds(series), "truediv", other, False, call)
    loop = series.loop
    whole = loop.call("floor_divide", loop.value_of(series.value), loop.const(1000, I64))
    return datetimes.floats(series, loop.call("divide", loop.cast(whole, F64), loop.const(float(divisor._value // 1000), F64)))


def is_coarse(x: Any) -> bool:
    """Whether an object is a Series of microseconds."""
    return issubclass(type(x), TracedSeries) and type(x.kind) is MicrosecondKind


def nanoseconds(series: Any) -> Any:
    """Returns the Series of the same values whose unit is the nanosecond."""
    return datetimes.new(series.loop, series.value, series.kind.exact, series.has_nat)


def microseconds(series: Any) -> Any:
    """Returns the Series of the same values whose unit is the microsecond. They must be whole microseconds."""
    kind = MICROSECONDS if series.kind is DATETIMES else SPANS
    return TracedSeries(series.loop, series.value, kind.numpy_dtype, kind, has_nat=series.has_nat)


def proto(series: Any) -> pd.Series:
    """Returns one element of the Series' dtype, with no special value."""
    return pd.Series(np.array([10**14 + 1]).view(series.dtype)) if is_coarse(series) else datetimes.proto(series)


def _in_unit(made: Any, dtype: Any, call: str) -> Any:
    """Returns the Series with pandas' dtype. No operand with a part of a microsecond has this unit, nor then the result."""
    if made.dtype == dtype:
        return made
    made = microseconds(made)
    if made.dtype != dtype:
        refuse("SW254", call=call, type=str(dtype))
    return made
