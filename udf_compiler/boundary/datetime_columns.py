"""Converts timestamp columns to naive datetime64[ns] Series and datetimes back to columns, as PySpark's worker does.

In: Arrow converts to local time in the session's zone (timestamp_ntz is unchanged), then to nanoseconds, and raises outside
1677 to 2262. Where pandas completes the conversion, Arrow converts to nanoseconds first, and pandas to local time. Out: pandas
converts the naive Series to UTC, Arrow to microseconds, and Arrow raises where nanoseconds would be lost. On Spark 3.5,
Series of timestamps with a zone are of datetime64[us]. Rows that nanoseconds do not hold are flagged all the same.
"""

from __future__ import annotations

import pandas as pd

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.types import DATE, I32, I64, TS
from sparkweld.reasons import refusal
from udf_compiler.frontends.pandas import datetimes
from udf_compiler.frontends.pandas.datetimes import DATETIMES
from udf_compiler.frontends.pandas.microseconds import is_coarse
from udf_compiler.frontends.pandas.microseconds import microseconds as in_microseconds
from udf_compiler.frontends.pandas.microseconds import nanoseconds as nanoseconds_of
from udf_compiler.frontends.pandas.series import TracedSeries
from udf_compiler.frontends.tracing.zones import current_zone
from udf_compiler.process.spark_line import LINE

_MICROSECOND = 1000
_DAY = 86_400 * 10**9
_LIMIT = (2**63 - 1) // _MICROSECOND


def argument(loop: LoopBuilder, value: Value, spark_type: str, state: str, by_pandas: bool) -> TracedSeries:
    """Returns the Series of a timestamp column: plain in a "dense" batch, with NaT in it in a "nullable" one.

    `by_pandas`: pandas computes the local times.

    Refuses SW240 (zone) and SW241 (pandas 3, whose other units change results).
    """
    if int(pd.__version__.partition(".")[0]) >= 3:
        raise refusal("SW241", "", version=pd.__version__)
    valid = loop.is_valid(value) if value.type.nullable else None
    microseconds = loop.cast(loop.value_of(value), I64)
    if spark_type == "timestamp":
        if by_pandas:
            _guard_nanoseconds(loop, microseconds)
            microseconds = current_zone().local_of_pandas(loop, microseconds)
        else:
            microseconds = current_zone().local(loop, microseconds)
    _guard_nanoseconds(loop, microseconds)
    nanoseconds = loop.call("multiply", microseconds, loop.const(_MICROSECOND, I64))
    made = datetimes.new(loop, datetimes.nat_where(loop, nanoseconds, valid), DATETIMES, has_nat=state == "nullable")
    return made if LINE.nanoseconds or spark_type != "timestamp" else in_microseconds(made)  # type: ignore[no-any-return]


def _guard_nanoseconds(loop: LoopBuilder, microseconds: Value) -> None:
    above = loop.call("greater_equal", microseconds, loop.const(-_LIMIT, I64))
    loop.guard(loop.call("logical_and", above, loop.call("less_equal", microseconds, loop.const(_LIMIT, I64))), local=True)


def column(loop: LoopBuilder, result: TracedSeries, return_type: str, udf: str) -> Value:
    """Returns the column of a Series of datetimes or timedeltas; NaT becomes NULL. Refuses SW109 and SW240."""
    valid = loop.is_valid(result.value) if result.value.type.nullable else None
    if is_coarse(result):
        if return_type == "long":  # Arrow would take the microseconds
            raise refusal("SW109", udf, dtype=result.dtype, type=return_type)
        result = nanoseconds_of(result)
    if result.kind is DATETIMES and return_type in ("timestamp", "timestamp_ntz"):
        made = loop.cast(_microseconds(loop, loop.value_of(result.value), return_type), TS)
    elif result.kind is DATETIMES and return_type == "date":
        made = loop.cast(_days(loop, loop.value_of(result.value)), DATE)
    elif return_type == "long":  # Arrow takes the nanoseconds
        made = loop.value_of(result.value)
    else:
        raise refusal("SW109", udf, dtype=result.dtype, type=return_type)
    return datetimes.nat_where(loop, made, valid)


def _microseconds(loop: LoopBuilder, nanoseconds: Value, return_type: str) -> Value:
    unit = loop.const(_MICROSECOND, I64)
    loop.guard(loop.call("equal", loop.call("remainder", nanoseconds, unit), loop.const(0, I64)), local=True)
    microseconds = loop.call("floor_divide", nanoseconds, unit)
    return current_zone().utc(loop, microseconds) if return_type == "timestamp" else microseconds


def _days(loop: LoopBuilder, nanoseconds: Value) -> Value:
    return loop.cast(loop.call("floor_divide", nanoseconds, loop.const(_DAY, I64)), I32)
