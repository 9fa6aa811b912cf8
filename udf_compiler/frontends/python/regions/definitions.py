"""Interprets the definition of a function within a function, one function for each instruction as in `instructions`."""

from __future__ import annotations

import dis
from collections.abc import Sequence
from dataclasses import replace
from types import CellType, CodeType, FunctionType
from typing import Any

from udf_compiler.frontends.python.lists import as_list
from udf_compiler.frontends.python.new_lists import kind_of, list_of
from udf_compiler.frontends.python.path_explorer import explorer
from udf_compiler.frontends.python.regions.closures import Closure
from udf_compiler.frontends.python.regions.code import Code, Instruction, code_of
from udf_compiler.frontends.python.regions.growing import Growing
from udf_compiler.frontends.python.regions.lending import lent
from udf_compiler.frontends.python.regions.list_changes import grown
from udf_compiler.frontends.python.regions.machine import Machine, decide, pop
from udf_compiler.frontends.python.regions.mappings import Mapping, constant
from udf_compiler.frontends.python.regions.sets import as_distinct
from udf_compiler.frontends.python.regions.shapes import displayed
from udf_compiler.frontends.python.regions.state import UNSET, Cell, Expression, Local, State, check_kept
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
    shared = {cell.name: _shared(machine, s, cell.name) for cell in cells}
    settled = all(captured_cell(machine, cell.name) is not None or is_settled(machine, cell.name) for cell in cells)
    names = tuple(name for name, cell in shared.items() if cell is None)
    if settled or names:
        local = Local(_defined(machine, function.code, [*shared.values()]), names)
    else:
        local = Local(_made(machine, function.code, [*shared.values()]))
        if machine.outer is not None:
            machine.outer[id(local.function)] = local.function
    s.stack.append(defined_now(s, local) if settled and all(_is_fixed(machine, s, name) for name in names) else local)


def defined_now(s: State, x: Any) -> Any:
    """Returns a function that the interpreted one defines, with the current values of its variables; anything else unchanged."""
    if type(x) is not Local:
        return x
    return Closure(x.function, x.names, tuple(_value(s, name) for name in x.names)) if x.names else x.function


def _is_fixed(machine: Machine, s: State, name: str) -> bool:
    """Whether the value of a variable of the row can no longer change. A list or dict that the function made becomes frozen."""
    x = decide(s, s.variables.get(name, UNSET))
    if type(x) is list and (not x or kind_of(x) is not None):  # an empty list behaves the same whatever its elements might be
        x = grown(machine, s, x, None if x else list_of(explorer().loop, ("list<i64>", ""), ()))
    if type(x) in (Mapping, Growing):
        x.frozen = True
        return True
    return is_scalar(x) or x is None


def _shared(machine: Machine, s: State, name: str) -> CellType | None:
    """Returns the cell of a captured object, or one with the constant value of a variable; None for a value of the row."""
    captured = captured_cell(machine, name)
    if captured is not None and (captured != CellType() or name not in s.variables):
        return captured
    x = constant(decide(s, s.variables.get(name, UNSET)))
    is_constant = type(x) in (*FIXED, Display, DisplayedSet) or id(x) in (machine.outer or ())
    return CellType(x) if is_constant or (explorer().walks and is_scalar(x)) else None


def _value(s: State, name: str) -> Any:
    """Returns the value of a variable of the row as one that the function may read. Refuses (SW280) an unset one."""
    x = decide(s, s.variables.get(name, UNSET))
    if x is UNSET:
        refuse("SW280", what="a function that it defines, with a variable of its own that is not set yet")
    check_kept(x)
    return lent(as_distinct(as_list(x)))


def is_settled(machine: Machine, name: str) -> bool:
    """Whether a variable keeps its value once a function shares it: it is assigned once, and in no loop."""
    code = code_of(machine.function.__code__)
    assigned = [at for at, i in enumerate(code.instructions) if i.name in _CHANGES and i.value == name]
    is_parameter = name in machine.function.__code__.co_varnames
    return not machine.is_expression and len(assigned) + is_parameter <= 1 and not any(_is_in_loop(code, at) for at in assigned)


def _is_in_loop(code: Code, at: int) -> bool:
    """Whether a jump back may run an instruction again."""
    jumps = ((n, i.value) for n, i in enumerate(code.instructions) if "JUMP" in i.name and type(i.value) is int)
    return any(target <= at <= n for n, target in jumps)


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


def _made(machine: Machine, code: CodeType, cells: Sequence[CellType | None]) -> FunctionType:
    own = tuple(CellType() if cell is None else cell for cell in cells)
    made = FunctionType(code, machine.function.__globals__, code.co_name, None, own)
    made.__module__ = machine.function.__module__
    return made


def _defined(machine: Machine, code: CodeType, cells: Sequence[CellType | None]) -> FunctionType:
    """Returns a function that shares no variable that changes: one object for all paths, which outlives the call.

    A call sets the variables without a cell.
    """
    made, regions = _made(machine, code, cells), explorer().regions
    if regions is None:
        return made
    known: FunctionType = regions.setdefault(("defined", code, id(made.__globals__), *map(_key, cells)), made)
    for outer in (regions.setdefault("defined", {}), machine.outer):
        if outer is not None:
            outer[id(known)] = known
    return known


def _key(cell: CellType | None) -> Any:
    """Returns what is equal for cells whose contents are equal constants, and for one cell."""
    if cell is None:
        return None
    if cell == CellType():
        return id(cell)
    x = cell.cell_contents
    if type(x) in (Display, DisplayedSet):
        return displayed(x)
    return (type(x), repr(x)) if type(x) in FIXED else id(x)
