"""Passes the lists and dicts of a function to one that it calls, which may read but neither change nor keep them.

Names of both functions refer to one object, of which a region has a copy. So a change by the callee would not reach the caller.
A later change by the caller would not reach what the callee has kept.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from udf_compiler.frontends.python.nested_lists import kind_of_lists, lists_of
from udf_compiler.frontends.python.new_lists import element_value, kind_of, list_of
from udf_compiler.frontends.python.path_explorer import explorer
from udf_compiler.frontends.python.records import kind_of_records, records_of
from udf_compiler.frontends.python.regions.growing import Growing
from udf_compiler.frontends.python.regions.mappings import Mapping
from udf_compiler.frontends.python.regions.stored import Line
from udf_compiler.frontends.python.values import MAX, MIN
from udf_compiler.frontends.tracing.session import refuse


def lent(x: Any) -> Any:
    """Returns a list or dict that the caller makes as one that belongs to the caller; anything else unchanged.

    Refuses (SW282) a dict of lists. Lists of several classes, and empty ones, are unchanged.
    """
    if type(x) is Growing:
        return Growing(x.value, frozen=True, lent=True)
    if type(x) is Line:
        return Line(lent(x.owner), x.start, x.end)
    if type(x) is Mapping:
        if any(type(value) is list for value in x.known.values()):
            refuse("SW282", what="a dict of lists, for another function")
        return replace(x, known=dict(x.known), frozen=True, lent=True)
    if type(x) is not list or not x or id(x) in (explorer().regions or {}).get("defined", {}):
        return x
    value = _list_of_row(x)
    return x if value is None else Growing(value, frozen=True, lent=True)


def _list_of_row(x: list[Any]) -> Any:
    """Returns a list of known length as one of the row; None where kernels support no such list."""
    loop = explorer().loop
    if any(type(y) is int and not MIN <= y <= MAX for y in x):
        return None
    kind = kind_of(x)
    if kind is not None:
        return list_of(loop, kind, [element_value(loop, y) for y in x])
    records = kind_of_records(x)
    if records is not None:
        return records_of(loop, records, x, lambda y: element_value(loop, y))
    nested = kind_of_lists(x) if all(type(y) is list for y in x) else None
    return None if nested is None else lists_of(loop, nested, x, lambda y: element_value(loop, y))
