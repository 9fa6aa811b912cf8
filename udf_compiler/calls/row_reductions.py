"""Reductions of a DataFrame over the columns of each row, ``axis=1``, as IR: what pandas' nanops give for few columns."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.types import BOOL, F64, I64, Type
from udf_compiler.calls.reductions import guard_sign_of_zero
from udf_compiler.trace.frame import TracedFrame
from udf_compiler.trace.series import TracedSeries
from udf_compiler.trace.session import check_size, refuse
from udf_compiler.trace.values import raw

#: Up to so many floats every memory order adds from left to right.
_ADDED_IN_ORDER = 7


def _columns(frame: TracedFrame, axis: Any, skipna: Any, call: str) -> list[Value]:
    """The columns in their common dtype, which pandas takes the frame to before it reduces."""
    if axis not in (1, "columns"):
        refuse("SW250", call=call)
    if skipna is not True and skipna is not False:
        refuse("SW262", call=call, what=f"skipna={raw(skipna)}")
    return list(frame.to_array(call).columns)


def _missing(loop: LoopBuilder, values: Sequence[Value]) -> list[Value]:
    return [loop.call("isnan", v) for v in values] if values[0].type.is_float else []


def _joined(loop: LoopBuilder, function: str, values: Sequence[Value]) -> Value:
    return functools.reduce(lambda a, b: loop.call(function, a, b), values)


def _nan_where(loop: LoopBuilder, missing: Sequence[Value], skipna: bool, value: Value) -> Value:
    """NaN in a row of NaN only; with skipna=False in a row with one."""
    if not missing:
        return value
    absent = _joined(loop, "logical_and" if skipna else "logical_or", missing)
    return loop.select(absent, loop.const(np.nan, value.type), value)


def _extreme(name: str) -> Callable[..., TracedSeries]:
    """DataFrame.max or min: NaN loses against everything. Rows where 0.0 and -0.0 meet are guarded: NumPy's order decides."""
    worst, function = (-np.inf, "maximum") if name == "max" else (np.inf, "minimum")

    def extreme(frame: TracedFrame, axis: Any = 0, skipna: Any = True) -> TracedSeries:
        call, loop = f"DataFrame.{name}", frame.loop
        values = _columns(frame, axis, skipna, call)
        missing = _missing(loop, values)
        filled = values
        if missing:
            filled = [loop.select(m, loop.const(worst, v.type), v) for m, v in zip(missing, values, strict=True)]
        found = _joined(loop, function, filled)
        guard_sign_of_zero(loop, filled, found)
        check_size(loop)
        return TracedSeries(loop, _nan_where(loop, missing, skipna, found), values[0].type.dtype)

    return extreme


def _total(loop: LoopBuilder, values: Sequence[Value], missing: Sequence[Value], type: Type, call: str) -> Value:
    """The sum from left to right, NaN as 0."""
    if type.is_float and len(values) > _ADDED_IN_ORDER:
        refuse("SW260", call=call)
    zero = loop.const(0, type)
    terms = [loop.select(m, zero, v) for m, v in zip(missing, values, strict=True)] if missing else values
    return _joined(loop, "add", [zero, *(loop.cast(t, type) for t in terms)])


def sum_(frame: TracedFrame, axis: Any = 0, skipna: Any = True) -> TracedSeries:
    """DataFrame.sum: integers and bools add to int64, of floats NaN counts as 0."""
    call, loop = "DataFrame.sum", frame.loop
    values = _columns(frame, axis, skipna, call)
    type, missing = values[0].type if values[0].type.is_float else I64, _missing(loop, values)
    total = _total(loop, values, missing, type, call)
    if not skipna and missing:
        total = _nan_where(loop, missing, skipna, total)
    return TracedSeries(loop, total, type.dtype)


def mean(frame: TracedFrame, axis: Any = 0, skipna: Any = True) -> TracedSeries:
    """DataFrame.mean: the sum over the number of values that are not NaN; integers as float64."""
    call, loop = "DataFrame.mean", frame.loop
    values = _columns(frame, axis, skipna, call)
    if values[0].type == BOOL:
        refuse("SW262", call=call, what="bools")
    type, missing = values[0].type if values[0].type.is_float else F64, _missing(loop, values)
    total = _total(loop, values, missing, type, call)
    count = loop.const(len(values), type)
    if missing and skipna:
        count = _joined(loop, "add", [loop.select(m, loop.const(0, type), loop.const(1, type)) for m in missing])
        count = loop.select(loop.call("equal", count, loop.const(0, type)), loop.const(1, type), count)
    result = _nan_where(loop, missing, skipna, loop.call("divide", total, count))
    check_size(loop)
    return TracedSeries(loop, result, type.dtype)


def _test(name: str) -> Callable[..., TracedSeries]:
    """DataFrame.any or all of columns of bools."""

    def test(frame: TracedFrame, axis: Any = 0) -> TracedSeries:
        call = f"DataFrame.{name}"
        values = _columns(frame, axis, True, call)
        if values[0].type != BOOL:
            refuse("SW262", call=call, what=f"columns of {values[0].type.dtype}")
        return TracedSeries(frame.loop, _joined(frame.loop, "logical_or" if name == "any" else "logical_and", values), np.bool_)

    return test


def _each(name: str) -> Callable[[TracedFrame], TracedFrame]:
    """DataFrame.isna or notna: that of each column."""
    return lambda frame: TracedFrame(frame.loop, {column: getattr(s, name)() for column, s in frame.series.items()})


def count(frame: TracedFrame, axis: Any = 0) -> TracedSeries:
    """DataFrame.count: how many elements are not missing."""
    if axis not in (1, "columns"):
        refuse("SW250", call="DataFrame.count")
    return sum_(_each("notna")(frame), axis)


METHODS: dict[str, Callable[..., Any]] = {
    "sum": sum_,
    "mean": mean,
    "max": _extreme("max"),
    "min": _extreme("min"),
    "any": _test("any"),
    "all": _test("all"),
    "count": count,
    "isna": _each("isna"),
    "isnull": _each("isna"),
    "notna": _each("notna"),
    "notnull": _each("notna"),
}
