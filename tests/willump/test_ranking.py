"""Rankings without Spark: fitted, certified, kept in a directory; what they find on fresh rows, and what is refused."""

from __future__ import annotations

import json
from functools import cache

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

import sparkweld
from sparkweld.errors import Refusal, UserError
from sparkweld.willump import ranking, store
from sparkweld.willump.ranking import RankPromise
from sparkweld.willump.splits import Rows

ROWS = 6000


def table(seed: int, rows: int = ROWS) -> pd.DataFrame:
    return pd.DataFrame(np.random.default_rng(seed).normal(size=(rows, 3)), columns=list("abc"))


@cache
def model() -> HistGradientBoostingRegressor:
    """Scores on both sides of 0."""
    x = table(0)
    return HistGradientBoostingRegressor(random_state=0).fit(x, x["a"] + 0.3 * np.sin(3 * x["b"]) - 1)


def costs(estimators, data):
    return [100.0, *[1.0] * (len(estimators) - 1)]


def fitted(data, full=None, measure=costs, **options) -> ranking.Ranking:
    full = full or model()
    asked = {"ks": (10, 50), "recall": 0.9, "confidence": 0.95, **options}
    return ranking.fit(full, data, np.asarray(full.predict(data)), "the prediction", RankPromise(**asked), measure)


def test_fresh_tables_have_the_recall():
    made = fitted(table(1))
    told = made.certificate
    enough = []
    fresh = table(2, 40 * 600)
    for full, small in zip(np.split(model().predict(fresh), 40), np.split(made.small.predict(fresh), 40), strict=True):
        chosen = np.argsort(-small, kind="stable")[: told.candidates(10, 600)]
        last = np.sort(full)[-10]
        enough.append(np.sum(full[chosen] >= last) / 10 >= 0.9)
    assert np.mean(enough) >= 0.85  # of 40 tables; promised are 0.95
    assert told.candidates(10, 600) < 200
    assert np.isfinite(made.small.predict(table(1, 5).assign(b=np.nan))).all()  # as the full model scores such rows, too
    assert [share for share, _ in told.factors] == sorted(share for share, _ in told.factors)
    assert [factor for _, factor in told.factors] == sorted((factor for _, factor in told.factors), reverse=True)
    assert told.candidates(9, 600) is None and told.candidates(10, 10**6) is None
    assert told.candidates(10**5, 6 * 10**6) == 10**4 * told.candidates(10, 600)
    assert "certified: finds 90.0% of the first K rows, K from 10 on" in "\n".join(told.lines())


def test_recall_counts_equal_scores_as_one_and_a_short_table_is_all_candidates():
    class Small:
        def predict(self, data):
            return data["small"].to_numpy()

    rng = np.random.default_rng(3)
    full = rng.integers(-3, 3, 300).astype(np.float64)
    rows = Rows(pd.DataFrame({"small": full + rng.normal(size=300)}), full)
    found = ranking._recalls(Small(), rows, (20, 100), (1, 2, 5, 64), 7)
    order = np.argsort(-rows.data["small"].to_numpy(), kind="stable")
    drawn = np.random.default_rng(7)
    for draw in range(5):
        at = order[np.sort(drawn.integers(0, 300, 100))]
        least = sorted(full[at], reverse=True)[19]
        for row, factor in enumerate((1, 2, 5, 64)):
            candidates = full[at[: factor * 20]]
            assert found[row, draw] == min(20, np.sum(candidates >= least)) / 20
    assert (found[2:] == 1).all() and (found[0] < 1).any()


class Unlike(RegressorMixin, BaseEstimator):
    """A score that no small model learns; `missing` ones are NaN."""

    def __init__(self, missing=False):
        self.missing = missing

    def fit(self, x, y=None):
        return self

    def predict(self, x):
        made = np.sin(x["a"].to_numpy() * 1e6)
        return np.where(made > 0.9, np.nan, made) if self.missing else made


def test_what_is_refused():
    def slow(estimators, data):
        return [100.0] * len(estimators)

    with pytest.raises(Refusal, match="SW942"):
        fitted(table(1), Unlike(missing=True))
    with pytest.raises(Refusal, match="1,000 distinct rows cannot certify queries for 10 rows; 2,004 could") as few:
        fitted(table(1, 1000))
    assert few.value.code == "SW947"
    with pytest.raises(Refusal, match="SW948"):
        fitted(table(1), Unlike(), ks=(2,))
    with pytest.raises(Refusal, match="SW949"):
        fitted(table(1), measure=slow)
    for wrong in ({"k": ()}, {"k": (0,)}, {"recall": 1.0}, {"confidence": 0.2}):
        with pytest.raises(UserError, match="wants"):
            sparkweld.ranking.fit(model(), table(1), **wrong)
    rows = table(1)
    labels = HistGradientBoostingClassifier(max_iter=5).fit(rows, pd.cut(rows["a"], 3, labels=["low", "mid", "high"]).astype(str))
    with pytest.raises(UserError, match="rows have no order; give proba"):
        sparkweld.ranking.fit(labels, rows)
    with pytest.raises(UserError, match="give one of the classes"):
        sparkweld.ranking.fit(labels, rows, proba=True)


def test_a_directory_comes_back_or_is_refused(tmp_path):
    made = fitted(table(1))
    told = store.save(made, tmp_path / "r")
    small, again = store.load_ranking(tmp_path / "r")
    assert again == told and again.model
    np.testing.assert_array_equal(small.predict(table(2)), made.small.predict(table(2)))
    record = json.loads((tmp_path / "r" / "ranking.json").read_text())
    (tmp_path / "r" / "ranking.json").write_text(json.dumps({**record, "recall": 0.99}))
    with pytest.raises(Refusal, match="SW950.*was edited"):
        store.load_ranking(tmp_path / "r")
    store.save(made, tmp_path / "r")
    (tmp_path / "r" / "ranking.pkl").write_bytes(b"other")
    with pytest.raises(Refusal, match="SW950.*is not the file"):
        sparkweld.ranking.certificate(tmp_path / "r")
