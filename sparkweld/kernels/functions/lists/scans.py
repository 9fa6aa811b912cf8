"""Scans a list's elements in order: whether some or all pass a test, and which element is the extreme one."""

from __future__ import annotations

from typing import Any

from numba.core import types

from sparkweld.ir.types import Type
from sparkweld.kernels.functions.lists.elements import load
from sparkweld.kernels.functions.strings.library import Function, function
from sparkweld.kernels.functions.strings.memory_access import address_of, length_of, view
from sparkweld.kernels.llvm.numba_frontend import VIEW


def some(element: Type, name: str, passes: Function) -> Function:
    """Returns a function that tests whether `passes` holds for some element."""
    return _until(element, name, passes, True)


def every(element: Type, name: str, passes: Function) -> Function:
    """Returns a function that tests whether `passes` holds for all elements."""
    return _until(element, name, passes, False)


def _until(element: Type, name: str, passes: Function, decides: bool) -> Function:
    """Returns a function that yields `decides` once `passes` does for an element, else the opposite."""
    item = load(element)

    @function(VIEW, result=types.boolean, name=f"list_{name}_{element}")
    def found(v: Any) -> bool:
        i = 0
        while i < length_of(v):
            if passes(item(address_of(v), i)) == decides:
                return decides
            i += 1
        return not decides

    return found


def extreme(element: Type, name: str, better: Any, result: Any) -> Function:
    """Returns a function that yields `result`, a view, of the first extreme element.

    An element is extreme when no other one is `better`. An empty list yields NULL.
    """
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
