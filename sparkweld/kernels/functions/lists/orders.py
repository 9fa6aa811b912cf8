"""Compares, searches, joins, slices and sorts lists of every element type."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from llvmlite import ir
from numba.core import types

from sparkweld.ir.types import BOOL, F32, F64, I64, Type
from sparkweld.kernels.functions.lists import building, reductions
from sparkweld.kernels.functions.lists.elements import INT, added, compared, load, store
from sparkweld.kernels.functions.strings.arena import give_back, reserve
from sparkweld.kernels.functions.strings.library import Function, function
from sparkweld.kernels.functions.strings.memory_access import address_of, copy, length_of, view, wrapping_add
from sparkweld.kernels.functions.strings.search import min_of
from sparkweld.kernels.functions.strings.substrings import slice_bound
from sparkweld.kernels.llvm.numba_frontend import VIEW, Operation, numba_type

_ALWAYS = Operation("always", (VIEW,), types.boolean, lambda b, v: ir.Constant(ir.IntType(1), 1))


@cache
def functions(element: Type) -> dict[str, Function]:
    """Maps names of `ir.ops.lists.FUNCTIONS` to functions for lists of these elements; those of NEW take the arena first."""
    down = sorting(element, ">", "sorted_down")
    up = sorting(element, "<", "sorted")
    made = {"sorted": up, "sorted_down": down, "distinct": _distinct(element, up)}
    if element != BOOL:
        made["argsort"] = _argsort(element)
    if element in (F32, F64, I64):
        made["cumulative"] = _cumulative(element)
    return {**_searches(element), **_slices(element), **made}


def _named(name: str, element: Type, *arguments: types.Type, result: types.Type) -> Callable[[Callable[..., Any]], Function]:
    return function(*arguments, result=result, name=f"list_{name}_{element}")


def _searches(element: Type) -> dict[str, Function]:
    item, equal = load(element), compared(element, "==")

    @_named("count", element, VIEW, numba_type(element), result=INT)
    def count(v: Any, x: Any) -> int:
        i = 0
        found = 0
        while i < length_of(v):
            if equal(item(address_of(v), i), x):
                found += 1
            i += 1
        return found

    @_named("find", element, VIEW, numba_type(element), result=INT)
    def find(v: Any, x: Any) -> int:
        i = 0
        while i < length_of(v):
            if equal(item(address_of(v), i), x):
                return i
            i += 1
        return -1

    @_named("equal", element, VIEW, VIEW, result=types.boolean)
    def same(v: Any, w: Any) -> bool:
        if length_of(v) != length_of(w):
            return False
        i = 0
        while i < length_of(v):
            if not equal(item(address_of(v), i), item(address_of(w), i)):
                return False
            i += 1
        return True

    return {"count": count, "find": find, "equal": same}


def _slices(element: Type) -> dict[str, Function]:
    item, put, width, extended = load(element), store(element), element.width, building.extended(element)

    @_named("concat", element, INT, VIEW, VIEW, result=VIEW)
    def concat(arena: int, v: Any, w: Any) -> Any:
        return w if length_of(v) <= 0 < length_of(w) else extended(arena, v, w)

    @_named("stepped", element, INT, VIEW, INT, INT, INT, result=VIEW)
    def stepped(arena: int, v: Any, start: int, stop: int, step: int) -> Any:
        n = length_of(v)
        if n <= 0:
            return view(0, 0)
        if step > 0:
            at = slice_bound(start, n, step, 0)
            end = slice_bound(stop, n, step, n)
        else:
            at = slice_bound(start, n, step, n - 1)
            end = slice_bound(stop, n, step, -1)
        to = reserve(arena, n * width)
        if to == 0:
            return view(0, 0)
        used = 0
        if step > n:  # a longer step could overflow int64
            step = n
        if step < -n:
            step = -n
        while (step > 0 and at < end) or (step < 0 and at > end):
            put(to, used, item(address_of(v), at))
            used += 1
            at += step
        give_back(arena, (n - used) * width)
        return view(to, used)

    return {"concat": concat, "extended": extended, "stepped": stepped}


def _merge_sort(name: str, element: Type, item: Operation, put: Operation, before: Function, width: int) -> Function:
    """Returns ``sort(values, at, n)``, which sorts n items in place: stable, bottom up, with as much space behind them.

    `before(values, x, y)`: whether x must precede y.
    """

    @_named(f"{name}_runs", element, INT, INT, INT, INT, INT, INT, result=INT)
    def merge(values: int, to: int, source: int, start: int, middle: int, end: int) -> int:
        i = start
        j = middle
        k = start
        while k < end:
            if i < middle and (j >= end or not before(values, item(source, j), item(source, i))):
                put(to, k, item(source, i))
                i += 1
            else:
                put(to, k, item(source, j))
                j += 1
            k += 1
        return end

    @_named(f"{name}_items", element, INT, INT, INT, result=INT)
    def sort(values: int, at: int, n: int) -> int:
        source = at
        target = at + n * width
        size = 1
        while size < n:
            start = 0
            while start < n:
                start = merge(values, target, source, start, min_of(start + size, n), min_of(start + 2 * size, n))
            source, target = target, source
            size *= 2
        if source != at:
            copy(at, source, n * width)
        return 0

    return sort


def _ordered(element: Type) -> Operation:
    """Returns whether the elements of a list have an order: floats with a NaN among them have none."""
    return reductions.functions(element)["ordered"] if element.is_float else _ALWAYS


@cache
def sorting(element: Type, symbol: str, name: str) -> Function:
    """Returns a stable sort in which no element is `symbol` its predecessor; an empty list for elements without an order."""
    item, put, less, width, ordered = load(element), store(element), compared(element, symbol), element.width, _ordered(element)
    type = numba_type(element)

    @_named(f"{name}_before", element, INT, type, type, result=types.boolean)
    def before(values: int, x: Any, y: Any) -> bool:
        return less(x, y)

    sort_items = _merge_sort(name, element, item, put, before, width)

    @_named(name, element, INT, VIEW, result=VIEW)
    def sort(arena: int, v: Any) -> Any:
        n = length_of(v)
        if n <= 0 or not ordered(v):
            return view(0, 0)
        result = reserve(arena, 2 * n * width)
        if result == 0:
            return view(0, 0)
        copy(result, address_of(v), n * width)
        sort_items(0, result, n)
        give_back(arena, n * width)
        return view(result, n)

    return sort


def _argsort(element: Type) -> Function:
    """Returns the positions of the elements in ascending order, stable; an empty list for elements without an order."""
    item, less, position, put, ordered = load(element), compared(element, "<"), load(I64), store(I64), _ordered(element)

    @_named("argsort_before", element, INT, INT, INT, result=types.boolean)
    def before(values: int, i: int, j: int) -> bool:
        return less(item(values, i), item(values, j))

    sort_items = _merge_sort("argsort", element, position, put, before, I64.width)

    @_named("argsort", element, INT, VIEW, result=VIEW)
    def argsort(arena: int, v: Any) -> Any:
        n = length_of(v)
        if n <= 0 or not ordered(v):
            return view(0, 0)
        result = reserve(arena, 2 * n * 8)
        if result == 0:
            return view(0, 0)
        i = 0
        while i < n:
            put(result, i, i)
            i += 1
        sort_items(address_of(v), result, n)
        give_back(arena, n * 8)
        return view(result, n)

    return argsort


def _cumulative(element: Type) -> Function:
    item, put, plus, width = load(element), store(element), added(element) if element.is_float else wrapping_add, element.width

    @_named("cumulative", element, INT, VIEW, result=VIEW)
    def cumulative(arena: int, v: Any) -> Any:
        n = length_of(v)
        if n <= 0:
            return view(0, 0)
        start = reserve(arena, n * width)
        if start == 0:
            return view(0, 0)
        total = item(address_of(v), 0)
        put(start, 0, total)
        i = 1
        while i < n:
            total = plus(total, item(address_of(v), i))
            put(start, i, total)
            i += 1
        return view(start, n)

    return cumulative


def _distinct(element: Type, up: Function) -> Function:
    item, put, equal, width = load(element), store(element), compared(element, "=="), element.width

    @_named("distinct", element, INT, VIEW, result=VIEW)
    def distinct(arena: int, v: Any) -> Any:
        w = up(arena, v)
        n = length_of(w)
        if n == 0:
            return w
        used = 1
        i = 1
        while i < n:
            x = item(address_of(w), i)
            if not equal(x, item(address_of(w), used - 1)):
                put(address_of(w), used, x)
                used += 1
            i += 1
        give_back(arena, (n - used) * width)
        return view(address_of(w), used)

    return distinct
