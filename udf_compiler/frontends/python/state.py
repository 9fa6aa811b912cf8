"""Records what a scalar function can reach, to refuse a function that keeps state between rows.

A row's result depends on the row alone only if the function changes nothing that it reads. `plain_data.Snapshot` watches the
captured data of the UDF itself. This module watches the objects that the UDF creates for each batch: closures, defaults, bound
objects and their contents.
"""

from __future__ import annotations

import collections
import datetime
import functools
import types
from collections.abc import Iterator
from typing import Any

import numpy as np

from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.values import Traced
from udf_compiler.function.bytecode import codes_of
from udf_compiler.function.plain_data import is_protocol_function, is_scalar

#: Modules of stand-ins, which record calls and may change.
_STAND_INS = ("udf_compiler.", "sparkweld.worker.")
#: Global variables of Python's library that only save time: those of CPython 3.10 for URLs.
_CACHES = {("urllib.parse", "_parse_cache"), ("urllib.parse", "_safe_quoters")}
_SEQUENCES = (list, tuple, set, frozenset, collections.deque)


class Record:
    """A record of everything that `roots` reach now; `check` refuses a later change (SW295)."""

    def __init__(self, *roots: Any) -> None:
        self._roots = roots
        self._before = _shape(roots)

    def check(self) -> None:
        if _shape(self._roots) != self._before:
            refuse("SW295")


def _shape(roots: tuple[Any, ...]) -> list[Any]:
    """Returns a list that stays equal while nothing reachable changes; it holds the objects, so that no id is reused."""
    seen: dict[int, Any] = {}
    found: list[Any] = []
    waiting = [*roots]
    while waiting:
        x = waiting.pop()
        if id(x) in seen or is_scalar(x):
            found.append(_Same(x))
            continue
        seen[id(x)] = x
        parts = list(parts_of(x))
        found += [_Same(x), len(parts), *map(_Same, parts)]
        waiting += parts
    return found


class _Same:
    """Equal only for the same object."""

    __slots__ = ("x",)

    def __init__(self, x: Any) -> None:
        self.x = x

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.x is other.x

    __hash__ = None  # type: ignore[assignment]


def parts_of(x: Any) -> Iterator[Any]:
    """Yields the objects that an object holds; refuses objects that change when read, such as iterators (SW295)."""
    if issubclass(type(x), Traced) or str(type(x).__module__).startswith(_STAND_INS):
        return  # stand-ins and symbolic values cannot be written to
    if isinstance(x, dict | types.MappingProxyType):
        for key, value in x.items():
            yield key
            yield value
    elif isinstance(x, _SEQUENCES):
        yield from x
    elif isinstance(x, types.FunctionType):
        yield from _of_function(x)
    elif isinstance(x, types.MethodType):
        yield x.__func__
        yield x.__self__
    elif isinstance(x, functools.partial):
        yield from (x.func, x.args, x.keywords)
    elif isinstance(x, types.CellType):
        try:
            yield x.cell_contents
        except ValueError:
            return
    elif hasattr(type(x), "__next__"):
        refuse("SW295")
    elif hasattr(type(x), "__dict__") and not isinstance(x, type | np.ndarray | types.ModuleType | datetime.date):
        if not is_protocol_function(x):
            yield from getattr(x, "__dict__", {}).values()


def _of_function(function: types.FunctionType) -> Iterator[Any]:
    yield from function.__closure__ or ()
    yield from function.__defaults__ or ()
    yield from (function.__kwdefaults__ or {}).values()
    yield from vars(function).values()
    names = {name for code in codes_of(function.__code__) for name in code.co_names}
    for name in sorted(names & function.__globals__.keys()):
        if (function.__module__, name) not in _CACHES:
            yield function.__globals__[name]
