"""Bounds a cascade's loss of accuracy from paired outcomes of the cascade and the full model on held-out rows.

Paired outcomes: a row's loss is 1 where only the cascade is wrong, -1 where only the full model is, else 0. `worse` and `better`
count these discordant rows among n. The claim is ``P(worse) - P(better) < allowed``. The test is exact: the number of discordant
rows is binomial, and so is the number of worse rows among them. The p-value is maximised over the unknown share of discordant
rows, within its one-sided Clopper-Pearson interval of confidence 1 - beta. Then beta is added (Berger and Boos, "P values
maximized over a confidence set for the nuisance parameter", JASA 89, 1994). So the p-value is valid
for every n, without a normal approximation. The maximum is taken over a grid of shares, between which the p-value is smooth.

Outcomes that are not paired can only get worse: answers that differ from the full model's, or errors that grow. Their number is
binomial, so its distribution function at `allowed` is an exact p-value, and three quarters of the rows suffice.
"""

from __future__ import annotations

import importlib
import math
from functools import cache

import numpy as np

#: The failure probability of the interval of the share of discordant rows, as a share of the whole error.
BETA_SHARE = 0.1
_GRID = 24


def p_value(worse: int, better: int, rows: int, allowed: float, beta: float) -> float:
    """Returns the p-value of "the cascade loses at least `allowed`", 0 < allowed < 1; `beta`: see the module docstring."""
    stats = importlib.import_module("scipy.stats")
    binom = stats.binom
    discordant, margin = worse + better, worse - better
    if discordant >= rows:
        return 1.0
    most = float(stats.beta.ppf(1 - beta, discordant + 1, rows - discordant))
    if most <= allowed:
        return beta  # the share of all discordant rows is already below `allowed`
    worst = 0.0
    for share in np.geomspace(allowed, most, _GRID):
        spread = 8 * math.sqrt(rows * share) + 40
        counts = np.arange(max(0, int(rows * share - spread)), min(rows, int(rows * share + spread)) + 1)
        below = binom.cdf(np.floor((margin + counts) / 2), counts, (1 + allowed / share) / 2)
        worst = max(worst, float(np.sum(binom.pmf(counts, rows, share) * below)))
    return min(1.0, worst + beta)


def upper_bound(worse: int, better: int, rows: int, confidence: float, paired: bool = True) -> float:
    """Returns the smallest loss that the rows exclude at this confidence, rounded up to 1e-5; 1 when they exclude none."""
    low, high = 0.0, 1 - 1e-9
    if not passes(worse, better, rows, high, confidence, paired):
        return 1.0
    while high - low > 1e-5:
        middle = (low + high) / 2
        if passes(worse, better, rows, middle, confidence, paired):
            high = middle
        else:
            low = middle
    return high


def passes(worse: int, better: int, rows: int, allowed: float, confidence: float, paired: bool = True) -> bool:
    """Whether these rows prove, at this confidence, that the loss is less than `allowed`.

    `paired`: whether rows can also get better. Otherwise `better` is 0.
    """
    error = 1 - confidence
    if rows <= 0:
        return False
    if paired:
        return p_value(worse, better, rows, allowed, BETA_SHARE * error) <= error
    assert better == 0
    return float(importlib.import_module("scipy.stats").binom.cdf(worse, rows, allowed)) <= error


@cache
def rows_needed(allowed: float, confidence: float, paired: bool = True) -> int:
    """Returns the fewest held-out rows that could prove the claim: with that number, no row may be discordant."""
    low, high = 0, 1
    while not passes(0, 0, high, allowed, confidence, paired):
        low, high = high, 2 * high
    while high - low > max(1, high // 1000):
        middle = (low + high) // 2
        low, high = (low, middle) if passes(0, 0, middle, allowed, confidence, paired) else (middle, high)
    return high
