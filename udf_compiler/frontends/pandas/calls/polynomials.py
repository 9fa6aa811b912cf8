"""Lowers np.polyval, np.interp, np.digitize and np.searchsorted with constant coefficients, points and bins to IR."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.types import F64, I64
from udf_compiler.frontends.pandas.array import TracedArray, apply, as_array
from udf_compiler.frontends.tracing.lower import constant_of, is_number, type_of, ufunc_call
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.values import Traced, raw

#: Maximum number of bins or points: each costs one comparison per row.
_LIMIT = 256


def polyval(p: Any, x: Any) -> TracedArray:
    """Implements np.polyval: Horner's rule from zero, in the order and the types of NumPy's loop."""
    call = "np.polyval"
    if not isinstance(x, Traced) or isinstance(p, Traced | np.poly1d):
        refuse("SW262", call=call, what="traced coefficients")
    coefficients = np.asarray(p)
    if coefficients.ndim != 1 or coefficients.dtype.kind not in "biuf":
        refuse("SW262", call=call, what=f"coefficients of shape {coefficients.shape}")

    def horner(loop: LoopBuilder, ops: tuple[Any, ...]) -> tuple[Value, ...]:
        (value,) = ops
        y = loop.const(0, value.type)
        for c in coefficients:
            (product,) = ufunc_call(loop, np.multiply, (y, value), call)
            (y,) = ufunc_call(loop, np.add, (product, c), call)
        return (y,)

    return apply(horner, (as_array(x, call),), call)


def _points(x: Any, call: str) -> np.ndarray:
    points = np.asarray(x)
    if isinstance(x, Traced) or points.ndim != 1 or points.dtype.kind not in "biuf" or not 0 < len(points) <= _LIMIT:
        refuse("SW262", call=call, what=f"a table of shape {np.shape(points)}; 1 to {_LIMIT} numbers are required, so it")
    if points.dtype.kind == "f" and np.isnan(points).any():
        refuse("SW262", call=call, what="NaN in a table")
    return points


def searchsorted(a: Any, v: Any, side: str = "left", sorter: Any = None) -> TracedArray:
    """Implements np.searchsorted of traced values in a constant ascending table."""
    call = "np.searchsorted"
    if not isinstance(v, Traced) or isinstance(a, Traced):
        refuse("SW250", call=call)
    bins = _points(a, call)
    if sorter is not None or side not in ("left", "right") or np.any(bins[1:] < bins[:-1]):
        refuse("SW262", call=call, what="a sorter, or a table that is not ascending,")

    def place(loop: LoopBuilder, ops: tuple[Any, ...]) -> tuple[Value, ...]:
        return (count_below(loop, ops[0], bins, side, call),)

    return apply(place, (as_array(v, call),), call)


def digitize(x: Any, bins: Any, right: bool = False) -> TracedArray:
    """Implements np.digitize with constant bins, ascending or descending."""
    call = "np.digitize"
    if not isinstance(x, Traced):
        refuse("SW250", call=call)
    table, side = _points(bins, call), "left" if right else "right"
    descending = bool(np.any(table[1:] < table[:-1]))
    if descending and np.any(table[1:] > table[:-1]):
        refuse("SW252", call=call, error="ValueError: bins must be monotonically increasing or decreasing")

    def bin_of(loop: LoopBuilder, ops: tuple[Any, ...]) -> tuple[Value, ...]:
        if not descending:
            return (count_below(loop, ops[0], table, side, call),)
        below = count_below(loop, ops[0], table[::-1], side, call)
        return (loop.call("subtract", loop.const(len(table), I64), below),)

    return apply(bin_of, (as_array(x, call),), call)


def count_below(loop: LoopBuilder, value: Value, bins: np.ndarray, side: str, call: str) -> Value:
    """Counts the bins before the value; NaN follows all bins."""
    type = type_of(np.result_type(value.type.dtype, bins.dtype), call)
    key, total = loop.cast(value, type), loop.const(0, I64)
    for b in bins.astype(type.dtype):
        before = loop.call("less" if side == "right" else "less_equal", key, loop.const(b, type))
        total = loop.call("add", total, loop.cast(loop.call("logical_not", before), I64))
    return total


def interp(x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None) -> TracedArray:
    """Implements np.interp with constant, finite, strictly ascending points: slope * (x - x0) + y0 as in NumPy's C loop."""
    call = "np.interp"
    if not isinstance(x, Traced) or period is not None:
        refuse("SW262", call=call, what="a period" if period is not None else raw(x))
    if not _plain_arithmetic():
        refuse("SW260", call=call)
    xs, ys = _points(xp, call).astype(np.float64), _points(fp, call).astype(np.float64)
    ends = [constant_of(e) for e in (left, right)]
    with np.errstate(all="ignore"):
        slopes = (ys[1:] - ys[:-1]) / (xs[1:] - xs[:-1]) if len(xs) == len(ys) > 1 else np.array([np.nan])
    if not all(np.isfinite(a).all() for a in (xs, ys, slopes)) or np.any(xs[1:] <= xs[:-1]):
        refuse("SW262", call=call, what="a table that is not finite and strictly ascending")
    if not all(e is None or is_number(e) for e in ends):
        refuse("SW262", call=call, what="an end that is not a number")
    low, high = (ys[i] if e is None else float(e) for i, e in zip((0, -1), ends, strict=True))

    def interpolate(loop: LoopBuilder, ops: tuple[Any, ...]) -> tuple[Value, ...]:
        value = loop.cast(ops[0], F64)

        def number(c: float) -> Value:
            return loop.const(c, F64)

        result = number(high)
        result = loop.select(loop.call("less_equal", value, number(xs[-1])), number(ys[-1]), result)
        for j in range(len(slopes) - 1, -1, -1):
            line = loop.call("multiply", number(slopes[j]), loop.call("subtract", value, number(xs[j])))
            line = loop.call("add", line, number(ys[j]))
            line = loop.select(loop.call("equal", value, number(xs[j])), number(ys[j]), line)
            result = loop.select(loop.call("less", value, number(xs[j + 1])), line, result)
        result = loop.select(loop.call("less", value, number(xs[0])), number(low), result)
        return (loop.select(loop.call("isnan", value), value, result),)

    return apply(interpolate, (as_array(x, call),), call)


@cache
def _plain_arithmetic() -> bool:
    """Whether np.interp of this NumPy build rounds after the product, that is, uses no fused multiply-add."""
    xp, fp = np.array([0.1, 0.9, 2.3]), np.array([0.3, 1.7, -5.9])
    x = np.linspace(0.11, 2.29, 1000)
    at = np.searchsorted(xp, x, "right") - 1
    slopes = (fp[1:] - fp[:-1]) / (xp[1:] - xp[:-1])
    return bool(np.array_equal(np.interp(x, xp, fp), slopes[at] * (x - xp[at]) + fp[at]))
