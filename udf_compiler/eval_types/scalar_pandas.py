"""Compiles scalar pandas UDFs: functions from Series (or DataFrames) to a Series, batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from typing import Any

from sparkweld.contract.spark_types import StructField, fields_of
from sparkweld.ir import LoopBuilder, Value
from sparkweld.reasons import refusal
from udf_compiler.boundary.columns import ONE_FORM
from udf_compiler.boundary.series import (
    Field,
    check_conf,
    check_confs,
    checks_results,
    column_of_result,
    frame_of_struct,
    series_of_column,
)
from udf_compiler.eval_types.kind import Call, Kind, declared
from udf_compiler.eval_types.settled import settled
from udf_compiler.frontends.pandas.any_form import AnyForm, asks_for_all_forms, check_none, concerns
from udf_compiler.frontends.pandas.array import TracedArray
from udf_compiler.frontends.pandas.batch_dependent import BATCH_DEPENDENT
from udf_compiler.frontends.pandas.calls.cuts import TracedCut, plain
from udf_compiler.frontends.pandas.calls.frames import Unknown
from udf_compiler.frontends.pandas.dates import DATES
from udf_compiler.frontends.pandas.frame import TracedFrame
from udf_compiler.frontends.pandas.kind import ARRAY_OBJECTS, UNSIGNED
from udf_compiler.frontends.pandas.series import TracedSeries
from udf_compiler.frontends.pandas.stand_ins import stand_in
from udf_compiler.frontends.pandas.strings import STRINGS
from udf_compiler.frontends.tracing.values import raw
from udf_compiler.probing.differences import tolerance_of
from udf_compiler.probing.probe import probe
from udf_compiler.rebuild.purity import Prepared, prepare

#: With this conf, the columns of a DataFrame are matched by name.
_BY_NAME = "spark.sql.legacy.execution.pandas.groupedMap.assignColumnsByName"

#: Kind of a Series -> its description in notes, where the dtype does not suffice.
_KINDS = {DATES: "date", STRINGS: "str", BATCH_DEPENDENT: "numbers", UNSIGNED: "UInt32", ARRAY_OBJECTS: "arrays"}


def _without_categories(function: Callable[..., Any]) -> Callable[..., Any]:
    """Wraps a function to return its result in the dtype of its categories, as PySpark converts it."""

    def converted(*args: Any, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        return result.astype(result.dtype.categories.dtype)

    return converted


def check_named(call: Call, result: Any) -> None:
    """Refuses (SW364) a frame whose columns are named after Series: such names are not traced, so no field has a known column."""
    if isinstance(result, TracedFrame) and any(isinstance(name, Unknown) for name in result.series):
        wanted = ", ".join(field.name for field in fields_of(call.return_type) or ())
        raise refusal("SW364", call.place, given="the names of Series", required=wanted)


class ScalarPandas(Kind):
    """Eval type 200 (SQL_SCALAR_PANDAS_UDF)."""

    sees_batch_state = True
    takes_decimals = True
    stand_in = staticmethod(stand_in)

    def __init__(self, of_whole_batch: Kind | None = None) -> None:
        self.of_whole_batch = of_whole_batch

    def check_confs(self, confs: Mapping[str, str | None], udf: str) -> None:
        check_confs(confs, udf)
        check_conf(confs, udf, _BY_NAME, "true")

    def prepare(self, function: Callable[..., Any]) -> Prepared:
        return prepare(function, stand_in, settles=True)

    def argument(self, loop: LoopBuilder, field: Field) -> Any:
        def series(state: str) -> Any:
            return series_of_column(loop, field.value, field.spark_type, True, state, field.name)

        of_any_form = asks_for_all_forms() and field.state == "nullable" and field.spark_type not in ONE_FORM
        return AnyForm.of_column(field.value, series) if of_any_form else series(field.state)

    def struct(self, loop: LoopBuilder, fields: Sequence[Field], title: str) -> Any:
        check_none(title, [self.argument(loop, field) for field in fields] if asks_for_all_forms() else ())
        return frame_of_struct(loop, fields, title)

    def describe(self, argument: Any) -> str:
        if type(argument) is AnyForm:
            return argument.what
        if isinstance(argument, TracedFrame):
            return f"DataFrame of {len(argument.series)} columns"
        if isinstance(argument, TracedArray):
            return f"{argument.dtype} array"
        return _KINDS.get(argument.kind) or str(argument.dtype)

    def call(self, call: Call) -> Any:
        if call.prepared.assigned:
            check_none(call.place, call.args, call.kwargs)
        return self.run(call, settled(call), call.original, catching=True)

    def run(
        self, call: Call, function: Callable[..., Any], original: Callable[..., Any], catching: bool = False
    ) -> Any:
        result = call.traced(function, call.args, call.kwargs, catching=catching)
        if type(result) is TracedCut:
            result, original = plain(result), _without_categories(original)
        check_named(call, result)
        known = isinstance(result, TracedSeries | TracedArray | TracedFrame)
        open_form = concerns(call.args, call.kwargs)
        if known and result.loop is call.loop and not open_form:  # a result of other rows becomes no column
            probe(original, call.args, call.kwargs, result, call.loop, call.place, tolerance_of(call.kept, result.loop.body))
        return result

    def hand_on(self, result: Any, place: str) -> Any:
        if not isinstance(result, TracedSeries | TracedArray | TracedFrame):
            raise refusal("SW106", place, what=raw(result))
        return result

    def column(self, call: Call, result: Any) -> Value:
        return self.converted(call, call.loop, result, str(call.return_type))

    def converted(self, call: Call, loop: LoopBuilder, result: Any, to: str) -> Value:
        """Returns the column of a Series.

        If conversions are not checked, the worker truncates the rows that this one flags. How may depend on the dtype of the
        batch and on their place in it. So Python then computes the whole batch, as Spark would make it.
        """
        checked = checks_results(call.confs)
        with nullcontext() if checked else loop.spreading():
            return column_of_result(loop, result, to, call.place, checked)

    def fields(self, call: Call, result: Any, fields: Sequence[StructField]) -> list[Value]:
        """Returns the columns of a DataFrame that the struct names, and ignores others; those by position if none has a name."""
        if not isinstance(result, TracedFrame):
            raise refusal("SW106", call.place, what=raw(result))
        if result.loop is not call.loop:
            raise refusal("SW107", call.place)
        names: list[Any] = [field.name for field in fields]
        numbered = not any(isinstance(name, str) for name in result.series)
        if len(result.series) != len(fields) if numbered else not set(names) <= set(result.series):
            raise refusal("SW364", call.place, given=", ".join(map(str, result.series)), required=", ".join(names))
        columns = result.series.values() if numbered else [result.series[name] for name in names]
        values = [self.converted(call, call.loop, column, f.type) for column, f in zip(columns, fields, strict=True)]
        return declared(fields, values)
