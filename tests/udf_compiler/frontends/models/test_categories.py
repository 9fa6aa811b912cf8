"""Checks columns of pandas categories before LightGBM and XGBoost: strings of the training, others, and missing ones."""

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
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from tests.helpers.models import Scored, compare
from tests.helpers.real import category_rows, with_categories
from udf_compiler.frontends.models.xgboost_ import cuts_strings

COLUMNS = ["f0", "s", "t", "g"]
LAST = "e" if cuts_strings() else "é"
SMALL: dict[str, Any] = {"n_estimators": 6, "max_depth": 4, "random_state": 1}
ORDER = ["c", "a", "b"]
TYPE = pd.CategoricalDtype(["b", "c", "a"], ordered=True)


def batch(known: bool = True) -> pa.RecordBatch:
    """Returns rows with missing strings, and with an unseen string unless `known`."""
    given = category_rows().to_pandas()
    given["t"] = np.where(given.f0 > 14, LAST, "x y")
    if known:
        given = given[given.s != "z"]
    return pa.RecordBatch.from_pandas(given[COLUMNS], preserve_index=False)


@cache
def training() -> tuple[pd.DataFrame, np.ndarray]:
    values, target = with_categories()
    values = values.assign(t=np.where(values.f0 > 14, LAST, "x y"))[COLUMNS]
    return values.assign(s=values.s.astype("category"), t=pd.Categorical(values.t, categories=["x y", "unseen", LAST])), target


@cache
def fitted(kind: str) -> Any:
    values, target = training()
    library = xgb if kind.startswith("XGB") else lgb
    of_boosted, of_light = {"enable_categorical": True, "max_cat_to_onehot": 1}, {"min_data_per_group": 5, "cat_smooth": 1.0}
    return getattr(library, kind)(**SMALL, **(of_boosted if library is xgb else {"verbose": -1, **of_light})).fit(values, target)


def as_text(d: pd.DataFrame) -> pd.DataFrame:
    """Converts strings to categories of the batch's own strings."""
    d = d.copy()
    d["s"] = d["s"].astype("category")
    d["t"] = d["t"].astype("category")
    return d


def as_listed(d: pd.DataFrame) -> pd.DataFrame:
    return d.assign(s=pd.Categorical(d["s"], categories=ORDER), t=d.t.astype(pd.CategoricalDtype([LAST, "x y"])))


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
    """LightGBM treats it as missing; XGBoost raises, except where the column's dtype has already made it missing."""
    model, rows = fitted(kind), batch(known=False)
    returns = FloatType() if kind.startswith("XGB") else DoubleType()
    new = pa.compute.sum(pa.compute.equal(rows["s"], "z")).as_py()
    scored = compare(lambda d: pd.Series(model.predict(as_text(d))), rows, returns)
    flagged = new if kind.startswith("XGB") else 0
    assert (scored.refused, scored.rows, scored.raised) == ("", rows.num_rows - flagged, flagged)
    scored = compare(lambda d: pd.Series(model.predict(as_listed(d))), rows, returns)
    assert (scored.refused, scored.rows) == ("", rows.num_rows)


def test_a_category_beyond_ascii() -> None:
    """XGBoost 3.2 stores its first bytes alone, so two categories may be one."""
    values, target = pd.DataFrame({"s": pd.Categorical(["é", "è", "b", "b"] * 20)}), np.arange(80.0) % 4
    model = xgb.XGBRegressor(n_estimators=2, enable_categorical=True).fit(values, target)
    rows = pa.RecordBatch.from_pandas(values.astype({"s": "str"}), preserve_index=False)
    scored = compare(lambda d: pd.Series(model.predict(d.assign(s=d["s"].astype("category")))), rows, FloatType())
    assert (scored.refused, scored.rows) == (("SW836", 0) if cuts_strings() else ("", 80))


def test_loaded_models() -> None:
    """Both libraries store the categories with the model."""
    light = lgb.Booster(model_str=fitted("LGBMRegressor").booster_.model_to_string())
    boosted = xgb.Booster(model_file=bytearray(fitted("XGBRegressor").get_booster().save_raw("ubj")))
    rows = batch()
    assert compare(lambda d: pd.Series(light.predict(as_text(d))), rows, DoubleType()).rows == rows.num_rows
    scored = compare(lambda d: pd.Series(boosted.predict(xgb.DMatrix(as_text(d), enable_categorical=True))), rows, FloatType())
    assert scored.rows == rows.num_rows


def test_only_missing_strings() -> None:
    """LightGBM accepts a batch of them; XGBoost raises unless the dtype has categories."""
    rows = batch().slice(0, 40)
    rows = rows.set_column(1, "s", pa.nulls(40, pa.string()))
    light, boosted = fitted("LGBMRegressor"), fitted("XGBRegressor")
    assert compare(lambda d: pd.Series(light.predict(as_text(d))), rows, DoubleType()).rows == 40
    assert compare(lambda d: pd.Series(boosted.predict(as_listed(d))), rows, FloatType()).rows == 40


def refused(function: Callable[[pd.DataFrame], Any]) -> Scored:
    return compare(lambda d: pd.Series(function(d)), batch(), DoubleType()).refused


def test_refused_functions() -> None:
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
    assert refused(lambda d: light.predict(as_text(d).assign(s=d.g.astype("category")))) == "SW835"  # strings in training


def numbered(dtype: str = "int64") -> tuple[pd.DataFrame, np.ndarray]:
    """Returns decisive integers and bools, beside a float."""
    random = np.random.default_rng(3)
    values = pd.DataFrame({"x": random.normal(size=400), "n": random.integers(-2, 4, 400) * 10, "b": random.random(400) < 0.4})
    return values.astype({"n": dtype}), values.x + np.array([3, -1, 5, 0, 2, 9])[values.n // 10 + 2] + 2 * values.b


def as_numbers(d: pd.DataFrame) -> pd.DataFrame:
    return d.assign(n=d.n.astype("category"), b=d.b.astype("category"))


def listed_numbers(d: pd.DataFrame) -> pd.DataFrame:
    given = pd.CategoricalDtype([30, 0, -10, 20])
    return d.assign(n=d.n.astype(given), b=pd.Categorical(d.b, categories=[True, False]))


@cache
def of_numbers(kind: str, dtype: str = "int64") -> Any:
    values, target = numbered(dtype)
    if kind == "XGBRegressor":
        return xgb.XGBRegressor(**SMALL, max_cat_to_onehot=1, enable_categorical=True).fit(as_numbers(values)[["x", "n"]], target)
    return lgb.LGBMRegressor(**SMALL, verbose=-1, min_data_per_group=5, cat_smooth=1.0).fit(as_numbers(values), target)


def numbers(new: bool = False, missing: bool = False, dtype: str = "int64") -> pa.RecordBatch:
    given = numbered(dtype)[0].head(150)
    n = given.n.where(given.index % 7 > 0, 7) if new else given.n
    found = pa.RecordBatch.from_pandas(given.assign(n=n), preserve_index=False)
    if missing:
        found = found.set_column(1, "n", pa.array([None if i % 5 == 0 else x for i, x in enumerate(n.tolist())], dtype))
    return found


@pytest.mark.parametrize("way", [as_numbers, listed_numbers])
@pytest.mark.parametrize("new", [False, True])
@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("dtype", ["int64", "int16"])
def test_categories_of_numbers(way: Any, new: bool, missing: bool, dtype: str) -> None:
    """LightGBM matches numbers of any dtype, including floats from a batch with NULLs."""
    model, rows = of_numbers("LGBMRegressor"), numbers(new, missing, dtype)
    light = lgb.Booster(model_str=model.booster_.model_to_string())
    for predict in (model.predict, light.predict):
        scored = compare(lambda d, p=predict: pd.Series(p(way(d))), rows, DoubleType())
        assert (scored.refused, scored.rows) == ("", rows.num_rows)


@pytest.mark.parametrize("dtype", ["int64", "int32"])
def test_categories_of_numbers_of_one_dtype(dtype: str) -> None:
    """XGBoost requires the dtype of the training, and raises for a new category."""
    model, rows = of_numbers("XGBRegressor", dtype), numbers(dtype=dtype)

    def predict(d: pd.DataFrame) -> pd.Series:
        return pd.Series(model.predict(d[["x", "n"]].assign(n=d.n.astype("category"))))

    scored = compare(predict, rows, FloatType())
    assert (scored.refused, scored.rows) == ("", rows.num_rows)
    scored = compare(predict, numbers(True, dtype=dtype), FloatType())
    assert (scored.refused, scored.rows) == ("", rows.num_rows - 22) and scored.raised in (0, 22)  # XGBoost 3.2 does not raise
    assert compare(predict, numbers(dtype="int16"), FloatType()).refused == "SW252"
    assert compare(predict, numbers(missing=True, dtype=dtype), FloatType()).refused == "SW252"


def test_only_boosters_accept_numbers_as_categories() -> None:
    model, rows = of_numbers("LGBMRegressor"), numbers()
    line = LinearRegression().fit(numbered()[0][["x", "n"]], numbered()[1])

    def refused(function: Callable[[pd.DataFrame], Any]) -> str:
        return compare(lambda d: pd.Series(function(d)), rows, DoubleType()).refused

    assert refused(lambda d: model.predict(as_numbers(d).assign(b=d.n.astype("category")))) == "SW835"
    assert refused(lambda d: line.predict(as_numbers(d)[["x", "n"]])) == "SW251"
    assert refused(lambda d: d.n.astype("category")) == "SW251"
    assert refused(lambda d: d.n.astype("category") + 1) == "SW251"
    assert refused(lambda d: np.log(d.n.astype("category"))) == "SW251"
    assert refused(lambda d: np.where(d.x > 0, d.n.astype("category"), 0)) == "SW251"
    assert refused(lambda d: as_numbers(d)[["x", "n"]].to_numpy()[:, 0]) == "SW251"
    assert refused(lambda d: as_numbers(d)[["x", "n"]].apply(lambda r: r.x + r.n, axis=1)) == "SW264"
    assert refused(lambda d: as_numbers(d)[["x", "n"]].sum(axis=1)) == "SW251"
    assert refused(lambda d: np.column_stack([d.x, d.n.astype("category")])[:, 1]) == "SW251"
    assert refused(lambda d: d.x.where(d.b.astype("category"), 0.0)) == "SW251"
    assert refused(lambda d: d.x.fillna(d.n.astype("category"))) == "SW251"
    assert refused(lambda d: pd.Categorical(d.n, categories=["a"])) == "SW262"
    assert refused(lambda d: pd.Categorical(d.n, categories=[1, 2**60])) == "SW262"
    assert refused(lambda d: pd.Categorical(d.n, categories=[1.5])) == "SW262"


def both(d: pd.DataFrame) -> pd.DataFrame:
    """Converts strings and numbers of a batch to categories."""
    return d.assign(s=d.s.astype("category"), n=d.n.astype("category"))


def listed_both(d: pd.DataFrame) -> pd.DataFrame:
    return d.assign(s=pd.Categorical(d.s, categories=["c", "b", "a", "w"]), n=d.n.astype(pd.CategoricalDtype([0, 10, 30])))


@cache
def mixed() -> tuple[pd.DataFrame, np.ndarray]:
    values, target = numbered()
    values = values.assign(s=np.array(["a", "b", "c"])[np.arange(400) % 3])[["x", "s", "n"]]
    return values, target + 3 * (values.s == "b")


def mixed_rows(new: bool, missing: bool) -> pa.RecordBatch:
    given = mixed()[0].head(120)
    texts = [("z" if new and i % 11 == 0 else None if missing and i % 7 == 0 else s) for i, s in enumerate(given.s)]
    n = [7 if new and i % 9 == 0 else x for i, x in enumerate(given.n.tolist())]
    return pa.record_batch({"x": given.x.to_numpy(), "s": texts, "n": pa.array(n, pa.int64())})


def framed(*parts: Any) -> ColumnTransformer:
    return ColumnTransformer([("x", StandardScaler(), ["x"]), *parts]).set_output(transform="pandas")


ENCODER = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2)
ONE_HOT = OneHotEncoder(handle_unknown="ignore")
LIGHT: dict[str, Any] = {**SMALL, "verbose": -1, "min_data_per_group": 5, "cat_smooth": 1.0}
HISTOGRAM: dict[str, Any] = {"max_iter": 6}
PIPELINES: dict[str, Callable[[], Any]] = {
    "passthrough LightGBM": lambda: make_pipeline(framed(("c", "passthrough", ["s", "n"])), lgb.LGBMRegressor(**LIGHT)),
    "passthrough histogram": lambda: make_pipeline(
        framed(("c", "passthrough", ["n", "s"])), HistGradientBoostingRegressor(**HISTOGRAM)
    ),
    "histogram": lambda: HistGradientBoostingRegressor(**HISTOGRAM, categorical_features="from_dtype"),
    "histogram classifier": lambda: HistGradientBoostingClassifier(**HISTOGRAM),
    "ordinal": lambda: make_pipeline(
        ColumnTransformer([("c", ENCODER, ["s", "n"])], remainder="passthrough"), HistGradientBoostingRegressor(**HISTOGRAM)
    ),
    "one-hot": lambda: make_pipeline(
        ColumnTransformer([("c", ONE_HOT, ["s", "n"])], remainder="passthrough"), lgb.LGBMRegressor(**SMALL, verbose=-1)
    ),
    "one-hot linear": lambda: make_pipeline(
        ColumnTransformer([("c", ONE_HOT, ["s", "n"]), ("x", StandardScaler(), ["x"])]), LinearRegression()
    ),
}


@cache
def of_pipeline(kind: str) -> Any:
    values, target = mixed()
    return PIPELINES[kind]().fit(both(values), target > 3 if kind == "histogram classifier" else target)


@pytest.mark.parametrize("way", [both, listed_both])
@pytest.mark.parametrize("rows", [(False, False), (True, False), (False, True)], ids=["known", "new", "missing"])
@pytest.mark.parametrize("kind", PIPELINES)
def test_categories_through_pipelines(kind: str, rows: tuple[bool, bool], way: Any) -> None:
    model, given = of_pipeline(kind), mixed_rows(*rows)
    of_classes = kind == "histogram classifier"

    def predict(d: pd.DataFrame) -> pd.Series:
        return pd.Series(model.predict_proba(way(d))[:, 1] if of_classes else model.predict(way(d)))

    scored = compare(predict, given, DoubleType(), rtol=1e-9)
    assert (scored.refused, scored.rows) == ("", given.num_rows)


def test_categories_that_a_pipeline_does_not_take() -> None:
    values, target = mixed()
    given = mixed_rows(False, False)
    x = values.assign(s=values.s.map({"a": 1.0, "b": 2.0, "c": 3.0}))
    arrays = make_pipeline(ColumnTransformer([("c", "passthrough", ["x", "n"])]), lgb.LGBMRegressor(**LIGHT))
    arrays.fit(x[["x", "n"]], target)
    scaled = make_pipeline(StandardScaler(), lgb.LGBMRegressor(**LIGHT)).fit(x[["x", "n"]], target)
    plain = HistGradientBoostingRegressor(max_iter=3).fit(x[["x", "n"]], target)
    for model in (arrays, scaled, plain):
        assert compare(lambda d, m=model: pd.Series(m.predict(both(d)[["x", "n"]])), given, DoubleType()).refused == "SW251"


@pytest.mark.parametrize("way", [as_numbers, listed_numbers])
def test_encoded_numbers_with_nulls(way: Any) -> None:
    """A NULL turns the batch's numbers into floats; scikit-learn's encoders compare values."""
    values, target = numbered()
    model = make_pipeline(ColumnTransformer([("n", ENCODER, ["n"]), ("x", "passthrough", ["x"])]), lgb.LGBMRegressor(**LIGHT))
    model.fit(as_numbers(values)[["x", "n"]], target)
    for given in (numbers(), numbers(missing=True), numbers(new=True)):
        scored = compare(lambda d: pd.Series(model.predict(way(d)[["x", "n"]])), given, DoubleType())
        assert (scored.refused, scored.rows) == ("", given.num_rows)


@pytest.mark.parametrize("labels", [["low", "middle", "high"], [1, 2, 3]])
def test_bins_are_categories(labels: list[Any]) -> None:
    values, target = numbered()

    def binned(d: pd.DataFrame) -> pd.DataFrame:
        d = d[["x"]].copy()
        d["bin"] = pd.cut(d["x"], [-1.5, -0.5, 0.5, 1.5], labels=labels)
        return d

    model = lgb.LGBMRegressor(**LIGHT).fit(binned(values), target)
    scored = compare(lambda d: pd.Series(model.predict(binned(d))), numbers(), DoubleType())
    assert (scored.refused, scored.rows) == ("", numbers().num_rows)
    encoded = make_pipeline(ColumnTransformer([("c", ONE_HOT, ["bin"])], remainder="passthrough"), lgb.LGBMRegressor(**LIGHT))
    encoded.fit(binned(values), target)
    scored = compare(lambda d: pd.Series(encoded.predict(binned(d))), numbers(), DoubleType())
    assert (scored.refused, scored.rows) == ("", numbers().num_rows)
