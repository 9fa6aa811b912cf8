"""Checks the bound on paired losses: its error rate, its direction, and the number of rows that it requires."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from sparkweld.cascades.loss_bound import passes, rows_needed, upper_bound
from sparkweld.cascades.splits import evidence_shares, rows_in_all
from tests.helpers.cascades import ALLOWED, ALLOWED_CHANGES, changes_of_a_fit, loss_of_a_fit

_REPEATS = 2000


@pytest.mark.gate_cases(3)
@pytest.mark.parametrize(("rows", "allowed", "discordant"), [(400, 0.01, 0.01), (3000, 0.005, 0.02), (8000, 0.001, 0.004)])
def test_a_loss_that_is_just_too_large_passes_in_at_most_five_percent(rows, allowed, discordant):
    """The loss is at the limit, for any share of discordant rows."""
    rng = np.random.default_rng(rows)
    shares = [(discordant + allowed) / 2, (discordant - allowed) / 2, 1 - discordant]
    proved = cache(lambda worse, better: passes(worse, better, rows, allowed, 0.95))
    drawn = rng.multinomial(rows, shares, size=_REPEATS)
    rate = sum(proved(int(worse), int(better)) for worse, better, _ in drawn) / _REPEATS
    assert rate <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / _REPEATS)


@pytest.mark.parametrize(("rows", "allowed"), [(400, 0.01), (3000, 0.005), (8000, 0.001)])
def test_changes_that_are_just_too_many_pass_in_at_most_five_percent(rows, allowed):
    drawn = np.random.default_rng(rows).binomial(rows, allowed, size=_REPEATS)
    rate = sum(passes(int(worse), 0, rows, allowed, 0.95, paired=False) for worse in drawn) / _REPEATS
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


def test_without_labels_half_of_the_rows_prove_a_tenth_of_a_point():
    """A sequence of n rows without a change has the probability 0.999^n under the null hypothesis."""
    needed = rows_needed(0.001, 0.95, paired=False)
    assert 0.999**needed <= 0.05 < 0.999 ** (needed - 4) and rows_in_all(needed) < 4600
    shares = evidence_shares(rows_in_all(needed), needed)
    assert sum(shares) == pytest.approx(1) and int(shares[2] * rows_in_all(needed)) >= needed
    assert evidence_shares(100_000, needed) == pytest.approx((0.4, 0.15, 0.45))


@pytest.mark.parametrize("paired", [True, False])
def test_the_bound_is_the_smallest_loss_that_passes(paired):
    bound = upper_bound(7, 0, 6000, 0.95, paired)
    assert passes(7, 0, 6000, bound + 1e-5, 0.95, paired) and not passes(7, 0, 6000, bound - 1e-4, 0.95, paired)
    assert upper_bound(10, 0, 10, 0.95, paired) == 1.0


def test_a_promise_without_labels_is_broken_in_at_most_five_percent_of_fits():
    changes = [changed for seed in range(40) if (changed := changes_of_a_fit(seed, full_error=0.002)) is not None]
    assert len(changes) >= 25
    assert sum(changed > ALLOWED_CHANGES for changed in changes) <= 5


def test_a_promise_is_broken_in_at_most_five_percent_of_fits():
    """Runs a few of the repetitions of `make bench BENCH=willump`; most of them certify a cascade."""
    losses = [loss for seed in range(40) if (loss := loss_of_a_fit(seed, full_error=0.03)) is not None]
    assert len(losses) >= 25
    assert sum(loss > ALLOWED for loss in losses) <= 5
