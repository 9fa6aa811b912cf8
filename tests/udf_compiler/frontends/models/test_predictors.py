"""Compares every linear model, naive Bayes and meta-estimator with the library: each method and option that changes it."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql.types import LongType, StringType
from sklearn import linear_model as lm
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import StackingClassifier, StackingRegressor, VotingClassifier, VotingRegressor
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputRegressor
from sklearn.naive_bayes import BernoulliNB, CategoricalNB, ComplementNB, GaussianNB, MultinomialNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import LinearSVC, LinearSVR

from tests.helpers.models import batch_of, compare, compare_columns, frame, id_of, numbers
from udf_compiler.frontends.models.estimators import ESTIMATORS

SCALE = [10, 1, 0.1, 0.01]
TABLE = frame(numbers()) * SCALE
ODD = pa.RecordBatch.from_pandas(frame(numbers(odd=True, seed=2)) * SCALE, preserve_index=False)
TARGET = (TABLE @ [1.0, -2.0, 0.5, 0.0]).to_numpy()
TWO = np.where(TARGET > 0.1, "yes", "no")
THREE = np.digitize(TARGET, [-1, 1]) * 10
COUNTS = frame(batch_of(**{c: np.random.default_rng(ord(c)).poisson(2, 200) for c in "abc"}))
DRAWN = batch_of(a=COUNTS.a.to_numpy()[::-1], b=COUNTS.b.to_numpy(), c=np.roll(COUNTS.c.to_numpy(), 7))
STACK = [("r", lm.Ridge()), ("l", lm.LinearRegression())]
VOTES = [("l", lm.LogisticRegression()), ("g", GaussianNB()), ("s", lm.SGDClassifier(loss="log_loss", random_state=0))]


def fit(model, x, y):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(x, y)


REGRESSORS = [
    *(lm.LinearRegression(), lm.LinearRegression(fit_intercept=False), lm.Ridge(), lm.RidgeCV(), lm.Lasso(0.1)),
    lm.ElasticNet(0.1),
    *(lm.Lars(), lm.LassoLars(0.01), lm.OrthogonalMatchingPursuit(), lm.BayesianRidge(), lm.ARDRegression(), lm.HuberRegressor()),
    *(lm.TheilSenRegressor(random_state=0), lm.QuantileRegressor(), lm.SGDRegressor(random_state=0), LinearSVR(random_state=0)),
    *(lm.LassoCV(cv=3), lm.TweedieRegressor(power=0), DummyRegressor(), DummyRegressor(strategy="median")),
    make_pipeline(StandardScaler(), PCA(2), lm.LinearRegression()),
    *(VotingRegressor(STACK), VotingRegressor(STACK, weights=[1, 3])),
    *(StackingRegressor(STACK, lm.Ridge(), passthrough=p, cv=2) for p in (False, True)),
    TransformedTargetRegressor(lm.LinearRegression(), transformer=StandardScaler()),
    TransformedTargetRegressor(lm.LinearRegression(), func=np.arcsinh, inverse_func=np.sinh),
    GridSearchCV(lm.Ridge(), {"alpha": [0.1, 1.0]}, cv=2),
]


@pytest.mark.parametrize("model", REGRESSORS, ids=id_of)
def test_regressors(model):
    fitted = fit(model, TABLE, TARGET)
    scored = compare(lambda d: pd.Series(fitted.predict(d)), ODD, rtol=1e-8)
    assert scored.refused == "" and scored.rows >= 150 and scored.flagged == scored.raised


@pytest.mark.parametrize("model", [lm.PoissonRegressor(), lm.GammaRegressor(), lm.TweedieRegressor(power=1.5)], ids=str)
def test_generalised_linear_models(model):
    fitted = fit(model, TABLE, np.abs(TARGET) + 0.5)
    assert compare(lambda d: pd.Series(fitted.predict(d)), ODD, rtol=1e-10).rows > 150


def test_several_targets():
    for model in (lm.LinearRegression(), lm.MultiTaskLasso(0.01), MultiOutputRegressor(lm.Ridge())):
        fitted = fit(model, TABLE, np.column_stack([TARGET, TARGET * 2 + 1]))
        assert compare_columns(lambda d, fitted=fitted: fitted.predict(d), ODD, rtol=1e-8).rows > 150


CLASSIFIERS = [
    *(lm.LogisticRegression(), lm.LogisticRegression(fit_intercept=False), lm.LogisticRegressionCV(cv=2, max_iter=200)),
    *(lm.RidgeClassifier(), lm.RidgeClassifierCV(), lm.Perceptron(random_state=0), LinearSVC(random_state=0)),
    *(lm.SGDClassifier(loss=loss, random_state=0) for loss in ("hinge", "log_loss", "modified_huber")),
    *(LinearDiscriminantAnalysis(), GaussianNB(), DummyClassifier()),
    *(VotingClassifier(VOTES, voting=v, weights=w) for v, w in (("soft", None), ("hard", [1, 2, 2]), ("soft", [2, 1, 1]))),
    StackingClassifier(VOTES[:2], lm.LogisticRegression(), cv=2),
    CalibratedClassifierCV(LinearSVC(random_state=0), cv=2),
    CalibratedClassifierCV(GaussianNB(), cv=2, ensemble=False),
]


@pytest.mark.each_value_once
@pytest.mark.parametrize("model", CLASSIFIERS, ids=id_of)
@pytest.mark.parametrize("classes", [TWO, THREE], ids=["strings", "integers"])
def test_classifiers(model, classes):
    fitted = fit(model, TABLE, classes)
    scored = compare(lambda d: pd.Series(fitted.predict(d)), ODD, StringType() if classes is TWO else LongType())
    assert scored.refused == "" and scored.rows >= 150 and scored.flagged <= scored.raised + 3
    if not isinstance(model, VotingClassifier | StackingClassifier | CalibratedClassifierCV):
        assert "dot" not in scored.kept
    for method in ("predict_proba", "decision_function"):
        if hasattr(fitted, method) and not isinstance(model, DummyClassifier):
            one = np.ndim(getattr(fitted, method)(TABLE)) == 1
            shape = (-1, 1) if one else (-1, len(fitted.classes_))
            scored = compare_columns(lambda d, m=method, shape=shape: getattr(fitted, m)(d).reshape(*shape), ODD, rtol=1e-8)
            assert scored.refused == "" and scored.rows >= 150 and scored.kept
            assert method in ESTIMATORS[f"{type(fitted).__module__}.{type(fitted).__qualname__}"].KEPT


def test_logarithms_of_probabilities_of_descent():
    fitted = fit(lm.SGDClassifier(loss="log_loss", alpha=1.0, random_state=0), TABLE, THREE)
    scored = compare(lambda d: pd.Series(fitted.predict_log_proba(d)[:, 1]), ODD, rtol=1e-8)
    assert scored.refused == "" and scored.rows > 150 and "log" in scored.kept


def test_one_against_the_rest():
    for inner in (lm.LogisticRegression(), GaussianNB()):
        fitted = fit(OneVsRestClassifier(inner), TABLE, THREE)
        assert compare(lambda d, fitted=fitted: pd.Series(fitted.predict(d)), ODD, LongType()).rows >= 150


COUNTED = [
    *(MultinomialNB(), MultinomialNB(fit_prior=False), ComplementNB(), ComplementNB(norm=True)),
    *(BernoulliNB(), BernoulliNB(binarize=1.5), CategoricalNB(min_categories=20)),
]


@pytest.mark.parametrize("model", COUNTED, ids=str)
def test_naive_bayes_of_counts(model):
    fitted = fit(model, COUNTS, THREE)
    scored = compare(lambda d: pd.Series(fitted.predict(d)), DRAWN, LongType())
    assert scored.refused == "" and scored.rows > 150
    assert compare_columns(lambda d: fitted.predict_proba(d), DRAWN, rtol=1e-9).rows > 150


def test_a_category_that_was_not_seen_raises():
    fitted = fit(CategoricalNB(), COUNTS, THREE)
    scored = compare(lambda d: pd.Series(fitted.predict(d)), batch_of(a=[0, 99, -1], b=[1, 1, 1], c=[0, 0, 0]), LongType())
    assert (scored.rows, scored.flagged, scored.raised) == (1, 2, 2)


def test_float32_models():
    narrow = batch_of(**{name: pa.array(TABLE[name].to_numpy(np.float32)) for name in TABLE})
    fitted = fit(lm.LogisticRegression(), TABLE.astype(np.float32), TWO)
    assert compare(lambda d: pd.Series(fitted.predict(d)), narrow, StringType()).rows >= 198
    scored = compare(lambda d: pd.Series(fitted.predict_proba(d)[:, 1].astype("float64")), narrow, rtol=1e-5)
    assert (scored.rows, scored.refused) == (200, "")


def test_one_hot_is_looked_up_and_not_made():
    words = [f"w{i}" for i in range(300)]
    table = pd.DataFrame({"s": words * 2, "t": (words * 2)[::-1]})
    fitted = make_pipeline(OneHotEncoder(handle_unknown="ignore"), lm.LogisticRegression()).fit(table, np.arange(600) % 2)
    batch = batch_of(s=[*words[:50], "new", None], t=[None, *words[:50], "new"])
    assert compare(lambda d: pd.Series(fitted.predict_proba(d)[:, 1]), batch, rtol=1e-12).rows == 52
