"""Compiles `mapInPandas` functions that are row-local and at most drop rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sparkweld.contract.spark_types import StructField
from sparkweld.ir import LoopBuilder, Value
from sparkweld.reasons import refusal
from udf_compiler.eval_types.batches import mapped, one_result
from udf_compiler.eval_types.kind import Call
from udf_compiler.eval_types.scalar_pandas import ScalarPandas, check_named
from udf_compiler.frontends.pandas.frame import TracedFrame
from udf_compiler.probing.differences import tolerance_of
from udf_compiler.probing.probe import probe
from udf_compiler.rebuild.purity import Prepared, prepare


class MapPandas(ScalarPandas):
    """Eval type 205 (SQL_MAP_PANDAS_ITER_UDF): the argument is the struct of all columns, the result a DataFrame."""

    def prepare(self, function: Any) -> Prepared:
        return prepare(function, self.stand_in, generator=True)

    def call(self, call: Call) -> Any:
        (frame,) = call.args
        frame.shared = False  # the worker creates it only for this function
        # a copy for the probe: the function may mutate the frame itself
        given = TracedFrame(call.loop, {name: series.twin(shared=False) for name, series in frame.series.items()})
        result = mapped(call, frame, TracedFrame)
        check_named(call, result)
        original = one_result(call.original)
        probe(original, [given], {}, result, result.loop, call.place, tolerance_of(call.kept, result.loop.body))
        return result

    def rows(self, call: Call, result: TracedFrame, fields: Sequence[StructField]) -> tuple[LoopBuilder, list[Value]]:
        """Returns the loop of the result's rows and the values of the declared columns, which must come first in the frame."""
        names = [field.name for field in fields]
        given = list(result.series)[: len(names)]
        if set(given) != set(names) or len(set(names)) < len(names):
            raise refusal("SW364", call.place, given=", ".join(given), required=", ".join(names))
        loop = result.loop
        return loop, [self.converted(call, loop, result.series[f.name], f.type) for f in fields]
