"""Checks the documented error bounds of approximate sums, means and variances on random and adversarial data.

Spark's side is computed here as Spark does it. One row follows another within a partition, then one partition another in any
order (Sum, and CentralMomentAgg with Welford's update and Chan's merge). pandas' side is pandas itself.
"""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from udf_compiler.backends.aggregates import reductions

EPS = np.finfo(np.float64).eps


def spark_sum(parts):
    """Sums each partition in order from 0.0, then the partitions' sums."""
    return _ordered([_ordered(part) for part in parts])


def _ordered(values):
    return np.add.accumulate(np.concatenate([[0.0], values]))[-1]  # accumulate adds one by one


def spark_moment2(parts):
    """Returns (mean, sum of squares about it)."""
    n, mean, m2 = 0.0, 0.0, 0.0
    for part in parts:
        count, avg, squares = 0.0, 0.0, 0.0
        for x in part.tolist():
            count += 1.0
            delta = x - avg
            step = delta / count
            avg += step
            squares += delta * (delta - step)
        both = n + count
        delta = avg - mean
        step = 0.0 if both == 0.0 else delta / both
        mean, m2, n = mean + step * count, m2 + squares + delta * step * n * count, both
    return mean, m2


def data():
    rng = np.random.default_rng(11)
    n = 3000
    spread = rng.normal(size=n) * 10.0 ** rng.integers(-12, 12, n)
    cancelling = np.concatenate([spread, -spread[::-1]])
    return {
        "normal": rng.normal(size=n),
        "offset": 1e8 + rng.normal(size=n),
        "offset far beyond the digits": 1e15 + rng.integers(0, 2, n),
        "wide": spread,
        "cancelling": cancelling,
        "cancelling, shuffled": rng.permutation(cancelling),
        "ascending": np.sort(np.abs(spread)),
        "descending": np.sort(np.abs(spread))[::-1],
        "alternating": np.where(np.arange(n) % 2, 1e16, -1e16) + np.arange(n),
        "one and many halves": np.concatenate([[1.0], np.full(n, EPS / 2)]),
        "an outlier": np.concatenate([np.full(n, 0.1), [1e20], np.full(n, 0.1)]),
        "equal": np.full(n, 0.1),
        "subnormal": rng.integers(1, 9, n) * 5e-324,
        "short": np.array([0.1, 0.2, 0.3]),
    }


def partitions(x):
    """Yields partitionings: the whole, two halves, many small partitions, and partitions in reverse."""
    cuts = [0, *sorted(np.random.default_rng(len(x)).choice(np.arange(1, len(x)), min(20, len(x) - 1), replace=False)), len(x)]
    small = [x[a:b] for a, b in pairwise(cuts)]
    return [[x], [x[: len(x) // 2], x[len(x) // 2 :]], small, small[::-1]]


@pytest.mark.parametrize("name", data())
def test_sums_means_and_averages(name):
    x = data()[name]
    n, size = len(x), math.fsum(np.abs(x))
    w = np.random.default_rng(2).uniform(0.5, 2.0, n)
    scale = math.fsum(w)
    for parts in partitions(x):
        total = spark_sum(parts)
        bound = Fraction(2 * n * EPS) * Fraction(size)
        assert abs(Fraction(total) - Fraction(pd.Series(x).sum())) <= bound
        assert abs(Fraction(total / n) - Fraction(pd.Series(x).mean())) <= bound / n + Fraction(5e-324)
    average = spark_sum([x * w]) / spark_sum([w])
    bound = 4 * n * EPS * math.fsum(np.abs(x * w)) * scale / scale**2
    assert abs(average - np.average(x, weights=w)) <= bound + 5e-324


@pytest.mark.parametrize("name", data())
def test_variances(name):
    x = data()[name]
    n = len(x)
    for parts in partitions(x):
        mean, m2 = spark_moment2(parts)
        for ddof in (0, 1):
            expected = pd.Series(x).var(ddof=ddof)
            std = math.sqrt(expected)
            bound = 4 * n * EPS * (std + n * EPS * abs(mean)) * (std + abs(mean))
            assert abs(m2 / (n - ddof) - expected) <= bound, (name, ddof, m2 / (n - ddof), expected)


def test_the_bounds_are_the_documented_ones():
    assert reductions.SUM_BOUND == "2 * n * eps * sum(|x|) of each group of n rows"
    assert reductions.MEAN_BOUND == "2 * n * eps * mean(|x|) of each group of n rows"
    assert reductions.AVERAGE_BOUND == "4 * n * eps * sum(|x * w|) * sum(|w|) / sum(w)**2 of each group of n rows"
    variance = "4 * n * eps * (std + n * eps * |mean|) * (std + |mean|) in the variance of each group of n rows"
    assert reductions.VARIANCE_BOUND == variance


def test_the_data_makes_the_orders_differ():
    """The orders differ, so the tests above prove more than equality."""
    found = {name: (spark_sum([x]), pd.Series(x).sum(), len(x) * EPS * math.fsum(np.abs(x))) for name, x in data().items()}
    assert sum(spark != pandas for spark, pandas, _ in found.values()) >= 8
    assert max(abs(spark - pandas) / unit for spark, pandas, unit in found.values() if unit > 0) > 0.1
