"""Implements string functions for kernels, in the Python subset that Numba lowers; each is lowered once per process.

Programs link the functions that they use. A string is a view, {address, length in bytes}. A function reads nothing outside its
views, whatever the bytes are: rows that a guard flags as invalid UTF-8 run through all ops too. Start reading at `memory_access`
and `library`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sparkweld.kernels.functions.strings import (
    arena,
    automata,
    base64_codec,
    building,
    case,
    character_index,
    character_sets,
    city_hashes,
    digests,
    formats,
    json_changes,
    json_documents,
    json_reading,
    json_scan,
    json_writing,
    key_tables,
    literals,
    numbers,
    radixes,
    search,
    shortest,
    splitting,
    substrings,
    time_formatting,
    time_parsing,
    times,
    urls,
    utf8,
)
from sparkweld.kernels.functions.strings.library import Function

_MODULES = (
    arena, automata, base64_codec, building, case, character_index, character_sets, city_hashes, digests, formats,
    json_changes, json_documents, json_reading, json_scan, json_writing, key_tables, literals, numbers, radixes, search,
    shortest, splitting, substrings, time_formatting, time_parsing, times, urls, utf8,
)  # fmt: skip
_FUNCTIONS = {f.symbol: f for module in _MODULES for f in vars(module).values() if isinstance(f, Function)}


def used_functions(names: Iterable[str]) -> Iterator[Function]:
    """Returns the string functions among these names of a module."""
    return (_FUNCTIONS[name] for name in names if name in _FUNCTIONS)
