"""Checks rows from a kernel: written natively where consumers take whole rows, and by Spark elsewhere."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql import Window
from pyspark.sql import functions as F
from pyspark.sql.functions import pandas_udf
from pyspark.sql.types import StringType

from tests.helpers.differential import BACKEND, ENABLED, check, session_conf
from tests.helpers.lines import to_arrow
from tests.spark.columns.test_row_input import columns, half, next_one

ROWS = 9000  # more than two scan batches, and more than one write buffer
AQE = "spark.sql.adaptive.enabled"


@pandas_udf(StringType())
def tag(s: pd.Series) -> pd.Series:
    return s.str.upper() + "."


@pytest.fixture(scope="module")
def every_type(spark, tmp_path_factory):
    """Scans every type of a row, with NULLs."""
    import pyarrow.parquet as pq

    table = pa.table({**columns(ROWS), "ym": pa.array(np.arange(ROWS) % 50, pa.int32())})
    path = str(tmp_path_factory.mktemp("rows") / "t.parquet")
    pq.write_table(table, path, use_dictionary=["s", "small", "t", "k"], row_group_size=4000)
    return spark.read.parquet(path)


def made(frame):
    return frame.select("*", half("x").alias("h"), next_one("id").alias("n"), tag("s").alias("g"))


def few(frame):
    return made(frame).where("h > 0.5 and n % 3 = 1")


# Consumers of whole rows: each is a query whose plan has WeldRows.
CONSUMERS = {
    "collect": made,
    "filtered": few,
    "nearly none": lambda frame: made(frame).where("n % 1000 = 7"),
    "none": lambda frame: made(frame).where("n < 0"),
    "sort": lambda frame: few(frame).orderBy(F.desc("g"), "id"),
    "exchange": lambda frame: made(frame).repartition(3, "id").sortWithinPartitions("id"),
    "union": lambda frame: made(frame).unionAll(few(frame)),
    "window": lambda frame: few(frame).withColumn("r", F.row_number().over(Window.partitionBy("s").orderBy("id"))),
    "sort-merge join": lambda frame: made(frame).join(few(frame).select("id", F.col("g").alias("g2")).hint("merge"), "id"),
    "limit": lambda frame: made(frame).limit(4500),
    "top": lambda frame: made(frame).orderBy("large", "id").limit(20),
}


@pytest.mark.gate_cases("sort-merge join", "window", "filtered", "union", "limit", "nearly none", "exchange")
@pytest.mark.parametrize("name", CONSUMERS)
def test_whole_rows(spark, every_type, name):
    query = CONSUMERS[name]
    frame = None

    def ask():
        nonlocal frame
        frame = query(every_type)
        return frame

    check(spark, ask, conf={AQE: "true" if len(name) % 2 else "false"})
    assert "WeldRows" in str(frame._jdf.queryExecution().executedPlan().toString())


def test_generated_code_reads_columns(spark, every_type):
    """An aggregate reads two columns of many: no rows are built for it."""
    query = lambda: made(every_type).select("*", F.expr("uuid()").alias("u")).groupBy("flag").agg(F.max("g"), F.count("h"))  # noqa: E731
    check(spark, query)
    with session_conf(spark, {BACKEND: "native"}):
        assert "WeldRows" not in str(query()._jdf.queryExecution().executedPlan().toString())


@pytest.mark.gate_cases("true-true")
@pytest.mark.parametrize(("adaptive", "codegen"), [*itertools.product(["true", "false"], repeat=2)])
def test_consumers_of_all_kinds(spark, every_type, adaptive, codegen):
    """Joins, aggregates and distinct consume rows of kernels on both sides, generated or interpreted."""

    def query():
        left, right = made(every_type), few(every_type).select("id", F.col("g").alias("g2"), F.col("large").alias("l2"))
        joined = left.join(F.broadcast(right), "id", "left").select("id", "s", "g", "g2", "l2", "small", "b")
        return joined.groupBy("s", "g2").agg(F.max("l2"), F.min("small"), F.count("b")).distinct().orderBy("s", "g2")

    check(spark, query, conf={AQE: adaptive, "spark.sql.codegen.wholeStage": codegen})


def test_rows_are_spark_s_own(spark, every_type):
    """Hashes of whole rows, which depend on each byte, equal those of rows that Spark built."""
    check(spark, lambda: made(every_type).select(F.xxhash64("*").alias("h"), "id"))
    hashes = {}
    for enabled in ("true", "false"):
        with session_conf(spark, {ENABLED: enabled, BACKEND: "native"}):
            rows = made(every_type)._jdf.queryExecution().executedPlan().executeCollect()
            hashes[enabled] = [row.hashCode() for row in rows[:100]]
    assert hashes["true"] == hashes["false"]


def test_sinks(spark, every_type, tmp_path):
    """Rows that are stored agree: in a file, in a cache."""
    back = {}
    for enabled in ("true", "false"):
        with session_conf(spark, {ENABLED: enabled, BACKEND: "native"}):
            few(every_type).write.parquet(str(tmp_path / enabled))
            cached = few(every_type).cache()
            back[enabled] = to_arrow(spark.read.parquet(str(tmp_path / enabled)).orderBy("id"))
            assert to_arrow(cached.orderBy("id")).equals(back[enabled])
            cached.unpersist()
    assert back["true"].equals(back["false"]) and back["true"].num_rows > 500


def test_long_strings(spark, parquet):
    """Rows longer than the write buffer agree, beside empty ones."""
    texts = ["x" * 300_000 if i % 50 == 7 else "é" * (i % 3) if i % 4 else None for i in range(400)]
    frame = parquet({"id": np.arange(400), "s": pa.array(texts)})
    check(spark, lambda: frame.select("id", "s", tag("s").alias("g")))


def test_columns_that_are_made_of_others(spark, every_type):
    """Spark builds rows that contain an array."""
    frame = every_type.select("id", "x", F.array("k", "id").alias("a"))
    query = lambda: frame.select("*", half("x").alias("h"))  # noqa: E731
    check(spark, query)


def test_few_of_many(spark, every_type):
    with session_conf(spark, {BACKEND: "native"}):
        assert [row.n for row in made(every_type).select("n").limit(3).collect()] == [1, 2, 3]
        assert made(every_type).select("n").head(2)[1].n == 2
