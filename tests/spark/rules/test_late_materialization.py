"""Checks top-K queries: UDFs that the order does not need are computed for the selected rows only, with Spark's rows."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest
from pyspark.sql import Window
from pyspark.sql import functions as F
from pyspark.sql.functions import pandas_udf
from pyspark.sql.types import DoubleType, LongType, StringType

from tests.helpers.differential import check, measured, run
from tests.helpers.sampling import some

NATIVE = {"spark.sparkweld.backend": "native"}
ROWS = 20_000


@pandas_udf(DoubleType())
def score(x: pd.Series, y: pd.Series) -> pd.Series:
    return (x * 0.5 - y).round(1)  # many ties


@pandas_udf(StringType())
def slug(title: pd.Series) -> pd.Series:
    return title.str.strip().str.lower().str.replace(" ", "-", regex=False)


@pandas_udf(DoubleType())
def above_mean(x: pd.Series) -> pd.Series:
    return x - x.mean()


@pytest.fixture(scope="module")
def items(spark, tmp_path_factory):
    """Returns scores with ties, NULL, NaN and infinities; titles with NULL; 40 groups; in several partitions."""
    random = np.random.default_rng(5)
    x, y = random.normal(size=ROWS), random.normal(size=ROWS)
    x[::97], x[5::1999], x[7::1999] = np.nan, np.inf, -np.inf
    titles = [None if i % 31 == 0 else f" Item {i % 977} of  Kind {i % 7} " for i in range(ROWS)]
    columns = {
        "id": np.arange(ROWS), "x": pa.array(x, mask=random.random(ROWS) < 0.02), "y": y, "title": titles,
        "g": random.integers(0, 40, ROWS), "n": pa.array(np.arange(ROWS), mask=random.random(ROWS) < 0.3),
    }  # fmt: skip
    path = str(tmp_path_factory.mktemp("items"))
    table = pa.table(columns)
    for part in range(3):
        pa.parquet.write_table(table.slice(part * 7000, 7000), f"{path}/{part}.parquet")
    return spark.read.parquet(path)


def _late(frame):
    report = json.loads(frame.sparkSession._jvm.io.sparkweld.ui.WeldReport.report(frame._jdf.queryExecution()))
    return [r for r in report["rewritten"] if r["kind"] == "late"], [o["numOutputRows"] for o in report["operators"]]


def _made(items):
    return items.select("id", "g", score("x", "y").alias("score"), slug("title").alias("slug"))


@pytest.mark.gate_cases("1", "100000")
@pytest.mark.parametrize("limit", [1, 1000, 100_000])
def test_top_rows(spark, items, limit):
    def query():
        return _made(items).orderBy(F.desc("score"), "g").limit(limit).select("id", "slug", "score")

    check(spark, query, conf=NATIVE)
    _, frame = run(spark, query, NATIVE)
    late, rows = _late(frame)
    assert [r["udf"] for r in late] == ["slug"] and str(limit) in late[0]["what"]
    assert sorted(rows) == [min(limit, ROWS), ROWS]


@pytest.mark.nightly("test_top_rows")
def test_every_form_of_a_top_k_query(spark, items):
    best = Window.partitionBy("g").orderBy(F.desc("score"), "id")
    made = _made(items)
    queries = [
        lambda: made.orderBy("score").limit(7),
        lambda: made.orderBy(F.asc_nulls_last("score"), F.length("slug")).limit(7),  # the order needs both
        lambda: made.where("score > 1").orderBy(F.desc("score")).limit(20).where("slug like 'item%'"),
        lambda: made.select("*", F.row_number().over(best).alias("r")).where("r <= 3"),
        lambda: made.select("*", F.rank().over(Window.partitionBy("g").orderBy("score")).alias("r")).where("r < 3 and g > 4"),
        lambda: made.select("*", F.row_number().over(Window.orderBy("score", "id")).alias("r")).where("r = 5"),
        lambda: made.orderBy("id").limit(5).select(slug("slug").alias("twice")),
    ]
    counts = []
    for query in queries:
        check(spark, lambda query=query: query().orderBy("id") if "id" in query().columns else query(), conf=NATIVE, deopt=None)
        counts.append(len(_late(run(spark, query, NATIVE)[1])[0]))
    assert counts == [1, 0, 1, 1, 1, 1, 1]


@pytest.mark.sampled
def test_nodes_that_stay_in_place(spark, items):
    """Functions that depend on their batch stay: a mean, a nullable integer's dtype, strings present or not, a zero divisor."""

    @pandas_udf(StringType())
    def third_word(title: pd.Series) -> pd.Series:
        return title.str.split(" ").str[3].str.upper()

    @pandas_udf(DoubleType())
    def halves(g: pd.Series) -> pd.Series:
        return g // (g - 3)

    @pandas_udf(DoubleType())
    def shaken(x: pd.Series) -> pd.Series:
        return x + 1

    @pandas_udf(LongType())
    def next_one(n: pd.Series) -> pd.Series:
        return n + 1

    cases = [above_mean("x"), shaken.asNondeterministic()("x"), next_one("n"), third_word("title"), halves("id")]
    for case in some(cases, 3):
        query = lambda case=case: items.select("id", score("y", "y").alias("s"), case.alias("c")).orderBy("s", "id").limit(5)  # noqa: E731
        expected, _ = run(spark, query, {"spark.sparkweld.enabled": "false"})
        actual, frame = run(spark, query, NATIVE)
        assert expected == actual and not _late(frame)[0]
    off = {**NATIVE, "spark.sparkweld.lateMaterialization.enabled": "false"}
    _, frame = run(spark, lambda: _made(items).orderBy("score").limit(5), off)
    assert not _late(frame)[0] and measured(frame).kernel_batches


def test_explain_reports_late_materialization(spark, items):
    from sparkweld import explain

    text = explain(_made(items).orderBy("score").limit(5))
    assert "late materialization: slug\n  computed for the 5 rows that the limit keeps" in text
