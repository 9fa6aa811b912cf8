"""Checks rankings without Spark: fitted, certified, saved; their recall on fresh rows, and refusals."""

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
from sparkweld.cascades import ranking, store
from sparkweld.cascades.certificate import CascadeCertificate, RankCertificate
from sparkweld.cascades.ranking import RankPromise
from sparkweld.errors import Refusal, UserError

ROWS = 6000


def table(seed: int, rows: int = ROWS) -> pd.DataFrame:
    return pd.DataFrame(np.random.default_rng(seed).normal(size=(rows, 3)), columns=list("abc"))


@cache
def model() -> HistGradientBoostingRegressor:
    """Fits a model with scores on both sides of 0."""
    x = table(0)
    return HistGradientBoostingRegressor(max_iter=60, random_state=0).fit(x, x["a"] + 0.3 * np.sin(3 * x["b"]) - 1)


def costs(estimators, data):
    return [100.0, *[1.0] * (len(estimators) - 1)]


def fitted(data, full=None, measure=costs, **options) -> ranking.Ranking:
    full = full or model()
    asked = {"ks": (10, 50), "rows": 2000, "recall": 0.9, "confidence": 0.95, "extrapolate": True, **options}
    return ranking.fit(full, data, np.asarray(full.predict(data)), -1, "prediction", RankPromise(**asked), measure)


def test_fresh_rows_above_the_least_score_are_found():
    made = fitted(table(1))
    told = made.certificate
    fresh = table(2, 40_000)
    full, small = model().predict(fresh), made.small.predict(fresh)
    assert np.mean(small[full >= told.least] > told.limit) >= 0.9
    assert np.mean(full >= told.least) == pytest.approx(told.share, rel=0.3)
    assert np.mean(small > told.limit) == pytest.approx(told.candidates, rel=0.3) and told.candidates < 0.3
    assert np.isfinite(made.small.predict(table(1, 5).assign(b=np.nan))).all()  # the full model scores such rows, too
    assert told.wanted >= ranking.hits_needed(0.9, 0.95) and told.least_k == 10 and told.most > told.least
    lines = "\n".join(told.lines())
    for part in ("certified: finds 90.0% of rows", "K from 10 on", "assumed, not certified: the same recall above",
                 "efficient features: a, b, c", "for each row of that share"):  # fmt: skip
        assert part in lines


def test_without_extrapolation_the_smallest_query_is_certified_too():
    with pytest.raises(Refusal, match=r"SW947.*queries for 10 of 2,000 rows; 26,102 could"):
        fitted(table(1), extrapolate=False)
    told = fitted(table(1), ks=(50,), extrapolate=False).certificate
    fresh = table(2, 40_000)
    full = model().predict(fresh)
    for score, share in ((told.most, told.reach), (told.least, told.share)):
        assert np.mean(full >= score) == pytest.approx(share, rel=0.3)
    assert told.reach == pytest.approx(50 / 2000 / 1.5) and "assumed" not in "\n".join(told.lines())


class Given(RegressorMixin, BaseEstimator):
    """Returns the small score that a row holds."""

    def fit(self, x, y=None):
        return self

    def predict(self, x):
        return x["small"].to_numpy()


def noisy(rng, full):
    return full + 0.4 * rng.normal(size=len(full))


def worse_at_the_top(rng, full):
    """Misses 15% of the best rows, and few of those below them: 7% of the rows down to the end of the band."""
    return noisy(rng, full) - 9.0 * ((full > 1.8) & (rng.random(len(full)) < 0.15))


@pytest.mark.parametrize("smaller", [noisy, worse_at_the_top])
def test_a_promise_is_broken_in_at_most_five_percent_of_fits(smaller):
    """The small score is the full one plus noise, so that many more rows determine a limit's true recall."""

    def rows(seed: int, count: int):
        rng = np.random.default_rng(seed)
        full = rng.normal(size=count)
        return pd.DataFrame({"small": smaller(rng, full)}), full

    promise = RankPromise((20,), 400, 0.9, 0.95)
    many, truth = rows(10**6, 400_000)
    band = ranking.Band.of(truth, promise.reach(4000), promise.share)
    order = np.argsort(-truth)
    counts = band.counts(truth[order])
    small = many["small"].to_numpy()[order]
    limits = tuple(np.quantile(small, np.arange(0.4, 0.96, 0.03)))
    least = {one: np.min((np.cumsum(small > one) / np.arange(1, len(small) + 1))[counts - 1]) for one in limits}
    certified = broken = 0
    for seed in range(60):
        data, full = rows(seed, 4000)
        choice = ranking._Choice(ranking._Priced(frozenset(), Given(), 1.0), limits, 1)
        # each costs more than all bolder ones, so the boldest passing limit is chosen, and its recall is measured
        try:
            limit, _, _ = ranking._certified(choice, 1e9, ranking.Rows(data, full), band, promise)
        except Refusal:
            continue
        certified += 1
        broken += least[limit] < promise.recall
    assert broken <= 8 and certified >= (50 if smaller is noisy else 0)
    assert smaller is noisy or max(least.values()) < promise.recall and certified <= 8


def test_tests_are_of_counts():
    promise = RankPromise((10,), 1000, 0.95, 0.95)
    needed = ranking.hits_needed(0.95, 0.95)
    assert needed == 59

    def passes(missed, *counts, promise=promise):
        return ranking._passes(np.cumsum(missed), np.array(counts or [len(missed)]), promise)

    none = np.zeros(200, np.int64)
    assert passes(none[:needed]) and not passes(none[: needed - 1])
    first, last = none.copy(), none.copy()
    first[0] = last[-1] = 1
    assert not passes(last[-needed:])  # one of 59 is too many
    assert passes(first) and passes(last) and passes(last, 70, 199)
    assert not passes(first, 70, 199)  # of the best 70 one is missed
    assert not passes(first, promise=dataclasses.replace(promise, extrapolate=True))  # the very best one is: do not extrapolate


def test_a_band_counts_equal_scores_together():
    scores = np.array([9, 8, 8, 8, 7, 6, 6, 5, 4, -1.0])
    band = ranking.Band(8.0, 5.0)
    assert band.counts(scores).tolist() == [4, 5, 7, 8] and ranking.Band(9.5, 9.0).counts(scores).tolist() == [0, 1]
    assert ranking.Band(8.0, 8.0).counts(scores).tolist() == [4] and ranking.Band(7.5, 5.5).counts(scores).tolist() == [4, 5, 7]
    assert ranking.Band.of(scores, 0.1, 0.6) == ranking.Band(9.0, 6.0)
    assert ranking.Band.of(scores, 1e-9, 1.0) == ranking.Band(9.0, -1.0)


def test_groups_are_combined_and_strings_shortened():
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


def test_refused_functions():
    def slow(estimators, data):
        return [100.0] * len(estimators)

    with pytest.raises(Refusal, match="SW942"):
        fitted(table(1), Unlike(missing=True))
    with pytest.raises(Refusal, match="1,000 distinct rows cannot certify queries for 50 of 20,000 rows; 23,202 could") as few:
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
        with pytest.raises(UserError, match=r"pass the number|must be"):
            sparkweld.ranking.fit(model(), table(1), **wrong)
    with pytest.raises(UserError, match="are all of them"):
        sparkweld.ranking.fit(model(), table(1), k=7000)
    with pytest.raises(UserError, match="no column 'none'"):
        sparkweld.ranking.fit(model(), table(1), k=10, text="none")
    rows = table(1)
    labels = HistGradientBoostingClassifier(max_iter=5).fit(rows, pd.cut(rows["a"], 3, labels=["low", "mid", "high"]).astype(str))
    with pytest.raises(UserError, match="rows have no order; pass proba"):
        sparkweld.ranking.fit(labels, rows)
    with pytest.raises(UserError, match="pass one of the classes"):
        sparkweld.ranking.fit(labels, rows, proba=True)


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    path = tmp_path_factory.mktemp("rankings") / "r"
    made = fitted(table(1))
    return made, store.save(made, path), path


def test_a_directory_round_trips(kept):
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
