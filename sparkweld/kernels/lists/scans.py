"""Functions that look at a list's elements one after the other: whether some or all pass a test, which is the extreme one."""

from __future__ import annotations

from typing import Any

from numba.core import types

from sparkweld.ir.types import Type
from sparkweld.kernels.frontend import VIEW
from sparkweld.kernels.lists.elements import load
from sparkweld.kernels.strings.library import Function, function
from sparkweld.kernels.strings.memory_access import address_of, length_of, view


def some(element: Type, name: str, passes: Function) -> Function:
    """Whether `passes` holds for an element."""
    item = load(element)

    @function(VIEW, result=types.boolean, name=f"list_{name}_{element}")
    def any_(v: Any) -> bool:
        i = 0
        while i < length_of(v):
            if passes(item(address_of(v), i)):
                return True
            i += 1
        return False

    return any_


def every(element: Type, name: str, passes: Function) -> Function:
    """Whether `passes` holds for all elements."""
    item = load(element)

    @function(VIEW, result=types.boolean, name=f"list_{name}_{element}")
    def all_(v: Any) -> bool:
        i = 0
        while i < length_of(v):
            if not passes(item(address_of(v), i)):
                return False
            i += 1
        return True

    return all_


def extreme(element: Type, name: str, better: Any, result: Any) -> Function:
    """`result`, a view, of the first element that no other is `better` than; NULL of an empty list."""
    item = load(element)

    @function(VIEW, result=VIEW, name=f"list_{name}_{element}")
    def best_of(v: Any) -> Any:
        if length_of(v) <= 0:
            return view(0, -1)
        best = item(address_of(v), 0)
        i = 1
        while i < length_of(v):
            x = item(address_of(v), i)
            if better(x, best):
                best = x
            i += 1
        return result(best)

    return best_of
