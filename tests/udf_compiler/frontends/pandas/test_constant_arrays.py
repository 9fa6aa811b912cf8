"""Compares arrays of constant strings at positions of the row with PySpark's worker: ``labels[indices]``."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql.types import StringType
from sklearn.tree import DecisionTreeClassifier

from sparkweld.contract.constants import SCALAR_PANDAS
from tests.helpers.compiled import compare_with_worker

POOL = np.array([f"name {i}" for i in range(37)], dtype=object)
LABELS = np.array(["low", "mid", "é"])
CLASSES = DecisionTreeClassifier(max_depth=2).fit([[0.0], [1.0], [2.0], [3.0]], [0, 1, 2, 1])
BATCHES = [pa.record_batch({"n": pa.array([0, 1, 40, -2, 2**40], pa.int64()), "x": [0.5, 1.5, 2.5, -1.0, 9.0]})]


def hashed(n, x):
    ids = n.values.astype(np.int64)
    with np.errstate(over="ignore"):
        mixed = ids ^ np.int64(-7_046_029_254_386_353_131)
        mixed = mixed * np.int64(6364136223846793005) + np.int64(1442695040888963407)
    return pd.Series(POOL[np.mod(mixed, 37).astype(np.intp)])


FUNCTIONS = [
    hashed,
    lambda n, x: pd.Series(POOL[np.mod(n.values, 37)]).str.upper(),
    lambda n, x: pd.Series(LABELS[n % 3]) + "!",
    lambda n, x: pd.Series(LABELS[-1 - n % 3]),
    lambda n, x: pd.Series(LABELS[CLASSES.predict(np.column_stack([x]))]),
    lambda n, x: pd.Series(np.where(n > 0, POOL[0], POOL[1:][0])),
    lambda n, x: (n % 3).map(dict(enumerate(LABELS.tolist()))),
    lambda n, x: pd.Series(POOL[n.values % len(POOL)]),
]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_elements_at_positions(function):
    compared = compare_with_worker(function, BATCHES, StringType(), SCALAR_PANDAS, kernel=True)
    assert not compared.refused and compared.decided == 1, compared


def test_positions_outside_raise():
    compared = compare_with_worker(lambda n, x: pd.Series(LABELS[n]), BATCHES, StringType(), SCALAR_PANDAS, kernel=True)
    assert not compared.refused and (compared.flagged, compared.raised) == (1, 1), compared


@pytest.mark.parametrize(
    ("function", "code"),
    [
        (lambda n, x: pd.Series(POOL[n > 0]), "SW270"),
        (lambda n, x: pd.Series(POOL[x]), "SW270"),
        (lambda n, x: n.map(lambda k: LABELS[k % 3]), "SW270"),
        (lambda n, x: pd.Series(LABELS[0], index=n.index), "SW270"),
        (lambda n, x: pd.Series(np.char.upper(LABELS[n % 3])), "SW263"),
        (lambda n, x: n.astype(str).isin(POOL).astype(str), "SW262"),
        (lambda n, x: pd.Series(POOL)[n], "SW250"),
    ],
)
def test_other_uses_are_refused(function, code):
    assert compare_with_worker(function, BATCHES, StringType(), SCALAR_PANDAS).refused == code
