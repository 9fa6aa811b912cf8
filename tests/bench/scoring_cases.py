"""Defines the scoring benchmark's cases: a pandas UDF that scores each row, `predict_batch_udf`, or a pyspark.ml pipeline.

Models are fitted on the first rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import scoring_pipelines as spark_ml
from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql.types import DoubleType
from scoring_pipelines import Scorer
from scoring_tables import CREDIT_NUMBERS, CREDIT_WORDS, FEATURES, KDD_NUMBERS, KDD_WORDS, has_sources

Model = Callable[[pd.DataFrame], Callable[..., Column]]


@dataclass(frozen=True)
class ScoringCase:
    """A case: `model(rows)(frame)` adds a column `score` computed from `columns`.

    Plugin on must be `target` times as fast as off, and take at most `scan` times the scan. `slow`: the number of rows for
    plugin off.
    """

    name: str
    table: str
    columns: list[str]
    model: Callable[[pd.DataFrame], Scorer]
    target: float = 8.0
    scan: float | None = None
    slow: int | None = None


def _label(rows: pd.DataFrame) -> pd.Series:
    return rows.x0 + rows.x1 * rows.x2


def _linear() -> Any:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression())


def _linear_udf(rows: pd.DataFrame) -> Callable[..., Column]:
    model = _linear().fit(rows[FEATURES], _label(rows) > 0.5)

    @F.pandas_udf(DoubleType())
    def probability(features: pd.DataFrame) -> pd.Series:
        return pd.Series(model.predict_proba(features)[:, 1])

    return lambda: probability(F.struct(*FEATURES))


def _linear_batches(rows: pd.DataFrame) -> Callable[..., Column]:
    from pyspark.ml.functions import predict_batch_udf

    model = _linear().fit(rows[FEATURES].to_numpy(), _label(rows) > 0.5)

    def make() -> Callable[[np.ndarray], np.ndarray]:
        return lambda features: model.predict_proba(features)[:, 1]

    probability = predict_batch_udf(make, return_type=DoubleType(), batch_size=10_000)
    return lambda: probability(F.struct(*FEATURES))


def _scikit_learn(name: str) -> Callable[[], Any]:
    def build() -> Any:
        from sklearn import ensemble

        options = {"max_iter": 100} if name.startswith("Hist") else {"n_estimators": 100, "max_depth": 10}
        return getattr(ensemble, name)(random_state=0, **options)

    return build


def _lightgbm(trees: int) -> Callable[[], Any]:
    def build() -> Any:
        from lightgbm import LGBMRegressor

        return LGBMRegressor(n_estimators=trees, num_leaves=31, n_jobs=1, verbose=-1)

    return build


def _xgboost() -> Any:
    from xgboost import XGBRegressor

    return XGBRegressor(n_estimators=100, max_depth=6, n_jobs=1)


def _trees_udf(build: Callable[[], Any]) -> Model:
    def of(rows: pd.DataFrame) -> Callable[..., Column]:
        model = build().fit(rows[FEATURES], _label(rows))

        @F.pandas_udf(DoubleType())
        def predicted(features: pd.DataFrame) -> pd.Series:
            return pd.Series(model.predict(features))

        return lambda: predicted(F.struct(*FEATURES))

    return of


def _trees_batches(build: Callable[[], Any]) -> Model:
    def of(rows: pd.DataFrame) -> Callable[..., Column]:
        from pyspark.ml.functions import predict_batch_udf

        model = build().fit(rows[FEATURES].to_numpy(), _label(rows))

        def make() -> Callable[[np.ndarray], np.ndarray]:
            return lambda features: model.predict(features)

        predicted = predict_batch_udf(make, return_type=DoubleType(), batch_size=10_000)
        return lambda: predicted(F.struct(*FEATURES))

    return of


def _text(analyzer: str, shortest: int, longest: int) -> Model:
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


def _mixed(numbers: list[str], words: list[str]) -> Model:
    def build(rows: pd.DataFrame) -> Callable[..., Column]:
        from sklearn.compose import make_column_transformer
        from sklearn.impute import SimpleImputer
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import OneHotEncoder, StandardScaler

        scaled, encoded = make_pipeline(SimpleImputer(), StandardScaler()), OneHotEncoder(handle_unknown="ignore")
        parts = make_column_transformer((scaled, numbers), (encoded, words))
        model = make_pipeline(parts, LogisticRegression(max_iter=500, tol=0.01)).fit(rows[numbers + words], rows.label)

        @F.pandas_udf(DoubleType())
        def probability(features: pd.DataFrame) -> pd.Series:
            return pd.Series(model.predict_proba(features)[:, 1])

        return lambda: probability(F.struct(*numbers, *words))

    return build


def _udf(build: Model) -> Callable[[pd.DataFrame], Scorer]:
    def of(rows: pd.DataFrame) -> Scorer:
        score = build(rows)
        return lambda frame: frame.withColumn("score", score())

    return of


def _trees(
    name: str, build: Callable[[], Any], make: Callable[[Callable[[], Any]], Model] = _trees_udf, slow: int | None = None
) -> ScoringCase:
    return ScoringCase(name, "numbers", FEATURES, _udf(make(build)), target=10, slow=slow)


def _texts(name: str, table: str, *options: Any) -> ScoringCase:
    return ScoringCase(name, table, ["text"], _udf(_text(*options)), slow=_SLOW if options[0] == "char_wb" else None)


#: Rows for which plugin off takes some seconds where its model is slow.
_SLOW = 200_000


_MIXED = {"credit": (CREDIT_NUMBERS, CREDIT_WORDS), "KDD": (KDD_NUMBERS, KDD_WORDS)}
CASES = [
    ScoringCase("LR, 30 columns", "numbers", FEATURES, _udf(_linear_udf), scan=1.3),
    ScoringCase("LR, 30 columns, predict_batch_udf", "numbers", FEATURES, _udf(_linear_batches), scan=1.3),
    _trees("HistGradientBoosting 100x31", _scikit_learn("HistGradientBoostingRegressor")),
    _trees("RandomForest 100 of depth 10", _scikit_learn("RandomForestRegressor")),
    _trees("LightGBM 100x31", _lightgbm(100)),
    _trees("LightGBM 100x31, predict_batch_udf", _lightgbm(100), _trees_batches),
    _trees("LightGBM 1,000x31", _lightgbm(1000), slow=_SLOW),
    _trees("XGBoost 100 of depth 6", _xgboost),
    _texts("TF-IDF words, LR (tweets)", "tweets", "word", 1, 1),
    _texts("TF-IDF char_wb 3-5, LR (tweets)", "tweets", "char_wb", 3, 5),
    _texts("TF-IDF words, LR (titles)", "titles", "word", 1, 1),
    _texts("TF-IDF char_wb 3-5, LR (titles)", "titles", "char_wb", 3, 5),
    ScoringCase("pyspark.ml LR, 30 columns", "numbers", FEATURES, spark_ml.plain("LogisticRegression"), target=5, scan=1.3),
    ScoringCase("pyspark.ml LR, stored sparse vectors (tweets)", "counted tweets", ["features"], spark_ml.counted, target=5),
    ScoringCase("pyspark.ml GBT 100 of depth 5", "numbers", FEATURES, spark_ml.plain("GBT"), target=5),
]
if has_sources():
    for _name, (_numbers, _words) in _MIXED.items():
        _columns, _table = [*_numbers, *_words], _name.lower()
        CASES += [
            ScoringCase(f"impute, scale, one-hot, LR ({_name})", _table, _columns, _udf(_mixed(_numbers, _words)), scan=1.3),
            ScoringCase(
                f"pyspark.ml index, impute, scale, one-hot, LR ({_name})", _table, _columns,
                spark_ml.mixed("LogisticRegression", _table, _numbers, _words), target=5, scan=1.3,
            ),
            ScoringCase(
                f"pyspark.ml index, impute, one-hot, GBT ({_name})", _table, _columns,
                spark_ml.mixed("GBT", _table, _numbers, _words), target=5,
            ),
        ]  # fmt: skip
