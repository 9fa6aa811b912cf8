"""Implements Series.map with a table of constant lists."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.types import I64, Items, list_of
from udf_compiler.frontends.pandas.apply.results import ListSeries
from udf_compiler.frontends.python.values import MAX, MIN, SCALARS
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.utf8 import is_utf8

#: The most lists: a kernel compares a position with each.
_MOST = 64


def are_lists(values: Sequence[Any]) -> bool:
    """Whether all values of a table are lists."""
    return bool(values) and all(type(x) is list for x in values)


def chosen(loop: LoopBuilder, lists: Sequence[list[Any]], at: Value, valid: Value, call: str) -> ListSeries:
    """Returns the Series of the lists at positions of a table. Guards rows without a position, whose element is NaN.

    Refuses (SW262) long tables, and lists of other elements than numbers or strings of one class.
    """
    classes = {type(x) for items in lists for x in items}
    kind = classes.pop().__name__ if len(classes) == 1 else ""
    known = kind in ("bool", "int", "float", "str") and all(_is_known(x) for items in lists for x in items)
    if len(lists) > _MOST or not known:
        refuse("SW262", call=call, what=f"a table of {len(lists)} lists, or of lists of several classes,")
    loop.guard(valid)
    element = SCALARS[kind]
    constants = [loop.const(Items(element.kind, tuple(items)), list_of(element)) for items in lists]
    found = constants[-1]
    for number in range(len(lists) - 2, -1, -1):
        found = loop.select(loop.call("equal", at, loop.const(number, I64)), constants[number], found)
    return ListSeries(found, frozenset((f"list<{element}>",)))


def _is_known(x: Any) -> bool:
    return MIN <= x <= MAX if type(x) is int else is_utf8(x) if type(x) is str else True
