"""Provides the shared operations of instructions: the interpreted function, stack access, attributes and container keys."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from types import FunctionType, MethodType
from typing import Any

from udf_compiler.frontends.python.path_explorer import explorer
from udf_compiler.frontends.python.regions.closures import opened
from udf_compiler.frontends.python.regions.code import GENERATED, YIELDS, Code, code_of
from udf_compiler.frontends.python.regions.groups import Bucket
from udf_compiler.frontends.python.regions.growing import Growing, current, held
from udf_compiler.frontends.python.regions.mappings import Mapping
from udf_compiler.frontends.python.regions.state import Caught, State, reachable
from udf_compiler.frontends.python.regions.stored import Line
from udf_compiler.frontends.python.undecided import Undecided, decided, is_same
from udf_compiler.frontends.tracing.class_stand_ins import attribute_for_user
from udf_compiler.frontends.tracing.constants import unwrapped
from udf_compiler.frontends.tracing.exceptions import as_python
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.stand_ins import ErrorText
from udf_compiler.frontends.tracing.values import Traced


@dataclass(frozen=True, slots=True)
class Machine:
    """The interpreted function.

    `unroll`: loops over constants get a block for each round. `reduction`: the function is the body of a generator expression,
    for sum, any or all, or for another function as a "list". It is YIELDS for a generator function that is the UDF itself, and
    GENERATED for another one. `reduce` runs such a body. `changes`: new lists of the row are objects that the function may
    change. `outer`: the objects that outlive a call, by id, if they are known. `part`: the part of the code that
    runs, if not all of it. `stores`: lists to which it assigns elements have memory of their own (`stored`). `unknown`: the
    instructions of this pass that add an empty list to a table: only a later pass knows its kind. `rounds`: how often each loop
    went round on a path that is interpreted, by the target of its end.
    """

    function: FunctionType
    unroll: bool
    call: Callable[..., Any]
    reduce: Callable[..., Any]
    reduction: str = ""
    changes: bool = False
    outer: dict[int, Any] | None = None
    part: Code | None = None
    stores: bool = False
    unknown: set[int] = field(default_factory=set)
    rounds: Counter[int] = field(default_factory=Counter)

    @property
    def code(self) -> Code:
        """Returns the instructions that it interprets."""
        return code_of(self.function.__code__) if self.part is None else self.part

    @property
    def is_expression(self) -> bool:
        """Whether the function is the body of a generator expression, which has a copy of the enclosing function's variables."""
        return self.reduction not in ("", YIELDS, GENERATED)


def note_captured(machine: Machine, values: Iterable[Any]) -> None:
    """Notes that those of some values that outlive the call of this function outlive those of its callees and generators, too."""
    regions = explorer().regions
    captured = [x for x in values if id(x) in (machine.outer or ()) and not isinstance(x, Traced)]
    if captured and regions is not None:
        regions.setdefault("defined", {}).update(reachable(*captured))


def pop(s: State, count: int) -> list[Any]:
    """Pops the top values; refuses exceptions, growing lists and dicts among them (SW282)."""
    values = pop_any(s, count)
    check_growing(values)
    return values


def check_growing(values: Iterable[Any]) -> None:
    """Refuses lists and dicts that the function changes, within another value (SW282)."""
    if any(type(v) in (Growing, Line, Bucket) for v in values):
        refuse("SW282", what="a list that grows in a loop, within another value")
    if any(type(v) is Mapping for v in values):
        refuse("SW282", what="a dict that it makes, within another value")


def pop_formatted(s: State, count: int) -> list[Any]:
    """Pops the top values for an instruction that formats them; refuses growing lists (SW282)."""
    values = pop_arguments(s, count)
    check_growing(values)
    return list(map(message, values))


def pop_read(s: State, count: int) -> list[Any]:
    """Pops the top values for an instruction that only reads them; growing lists become their current lists."""
    return list(map(current, pop_any(s, count)))


def pop_any(s: State, count: int) -> list[Any]:
    """Pops the top values; refuses exceptions among them (SW282)."""
    values = pop_arguments(s, count)
    check_exceptions(values)
    return values


def pop_arguments(s: State, count: int) -> list[Any]:
    """Pops the top values, exceptions among them."""
    return [decide(s, x) for x in pop_undecided(s, count)]


def pop_parts(s: State, count: int) -> list[Any]:
    """Pops the top values for a tuple, which may hold undecided arguments; refuses exceptions and dicts among them (SW282).

    A growing list among them may not change any more.
    """
    values = list(map(held, pop_undecided(s, count)))
    check_exceptions(values)
    check_growing(values)
    return values


def pop_undecided(s: State, count: int) -> list[Any]:
    """Pops the top values, undecided arguments and exceptions among them."""
    values = s.stack[len(s.stack) - count :]
    del s.stack[len(s.stack) - count :]
    return values


def decide(s: State, x: Any) -> Any:
    """Returns a value without undecided arguments: each is None or a value from here on, in the variables, too."""
    if type(x) is Undecided:
        made = decided(x)
        s.variables.update({name: made for name, y in s.variables.items() if is_same(x, y)})
        s.stack[:] = [made if is_same(x, y) else y for y in s.stack]
        return made
    return decided(x)


def check_exceptions(values: Iterable[Any]) -> None:
    """Refuses exceptions (SW282)."""
    if any(type(v) is Caught for v in values):
        refuse("SW282", what="an exception, used for more than its class")


def is_of_user(x: Any) -> bool:
    """Whether `x` is a Python function of user code, not of this project."""
    x = opened(x)[0]
    return isinstance(x, FunctionType) and (x.__module__ or "").partition(".")[0] not in ("udf_compiler", "sparkweld")


def is_generator(x: Any) -> bool:
    """Whether a call of a function or method returns a generator."""
    function = x.__func__ if type(x) is MethodType else opened(x)[0]
    return isinstance(function, FunctionType) and bool(function.__code__.co_flags & inspect.CO_GENERATOR)


def message(x: Any) -> Any:
    """Returns the message of an exception, which only Python knows; any other value itself."""
    return ErrorText("") if type(x) is Caught else x


def attribute(x: Any, name: str) -> Any:
    """Returns ``x.name`` as user code sees it."""
    return as_python(attribute_for_user, x, name)


def look_into(container: Any) -> None:
    """Records the keys that a lookup can find; elsewhere `frontends.python.lookups` reads them from a frame's code."""
    known = unwrapped(container)
    if issubclass(type(known), dict | set | frozenset):
        explorer().keys = tuple(known)
