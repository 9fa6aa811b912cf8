"""A Python function of one row's values, as a plain `udf` has it, to the tree of its paths."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sparkweld.ir import LoopBuilder, Value
from udf_compiler.scalar.paths import Node, explorer
from udf_compiler.scalar.results import explored
from udf_compiler.scalar.values import of_value


def tree_of_row(
    loop: LoopBuilder,
    function: Callable[..., Any],
    args: Sequence[Value],
    kwargs: Mapping[str, Value] | None = None,
    handlers: bool = True,
) -> Node:
    """The paths of ``function(*args, **kwargs)``; guards join `loop`. A nullable argument is None on paths of its own."""

    def of_row() -> Any:
        return function(*map(_python_value, args), **{name: _python_value(v) for name, v in (kwargs or {}).items()})

    return explored(loop, of_row, handlers, function)


def _python_value(value: Value) -> Any:
    if not value.type.nullable:
        return of_value(value)
    loop = value.loop
    return of_value(loop.value_of(value)) if explorer().decide(loop.is_valid(value)) else None
