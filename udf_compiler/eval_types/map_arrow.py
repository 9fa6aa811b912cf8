"""Compiles `mapInArrow` functions that are row-local and at most drop rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sparkweld.contract.spark_types import StructField
from sparkweld.ir import LoopBuilder, Value
from sparkweld.reasons import refusal
from udf_compiler.boundary.series import COLUMN_TYPES, Field
from udf_compiler.eval_types.batches import mapped, one_result
from udf_compiler.eval_types.kind import Call
from udf_compiler.eval_types.scalar_arrow import ScalarArrow
from udf_compiler.frontends.arrow import TracedBatch, name_of
from udf_compiler.probing.differences import tolerance_of
from udf_compiler.probing.probe import probe
from udf_compiler.rebuild.purity import Prepared, prepare


class MapArrow(ScalarArrow):
    """Eval type 207 (SQL_MAP_ARROW_ITER_UDF): the argument is the struct of all columns, the result a RecordBatch."""

    def prepare(self, function: Any) -> Prepared:
        return prepare(function, self.stand_in, generator=True)

    def struct(self, loop: LoopBuilder, fields: Sequence[Field], title: str) -> Any:
        return TracedBatch(loop, [(f.name, self.argument(loop, f)) for f in fields])

    def describe(self, argument: Any) -> str:
        return f"RecordBatch of {len(argument.fields)} columns"

    def call(self, call: Call) -> Any:
        (batch,) = call.args
        result = mapped(call, batch, TracedBatch)
        tolerance = tolerance_of((), result.loop.body)
        probe(one_result(call.original), [batch], {}, result, result.loop, call.place, tolerance)
        return result

    def rows(self, call: Call, result: TracedBatch, fields: Sequence[StructField]) -> tuple[LoopBuilder, list[Value]]:
        """Returns the values unchanged: Spark takes the columns by position and casts none of them."""
        wanted = [(f.name, COLUMN_TYPES.get(f.type)) for f in fields]
        for name, type in wanted:
            if type is None:
                raise refusal("SW104", call.place, type=f"that of {name}")
        given = [(name, array.value.type) for name, array in result.fields]
        if given != wanted:
            shown = (", ".join(f"{name} {name_of(type)}" for name, type in part if type) for part in (given, wanted))
            raise refusal("SW364", call.place, **dict(zip(("given", "required"), shown, strict=True)))
        return result.loop, [array.whole() for _, array in result.fields]
