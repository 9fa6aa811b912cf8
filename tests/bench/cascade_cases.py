"""Loads real tables as cascade workloads: rows, labels, and an unfitted full model as a practitioner would train it."""

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
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, SplineTransformer, StandardScaler


@dataclass(frozen=True)
class Workload:
    """A cascade workload.

    `options`: further arguments of `sparkweld.cascade.fit`. `ordered`: rows are in time order, and the last are held out;
    otherwise held-out rows are drawn.
    """

    data: Any
    label: np.ndarray
    model: Any
    options: dict[str, Any] = field(default_factory=dict)
    ordered: bool = False


def texts(column: str = "text", label: str = "label") -> Callable[[pd.DataFrame], Workload]:
    """Returns a loader: TF-IDF of words and of 2- to 6-character n-grams, and a logistic regression, as in Willump's Toxic
    and Product.
    """

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
    """Predicts the price, up to 1,000 dollars a night; the band is twenty dollars."""
    table = table[table["price"].between(10, 1000)].reset_index(drop=True)
    words = ["neighbourhood_group", "neighbourhood", "room_type"]
    numbers = ["latitude", "longitude", "minimum_nights", "number_of_reviews", "reviews_per_month",
               "calculated_host_listings_count", "availability_365"]  # fmt: skip
    rows = _floats(table[words + numbers])
    model = HistGradientBoostingRegressor(max_iter=600, learning_rate=0.05, random_state=0)
    return Workload(rows, table["price"].to_numpy(np.float64), _coded(rows, words, model), {"band": 20.0})


def listings(table: pd.DataFrame) -> Workload:
    """Predicts the logarithm of the price from the title of a flat, its place and numbers; the band is chosen."""
    table = table[table["price"].between(10, 1000)].reset_index(drop=True)
    words = ["neighbourhood_group", "room_type"]
    numbers = ["latitude", "longitude", "minimum_nights", "number_of_reviews", "availability_365"]
    parts = [
        ("words", OneHotEncoder(handle_unknown="ignore"), words), ("numbers", StandardScaler(), numbers),
        ("terms", TfidfVectorizer(), "name"), ("chars", TfidfVectorizer(analyzer="char", ngram_range=(2, 6), min_df=2), "name"),
    ]  # fmt: skip
    model = Pipeline([("parts", ColumnTransformer(parts, sparse_threshold=1.0)), ("model", Ridge(3.0))])
    rows = _floats(table[[*words, *numbers, "name"]]).fillna({"name": ""})
    return Workload(rows, np.log(table["price"].to_numpy(np.float64)), model)


def ratings(ratings: pd.DataFrame, films: pd.DataFrame, ordered: bool = False) -> Workload:
    """Predicts whether a user rates a film 8 of 10 or more, from the film's title and genres and from numbers.

    The numbers are statistics of users and films over half of the ratings: a random half, or the earlier one.
    """
    order = ratings["timestamp"].argsort(kind="stable") if ordered else np.random.default_rng(0).permutation(len(ratings))
    told, rows = ratings.iloc[order[: len(order) // 2]], ratings.iloc[order[len(order) // 2 :]]
    data = pd.DataFrame({"movie_id": rows["movie_id"].to_numpy()})
    for name in ("user", "film"):
        data = data.assign(**_told_of(told, rows, name))
    data["day"] = rows["timestamp"].to_numpy() / 86400.0
    numbers = [name for name in data if name != "movie_id"]
    curves = SplineTransformer(n_knots=8, knots="quantile", extrapolation="constant")
    pieces = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), min_df=2)
    parts = [("numbers", curves, numbers), ("title", pieces, "title"), ("genres", TfidfVectorizer(), "genres")]
    model = LogisticRegression(C=0.3, max_iter=1000, tol=1e-3)
    full = Pipeline([("parts", ColumnTransformer(parts, sparse_threshold=1.0)), ("model", model)])
    data = data.merge(films.fillna("").drop_duplicates("movie_id"), on="movie_id", how="left")[[*numbers, "title", "genres"]]
    return Workload(data, (rows["rating"] >= 8).to_numpy(np.int64), full, ordered=ordered)


def _told_of(told: pd.DataFrame, rows: pd.DataFrame, name: str) -> dict[str, np.ndarray]:
    """Returns mean, spread and number of the ratings of each row's user or film."""
    key, mean = {"user": "user_id", "film": "movie_id"}[name], told["rating"].mean()
    by = told.groupby(key)["rating"]
    own = pd.DataFrame({"mean": (by.sum() + 5 * mean) / (by.size() + 5), "spread": by.std(), "count": np.log1p(by.size())})
    absent = {"mean": mean, "spread": told["rating"].std(), "count": 0.0}
    return {f"{name}_{what}": rows[key].map(own[what]).fillna(value).to_numpy(np.float64) for what, value in absent.items()}


def _coded(rows: pd.DataFrame, words: list[str], model: Any) -> Pipeline:
    coder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    numbers = [name for name in rows.columns if name not in words]
    parts = ColumnTransformer([("words", coder, words), ("numbers", "passthrough", numbers)])
    return Pipeline([("parts", parts), ("model", model)])


def _floats(rows: pd.DataFrame) -> pd.DataFrame:
    """Converts numbers to doubles, which have one form with and without NULLs."""
    return rows.astype({name: np.float64 for name in rows.columns if rows[name].dtype.kind in "iuf"})


#: Name -> (tables, function that converts them to a workload).
WORKLOADS: dict[str, tuple[str, Callable[..., Workload]]] = {
    "tweets": ("hate_offensive_tweets", texts(label="toxic")),
    "headlines": ("clickbait_headlines", texts()),
    "products": ("pricerunner_products", texts(column="title", label="category")),
    "sms": ("sms_spam", texts()),
    "airbnb": ("airbnb_nyc_2019", airbnb),
    "listings": ("airbnb_nyc_2019", listings),
    "credit": ("credit_default", credit),
    "kdd": ("kddcup99_10pct", kdd),
    "ratings": ("movietweetings_100k_ratings movietweetings_100k_movies", ratings),
}


def workload(name: str, folder: Path, **options: Any) -> Workload:
    """Returns the workload of that name over the tables of a folder."""
    tables, make = WORKLOADS[name]
    return make(*(pd.read_parquet(folder / f"{table}.parquet") for table in tables.split()), **options)
