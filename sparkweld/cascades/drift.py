"""Compares the rows that a small model scores in Python with those of its certificate; `plan/Drift.scala` does so for kernels."""

from __future__ import annotations

import importlib

import numpy as np

from sparkweld.contract.replies import Watch

#: The probability of a report in a process whose rows are like the certificate's.
_LEVEL = 1e-4
_FIRST_LOOK = 500


class Drift:
    """The rows of a process by the small model's doubt.

    The test repeats whenever the number of rows has doubled, each time at a smaller level. So the probability of a false report
    is at most `_LEVEL` over all tests.
    """

    def __init__(self, watched: Watch) -> None:
        self._watched = watched
        self._counts = np.zeros(len(watched.counts), np.int64)
        self._looks, self._next = 0, _FIRST_LOOK

    def count(self, doubt: np.ndarray) -> str | None:
        """Adds rows by their doubt, float64[rows], NaN in the last bin; returns how all rows differ, when a test finds it now."""
        bins = np.searchsorted(self._watched.edges, doubt, side="right")
        self._counts += np.bincount(bins, minlength=len(self._counts))
        rows = int(self._counts.sum())
        if rows < self._next:
            return None
        self._looks, self._next = self._looks + 1, 2 * rows
        return difference(self._watched, self._counts, _LEVEL / (self._looks * (self._looks + 1)))


def difference(watched: Watch, counts: np.ndarray, level: float) -> str | None:
    """Returns how the counted rows differ from the certificate's, both being samples; an error has at most probability `level`.

    The shares of unsure rows differ when their exact intervals (Clopper and Pearson 1934) are disjoint. The distributions of
    doubts differ when they are farther apart than the sum of both error bounds (Dvoretzky, Kiefer and Wolfowitz 1956, with
    Massart's constant).
    """
    before = np.asarray(watched.counts)
    then, now = int(before.sum()), int(counts.sum())
    unsure_then, unsure_now = (int(c[watched.limit + 1 :].sum()) for c in (before, counts))
    low_then, high_then = _interval(unsure_then, then, level / 4)
    low_now, high_now = _interval(unsure_now, now, level / 4)
    if low_now > high_then or high_now < low_then:
        return (
            f"the function scored {unsure_now / now:.2%} of {now:,} rows, and {unsure_then / then:.2%} of the {then:,} rows of"
            " the certificate"
        )
    farthest = float(np.abs(np.cumsum(before) / then - np.cumsum(counts) / now).max())
    explained = sum(float(np.sqrt(np.log(8 / level) / (2 * rows))) for rows in (then, now))
    if farthest > explained:
        return (
            f"the small model's scores of {now:,} rows have another distribution than those of the certificate's {then:,} rows:"
            f" the distance is {farthest:.1%} of the rows, and chance explains up to {explained:.1%}"
        )
    return None


def _interval(hits: int, rows: int, level: float) -> tuple[float, float]:
    """Returns the exact confidence interval of a share with `hits` of `rows`, at error probability `level`."""
    beta = importlib.import_module("scipy.stats").beta
    low = 0.0 if hits == 0 else float(beta.ppf(level / 2, hits, rows - hits + 1))
    high = 1.0 if hits == rows else float(beta.ppf(1 - level / 2, hits + 1, rows - hits))
    return low, high
