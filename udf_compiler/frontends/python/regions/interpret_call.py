"""Interprets a function call on the explored path, where Python's own C code would inspect a value of the row.

No region results: the values belong to the row's loop, and the branches fork the tree of paths. `instructions` handles the
operations that C code does on a str or bool of the row: an f-string, ``%``, ``is True``.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import CodeType, FunctionType
from typing import Any

from udf_compiler.frontends.python.regions.call import body_of, bound_variables, walked, without_method
from udf_compiler.frontends.python.regions.closures import opened
from udf_compiler.frontends.python.regions.code import TOTAL
from udf_compiler.frontends.python.regions.machine import Machine, is_of_user
from udf_compiler.frontends.python.undecided import decided
from udf_compiler.frontends.tracing.exceptions import as_python


def walk(function: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """Calls ``function(*args, **kwargs)``; refuses unsupported instructions (SW280)."""
    function, closed = opened(function)
    function, args = without_method(function, args)
    if not is_of_user(function):
        return as_python(function, *map(decided, args), **{name: decided(x) for name, x in kwargs.items()})
    return _walked(function, bound_variables(function, args, kwargs) | closed)


def _reduced(reduction: str, code: CodeType, scope: dict[str, Any], variables: dict[str, Any]) -> Any:
    """Returns the result of sum, any or all over a generator expression with these variables, or its elements as a list."""
    body, begin = body_of(reduction, code, scope)
    return _walked(body, {TOTAL: begin, **variables}, reduction)


def _walked(function: FunctionType, variables: dict[str, Any], reduction: str = "") -> Any:
    return walked(Machine(function, True, walk, _reduced, reduction), variables)
