"""Compares loops over the rows of frames, DataFrame.fillna, np.c_ and columns of one value with PySpark's worker."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql.types import DoubleType, LongType, StringType, StructField, StructType
from sklearn.tree import DecisionTreeRegressor

from sparkweld.contract.constants import MAP_PANDAS, SCALAR_PANDAS
from tests.helpers.compiled import compare_with_worker
from tests.helpers.groups import compare_groups


def batch_of(a, b, s):
    columns = [pa.array(a, pa.float64()), pa.array(b, pa.int64()), pa.array(s, pa.string())]
    return pa.record_batch([pa.StructArray.from_arrays(columns, ["a", "b", "s"])], ["x"])


BATCHES = [
    batch_of([1.5, 250.0, -3.0, 0.0], [4, 0, -2, 100], ["wood", "", "light", "é"]),
    batch_of([None, 8.0], [5, 6], [None, "light"]),
]
NUMBERS, STRINGS = DoubleType(), StringType()
X = np.random.default_rng(2).normal(size=(60, 2))
TREE = DecisionTreeRegressor(max_depth=3).fit(X, X[:, 0])


def tuples_in_a_comprehension(x):
    return pd.Series([r.a * r.b + r[1] for r in x[["a", "b"]].itertuples()])


def tuples_in_a_loop(x):
    out = []
    for row in x.itertuples(index=False):
        if row.a is None or row.a != row.a:
            out.append("none")
        else:
            out.append(row.s if row.a > 0 else "negative")
    return pd.Series(out)


def tuples_without_names(x):
    return pd.Series([a - b for a, b, _ in x.itertuples(index=False, name=None)])


def rows_of_numbers(x):
    out = []
    for _, row in x[["a", "b"]].iterrows():
        out.append(row["a"] / row["b"])
    return pd.Series(out)


def rows_with_strings(x):
    return pd.Series([row["s"] + "!" if row["b"] > 3 else "few" for _, row in x[["b", "s"]].dropna().iterrows()])


def rows_of_objects(x):
    out = []
    for _, row in x.iterrows():
        if row["b"] > 3:
            out.append(str(row["s"]))
        else:
            out.append("few")
    return pd.Series(out)


def filled(x):
    x = x.fillna({"a": -1.0, "s": "none"})
    return x["s"].where(x["a"] > 0, "negative")


def filled_with_a_number(x):
    y = x[["a", "b"]].fillna(0)
    return y["a"] * y["b"]


def stacked(x):
    return pd.Series(TREE.predict(np.c_[x["a"].fillna(0), x["b"]]))


def columns_of_a_value(x):
    result = pd.Series(["low"] * len(x["a"]))
    result[x["a"] > 1] = "high"
    return result


def arrays_of_a_number(x):
    flags = np.zeros(len(x), dtype=int)
    flags[x["b"].values > 3] = 1
    return pd.Series(flags + np.full(x.shape[0], 0.5)) + pd.Series([2] * len(x["b"])) + np.ones(x["b"].size)


@pytest.mark.parametrize(
    ("function", "returns"),
    [
        (tuples_in_a_comprehension, NUMBERS),
        (tuples_in_a_loop, STRINGS),
        (tuples_without_names, NUMBERS),
        (rows_of_numbers, NUMBERS),
        (rows_of_objects, STRINGS),
        (filled, STRINGS),
        (filled_with_a_number, NUMBERS),
        (stacked, NUMBERS),
        (columns_of_a_value, STRINGS),
        (arrays_of_a_number, NUMBERS),
    ],
)
def test_frames(function, returns):
    compared = compare_with_worker(function, BATCHES, returns, SCALAR_PANDAS)
    assert not compared.refused and compared.decided, compared


def the_index_of_tuples(x):
    return pd.Series([float(r.Index) for r in x.itertuples()])


def the_index_of_rows(x):
    return pd.Series([row["a"] + number for number, row in x.iterrows()])


def a_changed_list(x):
    made = [0.0] * len(x)
    made[0] = 1.0
    return pd.Series(made)


def a_longer_list(x):
    return pd.Series([0.0] * (len(x) + 1))


def an_array_of_strings(x):
    return pd.Series(np.full(len(x), "text"))


@pytest.mark.parametrize(
    ("function", "codes"),
    [
        (rows_with_strings, ("SW262", "SW600")),
        (the_index_of_tuples, ("SW250", "SW259")),
        (the_index_of_rows, ("SW250", "SW259")),
        (a_changed_list, ("SW256",)),
        (a_longer_list, ("SW250", "SW259")),
        (an_array_of_strings, ("SW262",)),
    ],
)
def test_refused(function, codes):
    assert compare_with_worker(function, BATCHES, NUMBERS, SCALAR_PANDAS).refused in codes


def adds_to_its_argument(frames):
    """The function runs again for each loop, from the frame as the worker makes it."""
    for frame in frames:
        frame["a"] = frame["a"] + 1
        sizes = []
        for s in frame["s"]:
            sizes.append(len(s or ""))
        frame["n"] = sizes
        yield frame[["a", "n"]]


def adds_to_its_group(frame):
    frame["a"] = frame["a"] + 1
    sizes = []
    for s in frame["s"]:
        if s:
            sizes.append(len(s))
        else:
            sizes.append(0)
    frame["n"] = sizes
    return frame[["a", "n"]]


def test_columns_assigned_before_a_loop():
    batches = [pa.record_batch({"a": pa.array([1.5, None, -2.0]), "s": pa.array(["x", None, "yy"])})]
    returns = StructType([StructField("a", DoubleType()), StructField("n", LongType())])
    compared = compare_with_worker(adds_to_its_argument, batches, returns, MAP_PANDAS, kernel=True)
    assert (compared.refused, compared.decided) == ("", 1), compared
    assert compare_groups(adds_to_its_group, batches, returns, ()).decided == 1
