"""Translates scikit-learn's linear models: a weighted sum of the features, and each model's use of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from sparkweld.ir import Value
from sparkweld.ir.types import I32, I64
from udf_compiler.frontends.models.by_version import mentions, uses
from udf_compiler.frontends.models.features import FLOATS, Features, validated
from udf_compiler.frontends.models.labels import keep, labels, largest
from udf_compiler.frontends.models.projections import discriminants
from udf_compiler.frontends.models.sums import Scores, scores
from udf_compiler.frontends.models.translator import Translator
from udf_compiler.frontends.pandas.calls.reductions import pairwise_sum
from udf_compiler.frontends.tracing.session import refuse


class Linear(Translator):
    """The base of models with `coef_` and `intercept_`."""

    def _scores(self, x: Features, method: str) -> Scores:
        call = self.call(method)
        coefficients = self._dense("coef_", call)
        weights = np.atleast_2d(coefficients)
        intercept = self.fitted("intercept_")
        if np.result_type(weights.dtype, intercept) != weights.dtype:  # sum and intercept would have different widths
            refuse("SW814", name=self.name, attribute="intercept_", type=f"{np.asarray(intercept).dtype}")
        offsets = np.broadcast_to(np.asarray(intercept, weights.dtype), len(weights))
        dtype = FLOATS if isinstance(self, GeneralizedLinearRegressor) else "numeric"
        checked = validated(self.model, x, call, accept_sparse=["csr", "csc", "coo"], dtype=dtype)
        return scores(checked, weights.T, offsets, call)

    def _dense(self, attribute: str, call: str) -> np.ndarray:
        """Returns a dense array of floats. Refuses (SW814) a sparse matrix, which `sparsify` creates."""
        array = self.fitted(attribute)
        if type(array) is not np.ndarray or array.dtype.kind != "f":
            refuse("SW814", name=self.name, attribute=attribute, type=type(array).__name__)
        return array


class LinearRegressor(Linear):
    """Translates LinearModel.predict: ``X @ coef_ + intercept_``."""

    KEPT = ("predict",)

    def predict(self, x: Features) -> Features:
        made = self._scores(x, "predict")
        made.kept(self.call("predict"))
        return made.x.array(made.values, ndim=np.ndim(self.model.coef_), order=None, kept=True)


class LinearClassifier(Linear):
    """Translates LinearClassifierMixin: the label of the largest score; class 1 where a single score is above 0."""

    KEPT: ClassVar[tuple[str, ...]] = ("decision_function", "predict_proba", "predict_log_proba")

    def decision_function(self, x: Features) -> Features:
        made = self._scores(x, "decision_function")
        made.kept(self.call("decision_function"))
        return made.x.array(made.values, ndim=2 if len(made.values) > 1 else 1, order="C", kept=True)

    def _separate(self, made: Scores) -> Features:
        """Computes ``_predict_proba_lr``: expit of each score; for several, divided by their sum."""
        if len(made.values) == 1:
            return binary_probabilities(made)
        values = [expit(made.x, v) for v in made.values]
        zeros = uses(type(self.model)._predict_proba_lr, "any")
        return made.x.array((normalised if zeros else of_the_sum)(made.x, values), order="C", kept=True)

    def predict(self, x: Features) -> Features:
        binarizer = getattr(self.model, "_label_binarizer", None)
        if binarizer is not None and binarizer.y_type_.startswith("multilabel"):
            refuse("SW813", call=self.call("predict"), type="several at once")
        made = self._scores(x, "predict")
        made.label_of(self.call("predict"))
        loop = made.x.loop
        index = loop.cast(made.positive(), I64) if len(made.values) == 1 else made.largest()
        return labels(made.x, index, self.fitted("classes_"), self.call("predict"))


class LogisticRegression(LinearClassifier):
    """Computes probabilities by expit for two classes, by softmax for more; versions with `multi_class` let it decide."""

    def predict_proba(self, x: Features) -> Features:
        made = self._scores(x, "predict_proba")
        made.kept(self.call("predict_proba"))
        if self._one_against_rest():
            return self._separate(made)
        loop, values = made.x.loop, made.values
        if len(values) == 1:
            values = (loop.call("negative", values[0]), values[0])
        return made.x.array(softmax(made.x, values), order="C", kept=True)

    def _one_against_rest(self) -> bool:
        """Whether each class has a probability of its own, which the sum of all divides."""
        model, few = self.model, len(self.fitted("classes_")) <= 2
        method = type(model).predict_proba
        if not uses(method, "multi_class"):
            return few
        how = model.multi_class
        alone = model.solver == "liblinear" or (model.solver == "newton-cholesky" and mentions(method, model.solver))
        return how in ("ovr", "warn") or (how in ("auto", "deprecated") and (few or alone))

    def predict_log_proba(self, x: Features) -> Features:
        made = self.predict_proba(x)
        return made.array([made.loop.call("log", v) for v in made.values])


class LinearDiscriminantAnalysis(LogisticRegression):
    """A LogisticRegression whose log probabilities replace 0 with the smallest normal float, and whose `transform` projects."""

    KEPT = (*LogisticRegression.KEPT, "transform")

    def _one_against_rest(self) -> bool:
        return len(self.fitted("classes_")) <= 2

    def transform(self, x: Features) -> Features:
        return discriminants(self, x)

    def predict_log_proba(self, x: Features) -> Features:
        made = self.predict_proba(x)
        loop, type = made.loop, made.types[0]
        least = loop.const(np.finfo(type.dtype).smallest_normal, type)
        zero = loop.const(0, type)
        raised = [loop.select(loop.call("equal", v, zero), least, v) for v in made.values]
        return made.array([loop.call("log", v) for v in raised])


class SGDClassifier(LinearClassifier):
    """Computes probabilities of log_loss and modified_huber; those of several classes are normalised."""

    def predict_log_proba(self, x: Features) -> Features:
        made = self.predict_proba(x)
        return made.array([made.loop.call("log", v) for v in made.values])

    def predict_proba(self, x: Features) -> Features:
        made = self._scores(x, "predict_proba")
        made.kept(self.call("predict_proba"))
        loop, type = made.x.loop, made.type
        if self.model.loss == "log_loss":
            return self._separate(made)
        halves = []
        for value in made.values:
            low = loop.call("maximum", value, loop.const(-1, type))
            raised = loop.call("add", loop.call("minimum", low, loop.const(1, type)), loop.const(1, type))
            halves.append(loop.call("divide", raised, loop.const(2, type)))
        if len(halves) == 1:
            return made.x.array([loop.call("subtract", loop.const(1, type), halves[0]), halves[0]], order="C", kept=True)
        return made.x.array(normalised(made.x, halves), order="C", kept=True)


class OneClassLinear(Linear):
    """Translates SGDOneClassSVM: 1 for inliers, whose score is at least 0, else -1."""

    KEPT = ("decision_function", "score_samples")

    def _scores(self, x: Features, method: str) -> Scores:
        call, weights = self.call(method), np.atleast_2d(self._dense("coef_", self.call(method)))
        checked = validated(self.model, x, call, accept_sparse="csr")
        return scores(checked, weights.T, -np.ravel(self.fitted("offset_")), call)

    def decision_function(self, x: Features) -> Features:
        made = self._scores(x, "decision_function")
        made.kept(self.call("decision_function"))
        return made.x.array(made.values, ndim=1, order="C", kept=True)

    def score_samples(self, x: Features) -> Features:
        made = self.decision_function(x)
        offset = made.loop.const(float(np.ravel(self.fitted("offset_"))[0]), made.values[0].type)
        return made.array([made.loop.call("add", made.values[0], offset)], ndim=1)

    def predict(self, x: Features) -> Features:
        made = self._scores(x, "predict")
        made.label_of(self.call("predict"))
        loop = made.x.loop
        inlier = made.positive("greater_equal")
        return made.x.array([loop.select(inlier, loop.const(1, I32), loop.const(-1, I32))], ndim=1)


class GeneralizedLinearRegressor(LinearRegressor):
    """Applies the inverse link to a linear predictor: the identity, or exp."""

    def predict(self, x: Features) -> Features:
        made = super().predict(x)
        link = type(self.fitted("_base_loss").link).__name__
        if link == "IdentityLink":
            return made
        if link != "LogLink":
            refuse("SW814", name=self.name, attribute="link", type=link)
        return made.array([made.loop.call("exp", v) for v in made.values], ndim=made.ndim, kept=True)


def normalised(x: Features, values: list[Value]) -> list[Value]:
    """Returns each value divided by the sum of all; where the sum is 0, all results are equal."""
    loop, type = x.loop, values[0].type
    total = loop.call("add", loop.const(0, type), pairwise_sum(loop, values))
    none = loop.call("equal", total, loop.const(0, type))
    total = loop.select(none, loop.const(len(values), type), total)
    return [loop.call("divide", loop.select(none, loop.const(1, type), v), total) for v in values]


def of_the_sum(x: Features, values: list[Value]) -> list[Value]:
    """Returns each value divided by the sum of all; NaN where the sum is 0."""
    total = x.loop.call("add", x.loop.const(0, values[0].type), pairwise_sum(x.loop, values))
    return [x.loop.call("divide", v, total) for v in values]


def binary_probabilities(made: Scores) -> Features:
    """Returns ``[1 - p, p]``, where p is scipy.special.expit of the score."""
    loop = made.x.loop
    prob = expit(made.x, made.values[0])
    return made.x.array([loop.call("subtract", loop.const(1, made.type), prob), prob], order="C", kept=True)


def expit(x: Features, value: Value) -> Value:
    """Computes scipy.special.expit: 1 / (1 + exp(-x)) (xsf/log_exp.h)."""
    keep("expit", "4 ULP of the exponential", "expit")  # SciPy uses the exp of the C library
    loop, one = x.loop, x.loop.const(1, value.type)
    return loop.call("divide", one, loop.call("add", one, loop.call("exp", loop.call("negative", value))))


def softmax(x: Features, values: Sequence[Value]) -> list[Value]:
    """Computes sklearn.utils.extmath.softmax of a C-ordered array."""
    keep("softmax", f"{len(values)} eps and 4 ULP of the exponentials", "softmax")
    loop, most = x.loop, largest(x.loop, values)
    powers = [loop.call("exp", loop.call("subtract", v, most)) for v in values]
    total = loop.call("add", loop.const(0, most.type), pairwise_sum(loop, powers))
    return [loop.call("divide", p, total) for p in powers]


_LINEAR = "sklearn.linear_model"
_REGRESSORS = {
    "_base": "LinearRegression",
    "_ridge": "Ridge RidgeCV",
    "_coordinate_descent": """Lasso LassoCV ElasticNet ElasticNetCV MultiTaskLasso MultiTaskElasticNet MultiTaskLassoCV
    MultiTaskElasticNetCV""",
    "_least_angle": "Lars LarsCV LassoLars LassoLarsCV LassoLarsIC",
    "_omp": "OrthogonalMatchingPursuit OrthogonalMatchingPursuitCV",
    "_bayes": "BayesianRidge ARDRegression",
    "_huber": "HuberRegressor",
    "_theil_sen": "TheilSenRegressor",
    "_quantile": "QuantileRegressor",
    "_stochastic_gradient": "SGDRegressor",
    "_passive_aggressive": "PassiveAggressiveRegressor",
}
_CLASSIFIERS = {
    f"{_LINEAR}._ridge.RidgeClassifier": LinearClassifier,
    f"{_LINEAR}._ridge.RidgeClassifierCV": LinearClassifier,
    f"{_LINEAR}._perceptron.Perceptron": LinearClassifier,
    f"{_LINEAR}._passive_aggressive.PassiveAggressiveClassifier": LinearClassifier,
    f"{_LINEAR}._stochastic_gradient.SGDClassifier": SGDClassifier,
    f"{_LINEAR}._stochastic_gradient.SGDOneClassSVM": OneClassLinear,
    f"{_LINEAR}._logistic.LogisticRegression": LogisticRegression,
    f"{_LINEAR}._logistic.LogisticRegressionCV": LogisticRegression,
    "sklearn.svm._classes.LinearSVC": LinearClassifier,
    "sklearn.discriminant_analysis.LinearDiscriminantAnalysis": LinearDiscriminantAnalysis,
}

ESTIMATORS: dict[str, type[Translator]] = {
    **{f"{_LINEAR}.{module}.{name}": LinearRegressor for module, names in _REGRESSORS.items() for name in names.split()},
    "sklearn.svm._classes.LinearSVR": LinearRegressor,
    **{f"{_LINEAR}._glm.glm.{name}Regressor": GeneralizedLinearRegressor for name in ("Poisson", "Gamma", "Tweedie")},
    **_CLASSIFIERS,
}
