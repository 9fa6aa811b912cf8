"""Checks that repeated rows, in a batch and in later ones, have cached, equal and counted results."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql.functions import pandas_udf
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

import sparkweld
from tests.helpers.differential import check, run

MODE = "spark.sparkweld.featureCache.mode"
ALWAYS = {MODE: "always"}
WORDS = ["red", "green", "blue", "fast", "slow", "old", "new", "chair", "table", "lamp", "desk", "shelf"]


def counted(frame) -> dict[str, int]:
    """Returns the cache's metrics, summed over the operators."""
    report = json.loads(frame.sparkSession._jvm.io.sparkweld.ui.WeldReport.report(frame._jdf.queryExecution()))
    return {name: sum(o[name] for o in report["operators"]) for name in ("cacheRows", "cachedRows")}


def titles(count: int, seed: int = 0) -> list[str]:
    random = np.random.default_rng(seed)
    return [" ".join(random.choice(WORDS, 5)) + f" {i}" for i in range(count)]


@pytest.fixture(scope="module")
def scored():
    texts = titles(300)
    labels = ["old" in text for text in texts]
    return make_pipeline(TfidfVectorizer(ngram_range=(1, 2)), LogisticRegression()).fit(texts, labels)


def scorer(model):
    @pandas_udf("double")
    def score(title: pd.Series) -> pd.Series:
        return pd.Series(model.predict_proba(title)[:, 1])

    return score


@pytest.fixture
def score(scored):
    return scorer(scored)


def test_a_text_models_scores_are_found_again(spark, parquet, score):
    """Three batches of one key set: the first finds no entry, and its repetitions still count as found."""
    keys = np.random.default_rng(1).zipf(1.3, 9000) % 300
    table = parquet({"id": np.arange(9000), "title": np.array(titles(300))[keys]}, row_group_size=3000, dictionary=True)
    check(spark, lambda: table.select("id", score("title").alias("s")), conf=ALWAYS, ulp=4)
    plain, frame = run(spark, lambda: table.select("id", score("title").alias("s")), {MODE: "never"})
    assert counted(frame) == {"cacheRows": 0, "cachedRows": 0}
    cached, frame = run(spark, lambda: table.select("id", score("title").alias("s")), ALWAYS)
    assert cached == plain  # bit for bit: the kernel computed both
    what = counted(frame)
    assert what["cacheRows"] == 9000
    assert what["cachedRows"] >= 9000 - len(set(keys))
    # The same form again: entries of the previous query are found.
    again, frame = run(spark, lambda: table.select("id", score("title").alias("s")), ALWAYS)
    assert again == plain and counted(frame)["cachedRows"] == 9000
    assert "measured: 9,000 rows, 100.0% found in the feature cache" in sparkweld.explain(frame)


def test_a_model_fitted_anew_is_not_answered_by_the_old_one(spark, parquet):
    """Both fits have one program (an intercept would be part of it); the learned values are in constant blocks beside it."""
    table = parquet({"title": np.array(titles(300))})
    for word in ("old", "new"):
        texts = titles(300)
        pipeline = make_pipeline(TfidfVectorizer(), LogisticRegression(fit_intercept=False))
        score = scorer(pipeline.fit(texts, [word in text for text in texts]))
        check(spark, lambda score=score: table.select(score("title").alias("s")), conf=ALWAYS, ulp=4)


def test_rows_that_a_guard_flags_are_not_remembered(spark, parquet):
    """Python lowers capitals beyond ASCII, for each row, however often the row repeats."""

    @pandas_udf("long")
    def length(text: pd.Series) -> pd.Series:
        return text.str.lower().str.len()

    texts = ["ABC", "İstanbul", "x", "", "ÀB"] * 20 + [f"Word {i % 50}" for i in range(1900)]
    table = parquet({"text": texts}, row_group_size=500)
    check(spark, lambda: table.select(length("text")), conf=ALWAYS, deopt=None)
    _, frame = run(spark, lambda: table.select(length("text")), ALWAYS)
    assert counted(frame)["cachedRows"] > 1500


def test_keys_are_compared_bit_by_bit(spark, parquet):
    """-0.0 is not 0.0, NaN equals itself, and NULL equals neither; with several columns all count."""
    random = np.random.default_rng(3)
    numbers = random.choice([0.0, -0.0, 1.5, np.nan, np.inf, -2.0], 4000)
    columns = {
        "x": pa.array(numbers, mask=random.random(4000) < 0.1),
        "y": pa.array(random.integers(0, 3, 4000).astype(np.int16)),
        "b": pa.array(random.random(4000) < 0.5),
    }

    @pandas_udf("double")
    def mixed(x: pd.Series, y: pd.Series, b: pd.Series) -> pd.Series:
        return (1.0 / x) * (y + 1.0) + np.where(b, x, 0.5)

    table = parquet(pa.table(columns), row_group_size=800)
    check(spark, lambda: table.select(mixed("x", "y", "b").alias("m")), conf=ALWAYS)
    _, frame = run(spark, lambda: table.select(mixed("x", "y", "b").alias("m")), ALWAYS)
    assert counted(frame)["cachedRows"] > 3500


def test_results_that_depend_on_the_batch_are_not_cached(spark, parquet):
    """Integers with a NULL in their batch are float64 in pandas: the two dtypes are two forms, each with its own cache."""

    @pandas_udf("string")
    def shown(x: pd.Series) -> pd.Series:
        return x.astype(str)

    @pandas_udf("double")
    def halved(x: pd.Series) -> pd.Series:
        return x // 2 + 0.25

    values = [i % 5 for i in range(3000)]
    table = parquet({"x": pa.array([None if i == 1700 else v for i, v in enumerate(values)], pa.int64())}, row_group_size=1000)
    check(spark, lambda: table.select(halved("x")), conf=ALWAYS)
    # No single row determines whether all integers of a batch are NULL.
    check(spark, lambda: table.where("x is not null").select(shown("x")), conf=ALWAYS)


def test_repeated_strings_hit_the_cache(spark, parquet, scored):
    """Labels, strings that a kernel builds and slices of its input are cached; long ones exceed the entry size."""

    @pandas_udf("label string, upper string, head string")
    def told(title: pd.Series) -> pd.DataFrame:
        label = pd.Series(np.where(scored.predict(title), "old", "other"))
        return pd.DataFrame({"label": label, "upper": title.str.upper(), "head": title.str[:4]})

    random = np.random.default_rng(2)
    keys = np.array([*titles(40), *("x" * n for n in range(0, 400, 10))])
    texts = [None if i % 11 == 0 else key for i, key in enumerate(keys[random.zipf(1.2, 6000) % len(keys)])]
    for table in (parquet({"title": texts}, row_group_size=1500), parquet({"title": [t or "" for t in texts]}, name="full")):
        query = lambda table=table: table.select(told("title").alias("t")).select("t.*")  # noqa: E731
        check(spark, query, conf=ALWAYS, deopt=None)
    assert counted(run(spark, query, ALWAYS)[1])["cachedRows"] > 5000


def test_many_columns_do_without(spark, parquet):
    """A result of 70 numbers is cheaper to compute than to cache."""
    fields = ", ".join(f"c{k} double" for k in range(70))

    @pandas_udf(fields)
    def many(x: pd.Series) -> pd.DataFrame:
        return pd.DataFrame({f"c{k}": x * k for k in range(70)})

    table = parquet({"x": np.arange(1000.0) % 7})
    query = lambda: table.select(many("x").alias("m")).select("m.*")  # noqa: E731
    check(spark, query, conf=ALWAYS)
    assert counted(run(spark, query, ALWAYS)[1]) == {"cacheRows": 0, "cachedRows": 0}


def test_filters_do_without(spark, parquet, score):
    table = parquet({"title": titles(20) * 100})
    query = lambda: table.where(score("title") > 0.5).select("title")  # noqa: E731
    check(spark, query, conf=ALWAYS)
    assert counted(run(spark, query, ALWAYS)[1]) == {"cacheRows": 0, "cachedRows": 0}


def test_a_cheap_kernel_is_left_alone(spark, parquet):
    """The first batches' measurement decides: an addition takes less time than a lookup."""

    @pandas_udf("double")
    def more(x: pd.Series) -> pd.Series:
        return x + 1

    table = parquet({"x": np.zeros(200_000)}, row_group_size=50_000)
    _, frame = run(spark, lambda: table.select(more("x")), {})
    assert counted(frame) == {"cacheRows": 0, "cachedRows": 0}
