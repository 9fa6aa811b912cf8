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
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import OrdinalEncoder, SplineTransformer, StandardScaler


@dataclass(frozen=True)
class Joined:
    """`rows` joined with `side` by `key`, which feeds the `parts` of the model; `numbers` are columns of the rows."""

    rows: pd.DataFrame
    side: pd.DataFrame
    key: str
    numbers: list[str]
    parts: tuple[str, ...]

    @property
    def columns(self) -> list[str]:
        """Returns the model's input columns."""
        return [*self.numbers, *self.parts]


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
    joined: Joined | None = None


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


def ratings(ratings: pd.DataFrame, films: pd.DataFrame, ordered: bool = False) -> Workload:
    """Predicts whether a user rates a film 8 of 10 or more, with the film's title and genres in a joined table.

    The other features are statistics of users and films over half of the ratings: a random half, or the earlier one.
    """
    told, rows = _halves(ratings, ordered)
    data = pd.DataFrame({"movie_id": rows["movie_id"].to_numpy()})
    for name in ("user", "film"):
        data = data.assign(**_told_of(told, rows, name))
    data["day"] = rows["timestamp"].to_numpy() / 86400.0
    films = films.fillna("").drop_duplicates("movie_id")
    numbers = [name for name in data if name != "movie_id"]
    joined = Joined(data, films, "movie_id", numbers, ("title", "genres"))
    curves = SplineTransformer(n_knots=8, knots="quantile", extrapolation="constant")
    pieces = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), min_df=2)
    parts = [("numbers", curves, numbers), ("title", pieces, "title"), ("genres", TfidfVectorizer(), "genres")]
    model = LogisticRegression(C=0.3, max_iter=1000, tol=1e-3)
    full = Pipeline([("parts", ColumnTransformer(parts, sparse_threshold=1.0)), ("model", model)])
    return _joined(joined, rows, full, ordered)


def films(ratings: pd.DataFrame, films: pd.DataFrame, ordered: bool = False) -> Workload:
    """Predicts the same from numbers: a joined table has a film's rating spread, count, first rating time and year."""
    told, rows = _halves(ratings, ordered)
    side = films.drop_duplicates("movie_id").reset_index(drop=True)
    year = side["title"].str.extract(r"\((\d{4})\)")[0].astype(float)
    first = side["movie_id"].map(told.groupby("movie_id")["timestamp"].min()).fillna(told["timestamp"].max()) / 86400.0
    side = side[["movie_id"]].assign(**_told_of(told, side, "film"), year=year.fillna(year.mean()), first=first)
    film = _told_of(told, rows, "film")["film_mean"]
    data = pd.DataFrame({"movie_id": rows["movie_id"].to_numpy(), **_told_of(told, rows, "user"), "film_mean": film})
    side = side.drop(columns="film_mean")
    numbers, more = ([name for name in table if name != "movie_id"] for table in (data, side))
    curves = SplineTransformer(n_knots=8, knots="quantile", extrapolation="constant")
    parts = [("numbers", curves, numbers), *((name, StandardScaler(), [name]) for name in more)]
    full = Pipeline([("parts", ColumnTransformer(parts)), ("model", LogisticRegression(C=0.3, max_iter=1000, tol=1e-3))])
    return _joined(Joined(data, side, "movie_id", numbers, tuple(more)), rows, full, ordered)


def _halves(ratings: pd.DataFrame, ordered: bool) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Splits the ratings into those for user and film statistics, and those that become rows."""
    order = ratings["timestamp"].argsort(kind="stable") if ordered else np.random.default_rng(0).permutation(len(ratings))
    return ratings.iloc[order[: len(order) // 2]], ratings.iloc[order[len(order) // 2 :]]


def _told_of(told: pd.DataFrame, rows: pd.DataFrame, name: str) -> dict[str, np.ndarray]:
    """Returns mean, spread and number of the ratings of each row's user or film."""
    key, mean = {"user": "user_id", "film": "movie_id"}[name], told["rating"].mean()
    by = told.groupby(key)["rating"]
    own = pd.DataFrame({"mean": (by.sum() + 5 * mean) / (by.size() + 5), "spread": by.std(), "count": np.log1p(by.size())})
    absent = {"mean": mean, "spread": told["rating"].std(), "count": 0.0}
    return {f"{name}_{what}": rows[key].map(own[what]).fillna(value).to_numpy(np.float64) for what, value in absent.items()}


def _joined(joined: Joined, rows: pd.DataFrame, full: Pipeline, ordered: bool) -> Workload:
    data = joined.rows.merge(joined.side, on=joined.key, how="left")[joined.columns]
    return Workload(data, (rows["rating"] >= 8).to_numpy(np.int64), full, ordered=ordered, joined=joined)


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
    "credit": ("credit_default", credit),
    "kdd": ("kddcup99_10pct", kdd),
    "ratings": ("movietweetings_100k_ratings movietweetings_100k_movies", ratings),
    "films": ("movietweetings_100k_ratings movietweetings_100k_movies", films),
}


def workload(name: str, folder: Path, **options: Any) -> Workload:
    """Returns the workload of that name over the tables of a folder."""
    tables, make = WORKLOADS[name]
    return make(*(pd.read_parquet(folder / f"{table}.parquet") for table in tables.split()), **options)
