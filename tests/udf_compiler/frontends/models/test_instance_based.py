"""Checks support vectors, nearest neighbours and Gaussians with full covariances: each kernel and option, on real data."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pyspark.sql.types import DoubleType, LongType, StringType
from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis
from sklearn.kernel_ridge import KernelRidge
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR, NuSVC, NuSVR, OneClassSVM

from tests.helpers.models import compare
from tests.helpers.real import rows, table

#: Sums of tens of thousands for scores around 1: their bound is absolute.
LARGE = 1e-6


@cache
def fitted(kind: type, name: str, scaled: bool = False, **options: Any) -> Any:
    values, target = table(name)
    model = kind(**options)
    if name == "wine":
        target = np.array(["x", "y", "z"])[target]
    return (make_pipeline(StandardScaler(), model) if scaled else model).fit(values, target)


def check(model: Any, method: str, name: str, returns: Any = None, column: int | None = None, exact: bool = False) -> None:
    """Checks the method against the library; labels are allowed in exact mode, all else within a documented bound."""

    def function(d: pd.DataFrame) -> pd.Series:
        made = getattr(model, method)(d)
        return pd.Series(made if column is None else made[:, column])

    batch = rows(name, odd=True)
    scored = compare(function, batch, returns or DoubleType(), rtol=LARGE, exact=exact)
    assert scored.refused == "" and scored.rows >= 140, (model, method, scored)
    assert exact or returns or scored.kept


LABELS = [
    *((SVC, {"kernel": kernel, "coef0": 0.5}) for kernel in ("rbf", "poly")),
    (SVC, {"kernel": "linear", "scaled": True}),
    *((SVC, options) for options in ({"break_ties": True}, {"decision_function_shape": "ovo", "gamma": 0.01})),
    (SVC, {"kernel": "sigmoid", "scaled": True}),
    (NuSVC, {"nu": 0.2, "kernel": "poly", "degree": 2}),
    (QuadraticDiscriminantAnalysis, {"reg_param": 0.1}),
]


@pytest.mark.each_value_once
@pytest.mark.parametrize("kind, options", LABELS, ids=str)
@pytest.mark.parametrize("name", ["cancer", "wine"])
def test_classifiers(kind: type, options: dict[str, Any], name: str) -> None:
    model, returns = fitted(kind, name, **options), StringType() if name == "wine" else LongType()
    check(model, "predict", name, returns)
    check(model, "predict", name, returns, exact=True)
    check(model, "decision_function", name, column=1 if name == "wine" else None)
    if kind is QuadraticDiscriminantAnalysis:
        check(model, "predict_proba", name, column=0)
        check(model, "predict_log_proba", name, column=1)


NEIGHBOURS = [{}, {"algorithm": "brute"}, {"n_neighbors": 3, "weights": "distance"}, {"algorithm": "ball_tree", "n_neighbors": 1}]


@pytest.mark.parametrize("options", NEIGHBOURS, ids=str)
def test_neighbours(options: dict[str, Any]) -> None:
    model = fitted(KNeighborsClassifier, "wine", **options)
    check(model, "predict", "wine", StringType(), exact=True)
    check(model, "predict_proba", "wine", DoubleType(), column=1)
    check(fitted(KNeighborsRegressor, "diabetes", **options), "predict", "diabetes")


REGRESSORS = [
    *((SVR, o) for o in ({"C": 50.0}, {"kernel": "poly", "coef0": 1.0}, {"kernel": "linear"})),
    *((NuSVR, {"nu": 0.3}), (KernelRidge, {"kernel": "rbf", "gamma": 2.0}), (KernelRidge, {}), (KernelRidge, {"kernel": "poly"})),
]


@pytest.mark.parametrize("kind, options", REGRESSORS, ids=str)
def test_regressors(kind: type, options: dict[str, Any]) -> None:
    check(fitted(kind, "diabetes", **options), "predict", "diabetes")


def test_outliers() -> None:
    model = fitted(OneClassSVM, "diabetes", nu=0.2)
    check(model, "predict", "diabetes", LongType(), exact=True)
    check(model, "decision_function", "diabetes")
    check(model, "score_samples", "diabetes")


@pytest.mark.parametrize("covariance_type", ["full", "tied", "diag", "spherical"])
def test_mixtures(covariance_type: str) -> None:
    model = fitted(GaussianMixture, "iris", n_components=3, covariance_type=covariance_type, random_state=0)
    check(model, "predict", "iris", LongType(), exact=True)
    check(model, "predict_proba", "iris", column=1)
    check(model, "score_samples", "iris")


def test_rows_that_only_the_last_digits_decide_are_guarded() -> None:
    """For a row between two classes, near to two neighbours equally, or on a region's edge, the library decides."""
    values = np.array([[0.0], [1.0], [2.0], [3.0]])
    batch = rows("iris")
    machine = SVC(kernel="rbf").fit(values, [0, 0, 1, 1])
    neighbour = KNeighborsClassifier(1).fit(values, [0, 0, 1, 1])
    for model in (machine, neighbour):
        scored = compare(lambda d, model=model: pd.Series(model.predict(d[["f0"]].to_numpy() * 0 + 1.5)), batch, LongType())
        assert scored.flagged == 150


def test_refused_functions() -> None:
    values, target = table("diabetes")
    many = KNeighborsRegressor().fit(np.tile(values, (40, 1)), np.tile(target, 40))
    for code, model in (
        ("SW841", many),
        ("SW842", KNeighborsRegressor(metric="manhattan").fit(values, target)),
        ("SW842", KNeighborsRegressor(algorithm="brute", weights="distance").fit(values, target)),
        ("SW842", SVR(kernel=lambda a, b: a @ b.T).fit(values, target)),
        ("SW842", KernelRidge(kernel="laplacian").fit(values, target)),
        ("SW813", KNeighborsClassifier().fit(values, np.column_stack([target > 100, target > 200]))),
        ("SW814", KNeighborsRegressor().fit(values.astype(np.float32), target)),
    ):
        assert compare(lambda d, model=model: pd.Series(np.ravel(model.predict(d))), rows("diabetes")).refused == code
    machine = fitted(SVR, "diabetes", C=50.0)
    assert compare(lambda d: pd.Series(machine.predict(d)), rows("diabetes"), exact=True).refused == "SW820"
