"""Evaluates `itertools.groupby` of a string, of bytes or of a list of the row."""

from __future__ import annotations

from typing import Any

from udf_compiler.frontends.python import lists
from udf_compiler.frontends.python.byte_strings import TracedBytes
from udf_compiler.frontends.python.regions.equivalents import ELEMENTS, RUN_ENDS
from udf_compiler.frontends.python.regions.growing import current
from udf_compiler.frontends.python.regions.iteration import Runs, Walk
from udf_compiler.frontends.python.regions.machine import Machine
from udf_compiler.frontends.python.values import is_string


def runs(machine: Machine, args: list[Any]) -> Any:
    """Returns the state of a loop over ``groupby(xs)``; None for a key, and for other arguments than a string or list.

    Guards NaN among the elements: each may be the same object as the one before.
    """
    if len(args) != 1:
        return None
    items = lists.as_list(current(args[0]))
    if type(items) in (str, list, tuple) and not items:
        return Walk((), 0, True)
    if type(items) is TracedBytes or is_string(items):
        items = current(machine.call(ELEMENTS, [items], {}))
    if not lists.is_list(items) or items.numpy:
        return None
    lists.guard_ordered(items)
    ends = current(machine.call(RUN_ENDS, [items], {}))
    return Runs(items, ends, 0, 0) if lists.is_list(ends) else None
