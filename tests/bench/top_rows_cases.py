"""Loads real tables as workloads of top-K queries and score filters: millions of rows in Parquet, and a fitted model.

Rows are copies of the real ones. In each copy a seeded generator perturbs the numbers. A string gets the end of another one
and the copy's number as extra words. So no two rows have equal model inputs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

#: Rows of a file of the table.
PART = 500_000


@dataclass(frozen=True)
class Workload:
    """A workload. `rows`: those of the real table; `moved`: their perturbed numbers; `text`: the column that distinguishes
    copies.

    `side`: a table to join by `key`. `ranked`: whether the model is expensive enough for a candidate search. `expensive`: the
    part that takes several times as long as reading the rows, and so offers a gain. It is the "features" with the joins that
    supply them, the "model", or nothing.
    """

    rows: pd.DataFrame
    model: Any
    proba: bool
    moved: tuple[str, ...]
    text: str | None = None
    side: pd.DataFrame | None = None
    key: str | None = None
    ranked: bool = False
    expensive: str = ""


def listings(folder: Path) -> Workload:
    """Predicts the price of flats from numbers, categories and the words of the title, which are the expensive part."""
    table = pd.read_parquet(folder / "airbnb_nyc_2019.parquet")
    table = table[table["price"].between(10, 1000)].fillna({"name": "", "reviews_per_month": 0.0})
    words = ["neighbourhood_group", "room_type"]
    numbers = ["latitude", "longitude", "minimum_nights", "number_of_reviews", "reviews_per_month",
               "calculated_host_listings_count", "availability_365"]  # fmt: skip
    rows = table[[*words, *numbers, "name"]].astype(dict.fromkeys(numbers, np.float64)).reset_index(drop=True)
    parts = [("numbers", StandardScaler(), numbers), ("words", OneHotEncoder(handle_unknown="ignore"), words),
             ("terms", TfidfVectorizer(ngram_range=(1, 2), min_df=2), "name")]  # fmt: skip
    model = Pipeline([("parts", ColumnTransformer(parts, sparse_threshold=1.0)), ("model", Ridge(alpha=5))])
    return Workload(rows, model.fit(rows, np.log(table["price"])), False, tuple(numbers), "name")


def ratings(folder: Path, **options: Any) -> Workload:
    """Predicts how users rate films, from statistics of the user and from the title and genres in another table.

    `options`: those of the vectoriser of titles.
    """
    table, films = (pd.read_parquet(folder / f"movietweetings_100k_{name}.parquet") for name in ("ratings", "movies"))
    films = films.fillna("").drop_duplicates("movie_id")
    table = table.merge(films[["movie_id"]])
    by_user = table.groupby("user_id")["rating"]
    rows = pd.DataFrame({
        "movie_id": table["movie_id"], "mean": by_user.transform("mean"), "spread": by_user.transform("std").fillna(0.0),
        "count": np.log(by_user.transform("size").astype(float)), "day": table["timestamp"] / 86400.0,
    })  # fmt: skip
    parts = [("numbers", StandardScaler(), ["mean", "spread", "count", "day"]),
             ("title", TfidfVectorizer(min_df=2, **options), "title"), ("genres", TfidfVectorizer(), "genres")]  # fmt: skip
    model = Pipeline([("parts", ColumnTransformer(parts, sparse_threshold=1.0)), ("model", Ridge(alpha=5))])
    model.fit(rows.merge(films, on="movie_id", how="left"), table["rating"])
    return Workload(rows, model, False, ("mean", "spread", "count", "day"), side=films, key="movie_id")


def pieces(folder: Path) -> Workload:
    """Predicts the same from character n-grams of the title, which match through endings and misspellings, and are many."""
    return replace(ratings(folder, analyzer="char_wb", ngram_range=(2, 4)), expensive="features")


def credit(folder: Path) -> Workload:
    """Predicts the probability that a client does not pay, by a forest of 200 deep trees: the model is the expensive part."""
    table = pd.read_parquet(folder / "credit_default.parquet")
    rows = table.drop(columns=["id", "label"]).astype(np.float64)
    model = RandomForestClassifier(n_estimators=200, max_depth=9, random_state=0)
    model = Pipeline([("model", model)]).fit(rows, table["label"])
    return Workload(rows, model, True, tuple(name for name in rows if rows[name].nunique() > 100), ranked=True)


def tweets(folder: Path) -> Workload:
    """Predicts the probability that a tweet is offensive, from words and character n-grams of length three to five."""
    table = pd.read_parquet(folder / "hate_offensive_tweets.parquet")
    rows = table[["text"]].reset_index(drop=True)
    terms = [("words", TfidfVectorizer(min_df=2)), ("parts", TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), min_df=3))]
    model = Pipeline([("terms", FeatureUnion(terms)), ("model", LogisticRegression(C=4, max_iter=1000, tol=1e-3))])
    return Workload(rows, model.fit(rows["text"], table["toxic"]), True, (), "text", ranked=True, expensive="features")


def flats(folder: Path) -> Workload:
    """Predicts the price of flats by a forest of 500 trees over numbers and categories."""
    table = pd.read_parquet(folder / "airbnb_nyc_2019.parquet")
    table = table[table["price"].between(10, 1000)].fillna({"reviews_per_month": 0.0})
    words = ["neighbourhood_group", "room_type"]
    numbers = ["latitude", "longitude", "minimum_nights", "number_of_reviews", "reviews_per_month",
               "calculated_host_listings_count", "availability_365"]  # fmt: skip
    rows = table[[*words, *numbers]].astype(dict.fromkeys(numbers, np.float64)).reset_index(drop=True)
    coder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    parts = ColumnTransformer([("words", coder, words), ("numbers", "passthrough", numbers)])
    forest = RandomForestRegressor(500, min_samples_leaf=5, random_state=0, n_jobs=2)
    model = Pipeline([("parts", parts), ("model", forest)]).fit(rows, np.log(table["price"]))
    return Workload(rows, model, False, tuple(numbers), ranked=True, expensive="model")


WORKLOADS: dict[str, Callable[[Path], Workload]] = {
    "listings": listings, "ratings": ratings, "pieces": pieces, "credit": credit, "tweets": tweets, "flats": flats,
}  # fmt: skip


def parts_of(case: Workload, rows: int) -> Iterator[pd.DataFrame]:
    """Yields the table's rows, a file at a time, with their number as `id`."""
    random = np.random.default_rng(0)
    spread = {name: 0.02 * float(case.rows[name].std()) for name in case.moved}
    for start in range(0, rows, PART):
        number = np.arange(start, min(rows, start + PART))
        made = case.rows.iloc[random.permutation(len(case.rows))[number % len(case.rows)]].reset_index(drop=True)
        for name, by in spread.items():
            made[name] += random.normal(scale=by, size=len(made))
        if case.text is not None:
            ends = case.rows[case.text].iloc[random.integers(0, len(case.rows), len(made))].str.rsplit(n=2).str[1:].str.join(" ")
            made[case.text] += " " + ends.reset_index(drop=True) + " " + pd.Series((number // len(case.rows)).astype(str))
        yield made.assign(id=number)
