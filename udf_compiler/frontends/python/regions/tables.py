"""Reads elements of constant sequences at a position that depends on the row, and looks keys of the row up in large tables."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, NoReturn

from sparkweld.ir import Value
from sparkweld.ir.ops import IsIn, Lookup
from sparkweld.ir.types import BOOL, F64, I64, STR
from udf_compiler.frontends.python.conditions import both
from udf_compiler.frontends.python.new_lists import element_value, kind_of
from udf_compiler.frontends.python.numbers import MAX, MIN, make_bool, make_int
from udf_compiler.frontends.python.of_text import element
from udf_compiler.frontends.python.path_explorer import explorer
from udf_compiler.frontends.python.regions.tuple_tables import MOST, TupleTable, tuple_table
from udf_compiler.frontends.python.values import TracedScalar, is_scalar
from udf_compiler.frontends.tracing.constants import unwrapped
from udf_compiler.frontends.tracing.exceptions import as_python
from udf_compiler.frontends.tracing.large_dicts import FEW
from udf_compiler.frontends.tracing.session import current, refuse
from udf_compiler.frontends.tracing.stand_ins import in_place
from udf_compiler.frontends.tracing.utf8 import is_utf8

_TYPES = {bool: ("bool", BOOL), int: ("int", I64), float: ("float", F64), str: ("str", STR)}

#: Kinds of values of the row that large tables serve -> the class of the keys that may equal them.
_CLASSES = {"int": int, "str": str}

#: The most keys that fork the path within a region, where the states that differ in constants would multiply.
_FEW_INSIDE = 4
#: As above, of a tuple or a list, whose first elements are the likely ones.
_FEW_LISTED = 16
#: The longest list whose elements are values of the row, for an index of the row.
_CHAIN = 64
#: The longest string for a substring test: it has at most 2,081 substrings.
_LONGEST = 64


def item(items: Any, position: Any) -> Any:
    """Returns ``items[position]`` for a position within the length; refuses elements but numbers or strs of one class (SW283)."""
    if not is_scalar(position):
        return items[position]
    if items and all(type(x) is tuple and len(x) == len(items[0]) for x in items):
        return tuple(item([x[at] for x in items], position) for at in range(len(items[0])))
    if any(map(is_scalar, items)):
        return _chosen(items, position)
    kinds = {type(x) for x in items}
    if not kinds & {*_TYPES, tuple, list, dict} and len(items) <= _FEW_LISTED:  # objects, such as dataclasses
        return next((x for at, x in enumerate(items[:-1]) if explorer().decide(_compared("equal", position, at))), items[-1])
    if len(kinds) != 1 or not kinds <= _TYPES.keys() or len(items) > MOST:
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


def _chosen(items: Any, position: TracedScalar) -> TracedScalar:
    """Returns the element of a short list with values of the row."""
    kind, loop = _kind_of_all(items), explorer().loop
    *others, found = (element_value(loop, x) for x in items)
    for at, value in reversed([*enumerate(others)]):
        found = loop.select(_compared("equal", position, at), value, found)
    return TracedScalar(kind, found)


def _kind_of_all(items: Any) -> str:
    """Returns the kind of the elements of a list; refuses (SW283) a long list, and elements of several kinds."""
    found = kind_of(items) if len(items) <= _CHAIN else None
    if found is None or found[1] or any(type(x) is int and not MIN <= x <= MAX for x in items):
        refuse("SW283", what="an element, at a position that depends on the row, of a long list or one of several classes")
    return items[0].kind if is_scalar(items[0]) else type(items[0]).__name__


def set_item(items: list[Any], position: TracedScalar, x: Any) -> None:
    """Evaluates ``items[position] = x`` of a list of known length, whose elements become values of the row."""
    if position.kind not in ("int", "bool") or position.numpy:
        refuse("SW283", what="an element of a list by anything but an int")
    x = element(x)
    kind = _kind_of_all([*items, x])
    at = place(items, position)
    if not is_scalar(at):
        items[at] = x
        return
    loop = explorer().loop
    made = element_value(loop, x)
    values = [loop.select(_compared("equal", at, n), made, element_value(loop, old)) for n, old in enumerate(items)]
    items[:] = [TracedScalar(kind, value) for value in values]


def subscript(items: Any, position: Any) -> Any:
    """Returns ``items[position]`` of a tuple, list or string, with Python's IndexError."""
    if not is_scalar(position) or position.kind not in ("int", "bool"):
        return as_python(operator.getitem, items, position)
    return item(items, place(items, position))


def place(items: Any, position: Any) -> Any:
    """Returns a position within a sequence of known length, counted from its start; IndexError outside of it."""
    run = explorer()
    size = len(items)
    if not size:
        raise in_place(IndexError("list index out of range"))
    position = +position
    outside = run.loop.call("logical_or", _compared("less", position, -size), _compared("greater_equal", position, size))
    run.raise_if(outside, lambda: IndexError("list index out of range"))
    if position < 0:
        position = position + size
    return position


def _refuse_change(*args: Any) -> NoReturn:
    refuse("SW282", what="a dict that it changes")


class Display(dict[Any, Any]):
    """A dict of constants within another one that the function makes. All paths share it, so it refuses changes."""

    __setitem__ = __delitem__ = update = setdefault = pop = popitem = clear = __ior__ = _refuse_change  # type: ignore[assignment]


class DisplayedSet(set[Any]):
    """A set of constants that the function makes. All paths share it, so it refuses changes, and what depends on its order."""

    add = discard = remove = update = pop = clear = difference_update = intersection_update = _refuse_change  # type: ignore[assignment]
    symmetric_difference_update = __ior__ = __iand__ = __isub__ = __ixor__ = _refuse_change  # type: ignore[assignment]


def is_plain_set(x: Any) -> bool:
    """Whether `x` is a frozenset of strings and ints. Those with one `repr` are exchangeable, as it shows their order, too."""
    return type(x) is frozenset and {*map(type, x)} <= {str, int}


def displayed_set(items: list[Any]) -> DisplayedSet:
    """Returns the set of these constants. Refuses (SW280) values of the row, and anything but numbers and strings, in it."""
    if not all(type(x) in (*_TYPES, type(None)) for x in items):
        refuse("SW280", what="a set of anything but constants")
    return DisplayedSet(items)


def contains(container: Any, x: Any) -> Any:
    """Tests ``x in container`` of a constant dict, set, tuple or list with too many keys for a path each; None for others."""
    if type(x) is tuple:
        return _has_tuple(unwrapped(container), x)
    table = _table(container, x)
    if table is None:
        return None
    value, exact = _searched(x)
    return make_bool(both(explorer().loop, exact, explorer().loop.emit(table.members, value)))


def _searched(x: TracedScalar) -> tuple[Value, Value]:
    """Returns the value to look up, and whether a key may equal it: an int equals a float of the same value."""
    loop = explorer().loop
    if x.kind != "float":
        return x.value, loop.const(True, BOOL)
    whole = loop.call("equal", loop.call("floor", x.value), x.value)
    above = loop.call("greater_equal", x.value, loop.const(-(2.0**63), F64))
    exact = both(loop, whole, both(loop, above, loop.call("less", x.value, loop.const(2.0**63, F64))))
    return loop.cast(loop.select(exact, x.value, loop.const(0.0, F64)), I64), exact


def _has_tuple(known: Any, x: tuple[Any, ...]) -> Any:
    """Tests whether a constant dict or set has a tuple with values of the row; None for others."""
    table = _tuple_table(known, x)
    return None if table is None else make_bool(table.place(explorer().loop, x)[0])


def _tuple_table(known: Any, x: tuple[Any, ...]) -> TupleTable | None:
    if not issubclass(type(known), dict | set | frozenset) or not any(map(is_scalar, x)):
        return None
    kinds = str([(part.kind, part.numpy) if is_scalar(part) else (type(part), repr(part)) for part in x])
    made = current().tables.get((id(known), kinds))
    if made is None or not made[0].is_of(known):
        made = current().tables[id(known), kinds] = Table(known, ""), tuple_table(known, x)
    return made[1]  # type: ignore[no-any-return]


def _item_of_tuple(known: Any, x: tuple[Any, ...], missing: Callable[[], Any]) -> tuple[Any] | None:
    """Returns the value of a tuple in a constant dict, or the result of `missing`, in a tuple; None for other operands."""
    values = list(known.values()) if isinstance(known, dict) and len(known) > _FEW_INSIDE else []
    table = _tuple_table(known, x) if _is_table(values) else None
    if table is None:
        return None
    return _at_place(values, *table.place(explorer().loop, x), missing)


def _at_place(values: list[Any], found: Value, place: Value, missing: Callable[[], Any]) -> tuple[Any]:
    """Returns the value at a place, or the result of `missing` where the key is not found, in a tuple."""
    return (item(values, make_int(place, (0, len(values) - 1))) if explorer().decide(found) else missing(),)


def _is_table(values: list[Any]) -> bool:
    """Whether `item` takes these values: numbers or strings of one class, or tuples of such columns."""
    kinds = {type(x) for x in values}
    if kinds == {tuple} and len({len(x) for x in values}) == 1:
        return all(_is_table(list(column)) for column in zip(*values, strict=True))
    return len(kinds) == 1 and kinds <= _TYPES.keys() and all(MIN <= x <= MAX for x in values if type(x) is int)


def _equal_keys(keys: Sequence[Any], kind: str) -> list[Any]:
    """Returns those of some ints and strings that values of a kind may equal."""
    same: list[Any] = [key for key in keys if type(key) is _CLASSES[kind]]
    return [key for key in same if (is_utf8(key) if kind == "str" else MIN <= key <= MAX)]


def _members(keys: object, kind: str) -> IsIn:
    return IsIn.of(keys, _TYPES[_CLASSES[kind]][1])


def lookup(container: Any, x: Any, missing: Callable[[], Any]) -> tuple[Any] | None:
    """Returns the value of a key in such a dict, or the result of `missing`, in a tuple; None for other operands."""
    if type(x) is tuple:
        return _item_of_tuple(unwrapped(container), x, missing)
    table = _table(container, x)
    if table is None:
        return None
    run = explorer()
    if table.pairs is None and not _is_table(list(table.values)):
        return None
    value, exact = _searched(x)
    if table.pairs is None:
        place = run.loop.emit(table.places, value)
        return _at_place(list(table.values), both(run.loop, exact, run.loop.is_valid(place)), run.loop.value_of(place), missing)
    kind, op = table.pairs
    found = run.loop.emit(op, value)
    if not run.decide(both(run.loop, exact, run.loop.is_valid(found))):
        return (missing(),)
    return (TracedScalar(kind, run.loop.value_of(found)),)


class Table:
    """The ops of a large constant container for values of one class. All paths of a trace share them."""

    def __init__(self, known: Any, kind: str) -> None:
        self._keys = list(known)
        self.values = list(known.values()) if isinstance(known, dict) else []
        self._kind = kind

    def is_of(self, known: Any) -> bool:
        """Whether a container has the same objects as when the table was made."""
        if len(known) != len(self._keys) or not all(map(operator.is_, known, self._keys)):
            return False
        return not isinstance(known, dict) or all(map(operator.is_, known.values(), self.values))

    @cached_property
    def keys(self) -> list[Any] | None:
        """The keys that values of the class may equal; None where a key is neither an int nor a str."""
        if not all(type(key) in (int, str) for key in self._keys):
            return None
        return _equal_keys(self._keys, self._kind)

    @cached_property
    def members(self) -> IsIn:
        return _members(self.keys, self._kind)

    @cached_property
    def places(self) -> Lookup:
        """The op that finds the place of a key among all."""
        at = {key: n for n, key in enumerate(self._keys)}
        return Lookup.of({key: at[key] for key in self.keys or ()}, _TYPES[_CLASSES[self._kind]][1], I64)

    @cached_property
    def pairs(self) -> tuple[str, Lookup] | None:
        """The kind of a dict's values, and the op that finds them; None for a set, and values of several classes."""
        kinds = {type(v) for v in self.values}
        if len(kinds) != 1 or not kinds <= _TYPES.keys():
            return None
        kind, type_ = _TYPES[kinds.pop()]
        of = dict(zip(self._keys, self.values, strict=True))
        pairs = {key: of[key] for key in self.keys or ()}
        if kind == "int" and not all(MIN <= v <= MAX for v in pairs.values()):
            return None
        return kind, Lookup.of(pairs, _TYPES[_CLASSES[self._kind]][1], type_)


def _table(container: Any, x: Any) -> Table | None:
    """Returns the table of a container, if it serves `x` better than a path for each key."""
    known = unwrapped(container)
    few = _FEW_INSIDE if explorer().inside else FEW
    if type(known) in (tuple, list):
        few = max(few, _FEW_LISTED)
    elif not issubclass(type(known), dict | set | frozenset):
        return None
    if not few < len(known) <= MOST:
        return None
    kind = "" if not is_scalar(x) or x.numpy else "int" if x.kind == "float" else x.kind
    if kind not in _CLASSES:
        return None
    if x.kind == "float" and any(type(key) is int and not MIN <= key <= MAX for key in known):
        return None
    tables: dict[tuple[int, str], Table] = current().tables
    table = tables.get((id(known), kind))
    if table is None or not table.is_of(known):
        table = tables[id(known), kind] = Table(known, kind)
    return None if table.keys is None else table


def _compared(fn: str, x: TracedScalar, number: int) -> Any:
    loop = explorer().loop
    return loop.call(fn, x.value, loop.const(number, I64))
