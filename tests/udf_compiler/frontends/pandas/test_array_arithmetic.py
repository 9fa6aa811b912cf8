"""Compares arithmetic on Series of arrays with PySpark's worker."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql.types import ArrayType, DoubleType, FloatType, LongType

from sparkweld.contract.constants import SCALAR_PANDAS
from tests.helpers.compiled import compare_with_worker
from tests.helpers.lines import of_numpy_2

F32, F64, I32 = pa.list_(pa.float32()), pa.list_(pa.float64()), pa.list_(pa.int32())
BATCHES = [
    pa.record_batch({
        "u": pa.array([[1.0, -0.0], [0.1], [], [3.0e38]], F32), "v": pa.array([[2.0, 5.0], [0.3], [], [10.0]], F32),
        "d": pa.array([[0.1, 1e300], [2.5], [], [-1.0]], F64), "n": pa.array([[1, 2], [3], [], [7]], I32),
        "x": pa.array([0.5, 2.0, -0.0, 1e-3], pa.float32()), "k": pa.array([1, 0, -7, 3], pa.int64()),
    }),
    pa.record_batch({
        "u": pa.array([[1.0], None], F32), "v": pa.array([[2.0], [3.0]], F32), "d": pa.array([None, [1.0]], F64),
        "n": pa.array([[1], [2]], I32), "x": pa.array([1.0, 2.0], pa.float32()), "k": pa.array([1, 2], pa.int64()),
    }),
]  # fmt: skip
UNEQUAL = [
    pa.record_batch({
        "u": pa.array([[1.0, 2.0], [1.0, 2.0, 3.0]], F32), "v": pa.array([[2.0], [3.0, 4.0]], F32),
        "d": pa.array([[1.0], [1.0]], F64), "n": pa.array([[1], [2]], I32), "x": pa.array([1.0, 2.0], pa.float32()),
        "k": pa.array([1, 2], pa.int64()),
    }),
]  # fmt: skip


def of_arrays(u, v, d, n, x, k):
    return u + v * u


def scaled(u, v, d, n, x, k):
    made = v.apply(lambda a: np.asarray(a))
    return 0.05 * (made * x - u * 0.0025)


def by_integers(u, v, d, n, x, k):
    return k * u - 1


def divided(u, v, d, n, x, k):
    return u / 3 + x / v


@pytest.mark.parametrize("function", [of_arrays, scaled, pytest.param(by_integers, marks=of_numpy_2), divided])
@pytest.mark.parametrize("batches", [BATCHES, UNEQUAL])
def test_floats(function, batches):
    compared = compare_with_worker(function, batches, ArrayType(FloatType()), SCALAR_PANDAS, kernel=True)
    assert not compared.refused and (compared.decided or batches is UNEQUAL), compared


def mixed(u, v, d, n, x, k):
    return (d - u) * n


def test_mixed_dtypes():
    compared = compare_with_worker(mixed, BATCHES, ArrayType(DoubleType()), SCALAR_PANDAS, kernel=True)
    assert not compared.refused and compared.decided, compared


def integers(u, v, d, n, x, k):
    return (n + n * 2).map(lambda a: a.astype("int64"))


def test_integers():
    compared = compare_with_worker(integers, BATCHES[:1], ArrayType(LongType()), SCALAR_PANDAS, kernel=True)
    assert not compared.refused and compared.decided, compared


def compared_(u, v, d, n, x, k):
    return u > v


def powers(u, v, d, n, x, k):
    return u**2


def beside_a_list(u, v, d, n, x, k):
    return u + [1.0, 2.0]


def in_place_of_an_argument(u, v, d, n, x, k):
    u += v
    return u


def beside_strings(u, v, d, n, x, k):
    return u * k.astype(str)


@pytest.mark.parametrize(("function", "code"), [
    (compared_, "SW224"), (powers, "SW224"), (beside_a_list, "SW224"), (in_place_of_an_argument, "SW256"),
    (beside_strings, "SW224"),
])  # fmt: skip
def test_refused(function, code):
    assert compare_with_worker(function, BATCHES[:1], ArrayType(FloatType()), SCALAR_PANDAS).refused == code


def rows_with_none(u, v, d, n, x, k):
    return pd.Series(u.values) + v


def test_only_series_have_operators():
    assert compare_with_worker(rows_with_none, BATCHES[:1], ArrayType(FloatType()), SCALAR_PANDAS).refused
