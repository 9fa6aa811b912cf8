"""Evaluates calls that make a list, a set or a string of the elements of an iterable of the row."""

from __future__ import annotations

from typing import Any

from udf_compiler.frontends.python import lists
from udf_compiler.frontends.python.builtin_calls import is_builtin
from udf_compiler.frontends.python.byte_strings import TracedBytes
from udf_compiler.frontends.python.json_results import strings_of
from udf_compiler.frontends.python.key_lists import is_key_kind
from udf_compiler.frontends.python.list_operators import widened
from udf_compiler.frontends.python.new_lists import listed
from udf_compiler.frontends.python.records import TracedRecords
from udf_compiler.frontends.python.regions.distinct import distinct
from udf_compiler.frontends.python.regions.equivalents import (
    ELEMENTS,
)
from udf_compiler.frontends.python.regions.growing import Growing, current
from udf_compiler.frontends.python.regions.iteration import Counter, Elements, Letters, Together, Walk, remaining
from udf_compiler.frontends.python.regions.machine import (
    Machine,
)
from udf_compiler.frontends.python.regions.nested_calls import of_nested
from udf_compiler.frontends.python.regions.readers import is_join
from udf_compiler.frontends.python.regions.seen import Seen
from udf_compiler.frontends.python.regions.sorting import in_order
from udf_compiler.frontends.python.regions.state import within
from udf_compiler.frontends.python.regions.tables import displayed_set
from udf_compiler.frontends.python.row_lists import TracedPairs, pairs_of
from udf_compiler.frontends.python.values import is_scalar, is_string


def of_iterator(x: Any) -> Any:
    """Returns what an iterator that nothing has read yet goes over; anything else unchanged."""
    if type(x) is Letters:
        return x.rest
    return x.items if type(x) in (Elements, Walk) and type(x.position) is int and x.position == 0 else x


def with_characters(machine: Machine, function: Any, args: list[Any]) -> list[Any]:
    """Returns the only argument of a function that joins or orders characters, or takes bytes, as a list; others unchanged."""
    characters = is_join(function) or any(is_builtin(function, f) for f in (sorted, min, max))
    becomes_list = len(args) == 1 and (type(args[0]) is TracedBytes or (characters and is_string(args[0])))
    orders = characters or any(is_builtin(function, f) for f in (set, frozenset))
    of_tuples = len(args) == 1 and type(args[0]) is Together and orders and any(map(is_scalar, within(args[0])))
    return [machine.call(ELEMENTS, args, {})] if becomes_list or of_tuples else args


def of_list_call(machine: Machine, function: Any, args: list[Any]) -> Any:
    """Evaluates ``list(xs)``, ``set(xs)`` and ``sep.join(xs)`` of a list of the row; returns None for other calls.

    A string is a list of characters, a range one of numbers. ``set()`` is a set that the function fills, or a display.
    """
    if is_builtin(function, set) and (not args or (len(args) == 1 and type(args[0]) in (list, tuple, str) and not args[0])):
        return Seen([])
    nested = of_nested(machine, function, args)
    if nested is not None:
        return nested[0]
    makes = any(is_builtin(function, f) for f in (list, set, frozenset))
    pairs = pairs_of(current(args[0])) if len(args) == 1 and is_builtin(function, sorted) else None
    if type(pairs) is TracedPairs:  # no two keys are equal, so no values are compared
        keys = pairs.parts[0]
        return in_order(pairs, [keys] if lists.is_list(keys) else keys.keys, reverse=False)
    if type(pairs) is TracedRecords:
        return in_order(pairs, pairs.keys, reverse=False)
    if len(args) != 1 or not (makes or is_join(function)):
        return None
    items = pairs_of(current(args[0]))
    if type(items) in (TracedPairs, TracedRecords) and is_builtin(function, list):
        return items
    if type(items) is Together and is_builtin(function, list):
        return machine.call(ELEMENTS, [items], {}) if any(map(is_scalar, within(items))) else remaining(items)
    if is_builtin(function, set) and type(items) in (str, list, tuple) and items and all(type(x) in (str, int) for x in items):
        return displayed_set([*items])
    if makes and (type(items) is Counter or is_string(items)):
        items = machine.call(ELEMENTS, [items], {})
    items = lists.as_list(strings_of(items)) if makes else listed(strings_of(items))
    if type(items) is TracedRecords and makes and is_key_kind(items.kind):
        return distinct(items)
    if not lists.is_list(items):
        return None
    if items.is_ndarray and items.kind == "list<str>":  # an array of objects, whose elements are str
        items = lists.to_list(items)
    if items.numpy and makes and not is_builtin(function, list):
        return None
    if not makes:
        return lists.join(function.__self__, items)
    return Growing(widened(lists.to_list(items))) if is_builtin(function, list) else distinct(items)
