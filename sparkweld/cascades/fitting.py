"""Fits a certified cascade from a pipeline and rows, or refuses with the reason.

Follows Willump's algorithm, but replaces its point estimate with a test. Small models are fitted on the first set of rows. On the
second set each gets the boldest threshold that would pass there, and the cheapest cascade is chosen. On the third set only that
cascade is tested. Its thresholds are tested from the safest to the boldest, each at the full error, up to the first that fails.
That bounds the error of the whole sequence (fixed-sequence testing: Maurer, Hothorn and Lehmacher 1995; for thresholds:
Angelopoulos et al., "Learn then Test", 2021). No model is refitted afterwards: the served models are the certified ones.
"""

from __future__ import annotations

import dataclasses
import datetime
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sparkweld.cascades.answers import Answers, answers_of, asking
from sparkweld.cascades.black_box import BlackBox
from sparkweld.cascades.candidates import Candidate, fitted, is_fitted, probe, small_models
from sparkweld.cascades.cascade import Cascade, doubts
from sparkweld.cascades.certificate import Calibration, CascadeCertificate, library_versions
from sparkweld.cascades.features import FeatureGroups, check_kind, feature_groups, importances
from sparkweld.cascades.plot import Point, curve_csv, curve_svg
from sparkweld.cascades.promises import LIKELY, LossPromise, Promise
from sparkweld.cascades.splits import Rows, check_labels, rows_in_all, split
from sparkweld.errors import UserError
from sparkweld.reasons import refusal

#: The number of tested thresholds of a cascade, spaced by the share of rows that each leaves to the full model.
_STEPS = 24
#: Doubts that differ by less count as equal.
_LEAST_GAP = 1e-9
#: The position of a threshold between two doubts. Half-way, it could equal a mean of a few trees' fractions.
_GOLDEN = (5**0.5 - 1) / 2
#: The factor by which a cascade must be cheaper than the full model, and the one at which a band is large enough.
LEAST_GAIN, _GAIN_OF_BAND = 1.1, 1.5


@dataclass(frozen=True)
class Fitted:
    """The cascade, its certificate, the points from which it was chosen, and the promise."""

    cascade: Cascade
    certificate: CascadeCertificate
    curve: tuple[Point, ...]
    promise: Promise

    @property
    def full(self) -> Any:
        """Returns the full model."""
        return self.cascade.full

    @property
    def kept(self) -> Cascade:
        """Returns the object to pickle: the cascade."""
        return self.cascade

    def pictures(self) -> dict[str, bytes]:
        """Returns the files of the curve: CSV and SVG."""
        told = self.certificate
        title = f"{self.promise.AXIS} on the {told.split_rows['choose']:,} rows to choose with"
        drawn = curve_svg(self.curve, told.full_cost, title, self.promise.limit)
        return {"curve.csv": curve_csv(self.curve).encode(), "curve.svg": drawn.encode()}


#: Returns the nanoseconds per row of each estimator's compiled kernel over these rows, measured alternately. An estimator that
#: does not compile costs infinity; the first one is refused then.
Measure = Callable[[Sequence[Any], Any], list[float]]
#: Distinct rows with which each part of the split has some.
_LEAST_ROWS = 10
#: A candidate and its nanoseconds per row.
Priced = tuple[Candidate, float]


def fit(pipeline: Any, data: Any, label: Any, promise: Promise, measure: Measure, small: Any = None, seed: int = 0) -> Fitted:
    """Returns the certified cascade of a pipeline that is unfitted, or fitted on other rows than these.

    `label`: one value a row; to compare with the model, its own answers (`answers_of`). `small`: the small model to use.

    Refuses SW940 (labels), SW941 (too few rows), SW942 (missing scores), SW943 (nothing passes), SW944 (nothing pays), SW945
    (unsupported kind of model).
    """
    kind, groups = check_kind(pipeline), feature_groups(pipeline, data)
    labels = check_labels(label, len(data), kind)
    needed = promise.needed(kind, labels)
    splits = split(data, labels, seed, lambda rows: promise.shares(kind, rows))
    if len(splits.certify) < needed or len(data) - splits.repeated < _LEAST_ROWS:
        raise refusal(
            "SW941", rows=f"{len(data) - splits.repeated:,}", repeated=f"{splits.repeated:,}",
            needed=f"{max(rows_in_all(promise.enough(kind, labels)), _LEAST_ROWS):,}",
            what=promise.text(), confidence=f"{promise.confidence:.1%}",
        )  # fmt: skip
    if small is not None and check_kind(small) != kind:
        raise UserError(f"small={type(small).__name__} does not answer with {kind} as the pipeline does; pass a model that does")
    with asking("the full model cannot be fitted on these rows"):
        full = pipeline if is_fitted(pipeline) else _fit(pipeline, splits.fit)
    search = _Search(kind, full, groups, promise, measure)
    answers = search.answers(splits.choose)
    candidates = search.candidates(splits.fit, splits.choose, small)
    if promise.band is None and kind == "numbers":
        answers = search.with_band(candidates, splits.choose, answers)
    chosen, thresholds, points = search.choose(candidates, splits.choose, answers)
    return search.certify(chosen, thresholds, splits.certify, points, _Facts(splits.sizes, splits.fingerprint, splits.repeated))


@dataclass(frozen=True)
class _Facts:
    split_rows: dict[str, int]
    fingerprint: str
    repeated: int


class _Search:
    def __init__(self, kind: str, full: Any, groups: FeatureGroups, promise: Promise, measure: Measure) -> None:
        self.kind, self.full, self.groups, self.promise, self.measure = kind, full, groups, promise, measure
        self.importance: dict[str, float] = {}
        self.group_cost: dict[str, float] = {}
        self.full_cost = 0.0

    def candidates(self, fit: Rows, choose: Rows, small: Any) -> list[Priced]:
        """Returns the small models that are cheaper than the full one, with their costs."""
        # scikit-learn takes a second to load, and processes that only score do not need it
        from sklearn.base import clone

        if small is not None:
            own = [(frozenset(self.groups.names), type(small).__name__, clone(small))]
        else:
            score = _accuracy if self.kind == "classes" else _negative_error
            self.importance = importances(self.groups, self.full, choose.data, choose.label, score)
            self.group_cost = self._costs(fit, choose)
            own = list(small_models(self.groups, self.importance, self.group_cost))
        with asking("small models cannot be fitted on these rows"):
            made = [fitted(chosen, about, pipeline, self.full, fit, self.kind) for chosen, about, pipeline in own]
        judges = [candidate.judge for candidate in made if candidate.judge is not None]
        self.full_cost, *costs = self.measure([self.full, *(candidate.small for candidate in made), *judges], choose.data)
        sums = np.add(costs[: len(made)], costs[len(made) :] or 0.0).tolist()
        found = [(candidate, cost) for candidate, cost in zip(made, sums, strict=True) if cost * LEAST_GAIN < self.full_cost]
        if not found:
            raise refusal("SW944", what=f"no small model costs less than the full one, {self.full_cost:.0f} ns per row")
        return found

    def _costs(self, fit: Rows, choose: Rows) -> dict[str, float]:
        """Returns the cost of each group's kernel, which computes and sums its features."""
        if self.groups.free or len(self.groups.names) == 1:
            return dict.fromkeys(self.groups.names, 0.0)
        few = fit.take(np.arange(min(len(fit), 2000)))
        probes = [probe(self.groups, name, few) for name in self.groups.names]
        costs = self.measure(probes, choose.data)
        for one, cost in zip(probes, costs, strict=True):
            if cost == np.inf:
                self.measure([one], choose.data)  # which is refused with the reason
        return dict(zip(self.groups.names, costs, strict=True))

    def with_band(self, candidates: Sequence[Priced], rows: Rows, full: Answers) -> Answers:
        """Completes a promise without a band, and returns the answers for it.

        It is the smallest with which a cascade would pass and save time on these rows. The rows to certify on have no part in
        this choice, so the certificate holds for the chosen band.
        """
        promise = self.promise
        assert isinstance(promise, LossPromise)  # others are about classes
        band = self._least_band(promise.allowed, candidates, rows, full)
        self.promise = dataclasses.replace(promise, band=band)
        return Answers(full.answers, rows.label, band, self.kind)

    def _least_band(self, allowed: float, candidates: Sequence[Priced], rows: Rows, full: Answers) -> float:
        most = int(allowed * LIKELY * len(rows))
        found: list[tuple[float, float]] = []
        for candidate, cost in candidates:
            doubt, answers = doubts(candidate, rows.data)
            for threshold in _thresholds(doubt):
                sure = doubt < threshold
                growth = np.sort(full.growth(answers, sure))[::-1]
                found.append((self.full_cost / (cost + (1 - float(np.mean(sure))) * self.full_cost), float(growth[most])))
        limit = full.largest_band(self.promise.against)
        for gain in (_GAIN_OF_BAND, LEAST_GAIN):
            band = min((_rounded_up(band) for gained, band in found if gained >= gain), default=np.inf)
            if band <= limit:
                return band
        least = f"the smallest band with which one saves time is {band:g}" if np.isfinite(band) else "no cascade saves time"
        raise refusal("SW943", what=f"{least}, and only a band of up to {limit:.3g} is chosen", where="the rows to choose with")

    def answers(self, rows: Rows) -> Answers:
        """Returns the full model's answers for these rows: their labels, if the promise is against the model."""
        answers = rows.label if self.promise.against == "model" else answers_of(self.full, rows.data, self.kind)
        return Answers(answers, rows.label, self.promise.band or 0.0, self.kind)

    def choose(self, candidates: Sequence[Priced], rows: Rows, full: Answers) -> tuple[Priced, list[float], list[Point]]:
        """Returns the candidate with the cheapest passing threshold, its thresholds from the safest on, and all points.

        A candidate whose cascade does not compile, such as one too large for a kernel, is passed over.
        """
        points: list[Point] = []
        passing: list[tuple[Point, Priced, list[float]]] = []
        for candidate, cost in candidates:
            own = self._points(candidate, cost, rows, full)
            points += own
            bold = min((p for p in own if p.passes), key=lambda p: p.cost, default=None)
            if bold is not None:
                passing.append((bold, (candidate, cost), [p.threshold for p in own]))
        passing.sort(key=lambda found: found[0].cost)
        if not passing:
            raise refusal("SW943", what=_closest(points), where="the rows to choose with")
        if passing[0][0].cost * LEAST_GAIN > self.full_cost:
            best = f"the best would cost {passing[0][0].cost:.0f} ns per row, the full model {self.full_cost:.0f}"
            raise refusal("SW944", what=best)
        cascades = [priced[0].cascade(self.full, _served(bold.threshold, self.kind)) for bold, priced, _ in passing]
        for (_, priced, thresholds), cascade in zip(passing, cascades, strict=True):
            if self.measure([self.full, cascade], rows.data)[1] < np.inf:
                return priced, thresholds, points
        self.measure(cascades, rows.data)  # refused: the first does not compile
        raise AssertionError

    def _points(self, candidate: Candidate, cost: float, rows: Rows, full: Answers) -> list[Point]:
        doubt, answers = doubts(candidate, rows.data)
        points = []
        for threshold in _thresholds(doubt):
            sure = doubt < threshold
            outcome = self.promise.outcome(full, answers, sure)
            unsure = 1 - float(np.mean(sure))
            points.append(Point(
                tuple(n for n in self.groups.names if n in candidate.groups), candidate.about, threshold, unsure,
                self.promise.lost(outcome), outcome.counts(), outcome.text(),
                cost + unsure * self.full_cost, self.promise.likely(outcome),
            ))  # fmt: skip
        return points

    def certify(
        self, chosen: Priced, thresholds: Sequence[float], rows: Rows, points: Sequence[Point], facts: _Facts
    ) -> Fitted:
        """Certifies the boldest threshold before the first that fails."""
        candidate, small_cost = chosen
        full = self.answers(rows)
        doubt, answers = doubts(candidate, rows.data)
        passed, failed = None, None
        for threshold in thresholds:
            outcome = self.promise.outcome(full, answers, doubt < threshold)
            if not self.promise.proven(outcome, self.kind):
                failed = outcome
                break
            passed = threshold, outcome
        if passed is None:
            found = f"{failed.text()} of {len(rows):,}" if failed else "there is no threshold"
            raise refusal("SW943", what=found, where="the rows to certify on")
        threshold, outcome = passed
        cascade = candidate.cascade(self.full, _served(threshold, self.kind))
        cascade.unsure = 1 - float(np.mean(cascade.sure(rows.data)))
        self.full_cost, cost = self.measure([self.full, cascade], rows.data)
        if cost * LEAST_GAIN > self.full_cost:
            raise refusal("SW944", what=f"the certified cascade costs {cost:.0f} ns per row, the full model {self.full_cost:.0f}")
        certificate = self.promise.certificate(
            outcome, self.kind, rows=len(rows), unsure=cascade.unsure, threshold=cascade.threshold, band=full.band,
            full_cost=self.full_cost, small_cost=small_cost, cascade_cost=cost,
            efficient=tuple(n for n in self.groups.names if n in candidate.groups), groups=self.groups.names,
            importance=self.importance, group_cost=self.group_cost, split_rows=facts.split_rows,
            calibration=Calibration.of(doubt, threshold, full.differing(answers, doubt < threshold)), data=facts.fingerprint,
            repeated=facts.repeated, black_box=isinstance(self.full, BlackBox),
            versions=library_versions(), made=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        )  # fmt: skip
        return Fitted(cascade, certificate, tuple(points), self.promise)


def _rounded_up(band: float) -> float:
    """Returns the band with two digits, for people; 0 stays 0."""
    if band <= 0:
        return 0.0
    unit = 10.0 ** (math.floor(math.log10(band)) - 1)
    return float(f"{math.ceil(band / unit) * unit:.3g}")


def _served(threshold: float, kind: str) -> float:
    return -threshold if kind == "classes" else threshold


def _thresholds(doubt: np.ndarray) -> list[float]:
    """Returns thresholds that leave about 1/24, 2/24 ... of the rows sure, each between two observed doubts, the safest first.

    So no row lies at a threshold. Rows of equal doubt, as saturated scores have, are sure or unsure together. So are rows whose
    doubts differ only by the order of additions.
    """
    values = np.unique(doubt)
    between = values[:-1] + _GOLDEN * np.diff(values)
    between = between[np.diff(values) > _LEAST_GAP * np.maximum(1, np.abs(between))]
    if not len(between):
        return []
    shares = np.concatenate([np.arange(1, _STEPS) / _STEPS, [0.98, 0.99, 0.995, 0.999]])
    at = np.searchsorted(between, np.quantile(doubt, shares))
    return [float(between[i]) for i in np.unique(np.minimum(at, len(between) - 1))]


def _closest(points: Sequence[Point]) -> str:
    if not points:
        return "the small model's probabilities are all alike"
    best = min(points, key=lambda p: p.lost)
    return f"the best had {best.text} with {best.unsure:.0%} deferred to the full model"


def _accuracy(answers: np.ndarray, label: np.ndarray) -> float:
    return float(np.mean(answers == label))


def _negative_error(answers: np.ndarray, label: np.ndarray) -> float:
    return -float(np.mean(np.abs(answers - label)))


def _fit(pipeline: Any, rows: Rows) -> Any:
    from sklearn.base import clone

    return clone(pipeline).fit(rows.data, rows.label)
