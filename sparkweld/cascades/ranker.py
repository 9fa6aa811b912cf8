"""Wraps a small model as an estimator that replaces the full one to find the candidates of a top-K query."""

from __future__ import annotations

from typing import Any

import numpy as np


class Ranker:
    """An estimator that returns the small model's score in place of the full model's score that orders the rows.

    The score is its predictions (`column` -1), or that column of its probabilities of `classes`; the other columns are NaN.
    """

    #: The lines of the certificate; `explain` shows them.
    about: tuple[str, ...] = ()
    #: Whether the score becomes a column of its own, by which the compiler finds it in a function's result.
    watched: bool = False

    def __init__(self, small: Any, column: int, classes: int) -> None:
        self.small, self.column, self.classes = small, int(column), int(classes)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Returns the three constructor arguments, as scikit-learn requires."""
        return {"small": self.small, "column": self.column, "classes": self.classes}

    def predict(self, x: Any) -> np.ndarray:
        """Returns the scores, float64[rows]."""
        if self.column >= 0:
            raise AttributeError("this ranking is by a probability: it has no predict")
        return np.asarray(self.small.predict(x), np.float64)

    def predict_proba(self, x: Any) -> np.ndarray:
        """Returns the scores in their column and NaN in the others, float64[rows, classes]."""
        if self.column < 0:
            raise AttributeError("this ranking is by the prediction: it has no predict_proba")
        scores = np.asarray(self.small.predict(x), np.float64)
        made = np.full((len(scores), self.classes), np.nan)
        made[:, self.column] = scores
        return made
