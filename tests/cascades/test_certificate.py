"""Checks the bound on paired losses: its error rate, its direction, and the number of rows that it requires."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from sparkweld.cascades.loss_bound import passes, rows_needed, upper_bound
from tests.helpers.cascades import ALLOWED, loss_of_a_fit

_REPEATS = 2000


@pytest.mark.parametrize(("rows", "allowed", "discordant"), [(400, 0.01, 0.01), (3000, 0.005, 0.02), (8000, 0.001, 0.004)])
def test_a_loss_that_is_just_too_large_passes_in_at_most_five_percent(rows, allowed, discordant):
    """The loss is at the limit, for any share of discordant rows."""
    rng = np.random.default_rng(rows)
    shares = [(discordant + allowed) / 2, (discordant - allowed) / 2, 1 - discordant]
    proved = cache(lambda worse, better: passes(worse, better, rows, allowed, 0.95))
    drawn = rng.multinomial(rows, shares, size=_REPEATS)
    rate = sum(proved(int(worse), int(better)) for worse, better, _ in drawn) / _REPEATS
    assert rate <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / _REPEATS)


def test_evidence_counts_in_the_right_direction():
    assert upper_bound(5, 5, 5000, 0.95) < upper_bound(9, 5, 5000, 0.95) < upper_bound(9, 0, 5000, 0.95)
    assert upper_bound(5, 5, 5000, 0.95) < upper_bound(5, 5, 5000, 0.99)
    assert upper_bound(5, 5, 9000, 0.95) < upper_bound(5, 5, 5000, 0.95)
    assert upper_bound(10, 0, 10, 0.95) == 1.0 and not passes(0, 0, 0, 0.1, 0.95)
    bound = upper_bound(7, 2, 6000, 0.95)
    assert passes(7, 2, 6000, bound + 1e-5, 0.95) and not passes(7, 2, 6000, bound - 1e-4, 0.95)


def test_rows_needed_are_the_fewest():
    needed = rows_needed(0.01, 0.95)
    assert passes(0, 0, needed, 0.01, 0.95) and not passes(0, 0, needed - 2, 0.01, 0.95)


def test_a_promise_is_broken_in_at_most_five_percent_of_fits():
    """Runs a few of the repetitions of `make bench BENCH=willump`; most of them certify a cascade."""
    losses = [loss for seed in range(40) if (loss := loss_of_a_fit(seed, full_error=0.03)) is not None]
    assert len(losses) >= 25
    assert sum(loss > ALLOWED for loss in losses) <= 5
