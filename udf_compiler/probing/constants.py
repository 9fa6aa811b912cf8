"""Collects the constants that a function may branch on: in its code, its closure and its dictionaries."""

from __future__ import annotations

import datetime
import functools
from collections.abc import Iterator
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from sparkweld.ir.time_formats import written_items
from udf_compiler.function.module_paths import LIBRARIES

#: The largest number of constants, and of members taken from one container.
_MOST, _MEMBERS = 96, 64

#: A leap day, whose string is a constant beside each format of times.
_TIME = datetime.datetime(2024, 2, 29, 13, 5, 59, 120_000)

#: Longer strings are messages.
_LONGEST = 100


def constants_of(function: Any) -> tuple[Any, ...]:
    """Returns numbers, strings and dates, without duplicates, in the order of discovery."""
    found: dict[Any, Any] = {}
    for x in _reached(function):
        found.setdefault((type(x), x), x)
        if len(found) == _MOST:
            break
    return tuple(found.values())


def _reached(function: Any) -> Iterator[Any]:
    seen: set[int] = set()
    waiting = [function]
    while waiting:
        x = waiting.pop(0)
        if isinstance(x, np.bool_ | np.number):
            x = x.item()
        if isinstance(x, int | float | datetime.date) and not isinstance(x, bool):
            yield x
        elif isinstance(x, str):
            if len(x) <= _LONGEST and x.isprintable():
                yield x
                if "%" in x and written_items(x):  # a format of times
                    yield _TIME.strftime(x)
        elif id(x) not in seen:
            seen.add(id(x))
            waiting += _parts(x)


def _parts(x: Any) -> list[Any]:
    if isinstance(x, CodeType):
        return list(x.co_consts)
    if isinstance(x, FunctionType):
        return _parts_of_function(x)
    if isinstance(x, MethodType):
        return [x.__func__, x.__self__]
    if isinstance(x, functools.partial):
        return [x.func, *x.args, *x.keywords.values()]
    if isinstance(x, dict):
        return [*list(x)[:_MEMBERS], *list(x.values())[:_MEMBERS]]
    if isinstance(x, tuple | list):
        return list(x[:_MEMBERS])
    if isinstance(x, set | frozenset):
        return sorted(x, key=repr)[:_MEMBERS]
    if isinstance(x, np.ndarray):
        return x.ravel()[:_MEMBERS].tolist() if x.dtype.kind in "iufU" else []
    if isinstance(x, type | ModuleType) or _is_of_library(x):
        return []
    return list(getattr(x, "__dict__", {}).values())[:_MEMBERS]


def _parts_of_function(function: FunctionType) -> list[Any]:
    if _is_of_library(function):
        return []
    found: list[Any] = [function.__code__, *(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]
    found += [function.__globals__[name] for name in _names(function.__code__) if name in function.__globals__]
    for cell in function.__closure__ or ():
        try:
            found.append(cell.cell_contents)
        except ValueError:
            continue  # an unassigned cell
    return found


def _names(code: CodeType) -> list[str]:
    nested = [name for x in code.co_consts if isinstance(x, CodeType) for name in _names(x)]
    return [*code.co_names, *nested]


def _is_of_library(x: Any) -> bool:
    module = getattr(x, "__module__", None) or getattr(type(x), "__module__", "") or ""
    return str(module).partition(".")[0] in LIBRARIES
