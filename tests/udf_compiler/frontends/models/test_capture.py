"""Checks how a compiled function obtains and uses a fitted model, and which uses are refused with which code."""

from __future__ import annotations

import functools
import sys
import types
from dataclasses import replace

import joblib
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import sklearn
from pyspark.sql.types import DoubleType, LongType, StringType
from sklearn.base import BaseEstimator
from sklearn.linear_model import BayesianRidge, LinearRegression, LogisticRegression
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from sparkweld.errors import Refusal
from sparkweld.ir import Input, ProgramBuilder
from sparkweld.ir.types import F64, STR
from tests.helpers.compatibility_models import class_of
from tests.helpers.models import batch_of, compare, compiled, frame, numbers
from udf_compiler.frontends.models.encoding import OneHotEncoder as OneHotEncoder_
from udf_compiler.frontends.models.estimators import ESTIMATORS
from udf_compiler.frontends.models.features import Features
from udf_compiler.frontends.models.linear import LinearRegressor
from udf_compiler.frontends.models.output import given_back
from udf_compiler.frontends.models.translator import Translator

TABLE, ODD = frame(numbers()), numbers(odd=True, seed=2)
LABELS = np.where(TABLE.a > TABLE.b / 50, "yes", "no")
REGRESSION = LinearRegression().fit(TABLE, TABLE.a - TABLE.c)
SCALED = make_pipeline(StandardScaler(), LogisticRegression()).fit(TABLE, LABELS)


class Scorer:
    def __init__(self, model):
        self.models = {"a": [model]}

    def score(self, d):
        return pd.Series(self.models["a"][0].predict(d))


def test_ways_to_a_model():
    captured = SCALED

    def by_default(d, model=SCALED):
        return pd.Series(model.predict_proba(d)[:, 1])

    functions = [
        lambda d: pd.Series(captured.predict_proba(d)[:, 1]),
        by_default,
        functools.partial(lambda d, model: pd.Series(model.predict_proba(d)[:, 1]), model=SCALED),
        Scorer(REGRESSION).score,
        lambda d: pd.Series(SCALED.named_steps["logisticregression"].predict_proba(SCALED[:-1].transform(d))[:, 0]),
        lambda d: pd.Series(SCALED[-1].decision_function(SCALED.steps[0][1].transform(X=d))),
    ]
    for function in functions:
        scored = compare(function, ODD, rtol=1e-11)
        assert scored.rows > 150 and scored.flagged == scored.raised > 2 and "dot" in scored.kept


def test_a_model_of_a_module_by_name(monkeypatch):
    module = types.ModuleType("scoring_module_of_models")
    module.model = REGRESSION
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec("import pandas as pd\ndef score(d): return pd.Series(model.predict(d))", vars(module))
    assert compare(module.score, ODD, rtol=1e-9).rows > 150


def test_ways_to_the_features():
    functions = [
        lambda a, b, c, d: pd.Series(REGRESSION.predict(np.column_stack([a, b, c, d]))),
        lambda a, b, c, d: pd.Series(REGRESSION.predict(np.stack([a, b, c, d], axis=1))),
        lambda a, b, c, d: pd.Series(REGRESSION.predict(np.array([a, b, c, d]).T)),
        lambda a, b, c, d: pd.Series(REGRESSION.predict(pd.DataFrame({"a": a, "b": b, "c": c, "d": d}))),
        lambda a, b, c, d: pd.Series(REGRESSION.predict(pd.DataFrame({"a": a, "b": b, "c": c, "d": d}).values)),
    ]
    for function in functions:
        assert compare(function, ODD, struct=False, rtol=1e-9).rows > 150
    assert compare(lambda d: pd.Series(REGRESSION.predict(d[["a", "b", "c", "d"]])), ODD, rtol=1e-9).rows > 150


def test_operations_on_results():
    assert compare(lambda d: pd.Series(SCALED.predict(d)), ODD, StringType()).kept == ()

    def taken(d):
        return pd.Series(SCALED.classes_[SCALED.decision_function(d).astype("int64") // 10**9 + 1])

    def by_name(d):
        return pd.Series(SCALED.predict_proba(d)[:, list(SCALED.classes_).index("yes")])

    assert compare(taken, ODD, StringType()).rows > 150
    assert compare(by_name, ODD, rtol=1e-11).rows > 150
    assert compare(lambda d: pd.Series(SCALED.predict(d)).map({"yes": 1, "no": 0}).astype("int64"), ODD, LongType()).rows > 150


class Own(StandardScaler):
    pass


class Listed(BaseEstimator):
    pass


Listed.__module__ = "sklearn.of_nobody"


def _scaler(**options):
    return StandardScaler(**options).fit(TABLE)


def _of_objects():
    model = LogisticRegression().fit(TABLE, LABELS)
    model.classes_ = np.array([("a",), None], object)
    return model


def _assigned(d):
    REGRESSION.coef_ = 1


def _predicts(model):
    return lambda d: pd.Series(model.predict(d))


def _transforms(model):
    return lambda d: pd.Series(model.transform(d)[:, 0])


def test_user_code_around_a_model():
    three = make_pipeline(StandardScaler(), LogisticRegression()).fit(TABLE, np.digitize(TABLE.a, [-0.05, 0.05]))
    named = make_pipeline(StandardScaler(), LogisticRegression()).fit(TABLE, np.where(TABLE.a > 0, "p", "n"))

    def framed(d):
        return pd.DataFrame(named.predict_proba(d), columns=named[-1].classes_)["p"]

    def surest(d):
        return pd.Series(three[-1].classes_[three.predict_proba(d).argmax(axis=1)])

    def certain(d):
        return pd.Series(np.where(named.predict(d) == "p", named.predict_proba(d).max(axis=1), 0.0))

    def joined(d):
        whole = pd.concat([d[["a", "b"]], d[["c", "d"]]], axis=1)
        return pd.Series(three.predict_proba(whole)[:, 2]).astype("float32").astype("float64")

    for function, returns in ((framed, DoubleType()), (surest, LongType()), (certain, DoubleType()), (joined, DoubleType())):
        scored = compare(function, ODD, returns, rtol=1e-6)
        assert scored.refused == "" and scored.rows > 150, function
        assert scored.flagged == scored.raised


REFUSED = {
    "SW800": lambda: _predicts(Listed()),
    "SW801": lambda: _transforms(Own().fit(TABLE)),
    "SW802": lambda: lambda d: pd.Series(REGRESSION.score(d, d["a"])),
    "SW805": lambda: lambda d: pd.Series(joblib.load("/models/a.joblib").predict(d)),
    "SW810": lambda: lambda d: pd.Series(REGRESSION.predict([[1.0, 2.0, 3.0, 4.0]])),
    "SW812": lambda: _predicts(LinearRegression()),
    "SW814": lambda: _predicts(LogisticRegression().fit(TABLE, LABELS).sparsify()),
    "SW815": lambda: _transforms(_scaler(copy=False)),
    "SW817": lambda: _transforms(_scaler().set_output(transform="polars")),
    "SW819": lambda: (lambda model: lambda d: pd.Series(model.classes_))(_of_objects()),
    "SW252": lambda: lambda d: pd.Series(REGRESSION.predict(d[["b", "a", "c", "d"]])),
    "SW253": lambda: lambda d: pd.Series(REGRESSION.predict(d) if REGRESSION.predict(d) > 0 else d["a"]),
    "SW256": lambda: _assigned,
}


@pytest.mark.parametrize("code", REFUSED)
def test_refusals(code):
    assert compare(REFUSED[code](), ODD).refused == code


def test_every_listed_estimator_is_a_class_of_the_library():
    for qualified in ESTIMATORS:
        kind = class_of(qualified)
        assert f"{kind.__module__}.{kind.__qualname__}" == qualified


def test_an_unknown_estimator_is_refused_with_its_name():
    model = NearestNeighbors().fit(TABLE)
    reply = compiled(lambda d: pd.Series(model.kneighbors(d)[0][:, 0]), ODD, DoubleType())
    assert "sklearn.neighbors._unsupervised.NearestNeighbors" in reply["refusals"][0]["message"]


def test_a_subclass_is_refused_with_its_name_also_inside_of_a_pipeline():
    inside = make_pipeline(Own(), LogisticRegression()).fit(TABLE, LABELS)
    reply = compiled(lambda d: pd.Series(inside.predict(d)), ODD, StringType())
    assert reply["refusals"][0]["code"] == "SW801"
    assert f"{Own.__module__}.Own" in reply["refusals"][0]["message"]


def test_methods_that_were_taken_from_a_model_and_their_options():
    """A bound method is equivalent to the model; an option at its default is ignored, and another one is refused by name."""
    predict = REGRESSION.predict
    assert compare(lambda d: pd.Series(predict(X=d)), ODD, rtol=1e-9).rows > 150
    bayes = BayesianRidge().fit(TABLE, TABLE.a)
    assert compare(lambda d: pd.Series(bayes.predict(d, return_std=False)), ODD, rtol=1e-9).rows > 150
    reply = compiled(lambda d: pd.Series(bayes.predict(d, return_std=True)[0]), ODD, DoubleType())
    assert (reply["refusals"][0]["code"], "return_std" in reply["refusals"][0]["message"]) == ("SW840", True)


def test_strings_for_numbers():
    texts = batch_of(a=["1", "2"], b=[1.0, 2.0], c=[1.0, 2.0], d=[1.0, 2.0])
    assert compare(lambda d: pd.Series(REGRESSION.predict(d)), texts).refused == "SW811"


def test_another_setting_of_the_library():
    with sklearn.config_context(assume_finite=True):
        assert compare(lambda d: pd.Series(REGRESSION.predict(d)), ODD).refused == "SW804"


def test_exact_mode_takes_labels_and_no_sums():
    assert compare(lambda d: pd.Series(SCALED.predict(d)), ODD, StringType(), exact=True).rows > 150
    assert compare(lambda d: pd.Series(SCALED.predict_proba(d)[:, 1]), ODD, exact=True).refused == "SW820"


def test_labels_that_are_objects():
    mixed = _of_objects()
    assert compare(lambda d: pd.Series(mixed.predict(d)), ODD, StringType()).refused == "SW813"




def test_results_that_no_array_holds():
    loop = ProgramBuilder("models", [Input("a", STR)]).loop("f")
    texts = Features(loop, (loop.read("a"), loop.const("b", STR)))
    with pytest.raises(Refusal) as two_dimensional:
        given_back(texts, "transform")
    with pytest.raises(Refusal) as sparse:
        given_back(replace(texts, sparse=True), "transform").dot(1)
    assert (two_dimensional.value.code, sparse.value.code) == ("SW818", "SW816")


class Broken(Translator):
    """A translation that is off by one."""

    def predict(self, x):
        right = LinearRegressor(self.model).predict(x)
        return right.array([x.loop.call("add", v, x.loop.const(1.0, F64)) for v in right.values], ndim=1)


def test_a_wrong_translation_is_found_before_anything_runs(monkeypatch):
    table = pd.DataFrame(np.random.default_rng(0).normal(size=(50, 30)), columns=[f"x{i}" for i in range(30)])
    model = LinearRegression().fit(table, table.x0)
    batch = pa.RecordBatch.from_pandas(table.mask(table > 2))
    monkeypatch.setitem(ESTIMATORS, "sklearn.linear_model._base.LinearRegression", Broken)
    assert compare(lambda d: pd.Series(model.predict(d)), batch).refused == "SW233"


def test_tables_are_tried_with_their_keys(monkeypatch):
    table = pd.DataFrame({"s": ["violet", "indigo"] * 30})
    model = make_pipeline(OneHotEncoder(handle_unknown="ignore"), LinearRegression()).fit(table, np.arange(60.0))
    monkeypatch.setattr(OneHotEncoder_, "_places", lambda self, at, count: ([1, 0], None))
    assert compare(lambda d: pd.Series(model.predict(d)), pa.RecordBatch.from_pandas(table)).refused == "SW233"
