"""What the instructions of one function share: how it is interpreted, the top of the stack, attributes, keys of containers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import FunctionType
from typing import Any

from udf_compiler.regions.growing import Growing, current
from udf_compiler.regions.state import Caught, State
from udf_compiler.scalar.exceptions import as_python
from udf_compiler.scalar.paths import explorer
from udf_compiler.trace.constants import unwrapped
from udf_compiler.trace.session import refuse
from udf_compiler.trace.stand_ins import attribute_for_user


@dataclass(frozen=True, slots=True)
class Machine:
    """The function that is interpreted. `unroll`: loops over constants get a block for each round.

    `reduction`: the function is the body of a generator expression, which sum, any or all takes, or
    another function as a "list"; `reduce` runs one.
    """

    function: FunctionType
    unroll: bool
    call: Callable[..., Any]
    reduce: Callable[..., Any]
    reduction: str = ""


def pop(s: State, count: int) -> list[Any]:
    """The top values, of which none is an exception or a list that grows."""
    values = pop_any(s, count)
    if any(type(v) is Growing for v in values):
        refuse("SW282", what="a list that grows in a loop, within another value")
    return values


def pop_read(s: State, count: int) -> list[Any]:
    """The top values for an instruction that only reads them: lists that grow as they are now."""
    return list(map(current, pop_any(s, count)))


def pop_any(s: State, count: int) -> list[Any]:
    """The top values, of which none is an exception."""
    values = s.stack[len(s.stack) - count :]
    del s.stack[len(s.stack) - count :]
    if any(type(v) is Caught for v in values):
        refuse("SW282", what="an exception other than for its class")
    return values


def attribute(x: Any, name: str) -> Any:
    """``x.name`` as user code sees it."""
    return as_python(attribute_for_user, x, name)


def look_into(container: Any) -> None:
    """Says which keys a lookup meets, where `scalar.lookups` would read it from a frame's code."""
    known = unwrapped(container)
    if issubclass(type(known), dict | set | frozenset):
        explorer().keys = tuple(known)
