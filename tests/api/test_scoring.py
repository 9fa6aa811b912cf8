"""Checks which models and paths `sparkweld.score` accepts, and its errors for others, without a session."""

from __future__ import annotations

import gzip
import pickle

import catboost
import joblib
import lightgbm
import numpy as np
import pandas as pd
import pytest
import xgboost
from sklearn.compose import make_column_transformer
from sklearn.ensemble import IsolationForest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from sparkweld.api.fitted import chosen_features, feature_names, plan_of
from sparkweld.api.saved_models import load_model, of_booster
from sparkweld.errors import UserError

RANDOM = np.random.default_rng(0)
TABLE = pd.DataFrame({"a.b": RANDOM.normal(size=80), "größe c": RANDOM.integers(0, 9, 80), "city": RANDOM.choice(["x", "y"], 80)})
NUMBERS, LABELS, THREE = TABLE[["a.b", "größe c"]], np.where(TABLE["a.b"] > 0, "yes", "no"), TABLE["größe c"] % 3
TYPES = {"a.b": "double", "größe c": "bigint", "city": "string", "many": "array<int>"}
PIPELINE = make_pipeline(
    make_column_transformer((StandardScaler(), ["a.b", "größe c"]), (OneHotEncoder(), ["city"])), LogisticRegression()
).fit(TABLE, LABELS)
TEXTS = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(["good day", "bad day"] * 40, LABELS)
FOREST = IsolationForest(n_estimators=2).fit(NUMBERS)
BOOSTED = lightgbm.LGBMClassifier(n_estimators=2, verbose=-1).fit(NUMBERS, THREE)
NAMELESS = xgboost.XGBClassifier(n_estimators=2).fit(NUMBERS.to_numpy(), THREE)


def planned(model, features=None, proba=False, types=TYPES):
    return plan_of(model, chosen_features(model, features, types), proba)


def test_the_called_method_and_its_result():
    assert (planned(PIPELINE).method, planned(PIPELINE).type) == ("predict", "string")
    assert (planned(PIPELINE, proba=True).at, planned(PIPELINE, proba="no").at) == (1, 0)
    assert planned(BOOSTED, proba=True).classes == (0, 1, 2)
    assert (planned(BOOSTED, proba=2).at, planned(BOOSTED, proba="1").at) == (2, 1)
    assert planned(TEXTS, ["city"]).documents
    assert (planned(FOREST).type, planned(FOREST).array) == ("long", False)
    nameless = planned(NAMELESS, ["größe c", "a.b"], True)
    assert (nameless.type, nameless.array) == ("float", True)
    assert planned(LinearRegression().fit(NUMBERS, THREE)).type == "double"
    assert planned(BOOSTED.booster_, {"a.b": "a.b", "größe_c": "größe c"}, True).classes == (0, 1, 2)


def test_features_are_found_by_the_models_names():
    assert feature_names(NAMELESS) is None
    assert [g.column for g in chosen_features(PIPELINE, ["city", "größe c", "a.b"], TYPES)] == ["a.b", "größe c", "city"]
    assert [(g.name, g.column) for g in chosen_features(BOOSTED, None, TYPES)] == [("a.b", "a.b"), ("größe_c", "größe c")]
    renamed = chosen_features(FOREST, {"a.b": "größe c", "größe c": "a.b"}, TYPES)
    assert [(g.name, g.column) for g in renamed] == [("a.b", "größe c"), ("größe c", "a.b")]


WRONG = {
    "no column 'größe c'.*Did you mean 'Größe c' for": lambda: planned(FOREST, types={"a.b": "int", "Größe c": "int"}),
    "no column 'größe c'": lambda: planned(FOREST, types={"a.b": "double"}),
    "could not convert string to float": lambda: planned(PIPELINE, types={**TYPES, "a.b": "string"}),
    "cannot score rows with the columns city string, a.b": lambda: planned(NAMELESS, ["city", "a.b"]),
    "'many' .array<int>. cannot be a feature": lambda: planned(NAMELESS, ["many", "a.b"]),
    "expected: 2, got 1": lambda: planned(NAMELESS, ["a.b"]),
    "'c' is none of its features and 'größe c' is left out": lambda: planned(FOREST, ["a.b", "c"], types={**TYPES, "c": "int"}),
    "features is empty": lambda: planned(FOREST, []),
    "names a column twice": lambda: planned(NAMELESS, ["a.b", "a.b"]),
    "fitted on 2 columns.: pass features": lambda: planned(NAMELESS),
    "reads strings: pass features": lambda: planned(TEXTS),
    "takes one column of strings, not a.b double": lambda: planned(TEXTS, ["a.b"]),
    "has no class 'maybe': its classes are 'no', 'yes'": lambda: planned(PIPELINE, proba="maybe"),
    "has no predict_proba": lambda: planned(FOREST, proba=True),
    "returns 3 columns: pass proba=True": lambda: planned(BOOSTED.booster_, {"a.b": "a.b", "größe_c": "größe c"}),
    "several outputs are not scored": lambda: planned(LinearRegression().fit(NUMBERS, NUMBERS)),
    "not fitted yet": lambda: planned(LogisticRegression(), ["a.b"]),
    "a dict is not a fitted model": lambda: planned({"model": PIPELINE}),
}


@pytest.mark.parametrize("says", WRONG)
def test_mismatches(says):
    with pytest.raises(UserError, match=says):
        WRONG[says]()


def test_saved_models(tmp_path):
    joblib.dump(PIPELINE, tmp_path / "a.bin", compress=3)
    (tmp_path / "b").write_bytes(pickle.dumps(PIPELINE))
    (tmp_path / "c").write_bytes(gzip.compress(pickle.dumps(PIPELINE)))
    for name in ("a.bin", "b", "c"):
        assert (load_model(tmp_path / name, None).predict(TABLE) == PIPELINE.predict(TABLE)).all()
    assert (load_model(f"file://{tmp_path}/b", None).predict(TABLE) == PIPELINE.predict(TABLE)).all()
    BOOSTED.booster_.save_model(tmp_path / "d")
    assert np.array_equal(load_model(tmp_path / "d", None).predict(NUMBERS), BOOSTED.predict_proba(NUMBERS))
    for name in ("e.json", "f.ubj"):
        NAMELESS.save_model(tmp_path / name)
        loaded = load_model(tmp_path / name, None)
        assert type(loaded) is xgboost.XGBClassifier
        assert np.array_equal(loaded.predict_proba(NUMBERS.to_numpy()), NAMELESS.predict_proba(NUMBERS.to_numpy()))
    few = {"iterations": 2, "verbose": 0, "allow_writing_files": False}
    for kind, target in ((catboost.CatBoostClassifier, THREE == 1), (catboost.CatBoostRegressor, THREE)):
        fitted = kind(**few).fit(NUMBERS, target)
        fitted.save_model(tmp_path / "g.cbm")
        loaded = load_model(tmp_path / "g.cbm", None)
        assert type(loaded) is kind and np.array_equal(loaded.predict(NUMBERS), fitted.predict(NUMBERS))
    regressor = xgboost.XGBRegressor(n_estimators=2).fit(NUMBERS, THREE)
    assert np.array_equal(of_booster(regressor.get_booster()).predict(NUMBERS), regressor.predict(NUMBERS))


class Foreign:
    """A model of a package that is not installed."""

    def __reduce__(self):
        return __import__, ("no_such_package",)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # of a partially loaded LightGBM Booster
def test_paths_without_a_model(tmp_path):
    contents = {
        "is an empty file": b"",
        "is not a readable model: it begins with b'hello'": b"hello",
        "cannot be read as a file of joblib or pickle: [EU]": pickle.dumps(PIPELINE)[:300],
        "cannot be read as a file of joblib or pickle: AttributeError": b"\x80\x04cnumpy\nno_such_name\n.",
        "requires the package no_such_package": pickle.dumps(Foreign()),
        "cannot be read as a file of LightGBM": b"tree\nversion=v4\nnonsense",
        "cannot be read as a file of XGBoost": b'{"learner": 1}',
        "cannot be read as a file of CatBoost": b"CBM1nonsense",
    }
    path = tmp_path / "m"
    for says, data in contents.items():
        path.write_bytes(data)
        with pytest.raises(UserError, match=says):
            load_model(path, None)
    (tmp_path / "mlflow").mkdir()
    (tmp_path / "mlflow" / "MLmodel").write_text("flavors:")
    for says, where in (("no such file", tmp_path / "none"), ("not a pyspark.ml", tmp_path), ("MLflow", tmp_path / "mlflow")):
        with pytest.raises(UserError, match=says):
            load_model(where, None)
