"""Checks that rows that no joined string can bring to a threshold are pruned before the join, with PySpark's rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import functions as F
from pyspark.sql.functions import pandas_udf
from pyspark.sql.types import DoubleType
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import Ridge
from sklearn.pipeline import Pipeline

import sparkweld
from tests.helpers.differential import BACKEND, ENABLED, check, run

ROWS, TEXTS = 6000, 40
MODE = "spark.sparkweld.scoreBounds.mode"
OFF = {BACKEND: "native", ENABLED: "true", "spark.sparkweld.compile.timeout": "60s", MODE: "never"}
EXACT = {**OFF, MODE: "always"}
DROPPED = "are pruned before the join"
ORDERS = [F.desc, F.asc, F.desc_nulls_first, F.asc_nulls_last]
JOINS = [("ridge", "inner"), ("odd", "left"), ("odd", "right")]


@pytest.fixture(scope="module")
def tables(spark, tmp_path_factory):
    """Writes numbers of few values, so that many scores are equal, and odd ones; strings, of which keys have none, one, or
    two.
    """
    random = np.random.default_rng(4)
    words = np.array("red green blué fast slow old new".split())
    rows = pd.DataFrame({
        "id": np.arange(ROWS), "k": random.integers(0, TEXTS + 5, ROWS), "a": (random.normal(size=ROWS) * 9).round(),
        "b": random.integers(-1, 4, ROWS) * 1.0,
    })  # fmt: skip
    rows["odd"] = random.permutation(np.resize([np.nan, np.inf, -np.inf, -0.0, 1e300, *random.normal(size=30).round(1)], ROWS))
    keys = [*range(TEXTS), *range(0, TEXTS, 4)]
    side = pd.DataFrame({"k": keys, "t": [" ".join(random.choice(words, random.integers(0, 5))) for _ in keys]})
    folder = tmp_path_factory.mktemp("joins")
    for part in range(2):
        rows[part::2].to_parquet(folder / f"rows-{part}.parquet", row_group_size=1000)
    side.to_parquet(folder / "side.parquet")
    return rows.merge(side, on="k"), folder


@pytest.fixture(scope="module")
def scores(tables):
    """Returns two UDFs: numbers beside a string, for whose NULLs the library raises; a string ("" when missing) plus `odd`."""
    rows, _ = tables
    parts = ColumnTransformer([("n", "passthrough", ["a", "b"]), ("t", TfidfVectorizer(), "t")], sparse_threshold=1.0)
    ridge = Pipeline([("parts", parts), ("model", Ridge())]).fit(rows, rows.a + rows.t.str.contains("red"))
    text = Pipeline([("t", TfidfVectorizer()), ("model", Ridge())]).fit(rows.t, rows.t.str.contains("red") * 1.0 + rows.b)
    return {
        "ridge": pandas_udf(lambda d: pd.Series(ridge.predict(d)), DoubleType()),
        "odd": pandas_udf(lambda d: pd.Series(text.predict(d["t"].fillna(""))) + d["odd"], DoubleType()),
    }


def scored(spark, tables, scores, name, how="inner", partitions=None, side=None):
    rows = spark.read.parquet(*(str(tables[1] / f"rows-{part}.parquet") for part in range(2)))
    rows = rows if partitions is None else rows.repartition(partitions, "id")
    texts = spark.read.parquet(str(tables[1] / "side.parquet"))
    texts = texts if side is None else texts.where(side)
    joined = texts.join(rows, "k", how) if how == "right" else rows.join(texts, "k", how)
    columns = ["a", "b", "t"] if name == "ridge" else ["odd", "t"]
    return joined.select("id", "t", scores[name](F.struct(*columns)).alias("s"))


def same(spark, query, dropped=True):
    """Checks that the rows with and without pruning are equal."""
    found, frame = run(spark, query, EXACT)
    assert (DROPPED in sparkweld.explain(frame)) == dropped, sparkweld.explain(frame)
    assert found.rows == run(spark, query, OFF)[0].rows
    return found.rows


@pytest.mark.gate_cases("3000-odd-left-asc")
@pytest.mark.parametrize("order", ORDERS, ids=lambda order: order.__name__)
@pytest.mark.parametrize("name, how", JOINS)
@pytest.mark.parametrize("limit", [10, 3000])
def test_the_first_rows(spark, tables, scores, name, how, order, limit):
    ordered = scored(spark, tables, scores, name, how).orderBy(order("s"), "id", "t")
    assert len(same(spark, lambda: ordered.limit(limit))) == limit


@pytest.fixture(scope="module")
def finite(spark, tables, scores):
    """Returns (name, how) -> the finite scores in order."""
    found = {}
    for name, how in JOINS:
        rows = run(spark, lambda name=name, how=how: scored(spark, tables, scores, name, how), OFF)[0].rows
        found[name, how] = sorted(s for _, _, s in rows if s is not None and np.isfinite(s))
    return found


@pytest.mark.gate_cases("odd-right-s <= {low}")
@pytest.mark.parametrize("condition", ["s > {high}", "s >= {high}", "s <= {low}", "s between {low} - 1 and {low}", "{low} > s"])
@pytest.mark.parametrize("name, how", JOINS)
def test_filters(spark, tables, scores, finite, name, how, condition):
    values = finite[name, how]
    where = condition.format(high=f"{values[-20]!r}D", low=f"{values[20]!r}D")
    rows = same(spark, lambda: scored(spark, tables, scores, name, how).where(where).orderBy("id", "t"))
    assert len(rows) < len(values) / 2


@pytest.mark.nightly("test_filters")
def test_a_filter_by_infinity(spark, tables, scores, finite):
    rows = same(spark, lambda: scored(spark, tables, scores, "odd", "left").where(F.col("s") >= float("inf")).orderBy("id", "t"))
    assert len(rows) < len(finite["odd", "left"]) / 2


@pytest.mark.nightly("test_filters", "test_the_first_rows")
def test_against_spark(spark, tables, scores):
    for name, how in (("ridge", "inner"), ("odd", "left")):
        whole = scored(spark, tables, scores, name, how)
        check(spark, lambda whole=whole: whole.orderBy(F.desc("s"), "id", "t").limit(10), conf=EXACT, deopt=None)


@pytest.mark.gate_cases("10-1-inner-None", "0-1-inner-None")
@pytest.mark.parametrize("limit, partitions, how, side", [
    (0, 1, "inner", None), (10, 1, "inner", None), (10, 40, "left", None), (3 * ROWS, 2, "left", None), (10, 2, "left", "k < 0"),
])  # fmt: skip
def test_limits_partitions_and_empty_tables(spark, tables, scores, limit, partitions, how, side):
    query = lambda: scored(spark, tables, scores, "odd", how, partitions, side).orderBy(F.desc("s"), "id", "t").limit(limit)  # noqa: E731
    assert run(spark, query, EXACT)[0].rows == run(spark, query, OFF)[0].rows


def test_where_it_must_not(spark, tables, scores):
    """Nothing is pruned for a full outer join, which keeps unmatched rows, a table that is read twice, and a batch UDF."""
    high = F.col("s") > 5
    same(spark, lambda: scored(spark, tables, scores, "odd", "full").where(high).orderBy("id", "t"), dropped=False)
    some = spark.read.parquet(str(tables[1] / "side.parquet")).limit(3)
    rows = spark.read.parquet(str(tables[1] / "rows-0.parquet"))
    few = rows.join(some, "k").select("id", scores["odd"](F.struct("odd", "t")).alias("s"))
    same(spark, lambda: few.where(high).orderBy("id"), dropped=False)
    mean = pandas_udf(lambda s: s - s.mean(), DoubleType())
    whole = scored(spark, tables, scores, "odd").where(high).select(mean("s").alias("m"))
    with_bounds = run(spark, lambda: whole, EXACT)[1]
    assert DROPPED not in sparkweld.explain(with_bounds)
