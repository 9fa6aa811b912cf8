"""Checks that rows outside the first K are dropped inside the kernel's operator, with Spark's rows, ties too."""

from __future__ import annotations

import json
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest
from pyspark.sql import Window
from pyspark.sql import functions as F
from pyspark.sql.functions import pandas_udf
from pyspark.sql.types import DoubleType, FloatType, IntegerType, LongType, StringType

from tests.helpers.differential import BACKEND, ENABLED, check, checked, run, session_conf

ROWS = 30_000
NATIVE = {BACKEND: "native", ENABLED: "true"}


@pandas_udf(DoubleType())
def score(x: pd.Series) -> pd.Series:
    return x * 0.5


@pytest.fixture(scope="module")
def items(spark, tmp_path_factory):
    """Returns scores with many ties, NULL, NaN, both zeros and infinities, in one partition; 300 groups, some NULL."""
    random = np.random.default_rng(6)
    x = random.normal(size=ROWS).round(1)
    x[3::97], x[5::499], x[7::499], x[9::89] = np.nan, np.inf, -np.inf, -0.0
    columns = {
        "id": np.arange(ROWS), "x": pa.array(x, mask=random.random(ROWS) < 0.02), "n": random.integers(-20, 20, ROWS),
        "g": pa.array(random.integers(0, 300, ROWS), mask=random.random(ROWS) < 0.01),
        "t": [None if i % 31 == 0 else f"item {i * 7919 % 977}" for i in range(ROWS)],
        "d": [Decimal(i * 31 % 1000) for i in range(ROWS)],
    }  # fmt: skip
    path = str(tmp_path_factory.mktemp("items"))
    pa.parquet.write_table(pa.table(columns), f"{path}/one.parquet")
    return spark.read.parquet(path).coalesce(1)


def tops(frame):
    """Returns (what, rows out, rows dropped) of each operator that dropped rows."""
    report = json.loads(frame.sparkSession._jvm.io.sparkweld.ui.WeldReport.report(frame._jdf.queryExecution()))
    return [(t["what"], t["numOutputRows"], t["droppedRows"]) for t in report["tops"]]


def dropped(spark, query, **conf):
    """Checks the query off and on, each row in order; returns the number of dropped rows."""
    _, frame = checked(spark, query, conf=conf, deopt=None)
    ((_, out, gone),) = tops(frame)
    assert out + gone == ROWS
    return gone


@pytest.mark.each_value_once
@pytest.mark.parametrize("limit", [1, 1000])
@pytest.mark.parametrize("order", [F.desc, F.asc, F.desc_nulls_first, F.asc_nulls_last], ids=lambda order: order.__name__)
def test_ties_nulls_and_nan_are_the_ones_that_spark_takes(spark, items, order, limit):
    """The score alone orders: among equal scores the rows must be the same as well, and in the same places."""
    gone = dropped(spark, lambda: items.select("id", score("x").alias("score")).orderBy(order("score")).limit(limit))
    assert gone > ROWS - 20 * limit


@pytest.mark.nightly("test_ties_nulls_and_nan_are_the_ones_that_spark_takes")
def test_several_keys_and_expressions(spark, items):
    made = items.select("id", "n", "t", "d", score("x").alias("score"))
    orders = [
        (F.desc("score"), "n"), ("t", F.desc("score")), (F.desc("d"), "score"), (F.abs("score"), F.desc("t")),
        (F.col("n").desc(), F.length("t"), "score"),
    ]  # fmt: skip
    for keys in orders:
        assert dropped(spark, lambda keys=keys: made.orderBy(*keys).limit(25)) > ROWS // 2


@pytest.mark.nightly("test_ties_nulls_and_nan_are_the_ones_that_spark_takes")
def test_every_type_of_a_score(spark, items):
    udfs = [
        pandas_udf(lambda n: n * 3, LongType()), pandas_udf(lambda n: n * 3, IntegerType()),
        pandas_udf(lambda n: n / 3, FloatType()), pandas_udf(lambda n: n > 3, "boolean"), pandas_udf(lambda n: n * 3, "short"),
        pandas_udf(lambda n: n.astype(str), StringType()),
    ]  # fmt: skip
    for udf in udfs:
        made = items.select("id", udf("n").alias("s"))
        assert dropped(spark, lambda made=made: made.orderBy(F.desc("s")).limit(40)) > ROWS // 2


def test_a_projection_that_stays_sparks(spark, items):
    """Its names are resolved: the order is by the kernel's outputs."""
    made = items.select("id", F.timestamp_seconds("n").alias("w"), F.hex(F.col("id")).alias("h"), score("x").alias("s"))
    assert dropped(spark, lambda: made.orderBy(F.desc("w"), "s").limit(9)) > ROWS // 2
    assert dropped(spark, lambda: made.orderBy("s", "h").limit(9)) > ROWS // 2
    shaken = items.select("id", score("x").alias("s"), F.rand(3).alias("r"))
    assert tops(run(spark, lambda: shaken.orderBy("r", "s").limit(9), NATIVE)[1]) == []


@pytest.mark.gate_cases("sort")
@pytest.mark.parametrize("shape", ["both", "renamed", "sort", "after"])
def test_equal_calls_are_one_column(spark, items, shape):
    """Spark assigns each mention of a call its own id."""
    def query(k):
        if shape == "both":
            return items.select("id", score("x").alias("s")).orderBy(score("x").desc()).limit(k)
        if shape == "renamed":
            made = items.select("id", F.col("x").alias("y"), score("x").alias("s"))
            return made.orderBy(score("y").asc_nulls_last()).limit(k).drop("y")
        first = items.orderBy(score("x").desc(), "t").limit(k)
        return first.select("id") if shape == "sort" else first.select("id", score("x").alias("s"))

    for k in (1, 700):
        assert dropped(spark, lambda k=k: query(k)) > ROWS // 2
    _, frame = run(spark, lambda: query(5), NATIVE)
    plan = frame._jdf.queryExecution().optimizedPlan().toString()
    assert plan.count("ArrowEvalPython") == (2 if shape == "after" else 1)  # it is computed for the five remaining rows
    for k in (0, 2 * ROWS):
        assert run(spark, lambda k=k: query(k), NATIVE)[0].rows == run(spark, lambda k=k: query(k), {ENABLED: "false"})[0].rows


def test_calls_that_see_their_batch_stay_two(spark, items):
    centred = pandas_udf(lambda n: n - n.mean(), DoubleType())
    query = lambda: items.select("id", centred("n").alias("s")).orderBy(centred("n").desc(), "id").limit(9)  # noqa: E731
    found, frame = run(spark, query, NATIVE)
    assert found.rows == run(spark, query, {ENABLED: "false"})[0].rows
    assert frame._jdf.queryExecution().optimizedPlan().toString().count("ArrowEvalPython") == 2


def test_limits_at_the_edges(spark, items):
    made = items.select("id", score("x").alias("score"))
    check(spark, lambda: made.where("id < 0").orderBy("score").limit(3))
    assert dropped(spark, lambda: made.orderBy("score").offset(5).limit(3)) > ROWS - 200
    for query in (lambda: made.orderBy("score").limit(0), lambda: made.orderBy("score").limit(200_000)):
        assert run(spark, query, NATIVE)[0].rows == run(spark, query, {ENABLED: "false"})[0].rows
        assert tops(run(spark, query, NATIVE)[1]) == []
    off = {**NATIVE, "spark.sparkweld.topK.enabled": "false"}
    assert tops(run(spark, lambda: made.orderBy("score").limit(3), off)[1]) == []
    assert made.orderBy(F.desc("score"), "id").limit(3).collect() == made.orderBy(F.desc("score"), "id").collect()[:3]


@pytest.mark.nightly("test_limits_at_the_edges")
def test_partitions_that_are_mostly_empty(spark, items):
    spread = items.where("n > 0").repartition(60, "n").select("id", score("x").alias("score"))
    query = lambda: spread.orderBy(F.desc("score"), "id").limit(500)  # noqa: E731
    alone = run(spark, query, {**NATIVE, "spark.sparkweld.topK.enabled": "false"})[0].rows
    found, frame = run(spark, query, NATIVE)
    assert found.rows == alone and len(found.rows) == 500 and tops(frame)[0][2] > 0


def test_filters_select_before_and_udfs_are_computed_after(spark, items):
    """A kernel with its own filter passes the scan's columns through a selection vector; this selection is above it."""
    kept = items.select("id", "t", "g", score("x").alias("score")).where("score > -1")
    gone = tops(run(spark, lambda: kept.orderBy(F.desc("score"), "t").limit(12), NATIVE)[1])
    assert len(gone) == 1 and 0 < gone[0][2] < ROWS
    check(spark, lambda: kept.orderBy(F.desc("score"), "t").limit(12), deopt=None)
    check(spark, lambda: kept.orderBy(F.desc("t")).limit(300), deopt=None)


@pytest.mark.gate_cases("3-rank")
@pytest.mark.parametrize("rank", [F.row_number, F.rank, F.dense_rank], ids=lambda rank: rank.__name__)
@pytest.mark.parametrize("most", [3])
def test_the_first_of_each_group(spark, items, rank, most):
    made = items.select("id", "g", "t", score("x").alias("score"))
    best = Window.partitionBy("g").orderBy(F.desc("score"), F.asc("t"))

    def query():
        return made.select("*", rank().over(best).alias("r")).where(F.col("r") <= most)

    check(spark, lambda: query().orderBy("g", "r", "id"), deopt=None)
    found = tops(run(spark, query, NATIVE)[1])
    assert [gone > ROWS // 2 for _, _, gone in found] == [True]


def test_the_first_of_all_by_rank_keep_their_ties(spark, items):
    made = items.select("id", score("x").alias("score"))
    for rank in (F.rank, F.row_number, F.dense_rank):
        ranked = made.select("*", rank().over(Window.orderBy(F.desc("score"))).alias("r")).where("r <= 3")
        check(spark, lambda ranked=ranked: ranked.orderBy("r", "id"), deopt=None)
    # with so small a threshold Spark sorts all rows, and not stably where scores are NULL
    numbered = made.select("*", F.row_number().over(Window.orderBy(F.desc("score"))).alias("r")).where("r <= 9")
    check(spark, lambda: numbered.orderBy("r"), conf={"spark.sql.execution.topKSortFallbackThreshold": "2"}, deopt=None)


@pytest.mark.nightly("test_the_first_of_each_group", "test_the_first_of_all_by_rank_keep_their_ties")
def test_equal_scores_are_one_dense_rank(spark, items):
    """Many rows share each of few scores: none with one of the first three may be dropped, including NULL."""
    made = items.select("id", "g", (score("n")).alias("s"))
    for order in (F.desc("s"), F.asc_nulls_first("s")):
        first = made.select("*", F.dense_rank().over(Window.partitionBy("g").orderBy(order)).alias("r")).where("r <= 3")
        check(spark, lambda first=first: first.orderBy("g", "r", "id"), deopt=None)
        assert tops(run(spark, lambda first=first: first, NATIVE)[1])[0][2] > ROWS // 3


@pytest.mark.gate_cases("min_by")
@pytest.mark.parametrize("most", [F.max_by, F.min_by], ids=lambda most: most.__name__)
def test_the_row_of_an_extreme(spark, items, most):
    """Of equal scores the last row counts, and NULL scores never do; a group may contain nothing else."""
    made = items.select("id", "g", "n", "t", score("x").alias("s"))
    queries = [
        lambda: made.agg(most("id", "s").alias("m")), lambda: made.agg(most("t", "s").alias("m"), most("n", "s").alias("n")),
        lambda: made.groupBy("g").agg(most("id", "s").alias("m")).orderBy("g"),
    ]  # fmt: skip
    for query in queries:
        found = tops(checked(spark, query, deopt=None)[1])
        assert len(found) == 1 and found[0][2] > ROWS // 2
    check(spark, lambda: made.where("s is null").groupBy("g").agg(most("id", "s").alias("m")).orderBy("g"), deopt=None)
    check(spark, lambda: made.where("id < 0").agg(most("id", "s").alias("m")), deopt=None)


def test_other_aggregates_beside_an_extreme_see_all_rows(spark, items):
    made = items.select("id", "n", score("x").alias("s"))
    others = [
        (F.max_by("id", "s"), F.count("*")), (F.max_by("id", "s"), F.min_by("id", "s")),
        (F.max_by("id", "s"), F.max_by("id", "n")),
    ]  # fmt: skip
    for pair in others:
        query = lambda pair=pair: made.agg(pair[0].alias("a"), pair[1].alias("b"))  # noqa: E731
        assert tops(checked(spark, query, deopt=None)[1]) == []


@pytest.mark.nightly("test_ties_nulls_and_nan_are_the_ones_that_spark_takes")
def test_random_tables_agree(spark, tmp_path):
    """Few values, few rows and many limits put each tie at each position."""
    random = np.random.default_rng(9)
    values = np.array([0.0, -0.0, 1.0, 2.0, np.nan, np.inf, -np.inf])
    for at in range(3):
        rows = int(random.integers(1, 400))
        x = pa.array(random.choice(values, rows), mask=random.random(rows) < 0.2)
        pa.parquet.write_table(pa.table({"id": np.arange(rows), "x": x}), f"{tmp_path}/{at}.parquet", row_group_size=64)
        made = spark.read.parquet(f"{tmp_path}/{at}.parquet").coalesce(1).select("id", score("x").alias("s"))
        for limit in random.integers(1, rows + 2, 2).tolist():
            order = [F.desc, F.asc, F.desc_nulls_first, F.asc_nulls_last][limit % 4]
            check(spark, lambda made=made, order=order, limit=limit: made.orderBy(order("s")).limit(limit), deopt=None)


def test_explain_reports_it(spark, items):
    import sparkweld

    with session_conf(spark, NATIVE):
        frame = items.select("id", score("x").alias("score")).orderBy(F.desc("score")).limit(10)
        said = "top rows selected in the kernel: 10 rows by score DESC NULLS LAST"
        assert said in sparkweld.explain(frame) and "measured" not in sparkweld.explain(frame)
        frame.toPandas()
        kept = 100 * tops(frame)[0][1] / ROWS
        assert f"{said}\n  measured: {ROWS:,} rows of the kernel, {kept:.1f}% kept" in sparkweld.explain(frame)
