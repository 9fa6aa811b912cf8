"""Compares accelerated estimators with the estimators themselves: results, types, warnings, refits, clones and pickles."""

from __future__ import annotations

import copy
import pickle
import threading
import warnings

import joblib
import numpy as np
import pandas as pd
import pytest
from lightgbm import LGBMClassifier
from scipy import sparse
from sklearn.base import BaseEstimator, clone, is_classifier
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestClassifier
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from sklearn.utils.validation import check_is_fitted
from xgboost import XGBClassifier

import sparkweld
from sparkweld.api.accelerating import Accelerated
from sparkweld.errors import RefusalWarning, UserError

RNG = np.random.default_rng(8)
NUMBERS = pd.DataFrame(RNG.normal(size=(120, 4)), columns=list("abcd"))
TABLE = NUMBERS.assign(d=RNG.integers(0, 5, 120), job=RNG.choice(["cook", "smith", "clerk"], 120))
LABELS = np.digitize(NUMBERS["a"] + NUMBERS["b"], [-0.6, 0.6])
WORDS = np.array(["low", "middle", "high"])[LABELS]
DOCUMENTS = [" ".join(RNG.choice(["red", "green", "blue", "grey"], 5)) for _ in range(120)]
MATRIX = NUMBERS.to_numpy()
FEW = {"n_estimators": 6, "random_state": 1}


def mixed():
    encoded = ("job", OneHotEncoder(handle_unknown="ignore", sparse_output=False), ["job"])
    return ColumnTransformer([encoded, ("rest", StandardScaler(), ["a", "d"])])


def in_kernels(fast):
    """Whether all calls have a program."""
    lines = fast.sparkweld_explain().splitlines()
    return bool(lines) and all(line.endswith(": program") for line in lines)


def same(mine, own, bound=0.0):
    """Checks that a result has the type, dtype and values of the model's own; `bound`: of relative differences."""
    assert type(mine) is type(own)
    if isinstance(own, pd.DataFrame):
        pd.testing.assert_frame_equal(mine, own, check_exact=not bound, **({"rtol": bound} if bound else {}))
        return
    assert mine.dtype == own.dtype and mine.shape == own.shape
    if bound:
        np.testing.assert_allclose(mine, own, rtol=bound, atol=bound)
    else:
        assert mine.tolist() == own.tolist()


TREES = RandomForestClassifier(**FEW).fit(NUMBERS, WORDS)
CASES = [
    (TREES, NUMBERS, ["predict", "predict_proba"], 0.0),
    (DecisionTreeClassifier(max_depth=3).fit(NUMBERS, LABELS.astype("int32")), NUMBERS, ["predict", "predict_proba"], 0.0),
    (DecisionTreeClassifier(max_depth=3).fit(NUMBERS, WORDS.astype(object)), NUMBERS, ["predict"], 0.0),
    (DecisionTreeClassifier(max_depth=3).fit(NUMBERS, LABELS > 1), NUMBERS, ["predict", "predict_proba"], 0.0),
    (DecisionTreeRegressor(max_depth=3).fit(MATRIX, MATRIX[:, 0]), MATRIX, ["predict"], 0.0),
    (DecisionTreeRegressor(max_depth=3).fit(MATRIX, MATRIX[:, 0]), np.asfortranarray(MATRIX), ["predict"], 0.0),
    (HistGradientBoostingRegressor(max_iter=5).fit(NUMBERS, NUMBERS["a"]), NUMBERS.mask(NUMBERS > 1), ["predict"], 0.0),
    (LGBMClassifier(**FEW, verbosity=-1).fit(TABLE[["a", "d"]], WORDS), TABLE[["a", "d"]], ["predict"], 0.0),
    (XGBClassifier(**FEW).fit(NUMBERS, LABELS), NUMBERS, ["predict", "predict_proba"], 1e-6),
    (KMeans(3, n_init=1, random_state=1).fit(MATRIX), MATRIX, ["predict"], 0.0),
    (make_pipeline(mixed(), LogisticRegression()).fit(TABLE, WORDS), TABLE, ["predict"], 0.0),
    (make_pipeline(mixed(), LogisticRegression()).fit(TABLE, LABELS), TABLE, ["predict_proba", "decision_function"], 1e-12),
    (LinearSVC().fit(NUMBERS, LABELS > 1), NUMBERS, ["predict", "decision_function"], 1e-12),
    (make_pipeline(StandardScaler(), LinearRegression()).fit(MATRIX, MATRIX[:, :1]), MATRIX, ["predict"], 1e-12),
    (MinMaxScaler().fit(MATRIX), MATRIX.astype("float32"), ["transform"], 0.0),
    (MinMaxScaler().fit(NUMBERS).set_output(transform="pandas"), NUMBERS.iloc[5:50], ["transform"], 0.0),
    (mixed().fit(TABLE).set_output(transform="pandas"), TABLE.iloc[::-1], ["transform"], 1e-15),
    (PCA(2).fit(NUMBERS), NUMBERS, ["transform"], 1e-12),
]


@pytest.mark.nightly_cases("DecisionTreeClassifier3", "DecisionTreeClassifier2", "DecisionTreeRegressor4")
@pytest.mark.parametrize(
    ("model", "data", "methods", "bound"), CASES, ids=[f"{type(case[0]).__name__}{at}" for at, case in enumerate(CASES)]
)
def test_methods_return_what_the_model_returns(model, data, methods, bound):
    fast = sparkweld.accelerate(model)
    for name in methods:
        for rows in (data, data[:1], data[:17]):
            same(getattr(fast, name)(rows), getattr(model, name)(rows), bound)
    assert in_kernels(fast)


@pytest.mark.gate_cases(3)
@pytest.mark.parametrize("documents", [DOCUMENTS, pd.Series(DOCUMENTS), np.array(DOCUMENTS, object)])
def test_documents(documents):
    model = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(DOCUMENTS, LABELS)
    fast = sparkweld.accelerate(model)
    same(fast.predict(documents), model.predict(documents))
    same(fast.predict_proba(documents[:3]), model.predict_proba(documents[:3]), 1e-12)
    assert in_kernels(fast)
    for wrong in ([*DOCUMENTS[:5], None], [*DOCUMENTS[:5], 3]):
        with pytest.raises((ValueError, AttributeError)) as own:
            model.predict(wrong)
        with pytest.raises(type(own.value)) as mine:
            fast.predict(wrong)
        assert str(mine.value) == str(own.value)


def test_missing_values_and_unknown_categories():
    model = make_pipeline(mixed(), LogisticRegression()).fit(TABLE, LABELS)
    fast = sparkweld.accelerate(model, TABLE, ["predict"])
    odd = TABLE.assign(job=TABLE["job"].where(RNG.random(120) > 0.3, None))
    odd.loc[3, "job"] = "astronaut"
    same(fast.predict(odd), model.predict(odd))
    for other in (np.nan, pd.NA, 4, b"cook", "\ud800"):
        mixed_up = odd.copy()
        mixed_up.loc[5, "job"] = other
        outcomes = []
        for estimator in (model, fast):
            try:
                outcomes.append(estimator.predict(mixed_up).tolist())
            except (TypeError, ValueError) as error:
                outcomes.append(str(error))
        assert outcomes[0] == outcomes[1]
    with pytest.raises(ValueError, match="contains NaN"):
        fast.predict(TABLE.assign(a=np.nan))
    for wrong in (TABLE.drop(columns="a"), TABLE.rename(columns={"a": "z"}), TABLE.iloc[:0]):
        with pytest.raises(ValueError) as mine:
            fast.predict(wrong)
        with pytest.raises(ValueError) as own:
            model.predict(wrong)
        assert str(mine.value) == str(own.value)
    assert in_kernels(fast)


@pytest.mark.parametrize(
    ("model", "call", "data", "code"),
    [
        (TREES, "predict", sparse.csr_matrix(MATRIX), "SW874"),
        (TREES, "predict", NUMBERS.astype({"a": "Float64"}), "SW874"),
        (TREES, "predict", NUMBERS.astype({"a": "category"}), "SW874"),
        (TREES, "predict", NUMBERS.assign(a=LABELS.astype("uint8")), "SW874"),
        (TREES, "predict", MATRIX.tolist(), "SW874"),
        (TREES, "predict", MATRIX.astype(">f8"), "SW874"),
        (KMeans(3, n_init=1).fit(MATRIX), "predict", pd.DataFrame(MATRIX), "SW874"),
        (OneHotEncoder().fit(TABLE[["job"]]), "transform", TABLE[["job"]], "SW875"),
        (RandomForestClassifier(**FEW).fit(MATRIX, np.c_[LABELS, LABELS]), "predict_proba", MATRIX, "SW875"),
        (LinearRegression().fit(MATRIX.astype("complex128").real, LABELS), "predict", MATRIX.astype("float16"), "SW874"),
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:X does not have valid feature names")  # in the model's own method
def test_other_tables_and_results_run_the_model_with_one_warning(model, call, data, code):
    fast = sparkweld.accelerate(model)
    with pytest.warns(RefusalWarning, match=f"{type(model).__name__}.{call} runs in Python: {code} ") as seen:
        first, second = getattr(fast, call)(data), getattr(fast, call)(data)
    (warned,) = [one for one in seen if one.category is RefusalWarning]
    assert warned.filename == __file__
    own = getattr(model, call)(data)
    for made in (first, second):
        assert type(made) is type(own) and str(made) == str(own)


def test_refusals_and_arguments_run_the_model_with_one_warning():
    class Doubled(LinearRegression):
        def predict(self, X, times=2):
            return super().predict(X) * times

    model = Doubled().fit(NUMBERS, LABELS)
    fast = sparkweld.accelerate(model)
    with pytest.warns(RefusalWarning, match="SW801") as seen:
        same(fast.predict(NUMBERS), model.predict(NUMBERS))
        same(fast.predict(NUMBERS.head(3)), model.predict(NUMBERS.head(3)))
    assert len(seen) == 1 and "in Python: SW801" in fast.sparkweld_explain()
    with pytest.warns(RefusalWarning, match="SW874 .* receives further arguments"):
        same(fast.predict(NUMBERS, times=3), model.predict(NUMBERS, times=3))
    named = sparkweld.accelerate(LinearRegression().fit(NUMBERS, LABELS))
    same(named.predict(X=NUMBERS), named.predict(NUMBERS))


@pytest.mark.filterwarnings("ignore:X has feature names")
def test_changes_of_the_model_are_followed():
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(NUMBERS, LABELS)
    fast = sparkweld.accelerate(model)

    def follows():
        same(fast.predict_proba(NUMBERS), model.predict_proba(NUMBERS), 1e-12)
        same(fast[:1].transform(NUMBERS), model[:1].transform(NUMBERS))

    follows()
    assert fast.fit(NUMBERS, LABELS[::-1]) is fast
    follows()
    model.fit(NUMBERS * 2, LABELS)
    follows()
    model[-1].coef_ = model[-1].coef_ * 3
    follows()
    model.steps[0] = ("scale", MinMaxScaler().fit(NUMBERS))
    follows()
    assert fast.set_params(scale=StandardScaler().fit(NUMBERS)) is fast
    follows()
    fast.steps = fast.steps[1:]
    assert len(model.steps) == 1
    same(fast.predict_proba(NUMBERS), model.predict_proba(NUMBERS), 1e-12)
    assert in_kernels(fast)
    scaler = StandardScaler().fit(NUMBERS)
    fast = sparkweld.accelerate(scaler)
    for container in ("default", "pandas", "default", "pandas"):
        scaler.set_output(transform=container)
        same(fast.transform(NUMBERS), scaler.transform(NUMBERS))
    assert isinstance(fast.set_output(transform="default").transform(NUMBERS), np.ndarray) and in_kernels(fast)


def test_everything_else_is_the_model():
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(NUMBERS, LABELS)
    fast = sparkweld.accelerate(model)
    assert isinstance(fast, Pipeline) and isinstance(fast, BaseEstimator) and isinstance(fast, Accelerated)
    assert is_classifier(fast) and len(fast) == 2 and fast[0] is model[0] and list(fast) == list(model) and bool(fast)
    assert fast.classes_ is model.classes_ and fast.score(NUMBERS, LABELS) == model.score(NUMBERS, LABELS)
    assert fast.get_params().keys() == model.get_params().keys() and repr(fast) == f"accelerate({model!r})"
    assert not hasattr(fast, "transform") and hasattr(fast, "predict_log_proba") and "named_steps" in dir(fast)
    assert not hasattr(sparkweld.accelerate(LogisticRegression()), "__len__")
    check_is_fitted(fast)
    assert cross_val_score(fast, NUMBERS, LABELS, cv=2).tolist() == cross_val_score(model, NUMBERS, LABELS, cv=2).tolist()
    assert sparkweld.compile(fast, NUMBERS)(NUMBERS).tolist() == model.predict(NUMBERS).tolist()
    assert sparkweld.accelerate(fast).__sparkweld_model__ is model
    for wrong in (3, LogisticRegression, object()):
        with pytest.raises(UserError, match="is no estimator"):
            sparkweld.accelerate(wrong)


def test_clones_copies_and_pickles(tmp_path):
    model = DecisionTreeClassifier(max_depth=3).fit(NUMBERS, WORDS)
    fast = sparkweld.accelerate(model, NUMBERS)
    unfitted = clone(fast)
    assert type(unfitted) is type(fast) and unfitted.max_depth == 3
    with pytest.raises(NotFittedError):
        unfitted.predict(NUMBERS)
    same(unfitted.fit(NUMBERS, WORDS).predict(NUMBERS), model.predict(NUMBERS))
    joblib.dump(fast, tmp_path / "fast.joblib")
    for other in (pickle.loads(pickle.dumps(fast)), joblib.load(tmp_path / "fast.joblib"), copy.deepcopy(fast), copy.copy(fast)):
        assert type(other) is type(fast) and other.sparkweld_explain() == "no method was called yet"
        same(other.predict(NUMBERS), model.predict(NUMBERS))
        assert in_kernels(other)
    assert copy.copy(fast).__sparkweld_model__ is model and copy.deepcopy(fast).__sparkweld_model__ is not model


def test_threads_share_a_wrapper():
    fast, expected, wrong = sparkweld.accelerate(TREES), TREES.predict_proba(NUMBERS).tolist(), []

    def work():
        for at in range(40):
            if fast.predict_proba(NUMBERS[at : at + 1]).tolist() != expected[at : at + 1]:
                wrong.append(at)

    threads = [threading.Thread(target=work) for _ in range(4)]
    with warnings.catch_warnings():
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not wrong and in_kernels(fast)
