"""Compares Catalyst expressions of arrays inside kernels with Spark: around UDFs, in arguments and in filters."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql import functions as F
from pyspark.sql.functions import pandas_udf, udf
from pyspark.sql.types import IntegerType, StringType

from tests.helpers.differential import check
from tests.helpers.sampling import some

NATIVE = {"spark.sparkweld.backend": "native"}
TAGS = [["a"], ["b", "a", ""], [], None, ["é,b", "a|b"], ["x"] * 20, ["", ""]]
NUMBERS = [[1, 2, 3], [], [-1], None, [2**31 - 1, 0], [5] * 30, [7, 8]]
LINES = ["a,b,c", "", ",", "a", None, "a|b||c", "日本,é", "a.b c", " a  b "]


@pandas_udf(StringType())
def same(s: pd.Series) -> pd.Series:
    return s


@udf(IntegerType())
def plus(x):
    return None if x is None else x + 1


@udf(StringType())
def last(xs):
    return xs[-1] if xs else None


@pytest.fixture
def table(parquet):
    rows = 63
    return parquet({
        "id": np.arange(rows),
        "tags": pa.array([TAGS[i % 7] for i in range(rows)], pa.list_(pa.string())),
        "xs": pa.array([NUMBERS[i % 7] for i in range(rows)], pa.list_(pa.int32())),
        "line": pa.array([LINES[i % 9] for i in range(rows)], pa.string()),
        "tag": pa.array([["a", "", None, "x"][i % 4] for i in range(rows)], pa.string()),
        "at": pa.array([[1, -1, 3, None, 2][i % 5] for i in range(rows)], pa.int32()),
        "x": np.arange(rows) / 4,
    })  # fmt: skip


TEXTS = [
    "array_join(tags, '-')", "array_join(tags, '', 'none')", "try_element_at(tags, 2)", "try_element_at(tags, at)",
    "get(tags, 1)", "get(tags, at)", "split(line, ',')[0]",
    "element_at(split(line, '\\\\|'), -1)", "array_join(split(line, ' ', 2), '/')",
    "get(split(line, '\\\\.'), 1)",
]  # fmt: skip
INTEGERS = ["size(tags)", "size(xs)", "cardinality(split(line, ','))", "try_element_at(xs, -1)", "get(xs, 0)", "get(xs, at)"]
CONDITIONS = ["array_contains(tags, 'a')", "array_contains(tags, tag)", "array_contains(xs, 2)", "size(tags) > 1"]


@pytest.mark.gate_cases("ansi")
@pytest.mark.parametrize("ansi", ["true", "false"], ids=["ansi", "legacy"])
def test_values(spark, table, ansi):
    texts = [same(F.expr(sql)).alias(f"t{i}") for i, sql in enumerate(TEXTS)]
    integers = [plus(F.expr(sql)).alias(f"i{i}") for i, sql in enumerate(INTEGERS)]
    check(spark, lambda: table.select("id", *texts, *integers), conf={**NATIVE, "spark.sql.ansi.enabled": ansi})


@pytest.mark.nightly("test_values", "test_arguments_that_spark_computes")
@pytest.mark.parametrize("ansi", ["true", "false"], ids=["ansi", "legacy"])
def test_conditions_and_results_of_udfs(spark, table, ansi):
    conf = {**NATIVE, "spark.sql.ansi.enabled": ansi}
    three = [F.expr(f"case when {sql} then 1 when not ({sql}) then 0 end") for sql in CONDITIONS]
    check(spark, lambda: table.select("id", *(plus(c).alias(f"c{i}") for i, c in enumerate(three))), conf=conf)
    for sql in CONDITIONS:
        check(spark, lambda sql=sql: table.where(sql).select("id", last("tags").alias("l"), "x"), conf=conf)
    check(spark, lambda: table.select("id", last(F.split("line", ",")).alias("l"), F.size("tags")), conf=conf)


@pytest.mark.sampled
def test_places_where_no_element_is(spark, table):
    """For indices without an element Spark raises under ANSI, and returns NULL otherwise."""
    for sql in some(("element_at(tags, 2)", "tags[1]", "element_at(tags, 0)"), 1):
        ansi = {**NATIVE, "spark.sql.ansi.enabled": "true"}
        check(spark, lambda sql=sql: table.select("id", same(F.expr(sql)).alias("r")), conf=ansi, deopt=True)
    without = {**NATIVE, "spark.sql.ansi.enabled": "false"}
    check(spark, lambda: table.select("id", same(F.expr("element_at(tags, 2)")), same(F.expr("tags[1]"))), conf=without)


def test_a_null_among_the_elements_is_left_to_spark(spark, parquet):
    frame = parquet({"id": np.arange(4), "tags": pa.array([["a"], ["b", None], None, []], pa.list_(pa.string()))})
    check(spark, lambda: frame.select("id", same(F.expr("array_join(tags, ',')")).alias("r")), conf=NATIVE, deopt=True)


@pytest.mark.parametrize("sql", ["split(line, '[,;]')[0]", "split(line, tag)[0]", "array_join(tags, tag)"])
def test_arguments_that_spark_computes(spark, table, sql):
    check(spark, lambda: table.select("id", same(F.expr(sql)).alias("r")), conf=NATIVE)
