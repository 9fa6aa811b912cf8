"""Runs modules of PyTorch in kernels: all kinds of UDFs, broadcasts, files of the job, NULLs, and modules that stay in Python."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyspark import SparkFiles
from pyspark.ml.functions import predict_batch_udf
from pyspark.sql import functions as F
from pyspark.sql.types import DoubleType, FloatType, LongType

from tests.helpers.approximate_queries import TABLE, assert_compiled, both, near

torch = pytest.importorskip("torch")  # conftest has added its folder: workers do not import the helper that finds it
nn = torch.nn



def network(results):
    torch.manual_seed(results)
    first = [nn.Linear(3, 16), nn.BatchNorm1d(16), nn.GELU(), nn.Dropout(0.2)]
    return nn.Sequential(*first, nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, results)).eval()


ONE, THREE = network(1), network(3)
CONVOLUTION = nn.Sequential(nn.Unflatten(1, (1, 3)), nn.Conv1d(1, 2, 2), nn.Flatten(), nn.Linear(4, 1)).eval()


@pytest.fixture
def df(parquet):
    return parquet(pa.Table.from_pandas(TABLE))


def matrix(*columns):
    return torch.tensor(np.column_stack(columns), dtype=torch.float32)


@F.pandas_udf(FloatType())
def value(a: pd.Series, b: pd.Series, c: pd.Series) -> pd.Series:
    with torch.no_grad():
        return pd.Series(ONE(matrix(a, b, c)).squeeze(1).numpy())


@F.pandas_udf(LongType())
def label(batches: Iterator[tuple[pd.Series, pd.Series, pd.Series]]) -> Iterator[pd.Series]:
    for columns in batches:
        with torch.inference_mode():
            yield pd.Series(THREE(matrix(*columns)).argmax(dim=1).numpy())


@F.udf(DoubleType())
def of_row(a, b, c):
    with torch.no_grad():
        return torch.sigmoid(ONE(torch.tensor([[a, b, c]], dtype=torch.float32))).item()


@pytest.mark.gate_cases("scalar", "plain")
@pytest.mark.parametrize("function", [value, label, of_row], ids=["scalar", "iterator", "plain"])
def test_kinds_of_udfs(spark, df, function):
    off, on, explained = both(spark, lambda: df.select(function("a", "b", "c")))
    near(off, on)
    assert_compiled(explained)
    if function is label:
        assert off == on


def test_predict_batch_udf(spark, df):
    """A broadcast module, whose batches are arrays or structs of columns; NULLs become NaN, for which Python decides."""
    shared = spark.sparkContext.broadcast(THREE)

    def make():
        net = shared.value
        net.eval()

        def predict(inputs):
            with torch.no_grad():
                return torch.softmax(net(torch.from_numpy(inputs).float()), dim=1)[:, 1].numpy()

        return predict

    likely = predict_batch_udf(make, return_type=FloatType(), batch_size=64, input_tensor_shapes=[[3]])
    for columns in (F.struct("a", "b", "c"), F.array("a", "b", "c")):
        off, on, explained = both(spark, lambda columns=columns: df.select(likely(columns)))
        near(off, on)
        assert_compiled(explained)
    holes = df.withColumn("a", F.when(F.col("c") > 7, None).otherwise(F.col("a")))
    off, on, _ = both(spark, lambda: holes.select("c", likely(F.struct("a", "b", "c")).alias("r")))
    assert [(row.c, row.r is None) for row in off] == [(row.c, row.r is None) for row in on]


def test_files_of_the_job(spark, df, tmp_path):
    path = tmp_path / "net.pt"
    torch.save(ONE.state_dict(), path)
    spark.sparkContext.addFile(str(path))

    @F.pandas_udf(FloatType())
    def of_job(a: pd.Series, b: pd.Series, c: pd.Series) -> pd.Series:
        net = nn.Sequential(
            nn.Linear(3, 16), nn.BatchNorm1d(16), nn.GELU(), nn.Dropout(0.2), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 1)
        )
        net.load_state_dict(torch.load(SparkFiles.get("net.pt")))
        net.eval()
        with torch.no_grad():
            return pd.Series(net(matrix(a, b, c))[:, 0].numpy())

    off, on, explained = both(spark, lambda: df.select(of_job("a", "b", "c")))
    near(off, on)
    assert_compiled(explained)


def test_other_modules_run_as_spark_planned(spark, df):
    """A convolution has no translation: the rows are PySpark's."""

    def make():
        def predict(inputs):
            with torch.no_grad():
                return CONVOLUTION(torch.from_numpy(inputs).float()).numpy()

        return predict

    function = predict_batch_udf(make, return_type=FloatType(), batch_size=64, input_tensor_shapes=[[3]])
    off, on, explained = both(spark, lambda: df.select(function(F.struct("a", "b", "c"))))
    assert off == on
    assert [refusal["code"] for entry in explained["entries"] for refusal in entry["refusals"]] == ["SW843"]
