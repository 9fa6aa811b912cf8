"""Checks CatBoost's categorical features: statistics of combinations, single categories, conversions of values, and refusals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import catboost as cb
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql.types import DataType, DoubleType, LongType, StringType

from sparkweld.contract.constants import ARROW_BATCHED
from sparkweld.ir.category_combinations import PartKind
from sparkweld.ir.codecs import category_hash
from sparkweld.ir.layouts.category_tables import PartWord
from tests.helpers.compiled import compare_with_worker
from tests.helpers.models import compare, id_of
from udf_compiler.frontends.models.forests import of_catboost
from udf_compiler.frontends.models.forests.catboost_categories import Single

QUIET: dict[str, Any] = {"iterations": 15, "verbose": 0, "allow_writing_files": False, "thread_count": 1}
CATEGORIES = ["word", "code", "side", "user"]
_RNG = np.random.default_rng(4)
_N = 1200
TRAINING = pd.DataFrame({
    "a": np.where(_RNG.random(_N) < 0.1, np.nan, _RNG.normal(size=_N)),
    "word": _RNG.choice(["x", "", "zz", "a name of more than sixteen bytes", "ü日" * 20], _N),
    "code": _RNG.integers(-3, 30, _N),
    "side": _RNG.choice(["l", "r"], _N),
    "b": _RNG.normal(size=_N),
    "user": [f"user {at % 300}" for at in range(_N)],
})  # fmt: skip
TARGET = (
    TRAINING.b + (TRAINING.word == "zz") * 2 * (TRAINING.side == "l") + TRAINING.code % 7 * 0.3 * (TRAINING.word == "x")
    + TRAINING.a.isna() * (TRAINING.code > 9)
).to_numpy()  # fmt: skip


def fitted(kind: str = "CatBoostRegressor", target: Any = None, data: pd.DataFrame = TRAINING, **options: Any) -> Any:
    used = [name for name in CATEGORIES if name in data]
    return getattr(cb, kind)(**{**QUIET, **options}).fit(data, TARGET if target is None else target, cat_features=used)


def some(rows: int = 60) -> pa.RecordBatch:
    """Rows of the training data, and some with categories that it lacks."""
    made = TRAINING.head(rows).reset_index(drop=True)
    made.loc[3, ["word", "user"]] = ["new", "nobody"]
    made.loc[4, "code"] = 2**60
    made.loc[5, "side"] = "middle"
    return pa.RecordBatch.from_pandas(made, preserve_index=False)


def check(
    function: Callable[[pd.DataFrame], Any], batch: pa.RecordBatch, returns: DataType | None = None, flagged: int = 0
) -> None:
    scored = compare(lambda d: pd.Series(function(d)), batch, returns or DoubleType())
    assert (scored.refused, scored.rows, scored.flagged, scored.kept) == ("", batch.num_rows - flagged, flagged, ())


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"one_hot_max_size": 6},
        {"one_hot_max_size": 255, "simple_ctr": ["Counter"]},
        {"max_ctr_complexity": 4, "depth": 7},
        {"max_ctr_complexity": 3, "nan_mode": "Max"},
        {"simple_ctr": ["Buckets", "BinarizedTargetMeanValue"], "combinations_ctr": ["Buckets:Prior=0.3", "Counter"]},
        {"simple_ctr": ["Borders:TargetBorderCount=5", "Buckets:TargetBorderCount=4"]},
        {"counter_calc_method": "Full", "combinations_ctr": ["BinarizedTargetMeanValue:Prior=-1"]},
        {"grow_policy": "Lossguide", "max_leaves": 9, "one_hot_max_size": 6},
        {"grow_policy": "Depthwise"},
    ],
    ids=id_of,
)
def test_sums(options: dict[str, Any]) -> None:
    """Statistics of each type, of combinations with numbers and single categories: the library's bits."""
    model = fitted(**options)
    check(lambda d: model.predict(d), some())


def test_the_models_have_what_they_are_to_test() -> None:
    """Combinations with all kinds of parts, single categories, and statistics that share a combination."""
    words = of_catboost.read(fitted(max_ctr_complexity=4, depth=7)).categories
    assert words.statistics is not None
    kinds = set(words.statistics.block["parts"].reshape(-1, len(PartWord))[:, PartWord.KIND].tolist())
    assert kinds == {PartKind.CATEGORY, PartKind.IS_CATEGORY, PartKind.IS_ABOVE}
    assert words.statistics.outputs > words.statistics.tables
    most = of_catboost.read(fitted(max_ctr_complexity=3, nan_mode="Max")).categories.statistics
    assert most is not None
    assert PartKind.IS_ABOVE_OR_MISSING in most.block["parts"].reshape(-1, len(PartWord))[:, PartWord.KIND]
    assert {type(column) for column in of_catboost.read(fitted(one_hot_max_size=6)).categories.columns} == {Single, int}


def test_classes() -> None:
    three = np.digitize(TARGET, [0, 1])
    several, two = fitted("CatBoostClassifier", three), fitted("CatBoostClassifier", (TARGET > 0.5).astype(int))
    check(lambda d: several.predict(d)[:, 0], some(), LongType())
    check(lambda d: several.predict(d, prediction_type="RawFormulaVal")[:, 2], some())
    check(lambda d: two.predict(d), some(), LongType())


def test_values() -> None:
    """Integers and bools name the categories of their digits. Category columns count by their values."""
    data = pd.DataFrame({"word": np.tile(["1", "2", "0", "-7", "True", "300"], 40), "b": np.arange(240) % 5 * 1.0})
    target = np.tile([1.0, 2, 3, 4, 5, 6], 40)
    batches = {
        "int": pa.record_batch({"word": pa.array([1, 2, 0, -7, 300, 5]), "b": [0.0] * 6}),
        "short": pa.record_batch({"word": pa.array([1, -7, 300], pa.int16()), "b": [0.0] * 3}),
        "bool": pa.record_batch({"word": pa.array([True, False]), "b": [0.0] * 2}),
        "text": pa.record_batch({"word": ["1", "-7", "300", "?", "True"], "b": [0.0] * 5}),
    }
    for options in ({}, {"one_hot_max_size": 9}):
        model = fitted(target=target, data=data, **options)
        assert len(set(model.predict(data).tolist())) >= 6
        for batch in batches.values():
            check(lambda d, model=model: model.predict(d), batch)
        for name in ("int", "text"):
            check(lambda d, model=model: model.predict(d.astype({"word": "category"})), batches[name])
        check(lambda d, model=model: model.predict(d.assign(word=d.word.astype(str))), batches["int"])
        floats = compare(lambda d, model=model: pd.Series(model.predict(d.astype({"word": float}))), batches["int"])
        assert floats.refused == "SW252"  # the library raises


def test_missing_categories() -> None:
    """The library raises for None and NaN: such a row runs in Python."""
    model, batch = fitted(), some(8)
    one = pa.array([None, *batch["word"].to_pylist()[1:]], pa.string())
    holed = batch.set_column(batch.schema.get_field_index("word"), "word", one)
    scored = compare(lambda d: pd.Series(model.predict(d)), holed)
    assert (scored.rows, scored.flagged, scored.raised) == (7, 1, 1)
    check(lambda d: model.predict(d.assign(word=d["word"].fillna("none"))), holed)


def test_columns() -> None:
    """Columns are found by name. Those at the places of the training data's categories must be categories."""
    model, batch = fitted(), some(20)
    check(lambda d: model.predict(d.assign(more=1.0)), batch)
    check(lambda d: model.predict(d[["b", "side", "code", "user", "a", "word"]]), batch)
    nameless = cb.CatBoostRegressor(**QUIET).fit(TRAINING.to_numpy(object), TARGET, cat_features=[1, 2, 3, 5])
    check(lambda d: nameless.predict(d), batch)
    check(lambda d: nameless.predict(d.rename(columns={"b": "other"})), batch)
    codes = cb.CatBoostRegressor(**QUIET).fit(TRAINING[["code", "b"]].to_numpy(object), TARGET, cat_features=[0])
    check(lambda d: codes.predict(np.column_stack([d["code"], d["code"]])), batch, flagged=1)  # 2**60 as a number
    for code, function in (
        ("SW252", lambda d: model.predict(d[["user", "b", "side", "code", "word", "a"]])),
        ("SW252", lambda d: model.predict(d[["a", "side", "b", "code", "word", "user"]])),
        ("SW252", lambda d: model.predict(d.rename(columns={"b": "other"}))),
        ("SW252", lambda d: model.predict(d.drop(columns=["b"]))),
        ("SW252", lambda d: codes.predict(d[["code", "b"]].to_numpy())),  # the library raises for an array of floats
        ("SW270", lambda d: nameless.predict(d.to_numpy())),
    ):
        assert compare(lambda d, function=function: pd.Series(function(d)), batch).refused == code, code


def test_pools() -> None:
    """A Pool names the categories among its columns, by name or place; its labels and weights are not supported."""
    model, batch = fitted(), some(20)
    label = fitted("CatBoostClassifier", (TARGET > 0.5).astype(int))
    plain = cb.CatBoostRegressor(**QUIET).fit(TRAINING[["a", "b"]], TARGET)
    check(lambda d: model.predict(cb.Pool(d, cat_features=CATEGORIES)), batch)
    check(lambda d: model.predict(cb.Pool(data=d, cat_features=[1, 2, 3, 5], thread_count=1)), batch)
    check(lambda d: model.predict(cb.Pool(d[["user", "side", "b", "a", "code", "word"]], cat_features=CATEGORIES)), batch)
    check(lambda d: label.predict(cb.Pool(d, cat_features=CATEGORIES)), batch, LongType())
    check(lambda d: plain.predict(cb.Pool(d[["b", "a"]])), batch)
    for code, function in (
        ("SW252", lambda d: model.predict(cb.Pool(d))),
        ("SW252", lambda d: model.predict(cb.Pool(d.assign(a=d["code"]), cat_features=["a", *CATEGORIES]))),
        ("SW840", lambda d: model.predict(cb.Pool(d, cat_features=["no such"]))),
        ("SW840", lambda d: model.predict(cb.Pool(d, d["a"], cat_features=CATEGORIES))),
        ("SW840", lambda d: model.predict(cb.Pool(d, cat_features=CATEGORIES, feature_names=list("uvwxyz")))),
        ("SW840", lambda d: cb.Pool(d, cat_features=CATEGORIES).num_row()),
    ):
        assert compare(lambda d, function=function: pd.Series(function(d)), batch).refused == code, code


def test_single_rows() -> None:
    """Functions of one row pass a list of values."""
    data = TRAINING[["a", "word", "code"]].fillna(0.0)
    model = fitted(data=data)
    label = fitted("CatBoostClassifier", np.where(TARGET > 0, "high", "low"), data=data)
    rows = pa.record_batch({
        "a": [1.5, None, -0.25, 3.0], "word": ["x", "zz", None, "?"], "code": pa.array([3, -1, 2, 2**60], pa.int64())
    })  # fmt: skip
    for function, returns in (
        (lambda a, word, code: float(model.predict([a, word, code])), DoubleType()),
        (lambda a, word, code: float(model.predict([[a, word, code]])[0]), DoubleType()),
        (lambda a, word, code: str(label.predict([a, word, code])), StringType()),
    ):
        compared = compare_with_worker(function, [rows.slice(3), rows.slice(0, 1), rows], returns, ARROW_BATCHED, kernel=True)
        assert (compared.refused, compared.decided, compared.flagged) == ("", 2, 1), compared


def test_numbers_of_categories() -> None:
    """A model stores the numbers of the categories that it compares one by one."""
    words = ["", "a", "éa", "abcd", "日本語", "0123456789", "x" * 16, "x" * 17, "y" * 32, "z" * 33, "é" * 32, "w" * 65, "v" * 200]
    data = pd.DataFrame({"word": np.repeat(words, 9)})
    model = fitted(target=np.repeat(_RNG.permutation(len(words)), 9), data=data, one_hot_max_size=99, iterations=200)
    read = of_catboost.read(model)
    stored = {column.number for column in read.categories.columns if isinstance(column, Single)}
    hashes = {category_hash(word) for word in words}
    assert len(stored) >= len(words) - 1
    assert stored <= hashes
