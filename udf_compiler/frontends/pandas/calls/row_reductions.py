"""Lowers reductions of a DataFrame over the columns of each row, ``axis=1``, with the results of pandas' nanops.

`reductions.reduce` refuses (SW260) float sums and means of 8 or more columns unless the array is in C order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.types import F64
from udf_compiler.frontends.pandas.array import TracedArray
from udf_compiler.frontends.pandas.calls.reductions import fold, reduce
from udf_compiler.frontends.pandas.frame import TracedFrame
from udf_compiler.frontends.pandas.series import TracedSeries
from udf_compiler.frontends.tracing.session import check_size, refuse
from udf_compiler.frontends.tracing.values import raw


def _array(frame: TracedFrame, axis: Any, skipna: Any, call: str) -> TracedArray:
    """Returns the columns in their common dtype, to which pandas converts the frame before it reduces."""
    if axis not in (1, "columns"):
        refuse("SW250", call=call)
    if skipna is not True and skipna is not False:
        refuse("SW262", call=call, what=f"skipna={raw(skipna)}")
    return frame.to_array(call)


def _missing(x: TracedArray) -> list[Value]:
    return [x.loop.call("isnan", v) for v in x.columns] if x.dtype.kind == "f" else []


def _reduced(name: str, x: TracedArray, missing: Sequence[Value], instead: float, call: str) -> Value:
    """Applies NumPy's reduction after replacing NaN by `instead`."""
    columns = x.columns
    if missing:
        other = x.loop.const(instead, columns[0].type)
        columns = tuple(x.loop.select(m, other, v) for m, v in zip(missing, columns, strict=True))
    return reduce(name, TracedArray(x.loop, columns, 2, x.order), 1, call).value


def _nan_where(loop: LoopBuilder, missing: Sequence[Value], skipna: bool, value: Value) -> Value:
    """Replaces the value by NaN in a row of NaN only; with skipna=False, in a row with any NaN."""
    if not missing:
        return value
    absent = fold(loop, "logical_and" if skipna else "logical_or", missing)
    return loop.select(absent, loop.const(np.nan, value.type), value)


def _extreme(name: str, worst: float) -> Callable[..., TracedSeries]:
    """Implements DataFrame.max or min, which ignore NaN. Guards ties of 0.0 and -0.0: NumPy's order decides the sign."""

    def extreme(frame: TracedFrame, axis: Any = 0, skipna: Any = True) -> TracedSeries:
        call = f"DataFrame.{name}"
        x = _array(frame, axis, skipna, call)
        missing = _missing(x)
        found = _reduced(name, x, missing, worst, call)
        check_size(x.loop)
        return TracedSeries(x.loop, _nan_where(x.loop, missing, skipna, found), x.dtype)

    return extreme


def sum_(frame: TracedFrame, axis: Any = 0, skipna: Any = True) -> TracedSeries:
    """Implements DataFrame.sum: integers and bools add to int64; NaN among floats counts as 0."""
    call = "DataFrame.sum"
    x = _array(frame, axis, skipna, call)
    missing = _missing(x)
    total = _reduced("sum", x, missing, 0.0, call)
    if not skipna:
        total = _nan_where(x.loop, missing, skipna, total)
    return TracedSeries(x.loop, total, total.type.dtype)


def mean(frame: TracedFrame, axis: Any = 0, skipna: Any = True) -> TracedSeries:
    """Implements DataFrame.mean: the sum divided by the number of values that are not NaN; integers become float64."""
    call, loop = "DataFrame.mean", frame.loop
    x = _array(frame, axis, skipna, call)
    if x.dtype == np.bool_:
        refuse("SW262", call=call, what="bools")
    if x.dtype.kind != "f":
        x = TracedArray(loop, [loop.cast(v, F64) for v in x.columns], 2, x.order)
    missing = _missing(x)
    total = _reduced("sum", x, missing, 0.0, call)
    count = loop.const(len(x.columns), total.type)
    if skipna and missing:
        zero, one = (loop.const(n, total.type) for n in (0, 1))
        count = fold(loop, "add", [loop.select(m, zero, one) for m in missing])
    result = _nan_where(loop, missing, skipna, loop.call("divide", total, count))
    check_size(loop)
    return TracedSeries(loop, result, total.type.dtype)


def _test(name: str) -> Callable[..., TracedSeries]:
    """Implements DataFrame.any or all of bool columns."""

    def test(frame: TracedFrame, axis: Any = 0) -> TracedSeries:
        call = f"DataFrame.{name}"
        x = _array(frame, axis, True, call)
        if x.dtype != np.bool_:
            refuse("SW262", call=call, what=f"columns of {x.dtype}")
        return TracedSeries(frame.loop, reduce(name, x, 1, call).value, np.bool_)

    return test


def _each(name: str) -> Callable[[TracedFrame], TracedFrame]:
    """Implements DataFrame.isna or notna: applies it to each column."""
    return lambda frame: TracedFrame(frame.loop, {column: getattr(s, name)() for column, s in frame.series.items()})


def count(frame: TracedFrame, axis: Any = 0) -> TracedSeries:
    """Implements DataFrame.count: the number of elements that are not missing."""
    if axis not in (1, "columns"):
        refuse("SW250", call="DataFrame.count")
    return sum_(_each("notna")(frame), axis)


METHODS: dict[str, Callable[..., Any]] = {
    "sum": sum_,
    "mean": mean,
    "max": _extreme("max", -np.inf),
    "min": _extreme("min", np.inf),
    "any": _test("any"),
    "all": _test("all"),
    "count": count,
    "isna": _each("isna"),
    "isnull": _each("isna"),
    "notna": _each("notna"),
    "notnull": _each("notna"),
}
