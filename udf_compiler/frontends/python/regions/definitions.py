"""Interprets the definition of a function within a function, one function for each instruction as in `instructions`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import CellType, CodeType, FunctionType

from udf_compiler.frontends.python.path_explorer import explorer
from udf_compiler.frontends.python.regions.code import Instruction
from udf_compiler.frontends.python.regions.machine import Machine, pop
from udf_compiler.frontends.python.regions.state import UNSET, Cell, Expression, Local, State
from udf_compiler.frontends.tracing.session import refuse

#: Classes of variables that a function may share with one that it defines.
FIXED = (int, float, str, bool, type(None))


def make_function(machine: Machine, i: Instruction, s: State) -> None:
    (code,) = pop(s, 1)
    is_expression = code.co_name == "<genexpr>"
    s.stack.append(Expression(code) if is_expression or code.co_freevars else _defined(machine, code, ()))


def share(machine: Machine, i: Instruction, s: State) -> None:
    cells, function = pop(s, 2)
    if i.arg != 8 or type(function) is not Expression or not all(type(c) is Cell for c in cells):
        refuse("SW280", what="a function that it defines, with default values,")
    if function.code.co_name == "<genexpr>":
        s.stack.append(replace(function, cells=cells))
        return
    shared = [_shared(machine, s, cell.name) for cell in cells]
    s.stack.append(Local(_defined(machine, function.code, shared)))


def _shared(machine: Machine, s: State, name: str) -> CellType:
    """Returns the cell of a captured object, or one with the value of a variable. Refuses (SW280) one that rows differ in."""
    free = machine.function.__code__.co_freevars
    if not machine.is_expression and name in free:
        return (machine.function.__closure__ or ())[free.index(name)]
    if type(s.variables.get(name, UNSET)) not in FIXED:
        refuse("SW280", what="a function that it defines, with a variable of its own,")
    return CellType(s.variables[name])


def _defined(machine: Machine, code: CodeType, cells: Sequence[CellType]) -> FunctionType:
    """Returns a function that the interpreted one defines. Without cells, it is one object for all paths."""
    own = machine.function
    made = FunctionType(code, own.__globals__, code.co_name, None, tuple(cells))
    made.__module__ = own.__module__
    regions = explorer().regions
    if cells or regions is None:
        return made
    known: FunctionType = regions.setdefault(("defined", code, id(own.__globals__)), made)
    return known
