"""Fits a cascade on seeded synthetic rows whose true loss has a closed form, without models or kernels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin

from sparkweld.cascades.answers import answers_of
from sparkweld.cascades.fitting import fit
from sparkweld.cascades.promises import LossPromise, Promise, SelectionPromise
from sparkweld.errors import Refusal

ALLOWED, CONFIDENCE, ROWS = 0.01, 0.95, 6000
#: The allowed share of changed answers, where cascades are fitted without labels.
ALLOWED_CHANGES = 0.02
#: Error rate of the full model; the small one is wrong with probability `SLOPE * (1 - p)` where its confidence is p.
FULL_ERROR, SLOPE = 0.08, 0.6


class Column(ClassifierMixin, BaseEstimator):
    """A fitted two-class classifier that reads its probability of class 1 from a column."""

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
    """Returns (probability columns `small` and `full`, labels)."""
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 2, count)
    sure = rng.uniform(0.5, 1, count)
    small = np.where((rng.random(count) < SLOPE * (1 - sure)) == (label == 1), 1 - sure, sure)
    full = np.where((rng.random(count) < full_error) == (label == 1), 0.1, 0.9)
    return pd.DataFrame({"small": small, "full": full}), label


def true_loss(threshold: float, full_error: float = FULL_ERROR) -> float:
    """Returns the share of rows that only the cascade gets wrong: the integral of ``SLOPE * (1 - p) - full_error`` over p >
    threshold.
    """
    return SLOPE * (1 - threshold) ** 2 - 2 * full_error * (1 - threshold)


def true_changes(threshold: float, full_error: float) -> float:
    """Returns the share of rows whose answer the cascade changes: one of the two models is wrong, and p > threshold."""
    return (1 - 2 * full_error) * SLOPE * (1 - threshold) ** 2 + 2 * full_error * (1 - threshold)


def cost(estimators: Sequence[Any], data: Any) -> list[float]:
    """Returns nanoseconds a row: 10 for the small model, 100 for the full one; a cascade adds its share of uncertain rows."""
    return [_cost(estimator, data) for estimator in estimators]


def _cost(estimator: Any, data: Any) -> float:
    if hasattr(estimator, "threshold"):
        return 10 + 100 * float(np.mean(~estimator.sure(data)))
    return 10.0 if estimator.column == "small" else 100.0


def of_trees(estimators: Sequence[Any], data: Any) -> list[float]:
    """Returns deterministic costs, independent of machine load: the number of trees per row."""
    return [_of_trees(estimator, data) for estimator in estimators]


def _of_trees(estimator: Any, data: Any) -> float:
    if hasattr(estimator, "threshold"):
        return _of_trees(estimator.small, data) + 80 * float(np.mean(~estimator.sure(data)))
    return float(estimator.get_params().get("n_estimators") or estimator[-1].n_estimators)


def loss_of_a_fit(seed: int, full_error: float = FULL_ERROR) -> float | None:
    """Returns the true loss of the certified threshold, None when none was certified."""
    data, label = rows(seed, full_error=full_error)
    threshold = _certified(data, label, LossPromise(ALLOWED, CONFIDENCE), seed)
    return None if threshold is None else true_loss(threshold, full_error)


def changes_of_a_fit(seed: int, full_error: float) -> float | None:
    """Returns the true share of changed answers at the threshold that was certified without labels, None when none was."""
    data, _ = rows(seed, full_error=full_error)
    answers = answers_of(Column("full").fit(data), data, "classes")
    threshold = _certified(data, answers, LossPromise(ALLOWED_CHANGES, CONFIDENCE, against="model"), seed)
    return None if threshold is None else true_changes(threshold, full_error)


#: The share of rows that the full model of `selection_of_a_fit` selects, and what is promised for them.
POSITIVE, RECALL, PRECISION = 0.2, 0.95, 0.9


def selection_rows(seed: int, count: int = ROWS) -> pd.DataFrame:
    """Returns probability columns `small` and `full`: class 1 is rare, and the small model errs alike in both classes."""
    rng = np.random.default_rng(seed)
    positive, sure = rng.random(count) < POSITIVE, rng.uniform(0.5, 1, count)
    small = np.where((rng.random(count) < SLOPE * (1 - sure)) == positive, 1 - sure, sure)
    return pd.DataFrame({"small": small, "full": np.where(positive, 0.9, 0.1)})


def true_recall_and_precision(threshold: float) -> tuple[float, float]:
    """Returns both for a filter by class 1: a share ``SLOPE * (1 - threshold) ** 2`` of each class changes sides."""
    changed = SLOPE * (1 - threshold) ** 2
    found = POSITIVE * (1 - changed) + (1 - POSITIVE) * changed
    return 1 - changed, POSITIVE * (1 - changed) / found


def selection_of_a_fit(seed: int, recall: float | None, precision: float | None) -> tuple[float, float] | None:
    """Returns the true recall and precision at the threshold that was certified, None when none was."""
    data = selection_rows(seed)
    answers = answers_of(Column("full").fit(data), data, "classes")
    threshold = _certified(data, answers, SelectionPromise((1,), recall, precision, CONFIDENCE), seed)
    return None if threshold is None else true_recall_and_precision(threshold)


def _certified(data: pd.DataFrame, label: np.ndarray, promise: Promise, seed: int) -> float | None:
    try:
        made = fit(Column("full").fit(data), data, label, promise, cost, Column("small"), seed)
    except Refusal as refused:
        assert refused.code in ("SW943", "SW944"), refused
        return None
    return float(made.cascade.threshold)
