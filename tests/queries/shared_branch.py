"""Computes a UDF in two branches of one plan, which share its table."""

from __future__ import annotations

from pyspark.sql import DataFrame, SparkSession


def query(spark: SparkSession) -> DataFrame:
    made = spark.sql("SELECT id, py_branch(x) AS b FROM items WHERE k = 3")
    return made.union(made.selectExpr("id", "b + 1"))
