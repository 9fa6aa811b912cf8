"""A small and a full model to one estimator that asks the full one only where the small one is not sure.

It is an estimator like others: it runs in Python as it stands, and `udf_compiler.models.cascades` compiles it. A row's answer is
a function of that row: whether the small model is sure is asked row by row, against a fixed threshold.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd


class Cascade:
    """`small` answers where it is sure, `full` elsewhere.

    Classes: the small model is sure where its largest probability is above `threshold`. Numbers: where `judge`, a regressor of
    how far the two models are apart, gives less than `threshold`.
    """

    #: What the certificate says, line by line, once it was kept in a directory; `explain` shows it.
    about: tuple[str, ...] = ()
    #: The share of rows that goes to the full model as far as is known; kernels take the full model's form by it.
    unsure: float = 1.0
    #: The certificate's `Calibration` with its `band` and the directory's `path`: what the rows that are scored are held against.
    watched: dict[str, Any] | None = None

    def __init__(self, small: Any, full: Any, threshold: float, judge: Any = None) -> None:
        self.small, self.full, self.threshold, self.judge = small, full, float(threshold), judge
        if judge is None:
            self.classes_ = full.classes_

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The four parts, as scikit-learn asks for them."""
        return {"small": self.small, "full": self.full, "threshold": self.threshold, "judge": self.judge}

    def sure(self, x: Any) -> np.ndarray:
        """Whether the small model answers, bool[rows]."""
        if self.judge is None:
            return np.asarray(self.small.predict_proba(x).max(axis=1) > self.threshold)
        return np.asarray(self.judge.predict(x) < self.threshold)

    def predict(self, x: Any) -> np.ndarray:
        """The labels, or the numbers."""
        if self.judge is None:
            probabilities = self.small.predict_proba(x)
            sure, answers = probabilities.max(axis=1) > self.threshold, self.classes_[probabilities.argmax(axis=1)]
        else:
            sure, answers = self.sure(x), np.asarray(self.small.predict(x), np.float64)
        return self._completed(answers, sure, x, "predict")

    def predict_proba(self, x: Any) -> np.ndarray:
        """The probabilities that the answering model gives, which the certificate of labels says nothing of."""
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


class Small(Cascade):
    """A cascade without its full model, for rows that are looked at before they are joined with what that one reads.

    It answers with the small model; with `flags`, it says of each row whether that one is sure, as 1.0 or 0.0, wherever an answer
    would be.
    """

    #: Whether the flag becomes a column of its own, by which it is known in what a function makes of it.
    marked: bool = False

    def __init__(self, small: Any, threshold: float, judge: Any, classes: Any, flags: bool) -> None:
        self.small, self.threshold, self.judge, self.flags = small, float(threshold), judge, flags
        self.full, self.classes_ = None, classes

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The parts, as scikit-learn asks for them."""
        return {"small": self.small, "judge": self.judge}

    def _completed(self, answers: np.ndarray, sure: np.ndarray, x: Any, method: str) -> np.ndarray:
        if not self.flags:
            return answers
        flags = sure.astype(np.float64)
        return flags if answers.ndim == 1 else np.repeat(flags[:, None], answers.shape[1], axis=1)


class Unseen:
    """In the place of a model whose answers do not matter: it looks at no row. `classes`: of a classifier, how many it has."""

    def __init__(self, classes: int) -> None:
        self.classes = classes

    def predict(self, x: Any) -> np.ndarray:
        """Zeros."""
        return np.zeros(len(x))

    def predict_proba(self, x: Any) -> np.ndarray:
        """Zeros."""
        return np.zeros((len(x), self.classes))


class Remaining:
    """A function of Series or DataFrames for those rows alone that `sure`, its first argument, does not answer with the second.

    `share`: how many these are as far as is known.
    """

    def __init__(self, function: Callable[..., Any], share: float) -> None:
        self.function, self.share = function, share

    def __call__(self, sure: pd.Series, known: pd.Series, *rows: Any, **named: Any) -> pd.Series:
        asked = ~sure.to_numpy(bool)
        if not asked.any():
            return known
        few = [r[asked].reset_index(drop=True) for r in rows]
        answers = self.function(*few, **{name: r[asked].reset_index(drop=True) for name, r in named.items()})
        made = known.astype(object)
        made[asked] = pd.Series(answers).astype(object).to_numpy()
        return made
