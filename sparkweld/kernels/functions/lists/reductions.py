"""Computes sums, extremes and tests of a list's elements, in the order of Python or NumPy."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from numba.core import types

from sparkweld.ir.ops.lists import MOST_SUMMANDS
from sparkweld.ir.types import BOOL, F32, STR, Type
from sparkweld.kernels.functions.lists import texts
from sparkweld.kernels.functions.lists.elements import (
    FLOAT,
    INT,
    added,
    as_double,
    as_word,
    compared,
    constant,
    load,
    narrowed,
    widened,
)
from sparkweld.kernels.functions.lists.scans import every, extreme, some
from sparkweld.kernels.functions.strings.library import Function, function
from sparkweld.kernels.functions.strings.memory_access import address_of, length_of, magnitude, view, wrapping_add
from sparkweld.kernels.llvm.numba_frontend import VIEW, numba_type

_LARGEST = 1.7976931348623157e308
#: NumPy's pairwise sum: up to this length eight partial sums are interleaved; longer lists are halved (loops_utils.h.src).
_PAIRWISE = 128


@cache
def functions(element: Type) -> dict[str, Function]:
    """Maps names of `ir.ops.lists.FUNCTIONS` to functions for lists of these elements."""
    if element == STR:
        return texts.functions()
    found = {**_tests(element), **(_of_floats(element) if element.is_float else _of_integers(element))}
    if element != BOOL:
        found.update(smallest=_extreme(element, "<", "smallest"), largest=_extreme(element, ">", "largest"))
    return found


def _named(name: str, element: Type, *arguments: types.Type, result: types.Type) -> Callable[[Callable[..., Any]], Function]:
    return function(VIEW, *arguments, result=result, name=f"list_{name}_{element}")


def _tests(element: Type) -> dict[str, Function]:
    differ, zero = compared(element, "!="), constant(element, 0)

    @function(numba_type(element), result=types.boolean, name=f"list_element_is_true_{element}")
    def is_true(x: Any) -> bool:
        return differ(x, zero())

    return {"any": some(element, "any", is_true), "all": every(element, "all", is_true)}


def _of_integers(element: Type) -> dict[str, Function]:
    item, wide = load(element), widened(element)

    @_named("sum", element, result=VIEW)
    def sum_(v: Any) -> Any:
        i = 0
        total = 0
        while i < length_of(v):
            x = wide(item(address_of(v), i))
            added_ = wrapping_add(total, x)
            if (total ^ added_) & (x ^ added_) < 0:
                return view(0, -1)
            total = added_
            i += 1
        return view(total, 0)

    @_named("sum_wrapping", element, result=INT)
    def sum_wrapping(v: Any) -> int:
        i = 0
        total = 0
        while i < length_of(v):
            total = wrapping_add(total, wide(item(address_of(v), i)))
            i += 1
        return total

    return {"sum": sum_, "sum_wrapping": sum_wrapping}


def _of_floats(element: Type) -> dict[str, Function]:
    item, double, differ = load(element), as_double(element), compared(element, "!=")

    @_named("sum_in_order", element, result=FLOAT)
    def sum_in_order(v: Any) -> float:
        i = 0
        total = 0.0
        while i < length_of(v):
            total = total + double(item(address_of(v), i))
            i += 1
        return total

    @_named("sum_compensated", element, result=FLOAT)
    def sum_compensated(v: Any) -> float:
        total = 0.0
        correction = 0.0
        if length_of(v) > 0:
            total = total + double(item(address_of(v), 0))
        i = 1
        while i < length_of(v):
            x = double(item(address_of(v), i))
            new = total + x
            if magnitude(total) >= magnitude(x):
                correction = correction + ((total - new) + x)
            else:
                correction = correction + ((x - new) + total)
            total = new
            i += 1
        if correction != 0.0 and magnitude(correction) <= _LARGEST:
            total = total + correction
        return total

    @_named("ordered", element, result=types.boolean)
    def ordered(v: Any) -> bool:
        i = 0
        while i < length_of(v):
            if differ(item(address_of(v), i), item(address_of(v), i)):
                return False
            i += 1
        return True

    propagating = {fn: _propagating(element, s, fn) for fn, s in (("minimum", "<"), ("maximum", ">"))}
    sums = {"sum_in_order": sum_in_order, "sum_compensated": sum_compensated, "sum_pairwise": _sum_pairwise(element)}
    if element == F32:
        sums["sum_products"] = _sum_products(element, sum_in_order)
    return {"ordered": ordered, **sums, **propagating}


def _sum_products(element: Type, sum_in_order: Function) -> Function:
    single = narrowed(element)

    @_named("sum_products", element, result=numba_type(element))
    def sum_products(v: Any) -> Any:
        return single(sum_in_order(v))

    return sum_products


def _sum_pairwise(element: Type) -> Function:
    item, plus, zero, minus_zero = load(element), added(element), constant(element, 0.0), constant(element, -0.0)
    type = numba_type(element)

    @function(INT, INT, INT, result=type, name=f"list_block_sum_{element}")
    def block_sum(a: int, start: int, n: int) -> Any:
        if n > _PAIRWISE:
            half = n >> 1
            half -= half & 7
            return plus(block_sum(a, start, half), block_sum(a, start + half, n - half))
        if n < 8:
            total = minus_zero()
            i = start
            while i < start + n:
                total = plus(total, item(a, i))
                i += 1
            return total
        s0 = item(a, start)
        s1 = item(a, start + 1)
        s2 = item(a, start + 2)
        s3 = item(a, start + 3)
        s4 = item(a, start + 4)
        s5 = item(a, start + 5)
        s6 = item(a, start + 6)
        s7 = item(a, start + 7)
        i = start + 8
        end = start + n - (n & 7)
        while i < end:
            s0 = plus(s0, item(a, i))
            s1 = plus(s1, item(a, i + 1))
            s2 = plus(s2, item(a, i + 2))
            s3 = plus(s3, item(a, i + 3))
            s4 = plus(s4, item(a, i + 4))
            s5 = plus(s5, item(a, i + 5))
            s6 = plus(s6, item(a, i + 6))
            s7 = plus(s7, item(a, i + 7))
            i += 8
        total = plus(plus(plus(s0, s1), plus(s2, s3)), plus(plus(s4, s5), plus(s6, s7)))
        while i < start + n:
            total = plus(total, item(a, i))
            i += 1
        return total

    @_named("sum_pairwise", element, result=type)
    def sum_pairwise(v: Any) -> Any:
        total = zero()
        start = 0
        while start < length_of(v):
            end = start + MOST_SUMMANDS
            if end > length_of(v):
                end = length_of(v)
            total = plus(total, block_sum(address_of(v), start, end - start))
            start = end
        return total

    return sum_pairwise


def _extreme(element: Type, symbol: str, name: str) -> Function:
    return extreme(element, name, compared(element, symbol), _word_of(element, name))


def _propagating(element: Type, symbol: str, name: str) -> Function:
    better, differ, type = compared(element, symbol), compared(element, "!="), numba_type(element)

    @function(type, type, result=types.boolean, name=f"list_{name}_before_{element}")
    def before(x: Any, best: Any) -> bool:
        return better(x, best) or (differ(x, x) and not differ(best, best))

    return extreme(element, name, before, _word_of(element, name))


def _word_of(element: Type, name: str) -> Function:
    word = as_word(element)

    @function(numba_type(element), result=VIEW, name=f"list_{name}_word_{element}")
    def as_view(x: Any) -> Any:
        return view(word(x), 0)

    return as_view
