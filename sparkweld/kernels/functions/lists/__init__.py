"""Implements list functions for kernels, one per element type, in the Python subset that Numba lowers, as for strings.

A list is a view, {address of the first element, number of elements}. A negative number marks a list that contains NULLs, which a
guard flags: the functions treat it as empty.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sparkweld.ir.types import LISTS, Type
from sparkweld.kernels.functions.lists import building, keys, orders, reductions
from sparkweld.kernels.functions.strings.library import Function

_FUNCTIONS: dict[str, Function] = {
    f.symbol: f
    for element in (Type(kind).element for kind in LISTS)
    for f in (
        *reductions.functions(element).values(), *orders.functions(element).values(), *keys.functions(element).values(),
        building.append(element), building.copied(element), building.stored(element),
    )
}


def used_functions(names: Iterable[str]) -> Iterator[Function]:
    """Returns the list functions among these names of a module."""
    return (_FUNCTIONS[name] for name in names if name in _FUNCTIONS)
