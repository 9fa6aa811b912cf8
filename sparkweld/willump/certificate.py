"""Certificates of what changes answers: what was promised, on what evidence, and for which model, data and libraries."""

from __future__ import annotations

import importlib.metadata
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import numpy as np

#: Bins of a calibration, but for the one that the threshold makes.
_BINS = 20
#: Groups of features whose importance and cost people are shown.
_SHOWN = 8
_LIBRARIES = ("scikit-learn", "lightgbm", "xgboost", "numpy")


def library_versions() -> dict[str, str]:
    """Versions of the libraries that models come from, of those that are installed, and of Python."""
    found = {"python": ".".join(map(str, sys.version_info[:2]))}
    for name in _LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """What all certificates have.

    The promise holds with `confidence`, by the evidence of `rows` held-out rows. The small model reads the `efficient` of the
    `groups` of features. Costs are nanoseconds a row of compiled kernels. `data`: the fingerprint of the rows that were given,
    `model`: that of the full model, `digests`: of the files kept beside the certificate, the last two once it was kept.
    """

    #: What is certified, in one word; the files that the certificate and the models are kept in.
    WHAT: ClassVar[str]
    FILE: ClassVar[str]
    MODELS: ClassVar[str]

    confidence: float
    rows: int
    full_cost: float
    small_cost: float
    efficient: tuple[str, ...]
    groups: tuple[str, ...]
    data: str
    versions: Mapping[str, str]
    made: str
    model: str = ""
    digests: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Self:
        """The certificate of its fields as JSON has them. Raises KeyError or TypeError for other fields."""
        return cls(**{name: _tuples(value) for name, value in record.items()})

    def lines(self) -> list[str]:
        """The certificate for people."""
        versions = ", ".join(f"{name} {version}" for name, version in self.versions.items())
        return [
            *self._promise(),
            f"made: {self.made}, data {self.data[:12]}, model {self.model[:12]}, {versions}",
            f"efficient features: {', '.join(self.efficient)} of {', '.join(self.groups)}",
            *self._expected(),
        ]

    def _promise(self) -> list[str]:
        raise NotImplementedError

    def _expected(self) -> list[str]:
        raise NotImplementedError


@dataclass(frozen=True)
class Calibration:
    """How sure the small model was of the held-out rows, against which rows that are scored later are held.

    Bin k of `counts` has the rows whose doubt is at least the first k of the ascending `edges` and below the others; NaN is in
    the last. A row is sure when its doubt is below ``edges[limit]``. `differs`: rows that the small model is sure of and answers
    otherwise than the full one (numbers: by more than the band).
    """

    edges: tuple[float, ...]
    counts: tuple[int, ...]
    limit: int
    differs: int

    @classmethod
    def of(cls, doubt: np.ndarray, threshold: float, differs: int) -> Calibration:
        """That of these rows; besides the threshold, the edges are their twentieths."""
        finite = doubt[np.isfinite(doubt)]
        shares = np.quantile(finite, np.arange(1, _BINS) / _BINS, method="lower") if len(finite) else ()
        edges = np.unique([*shares, threshold])
        counts = np.bincount(np.searchsorted(edges, doubt, side="right"), minlength=len(edges) + 1)
        return cls(tuple(edges.tolist()), tuple(counts.tolist()), int(np.searchsorted(edges, threshold)), differs)


@dataclass(frozen=True, kw_only=True)
class CascadeCertificate(Certificate):
    """That of a cascade.

    With `confidence`, over the draw of the held-out rows, the cascade's answers are worse than the full model's for less than
    `allowed` of rows like those, net of those for which they are better; `bound` is what the rows themselves show. Worse: wrong
    where the full model is right, or, for numbers, farther from the label by more than `band`.
    `unsure`: share of the held-out rows that went to the full model. `importance`: how much of its score, the share of right
    labels or minus the mean absolute error, the full model loses when a group is shuffled; `group_cost`: its nanoseconds a row.
    `join_cost`: nanoseconds a row of the joins that the full model alone needs, as they were given.
    """

    WHAT, FILE, MODELS = "cascade", "certificate.json", "cascade.pkl"

    kind: str
    allowed: float
    bound: float
    worse: int
    better: int
    unsure: float
    threshold: float
    band: float
    cascade_cost: float
    importance: Mapping[str, float]
    group_cost: Mapping[str, float]
    split_rows: Mapping[str, int]
    calibration: Calibration
    join_cost: float = 0.0

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Self:
        """As `Certificate.of` has it. Raises ValueError for that of a version which kept no calibration."""
        if "calibration" not in record:
            raise ValueError("an earlier version wrote it, without the calibration")
        found = {name: _tuples(value) for name, value in record["calibration"].items()}
        return super().of({**record, "calibration": Calibration(**found)})

    @property
    def sure_cost(self) -> float:
        """Nanoseconds of a row that the small model answers: what the whole cascade took, less the full model's part, or more."""
        return max(self.small_cost, self.cascade_cost - self.unsure * self.full_cost)

    def _promise(self) -> list[str]:
        what = "rows" if self.kind == "classes" else f"rows by more than {self.band:g}"
        return [
            f"certified: loses less than {self.allowed:.4%} of {what}, {self.confidence:.1%} confidence; bound {self.bound:.4%}",
            f"evidence: {self.rows:,} held-out rows, {self.worse} worse and {self.better} better than by the full model",
        ]

    def _expected(self) -> list[str]:
        most = sorted(self.importance, key=lambda name: -self.importance[name])
        parts = [f"{name} {self.importance[name]:.4f}, {self.group_cost[name]:.0f} ns" for name in most[:_SHOWN]]
        more = f"; and {len(most) - _SHOWN} more" if len(most) > _SHOWN else ""
        return [
            *([f"lost when shuffled, and cost a row: {'; '.join(parts)}{more}"] if most else []),
            f"threshold {self.threshold:.6g}; {self.unsure:.2%} of rows go to the full model",
            f"cost a row: small {self.small_cost:.0f} ns, full {self.full_cost:.0f} ns, cascade {self.cascade_cost:.0f} ns"
            f" ({self.full_cost / max(self.cascade_cost, 1e-9):.2f}x)",
        ]


@dataclass(frozen=True, kw_only=True)
class RankCertificate(Certificate):
    """That of a ranking: of the rows whose full score is at least so high, a share of `recall` or more are candidates, for each
    such score from `most`, which a `reach` of the rows have, down to `least`, which a `share` have.

    When it `extrapolates`, this is assumed of scores above `most`, too. A candidate is a row whose small score is above `limit`.
    Of the held-out rows, `wanted` reach `least`, and `missed` of these are no candidates; `candidates`: the share of all rows
    that are. `score`: which result of the model orders the rows, its predictions (`column` -1), or that column of its
    probabilities of `classes`. Queries for fewer than `least_k` rows are not served.
    """

    WHAT, FILE, MODELS = "ranking", "ranking.json", "ranking.pkl"

    recall: float
    least_k: int
    extrapolates: bool
    most: float
    least: float
    reach: float
    share: float
    limit: float
    candidates: float
    wanted: int
    missed: int
    column: int
    classes: int
    score: str

    def _promise(self) -> list[str]:
        above = [f"assumed, not certified: of rows above {self.most} as many are found"] if self.extrapolates else []
        down = f"down to any score from {self.most} to {self.least}"
        part = f"about the first {self.reach:.4%} to {self.share:.4%} of a table"
        return [
            f"certified: finds {self.recall:.1%} of rows by {self.score} {down}, {part}, {self.confidence:.1%} confidence;"
            f" K from {self.least_k} on",
            *above,
            f"evidence: of {self.rows:,} held-out rows {self.wanted:,} were wanted, {self.missed} of these missed",
        ]

    def _expected(self) -> list[str]:
        cost = self.small_cost + self.candidates * self.full_cost
        return [
            f"candidates: {self.candidates:.3%} of the rows, {self.candidates / self.share:.1f} for each row of that share",
            f"cost a row: small {self.small_cost:.0f} ns, full {self.full_cost:.0f} ns, both by candidates {cost:.0f} ns"
            f" ({self.full_cost / max(cost, 1e-9):.2f}x)",
        ]


def _tuples(value: Any) -> Any:
    """JSON's lists as tuples."""
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
