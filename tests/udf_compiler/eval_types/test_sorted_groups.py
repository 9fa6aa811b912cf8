"""Compares np.sort of a group's numbers, and arrays times np.arange, with PySpark's worker."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql.types import DoubleType

from tests.helpers.groups import compare_aggregate

DRAW = np.random.default_rng(11)
FLOATS = [
    [3.0, 1.0, 2.0], [3.0], [0.0, 0.0, 1.0], [2.0, 2.0, 1.0], DRAW.normal(size=5000), DRAW.normal(size=77) * 1e9, [np.inf, 1.0],
    [1.0, None, 2.0], [np.nan, 1.0],
]  # fmt: skip
INTEGERS = [[3, 1, 2], [2, 2], [-(2**62), 2**62, 1], DRAW.integers(-(2**40), 2**40, 999)]


def ranked(x: pd.Series) -> float:
    values = np.sort(x.to_numpy(dtype="float64"))
    n = len(values)
    return (2 * np.sum(np.arange(1, n + 1) * values) / (n * np.sum(values))) - (n + 1) / n


def total(x: pd.Series) -> float:
    return float(np.sort(x).sum())


def products(x: pd.Series) -> float:
    return float((np.sort(x.values, axis=0) * np.arange(len(x))).sum() + np.sum(np.arange(len(x)) - x.to_numpy()))


@pytest.mark.parametrize("function", [ranked, total, products])
def test_sorted_numbers(function):
    for groups in (FLOATS, INTEGERS):
        batches = [pa.record_batch({"x": pa.array(group)}) for group in groups]
        with np.errstate(all="ignore"):
            compared = compare_aggregate(function, batches, DoubleType(), ["x"])
        assert (compared.refused, compared.decided) == (None, len(groups)), compared


def test_zeros_with_a_sign_run_in_python():
    batch = pa.record_batch({"x": pa.array([1.0, -0.0, 0.0])})
    compared = compare_aggregate(total, [batch], DoubleType(), ["x"])
    assert (compared.refused, compared.decided) == (None, 0)


@pytest.mark.parametrize(
    ("function", "code"),
    [
        (lambda x: float(np.sort(x, kind="stable").sum()), "SW262"), (lambda x: float(np.sort(x > 1).sum()), "SW312"),
        (lambda x: float((np.arange(1, 3) * np.sort(x)).sum()), "SW257"),
    ],
)  # fmt: skip
def test_other_forms_are_refused(function, code):
    batch = pa.record_batch({"x": pa.array([1.0, 2.0])})
    assert compare_aggregate(function, [batch], DoubleType(), ["x"]).refused == code
