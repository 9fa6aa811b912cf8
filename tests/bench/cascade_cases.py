"""Real tables to the cascades' workloads: the rows, their labels, and an unfitted full model as a practitioner would train it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor, RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import OrdinalEncoder


@dataclass(frozen=True)
class Workload:
    """`options`: what `sparkweld.cascade.fit` gets besides. `unit`: what a loss is counted in."""

    data: Any
    label: np.ndarray
    model: Any
    options: dict[str, Any] = field(default_factory=dict)


def texts(column: str = "text", label: str = "label") -> Callable[[pd.DataFrame], Workload]:
    """Words, and pieces of two to six characters, by TF-IDF before a logistic regression, as in Willump's Toxic and Product."""

    def make(table: pd.DataFrame) -> Workload:
        words, chars = TfidfVectorizer(), TfidfVectorizer(analyzer="char", ngram_range=(2, 6), min_df=2)
        regression = LogisticRegression(C=20, max_iter=1000, tol=1e-3)
        full = Pipeline([("terms", FeatureUnion([("words", words), ("chars", chars)])), ("model", regression)])
        return Workload(table[column], table[label].to_numpy(), full)

    return make


def credit(table: pd.DataFrame) -> Workload:
    model = HistGradientBoostingClassifier(max_iter=400, learning_rate=0.03, random_state=0)
    return Workload(_floats(table.drop(columns=["id", "label"])), table["label"].to_numpy(), Pipeline([("model", model)]))


def kdd(table: pd.DataFrame) -> Workload:
    words = ["protocol_type", "service", "flag"]
    rows = _floats(table.drop(columns=["attack", "label"]))
    rows = rows.drop_duplicates(ignore_index=False)
    model = RandomForestClassifier(n_estimators=200, min_samples_leaf=2, random_state=0)
    return Workload(rows.reset_index(drop=True), table["label"].to_numpy()[rows.index], _coded(rows, words, model))


def airbnb(table: pd.DataFrame) -> Workload:
    """The price, up to 1,000 dollars a night; the band is twenty dollars."""
    table = table[table["price"].between(10, 1000)].reset_index(drop=True)
    words = ["neighbourhood_group", "neighbourhood", "room_type"]
    numbers = ["latitude", "longitude", "minimum_nights", "number_of_reviews", "reviews_per_month",
               "calculated_host_listings_count", "availability_365"]  # fmt: skip
    rows = _floats(table[words + numbers])
    model = HistGradientBoostingRegressor(max_iter=600, learning_rate=0.05, random_state=0)
    return Workload(rows, table["price"].to_numpy(np.float64), _coded(rows, words, model), {"band": 20.0})


def _coded(rows: pd.DataFrame, words: list[str], model: Any) -> Pipeline:
    coder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    numbers = [name for name in rows.columns if name not in words]
    parts = ColumnTransformer([("words", coder, words), ("numbers", "passthrough", numbers)])
    return Pipeline([("parts", parts), ("model", model)])


def _floats(rows: pd.DataFrame) -> pd.DataFrame:
    """Numbers as doubles, which have one form with and without NULLs."""
    return rows.astype({name: np.float64 for name in rows.columns if rows[name].dtype.kind in "iuf"})


#: Name -> (table, how it becomes a workload).
WORKLOADS: dict[str, tuple[str, Callable[[pd.DataFrame], Workload]]] = {
    "tweets": ("hate_offensive_tweets", texts(label="toxic")),
    "headlines": ("clickbait_headlines", texts()),
    "products": ("pricerunner_products", texts(column="title", label="category")),
    "sms": ("sms_spam", texts()),
    "airbnb": ("airbnb_nyc_2019", airbnb),
    "credit": ("credit_default", credit),
    "kdd": ("kddcup99_10pct", kdd),
}


def workload(name: str, folder: Path) -> Workload:
    """The workload of that name over the tables of a folder."""
    table, make = WORKLOADS[name]
    return make(pd.read_parquet(folder / f"{table}.parquet"))
