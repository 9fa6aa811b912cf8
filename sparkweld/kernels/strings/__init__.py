"""Functions of strings for kernels: Python for Numba's reduced front end, lowered once per process, linked where used.

A string is a view, {address, length in bytes}. Functions read nothing outside of their views, whatever the bytes are: rows
that a guard flags because they are no UTF-8 pass through all ops too. Start at `memory_access` and `library`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sparkweld.kernels.strings import (
    arena,
    automata,
    building,
    case,
    character_sets,
    formats,
    key_tables,
    numbers,
    pieces,
    places,
    search,
    shortest,
    splitting,
    utf8,
)
from sparkweld.kernels.strings.library import Function

_MODULES = (
    arena, automata, building, case, character_sets, formats, key_tables, numbers, pieces, places, search, shortest, splitting,
    utf8,
)  # fmt: skip
_FUNCTIONS = {f.symbol: f for module in _MODULES for f in vars(module).values() if isinstance(f, Function)}


def used_functions(names: Iterable[str]) -> Iterator[Function]:
    """The functions of strings among these names of a module."""
    return (_FUNCTIONS[name] for name in names if name in _FUNCTIONS)
