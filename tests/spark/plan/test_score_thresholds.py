"""Checks that top-K queries pass the kernel the worst score that still counts, so that hopeless rows skip the model.

The resulting rows stay PySpark's, ties too.
"""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import Window
from pyspark.sql import functions as F
from pyspark.sql.functions import pandas_udf
from pyspark.sql.types import DoubleType
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import Ridge
from sklearn.pipeline import Pipeline

import sparkweld
from tests.helpers.differential import BACKEND, ENABLED, WELD_REPORT, check, run

ROWS = 20_000
MODE = "spark.sparkweld.scoreBounds.mode"
OFF = {BACKEND: "native", ENABLED: "true", "spark.sparkweld.compile.timeout": "60s", MODE: "never"}
NATIVE = {**OFF, MODE: "always"}
BOUNDED = "rows whose score bound cannot pass the filter"
ORDERS = [F.desc, F.asc, F.desc_nulls_first, F.asc_nulls_last]


@pytest.fixture(scope="module")
def table(spark, tmp_path_factory):
    """Writes numbers of few values, so that many scores are equal; in two files of several row groups."""
    random = np.random.default_rng(4)
    words = np.array("red green blué fast slow old new".split())
    rows = pd.DataFrame({
        "id": np.arange(ROWS), "a": (random.normal(size=ROWS) * 9).round(), "b": random.integers(-1, 4, ROWS) * 1.0,
        "t": [" ".join(random.choice(words, random.integers(0, 4))) for _ in range(ROWS)],
    })  # fmt: skip
    groups = np.random.default_rng(5)  # many rows of some, few of others, and NULL
    rows["g"] = pd.array(groups.geometric(0.1, ROWS), "Int64")
    rows["k"] = np.where(groups.random(ROWS) < 0.01, None, rows["g"].astype(str))
    rows.loc[groups.random(ROWS) < 0.01, "g"] = None
    folder = tmp_path_factory.mktemp("thresholds")
    for part in range(2):
        rows[part::2].to_parquet(folder / f"{part}.parquet", row_group_size=3000)
    return rows, str(folder)


@pytest.fixture(scope="module")
def scores(table):
    """Returns name -> UDF: a string beside numbers; the same, infinite for some rows; a forest."""
    rows, _ = table
    parts = ColumnTransformer([("n", "passthrough", ["a", "b"]), ("t", TfidfVectorizer(), "t")], sparse_threshold=1.0)
    text = Pipeline([("parts", parts), ("model", Ridge())]).fit(rows, rows.a + rows.t.str.contains("red"))
    forest = RandomForestClassifier(32, max_depth=4, random_state=0).fit(rows[["a", "b"]], rows.a + rows.b > 9)
    return {
        "text": pandas_udf(lambda d: pd.Series(text.predict(d)), DoubleType()),
        "odd": pandas_udf(lambda d: pd.Series(text.predict(d)) / d["b"], DoubleType()),
        "forest": pandas_udf(lambda d: pd.Series(forest.predict_proba(d[["a", "b"]])[:, 1]), DoubleType()),
    }


def first(spark, table, scores, name, order, limit, partitions=None, by="s"):
    """Selects the first rows by a column, by a second call of the function, or by an unselected call."""
    rows = spark.read.parquet(table[1])
    rows = rows if partitions is None else rows.repartition(partitions, "id")
    call = scores[name](F.struct("a", "b", "t"))
    if by == "call alone":
        return rows.orderBy(order(call), "id").limit(limit).select("id")
    return rows.select("id", call.alias("s")).orderBy(order("s" if by == "s" else call), "id").limit(limit)


@pytest.mark.gate_cases("desc_nulls_first-1000", "asc_nulls_last-1")
@pytest.mark.parametrize("limit", [1, 10, 1000])
@pytest.mark.parametrize("order", ORDERS, ids=lambda order: order.__name__)
def test_the_rows_are_sparks(spark, table, scores, order, limit):
    query = lambda: first(spark, table, scores, "text", order, limit)  # noqa: E731
    found, frame = run(spark, query, NATIVE)
    assert found.rows == run(spark, query, OFF)[0].rows and len(found.rows) == limit
    assert BOUNDED in sparkweld.explain(frame)
    if limit == 10:
        check(spark, query, conf=NATIVE, deopt=None)


@pytest.mark.gate_cases("desc_nulls_first-odd", "asc_nulls_last-forest")
@pytest.mark.parametrize("name", ["odd", "forest"])
@pytest.mark.parametrize("order", ORDERS, ids=lambda order: order.__name__)
def test_infinities_and_forests(spark, table, scores, name, order):
    limit = 3 if order in ORDERS[:2] else 7000  # so each function has both
    query = lambda: first(spark, table, scores, name, order, limit)  # noqa: E731
    found, frame = run(spark, query, NATIVE)
    assert found.rows == run(spark, query, OFF)[0].rows
    assert name != "forest" or BOUNDED in sparkweld.explain(frame)
    check(spark, query, conf=NATIVE, deopt=None)


@pytest.mark.gate_cases("10-40-call alone", "0-1-s")
@pytest.mark.parametrize("by", ["s", "call", "call alone"])
@pytest.mark.parametrize("limit, partitions", [(0, 1), (10, 1), (10, 40), (3 * ROWS, 2)])
def test_limits_and_partitions(spark, table, scores, limit, partitions, by):
    query = lambda: first(spark, table, scores, "text", F.desc, limit, partitions, by)  # noqa: E731
    found, frame = run(spark, query, NATIVE)
    assert found.rows == run(spark, query, OFF)[0].rows
    assert (BOUNDED in sparkweld.explain(frame)) == (limit > 0)


@pytest.mark.gate_cases("call alone")
@pytest.mark.parametrize("by", ["call", "call alone"])
def test_calls_are_sparks(spark, table, scores, by):
    check(spark, lambda: first(spark, table, scores, "text", F.asc_nulls_last, 10, by=by), conf=NATIVE, deopt=None)


def same(spark, table, scores, name, partitions, query):
    """Checks that `query` over scored rows has the same result with per-group thresholds and without."""
    rows = spark.read.parquet(table[1]).repartition(partitions, "id")
    scored = rows.select("id", "g", "k", scores[name](F.struct("a", "b", "t")).alias("s"))
    found, frame = run(spark, lambda: query(scored), NATIVE)
    assert found.rows == run(spark, lambda: query(scored), OFF)[0].rows
    assert BOUNDED in sparkweld.explain(frame)


@pytest.mark.gate_cases("text-dense_rank-2")
@pytest.mark.parametrize("groups", [["g"], [], ["k", "g"]], ids=len)
@pytest.mark.parametrize("rank", [F.row_number, F.rank, F.dense_rank], ids=lambda rank: rank.__name__)
@pytest.mark.parametrize("name, order", [("text", F.desc), ("forest", F.asc_nulls_last)], ids=["text", "forest"])
def test_each_group_has_a_worst(spark, table, scores, rank, groups, name, order):
    """Equal scores occur among the first of a group, and some groups are too small to have a threshold."""
    best = Window.partitionBy(*groups).orderBy(order("s"), *(["id"] if rank is F.row_number else []))
    first = lambda scored: scored.select("*", rank().over(best).alias("r")).where("r <= 3")  # noqa: E731
    same(spark, table, scores, name, 2, lambda scored: first(scored).orderBy("r", "id"))


@pytest.mark.gate_cases("text")
@pytest.mark.parametrize("name", ["text", "forest"])
def test_extremes_have_a_worst(spark, table, scores, name):
    queries = [[F.max("s")], [F.min("s")], [F.max_by("s", "s"), F.max("s")], [F.min_by("s", "s")]]
    for made in queries[name == "forest" :: 2]:
        same(spark, table, scores, name, 2, lambda scored, made=made: scored.groupBy("g").agg(*made).orderBy("g"))
    same(spark, table, scores, name, 30, lambda scored: scored.agg(F.max("s")))


def test_tasks_share_their_worst(spark, table, scores):
    """Tasks share it where equal keys are equal rows. Each of the many partitions alone would return the full limit of rows."""
    files = {"maxPartitionBytes": "6000", "openCostInBytes": "0", "minPartitionNum": "1"}
    many = {f"spark.sql.files.{name}": value for name, value in files.items()}

    def kept(order, limit, *ties):
        scored = spark.read.parquet(table[1]).select("id", scores["forest"](F.struct("a", "b", "t")).alias("s"))
        query = lambda: scored.orderBy(order("s"), *ties).limit(limit)  # noqa: E731
        found, frame = run(spark, query, {**NATIVE, **many})
        assert not ties or found.rows == run(spark, query, {**OFF, **many})[0].rows
        report = json.loads(getattr(spark._jvm, WELD_REPORT).report(frame._jdf.queryExecution()))
        return report["tops"][0]["numOutputRows"]

    for order in (F.desc, F.asc):  # no score is NULL
        assert kept(order, 40, "id") < kept(order, 40)
    kept(F.desc, ROWS + 1, "id")
