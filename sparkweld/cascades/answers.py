"""Compares a small model's answers with those of the full model and with labels."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd

from sparkweld.errors import UserError
from sparkweld.reasons import refusal

#: The largest band that is chosen without labels, as a share of the standard deviation of the full model's answers.
_MOST_BAND = 0.5


@contextmanager
def asking(what: str) -> Iterator[None]:
    """Raises a UserError that begins with `what` for errors of the user's models, such as missing columns or values."""
    try:
        yield
    except (AttributeError, TypeError, ValueError) as error:  # a string that is None has no lower()
        raise UserError(f"{what}: {type(error).__name__}: {' '.join(str(error).split())[:300]}") from error


def answers_of(full: Any, data: Any, kind: str) -> np.ndarray:
    """Returns the full model's answer for each row. Raises UserError, and refuses SW942 (missing) and SW945 (several results)."""
    with asking("the full model cannot score these rows"):
        answers = np.asarray(full.predict(data))
    return check_answers(answers, kind, type(full).__name__)


def check_answers(answers: np.ndarray, kind: str, name: str) -> np.ndarray:
    """Returns the answers of the model called `name`, one a row. Refuses SW942 and SW945."""
    if answers.ndim != 1:
        raise refusal("SW945", model=f"a {name} with {answers.shape[1]} results per row")
    missing = pd.isna(answers) if kind == "classes" else ~np.isfinite(np.asarray(answers, np.float64))
    if missing.any():
        raise refusal("SW942", what=f"{np.count_nonzero(missing):,} of {len(answers):,}")
    return answers


class Answers:
    """The full model's answers and the labels, with which other answers are compared."""

    def __init__(self, answers: np.ndarray, label: np.ndarray, band: float, kind: str) -> None:
        self.answers, self.label, self.band = answers, label, band
        self.right = answers == label if kind == "classes" else None
        self.error = np.abs(answers - label) if kind == "numbers" else None

    def __len__(self) -> int:
        return len(self.answers)

    def differing(self, answers: np.ndarray, sure: np.ndarray) -> int:
        """Returns the number of `sure` rows whose answer changes, for better or worse."""
        changed = answers != self.answers if self.error is None else np.abs(answers - self.answers) > self.band
        return int(np.count_nonzero(sure & changed))

    def against(self, answers: np.ndarray, sure: np.ndarray) -> tuple[int, int]:
        """Returns how many rows get worse and how many better when these answers replace the full model's in the `sure` rows."""
        if self.right is not None:
            right = answers == self.label
            return int(np.count_nonzero(sure & self.right & ~right)), int(np.count_nonzero(sure & ~self.right & right))
        return int(np.count_nonzero(self.growth(answers, sure) > self.band)), 0

    def growth(self, answers: np.ndarray, sure: np.ndarray) -> np.ndarray:
        """Returns by how much each row's absolute error grows when these answers replace the full model's in the `sure` rows."""
        assert self.error is not None
        return np.where(sure, np.abs(answers - self.label) - self.error, 0.0)

    def largest_band(self, against: str) -> float:
        """Returns the largest band that is still small: the full model's mean error or, without labels, a part of the spread."""
        assert self.error is not None
        return float(np.mean(self.error)) if against == "labels" else _MOST_BAND * float(np.std(self.answers))
