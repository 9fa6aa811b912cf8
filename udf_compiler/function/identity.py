"""Finds comparisons of objects by identity in a function, and in all of the user's Python code that it can reach.

A value that a kernel has computed is equal to that of the original function, but it is another object. Libraries are trusted:
they know no object of the user's functions.
"""

from __future__ import annotations

import dis
import functools
import operator
import types
from collections.abc import Iterator
from typing import Any

import numpy as np

from udf_compiler.function.bytecode import codes_of
from udf_compiler.function.module_paths import is_library_file

_READERS = (id, operator.is_, operator.is_not)
#: Objects that hold no code.
_DATA = (int, float, complex, str, bytes, type(None), np.ndarray, np.generic)
#: With more objects than this, the code is not read to its end, and counts as reading identities.
_MOST_OBJECTS = 100_000


def sees_identity(function: Any) -> bool:
    """Whether code that `function` can reach has `is` with another operand than None, True or False, or reads `id`."""
    left, seen = [function], dict[int, object]()
    while left:
        x = left.pop()
        if id(x) in seen or isinstance(x, _DATA):
            continue
        if isinstance(x, types.FunctionType) and is_library_file(x.__code__.co_filename):
            continue
        seen[id(x)] = x
        if len(seen) > _MOST_OBJECTS or any(x is reader for reader in _READERS):
            return True
        if isinstance(x, types.FunctionType) and any(map(_compares, codes_of(x.__code__))):
            return True
        left += _held(x)
    return False


def _compares(code: types.CodeType) -> bool:
    before: dis.Instruction | None = None
    for at in dis.get_instructions(code):
        loaded = (before.argval,) if before is not None and before.opname == "LOAD_CONST" else ()
        singleton = any(x is None or isinstance(x, bool) for x in loaded)
        if at.opname == "IS_OP" and not singleton:
            return True
        before = at
    return False


def _held(x: Any) -> Iterator[Any]:
    """Yields the objects that code may reach through `x`."""
    if isinstance(x, types.FunctionType):
        yield from _held_by_function(x)
    elif isinstance(x, tuple | list | set | frozenset):
        yield from x
    elif isinstance(x, dict):
        yield from x.values()
    elif isinstance(x, functools.partial):
        yield from (x.func, x.args, x.keywords)
    elif isinstance(x, types.MethodType):
        yield from (x.__func__, x.__self__)
    elif isinstance(x, staticmethod | classmethod):
        yield x.__func__
    elif isinstance(x, property):
        yield from (x.fget, x.fset, x.fdel)
    elif isinstance(x, type):
        yield from (value for one in x.__mro__ if one.__module__ != "builtins" for value in vars(one).values())
    elif not isinstance(x, types.ModuleType):
        yield type(x)
        yield from getattr(x, "__dict__", {}).values()


def _held_by_function(function: types.FunctionType) -> Iterator[Any]:
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # not set yet
            continue
    yield from function.__defaults__ or ()
    yield from (function.__kwdefaults__ or {}).values()
    for code in codes_of(function.__code__):
        for name in code.co_names:
            found = function.__globals__.get(name, id if name == "id" else None)
            yield found
            if isinstance(found, types.ModuleType):  # `module.function`
                yield from (vars(found)[other] for other in code.co_names if other in vars(found))
