"""A fitted pipeline and rows without labels to a small model that finds the candidates of top-K queries, with a certificate.

Willump's approximate top-K (section 4.3): the small model scores all rows, the full one the first ``r * K`` of them. Recall of
the answer: the share of its rows whose full score is at least the K-th best of all, so that equal scores count as one. The factor
r is chosen on rows drawn from one part of the data, and tested on rows drawn from another. A query is a *cell*: K of N rows. With
K / N given, recall is one number of the population, from which more rows stray less: so a cell speaks for larger tables of its
share too, and never for a smaller share or a smaller K.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sparkweld.reasons import refusal
from sparkweld.willump.candidates import limit_terms
from sparkweld.willump.certificate import RankCertificate, library_versions
from sparkweld.willump.features import FeatureGroups, feature_groups
from sparkweld.willump.fitting import LEAST_GAIN, Measure
from sparkweld.willump.splits import Rows, split

#: Shares of the rows to fit on, to choose with and to certify on.
_SHARES = (0.2, 0.4, 0.4)
#: Tables drawn for a cell, each of at most this part of the rows; larger ones would be the same rows again.
_DRAWS, _PARTS = 200, (4, 8, 16)
#: Least rows for one that is wanted: in a cell of fewer nearly all rows are candidates.
_LEAST_ROWS = 20
_FACTORS = (1, 1.5, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128)
#: Most terms of each text column of a small model.
_TERMS = (None, 4000)


@dataclass(frozen=True)
class RankPromise:
    """What is asked for: that of the first K rows, for K at least the least of `ks`, a share of `recall` is found so surely."""

    ks: tuple[int, ...]
    recall: float
    confidence: float


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


def fit(full: Any, data: Any, scores: np.ndarray, about: str, promise: RankPromise, measure: Measure, seed: int = 0) -> Ranking:
    """The certified ranking of a fitted pipeline. `scores`: what it gives for the rows of `data`, which `about` names.

    Refuses SW942 (missing scores), SW947 (too few rows), SW948 (nothing passes), SW949 (nothing pays).
    """
    missing = int(np.count_nonzero(~np.isfinite(scores)))
    if missing:
        raise refusal("SW942", what=f"{missing:,} of {len(scores):,}")
    parts = split(data, scores, seed, _SHARES)
    cells = _cells(promise, min(len(parts.choose), len(parts.certify)))
    if not cells:
        needed = int(min(promise.ks) * _LEAST_ROWS * _PARTS[0] / _SHARES[2]) + _PARTS[0]
        raise refusal("SW947", rows=f"{len(data) - parts.repeated:,}", k=min(promise.ks), needed=f"{needed:,}")
    groups = feature_groups(full, data)
    fitted = _small_models(groups, Rows(parts.fit.data, _spread(parts.fit.label)))
    made = [(chosen, small) for chosen, small in fitted if _scores_missing(small, data) or not _scores_missing(full, data)]
    if not made:
        raise refusal("SW948", what="no small model takes these features", where="the rows to fit on")
    full_cost, *costs = measure([full, *(small for _, small in made)], parts.choose.data)
    found = []
    for (chosen, small), cost in zip(made, costs, strict=True):
        factors = _monotone([_factor(small, parts.choose, cell, promise, seed) for cell in cells])
        scored = float(np.mean([min(1.0, f * k / n) for f, (k, n) in zip(factors, cells, strict=True)]))
        found.append(_Choice(cost + full_cost * scored, cost, small, chosen, factors))
    best = min(found, key=lambda choice: choice.query)
    if not all(map(math.isfinite, best.factors)):
        what = f"{_FACTORS[-1]} candidates a row do not find {promise.recall:.1%}"
        raise refusal("SW948", what=what, where="the rows to choose with")
    if best.query * LEAST_GAIN > full_cost:
        raise refusal("SW949", what=f"the best would cost {best.query:.0f} ns a row, the full model {full_cost:.0f}")
    _check(best, parts.certify, cells, promise, seed + 1)
    return Ranking(best.small, full, RankCertificate(
        recall=promise.recall, confidence=promise.confidence, least_k=min(promise.ks), factors=_by_share(cells, best.factors),
        rows=len(parts.certify), full_cost=full_cost, small_cost=best.cost,
        efficient=tuple(n for n in groups.names if n in best.chosen), groups=groups.names, score=about, data=parts.fingerprint,
        versions=library_versions(), made=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    ))  # fmt: skip


@dataclass(frozen=True)
class _Choice:
    """A small model; what it costs a row, and with the candidates of a query, the mean of all cells."""

    query: float
    cost: float
    small: Any
    chosen: frozenset[str]
    factors: list[float]


def _check(choice: _Choice, rows: Rows, cells: Sequence[tuple[int, int]], promise: RankPromise, seed: int) -> None:
    """Refuses (SW948) when tables drawn from these rows have the recall less often than promised."""
    for cell, factor in zip(cells, choice.factors, strict=True):
        share = float(np.mean(_recalls(choice.small, rows, cell, [factor], seed)[0] >= promise.recall))
        if share < promise.confidence:
            what = f"for {cell[0]} of {cell[1]:,} rows, {share:.1%} of the tables had {promise.recall:.1%}"
            raise refusal("SW948", what=what, where="the rows to certify on")


def _spread(scores: np.ndarray) -> np.ndarray:
    """The log-odds of probabilities, so that those near 0 and 1 differ; other scores as they are. The order stays."""
    if scores.min() < 0 or scores.max() > 1:
        return scores
    least = 1e-9
    return np.log((scores + least) / (1 - scores + least))


def _cells(promise: RankPromise, rows: int) -> list[tuple[int, int]]:
    """(K, N) of the queries that are drawn, the smallest share first."""
    sizes = [rows // part for part in _PARTS]
    cells = [(k, n) for k in promise.ks for n in sizes if k * _LEAST_ROWS <= n]
    return sorted(cells, key=lambda cell: (cell[0] / cell[1], cell))


def _small_models(groups: FeatureGroups, fit: Rows) -> Iterator[tuple[frozenset[str], Any]]:
    """(groups, fitted regressor of the scores): of each group alone, or when they cost nothing of all."""
    from sklearn.ensemble import HistGradientBoostingRegressor
    from sklearn.linear_model import Ridge

    sets = [frozenset(groups.names)] if groups.free else [frozenset({name}) for name in groups.names]
    for chosen in sets:
        for model in (Ridge(), HistGradientBoostingRegressor(max_iter=30, random_state=0)):
            for most in _TERMS:
                pipeline = groups.pipeline(chosen, model)
                if most is not None and not limit_terms(pipeline, most):
                    continue
                try:
                    yield chosen, pipeline.fit(fit.data, fit.label)
                except (TypeError, ValueError):
                    continue  # this family takes no missing, sparse or text values


def _scores_missing(model: Any, data: Any) -> bool:
    """Whether a row whose floats are all missing has a score. Where the full model gives one, the small one must not raise."""
    row = data.iloc[:1]
    try:
        model.predict(row.assign(**dict.fromkeys(row.select_dtypes("floating"), np.nan)) if hasattr(row, "columns") else row)
    except ValueError:
        return False
    return True


def _factor(small: Any, rows: Rows, cell: tuple[int, int], promise: RankPromise, seed: int) -> float:
    """The least factor with which more of the tables than promised reach the recall; infinite when none does."""
    found = _recalls(small, rows, cell, _FACTORS, seed)
    wanted = (1 + promise.confidence) / 2
    enough = [f for f, recalls in zip(_FACTORS, found, strict=True) if np.mean(recalls >= promise.recall) >= wanted]
    return enough[0] if enough else math.inf


def _recalls(small: Any, rows: Rows, cell: tuple[int, int], factors: Sequence[float], seed: int) -> np.ndarray:
    """[factors, draws]: recall of each table that is drawn, with replacement."""
    k, n = cell
    order = np.argsort(-small.predict(rows.data), kind="stable")
    full = rows.label[order]
    random = np.random.default_rng(seed)
    found = np.empty((len(factors), _DRAWS))
    for draw in range(_DRAWS):
        scores = full[np.sort(random.integers(0, len(full), n))]  # the small model's best first
        last = np.partition(scores, n - k)[n - k]
        hits = np.cumsum(scores >= last)
        for at, factor in enumerate(factors):
            found[at, draw] = min(k, hits[min(n, math.ceil(factor * k)) - 1]) / k
    return found


def _monotone(factors: Sequence[float]) -> list[float]:
    """What a larger share needs, a smaller one needs too."""
    return np.maximum.accumulate(np.asarray(factors, np.float64)[::-1])[::-1].tolist()


def _by_share(cells: Sequence[tuple[int, int]], factors: Sequence[float]) -> tuple[tuple[float, float], ...]:
    """(share, factor) where the factor falls; a factor holds from its share on."""
    found: list[tuple[float, float]] = []
    for (k, n), factor in zip(cells, factors, strict=True):
        if not found or factor < found[-1][1]:
            found.append((k / n, factor))
    return tuple(found)


