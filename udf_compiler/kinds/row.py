"""Row-at-a-time UDFs: Python values of one row to a Python value, None where NULL."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sparkweld.ir import LoopBuilder, Value
from sparkweld.reasons import refusal
from udf_compiler.boundary import Field, check_conf, check_profiler
from udf_compiler.kinds.kind import Call, Kind
from udf_compiler.purity import Prepared, prepare
from udf_compiler.scalar.plain import RowResult, column_of_row, result_of_row
from udf_compiler.scalar.probing import probe_row
from udf_compiler.trace import stand_in
from udf_compiler.trace.session import Session, running

#: Under it, a worker hands rows over by way of pandas (worker.py).
_LEGACY = "spark.sql.legacy.execution.pythonUDF.pandas.conversion.enabled"

#: Spark types whose values are Python ints, floats, bools, texts and dates.
_TYPES = frozenset("boolean byte short integer long float double string date".split())


@dataclass(frozen=True, slots=True)
class _Result:
    """A traced result, and whether its function can catch exceptions."""

    row: RowResult
    handlers: bool


class Row(Kind):
    """Eval types 100 (SQL_BATCHED_UDF) and 101 (SQL_ARROW_BATCHED_UDF)."""

    sees_batch_state = False

    def check_confs(self, confs: Mapping[str, str | None], udf: str) -> None:
        check_profiler(confs, udf)
        check_conf(confs, udf, _LEGACY, "false")

    def prepare(self, function: Callable[..., Any]) -> Prepared:
        return prepare(function, stand_in)

    def argument(self, loop: LoopBuilder, field: Field) -> Any:
        if field.spark_type not in _TYPES:
            raise refusal("SW101", column=field.name, type=field.spark_type)
        return field.value

    def struct(self, loop: LoopBuilder, fields: Sequence[Field], title: str) -> Any:
        raise refusal("SW101", column=title, type="struct")

    def describe(self, argument: Any) -> str:
        return "result" if isinstance(argument, _Result) else str(argument.type)

    def call(self, call: Call) -> Any:
        given = (*call.args, *call.kwargs.values())
        handlers = call.prepared.handlers or any(isinstance(a, _Result) and a.handlers for a in given)

        def explored() -> RowResult:
            args = [_given(a) for a in call.args]
            kwargs = {name: _given(a) for name, a in call.kwargs.items()}
            return result_of_row(call.loop, call.prepared.function, args, kwargs, handlers)

        result = call.traced(explored, handlers=handlers)
        self._probe(call, result)
        return _Result(result, handlers)

    def _probe(self, call: Call, result: RowResult) -> None:
        """Runs the original on made-up rows; not when it takes what another function gives."""
        if any(isinstance(a, _Result) for a in (*call.args, *call.kwargs.values())):
            return
        rounded = bool(call.kept) or any(let.op.bound is not None for let in call.loop.body)
        with running(Session(call.loop, call.exact, call.place)):
            probe_row(call.original, call.args, call.kwargs, result.tree, call.loop, call.place, rounded)

    def hand_on(self, result: Any, place: str) -> Any:
        return result

    def column(self, call: Call, result: Any) -> Value:
        with running(Session(call.loop, call.exact, call.place, call.notes, call.kept)):
            return column_of_row(call.loop, result.row, call.return_type, call.eval_type, call.place)


def _given(argument: Any) -> Any:
    return argument.row if isinstance(argument, _Result) else argument
