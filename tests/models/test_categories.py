"""Columns of pandas categories before LightGBM and XGBoost: texts of the training, others, and missing ones."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import lightgbm as lgb
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import xgboost as xgb
from pyspark.sql.types import DoubleType, FloatType
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline

from tests.helpers.models import Scored, compare
from tests.helpers.real import category_rows, with_categories

COLUMNS = ["f0", "s", "t", "g"]
SMALL: dict[str, Any] = {"n_estimators": 6, "max_depth": 4, "random_state": 1}
ORDER = ["c", "a", "b"]
TYPE = pd.CategoricalDtype(["b", "c", "a"], ordered=True)


def batch(known: bool = True) -> pa.RecordBatch:
    """Rows with missing texts; and with a text that is new, unless `known`."""
    given = category_rows().to_pandas()
    given["t"] = np.where(given.f0 > 14, "é", "x y")
    if known:
        given = given[given.s != "z"]
    return pa.RecordBatch.from_pandas(given[COLUMNS], preserve_index=False)


@cache
def training() -> tuple[pd.DataFrame, np.ndarray]:
    values, target = with_categories()
    values = values.assign(t=np.where(values.f0 > 14, "é", "x y"))[COLUMNS]
    return values.assign(s=values.s.astype("category"), t=pd.Categorical(values.t, categories=["x y", "unseen", "é"])), target


@cache
def fitted(kind: str) -> Any:
    values, target = training()
    library = xgb if kind.startswith("XGB") else lgb
    more = {"max_cat_to_onehot": 1} if library is xgb else {"verbose": -1, "min_data_per_group": 5, "cat_smooth": 1.0}
    return getattr(library, kind)(**SMALL, **more).fit(values, target)


def as_text(d: pd.DataFrame) -> pd.DataFrame:
    """What a batch gives: the categories of its own texts."""
    d = d.copy()
    d["s"] = d["s"].astype("category")
    d["t"] = d["t"].astype("category")
    return d


def as_listed(d: pd.DataFrame) -> pd.DataFrame:
    return d.assign(s=pd.Categorical(d["s"], categories=ORDER), t=d.t.astype(pd.CategoricalDtype(["é", "x y"])))


def as_typed(d: pd.DataFrame) -> pd.DataFrame:
    return d.assign(s=d["s"].astype(TYPE), t=pd.Series(pd.Categorical(d["t"], dtype="category")))


WAYS: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {"own": as_text, "listed": as_listed, "typed": as_typed}
PREDICTIONS: dict[str, Callable[[Any, pd.DataFrame], Any]] = {
    "XGBRegressor": lambda m, d: m.predict(d, output_margin=True),
    "XGBClassifier": lambda m, d: m.predict_proba(d)[:, 1],
    "XGBRegressor DMatrix": lambda m, d: m.get_booster().predict(xgb.DMatrix(d, enable_categorical=True), pred_leaf=True)[:, 1],
    "XGBRegressor inplace": lambda m, d: m.get_booster().inplace_predict(d, predict_type="margin"),
    "LGBMRegressor": lambda m, d: m.predict(d),
    "LGBMClassifier": lambda m, d: m.predict_proba(d)[:, 1],
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", PREDICTIONS)
def test_categories(kind: str, way: str) -> None:
    model, rows = fitted(kind.split()[0]), batch()
    returns = FloatType() if kind.startswith("XGB") else DoubleType()
    scored = compare(lambda d: pd.Series(PREDICTIONS[kind](model, WAYS[way](d))), rows, returns, rtol=2e-6)
    assert (scored.refused, scored.rows) == ("", rows.num_rows)


@pytest.mark.parametrize("kind", ["XGBRegressor", "LGBMRegressor"])
def test_a_category_that_is_new(kind: str) -> None:
    """It is missing for LightGBM; XGBoost raises, but for one that the column's dtype has made missing before."""
    model, rows = fitted(kind), batch(known=False)
    returns = FloatType() if kind.startswith("XGB") else DoubleType()
    new = pa.compute.sum(pa.compute.equal(rows["s"], "z")).as_py()
    scored = compare(lambda d: pd.Series(model.predict(as_text(d))), rows, returns)
    flagged = new if kind.startswith("XGB") else 0
    assert (scored.refused, scored.rows, scored.raised) == ("", rows.num_rows - flagged, flagged)
    scored = compare(lambda d: pd.Series(model.predict(as_listed(d))), rows, returns)
    assert (scored.refused, scored.rows) == ("", rows.num_rows)


def test_loaded_models() -> None:
    """Both libraries store the categories with the model."""
    light = lgb.Booster(model_str=fitted("LGBMRegressor").booster_.model_to_string())
    boosted = xgb.Booster(model_file=bytearray(fitted("XGBRegressor").get_booster().save_raw("ubj")))
    rows = batch()
    assert compare(lambda d: pd.Series(light.predict(as_text(d))), rows, DoubleType()).rows == rows.num_rows
    assert compare(lambda d: pd.Series(boosted.predict(xgb.DMatrix(as_text(d)))), rows, FloatType()).rows == rows.num_rows


def test_only_missing_texts() -> None:
    """LightGBM takes a batch of them; XGBoost raises unless the dtype has categories."""
    rows = batch().slice(0, 40)
    rows = rows.set_column(1, "s", pa.nulls(40, pa.string()))
    light, boosted = fitted("LGBMRegressor"), fitted("XGBRegressor")
    assert compare(lambda d: pd.Series(light.predict(as_text(d))), rows, DoubleType()).rows == 40
    assert compare(lambda d: pd.Series(boosted.predict(as_listed(d))), rows, FloatType()).rows == 40


def refused(function: Callable[[pd.DataFrame], Any]) -> Scored:
    return compare(lambda d: pd.Series(function(d)), batch(), DoubleType()).refused


def test_what_is_refused() -> None:
    values, target = training()
    plain = lgb.LGBMRegressor(n_estimators=2, verbose=-1).fit(values[["f0", "g"]].to_numpy(), target)
    numbers = lgb.LGBMRegressor(n_estimators=2, verbose=-1).fit(values[["f0"]].assign(g=values.g.astype("category")), target)
    codes = xgb.XGBRegressor(n_estimators=2, feature_types=["q", "c"], enable_categorical=True)
    codes.fit(np.column_stack([values.f0, values.s.cat.codes + 1]), target)
    line = make_pipeline(LinearRegression()).fit(values[["f0"]].fillna(0), target)
    light, boosted = fitted("LGBMRegressor"), fitted("XGBRegressor")
    more = pd.CategoricalDtype(["a", "b", "c", "new"])
    assert refused(lambda d: plain.predict(as_text(d)[["f0", "s"]])) == "SW835"
    assert refused(lambda d: numbers.predict(as_text(d)[["f0", "s"]])) == "SW835"
    assert refused(lambda d: codes.predict(as_text(d)[["f0", "s"]])) == "SW836"
    assert refused(lambda d: boosted.predict(as_text(d).assign(s=d.s.astype(more)))) == "SW252"
    assert refused(lambda d: light.predict(as_text(d)[["f0", "s", "g"]])) == "SW252"  # another number of category columns
    assert refused(lambda d: line.predict(as_text(d)[["s"]])) == "SW251"
    assert refused(lambda d: light.predict(as_text(d).assign(s=pd.Categorical(d.s, categories=[1, 2])))) == "SW262"
    assert refused(lambda d: d.s.astype("category").cat.codes) == "SW251"
    assert refused(lambda d: d.s.astype("category") == "a") == "SW251"
    assert refused(lambda d: d.s.astype("category")) == "SW251"
    assert refused(lambda d: light.predict(as_text(d).assign(g=d.g.astype("category")))) == "SW254"
