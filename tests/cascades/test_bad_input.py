"""Checks invalid arguments of `cascade.fit` and `ranking.fit`: each error states the fault and the remedy."""

from __future__ import annotations

import dataclasses
import threading

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline

import sparkweld
from sparkweld.cascades import store
from sparkweld.cascades.fitting import fit
from sparkweld.cascades.promises import LossPromise
from sparkweld.cascades.splits import evidence_shares, split
from sparkweld.errors import Refusal, UserError
from tests.helpers.cascades import Column, cost, rows

ROWS = 900
X = pd.DataFrame(np.random.default_rng(0).normal(size=(ROWS, 3)), columns=list("abc"))
Y = (X["a"] > 0).to_numpy().astype(int)
CLASSIFIER, REGRESSOR = RandomForestClassifier(3, random_state=0), RandomForestRegressor(3, random_state=0)
FITTED = RandomForestClassifier(3, random_state=0).fit(X, Y)


class Mute(RegressorMixin, BaseEstimator):
    """A fitted regressor whose every score is missing."""

    def fit(self, x, y=None):
        self.fitted_ = True
        return self

    def predict(self, x):
        return np.full(len(x), np.nan)


LABELS = {
    "one label": (CLASSIFIER, 1, "SW940 .*the shape"),
    "no such column": (CLASSIFIER, "none", "no column 'none'"),
    "missing": (CLASSIFIER, np.where(np.arange(ROWS) == 3, np.nan, Y), "SW940 .*1 missing"),
    "missing objects": (CLASSIFIER, np.array([None, *"ab" * (ROWS // 2)], object)[:ROWS], "SW940 .*1 missing"),
    "constant": (CLASSIFIER, np.ones(ROWS), "SW940 .*a single value"),
    "too few": (CLASSIFIER, Y[:-1], r"SW940 .*shape \(899,\) for 900 rows"),
    "fractions": (CLASSIFIER, Y + 0.5, "SW940 .*fractions"),
    "mixed": (CLASSIFIER, np.array([1, "a"] * (ROWS // 2), object), "SW940 .*numbers and text"),
    "lists": (CLASSIFIER, pd.Series([[1]] * ROWS), "SW940 .*values of list"),
    "texts of a regressor": (REGRESSOR, np.where(Y, "a", "b"), "SW940 .*regressor"),
    "dates": (REGRESSOR, pd.date_range("2020", periods=ROWS), "SW940 .*datetime64"),
    "infinite": (REGRESSOR, np.where(Y, np.inf, 0.0), "SW940 .*infinite"),
    "other classes": (FITTED, np.where(Y, "a", "b"), r"SW940 .*classes \['a', 'b'\].*full model \[0, 1\]"),
}  # fmt: skip


@pytest.mark.parametrize("fault", LABELS)
def test_labels(fault):
    model, label, message = LABELS[fault]
    with pytest.raises((Refusal, UserError), match=message):
        sparkweld.cascade.fit(model, X, label, accuracy_loss=0.02)


ARGUMENTS = {
    "accuracy_loss='0.01'": {"accuracy_loss": "0.01"}, "accuracy_loss=nan": {"accuracy_loss": np.nan},
    "confidence='x'": {"confidence": "x"}, "band=nan": {"pipeline": REGRESSOR, "band": np.nan},
    "small=Ridge": {"small": Ridge()}, "SW945 .*a str is": {"pipeline": "model"},
    "SW945 .*a class": {"pipeline": RandomForestClassifier}, "SW945 .*a str": {"small": "model"},
    "column 0 is not named by a string": {"data": X.rename(columns={"a": 0}), "pipeline": REGRESSOR},
    "only the label column": {"data": X[[]]},
    r"no column \['a'\] of": {"text": ["a"]}, "no column 3 of": {"data": X["a"], "text": 3},
    "not fitted: without labels": {"label": None},
    "SW940 .*single value": {"pipeline": FITTED, "data": X[FITTED.predict(X) == 1], "label": None},
    "no column 'b', which": {"pipeline": FITTED, "data": X[["a"]]},
    "full model cannot be fitted .*'x'": {"data": X.assign(e="x")}, r"compared by \['l'\]": {"data": X.assign(l=[[1]] * ROWS)},
    "SW942 .*135 of 135": {"pipeline": Mute()}, "SW945 .*2 results": {"pipeline": RandomForestRegressor(2).fit(X, X[["a", "b"]])},
    "full model cannot .*lower": {"pipeline": make_pipeline(TfidfVectorizer(), LogisticRegression()),
                                  "seed": 2, "data": pd.Series([None, *(f"word{i} and others" for i in range(1, ROWS))])},
}  # fmt: skip


@pytest.mark.parametrize("message", ARGUMENTS)
def test_arguments_of_a_cascade(message):
    given = {"pipeline": CLASSIFIER, "data": X, "label": Y, "accuracy_loss": 0.02, **ARGUMENTS[message]}
    with pytest.raises((Refusal, UserError), match=message):
        sparkweld.cascade.fit(**given)


def test_seeds():
    with pytest.raises(UserError, match="seed='x'"):
        fit(CLASSIFIER, X, Y, LossPromise(0.2, 0.95), cost, seed="x")


@pytest.mark.parametrize("what", [3, "", "s3://bucket/cascade", "file", "file/below", "full"])
def test_a_path_that_cannot_be_written_is_reported_before_the_fit(tmp_path, what):
    """The path is checked before `data`."""
    (tmp_path / "file").touch()
    (tmp_path / "full" / "other").mkdir(parents=True)
    path = tmp_path / what if isinstance(what, str) and what and "://" not in what else what
    match = "path=" if path is what else "pass another path"
    with pytest.raises(UserError, match=match):
        sparkweld.cascade.fit(CLASSIFIER, None, Y, path=path)
    with pytest.raises(UserError, match=match):
        sparkweld.ranking.fit(FITTED, None, path=path)


@pytest.mark.parametrize("path", [3, None, b"x", "a\0b"])
def test_paths_that_name_no_directory(path):
    for read in (sparkweld.cascade.load, sparkweld.cascade.certificate, sparkweld.ranking.certificate):
        with pytest.raises(UserError, match="path="):
            read(path)


@pytest.mark.parametrize("count", [0, 9, 300])
def test_too_few_rows_report_how_many_would_suffice(count):
    """Repeated rows do not count: they add no distinct rows."""
    for times in (1, 4):
        data, label = pd.concat([X[:count]] * times), np.tile(Y[:count], times)
        with pytest.raises(Refusal, match=rf"SW941 .*: {count} distinct rows .*{count * (times - 1):,} repeated.*; 310 could"):
            sparkweld.cascade.fit(CLASSIFIER, data, label, accuracy_loss=0.02)


def test_no_row_is_in_two_splits():
    """That holds also for rows repeated with another label, missing values, or another sign of zero."""
    data = X.round(1).assign(t=np.where(Y, "x", None))
    data.iloc[::7, 0] = np.nan
    again = data[::-1].assign(a=lambda d: d["a"].where(d["a"] != 0, -d["a"]))
    whole = pd.concat([data, again], ignore_index=True)
    parts = split(whole, np.concatenate([Y, 1 - Y]), 0, lambda rows: evidence_shares(rows, 10))
    seen = [set(map(str, part.data.itertuples(index=False))) for part in (parts.fit, parts.choose, parts.certify)]
    assert sum(map(len, seen)) == len(set.union(*seen)) == sum(parts.sizes.values()) == len(data.drop_duplicates())


RANKED = {
    "k=0": {"k": 0}, "k=-1": {"k": -1}, "k=2.5": {"k": 2.5}, "k='a'": {"k": "a"}, r"k=\[\]": {"k": []},
    "are all of them": {"k": ROWS + 1},
    "rows='many'": {"rows": "many"}, "rows=-1": {"rows": -1}, "recall='x'": {"recall": "x"}, "recall=1": {"recall": 1},
    r"SW947 .*; [\d,]+ could": {}, "SW947 .* 1 distinct": {"data": X * 0},
    "pass a fitted model": {"model": CLASSIFIER}, "'m'; pass": {"model": "m"},
    "no predict_proba": {"model": Mute().fit(X)}, "one of the classes": {"proba": "z"},
    "SW942 .*900 of 900": {"model": Mute().fit(X), "proba": False},
    "no column 'b', which": {"data": X[["a"]]}, "rows=0": {"data": X[:0]},
}  # fmt: skip


@pytest.mark.parametrize("message", RANKED)
def test_arguments_of_a_ranking(message):
    given = {"model": FITTED, "data": X, "k": 10, "proba": True, **RANKED[message]}
    with pytest.raises((Refusal, UserError), match=message):
        sparkweld.ranking.fit(**given)


def test_a_directory_is_read_while_it_is_replaced(tmp_path):
    """A concurrent reader receives one cascade or the other, complete."""
    data, label = rows(1, 3000)
    made = fit(Column("full").fit(data), data, label, LossPromise(0.05, 0.95), cost, Column("small"))
    both = [dataclasses.replace(made, certificate=dataclasses.replace(made.certificate, made=str(at))) for at in range(2)]
    for at, one in enumerate(both):
        store.save(one, tmp_path / str(at))
    path, stop = tmp_path / "served", threading.Event()
    store.save(both[0], path)

    def replace() -> None:
        at = 0
        while not stop.is_set():
            at += 1
            store.save(both[at % 2], path)

    writer = threading.Thread(target=replace)
    writer.start()
    try:
        seen = {store.load(path)[1].made for _ in range(200)}
    finally:
        stop.set()
        writer.join()
    assert seen == {"0", "1"}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["0", "1", "served"]
