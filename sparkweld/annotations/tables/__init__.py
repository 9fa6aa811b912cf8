"""Collects the annotated functions of libraries, one library a module. The tests check each row.

Rows name functions by path, so that no library is imported for them: only functions of libraries that are imported already can
occur.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import cache
from types import MethodType
from typing import Any

from sparkweld.annotations.annotation import Annotation
from sparkweld.annotations.split_types import Broadcast
from sparkweld.annotations.tables import arrow_, numpy_, pandas_, scipy_, sklearn_, standard_library
from sparkweld.annotations.tables.row import Row

TABLES: tuple[tuple[Row, ...], ...] = (
    numpy_.ROWS, pandas_.ROWS, scipy_.ROWS, sklearn_.ROWS, arrow_.ROWS, standard_library.ROWS,
)  # fmt: skip

_LIBRARIES = tuple(dict.fromkeys(row.library for table in TABLES for row in table))


def libraries() -> tuple[str, ...]:
    """Returns the modules that hold annotated functions."""
    return _LIBRARIES


def find(function: object) -> Annotation | None:
    """Returns the annotation of a library's function, None when no table has it.

    A method of a fitted model is found by the function of its class, whose first argument, the model, is passed whole to every
    chunk.
    """
    for library in _LIBRARIES:
        if library not in sys.modules:
            continue
        known = _of_library(library)
        found = known.get(_key(function))
        if found is not None:
            return found
        if isinstance(function, MethodType) and isinstance((found := known.get(id(function.__func__))), Annotation):
            if isinstance(found.args[0], Broadcast):
                return replace(found, function=function, args=found.args[1:], examples=None)
    return None


@cache
def _of_library(library: str) -> dict[Any, Annotation]:
    rows = [row for table in TABLES for row in table if row.library == library]
    return {_key(made.function): made for row in rows if (made := row.annotation()) is not None}


def _key(function: object) -> Any:
    """Returns the same key for each access to one function: a bound method is a new object each time."""
    return (id(function.__self__), function.__func__) if isinstance(function, MethodType) else id(function)
