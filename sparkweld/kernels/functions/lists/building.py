"""Appends elements to lists, which grow in the arena."""

from __future__ import annotations

from functools import cache
from typing import Any

from sparkweld.ir.types import Type
from sparkweld.kernels.functions.lists.elements import INT, store
from sparkweld.kernels.functions.strings.arena import extend
from sparkweld.kernels.functions.strings.library import Function, function
from sparkweld.kernels.functions.strings.memory_access import address_of, length_of, view
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
