"""Compiles grouped aggregate pandas UDFs over whole groups, where partial aggregation cannot compute them.

A group is one batch. Each call makes a column that has its result in every row; the groups' step keeps the first row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from sparkweld.contract.spark_types import StructField
from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.types import BOOL
from sparkweld.reasons import refusal
from udf_compiler.boundary.series import Field, ir_type
from udf_compiler.eval_types.grouped_map import GroupKind
from udf_compiler.eval_types.kind import Call
from udf_compiler.eval_types.of_group import flattened, frame_of, of_frame
from udf_compiler.frontends.pandas.frame import fresh
from udf_compiler.frontends.pandas.groups.frame_group import FrameGroup
from udf_compiler.frontends.pandas.groups.summaries import column_of
from udf_compiler.frontends.tracing.values import raw
from udf_compiler.probing.differences import tolerance_of
from udf_compiler.probing.group_probe import probe_group


@dataclass(frozen=True, slots=True)
class _Returned:
    """The scalar that the function returns for each group."""

    group: FrameGroup
    scalar: Any


class GroupedAggregate(GroupKind):
    """Eval type 202 (SQL_GROUPED_AGG_PANDAS_UDF)."""

    def struct(self, loop: LoopBuilder, fields: Sequence[Field], title: str) -> Any:
        raise refusal("SW101", column=title, type="struct")

    def call(self, call: Call) -> _Returned:
        given = flattened(call)
        group = FrameGroup(call.loop)
        scalar = call.traced(call.prepared.function, call.args, call.kwargs, group=group, catching=True)
        returned = _Returned(group, scalar)
        loop = group.one_row()
        if scalar is not None:
            result = fresh(loop, {"r": _column(call, returned, loop)})
            group.guard(loop)
            tolerance = tolerance_of(call.kept, loop.body)
            of_columns = of_frame(call.original, [*given])
            summary = lambda frame: pd.DataFrame({"r": [of_columns(frame)]})  # noqa: E731
            probe_group(summary, frame_of(call.loop, given), None, result, call.place, tolerance)
        return returned

    def hand_on(self, result: Any, place: str) -> Any:
        raise refusal("SW106", place, what="a scalar of each group")

    def column(self, call: Call, result: _Returned) -> Value:
        """Returns the column that a worker makes of ``pd.Series([result])``, with its value in each row of the group."""
        loop, to = call.loop, str(call.return_type)
        if result.scalar is None:
            plain = ir_type(to, False, "the result")
            made = loop.optional(loop.const(b"" if plain.kind == "str" else 0, plain), loop.const(False, BOOL))
        else:
            made = self.converted(call, loop, _column(call, result, loop), to)
        result.group.guard(loop)
        return made

    def fields(self, call: Call, result: Any, fields: Sequence[StructField]) -> list[Value]:
        raise refusal("SW104", call.place, type="struct")


def _column(call: Call, result: _Returned, loop: LoopBuilder) -> Any:
    made = column_of(result.group, result.scalar, loop)
    if made is None:
        raise refusal("SW385", call.place, type=getattr(result.scalar, "what", raw(result.scalar)))
    return made
