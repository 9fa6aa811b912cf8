"""Checks calibration, thresholds, multi-output, bagging and boosting of any estimator: each method and option, on real data."""

from __future__ import annotations

import warnings
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pyspark.sql.types import DoubleType, LongType, StringType
from sklearn.calibration import CalibratedClassifierCV
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import (
    AdaBoostClassifier,
    AdaBoostRegressor,
    BaggingClassifier,
    BaggingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression, RANSACRegressor, Ridge, RidgeClassifier
from sklearn.model_selection import FixedThresholdClassifier, TunedThresholdClassifierCV
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.multioutput import ClassifierChain, RegressorChain
from sklearn.naive_bayes import GaussianNB
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from tests.helpers.models import compare, compare_columns
from tests.helpers.real import rows, table

LINE, TREE = LogisticRegression(max_iter=30), DecisionTreeClassifier(max_depth=3, random_state=0)
RTOL = 1e-7


@cache
def classes(name: str) -> np.ndarray:
    target = table(name)[1]
    return np.array(["x", "y", "z"])[target] if name == "wine" else target


def fit(model: Any, values: Any, target: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(values, target)


#: scikit-learn 1.8 has added "temperature".
CALIBRATIONS = sorted({"isotonic", "temperature"} & CalibratedClassifierCV._parameter_constraints["method"][0].options)
CLASSIFIERS = [
    *(CalibratedClassifierCV(GaussianNB(), method=m, cv=2) for m in CALIBRATIONS),
    CalibratedClassifierCV(LinearSVC(random_state=0), method="isotonic", cv=2, ensemble=False),
    *(OneVsRestClassifier(LINE), OneVsRestClassifier(GaussianNB()), OneVsOneClassifier(TREE), OneVsOneClassifier(LINE)),
    BaggingClassifier(LINE, 3, max_features=0.5, random_state=0),
    BaggingClassifier(RidgeClassifier(), 3, random_state=0),
    AdaBoostClassifier(GaussianNB(), n_estimators=3, random_state=0),
    FrozenEstimator(LINE),
    *(DummyClassifier(strategy=s) for s in ("prior", "most_frequent", "uniform")),
]


@pytest.mark.each_value_once
@pytest.mark.parametrize("number", range(len(CLASSIFIERS)), ids=lambda n: str(CLASSIFIERS[n])[:50].replace("\n", ""))
@pytest.mark.parametrize("name", ["cancer", "wine"])
def test_classifiers(number: int, name: str) -> None:
    model, batch = CLASSIFIERS[number], rows(name, odd=True)
    held = getattr(model, "estimator", None)
    if isinstance(model, FrozenEstimator):
        fit(held, table(name)[0], classes(name))
    fit(model, table(name)[0], classes(name))
    if getattr(model, "strategy", "") != "uniform":
        scored = compare(lambda d: pd.Series(model.predict(d)), batch, StringType() if name == "wine" else LongType())
        assert scored.refused == "" and scored.rows >= 138, scored
    for method in ("predict_proba", "decision_function"):
        if hasattr(model, method):
            width = np.shape(getattr(model, method)(table(name)[0][:5]))[1:]
            check_column(model, method, batch, 1 if width else None)


def check_column(model: Any, method: str, batch: Any, column: int | None) -> None:
    def function(d: pd.DataFrame) -> pd.Series:
        made = getattr(model, method)(d)
        return pd.Series(made if column is None else made[:, column])

    scored = compare(function, batch, DoubleType(), rtol=RTOL)
    assert scored.refused == "" and scored.rows >= 138, (method, scored)


THRESHOLDS = [
    FixedThresholdClassifier(LINE, threshold=0.3),
    FixedThresholdClassifier(TREE, threshold=0.9, pos_label=0),
    FixedThresholdClassifier(LinearSVC(random_state=0), response_method="decision_function", threshold=0.2, pos_label=0),
    FixedThresholdClassifier(FrozenEstimator(LINE)),
    TunedThresholdClassifierCV(LINE, cv=2),
]


@pytest.mark.parametrize("model", THRESHOLDS, ids=lambda m: str(m)[:60].replace("\n", ""))
def test_thresholds(model: Any) -> None:
    fit(LINE, *table("cancer"))
    fit(model, *table("cancer"))
    scored = compare(lambda d: pd.Series(model.predict(d)), rows("cancer", odd=True), LongType())
    assert scored.refused == "" and scored.rows >= 140
    if hasattr(model, "predict_proba"):
        check_column(model, "predict_proba", rows("cancer"), 1)
    if hasattr(model, "decision_function"):
        check_column(model, "decision_function", rows("cancer"), None)


REGRESSORS = [
    *(AdaBoostRegressor(e, n_estimators=7, random_state=0) for e in (None, LinearRegression())),
    AdaBoostRegressor(DecisionTreeRegressor(max_depth=8), n_estimators=20, random_state=0, loss="square"),
    BaggingRegressor(Ridge(), 4, max_features=0.5, random_state=0),
    RANSACRegressor(random_state=0),
]


@pytest.mark.parametrize("model", REGRESSORS, ids=lambda m: str(m)[:60].replace("\n", ""))
def test_regressors(model: Any) -> None:
    model.fit(*table("diabetes"))
    scored = compare(lambda d: pd.Series(model.predict(d)), rows("diabetes", odd=True), rtol=RTOL)
    assert scored.refused == "" and scored.rows >= 140
    trees = isinstance(getattr(model, "estimators_", [None])[0], DecisionTreeRegressor)
    assert bool(scored.kept) != trees


def test_chains_and_votes() -> None:
    values, target = table("cancer")
    both = np.column_stack([target, 1 - target])
    for model in (ClassifierChain(LINE, order=[1, 0], chain_method="predict_proba"), ClassifierChain(TREE)):
        fit(model, values, both)
        for method in ("predict", "predict_proba", "predict_log_proba"):
            if method != "predict_log_proba" or model.estimator is LINE:
                function = getattr(model, method)
                made = compare_columns(lambda d, f=function: f(d), rows("cancer", odd=True), rtol=RTOL, fit=values[:1])
                assert made.refused == "" and made.rows >= 140
    values, target = table("diabetes")
    chain = RegressorChain(Ridge(), order=[1, 0]).fit(values, np.column_stack([target, -target]))
    votes = VotingRegressor([("a", Ridge()), ("b", DecisionTreeRegressor(max_depth=3))]).fit(values, target)
    labels = [("a", LINE), ("b", TREE)]
    for voting in ("soft", "hard"):
        model = fit(VotingClassifier(labels, voting=voting), *table("wine"))
        made = compare_columns(lambda d, f=model.transform: f(d), rows("wine"), rtol=RTOL, fit=table("wine")[0][:1])
        assert made.refused == "" and made.rows >= 140
    for function in (chain.predict, votes.transform):
        made = compare_columns(lambda d, f=function: f(d), rows("diabetes", odd=True), rtol=RTOL, fit=values[:1])
        assert made.refused == "" and made.rows >= 140


def test_refused_functions() -> None:
    values, target = table("wine")
    functions = [DummyClassifier(strategy="stratified").fit(values, target).predict_proba]
    if "temperature" in CALIBRATIONS:
        functions += [fit(CalibratedClassifierCV(LinearSVC(random_state=0), method="temperature", cv=2), values, target).predict]
    for function in functions:
        assert compare(lambda d, f=function: pd.Series(np.ravel(f(d))), rows("wine")).refused == "SW814"
