"""Implements functions of lists of strings, whose elements are views, like the strings of a column."""

from __future__ import annotations

from functools import cache
from typing import Any

from numba.core import types

from sparkweld.ir.types import STR
from sparkweld.kernels.functions.lists.elements import INT, load, text_is_greater, text_is_less
from sparkweld.kernels.functions.lists.scans import every, extreme, some
from sparkweld.kernels.functions.strings.arena import reserve
from sparkweld.kernels.functions.strings.building import put
from sparkweld.kernels.functions.strings.library import Function, function
from sparkweld.kernels.functions.strings.memory_access import address_of, length_of, view
from sparkweld.kernels.functions.strings.utf8 import valid_utf8
from sparkweld.kernels.llvm.numba_frontend import VIEW

_item = load(STR)


@cache
def functions() -> dict[str, Function]:
    """Maps names of `ir.ops.lists.FUNCTIONS` to functions for lists of strings; `join` takes the arena first."""
    return {
        "any": some(STR, "any", _is_not_empty),
        "all": every(STR, "all", _is_not_empty),
        "valid_utf8": every(STR, "valid_utf8", valid_utf8),
        "smallest": extreme(STR, "smallest", text_is_less, _itself),
        "largest": extreme(STR, "largest", text_is_greater, _itself),
        "join": join,
    }


@function(VIEW, result=types.boolean)
def _is_not_empty(v: Any) -> bool:
    return length_of(v) != 0


@function(VIEW, result=VIEW)
def _itself(v: Any) -> Any:
    return v


@function(INT, VIEW, VIEW, result=VIEW, name="list_join_str")
def join(arena: int, v: Any, separator: Any) -> Any:
    n = length_of(v)
    if n <= 0:
        return view(0, 0)
    if n == 1:
        return _item(address_of(v), 0)
    size = (n - 1) * length_of(separator)
    i = 0
    while i < n:
        size += length_of(_item(address_of(v), i))
        i += 1
    start = reserve(arena, size)
    if start == 0:
        return view(0, 0)
    to = put(start, _item(address_of(v), 0))
    i = 1
    while i < n:
        to = put(put(to, separator), _item(address_of(v), i))
        i += 1
    return view(start, size)
