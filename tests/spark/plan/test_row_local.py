"""Checks UDFs that are declared row-local: in Spark, they take distinct rows and return the rows of the plugin off."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyspark.ml.functions import predict_batch_udf
from pyspark.sql import functions as F
from pyspark.sql.functions import pandas_udf
from pyspark.sql.types import ArrayType, DoubleType, FloatType, StructType

import sparkweld
from sparkweld.annotations import row_local
from tests.helpers.lines import of_worker_pipelines
from tests.spark.plan.test_pipelines import check

pytestmark = of_worker_pipelines

VECTOR = ArrayType(FloatType())


class Encoder:
    """A black box: no compiler takes it."""

    def encode(self, texts):
        return np.array([[len(t), sum(map(ord, t)) / 7, -0.0] for t in texts], np.float32).reshape(-1, 3)


@pandas_udf(VECTOR)
@row_local
def embed(s: pd.Series) -> pd.Series:
    return pd.Series(list(Encoder().encode([t or "" for t in s])))


@pandas_udf(StructType().add("n", DoubleType()).add("v", VECTOR))
@row_local
def described(s: pd.Series) -> pd.DataFrame:
    made = Encoder().encode([t or "" for t in s])
    return pd.DataFrame({"n": made[:, 1].astype("float64"), "v": list(made)})


@pandas_udf(VECTOR)
@row_local
def each_embed(batches: Iterator[pd.Series]) -> Iterator[pd.Series]:
    encoder = Encoder()
    for s in batches:
        yield pd.Series(list(encoder.encode([t or "" for t in s])))


@pandas_udf(DoubleType())
@row_local
def similar(s: pd.Series, x: pd.Series) -> pd.Series:
    made = Encoder().encode([t or "" for t in s])
    return pd.Series((made @ np.ones(3)).astype("float64")) * x


@pandas_udf(DoubleType())
@row_local
def of_struct(d: pd.DataFrame) -> pd.Series:
    return pd.Series(Encoder().encode([t or "" for t in d["s"]])[:, 1].astype("float64")) + d["i"]


@pandas_udf(DoubleType())
@row_local
def centred(s: pd.Series) -> pd.Series:
    made = Encoder().encode([t or "" for t in s])[:, 0].astype("float64")
    return pd.Series(made - made.mean())


def _make():
    return lambda texts: Encoder().encode([t or "" for t in texts])


predicted = row_local(predict_batch_udf(_make, return_type=VECTOR, batch_size=900))


def table(parquet, new=0.1):
    rng, n = np.random.default_rng(2), 8000
    names = rng.choice(np.array([f"title {'x' * (k % 9)}{k}" for k in range(50)], object), n)
    names = np.where(rng.random(n) < new, np.array([f"new {k}" for k in range(n)], object), names)
    return parquet(pa.table({
        "id": np.arange(n), "s": pa.array(names, mask=rng.random(n) < 0.1), "x": rng.choice([0.5, -0.0, np.nan], n),
        "i": pa.array(rng.integers(-2, 2, n), mask=rng.random(n) < 0.1),
    }))  # fmt: skip


def measured(frame):
    return next(line.strip() for line in sparkweld.explain(frame).splitlines() if "measured: " in line)


FUNCTIONS = {
    "embed": lambda: embed("s"), "each_embed": lambda: each_embed("s"),
    "predict": lambda: predicted("s"), "similar": lambda: similar("s", "x"), "of_struct": lambda: of_struct(F.struct("s", "i")),
}  # fmt: skip


@pytest.mark.parametrize("name", FUNCTIONS)
def test_over_a_scan(spark, parquet, name):
    t = table(parquet)
    frame = check(spark, lambda: t.select("id", FUNCTIONS[name]().alias("r")), {name}, ulp=0)
    text = sparkweld.explain(frame)
    assert f"pipeline in Python: {name}\n  1. call: {name}, declared row-local, " in text and "for distinct rows" in text
    if name != "of_struct":
        assert "8,000 rows" in measured(frame) and ", 0 with the result of an equal row" not in measured(frame)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_over_rows(spark, parquet, name):
    t = table(parquet)
    check(spark, lambda: t.repartition(2, "s").select("id", FUNCTIONS[name]().alias("r")), {name}, {}, ulp=0)


def test_after_kernels(spark, parquet):
    """Filters and expressions before the call run in the JVM."""
    t = table(parquet)
    frame = check(spark, lambda: t.where("id % 3 = 1").select("id", embed(F.upper("s")).alias("r")), {"embed"}, ulp=0)
    assert "kernel" in sparkweld.explain(frame)


def test_siblings(spark, parquet):
    t = table(parquet)
    check(spark, lambda: t.select("id", embed("s").alias("r"), similar("s", "x").alias("y")), {"embed", "similar"}, ulp=0)


def test_results_of_structs_are_refused(spark, parquet):
    text = sparkweld.explain(table(parquet).select(described("s")))
    assert "pipeline in Python" not in text and "SW645" in text and "a column of struct<n:double,v:array<float>>" in text


def test_a_broken_promise(spark, parquet):
    t = table(parquet)
    frame = check(spark, lambda: t.select("id", centred("s").alias("r")), {"centred"}, ulp=0)
    assert "8,000 rows by the original function" in measured(frame)
