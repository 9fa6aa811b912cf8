"""Checks row input: whole rows become batches, for every type of a row, and the batches are those of PySpark."""

from __future__ import annotations

import datetime
import decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql import functions as F
from pyspark.sql.functions import pandas_udf
from pyspark.sql.types import DoubleType, LongType

from tests.helpers import differential
from tests.helpers.differential import run

NATIVE = {"spark.sparkweld.backend": "native"}  # not the cheapest backend for so few rows
START = datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc)
ROWS = 23_000  # two full batches of rows, and a rest


def check(spark, query, conf=(), deopt=False):
    return differential.check(spark, query, conf={**NATIVE, **dict(conf)}, deopt=deopt)


@pandas_udf(DoubleType())
def half(x: pd.Series) -> pd.Series:
    return x * 0.5


@pandas_udf(LongType())
def next_one(k: pd.Series) -> pd.Series:
    return k + 1


def columns(rows: int = ROWS) -> dict[str, object]:
    random = np.random.default_rng(3)
    null = random.random(rows) < 0.1
    return {
        "id": np.arange(rows),
        "x": pa.array(random.normal(0, 3, rows), mask=null),
        "k": pa.array(random.integers(-1000, 1000, rows), mask=np.arange(rows) == 15_000),
        "s": pa.array([f"name {i % 97}" * (i % 5) if i % 13 else None for i in range(rows)]),
        "b": pa.array([bytes([i % 256]) * (i % 4) if i % 7 else None for i in range(rows)]),
        "d": pa.array([datetime.date(2020, 1, 1) + datetime.timedelta(days=i % 400) for i in range(rows)]),
        "t": pa.array([START + datetime.timedelta(seconds=i) for i in range(rows)]),
        "small": pa.array([decimal.Decimal(i % 1000).scaleb(-2) if i % 11 else None for i in range(rows)], pa.decimal128(9, 2)),
        "large": pa.array([decimal.Decimal(i).scaleb(-2) ** 3 if i % 11 else None for i in range(rows)], pa.decimal128(38, 6)),
        "flag": pa.array([i % 3 == 0 if i % 17 else None for i in range(rows)]),
        "tiny": pa.array([i % 100 for i in range(rows)], pa.int8()),
        "single": pa.array(np.arange(rows) / 7, pa.float32()),
    }


@pytest.fixture
def rows(spark, parquet):
    """Returns rows from an exchange, in order."""
    return parquet(columns()).repartitionByRange(2, "id").sortWithinPartitions("id")


def plan_of(spark, query) -> str:
    """Returns the final plan, not only the initial one."""
    _, frame = run(spark, query, NATIVE)
    return str(frame._jdf.queryExecution().executedPlan().toString())


def test_every_type_is_handed_on(spark, rows):
    query = lambda: rows.select("*", half("x").alias("h"), next_one("k").alias("n"))  # noqa: E731
    assert "WeldRowBatches" in plan_of(spark, query)
    what = check(spark, query)
    assert what.batches == 4  # 11,500 rows in each partition: a batch of 10,000 and the rest


def test_batches_decide_dtypes_as_in_python(spark, parquet):
    """The NULL in row 15,000 turns the longs of its own batch only into floats, where large ones lose their last digit."""
    rows = 23_000
    values = pa.array(np.arange(rows) + 2**53, mask=np.arange(rows) == 15_000)
    frame = parquet({"id": np.arange(rows), "k": values}).coalesce(1).sortWithinPartitions("id")
    check(spark, lambda: frame.select("id", next_one("k").alias("n")), deopt=None)


@pytest.mark.gate_cases("9999")
@pytest.mark.parametrize("limit", ["100", "9999"])
def test_batch_limits(spark, rows, limit):
    conf = {"spark.sql.execution.arrow.maxRecordsPerBatch": limit}
    check(spark, lambda: rows.select("id", "s", half("x").alias("h"), next_one("k").alias("n")), conf=conf, deopt=None)


@pytest.mark.nightly("test_batch_limits")
def test_batches_without_a_limit(spark, rows):
    conf = {**NATIVE, "spark.sql.execution.arrow.maxRecordsPerBatch": "0"}
    differential.check(spark, lambda: rows.select("id", next_one("k").alias("n")), conf=conf, refused="SW113")
    check(spark, lambda: rows.select("id", half("x").alias("h")), conf=conf)


@pytest.mark.nightly("test_every_type_is_handed_on")
def test_filters_and_joins(spark, rows, parquet):
    other = parquet({"id": np.arange(0, ROWS, 3), "y": np.arange(0, ROWS, 3) / 2}, name="other")
    joined = rows.join(other, "id").where(half("x") + F.col("y") > 3).select("id", "s", "large", half("y").alias("h"))
    check(spark, lambda: joined.orderBy("id"))


def test_a_cached_table(spark, parquet):
    frame = parquet(columns(5000)).cache()
    try:
        query = lambda: frame.select("id", "s", "small", half("x").alias("h"))  # noqa: E731
        assert "WeldRowBatches" in plan_of(spark, query)
        check(spark, query)
    finally:
        frame.unpersist()


def test_rows_that_hold_more_than_fields(spark, parquet):
    """Arrays, maps and structs use Spark's own conversion."""
    frame = parquet(columns(500)).select(
        "id", "x", F.array("k", "id").alias("a"), F.create_map("id", "s").alias("m"), F.struct("k", "s").alias("p")
    )
    ordered = frame.repartitionByRange(1, "id").sortWithinPartitions("id")
    query = lambda: ordered.select("*", half("x").alias("h"))  # noqa: E731
    assert "WeldRowBatches" in plan_of(spark, query)
    check(spark, query)


def test_batches_that_run_in_python(spark, rows):
    @pandas_udf("byte")
    def tiny(k: pd.Series) -> pd.Series:
        return k.fillna(0) // 4

    check(spark, lambda: rows.select("*", tiny("id").alias("n")), deopt=None)
    check(spark, lambda: rows.where("id < 400").select("*", tiny("id").alias("n")))
