"""Checks cascades for filters: recall and precision relative to the full model, their evidence, files and kernels."""

from __future__ import annotations

import csv
import dataclasses
import io
import re
from functools import cache

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

import sparkweld
from sparkweld.api.model_kernels import model_kernel
from sparkweld.cascades import store
from sparkweld.cascades.answers import Answers, answers_of
from sparkweld.cascades.certificate import CascadeCertificate, LossCertificate, SelectionCertificate
from sparkweld.cascades.fitting import fit
from sparkweld.cascades.promises import Selection, SelectionPromise
from sparkweld.errors import Refusal, UserError
from tests.helpers.cascades import PRECISION, RECALL, Column, cost, of_trees, selection_of_a_fit, selection_rows

#: Rows of `table`, of which the first are the model's.
ROWS, SEEN = 24_000, 3000


@cache
def table() -> tuple[pd.DataFrame, np.ndarray]:
    """Returns numbers and the rows' labels, of which one in twelve is "fraud"."""
    x = np.random.default_rng(9).normal(size=(ROWS, 5))
    score = x[:, 0] + 0.5 * np.sin(3 * x[:, 1]) + 0.05 * x[:, 2]
    return pd.DataFrame(x, columns=list("abcde")), np.where(score > np.quantile(score, 11 / 12), "fraud", "fine")


@cache
def forest() -> RandomForestClassifier:
    data, label = table()
    return RandomForestClassifier(80, max_depth=8, random_state=0).fit(data[:SEEN], label[:SEEN])


@cache
def filtered():
    data, _ = table()
    rows = data[SEEN : ROWS // 2].reset_index(drop=True)
    answers = answers_of(forest(), rows, "classes")
    return fit(forest(), rows, answers, SelectionPromise(("fraud",), 0.9, 0.9, 0.95), of_trees)


def test_a_filter_by_the_cascade_selects_nearly_the_rows_of_the_full_model():
    """The compared rows are neither the model's nor the cascade's."""
    made, later = filtered(), table()[0][ROWS // 2 :]
    told = made.certificate
    assert isinstance(told, SelectionCertificate) and told.unsure < 0.7
    assert told.missed / told.positives < 0.1 and told.false / told.found < 0.1 and told.missed + told.false > 0
    positive, found = forest().predict(later) == "fraud", made.cascade.predict(later) == "fraud"
    assert (positive != found).any()
    noise = 3 * np.sqrt(0.9 * 0.1 / np.count_nonzero(positive))
    assert np.mean(found[positive]) > 0.9 - noise and np.mean(positive[found]) > 0.9 - noise
    kernel = model_kernel(made.cascade, later)
    assert kernel.run().flagged == 0
    np.testing.assert_array_equal(kernel.answers(), made.cascade.predict(later))


def test_what_the_certificate_and_the_files_state(tmp_path):
    made = filtered()
    told, path = store.save(made, tmp_path / "fraud"), tmp_path / "fraud"
    assert sparkweld.cascade.certificate(path) == told and told.digests.keys() == {"cascade.pkl", "curve.csv", "curve.svg"}
    first, second = told.lines()[:2]
    assert first.startswith("certified: finds more than 90.00% of the rows that the full model answers with 'fraud'; more")
    assert first.endswith("of the rows that it answers with 'fraud' have that answer of the full model; 95.0% confidence")
    assert second == (
        f"evidence: {told.rows:,} held-out rows, {told.missed} of {told.positives:,} positives missed,"
        f" {told.false} of {told.found:,} found rows not positive"
    )
    lines = list(csv.DictReader(io.StringIO((path / "curve.csv").read_text())))
    assert list(lines[0])[4:8] == ["positives", "missed", "found", "false"] and len({line["positives"] for line in lines}) == 1
    assert "points of recall" in (path / "curve.svg").read_text()
    loaded = sparkweld.cascade.load(path)
    assert loaded.about[0] == first and loaded.predict(table()[0]).tolist() == made.cascade.predict(table()[0]).tolist()


def test_a_certificate_is_of_the_kind_that_its_fields_have():
    told = filtered().certificate
    assert CascadeCertificate.of(dataclasses.asdict(told)) == told
    common = {field.name: getattr(told, field.name) for field in dataclasses.fields(CascadeCertificate)}
    other = LossCertificate(**common, allowed=0.1, bound=0.05, worse=1, better=0)
    assert CascadeCertificate.of(dataclasses.asdict(other)) == other


@pytest.mark.gate_cases(3)
@pytest.mark.parametrize(("recall", "precision"), [(RECALL, None), (None, PRECISION), (RECALL, PRECISION)])
def test_a_promise_is_broken_in_at_most_five_percent_of_fits(recall, precision):
    """Runs a few of the repetitions of `make bench BENCH=willump`; most of them certify a cascade."""
    found = [pair for seed in range(40) if (pair := selection_of_a_fit(seed, recall, precision)) is not None]
    broken = [pair for pair in found if pair[0] <= (recall or 0) or pair[1] <= (precision or 0)]
    assert len(found) >= 25 and len(broken) <= 5


def test_both_shares_must_be_proven():
    both = SelectionPromise((1,), 0.95, 0.9, 0.95)
    assert both.proven(Selection(59, 0, 59, 0), "classes") and not both.proven(Selection(58, 0, 58, 0), "classes")
    assert not both.proven(Selection(1000, 0, 1000, 90), "classes") and not both.proven(Selection(1000, 45, 1000, 0), "classes")
    assert both.proven(Selection(1000, 30, 1000, 70), "classes") and not both.proven(Selection(0, 0, 0, 0), "classes")
    assert SelectionPromise((1,), 0.95, None, 0.95).proven(Selection(1000, 30, 5000, 4000), "classes")
    assert SelectionPromise((1,), None, 0.9, 0.95).proven(Selection(5000, 4000, 1000, 70), "classes")


def test_rows_that_are_unsure_are_the_full_models():
    """Classes 1 and 2 are selected; an answer of the other of them is no error."""
    promise = SelectionPromise((1, 2), 0.9, 0.9, 0.95)
    full = np.array([0, 0, 1, 1, 2, 2])
    small, sure = np.array([1, 1, 2, 0, 0, 1]), np.array([1, 0, 1, 1, 0, 1], bool)
    outcome = promise.outcome(Answers(full, full, 0.0, "classes"), small, sure)
    assert outcome == Selection(positives=4, missed=1, found=4, false=1)


def test_few_positives_are_refused_with_the_number_that_suffices():
    data = selection_rows(1, 6000)
    full = Column("full").fit(data)

    def fitted(rows: pd.DataFrame):
        return fit(full, rows, answers_of(full, rows, "classes"), SelectionPromise((1,), 0.99, None, 0.95), cost, Column("small"))

    with pytest.raises(Refusal, match="a recall above 99.00%") as refused:
        fitted(data[:1500])
    needed = int(re.search(r"; ([\d,]+) could", refused.value.message)[1].replace(",", ""))
    assert refused.value.code == "SW941" and 2000 < needed < 2900
    agreeing = selection_rows(1, needed)
    small = np.where(agreeing["full"] > 0.5, 1.0, 0.0) + np.where(agreeing["full"] > 0.5, -1, 1) * agreeing["small"] / 100
    assert fitted(agreeing.assign(small=small)).certificate.missed == 0


def test_a_small_model_that_misses_the_positives_is_refused():
    data = selection_rows(2)
    data["small"] = np.random.default_rng(0).random(len(data)) / 100  # never class 1
    full = Column("full").fit(data)
    with pytest.raises(Refusal, match="positives missed") as refused:
        fit(full, data, answers_of(full, data, "classes"), SelectionPromise((1,), 0.99, None, 0.95), cost, Column("small"))
    assert refused.value.code == "SW943"


@pytest.mark.parametrize("selected", ["fraud", np.array(["fraud"]), pd.Series(["fraud"]), ("fraud",), {"fraud"}])
def test_classes_and_shares_of_other_kinds(monkeypatch, tmp_path, selected):
    monkeypatch.setattr(sparkweld.cascade, "measure", of_trees)
    data = table()[0][SEEN : ROWS // 2]
    shares = {"recall": np.float32(0.9), "precision": np.float64(0.9), "confidence": np.float64(0.95)}
    made = sparkweld.cascade.fit(forest(), data, selected=selected, path=tmp_path / "made", **shares)
    assert made.certificate.selected == ("fraud",) and type(made.certificate.recall) is float


def test_arguments_that_mean_nothing():
    data, label = table()
    model = forest()
    for named, said in (
        ({"recall": 0.9}, "pass the class that it selects"), ({"selected": "fraud"}, "pass one of them or both"),
        ({"selected": "fraud", "recall": 1.0}, "above 0 and below 1"), ({"selected": "fraud", "precision": True}, "above 0"),
        ({"selected": "frauds", "recall": 0.9}, "some of the model's classes"), ({"selected": [], "recall": 0.9}, "some of the"),
        ({"selected": ["fraud", "fine"], "recall": 0.9}, "not all"), ({"selected": [["fraud"]], "recall": 0.9}, "some of the"),
        ({"selected": {"fraud": 1}, "recall": 0.9}, "some of the"),
        ({"selected": "fraud", "recall": 0.9, "band": 1.0}, "omit one"),
    ):  # fmt: skip
        with pytest.raises(UserError, match=said):
            sparkweld.cascade.fit(model, data, **named)
    fine = data[model.predict(data) == "fine"]
    for rows, said in ((fine, "none of these rows with"), (data.drop(index=fine.index), "all of these rows with")):
        with pytest.raises(UserError, match=said):
            sparkweld.cascade.fit(model, rows, selected="fraud", recall=0.9)
    with pytest.raises(UserError, match="no classes to select"):
        sparkweld.cascade.fit(RandomForestRegressor(2).fit(data[:50], data["a"][:50]), data, selected=1, recall=0.9)
    with pytest.raises(UserError, match="is not fitted"):
        sparkweld.cascade.fit(RandomForestClassifier(2), data, label, selected="fraud", recall=0.9)
