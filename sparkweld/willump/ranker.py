"""A small model to an estimator that stands for the full one where candidates of a top-K query are looked for."""

from __future__ import annotations

from typing import Any

import numpy as np


class Ranker:
    """Gives the small model's score where the full model gives the one that orders the rows.

    As its predictions (`column` -1), or as that column of its probabilities, of which the others, of `classes` in all, are NaN.
    """

    #: What the certificate says, line by line; `explain` shows it.
    about: tuple[str, ...] = ()
    #: Whether the score becomes a column of its own, by which it is known in what a function makes of it.
    watched: bool = False

    def __init__(self, small: Any, column: int, classes: int) -> None:
        self.small, self.column, self.classes = small, int(column), int(classes)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The three parts, as scikit-learn asks for them."""
        return {"small": self.small, "column": self.column, "classes": self.classes}

    def predict(self, x: Any) -> np.ndarray:
        """The scores, float64[rows]."""
        if self.column >= 0:
            raise AttributeError("this ranking is by a probability: it has no predict")
        return np.asarray(self.small.predict(x), np.float64)

    def predict_proba(self, x: Any) -> np.ndarray:
        """The scores among columns of NaN, float64[rows, classes]."""
        if self.column < 0:
            raise AttributeError("this ranking is by the prediction: it has no predict_proba")
        scores = np.asarray(self.small.predict(x), np.float64)
        made = np.full((len(scores), self.classes), np.nan)
        made[:, self.column] = scores
        return made
