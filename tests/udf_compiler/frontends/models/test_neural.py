"""Compares multilayer perceptrons with the library: each method and each activation."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from pyspark.sql.types import DoubleType, LongType, StringType
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tests.helpers.models import batch_of, compare, compare_columns, frame, numbers

TABLE = frame(numbers())
ODD = numbers(odd=True, seed=2)
TARGET = (TABLE * [10, 1, 0.1, 0.01] @ [1.0, -2.0, 0.5, 0.0]).to_numpy()
TWO = np.where(TARGET > 0.1, "yes", "no")
THREE = np.digitize(TARGET, [-1, 1]) * 10
ACTIVATIONS = ("identity", "relu", "tanh", "logistic")
RTOL = 1e-11


def fitted(kind, y, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = make_pipeline(StandardScaler(), kind(max_iter=30, random_state=0, **options))
        return made.fit(TABLE, y)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_classifiers(activation):
    two = fitted(MLPClassifier, TWO, activation=activation, hidden_layer_sizes=(9, 4))
    three = fitted(MLPClassifier, THREE, activation=activation)
    assert compare(lambda d: pd.Series(two.predict(d)), ODD, StringType()).rows > 150
    scored = compare(lambda d: pd.Series(three.predict(d)), ODD, LongType())
    assert scored.rows > 150 and "mlp" in scored.kept
    scored = compare(lambda d: pd.Series(three.predict(d)), ODD, LongType(), exact=True)
    assert scored.rows > 150 and not scored.kept
    assert compare(lambda d: pd.Series(three.predict_proba(d)[:, 0]), ODD, exact=True).refused == "SW820"
    assert compare_columns(lambda d: two.predict_proba(d), ODD, rtol=RTOL, fit=TABLE).rows > 150
    compare_columns(lambda d: three.predict_proba(d), ODD, rtol=RTOL, fit=TABLE)
    compare_columns(lambda d: three.predict_log_proba(d), numbers(seed=4), rtol=RTOL, fit=TABLE)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_regressors(activation):
    one = fitted(MLPRegressor, TARGET, activation=activation, hidden_layer_sizes=(5,))
    several = fitted(MLPRegressor, np.column_stack([TARGET, -TARGET]), activation=activation)
    assert compare(lambda d: pd.Series(one.predict(d)), ODD, DoubleType(), rtol=1e-9).rows > 150
    compare_columns(lambda d: several.predict(d), numbers(seed=4), rtol=1e-9, fit=TABLE)


def test_integers_and_float32():
    model = MLPRegressor(hidden_layer_sizes=(), max_iter=5, random_state=0)
    narrow = MLPRegressor(hidden_layer_sizes=(3,), max_iter=5, random_state=0)
    x = np.arange(40).reshape(20, 2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(x, x[:, 0]), narrow.fit(x.astype(np.float32), x[:, 0].astype(np.float32))
    assert narrow.coefs_[0].dtype == np.float32
    batch = batch_of(a=np.arange(7), b=np.arange(7)[::-1])
    compare(lambda d: pd.Series(model.predict(d.to_numpy())), batch, rtol=1e-12)
    compare(lambda d: pd.Series(narrow.predict(d.to_numpy())), batch, rtol=1e-6)
    compare(lambda d: pd.Series(narrow.predict(d.to_numpy().astype("float32"))), batch, rtol=1e-4)


def test_labels_near_a_tie_are_guarded():
    """Two hidden units cancel except for the last bits: the sum's order decides on which side of 0 the score is."""
    model = MLPClassifier((2,), activation="identity", max_iter=1, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(TABLE[["a"]].to_numpy(), TWO)
    model.coefs_, model.intercepts_ = [np.array([[0.1, 0.3]]), np.array([[3.0], [-1.0]])], [np.zeros(2), np.zeros(1)]
    scored = compare(lambda d: pd.Series(model.predict(d.to_numpy())), numbers(columns=1), StringType())
    assert scored.flagged == 200


def test_refused_functions():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        poisson = MLPRegressor(hidden_layer_sizes=(2,), max_iter=3, loss="poisson").fit(TABLE, np.abs(TARGET))
        labels = MLPClassifier((2,), max_iter=3).fit(TABLE, np.column_stack([TWO == "yes", THREE == 10]).astype(int))
    assert compare(lambda d: pd.Series(poisson.predict(d)), ODD).refused == "SW814"
    assert compare(lambda d: pd.Series(labels.predict(d)[:, 0]), ODD).refused == "SW813"
    compare_columns(lambda d: labels.predict_proba(d), numbers(seed=4), rtol=RTOL, fit=TABLE)
