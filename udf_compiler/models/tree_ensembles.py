"""scikit-learn's ensembles that hold trees of their own kind: votes of AdaBoost, bagging, isolation forests."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.types import F32, F64, I64
from udf_compiler.models.features import Features, guard_finite, validated
from udf_compiler.models.forests import of_sklearn
from udf_compiler.models.translator import Translator, argmax, keep, labels
from udf_compiler.models.trees import CLASSIFIERS, REGRESSORS, divided, linked, logs, qualified, softmax, sums_of
from udf_compiler.trace.session import refuse


class AdaBoostClassifier(Translator):
    """SAMME's votes: each tree gives its class its weight, and the others ``-1 / (classes - 1)`` of it."""

    KEPT = ("predict_proba", "predict_log_proba")

    def _votes(self, x: Features, method: str) -> tuple[Features, list[Value]]:
        call, trees = self.call(method), self.fitted("estimators_")
        if any(qualified(t) not in CLASSIFIERS or t.n_outputs_ > 1 for t in trees):
            refuse("SW834", name=self.name, part=type(trees[0]).__name__)
        classes = self.fitted("classes_")
        if len(classes) < 2:
            refuse("SW834", name=self.name, part="single class")
        checked = validated(self.model, x, call, accept_sparse=["csr", "csc"], ensure_2d=True, allow_nd=True, dtype=None)
        columns = _as_float32(checked, trees)
        weights = self.model.estimator_weights_
        made = [
            of_sklearn.plain_tree(tree.tree_, _vote(tree, classes, weight)) for tree, weight in zip(trees, weights, strict=False)
        ]
        forest = of_sklearn.forest_of(made, self.model.n_features_in_, np.zeros(len(classes)))
        votes = divided(x.loop, sums_of(forest, columns, x.loop, call), float(weights.sum()))
        if len(classes) == 2:
            loop = x.loop
            return checked, [loop.call("add", loop.call("multiply", votes[0], loop.const(-1, F64)), votes[1])]
        return checked, votes

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
    """[nodes, classes]: what a node's label adds to each class."""
    label = tree.classes_.take(np.argmax(tree.tree_.value[:, 0, :], axis=1))
    return np.where(label[:, None] == classes[None, :], weight, -1 / (len(classes) - 1) * weight)


def _as_float32(checked: Features, trees: Sequence[Any]) -> list[Value]:
    """The columns as trees see them; rows with values that they raise for are guarded."""
    columns = [checked.loop.cast(v, F32) for v in checked.values]
    guard_finite(checked.loop, columns, allow_nan=all(t.__sklearn_tags__().input_tags.allow_nan for t in trees))
    return columns


class Bagged(Translator):
    """Bagging of trees, each over features of its own."""

    kinds: tuple[str, ...] = ()

    def _means(self, x: Features, method: str) -> tuple[Features, list[Value]]:
        call, trees = self.call(method), self.fitted("estimators_")
        if any(qualified(t) not in self.kinds or t.n_outputs_ > 1 for t in trees):
            refuse("SW834", name=self.name, part=type(trees[0]).__name__)
        options = {"accept_sparse": ["csr", "csc"], "dtype": None}
        checked = validated(self.model, x, call, False, **options)
        columns = _as_float32(checked, trees)
        if self.model.n_jobs not in (None, 1):
            keep("sum", f"{len(trees)} * eps: its n_jobs processes add trees in groups", call)
        count = len(self.model.classes_) if hasattr(self.model, "classes_") else 1
        made = [
            of_sklearn.plain_tree(tree.tree_, _spread(tree, count), features=features)
            for tree, features in zip(trees, self.fitted("estimators_features_"), strict=True)
        ]
        forest = of_sklearn.forest_of(made, self.model.n_features_in_, np.zeros(count))
        return checked, divided(x.loop, sums_of(forest, columns, x.loop, call), len(trees))


def _spread(tree: Any, classes: int) -> np.ndarray:
    """[nodes, classes]: a tree's fractions at the ensemble's classes; its classes are numbers of those."""
    values = tree.tree_.value[:, 0, :]
    if not hasattr(tree, "classes_"):
        return values[:, :1]
    spread = np.zeros((len(values), classes))
    spread[:, tree.classes_.astype(np.int64)] = values
    return spread


class BaggingRegressor(Bagged):
    """predict: the mean."""

    kinds = REGRESSORS

    def predict(self, x: Features) -> Features:
        checked, means = self._means(x, "predict")
        return checked.array(means, ndim=1, order="C")


class BaggingClassifier(Bagged):
    """predict_proba: the mean of the trees' own."""

    kinds = CLASSIFIERS

    def predict_proba(self, x: Features) -> Features:
        checked, means = self._means(x, "predict_proba")
        return checked.array(means, order="C")

    def predict(self, x: Features) -> Features:
        checked, means = self._means(x, "predict")
        return labels(checked, argmax(x.loop, means), self.fitted("classes_"), self.call("predict"))


class IsolationForest(Translator):
    """Isolation depths: 2 to the minus mean depth over that of a random tree."""

    KEPT = ("decision_function", "score_samples")

    def _scores(self, x: Features, method: str) -> tuple[Features, Value]:
        call, trees = self.call(method), self.fitted("estimators_")
        normal = library_of(self.model, "_average_path_length")([self.model._max_samples])[0]
        denominator = len(trees) * normal
        if denominator == 0 or any(qualified(t) != REGRESSORS[1] for t in trees):
            refuse("SW834", name=self.name, part="tree of one sample")
        checked = validated(self.model, x, call, False, dtype=np.float32, accept_sparse="csr")
        made = []
        for at, (tree, features) in enumerate(zip(trees, self.fitted("estimators_features_"), strict=True)):
            depths = self.model._decision_path_lengths[at] + self.model._average_path_length_per_tree[at] - 1.0
            made.append(of_sklearn.plain_tree(tree.tree_, depths.reshape(-1, 1), features=features))
        forest = of_sklearn.forest_of(made, self.model.n_features_in_, np.zeros(1))
        loop = x.loop
        (depth,) = divided(loop, sums_of(forest, checked.values, loop, call), float(denominator))
        power = loop.call("power", loop.const(2.0, F64), loop.call("negative", depth))
        return checked, loop.call("negative", power)

    def score_samples(self, x: Features) -> Features:
        checked, score = self._scores(x, "score_samples")
        return checked.array([score], ndim=1, order="C")

    def decision_function(self, x: Features) -> Features:
        checked, score = self._scores(x, "decision_function")
        return checked.array([self._decision(x.loop, score)], ndim=1, order="C")

    def _decision(self, loop: LoopBuilder, score: Value) -> Value:
        return loop.call("subtract", score, loop.const(float(self.fitted("offset_")), F64))

    def predict(self, x: Features) -> Features:
        checked, score = self._scores(x, "predict")
        loop = x.loop
        decision = self._decision(loop, score)
        # Scores are at most 1, and 4 ULP of them may turn a label.
        loop.guard(loop.call("greater", loop.call("absolute", decision), loop.const(1e-14, F64)))
        outlier = loop.call("less", decision, loop.const(0, F64))
        return checked.array([loop.select(outlier, loop.const(-1, I64), loop.const(1, I64))], ndim=1, order="C")


def library_of(model: Any, name: str) -> Any:
    """A function of the module that defines a model's class."""
    return getattr(sys.modules[type(model).__module__], name)


ESTIMATORS: dict[str, type[Translator]] = {
    "sklearn.ensemble._weight_boosting.AdaBoostClassifier": AdaBoostClassifier,
    "sklearn.ensemble._iforest.IsolationForest": IsolationForest,
    "sklearn.ensemble._bagging.BaggingRegressor": BaggingRegressor,
    "sklearn.ensemble._bagging.BaggingClassifier": BaggingClassifier,
}
