"""Paired outcomes of a cascade and its full model on held-out rows to a bound on what the cascade loses, and the certificate.

A row's loss is 1 where the cascade alone is wrong, -1 where the full model alone is, else 0: of n rows, `worse` and `better` are
discordant. The claim is ``P(worse) - P(better) < allowed``, tested exactly: the number of discordant rows is binomial, and of
these the number that is worse is binomial too. What is not known, the share of discordant rows, is maximised over its own
one-sided Clopper-Pearson interval of confidence 1 - beta, and beta is added (Berger and Boos, "P values maximized over a
confidence set for the nuisance parameter", JASA 89, 1994). So the p-value is valid for every n, without an approximation by the
normal distribution. The maximum is taken over a grid of shares, between which the p-value is smooth.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache

import numpy as np

#: What the interval of the share of discordant rows may fail with; part of the whole error.
BETA_SHARE = 0.1
_GRID = 24
#: Bins of a calibration, but for the one that the threshold makes.
_BINS = 20


def p_value(worse: int, better: int, rows: int, allowed: float, beta: float) -> float:
    """The p-value of "the cascade loses at least `allowed`", 0 < allowed < 1; `beta` as in this module's first lines."""
    stats = importlib.import_module("scipy.stats")
    binom = stats.binom
    discordant, margin = worse + better, worse - better
    if discordant >= rows:
        return 1.0
    most = float(stats.beta.ppf(1 - beta, discordant + 1, rows - discordant))
    if most <= allowed:
        return beta  # less than `allowed` are discordant at all
    worst = 0.0
    for share in np.geomspace(allowed, most, _GRID):
        spread = 8 * math.sqrt(rows * share) + 40
        counts = np.arange(max(0, int(rows * share - spread)), min(rows, int(rows * share + spread)) + 1)
        below = binom.cdf(np.floor((margin + counts) / 2), counts, (1 + allowed / share) / 2)
        worst = max(worst, float(np.sum(binom.pmf(counts, rows, share) * below)))
    return min(1.0, worst + beta)


def upper_bound(worse: int, better: int, rows: int, confidence: float) -> float:
    """The smallest loss that the rows exclude at this confidence, from above, to 1e-5; 1 when they exclude none."""
    error = 1 - confidence
    low, high = 0.0, 1 - 1e-9
    if p_value(worse, better, rows, high, BETA_SHARE * error) > error:
        return 1.0
    while high - low > 1e-5:
        middle = (low + high) / 2
        if p_value(worse, better, rows, middle, BETA_SHARE * error) <= error:
            high = middle
        else:
            low = middle
    return high


def passes(worse: int, better: int, rows: int, allowed: float, confidence: float) -> bool:
    """Whether these rows prove, at this confidence, that less than `allowed` is lost."""
    error = 1 - confidence
    return rows > 0 and p_value(worse, better, rows, allowed, BETA_SHARE * error) <= error


@cache
def rows_needed(allowed: float, confidence: float) -> int:
    """The fewest held-out rows that could prove it: with these, not one discordant row may be found."""
    low, high = 0, 1
    while not passes(0, 0, high, allowed, confidence):
        low, high = high, 2 * high
    while high - low > max(1, high // 1000):
        middle = (low + high) // 2
        low, high = (low, middle) if passes(0, 0, middle, allowed, confidence) else (middle, high)
    return high


@dataclass(frozen=True)
class Calibration:
    """How sure the small model was of the held-out rows, against which rows that are scored later are held.

    Bin k of `counts` has the rows whose doubt is at least the first k of the ascending `edges` and below the others; NaN is in
    the last. A row is sure when its doubt is below ``edges[limit]``. `differs`: rows that the small model is sure of and answers
    otherwise than the full one (numbers: by more than the band).
    """

    edges: tuple[float, ...]
    counts: tuple[int, ...]
    limit: int
    differs: int

    @classmethod
    def of(cls, doubt: np.ndarray, threshold: float, differs: int) -> Calibration:
        """That of these rows; besides the threshold, the edges are their twentieths."""
        finite = doubt[np.isfinite(doubt)]
        shares = np.quantile(finite, np.arange(1, _BINS) / _BINS, method="lower") if len(finite) else ()
        edges = np.unique([*shares, threshold])
        counts = np.bincount(np.searchsorted(edges, doubt, side="right"), minlength=len(edges) + 1)
        return cls(tuple(edges.tolist()), tuple(counts.tolist()), int(np.searchsorted(edges, threshold)), differs)


@dataclass(frozen=True)
class Certificate:
    """What was promised, and on what evidence.

    With `confidence`, over the draw of the held-out rows, the cascade's answers are worse than the full model's for less than
    `allowed` of rows like those, net of those for which they are better; `bound` is what the rows themselves show. Worse: wrong
    where the full model is right, or, for numbers, farther from the label by more than `band`.
    `unsure`: share of the held-out rows that went to the full model. Costs are nanoseconds a row of compiled kernels.
    """

    kind: str
    allowed: float
    confidence: float
    bound: float
    rows: int
    worse: int
    better: int
    unsure: float
    threshold: float
    band: float
    full_cost: float
    small_cost: float
    cascade_cost: float
    efficient: tuple[str, ...]
    groups: tuple[str, ...]
    importance: Mapping[str, float]
    group_cost: Mapping[str, float]
    split_rows: Mapping[str, int]
    calibration: Calibration
    data: str
    versions: Mapping[str, str]
    made: str
    model: str = ""
    digests: Mapping[str, str] = field(default_factory=dict)

    def lines(self) -> list[str]:
        """The certificate for people."""
        what = "rows" if self.kind == "classes" else f"rows by more than {self.band:g}"
        return [
            f"certified: loses less than {self.allowed:.4%} of {what}, {self.confidence:.1%} confidence; bound {self.bound:.4%}",
            f"evidence: {self.rows:,} held-out rows, {self.worse} worse and {self.better} better than by the full model",
            f"made: {self.made}, data {self.data[:12]}, model {self.model[:12]}, {_versions(self.versions)}",
            f"efficient features: {', '.join(self.efficient)} of {', '.join(self.groups)}",
            f"threshold {self.threshold:.6g}; {self.unsure:.2%} of rows go to the full model",
            f"cost a row: small {self.small_cost:.0f} ns, full {self.full_cost:.0f} ns, cascade {self.cascade_cost:.0f} ns"
            f" ({self.full_cost / max(self.cascade_cost, 1e-9):.2f}x)",
        ]


def _versions(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items())
