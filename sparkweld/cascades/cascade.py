"""Implements a two-stage cascade estimator, which defers rows to the full model only where the small model is not sure.

It is an ordinary estimator: it runs in Python, and `udf_compiler.frontends.models.cascades` compiles it. A row's answer depends
on that row alone, because each row's doubt is compared with a fixed threshold.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sparkweld.contract.replies import Watch


def doubts(model: Any, x: Any) -> tuple[np.ndarray, np.ndarray]:
    """Returns (the doubt of each row, the answers) of the small model of a cascade or of a candidate for one.

    A row is sure when its doubt is below a threshold. A classifier's doubt is minus its largest probability, so that ``-p < -t``
    is ``p > t`` bit for bit.
    """
    if model.judge is not None:
        return np.asarray(model.judge.predict(x), np.float64), np.asarray(model.small.predict(x), np.float64)
    probabilities = np.asarray(model.small.predict_proba(x), np.float64)
    return -probabilities.max(axis=1), model.small.classes_[probabilities.argmax(axis=1)]


class Cascade:
    """An estimator that answers with `small` where that is sure and with `full` elsewhere.

    Classifiers: the small model is sure where its largest probability is above `threshold`. Regressors: it is sure where `judge`,
    a regressor of the distance between the two models, predicts less than `threshold`.
    """

    #: The lines of the certificate, once it is stored in a directory; `explain` shows them.
    about: tuple[str, ...] = ()
    #: The estimated share of rows that the full model answers. Kernels select the full model's form by it.
    unsure: float = 1.0
    #: The certificate's `Calibration` with its `band` and the directory's `path`. Scored rows are compared with it.
    watched: Watch | None = None

    def __init__(self, small: Any, full: Any, threshold: float, judge: Any = None) -> None:
        self.small, self.full, self.threshold, self.judge = small, full, float(threshold), judge
        if judge is None:
            self.classes_ = full.classes_

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Returns the four constructor arguments, as scikit-learn requires."""
        return {"small": self.small, "full": self.full, "threshold": self.threshold, "judge": self.judge}

    def sure(self, x: Any) -> np.ndarray:
        """Returns whether the small model answers, bool[rows]."""
        return self.is_sure(doubts(self, x)[0]) if self.judge is None else np.asarray(self.judge.predict(x) < self.threshold)

    def is_sure(self, doubt: np.ndarray) -> np.ndarray:
        """Returns whether a row of this doubt is sure, bool[rows]."""
        return np.asarray(doubt < (-self.threshold if self.judge is None else self.threshold))

    def small_answers(self, x: Any) -> tuple[np.ndarray, np.ndarray]:
        """Returns (the small model's labels or numbers, whether it is sure of them, bool[rows])."""
        doubt, answers = doubts(self, x)
        return answers, self.is_sure(doubt)

    def predict(self, x: Any) -> np.ndarray:
        """Returns the labels, or the numbers."""
        return self._completed(*self.small_answers(x), x, "predict")

    def predict_proba(self, x: Any) -> np.ndarray:
        """Returns the probabilities of the model that answers. The certificate covers labels, not these."""
        if self.judge is not None:
            raise AttributeError("a cascade of regressors has no predict_proba")
        answers = np.asarray(self.small.predict_proba(x), np.float64)
        return self._completed(answers, answers.max(axis=1) > self.threshold, x, "predict_proba")

    def _completed(self, answers: np.ndarray, sure: np.ndarray, x: Any, method: str) -> np.ndarray:
        if sure.all():
            return answers
        made = answers.copy()
        made[~sure] = getattr(self.full, method)(x[~sure])
        return made
