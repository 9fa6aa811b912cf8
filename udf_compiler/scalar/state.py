"""What a scalar function can reach to a record of it, so that a function which keeps state between rows is refused.

A row's result is a function of the row only if nothing that the function reads is changed by it. Captured data of the UDF
itself is watched by `plain_data.Snapshot`; this watches what the UDF makes anew for each batch: closures, defaults, bound
objects and what they hold.
"""

from __future__ import annotations

import collections
import datetime
import functools
import types
from collections.abc import Iterator
from typing import Any

import numpy as np

from udf_compiler.plain_data import is_protocol_function, is_scalar
from udf_compiler.trace.session import refuse
from udf_compiler.trace.values import Traced

#: Modules of stand-ins, which note what is called.
_STAND_INS = ("udf_compiler.", "sparkweld.fused.")
_SEQUENCES = (list, tuple, set, frozenset, collections.deque)


class Record:
    """What `roots` reach now; `check` refuses (SW295) when it is something else later."""

    def __init__(self, *roots: Any) -> None:
        self._roots = roots
        self._before = _shape(roots)

    def check(self) -> None:
        if _shape(self._roots) != self._before:
            refuse("SW295")


def _shape(roots: tuple[Any, ...]) -> list[Any]:
    """A list that is equal as long as nothing reachable changes; it keeps the objects, so that no id is used again."""
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
    """Equal when it is the same object."""

    __slots__ = ("x",)

    def __init__(self, x: Any) -> None:
        self.x = x

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.x is other.x

    __hash__ = None  # type: ignore[assignment]


def parts_of(x: Any) -> Iterator[Any]:
    """What an object holds. Refuses (SW295) objects that change when they are read, such as iterators."""
    if issubclass(type(x), Traced) or type(x).__module__.startswith(_STAND_INS):
        return  # stand-ins and symbolic values: nothing of them can be written
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
    names = {name for code in _codes(function.__code__) for name in code.co_names}
    for name in sorted(names & function.__globals__.keys()):
        yield function.__globals__[name]


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType):
            yield from _codes(inner)
