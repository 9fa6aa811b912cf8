"""Checks that filters by a model's result prune rows by score bounds before the model, with PySpark's rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import functions as F
from pyspark.sql.functions import pandas_udf
from pyspark.sql.types import DoubleType
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import Ridge
from sklearn.pipeline import Pipeline

import sparkweld
from tests.helpers.differential import BACKEND, ENABLED, check, measured, run, session_conf
from tests.helpers.lines import LINE
from tests.helpers.sampling import some

ROWS = 3000
MODE = "spark.sparkweld.scoreBounds.mode"
OFF = {BACKEND: "native", ENABLED: "true", MODE: "never"}
NATIVE = {**OFF, MODE: "always", "spark.sparkweld.compile.timeout": "60s"}


@pytest.fixture(scope="module")
def table(spark, tmp_path_factory):
    random = np.random.default_rng(4)
    words = np.array("red green blue fast slow old new".split())
    rows = pd.DataFrame({
        "id": np.arange(ROWS), "a": random.normal(size=ROWS) * 30, "b": random.normal(size=ROWS),
        "t": [" ".join(random.choice(words, random.integers(0, 6))) for _ in range(ROWS)],
    })  # fmt: skip
    path = str(tmp_path_factory.mktemp("scores") / "rows.parquet")
    rows.to_parquet(path)
    return rows, path


@pytest.fixture(scope="module")
def scores(table):
    """Returns name -> UDF of a forest and of a text model beside a number."""
    rows, _ = table
    forest = RandomForestClassifier(64, max_depth=5, random_state=0).fit(rows[["a", "b"]], rows.a + rows.b > 30)
    parts = ColumnTransformer([("n", "passthrough", ["a", "b"]), ("t", TfidfVectorizer(), "t")], sparse_threshold=1.0)
    text = Pipeline([("parts", parts), ("model", Ridge())]).fit(rows, rows.a + rows.t.str.contains("red"))
    return {
        "forest": pandas_udf(lambda d: pd.Series(forest.predict_proba(d[["a", "b"]])[:, 1]), DoubleType()),
        "text": pandas_udf(lambda d: pd.Series(text.predict(d)), DoubleType()),
    }


@pytest.mark.gate_cases("forest-0.9-0.95-1")
@pytest.mark.parametrize("name, low, high, partitions", [("forest", 0.9, 0.95, 1), ("text", 60.0, 70.0, 200)])
def test_the_rows_are_sparks(spark, table, scores, name, low, high, partitions):
    rows = spark.read.parquet(table[1]).repartition(partitions, "id")
    scored = rows.select("id", scores[name](F.struct("a", "b", "t")).alias("s"))
    # A row's score does not depend on its batch, and each of 200 tasks would load the model.
    alone = spark.read.parquet(table[1]).select("id", scores[name](F.struct("a", "b", "t")))
    everything = dict(run(spark, lambda: alone, {ENABLED: "false"})[0].rows)
    for condition, passes in (
        (F.col("s") > low, lambda s: s > low),
        (F.col("s").between(low, high), lambda s: low <= s <= high),
    ):
        found, frame = run(spark, lambda condition=condition: scored.where(condition).orderBy("id"), NATIVE)
        assert found.rows == tuple(sorted((id, s) for id, s in everything.items() if passes(s))), condition
        assert 0 < len(found.rows) < ROWS / 4 and measured(frame).kernel_batches


def test_explain_reports_it(spark, table, scores):
    scored = spark.read.parquet(table[1]).select("id", scores["forest"](F.struct("a", "b", "t")).alias("s"))
    small = {**OFF, MODE: "auto"}
    for conf, told in ((NATIVE, True), (OFF, False), (small, False)):
        with session_conf(spark, conf):
            text = sparkweld.explain(scored.where("s > 0.9"))
            assert ("rows whose score bound cannot pass the filter" in text) == told, text


@pytest.mark.sampled
def test_auto_uses_bounds_of_expensive_models_over_many_rows(spark, scores, tmp_path):
    """Statistics decide, and Parquet footers, in which 2 ** 26 rows take few bytes. Nothing is run."""
    random = np.random.default_rng(5)
    numbers = pd.DataFrame(random.normal(size=(3000, 2)), columns=["a", "b"])
    deep = RandomForestRegressor(64, random_state=0).fit(numbers, numbers.a + numbers.b)
    dear = pandas_udf(lambda d: pd.Series(deep.predict(d[["a", "b"]])), DoubleType())
    part = pa.table({"id": np.zeros(1 << 20, np.int64)})
    with pq.ParquetWriter(tmp_path / "many.parquet", part.schema) as writer:
        for _ in range(64):
            writer.write_table(part)
    many, files = spark.range(1 << 26), spark.read.parquet(str(tmp_path / "many.parquet"))
    queries = {
        "filter": lambda scored: scored.where("s > 2"), "first": lambda scored: scored.orderBy(F.desc("s")).limit(10),
        "groups": lambda scored: scored.groupBy("id").agg(F.max("s")),
    }  # fmt: skip
    cases = [
        (files, dear, "filter", True), (many, dear, "first", True), (many, scores["forest"], "filter", False),
        (many.limit(1000), dear, "first", False), (many, dear, "filter", True), (many, dear, "groups", False),
        (many, scores["forest"], "first", False), (many.join(many, "id").limit(1000), dear, "filter", False),
        (spark.createDataFrame(many.limit(9).rdd), dear, "filter", False),
    ]  # fmt: skip
    with session_conf(spark, {**OFF, MODE: "auto", "spark.sparkweld.compile.timeout": "60s"}):
        for table, score, query, told in some(cases, 4):
            numbers = [F.col("id").cast("double").alias("a"), (F.col("id") % 7 * 1.0).alias("b")]
            rows = table.select("id", *numbers, F.lit("red").alias("t"))
            text = sparkweld.explain(queries[query](rows.select("id", score(F.struct("a", "b", "t")).alias("s"))))
            assert ("rows whose score bound cannot pass the filter" in text) == told, f"{query} of {table}:\n{text}"


@pytest.fixture(scope="module")
def large(spark, tmp_path_factory):
    """Writes rows in two files of many small row groups, and a forest large enough for batches to be joined.

    Beside it are columns of other types, with NULL, that the kernel passes through or reads; it flags strings with a sigma.
    """
    random = np.random.default_rng(6)
    rows = pd.DataFrame(random.normal(size=(3000, 2)), columns=["a", "b"])
    rows["t"] = np.where(random.random(3000) < 0.1, None, np.array(["red", "", "blué"])[random.integers(0, 3, 3000)])
    rows["k"] = pd.array(np.where(random.random(3000) < 0.1, None, np.arange(3000)), "Int64")
    rows["day"] = pd.Timestamp("2020-01-01") + pd.to_timedelta(np.arange(3000), unit="h")
    rows["day"] = rows["day"].astype("datetime64[us]")
    forest = RandomForestRegressor(100, random_state=0).fit(rows[["a", "b"]], rows.a + rows.b)
    folder = tmp_path_factory.mktemp("large")
    for part in range(2):
        rows[part::2].to_parquet(folder / f"{part}.parquet", row_group_size=97)
    score = pandas_udf(lambda d: pd.Series(forest.predict(d[["a", "b"]])), DoubleType())
    return str(folder), score, F.struct("a", "b"), forest


@pytest.fixture(scope="module")
def score_of(spark, large):
    """Returns PySpark's score of a row's numbers. It depends neither on the batch nor on the order of rows."""
    path, score, features, _ = large
    scored = spark.read.parquet(path).select("a", "b", score(features))
    return {(a, b): s for a, b, s in run(spark, lambda: scored, {ENABLED: "false"})[0].rows}


JOINED = "joined, up to 32768 rows"


SHAPES = ["files", "partitions", "rows"]


def of_shape(spark, path, shape):
    table = spark.read.parquet(path)
    return {"files": table, "partitions": table.repartition(20, "k").cache(), "rows": table.repartition(3, "k")}[shape]


@pytest.mark.gate_cases("files")
@pytest.mark.parametrize("shape", SHAPES)
def test_batches_are_joined(spark, large, score_of, shape):
    """Rows keep their order and pass-through columns; the batches are those of the files, small ones, and empty ones."""
    path, score, features, _ = large
    with session_conf(spark, NATIVE):
        table = of_shape(spark, path, shape)
        given = run(spark, lambda: table.select("a", "b", "t", "k", "day", F.length("t")), {ENABLED: "false"})[0].rows
        scored = table.select("a", "b", "t", "k", "day", F.length("t").alias("n"), score(features).alias("s"))
        found, frame = run(spark, lambda: scored.where("s > 1.5"), NATIVE)
        expected = [(*row, score_of[row[:2]]) for row in given if score_of[row[:2]] > 1.5]
        assert 0 < len(expected) < len(given) and list(found.rows) == expected
        what = measured(frame)
        assert what.kernel_batches and not what.deoptimised_batches
        assert JOINED in plan_of(scored.where("s > 1.5"))
        if shape == "files":
            assert 5 < what.kernel_batches < 20, "of 32 row groups"
            assert len(scored.where("s > 1.5").limit(5).collect()) == 5


@pytest.mark.nightly("test_batches_are_joined")
@pytest.mark.parametrize("shape", [SHAPES[0], *(pytest.param(shape, marks=pytest.mark.nightly) for shape in SHAPES[1:])])
def test_what_reads_joined_batches(spark, large, shape):
    path, score, features, _ = large
    with session_conf(spark, NATIVE):
        scored = of_shape(spark, path, shape).select("*", score(features).alias("s"), F.length("t").alias("n"))
        check(spark, lambda: scored.where("s > 1.5").groupBy("t").agg(F.count("*"), F.sum("k")).orderBy("t"))
        check(spark, lambda: scored.orderBy(F.desc("s"), "k").limit(20))


def test_batches_that_are_not_joined(spark, large):
    path, score, features, _ = large
    scored = spark.read.parquet(path).select("*", score(features).alias("s"))
    with session_conf(spark, NATIVE):
        for query in (scored, scored.where("s > 1.5").select(F.input_file_name(), "s")):
            assert JOINED not in plan_of(query)


def test_joined_batches_are_taken_apart(spark, large, tmp_path):
    """A guard flags a row: its own batch alone runs in Python. A batch with a NULL that decides a dtype is not joined."""
    numbers = pd.read_parquet(large[0] + "/0.parquet")[["a", "b"]]
    rows = numbers.assign(n=pd.array(np.arange(len(numbers)), "Int64"), z=1)
    forest = large[-1]
    rows.loc[rows.index[900], "n"], rows.loc[rows.index[1250], "z"] = None, 0
    rows.to_parquet(tmp_path / "zero.parquet", row_group_size=100)
    table = spark.read.parquet(str(tmp_path / "zero.parquet"))
    score = pandas_udf(lambda d: pd.Series(forest.predict(d[["a", "b"]])) + d.n // d.z, DoubleType())
    with session_conf(spark, NATIVE):
        scored = table.select("n", score(F.struct("a", "b", "n", "z")).alias("s"))
        what = check(spark, lambda: scored.where("s > 300"), deopt=True)
        assert JOINED in plan_of(scored.where("s > 300"))
        # Below the filter, and again above it, where Spark evaluates the function anew over batches of the remaining rows. Before
        # 4.2, one batch has them all, and a NULL among them makes the dividend a float.
        again = 2 if LINE >= (4, 2) else 1
        assert (what.operators, what.deoptimised_batches, what.guarded_rows) == (2, again, again)
        assert what.kernel_batches < 14, "of 15 row groups"


def plan_of(frame):
    modes = frame.sparkSession._jvm.org.apache.spark.sql.execution.ExplainMode
    return frame._jdf.queryExecution().explainString(modes.fromString("formatted"))
