"""Checks that strings of a side table joined to many rows are vectorised once per task, with PySpark's scores bit for bit."""

from __future__ import annotations

import json

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

ROWS, FILMS = 12_000, 300
NATIVE = {BACKEND: "native", ENABLED: "true", "spark.sparkweld.compile.timeout": "60s"}
NEVER = {**NATIVE, "spark.sparkweld.featureCache.mode": "never"}
WORDS = np.array("red green blué fast 日本 slow old new the of night day".split())


@pytest.fixture(scope="module")
def tables(spark, tmp_path_factory):
    """Writes ratings with an `x` of all magnitudes, some without a film; and films, one of them unrated without a title."""
    random = np.random.default_rng(4)
    films = pd.DataFrame({
        "film": np.arange(FILMS + 1),
        "title": [" ".join(random.choice(WORDS, random.integers(0, 7))) for _ in range(FILMS)] + [None],
        "genres": [" ".join(random.choice(WORDS[:5], 2)) for _ in range(FILMS)] + [None],
    })  # fmt: skip
    ratings = pd.DataFrame({
        "id": np.arange(ROWS), "film": np.where(random.random(ROWS) < 0.05, FILMS + 5, random.integers(0, FILMS, ROWS)),
        "x": random.normal(size=ROWS) * 10.0 ** random.integers(-5, 6, ROWS),
    })  # fmt: skip
    folder = tmp_path_factory.mktemp("joined")
    films.to_parquet(folder / "films.parquet")
    pd.concat([films, films[::3]]).to_parquet(folder / "doubled.parquet")
    ratings.to_parquet(folder / "ratings.parquet")
    known = ratings.merge(films, on="film")
    parts = [("n", "passthrough", ["x"]), ("title", TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 3)), "title"),
             ("genres", TfidfVectorizer(), "genres")]  # fmt: skip
    model = Pipeline([("parts", ColumnTransformer(parts, sparse_threshold=1.0)), ("model", Ridge())])
    model.fit(known, known.title.str.contains("red") + known.x * 1e-3)
    score = pandas_udf(lambda d: pd.Series(model.predict(d)), DoubleType())

    def scored(side="films", how="inner", hint="broadcast", partitions=None, shift=0.0):
        rows, side_rows = (spark.read.parquet(str(folder / f"{name}.parquet")) for name in ("ratings", side))
        joined = rows.join(side_rows.hint(hint), "film", how)
        if how == "left":
            joined = joined.fillna({"title": "", "genres": ""})
        joined = joined if partitions is None else joined.repartition(partitions, "id")
        return joined.select("id", score(F.struct((F.col("x") + shift).alias("x"), "title", "genres")).alias("s"))

    return scored


def kept(frame) -> tuple[int, int]:
    """Returns the string-cache lookups and hits."""
    report = json.loads(frame.sparkSession._jvm.io.sparkweld.ui.WeldReport.report(frame._jdf.queryExecution()))
    return tuple(sum(o[name] for o in report["operators"]) for name in ("textRows", "keptTexts"))


@pytest.mark.gate_cases("shuffle_hash-3.0")
@pytest.mark.parametrize("hint, shift", [("broadcast", 1.0), ("merge", 2.0), ("shuffle_hash", 3.0)])
def test_scores_of_joined_strings(spark, tables, hint, shift):
    """Rows are new in each case: none is in the feature cache, which would bypass the kernel."""
    query = lambda: tables(hint=hint, shift=shift).orderBy("id")  # noqa: E731
    found, frame = run(spark, query, NATIVE)
    plain = run(spark, query, NEVER)
    check(spark, query, conf=NATIVE)
    assert found.rows == plain[0].rows and kept(plain[1]) == (0, 0)
    looked, known = kept(frame)
    assert looked > ROWS and looked / 2 < known < looked
    assert "found in the string cache" in sparkweld.explain(frame)


@pytest.mark.gate_cases("left-doubled")
@pytest.mark.parametrize("how, side", [("left", "films"), ("inner", "doubled"), ("left", "doubled")])
def test_joins_that_find_none_or_several(spark, tables, how, side):
    check(spark, lambda: tables(side, how).orderBy("id", "s"), conf=NATIVE)


@pytest.mark.gate_cases("24000-1")
@pytest.mark.parametrize("partitions", [1, 40])
@pytest.mark.parametrize("limit", [0, 10, 2 * ROWS])
def test_the_first_of_them(spark, tables, partitions, limit):
    query = lambda: tables(partitions=partitions).orderBy(F.desc("s"), "id").limit(limit)  # noqa: E731
    assert run(spark, query, NATIVE)[0].rows == run(spark, query, NEVER)[0].rows
