"""Compares lists of a column's values with PySpark's worker: ``tolist``, ``list``, loops over them, and models that read them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql.types import ArrayType, DoubleType, LongType, StringType, StructField, StructType
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeClassifier

from sparkweld.contract.constants import MAP_PANDAS, SCALAR_PANDAS
from tests.helpers.compiled import compare_with_worker

DOCUMENTS = ["warm bread", "cold soup", "bread and soup", "nothing warm"] * 5
TOPICS = ["good", "bad", "good", "bad"] * 5
BY_TEXT = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(DOCUMENTS, TOPICS)
X = np.random.default_rng(2).normal(size=(60, 2))
LINE = LinearRegression().fit(X, X[:, 0])
LINE.coef_, LINE.intercept_ = np.array([3.0, -1.0]), 0.5  # sums that are exact in any order
CLASSES = DecisionTreeClassifier(max_depth=3).fit(X, (X[:, 0] > X[:, 1] / 3).astype(int))

BATCHES = [
    pa.record_batch({
        "a": pa.array([1.5, 2.0, -3.0, 0.25]), "b": pa.array([4, -3, 2, 100], pa.int32()),
        "s": pa.array(["warm soup", "", "bread", "é"]), "n": pa.array([1, None, 3, 4], pa.int64()),
    }),
    pa.record_batch({
        "a": pa.array([None, 8.0]), "b": pa.array([1, 2], pa.int32()), "s": pa.array([None, "cold bread"]),
        "n": pa.array([5, 6], pa.int64()),
    }),
]  # fmt: skip


def lists_of_numbers(a, b, s, n):
    return pd.Series(a.tolist()) + pd.Series(list(b), index=a.index) + pd.Series(np.array(b.to_list()) * 2)


def loops_over_lists(a, b, s, n):
    return pd.Series([x * y + 1 for x, y in zip(a.tolist(), list(b), strict=True)])


def loops_over_arrays(a, b, s, n):
    return pd.Series([float(x) if y > 1 else -x for x, y in zip(a.values, b.to_numpy(), strict=False)])


def listed_maps(a, b, s, n):
    return pd.Series(list(map(lambda x, y: x / 2 + y, a, b.tolist())))


def lengths_of_strings(a, b, s, n):
    return pd.Series([len(x) if x else -1 for x in s.values]) + pd.Series([0 if x is None else len(x) for x in s.tolist()])


def counts_rows(a, b, s, n):
    return a if len(a.tolist()) == 0 or len(list(s)) < 1 else a * 2


def numbers_with_nulls(a, b, s, n):
    return pd.Series(n.tolist())


def widest_class(a, b, s, n):
    return pd.Series([max(p) - p[0] for p in CLASSES.predict_proba(np.column_stack([a.fillna(0), b]))])


def listed_predictions(a, b, s, n):
    frame = pd.DataFrame({"p": LINE.predict(np.column_stack([a.fillna(0), b])).tolist(), "q": list(b.values)})
    return frame["p"] * frame["q"]


def rows_as_lists(a, b, s, n):
    return pd.Series(LINE.predict([[x, float(y)] for x, y in zip(a.fillna(0), b, strict=True)]).tolist())


@pytest.mark.parametrize(
    "function",
    [lists_of_numbers, loops_over_lists, loops_over_arrays, listed_maps, lengths_of_strings, counts_rows, numbers_with_nulls,
     widest_class, listed_predictions, rows_as_lists],
)  # fmt: skip
def test_lists_of_numbers(function):
    compared = compare_with_worker(function, BATCHES, DoubleType(), SCALAR_PANDAS, kernel=True)
    assert compared.decided == len(BATCHES), compared


def by_list(a, b, s, n):
    return pd.Series(BY_TEXT.predict(s.fillna("").tolist()))


def by_listed_strings(a, b, s, n):
    return pd.Series(list(BY_TEXT.predict(list(s.fillna("")))), index=s.index)


def by_clean_strings(a, b, s, n):
    return pd.Series(BY_TEXT.predict([str(x).lower() for x in s]).tolist())


def by_array(a, b, s, n):
    return pd.Series(BY_TEXT.predict(s.fillna("x").values))


def listed_choice(a, b, s, n):
    return pd.Series(np.where(b > 1, "x", "y").tolist()).str.upper() + pd.Series(list(s.fillna("")))


@pytest.mark.parametrize("function", [by_list, by_listed_strings, by_clean_strings, by_array, listed_choice])
def test_lists_of_strings(function):
    compared = compare_with_worker(function, BATCHES, StringType(), SCALAR_PANDAS, kernel=True)
    assert compared.decided == len(BATCHES), compared


@pytest.mark.parametrize(
    "rows",
    [
        lambda a, b, s, n: pd.Series(np.column_stack([a.fillna(0), b]).tolist()),
        lambda a, b, s, n: pd.Series(list(np.column_stack([a.fillna(0), b]))),
    ],
)
def test_the_rows_of_a_matrix_are_arrays(rows):
    compared = compare_with_worker(rows, BATCHES, ArrayType(DoubleType()), SCALAR_PANDAS, kernel=True)
    assert compared.decided == len(BATCHES), compared


def test_arrays_in_a_list_are_the_rows_of_a_matrix():
    batch = pa.record_batch({"v": pa.array([[1.0, 2.0], [0.5, -4.0], [3.0, 0.25]], pa.list_(pa.float64()))})
    scored = lambda v: pd.Series(CLASSES.predict_proba(v.to_list())[:, 1])  # noqa: E731
    for function in (lambda v: pd.Series(LINE.predict(v.tolist())), scored):
        compared = compare_with_worker(function, [batch], DoubleType(), SCALAR_PANDAS, kernel=True)
        assert not compared.refused and compared.decided == 1, compared


def test_new_columns_of_frames_of_batches():
    def scores(frames):
        for frame in frames:
            made = frame[["s"]].copy()
            made["p"] = LINE.predict(np.column_stack([frame["b"], frame["b"]])).tolist()
            made["q"] = frame["a"].tolist()
            made["k"] = list(frame["b"].values)
            yield made[["p", "q", "k"]]

    returns = StructType([StructField(n, t()) for n, t in (("p", DoubleType), ("q", DoubleType), ("k", LongType))])
    batches = [batch.drop_columns(["n"]) for batch in BATCHES]
    compared = compare_with_worker(scores, batches, returns, MAP_PANDAS, kernel=True)
    assert compared.decided == len(batches), compared


REFUSED = [
    ("SW250", lambda a, b, s, n: pd.Series(a.tolist()[0], index=a.index)),
    ("SW600", lambda a, b, s, n: pd.Series(a.tolist() + b.tolist())),
    ("SW293", lambda a, b, s, n: pd.Series([i for i, _ in enumerate(a.tolist())])),
    ("SW600", lambda a, b, s, n: pd.Series(sorted(a.tolist()))),
    ("SW600", lambda a, b, s, n: a + sum(a.tolist())),
    ("SW600", lambda a, b, s, n: a * a.tolist().index(1.0)),
    ("SW253", lambda a, b, s, n: a if a.tolist() else b),
    ("SW252", lambda a, b, s, n: pd.Series(LINE.predict(a.tolist()))),
]


@pytest.mark.parametrize("code, function", REFUSED)
def test_other_uses_are_refused(code, function):
    assert compare_with_worker(function, BATCHES[:1], DoubleType(), SCALAR_PANDAS).refused == code


def list_before_elements_change(a, b, s, n):
    u = a * 1
    values = u.tolist()
    u[u > 1] = 0.0
    return pd.Series(values) + u


def list_of_array_before_elements_change(a, b, s, n):
    u = a.to_numpy().copy()
    values = list(u)
    u[u > 1] = 0.0
    return pd.Series(values) + pd.Series(u)


def list_before_sum(a, b, s, n):
    u = a * 1
    values = list(u)
    u += 1
    return pd.Series([x * 2 for x in values]) + u


def rows_of_a_changed_matrix(a, b, s, n):
    matrix = np.column_stack([a, b])
    rows = list(matrix)  # views
    matrix += 1
    return pd.Series([row[0] for row in rows])


def iterator_before_elements_change(a, b, s, n):
    u = a * 1
    pairs = zip(u, b, strict=True)
    u[u > 1] = 0.0
    return pd.Series([x + y for x, y in pairs])


def map_before_sum(a, b, s, n):
    u = a.to_numpy().copy()
    doubled = map(abs, u)
    u += 1
    return pd.Series(list(doubled))


@pytest.mark.parametrize(
    "function, code",
    [(list_before_elements_change, ""), (list_of_array_before_elements_change, ""), (list_before_sum, ""),
     (rows_of_a_changed_matrix, ""), (iterator_before_elements_change, "SW256"), (map_before_sum, "SW256")],
)  # fmt: skip
def test_columns_that_change_later(function, code):
    """A list keeps its values. An iterator reads those of later, or of before: pandas decides."""
    compared = compare_with_worker(function, BATCHES[:1], DoubleType(), SCALAR_PANDAS, kernel=True)
    assert compared.refused == code and compared.decided == (not code), compared
