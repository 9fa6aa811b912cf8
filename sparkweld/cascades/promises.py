"""Defines what cascades promise, and tests by exact tests whether held-out rows prove it.

A `LossPromise` bounds the share of rows that get worse. A `SelectionPromise` is for filters. Its positives are the rows that the
full model selects. It bounds the share of positives that the cascade misses, and the share of false ones that it selects.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from sparkweld.cascades.answers import Answers
from sparkweld.cascades.certificate import CascadeCertificate, LossCertificate, SelectionCertificate
from sparkweld.cascades.loss_bound import passes, rows_needed, upper_bound
from sparkweld.cascades.splits import evidence_shares

#: The share of the allowed loss up to which rows to choose with promise that others will pass.
LIKELY = 0.5
#: Standard deviations of the number of positives in a sample, which next to all samples stay within.
_SPREADS = 3


@dataclass(frozen=True)
class Loss:
    """Counts of rows that get worse and better by a cascade, among `rows`."""

    worse: int
    better: int
    rows: int

    def counts(self) -> dict[str, int]:
        """Returns what the file of the curve states."""
        return {"worse": self.worse, "better": self.better}

    def text(self) -> str:
        """Returns the counts in words."""
        return f"{self.worse} rows worse and {self.better} better"


@dataclass(frozen=True)
class Selection:
    """Counts of selected rows.

    The full model selects `positives`, of which the cascade misses `missed`. The cascade selects `found`, of which `false` are
    not positive.
    """

    positives: int
    missed: int
    found: int
    false: int

    def counts(self) -> dict[str, int]:
        """Returns what the file of the curve states."""
        return asdict(self)

    def text(self) -> str:
        """Returns the counts in words."""
        return f"{self.missed} of {self.positives:,} positives missed, and {self.false} of {self.found:,} found rows not positive"


class Promise(ABC):
    """What a cascade promises, with a `confidence` over the draw of the held-out rows.

    `band`: by how much answers of regressors may differ; None: chosen. `against`: whether answers are compared with "labels" or
    with those of the full "model". `AXIS`: the name of `lost`.
    """

    AXIS: ClassVar[str]
    confidence: float
    band: float | None
    against: str

    @abstractmethod
    def needed(self, kind: str, label: np.ndarray) -> int:
        """Returns the fewest rows to certify on that could prove the promise. `label`: the labels of all rows."""

    def enough(self, kind: str, label: np.ndarray) -> int:
        """Returns the rows to certify on that nearly always could prove it, if the cascade loses nothing."""
        return self.needed(kind, label)

    @abstractmethod
    def shares(self, kind: str, rows: int) -> tuple[float, float, float]:
        """Returns the shares of that many distinct rows to fit, to choose with and to certify on."""

    @abstractmethod
    def outcome(self, full: Answers, answers: np.ndarray, sure: np.ndarray) -> Any:
        """Returns the counts when these answers replace the full model's in the `sure` rows."""

    @abstractmethod
    def proven(self, outcome: Any, kind: str) -> bool:
        """Whether this outcome proves the promise."""

    @abstractmethod
    def likely(self, outcome: Any) -> bool:
        """Whether as many similar rows to certify on would probably prove it. Only the choice depends on this guess."""

    @abstractmethod
    def lost(self, outcome: Any) -> float:
        """Returns the share that the promise limits first; the curve shows it."""

    @property
    @abstractmethod
    def limit(self) -> float:
        """Returns the limit of `lost`."""

    @abstractmethod
    def certificate(self, outcome: Any, kind: str, **common: Any) -> CascadeCertificate:
        """Returns the certificate with this evidence and the `common` fields."""

    @abstractmethod
    def text(self) -> str:
        """Returns the promise in words."""


@dataclass(frozen=True)
class LossPromise(Promise):
    """A loss of less than the share `allowed` of rows.

    For regressors, a row is lost when its error grows by more than `band`.
    """

    AXIS = "points of accuracy lost"

    allowed: float
    confidence: float
    band: float | None = 0.0
    against: str = "labels"

    def _is_paired(self, kind: str) -> bool:
        """Whether a row can also get better: only labels can show a class of the full model to be wrong."""
        return kind == "classes" and self.against == "labels"

    def needed(self, kind: str, label: np.ndarray) -> int:
        return rows_needed(self.allowed, self.confidence, self._is_paired(kind))

    def shares(self, kind: str, rows: int) -> tuple[float, float, float]:
        return evidence_shares(rows, rows_needed(self.allowed, self.confidence, self._is_paired(kind)))

    def outcome(self, full: Answers, answers: np.ndarray, sure: np.ndarray) -> Loss:
        return Loss(*full.against(answers, sure), len(full))

    def proven(self, outcome: Loss, kind: str) -> bool:
        return passes(outcome.worse, outcome.better, outcome.rows, self.allowed, self.confidence, self._is_paired(kind))

    def likely(self, outcome: Loss) -> bool:
        return self.lost(outcome) <= self.allowed * LIKELY

    def lost(self, outcome: Loss) -> float:
        return (outcome.worse - outcome.better) / max(outcome.rows, 1)

    @property
    def limit(self) -> float:
        return self.allowed

    def certificate(self, outcome: Loss, kind: str, **common: Any) -> LossCertificate:
        bound = upper_bound(outcome.worse, outcome.better, outcome.rows, self.confidence, self._is_paired(kind))
        return LossCertificate(
            allowed=self.allowed, bound=bound, worse=outcome.worse, better=outcome.better, against=self.against, kind=kind,
            confidence=self.confidence, **common,
        )  # fmt: skip

    def text(self) -> str:
        return f"a loss below {self.allowed:.4%}"


@dataclass(frozen=True)
class SelectionPromise(Promise):
    """A recall and a precision of a filter that selects the rows answered with one of the classes `selected`.

    The rows that the full model selects are positive. More than the share `recall` of the positives is found, and more than the
    share `precision` of the found rows is positive. None promises nothing.

    The number of missed rows is binomial among the positives, and that of false rows among the found ones. So both tests are
    exact. The promise fails when either share does. Each test therefore has the whole error (intersection-union test: Berger,
    "Multiparameter hypothesis testing and acceptance sampling", Technometrics 24, 1982).
    """

    AXIS = "points of recall (without a promise of recall, of precision) lost"

    selected: tuple[Any, ...]
    recall: float | None
    precision: float | None
    confidence: float
    band: float | None = 0.0
    against: str = "model"

    def needed(self, kind: str, label: np.ndarray) -> int:
        return self._rows(self._evidence(), label)

    def enough(self, kind: str, label: np.ndarray) -> int:
        evidence = self._evidence()
        return self._rows(evidence + _SPREADS * math.sqrt(evidence), label)

    def _rows(self, positives: float, label: np.ndarray) -> int:
        """Returns the rows that have that many positives on average; about as many are found."""
        return math.ceil(positives * len(label) / max(int(self._of(label).sum()), 1))

    def _evidence(self) -> int:
        return max(rows_needed(1 - least, self.confidence, False) for least in self._least())

    def _least(self) -> list[float]:
        return [least for least in (self.recall, self.precision) if least is not None]

    def _of(self, answers: np.ndarray) -> np.ndarray:
        return np.asarray(pd.Series(answers).isin(self.selected))

    def shares(self, kind: str, rows: int) -> tuple[float, float, float]:
        return evidence_shares(rows, rows)  # not by the number of positives, which is part of the evidence

    def outcome(self, full: Answers, answers: np.ndarray, sure: np.ndarray) -> Selection:
        positive = self._of(full.answers)
        found = np.where(sure, self._of(answers), positive)
        return Selection(*(int(np.count_nonzero(rows)) for rows in (positive, positive & ~found, found, found & ~positive)))

    def proven(self, outcome: Selection, kind: str) -> bool:
        return all(
            least is None or passes(lost, 0, of, 1 - least, self.confidence, False) for least, lost, of in self._parts(outcome)
        )

    def _parts(self, outcome: Selection) -> Sequence[tuple[float | None, int, int]]:
        return (self.recall, outcome.missed, outcome.positives), (self.precision, outcome.false, outcome.found)

    def likely(self, outcome: Selection) -> bool:
        return all(
            least is None or 0 < of and lost / of <= (1 - least) * LIKELY for least, lost, of in self._parts(outcome)
        )

    def lost(self, outcome: Selection) -> float:
        lost, of = next((lost, of) for least, lost, of in self._parts(outcome) if least is not None)
        return lost / max(of, 1)

    @property
    def limit(self) -> float:
        return 1 - self._least()[0]

    def certificate(self, outcome: Selection, kind: str, **common: Any) -> SelectionCertificate:
        return SelectionCertificate(
            selected=self.selected, recall=self.recall, precision=self.precision, kind=kind, confidence=self.confidence,
            **(common | outcome.counts()),
        )  # fmt: skip

    def text(self) -> str:
        names = [f"a {name} above {least:.2%}" for name, least in (("recall", self.recall), ("precision", self.precision))
                 if least is not None]  # fmt: skip
        return " and ".join(names)
