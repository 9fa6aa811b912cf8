"""Lowers products with constant matrices and reductions over the k values of a row to IR.

Reductions follow NumPy's order of operations, and are refused where that is unknown. Float matrix products are approximate,
with a documented error bound.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.types import BOOL, I64, Type
from udf_compiler.frontends.pandas.array import TracedArray, apply, as_array
from udf_compiler.frontends.tracing.lower import constant, constant_of, is_number, prototype, run_prototype, type_of
from udf_compiler.frontends.tracing.session import check_size, current, refuse
from udf_compiler.frontends.tracing.values import Traced


def matmul(x: Any, w: Any) -> Any:
    """Implements ``x @ w`` with a constant vector or matrix.

    Integer results do not depend on the order of additions. Float results are approximate, as BLAS has an order of its own; their
    error bound is recorded. Refuses (SW260) floats when exact results are required.
    """
    call = "array @ ..."
    if not isinstance(x, TracedArray) or x.ndim != 2 or isinstance(w, Traced):
        refuse("SW250", call=call)
    w = np.asarray(w)
    if w.ndim not in (1, 2) or w.dtype.kind not in "biuf":
        refuse("SW262", call=call, what=f"a constant of shape {w.shape}")
    made = run_prototype(call, np.matmul, np.ones((1, len(x.columns)), x.dtype), w)
    type = type_of(made.dtype, call)
    if type == BOOL or 0 in w.shape:
        refuse("SW262", call=call, what="a bool or empty product")
    if type.is_float:
        if current().exact:
            refuse("SW260", call=call)
        k = len(x.columns)
        bound = f"{k + 2} * eps * sum(|x * w|)"
        current().note(f"x @ w over {k} columns adds in column order: within {bound} of NumPy's BLAS")
        current().keep("dot", bound)
    matrix = w.astype(type.dtype).reshape(len(w), -1)
    columns = [_dot(x.loop, x.columns, matrix[:, j], type) for j in range(matrix.shape[1])]
    return TracedArray(x.loop, columns, w.ndim, "C")


def _dot(loop: LoopBuilder, columns: Sequence[Value], weights: np.ndarray, type: Type) -> Value:
    total: Value | None = None
    for column, weight in zip(columns, weights, strict=True):
        product = loop.call("multiply", loop.cast(column, type), loop.const(weight, type))
        total = product if total is None else loop.call("add", total, product)
        check_size(loop)
    assert total is not None
    return loop.call("add", total, loop.const(0, type)) if type.is_float else total  # BLAS starts from 0: never -0.0


def dot(a: Any, b: Any) -> Any:
    """Implements np.dot: a product with a scalar, or `matmul`."""
    call = "np.dot"
    a, b = constant_of(a), constant_of(b)
    if not (is_number(a) or is_number(b)):
        return matmul(as_array(a, call) if isinstance(a, Traced) else a, b)
    array, scalar = (as_array(b, call), a) if is_number(a) else (as_array(a, call), b)

    def scaled(loop: LoopBuilder, ops: tuple[Any, ...]) -> tuple[Value, ...]:
        made = run_prototype(call, np.dot, prototype(ops[0]), scalar)
        type = type_of(made.dtype, call)
        if type == BOOL:
            refuse("SW262", call=call, what="a bool product")
        product = loop.call("multiply", loop.cast(ops[0], type), constant(loop, scalar, type.dtype, call))
        return (loop.call("add", product, loop.const(0, type)) if type.is_float else product,)  # BLAS starts from 0

    return apply(scaled, (array,), call)


def reduce(name: str, x: TracedArray, axis: Any = None, call: str = "") -> TracedArray:
    """Reduces axis 1 of a two-dimensional array by sum, mean, max, min, argmax, any or all.

    Refuses (SW260) sums and means of floats where NumPy's order of additions is unknown.
    """
    call = call or f"array.{name}"
    name = name.removeprefix("a") if name in ("amax", "amin") else name
    if x.ndim != 2 or axis not in (1, -1):
        refuse("SW250", call=call)
    proto = run_prototype(call, getattr(np.ones((1, len(x.columns)), x.dtype), name), axis=1)
    type, loop, values = type_of(proto.dtype, call), x.loop, list(x.columns)
    if name in ("any", "all"):
        return TracedArray(
            loop, [fold(loop, f"logical_{'or' if name == 'any' else 'and'}", [loop.cast(v, BOOL) for v in values])]
        )
    if name == "argmax":
        return TracedArray(loop, [argmax(loop, values)])
    if name in ("max", "min"):
        found = fold(loop, f"{name}imum", values)
        _guard_sign_of_zero(loop, values, found)
        return TracedArray(loop, [found])
    if type.is_int:
        return TracedArray(loop, [fold(loop, "add", [loop.cast(v, I64) for v in values])])
    if values[0].type != type:
        refuse("SW262", call=call, what=f"a {x.dtype} array")
    if x.order != "C" and len(values) >= 8:
        refuse("SW260", call=call)  # fewer than 8 values are added from left to right in every memory order
    total = loop.call("add", loop.const(0.0, type), pairwise_sum(loop, values))
    if name == "mean":
        total = loop.call("divide", total, loop.const(len(values), type))
    check_size(loop)
    return TracedArray(loop, [total])


def _guard_sign_of_zero(loop: LoopBuilder, values: Sequence[Value], found: Value) -> None:
    """Guards rows whose extreme `found` is 0 and that have both 0.0 and -0.0: the result's sign depends on NumPy's order."""
    if not found.type.is_float or len(values) < 2:
        return
    zero = loop.const(0, found.type)
    negative = [loop.call("signbit", v) for v in values]
    zeros = [loop.call("equal", v, zero) for v in values]
    both = [
        fold(loop, "logical_or", [loop.call("logical_and", z, sign) for z, sign in zip(zeros, signs, strict=True)])
        for signs in (negative, [loop.call("logical_not", n) for n in negative])
    ]
    mixed = loop.call("logical_and", loop.call("equal", found, zero), loop.call("logical_and", *both))
    loop.guard(loop.call("logical_not", mixed))


def argmax(loop: LoopBuilder, values: Sequence[Value]) -> Value:
    """Computes ``np.argmax`` of a row: the first NaN when there is one, else the first of the largest values."""
    best, index = values[0], loop.const(0, I64)
    for at, value in enumerate(values[1:], 1):
        larger = loop.call("greater", value, best)
        if value.type.is_float:
            isnan = loop.call("logical_and", loop.call("isnan", value), loop.call("logical_not", loop.call("isnan", best)))
            larger = loop.call("logical_or", larger, isnan)
        best, index = loop.select(larger, value, best), loop.select(larger, loop.const(at, I64), index)
    return index


def reduction(name: str) -> Callable[..., Any]:
    """Returns the ndarray method `name` as a function of a traced array."""

    def method(x: TracedArray, axis: Any = None) -> TracedArray:
        return reduce(name, x, axis)

    return method


def pairwise_sum(loop: LoopBuilder, values: list[Value]) -> Value:
    """Emits NumPy's pairwise sum of contiguous floats (loops_utils.h.src).

    It adds from left to right below 8 values, uses 8 accumulators up to 128, and splits in halves above.
    """
    n = len(values)
    if n < 8:
        return fold(loop, "add", [loop.const(-0.0, values[0].type), *values])
    if n <= 128:
        sums = values[:8]
        for i in range(8, n - n % 8, 8):
            sums = [loop.call("add", s, v) for s, v in zip(sums, values[i : i + 8], strict=True)]
        pairs = [loop.call("add", sums[i], sums[i + 1]) for i in range(0, 8, 2)]
        total = loop.call("add", loop.call("add", pairs[0], pairs[1]), loop.call("add", pairs[2], pairs[3]))
        return fold(loop, "add", [total, *values[n - n % 8 :]])
    half = n // 2
    half -= half % 8
    return loop.call("add", pairwise_sum(loop, values[:half]), pairwise_sum(loop, values[half:]))


def fold(loop: LoopBuilder, function: str, values: Sequence[Value]) -> Value:
    """Folds the values from left to right with a binary function."""
    total = values[0]
    for value in values[1:]:
        total = loop.call(function, total, value)
    return total
