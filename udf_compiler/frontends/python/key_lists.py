"""Finds, orders and selects the keys of dicts of the row: a list of strings or ints, or one of tuples of these.

A list of tuples has a list of the row for each part (`records`). Its *codes* are ints in the order of the tuples.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.ops import ListCall
from sparkweld.ir.types import BOOL, I64, Items, list_of
from udf_compiler.frontends.python import lists
from udf_compiler.frontends.python.list_maps import mapped
from udf_compiler.frontends.python.nested_lists import changed, first_of, joined
from udf_compiler.frontends.python.new_lists import element_value
from udf_compiler.frontends.python.of_text import element
from udf_compiler.frontends.python.operands import is_number, is_text, kind_of
from udf_compiler.frontends.python.path_explorer import explorer
from udf_compiler.frontends.python.values import TracedScalar, is_scalar
from udf_compiler.frontends.tracing.values import raw

#: The kinds of lists of keys, and of the parts of tuples among them.
KEYS = ("list<str>", "list<i64>", "list<bool>")
_PARTS = KEYS[:2]
#: The most parts of a tuple, and the bits of the number of tuples, so that the codes are ints.
_MOST_PARTS, _BITS = 4, 15
_INDICES = list_of(I64)


def is_key_kind(kind: Any) -> bool:
    """Whether a list of this kind may be one of keys."""
    if isinstance(kind, str):
        return kind in KEYS
    parts = getattr(kind, "parts", ())
    return getattr(kind, "form", "") == "tuple" and len(parts) <= _MOST_PARTS and not kind.gaps and all(
        part in _PARTS and not absent for part, absent in parts
    )


def is_of_row(key: Any) -> bool:
    """Whether a key is a value of the row, or a tuple with one."""
    return is_scalar(key) or (type(key) is tuple and any(map(is_of_row, key)))


def is_tuple_of_row(key: Any) -> bool:
    """Whether a key is a tuple of strings and ints, one of which is a value of the row. Others may not be hashable."""
    if type(key) is not tuple or not is_of_row(key):
        return False
    parts = [x.kind if is_scalar(x) and not x.numpy else type(x).__name__ for x in map(element, key)]
    return {*parts} <= {"str", "int"}


def length(keys: Any) -> TracedScalar:
    """Returns the number of keys of a list."""
    return lists.length(first_of(keys))


def truth(keys: Any) -> Value:
    """Returns the condition that a list of keys is not empty."""
    return lists.truth(first_of(keys))


def place(fn: str, keys: Any, key: Any, what: str) -> Value:
    """Returns the position of the first key that is equal to `key` ("find"), or of the last ("find_last"); -1 for none.

    Refuses (SW222) a key of a class whose objects may be equal to others.
    """
    if lists.is_list(keys):
        return lists.sought(fn, keys, key, what)
    loop = explorer().loop
    parts = [element(x) for x in key] if type(key) is tuple else None
    if parts is None and not (is_number(key) or is_text(key) or key is None):
        lists.refuse_list(first_of(keys), f"{what} with {raw(key)}")
    if parts is None or len(parts) != len(keys.columns):
        return loop.const(-1, I64)
    values = []
    for of, x in zip(keys.columns, parts, strict=True):
        known, own = ("str" if of.kind == "list<str>" else "int"), "str" if is_text(x) else kind_of(x) if is_number(x) else ""
        if (own == "" and x is not None) or (is_scalar(x) and x.numpy) or (known == "int" and own in ("bool", "float")):
            lists.refuse_list(of, f"{what} with {raw(x)}")
        if own != known:
            return loop.const(-1, I64)
        values.append(element_value(loop, x))

    def same(block: LoopBuilder, x: Sequence[Value], row: Sequence[Value]) -> Value:
        found = block.call("equal", x[0], row[0])
        for a, b in zip(x[1:], row[1:], strict=True):
            found = block.call("logical_and", found, block.call("equal", a, b))
        return found

    matches = lists.present(mapped(loop, [x.value for x in keys.columns], values, list_of(BOOL), same))
    return loop.emit(ListCall(fn, matches.type), matches, loop.const(True, BOOL))


def first_at(keys: Any) -> Value:
    """Returns the positions of the first of each of the equal keys, in order."""
    return lists.call("first_at", _codes(keys))


def last_at(keys: Any) -> Value:
    """Returns the positions of the last of each of the equal keys, in the order of the first ones."""
    return lists.call("last_at", _codes(keys))


def each_once(keys: Any) -> Any:
    """Returns the keys, each once, in the order of their first positions."""
    at = first_at(keys)
    return changed(keys, lambda x: lists.of_list(lists.call("take", x, at)))


def distinct(keys: Any) -> Any:
    """Returns the keys in ascending order, each once."""
    if lists.is_list(keys):
        return lists.of_list(lists.call("distinct", keys))
    codes = _codes(keys)
    order = lists.call("argsort", codes)
    first = lists.call("first_at", lists.of_list(lists.call("take", codes, order)))
    places = lists.call("take", lists.of_list(order), first)
    return changed(keys, lambda x: lists.of_list(lists.call("take", x, places)))


def _codes(keys: Any) -> TracedScalar:
    """Returns a list whose elements are ordered as the keys are. Guards long lists of tuples."""
    if lists.is_list(keys):
        return keys  # type: ignore[no-any-return]
    run, (first, *others) = explorer(), keys.columns
    if not others:
        return first  # type: ignore[no-any-return]
    size = lists.call("length", first)
    run.guard(run.loop.call("less", size, run.loop.const(1 << _BITS, I64)))
    code = _ranks(first)
    for part in others:

        def combined(block: LoopBuilder, x: Sequence[Value], row: Sequence[Value]) -> Value:
            return block.call("add", block.call("multiply", x[0], row[0]), x[1])

        made = mapped(run.loop, [code.value, _ranks(part).value], [size], _INDICES, combined)
        code = lists.of_list(lists.present(made))
    return code


def _ranks(part: TracedScalar) -> TracedScalar:
    """Returns the number of smaller distinct elements, for each element of a list."""
    loop = explorer().loop
    order = lists.of_list(lists.call("argsort", part))
    ordered = TracedScalar(part.kind, lists.call("take", part, order.value))

    def differs(block: LoopBuilder, x: Sequence[Value], row: Sequence[Value]) -> Value:
        return block.select(block.call("equal", *x), block.const(0, I64), block.const(1, I64))

    steps = lists.present(mapped(loop, [ordered[1:].value, ordered.value], [], _INDICES, differs))
    begin = loop.const(Items("i64", (0,)), _INDICES)
    ranks = lists.call("cumulative", joined(TracedScalar("list<i64>", begin), TracedScalar("list<i64>", steps)))
    back = lists.call("argsort", order)
    return lists.of_list(lists.call("take", lists.of_list(ranks), back))
