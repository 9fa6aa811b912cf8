"""Translates scikit-learn's quadratic discriminants and Gaussian mixtures to squared norms of rotated rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sparkweld.ir import Value
from sparkweld.ir.ops import Mlp
from sparkweld.ir.types import F64, I64
from udf_compiler.frontends.models.bayes import log_sum_exp
from udf_compiler.frontends.models.by_version import uses
from udf_compiler.frontends.models.features import Features, validated
from udf_compiler.frontends.models.labels import all_of, keep, labels, largest
from udf_compiler.frontends.models.linear import of_the_sum
from udf_compiler.frontends.models.sums import clear_argmax
from udf_compiler.frontends.models.translator import Translator
from udf_compiler.frontends.pandas.calls.reductions import pairwise_sum
from udf_compiler.frontends.tracing.session import check_size, current, refuse

_EPS = float(np.finfo(np.float64).eps)
_BOUND = "(features + 6) * eps * (sum(|x|) + sum(|mean|))**2 * the largest squared weights, absolute in the log likelihood"


def squared_norm(x: Features, mean: np.ndarray, matrix: np.ndarray) -> tuple[Value, Value]:
    """Returns ``|(x - mean) @ matrix|**2`` and a bound on its difference from the library's; a vector is a diagonal matrix.

    The bound holds for any order of additions. Let s be the sum of all |x| and |mean|, and p_j the largest weight of column j.
    Then |y_j| <= s * p_j, and two sums of y_j differ by at most e_j = 2 * (n + 4) * eps * s * p_j. So the squares differ by
    2 * |y_j| * e_j, and their sum by a little more.
    """
    loop = x.loop
    off = [loop.call("subtract", v, loop.const(float(m), F64)) for v, m in zip(x.values, mean, strict=True)]
    if matrix.ndim == 1:
        rotated = [loop.call("multiply", v, loop.const(float(p), F64)) for v, p in zip(off, matrix, strict=True)]
        most = np.abs(matrix)
    else:
        op = Mlp.of([matrix], [np.zeros(matrix.shape[1])], guarded=current().exact)
        rotated = [loop.emit(op.at(j), *off) for j in range(matrix.shape[1])]
        most = np.abs(matrix).max(axis=0)
    size = pairwise_sum(loop, [loop.call("absolute", v) for v in x.values])
    size = loop.call("add", size, loop.const(float(np.abs(mean).sum()), F64))
    factor = (6 * (len(mean) + 6) + len(rotated)) * _EPS * float((most**2).sum())
    error = loop.call("multiply", loop.call("square", size), loop.const(factor, F64))
    check_size(loop)
    return pairwise_sum(loop, [loop.call("square", v) for v in rotated]), error


class Gaussians(Translator):
    """A base of models with one Gaussian per class; `_scores` returns the log likelihoods and bounds on their errors."""

    def _scores(self, x: Features, call: str) -> tuple[list[Value], list[Value]]:
        raise NotImplementedError

    def _checked(self, x: Features, call: str) -> Features:
        made = validated(self.model, x, call)
        if any(t.is_float and t != F64 for t in made.types):
            refuse("SW814", name=self.name, attribute="input", type="float32")
        return made.array([made.loop.cast(v, F64) for v in made.values])

    def _of_norms(self, x: Features, parts: Sequence[tuple[np.ndarray, np.ndarray]], fixed: np.ndarray) -> tuple[Any, Any]:
        """Returns ``fixed - norm / 2`` of each (mean, matrix), and error bounds."""
        loop, half = x.loop, x.loop.const(0.5, F64)
        values, errors = [], []
        for (mean, matrix), number in zip(parts, fixed, strict=True):
            norm, error = squared_norm(x, mean, matrix)
            values.append(loop.call("subtract", loop.const(float(number), F64), loop.call("multiply", half, norm)))
            errors.append(loop.call("add", error, loop.const(64 * _EPS * (1 + abs(float(number))), F64)))
        return values, errors

    def _index(self, x: Features, call: str) -> Value:
        if x.kept:
            keep("label", "rows whose best scores differ by less than the error of the features", call)
        values, errors = self._scores(x, call)
        return clear_argmax(x.loop, values, errors)

    def _kept(self, x: Features, method: str) -> list[Value]:
        call = self.call(method)
        keep("log likelihood", _BOUND, call)
        values = self._scores(x, call)[0]
        # Beyond the largest float, the library returns infinities of its own.
        x.loop.guard(all_of(x.loop, [x.loop.call("isfinite", v) for v in values]), local=True)
        return values


class QuadraticDiscriminantAnalysis(Gaussians):
    """Scores by ``-(|(x - mean) @ rotation / sqrt(scaling)|**2 + sum(log(scaling))) / 2 + log(prior)``."""

    KEPT = ("predict_proba", "predict_log_proba", "decision_function")

    def _scores(self, x: Features, call: str) -> tuple[list[Value], list[Value]]:
        rotations, scalings = self.fitted("rotations_"), self.fitted("scalings_")
        parts = [(m, r * s ** (-0.5)) for m, r, s in zip(self.fitted("means_"), rotations, scalings, strict=True)]
        fixed = np.log(self.fitted("priors_")) - 0.5 * np.array([np.log(s).sum() for s in scalings])
        return self._of_norms(self._checked(x, call), parts, fixed)  # type: ignore[no-any-return]

    def predict(self, x: Features) -> Features:
        call = self.call("predict")
        return labels(x, self._index(x, call), self.fitted("classes_"), call)

    def decision_function(self, x: Features) -> Features:
        values = self._kept(x, "decision_function")
        if len(values) == 2:
            return Features(x.loop, (x.loop.call("subtract", values[1], values[0]),), ndim=1, kept=True)
        return Features(x.loop, tuple(values), kept=True)

    def predict_log_proba(self, x: Features) -> Features:
        loop, values = x.loop, self._kept(x, "predict_log_proba")
        most = largest(loop, values)
        off = [loop.call("subtract", v, most) for v in values]
        powers = [loop.call("exp", v) for v in off]
        if self._of_probabilities():
            logs = [loop.call("log", v) for v in of_the_sum(x, powers)]
        else:
            total = loop.call("log", pairwise_sum(loop, powers))
            logs = [loop.call("subtract", v, total) for v in off]
        return Features(loop, tuple(logs), kept=True)

    def _of_probabilities(self) -> bool:
        """Whether log probabilities are logarithms of probabilities, which is the reverse from 1.6 on."""
        return uses(type(self.model).predict_log_proba, "predict_proba")

    def predict_proba(self, x: Features) -> Features:
        if self._of_probabilities():
            values = self._kept(x, "predict_proba")
            most = largest(x.loop, values)
            powers = [x.loop.call("exp", x.loop.call("subtract", v, most)) for v in values]
            return Features(x.loop, tuple(of_the_sum(x, powers)), kept=True)
        made = self.predict_log_proba(x)
        return made.array([made.loop.call("exp", v) for v in made.values])


class GaussianMixture(Gaussians):
    """Scores by each component's log density plus its log weight; supports all covariance types."""

    KEPT = ("predict_proba", "score_samples")

    def _scores(self, x: Features, call: str) -> tuple[list[Value], list[Value]]:
        model, means, chol = self.model, self.fitted("means_"), self.fitted("precisions_cholesky_")
        count, width = means.shape
        kind = model.covariance_type
        matrices = {
            "full": lambda: list(chol),
            "tied": lambda: [chol] * count,
            "diag": lambda: list(chol),
            "spherical": lambda: [np.full(width, p) for p in chol],
        }[kind]()
        logs = [float(np.log(np.diag(m) if m.ndim == 2 else m).sum()) for m in matrices]
        fixed = -0.5 * width * np.log(2 * np.pi) + np.array(logs) + np.log(self.fitted("weights_"))
        return self._of_norms(self._checked(x, call), list(zip(means, matrices, strict=True)), fixed)  # type: ignore[no-any-return]

    def predict(self, x: Features) -> Features:
        return Features(x.loop, (x.loop.cast(self._index(x, self.call("predict")), I64),), ndim=1)

    def score_samples(self, x: Features) -> Features:
        return Features(x.loop, (log_sum_exp(x, self._kept(x, "score_samples")),), ndim=1, kept=True)

    def predict_proba(self, x: Features) -> Features:
        loop, values = x.loop, self._kept(x, "predict_proba")
        total = log_sum_exp(x, values)
        return Features(loop, tuple(loop.call("exp", loop.call("subtract", v, total)) for v in values), kept=True)


ESTIMATORS: dict[str, type[Translator]] = {
    "sklearn.discriminant_analysis.QuadraticDiscriminantAnalysis": QuadraticDiscriminantAnalysis,
    "sklearn.mixture._gaussian_mixture.GaussianMixture": GaussianMixture,
}
