"""Compiles scalar pandas UDFs that read other rows of their batch, such as ``v - v.mean()``, for kernels over batches of Spark.

A batch is one group, as in functions of `applyInPandas`, whose operations these functions may use. The result has the rows of the
batch. A guard that flags one row flags them all, because Python must see the whole batch.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from sparkweld.ir import LoopBuilder, Value
from sparkweld.reasons import refusal
from udf_compiler.eval_types.kind import Call
from udf_compiler.eval_types.of_group import Name, OfGroup, flattened, frame_of, of_frame, refuse_models
from udf_compiler.eval_types.scalar_pandas import check_named
from udf_compiler.frontends.pandas.frame import TracedFrame
from udf_compiler.frontends.pandas.groups.frame_group import FrameGroup
from udf_compiler.frontends.pandas.series import TracedSeries
from udf_compiler.frontends.tracing.values import raw
from udf_compiler.probing.differences import tolerance_of
from udf_compiler.probing.group_probe import probe_group


class WholeBatch(OfGroup):
    """Eval type 200 (SQL_SCALAR_PANDAS_UDF) with the batch as one group."""

    def call(self, call: Call) -> Any:
        if call.prepared.assigned:
            raise call.prepared.assigned[0][2].refusal("SW211")
        given = flattened(call)
        group = FrameGroup(call.loop)
        result = call.traced(call.prepared.function, call.args, call.kwargs, group=group, catching=True)
        check_named(call, result)
        if not isinstance(result, TracedSeries | TracedFrame):
            raise refusal("SW106", call.place, what=raw(result))
        if result.loop is not call.loop:
            raise refusal("SW107", call.place)
        refuse_models(call.loop, call.place, "batch")
        group.guard(call.loop)
        call.loop.spread()
        self._probe(call, given, result)
        return result

    @staticmethod
    def _probe(call: Call, given: dict[Name, TracedSeries], result: TracedSeries | TracedFrame) -> None:
        function = of_frame(call.original, [*given])
        made = result if isinstance(result, TracedFrame) else TracedFrame(call.loop, {"r": result})
        original = function if made is result else lambda frame: pd.DataFrame({"r": function(frame)})
        probe_group(original, frame_of(call.loop, given), None, made, call.place, tolerance_of(call.kept, call.loop.body))

    def converted(self, call: Call, loop: LoopBuilder, result: Any, to: str) -> Value:
        with loop.spreading():
            return super().converted(call, loop, result, to)
