"""Models loops as immutable states: the remainder of a range, of a sequence, or of several in parallel.

Python's own iterators change when advanced, so no second path could use them. `next` returns a value and the remaining state.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from udf_compiler.frontends.python import json_values, lists
from udf_compiler.frontends.python.builtin_calls import range_bounds
from udf_compiler.frontends.python.byte_strings import TracedBytes, hexadecimal
from udf_compiler.frontends.python.hex_numbers import int_in_base
from udf_compiler.frontends.python.listed import is_listed
from udf_compiler.frontends.python.maps import TracedItems, TracedMap
from udf_compiler.frontends.python.records import is_rows
from udf_compiler.frontends.python.regions.growing import Growing, current, readable
from udf_compiler.frontends.python.regions.mappings import Mapping
from udf_compiler.frontends.python.regions.stored import Table, line_at
from udf_compiler.frontends.python.regions.tables import item
from udf_compiler.frontends.python.values import is_scalar, is_string
from udf_compiler.frontends.tracing.constants import unwrapped
from udf_compiler.frontends.tracing.enum_members import EnumCopy
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.stand_ins import in_place

#: The longest constant sequence whose loop is unrolled.
_UNROLLED = 64
#: The class of the matches of a pattern in a constant.
_MATCHES = type(re.finditer("", ""))


@dataclass(frozen=True, slots=True)
class Counter:
    """The remainder of a range; `at` is the next number."""

    at: Any
    stop: Any
    step: int
    fixed: bool = False

    def next(self) -> tuple[Any, Counter] | None:
        if not (self.at < self.stop if self.step > 0 else self.at > self.stop):
            return None
        return self.at, replace(self, at=self.at + self.step)


@dataclass(frozen=True, slots=True)
class Walk:
    """The remainder of a sequence. `fixed`: its position is a constant of each block, so the loop is unrolled."""

    items: Any
    position: Any
    fixed: bool

    def next(self) -> tuple[Any, Walk] | None:
        if not self.position < len(self.items):
            return None
        return item(self.items, self.position), replace(self, position=self.position + 1)


@dataclass(frozen=True, slots=True)
class Letters:
    """The remaining characters of a string of the row."""

    rest: Any

    def next(self) -> tuple[Any, Letters] | None:
        return (self.rest[:1], Letters(self.rest[1:])) if self.rest else None


@dataclass(frozen=True, slots=True)
class Octets:
    """The remaining bytes of the row, by the two hexadecimal digits of each."""

    digits: Any

    def next(self) -> tuple[Any, Octets] | None:
        return (int_in_base(self.digits[:2], 16), Octets(self.digits[2:])) if self.digits else None


@dataclass(frozen=True, slots=True)
class Elements:
    """The remainder, from `position` on, of a list of the row or of one that grows meanwhile."""

    items: Any
    position: Any

    def next(self) -> tuple[Any, Elements] | None:
        items = readable(self.items)
        rows = is_rows(items) or is_listed(items)
        if not self.position < (items.count if rows else lists.length(items)):
            return None
        if type(items) is Table and items is not self.items:
            found: Any = line_at(self.items, self.position)
        else:
            found = items.at(self.position) if rows else lists.element(items, self.position)
        return found, replace(self, position=self.position + 1)


@dataclass(frozen=True, slots=True)
class Documents:
    """The remainder, from `position` on, of the values of a JSON array, whose JSON is a list of the row."""

    texts: Any
    position: Any

    def next(self) -> tuple[Any, Documents] | None:
        if not self.position < lists.length(self.texts):
            return None
        found = json_values.optional(lists.element(self.texts, self.position).value)
        return found, replace(self, position=self.position + 1)


def reads_json(stack: Sequence[Any]) -> bool:
    """Whether a loop over the values of a JSON array is under way."""
    return any(type(part) is Documents or (type(part) is Together and reads_json(part.parts)) for part in stack)


@dataclass(frozen=True, slots=True)
class Together:
    """The remainder of a zip or, with a counter, of an enumerate."""

    parts: tuple[Any, ...]

    def next(self) -> tuple[Any, Together] | None:
        values, rest = [], []
        for part in self.parts:
            found = part.next()
            if found is None:
                return None
            values.append(found[0])
            rest.append(found[1])
        return tuple(values), Together(tuple(rest))


@dataclass(frozen=True, slots=True)
class Run:
    """The elements of a run, an iterator before its only use; `items` is None after it."""

    items: Any

    def begun(self) -> Elements:
        """Returns the loop over the elements; refuses (SW282) a second one, which Python would end at once."""
        if self.items is None:
            refuse("SW282", what="a run of groupby, which it reads twice or after the next one has begun,")
        return Elements(self.items, 0)


@dataclass(frozen=True, slots=True)
class Runs:
    """The remaining runs of a list of the row. `ends`: the position after each run; `begin`: where run `number` begins."""

    items: Any
    ends: Any
    number: Any
    begin: Any

    def next(self) -> tuple[Any, Runs] | None:
        if not self.number < lists.length(self.ends):
            return None
        end = lists.element(self.ends, self.number)
        found = lists.element(self.items, self.begin), Run(self.items[self.begin : end])
        return found, Runs(self.items, self.ends, self.number + 1, end)


def has_runs(loop: Any) -> bool:
    """Whether a loop advances a groupby, which ends the runs before."""
    return type(loop) is Runs or (type(loop) is Together and any(map(has_runs, loop.parts)))


def end_runs(variables: dict[str, Any]) -> None:
    """Ends the runs in the variables."""
    for name, x in variables.items():
        if type(x) is Run:
            variables[name] = Run(None)


def _range(unroll: bool, args: list[Any]) -> Any:
    if not any(map(is_scalar, args)):
        return None
    if any(x is None for x in args):
        raise in_place(TypeError("'NoneType' object cannot be interpreted as an integer"))
    if not 1 <= len(args) <= 3 or not all(type(a) is int or (is_scalar(a) and a.kind == "int" and not a.numpy) for a in args):
        refuse("SW262", call="range()", what="an argument that is not an int")
    return Counter(*range_bounds(args))


def _enumerate(unroll: bool, args: list[Any]) -> Any:
    if len(args) not in (1, 2) or (len(args) == 2 and type(args[1]) is not int):
        return None
    walk = iteration(args[0], unroll)
    if walk is None:
        return None
    fixed = getattr(walk, "fixed", False)
    return Together((Counter(args[1] if len(args) == 2 else 0, 2**62, 1, fixed), walk))


def _zip(unroll: bool, args: list[Any]) -> Any:
    parts = tuple(iteration(a, unroll) for a in args)
    return None if None in parts or not parts else Together(parts)


def _reversed(unroll: bool, args: list[Any]) -> Any:
    items: Any = lists.as_list(current(args[0])) if len(args) == 1 else None
    if is_rows(items):
        return Elements(items.mapped(lists.reversed_), 0)
    if lists.is_list(items):
        return Elements(lists.reversed_(items), 0)
    if is_string(items):
        return Letters(items[::-1])
    if type(items) is Counter and abs(items.step) == 1:
        return Counter(items.stop - items.step, items.at - items.step, -items.step)
    known = len(args) == 1 and (type(args[0]) in (range, tuple, str) or (type(args[0]) is list and not args[0]))
    return iteration(args[0][::-1], unroll) if known else None


#: Builtins whose iterators are states here.
ITERATIONS: dict[Callable[..., Any], Callable[[bool, list[Any]], Any]] = {
    range: _range, enumerate: _enumerate, zip: _zip, reversed: _reversed,
}  # fmt: skip


def iteration(x: Any, unroll: bool) -> Any:
    """Returns the state of a loop over `x`; None if unsupported. `unroll`: a short loop gets a block for each round."""
    x = lists.as_list(x)
    if type(x) is json_values.TracedJson:
        if json_values.is_dict(x):
            return Elements(json_values.members(x).key_list, 0)
        return Documents(json_values.array_of(x), 0)
    if type(x) is json_values.TracedMembers:
        return Together((Elements(x.key_list, 0), Documents(x.texts, 0)))
    if type(x) is json_values.TracedTexts:
        return Documents(x.texts, 0)
    known = unwrapped(x)
    if known is None:
        raise in_place(TypeError("'NoneType' object is not iterable"))
    if type(known) in (Counter, Walk, Letters, Octets, Elements, Documents, Together, Runs):
        return known
    if type(x) is Mapping:
        return iteration(x.iterate(), unroll)
    if type(x) is TracedItems:
        return Together((Elements(x.of.key_list, 0), Elements(x.of.value_list, 0)))
    if type(x) is TracedMap:
        return Elements(x.key_list, 0)
    if lists.is_list(x) or type(x) is Growing or is_rows(x) or is_listed(x):
        return Elements(x, 0)
    if is_scalar(x) and x.kind == "str":
        return Letters(x)
    if type(x) is TracedBytes:
        return Octets(hexadecimal(x))
    if isinstance(known, range):
        if unroll and len(known) <= _UNROLLED:
            return Walk(tuple(known), 0, True)
        return Counter(known.start, known.stop, known.step)
    if isinstance(known, dict):
        return Walk(tuple(known), 0, len(known) <= _UNROLLED)
    if isinstance(known, type({}.items()) | type({}.values()) | type({}.keys())):
        return Walk(tuple(known), 0, len(known) <= _UNROLLED)
    if type(known) is _MATCHES or isinstance(known, EnumCopy):
        return Walk(tuple(known), 0, True)
    if type(known) in (tuple, list, str, bytes):
        small = len(known) <= _UNROLLED if unroll else not _is_table(known)
        return Walk(known, 0, small)
    return None


def remaining(walk: Any) -> list[Any]:
    """Returns the remaining elements of an iterator over constants."""
    found = []
    while (step := walk.next()) is not None:
        found.append(step[0])
        walk = step[1]
    return found


def _is_table(items: Any) -> bool:
    kinds = {type(x) for x in items}
    if kinds == {tuple}:
        columns = list(zip(*items, strict=False))
        return len({len(x) for x in items}) == 1 and all(map(_is_table, columns))
    return len(kinds) == 1 and kinds <= {int, float, bool}
