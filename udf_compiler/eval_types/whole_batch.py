"""Compiles scalar pandas UDFs that read other rows of their batch, such as ``v - v.mean()``, for kernels over batches of Spark.

A batch is one group, as in functions of `applyInPandas`, whose operations these functions may use. The result has the rows of the
batch. A guard that flags one row flags them all, because Python must see the whole batch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.ops import ModelOp
from sparkweld.reasons import refusal
from udf_compiler.boundary.group_columns import column_of_booleans, series_of_group
from udf_compiler.boundary.series import Field
from udf_compiler.eval_types.kind import Call
from udf_compiler.eval_types.scalar_pandas import ScalarPandas, check_named
from udf_compiler.frontends.pandas.frame import TracedFrame
from udf_compiler.frontends.pandas.groups.frame_group import FrameGroup
from udf_compiler.frontends.pandas.kind import BOOL_OBJECTS
from udf_compiler.frontends.pandas.series import TracedSeries
from udf_compiler.frontends.tracing.values import raw
from udf_compiler.probing.differences import tolerance_of
from udf_compiler.probing.group_probe import probe_group

#: Names of a flattened argument: its position or keyword, and its field, or None for a Series.
_Names = tuple[int | str, str | None]


class WholeBatch(ScalarPandas):
    """Eval type 200 (SQL_SCALAR_PANDAS_UDF) with the batch as one group."""

    def argument(self, loop: LoopBuilder, field: Field) -> Any:
        return series_of_group(loop, field)

    def describe(self, argument: Any) -> str:
        return BOOL_OBJECTS.name if getattr(argument, "kind", None) is BOOL_OBJECTS else super().describe(argument)

    def call(self, call: Call) -> Any:
        if call.prepared.assigned:
            raise call.prepared.assigned[0][2].refusal("SW211")
        given = _flattened(call)
        group = FrameGroup(call.loop)
        result = call.traced(call.prepared.function, call.args, call.kwargs, group=group)
        check_named(call, result)
        if not isinstance(result, TracedSeries | TracedFrame):
            raise refusal("SW106", call.place, what=raw(result))
        if result.loop is not call.loop:
            raise refusal("SW107", call.place)
        if any(isinstance(let.op, ModelOp) for let in call.loop.body):
            raise refusal("SW312", call.place, call="A model", what="beside functions of the whole batch")
        group.guard(call.loop)
        call.loop.local.clear()
        returned = result if isinstance(result, TracedFrame) else TracedFrame(call.loop, {"r": result})
        frame = TracedFrame(call.loop, {str(at): series for at, series in enumerate(given.values())})
        original = _of_frame(call.original, [*given], isinstance(result, TracedFrame))
        probe_group(original, frame, None, returned, call.place, tolerance_of(call.kept, call.loop.body))
        return result

    def converted(self, call: Call, loop: LoopBuilder, result: Any, to: str) -> Value:
        with loop.spreading():
            if isinstance(result, TracedSeries) and result.kind is BOOL_OBJECTS and result.loop is loop:
                return column_of_booleans(result, to, call.place)
            return super().converted(call, loop, result, to)


def _flattened(call: Call) -> dict[_Names, TracedSeries]:
    """Returns the Series of all arguments, as they are before the function assigns columns."""
    found: dict[_Names, TracedSeries] = {}
    arguments: list[tuple[int | str, Any]] = [*enumerate(call.args), *call.kwargs.items()]
    for name, argument in arguments:
        if isinstance(argument, TracedFrame):
            found.update({(name, field): series for field, series in argument.series.items()})
        else:
            found[name, None] = argument
    return found


def _of_frame(
    function: Callable[..., Any], names: list[_Names], returns_frame: bool
) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """Returns the function as one of a DataFrame of the flattened arguments."""

    def of_frame(frame: pd.DataFrame) -> pd.DataFrame:
        arguments: dict[int | str, Any] = {}
        for (name, field), column in zip(names, frame.columns, strict=True):
            if field is None:
                arguments[name] = frame[column]
            else:
                arguments.setdefault(name, {})[field] = frame[column]
        made = {name: pd.DataFrame(x) if isinstance(x, dict) else x for name, x in arguments.items()}
        given = [x for name, x in made.items() if isinstance(name, int)]
        result = function(*given, **{name: x for name, x in made.items() if isinstance(name, str)})
        return result if returns_frame else pd.DataFrame({"r": result})

    return of_frame

