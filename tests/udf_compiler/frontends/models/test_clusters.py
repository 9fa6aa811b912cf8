"""Compares clusterings by centres with the library."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from pyspark.sql.types import IntegerType, LongType
from sklearn.cluster import BisectingKMeans, KMeans, MeanShift, MiniBatchKMeans
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tests.helpers.models import compare, compare_columns, frame, numbers

TABLE = frame(numbers())
ODD = numbers(odd=True, seed=2)


@pytest.mark.parametrize("kind", [KMeans, MiniBatchKMeans])
def test_centres(kind):
    model = make_pipeline(StandardScaler(), kind(5, n_init=1, random_state=0)).fit(TABLE)
    scored = compare(lambda d: pd.Series(model.predict(d)), ODD, IntegerType())
    assert scored.rows > 150 and scored.flagged >= scored.raised > 0
    assert compare(lambda d: pd.Series(model.predict(d)), ODD, IntegerType(), exact=True).rows > 150
    scored = compare_columns(lambda d: model.transform(d), ODD, rtol=1e-9, fit=TABLE)
    assert scored.rows > 150 and {"distances", "distance"} <= set(scored.kept)


@pytest.mark.gate_cases("float64")
@pytest.mark.parametrize("dtype", ["float64", "float32", "int64"])
def test_mean_shift(dtype):
    model = MeanShift(bandwidth=2.0).fit(TABLE)
    assert len(model.cluster_centers_) > 3
    scored = compare(lambda d: pd.Series(model.predict(d.to_numpy().astype(dtype))), numbers(seed=2), LongType())
    assert scored.rows == 200 and scored.flagged == 0
    odd = compare(lambda d: pd.Series(model.predict(d)), ODD, LongType())
    assert odd.rows > 150 and odd.flagged >= odd.raised > 0
    two = MeanShift(bandwidth=1.0).fit(np.array([[0.0] * 4, [2.0] * 4]))
    assert compare(lambda d: pd.Series(two.predict(d.to_numpy() * 0 + 1)), numbers(), LongType()).flagged == 200


def test_rows_between_two_centres_are_guarded():
    model = KMeans(2, n_init=1, random_state=0).fit(TABLE)
    middle = model.cluster_centers_.mean(axis=0)
    assert compare(lambda d: pd.Series(model.predict(d.to_numpy() * 0 + middle)), numbers(), IntegerType()).flagged == 200


def test_refused_functions():
    narrow = KMeans(2, n_init=1, random_state=0).fit(TABLE.to_numpy().astype(np.float32))
    plain = KMeans(2, n_init=1, random_state=0).fit(TABLE.to_numpy())
    bisecting = BisectingKMeans(2, random_state=0).fit(TABLE)
    wide = numbers(seed=3)
    assert compare(lambda d: pd.Series(narrow.predict(d.to_numpy())), wide, IntegerType()).refused == "SW814"
    assert compare(lambda d: pd.Series(plain.predict(d.to_numpy().astype("float32"))), wide, IntegerType()).refused == "SW814"
    assert compare(lambda d: pd.Series(bisecting.predict(d)), wide, IntegerType()).refused == "SW800"
