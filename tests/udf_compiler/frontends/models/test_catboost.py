"""Checks CatBoost's classes: each prediction type, loss and kind of tree, how columns are found, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import catboost as cb
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql.types import BooleanType, DataType, DoubleType, LongType, StringType
from sklearn.ensemble import VotingClassifier
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sparkweld.contract.constants import ARROW_BATCHED
from tests.helpers.compiled import compare_with_worker
from tests.helpers.models import batch_of, compare, id_of
from tests.helpers.real import rows, table, with_gaps

QUIET: dict[str, Any] = {"iterations": 12, "verbose": 0, "allow_writing_files": False, "thread_count": 1}
#: CatBoost's exp is not that of the C library.
RTOL = 64 * 2.0**-52


@cache
def fitted(kind: str, name: str = "cancer", gaps: bool = False, **options: Any) -> Any:
    """Fits a small model on a data set; classes of "cancer" are 0 and 1, those of "wine" 0, 1 and 2."""
    values, target = (with_gaps if gaps else table)(name)
    given = {"group_id": np.arange(len(target)) // 10} if kind == "CatBoostRanker" else {}
    made = {**QUIET, **options}
    return (cb.CatBoost(made) if kind == "CatBoost" else getattr(cb, kind)(**made)).fit(values, target, **given)


def check(
    function: Callable[[pd.DataFrame], Any], batch: Any, returns: DataType | None = None, rtol: float = 0.0, flagged: int = 0
) -> None:
    """Checks that the kernel decides all rows but `flagged`, and agrees with the library."""
    scored = compare(lambda d: pd.Series(function(d)), batch, returns or DoubleType(), rtol=rtol)
    assert (scored.refused, scored.rows, scored.flagged) == ("", batch.num_rows - flagged, flagged)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"nan_mode": "Max"},
        {"depth": 10},
        {"depth": 1, "border_count": 3},
        {"grow_policy": "Lossguide", "max_leaves": 6},
        {"grow_policy": "Depthwise"},
        {"boost_from_average": False},
        {"model_shrink_rate": 0.1},
    ],
    ids=id_of,
)
def test_sums(options: dict[str, Any]) -> None:
    """Trees of both kinds, with either place of missing values: the library's bits, odd values included."""
    model = fitted("CatBoostRegressor", "diabetes", gaps=True, **options)
    for batch in (rows("diabetes", gaps=True), rows("diabetes", odd=True)):
        check(lambda d: model.predict(d), batch)
        check(lambda d: model.predict(d.to_numpy()), batch)


LOSSES = ["MAE", "Huber:delta=2", "Quantile:alpha=0.3", "LogCosh", "Expectile:alpha=0.3", "MAPE", "Lq:q=1.5"]


@pytest.mark.parametrize("loss", LOSSES)
def test_losses_of_regressors(loss: str) -> None:
    model = fitted("CatBoostRegressor", "diabetes", loss_function=loss)
    check(lambda d: model.predict(d), rows("diabetes"))


@pytest.mark.parametrize("loss", ["Poisson", "Tweedie:variance_power=1.5"])
def test_losses_with_exp(loss: str) -> None:
    model = fitted("CatBoostRegressor", "diabetes", loss_function=loss)
    check(lambda d: model.predict(d), rows("diabetes"), rtol=RTOL)
    check(lambda d: model.predict(d, prediction_type="RawFormulaVal"), rows("diabetes"))


def test_two_classes() -> None:
    model, batch = fitted("CatBoostClassifier"), rows("cancer", odd=True)
    check(lambda d: model.predict(d), batch, LongType())
    check(lambda d: model.predict(d, prediction_type="RawFormulaVal"), batch)
    for at in (0, 1):
        check(lambda d, at=at: model.predict_proba(d)[:, at], batch, rtol=RTOL)
        check(lambda d, at=at: model.predict(d, prediction_type="Probability")[:, at], batch, rtol=RTOL)


@pytest.mark.parametrize("labels", [["no", "yes"], [False, True], [1.5, 2.5], [-1, 4]], ids=id_of)
def test_labels(labels: list[Any]) -> None:
    values, target = table("cancer")
    model = cb.CatBoostClassifier(**QUIET).fit(values, np.array(labels)[target])
    types = {str: StringType(), bool: BooleanType(), float: DoubleType(), int: LongType()}
    check(lambda d: model.predict(d), rows("cancer"), types[type(labels[0])])


@pytest.mark.parametrize("loss", ["MultiClass", "MultiClassOneVsAll"])
def test_more_classes(loss: str) -> None:
    """Labels have two dimensions; those that are strings become a column in the ways that functions use."""
    model, batch = fitted("CatBoostClassifier", "wine", loss_function=loss), rows("wine", odd=True)
    check(lambda d: model.predict(d)[:, 0], batch, LongType())
    check(lambda d: model.predict(d).flatten(), batch, LongType())
    check(lambda d: model.predict_proba(d)[:, 2], batch, rtol=RTOL)
    values, target = table("wine")
    words = cb.CatBoostClassifier(**QUIET, loss_function=loss).fit(values, np.array(["red", "white", "rosé"])[target])
    for column in (lambda p: p[:, 0], lambda p: p.ravel(), lambda p: p.flatten(), lambda p: p.reshape(-1)):
        check(lambda d, column=column: column(words.predict(d)), batch, StringType())
    for other in (lambda p: p.squeeze(), lambda p: p[0], lambda p: p.reshape(1, -1)):
        assert compare(lambda d, other=other: pd.Series(other(words.predict(d))), batch, StringType()).refused == "SW818"


def test_equal_sums() -> None:
    """The first of the classes with the largest sum is chosen, by either."""
    x = pd.DataFrame({"a": np.zeros(90)})
    model = cb.CatBoostClassifier(**QUIET).fit(x.assign(b=np.arange(90) % 2), np.arange(90) % 3)
    check(lambda d: model.predict(d)[:, 0], batch_of(a=np.zeros(6), b=np.arange(6.0) % 2), LongType())


def test_threshold() -> None:
    """Another threshold than a half moves the border; rows on it run in Python."""
    values, target = table("cancer")
    model = cb.CatBoostClassifier(**QUIET).fit(values, target)
    model.set_probability_threshold(0.8)
    check(lambda d: model.predict(d), rows("cancer"), LongType())
    [middle] = model.predict_proba(values[:1])[:, 1]
    model.set_probability_threshold(float(middle))
    batch = pa.RecordBatch.from_pandas(values[:1], preserve_index=False)
    check(lambda d: model.predict(d), batch, LongType(), flagged=1)


def test_ranges_of_trees() -> None:
    """The bias belongs to the first tree."""
    model, batch = fitted("CatBoostRegressor", "diabetes"), rows("diabetes")
    for start, end in ((0, 5), (3, 9), (11, 12)):
        check(lambda d, start=start, end=end: model.predict(d, ntree_start=start, ntree_end=end, thread_count=2), batch)
    wrong = compare(lambda d: pd.Series(model.predict(d, ntree_start=3)), batch)
    assert wrong.refused == "SW252"  # the library raises: the end is 0, which is before the start


def test_columns() -> None:
    """A DataFrame with all used names is read by name, whatever the order; other data by place."""
    model, batch = fitted("CatBoostRegressor", "diabetes"), rows("diabetes")
    names = batch.schema.names[::-1]
    check(lambda d: model.predict(d[names]), batch)
    check(lambda d: model.predict(d.assign(more=1.0)[["more", *names]]), batch)
    check(lambda d: model.predict(d[names].to_numpy()), batch)
    other = compare(lambda d: pd.Series(model.predict(d.rename(columns={"f0": "z"}))), batch)
    assert other.refused == "SW252"
    values, target = table("diabetes")
    nameless = cb.CatBoostRegressor(**QUIET).fit(values.to_numpy(), target)
    check(lambda d: nameless.predict(d[names]), batch)
    unused = cb.CatBoostRegressor(**QUIET).fit(values.assign(last=1.0), target)
    check(lambda d: unused.predict(d), batch)


def test_types() -> None:
    """The library converts each number to float32: integers beyond 2**24 and doubles between two of them as well."""
    rng = np.random.default_rng(2)
    batch = batch_of(
        a=rng.integers(-(2**62), 2**62, 400),
        b=(2**24 + rng.integers(0, 99, 400)).astype(np.int32),
        c=rng.random(400) < 0.5,
        d=rng.normal(size=400).astype(np.float32),
        e=1 + rng.integers(0, 2**30, 400) * 2.0**-30,
    )
    values = batch.to_pandas()
    target = values.a % 97 + values.b % 7 * 10 + values.c * 3 + values.d + values.e
    model = cb.CatBoostRegressor(**{**QUIET, "iterations": 60, "border_count": 254}).fit(values, target)
    check(lambda d: model.predict(d), batch)


def test_other_classes() -> None:
    plain = fitted("CatBoost", loss_function="Logloss")
    check(lambda d: plain.predict(d), rows("cancer"))
    check(lambda d: plain.predict(d, prediction_type="Class"), rows("cancer"), LongType())
    ranker = fitted("CatBoostRanker", loss_function="YetiRank")
    check(lambda d: ranker.predict(d), rows("cancer"))
    values, target = table("linnerud")
    several = cb.CatBoostRegressor(**QUIET, loss_function="MultiRMSE").fit(values, target)
    check(lambda d: several.predict(d)[:, 2], rows("linnerud"))


ROWS = pa.record_batch({
    "a": [1.5, None, -0.25, float("nan"), 3.0],
    "b": pa.array([3, -1, 2**60 + 1, 2**24 + 1, 0], pa.int64()),
    "c": [True, False, True, None, True],
})  # fmt: skip
_X = np.column_stack([np.linspace(-2, 4, 90), np.arange(90) % 7, np.arange(90) % 2])
NUMBER = cb.CatBoostRegressor(**QUIET).fit(_X, _X[:, 0] * _X[:, 2] + _X[:, 1])
CHANCE = cb.CatBoostClassifier(**QUIET).fit(_X, _X[:, 0] > 1)
WORD = cb.CatBoostClassifier(**QUIET).fit(_X, pd.Series(np.array(["low", "mid", "high"])[np.arange(90) // 30], dtype=object))


def test_single_rows() -> None:
    """Functions of one row pass a list of values, or a list of one row; NULL and integers beyond 2**53 run in Python."""
    functions: list[tuple[Callable[..., Any], DataType]] = [
        (lambda a, b, c: float(NUMBER.predict([a, b, c])), DoubleType()),
        (lambda a, b, c: float(NUMBER.predict([[a, b, c]])[0]), DoubleType()),
        (lambda a, b, c: float(NUMBER.predict(np.array([a, b, c], dtype=float))), DoubleType()),
        (lambda a, b, c: float(CHANCE.predict_proba([a, b, c])[1]), DoubleType()),
        (lambda a, b, c: bool(CHANCE.predict([a, b, c])), BooleanType()),
        (lambda a, b, c: WORD.predict([a, b, c])[0].upper(), StringType()),
        (lambda a, b, c: WORD.predict([[a, b, c]])[0][0], StringType()),
        (lambda a, b, c: WORD.predict([[a, b, c]]).flatten()[0] + "!", StringType()),
        (lambda a, b, c: WORD.predict([[a, b, c]])[0, 0], StringType()),
        (lambda a, b, c: WORD.predict([a, b, c]).item(), StringType()),
    ]
    for at, (function, returns) in enumerate(functions):
        compared = compare_with_worker(function, [ROWS], returns, ARROW_BATCHED, kernel=True)
        assert (at, compared.refused, compared.decided, compared.flagged) == (at, "", 1, 1), compared
    a_tuple = compare_with_worker(lambda a, b, c: float(NUMBER.predict((a, b, c))), [ROWS], DoubleType(), ARROW_BATCHED)
    assert a_tuple.refused == "SW810"


def test_classes_without_rows() -> None:
    """The library adds the columns of classes that no training row had; the model's file does not have them."""
    values, target = table("wine")
    few = values[target != 1], np.array(["ok", "warn", "bad"])[target[target != 1]]
    named = cb.CatBoostClassifier(**QUIET, loss_function="MultiClass", class_names=["ok", "warn", "bad"]).fit(*few)
    for function in (lambda d: named.predict(d)[:, 0], lambda d: named.predict_proba(d)[:, 1].astype(str)):
        scored = compare(lambda d, function=function: pd.Series(function(d)), rows("wine"), StringType())
        assert scored.refused == "SW838"


def test_exponents_beyond_the_bound() -> None:
    """The error of the library's exp grows with the exponent, so these rows run in Python."""
    values, target = table("diabetes")
    model = cb.CatBoostRegressor(**QUIET, loss_function="Poisson").fit(values, target)
    batch = rows("diabetes")
    model.set_scale_and_bias(1, [90.0])
    check(lambda d: model.predict(d), batch, rtol=2 * RTOL)
    model.set_scale_and_bias(1, [-720.0])
    check(lambda d: model.predict(d), batch, flagged=batch.num_rows)


def test_integers_of_lists() -> None:
    """The library converts integers of a list to float64 first; of a DataFrame, directly to float32."""
    rng = np.random.default_rng(3)
    batch = batch_of(a=2**60 + 2**36 + rng.integers(0, 3, 50), b=rng.integers(0, 9, 50))
    values = pd.DataFrame({"a": 2.0**60 + np.arange(90) * 2.0**37, "b": np.arange(90.0) % 9})
    model = cb.CatBoostRegressor(**QUIET).fit(values, values.b)
    check(lambda d: model.predict(d), batch)
    check(lambda d: model.predict(d.to_numpy().tolist()), batch, flagged=50)


@pytest.mark.parametrize("wrap", [lambda m: VotingClassifier([("m", m)]), MultiOutputClassifier], ids=["vote", "outputs"])
def test_labels_in_two_dimensions_within_other_estimators(wrap: Callable[[Any], Any]) -> None:
    values, target = table("wine")
    inner = cb.CatBoostClassifier(**QUIET, loss_function="MultiClass")
    outer = wrap(inner)
    outer.fit(values, target if isinstance(outer, VotingClassifier) else target.reshape(-1, 1))
    scored = compare(lambda d: pd.Series(np.ravel(outer.predict(d))), rows("wine"), LongType())
    assert scored.refused == "SW838"
    through = make_pipeline(StandardScaler(), inner).fit(values, target)
    assert compare(lambda d: pd.Series(through.predict(d)[:, 0]), rows("wine"), LongType()).refused == ""


def test_a_model_that_the_library_cannot_write_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    """An infinite border is one reason. The error is not one of the function's, which a handler of it could catch."""

    def save_model(*args: Any, **options: Any) -> None:
        raise cb.CatBoostError("JSON has no such number")

    model = fitted("CatBoostRegressor", "diabetes")

    def handled(d: pd.DataFrame) -> pd.Series:
        try:
            return pd.Series(model.predict(d))
        except Exception:  # noqa: BLE001 - as jobs have it
            return pd.Series(np.zeros(len(d)))

    monkeypatch.setattr(cb.CatBoost, "save_model", save_model)
    for function in (handled, lambda d: pd.Series(model.predict(d))):
        assert compare(function, rows("diabetes")).refused == "SW838"


def test_refusals() -> None:
    values, target = table("cancer")
    batch = rows("cancer")
    scaled = cb.CatBoostRegressor(**QUIET).fit(values, target)
    scaled.set_scale_and_bias(2.0, [1.0])
    model = fitted("CatBoostClassifier")
    several = cb.CatBoostClassifier(**QUIET, loss_function="MultiLogloss").fit(values, np.column_stack([target, 1 - target]))
    targets = cb.CatBoostRegressor(**QUIET, loss_function="MultiRMSE").fit(values, np.column_stack([target, 1 - target]))
    always = cb.CatBoostClassifier(**QUIET).fit(values, target)
    always.set_probability_threshold(0.0)
    unfitted = cb.CatBoostClassifier()
    for code, function in (
        ("SW838", lambda d: scaled.predict(d)),
        ("SW838", lambda d: several.predict(d)[:, 0]),
        ("SW840", lambda d: model.predict(d, prediction_type="LogProbability")[:, 0]),
        ("SW840", lambda d: targets.predict(d, prediction_type="Exponent")[:, 0]),
        ("SW252", lambda d: model.predict(d, prediction_type="")),
        ("SW252", lambda d: model.predict(d, prediction_type=None)),
        ("SW840", lambda d: model.predict(d, ntree_end=5.0)),
        ("SW838", lambda d: always.predict(d)),
        ("SW840", lambda d: model.predict(d, task_type="GPU")),
        ("SW802", lambda d: model.predict_log_proba(d)[:, 0]),
        ("SW802", lambda d: model.calc_leaf_indexes(d)[:, 0]),
        ("SW811", lambda d: model.predict(d["f0"])),
        ("SW252", lambda d: model.predict(d[["f0"]])),
        ("SW252", lambda d: unfitted.predict(d)),
    ):
        assert compare(lambda d, function=function: pd.Series(function(d)), batch).refused == code
