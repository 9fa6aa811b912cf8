"""Lowers reductions of a one-dimensional ndarray of the row: sums, extremes and their positions, moments, products and norms."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from sparkweld.ir import Value
from sparkweld.ir.ops import ListCall
from sparkweld.ir.ops.lists import DOT, DOT_BOUND
from sparkweld.ir.types import BOOL, F32, F64, I64
from udf_compiler.frontends.python.ndarrays import array_of, call, elementwise, holds_none, is_empty, leave_none
from udf_compiler.frontends.python.numpy_scalars import numpy_scalar
from udf_compiler.frontends.python.operands import guard_between
from udf_compiler.frontends.python.path_explorer import explorer
from udf_compiler.frontends.python.values import TracedScalar, is_scalar
from udf_compiler.frontends.tracing.lower import constant_of
from udf_compiler.frontends.tracing.session import current, refuse
from udf_compiler.frontends.tracing.values import raw


def _reduction(function: Callable[[TracedScalar], Any]) -> Callable[..., Any]:
    def reduced(x: TracedScalar, axis: Any = None) -> Any:
        _check_axis(axis)
        return function(x)

    return reduced


def _check_axis(axis: Any) -> None:
    if axis not in (None, 0, -1):
        refuse("SW222", call="a reduction with this axis", kind="ndarray")


def _sum(x: TracedScalar) -> TracedScalar:
    total = call("sum_pairwise" if x.value.type.element.is_float else "sum_wrapping", x)
    return numpy_scalar(total, total.type.dtype)


def _test(name: str) -> Callable[..., Any]:
    return _reduction(lambda x: numpy_scalar(call(name, x), np.dtype(np.bool_)))


def _mean(x: TracedScalar) -> TracedScalar:
    """Returns the sum divided by the count; sums integers in float64, where the sum is exact."""
    loop, of = explorer().loop, x.value.type.element
    explorer().guard(loop.call("logical_not", is_empty(x)))  # NumPy warns and returns NaN
    total = call("sum_pairwise", x) if of.is_float else _exact_sum(x)
    return numpy_scalar(loop.call("divide", total, loop.cast(call("length", x), total.type)), total.type.dtype)


def _exact_sum(x: TracedScalar) -> Value:
    """Returns the sum of integers in float64; guards rows whose partial sums may round."""
    loop, of = explorer().loop, x.value.type.element
    guard_between(loop, call("length", x), 0, 2**21)
    for fn in ("smallest", "largest") if of == I64 else ():
        guard_between(loop, loop.value_of(call(fn, x)), -(2**32), 2**32)
    return loop.cast(call("sum_wrapping", x), F64)


def _variance(x: TracedScalar, axis: Any = None, *, ddof: Any = 0) -> TracedScalar:
    """Returns NumPy's variance (_methods.py): the sum of squared deviations from the mean, divided by the count minus `ddof`."""
    _check_axis(axis)
    loop, of = explorer().loop, x.value.type.element
    if type(ddof) is not int or of == F32:
        refuse("SW222", call=".var of this form", kind="ndarray")
    mean, count = _mean(x), call("length", x)
    explorer().guard(loop.call("greater", count, loop.const(ddof, I64)))  # NumPy warns
    apart = elementwise(operator.sub, (x, mean), ".var")
    total = call("sum_pairwise", elementwise(operator.mul, (apart, apart), ".var"))
    freedom = loop.cast(loop.call("subtract", count, loop.const(ddof, I64)), F64)
    return numpy_scalar(loop.call("divide", total, freedom), F64.dtype)


def _deviation(x: TracedScalar, axis: Any = None, *, ddof: Any = 0) -> TracedScalar:
    return numpy_scalar(explorer().loop.call("sqrt", _variance(x, axis, ddof=ddof).value), F64.dtype)


def _extreme(name: str) -> Callable[..., Any]:
    def extreme(x: TracedScalar) -> TracedScalar:
        loop, of = explorer().loop, x.value.type.element
        if of == BOOL:
            refuse("SW222", call=f".{name}() of bools", kind="ndarray")
        explorer().raise_if(is_empty(x), lambda: ValueError("zero-size array to reduction operation which has no identity"))
        fn = {"min": "minimum", "max": "maximum"} if of.is_float else {"min": "smallest", "max": "largest"}
        value = loop.value_of(call(fn[name], x))
        if of.is_float:
            explorer().guard(loop.call("not_equal", value, loop.const(0, of)))  # which of 0.0 and -0.0 wins depends on the CPU
        return numpy_scalar(value, of.dtype)

    return _reduction(extreme)


def _position(fn: str) -> Callable[..., Any]:
    """Returns argmin or argmax: the first position of the smallest or largest element. Guards rows with a NaN."""

    def position(x: TracedScalar) -> TracedScalar:
        loop, of = explorer().loop, x.value.type.element
        if of == BOOL:
            refuse("SW222", call="argmin or argmax of bools", kind="ndarray")
        explorer().raise_if(is_empty(x), lambda: ValueError("attempt to get the position in an empty sequence"))
        if of.is_float:
            explorer().guard(call("ordered", x))
        found = loop.emit(ListCall("find", x.value.type), x.value, loop.value_of(call(fn, x)))
        return numpy_scalar(found, I64.dtype)

    return _reduction(position)


def median(x: TracedScalar, axis: Any = None) -> TracedScalar:
    """Returns the mean of the one or two middle elements. Guards empty rows, where NumPy warns, and rows with a NaN."""
    _check_axis(axis)
    loop, of = explorer().loop, x.value.type.element
    if of in (BOOL, F32):
        refuse("SW222", call=f"median of {of}", kind="ndarray")
    explorer().guard(loop.call("logical_not", is_empty(x)))
    if of.is_float:
        explorer().guard(call("ordered", x))
    ranked, two = call("sorted", x), loop.const(2, I64)
    count = call("length", x)
    middle = loop.call("floor_divide", count, two)
    above = loop.cast(loop.emit(ListCall("at", ranked.type), ranked, middle), F64)
    odd = loop.call("equal", loop.call("remainder", count, two), loop.const(1, I64))
    before = loop.select(odd, middle, loop.call("subtract", middle, loop.const(1, I64)))
    below = loop.cast(loop.emit(ListCall("at", ranked.type), ranked, before), F64)
    mean = loop.call("divide", loop.call("add", below, above), loop.const(2.0, F64))
    found = loop.select(odd, above, mean)
    if of.is_float:
        explorer().guard(loop.call("not_equal", found, loop.const(0.0, F64)))  # NumPy's mean of one zero loses its sign
    return numpy_scalar(found, F64.dtype)




def dot(x: Any, y: Any) -> TracedScalar:
    """Returns ``np.dot(x, y)`` of two vectors, one of the row: BLAS adds products of floats in an order of its own.

    Integers are added exactly, so their order is of no importance.
    """
    products = elementwise(operator.mul, (_vector(x), _vector(y)), "np.dot")
    of = products.value.type.element
    if of == BOOL:
        refuse("SW222", call=f"np.dot of {of}", kind="ndarray")
    if of.is_float:
        if current().exact:
            refuse("SW232", op=DOT, bound=DOT_BOUND)
        current().keep(DOT, DOT_BOUND)
    total = call("sum_products", products) if of == F32 else _sum(products).value
    return numpy_scalar(explorer().loop.cast(total, of), of.dtype)


def _vector(x: Any) -> Any:
    """Returns a factor of `dot`. Leaves rows with None to Python; refuses (SW222) numbers and matrices."""
    if is_scalar(x) and x.is_list:
        return x
    if holds_none(x):
        leave_none()
    known = constant_of(x)
    if type(known) in (list, tuple, np.ndarray) and np.ndim(known) == 1 and len(known) > 1:
        return x
    refuse("SW222", call=f"np.dot with {raw(x)}", kind="ndarray")


def norm(x: Any, ord: Any = None, axis: Any = None) -> TracedScalar:
    """Returns ``np.linalg.norm(x)`` of a vector of the row (numpy/linalg/_linalg.py).

    Without an axis, the root of its product with itself; along its axis, that of the sum of squares in NumPy's order.
    """
    _check_axis(axis)
    if not (is_scalar(x) and x.is_list):
        refuse("SW222", call=f"np.linalg.norm of {raw(x)}", kind="ndarray")
    vector = array_of(x, "np.linalg.norm")
    if not vector.value.type.element.is_float:
        vector = elementwise(lambda a: current().dispatch.call_numpy(np.asarray, (a, float), {}), (vector,), "np.linalg.norm")
    if ord in (1, np.inf):
        sizes = elementwise(operator.abs, (vector,), "np.linalg.norm")
        return _sum(sizes) if ord == 1 else REDUCTIONS["max"](sizes)
    if ord not in (None, 2):
        refuse("SW222", call="np.linalg.norm of this form", kind="ndarray")
    squares = dot(vector, vector) if axis is None else _sum(elementwise(operator.mul, (vector, vector), "np.linalg.norm"))
    of = vector.value.type.element
    return numpy_scalar(explorer().loop.call("sqrt", explorer().loop.cast(squares.value, of)), of.dtype)


def argsort(x: TracedScalar, axis: Any = -1, kind: Any = None) -> TracedScalar:
    """Returns the positions in ascending order. Guards a NaN, and equal elements, whose order depends on the CPU."""
    _check_axis(axis)
    if kind not in (None, "quicksort", "stable", "mergesort") or axis is None:
        refuse("SW222", call="argsort of this form", kind="ndarray")
    if kind in (None, "quicksort"):
        distinct = call("length", TracedScalar(x.kind, call("distinct", x), numpy="ndarray"))
        explorer().guard(explorer().loop.call("equal", distinct, call("length", x)))
    elif x.value.type.element.is_float:
        explorer().guard(call("ordered", x))
    return _array(call("argsort", x))


def cumsum(x: TracedScalar, axis: Any = None) -> TracedScalar:
    """Returns the sums up to each element, which NumPy adds in their order."""
    _check_axis(axis)
    if x.value.type.element not in (F32, F64, I64):
        refuse("SW222", call=f"cumsum of {x.value.type.element}", kind="ndarray")
    return _array(call("cumulative", x))


def _array(value: Value) -> TracedScalar:
    return TracedScalar(value.type.kind, value, numpy="ndarray")


#: Functions of one array that are methods, too.
METHODS: dict[str, Callable[..., Any]] = {"argsort": argsort, "cumsum": cumsum}

#: Reductions of one array that are methods, too.
REDUCTIONS: dict[str, Callable[..., Any]] = {
    "sum": _reduction(_sum), "mean": _reduction(_mean), "any": _test("any"), "all": _test("all"),
    "min": _extreme("min"), "max": _extreme("max"), "amin": _extreme("min"), "amax": _extreme("max"),
    "var": _variance, "std": _deviation, "argmin": _position("smallest"), "argmax": _position("largest"),
}  # fmt: skip
