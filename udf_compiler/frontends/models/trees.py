"""Translates scikit-learn's trees, forests and gradient boosting to an ensemble's sums and their transforms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.ops import ForestSums
from sparkweld.ir.ops.trees import check_fits
from sparkweld.ir.trees import Forest, TooLarge
from sparkweld.ir.types import F64, I64
from udf_compiler.frontends.models.by_version import uses
from udf_compiler.frontends.models.features import Features, validated
from udf_compiler.frontends.models.forests import of_sklearn
from udf_compiler.frontends.models.labels import apart, keep, labels, largest
from udf_compiler.frontends.models.translator import Translator, method_of
from udf_compiler.frontends.pandas.calls.reductions import argmax
from udf_compiler.frontends.tracing.session import refuse

_TREES = "sklearn.tree._classes."
CLASSIFIERS = (f"{_TREES}DecisionTreeClassifier", f"{_TREES}ExtraTreeClassifier")
REGRESSORS = (f"{_TREES}DecisionTreeRegressor", f"{_TREES}ExtraTreeRegressor")


def sums_of(forest: Forest, columns: Sequence[Value], loop: LoopBuilder, call: str) -> list[Value]:
    """Returns the ensemble's sums of each row. Refuses (SW830) an ensemble too large for a kernel."""
    op = ForestSums.of(forest.of_used(), loop.share)
    try:
        check_fits(op)
    except TooLarge as large:
        refuse("SW830", call=call, what=str(large))
    used = forest.used or (0,)
    arguments = [loop.cast(columns[i], forest.width) for i in used]
    return [loop.emit(op.at(number), *arguments) for number in range(forest.outputs)]


def leaves_of(
    forest: Forest, columns: Sequence[Value], loop: LoopBuilder, call: str, numbers: Sequence[np.ndarray] | None = None
) -> list[Value]:
    """Returns the number of each tree's leaf for a row, as floats. `numbers`: of each tree's nodes; None: the node indices."""
    trees = []
    for at, tree in enumerate(forest.trees):
        own = np.arange(len(tree.hit)) if numbers is None else numbers[at]
        trees.append(replace(tree, values=own.reshape(-1, 1).astype(forest.sums.dtype), first=at))
    start = np.zeros(len(trees), forest.sums.dtype)
    return sums_of(Forest(forest.features, forest.width, forest.sums, start, tuple(trees)), columns, loop, call)


def divided(loop: LoopBuilder, values: Sequence[Value], by: float) -> list[Value]:
    """Returns each value divided by a number."""
    return [loop.call("divide", v, loop.const(by, v.type)) for v in values]


def expit(loop: LoopBuilder, value: Value) -> Value:
    """Returns 1 / (1 + exp(-x))."""
    one = loop.const(1, value.type)
    return loop.call("divide", one, loop.call("add", one, loop.call("exp", loop.call("negative", value))))


def both(loop: LoopBuilder, probability: Value) -> list[Value]:
    """Returns ``[1 - p, p]``."""
    return [loop.call("subtract", loop.const(1, probability.type), probability), probability]


def softmax(loop: LoopBuilder, values: Sequence[Value]) -> list[Value]:
    """Returns ``exp(x - max(x))`` divided by its sum."""
    most = largest(loop, values)
    powers = [loop.call("exp", loop.call("subtract", v, most)) for v in values]
    total = loop.fold("add", powers)
    return [loop.call("divide", p, total) for p in powers]


def logs(made: Features) -> Features:
    """Returns ``np.log`` of an array."""
    return made.array([made.loop.call("log", v) for v in made.values], ndim=made.ndim)


def linked(call: str) -> None:
    """Notes that the result is a function of exp, which the libraries implement themselves."""
    keep("link", "4 ULP of exp, and its propagated error", call)


def qualified(model: Any) -> str:
    """Returns the module and name of a model's class."""
    return f"{type(model).__module__}.{type(model).__qualname__}"


class Averaged(Translator):
    """Translates a tree, or a forest as the mean of its trees."""

    def _checked(self, x: Features, call: str) -> tuple[Features, list[Any]]:
        """Returns (the columns that the trees compare, the trees)."""
        trees = self.fitted("estimators_") if hasattr(self.model, "n_estimators") else [self.model]
        finite = "allow-nan" if not x.sparse and self._supports_missing(trees[0]) else True
        return validated(self.model, x, call, finite, dtype=np.float32, accept_sparse="csr"), trees

    def _supports_missing(self, tree: Any) -> bool:
        """Whether the library accepts NaN; forests of some versions do not, although their trees do."""
        method = type(self.model)._validate_X_predict
        return uses(method, "_support_missing_values") and bool(tree._support_missing_values(np.zeros((1, 1))))

    def apply(self, x: Features) -> Features:
        """Returns the node of each tree's leaf."""
        call, loop = self.call("apply"), x.loop
        checked, trees = self._checked(x, call)
        leaves = leaves_of(of_sklearn.averaged(self.model), checked.values, loop, call)
        alone = trees[0] is self.model
        return checked.array([loop.cast(v, I64) for v in leaves], ndim=1 if alone else 2, order="C" if alone else "F")

    def _means(self, x: Features, method: str) -> tuple[Features, list[Value]]:
        call = self.call(method)
        checked, trees = self._checked(x, call)
        first = trees[0]
        if np.ndim(getattr(first, "n_classes_", 1)) or (hasattr(first, "n_classes_") and first.n_outputs_ > 1):
            refuse("SW831", name=self.name)
        forest = of_sklearn.averaged(self.model)
        if first is not self.model:
            if getattr(self.model, "n_jobs", None) not in (None, 1):
                keep("sum", f"{len(trees)} * eps: its n_jobs threads add trees in any order", call)
            return checked, divided(x.loop, sums_of(forest, checked.values, x.loop, call), len(trees))
        # Starting from -0.0 keeps the sign of a single term that is -0.0.
        alone = Forest(forest.features, forest.width, forest.sums, -forest.start, forest.trees)
        return checked, sums_of(alone, checked.values, x.loop, call)


class TreeRegressor(Averaged):
    """Predicts the mean of the trees' values."""

    def predict(self, x: Features) -> Features:
        checked, means = self._means(x, "predict")
        return checked.array(means, ndim=1 if len(means) == 1 else 2, order="C")


class TreeClassifier(Averaged):
    """Predicts by the mean of the leaves' class fractions."""

    KEPT = ("predict_log_proba",)

    def predict_proba(self, x: Features) -> Features:
        checked, means = self._means(x, "predict_proba")
        return checked.array(means, order="C")

    def predict_log_proba(self, x: Features) -> Features:
        return logs(self.predict_proba(x))

    def predict(self, x: Features) -> Features:
        checked, means = self._means(x, "predict")
        return labels(checked, argmax(x.loop, means), self.fitted("classes_"), self.call("predict"))


class Boosted(Translator):
    """Translates gradient boosting: an initial value, plus learning_rate times each stage's leaf."""

    def _checked(self, x: Features, call: str) -> Features:
        return validated(self.model, x, call, dtype=np.float32, order="C", accept_sparse="csr")

    def apply(self, x: Features) -> Features:
        """Returns the node of each tree's leaf. Refuses (SW840) classifiers, whose result has three dimensions."""
        call, loop = self.call("apply"), x.loop
        if hasattr(self.model, "classes_"):
            refuse("SW840", call=call, option="a classifier, whose result has three dimensions")
        checked = self._checked(x, call)
        leaves = leaves_of(of_sklearn.boosted(self.model, np.zeros(1)), checked.values, loop, call)
        return checked.array([loop.cast(v, F64) for v in leaves], order="C")

    def _sums(self, x: Features, method: str) -> tuple[Features, list[Value]]:
        call = self.call(method)
        init = self.fitted("init_")
        if init != "zero" and qualified(init) not in ("sklearn.dummy.DummyClassifier", "sklearn.dummy.DummyRegressor"):
            refuse("SW832", name=self.name, init=type(init).__name__)
        checked = self._checked(x, call)
        start = self.model._raw_predict_init(np.zeros((1, self.model.n_features_in_), np.float32))
        return checked, sums_of(of_sklearn.boosted(self.model, np.ravel(start)), checked.values, x.loop, call)


class Histogram(Translator):
    """Translates histogram gradient boosting, with the learned direction of NaN and its own encoder for categories."""

    CATEGORIES = True

    def _sums(self, x: Features, method: str) -> tuple[Features, list[Value]]:
        call = self.call(method)
        # Before 1.4, there is no preprocessor: categories are numbers, at their own columns.
        if self.fitted("is_categorical_") is None or not hasattr(type(self.model), "_preprocess_X"):
            checked = validated(self.model, x, call, False, dtype=[np.float64])
        else:  # the preprocessor encodes categories and moves them to the front
            made = method_of(self.part(self.fitted("_preprocessor")), "transform")(x)
            checked = replace(made, columns=tuple(x.loop.cast(v, F64) for v in made.values))
        forest = of_sklearn.histogram(self.model, self.model.n_features_in_)
        return checked, sums_of(forest, checked.values, x.loop, call)


class _Regression(Translator):
    def predict(self, x: Features) -> Features:
        checked, sums = self._sums(x, "predict")  # type: ignore[attr-defined]
        # Before 1.4, GradientBoostingRegressor's losses have no link.
        link = type(self.model._loss.link).__name__ if hasattr(self.model._loss, "link") else "IdentityLink"
        if link == "LogLink":
            linked(self.call("predict"))
            sums = [x.loop.call("exp", v) for v in sums]
        elif link != "IdentityLink":
            refuse("SW832", name=self.name, init=link)
        return checked.array(sums, ndim=1, order="C")


class _Classification(Translator):
    #: The comparison of a sum with 0 that selects class 1.
    positive = "greater"

    def decision_function(self, x: Features) -> Features:
        checked, sums = self._sums(x, "decision_function")  # type: ignore[attr-defined]
        return checked.array(sums, ndim=1 if len(sums) == 1 else 2, order="C")

    def predict_proba(self, x: Features) -> Features:
        checked, sums = self._sums(x, "predict_proba")  # type: ignore[attr-defined]
        loss = type(self.model._loss).__name__
        linked(self.call("predict_proba"))
        if loss == "HalfBinomialLoss":
            return checked.array(both(x.loop, expit(x.loop, sums[0])), order="C")
        if loss != "HalfMultinomialLoss":
            refuse("SW832", name=self.name, init=loss)
        return checked.array(softmax(x.loop, sums), order="C")

    def predict_log_proba(self, x: Features) -> Features:
        return logs(self.predict_proba(x))

    def predict(self, x: Features) -> Features:
        checked, sums = self._sums(x, "predict")  # type: ignore[attr-defined]
        loop, zero = x.loop, x.loop.const(0, F64)
        if uses(type(self.model).predict, "_raw_prediction_to_decision"):
            refuse("SW832", name=self.name, init=type(self.model._loss).__name__)
        near = uses(type(self.model).predict, "predict_proba")  # before 1.4, equal probabilities of different sums
        if len(sums) == 1:
            above = loop.call(self.positive, sums[0], zero)
            if near:
                clear = loop.call("greater", sums[0], loop.const(1e-12, F64))
                loop.guard(loop.call("logical_or", clear, loop.call("less_equal", sums[0], zero)), local=True)
            index = loop.cast(above, I64)
        else:
            index = argmax(loop, sums)
            if near:
                loop.guard(apart(loop, sums, index, 1e-12), local=True)
        return labels(checked, index, self.fitted("classes_"), self.call("predict"))


class GradientBoostingRegressor(Boosted, _Regression):
    """Predicts the sums: all losses have the identity link."""


class GradientBoostingClassifier(Boosted, _Classification):
    """Predicts class 1 for a sum of at least 0."""

    KEPT = ("predict_proba", "predict_log_proba")

    positive = "greater_equal"


class HistGradientBoostingRegressor(Histogram, _Regression):
    """Predicts the sums, or their exp for the poisson and gamma losses."""

    KEPT = ("predict",)


class HistGradientBoostingClassifier(Histogram, _Classification):
    """Predicts class 1 for a sum above 0."""

    KEPT = ("predict_proba", "predict_log_proba")


ESTIMATORS: dict[str, type[Translator]] = {
    **dict.fromkeys(CLASSIFIERS, TreeClassifier),
    **dict.fromkeys(REGRESSORS, TreeRegressor),
    "sklearn.ensemble._forest.RandomForestClassifier": TreeClassifier,
    "sklearn.ensemble._forest.ExtraTreesClassifier": TreeClassifier,
    "sklearn.ensemble._forest.RandomForestRegressor": TreeRegressor,
    "sklearn.ensemble._forest.ExtraTreesRegressor": TreeRegressor,
    "sklearn.ensemble._gb.GradientBoostingRegressor": GradientBoostingRegressor,
    "sklearn.ensemble._gb.GradientBoostingClassifier": GradientBoostingClassifier,
    "sklearn.ensemble._hist_gradient_boosting.gradient_boosting.HistGradientBoostingRegressor": HistGradientBoostingRegressor,
    "sklearn.ensemble._hist_gradient_boosting.gradient_boosting.HistGradientBoostingClassifier": HistGradientBoostingClassifier,
}
