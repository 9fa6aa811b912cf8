"""Checks functions of arguments that kernels do not compute: values, errors, shared objects, and the reasons that remain."""

from __future__ import annotations

import locale

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyspark.ml.feature import VectorAssembler
from pyspark.ml.functions import vector_to_array
from pyspark.sql import functions as F
from pyspark.sql.functions import pandas_udf, udf
from pyspark.sql.types import ArrayType, DoubleType, LongType, StringType

from tests.helpers.differential import ENABLED, check, checked, measured, run
from tests.helpers.lines import of_named_arguments

ROWS = 2000


@pytest.fixture
def table(parquet):
    words = [None if i % 11 == 0 else f"{i % 7} blue {'x' * (i % 5)}" for i in range(ROWS)]
    numbers = [None if i % 13 == 0 else i % 50 for i in range(ROWS)]
    return parquet({"id": range(ROWS), "s": words, "k": pa.array(numbers, pa.int64()), "t": [f"{i % 3}" for i in range(ROWS)]})


@pandas_udf(DoubleType())
def half(v: pd.Series) -> pd.Series:
    return v / 2.0


@pandas_udf(StringType())
def upper(v: pd.Series) -> pd.Series:
    return v.str.upper() + "!"


@pandas_udf(LongType())
def longest(v: pd.Series, w: pd.Series) -> pd.Series:
    return v.str.len() + w


@udf(LongType())
def count(values):
    return None if values is None else len(values)


@udf(LongType())
def shortens(values):
    if locale.strxfrm(values[-1]).endswith("x"):
        values.pop()
    return len(values)


@udf(ArrayType(StringType()))
def words_among(text, words):
    return [word for word in words if text is not None and word in text]


@udf(DoubleType())
def distance(values, weights):
    return float(sum(value * weight for value, weight in zip(values, weights)))  # noqa: B905


@pytest.mark.gate_cases("<lambda>0", "<lambda>3", "<lambda>6", "<lambda>7", "<lambda>9", "<lambda>10")
@pytest.mark.parametrize(
    "query",
    [
        lambda t: t.select("id", words_among("s", F.array(F.lit("blue"), F.lit("1 b"))).alias("r")),
        lambda t: t.select(distance(F.array(F.col("id") / 7, F.lit(2.0)), F.array(F.lit(0.1), F.lit(-0.3))).alias("r")),
        lambda t: t.select("id", words_among("s", F.lit(None).cast("array<string>")).alias("r")).where("s is null"),
        lambda t: t.select("id", half(F.levenshtein("s", "t")).alias("r")),
        lambda t: t.select("id", upper(F.initcap("s")).alias("r"), half(F.ascii("s")).alias("q")),
        lambda t: t.select(half(half(F.levenshtein("s", "t"))).alias("r")),
        lambda t: t.where(half(F.levenshtein("s", "t")) > 2).select("id", "s"),
        lambda t: t.where("k > 20").select(longest(F.initcap("s"), F.length("s") + F.col("k")).alias("r"), "k"),
        lambda t: t.select(count(F.array("s", "t")).alias("r"), count(F.split("s", " ")).alias("q")),
        lambda t: t.select(half(F.levenshtein("s", "t")).alias("r")).groupBy().agg(F.sum("r"), F.count("r")),
        lambda t: t.where("id < 0").select(half(F.levenshtein("s", "t")).alias("r")),
        lambda t: t.repartition(3, "k").select("id", upper(F.initcap("s")).alias("r")).orderBy("id"),
    ],
)  # fmt: skip
def test_values(spark, table, query):
    check(spark, lambda: query(table), deopt=None)


@of_named_arguments
def test_arguments_by_name(spark, table):
    check(spark, lambda: table.select("id", longest(w="k", v=F.initcap("s")).alias("r")), deopt=None)


def test_an_argument_that_raises(spark, table):
    """Spark computes the argument of every row, and so does the projection."""
    distance = lambda: F.levenshtein("s", F.expr("cast(100 / (k - 3) as string)"))  # noqa: E731 - Spark 3.5 parses it at once
    query, ansi = lambda: table.select("id", half(distance()).alias("r")), {"spark.sql.ansi.enabled": "true"}
    (off, _), (on, _) = (run(spark, query, {**ansi, ENABLED: enabled}) for enabled in ("false", "true"))
    assert on == off and on.error is not None


def test_an_object_that_another_function_changes(spark, table):
    """The worker hands both functions one list: the second one sees what the first one, which stays in Python, has removed."""
    def query():
        words = F.split(F.concat_ws(" ", "s", "t", F.initcap("s")), " ")
        return table.select("id", shortens(words).alias("r"), count(words).alias("q"))

    for arrow in ("false", "true"):
        conf = {"spark.sql.execution.pythonUDF.arrow.enabled": arrow}
        off, _ = run(spark, query, {**conf, ENABLED: "false"})
        on, _ = run(spark, query, {**conf, ENABLED: "true"})
        assert on == off


@of_named_arguments
def test_an_object_that_a_function_gets_by_name(spark, table):
    """The worker hands over one list, whether by name or not."""
    words = F.split("s", " ")
    query = lambda: table.where("s is not null").select("id", shortens(values=words).alias("r"), count(words).alias("q"))  # noqa: E731
    (off, _), (on, _) = (run(spark, query, {ENABLED: enabled}) for enabled in ("false", "true"))
    assert on == off


def test_the_reason_is_that_of_the_function(spark, table):
    @pandas_udf(DoubleType())
    def sampled(v: pd.Series) -> pd.Series:
        return v.sample(frac=1.0, random_state=1)

    what, frame = checked(spark, lambda: table.select("id", sampled(F.levenshtein("s", "t")).alias("r")), refused="SW250")
    assert "SW306" not in what.refusals
    plan = frame._jdf.queryExecution().executedPlan().toString()
    assert "argument0" not in plan  # Spark's own plan


@pytest.mark.parametrize("first", ["bad", "good"])
def test_a_function_beside_one_without_a_kernel(spark, table, first):
    @pandas_udf(DoubleType())
    def bad(v: pd.Series) -> pd.Series:
        return v.sample(frac=1.0, random_state=1)

    calls = {"bad": bad(F.levenshtein("s", "t")), "good": half(F.ascii("s") + F.levenshtein("s", "t"))}
    order = ["bad", "good"] if first == "bad" else ["good", "bad"]
    conf = {"spark.sparkweld.backend": "native"}
    query = lambda: table.select("id", *(calls[name].alias(name) for name in order))  # noqa: E731
    (off, _), (on, frame) = (run(spark, query, {**conf, ENABLED: enabled}) for enabled in ("false", "true"))
    what = measured(frame)
    assert on == off and what.kernel_batches and "SW250" in what.refusals


def test_functions_of_one_name(spark, table):
    """A refusal concerns the function of its step: the inner one keeps its kernel."""
    inner = pandas_udf(lambda v: v.str.upper(), StringType())
    outer = pandas_udf(lambda v: v.sample(frac=1.0, random_state=1), StringType())

    def query():
        made = table.select("id", inner("s").alias("u")).where("u is not null")
        return made.select("id", "u", outer(F.initcap("u")).alias("r"))

    (off, _), (on, frame) = (run(spark, query, {ENABLED: enabled}) for enabled in ("false", "true"))
    assert on == off and measured(frame).kernel_batches


def test_stages_of_adaptive_execution(spark, table):
    """The rule sees the projection of the arguments again in each stage: kernels in it would change the batches above."""
    @pandas_udf(DoubleType())
    def added(v: pd.Series, k: pd.Series) -> pd.Series:
        return np.stack(v).reshape(-1, 2).max(axis=1) + k.fillna(0.5)

    def query():
        numbers = table.selectExpr("id", "k", "cast(id as double) as x", "cast(k as double) as y")
        vectors = VectorAssembler(inputCols=["x", "y"], outputCol="v", handleInvalid="skip").transform(numbers)
        made = vectors.select("id", "k", added(vector_to_array("v"), F.expr("nullif(k, 3)")).alias("r"))
        return made.groupBy("k").agg(F.sum("r"), F.count("r")).orderBy("k")

    conf = {"spark.sql.adaptive.enabled": "true", "spark.sql.execution.arrow.maxRecordsPerBatch": "37"}
    (off, _), (on, frame) = (run(spark, query, {**conf, ENABLED: enabled}) for enabled in ("false", "true"))
    assert on == off and measured(frame).kernel_batches


def test_an_argument_that_is_not_the_same_whenever_it_is_computed(spark, table):
    check(spark, lambda: table.select("id", half(F.rand(7)).alias("r")), refused="SW306")
