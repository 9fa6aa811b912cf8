"""Compares trees of scikit-learn, LightGBM and XGBoost with the libraries: each class and inference option, odd rows."""

from __future__ import annotations

import json
import warnings
from functools import cache
from typing import Any

import lightgbm as lgb
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import xgboost as xgb
from pyspark.sql.types import DataType, DoubleType, FloatType, LongType, StringType
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    BaggingRegressor,
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LinearRegression
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor, ExtraTreeClassifier

from sparkweld.ir import parse_program
from tests.helpers.answers import compile_pipeline
from tests.helpers.compile_requests import call, column, literal, payload, python_step, request, udf
from tests.helpers.compiled import inputs_of
from tests.helpers.kernels import load_as_is
from tests.helpers.lines import PythonEvalType
from tests.helpers.models import batch_of, compare
from udf_compiler.frontends.models.forests import of_lightgbm, of_sklearn, of_xgboost

COLUMNS = list("abcde")
RNG = np.random.default_rng(5)
X = RNG.normal(size=(300, 5)).round(2)
X[:, 4] = RNG.integers(0, 12, 300)
GAPS = np.where(RNG.random(X.shape) < 0.1, np.nan, X)
BINARY = (X[:, 0] + X[:, 1] * X[:, 2] > 0).astype(int)
THREE = RNG.integers(0, 3, 300)
NUMBERS = X[:, 0] ** 2 + 0.1 * RNG.normal(size=300)
POSITIVE = np.abs(NUMBERS) + 0.01
LIGHT: dict[str, Any] = {"n_estimators": 8, "verbose": -1, "n_jobs": 1, "random_state": 1, "min_child_samples": 5}
BOOST: dict[str, Any] = {"n_estimators": 8, "n_jobs": 1, "random_state": 1}


def frame(values: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame(values, columns=COLUMNS)


@cache
def odd_rows(missing: bool = True) -> pa.RecordBatch:
    """Returns training-like rows, so also at its thresholds, and just beside; some with odd values."""
    rng = np.random.default_rng(6)
    rows = X[:160].copy()
    rows[40:80] = np.nextafter(rows[40:80], np.inf)
    rows[80:120] = np.nextafter(rows[80:120].astype(np.float32), np.float32(-np.inf))
    odd = [np.inf, -np.inf, 1e39, -1e300, 5e-324, -0.0, 1e-36, 3e38, -0.5, 2.7, 1e10] + [np.nan] * 12 * missing
    rows[rng.integers(0, 160, len(odd)), rng.integers(0, 5, len(odd))] = odd
    return batch_of(**{c: pa.array(rows[:, i]) for i, c in enumerate(COLUMNS)})


def check(
    model: Any, method: str = "predict", returns: DataType | None = None, rtol: float = 0.0, column: int | None = None
) -> None:
    """Checks the method against the library, on most rows without falling back to it."""

    def scored(d: pd.DataFrame) -> pd.Series:
        made = getattr(model, method)(d)
        return pd.Series(made if column is None else made[:, column])

    result = compare(scored, odd_rows(), returns or DoubleType(), rtol=rtol)
    assert result.refused == "" and result.rows > 100, (model, method, result)


def fitted(model: Any, target: np.ndarray, values: np.ndarray = X) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(frame(values), target)


def _quietly(kind: Any) -> Any:
    """Creates a model of a class that XGBoost 3.4 deprecates."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return kind(**BOOST)


CLASSIFIERS = [
    (DecisionTreeClassifier(max_depth=6, random_state=0), GAPS, THREE, 0.0),
    (ExtraTreeClassifier(random_state=0), X, np.array(["u", "v", "w"])[THREE], 0.0),
    (RandomForestClassifier(8, random_state=0), GAPS, THREE, 0.0),
    (ExtraTreesClassifier(5, random_state=0, n_jobs=2), X, BINARY, 1e-12),
    (GradientBoostingClassifier(n_estimators=6), X, BINARY, 1e-12),
    (GradientBoostingClassifier(n_estimators=4, init="zero", subsample=0.6, random_state=0), X, THREE, 1e-12),
    (HistGradientBoostingClassifier(max_iter=6), GAPS, BINARY, 1e-12),
    (HistGradientBoostingClassifier(max_iter=30, early_stopping=True, random_state=0), GAPS, THREE, 1e-12),
    (AdaBoostClassifier(n_estimators=6, random_state=0), X, BINARY, 1e-12),
    (AdaBoostClassifier(DecisionTreeClassifier(max_depth=3), n_estimators=6, random_state=0), X, THREE, 1e-12),
    (BaggingClassifier(n_estimators=5, max_features=3, max_samples=0.1, random_state=0), X, THREE, 0.0),
    (lgb.LGBMClassifier(**LIGHT), GAPS, BINARY, 1e-12),
    (lgb.LGBMClassifier(**LIGHT, boosting_type="rf", bagging_freq=1, bagging_fraction=0.6), GAPS, THREE, 1e-12),
    (xgb.XGBClassifier(**BOOST), GAPS, BINARY, 2e-6),
    (xgb.XGBClassifier(**BOOST, base_score=0.3), GAPS, THREE, 2e-6),
    (_quietly(xgb.XGBRFClassifier), X, BINARY, 2e-6),
]


@cache
def classifier(number: int) -> Any:
    model, values, target, _ = CLASSIFIERS[number]
    return fitted(model, target, values)


@pytest.mark.parametrize("number", range(len(CLASSIFIERS)), ids=lambda n: type(CLASSIFIERS[n][0]).__name__)
def test_classifiers(number: int) -> None:
    model, (_, _, target, rtol) = classifier(number), CLASSIFIERS[number]
    check(model, "predict", StringType() if target.dtype.kind == "U" else LongType())
    returns = FloatType() if "XGB" in type(model).__name__ else DoubleType()
    check(model, "predict_proba", returns, rtol, column=1)


@pytest.mark.parametrize("number, column", [(4, None), (7, 2), (9, 1)])
def test_decision_function(number: int, column: int | None) -> None:
    check(classifier(number), "decision_function", column=column)


REGRESSORS = [
    (DecisionTreeRegressor(random_state=0), GAPS, -0.0 * NUMBERS, 0.0),
    (DecisionTreeRegressor(random_state=0, max_depth=1), X, NUMBERS, 0.0),
    (RandomForestRegressor(6, random_state=0), GAPS, NUMBERS, 0.0),
    (ExtraTreesRegressor(6, random_state=0, criterion="absolute_error"), X, NUMBERS, 0.0),
    (GradientBoostingRegressor(n_estimators=6, loss="huber"), X, NUMBERS, 0.0),
    (HistGradientBoostingRegressor(max_iter=6, loss="poisson"), GAPS, POSITIVE, 1e-12),
    (BaggingRegressor(n_estimators=5, max_features=3, random_state=0), X, NUMBERS, 0.0),
    (lgb.LGBMRegressor(**LIGHT, zero_as_missing=True), GAPS, NUMBERS, 0.0),
    (lgb.LGBMRegressor(**LIGHT, use_missing=False, reg_sqrt=True), X, NUMBERS, 0.0),
    (lgb.LGBMRegressor(**LIGHT, boosting_type="dart", categorical_feature=[4], min_data_per_group=3), GAPS, NUMBERS, 0.0),
    (lgb.LGBMRegressor(**LIGHT, objective="tweedie"), X, POSITIVE, 1e-12),
    (lgb.LGBMRegressor(**LIGHT, objective="cross_entropy"), X, POSITIVE / POSITIVE.max(), 1e-12),
    (xgb.XGBRegressor(**BOOST), GAPS, NUMBERS, 0.0),
    (xgb.XGBRegressor(**BOOST, missing=0.5), X, NUMBERS, 0.0),
    (xgb.XGBRegressor(**BOOST, objective="count:poisson"), GAPS, POSITIVE, 2e-6),
    (xgb.XGBRegressor(**BOOST, objective="reg:logistic"), GAPS, POSITIVE / POSITIVE.max(), 2e-6),
    (xgb.XGBRegressor(**BOOST, objective="binary:hinge"), GAPS, BINARY, 0.0),
    (_quietly(xgb.XGBRFRegressor), GAPS, NUMBERS, 0.0),
]


@pytest.mark.parametrize("model, values, target, rtol", REGRESSORS, ids=lambda v: type(v).__name__ if hasattr(v, "fit") else "")
def test_regressors(model: Any, values: np.ndarray, target: np.ndarray, rtol: float) -> None:
    model = fitted(model, target, values)
    check(model, "predict", FloatType() if "XGB" in type(model).__name__ else DoubleType(), rtol)


def test_outlier_scores() -> None:
    model = fitted(IsolationForest(n_estimators=10, random_state=0, contamination=0.1, max_features=0.8), BINARY)
    for method in ("score_samples", "decision_function"):
        check(model, method, rtol=1e-12)
    check(model, "predict", LongType())


def test_early_stopping_counts_iterations() -> None:
    valid = [(frame(GAPS), BINARY)]
    light = lgb.LGBMClassifier(**{**LIGHT, "n_estimators": 60}, early_stopping_round=2)
    light.fit(frame(X), BINARY, eval_X=frame(GAPS), eval_y=BINARY)
    boost = xgb.XGBClassifier(**{**BOOST, "n_estimators": 60}, early_stopping_rounds=2)
    boost.fit(frame(X), BINARY, eval_set=valid, verbose=False)
    assert boost.best_iteration < 58 and 0 < light.best_iteration_ < 58
    check(light, "predict_proba", rtol=1e-12, column=1)
    check(boost, "predict_proba", FloatType(), rtol=2e-6, column=0)


def test_arrays_and_boosters() -> None:
    """LightGBM converts integer arrays to float32; a standalone Booster is a model too; several targets work."""
    rng = np.random.default_rng(3)
    whole = rng.integers(-(2**25), 2**25, size=(300, 5))
    model = lgb.LGBMRegressor(**LIGHT).fit(whole, NUMBERS)
    booster = model.booster_
    batch = batch_of(**{c: whole[:, i] for i, c in enumerate(COLUMNS)})
    assert compare(lambda d: pd.Series(model.predict(d.to_numpy())), batch).rows == 300
    assert compare(lambda d: pd.Series(booster.predict(d)), batch).rows == 300
    both = xgb.XGBRegressor(**BOOST).fit(X, np.column_stack([NUMBERS, BINARY]))
    forest = RandomForestRegressor(3, random_state=0).fit(X, np.column_stack([NUMBERS, BINARY]))
    assert compare(lambda d: pd.Series(both.predict(d.values)[:, 1]), odd_rows(), FloatType()).rows > 100
    assert compare(lambda d: pd.Series(forest.predict(d.values)[:, 1]), odd_rows(missing=False)).rows > 100


def test_sums_of_all_forms_are_the_librarys() -> None:
    """Categories of LightGBM and XGBoost with unseen, fractional and negative codes agree, bit by bit."""
    rng = np.random.default_rng(9)
    values = np.column_stack([GAPS[:, :3], np.abs(GAPS[:, 3]).round(), X[:, 4]])
    rows = values[rng.integers(0, 300, 400)]
    rows[:, 4] = rng.choice([-3.0, -0.5, 0.0, 2.7, 5.0, 11.0, 40.0, np.nan, 3e9], 400)
    light = lgb.LGBMClassifier(**LIGHT, min_data_per_group=3).fit(values, THREE, categorical_feature=[3, 4])
    options = {**BOOST, "enable_categorical": True, "feature_types": ["q", "q", "q", "c", "c"]}
    boosts = [xgb.XGBClassifier(**options, max_cat_to_onehot=n).fit(np.nan_to_num(values), THREE) for n in (1, 50)]
    boosts.append(xgb.XGBClassifier(**BOOST, num_parallel_tree=2, subsample=0.5).fit(values, BINARY))
    read = [(of_lightgbm.read(light.booster_.model_to_string()).forest, light.predict(rows, raw_score=True))]
    for boost in boosts:
        raw = bytes(boost.get_booster().save_raw("json"))
        read.append((of_xgboost.read(raw, xgb.Booster).forest, boost.predict(rows, output_margin=True)))
    for forest, expected in read:
        got = forest.evaluate([rows[:, i].astype(forest.width.dtype) for i in range(5)])
        assert np.column_stack(got).tobytes() == np.ascontiguousarray(expected.reshape(400, -1)).tobytes()


def test_float32_thresholds() -> None:
    """A float32 is at most a threshold exactly when it is at most the largest float32 that is."""
    thresholds = np.array([0.1, -0.1, 1e300, -1e300, 0.0, -0.0, 1e-46, -1e-46, 0.5])
    with np.errstate(over="ignore"):
        near = thresholds.astype(np.float32)
    for x in (near, np.nextafter(near, np.float32(np.inf)), np.nextafter(near, np.float32(-np.inf))):
        assert ((x.astype(float) <= thresholds) == (x <= of_sklearn.rounded_down(thresholds))).all()


REFUSED = {
    "SW830": lambda: DecisionTreeRegressor().fit(RNG.normal(size=(6000, 5)), RNG.normal(size=6000)),
    "SW831": lambda: RandomForestClassifier(2).fit(X, np.column_stack([BINARY, THREE])),
    "SW832": lambda: GradientBoostingRegressor(n_estimators=2, init=LinearRegression()).fit(X, NUMBERS),
    "SW834": lambda: AdaBoostClassifier(n_estimators=2).fit(X, 0 * BINARY),
    "SW835": lambda: lgb.LGBMRegressor(**LIGHT, linear_tree=True).fit(X, NUMBERS),
}


@pytest.mark.parametrize("code", REFUSED)
def test_refusals(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if code == "SW830":
        monkeypatch.setattr("sparkweld.ir.layouts.tree_walks.MAX_COLUMNS", 0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = REFUSED[code]()
    assert compare(lambda d: pd.Series(model.predict(d.values)), odd_rows(missing=False)).refused == code


def test_other_refusals(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cases that no reader supports: prediction parameters, boosters without trees or weights, other columns."""
    stopping = lgb.LGBMClassifier(**LIGHT, pred_early_stop=True).fit(X, BINARY)
    names = xgb.XGBRegressor(**BOOST).fit(frame(X)[["b", "a", "c", "d", "e"]], NUMBERS)
    coded = frame(X).assign(e=pd.Categorical(X[:, 4].astype(int)))
    categories = [
        xgb.XGBRegressor(**BOOST, enable_categorical=True).fit(coded, NUMBERS),
        lgb.LGBMRegressor(**LIGHT).fit(coded, NUMBERS),
    ]
    cases = [
        *((lambda d, model=model: pd.Series(model.predict(d)), "SW252") for model in categories),
        (lambda d: pd.Series(stopping.predict(d.values)), "SW835"),
        (lambda d: pd.Series(names.predict(d)), "SW252"),
        (lambda d: pd.Series(stopping.predict(d[["a"]])), "SW252"),
    ]
    for function, code in cases:
        assert compare(function, odd_rows(missing=False)).refused == code
    monkeypatch.setattr("udf_compiler.frontends.models.xgboost_._IDENTITY", frozenset())
    plain = xgb.XGBRegressor(**BOOST).fit(X, NUMBERS)
    assert compare(lambda d: pd.Series(plain.predict(d.values)), odd_rows(missing=False)).refused == "SW836"
    with pytest.raises(of_lightgbm.Unread, match="forest"):
        of_xgboost.read(json.dumps({"learner": {"gradient_booster": {"name": "forest"}}}).encode(), xgb.Booster)


def test_branches_that_a_filter_rules_out_are_removed():
    """The filter is `a > 0.25 and b <= 0.5`, and its rows require the model's own results; Spark orders NaN above all."""
    frame = pd.DataFrame(X, columns=COLUMNS)
    boosted = lgb.LGBMRegressor(n_estimators=9, num_leaves=12, verbose=-1)
    for model in (RandomForestRegressor(9, max_depth=5, random_state=0), RandomForestRegressor(3, random_state=0), boosted):
        model.fit(frame, X[:, 0] + X[:, 1] * X[:, 2])
        reads = [column(name) for name in COLUMNS]
        struct = {"op": "CreateNamedStruct", "names": COLUMNS, "args": reads, "type": "struct", "nullable": False}
        step = python_step(r=udf(0, struct, evalType=PythonEvalType.SQL_SCALAR_PANDAS_UDF))
        kept = call("And", call("GreaterThan", reads[0], literal("0x1.0p-2", "double")),
                    call("LessThanOrEqual", reads[1], literal("0x1.0p-1", "double")))  # fmt: skip
        blobs = [payload(lambda d, m=model: pd.Series(m.predict(d)))]
        inputs = dict.fromkeys(COLUMNS, "double")
        made = [compile_pipeline(request(*steps, inputs=inputs), blobs)
                for steps in ([step], [{"kind": "filter", "condition": kept}, step])]  # fmt: skip
        whole, below = (parse_program(reply["program"], reply["blocks"]) for reply in made)
        assert below.blocks[0].length("values") < 0.9 * whole.blocks[0].length("values")
        rows = frame.copy()
        if model is boosted:
            rows.loc[::5, "a"] = np.nan
        wanted = rows[~(rows.a <= 0.25) & (rows.b <= 0.5)]
        batch = pa.RecordBatch.from_pydict({name: pa.array(rows[name].to_numpy()) for name in COLUMNS})
        found = load_as_is(below).run(inputs_of(below, batch), len(rows))
        assert not found.flagged and found.selection.tolist() == wanted.index.tolist()
        np.testing.assert_array_equal(found.columns[below.outputs[0]].values, model.predict(wanted))
