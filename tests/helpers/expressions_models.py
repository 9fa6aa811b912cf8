"""Draws fitted pipelines over tables of numbers, strings and missing values, and compares them with the library."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from hypothesis import strategies as st
from pyspark.sql.types import DoubleType, LongType, StringType
from sklearn import linear_model as lm
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import VotingClassifier
from sklearn.feature_selection import SelectKBest
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    RobustScaler,
    StandardScaler,
)
from sklearn.svm import LinearSVC

from tests.helpers.compiled import Compared
from tests.helpers.models import Scored, compare

_WORDS = ["red", "green", "blue", "", "grün", "a longer word", "RED", "x" * 40]
_ROWS = 120


def compare_pipeline(draw: Callable[[Any], Any]) -> tuple[str, Compared]:
    """Draws a pipeline, fits it on one table, and compares its prediction for another."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    fit, batch = _table(rng, 5), pa.RecordBatch.from_pandas(_table(rng, len(_WORDS)), preserve_index=False)
    model, classes = draw(_models()), draw(st.sampled_from(("strings", "integers")))
    target = fit.x.fillna(0) + 0.3 * fit.k + 0.1 * rng.normal(size=_ROWS)
    labels = np.digitize(target, draw(st.sampled_from(([0.5], [0.2, 1.0]))))
    names = np.array(["no", "yes", "maybe"], object)[labels] if classes == "strings" else labels
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = make_pipeline(draw(_columns()), *draw(_between()), model).fit(fit, names)
    if draw(st.booleans()) and hasattr(fitted, "predict_proba"):
        scored = compare(lambda d: pd.Series(fitted.predict_proba(d)[:, 1]), batch, DoubleType(), rtol=1e-7)
    else:
        returns = StringType() if classes == "strings" else LongType()
        scored = compare(lambda d: pd.Series(fitted.predict(d)), batch, returns)
    return repr(fitted), _compared(scored)


def _compared(scored: Scored) -> Compared:
    return Compared(int(scored.rows > 0), int(scored.flagged > 0), int(scored.raised > 0), scored.refused)


def _table(rng: np.random.Generator, words: int) -> pd.DataFrame:
    """Two columns of floats with missing values, one of integers, two of strings of which some are missing."""
    x, y = rng.normal(size=_ROWS), rng.normal(size=_ROWS) * 100
    x[rng.random(_ROWS) < 0.1] = np.nan
    texts = rng.choice(np.array([*_WORDS[:words], None], object), (2, _ROWS))
    return pd.DataFrame({"x": x, "y": y, "k": rng.integers(-3, 4, _ROWS), "s": texts[0], "t": texts[1]})


def _columns() -> st.SearchStrategy[Any]:
    """A ColumnTransformer that takes all of the table's columns."""
    imputers = st.builds(
        SimpleImputer, strategy=st.sampled_from(("mean", "median", "most_frequent")), add_indicator=st.booleans()
    )
    scalers = st.sampled_from((StandardScaler(), MinMaxScaler(), MinMaxScaler(clip=True), MaxAbsScaler(), RobustScaler()))
    encoders = st.one_of(
        st.builds(
            OneHotEncoder,
            handle_unknown=st.sampled_from(("ignore", "infrequent_if_exist")),
            drop=st.sampled_from((None, "first", "if_binary")),
            max_categories=st.sampled_from((None, 3)),
        ),
        st.just(OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2)),
    )
    bins = KBinsDiscretizer(3, quantile_method="linear")
    wide = st.sampled_from(("passthrough", bins, PolynomialFeatures(2), StandardScaler()))
    return st.builds(
        lambda imputer, scaler, encoder, other, threshold: ColumnTransformer(
            [("n", make_pipeline(imputer, scaler), ["x", "y"]), ("s", encoder, ["s", "t"]), ("k", other, ["k"])],
            sparse_threshold=threshold,
        ),
        imputers, scalers, encoders, wide, st.sampled_from((0, 0.3, 1.0)),
    )  # fmt: skip


def _between() -> st.SearchStrategy[list[Any]]:
    steps = (MaxAbsScaler(), SelectKBest(k=3))
    return st.lists(st.sampled_from(steps), max_size=2, unique_by=type)


def _models() -> st.SearchStrategy[Any]:
    logistic = lm.LogisticRegression(max_iter=50)
    return st.sampled_from(
        (
            *(logistic, lm.RidgeClassifier(), lm.SGDClassifier(loss="log_loss", random_state=0), LinearSVC(random_state=0)),
            lm.Perceptron(random_state=0),
            CalibratedClassifierCV(lm.RidgeClassifier(), cv=2),
            VotingClassifier([("a", logistic), ("b", lm.RidgeClassifier())]),
            VotingClassifier([("a", logistic), ("b", lm.SGDClassifier(loss="log_loss", random_state=0))], voting="soft"),
        )
    )
