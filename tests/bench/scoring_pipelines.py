"""Builds pipelines of pyspark.ml for the scoring benchmark.

Each is fitted once and saved, because the sums of a fit depend on how its rows were partitioned.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pandas as pd
from pyspark.sql import DataFrame, SparkSession
from scoring_tables import FEATURES, scoring_folder

#: Function from a DataFrame to the same with its scores.
Scorer = Callable[[DataFrame], DataFrame]


def _classifier(name: str, features: str) -> Any:
    from pyspark.ml import classification

    if name == "LogisticRegression":
        return classification.LogisticRegression(featuresCol=features, labelCol="label")
    return classification.GBTClassifier(featuresCol=features, labelCol="label", maxIter=100, maxDepth=5, seed=1)


def _scorer(name: str, rows: pd.DataFrame, stages: list[Any]) -> Scorer:
    """Returns a scorer with the saved pipeline of these stages, which is first fitted on `rows` when missing."""
    from pyspark.ml import Pipeline, PipelineModel
    from pyspark.ml.functions import vector_to_array

    saved = scoring_folder() / f"spark-{name}-{len(rows)}"
    if not saved.exists():
        frame = SparkSession.active().createDataFrame(rows).coalesce(1).cache()
        partial = saved.with_name(f".{saved.name}.{os.getpid()}.partial")
        Pipeline(stages=stages).fit(frame).write().overwrite().save(str(partial))
        os.replace(partial, saved)
        frame.unpersist()
    model = PipelineModel.load(str(saved))
    return lambda frame: model.transform(frame).withColumn("score", vector_to_array("probability")[1])


def plain(name: str) -> Callable[[pd.DataFrame], Scorer]:
    """Returns a pipeline of assembled numeric columns (scaled for a linear model)."""

    def of(rows: pd.DataFrame) -> Scorer:
        from pyspark.ml.feature import StandardScaler, VectorAssembler

        stages: list[Any] = [VectorAssembler(inputCols=FEATURES, outputCol="assembled")]
        if name == "LogisticRegression":
            stages.append(StandardScaler(inputCol="assembled", outputCol="features", withMean=True))
        label = (rows.x0 + rows.x1 * rows.x2 > 0.5).astype(float)
        return _scorer(name, rows[FEATURES].assign(label=label), [*stages, _classifier(name, stages[-1].getOutputCol())])

    return of


def counted(rows: pd.DataFrame) -> Scorer:
    """Returns a logistic regression of stored sparse vectors."""
    from pyspark.ml.classification import LogisticRegression
    from pyspark.ml.linalg import Vectors

    features = [Vectors.sparse(row["size"], row["indices"], row["values"]) for row in rows.features]
    label = [float(vector.values.sum() > 14) for vector in features]
    known = pd.DataFrame({"features": features, "label": label})
    return _scorer("counted", known, [LogisticRegression(labelCol="label", maxIter=20)])


def mixed(name: str, table: str, numbers: list[str], words: list[str]) -> Callable[[pd.DataFrame], Scorer]:
    """Returns a pipeline of imputed numbers (scaled for a linear model) and indexed, one-hot words."""

    def of(rows: pd.DataFrame) -> Scorer:
        from pyspark.ml import feature

        indexed, encoded = [f"{word}_index" for word in words], [f"{word}_one_hot" for word in words]
        filled = [f"{number}_filled" for number in numbers]
        stages: list[Any] = [
            feature.StringIndexer(inputCols=words, outputCols=indexed, handleInvalid="keep"),
            feature.OneHotEncoder(inputCols=indexed, outputCols=encoded),
            feature.Imputer(inputCols=numbers, outputCols=filled),
            feature.VectorAssembler(inputCols=[*filled, *encoded], outputCol="assembled"),
        ]
        if name == "LogisticRegression":
            stages.append(feature.StandardScaler(inputCol="assembled", outputCol="features"))
        return _scorer(f"{table}-{name}", rows.drop(columns="id"), [*stages, _classifier(name, stages[-1].getOutputCol())])

    return of
