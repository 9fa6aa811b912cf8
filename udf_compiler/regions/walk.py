"""A call of a function, interpreted on the path that is explored: where Python itself would look into a value of the row.

The function makes no region: its values are those of the row's loop, and its branches fork the tree of paths. What C code does
with a str or a bool of the row (an f-string, ``%``, ``is True``) is done by `instructions` here.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import CodeType, FunctionType
from typing import Any

from udf_compiler.regions.call import body_of, bound_variables, is_of_user, without_method
from udf_compiler.regions.code import TOTAL, code_of
from udf_compiler.regions.instructions import advance
from udf_compiler.regions.machine import Machine
from udf_compiler.regions.state import UNSET, State
from udf_compiler.scalar.exceptions import as_python
from udf_compiler.scalar.paths import explorer
from udf_compiler.trace.session import check_size


def walk(function: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """``function(*args, **kwargs)``. Refuses what an instruction refuses, and SW280 for other versions of Python."""
    function, args = without_method(function, args)
    if not is_of_user(function):
        return as_python(function, *args, **kwargs)
    return _walked(function, bound_variables(function, args, kwargs))


def _reduced(reduction: str, code: CodeType, scope: dict[str, Any], variables: dict[str, Any]) -> Any:
    """What sum, any or all makes of a generator expression with these variables, or the list of its elements."""
    body, begin = body_of(reduction, code, scope)
    return _walked(body, {**variables, TOTAL: begin}, reduction)


def _walked(function: FunctionType, variables: dict[str, Any], reduction: str = "") -> Any:
    machine = Machine(function, True, walk, _reduced, reduction)
    code, state = code_of(function.__code__), State([], variables)
    while state.result is UNSET:
        advance(machine, code, state)
        check_size(explorer().loop)
    return state.result
