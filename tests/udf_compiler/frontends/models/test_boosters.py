"""Checks XGBoost, LightGBM and histogram gradient boosting: each prediction option, objective and booster, on real data."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cache
from typing import Any

import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest
import xgboost as xgb
from pyspark.sql.types import DoubleType, FloatType, IntegerType, LongType
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestRegressor,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.tree import DecisionTreeClassifier

from tests.helpers.models import compare, id_of
from tests.helpers.real import category_rows, rows, table, with_categories, with_gaps

BOOST: dict[str, Any] = {"n_estimators": 5, "max_depth": 3, "n_jobs": 1, "verbosity": 0}
LIGHT: dict[str, Any] = {"n_estimators": 6, "num_leaves": 7, "min_child_samples": 5, "verbose": -1, "n_jobs": 1}


def logistic(y: np.ndarray, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns gradient and hessian of a custom objective."""
    return 1 / (1 + np.exp(-p)) - y, np.full_like(p, 0.2)


@cache
def boosted(kind: str, name: str, gaps: bool = False, **options: Any) -> Any:
    """Fits a small model of XGBoost or LightGBM on a data set."""
    values, target = (with_gaps if gaps else table)(name)
    library, given = (xgb, BOOST) if kind.startswith("XGB") else (lgb, LIGHT)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return getattr(library, kind)(**{**given, **options}).fit(values, target)


def check(function: Callable[[pd.DataFrame], Any], batch: Any, returns: Any, rtol: float = 0.0) -> None:
    """Checks that the kernel agrees with the library, nearly always without falling back to it."""
    scored = compare(lambda d: pd.Series(function(d)), batch, returns, rtol=rtol)
    assert scored.refused == "" and scored.rows >= batch.num_rows - 10, scored


X_PREDICTIONS: dict[str, Callable[[Any, pd.DataFrame], Any]] = {
    "output_margin": lambda m, d: m.predict(d, output_margin=True),
    "iteration_range": lambda m, d: m.predict(d, output_margin=True, iteration_range=(1, 3)),
    "apply": lambda m, d: m.apply(d)[:, 2],
    "DMatrix": lambda m, d: m.get_booster().predict(xgb.DMatrix(d), output_margin=True),
    "value": lambda m, d: m.get_booster().predict(xgb.DMatrix(d)),
    "missing": lambda m, d: m.get_booster().predict(
        xgb.DMatrix(d.to_numpy(), missing=12.0, feature_names=m.get_booster().feature_names, nthread=1), output_margin=True
    ),
    "pred_leaf": lambda m, d: m.get_booster().predict(xgb.DMatrix(d), pred_leaf=True, iteration_range=(0, 3))[:, 1],
    "strict_shape": lambda m, d: m.get_booster().predict(xgb.DMatrix(d), output_margin=True, strict_shape=True)[:, 0],
    "inplace": lambda m, d: m.get_booster().inplace_predict(d, predict_type="margin", iteration_range=(0, 2)),
    "unchecked": lambda m, d: m.predict(d.rename(columns={"f0": "other"}), output_margin=True, validate_features=False),
}


@pytest.mark.parametrize("name", X_PREDICTIONS)
def test_predictions_of_xgboost(name: str) -> None:
    model = boosted("XGBClassifier", "cancer", gaps=True)
    check(lambda d: X_PREDICTIONS[name](model, d), rows("cancer", True, True), FloatType(), 2e-6 if name == "value" else 0.0)


X_OBJECTIVES: list[tuple[str, str, dict[str, Any], float]] = [
    *(("XGBRegressor", "diabetes", {"objective": o}, 0.0) for o in ("reg:absoluteerror", "reg:pseudohubererror")),
    *(("XGBRegressor", "diabetes", {"objective": o}, 2e-6) for o in ("reg:gamma", "reg:tweedie", "survival:cox")),
    ("XGBRegressor", "diabetes", {"objective": lambda y, p: (p - y, np.ones_like(p))}, 0.0),
    ("XGBRegressor", "diabetes", {"booster": "gblinear"}, 0.0),
    ("XGBRegressor", "cancer", {"booster": "gblinear", "objective": "reg:logistic"}, 2e-6),
    ("XGBRegressor", "linnerud", {"multi_strategy": "multi_output_tree"}, 0.0),
    ("XGBRegressor", "linnerud", {"multi_strategy": "one_output_per_tree"}, 0.0),
    ("XGBClassifier", "cancer", {"booster": "dart", "rate_drop": 0.5}, 0.0),
    ("XGBClassifier", "cancer", {"objective": logistic}, 0.0),
    ("XGBClassifier", "cancer", {"objective": "binary:logitraw"}, 0.0),
    ("XGBClassifier", "wine", {"objective": "multi:softmax"}, 0.0),
    ("XGBClassifier", "wine", {"booster": "gblinear"}, 0.0),
]


@pytest.mark.filterwarnings("ignore:.*gblinear")
@pytest.mark.parametrize("kind, name, options, rtol", X_OBJECTIVES, ids=id_of)
def test_objectives_and_boosters_of_xgboost(kind: str, name: str, options: dict[str, Any], rtol: float) -> None:
    model = boosted(kind, name, **options)
    batch = rows(name)
    if name == "linnerud":
        check(lambda d: model.predict(d)[:, 2], batch, FloatType(), rtol)
    else:
        check(lambda d: model.predict(d), batch, LongType() if kind == "XGBClassifier" else FloatType(), rtol)
    if kind == "XGBClassifier":
        check(lambda d: model.predict_proba(d)[:, 1], batch, FloatType(), 2e-6)
        check(lambda d: model.predict_proba(d, iteration_range=(0, 0))[:, 0], batch, FloatType(), 2e-6)


def test_other_boosters_of_xgboost() -> None:
    """Multi-label models, a ranker's column qid, a slice of a booster, and a custom one with bounds as labels agree."""
    values, target = table("cancer")
    labels = xgb.XGBClassifier(**BOOST).fit(values, np.column_stack([target, 1 - target]))
    ranker = xgb.XGBRanker(**BOOST).fit(values.assign(qid=0), target)
    part = boosted("XGBClassifier", "cancer", gaps=True).get_booster()[1:3]
    bounds = xgb.DMatrix(values)
    for side in ("lower", "upper"):
        bounds.set_float_info(f"label_{side}_bound", target + 0.5)
    trained = xgb.train({"objective": "survival:aft", "max_depth": 3}, bounds, 3)
    for function, rtol in (
        (lambda d: labels.predict(d)[:, 1], 0.0),
        (lambda d: labels.predict_proba(d)[:, 1], 2e-6),
        (lambda d: ranker.predict(d.assign(qid=1)), 0.0),
        (lambda d: part.predict(xgb.DMatrix(d), output_margin=True), 0.0),
        (lambda d: trained.predict(xgb.DMatrix(d)), 2e-6),
    ):
        check(function, rows("cancer"), FloatType(), rtol)


L_PREDICTIONS: dict[str, tuple[Callable[[Any, pd.DataFrame], Any], Any, float]] = {
    "raw_score": (lambda m, d: m.predict(d, raw_score=True), DoubleType(), 0.0),
    "num_iteration": (lambda m, d: m.predict(d, raw_score=True, num_iteration=3), DoubleType(), 0.0),
    "start_iteration": (lambda m, d: m.predict(d, raw_score=True, start_iteration=2, num_iteration=3), DoubleType(), 0.0),
    "from_start_on": (lambda m, d: m.booster_.predict(d, start_iteration=2), DoubleType(), 1e-12),
    "pred_leaf": (lambda m, d: m.predict(d, pred_leaf=True)[:, 3], IntegerType(), 0.0),
    "one_leaf": (lambda m, d: m.predict(d, pred_leaf=True, num_iteration=1)[:, 0], IntegerType(), 0.0),
    "decision_function": (lambda m, d: m.decision_function(d, num_iteration=4), DoubleType(), 0.0),
    "probabilities": (lambda m, d: m.predict_proba(d, num_iteration=2)[:, 1], DoubleType(), 1e-12),
    "labels": (lambda m, d: m.predict(d, num_iteration=2), LongType(), 0.0),
    "threads": (lambda m, d: m.booster_.predict(d, num_threads=1) + m.predict_proba(d, n_jobs=2)[:, 1], DoubleType(), 1e-12),
}


@pytest.mark.parametrize("name", L_PREDICTIONS)
def test_predictions_of_lightgbm(name: str) -> None:
    model, (function, returns, rtol) = boosted("LGBMClassifier", "cancer", gaps=True), L_PREDICTIONS[name]
    check(lambda d: function(model, d), rows("cancer", True, True), returns, rtol)


L_OBJECTIVES = "regression_l1 huber fair quantile mape poisson gamma tweedie cross_entropy cross_entropy_lambda".split()


@pytest.mark.parametrize("objective", [*L_OBJECTIVES, lambda y, p: (p - y, np.ones_like(p))], ids=id_of)
def test_objectives_of_lightgbm(objective: Any) -> None:
    values, target = table("diabetes")
    model = lgb.LGBMRegressor(**LIGHT, objective=objective).fit(values, target / 400)
    check(model.predict, rows("diabetes", True), DoubleType(), 1e-12)


L_CLASSIFIERS: list[tuple[str, dict[str, Any]]] = [
    ("wine", {}),
    ("wine", {"objective": "multiclassova"}),
    ("cancer", {"boosting_type": "rf", "bagging_freq": 1, "bagging_fraction": 0.6}),
    ("cancer", {"boosting_type": "dart", "drop_rate": 0.5}),
    ("cancer", {"objective": logistic}),
]


@pytest.mark.parametrize("name, options", L_CLASSIFIERS, ids=id_of)
def test_classifiers_of_lightgbm(name: str, options: dict[str, Any]) -> None:
    model, batch = boosted("LGBMClassifier", name, **options), rows(name)
    own, several = callable(options.get("objective")), name == "wine"
    check(model.predict, batch, DoubleType() if own else LongType())
    check(lambda d: model.predict_proba(d) if own else model.predict_proba(d)[:, 1], batch, DoubleType(), 1e-12)
    raw = (lambda d: model.predict(d, raw_score=True)[:, 2]) if several else (lambda d: model.predict(d, raw_score=True))
    check(raw, batch, DoubleType())


def test_categories_of_histogram_gradient_boosting() -> None:
    """Numbers, strings and floats with NaN are categories, by name and by position; unseen ones follow NaN."""
    values, target = with_categories()
    named = HistGradientBoostingClassifier(max_iter=6, categorical_features=["k", "s", "g"]).fit(values, target)
    check(named.predict, category_rows(), LongType())
    check(named.decision_function, category_rows(), DoubleType())
    alone = HistGradientBoostingRegressor(max_iter=6, categorical_features=[0]).fit(values[["k"]].to_numpy(), target)
    check(lambda d: alone.predict(d[["k"]].to_numpy()), category_rows(), DoubleType())
    grouped = HistGradientBoostingRegressor(max_iter=6, categorical_features=[1], loss="quantile", quantile=0.3)
    grouped.fit(values[["f0", "g"]].to_numpy(), target)
    check(lambda d: grouped.predict(d[["f0", "g"]].to_numpy()), category_rows(), DoubleType())


def test_sparse_matrices() -> None:
    """LightGBM treats unstored values as 0; scikit-learn's trees accept NaN in dense arrays only, so its rows are guarded."""
    values, target = with_categories()
    columns = ["f0", "s"]
    for model, rtol in ((lgb.LGBMClassifier(**LIGHT), 1e-12), (DecisionTreeClassifier(max_depth=4), 0.0)):
        parts = [("s", OneHotEncoder(handle_unknown="ignore"), ["s"]), ("f", "passthrough", ["f0"])]
        filled = values[columns].fillna({"f0": 0.0})
        fitted = make_pipeline(ColumnTransformer(parts, sparse_threshold=1.0), model).fit(filled, target)
        scored = compare(lambda d, m=fitted: pd.Series(m.predict_proba(d)[:, 1]), category_rows().select(columns), rtol=rtol)
        assert scored.refused == "" and scored.rows > 150 and scored.flagged == scored.raised
        assert (scored.flagged > 0) == (rtol == 0.0)
    forest = IsolationForest(n_estimators=3, random_state=0)
    lonely = make_pipeline(ColumnTransformer(parts, sparse_threshold=1.0), forest).fit(filled)
    scored = compare(lambda d: pd.Series(lonely.predict(d)), category_rows().select(columns), LongType())
    assert scored.refused == "" and scored.rows > 150 and scored.flagged > scored.raised == 0


@pytest.mark.parametrize("model", [RandomForestRegressor(4), ExtraTreesClassifier(3), GradientBoostingRegressor(n_estimators=4)])
def test_leaves_of_trees(model: Any) -> None:
    model.set_params(max_depth=4, random_state=0).fit(*table("cancer"))
    check(lambda d: model.apply(d)[:, 2], rows("cancer"), DoubleType() if "Grad" in str(model) else LongType())


def test_refused_functions() -> None:
    """Unsupported options and forms are refused with the code and the name of the option."""
    model, light = boosted("XGBClassifier", "cancer", gaps=True), boosted("LGBMClassifier", "cancer", gaps=True)
    alone = DecisionTreeClassifier(max_depth=3).fit(*table("cancer"))
    gradient = GradientBoostingClassifier(n_estimators=2).fit(*table("cancer"))
    linear = lgb.LGBMRegressor(**LIGHT, linear_tree=True).fit(*table("diabetes"))
    check(lambda d: alone.apply(d), rows("cancer"), LongType())
    for code, function in (
        ("SW840", lambda d: model.get_booster().predict(xgb.DMatrix(d), pred_contribs=True)[:, 0]),
        ("SW840", lambda d: model.get_booster().predict(xgb.DMatrix(d, weight=d["f0"]))),
        ("SW840", lambda d: model.get_booster().predict(xgb.DMatrix(d), pred_leaf=True, strict_shape=True)[:, 0]),
        ("SW840", lambda d: model.get_booster().predict(xgb.DMatrix(d).slice([0]))),
        ("SW840", lambda d: model.predict(d, base_margin=d["f0"])),
        ("SW840", lambda d: light.predict(d, pred_contrib=True)[:, 0]),
        ("SW840", lambda d: light.predict(d, pred_early_stop=True)),
        ("SW840", lambda d: gradient.apply(d)[:, 0, 0]),
        ("SW252", lambda d: model.get_booster().predict(d)),
        ("SW252", lambda d: model.get_booster().predict(xgb.DMatrix(d.rename(columns={"f0": "x"})))),
        ("SW835", lambda d: linear.predict(d)),
    ):
        assert compare(lambda d, function=function: pd.Series(function(d)), rows("cancer")).refused == code
