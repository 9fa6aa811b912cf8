"""Functions of lists for kernels, one of each kind of elements: Python for Numba's reduced front end, as for strings.

A list is a view, {address of the first element, number of elements}. A number below 0 marks a list with NULLs in it, which a
guard flags: the functions take it for an empty one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sparkweld.ir.types import LISTS, Type
from sparkweld.kernels.lists import building, orders, reductions
from sparkweld.kernels.strings.library import Function

_FUNCTIONS: dict[str, Function] = {
    f.symbol: f
    for element in (Type(kind).element for kind in LISTS)
    for f in (*reductions.functions(element).values(), *orders.functions(element).values(), building.append(element))
}


def used_functions(names: Iterable[str]) -> Iterator[Function]:
    """The functions of lists among these names of a module."""
    return (_FUNCTIONS[name] for name in names if name in _FUNCTIONS)
