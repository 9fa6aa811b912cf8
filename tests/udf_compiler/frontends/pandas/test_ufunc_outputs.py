"""Compares ufuncs with the arguments out= and where= with PySpark's worker."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql.types import DoubleType

from sparkweld.contract.constants import SCALAR_PANDAS
from tests.helpers.compiled import compare_with_worker

BATCHES = [
    pa.record_batch({
        "v": pa.array([1.0, -0.0, 0.0, float("nan"), float("inf"), -5.0]),
        "w": pa.array([0.0, -0.0, 2.0, 3.0, 0.0, float("nan")]), "n": pa.array([1, 0, -7, 2**40, 5, 0], pa.int64()),
    }),
    pa.record_batch({"v": pa.array([1.0, None]), "w": pa.array([0.0, 2.0]), "n": pa.array([0, 3], pa.int64())}),
]  # fmt: skip


def of_series(v, w, n):
    made = np.divide(v, w, out=np.full(len(v), np.nan, dtype="float64"), where=(w != 0))
    return pd.Series(made, index=v.index)


def of_arrays(v, w, n):
    x, y = v.values, w.to_numpy()
    return pd.Series(np.divide(x, y, out=np.zeros_like(x), where=y != 0))


def into_a_variable(v, w, n):
    made = np.zeros(len(v))
    np.log(v, out=made, where=v > 0)
    other = made + 1
    np.sqrt(w.to_numpy(), where=w.to_numpy() > 0, out=made)
    return pd.Series(made + other)


def without_a_mask(v, w, n):
    made = np.zeros(len(v))
    np.add(v, n, out=made)
    return pd.Series(made)


def of_integers(v, w, n):
    return pd.Series(np.floor_divide(n.to_numpy(), 2, out=np.zeros(len(n), dtype="int64"), where=n > 0))


def of_its_own_output(v, w, n):
    made = v.to_numpy() * 2
    np.multiply(made, made, out=made, where=made > 1)
    return pd.Series(made)


@pytest.mark.parametrize(
    "function", [of_series, of_arrays, into_a_variable, without_a_mask, of_integers, of_its_own_output]
)
def test_outputs(function):
    compared = compare_with_worker(function, BATCHES, DoubleType(), SCALAR_PANDAS, kernel=True)
    assert not compared.refused and compared.decided == len(BATCHES), compared


def into_a_column(v, w, n):
    return pd.Series(np.sqrt(v, out=v.values))


def into_a_view(v, w, n):
    made = np.zeros(len(v))
    view = made.reshape(-1, 1)
    np.sqrt(v, out=made)
    return pd.Series(view.ravel())


def into_another_dtype(v, w, n):
    return pd.Series(np.sqrt(v, out=np.zeros(len(v), dtype="float32")))


def into_an_unknown_array(v, w, n):
    return pd.Series(np.sqrt(v, where=v > 0))


def by_a_number(v, w, n):
    return pd.Series(np.sqrt(v, out=np.zeros(len(v)), where=n))


def with_a_dtype(v, w, n):
    return pd.Series(np.add(v.to_numpy(), w.to_numpy(), dtype="float32"))


@pytest.mark.parametrize(("function", "code"), [
    (into_a_column, "SW256"), (into_a_view, "SW256"), (into_another_dtype, "SW262"), (into_an_unknown_array, "SW262"),
    (by_a_number, "SW262"), (with_a_dtype, "SW262"),
])  # fmt: skip
def test_refused_outputs(function, code):
    assert compare_with_worker(function, BATCHES, DoubleType(), SCALAR_PANDAS).refused == code
