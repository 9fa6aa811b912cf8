"""Evaluates calls that consume generator expressions: sum, any, all and next, and functions of all elements."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NoReturn

from udf_compiler.frontends.python import sums
from udf_compiler.frontends.python.builtin_calls import STAND_INS, is_builtin
from udf_compiler.frontends.python.operands import is_number
from udf_compiler.frontends.python.records import is_rows
from udf_compiler.frontends.python.regions.code import TOTAL, code_of, names_of
from udf_compiler.frontends.python.regions.definitions import FIXED, is_settled, shared_value
from udf_compiler.frontends.python.regions.groups import Bucket
from udf_compiler.frontends.python.regions.growing import Growing
from udf_compiler.frontends.python.regions.iteration import Elements, Walk
from udf_compiler.frontends.python.regions.machine import Machine, note_captured
from udf_compiler.frontends.python.regions.mappings import Mapping
from udf_compiler.frontends.python.regions.readers import is_heap, takes_elements
from udf_compiler.frontends.python.regions.seen import Seen
from udf_compiler.frontends.python.regions.state import UNSET, Expression, State, within
from udf_compiler.frontends.python.row_lists import TracedElement
from udf_compiler.frontends.python.values import TracedScalar
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.stand_ins import in_place

#: Methods that change a set or dict.
_CHANGES = ("add", "discard", "remove", "pop", "update", "setdefault", "clear")


def generated(machine: Machine, function: Any, args: list[Any], s: State) -> tuple[Any] | None:
    """Evaluates ``sum(x for ...)`` and similar calls, with the variables' current values, to a tuple of the result.

    Returns None for other calls.
    """
    if type(function) is Expression:
        return (replace(function, over=args[0]),)
    if is_builtin(function, next) and len(args) in (1, 2) and type(args[0]) in (Elements, Walk):
        found = args[0].next()  # no variable holds the iterator, so nothing else reads it
        return (found[0] if found is not None else args[1] if len(args) == 2 else _stop(),)
    if not any(type(a) is Expression for a in args) or (takes_elements(function) and len(args) == 1 + is_heap(function)):
        return None
    if is_builtin(function, next) and type(args[0]) is Expression:
        return (_first(machine, args, s),)
    reduction = next((f.__name__ for f in (sum, any, all) if function is f or function is STAND_INS[f]), "")
    if reduction == "sum" and len(args) == 2 and type(args[0]) is Expression and is_number(args[1]):
        if type(args[0].over) is Walk and not args[0].over.items:
            return (args[1],)
        return (reduced(machine, reduction, args[0], s, {TOTAL: sums.settled(sums.begun(args[1]))}),)
    if not reduction or len(args) != 1:
        refuse("SW280", what="a generator expression that is not passed to sum, min, sorted, join and the like")
    return (reduced(machine, reduction, args[0], s),)


def _first(machine: Machine, args: list[Any], s: State) -> Any:
    """Evaluates ``next((x for ...), default)``, where `x` is a number, a string or a Row of a list."""
    if len(args) > 2 or (len(args) == 2 and type(args[1]) not in (TracedScalar, *FIXED)):
        refuse("SW280", what="next() of a generator expression with this default")
    over, default = args[0].over, args[1:]
    if type(over) is Walk and not over.items:
        return default[0] if default else _stop()
    made = reduced(machine, "next" if default else "first", args[0], s, {TOTAL: default[0] if default else None})
    if not default:
        made = _stop() if made is None else made[0]
    rows: Any = over.items if type(over) is Elements else None
    return TracedElement(rows.names, made) if is_rows(rows) and type(made) is tuple else made


def elements_of(machine: Machine, s: State, x: Expression) -> Any:
    """Returns the elements of a generator expression that a loop goes over.

    Refuses (SW282) one that reads what the loop may change: Python computes each element when the loop reaches it.
    """
    changing = (Growing, Mapping, Seen, Bucket, *((list,) if machine.code.changes_lists else ()))
    held = (type(part) for y in (x.over, *(s.variables.get(cell.name) for cell in x.cells)) for part in within(y))
    if any(kind in changing for kind in held) or not all(is_settled(machine, cell.name) for cell in x.cells):
        refuse("SW282", what="an iterator over a list that it changes")
    return reduced(machine, "list", x, s)


def _stop() -> NoReturn:
    raise in_place(StopIteration())


def _reads_again(machine: Machine, name: str) -> bool:
    """Whether a function reads a variable in more places than one, of which a generator expression has a copy."""
    instructions = code_of(machine.function.__code__).instructions
    return sum(i.value == name or name in names_of(i) for i in instructions if i.name.startswith("LOAD_")) > 1


def reduced(machine: Machine, reduction: str, made: Expression, s: State, more: dict[str, Any] | None = None) -> Any:
    named = zip(made.code.co_freevars, made.cells, strict=False)
    shared = {name: x for name, cell in named if (x := shared_value(machine, s, cell.name)) is not UNSET}
    note_captured(machine, shared.values())
    changes = any(i.name == "LOAD_ATTR" and i.value in _CHANGES for i in code_of(made.code).instructions)
    if changes and any(type(x) in (Seen, Mapping) and _reads_again(machine, name) for name, x in shared.items()):
        refuse("SW282", what="a set or dict that a generator expression changes")
    return machine.reduce(reduction, made.code, machine.function.__globals__, {".0": made.over, **shared, **(more or {})})
