"""Reads elements of constant sequences at a position that depends on the row."""

from __future__ import annotations

import operator
from typing import Any

from sparkweld.ir.ops import IsIn, Lookup
from sparkweld.ir.types import BOOL, F64, I64, STR
from udf_compiler.frontends.python.numbers import MAX, MIN, make_bool
from udf_compiler.frontends.python.path_explorer import explorer
from udf_compiler.frontends.python.values import TracedScalar, is_scalar
from udf_compiler.frontends.tracing.exceptions import as_python
from udf_compiler.frontends.tracing.session import refuse

_TYPES = {bool: ("bool", BOOL), int: ("int", I64), float: ("float", F64), str: ("str", STR)}

#: The most elements of a table that is a constant of a kernel.
_MOST = 65_536
#: The longest string for a substring test: it has at most 2,081 substrings.
_LONGEST = 64


def item(items: Any, position: Any) -> Any:
    """Returns ``items[position]`` for a position within the length; refuses elements but numbers or strs of one class (SW283)."""
    if not is_scalar(position):
        return items[position]
    if items and all(type(x) is tuple and len(x) == len(items[0]) for x in items):
        return tuple(item([x[at] for x in items], position) for at in range(len(items[0])))
    kinds = {type(x) for x in items}
    if len(kinds) != 1 or not kinds <= _TYPES.keys() or len(items) > _MOST:
        refuse("SW283", what="an element of a sequence at a position that depends on the row")
    kind, type_ = _TYPES[kinds.pop()]
    if kind == "int" and not all(MIN <= x <= MAX for x in items):
        refuse("SW294", number="an integer")
    loop = explorer().loop
    table = Lookup.of(dict(enumerate(items)), I64, type_)
    value = loop.value_of(loop.emit(table, position.value))
    return TracedScalar(kind, value, (min(items), max(items)) if kind == "int" else (MIN, MAX))


def is_part(x: TracedScalar, text: str) -> Any:
    """Tests ``x in text`` for a constant string against all its substrings; refuses a long string (SW283)."""
    if len(text) > _LONGEST:
        refuse("SW283", what="whether a string of the row occurs in a long constant")
    parts = {text[start:stop] for start in range(len(text) + 1) for stop in range(start, len(text) + 1)}
    return make_bool(explorer().loop.emit(IsIn.of(parts, STR), x.value))


def subscript(items: Any, position: Any) -> Any:
    """Returns ``items[position]`` of a tuple or list, with Python's IndexError."""
    if not is_scalar(position) or position.kind not in ("int", "bool"):
        return as_python(operator.getitem, items, position)
    run = explorer()
    size = len(items)
    position = +position
    outside = run.loop.call("logical_or", _compared("less", position, -size), _compared("greater_equal", position, size))
    run.raise_if(outside, lambda: IndexError("list index out of range"))
    if position < 0:
        position = position + size
    return item(items, position)


def _compared(fn: str, x: TracedScalar, number: int) -> Any:
    loop = explorer().loop
    return loop.call(fn, x.value, loop.const(number, I64))
