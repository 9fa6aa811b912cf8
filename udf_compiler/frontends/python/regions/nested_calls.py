"""Evaluates calls of builtins and of itertools with a list of lists of the row."""

from __future__ import annotations

import itertools
from types import BuiltinMethodType
from typing import Any

from udf_compiler.frontends.python.builtin_calls import is_builtin
from udf_compiler.frontends.python.maps import is_map
from udf_compiler.frontends.python.nested_lists import is_nested
from udf_compiler.frontends.python.records import TracedRecords, is_rows
from udf_compiler.frontends.python.regions.equivalents import ALL, ANY, FLATTEN
from udf_compiler.frontends.python.regions.growing import current
from udf_compiler.frontends.python.regions.iteration import Elements, Walk
from udf_compiler.frontends.python.regions.machine import Machine
from udf_compiler.frontends.python.regions.sorting import extreme_by


def of_nested(machine: Machine, function: Any, args: list[Any]) -> tuple[Any] | None:
    """Returns the result of a call in a tuple; None for other calls."""
    items: Any = current(args[0]) if args else None
    if _is_from_iterable(function) and len(args) == 1 and (is_nested(items) or type(items) in (list, tuple)):
        made = machine.call(FLATTEN, [tuple(items) if type(items) is list else items], {})
        return (Walk(tuple(made), 0, True) if type(made) is list else Elements(made, 0),)
    if is_builtin(function, list) and len(args) == 1 and is_rows(items):
        return (items,)
    largest = next((f is max for f in (min, max) if is_builtin(function, f)), None)
    if largest is not None and len(args) == 1 and type(items) is TracedRecords:
        return (extreme_by(machine, items, largest),)
    if not is_nested(items):
        return None
    if is_builtin(function, sum) and len(args) == 2 and type(args[1]) is list and not args[1] and not is_map(items.elements):
        return (machine.call(FLATTEN, [items], {}),)
    known = next((made for f, made in ((any, ANY), (all, ALL)) if is_builtin(function, f)), None)
    return (machine.call(known, [items], {}),) if known is not None and len(args) == 1 else None


def _is_from_iterable(function: Any) -> bool:
    return type(function) is BuiltinMethodType and function.__self__ is itertools.chain and function.__name__ == "from_iterable"


def gathering(function: Any, args: Any) -> Any:
    """Returns the function of the list itself for ``chain(*xs)`` of a list of lists of the row; None for other calls."""
    return itertools.chain.from_iterable if is_builtin(function, itertools.chain) and is_nested(args) else None
