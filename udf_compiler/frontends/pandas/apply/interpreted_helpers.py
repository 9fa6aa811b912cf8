"""Interprets the helpers of a function of columns in its loops over rows, or makes them regions.

Python calls the helper of a comprehension over rows itself. So its f-string has no value of the row, and it loops over no list of
the row. In further attempts, objects that interpret the helpers replace them in the cells and globals of the user's functions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import CellType, FunctionType
from typing import Any

from udf_compiler.frontends.python.path_explorer import explorer, is_exploring
from udf_compiler.frontends.python.regions.call import called
from udf_compiler.frontends.python.regions.helpers import Helper
from udf_compiler.frontends.python.regions.interpret_call import walk
from udf_compiler.frontends.python.regions.machine import is_of_user
from udf_compiler.frontends.python.regions.state import reachable
from udf_compiler.function.bytecode import codes_of


def _called(helper: FunctionType, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """Calls a helper: as a region where the loop's paths have regions, else by interpretation on the current path."""
    if not is_exploring():
        return helper(*args, **kwargs)
    run = explorer()
    if run.regions is not None:
        return called(helper, args, dict(kwargs), whole=True)
    before, run.walks = run.walks, True
    try:
        return walk(helper, args, dict(kwargs))
    finally:
        run.walks = before


def has_helpers(function: Any) -> bool:
    """Whether a function of user code may call others of user code."""
    return is_of_user(function) and any(x is not function for x in _reached(function))


def _reached(function: Any) -> list[FunctionType]:
    return [x for x in reachable(function).values() if is_of_user(x)]


@contextmanager
def interpreting(
    function: Callable[..., Any], call: Callable[..., Any] = _called, which: Callable[[FunctionType], bool] = lambda x: True
) -> Iterator[None]:
    """Replaces the helpers of a user's function for which `which` holds inside the block; `call` calls one."""
    undo: list[Callable[[], Any]] = []
    functions = _reached(function)
    made = {id(x): Helper(x, call) for x in functions if x is not function and which(x)}
    try:
        for own in functions:
            _replace(own, made, undo)
        yield
    finally:
        for restore in undo:
            restore()


def _replace(function: FunctionType, made: dict[int, Helper], undo: list[Callable[[], Any]]) -> None:
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
