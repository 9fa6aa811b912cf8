"""Runs sessions of ONNX Runtime in kernels: all kinds of UDFs, files of the job, changed files, and tables at their edges."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark import SparkFiles
from pyspark.sql import functions as F
from pyspark.sql.types import DoubleType, FloatType, LongType
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tests.helpers.approximate_queries import TABLE, assert_compiled, both, near

runtime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")
convert = pytest.importorskip("skl2onnx").to_onnx

NUMBERS = TABLE.to_numpy(np.float32)
TARGET = NUMBERS @ [1.0, -2.0, 0.3]
OPSET = {"": 18, "ai.onnx.ml": 3}


def converted(model, target, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = model.fit(NUMBERS, target)
        return convert(fitted, NUMBERS[:1], options={id(fitted): options} or None, target_opset=OPSET).SerializeToString()


SUMS = converted(make_pipeline(StandardScaler(), Ridge()), TARGET)
LABELS = converted(RandomForestClassifier(8, max_depth=4, random_state=0), np.digitize(TARGET, [-1, 1]), zipmap=False)
OTHER = converted(Ridge(), -TARGET)


@pytest.fixture
def df(parquet):
    return parquet(pa.Table.from_pandas(TABLE))


@F.pandas_udf(FloatType())
def summed(a: pd.Series, b: pd.Series, c: pd.Series) -> pd.Series:
    session = runtime.InferenceSession(SUMS)
    return pd.Series(session.run(None, {"X": pd.concat([a, b, c], axis=1).to_numpy(dtype=np.float32)})[0][:, 0])


@F.pandas_udf(LongType())
def labelled(batches: Iterator[tuple[pd.Series, pd.Series, pd.Series]]) -> Iterator[pd.Series]:
    session = runtime.InferenceSession(LABELS)
    name = session.get_inputs()[0].name
    for columns in batches:
        yield pd.Series(session.run(["label"], {name: np.column_stack(columns).astype(np.float32)})[0])


@F.udf(DoubleType())
def one_row(a, b, c):
    session = runtime.InferenceSession(SUMS)
    return float(session.run(None, {"X": np.array([[a, b, c]], dtype=np.float32)})[0][0][0])


@pytest.mark.gate_cases("scalar", "plain")
@pytest.mark.parametrize("function", [summed, labelled, one_row], ids=["scalar", "iterator", "plain"])
def test_kinds_of_udfs(spark, df, function):
    off, on, explained = both(spark, lambda: df.select(function("a", "b", "c")))
    near(off, on)
    assert_compiled(explained)


def test_tables_at_their_edges(spark, df, tmp_path):
    """NULLs become NaN, which only Python's session answers; two files share a partition; some tables have no rows."""
    holes = TABLE.assign(a=TABLE.a.where(TABLE.index % 97 > 0))
    for number, part in enumerate([holes[:300], holes[300:], holes[:0]]):
        pq.write_table(pa.Table.from_pandas(part, preserve_index=False), tmp_path / f"{number}.parquet")
    read = spark.read.parquet(str(tmp_path)).coalesce(1)
    off, on, _ = both(spark, lambda: read.orderBy("a", "b").select(summed("a", "b", "c")))
    assert [row[0] is None for row in off] == [row[0] is None for row in on]
    np.testing.assert_allclose(*(np.array([r[0] if r[0] is not None else np.nan for r in rows]) for rows in (off, on)), rtol=1e-4)
    empty = df.where("a > 1000")
    assert empty.select(labelled("a", "b", "c")).collect() == []


def test_files(spark, df, tmp_path):
    """A function loads a file of the job, or one by its path; a file that changes is read anew."""
    path = tmp_path / "sums.onnx"
    path.write_bytes(SUMS)
    spark.sparkContext.addFile(str(path))
    where = str(path)

    @F.pandas_udf(FloatType())
    def of_job(a: pd.Series, b: pd.Series, c: pd.Series) -> pd.Series:
        session = runtime.InferenceSession(SparkFiles.get("sums.onnx"))
        return pd.Series(session.run(None, {"X": np.column_stack([a, b, c]).astype(np.float32)})[0].ravel())

    @F.pandas_udf(FloatType())
    def of_path(a: pd.Series, b: pd.Series, c: pd.Series) -> pd.Series:
        session = runtime.InferenceSession(where)
        return pd.Series(session.run(None, {"X": np.column_stack([a, b, c]).astype(np.float32)})[0].ravel())

    for function in (of_job, of_path):
        off, on, explained = both(spark, lambda function=function: df.select(function("a", "b", "c")))
        near(off, on)
        assert_compiled(explained)
    path.write_bytes(OTHER)
    off, on, _ = both(spark, lambda: df.select(of_path("a", "b", "c")))
    near(off, on)
    np.testing.assert_allclose([row[0] for row in on], -TARGET, atol=0.2)
