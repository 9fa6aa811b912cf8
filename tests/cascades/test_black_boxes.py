"""Checks cascades of functions: the fit, the decorator that places the small model in front, its rows and its errors."""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pyspark import cloudpickle
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures

import sparkweld
from sparkweld.api import cascade_functions
from sparkweld.cascades.black_box import BlackBox, digest_of, known_rows
from sparkweld.cascades.cascade import Cascade
from sparkweld.cascades.drift import Drift
from sparkweld.contract.replies import Watch
from sparkweld.errors import Refusal, UserError

ROWS = 12_000
CALLS: list[int] = []


def answer(x: pd.Series, y: pd.Series) -> pd.Series:
    CALLS.append(len(x))
    z = np.sin(x * 3) * 0.2 + y + np.exp(-x.abs())
    return pd.Series(np.where(z > 0.7, "yes", "no"))


def distance(x: pd.Series, y: pd.Series) -> pd.Series:
    return np.hypot(x, y) + np.sin(x) * 0.01


def batches_of_answers(batches: Iterator[tuple[pd.Series, pd.Series]]) -> Iterator[pd.Series]:
    for x, y in batches:
        yield answer(x, y)


def of_a_frame(rows: pd.DataFrame) -> np.ndarray:
    return answer(rows["x"], rows["y"]).to_numpy()


def table(seed: int, rows: int = ROWS) -> pd.DataFrame:
    return pd.DataFrame(np.random.default_rng(seed).normal(size=(rows, 2)), columns=["x", "y"])


def costs(estimators: Sequence[Any], data: pd.DataFrame) -> list[float]:
    """Returns the nanoseconds a row as if the functions were large models."""
    return [1e6 if isinstance(e, BlackBox) else 3e5 if isinstance(e, Cascade) else 1e4 for e in estimators]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("cascades")
    small = make_pipeline(PolynomialFeatures(3), LogisticRegression(max_iter=2000))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sparkweld.cascade, "measure_in_python", costs)
        for name, function in (("answer", answer), ("batches", batches_of_answers), ("frame", of_a_frame)):
            sparkweld.cascade.fit(function, table(1), small=small, accuracy_loss=0.02, path=made / name)
        regressor = make_pipeline(PolynomialFeatures(4), LinearRegression())
        sparkweld.cascade.fit(distance, table(1), small=regressor, accuracy_loss=0.05, band=0.15, path=made / "distance")
    return made


def test_the_certificate_holds_for_other_rows(folder):
    told = sparkweld.cascade.certificate(folder / "answer")
    assert told.black_box and told.against == "model" and 0 < told.unsure < 0.6
    assert any("cost per row in Python: small" in line for line in told.lines())
    rows = table(2, 40_000)
    made = sparkweld.cascade.apply(folder / "answer")(answer)(rows.x, rows.y)
    assert 0 < (made != answer(rows.x, rows.y)).mean() < 0.02
    close = sparkweld.cascade.apply(folder / "distance")(distance)(rows.x, rows.y)
    assert 0 < ((close - distance(rows.x, rows.y)).abs() > 0.15).mean() < 0.05


def test_the_function_sees_only_rows_of_which_the_small_model_is_not_sure(folder):
    rows = table(3, 5000)
    CALLS.clear()
    made = sparkweld.cascade.apply(folder / "answer")(answer)(rows.x, rows.y)
    cascade = sparkweld.cascade.load(folder / "answer")
    small, sure = cascade.small_answers(rows)
    assert CALLS == [np.count_nonzero(~sure)]
    assert made.index.equals(rows.index) and (made[sure] == small[sure]).all()
    assert (made[~sure] == answer(rows.x, rows.y)[~sure]).all()


@pytest.mark.parametrize("sizes", [[500, 1, 700], [1], [2, 2, 2]])
def test_batches_of_a_generator_keep_their_order_and_number(folder, sizes):
    rows, cuts = table(4, sum(sizes)), np.cumsum([0, *sizes])
    parts = [rows.iloc[a:b].reset_index(drop=True) for a, b in zip(cuts, cuts[1:], strict=False)]
    function = sparkweld.cascade.apply(folder / "batches")(batches_of_answers)
    made = list(function((part.x, part.y) for part in parts))
    plain = sparkweld.cascade.apply(folder / "answer")(answer)
    assert [len(part) for part in made] == sizes
    # one row of a batch without an unsure one is the function's
    different = sum((a.to_numpy() != plain(b.x, b.y).to_numpy()).sum() for a, b in zip(made, parts, strict=True))
    assert different <= len(sizes)


def twice(batches: Iterator[tuple[pd.Series, pd.Series]]) -> Iterator[pd.Series]:
    for x, _ in batches:
        yield x
        yield x


def test_a_generator_that_yields_more_results_than_batches(folder):
    cascade = sparkweld.cascade.load(folder / "batches")
    rows = table(4, 10)
    with pytest.raises(UserError, match="twice yields more results than it takes batches"):
        list(cascade_functions.First(cascade, "twice").batches(twice, iter([(rows.x, rows.y)])))


def test_a_function_of_a_frame(folder):
    rows = table(5, 2000)
    made = sparkweld.cascade.apply(folder / "frame")(of_a_frame)(rows)
    assert (made == sparkweld.cascade.apply(folder / "answer")(answer)(rows.x, rows.y)).mean() > 0.97


def test_the_result_declares_the_same_udf(folder):
    made = sparkweld.cascade.apply(folder / "answer")(answer)
    assert inspect.signature(made) == inspect.signature(answer) and typing.get_type_hints(made) == typing.get_type_hints(answer)
    assert inspect.isgeneratorfunction(inspect.unwrap(sparkweld.cascade.apply(folder / "batches")(batches_of_answers)))
    rows = table(6, 3000)
    sent = cloudpickle.loads(cloudpickle.dumps(made))
    assert (sent(rows.x, rows.y) == made(rows.x, rows.y)).all()
    assert sparkweld.cascade.load(folder / "answer").full.function is None  # a stored cascade holds no code of the user's


def test_small_models_compile_once_they_have_taken_as_long_as_that(folder, monkeypatch):
    rows, made = table(7, 4000), sparkweld.cascade.apply(folder / "answer")(answer)
    before = made(rows.x, rows.y)
    kept = cascade_functions._kept[sparkweld.cascade.certificate(folder / "answer").digests["cascade.pkl"]]
    assert not kept._compiled
    monkeypatch.setattr(cascade_functions, "_COMPILED_AFTER", 0.0)
    assert (made(rows.x, rows.y) == before).all() and kept._compiled
    assert "program" in kept._cascade.small.sparkweld_explain()


def test_a_worker_reports_once_that_rows_differ_from_the_certificates(folder, capsys, monkeypatch):
    monkeypatch.setattr(cascade_functions, "_kept", {})
    made = sparkweld.cascade.apply(folder / "answer")(answer)
    for seed in range(9, 13):
        rows = table(seed, 3000)
        made(rows.x, rows.y)
    assert "SW954" not in capsys.readouterr().err
    for seed in range(13, 16):  # from here on most rows are close to the border, where the small model is not sure
        rows = table(seed, 20_000) * 0.02 + [0.0, -0.3]
        made(rows.x, rows.y)
    err = capsys.readouterr().err
    assert err.count("SW954") == 1 and "the function scored" in err and str(folder / "answer") in err


@pytest.mark.parametrize("watch", ["share", "distribution"])
def test_differences_from_a_certificate_are_those_that_chance_does_not_explain(watch):
    random = np.random.default_rng(0)
    counts = np.bincount(random.integers(0, 5, 10_000), minlength=5)
    watched = Watch(path="", band=0.0, sure_cost=1.0, full_cost=2.0, edges=(0.2, 0.4, 0.6, 0.8), counts=tuple(counts.tolist()),
                    limit=2, differs=0, labels=True)  # fmt: skip
    drift = Drift(watched)
    assert all(drift.count(random.random(1000)) is None for _ in range(100))
    other = random.random(10_000)
    if watch == "share":  # twice as many unsure rows: bins 3 and 4
        found = Drift(watched).count(np.where(random.random(10_000) < 0.3, 0.9, other))
        assert found is not None and "of the certificate" in found and "the function scored 5" in found
    else:  # as many unsure rows as before, of which all are in the last bin
        found = Drift(watched).count(np.where(other > 0.6, np.nan, other))
        assert found is not None and "another distribution" in found and "the distance is 19" in found


def test_rows_with_null_strings_run_the_function():
    frame = pd.DataFrame({"s": ["a", None, "b"], "x": [1.0, np.nan, 2.0]})
    assert known_rows(frame).tolist() == [True, False, True]
    assert known_rows(frame.s).tolist() == [True, False, True]
    assert known_rows(frame[["x"]]).all()


def test_a_small_model_that_fails_leaves_the_batch_to_the_function(folder, capsys):
    rows, made = table(8, 100), sparkweld.cascade.apply(folder / "answer")(answer)
    rows.loc[3, "x"] = np.nan  # scikit-learn raises for NaN
    assert (made(rows.x, rows.y) == answer(rows.x, rows.y)).all()
    assert "fails for a batch" in capsys.readouterr().err


def of_one(x: pd.Series) -> pd.Series:
    return x


def shorter(x: pd.Series, y: pd.Series) -> pd.Series:
    return x[1:]


def mixed(x: pd.Series, y: pd.Series) -> pd.Series:
    return pd.Series(["a" if v > 0 else 1 for v in x])


@pytest.mark.parametrize(
    ("function", "options", "message"),
    [
        (answer, {}, "pass small="),
        (answer, {"small": LogisticRegression(), "label": np.zeros(500)}, "no label"),
        (lambda x, y, z: x, {"small": LogisticRegression()}, "3 parameters, and there are 2 columns"),
        (shorter, {"small": LinearRegression()}, "does not return a column of 500 values"),
        (mixed, {"small": LogisticRegression()}, "returns int, str"),
    ],
)
def test_functions_that_have_no_cascade(function, options, message):
    with pytest.raises(UserError, match=message):
        sparkweld.cascade.fit(function, table(1, 500), **options)


def test_a_cheap_function_pays_no_cascade():
    with pytest.raises(Refusal, match="SW944"):
        sparkweld.cascade.fit(
            lambda x, y: pd.Series(x.to_numpy() > 0), table(1), small=make_pipeline(PolynomialFeatures(5), LogisticRegression()),
            accuracy_loss=0.02,
        )  # fmt: skip


def test_cascades_are_applied_to_their_own_function_only(folder, tmp_path):
    with pytest.raises(Refusal, match="the code of distance is another"):
        sparkweld.cascade.apply(folder / "answer")(distance)
    with pytest.raises(UserError, match="not a plain function"):
        sparkweld.cascade.apply(folder / "answer")(LogisticRegression())
    with pytest.raises(UserError, match=r"put @sparkweld.cascade.apply\(path\) above answer"):
        sparkweld.cascade.load(folder / "answer").predict(table(2, 500))
    with pytest.raises(Refusal, match="SW950"):
        sparkweld.cascade.apply(tmp_path)


LIMIT = 3


def reads(x):
    return x + LIMIT


def test_digests_follow_code_constants_and_what_is_read(monkeypatch):
    def made(limit, step=1):
        return lambda x: x + limit + step

    assert digest_of(made(1)) == digest_of(made(1)) != digest_of(made(2))
    assert digest_of(lambda x: x + 1) != digest_of(lambda x: x + 2)
    assert digest_of(functools.partial(reads, 1)) != digest_of(functools.partial(reads, 2))
    before = digest_of(reads)
    monkeypatch.setitem(globals(), "LIMIT", 4)
    assert digest_of(reads) != before
    box = BlackBox(answer, ("x", "y"))
    assert not box.takes_frame and BlackBox(of_a_frame, ("x", "y")).takes_frame
