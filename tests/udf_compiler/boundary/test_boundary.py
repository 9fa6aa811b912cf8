"""Compares the boundary with the conversion functions of PySpark's worker over the whole (dtype x Spark type) matrix."""

from __future__ import annotations

import datetime
import math

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pandas.core.computation import expressions
from pyspark.sql.types import (
    BooleanType,
    ByteType,
    DateType,
    DoubleType,
    FloatType,
    IntegerType,
    LongType,
    ShortType,
    StringType,
    TimestampNTZType,
    TimestampType,
)

from sparkweld.errors import InternalError, Refusal
from sparkweld.ir import Input, ProgramBuilder, Result, Type, evaluate
from sparkweld.ir.ops import Optional
from sparkweld.ir.types import DATE, of_dtype
from tests.helpers.worker import arguments_of, converted
from udf_compiler.boundary.series import (
    BATCH_CONFS,
    NUMEXPR_ROWS,
    SAFELY,
    SPARK_TYPES,
    Field,
    check_confs,
    check_safely,
    column_of_result,
    frame_of_struct,
    series_of_column,
)
from udf_compiler.frontends.pandas.dates import DATES
from udf_compiler.frontends.pandas.missing import Missing
from udf_compiler.frontends.pandas.series import TracedSeries
from udf_compiler.frontends.tracing.zones import session_zone
from udf_compiler.process.spark_line import LINE

PYSPARK_TYPES = {
    "boolean": BooleanType(),
    "byte": ByteType(),
    "short": ShortType(),
    "integer": IntegerType(),
    "long": LongType(),
    "float": FloatType(),
    "double": DoubleType(),
    "date": DateType(),
    "string": StringType(),
    "timestamp": TimestampType(),
    "timestamp_ntz": TimestampNTZType(),
}
ARROW_TYPES = {
    "boolean": pa.bool_(),
    "byte": pa.int8(),
    "short": pa.int16(),
    "integer": pa.int32(),
    "long": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "date": pa.date32(),
    "string": pa.string(),
    "timestamp": pa.timestamp("us", tz="UTC"),
    "timestamp_ntz": pa.timestamp("us"),
}
DTYPES = ("bool", "int8", "int16", "int32", "int64", "float32", "float64")
EPOCH = datetime.date(1970, 1, 1)


@pytest.fixture(autouse=True)
def utc():
    with session_zone("UTC"):
        yield


def samples(dtype: str) -> np.ndarray:
    """Returns values of a dtype around every limit at which a conversion's result changes."""
    if dtype == "bool":
        return np.array([True, False])
    edges = {0, 1, -1, 2, 200, 300}
    for power in (7, 8, 15, 16, 24, 25, 31, 32, 53, 54, 62, 63):
        edges |= {sign * 2**power + step for sign in (1, -1) for step in (-2, -1, 0, 1, 2)}
    if dtype.startswith("int"):
        limits = np.iinfo(dtype)
        return np.array(sorted(e for e in edges if limits.min <= e <= limits.max), dtype)
    fractions = [0.5, -0.5, 1.5, 127.5, -128.5, 2147483647.5, 0.1, 1e-50, 5e-324, 1e-40, 1e39, -1e39, 1e300]
    specials = [-0.0, math.nan, math.inf, -math.inf, 3.4028235677973366e38, 3.4028234663852886e38]
    with np.errstate(over="ignore"):
        return np.array([*map(float, sorted(edges)), *fractions, *specials], dtype)


def worker_column(series: pd.Series, spark_type: str) -> pa.Array:
    """Returns the column that the worker sends back for a result Series."""
    return converted(series, PYSPARK_TYPES[spark_type])


def worker_series(array: pa.Array) -> pd.Series:
    """Returns the Series that the worker builds from an argument column."""
    return arguments_of(pa.RecordBatch.from_arrays([array], ["_0"]))[0]


def leave(values: np.ndarray, spark_type: str, checked: bool = True) -> Result:
    """Runs `column_of_result` for a Series of these values."""
    builder = ProgramBuilder("leave", [Input("x", of_dtype(values.dtype))])
    loop = builder.loop("leave")
    result = TracedSeries(loop, loop.read("x"), values.dtype)
    loop.append("y", column_of_result(loop, result, spark_type, "f", checked))
    loop.close()
    return evaluate(builder.finish(["y"]), {"x": values}, len(values))


def arrow_parts(array: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """Returns (values in the IR's representation, valid) of an Arrow column."""
    valid = np.asarray(array.is_valid())
    if pa.types.is_string(array.type):
        return np.array([s or "" for s in array.to_pylist()], object), valid
    if pa.types.is_date(array.type):
        array = array.cast(pa.int32())
    if pa.types.is_timestamp(array.type):
        array = array.cast(pa.int64())
    filled = array.fill_null(False if pa.types.is_boolean(array.type) else 0)
    return filled.to_numpy(zero_copy_only=False), valid


def assert_same(ours: np.ndarray | Optional, values: np.ndarray, valid: np.ndarray) -> None:
    got = ours if isinstance(ours, Optional) else Optional(ours, np.ones(len(ours), np.bool_))
    assert got.values.dtype == values.dtype
    np.testing.assert_array_equal(got.valid, valid)
    assert got.values[valid].tobytes() == values[valid].tobytes()


@pytest.mark.parametrize("spark_type", SPARK_TYPES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_result_matrix(dtype: str, spark_type: str) -> None:
    values = samples(dtype)
    raised = np.zeros(len(values), np.bool_)
    for at in range(len(values)):
        try:
            worker_column(pd.Series(values[at : at + 1]), spark_type)
        except (ValueError, TypeError, NotImplementedError):
            raised[at] = True
    if raised.all():
        with pytest.raises(Refusal, match="SW109"):
            leave(values, spark_type)
        return
    np.testing.assert_array_equal(leave(values, spark_type).flagged, raised)
    fine = values[~raised]
    result = leave(fine, spark_type)
    assert not result.flagged.any()
    assert_same(result.columns["y"], *arrow_parts(worker_column(pd.Series(fine), spark_type)))


@pytest.mark.parametrize("dtype", DTYPES)
def test_rows_that_are_not_flagged_convert_alike_without_checks(dtype: str) -> None:
    """Without `convertToArrowArraySafely`, integers wrap and round. Python converts the flagged rows, which are floats."""
    for spark_type in SPARK_TYPES:
        values = samples(dtype)
        try:
            flagged = leave(values, spark_type, checked=False).flagged
        except Refusal:
            continue
        assert not flagged.any() or dtype.startswith("float")
        fine = values[~flagged]
        theirs = converted(pd.Series(fine), PYSPARK_TYPES[spark_type], confs={SAFELY: "false"})
        assert_same(leave(fine, spark_type, checked=False).columns["y"], *arrow_parts(theirs))


@pytest.mark.parametrize("dtype", DTYPES)
def test_one_bad_row_raises_for_the_whole_batch(dtype: str) -> None:
    """A flag on one row represents the exception that PySpark raises for the batch, whatever the other rows are."""
    for spark_type in SPARK_TYPES:
        values = samples(dtype)
        try:
            flagged = leave(values, spark_type).flagged
        except Refusal:
            continue
        if flagged.any():
            with pytest.raises(ValueError):
                worker_column(pd.Series(values), spark_type)


@pytest.mark.parametrize("spark_type", SPARK_TYPES)
def test_date_results(spark_type: str) -> None:
    dates = [datetime.date.min, datetime.date(1969, 12, 31), EPOCH, datetime.date(2024, 2, 29), datetime.date.max, None]
    builder = ProgramBuilder("leave", [Input("x", DATE.optional())])
    loop = builder.loop("leave")
    result = TracedSeries(loop, loop.read("x"), np.dtype(object), kind=DATES)
    if spark_type not in ("date", "integer"):
        with pytest.raises((NotImplementedError, TypeError) if LINE.casts_results else (ValueError, TypeError)):
            worker_column(pd.Series(dates, dtype=object), spark_type)
        with pytest.raises(Refusal, match="SW109"):
            column_of_result(loop, result, spark_type, "f")
        return
    if spark_type == "integer" and not LINE.casts_results:
        with pytest.raises(ValueError):
            worker_column(pd.Series(dates, dtype=object), spark_type)
        with pytest.raises(Refusal, match="SW114"):
            column_of_result(loop, result, spark_type, "f")
        return
    loop.append("y", column_of_result(loop, result, spark_type, "f"))
    loop.close()
    days = np.array([0 if d is None else (d - EPOCH).days for d in dates], np.int32)
    valid = np.array([d is not None for d in dates])
    ours = evaluate(builder.finish(["y"]), {"x": Optional(days, valid)}, len(days))
    assert_same(ours.columns["y"], *arrow_parts(worker_column(pd.Series(dates, dtype=object), spark_type)))


def column_samples(spark_type: str) -> list[object]:
    if spark_type == "date":
        return [datetime.date.min, EPOCH, datetime.date(2024, 2, 29), datetime.date.max]
    if spark_type == "string":
        return ["", "a", "é", "😀", "a\0b", "x" * 1000]
    if spark_type in ("timestamp", "timestamp_ntz"):
        return [datetime.datetime(1677, 9, 22), datetime.datetime(1970, 1, 1), datetime.datetime(2262, 4, 11, 23, 47, 16, 854775)]
    return samples(str(SPARK_TYPES[spark_type].dtype)).tolist()


def enter(array: pa.Array, spark_type: str, state: str) -> tuple[TracedSeries, Result]:
    """Runs `series_of_column`; the result's column is the Series' value."""
    type = Type(SPARK_TYPES[spark_type].kind, True)
    builder = ProgramBuilder("enter", [Input("x", type)])
    loop = builder.loop("enter")
    series = series_of_column(loop, loop.read("x"), spark_type, True, state)
    loop.append("y", series.value)
    loop.close()
    values, valid = arrow_parts(array)
    return series, evaluate(builder.finish(["y"]), {"x": Optional(values, valid)}, len(array))


@pytest.mark.parametrize("nulls", ["none", "some", "all"])
@pytest.mark.parametrize("spark_type", SPARK_TYPES)
def test_argument_matrix(spark_type: str, nulls: str) -> None:
    values = column_samples(spark_type)
    data = {"none": values, "some": [*values, None], "all": [None, None]}[nulls]
    array = pa.array(data, ARROW_TYPES[spark_type])
    theirs = worker_series(array)
    state = "dense" if nulls == "none" else "nullable"
    if spark_type == "boolean" and state == "nullable":
        assert theirs.dtype == object
        with pytest.raises(Refusal, match="SW102"):
            enter(array, spark_type, state)
        return
    series, result = enter(array, spark_type, state)
    assert series.dtype == theirs.dtype
    assert not result.flagged.any()
    ours = result.columns["y"]
    if spark_type == "string":
        assert [v if ok else None for v, ok in zip(*ours, strict=True)] == theirs.tolist()
        assert series.missing == Missing(none=True)
    elif spark_type == "date":
        days = [None if d is None else (d - EPOCH).days for d in theirs]
        ours = ours if isinstance(ours, Optional) else Optional(ours, np.ones(len(ours), np.bool_))
        assert [int(v) if ok else None for v, ok in zip(*ours, strict=True)] == days
    elif theirs.dtype.kind == "M":
        ours = ours if isinstance(ours, Optional) else Optional(ours, np.ones(len(ours), np.bool_))
        nanoseconds = theirs.to_numpy().astype("M8[ns]").view(np.int64)
        np.testing.assert_array_equal(np.where(ours.valid, ours.values, np.iinfo(np.int64).min), nanoseconds)
    else:
        np.testing.assert_array_equal(ours, theirs)
        if ours.dtype.kind == "f":
            np.testing.assert_array_equal(np.signbit(ours), np.signbit(theirs))


@pytest.mark.parametrize("days", [-719163, 2932897, 2**31 - 1, -(2**31)])
def test_dates_that_python_lacks_are_flagged(days: int) -> None:
    array = pa.array([days], pa.int32()).cast(pa.date32())
    with pytest.raises((ValueError, OverflowError)):
        worker_series(array)
    assert enter(array, "date", "dense")[1].flagged.all()


def test_null_in_a_dense_batch_is_flagged() -> None:
    result = enter(pa.array([1, None, 3], pa.int64()), "long", "dense")[1]
    assert result.flagged.tolist() == [False, True, False]


def test_int32_days_become_dates_beyond_those_of_python() -> None:
    values = np.array([-(2**31), 2**31 - 1], np.int32)
    assert_same(leave(values, "date").columns["y"], *arrow_parts(worker_column(pd.Series(values), "date")))


def test_struct_becomes_a_frame() -> None:
    array = pa.StructArray.from_arrays([pa.array([1, 2]), pa.array([1, None], pa.int8())], ["a", "b"])
    theirs = worker_series(array)
    builder = ProgramBuilder("frame", [Input("a", Type("i64")), Input("b", Type("i8", True))])
    loop = builder.loop("frame")
    fields = [Field("a", loop.read("a"), "long", "dense"), Field("b", loop.read("b"), "byte", "nullable")]
    ours = frame_of_struct(loop, fields)
    assert [ours.series[name].dtype for name in ("a", "b")] == list(theirs.dtypes)
    for wrong in ([], [fields[0], fields[0]]):
        with pytest.raises(Refusal, match="SW103"):
            frame_of_struct(loop, wrong)


BARE = [np.array([1.0]), [1.0], 1.5, "ab", pd.DataFrame({"a": [1.0]})]


@pytest.mark.parametrize("result", BARE, ids=lambda r: type(r).__name__)
def test_results_that_are_no_series(result: object) -> None:
    """PySpark raises for each of them (the worker rejects a scalar before the conversion)."""
    if not isinstance(result, float):
        with pytest.raises((AttributeError, AssertionError)):
            worker_column(result, "double")
    loop = ProgramBuilder("bare", []).loop("bare")
    with pytest.raises(Refusal, match="SW105" if isinstance(result, np.ndarray) else "SW106"):
        column_of_result(loop, result, "double", "f")


def test_other_refusals() -> None:
    builder = ProgramBuilder("p", [Input("x", Type("f64"))])
    loop, other = builder.loop("p"), builder.loop("q")
    series = TracedSeries(loop, loop.read("x"), np.dtype("f8"))
    with pytest.raises(Refusal, match="SW101"):
        series_of_column(loop, loop.read("x"), "binary", False, "dense")
    with pytest.raises(InternalError):
        series_of_column(loop, loop.read("x"), "long", False, "dense")
    with pytest.raises(Refusal, match="SW104"):
        column_of_result(loop, series, "binary", "f")
    with pytest.raises(Refusal, match="SW107"):
        column_of_result(other, series, "double", "f")
    with pytest.raises(Refusal, match="SW108"):
        column_of_result(loop, TracedSeries(loop, loop.read("x"), np.dtype("u1")), "double", "f")


def test_confs_that_change_the_conversion() -> None:
    check_confs({}, "f")
    check_confs({SAFELY: "false", "spark.sql.pyspark.udf.profiler": None}, "f")
    check_safely({SAFELY: "true"}, "f")
    with pytest.raises(Refusal, match="SW110"):
        check_safely({SAFELY: "false"}, "f")
    with pytest.raises(Refusal, match="SW110"):
        check_confs({"spark.sql.execution.pythonUDF.pandas.preferIntExtensionDtype": "true"}, "f")
    with pytest.raises(Refusal, match="SW111"):
        check_confs({"spark.sql.pyspark.udf.profiler": "perf"}, "f")


@pytest.mark.parametrize("conf", BATCH_CONFS)
def test_numexpr_computes_large_batches_its_own_way(conf: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert expressions._MIN_ELEMENTS == NUMEXPR_ROWS, "pandas has moved its limit"
    monkeypatch.setattr(expressions, "USE_NUMEXPR", True)
    check_confs({}, "f")
    check_confs({conf: "1000000"}, "f")
    for value in ("1000001", "0", "-1"):
        with pytest.raises(Refusal, match="SW112"):
            check_confs({conf: value}, "f")
    monkeypatch.setattr(expressions, "USE_NUMEXPR", False)
    check_confs({conf: "0"}, "f")
