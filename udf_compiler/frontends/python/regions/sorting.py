"""Sorts lists of the row by a key: computes all keys, then takes the elements in the order of the keys."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sparkweld.errors import Refusal
from sparkweld.ir.types import BOOL, I32, I64
from udf_compiler.frontends.python import lists
from udf_compiler.frontends.python.builtin_calls import is_builtin
from udf_compiler.frontends.python.operands import make_int
from udf_compiler.frontends.python.path_explorer import explorer
from udf_compiler.frontends.python.records import TracedRecords, is_rows
from udf_compiler.frontends.python.regions.distinct import Distinct
from udf_compiler.frontends.python.regions.equivalents import PARTS_OF_KEYS, by_key
from udf_compiler.frontends.python.regions.growing import current
from udf_compiler.frontends.python.regions.machine import Machine
from udf_compiler.frontends.python.regions.state import UNSET
from udf_compiler.frontends.python.row_lists import pairs_of
from udf_compiler.frontends.python.values import TracedScalar, is_scalar
from udf_compiler.frontends.tracing.session import attempt, refuse, refuse_again
from udf_compiler.frontends.tracing.stand_ins import in_place

#: The most parts of a key that is a tuple.
_MOST_PARTS = 4


def sorted_by(machine: Machine, items: Any, key: Any = None, reverse: Any = False) -> Any:
    """Returns ``sorted(items, key=key, reverse=reverse)`` of a list of values of the row, of Rows or of pairs.

    Keys are numbers or strings, or tuples of these; refuses others (SW222). Guards NaN among the keys. Without a key, the list
    is one of records.
    """
    if type(reverse) not in (bool, int) or (not is_rows(items) and items.numpy):
        refuse("SW222", call="sorted() with a key", kind="list")
    keys = items.keys if key is None else _keys(machine, items, key)
    return in_order(items, keys, bool(reverse))


def extreme_by(machine: Machine, items: Any, largest: bool, key: Any = None, default: Any = UNSET) -> Any:
    """Returns the first of the largest or the smallest Rows, pairs or records; ValueError for an empty list without default."""
    return sorted_by(machine, items, key, largest)[0] if items else _of_nothing(default)


def _of_nothing(default: Any) -> Any:
    """Returns what min and max return for an empty iterable; ValueError without a default."""
    if default is UNSET:
        raise in_place(ValueError("iterable argument is empty"))
    return default


def _extreme_of_set(machine: Machine, items: TracedScalar, largest: bool, key: Any, default: Any = UNSET) -> Any:
    """Returns ``max(set, key=key)``. Leaves rows to Python in which several elements have that key: the set's order decides."""
    if not items:
        return _of_nothing(default)
    keys = _keys(machine, items, key)
    if items[1:] and all(part[0] == part[1] for part in (in_order(of, keys, largest) for of in keys)):
        explorer().leave("choose one of several elements of a set")
    return in_order(items, keys, largest)[0]


def in_order(items: Any, all_keys: Sequence[TracedScalar], reverse: bool) -> Any:
    """Returns a list sorted by the lists of the parts of its keys."""
    if reverse:  # equal elements keep their order: sorts the reversed list, and reverses the result
        items, all_keys = _each(items, lists.reversed_), [lists.reversed_(keys) for keys in all_keys]
    order = None
    for keys in reversed(all_keys):  # a stable sort by each part, the last one first
        lists.guard_ordered(keys)
        places = lists.of_list(lists.call("argsort", keys if order is None else _taken(keys, order)))
        order = places if order is None else _taken(order, places)
    made = _each(items, lambda part: _taken(part, order))
    return _each(made, lists.reversed_) if reverse else made


def _each(items: Any, change: Callable[[TracedScalar], TracedScalar]) -> Any:
    """Returns a list of the row with a change of it, or one of Rows or pairs with a change of each of its lists."""
    return items.mapped(change) if is_rows(items) else change(items)


def _taken(items: TracedScalar, places: TracedScalar | None) -> TracedScalar:
    """Returns the elements at these indices."""
    assert places is not None
    return lists.of_list(lists.call("take", items, places.value))


def _keys(machine: Machine, items: Any, key: Any) -> list[TracedScalar]:
    """Returns a list for each part of the keys; passes on the refusal of the first part if the keys have no number of parts."""
    refused = None
    for size in range(1, _MOST_PARTS + 1):
        first = attempt(lambda size=size: _keys_at(machine, items, key, 0, size))  # type: ignore[misc]
        if not isinstance(first, Refusal):
            return [first, *(_keys_at(machine, items, key, at, size) for at in range(1, size))]
        refused = refused or first
    assert refused is not None
    refuse_again(refused)


def _keys_at(machine: Machine, items: Any, key: Any, at: int, size: int) -> TracedScalar:
    made = machine.call(PARTS_OF_KEYS, [items, key, _part, at, size], {})
    if not lists.is_list(made) or made.numpy:
        refuse("SW222", call="sorted() with this key", kind="list")
    return made  # type: ignore[no-any-return]


def _part(found: Any, at: int, size: int) -> Any:
    """Returns a part of a key of this number of parts; a bool, date or datetime as an int, which has the same order."""
    if (len(found) if type(found) is tuple else 1) != size:
        refuse("SW222", call="sorted() with this key", kind="list")
    part = found[at] if type(found) is tuple else found
    if part is None:  # a list of one element is sorted, any other raises: Python knows
        explorer().guard(explorer().loop.const(False, BOOL))
        raise in_place(TypeError("'<' not supported between instances of 'NoneType' and 'NoneType'"))
    if is_scalar(part) and part.kind == "bool" and not part.numpy:
        return +part
    if is_scalar(part) and part.kind in ("date", "datetime"):
        loop = explorer().loop
        return make_int(loop.cast(loop.cast(part.value, I32), I64) if part.kind == "date" else loop.cast(part.value, I64))
    return int(part) if type(part) is bool else part


def with_options(machine: Machine, function: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
    """Evaluates ``max(xs, key=f)`` and ``sorted(xs, reverse=True)`` of a list of the row; returns None for other calls."""
    items: Any = pairs_of(lists.as_list(current(args[0]))) if len(args) == 1 else None
    if kwargs.get("key") is None and type(items) is not TracedRecords:
        return None
    if (lists.is_list(items) or is_rows(items)) and is_builtin(function, sorted) and kwargs.keys() <= {"key", "reverse"}:
        return sorted_by(machine, items, **kwargs)
    largest = next((f is max for f in (min, max) if is_builtin(function, f)), None)
    if type(items) is Distinct and largest is not None and {"key"} <= kwargs.keys() <= {"key", "default"}:
        return _extreme_of_set(machine, items.items, largest, **kwargs)
    if is_rows(items) and largest is not None and kwargs.keys() <= {"key", "default"}:
        return extreme_by(machine, items, largest, **kwargs)
    defined = by_key(function) if lists.is_list(items) and kwargs.keys() == {"key"} else None
    if defined is None:
        return None
    return machine.call(defined, [items, kwargs["key"]], {})
