"""Interprets the definition of a function within a function, one function for each instruction as in `instructions`."""

from __future__ import annotations

import dis
from collections.abc import Sequence
from dataclasses import replace
from types import CellType, CodeType, FunctionType
from typing import Any

from udf_compiler.frontends.python.path_explorer import explorer
from udf_compiler.frontends.python.regions.code import Instruction, code_of
from udf_compiler.frontends.python.regions.machine import Machine, pop
from udf_compiler.frontends.python.regions.mappings import constant
from udf_compiler.frontends.python.regions.state import UNSET, Cell, Expression, Local, State, displayed
from udf_compiler.frontends.python.regions.tables import Display, DisplayedSet
from udf_compiler.frontends.python.values import is_scalar
from udf_compiler.frontends.tracing.session import refuse

#: Classes of variables that a function may share with one that it defines.
FIXED = (int, float, str, bool, type(None))
_CHANGES = ("STORE_DEREF", "DELETE_DEREF")


def make_function(machine: Machine, i: Instruction, s: State) -> None:
    (code,) = pop(s, 1)
    is_expression = code.co_name == "<genexpr>"
    s.stack.append(Expression(code) if is_expression or code.co_freevars else _defined(machine, code, ()))


def share(machine: Machine, i: Instruction, s: State) -> None:
    cells, function = pop(s, 2)
    if i.arg != 8 or type(function) is not Expression or not all(type(c) is Cell for c in cells):
        refuse("SW280", what="a function that it defines, with default values")
    if function.code.co_name == "<genexpr>":
        s.stack.append(replace(function, cells=cells))
        return
    if _assigns(function.code):
        refuse("SW280", what="a function that it defines, which assigns to a variable of another one")
    following = code_of(machine.function.__code__).instructions[s.next :]
    stored = next((at for at in following if at.name != "SET_FUNCTION_ATTRIBUTE"), None)
    if stored is not None and stored.name == "STORE_DEREF" and any(cell.name == stored.value for cell in cells):
        refuse("SW285", function=function.code.co_name)  # it reads its own variable, so it may call itself
    shared = [_shared(machine, s, cell.name) for cell in cells]
    if all(captured_cell(machine, cell.name) is not None or _is_settled(machine, cell.name) for cell in cells):
        s.stack.append(_defined(machine, function.code, shared))
    else:
        s.stack.append(Local(_made(machine, function.code, shared)))


def _shared(machine: Machine, s: State, name: str) -> CellType:
    """Returns the cell of a captured object, or one with the value of a variable. Refuses (SW280) one that rows differ in."""
    captured = captured_cell(machine, name)
    if captured is not None:
        return captured
    x = constant(s.variables.get(name, UNSET))
    is_constant = type(x) in (*FIXED, Display, DisplayedSet) or id(x) in (machine.outer or ())
    if not is_constant and not (explorer().walks and is_scalar(x)):
        refuse("SW280", what="a function that it defines, with a variable of its own")
    return CellType(x)


def _is_settled(machine: Machine, name: str) -> bool:
    """Whether a variable keeps its value once a function shares it: it is assigned once, and in no loop."""
    code = code_of(machine.function.__code__)
    assigned = [at for at, i in enumerate(code.instructions) if i.name in _CHANGES and i.value == name]
    is_parameter = name in machine.function.__code__.co_varnames
    begins = min(code.heads, default=len(code.instructions))
    return not machine.is_expression and len(assigned) + is_parameter <= 1 and all(at < begins for at in assigned)


def _assigns(code: CodeType) -> bool:
    """Whether a function, or one within it, assigns to a variable of a function around it."""
    changed = {i.argval for i in dis.get_instructions(code) if i.opname in _CHANGES}
    return bool(changed & {*code.co_freevars}) or any(_assigns(inner) for inner in code.co_consts if type(inner) is CodeType)


def captured_cell(machine: Machine, name: str) -> CellType | None:
    """Returns the cell of a variable of the enclosing function; None for the function's own."""
    free = machine.function.__code__.co_freevars
    return (machine.function.__closure__ or ())[free.index(name)] if not machine.is_expression and name in free else None


def shared_value(machine: Machine, s: State, name: str) -> Any:
    """Returns the current value of a variable that another function shares; UNSET without one."""
    captured = captured_cell(machine, name)
    if captured is None or captured == CellType():
        return s.variables.get(name, UNSET)
    return captured.cell_contents


def _made(machine: Machine, code: CodeType, cells: Sequence[CellType]) -> FunctionType:
    made = FunctionType(code, machine.function.__globals__, code.co_name, None, tuple(cells))
    made.__module__ = machine.function.__module__
    return made


def _defined(machine: Machine, code: CodeType, cells: Sequence[CellType]) -> FunctionType:
    """Returns a function that shares no variable that changes: one object for all paths, which outlives the call."""
    made, regions = _made(machine, code, cells), explorer().regions
    if regions is None:
        return made
    known: FunctionType = regions.setdefault(("defined", code, id(made.__globals__), *map(_key, cells)), made)
    for outer in (regions.setdefault("defined", {}), machine.outer):
        if outer is not None:
            outer[id(known)] = known
    return known


def _key(cell: CellType) -> Any:
    """Returns what is equal for cells whose contents are equal constants, and for one cell."""
    if cell == CellType():
        return id(cell)
    x = cell.cell_contents
    if type(x) in (Display, DisplayedSet):
        return displayed(x)
    return (type(x), repr(x)) if type(x) in FIXED else id(x)
