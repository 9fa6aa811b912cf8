"""scikit-learn's linear models: a weighted sum of the features, and what each makes of it."""

from __future__ import annotations

import numpy as np

from sparkweld.ir import Value
from sparkweld.ir.types import I64
from udf_compiler.calls.reductions import pairwise_sum
from udf_compiler.models.features import Features, validated
from udf_compiler.models.sums import Scores, scores
from udf_compiler.models.translator import Translator, labels
from udf_compiler.trace.session import refuse


class Linear(Translator):
    """What has `coef_` and `intercept_`."""

    def _scores(self, x: Features, method: str) -> Scores:
        call = self.call(method)
        coefficients = self._dense("coef_", call)
        weights = np.atleast_2d(coefficients)
        intercept = self.fitted("intercept_")
        if np.result_type(weights.dtype, intercept) != weights.dtype:  # the sum would be added up in one width, this in another
            refuse("SW814", name=self.name, attribute="intercept_", type=f"{np.asarray(intercept).dtype}")
        offsets = np.broadcast_to(np.asarray(intercept, weights.dtype), len(weights))
        checked = validated(self.model, x, call, accept_sparse=["csr", "csc", "coo"])
        return scores(checked, weights.T, offsets, call)

    def _dense(self, attribute: str, call: str) -> np.ndarray:
        """A dense array of floats. Refuses (SW814) a sparse matrix, as `sparsify` makes it."""
        array = self.fitted(attribute)
        if type(array) is not np.ndarray or array.dtype.kind != "f":
            refuse("SW814", name=self.name, attribute=attribute, type=type(array).__name__)
        return array


class LinearRegressor(Linear):
    """LinearModel.predict: ``X @ coef_ + intercept_``."""

    def predict(self, x: Features) -> Features:
        made = self._scores(x, "predict")
        made.kept(self.call("predict"))
        return made.x.array(made.values, ndim=np.ndim(self.model.coef_), order=None)


class LinearClassifier(Linear):
    """LinearClassifierMixin: the label of the largest score, of class 1 where the only score is above 0."""

    def decision_function(self, x: Features) -> Features:
        made = self._scores(x, "decision_function")
        made.kept(self.call("decision_function"))
        return made.x.array(made.values, ndim=2 if len(made.values) > 1 else 1, order="C")

    def predict(self, x: Features) -> Features:
        made = self._scores(x, "predict")
        made.label_of(self.call("predict"))
        loop = made.x.loop
        index = loop.cast(made.positive(), I64) if len(made.values) == 1 else made.largest()
        return labels(made.x, index, self.fitted("classes_"), self.call("predict"))


class LogisticRegression(LinearClassifier):
    """Probabilities by expit for two classes, by softmax for more."""

    def predict_proba(self, x: Features) -> Features:
        made = self._scores(x, "predict_proba")
        made.kept(self.call("predict_proba"))
        if len(self.fitted("classes_")) <= 2:
            return binary_probabilities(made)
        return made.x.array(softmax(made), order="C")

    def predict_log_proba(self, x: Features) -> Features:
        made = self.predict_proba(x)
        return made.array([made.loop.call("log", v) for v in made.values])


def binary_probabilities(made: Scores) -> Features:
    """``[1 - p, p]``, where p is scipy.special.expit of the score."""
    loop = made.x.loop
    prob = expit(made, made.values[0])
    return made.x.array([loop.call("subtract", loop.const(1, made.type), prob), prob], order="C")


def expit(made: Scores, value: Value) -> Value:
    """scipy.special.expit: 1 / (1 + exp(-x)) (xsf/log_exp.h)."""
    loop, one = made.x.loop, made.x.loop.const(1, made.type)
    return loop.call("divide", one, loop.call("add", one, loop.call("exp", loop.call("negative", value))))


def softmax(made: Scores) -> list[Value]:
    """sklearn.utils.extmath.softmax of a C-ordered array."""
    loop, largest = made.x.loop, made.values[0]
    for value in made.values[1:]:
        largest = loop.call("maximum", largest, value)
    powers = [loop.call("exp", loop.call("subtract", v, largest)) for v in made.values]
    total = loop.call("add", loop.const(0, made.type), pairwise_sum(loop, powers))
    return [loop.call("divide", p, total) for p in powers]


ESTIMATORS: dict[str, type[Translator]] = {
    "sklearn.linear_model._base.LinearRegression": LinearRegressor,
    "sklearn.linear_model._logistic.LogisticRegression": LogisticRegression,
    "sklearn.linear_model._ridge.Ridge": LinearRegressor,
}

