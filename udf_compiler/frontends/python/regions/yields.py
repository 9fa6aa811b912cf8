"""Interprets the yield of a generator or a generator expression, whose elements are reduced or become a list."""

from __future__ import annotations

from udf_compiler.frontends.python import sums
from udf_compiler.frontends.python.json_values import TracedJson, plain
from udf_compiler.frontends.python.regions.code import GENERATED, TOTAL, YIELDS, Instruction
from udf_compiler.frontends.python.regions.definitions import FIXED
from udf_compiler.frontends.python.regions.gathering import pop_element
from udf_compiler.frontends.python.regions.list_changes import snapshot, value_of
from udf_compiler.frontends.python.regions.machine import Machine, check_growing, pop_any
from udf_compiler.frontends.python.regions.mappings import recorded
from udf_compiler.frontends.python.regions.state import State
from udf_compiler.frontends.python.row_lists import TracedElement
from udf_compiler.frontends.python.values import TracedScalar
from udf_compiler.frontends.tracing.exceptions import as_python
from udf_compiler.frontends.tracing.session import refuse

#: Reductions that end with the first element; "first" returns it in a tuple, or None where there is none.
_FIRSTS = ("next", "first")


def yield_(machine: Machine, i: Instruction, s: State) -> None:
    """Runs the instruction."""
    if machine.reduction in ("list", YIELDS, GENERATED):
        x = snapshot(machine, s, pop_element(machine, s), s.variables[TOTAL])
        x = tuple(x) if type(x) is list and machine.reduction == YIELDS else x
        x = value_of(machine, s, x) if machine.reduction == GENERATED else x
        if type(x) is list and machine.reduction == GENERATED:
            refuse("SW280", what="a generator that yields a list with a second name, or with elements of several classes,")
        check_growing((x,))
        s.variables[TOTAL].append(x)
        s.stack.append(None)
        return
    (x,) = pop_any(s, 1)
    x = recorded(x, machine.outer)
    check_growing((x,))
    if machine.reduction in _FIRSTS:
        if type(x) not in (TracedScalar, TracedElement, TracedJson, *FIXED):
            refuse("SW280", what="next() of such a generator expression")
        found = x.values if type(x) is TracedElement else plain(x)
        s.result = found if machine.reduction == "next" else (found,)
    elif machine.reduction == "sum":
        s.variables[TOTAL] = sums.settled(sums.added(s.variables[TOTAL], x))
    elif as_python(bool, x) == (machine.reduction == "any"):
        s.result = machine.reduction == "any"
    s.stack.append(None)
