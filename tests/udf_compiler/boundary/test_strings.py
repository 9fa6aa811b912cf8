"""Checks strings at the boundary against PySpark's worker: columns in and out, and batch-dependent result dtypes."""

from __future__ import annotations

import datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql.types import DoubleType, LongType

from sparkweld.errors import Refusal
from sparkweld.ir import Input, ProgramBuilder, Result, Type, evaluate
from sparkweld.ir.ops import Optional
from sparkweld.ir.types import DATE, STR
from tests.helpers.compiled import compare_with_worker
from tests.udf_compiler.boundary.test_boundary import EPOCH, arrow_parts, assert_same, worker_column, worker_series
from udf_compiler.boundary.series import ARRAYS, SPARK_TYPES, Field, column_of_result, frame_of_struct, series_of_column
from udf_compiler.frontends.pandas import masked
from udf_compiler.frontends.pandas.batch_dependent import batch_dependent_series
from udf_compiler.frontends.pandas.missing import Missing
from udf_compiler.frontends.pandas.series import TracedSeries
from udf_compiler.frontends.pandas.strings import text_series
from udf_compiler.process.spark_line import LINE


def leave_series(inputs: dict[str, Type], columns: dict[str, object], rows: int, make: object, spark_type: str) -> Result:
    """Runs `column_of_result` for the Series that ``make(loop)`` returns."""
    builder = ProgramBuilder("leave", [Input(name, type) for name, type in inputs.items()])
    loop = builder.loop("leave")
    loop.append("y", column_of_result(loop, make(loop), spark_type, "f"))
    loop.close()
    return evaluate(builder.finish(["y"]), columns, rows)


TEXT_BATCHES = [(["a", None, "é"], Missing(none=True)), (["a", np.nan], Missing(nan=True)), ([None, None], Missing(none=True))]
TEXT_BATCHES += [([np.nan, np.nan], Missing(nan=True)), (["a", "b"], Missing())]


@pytest.mark.parametrize(("elements", "missing"), TEXT_BATCHES)
def test_string_results(elements: list[object], missing: Missing) -> None:
    valid = np.array([isinstance(e, str) for e in elements])
    column = Optional(np.array([e if ok else "" for e, ok in zip(elements, valid, strict=True)], object), valid)

    def make(loop: object) -> TracedSeries:
        return text_series(loop, loop.read("x"), missing)

    result = leave_series({"x": STR.optional()}, {"x": column}, len(elements), make, "string")
    assert not result.flagged.any()
    assert_texts(result.columns["y"], worker_column(pd.Series(elements, dtype=object), "string"))
    with pytest.raises(Refusal, match="SW274"):
        leave_series({"x": STR.optional()}, {"x": column}, len(elements), make, "long")


def assert_texts(ours: Optional, theirs: pa.Array) -> None:
    assert [v if ok else None for v, ok in zip(*ours, strict=True)] == theirs.to_pylist()


def test_minus_zero_has_a_sign_beside_floats_only() -> None:
    """pandas reads a column of integers as int64, which has no -0."""
    batches = [pa.record_batch({"s": pa.array(texts)}) for texts in (["-0"], ["-0", "7"], ["-0", "1.5"], [" -00 ", None])]
    for returns in (DoubleType(), LongType()):
        compare_with_worker(lambda s: pd.to_numeric(s, errors="coerce"), batches, returns)


def test_a_batch_without_strings_that_became_floats_raises() -> None:
    with pytest.raises(TypeError):
        worker_column(pd.Series([np.nan, np.nan]), "string")
    column = Optional(np.array(["", ""], object), np.zeros(2, np.bool_))

    def make(loop: object) -> TracedSeries:
        return text_series(loop, loop.read("x"), Missing(nan=True, void=True))

    assert leave_series({"x": STR.optional()}, {"x": column}, 2, make, "string").flagged.all()


@pytest.mark.parametrize("spark_type", [t for t in SPARK_TYPES if not t.startswith("timestamp")])
@pytest.mark.parametrize("valid", [[True, True, True], [True, False, True], [False, False, False]])
@pytest.mark.parametrize("kind", ["i64", "bool"])
def test_results_whose_dtype_depends_on_the_batch(kind: str, valid: list[bool], spark_type: str) -> None:
    values = np.array([1, 0, 7], np.int64) if kind == "i64" else np.array([True, False, False])
    elements = [v if ok else None for v, ok in zip(values.tolist(), valid, strict=True)]
    dense, some = all(valid), any(valid)
    theirs = pd.Series(elements, dtype=values.dtype if dense else np.float64 if some and kind == "i64" else object)

    def make(loop: object) -> TracedSeries:
        return batch_dependent_series(loop, loop.read("x"), loop.read("ok"), Missing(none=True), void=True)

    inputs = {"x": Type(kind), "ok": Type("bool")}
    columns = {"x": values, "ok": np.array(valid)}
    if spark_type in ("date", "string"):
        with pytest.raises(Refusal, match="SW109"):
            leave_series(inputs, columns, 3, make, spark_type)
        return
    result = leave_series(inputs, columns, 3, make, spark_type)
    raises = kind == "bool" and not dense and spark_type in ("byte", "short", "integer", "long")
    assert result.flagged.any() == raises
    if raises:
        return
    ours = result.columns["y"] if isinstance(result.columns["y"], Optional) else Optional(result.columns["y"], np.ones(3, bool))
    assert_same(ours, *arrow_parts(worker_column(theirs, spark_type)))


def test_invalid_utf8_is_flagged() -> None:
    builder = ProgramBuilder("enter", [Input("x", STR)])
    loop = builder.loop("enter")
    loop.append("y", series_of_column(loop, loop.read("x"), "string", False, "nullable").value)
    loop.close()
    values = np.array(["a", b"\xff".decode("utf-8", "surrogateescape")], object)
    assert evaluate(builder.finish(["y"]), {"x": values}, 2).flagged.tolist() == [False, True]


def test_integers_with_nulls_beside_strings_in_a_struct() -> None:
    for other in (pa.array(["a"]), pa.array([[1.0]])):
        columns = [other, pa.array([None], pa.int64()), pa.array([None], pa.float64())]
        theirs = worker_series(pa.StructArray.from_arrays(columns, list("abc")))
        assert [str(dtype) for dtype in theirs.dtypes] == ["object", "Int64" if LINE.converts_by_arrow else "float64", "float64"]
    types = {"a": STR.optional(), "b": Type("i64", True), "d": DATE, "e": ARRAYS["array<double>"]}
    builder = ProgramBuilder("frame", [Input(name, type) for name, type in types.items()])
    loop = builder.loop("frame")
    text = Field("a", loop.read("a"), "string", "nullable")
    numbers = Field("b", loop.read("b"), "long", "nullable")
    for beside in (text, Field("e", loop.read("e"), "array<double>", "dense")):
        made = frame_of_struct(loop, [beside, numbers]).series["b"]
        if LINE.converts_by_arrow:
            assert made.kind is masked.INTEGERS
            with pytest.raises(Refusal, match="SW273"):
                made.dtype  # noqa: B018
        else:
            assert made.dtype == np.float64
    fields = [text, Field("b", loop.read("b"), "long", "dense"), Field("d", loop.read("d"), "date", "dense")]
    frame = frame_of_struct(loop, fields)
    array = pa.StructArray.from_arrays([pa.array(["a"]), pa.array([1]), pa.array([EPOCH])], list("abd"))
    assert [s.dtype for s in frame.series.values()] == list(worker_series(array).dtypes)
    assert type(worker_series(array)["d"][0]) is datetime.date


def test_strings_of_another_pandas(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = ProgramBuilder("enter", [Input("x", STR)]).loop("enter")
    for option in ("future.infer_string", "future.no_silent_downcasting"):
        with pd.option_context(option, True), pytest.raises(Refusal, match="SW271"):
            series_of_column(loop, loop.read("x"), "string", False, "nullable")
    monkeypatch.setattr(pd, "__version__", "3.0.1")
    with pytest.raises(Refusal, match="SW271"):
        series_of_column(loop, loop.read("x"), "string", False, "nullable")
