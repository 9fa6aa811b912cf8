"""Compiles iterator UDFs by reduction to a function of one batch, when they treat every batch equally."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sparkweld.contract.spark_types import StructField
from sparkweld.ir import LoopBuilder, Value
from sparkweld.reasons import refusal
from udf_compiler.boundary.series import Field
from udf_compiler.eval_types.batches import one_result, per_batch
from udf_compiler.eval_types.kind import BatchKind, Call, Kind
from udf_compiler.eval_types.predictor import in_one_piece, predictor_of
from udf_compiler.eval_types.spark_xgboost import model_of
from udf_compiler.frontends.mlflow import scoring_udf_of
from udf_compiler.frontends.pandas.any_form import check_none
from udf_compiler.frontends.pandas.frame import TracedFrame, fresh
from udf_compiler.rebuild.purity import Prepared, prepare


class Iterated(Kind):
    """Eval types 204 and 251; `batch` is the kind of the corresponding function of one batch, 200 or 250.

    A batch is one argument, or a tuple of several (worker.py, `extract_args`).
    """

    def __init__(self, batch: BatchKind) -> None:
        self._batch = batch
        self.sees_batch_state = batch.sees_batch_state
        self.takes_decimals = batch.takes_decimals

    def check_confs(self, confs: Mapping[str, str | None], udf: str) -> None:
        self._batch.check_confs(confs, udf)

    def prepare(self, function: Callable[..., Any]) -> Prepared:
        return prepared_iterator(function, self._batch.stand_in)

    def argument(self, loop: LoopBuilder, field: Field) -> Any:
        return self._batch.argument(loop, field)

    def struct(self, loop: LoopBuilder, fields: Sequence[Field], title: str) -> Any:
        return self._batch.struct(loop, fields, title)

    def describe(self, argument: Any) -> str:
        return self._batch.describe(argument)

    def call(self, call: Call) -> Any:
        check_none(call.place, call.args)
        if call.kwargs:
            raise refusal("SW362", call.place, name=next(iter(call.kwargs)))

        def one_batch(*arguments: Any) -> Any:
            batch = own_frame(batch_of(arguments))
            return per_batch(call.prepared.function, batch, call.loop, call.place, call.dtypes_by_nulls)

        return self._batch.run(call, one_batch, of_one_batch(call.original))

    def hand_on(self, result: Any, place: str) -> Any:
        raise refusal("SW206", place, eval_type="of an iterator")  # Spark plans each iterator UDF in a node of its own

    def column(self, call: Call, result: Any) -> Value:
        return self._batch.column(call, result)

    def fields(self, call: Call, result: Any, fields: Sequence[StructField]) -> list[Value]:
        """Returns the struct's fields; in an iterator's DataFrames these must be the first columns (`verify_pandas_result`)."""
        names = {field.name for field in fields}
        if isinstance(result, TracedFrame) and set(list(result.series)[: len(fields)]) != names:
            raise refusal("SW364", call.place, given=", ".join(map(str, result.series)), required=", ".join(sorted(names)))
        return self._batch.fields(call, result, fields)


def prepared_iterator(function: Callable[..., Any], stand_in: Callable[[object], object | None]) -> Prepared:
    """Returns the checked copy of a function of an iterator (see `prepare`)."""
    scoring = scoring_udf_of(function)
    if scoring is not None:
        return scoring.prepared(stand_in)
    model = model_of(function)
    if model is not None:
        prepared = prepare(model.predict, stand_in)
        return replace(prepared, function=model.over(prepared.function))
    predictor = predictor_of(function)
    if predictor is None:
        return prepare(function, stand_in, generator=True)
    prepared = prepare(predictor.make_predict_fn, stand_in)
    return replace(prepared, function=predictor.over(prepared.function))


def of_one_batch(function: Any) -> Callable[..., Any]:
    """Converts an iterator function to a function of the columns of one batch."""
    original = one_result(_alike(function))
    return lambda *arguments: original(batch_of(arguments))


def _alike(function: Any) -> Any:
    """Returns an equivalent function that may be called at each request."""
    scoring = scoring_udf_of(function)
    if scoring is not None:
        return scoring.original
    model = model_of(function)
    return in_one_piece(function) if model is None else model.over(model.predict)


def own_frame(batch: Any) -> Any:
    """Returns a batch that is one DataFrame as a copy that the function may change; any other batch unchanged.

    The worker creates such a frame only for this function: Spark plans each iterator UDF in a node of its own.
    The probe receives the frame before any change.
    """
    if type(batch) is not TracedFrame:
        return batch
    return fresh(batch.loop, {name: series.twin(shared=False) for name, series in batch.series.items()})


def batch_of(arguments: tuple[Any, ...]) -> Any:
    """Returns the element of the iterator for these columns."""
    return arguments[0] if len(arguments) == 1 else arguments
