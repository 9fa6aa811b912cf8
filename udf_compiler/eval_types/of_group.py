"""Defines what all functions have in common that see the rows of a group, or of a batch, as a whole."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.ops import ModelOp
from sparkweld.reasons import refusal
from udf_compiler.boundary.group_columns import column_of_booleans, series_of_group
from udf_compiler.boundary.series import Field
from udf_compiler.eval_types.kind import Call
from udf_compiler.eval_types.scalar_pandas import ScalarPandas
from udf_compiler.frontends.pandas.frame import TracedFrame
from udf_compiler.frontends.pandas.kind import BOOL_OBJECTS
from udf_compiler.frontends.pandas.series import TracedSeries

#: Names a Series among the arguments: by the argument's position or keyword, and by the field, None for an argument that is one.
Name = tuple[int | str, str | None]


class OfGroup(ScalarPandas):
    """A kind whose functions see all rows of a group or of a batch."""

    def argument(self, loop: LoopBuilder, field: Field) -> Any:
        return series_of_group(loop, field)

    def describe(self, argument: Any) -> str:
        is_bools = type(argument) is TracedSeries and argument.kind is BOOL_OBJECTS
        return BOOL_OBJECTS.name if is_bools else super().describe(argument)

    def converted(self, call: Call, loop: LoopBuilder, result: Any, to: str) -> Value:
        if isinstance(result, TracedSeries) and result.kind is BOOL_OBJECTS and result.loop is loop:
            return column_of_booleans(result, to, call.place)
        return super().converted(call, loop, result, to)


def refuse_models(loop: LoopBuilder, place: str, of: str) -> None:
    """Refuses (SW312) models in the loop of a function that reads other rows."""
    if any(isinstance(let.op, ModelOp) for let in loop.body):
        raise refusal("SW312", place, call="A model", what=f"beside functions of the whole {of}")


def flattened(call: Call) -> dict[Name, TracedSeries]:
    """Returns the Series of all arguments, as they are before the function assigns columns."""
    found: dict[Name, TracedSeries] = {}
    arguments: list[tuple[int | str, Any]] = [*enumerate(call.args), *call.kwargs.items()]
    for name, argument in arguments:
        if isinstance(argument, TracedFrame):
            found.update({(name, field): series for field, series in argument.series.items()})
        else:
            found[name, None] = argument
    return found


def frame_of(loop: LoopBuilder, arguments: dict[Name, TracedSeries]) -> TracedFrame:
    """Returns one DataFrame of flattened arguments, for `of_frame`."""
    return TracedFrame(loop, {str(at): series for at, series in enumerate(arguments.values())})


def of_frame(function: Callable[..., Any], names: Sequence[Name]) -> Callable[[pd.DataFrame], Any]:
    """Returns the function as one of the DataFrame of its flattened arguments."""

    def called(frame: pd.DataFrame) -> Any:
        arguments: dict[int | str, Any] = {}
        for (name, field), column in zip(names, frame.columns, strict=True):
            if field is None:
                arguments[name] = frame[column]
            else:
                arguments.setdefault(name, {})[field] = frame[column]
        made = {name: pd.DataFrame(x) if isinstance(x, dict) else x for name, x in arguments.items()}
        positional = [x for name, x in made.items() if isinstance(name, int)]
        return function(*positional, **{name: x for name, x in made.items() if isinstance(name, str)})

    return called
