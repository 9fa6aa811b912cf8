"""A fitted pipeline and rows without labels to a small model that finds the candidates of top-K queries, with a certificate.

Willump's approximate top-K (section 4.3) has a small model score all rows and the full one the best of them by that. There, the
number of candidates depends on that of the rows. Here a row is a candidate when the small model's score is above a limit: a
function of the row alone, which needs no sort and holds in any part of any table. Of the rows whose full score is at least
`least`, a share of `recall` or more are candidates, which is tested by counts: of rows held out, so many reach `least`, and
of these so many are missed, a binomial number. So each answer whose last score is at least `least` is found to that share,
whatever was asked, and any other answer is known by its last score.

Limits are tested from the safest to the boldest, each at the full error, up to the first that fails, as `fitting` has it.
"""

from __future__ import annotations

import datetime
import importlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from sparkweld.reasons import refusal
from sparkweld.willump.candidates import limit_terms
from sparkweld.willump.certificate import RankCertificate, library_versions
from sparkweld.willump.features import FeatureGroups, feature_groups
from sparkweld.willump.fitting import LEAST_GAIN, Measure
from sparkweld.willump.splits import Rows, split

#: Shares of the rows to fit on, to choose with and to certify on; at most so many are fitted on.
_SHARES, _MOST_FITTED = (0.2, 0.3, 0.5), 60_000
#: For so many more rows than a query wants is certified, as the last score of a table strays.
_SPARE = 2.0
#: Shares of the rows that are candidates, of the limits that are looked at.
_CANDIDATES = (0.3, 0.2, 0.15, 0.1, 0.07, 0.05, 0.03, 0.02, 0.015, 0.01, 0.007, 0.005, 0.003, 0.002, 0.001, 0.0005, 0.0002)
#: What the safest limit may cost, of the cheapest: beside the small model's, the candidates' cost is small.
_SAFETY = 1.2
#: Most terms of each text column of a small model.
_TERMS = (None, 4000)


@dataclass(frozen=True)
class RankPromise:
    """What is asked for: of the first K of so many `rows`, K one of `ks`, a share of `recall` is found so surely."""

    ks: tuple[int, ...]
    rows: int
    recall: float
    confidence: float

    @property
    def share(self) -> float:
        """Of the rows, those that it is shown for."""
        return min(1.0, _SPARE * max(self.ks) / self.rows)


@dataclass(frozen=True)
class Ranking:
    """The small regressor, whose order of rows is near to that of the full model's scores, and the certificate."""

    small: Any
    full: Any
    certificate: RankCertificate

    @property
    def kept(self) -> Any:
        """What is pickled of it. Of the full model the fingerprint is enough."""
        return self.small

    def pictures(self) -> dict[str, bytes]:
        """Files to look at: none."""
        return {}


def fit(
    full: Any, data: Any, scores: np.ndarray, column: int, about: str, promise: RankPromise, measure: Measure, seed: int = 0
) -> Ranking:
    """The certified ranking of a fitted pipeline.

    `scores`: what it gives for the rows of `data`: its predictions (`column` -1), or that column of its probabilities, which
    `about` names. Refuses SW942 (missing scores), SW947 (too few rows), SW948 (nothing passes), SW949 (nothing pays).
    """
    missing = int(np.count_nonzero(~np.isfinite(scores)))
    if missing:
        raise refusal("SW942", what=f"{missing:,} of {len(scores):,}")
    parts = split(data, scores, seed, _SHARES)
    needed = hits_needed(promise.recall, promise.confidence)
    if len(parts.certify) * promise.share < needed:
        wanted = int(needed / promise.share / _SHARES[2]) + 2
        rows, of = f"{len(data) - parts.repeated:,}", f"{promise.rows:,}"
        raise refusal("SW947", rows=rows, k=max(promise.ks), of=of, needed=f"{wanted:,}")
    groups = feature_groups(full, data)
    least = _least(np.concatenate([parts.choose.label, parts.certify.label]), promise.share)
    models = _Models(groups, full, parts.fit.take(np.arange(min(len(parts.fit), _MOST_FITTED))), measure)
    full_cost, priced = models.priced(parts.choose)
    best = _chosen(priced, full_cost, parts.choose, least, promise)
    if best.query * LEAST_GAIN > full_cost:
        raise refusal("SW949", what=f"the best would cost {best.query:.0f} ns a row, the full model {full_cost:.0f}")
    limit, share, found = _certified(best, full_cost, parts.certify, least, promise)
    return Ranking(best.model.small, full, RankCertificate(
        recall=promise.recall, confidence=promise.confidence, least_k=min(promise.ks),
        least=least, limit=limit, share=promise.share, candidates=share, wanted=found[0], missed=found[1], column=column,
        classes=len(getattr(full, "classes_", ())), score=about,
        rows=len(parts.certify), full_cost=full_cost, small_cost=best.model.cost,
        efficient=tuple(n for n in groups.names if n in best.model.groups), groups=groups.names, data=parts.fingerprint,
        versions=library_versions(), made=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    ))  # fmt: skip


@dataclass(frozen=True)
class _Priced:
    """A small model, the groups that it reads, and what it costs a row."""

    groups: frozenset[str]
    small: Any
    cost: float


@dataclass(frozen=True)
class _Choice:
    """A small model with its limits, the safest first, and what a query costs a row with the one that would be taken."""

    model: _Priced
    limits: tuple[float, ...]
    query: float


def _least(scores: np.ndarray, share: float) -> float:
    """The score that so large a share of the rows reach."""
    count = max(1, round(share * len(scores)))
    return float(np.partition(scores, len(scores) - count)[len(scores) - count])


class _Models:
    """The small models worth a try: regressors of the scores, of each group of features, of all cheap ones, and of all."""

    def __init__(self, groups: FeatureGroups, full: Any, fit: Rows, measure: Measure) -> None:
        self.groups, self.full, self.measure = groups, full, measure
        self.fit = Rows(fit.data, _spread(fit.label))
        self.takes_missing = _scores_missing(full, fit.data)

    def priced(self, rows: Rows) -> tuple[float, list[_Priced]]:
        """(what the full model costs a row, the small models). Refuses SW948 when there are none."""
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
            raise refusal("SW948", what="no small model takes these features", where="the rows to fit on")
        return full_cost, found

    def _costs(self, made: Sequence[tuple[frozenset[str], Any]], rows: Rows) -> tuple[float, list[float]]:
        full_cost, *costs = self.measure([self.full, *(small for _, small in made)], rows.data)
        return full_cost, costs

    def _fitted(self, chosen: frozenset[str]) -> list[tuple[frozenset[str], Any]]:
        made = self._pipelines(chosen)
        return [(chosen, small) for small in made if not self.takes_missing or _scores_missing(small, self.fit.data)]

    def _pipelines(self, chosen: frozenset[str]) -> Iterator[Any]:
        from sklearn.ensemble import HistGradientBoostingRegressor
        from sklearn.linear_model import Ridge

        trees = (HistGradientBoostingRegressor(max_iter=count, random_state=0) for count in (30, 120))
        for model in (Ridge(), *trees):
            for most in _TERMS:
                pipeline = self.groups.pipeline(chosen, model)
                if most is not None and not limit_terms(pipeline, most):
                    continue
                if not isinstance(model, Ridge):
                    _make_dense(pipeline)
                try:
                    yield pipeline.fit(self.fit.data, self.fit.label)
                except (TypeError, ValueError):
                    continue  # this family takes no missing, sparse or text values


def _make_dense(pipeline: Any) -> None:
    """Has encoders and unions give arrays, which trees take, where no step makes terms of texts."""
    of = pipeline.get_params()
    if not any(name.endswith("ngram_range") for name in of):
        dense = {name: False for name in of if name.endswith("sparse_output")}
        pipeline.set_params(**dense, **{name: 0 for name in of if name.endswith("sparse_threshold")})


def _chosen(models: Sequence[_Priced], full_cost: float, rows: Rows, least: float, promise: RankPromise) -> _Choice:
    """The model whose queries are the cheapest, by limits that find clearly more than promised. Refuses SW948."""
    wanted = rows.label >= least
    enough = (1 + promise.recall) / 2
    found: list[_Choice] = []
    best = 0.0
    for model in models:
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
    """What so large a share of the scores is above, or a little less where many are equal."""
    return float(np.quantile(scores, 1 - share, method="lower"))


def _certified(
    choice: _Choice, full_cost: float, rows: Rows, least: float, promise: RankPromise
) -> tuple[float, float, tuple[int, int]]:
    """(limit, share of candidates, (rows wanted, missed)): of the limits that pass, up to the first that fails, the safest of
    those that cost little more than the cheapest. Refuses SW948."""
    made = choice.model.small.predict(rows.data)
    by_score = np.argsort(-rows.label, kind="stable")
    wanted = by_score[: np.count_nonzero(rows.label >= least)]
    passed: list[tuple[float, float, tuple[int, int]]] = []
    failed = ""
    for limit in choice.limits:
        missed = np.cumsum(made[wanted] <= limit)
        if not _passes(missed, promise):
            failed = f"{missed[-1]:,} of {len(wanted):,} rows wanted are no candidates"
            break
        passed.append((limit, float(np.mean(made > limit)), (len(wanted), int(missed[-1]))))
    if not passed:
        raise refusal("SW948", what=failed, where="the rows to certify on")
    costs = [choice.model.cost + share * full_cost for _, share, _ in passed]
    return next(one for one, cost in zip(passed, costs, strict=True) if cost <= _SAFETY * min(costs))


def _passes(missed: np.ndarray, promise: RankPromise) -> bool:
    """Whether the recall is proved of all rows wanted, and seen in the best half of them, in the best half of these, and so on.

    `missed`: of the first 1, 2 ... rows. By the proof, so few are missed seldom when the recall is just not enough.
    """
    counts = [len(missed) >> halves for halves in range(len(missed).bit_length())]
    seen = all(missed[count - 1] <= (1 - promise.recall) * count for count in counts if count)
    chance = importlib.import_module("scipy.stats").binom.cdf(missed[-1], len(missed), 1 - promise.recall)
    return seen and bool(chance <= 1 - promise.confidence)


@cache
def hits_needed(recall: float, confidence: float) -> int:
    """The fewest rows wanted that could prove the recall: with these, not one may be missed."""
    return int(np.ceil(np.log(1 - confidence) / np.log(recall)))


def _spread(scores: np.ndarray) -> np.ndarray:
    """The log-odds of probabilities, so that those near 0 and 1 differ; other scores as they are. The order stays."""
    if scores.min() < 0 or scores.max() > 1:
        return scores
    least = 1e-9
    return np.log((scores + least) / (1 - scores + least))


def _scores_missing(model: Any, data: Any) -> bool:
    """Whether a row whose floats are all missing has a score. Where the full model gives one, the small one must not raise."""
    row = data.iloc[:1]
    try:
        model.predict(row.assign(**dict.fromkeys(row.select_dtypes("floating"), np.nan)) if hasattr(row, "columns") else row)
    except ValueError:
        return False
    return True
