"""Compares cascades outside Spark with the estimator itself: sure and unsure rows, tables and single rows, text and trees."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import GradientBoostingClassifier, GradientBoostingRegressor
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline

import sparkweld
from sparkweld.cascades.cascade import Cascade
from sparkweld.contract.replies import Watch

RNG = np.random.default_rng(8)
ROWS = 400
TABLE = pd.DataFrame({
    "age": RNG.normal(40, 9, ROWS), "pay": RNG.normal(3000, 900, ROWS),
    "note": [" ".join(RNG.choice(["late", "paid", "lost", "new"], 5)) for _ in range(ROWS)],
})  # fmt: skip
NUMBERS = TABLE[["age", "pay"]]
LABELS = np.where(TABLE["pay"] + 60 * TABLE["age"] + 400 * TABLE["note"].str.count("late") > 6000, "good", "bad")


def of(columns, estimator):
    return make_pipeline(ColumnTransformer([("part", "passthrough", columns)]), estimator)


def of_trees():
    small = of(["pay"], LogisticRegression()).fit(NUMBERS, LABELS == "good")
    full = GradientBoostingClassifier(n_estimators=20).fit(NUMBERS, LABELS == "good")
    return Cascade(small, full, float(np.median(small.predict_proba(NUMBERS).max(axis=1)))), NUMBERS


def of_text():
    full = make_pipeline(
        ColumnTransformer(
            [("words", TfidfVectorizer(), "note"), ("numbers", "passthrough", ["age", "pay"])], sparse_threshold=1.0
        ),
        LogisticRegression(max_iter=2000),
    ).fit(TABLE, LABELS)
    small = of(["age"], LogisticRegression()).fit(TABLE, LABELS)
    return Cascade(small, full, float(np.median(small.predict_proba(TABLE).max(axis=1)))), TABLE


def of_numbers():
    labels = TABLE["pay"] * np.sin(TABLE["age"])
    full = GradientBoostingRegressor(n_estimators=20).fit(NUMBERS, labels)
    small = of(["pay"], LinearRegression()).fit(NUMBERS, labels)
    judge = of(["age"], LinearRegression()).fit(NUMBERS, np.abs(full.predict(NUMBERS) - small.predict(NUMBERS)))
    return Cascade(small, full, float(np.median(judge.predict(NUMBERS))), judge), NUMBERS


@pytest.mark.gate_cases("of_trees", "of_numbers")
@pytest.mark.parametrize("made", [of_trees, of_text, of_numbers])
def test_a_program_answers_like_the_cascade(made, tmp_path):
    cascade, table = made()
    sure = cascade.sure(table)
    assert 50 < sure.sum() < ROWS - 50
    cascade.watched = Watch(
        path="p", band=0.0, sure_cost=1.0, full_cost=2.0, edges=(0.5,), counts=(1, 1), limit=1, differs=0, labels=True
    )
    program = sparkweld.compile(cascade, table)
    assert cascade.watched is not None
    wanted = cascade.predict(table)
    assert np.asarray(program(table)).tolist() == (pytest.approx(wanted, rel=1e-12) if made is of_numbers else wanted.tolist())
    singles = [program.predict_row(**row) for row in table.to_dict("records")]
    assert singles == np.asarray(program(table)).tolist()
    for rows in (1, 3, 16, 17):
        assert np.asarray(program(table.tail(rows))).tolist() == singles[-rows:]
    program.save(tmp_path / "cascade")
    assert np.asarray(sparkweld.load(tmp_path / "cascade")(table)).tolist() == singles
