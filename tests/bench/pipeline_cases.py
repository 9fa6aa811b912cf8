"""Defines cases of fitted scikit-learn pipelines: the kernel of a scoring UDF against the pipeline itself.

The pipeline receives a DataFrame, or the column of strings; the kernel receives the same values as columns, laid out before
timing starts.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
from kernels_of_functions import kernel_of
from model_cases import BATCH, Contest, by_joblib, numbers
from pyspark.sql.types import DoubleType
from sklearn.compose import make_column_transformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler


def source(name: str) -> pd.DataFrame:
    """Returns a table of the folder that SPARKWELD_SOURCES names."""
    return pd.read_parquet(Path(os.environ["SPARKWELD_SOURCES"]) / f"{name}.parquet")


def contest(model: Any, batch: pd.DataFrame | pd.Series, tolerance: float, about: str) -> Contest:
    """Returns a case that computes the last class's probabilities for a batch."""
    frame = batch.to_frame() if isinstance(batch, pd.Series) else batch
    rows = pa.RecordBatch.from_pandas(frame, preserve_index=False)
    ours = kernel_of(lambda x: pd.Series(model.predict_proba(x)[:, -1]), rows, DoubleType(), not isinstance(batch, pd.Series))
    peers = {"scikit-learn": lambda: model.predict_proba(batch)[:, -1]}
    return Contest(len(frame), ours, peers, {"scikit-learn": tolerance}, about)


def _regression() -> LogisticRegression:
    return LogisticRegression(max_iter=500, tol=0.01)


def texts(table: str, column: str, label: Callable[[pd.DataFrame], pd.Series], rows: int, **options: Any) -> Contest:
    data = source(table)
    model = make_pipeline(TfidfVectorizer(**options), _regression()).fit(data[column], label(data))
    batch = data[column].sample(rows, random_state=1, ignore_index=True)
    return contest(model, batch, 1e-12, f"{len(model[0].vocabulary_):,} terms, {batch.str.len().mean():.0f} characters a row")


def thirty_columns() -> Contest:
    x, y, batch = numbers()
    names = [f"x{i}" for i in range(x.shape[1])]
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(pd.DataFrame(x, columns=names), y)
    case = contest(model, pd.DataFrame(batch, columns=names), 1e-12, "scaled, 30 columns")
    return replace(case, save=partial(by_joblib, model), probability=lambda p: p)


def mixed(table: str, words: list[str], label: str, left_out: list[str]) -> Contest:
    """Returns a case of imputed and scaled numbers and one-hot words."""
    data = source(table).drop(columns=left_out)
    train, batch = data.sample(30_000, random_state=0), data.drop(columns=label).sample(BATCH, random_state=1, ignore_index=True)
    columns = [c for c in batch if c not in words]
    parts = make_column_transformer(
        (make_pipeline(SimpleImputer(), StandardScaler()), columns), (OneHotEncoder(handle_unknown="ignore"), words)
    )
    model = make_pipeline(parts, _regression()).fit(train.drop(columns=label), train[label])
    return contest(model, batch, 1e-10, f"{len(columns)} numbers, {len(words)} categories")


def _toxic(data: pd.DataFrame) -> pd.Series:
    return data["toxic"]


def _first_category(data: pd.DataFrame) -> pd.Series:
    return (data["category"] == data["category"][0]).astype(int)


CHARS = {"analyzer": "char_wb", "ngram_range": (3, 5)}
PAYMENTS = ["sex", "education", "marriage", "pay_1", "pay_2", "pay_3", "pay_4", "pay_5", "pay_6"]
WORDS = ["protocol_type", "service", "flag"]

#: Name -> its constructor; all except the first require tables in the folder $SPARKWELD_SOURCES.
PIPELINES: dict[str, Callable[[], Contest]] = {"LR, 30 columns": thirty_columns}
_OF_TABLES: dict[str, Callable[[], Contest]] = {
    "impute, scale, one-hot, LR (credit)": lambda: mixed("credit_default", PAYMENTS, "label", ["id"]),
    "impute, scale, one-hot, LR (KDD)": lambda: mixed("kddcup99_10pct", WORDS, "label", ["attack"]),
    "TF-IDF words, LR (tweets)": lambda: texts("hate_offensive_tweets", "text", _toxic, BATCH),
    "TF-IDF char_wb 3-5, LR (tweets)": lambda: texts("hate_offensive_tweets", "text", _toxic, 2_000, **CHARS),
    "TF-IDF words, LR (titles)": lambda: texts("pricerunner_products", "title", _first_category, BATCH),
    "TF-IDF char_wb 3-5, LR (titles)": lambda: texts("pricerunner_products", "title", _first_category, 2_000, **CHARS),
}
if os.environ.get("SPARKWELD_SOURCES"):
    PIPELINES |= _OF_TABLES
