"""Evaluates nlargest and nsmallest of the module heapq by sorting, which Python's documentation defines as equivalent."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any

from udf_compiler.frontends.python import lists
from udf_compiler.frontends.python.builtin_calls import is_builtin
from udf_compiler.frontends.python.operands import raise_type_error
from udf_compiler.frontends.python.records import is_rows
from udf_compiler.frontends.python.regions.growing import current
from udf_compiler.frontends.python.regions.machine import Machine
from udf_compiler.frontends.python.regions.readers import HEAPS
from udf_compiler.frontends.python.regions.sorting import sorted_by
from udf_compiler.frontends.python.row_lists import pairs_of
from udf_compiler.frontends.python.values import is_scalar
from udf_compiler.frontends.tracing.exceptions import as_python
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.stand_ins import module_stand_in
from udf_compiler.frontends.tracing.values import Traced


def largest(machine: Machine, function: Any, args: list[Any], kwargs: dict[str, Any]) -> tuple[Any] | None:
    """Returns ``heapq.nlargest(n, items, key)`` or nsmallest of a list of the row in a tuple; None for other calls.

    Equal elements keep their order. Rows with a NaN among floats run in Python.
    """
    down = next((f is heapq.nlargest for f in HEAPS if is_builtin(function, f)), None)
    if down is None or len(args) not in (2, 3) or len(args) + len(kwargs) > 3 or not kwargs.keys() <= {"key"}:
        return None
    count, items, key = args[0], pairs_of(lists.as_list(current(args[1]))), kwargs.get("key", (*args, None)[2])
    if items is None or (count is None and (lists.is_list(items) or is_rows(items))):
        raise_type_error("'NoneType' object is not iterable")
    if not lists.is_list(items) and not is_rows(items):
        return None
    if not (type(count) is int or (is_scalar(count) and count.kind == "int" and not count.numpy)):
        refuse("SW262", call=f"heapq.{'nlargest' if down else 'nsmallest'}", what="a number that is not an int")
    plain = key is None and not is_rows(items)
    made = lists.sorted_(items, None, down) if plain else sorted_by(machine, items, key, down)
    return ([] if as_python(bool, count < 1) else made[:count],)


def _stand_in(real: Callable[..., Any]) -> Callable[..., Any]:
    def called(*args: Any, **kwargs: Any) -> Any:
        if any(isinstance(x, Traced) for x in (*args, *kwargs.values())):
            refuse("SW223")  # only interpreted functions sort by a key
        return as_python(real, *args, **kwargs)

    return called


_FUNCTIONS = {real: _stand_in(real) for real in HEAPS}


def _attribute(name: str) -> Any:
    known = _FUNCTIONS.get(getattr(heapq, name))
    return known if known is not None else refuse("SW263", name=f"heapq.{name}")


#: Ids of the module and its functions -> their stand-ins.
STAND_INS: dict[int, Any] = {id(heapq): module_stand_in(heapq, "heapq", _attribute), **{id(f): x for f, x in _FUNCTIONS.items()}}
