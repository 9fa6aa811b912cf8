"""Checks what the event of a query counts: each node of a plan once, and a cached table in the query that filled it."""

from __future__ import annotations

import json

from pyspark.sql import functions as F
from pyspark.sql.functions import udf
from pyspark.sql.types import LongType


@udf(LongType())
def score(x):
    return x * 3 + 1


def reader_of(spark):
    return spark._jvm.io.sparkweld.ui.RunReader()


def runs_of(spark, reader, frame):
    """Runs a query and returns its runs, by `RunReader`."""
    frame.collect()
    made = reader.of(frame._jdf.queryExecution().executedPlan())
    return json.loads(spark._jvm.io.sparkweld.contract.Encoder.text(made))["runs"]


def test_a_reused_exchange_counts_once(spark, parquet):
    stored = parquet({"id": range(1000)})
    scored = stored.select((F.col("id") % 7).alias("k"), score("id").alias("r")).repartition(3, "k")
    both = scored.union(scored)
    runs = runs_of(spark, reader_of(spark), both)
    assert "ReusedExchange" in both._jdf.queryExecution().executedPlan().toString()
    assert [(run["where"], run["rows"]) for run in runs] == [("kernel", 1000)]


def test_a_cached_table_counts_in_the_query_that_filled_it(spark):
    cached = spark.range(0, 500, 1, 2).select(score("id").alias("r")).cache()
    reader = reader_of(spark)
    try:
        first, second = (runs_of(spark, reader, cached.agg(F.sum("r"))) for _ in range(2))
    finally:
        cached.unpersist()
    assert [run["rows"] for run in first] == [500] and [run["rows"] for run in second] == [0]
