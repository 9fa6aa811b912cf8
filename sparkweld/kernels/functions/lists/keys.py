"""Finds the distinct elements of lists that are the keys of a dict, and the elements at given indices."""

from __future__ import annotations

from functools import cache
from typing import Any

from sparkweld.ir.types import I64, Type
from sparkweld.kernels.functions.lists.elements import INT, compared, load, store
from sparkweld.kernels.functions.strings.arena import give_back, reserve
from sparkweld.kernels.functions.strings.library import Function, function
from sparkweld.kernels.functions.strings.memory_access import address_of, length_of, view
from sparkweld.kernels.llvm.numba_frontend import VIEW, numba_type


@cache
def functions(element: Type) -> dict[str, Function]:
    """Maps names of `ir.ops.lists.FUNCTIONS` to functions for lists of these elements; those of NEW take the arena first."""
    return {"take": _take(element)} if element.is_float else {"take": _take(element), **_of_keys(element)}


def _of_keys(element: Type) -> dict[str, Function]:
    item, equal = load(element), compared(element, "==")

    @function(VIEW, numba_type(element), result=INT, name=f"list_find_last_{element}")
    def find_last(v: Any, x: Any) -> int:
        i = length_of(v) - 1
        while i >= 0:
            if equal(item(address_of(v), i), x):
                return i
            i -= 1
        return -1

    return {"find_last": find_last, "first_at": _places(element, False), "last_at": _places(element, True)}


def _places(element: Type, last: bool) -> Function:
    """Returns a function that lists the index of the first or last occurrence of each distinct element."""
    item, equal, number, put, width = load(element), compared(element, "=="), load(I64), store(I64), I64.width

    @function(INT, VIEW, result=VIEW, name=f"list_{'last' if last else 'first'}_at_{element}")
    def places(arena: int, v: Any) -> Any:
        n = length_of(v)
        if n <= 0:
            return view(0, 0)
        to = reserve(arena, n * width)
        if to == 0:
            return view(0, 0)
        used = 0
        i = 0
        while i < n:
            x = item(address_of(v), i)
            j = 0
            while j < used and not equal(item(address_of(v), number(to, j)), x):
                j += 1
            if j == used:
                put(to, used, i)
                used += 1
            elif last:
                put(to, j, i)
            i += 1
        give_back(arena, (n - used) * width)
        return view(to, used)

    return places


def _take(element: Type) -> Function:
    item, put, number, width = load(element), store(element), load(I64), element.width

    @function(INT, VIEW, VIEW, result=VIEW, name=f"list_take_{element}")
    def take(arena: int, v: Any, at: Any) -> Any:
        n = length_of(at)
        if n <= 0:
            return view(0, 0)
        to = reserve(arena, n * width)
        if to == 0:
            return view(0, 0)
        i = 0
        while i < n:
            k = number(address_of(at), i)
            if k < 0 or k >= length_of(v):  # an overflown arena has left a shorter list
                return view(0, 0)
            put(to, i, item(address_of(v), k))
            i += 1
        return view(to, n)

    return take
