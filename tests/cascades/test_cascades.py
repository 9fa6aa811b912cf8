"""Checks cascades end to end without Spark: fitted, certified, saved, compiled; and refusals on the way."""

from __future__ import annotations

import dataclasses
import json
import pickle
import re
from functools import cache
from typing import Any

import joblib
import lightgbm
import numpy as np
import pandas as pd
import pytest
import xgboost
from pyspark import cloudpickle
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier, RandomForestRegressor
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.tree import DecisionTreeRegressor

import sparkweld
from sparkweld.api.model_kernels import model_kernel
from sparkweld.cascades import store
from sparkweld.cascades.answers import answers_of
from sparkweld.cascades.candidates import small_models
from sparkweld.cascades.certificate import Calibration, CascadeCertificate
from sparkweld.cascades.features import feature_groups
from sparkweld.cascades.fingerprint import fingerprint
from sparkweld.cascades.fitting import fit
from sparkweld.cascades.promises import LossPromise
from sparkweld.errors import Refusal, UserError
from sparkweld.ir.layouts.trees import BLOCK, PIECE
from sparkweld.kernels.codegen.llvm_module import row_loop_source
from sparkweld.kernels.codegen.shape import most_rows
from sparkweld.reasons import refusal
from tests.helpers.cascades import Column, cost, of_trees, rows

ROWS = 4000


@cache
def texts(seed: int = 3, easy: float = 0.8) -> tuple[pd.Series, np.ndarray]:
    """Returns reviews with string labels: a word determines most labels, and only character n-grams the others."""
    rng = np.random.default_rng(seed)
    words = np.array("the a film story music actor scene plot camera time place night city song light".split())
    label = rng.integers(0, 2, ROWS)
    told = np.where(label, "good", "poor")
    hidden = np.char.add(np.where(label, "gre", "awf"), rng.integers(0, 10**6, ROWS).astype(str))
    key = np.where(rng.random(ROWS) < easy, told, hidden)
    lines = [" ".join([*rng.choice(words, 8), k, str(i)]) for i, k in enumerate(key, ROWS * (seed - 3))]
    return pd.Series(lines), np.where(label, "yes", "no")


@cache
def table(count: int = ROWS) -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(4)
    x = rng.normal(size=(count, 5))
    return pd.DataFrame(x, columns=list("abcde")), x[:, 0] + 0.5 * np.sin(3 * x[:, 1]) + 0.05 * x[:, 2]


def text_pipeline() -> Pipeline:
    terms = [("words", TfidfVectorizer()), ("chars", TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4)))]
    return Pipeline([("terms", FeatureUnion(terms)), ("model", LogisticRegression(C=30))])


@cache
def text_cascade():
    """Fits with measured costs."""
    data, label = texts()
    return sparkweld.cascade.fit(text_pipeline(), data, label, accuracy_loss=0.01)


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    path = tmp_path_factory.mktemp("cascades") / "reviews"
    store.save(text_cascade(), path)
    return path


@cache
def tree_cascade():
    """Fits a forest of three classes over numbers."""
    data, y = table()
    label = np.digitize(y, [-0.7, 0.7])
    return fit(RandomForestClassifier(80, max_depth=8, random_state=0), data, label, LossPromise(0.03, 0.95), of_trees)


@cache
def number_cascade():
    data, y = table()
    model = RandomForestRegressor(80, max_depth=9, random_state=0)
    return fit(model, data, y, LossPromise(0.03, 0.95, band=0.4), of_trees)


def test_a_cascade_over_strings_omits_the_expensive_features():
    made = text_cascade()
    told = made.certificate
    assert told.groups == ("words", "chars") and told.efficient == ("words",)
    assert told.bound < told.allowed and 0 < told.unsure < 0.5 and told.cascade_cost < told.full_cost
    assert told.group_cost["words"] < told.group_cost["chars"] and min(told.importance.values()) >= 0
    assert sum(told.split_rows.values()) == ROWS and told.rows == told.split_rows["certify"]
    assert len(made.curve) > 5 and any(point.passes for point in made.curve)
    text = "\n".join(told.lines())
    assert "loses less than 1.0000% of rows, 95.0% confidence" in text and "threshold 0." in text
    assert "efficient features: words of words, chars" in text
    assert told.cascade_cost <= told.sure_cost + told.unsure * told.full_cost + 1e-9  # explain reports it per query
    first = max(told.importance, key=told.importance.__getitem__)
    assert f"cost per row: {first} {told.importance[first]:.4f}, {told.group_cost[first]:.0f} ns; " in text


@pytest.mark.parametrize("make", [text_cascade, tree_cascade, number_cascade], ids=["strings", "classes", "numbers"])
@pytest.mark.parametrize("count", [1, 700, *(pytest.param(rows, marks=pytest.mark.nightly) for rows in (7, 9000))])
def test_the_kernel_equals_python_and_a_row_depends_on_no_other(make, count):
    fitted, data = make(), texts()[0] if make is text_cascade else table()[0]
    sample = data.iloc[-2000:].sample(count, replace=True, random_state=count).reset_index(drop=True)
    expected = fitted.cascade.predict(sample)
    kernel = model_kernel(fitted.cascade, sample)
    assert kernel.run().flagged == 0
    got = kernel.answers()
    np.testing.assert_array_equal(got.astype(expected.dtype), expected)
    one_by_one = [fitted.cascade.predict(sample.iloc[i : i + 1])[0] for i in range(min(count, 40))]
    np.testing.assert_array_equal(one_by_one, expected[:40])
    # Larger blocks provide enough unsure rows to fill a forest's chunks.
    assert most_rows(kernel.program) == (PIECE if make is text_cascade else BLOCK)
    if count == 700:
        sure = fitted.cascade.sure(sample)
        assert 0 < sure.mean() < 1
        np.testing.assert_array_equal(expected[~sure], fitted.cascade.full.predict(sample[~sure]))
        assert re.search(r"found\d+ = kept_rows\(.*not_v", row_loop_source(kernel.program))


def test_small_models_may_have_fewer_terms_or_trees():
    data, label = texts()
    groups = feature_groups(text_pipeline(), data)
    own = list(small_models(groups, {"words": 1.0, "chars": 0.1}, {"words": 1.0, "chars": 9.0}))
    assert [(sorted(g), about) for g, about, _ in own] == [
        (["words"], "LogisticRegression"), (["words"], "LogisticRegression, 4,000 terms"),
    ]  # fmt: skip
    assert own[0][2].steps[-1][1] is not own[1][2].steps[-1][1]  # each is fitted separately
    limits = [p.get_params()["terms__words__max_features"] for _, _, p in own]
    assert limits == [None, 4000]
    trees = feature_groups(RandomForestClassifier(80), table()[0])
    sizes = {about for _, about, _ in small_models(trees, dict.fromkeys("abcde", 1.0), dict.fromkeys("abcde", 0.0))}
    assert sizes == {f"RandomForestClassifier, {n} trees" for n in (8, 2)}
    assert tree_cascade().cascade.unsure == pytest.approx(tree_cascade().certificate.unsure)


def test_a_cascade_that_does_not_compile_is_passed_over():
    """The next cheapest candidate is certified; without another, the refusal of the first says why."""
    data, y = table()
    label = np.digitize(y, [-0.7, 0.7])
    model, promise = RandomForestClassifier(80, max_depth=8, random_state=0), LossPromise(0.03, 0.95)
    best = fit(model, data, label, promise, of_trees).cascade

    def but(*sizes):
        def measure(estimators, data):
            large = [hasattr(one, "threshold") and of_trees([one.small], data)[0] in sizes for one in estimators]
            if large[0]:
                raise refusal("SW946", model="Cascade", why="too large")
            return [np.inf if out else cost for out, cost in zip(large, of_trees(estimators, data), strict=True)]

        return measure

    first = of_trees([best.small], data)[0]
    other = fit(model, data, label, promise, but(first)).cascade
    assert {first, of_trees([other.small], data)[0]} == {2, 8}
    assert refusal_of(model, data, label, promise, but(2, 8)).code == "SW946"


@pytest.mark.gate_cases("False")
@pytest.mark.parametrize("fitted", [True, False])
def test_columns_that_the_pipeline_does_not_read_take_no_part(fitted):
    """A key of the rows and a date are in most tables. With a key, no two rows would be equal."""
    data, y = table()
    label = np.digitize(y, [-0.7, 0.7])
    days = pd.Timestamp("2026-01-01") + pd.to_timedelta(np.arange(ROWS), "D")
    wide = pd.DataFrame({"id": np.arange(ROWS), "day": days, **data, "label": label, "tags": [[1]] * ROWS})
    columns = ColumnTransformer([("numbers", StandardScaler(), list("abcde"))])
    model = Pipeline([("columns", columns), ("model", RandomForestClassifier(80, max_depth=8, random_state=0))])
    if fitted:
        model.fit(data, label)
    made = sparkweld.cascade.fit(model, wide, "label", accuracy_loss=0.05, small=RandomForestClassifier(5, random_state=0))
    assert made.cascade.predict(data).tolist() == made.cascade.predict(wide[list("edcba")][list("abcde")]).tolist()
    assert list(getattr(made.cascade.full, "feature_names_in_", "abcde")) == list("abcde")


def test_a_table_without_a_column_of_the_model():
    data, y = table()
    model = RandomForestClassifier(5).fit(data, y > 0)
    with pytest.raises(UserError, match="no column 'c', which the RandomForestClassifier reads"):
        sparkweld.cascade.fit(model, data.drop(columns="c").assign(label=y > 0), "label")


def test_a_fitted_pipeline_is_served_as_it_is():
    data, label = rows(1)
    full = Column("full").fit(data)
    made = fit(full, data, label, LossPromise(0.05, 0.95), cost, Column("small"))
    assert made.cascade.full is full and made.cascade.predict(data).tolist() == _by_hand(made.cascade, data).tolist()


def _by_hand(cascade, data):
    small, full = data["small"].to_numpy(), data["full"].to_numpy()
    return np.where(np.maximum(small, 1 - small) > cascade.threshold, small > 0.5, full > 0.5).astype(int)


def test_saturated_scores_are_together_sure_or_unsure():
    """Most rows have one score, at which the small model is often wrong: no threshold separates them."""
    data, label = rows(2)
    data["row"] = np.arange(len(data))
    data["small"] = np.where(np.arange(len(data)) % 4, np.where(data["small"] > 0.5, 0.9, 0.1), np.where(label, 1.0, 0.0))
    made = fit(Column("full").fit(data), data, label, LossPromise(0.02, 0.95), cost, Column("small"))
    assert 0.9 < made.cascade.threshold < 1.0
    assert made.certificate.unsure == pytest.approx(0.75, abs=0.05)


def test_repeated_rows_count_once():
    data, label = rows(3, 3000)
    whole = pd.concat([data] * 3, ignore_index=True)
    made = fit(Column("full").fit(data), whole, np.tile(label, 3), LossPromise(0.05, 0.95), cost, Column("small"))
    assert sum(made.certificate.split_rows.values()) == 3000 and made.certificate.repeated == 6000
    assert "of distinct rows" in made.certificate.lines()[0]


@pytest.mark.parametrize("kind", ["classes", "numbers"])
def test_without_labels_the_promise_is_agreement_with_the_model(kind):
    """The rows that are compared here are neither the model's nor the cascade's."""
    (data, y), count = table(9000), 3000
    full: Any
    if kind == "classes":
        label, band = np.digitize(y[:count], [-0.7, 0.7]), 0.0
        full = RandomForestClassifier(80, max_depth=8, random_state=0).fit(data[:count], label)
    else:
        full, band = RandomForestRegressor(80, max_depth=9, random_state=0).fit(data[:count], y[:count]), 0.4
    fresh, later = data[count : count + 4000], data[count + 4000 :]
    made = fit(full, fresh, answers_of(full, fresh, kind), LossPromise(0.05, 0.95, band, against="model"), of_trees)
    told = made.certificate
    assert told.against == "model" and told.better == 0 and told.worse / told.rows < told.bound < 0.05 and told.unsure < 0.9
    assert "changes the full model's answer for less than 5.0000% of rows" in "\n".join(told.lines())
    before, after = full.predict(later), made.cascade.predict(later)
    changed = before != after if kind == "classes" else np.abs(before - after) > band
    assert 0 < np.mean(changed) < 0.05 + 3 * np.sqrt(0.05 * 0.95 / len(later))


def test_certificates_of_earlier_versions_are_of_labels():
    told = tree_cascade().certificate
    record = {name: value for name, value in dataclasses.asdict(told).items() if name != "against"}
    assert CascadeCertificate.of(record) == told and told.against == "labels"


def test_the_chosen_band_is_the_smallest_that_saves_time():
    data, y = table()
    model = RandomForestRegressor(80, max_depth=9, random_state=0)
    chosen = fit(model, data, y, LossPromise(0.03, 0.95, band=None), of_trees).certificate
    assert 0 < chosen.band < np.std(y) / 4 and float(f"{chosen.band:.2g}") == chosen.band
    assert chosen.full_cost > 1.2 * chosen.cascade_cost
    assert refusal_of(model, data, y, LossPromise(0.03, 0.95, band=chosen.band / 3), of_trees).code == "SW944"


@pytest.mark.parametrize("against", ["labels", "model"])
def test_a_band_beyond_the_errors_of_the_model_is_not_chosen(against):
    """The small model answers at random, far from a full model that makes next to no error."""
    data, _ = table()
    y = 1000 * data["a"].to_numpy() + data["b"].to_numpy()
    full = LinearRegression().fit(data, y)
    label = y if against == "labels" else full.predict(data)
    refused = refusal_of(full, data, label, LossPromise(0.03, 0.95, None, against), of_kinds, DecisionTreeRegressor(max_depth=1))
    assert refused.code == "SW943" and "the smallest band with which one saves time is" in refused.message


def of_kinds(estimators, data) -> list[float]:
    return [100.0 if isinstance(estimator, LinearRegression) else 10.0 for estimator in estimators]


class Odd(RegressorMixin, BaseEstimator):
    """A regressor that returns NaN."""

    def fit(self, x, y=None):
        self.fitted_ = True
        return self

    def predict(self, x):
        return np.full(len(x), np.nan)


def alike(estimators, data) -> list[float]:
    """Returns equal costs."""
    return [1.0] * len(estimators)


def refusal_of(*arguments, **named) -> Refusal:
    with pytest.raises(Refusal) as refused:
        fit(*arguments, **named)
    return refused.value


def test_labels_that_mean_nothing_are_refused():
    data, label = rows(1)
    full, promise = Column("full").fit(data), LossPromise(0.02, 0.95)
    faults = {
        "missing": np.where(np.arange(len(label)) == 5, np.nan, label), "single value": np.zeros(len(label)),
        "shape": label[:-1], "fractions": np.random.default_rng(0).normal(size=len(label)),
    }  # fmt: skip
    for word, labels in faults.items():
        refused = refusal_of(full, data, labels, promise, cost, Column("small"))
        assert refused.code == "SW940" and word in refused.message
    for labels in (np.array(["x", "y"] * (len(label) // 2)), np.where(label, np.inf, 0.0)):
        assert refusal_of(Odd().fit(data), data, labels, promise, cost).code == "SW940"
    rare = np.where(np.arange(len(label)) == 7, 2, label)
    full = RandomForestClassifier(2, max_depth=2).fit(data, rare)
    assert refusal_of(full, data.drop(index=7), np.delete(label, 7), promise, alike, Column("small")).code == "SW940"


def test_a_model_that_cannot_be_certified_is_refused_with_the_reason():
    data, label = rows(1)
    full, small = Column("full").fit(data), Column("small")
    few = refusal_of(full, data[:900], label[:900], LossPromise(0.001, 0.95), cost, small)
    assert few.code == "SW941"
    for count in (3, 9):  # a promise of nearly nothing needs three rows to certify, but others to fit and to choose
        assert refusal_of(full, data[:count], np.arange(count) % 2, LossPromise(0.45, 0.5), cost, small).code == "SW941"
    needed = int(re.search(r"; ([\d,]+) could", few.message)[1].replace(",", ""))
    more, labels = rows(1, needed)
    both = np.abs(more["full"] - 0.05 * np.random.default_rng(0).random(needed))
    assert fit(full, more.assign(small=both), labels, LossPromise(0.001, 0.95), cost, small).certificate.bound < 0.001
    assert refusal_of(Odd().fit(data), data, label, LossPromise(0.02, 0.95), alike, Odd()).code == "SW942"
    wrong = data.assign(small=np.where(label, 0.02, 0.98) + np.random.default_rng(0).normal(scale=1e-3, size=len(label)))
    assert refusal_of(full, wrong, label, LossPromise(0.02, 0.95), cost, small).code == "SW943"
    assert refusal_of(full, data, label, LossPromise(0.02, 0.95), alike, small).code == "SW944"
    assert refusal_of(KMeans(2), data, label, LossPromise(0.02, 0.95), cost).code == "SW945"
    with pytest.raises(Refusal) as refused:
        sparkweld.cascade.fit(full, data, label, accuracy_loss=0.02)
    assert refused.value.code == "SW946" and "Column" in refused.value.message


def test_arguments_that_mean_nothing():
    data, label = rows(1, 100)
    for wrong in ({"accuracy_loss": 0.0}, {"confidence": 1.0}, {"band": -1.0}, {"text": "none"}):
        with pytest.raises(UserError):
            sparkweld.cascade.fit(Column("full").fit(data), data, label, **wrong)
    for given, named in ((data.to_numpy(), label), (data, "none")):
        with pytest.raises(UserError):
            sparkweld.cascade.fit(Column("full").fit(data), given, named)


@pytest.mark.parametrize("make", [text_cascade, lambda: tree_cascade()], ids=["classes", "numbers"])
def test_the_calibration_is_that_of_the_held_out_rows(make):
    """Its bins partition the rows where the cascade does, for labels and for numbers."""
    told = make().certificate
    held = told.calibration
    assert sum(held.counts) == told.rows and len(held.counts) == len(held.edges) + 1 > 5
    assert held.edges == tuple(sorted(held.edges)) and abs(held.edges[held.limit]) == abs(told.threshold)
    assert sum(held.counts[held.limit + 1 :]) == round(told.unsure * told.rows)
    assert told.worse + told.better <= held.differs < told.rows


def test_doubts_are_counted_to_the_bit():
    doubt = np.array([-0.5, -0.0, 0.0, 1.0, np.nextafter(1.0, 2), np.inf, np.nan, np.nextafter(1.0, 0)])
    held = Calibration.of(doubt, 1.0, 0)
    below = [sum(d < edge for d in doubt) for edge in held.edges]
    assert np.cumsum(held.counts)[:-1].tolist() == below
    assert sum(held.counts[held.limit + 1 :]) == 4  # 1, the next number, infinity and NaN are not below 1


def test_a_directory_round_trips_unchanged(directory):
    assert sorted(p.name for p in directory.iterdir()) == ["cascade.pkl", "certificate.json", "curve.csv", "curve.svg"]
    made, (read, certificate) = text_cascade(), store.load(directory)
    data = texts()[0][:500]
    np.testing.assert_array_equal(read.predict(data), made.cascade.predict(data))
    assert dataclasses.replace(certificate, model="", digests={}) == made.certificate
    assert certificate.model == fingerprint(read.full) == fingerprint(made.cascade.full) != fingerprint(read.small)
    assert len((directory / "curve.csv").read_text().splitlines()) == len(made.curve) + 1
    assert (directory / "curve.svg").read_text().startswith("<svg ")
    for folder in (directory, directory.parent):
        assert list(store.directories(folder, CascadeCertificate)) == [directory]


@pytest.mark.parametrize("harm", ["seal", "number", "models", "curve", "cut", "none", "older", "version"])
def test_a_directory_that_somebody_touched_is_refused(directory, tmp_path, harm):
    path = tmp_path / "cascade"
    path.mkdir()
    for file in directory.iterdir():
        (path / file.name).write_bytes(file.read_bytes())
    certificate = path / "certificate.json"
    record = json.loads(certificate.read_text())
    if harm == "seal":
        certificate.write_text(json.dumps({k: v for k, v in record.items() if k != "seal"}))
    elif harm == "number":
        certificate.write_text(json.dumps({**record, "allowed": 0.5}))
    elif harm == "models":
        (path / "cascade.pkl").write_bytes((path / "cascade.pkl").read_bytes()[:-1])
    elif harm == "curve":
        (path / "curve.csv").unlink()
    elif harm == "cut":
        certificate.write_text(certificate.read_text()[:100])
    elif harm == "none":
        certificate.unlink()
    elif harm == "older":
        certificate.write_text(json.dumps({k: v for k, v in record.items() if k != "calibration"}))
    else:
        made = text_cascade()
        older = dataclasses.replace(made.certificate, versions={**made.certificate.versions, "numpy": "1.0"})
        store.save(dataclasses.replace(made, certificate=older), path)
    with pytest.raises(Refusal) as refused:
        store.load(path)
    assert refused.value.code == ("SW951" if harm == "version" else "SW950")
    assert ("an earlier version" in str(refused.value)) == (harm == "older")


def test_a_certificate_with_the_cost_of_joins_is_read():
    """Earlier versions stored one; the promise does not depend on it."""
    record = json.loads(json.dumps(dataclasses.asdict(text_cascade().certificate)))
    assert CascadeCertificate.of({**record, "join_cost": 250.0}) == text_cascade().certificate


def test_a_model_is_recognized_however_it_is_passed(tmp_path):
    data, y = table()
    label = (y > 0).astype(int)
    models = [lightgbm.LGBMClassifier(n_estimators=4, verbose=-1), xgboost.XGBClassifier(n_estimators=4), LogisticRegression()]
    models.append(RandomForestClassifier(4))
    scaled = ColumnTransformer([("ab", StandardScaler(), ["a", "b"]), ("c", FunctionTransformer(np.tanh), ["c"])])
    models.append(Pipeline([("parts", scaled), ("model", HistGradientBoostingClassifier(max_iter=4))]))
    known = []
    for model in models:
        known.append(fingerprint(model.fit(data, label)))
        joblib.dump(model, tmp_path / "model")
        _, again = pickle.loads(cloudpickle.dumps((lambda: 0, joblib.load(tmp_path / "model"))))
        again.predict(data[:5])
        assert fingerprint(again) == known[-1]
    assert len(set(known)) == len(models)
    assert fingerprint(models[2].fit(data, 1 - label)) != known[2]


def test_the_fingerprint_of_a_model_of_strings_does_not_change_where_it_is_used():
    """A vectoriser remembers the address of its stop words, which each process has elsewhere."""
    words = ["red apple", "green pear", "red pear", "green apple"]
    model = Pipeline([("words", TfidfVectorizer()), ("model", LogisticRegression())]).fit(words, [0, 1, 0, 1])
    known = fingerprint(model)
    read = pickle.loads(pickle.dumps(model))
    del read[0]._stop_words_id  # as in a process that has not used it
    assert fingerprint(read) == known
    read.predict(words)
    assert read[0]._stop_words_id and fingerprint(read) == known


def test_a_path_that_cannot_be_a_cascade(tmp_path, directory):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match="something other"):
        store.save(text_cascade(), tmp_path)
    with pytest.raises(UserError, match="cannot be written"):
        store.save(text_cascade(), tmp_path / "notes.txt" / "inside")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["notes.txt"]
