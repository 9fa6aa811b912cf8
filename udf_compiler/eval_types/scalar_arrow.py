"""Compiles Arrow UDFs: functions from pyarrow Arrays to an Array, batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sparkweld.contract.spark_types import StructField
from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.types import STR
from sparkweld.reasons import refusal
from udf_compiler.boundary.series import COLUMN_TYPES, Field, check_conf, check_names
from udf_compiler.eval_types.kind import Call, Kind, declared
from udf_compiler.frontends import arrow
from udf_compiler.frontends.arrow import ARROW_TYPES, TracedArrow, TracedStructArray
from udf_compiler.frontends.pandas.stand_ins import stand_in
from udf_compiler.frontends.pandas.trace import trace
from udf_compiler.probing.differences import tolerance_of
from udf_compiler.probing.probe import probe
from udf_compiler.rebuild.purity import Prepared, prepare

#: With this conf, strings are large_string.
_LARGE = "spark.sql.execution.arrow.useLargeVarTypes"


class ScalarArrow(Kind):
    """Eval type 250 (SQL_SCALAR_ARROW_UDF). Its result is safely cast to the declared type (`enforce_schema`)."""

    sees_batch_state = False

    def stand_in(self, obj: object) -> object | None:
        found = arrow.stand_in(obj)
        return stand_in(obj) if found is None else found

    def check_confs(self, confs: Mapping[str, str | None], udf: str) -> None:
        """Refuses the one conf that changes the types of an Arrow UDF. Such a UDF is never profiled (worker.py)."""
        check_conf(confs, udf, _LARGE, "false")

    def prepare(self, function: Callable[..., Any]) -> Prepared:
        return prepare(function, self.stand_in)

    def argument(self, loop: LoopBuilder, field: Field) -> Any:
        if field.value.type.is_list:
            return arrow.lists_of(loop, field.value)
        if field.value.type.plain() not in ARROW_TYPES:
            raise refusal("SW101", column=field.name, type=field.spark_type)
        column = TracedArrow.of(loop, field.value)
        if column.value.type == STR:
            arrow.check_utf8(column)
        return column

    def struct(self, loop: LoopBuilder, fields: Sequence[Field], title: str) -> Any:
        check_names([field.name for field in fields], title)
        return TracedStructArray(loop, [(field.name, self.argument(loop, field)) for field in fields])

    def describe(self, argument: Any) -> str:
        if isinstance(argument, TracedStructArray):
            return f"struct of {len(argument.fields)} fields"
        return arrow.name_of(argument.value.type)

    def call(self, call: Call) -> Any:
        return self.run(call, call.prepared.function, call.original)

    def run(self, call: Call, function: Callable[..., Any], original: Callable[..., Any]) -> Any:
        result = call.traced(function, call.args, call.kwargs)
        tolerance = tolerance_of((), call.loop.body)
        probe(original, call.args, call.kwargs, result, call.loop, call.place, tolerance)
        return result

    def hand_on(self, result: Any, place: str) -> Any:
        if not isinstance(result, TracedArrow):
            raise refusal("SW363", place, type=type(result).__name__)
        return result

    def column(self, call: Call, result: Any) -> Value:
        return self._cast(call, result, str(call.return_type))

    def fields(self, call: Call, result: Any, fields: Sequence[StructField]) -> list[Value]:
        """Returns the fields of a StructArray with the same names in the same order, each cast like a column."""
        if not isinstance(result, TracedStructArray):
            raise refusal("SW363", call.place, type=type(result).__name__)
        given, names = [name for name, _ in result.fields], [field.name for field in fields]
        if given != names:
            raise refusal("SW364", call.place, given=", ".join(given), required=", ".join(names))
        values = [self._cast(call, array, field.type) for (_, array), field in zip(result.fields, fields, strict=True)]
        return declared(fields, values)

    def _cast(self, call: Call, result: Any, type_: str) -> Value:
        to = COLUMN_TYPES.get(type_)
        if to is None or not (to.is_list or to in ARROW_TYPES):
            raise refusal("SW104", call.place, type=type_)
        if not isinstance(result, TracedArrow):
            raise refusal("SW363", call.place, type=type(result).__name__)
        if result.loop is not call.loop:
            raise refusal("SW107", call.place)
        if to == result.value.type and to.is_list:
            return result.whole()
        if to.is_list or result.value.type.is_list:
            raise refusal("SW226", call.place, what=f"an Array of {arrow.name_of(result.value.type)}", type=type_)
        with call.prepared.checked():
            cast = trace(
                lambda: arrow.safe_cast(result, to, f"the conversion to {type_}"), (), loop=call.loop, place=call.place
            )
        return cast.whole()
