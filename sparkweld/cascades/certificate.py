"""Defines certificates of approximations: the promise, its evidence, and the model, data and libraries that it holds for."""

from __future__ import annotations

import importlib.metadata
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar

import numpy as np

from sparkweld.contract.constants import CASCADE_FILE, RANKING_FILE

#: A class of certificates; `typing.Self` needs Python 3.11.
_Made = TypeVar("_Made", bound="Certificate")

#: The number of quantile bins of a calibration; the threshold adds one.
_BINS = 20
#: The limit on groups of features in the printed certificate.
_SHOWN = 8
#: What the ratio of kernels leaves out.
_OF_QUERY = "a query also reads and writes its rows, so it gains less"
_LIBRARIES = ("scikit-learn", "lightgbm", "xgboost", "catboost", "numpy")


def library_versions() -> dict[str, str]:
    """Returns the versions of Python and of the installed libraries that models come from."""
    found = {"python": ".".join(map(str, sys.version_info[:2]))}
    for name in _LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """The fields that all certificates share.

    The promise holds with `confidence`, by the evidence of `rows` held-out rows. The small model reads the `efficient` subset of
    the `groups` of features. Costs are nanoseconds per row of compiled kernels. `data`: the fingerprint of the input rows.
    `repeated`: the rows that were left out because they equal others; the promise is about distinct rows.
    The full model may be a function, a `black_box`: costs are then those of Python.
    `model`: the fingerprint of the full model. `digests`: SHA-256 of the files beside the certificate. `store.save` sets the last
    two.
    """

    #: The kind of certificate in one word; the file names of the certificate and of the models.
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
    repeated: int = 0
    black_box: bool = False
    digests: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls: type[_Made], record: Mapping[str, Any]) -> _Made:
        """Builds a certificate from its JSON fields. Raises KeyError or TypeError for unknown or missing fields."""
        return cls(**{name: _tuples(value) for name, value in record.items()})

    def lines(self) -> list[str]:
        """Returns the certificate as lines for people."""
        versions = ", ".join(f"{name} {version}" for name, version in self.versions.items())
        return [
            *self._promise(),
            f"made: {self.made}, data {self.data[:12]}, model {self.model[:12]}, {versions}",
            f"efficient features: {', '.join(self.efficient)} of {', '.join(self.groups)}",
            *self._expected(),
        ]

    @property
    def counted(self) -> str:
        """Returns what the promise counts, in words."""
        return "distinct rows" if self.repeated else "rows"

    def _costs(self, what: str, cost: float, more: str = f"; {_OF_QUERY}") -> str:
        """Returns the line of the kernels' costs, of which `cost` is that of both models together."""
        where = "Python" if self.black_box else "kernels"
        return (
            f"cost per row in {where}: small {self.small_cost:.0f} ns, full {self.full_cost:.0f} ns,"
            f" {what} {cost:.0f} ns ({self.full_cost / max(cost, 1e-9):.2f}x{more})"
        )

    def _promise(self) -> list[str]:
        raise NotImplementedError

    def _expected(self) -> list[str]:
        raise NotImplementedError


@dataclass(frozen=True)
class Calibration:
    """The distribution of the small model's doubt on the held-out rows, with which rows scored later are compared.

    Bin k of `counts` has the rows whose doubt is at least the first k of the ascending `edges` and below the others. NaN is in
    the last bin. A row is sure when its doubt is below ``edges[limit]``. `differs`: the sure rows whose small answer differs from
    the full model's (regressors: by more than the band).
    """
    edges: tuple[float, ...]
    counts: tuple[int, ...]
    limit: int
    differs: int

    @classmethod
    def of(cls, doubt: np.ndarray, threshold: float, differs: int) -> Calibration:
        """Computes the calibration of these rows. The edges are their twentieths and the threshold."""
        finite = doubt[np.isfinite(doubt)]
        shares = np.quantile(finite, np.arange(1, _BINS) / _BINS, method="lower") if len(finite) else ()
        edges = np.unique([*shares, threshold])
        counts = np.bincount(np.searchsorted(edges, doubt, side="right"), minlength=len(edges) + 1)
        return cls(tuple(edges.tolist()), tuple(counts.tolist()), int(np.searchsorted(edges, threshold)), differs)


@dataclass(frozen=True, kw_only=True)
class CascadeCertificate(Certificate):
    """What the certificates of all cascades share.

    The promise holds with `confidence`, over the draw of the held-out rows. `band`: by how much answers of regressors may differ.
    `unsure`: the share of held-out rows that went to the full model. `importance`: the loss of the full model's score when a
    group is shuffled; the score is the accuracy or minus the mean absolute error. `group_cost`: nanoseconds per row of a group.
    `query_full_cost` and `query_cost`: nanoseconds per row of a query of `query_rows` rows, by the full model and by the cascade;
    0 where none was timed.
    """

    WHAT, FILE, MODELS = "cascade", CASCADE_FILE, "cascade.pkl"

    kind: str
    unsure: float
    threshold: float
    band: float
    cascade_cost: float
    importance: Mapping[str, float]
    group_cost: Mapping[str, float]
    split_rows: Mapping[str, int]
    calibration: Calibration
    query_rows: int = 0
    query_full_cost: float = 0.0
    query_cost: float = 0.0

    @classmethod
    def of(cls: type[_Made], record: Mapping[str, Any]) -> _Made:
        """Builds a certificate as `Certificate.of` does. Raises ValueError for one of a version that stored no calibration."""
        if "calibration" not in record:
            raise ValueError("an earlier version wrote it, without the calibration")
        fields = {name: _tuples(value) for name, value in record.items() if name != "join_cost"}  # earlier versions stored it
        calibration = Calibration(**{name: _tuples(value) for name, value in record["calibration"].items()})
        kind: Any = SelectionCertificate if "recall" in record else LossCertificate
        return kind(**{**fields, "calibration": calibration})  # type: ignore[no-any-return]

    @property
    def sure_cost(self) -> float:
        """Returns the nanoseconds of a row that the small model answers.

        That is the cascade's cost less the full model's share of it, and at least the small model's cost.
        """
        return max(self.small_cost, self.cascade_cost - self.unsure * self.full_cost)

    def _expected(self) -> list[str]:
        most = sorted(self.importance, key=lambda name: -self.importance[name])
        parts = [f"{name} {self.importance[name]:.4f}, {self.group_cost[name]:.0f} ns" for name in most[:_SHOWN]]
        more = f"; and {len(most) - _SHOWN} more" if len(most) > _SHOWN else ""
        return [
            *([f"loss when shuffled, and cost per row: {'; '.join(parts)}{more}"] if most else []),
            f"threshold {self.threshold:.6g}; {self.unsure:.2%} of rows are deferred to the full model",
            *self._all_costs(),
        ]

    def _all_costs(self) -> list[str]:
        if not self.query_rows:
            return [self._costs("cascade", self.cascade_cost)]
        return [
            self._costs("cascade", self.cascade_cost, ""),
            f"time per row of a query of {self.query_rows:,} rows: full model {self.query_full_cost:.0f} ns, cascade"
            f" {self.query_cost:.0f} ns ({self.query_full_cost / max(self.query_cost, 1e-9):.2f}x)",
        ]


@dataclass(frozen=True, kw_only=True)
class LossCertificate(CascadeCertificate):
    """The certificate that a cascade loses less than the share `allowed` of rows against the full model.

    The loss is the share of worse rows minus that of better rows. `bound` is the bound that the held-out rows themselves prove.
    Worse: wrong where the full model is right or, for regressors, farther from the label by more than `band`. `against` the
    "model", worse is any other answer than the full model's or, for regressors, one farther from it than `band`.
    """

    allowed: float
    bound: float
    worse: int
    better: int
    against: str = "labels"  # the only kind of earlier versions

    def _promise(self) -> list[str]:
        what = self.counted if self.kind == "classes" else f"{self.counted} by more than {self.band:g}"
        if self.against == "model":
            return [
                f"certified: changes the full model's answer for less than {self.allowed:.4%} of {what},"
                f" {self.confidence:.1%} confidence; bound {self.bound:.4%}",
                f"evidence: {self.rows:,} held-out rows, {self.worse} with another answer than the full model's",
            ]
        return [
            f"certified: loses less than {self.allowed:.4%} of {what}, {self.confidence:.1%} confidence; bound {self.bound:.4%}",
            f"evidence: {self.rows:,} held-out rows, {self.worse} worse and {self.better} better than by the full model",
        ]


@dataclass(frozen=True, kw_only=True)
class SelectionCertificate(CascadeCertificate):
    """The certificate that a filter by a cascade selects nearly the rows that the full model selects.

    A row is positive when the full model answers it with one of the classes `selected`. Of the `positives` among the held-out
    rows, the cascade misses `missed`. Of the `found` rows that it selects, `false` are not positive. It finds more than the
    share `recall` of the positives, and more than the share `precision` of what it finds is positive; None: not promised.
    """

    selected: tuple[Any, ...]
    recall: float | None
    precision: float | None
    positives: int
    missed: int
    found: int
    false: int

    def _promise(self) -> list[str]:
        named = " or ".join(map(repr, self.selected))
        told = [
            *([] if self.recall is None else [
                f"finds more than {self.recall:.2%} of the {self.counted} that the full model answers with {named}"]),
            *([] if self.precision is None else [
                f"more than {self.precision:.2%} of the {self.counted} that it answers with {named} have that answer of the full"
                " model"]),
        ]  # fmt: skip
        return [
            f"certified: {'; '.join(told)}; {self.confidence:.1%} confidence",
            f"evidence: {self.rows:,} held-out rows, {self.missed} of {self.positives:,} positives missed,"
            f" {self.false} of {self.found:,} found rows not positive",
        ]


@dataclass(frozen=True, kw_only=True)
class RankCertificate(Certificate):
    """The certificate of a ranking: a recall of at least `recall` at each full score from `most` down to `least`.

    The recall at a score is the share of candidates among the rows whose full score is at least that score. A share `reach` of
    the rows reaches `most`, and a share `share` reaches `least`. When it `extrapolates`, the recall is also assumed for scores
    above `most`. A candidate is a row whose small score is above `limit`. Of the held-out rows, `wanted` reach `least`, and
    `missed` of these are not candidates. `candidates`: the share of all rows that are candidates. `score`: the model's result
    that orders the rows. It is its predictions (`column` -1) or that column of its probabilities of `classes`. Queries for fewer
    than `least_k` rows are not served.
    """

    WHAT, FILE, MODELS = "ranking", RANKING_FILE, "ranking.pkl"

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
        above = [f"assumed, not certified: the same recall above {self.most}"] if self.extrapolates else []
        down = f"down to any score from {self.most} to {self.least}"
        part = f"about the first {self.reach:.4%} to {self.share:.4%} of a table"
        return [
            f"certified: finds {self.recall:.1%} of {self.counted} by {self.score} {down}, {part},"
            f" {self.confidence:.1%} confidence;"
            f" K from {self.least_k} on",
            *above,
            f"evidence: of {self.rows:,} held-out rows, {self.wanted:,} should be found and {self.missed} were missed",
        ]

    def _expected(self) -> list[str]:
        cost = self.small_cost + self.candidates * self.full_cost
        return [
            f"candidates: {self.candidates:.3%} of the rows, {self.candidates / self.share:.1f} for each row of that share",
            self._costs("both by candidates", cost),
        ]


def _tuples(value: Any) -> Any:
    """Converts JSON lists to tuples, recursively."""
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
