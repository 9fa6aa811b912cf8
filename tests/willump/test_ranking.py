"""Rankings without Spark: fitted, certified, kept in a directory; what they find on fresh rows, and what is refused."""

from __future__ import annotations

import dataclasses
import json
from functools import cache

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import Ridge
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder

import sparkweld
from sparkweld.errors import Refusal, UserError
from sparkweld.willump import ranking, store
from sparkweld.willump.certificate import CascadeCertificate, RankCertificate
from sparkweld.willump.ranking import RankPromise

ROWS = 6000


def table(seed: int, rows: int = ROWS) -> pd.DataFrame:
    return pd.DataFrame(np.random.default_rng(seed).normal(size=(rows, 3)), columns=list("abc"))


@cache
def model() -> HistGradientBoostingRegressor:
    """Scores on both sides of 0."""
    x = table(0)
    return HistGradientBoostingRegressor(max_iter=60, random_state=0).fit(x, x["a"] + 0.3 * np.sin(3 * x["b"]) - 1)


def costs(estimators, data):
    return [100.0, *[1.0] * (len(estimators) - 1)]


def fitted(data, full=None, measure=costs, **options) -> ranking.Ranking:
    full = full or model()
    asked = {"ks": (10, 50), "rows": 2000, "recall": 0.9, "confidence": 0.95, **options}
    return ranking.fit(full, data, np.asarray(full.predict(data)), -1, "prediction", RankPromise(**asked), measure)


def test_fresh_rows_above_the_least_score_are_found():
    made = fitted(table(1))
    told = made.certificate
    fresh = table(2, 40_000)
    full, small = model().predict(fresh), made.small.predict(fresh)
    assert np.mean(small[full >= told.least] > told.limit) >= 0.9
    assert np.mean(full >= told.least) == pytest.approx(told.share, rel=0.3)
    assert np.mean(small > told.limit) == pytest.approx(told.candidates, rel=0.3) and told.candidates < 0.3
    assert np.isfinite(made.small.predict(table(1, 5).assign(b=np.nan))).all()  # as the full model scores such rows, too
    assert told.wanted >= ranking.hits_needed(0.9, 0.95) and told.least_k == 10
    lines = "\n".join(told.lines())
    for part in ("certified: finds 90.0% of rows", "K from 10 on", "efficient features: a, b, c", "for each row of that share"):
        assert part in lines


def test_a_promise_is_broken_in_at_most_five_percent_of_fits():
    """The small model's score is the full one and noise, so that the true recall of a limit is known from many more rows."""

    class Noisy(RegressorMixin, BaseEstimator):
        def fit(self, x, y=None):
            return self

        def predict(self, x):
            return x["small"].to_numpy()

    def rows(seed: int, count: int):
        rng = np.random.default_rng(seed)
        full = rng.normal(size=count)
        return pd.DataFrame({"full": full, "small": full + 0.4 * rng.normal(size=count)}), full

    many, truth = rows(10**6, 400_000)
    certified = broken = 0
    promise = RankPromise((10,), 400, 0.9, 0.95)
    for seed in range(60):
        data, full = rows(seed, 4000)
        limits = tuple(np.quantile(data["small"], np.arange(0.5, 0.99, 0.01)))
        choice = ranking._Choice(ranking._Priced(frozenset(), Noisy(), 1.0), limits, 1)
        least = ranking._least(full, promise.share)
        try:
            limit, _, _ = ranking._certified(choice, 0.0, ranking.Rows(data, full), least, promise)
        except Refusal:
            continue
        # what costs nothing is the safest limit: of the boldest that passes, the loss is counted
        wanted = data["small"].to_numpy()[np.argsort(-full)][: np.count_nonzero(full >= least)]
        passed = [one for one in limits if ranking._passes(np.cumsum(wanted <= one), promise)]
        certified += 1
        broken += np.mean(many["small"][truth >= least] > passed[-1]) < promise.recall
        assert limit == limits[0]
    assert certified >= 50 and broken <= 8


def test_what_is_tested_are_counts():
    promise = RankPromise((10,), 1000, 0.95, 0.95)
    needed = ranking.hits_needed(0.95, 0.95)
    assert needed == 59
    none = np.zeros(needed, np.int64)
    assert ranking._passes(none, promise) and not ranking._passes(none[1:], promise)
    late, early = none.copy(), none.copy()
    late[-1:] = 1
    assert not ranking._passes(late, promise)  # one of 59 is too many
    late, early = np.zeros(200, np.int64), np.ones(200, np.int64)
    late[-1:] = 1
    assert ranking._passes(late, promise) and not ranking._passes(early, promise)  # the very best one is missed


def test_groups_are_put_together_and_texts_shortened():
    rng = np.random.default_rng(5)
    words = np.array("old new big small red blue sun rain".split())
    data = pd.DataFrame({"n": rng.normal(size=3000), "c": rng.choice(list("xyz"), 3000)})
    data["t"] = [" ".join(rng.choice(words, 4)) for _ in range(3000)]
    parts = [("n", "passthrough", ["n"]), ("c", OneHotEncoder(), ["c"]), ("t", TfidfVectorizer(), "t")]
    target = data["n"] + 2.0 * (data["c"] == "x") + 0.1 * data["t"].str.count("sun")
    full = Pipeline([("parts", ColumnTransformer(parts, sparse_threshold=1.0)), ("model", Ridge())]).fit(data, target)

    def by_text(estimators, rows):
        return [100.0 if "t" in {name for name, *_ in e[0].transformers_} else 1.0 for e in estimators]

    made = fitted(data, full, by_text, ks=(40,))
    assert made.certificate.efficient == ("n", "c") and made.certificate.small_cost == 1


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
    with pytest.raises(Refusal, match="1,000 distinct rows cannot certify queries for 50 of 20,000 rows; 11,602 could") as few:
        fitted(table(1, 1000), rows=20_000)
    assert few.value.code == "SW947"
    twice = pd.concat([table(1, 1000)] * 12)
    with pytest.raises(Refusal, match="SW947.*1,000 distinct rows"):  # a row that repeats is one row
        fitted(twice, rows=20_000)
    with pytest.raises(Refusal, match="SW948"):
        fitted(table(1), Unlike())
    with pytest.raises(Refusal, match="SW949"):
        fitted(table(1), measure=slow)
    for wrong in ({"k": ()}, {"k": (0,)}, {"k": -5}, {"recall": 1.0}, {"confidence": 0.2}):
        with pytest.raises(UserError, match="wants"):
            sparkweld.ranking.fit(model(), table(1), **wrong)
    with pytest.raises(UserError, match="are all of them"):
        sparkweld.ranking.fit(model(), table(1), k=7000)
    with pytest.raises(UserError, match="no column 'none'"):
        sparkweld.ranking.fit(model(), table(1), k=10, text="none")
    rows = table(1)
    labels = HistGradientBoostingClassifier(max_iter=5).fit(rows, pd.cut(rows["a"], 3, labels=["low", "mid", "high"]).astype(str))
    with pytest.raises(UserError, match="rows have no order; give proba"):
        sparkweld.ranking.fit(labels, rows)
    with pytest.raises(UserError, match="give one of the classes"):
        sparkweld.ranking.fit(labels, rows, proba=True)


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    path = tmp_path_factory.mktemp("rankings") / "r"
    made = fitted(table(1))
    return made, store.save(made, path), path


def test_a_directory_comes_back(kept):
    made, told, path = kept
    ranker, again = store.load_ranking(path)
    assert again == told == sparkweld.ranking.certificate(path) and again.model and ranker.about
    np.testing.assert_array_equal(ranker.predict(table(2)), made.small.predict(table(2)))
    with pytest.raises(AttributeError, match="no predict_proba"):
        ranker.predict_proba(table(2))
    assert list(store.directories(path.parent, RankCertificate)) == [path]
    assert list(store.directories(path.parent, CascadeCertificate)) == []


@pytest.mark.parametrize("harm", ["number", "seal", "models", "gone", "cut", "none", "version"])
def test_a_directory_that_somebody_touched_is_refused(kept, tmp_path, harm):
    made, _, source = kept
    path = tmp_path / "r"
    path.mkdir()
    for file in source.iterdir():
        (path / file.name).write_bytes(file.read_bytes())
    certificate, record = path / "ranking.json", json.loads((path / "ranking.json").read_text())
    match harm:
        case "number":
            certificate.write_text(json.dumps({**record, "recall": 0.99}))
        case "seal":
            certificate.write_text(json.dumps({k: v for k, v in record.items() if k != "seal"}))
        case "models":
            (path / "ranking.pkl").write_bytes(b"other")
        case "gone":
            (path / "ranking.pkl").unlink()
        case "cut":
            certificate.write_text(certificate.read_text()[:100])
        case "none":
            certificate.unlink()
        case _:
            older = dataclasses.replace(made.certificate, versions={**made.certificate.versions, "numpy": "1.0"})
            store.save(dataclasses.replace(made, certificate=older), path)
    with pytest.raises(Refusal, match="The ranking in") as refused:
        store.load_ranking(path)
    assert refused.value.code == ("SW951" if harm == "version" else "SW950")
