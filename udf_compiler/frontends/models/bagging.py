"""Translates scikit-learn's ensembles of arbitrary estimators: bagging, and boosting by weighted votes or medians."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.ops import WeightedMedian
from sparkweld.ir.types import BOOL, F32, F64, I64, STR
from udf_compiler.frontends.models.by_version import uses
from udf_compiler.frontends.models.ensemble import nearest_label
from udf_compiler.frontends.models.features import Features, guard_finite, validated
from udf_compiler.frontends.models.forests import of_sklearn
from udf_compiler.frontends.models.labels import keep, labels
from udf_compiler.frontends.models.translator import Translator, method_of
from udf_compiler.frontends.models.trees import CLASSIFIERS, REGRESSORS, divided, linked, logs, qualified, softmax, sums_of
from udf_compiler.frontends.pandas.calls.reductions import argmax
from udf_compiler.frontends.tracing.session import check_size, refuse


def as_float32(checked: Features, trees: Sequence[Any]) -> list[Value]:
    """Returns the columns as trees compare them; rows with values for which they raise are guarded."""
    columns = [checked.loop.cast(v, F32) for v in checked.values]
    guard_finite(checked.loop, columns, allow_nan=all(t._support_missing_values(np.zeros((1, 1))) for t in trees))
    return columns


def are_trees(estimators: Sequence[Any], kinds: tuple[str, ...]) -> bool:
    """Whether all are scikit-learn trees with one output."""
    return all(qualified(t) in kinds and t.n_outputs_ == 1 for t in estimators)


class Boosting(Translator):
    """The base of AdaBoost's classes."""

    def _checked(self, x: Features, call: str) -> Features:
        options = {"accept_sparse": ["csr", "csc"], "ensure_2d": True, "allow_nd": True, "dtype": None}
        checked = validated(self.model, x, call, True, **options)
        if checked.sparse:
            refuse("SW821", call=call)
        return checked


class AdaBoostClassifier(Boosting):
    """Translates SAMME's votes: an estimator adds its weight to its label, and ``-1 / (classes - 1)`` of it to the others."""

    KEPT = ("predict_proba", "predict_log_proba")

    def _votes(self, x: Features, method: str) -> tuple[Features, list[Value]]:
        call, estimators = self.call(method), self.fitted("estimators_")
        classes, weights = self.fitted("classes_"), self.model.estimator_weights_
        if uses(type(self.model).decision_function, "_samme_proba") and self.model.algorithm == "SAMME.R":
            refuse("SW814", name=self.name, attribute="algorithm", type="SAMME.R")
        if len(classes) < 2:
            refuse("SW834", name=self.name, part="single class")
        checked, loop = self._checked(x, call), x.loop
        if are_trees(estimators, CLASSIFIERS):
            made = [
                of_sklearn.plain_tree(tree.tree_, _vote(tree, classes, weight))
                for tree, weight in zip(estimators, weights, strict=False)
            ]
            forest = of_sklearn.forest_of(made, self.model.n_features_in_, np.zeros(len(classes)))
            sums = sums_of(forest, as_float32(checked, estimators), loop, call)
        else:
            sums = self._of_any(checked, estimators, weights, classes)
        votes = divided(loop, sums, float(weights.sum()))
        if len(classes) == 2:
            return checked, [loop.call("add", loop.call("multiply", votes[0], loop.const(-1, F64)), votes[1])]
        return checked, votes

    def _of_any(self, x: Features, estimators: Sequence[Any], weights: np.ndarray, classes: np.ndarray) -> list[Value]:
        loop = x.loop
        sums = [loop.const(0.0, F64)] * len(classes)
        for estimator, weight in zip(estimators, weights, strict=False):
            label = method_of(self.part(estimator), "predict")(replace(x, names=None)).values[0]
            own, other = loop.const(float(weight), F64), loop.const(float(-1 / (len(classes) - 1) * weight), F64)
            for at, one in enumerate(classes):
                mine = loop.call("equal", *_comparable(loop, label, one))
                sums[at] = loop.call("add", sums[at], loop.select(mine, own, other))
        check_size(loop)
        return sums

    def decision_function(self, x: Features) -> Features:
        checked, votes = self._votes(x, "decision_function")
        return checked.array(votes, ndim=1 if len(votes) == 1 else 2, order="C")

    def predict_proba(self, x: Features) -> Features:
        checked, votes = self._votes(x, "predict_proba")
        linked(self.call("predict_proba"))
        loop = x.loop
        if len(votes) == 1:
            votes = divided(loop, [loop.call("negative", votes[0]), votes[0]], 2)
        else:
            votes = divided(loop, votes, len(votes) - 1)
        return checked.array(softmax(loop, votes), order="C")

    def predict_log_proba(self, x: Features) -> Features:
        return logs(self.predict_proba(x))

    def predict(self, x: Features) -> Features:
        checked, votes = self._votes(x, "predict")
        loop = x.loop
        if len(votes) == 1:
            index = loop.cast(loop.call("greater", votes[0], loop.const(0, F64)), I64)
        else:
            index = argmax(loop, votes)
        return labels(checked, index, self.fitted("classes_"), self.call("predict"))


def _vote(tree: Any, classes: np.ndarray, weight: float) -> np.ndarray:
    """Returns the weight that a node's label adds to each class, [nodes, classes]."""
    label = tree.classes_.take(np.argmax(tree.tree_.value[:, 0, :], axis=1))
    return np.where(label[:, None] == classes[None, :], weight, -1 / (len(classes) - 1) * weight)


def _comparable(loop: LoopBuilder, label: Value, one: Any) -> tuple[Value, Value]:
    """Returns a label and a class as values of one type."""
    if label.type.plain() == STR:
        return label, loop.const(str(one), STR)
    type = I64 if label.type.is_int or label.type == BOOL else label.type
    return loop.cast(label, type), loop.const(one, type)


class AdaBoostRegressor(Boosting):
    """Predicts the weighted median of the estimators' predictions."""

    def predict(self, x: Features) -> Features:
        call, loop, estimators = self.call("predict"), x.loop, self.fitted("estimators_")
        checked, kept = self._checked(x, call), False
        if are_trees(estimators, REGRESSORS):
            trees = [of_sklearn.plain_tree(t.tree_, t.tree_.value[:, 0, :1], at) for at, t in enumerate(estimators)]
            forest = of_sklearn.forest_of(trees, self.model.n_features_in_, np.full(len(trees), -0.0))
            values = sums_of(forest, as_float32(checked, estimators), loop, call)
        else:
            parts = [method_of(self.part(e), "predict")(replace(checked, names=None)) for e in estimators]
            values, kept = [p.values[0] for p in parts], any(p.kept for p in parts)
            if len({v.type for v in values}) != 1:
                refuse("SW834", name=self.name, part="mixture of result types")
        op = WeightedMedian.of(np.asarray(self.fitted("estimator_weights_"))[: len(values)])
        wide = [loop.cast(v, F64) for v in values]
        median, unclear = (loop.emit(op.at(k), *wide) for k in (0, 1))
        loop.guard(loop.call("equal", unclear, loop.const(0.0, F64)), local=True)
        return checked.array([loop.cast(median, values[0].type)], ndim=1, order="C", kept=checked.kept or kept)


class Bagged(Translator):
    """Translates bagging, where each estimator has its own subset of features."""

    kinds: tuple[str, ...] = ()

    def _mean(self, x: Features, method: str, count: int) -> tuple[Features, list[Value], bool]:
        """Returns (the validated features, the mean of the estimators' results, whether it is approximate)."""
        call, estimators = self.call(method), self.fitted("estimators_")
        checked = validated(self.model, x, call, False, accept_sparse=["csr", "csc"], dtype=None)
        if checked.sparse:
            refuse("SW821", call=call)
        if self.model.n_jobs not in (None, 1):
            keep("sum", f"{len(estimators)} * eps: its n_jobs processes add estimators in groups", call)
        if are_trees(estimators, self.kinds) and method != "decision_function":
            sums, kept = self._of_trees(checked, estimators, count, call), checked.kept
        else:
            sums, kept = self._of_any(checked, estimators, count, method)
        return checked, divided(x.loop, sums, len(estimators)), kept

    def _of_trees(self, x: Features, trees: Sequence[Any], count: int, call: str) -> list[Value]:
        columns = as_float32(x, trees)
        made = [
            of_sklearn.plain_tree(tree.tree_, _spread(tree, count), features=features)
            for tree, features in zip(trees, self.fitted("estimators_features_"), strict=True)
        ]
        forest = of_sklearn.forest_of(made, self.model.n_features_in_, np.zeros(count))
        return sums_of(forest, columns, x.loop, call)

    def _of_any(self, x: Features, estimators: Sequence[Any], count: int, method: str) -> tuple[list[Value], bool]:
        loop, kept = x.loop, x.kept
        sums = [loop.const(0.0, F64)] * count
        for estimator, features in zip(estimators, self.fitted("estimators_features_"), strict=True):
            own = replace(x.chosen([int(f) for f in features]), names=None)
            votes = method == "predict_proba" and not hasattr(estimator, method)
            made = method_of(self.part(estimator), "predict" if votes else method)(own)
            kept = kept or made.kept
            if votes:
                label = loop.cast(made.values[0], I64)
                ones = [loop.cast(loop.call("equal", label, loop.const(c, I64)), F64) for c in range(count)]
                places = range(count)
            else:
                ones = [loop.cast(v, F64) for v in made.values]
                places = range(count) if len(ones) == count else [int(c) for c in estimator.classes_]  # type: ignore[assignment]
            for place, value in zip(places, ones, strict=True):
                sums[place] = loop.call("add", sums[place], value)
        check_size(loop)
        return sums, kept


def _spread(tree: Any, classes: int) -> np.ndarray:
    """Returns a tree's fractions at the ensemble's classes, [nodes, classes]; the tree's classes are their indices."""
    values = of_sklearn.class_fractions(tree)
    if not hasattr(tree, "classes_"):
        return values[:, :1]
    spread = np.zeros((len(values), classes))
    spread[:, tree.classes_] = values
    return spread


class BaggingRegressor(Bagged):
    """Predicts the mean of the estimators' predictions."""

    kinds = REGRESSORS

    def predict(self, x: Features) -> Features:
        if any(getattr(e, "n_outputs_", 1) != 1 for e in self.fitted("estimators_")):
            refuse("SW813", call=self.call("predict"), type="several at once")
        checked, means, kept = self._mean(x, "predict", 1)
        return checked.array(means, ndim=1, order="C", kept=kept)


class BaggingClassifier(Bagged):
    """Predicts by the mean of the estimators' probabilities, or of their votes."""

    kinds = CLASSIFIERS

    def predict_proba(self, x: Features) -> Features:
        checked, means, kept = self._mean(x, "predict_proba", len(self.fitted("classes_")))
        return checked.array(means, order="C", kept=kept)

    def decision_function(self, x: Features) -> Features:
        count = len(self.fitted("classes_"))
        if any(len(e.classes_) != count for e in self.fitted("estimators_")):
            refuse("SW834", name=self.name, part="estimator of fewer classes")
        checked, means, kept = self._mean(x, "decision_function", 1 if count == 2 else count)
        return checked.array(means, ndim=1 if count == 2 else 2, order="C", kept=kept)

    def predict(self, x: Features) -> Features:
        checked, means, kept = self._mean(x, "predict_proba", len(self.fitted("classes_")))
        made = checked.array(means, order="C", kept=kept)
        return nearest_label(self, made, means, self.fitted("classes_"))


ESTIMATORS: dict[str, type[Translator]] = {
    "sklearn.ensemble._weight_boosting.AdaBoostClassifier": AdaBoostClassifier,
    "sklearn.ensemble._weight_boosting.AdaBoostRegressor": AdaBoostRegressor,
    "sklearn.ensemble._bagging.BaggingRegressor": BaggingRegressor,
    "sklearn.ensemble._bagging.BaggingClassifier": BaggingClassifier,
}
