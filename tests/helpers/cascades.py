"""A seed to a cascade's whole fit on made-up rows whose true loss is known in closed form, without any model or kernel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin

from sparkweld.errors import Refusal
from sparkweld.willump.fitting import Promise, fit

ALLOWED, CONFIDENCE, ROWS = 0.01, 0.95, 6000
#: How often the full model is wrong; the small one is wrong with probability `SLOPE * (1 - p)` where it says p.
FULL_ERROR, SLOPE = 0.08, 0.6


class Column(ClassifierMixin, BaseEstimator):
    """A fitted classifier of two classes that reads its probability of class 1 from a column."""

    def __init__(self, column: str = "full") -> None:
        self.column = column

    def fit(self, x: Any, y: Any = None) -> Column:
        self.classes_ = np.array([0, 1])
        return self

    def predict_proba(self, x: pd.DataFrame) -> np.ndarray:
        p = x[self.column].to_numpy()
        return np.column_stack([1 - p, p])

    def predict(self, x: pd.DataFrame) -> np.ndarray:
        return (x[self.column].to_numpy() > 0.5).astype(np.int64)


def rows(seed: int, count: int = ROWS, full_error: float = FULL_ERROR) -> tuple[pd.DataFrame, np.ndarray]:
    """(columns `small` and `full` of probabilities, the label)."""
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 2, count)
    sure = rng.uniform(0.5, 1, count)
    small = np.where((rng.random(count) < SLOPE * (1 - sure)) == (label == 1), 1 - sure, sure)
    full = np.where((rng.random(count) < full_error) == (label == 1), 0.1, 0.9)
    return pd.DataFrame({"small": small, "full": full}), label


def true_loss(threshold: float, full_error: float = FULL_ERROR) -> float:
    """Of all rows, how many more are wrong: the integral of ``SLOPE * (1 - p) - full_error`` over p > threshold."""
    return SLOPE * (1 - threshold) ** 2 - 2 * full_error * (1 - threshold)


def cost(estimators: Sequence[Any], data: Any) -> list[float]:
    """Nanoseconds a row: the small model is ten times as fast, a cascade as its doubt says."""
    return [_cost(estimator, data) for estimator in estimators]


def _cost(estimator: Any, data: Any) -> float:
    if hasattr(estimator, "threshold"):
        return 10 + 100 * float(np.mean(~estimator.sure(data)))
    return 10.0 if estimator.column == "small" else 100.0


def loss_of_a_fit(seed: int, full_error: float = FULL_ERROR) -> float | None:
    """The true loss of what was certified; None when nothing was."""
    data, label = rows(seed, full_error=full_error)
    try:
        made = fit(Column("full").fit(data), data, label, Promise(ALLOWED, CONFIDENCE), cost, Column("small"), seed)
    except Refusal as refused:
        assert refused.code in ("SW943", "SW944"), refused
        return None
    return true_loss(made.cascade.threshold, full_error)
