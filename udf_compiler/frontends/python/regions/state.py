"""Represents the state of an interpreted function, copied for each path."""

from __future__ import annotations

import builtins
import functools
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from sparkweld.ir import LoopBuilder
from udf_compiler.frontends.python.found_matches import FoundMatch, FoundMatches
from udf_compiler.frontends.python.frame_row import TracedRow
from udf_compiler.frontends.python.instances import attributes, instance, is_instance, mark_of, outlives
from udf_compiler.frontends.python.json_values import TracedMembers, TracedTexts
from udf_compiler.frontends.python.listed import is_held
from udf_compiler.frontends.python.maps import TracedItems, TracedMap
from udf_compiler.frontends.python.nested_lists import TracedLists
from udf_compiler.frontends.python.of_text import is_of_text, of
from udf_compiler.frontends.python.record_dicts import TracedRecord
from udf_compiler.frontends.python.records import TracedRecords
from udf_compiler.frontends.python.regions.closures import Closure
from udf_compiler.frontends.python.regions.distinct import Distinct
from udf_compiler.frontends.python.regions.growing import Growing
from udf_compiler.frontends.python.regions.iteration import (
    Counter,
    Documents,
    Elements,
    Letters,
    Octets,
    Run,
    Runs,
    Together,
    Walk,
)
from udf_compiler.frontends.python.regions.mappings import Mapping
from udf_compiler.frontends.python.regions.seen import Seen
from udf_compiler.frontends.python.row_lists import TracedElement, TracedPairs, TracedRows
from udf_compiler.frontends.python.state import parts_of
from udf_compiler.frontends.python.undecided import Undecided
from udf_compiler.frontends.python.values import MAX, MIN, TracedScalar, is_scalar
from udf_compiler.frontends.tracing.enum_members import is_member
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.values import Traced
from udf_compiler.function.bytecode import Namespace

#: Marks an unset variable, and the slot of a missing self argument.
UNSET: Any = type("Unset", (), {"__repr__": lambda self: "unset"})()


@dataclass(frozen=True, slots=True)
class Method:
    """A method of a symbolic value before its call."""

    owner: Any
    name: str


@dataclass(frozen=True, slots=True)
class Cell:
    """A variable of the function that a generator expression shares."""

    name: str


@dataclass(frozen=True, slots=True)
class Expression:
    """A generator expression: its code, the variables that it shares and, after its call, the loop that it iterates over."""

    code: types.CodeType
    cells: tuple[Cell, ...] = ()
    over: Any = None


@dataclass(frozen=True, slots=True)
class Local:
    """A function that the interpreted one defines: only for the next call, with the current values of its variables.

    `names`: its variables of the row, which the call reads.
    """

    function: types.FunctionType
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Unordered:
    """A builtin that takes the elements of a loop over a set: its result must not depend on their order.

    `called`: what represents it in the function.
    """

    function: Callable[..., Any]
    called: Any


@dataclass(frozen=True, slots=True)
class Caught:
    """An exception in its handler; only its class is known."""

    error: BaseException


#: The longest tuple or list that may hold an iterator: a display, as nothing appends an iterator to a list.
_MOST_SEARCHED = 256


def check_kept(x: Any) -> None:
    """Refuses (SW282) an iterator in a variable, also within a tuple or list: a second loop continues where the first ended.

    A range restarts.
    """
    if type(x) in (tuple, list) and len(x) <= _MOST_SEARCHED:
        for part in x:
            check_kept(part.begun() if type(part) is Run else part)
    if type(x) in (Walk, Letters, Octets, Elements, Documents, Together, Runs, Expression):
        refuse("SW282", what="an iterator in a variable")
    if type(x) is Local:
        refuse("SW280", what="a function that it defines, with a variable of its own")


_PARTS = (
    *(Method, Counter, Run, Runs, Walk, Letters, Octets, Elements, Documents, Together),
    *(Closure, Local, Distinct, Seen, TracedMap, TracedItems, TracedRows),
    *(TracedLists, FoundMatch, FoundMatches),
    *(TracedElement, TracedMembers, TracedTexts, TracedPairs, TracedRecord, TracedRecords, Undecided),
)


def has_parts(x: Any) -> bool:
    """Whether an object holds values of the row in its fields."""
    return type(x) in _PARTS or is_held(x)


def parts_of_object(x: Any) -> list[Any]:
    """Returns the fields of such an object, which are the arguments of its class, too."""
    return [object.__getattribute__(x, name) for name in type(x).__dataclass_fields__]


@dataclass(slots=True)
class State:
    """The stack and variables of a function. `next`: index of the next instruction; `result`: the returned value.

    `writes`: the assignments of elements in place that take effect before the next instruction (`stored.write`).
    """

    stack: list[Any]
    variables: Namespace
    next: int = 0
    result: Any = UNSET
    writes: list[tuple[Any, TracedScalar, TracedScalar]] = field(default_factory=list)

    def mapped(
        self, change: Callable[[Any], Any], outer: dict[int, Any], instead: dict[int, Any] | None = None, moves: bool = False
    ) -> State:
        """Returns a copy with other leaves; copies each list that the function made once, and none of `outer`.

        `instead` maps object ids to replacements. `moves`: the leaves become values of another block, so an object that hides one
        is refused (SW282).
        """
        copy = _Copy(change, outer, dict(instead or {}), moves)
        stack = [copy(x) for x in self.stack]
        variables = {name: copy(self.variables[name]) for name in sorted(self.variables)}
        return State(stack, variables, self.next, copy(self.result), [copy(x) for x in self.writes])

    def written(self, loop: LoopBuilder) -> State:
        """Returns the state after its assignments of elements, in `loop`, which only their path reaches."""
        for owner, index, x in self.writes:
            owner.value = owner.value.stored(loop, index.value, x.value)
        self.writes = []
        return self

    def copied(self, outer: dict[int, Any]) -> State:
        """Returns a copy that shares no mutable object."""
        return self.mapped(lambda x: x, outer)


@dataclass(slots=True)
class _Copy:
    change: Callable[[Any], Any]
    outer: dict[int, Any]
    seen: dict[int, Any] = field(default_factory=dict)
    moves: bool = False

    def __call__(self, x: Any) -> Any:
        if is_leaf(x):
            return self.change(x)
        if is_of_text(x):
            return of(x, self.change(text_of(x)).value)
        if id(x) in self.seen:
            return self.seen[id(x)]
        if type(x) is list and id(x) not in self.outer:
            made: list[Any] = []
            self.seen[id(x)] = made
            made.extend(map(self, x))
            return made
        if type(x) is Growing:
            self.seen[id(x)] = Growing(self(x.value), x.frozen, x.lent)
            return self.seen[id(x)]
        if type(x) is Mapping:
            copy = self.seen[id(x)] = replace(x, known={}, log=None)
            copy.known = {key: self(value) for key, value in x.known.items()}
            copy.log = self(x.log)
            return copy
        if type(x) is tuple and id(x) not in self.outer:
            return tuple(map(self, x))
        if type(x) is Expression:
            return Expression(x.code, x.cells, self(x.over))
        if type(x) is TracedRow:
            return row_of({name: self(source()) for name, source in x.sources.items()})
        if type(x) is Counter and x.fixed:
            return x
        if type(x) is Walk and x.fixed:
            return Walk(self(x.items), x.position, True)
        if has_parts(x):
            return type(x)(*map(self, parts_of_object(x)))
        if is_instance(x) and id(x) not in self.outer:
            names, values = attributes(x)
            self.seen[id(x)] = instance(type(x), names, tuple(map(self, values)), mark_of(x))
            return self.seen[id(x)]
        if type(x) is types.MethodType and is_instance(x.__self__):
            return types.MethodType(x.__func__, self(x.__self__))
        if self.moves and id(x) not in self.outer and _holds_value(x):
            refuse("SW282", what=f"a value of class {type(x).__name__}")
        return x


def text_of(x: Any) -> TracedScalar:
    """Returns the string of such an object as a match, the only element of it that differs between rows."""
    return TracedScalar("str", object.__getattribute__(x, "value"))


def _holds_value(x: Any) -> bool:
    """Whether an opaque object holds values of the row."""
    if isinstance(x, types.MethodType | types.BuiltinMethodType):
        return _holds_value(x.__self__) or is_scalar(x.__self__)
    return isinstance(x, Traced | functools.partial) or (isinstance(x, types.FunctionType) and not is_fixed(x))


def within(x: Any) -> Iterator[Any]:
    """Yields an object of a state and everything that it holds."""
    yield x
    if type(x) in (tuple, list):
        parts = list(x)
    elif type(x) is Mapping:
        parts = [*x.known.values(), x.log]
    else:
        parts = parts_of_object(x) if has_parts(x) else [*attributes(x)[1]] if is_instance(x) else []
    for part in parts:
        yield from within(part)


def is_made(x: Any) -> bool:
    """Whether `x` is an object of its own class that a function has made, and whose attributes a state can hold."""
    changing = (list, dict, set, Growing, Mapping, Seen)
    return is_instance(x) and not outlives(x) and not any(type(part) in changing for part in within(x))


def row_of(values: dict[str, Any]) -> TracedRow:
    """Returns a frame's row with these values."""

    def source(name: str) -> Callable[[], Any]:
        return lambda: values[name]

    return TracedRow({name: source(name) for name in values})


def is_leaf(x: Any) -> bool:
    """Whether `x` is a symbolic value, or a number that a block argument can hold."""
    return is_scalar(x) or type(x) in (bool, float) or (type(x) is int and MIN <= x <= MAX)


def is_fixed(x: Any) -> bool:
    """Whether `x` is a function, class, module or other constant that holds no value of the row."""
    if isinstance(x, types.FunctionType):
        cells = [c.cell_contents for c in x.__closure__ or () if c != types.CellType()]
        defaults = (*(x.__defaults__ or ()), *(x.__kwdefaults__ or {}).values())
        return not any(isinstance(c, Traced | list | dict | set) for c in (*cells, *defaults))
    if isinstance(x, types.BuiltinFunctionType):
        return x.__self__ is None or isinstance(x.__self__, types.ModuleType)
    return isinstance(x, type | types.ModuleType | slice | range) or x is builtins.Ellipsis or is_member(x) or _is_stand_in(x)


def _is_stand_in(x: Any) -> bool:
    ours = type(x).__module__.partition(".")[0] == "udf_compiler"
    ours = ours and not issubclass(type(x), Traced)
    return ours and type(x) not in (*_PARTS, Caught, Cell, Expression, Growing, Mapping, Unordered)


def reachable(*roots: Any) -> dict[int, Any]:
    """Returns the objects that outlive a call as id -> object, which keeps their ids from being reused."""
    seen: dict[int, Any] = {}
    waiting = [*roots]
    while waiting:
        x = waiting.pop()
        if id(x) in seen or isinstance(x, Traced):
            continue
        if not isinstance(x, bool | int | float | str | bytes | type(None)):
            seen[id(x)] = x
            waiting += parts_of(x)
    return seen
