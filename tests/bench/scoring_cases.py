"""Tables and fitted models to what the scoring benchmark runs: a pandas UDF that scores each row, as users write it, or a
pipeline of pyspark.ml.

Texts come from real files where $SPARKWELD_SOURCES names a folder with them, each varied by a number, so that nearly all rows
are distinct; else they are drawn from words of a Zipf distribution. Models are fitted on the first rows.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from flights_data import data_folder
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import DoubleType

#: From a DataFrame to the same with its scores.
Scorer = Callable[[DataFrame], DataFrame]

FEATURES = [f"x{i}" for i in range(30)]
TRAINED, FILES, RECIPE = 20_000, 4, 1


@dataclass(frozen=True)
class ScoringCase:
    """`columns` are scored by `model(rows)(frame)`, the frame with a column `score`.

    Plugin on has to be `target` times as fast as off, and take at most `scan` scans.
    """

    name: str
    table: str
    columns: list[str]
    model: Callable[[pd.DataFrame], Scorer]
    target: float = 8.0
    scan: float | None = None


def _numbers(random: np.random.Generator, rows: int) -> dict[str, np.ndarray]:
    return {name: random.normal(size=rows) for name in FEATURES}


def _texts(random: np.random.Generator, rows: int) -> dict[str, np.ndarray]:
    source = Path(os.environ.get("SPARKWELD_SOURCES", ""), "hate_offensive_tweets.parquet")
    if source.is_file():
        known = pq.read_table(source)["text"].to_numpy(zero_copy_only=False)
    else:
        words = random.zipf(1.3, size=(20_000, 12)) % 30_000
        known = np.array([" ".join(f"w{w:x}" for w in line) for line in words], object)
    return {"text": random.choice(known, rows) + np.char.mod(" n%d", random.integers(0, 1000, rows)).astype(object)}


_TABLES = {"numbers": _numbers, "texts": _texts}


def prepare(table: str, rows: int) -> Path:
    """The folder with `rows` rows of a table, made once; its int64 `id` is a unique key."""
    folder = data_folder() / f"scoring-v{RECIPE}" / f"{table}-{rows}"
    folder.mkdir(parents=True, exist_ok=True)
    edges = np.linspace(0, rows, FILES + 1).astype(int)
    for part, (begin, end) in enumerate(zip(edges[:-1], edges[1:], strict=True)):
        target = folder / f"part-{part:05d}.parquet"
        if not target.exists():
            columns = _TABLES[table](np.random.default_rng([rows, part]), int(end - begin))
            made = pa.table({"id": np.arange(begin, end), **columns})
            partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
            pq.write_table(made, partial, use_dictionary=False, row_group_size=int(end - begin))
            os.replace(partial, target)
    return folder


def training_rows(folder: str) -> pd.DataFrame:
    """The first rows of a table."""
    return pq.ParquetFile(Path(folder) / "part-00000.parquet").read().slice(0, TRAINED).to_pandas()


def _linear(rows: pd.DataFrame) -> Callable[..., Column]:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    label = rows.x0 + rows.x1 * rows.x2 > 0.5
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(rows[FEATURES], label)

    @F.pandas_udf(DoubleType())
    def probability(features: pd.DataFrame) -> pd.Series:
        return pd.Series(model.predict_proba(features)[:, 1])

    return lambda: probability(F.struct(*FEATURES))


def _trees(name: str) -> Callable[[pd.DataFrame], Callable[..., Column]]:
    def build(rows: pd.DataFrame) -> Callable[..., Column]:
        from sklearn import ensemble

        options = {"max_iter": 100} if name.startswith("Hist") else {"n_estimators": 100, "max_depth": 10}
        model = getattr(ensemble, name)(random_state=0, **options).fit(rows[FEATURES], rows.x0 + rows.x1 * rows.x2)

        @F.pandas_udf(DoubleType())
        def predicted(features: pd.DataFrame) -> pd.Series:
            return pd.Series(model.predict(features))

        return lambda: predicted(F.struct(*FEATURES))

    return build


def _text(analyzer: str, shortest: int, longest: int) -> Callable[[pd.DataFrame], Callable[..., Column]]:
    def build(rows: pd.DataFrame) -> Callable[..., Column]:
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline

        words = TfidfVectorizer(analyzer=analyzer, ngram_range=(shortest, longest))
        model = make_pipeline(words, LogisticRegression(max_iter=30)).fit(rows.text, rows.text.str.len() > 80)

        @F.pandas_udf(DoubleType())
        def probability(text: pd.Series) -> pd.Series:
            return pd.Series(model.predict_proba(text)[:, 1])

        return lambda: probability("text")

    return build


def _udf(build: Callable[[pd.DataFrame], Callable[..., Column]]) -> Callable[[pd.DataFrame], Scorer]:
    def of(rows: pd.DataFrame) -> Scorer:
        score = build(rows)
        return lambda frame: frame.withColumn("score", score())

    return of


def _spark_pipeline(name: str) -> Callable[[pd.DataFrame], Scorer]:
    """A pipeline of pyspark.ml. It is fitted once and saved: the sums of a fit depend on how its rows were divided."""

    def of(rows: pd.DataFrame) -> Scorer:
        from pyspark.ml import Pipeline, PipelineModel, classification
        from pyspark.ml import feature as features
        from pyspark.ml.functions import vector_to_array

        stages = [features.VectorAssembler(inputCols=FEATURES, outputCol="assembled")]
        if name == "LogisticRegression":
            stages += [features.StandardScaler(inputCol="assembled", outputCol="features", withMean=True)]
            stages += [classification.LogisticRegression(labelCol="label")]
        else:
            stages += [classification.GBTClassifier(featuresCol="assembled", labelCol="label", maxIter=100, maxDepth=5, seed=1)]
        saved = data_folder() / f"scoring-v{RECIPE}" / f"spark-{name}-{len(rows)}"
        if not saved.exists():
            label = (rows.x0 + rows.x1 * rows.x2 > 0.5).astype(float)
            session = SparkSession.active()
            frame = session.createDataFrame(rows[FEATURES].assign(label=label)).coalesce(1).cache()
            partial = saved.with_name(f".{saved.name}.{os.getpid()}.partial")
            Pipeline(stages=stages).fit(frame).write().overwrite().save(str(partial))
            os.replace(partial, saved)
            frame.unpersist()
        model = PipelineModel.load(str(saved))
        return lambda frame: model.transform(frame).withColumn("score", vector_to_array("probability")[1])

    return of


CASES = (
    ScoringCase("LR, 30 columns", "numbers", FEATURES, _udf(_linear), scan=1.3),
    ScoringCase("HistGradientBoosting 100x31", "numbers", FEATURES, _udf(_trees("HistGradientBoostingRegressor")), target=10),
    ScoringCase("RandomForest 100 of depth 10", "numbers", FEATURES, _udf(_trees("RandomForestRegressor")), target=10),
    ScoringCase("TF-IDF words, LR", "texts", ["text"], _udf(_text("word", 1, 1))),
    ScoringCase("TF-IDF char_wb 3-5, LR", "texts", ["text"], _udf(_text("char_wb", 3, 5))),
    ScoringCase("pyspark.ml LR, 30 columns", "numbers", FEATURES, _spark_pipeline("LogisticRegression"), target=5, scan=1.3),
    ScoringCase("pyspark.ml GBT 100 of depth 5", "numbers", FEATURES, _spark_pipeline("GBT"), target=5),
)
