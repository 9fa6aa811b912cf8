"""Finds the columns of a frame's row that a function reads, from its instructions."""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache
from types import CodeType

import pandas as pd

from udf_compiler.frontends.python.regions.versions import Instruction, decode


def columns_read(code: CodeType, parameter: str, columns: Collection[str]) -> frozenset[str] | None:
    """Returns the columns that a function reads of the row that is its parameter.

    None where the function does anything else with the row than ``row["name"]`` and ``row.name``. Its length, its names and reads
    by a computed name depend on all columns.
    """
    found = _reads(code, parameter)
    if found is None:
        return None
    items, attributes = found
    if any(name not in columns or hasattr(pd.Series, name) for name in attributes):
        return None
    return items | attributes


@lru_cache(maxsize=512)
def _reads(code: CodeType, parameter: str) -> tuple[frozenset[str], frozenset[str]] | None:
    """Returns (the names in brackets, the names of attributes), or None for another use."""
    decoded = decode(code)
    if parameter in code.co_cellvars or parameter in decoded.cells:
        return None
    items, attributes = set(), set()
    instructions = decoded.instructions
    for at, one in enumerate(instructions):
        if not _mentions(one, parameter):
            continue
        after = instructions[at + 1 : at + 3]
        if not _loads_last(one, parameter) or not after:
            return None
        if after[0].name == "LOAD_ATTR" and isinstance(after[0].value, str):
            attributes.add(after[0].value)
        elif [i.name for i in after] == ["LOAD_CONST", "BINARY_SUBSCR"] and type(after[0].value) is str:
            items.add(after[0].value)
        else:
            return None
    return frozenset(items), frozenset(attributes)


def _mentions(one: Instruction, variable: str) -> bool:
    """Whether an instruction loads, stores or deletes a variable; some of CPython 3.13 do so for two."""
    return "FAST" in one.name and (one.value == variable or (isinstance(one.value, tuple) and variable in one.value))


def _loads_last(one: Instruction, variable: str) -> bool:
    """Whether the variable is what the instruction leaves on top of the stack, and no other part of it."""
    if isinstance(one.value, tuple):
        return one.name in ("LOAD_FAST_LOAD_FAST", "STORE_FAST_LOAD_FAST") and one.value.index(variable) == 1
    return one.name in ("LOAD_FAST", "LOAD_FAST_CHECK")
