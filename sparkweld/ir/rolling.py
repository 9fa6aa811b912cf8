"""Defines the statistics of rolling windows, and exponentially weighted means, as pandas accumulates them.

The source is pandas/_libs/window/aggregations.pyx.

A window ends at its row. Sums are updated from one window to the next, with Kahan's compensation. So a result depends on all
rows before it, and NaN counts as absent.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sparkweld.ir.ops.base import Array

#: Bits of the least number of present values, below the number of rows of the window.
LEAST_BITS = 32

STATISTICS = ("sum", "mean", "max", "min", "squares")


def window_of(rows: int, least: int) -> int:
    """Returns the number that describes windows of some rows: those with fewer present values than `least` have no result."""
    return rows << LEAST_BITS | least


@dataclass
class _Window:
    """What the numbers added to a window, and removed, leave behind; NaN counts as absent."""

    known: int = 0
    lost: dict[bool, float] = field(default_factory=lambda: {True: 0.0, False: 0.0})
    previous: float = 0.0
    same: int = 0

    def change(self, x: float, add: bool) -> None:
        if x != x:
            return
        self.known += 1 if add else -1
        if add:
            self.same = self.same + 1 if x == self.previous else 1
            self.previous = x
        self.update(x, add)

    def update(self, x: float, add: bool) -> None:
        raise NotImplementedError


@dataclass
class _Total(_Window):
    """The sum of a window, of the values added and removed so far."""

    negative: int = 0
    total: float = 0.0

    def update(self, x: float, add: bool) -> None:
        y = (x if add else -x) - self.lost[add]
        t = self.total + y
        self.lost[add] = t - self.total - y
        self.total = t
        if math.copysign(1.0, x) < 0:
            self.negative += 1 if add else -1


@dataclass
class _Moments(_Window):
    """The mean of a window, and the sum of the squares of the distances from it (Welford's method)."""

    mean: float = 0.0
    squares: float = 0.0

    def update(self, x: float, add: bool) -> None:
        if not self.known:
            self.mean = self.squares = 0.0
            return
        before = self.mean - self.lost[add]
        y = x - self.lost[add]
        t = y - self.mean
        self.lost[add] = t + self.mean - y
        self.mean = self.mean + t / self.known if add else self.mean - t / self.known
        distances = (x - before) * (x - self.mean)
        self.squares = self.squares + distances if add else self.squares - distances


def _squares(window: _Moments) -> float:
    return 0.0 if window.known == 1 or window.same >= window.known else window.squares


def _sum(window: _Total) -> float:
    return window.previous * window.known if window.same >= window.known else window.total


def _mean(window: _Total) -> float:
    mean = window.total / window.known
    if window.same >= window.known:
        return window.previous
    if (window.negative == 0 and mean < 0) or (window.negative == window.known and mean > 0):
        return 0.0  # a rounding error
    return mean


def _totals(values: np.ndarray, rows: int, least: int, of: type, result: Callable[[Any], float]) -> np.ndarray:
    made = np.full(len(values), np.nan)
    window, numbers = of(), [float(x) for x in values]
    for at in range(len(numbers)):
        start = max(at - rows + 1, 0)
        if at == 0 or start >= at:
            window = of(previous=numbers[start])
        else:
            for x in numbers[max(at - rows, 0) : start]:
                window.change(x, add=False)
        window.change(numbers[at], add=True)
        if window.known >= least:
            made[at] = result(window)
    return made


def _extremes(values: np.ndarray, rows: int, least: int, largest: bool) -> np.ndarray:
    """Returns the extremes; of equal values, the last one."""
    made = np.full(len(values), np.nan)
    for at in range(len(values)):
        window = values[max(at - rows + 1, 0) : at + 1]
        kept = window[window == window]
        if len(kept) >= least:
            made[at] = kept[kept == (kept.max() if largest else kept.min())][-1]
    return made


def rolling(what: str) -> Callable[[tuple[Array, ...], int], Array]:
    """Returns the meaning of a statistic of windows that the second column describes in its first row."""

    def evaluate(args: tuple[Array, ...], rows: int) -> Array:
        values = np.asarray(args[0], np.float64)
        described = int(np.asarray(args[1])[0]) if rows else 0
        window, least = described >> LEAST_BITS, described & ((1 << LEAST_BITS) - 1)
        if what in ("max", "min"):
            return _extremes(values, window, least, what == "max")
        rules: dict[str, tuple[type, Callable[[Any], float]]] = {
            "sum": (_Total, _sum), "mean": (_Total, _mean), "squares": (_Moments, _squares),
        }  # fmt: skip
        return _totals(values, window, least, *rules[what])

    return evaluate


def weighted_mean(adjusted: bool) -> Callable[[tuple[Array, ...], int], Array]:
    """Returns the meaning of an exponentially weighted mean, whose center of mass the second column has in its first row.

    `adjusted`: the weights of all values so far are divided by their sum. NaN counts as absent, and older weights decay there.
    """

    def evaluate(args: tuple[Array, ...], rows: int) -> Array:
        made = np.full(rows, np.nan)
        if not rows:
            return made
        alpha = 1.0 / (1.0 + float(np.asarray(args[1])[0]))
        factor, new = 1.0 - alpha, 1.0 if adjusted else alpha
        mean, old = math.nan, 1.0
        for at, x in enumerate(map(float, np.asarray(args[0], np.float64))):
            if mean != mean:
                mean = x
            else:
                old *= factor
                if x == x:
                    if mean != x:  # a constant column keeps its value
                        mean = float(np.divide(old * mean + new * x, old + new))
                    old = old + new if adjusted else 1.0
            made[at] = mean
        return made

    return evaluate
