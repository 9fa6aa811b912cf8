"""Looks tuples with values of the row up in constant dicts and sets: each part in a table of its own, then all parts together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.ops import Lookup
from sparkweld.ir.types import BOOL, I64, STR
from udf_compiler.frontends.python.conditions import both
from udf_compiler.frontends.python.values import MAX, MIN, is_scalar
from udf_compiler.frontends.tracing.utf8 import is_utf8

#: Kinds of values of the row -> the class of the parts of keys that may equal them.
_CLASSES = {"int": int, "bool": int, "str": str}
_TYPES = {"int": I64, "bool": I64, "str": STR}
#: The classes of the parts of keys, bools as ints, which equal only parts of their own class; and of keys that are no tuples.
_PARTS = (int, str, bool, type(None))
_OTHERS = (int, str, float, bool, type(None))
#: The most keys or elements of a table that is a constant of a kernel.
MOST = 65_536
#: The largest number of combinations of parts.
_LARGEST = 2**62


@dataclass(frozen=True, slots=True)
class TupleTable:
    """The tables that find a key. `parts`: for each part of the row, its position, the numbers of the values there, their count.

    `places`: the place of a key among those of the container, by its combined number.
    """

    parts: tuple[tuple[int, Lookup, int], ...]
    places: Lookup

    def place(self, loop: LoopBuilder, x: tuple[Any, ...]) -> tuple[Value, Value]:
        """Returns whether the container has the key `x`, and its place there."""
        code, valid = loop.const(0, I64), loop.const(True, BOOL)
        for at, numbers, size in self.parts:
            found = loop.emit(numbers, loop.cast(x[at].value, numbers.type))
            valid = both(loop, valid, loop.is_valid(found))
            code = loop.call("add", loop.call("multiply", code, loop.const(size, I64)), loop.value_of(found))
        place = loop.emit(self.places, code)
        return both(loop, valid, loop.is_valid(place)), loop.value_of(place)


def tuple_table(known: Iterable[Any], x: tuple[Any, ...]) -> TupleTable | None:
    """Returns the tables that find a tuple of numbers and strings, one of which is of the row; None for other tuples or keys."""
    kinds = [x_.kind if is_scalar(x_) and not x_.numpy else None for x_ in x]
    plain = all(kind in _CLASSES if is_scalar(part) else type(part) in _PARTS for part, kind in zip(x, kinds, strict=True))
    keys = [_plain(key) for key in known]
    if not plain or not any(kinds) or len(keys) > MOST:
        return None
    if not all(type(key) in _OTHERS or (type(key) is tuple and all(type(y) in _PARTS for y in key)) for key in keys):
        return None
    places = {key: n for n, key in enumerate(keys) if type(key) is tuple and len(key) == len(x) and _fits(key, _plain(x), kinds)}
    parts, size = [], 1
    for at, kind in enumerate(kinds):
        if kind is not None:
            numbers: dict[Any, Any] = {y: n for n, y in enumerate(dict.fromkeys(key[at] for key in places))}
            parts.append((at, numbers, Lookup.of(numbers, _TYPES[kind], I64)))
            size *= len(numbers) or 1
    if size > _LARGEST:
        return None
    codes: dict[Any, Any] = {}
    for key, place in places.items():
        code = 0
        for at, numbers, _ in parts:
            code = code * len(numbers) + numbers[key[at]]
        codes[code] = place
    return TupleTable(tuple((at, op, len(numbers)) for at, numbers, op in parts), Lookup.of(codes, I64, I64))


def _plain(key: Any) -> Any:
    """Returns a tuple with ints in place of bools, which equal them; anything else unchanged."""
    return tuple(int(y) if type(y) is bool else y for y in key) if type(key) is tuple else key


def _fits(key: tuple[Any, ...], x: tuple[Any, ...], kinds: list[str | None]) -> bool:
    """Whether some row may have a tuple that equals the key."""
    for y, part, kind in zip(key, x, kinds, strict=True):
        if kind is None:
            if type(y) is not type(part) or y != part:
                return False
        elif type(y) is not _CLASSES[kind] or not (is_utf8(str(y)) if kind == "str" else MIN <= y <= MAX):  # type: ignore[operator]
            return False
    return True
