"""Lists that grow in the arena by an element at a time."""

from __future__ import annotations

from functools import cache
from typing import Any

from sparkweld.ir.types import Type
from sparkweld.kernels.frontend import VIEW, numba_type
from sparkweld.kernels.lists.elements import INT, store
from sparkweld.kernels.strings.arena import reserve
from sparkweld.kernels.strings.library import Function, function
from sparkweld.kernels.strings.memory_access import address_of, copy, length_of, view, word


@cache
def append(element: Type) -> Function:
    """The list with one more element: in its place when nothing lies behind it in the arena, else in a copy.

    What lies behind belongs to no other list, so both are the same to whoever has the list as it was.
    """
    put, width = store(element), element.width

    @function(INT, VIEW, numba_type(element), result=VIEW, name=f"list_append_{element}")
    def append_(arena: int, v: Any, x: Any) -> Any:
        n = length_of(v)
        if n > 0 and address_of(v) + n * width == word(arena, 0):
            if reserve(arena, width) == 0:
                return view(0, 0)
            put(address_of(v), n, x)
            return view(address_of(v), n + 1)
        if n < 0:
            n = 0
        start = reserve(arena, (n + 1) * width)
        if start == 0:
            return view(0, 0)
        copy(start, address_of(v), n * width)
        put(start, n, x)
        return view(start, n + 1)

    return append_
