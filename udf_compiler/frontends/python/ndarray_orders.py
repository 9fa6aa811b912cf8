"""Lowers functions of a one-dimensional ndarray of the row that depend on its order: percentiles, unique values, differences."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from sparkweld.ir import Value
from sparkweld.ir.ops import ListCall, MakeList
from sparkweld.ir.types import BOOL, F32, F64, I64, list_of
from udf_compiler.frontends.python.ndarrays import call, elementwise, is_empty
from udf_compiler.frontends.python.numpy_scalars import numpy_scalar
from udf_compiler.frontends.python.path_explorer import explorer
from udf_compiler.frontends.python.values import TracedScalar
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.values import raw

#: The most percentiles of one call: each has code of its own.
_MOST_SHARES = 64


def percentile(x: TracedScalar, q: Any, axis: Any = None) -> TracedScalar:
    """Returns ``np.percentile(x, q)`` of a constant number or list of numbers, of which it makes an array."""
    return _at_shares(x, q, axis, 100)


def quantile(x: TracedScalar, q: Any, axis: Any = None) -> TracedScalar:
    """Returns ``np.quantile(x, q)`` of a constant number or list of numbers, of which it makes an array."""
    shares = q if type(q) in (list, tuple) else [q]
    if not x.value.type.element.is_float and all(type(share) is int for share in shares):
        refuse("SW222", call=f"a quantile at {raw(q)}", kind="ndarray")  # NumPy takes elements, as integers
    return _at_shares(x, q, axis, 1)


def _at_shares(x: TracedScalar, q: Any, axis: Any, whole: int) -> TracedScalar:
    """Returns the value at each share of `whole`. Guards empty rows, for which NumPy warns or raises, and rows with a NaN."""
    loop, of, several = explorer().loop, x.value.type.element, type(q) in (list, tuple)
    shares = list(q) if several else [q]
    if not 0 < len(shares) <= _MOST_SHARES or not all(type(share) in (int, float) and 0 <= share <= whole for share in shares):
        refuse("SW222", call=f"a percentile at {raw(q)}", kind="ndarray")
    if of not in (F64, I64) or type(axis) not in (int, type(None)) or axis not in (None, 0, -1):
        refuse("SW222", call=f"a percentile of {of}", kind="ndarray")
    explorer().guard(loop.call("logical_not", is_empty(x)))
    if of.is_float:
        explorer().guard(call("ordered", x))
    ranked = call("sorted", x)
    found = [_at_share(x, ranked, float(np.true_divide(share, whole))) for share in shares]
    if not several:
        return numpy_scalar(found[0], F64.dtype)
    return _array(loop.emit(MakeList(list_of(F64)), *found))


def _at_share(x: TracedScalar, ranked: Value, share: float) -> Value:
    """Interpolates as NumPy does (numpy/lib/_function_base_impl.py, _lerp): from the element below, or from the one above.

    Guards interpolations beside an infinity, and zeros.
    """
    loop, of = explorer().loop, x.value.type.element
    last = loop.call("subtract", call("length", x), loop.const(1, I64))
    place = loop.call("multiply", loop.cast(last, F64), loop.const(share, F64))
    below = loop.call("floor", place)
    part = loop.call("subtract", place, below)
    first = loop.cast(below, I64)
    low = _element(ranked, first)
    high = _element(ranked, loop.call("minimum", loop.call("add", first, loop.const(1, I64)), last))
    apart = loop.cast(loop.call("subtract", high, low), F64)
    if of.is_float:
        explorer().guard(loop.call("isfinite", apart))
    from_low = loop.call("add", loop.cast(low, F64), loop.call("multiply", apart, part))
    rest = loop.call("subtract", loop.const(1.0, F64), part)
    from_high = loop.call("subtract", loop.cast(high, F64), loop.call("multiply", apart, rest))
    nearer = loop.call("greater_equal", part, loop.const(0.5, F64))
    found = loop.select(nearer, from_high, from_low)
    if of.is_float:
        explorer().guard(loop.call("not_equal", found, loop.const(0.0, F64)))  # its sign depends on the order of equal zeros
    return found


def _element(ranked: Value, at: Value) -> Value:
    return explorer().loop.emit(ListCall("at", ranked.type), ranked, at)


def unique(x: TracedScalar) -> TracedScalar:
    """Returns the distinct integers in ascending order; refuses floats, of which NaN and the zeros are special."""
    if not x.value.type.element.is_int:
        refuse("SW222", call=f"unique of {x.value.type.element}", kind="ndarray")
    return _array(call("sorted", _array(call("distinct", x))))


def diff(x: TracedScalar, n: Any = 1, axis: Any = -1) -> TracedScalar:
    """Returns each element less the one before it."""
    if type(n) is not int or n != 1 or type(axis) is not int or axis not in (0, -1) or x.value.type.element in (BOOL, F32):
        refuse("SW222", call=f"diff of {x.value.type.element} in this form", kind="ndarray")
    return elementwise(operator.sub, (x[1:], x[:-1]), "np.diff")


def _array(value: Value) -> TracedScalar:
    return TracedScalar(value.type.kind, value, numpy="ndarray")


#: Functions of one array that are no methods.
FUNCTIONS: dict[str, Callable[..., Any]] = {"percentile": percentile, "quantile": quantile, "unique": unique, "diff": diff}
