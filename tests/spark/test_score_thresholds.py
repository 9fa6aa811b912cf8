"""Top-K queries tell the kernel the worst score that still counts: rows that cannot reach it go without the model, and the rows
that come out stay PySpark's, ties too.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import functions as F
from pyspark.sql.functions import pandas_udf
from pyspark.sql.types import DoubleType
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import Ridge
from sklearn.pipeline import Pipeline

import sparkweld
from tests.helpers.differential import BACKEND, ENABLED, check, run

ROWS = 20_000
MODE = "spark.sparkweld.scoreBounds.mode"
OFF = {BACKEND: "native", ENABLED: "true", "spark.sparkweld.compile.timeout": "60s", MODE: "never"}
NATIVE = {**OFF, MODE: "always"}
BOUNDED = "rows whose bounds cannot pass the filter"
ORDERS = [F.desc, F.asc, F.desc_nulls_first, F.asc_nulls_last]


@pytest.fixture(scope="module")
def table(spark, tmp_path_factory):
    """Numbers of few values, so that many scores are equal; in two files of several row groups."""
    random = np.random.default_rng(4)
    words = np.array("red green blué fast slow old new".split())
    rows = pd.DataFrame({
        "id": np.arange(ROWS), "a": (random.normal(size=ROWS) * 9).round(), "b": random.integers(-1, 4, ROWS) * 1.0,
        "t": [" ".join(random.choice(words, random.integers(0, 4))) for _ in range(ROWS)],
    })  # fmt: skip
    folder = tmp_path_factory.mktemp("thresholds")
    for part in range(2):
        rows[part::2].to_parquet(folder / f"{part}.parquet", row_group_size=3000)
    return rows, str(folder)


@pytest.fixture(scope="module")
def scores(table):
    """Name -> UDF: a text beside numbers; the same, infinite for some rows; a forest."""
    rows, _ = table
    parts = ColumnTransformer([("n", "passthrough", ["a", "b"]), ("t", TfidfVectorizer(), "t")], sparse_threshold=1.0)
    text = Pipeline([("parts", parts), ("model", Ridge())]).fit(rows, rows.a + rows.t.str.contains("red"))
    forest = RandomForestClassifier(32, max_depth=4, random_state=0).fit(rows[["a", "b"]], rows.a + rows.b > 9)
    return {
        "text": pandas_udf(lambda d: pd.Series(text.predict(d)), DoubleType()),
        "odd": pandas_udf(lambda d: pd.Series(text.predict(d)) / d["b"], DoubleType()),
        "forest": pandas_udf(lambda d: pd.Series(forest.predict_proba(d[["a", "b"]])[:, 1]), DoubleType()),
    }


def first(spark, table, scores, name, order, limit, partitions=None):
    rows = spark.read.parquet(table[1])
    rows = rows if partitions is None else rows.repartition(partitions, "id")
    return rows.select("id", scores[name](F.struct("a", "b", "t")).alias("s")).orderBy(order("s"), "id").limit(limit)


@pytest.mark.parametrize("limit", [1, 10, 1000])
@pytest.mark.parametrize("order", ORDERS, ids=lambda order: order.__name__)
def test_the_rows_are_sparks(spark, table, scores, order, limit):
    query = lambda: first(spark, table, scores, "text", order, limit)  # noqa: E731
    found, frame = run(spark, query, NATIVE)
    assert found.rows == run(spark, query, OFF)[0].rows and len(found.rows) == limit
    assert BOUNDED in sparkweld.explain(frame)
    if limit == 10:
        check(spark, query, conf=NATIVE, deopt=None)


@pytest.mark.parametrize("name", ["odd", "forest"])
@pytest.mark.parametrize("order", ORDERS, ids=lambda order: order.__name__)
def test_infinities_and_forests(spark, table, scores, name, order):
    for limit in (3, 7000):
        query = lambda limit=limit: first(spark, table, scores, name, order, limit)  # noqa: E731
        found, frame = run(spark, query, NATIVE)
        assert found.rows == run(spark, query, OFF)[0].rows
        assert name != "forest" or BOUNDED in sparkweld.explain(frame)
    check(spark, query, conf=NATIVE, deopt=None)


@pytest.mark.parametrize("limit, partitions", [(0, 1), (10, 1), (10, 200), (3 * ROWS, 2)])
def test_limits_and_partitions(spark, table, scores, limit, partitions):
    query = lambda: first(spark, table, scores, "text", F.desc, limit, partitions)  # noqa: E731
    assert run(spark, query, NATIVE)[0].rows == run(spark, query, OFF)[0].rows
