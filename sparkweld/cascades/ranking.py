"""Fits a small model that finds the candidates of top-K queries, from a fitted pipeline and unlabelled rows, with a certificate.

In Willump's approximate top-K (section 4.3), a small model scores all rows and the full model scores the best of them. There, the
number of candidates depends on the number of rows. Here a row is a candidate when its small score is above a limit. That depends
on the row alone, needs no sort and holds in any partition of any table. The certificate covers a band of scores. For each score
of the band, at least a share `recall` of the rows that reach it are candidates. So each answer whose last score is in the band
has that recall, whatever K was. An answer outside the band is recognised by its last score.

The proof counts rows. The ends of the band are scores of rows that are fitted on and chosen with. Of the held-out rows that reach
a score of the band, the number missed is binomial. It is tested at every score of the band, each at the full error. If the
promise is broken at all, it is broken at some score that does not depend on the draw of the held-out rows. There the test passes
with at most that error. So, as in `fitting`, limits are tested from the safest to the boldest, each at the full error, up to the
first that fails.

Few rows prove little: the first 10 of 5,000,000 require 133,000,000. A ranking that extrapolates makes an assumption for scores
above the band. It assumes that a row with a higher score is missed no more often than one with a lower score.
"""

from __future__ import annotations

import datetime
import importlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from sparkweld.cascades.candidates import limit_terms
from sparkweld.cascades.certificate import RankCertificate, library_versions
from sparkweld.cascades.features import FeatureGroups, feature_groups
from sparkweld.cascades.fitting import LEAST_GAIN, Measure
from sparkweld.cascades.splits import Rows, Splits, split
from sparkweld.reasons import refusal

#: Shares of the rows to fit on, to choose with and to certify on; the approximate limit on rows that are fitted on.
_SHARES, _MOST_FITTED = (0.2, 0.3, 0.5), 60_000
#: The best 1/3, 1/10 and 1/30 of this limit are added to the rows that are fitted on.
_BEST = (3, 10, 30)
#: The factor by which the band is wider, at both ends, than the queries' last scores, which vary between tables.
_SPARE = 1.5
#: The factor on the fewest held-out rows that could prove the promise: their number varies, and some may be missed.
_EVIDENCE = 1.5
#: The tested limits, by the share of rows that are candidates.
_CANDIDATES = (0.3, 0.2, 0.15, 0.1, 0.07, 0.05, 0.03, 0.02, 0.015, 0.01, 0.007, 0.005, 0.003, 0.002, 0.001, 0.0005, 0.0002)
#: The most that the safest limit may cost relative to the cheapest: the candidates' cost is small beside the small model's.
_SAFETY = 1.1
#: Limits on the terms of each text column of a small model. With fewer terms, more of its tables stays in the cache.
_TERMS = (None, 4000, 1000)


@dataclass(frozen=True)
class RankPromise:
    """The requested guarantee: with `confidence`, a share of `recall` of the first K of `rows` rows is found, for each K of `ks`.

    `extrapolate`: scores that the held-out rows do not reach are covered by assumption.
    """

    ks: tuple[int, ...]
    rows: int
    recall: float
    confidence: float
    extrapolate: bool = False

    @property
    def share(self) -> float:
        """Returns the share of rows of the largest query, with a margin."""
        return min(1.0, _SPARE * max(self.ks) / self.rows)

    def reach(self, held_out: int) -> float:
        """Returns the smallest share of rows that the certificate covers: of the smallest query, or that the held-out rows
        suffice for.
        """
        asked = min(self.ks) / self.rows / _SPARE
        return min(self.share, max(asked, self.needed / held_out)) if self.extrapolate and held_out else asked

    @property
    def needed(self) -> float:
        """Returns the number of held-out rows that the smallest share must contain."""
        return _EVIDENCE * hits_needed(self.recall, self.confidence)


@dataclass(frozen=True)
class Band:
    """The scores that the certificate covers: from `most`, which few rows reach, down to `least`."""

    most: float
    least: float

    @classmethod
    def of(cls, scores: np.ndarray, reach: float, share: float) -> Band:
        """Returns the band from the score that a share `reach` of these rows reaches to the score that a share `share`
        reaches.
        """
        order = np.sort(scores)[::-1]
        most, least = (order[max(0, round(part * len(order)) - 1)] for part in (reach, share))
        return cls(float(most), float(least))

    def counts(self, ordered: np.ndarray) -> np.ndarray:
        """Returns how many of the descending scores reach each score of the band: int64, ascending, distinct."""
        first, last = (int(np.count_nonzero(ordered >= score)) for score in (self.most, self.least))
        between = ordered[first:last]
        ends = np.flatnonzero(between[:-1] > between[1:]) + 1 + first  # all rows of an equal score reach it together
        return np.unique([first, *ends, last])


@dataclass(frozen=True)
class Ranking:
    """The small regressor, which orders rows nearly as the full model's scores do, and the certificate."""

    small: Any
    full: Any
    certificate: RankCertificate

    @property
    def kept(self) -> Any:
        """Returns the object to pickle: the small model. For the full model the fingerprint suffices."""
        return self.small

    def pictures(self) -> dict[str, bytes]:
        """Returns no files."""
        return {}


def fit(
    full: Any, data: Any, scores: np.ndarray, column: int, about: str, promise: RankPromise, measure: Measure, seed: int = 0
) -> Ranking:
    """Returns the certified ranking of a fitted pipeline.

    `scores`: the pipeline's results for the rows of `data`: its predictions (`column` -1), or that column of its probabilities,
    which `about` names. Refuses SW942 (missing scores), SW947 (too few rows), SW948 (nothing passes), SW949 (nothing pays).
    """
    missing = int(np.count_nonzero(~np.isfinite(scores)))
    if missing:
        raise refusal("SW942", what=f"{missing:,} of {len(scores):,}")
    parts = split(data, scores, seed, lambda _: _SHARES)
    band = _band(parts, promise)
    groups = feature_groups(full, data)
    models = _Models(groups, full, _fitted_on(parts.fit), measure)
    full_cost, priced = models.priced(parts.choose)
    best = _chosen(priced, full_cost, parts.choose, band.least, promise)
    if best.query * LEAST_GAIN > full_cost:
        raise refusal("SW949", what=f"the best would cost {best.query:.0f} ns per row, the full model {full_cost:.0f}")
    limit, share, found = _certified(best, full_cost, parts.certify, band, promise)
    return Ranking(best.model.small, full, RankCertificate(
        recall=promise.recall, confidence=promise.confidence, least_k=min(promise.ks), extrapolates=promise.extrapolate,
        most=band.most, least=band.least, reach=promise.reach(len(parts.certify)), share=promise.share, limit=limit,
        candidates=share, wanted=found[0], missed=found[1], column=column,
        classes=len(getattr(full, "classes_", ())), score=about,
        rows=len(parts.certify), full_cost=full_cost, small_cost=best.model.cost,
        efficient=tuple(n for n in groups.names if n in best.model.groups), groups=groups.names, data=parts.fingerprint,
        repeated=parts.repeated,
        versions=library_versions(), made=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
    ))  # fmt: skip


@dataclass(frozen=True)
class _Priced:
    """A small model, the groups that it reads, and its nanoseconds per row."""

    groups: frozenset[str]
    small: Any
    cost: float


@dataclass(frozen=True)
class _Choice:
    """A small model with its limits, the safest first, and the cost per row of a query with the limit that would be chosen."""

    model: _Priced
    limits: tuple[float, ...]
    query: float


def _band(parts: Splits, promise: RankPromise) -> Band:
    """Returns the band of the promise, from rows that nothing is certified on. Refuses SW947."""
    held_out = len(parts.certify)
    reach = promise.reach(held_out)
    few = held_out * reach < promise.needed
    others = np.concatenate([parts.fit.label, parts.choose.label])
    band = Band.of(others, reach, promise.share) if len(others) else None
    found = 0 if band is None else int(np.count_nonzero(parts.certify.label >= band.most))
    if band is None or few or found < hits_needed(promise.recall, promise.confidence):
        rows = len(parts.fit) + len(parts.choose) + held_out
        wanted = int(promise.needed / reach / _SHARES[2]) + 2 if few else int(_EVIDENCE * rows)
        k = max(promise.ks) if promise.extrapolate else min(promise.ks)
        raise refusal("SW947", rows=f"{rows:,}", k=f"{k:,}", of=f"{promise.rows:,}", needed=f"{wanted:,}")
    return band


def _fitted_on(rows: Rows) -> Rows:
    """Takes rows in order, up to half of the limit, and adds the best ones, the very best repeatedly.

    A model fits best where it has many rows.
    """
    most = min(len(rows), _MOST_FITTED)
    best = np.argsort(-rows.label, kind="stable")
    return rows.take(np.concatenate([np.arange(most // 2), *(best[: most // part] for part in _BEST)]))


class _Models:
    """The small models worth trying: regressors of the scores from each group of features, from the cheap ones, and from all."""

    def __init__(self, groups: FeatureGroups, full: Any, fit: Rows, measure: Measure) -> None:
        self.groups, self.full, self.measure = groups, full, measure
        self.fit = Rows(fit.data, _spread(fit.label))
        self.takes_missing = _scores_missing(full, fit.data)

    def priced(self, rows: Rows) -> tuple[float, list[_Priced]]:
        """Returns (the full model's nanoseconds per row, the small models). Refuses SW948 when there are none."""
        names = self.groups.names
        alone = [] if self.groups.free else [self._fitted(frozenset({name})) for name in names]
        made = [model for models in alone for model in models]
        full_cost, costs = self._costs(made, rows)
        found = [_Priced(chosen, small, cost) for (chosen, small), cost in zip(made, costs, strict=True)]
        cheap = sorted(names, key=lambda name: min((p.cost for p in found if name in p.groups), default=0.0))
        unions = [frozenset(cheap[:count]) for count in range(2, len(names) + 1)] if alone else []
        made = [model for chosen in dict.fromkeys([*unions, frozenset(names)]) if len(chosen) > 1 or not alone
                for model in self._fitted(chosen)]  # fmt: skip
        full_cost, costs = self._costs(made, rows)
        found += [_Priced(chosen, small, cost) for (chosen, small), cost in zip(made, costs, strict=True)]
        if not found:
            raise refusal("SW948", what="no small model accepts these features", where="the rows to fit on")
        return full_cost, found

    def _costs(self, made: Sequence[tuple[frozenset[str], Any]], rows: Rows) -> tuple[float, list[float]]:
        full_cost, *costs = self.measure([self.full, *(small for _, small in made)], rows.data)
        return full_cost, costs

    def _fitted(self, chosen: frozenset[str]) -> list[tuple[frozenset[str], Any]]:
        made = self._pipelines(chosen)
        return [(chosen, small) for small in made if not self.takes_missing or _scores_missing(small, self.fit.data)]

    def _pipelines(self, chosen: frozenset[str]) -> Iterator[Any]:
        # scikit-learn takes a second to load, and processes that only score do not need it
        from sklearn.ensemble import HistGradientBoostingRegressor
        from sklearn.linear_model import Ridge

        trees = [HistGradientBoostingRegressor(max_iter=count, random_state=0) for count in (30, 120)]
        for most in _TERMS:
            for model in (Ridge(), *trees):
                pipeline = self.groups.pipeline(chosen, model)
                if most is not None and not limit_terms(pipeline, most):
                    break
                if model in trees:
                    _make_dense(pipeline)
                try:
                    yield pipeline.fit(self.fit.data, self.fit.label)
                except (TypeError, ValueError):
                    continue  # this family accepts no missing values or strings
                if _of_terms(pipeline) and hasattr(pipeline[:-1].transform(self.fit.data.iloc[:1]), "toarray"):
                    break  # trees accept no sparse values


def _of_terms(pipeline: Any) -> bool:
    """Whether a step extracts terms from strings."""
    return any(name.endswith("ngram_range") for name in pipeline.get_params())


def _make_dense(pipeline: Any) -> None:
    """Makes encoders and unions return dense arrays, which trees require, where no step extracts terms from strings."""
    if not _of_terms(pipeline):
        of = pipeline.get_params()
        dense = {name: False for name in of if name.endswith("sparse_output")}
        pipeline.set_params(**dense, **{name: 0 for name in of if name.endswith("sparse_threshold")})


def _chosen(models: Sequence[_Priced], full_cost: float, rows: Rows, least: float, promise: RankPromise) -> _Choice:
    """Returns the model with the cheapest queries among those with a limit whose recall clearly exceeds the promise.

    Refuses SW948.
    """
    wanted = rows.label >= least
    enough = (1 + promise.recall) / 2
    found: list[_Choice] = []
    best = 0.0
    for model in sorted(models, key=lambda model: model.cost):
        if any(choice.query <= model.cost for choice in found):
            break
        made = model.small.predict(rows.data)
        limits = [_limit(made, share) for share in _CANDIDATES]
        recalls = [float(np.mean(made[wanted] > limit)) for limit in limits]
        best = max(best, recalls[0])
        good = [share for share, recall in zip(_CANDIDATES, recalls, strict=True) if recall >= enough]
        if good and recalls[0] >= enough:
            found.append(_Choice(model, tuple(limits), model.cost + min(good) * full_cost))
    if not found:
        what = f"{_CANDIDATES[0]:.0%} of the rows as candidates have {best:.1%} of those wanted"
        raise refusal("SW948", what=what, where="the rows to choose with")
    return min(found, key=lambda choice: choice.query)


def _limit(scores: np.ndarray, share: float) -> float:
    """Returns the limit that this share of the scores is above, or a smaller share where many scores are equal."""
    return float(np.quantile(scores, 1 - share, method="lower"))


def _certified(
    choice: _Choice, full_cost: float, rows: Rows, band: Band, promise: RankPromise
) -> tuple[float, float, tuple[int, int]]:
    """Returns (limit, share of candidates, (rows to find, missed)) of the certified limit. Refuses SW948.

    Of the limits that pass, up to the first that fails, it is the safest whose cost is close to the cheapest.
    """
    made = choice.model.small.predict(rows.data)
    by_score = np.argsort(-rows.label, kind="stable")
    counts = band.counts(rows.label[by_score])
    wanted = by_score[: counts[-1]]
    passed: list[tuple[float, float, tuple[int, int]]] = []
    failed = ""
    for limit in choice.limits:
        missed = np.cumsum(made[wanted] <= limit)
        if not _passes(missed, counts, promise):
            failed = f"{missed[-1]:,} of {len(wanted):,} requested rows are not candidates"
            break
        passed.append((limit, float(np.mean(made > limit)), (len(wanted), int(missed[-1]))))
    if not passed:
        raise refusal("SW948", what=failed, where="the rows to certify on")
    costs = [choice.model.cost + share * full_cost for _, share, _ in passed]
    return next(one for one, cost in zip(passed, costs, strict=True) if cost <= _SAFETY * min(costs))


def _passes(missed: np.ndarray, counts: np.ndarray, promise: RankPromise) -> bool:
    """Whether the recall is proved among the best rows, at each number of them in `counts`.

    `missed`: the number missed among the first 1, 2 ... rows. When the recall is too low, so few misses are improbable. The rows
    must not contradict an extrapolation either: the recall holds in the best half, in the best quarter, and so on.
    """
    if promise.extrapolate:
        halves = [len(missed) >> by for by in range(len(missed).bit_length())]
        if any(missed[count - 1] > (1 - promise.recall) * count for count in halves):
            return False
    chances = importlib.import_module("scipy.stats").binom.cdf(missed[counts - 1], counts, 1 - promise.recall)
    return bool((chances <= 1 - promise.confidence).all())


@cache
def hits_needed(recall: float, confidence: float) -> int:
    """Returns the fewest rows to find that could prove the recall: with that number, none may be missed."""
    return int(np.ceil(np.log(1 - confidence) / np.log(recall)))


def _spread(scores: np.ndarray) -> np.ndarray:
    """Returns the log-odds of probabilities, which spread values near 0 and 1; other scores unchanged. The order is preserved."""
    if scores.min() < 0 or scores.max() > 1:
        return scores
    least = 1e-9
    return np.log((scores + least) / (1 - scores + least))


def _scores_missing(model: Any, data: Any) -> bool:
    """Whether a row whose floats are all missing has a score. If the full model returns one, the small model must not raise."""
    row = data.iloc[:1]
    try:
        model.predict(row.assign(**dict.fromkeys(row.select_dtypes("floating"), np.nan)) if hasattr(row, "columns") else row)
    except ValueError:
        return False
    return True
