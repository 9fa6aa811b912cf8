"""Arrow UDFs: pyarrow Arrays to an Array, batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.types import STR
from sparkweld.reasons import refusal
from udf_compiler import arrow
from udf_compiler.arrow import ARROW_TYPES, TracedArrow
from udf_compiler.boundary import SPARK_TYPES, Field, check_conf
from udf_compiler.kinds.kind import Call, Kind
from udf_compiler.probe import probe
from udf_compiler.purity import Prepared, prepare
from udf_compiler.trace import stand_in, trace

#: Strings are large_string under it.
_LARGE = "spark.sql.execution.arrow.useLargeVarTypes"


class ScalarArrow(Kind):
    """Eval type 250 (SQL_SCALAR_ARROW_UDF). The result is cast, safely, to the declared type (`enforce_schema`)."""

    sees_batch_state = False

    def stand_in(self, obj: object) -> object | None:
        return arrow.stand_in(obj) or stand_in(obj)

    def check_confs(self, confs: Mapping[str, str | None], udf: str) -> None:
        """One conf changes the types that an arrow UDF sees. It cannot be profiled (worker.py)."""
        check_conf(confs, udf, _LARGE, "false")

    def prepare(self, function: Callable[..., Any]) -> Prepared:
        return prepare(function, self.stand_in)

    def argument(self, loop: LoopBuilder, field: Field) -> Any:
        if field.value.type.plain() not in ARROW_TYPES:
            raise refusal("SW101", column=field.name, type=field.spark_type)
        column = TracedArrow.of(loop, field.value)
        if column.value.type == STR:
            arrow.check_utf8(column)
        return column

    def struct(self, loop: LoopBuilder, fields: Sequence[Field], title: str) -> Any:
        raise refusal("SW101", column=title, type="struct")

    def describe(self, argument: Any) -> str:
        return str(ARROW_TYPES[argument.value.type])

    def call(self, call: Call) -> Any:
        return self.run(call, call.prepared.function, call.original)

    def run(self, call: Call, function: Callable[..., Any], original: Callable[..., Any]) -> Any:
        result = call.traced(function, call.args, call.kwargs)
        bounds = any(let.op.bound is not None for let in call.loop.body)
        probe(original, call.args, call.kwargs, result, call.loop, call.place, rounded=bounds)
        return result

    def hand_on(self, result: Any, place: str) -> Any:
        if not isinstance(result, TracedArrow):
            raise refusal("SW363", place, type=type(result).__name__)
        return result

    def column(self, call: Call, result: Any) -> Value:
        if call.return_type not in SPARK_TYPES or SPARK_TYPES[call.return_type] not in ARROW_TYPES:
            raise refusal("SW104", call.place, type=call.return_type)
        if not isinstance(result, TracedArrow):
            raise refusal("SW363", call.place, type=type(result).__name__)
        if result.loop is not call.loop:
            raise refusal("SW107", call.place)
        to = SPARK_TYPES[call.return_type]
        with call.prepared.checked():
            cast = trace(
                lambda: arrow.safe_cast(result, to, f"the conversion to {call.return_type}"), (), loop=call.loop, place=call.place
            )
        return cast.whole()
