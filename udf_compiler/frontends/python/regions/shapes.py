"""Describes the shape of a state: states of one shape share a block.

The *leaves* of a state are its numbers and symbolic values. Everything else belongs to the shape: None, strings, functions, and
the nesting of tuples and lists.
"""

from __future__ import annotations

import itertools
import operator
import types
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from udf_compiler.frontends.python.frame_row import TracedRow
from udf_compiler.frontends.python.instances import attributes, is_instance, mark_of
from udf_compiler.frontends.python.of_text import is_of_text
from udf_compiler.frontends.python.patterns import PatternConstant
from udf_compiler.frontends.python.regions.growing import Growing
from udf_compiler.frontends.python.regions.iteration import Counter, Walk
from udf_compiler.frontends.python.regions.mappings import Mapping
from udf_compiler.frontends.python.regions.seen import Seen
from udf_compiler.frontends.python.regions.state import (
    UNSET,
    Caught,
    Cell,
    Expression,
    State,
    Unordered,
    has_parts,
    is_fixed,
    is_leaf,
    parts_of_object,
    text_of,
    within,
)
from udf_compiler.frontends.python.regions.tables import Display, DisplayedSet, is_plain_set
from udf_compiler.frontends.python.values import is_scalar
from udf_compiler.frontends.tracing.constants import unwrapped
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.values import Traced

_GETTERS = (operator.itemgetter, operator.attrgetter)
#: What an object may not hold: another name of it would refer to what the object holds.
_CHANGING = (list, Growing, Mapping, Seen)

def kind_of_leaf(x: Any) -> tuple[str, str]:
    """Returns (class, NumPy's dtype or "")."""
    return (x.kind, x.numpy) if is_scalar(x) else (type(x).__name__, "")


@dataclass(slots=True)
class Shape:
    """A single walk over a state: its `key`, and its `leaves` in order.

    Refuses (SW282) objects that no state may hold. `loose`: lists that the function made, collected in `lists`, are equal
    whatever their elements are.
    """

    outer: dict[int, Any]
    loose: bool = False
    leaves: list[Any] = field(default_factory=list)
    lists: list[Any] = field(default_factory=list)
    _numbers: dict[int, int] = field(default_factory=dict)
    _objects: dict[int, int] = field(default_factory=dict)

    def of_state(self, state: State) -> tuple[Any, ...]:
        stack = tuple(map(self.of, state.stack))  # in the order of `State.mapped`
        return state.next, stack, tuple((name, self.of(state.variables[name])) for name in sorted(state.variables))

    def of(self, x: Any) -> Any:
        if is_leaf(x):
            self.leaves.append(x)
            return kind_of_leaf(x)
        if type(x) in (Display, DisplayedSet):  # each trace of a block makes another one
            return displayed(x)
        if id(x) in self.outer or x is UNSET or x is None:
            return id(x)
        if is_of_text(x):
            self.leaves.append(text_of(x))
            same = object.__getattribute__(x, "same")
            self.outer |= {id(part): part for part in same}  # keeps their ids from being reused
            return type(x).__name__, *(part if type(part) is str else id(part) for part in same)
        if type(x) is PatternConstant:  # each trace of a block that calls re.compile makes another one
            return "pattern", unwrapped(x)
        if type(x) in _GETTERS:  # and so does each trace that makes a key of sorted
            _, args = x.__reduce__()[:2]
            if any(isinstance(part, Traced) for part in args):
                refuse("SW282", what="an itemgetter of a value of the row")
            return type(x).__name__, repr(args)
        if is_fixed(x):
            self.outer[id(x)] = x  # keeps its id from being reused
            return id(x)
        if type(x) is types.BuiltinMethodType and (type(x.__self__) is str or x.__self__ in (dict, itertools.chain)):
            return "method", x.__self__, x.__name__
        if is_plain_set(x) or (isinstance(x, str | bytes | int | np.generic) and not isinstance(x, Traced)):
            return type(x).__name__, repr(x)
        if type(x) in (list, Growing, Mapping):
            number = self._numbers.setdefault(id(x), len(self.lists))
            if number < len(self.lists):
                return "list", number
            self.lists.append(x)
            if self.loose:
                return "list", number, *self._lists_in(x)
        if type(x) is Growing:
            return "growing", x.frozen, x.lent, self.of(x.value)
        if type(x) is Mapping:
            rules = x.missing, x.counts, x.frozen, x.iterated, x.void, x.lent, x.shared
            if x.log is not None:
                return "log", rules, self.of(x.log)
            return "dict", rules, tuple((type(key), key, self.of(value)) for key, value in x.known.items())
        if type(x) in (tuple, list):
            return type(x).__name__, tuple(map(self.of, x))
        if type(x) is TracedRow:
            return "row", tuple((name, self.of(source())) for name, source in x.sources.items())
        if type(x) in (Caught, Cell, Unordered):
            return _of_marker(x)
        if type(x) is Expression:
            return "generator", id(x.code), x.cells, self.of(x.over)
        if type(x) is Counter and x.fixed:
            return "counter", x.at, x.stop, x.step
        if type(x) is Walk and x.fixed:
            return "walk", self.of(x.items), x.position
        if has_parts(x):
            return type(x).__name__, *map(self.of, parts_of_object(x))
        if is_instance(x):
            return self._instance(x)
        refuse("SW282", what=f"a value of class {type(x).__name__}")

    def _instance(self, x: Any) -> Any:
        """Returns the shape of an object of the function's own class; refuses (SW282) one with a list, dict or set within."""
        if any(type(part) in _CHANGING for part in within(x)):
            refuse("SW282", what=f"a value of class {type(x).__name__} with a list, dict or set")
        names, values = attributes(x)
        self.outer[id(type(x))] = type(x)  # keeps its id from being reused
        if id(x) in self._objects:
            return "object", self._objects[id(x)]
        number = self._objects[id(x)] = len(self._objects)
        return "object", number, id(type(x)), mark_of(x), names, tuple(map(self.of, values))

    def _lists_in(self, x: Any) -> Iterator[Any]:
        """Yields the keys and shapes of the lists in a dict of known keys."""
        for key, y in x.known.items() if type(x) is Mapping else ():
            if type(y) in (list, Growing):
                yield type(key), key, self.of(y)


def _of_marker(x: Caught | Cell | Unordered) -> tuple[str, Any]:
    if type(x) is Cell:
        return "cell", x.name
    return ("exception", id(type(x.error))) if isinstance(x, Caught) else ("unordered", id(x.called))  # type: ignore[union-attr]


def displayed(x: Any) -> Any:
    """Returns the contents of a dict or set of constants."""
    if type(x) is Display:
        return "dict", tuple((displayed(key), displayed(value)) for key, value in x.items())
    return ("set", tuple(map(displayed, x))) if type(x) is DisplayedSet else (type(x).__name__, repr(x))
