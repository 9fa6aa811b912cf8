"""Interprets the helpers of a function of columns in its loops over rows, where Python's own C code would read a row's value.

Python calls the helper of a comprehension over rows itself, so an f-string in it has no value of the row. In a second attempt,
objects that interpret the helpers replace them in the cells and globals of the user's functions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import CellType, FunctionType
from typing import Any

from udf_compiler.frontends.python.path_explorer import explorer, is_exploring
from udf_compiler.frontends.python.regions.interpret_call import walk
from udf_compiler.frontends.python.regions.machine import is_of_user
from udf_compiler.frontends.python.regions.state import reachable
from udf_compiler.frontends.tracing.stand_ins import StandIn
from udf_compiler.function.bytecode import codes_of


class Interpreted(StandIn):
    """A helper whose calls in a loop over rows are interpreted on the current path."""

    __slots__ = ("stands_for",)
    what = "helper"

    def __init__(self, helper: FunctionType) -> None:
        self.stands_for = helper

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not is_exploring():
            return self.stands_for(*args, **kwargs)
        run = explorer()
        before, run.walks = run.walks, True
        try:
            return walk(self.stands_for, args, kwargs)
        finally:
            run.walks = before


@contextmanager
def interpreting(function: Callable[..., Any]) -> Iterator[bool]:
    """Replaces the helpers of a user's function inside the block; yields whether it has any."""
    undo: list[Callable[[], Any]] = []
    functions = [x for x in reachable(function).values() if is_of_user(x)]
    made = {id(x): Interpreted(x) for x in functions if x is not function}
    try:
        for own in functions:
            _replace(own, made, undo)
        yield bool(undo)
    finally:
        for restore in undo:
            restore()


def _replace(function: FunctionType, made: dict[int, Interpreted], undo: list[Callable[[], Any]]) -> None:
    for cell in function.__closure__ or ():
        if cell != CellType() and id(cell.cell_contents) in made:
            undo.append(_setter(cell, cell.cell_contents))
            cell.cell_contents = made[id(cell.cell_contents)]
    scope = function.__globals__
    for name in {name for code in codes_of(function.__code__) for name in code.co_names} & scope.keys():
        if id(scope[name]) in made:
            undo.append(_assigner(scope, name, scope[name]))
            scope[name] = made[id(scope[name])]


def _setter(cell: CellType, before: Any) -> Callable[[], Any]:
    return lambda: setattr(cell, "cell_contents", before)


def _assigner(scope: dict[str, Any], name: str, before: Any) -> Callable[[], Any]:
    return lambda: scope.update({name: before})
