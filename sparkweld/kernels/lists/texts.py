"""Functions of lists of strings: their elements are views, as a column's strings are."""

from __future__ import annotations

from functools import cache
from typing import Any

from numba.core import types

from sparkweld.ir.types import STR
from sparkweld.kernels.frontend import VIEW
from sparkweld.kernels.lists.elements import INT, load, text_is_greater, text_is_less
from sparkweld.kernels.strings.arena import reserve
from sparkweld.kernels.strings.building import put
from sparkweld.kernels.strings.library import Function, function
from sparkweld.kernels.strings.memory_access import address_of, length_of, view
from sparkweld.kernels.strings.utf8 import valid_utf8

_item = load(STR)


@cache
def functions() -> dict[str, Function]:
    """Name of `ir.ops.lists.FUNCTIONS` -> its function for lists of strings; `join` takes the arena first."""
    extremes = {name: _extreme(name, better) for name, better in (("smallest", text_is_less), ("largest", text_is_greater))}
    return {"any": any_, "all": all_, "valid_utf8": all_valid_utf8, "join": join, **extremes}


@function(VIEW, result=types.boolean, name="list_any_str")
def any_(v: Any) -> bool:
    i = 0
    while i < length_of(v):
        if length_of(_item(address_of(v), i)) != 0:
            return True
        i += 1
    return False


@function(VIEW, result=types.boolean, name="list_all_str")
def all_(v: Any) -> bool:
    i = 0
    while i < length_of(v):
        if length_of(_item(address_of(v), i)) == 0:
            return False
        i += 1
    return True


@function(VIEW, result=types.boolean, name="list_valid_utf8_str")
def all_valid_utf8(v: Any) -> bool:
    i = 0
    while i < length_of(v):
        if not valid_utf8(_item(address_of(v), i)):
            return False
        i += 1
    return True


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


def _extreme(name: str, better: Function) -> Function:
    @function(VIEW, result=VIEW, name=f"list_{name}_str")
    def extreme(v: Any) -> Any:
        if length_of(v) <= 0:
            return view(0, -1)
        best = _item(address_of(v), 0)
        i = 1
        while i < length_of(v):
            x = _item(address_of(v), i)
            if better(x, best):
                best = x
            i += 1
        return best

    return extreme
