"""Appends elements to lists, which grow in the arena, and overwrites elements of lists there."""

from __future__ import annotations

from functools import cache
from typing import Any

from sparkweld.ir.types import Type
from sparkweld.kernels.functions.lists.elements import INT, store
from sparkweld.kernels.functions.strings.arena import extend
from sparkweld.kernels.functions.strings.library import Function, function
from sparkweld.kernels.functions.strings.memory_access import address_of, copy, length_of, view, word
from sparkweld.kernels.llvm.numba_frontend import VIEW, numba_type


@cache
def append(element: Type) -> Function:
    """Returns the list with one more element, in place where it can grow."""
    put, width = store(element), element.width

    @function(INT, VIEW, numba_type(element), result=VIEW, name=f"list_append_{element}")
    def append_(arena: int, v: Any, x: Any) -> Any:
        n = length_of(v)
        if n < 0:
            n = 0
        start = extend(arena, address_of(v), n * width, width)
        if start == 0:
            return view(0, 0)
        put(start, n, x)
        return view(start, n + 1)

    return append_


@cache
def extended(element: Type) -> Function:
    """Returns the list with the elements of another one after its own, in place where it can grow: always in the arena."""
    width = element.width

    @function(INT, VIEW, VIEW, result=VIEW, name=f"list_extended_{element}")
    def extended_(arena: int, v: Any, w: Any) -> Any:
        n = length_of(v)
        m = length_of(w)
        if m <= 0:
            return v
        if n < 0:
            n = 0
        start = extend(arena, address_of(v), n * width, m * width)
        if start == 0:
            return view(0, 0)
        copy(start + n * width, address_of(w), m * width)
        return view(start, n + m)

    return extended_


@cache
def copied(element: Type) -> Function:
    """Returns a list in the arena with the same elements."""
    extend_by = extended(element)

    @function(INT, VIEW, result=VIEW, name=f"list_copy_{element}")
    def copied_(arena: int, v: Any) -> Any:
        return extend_by(arena, view(0, 0), v)

    return copied_


@cache
def stored(element: Type) -> Function:
    """Returns the list with another element: the list itself if it is in the arena, else a copy there."""
    put, duplicate = store(element), copied(element)

    @function(INT, VIEW, INT, numba_type(element), result=VIEW, name=f"list_store_{element}")
    def stored_(arena: int, v: Any, index: int, x: Any) -> Any:
        n = length_of(v)
        if index < 0 or index >= n:
            return v
        if address_of(v) < word(arena, 16) or address_of(v) >= word(arena, 8):  # of an input or a constant
            v = duplicate(arena, v)
            if length_of(v) == 0:
                return v
        put(address_of(v), index, x)
        return v

    return stored_
