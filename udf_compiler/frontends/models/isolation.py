"""Translates scikit-learn's isolation forests: leaf depths to anomaly scores."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.types import F64, I64
from udf_compiler.frontends.models.by_version import mentions
from udf_compiler.frontends.models.features import Features, validated
from udf_compiler.frontends.models.forests import of_sklearn
from udf_compiler.frontends.models.translator import Translator
from udf_compiler.frontends.models.trees import REGRESSORS, divided, qualified, sums_of
from udf_compiler.frontends.tracing.session import refuse


class IsolationForest(Translator):
    """Scores by 2 to the power of minus the mean depth divided by that of a random tree."""

    KEPT = ("decision_function", "score_samples")

    def _scores(self, x: Features, method: str) -> tuple[Features, Value]:
        call, trees = self.call(method), self.fitted("estimators_")
        normal = library_of(self.model, "_average_path_length")([self.model._max_samples])[0]
        denominator = len(trees) * normal
        if denominator == 0 or any(qualified(t) != REGRESSORS[1] for t in trees):
            refuse("SW834", name=self.name, part="tree of one sample")
        # The library's traversal of sparse matrices does not support missing values: it runs such rows itself.
        finite = x.sparse or not mentions(type(self.model).score_samples, "ensure_all_finite")
        checked = validated(self.model, x, call, finite, dtype=np.float32, accept_sparse="csr")
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
        # Scores are at most 1, and an error of 4 ULP can change a label.
        loop.guard(loop.call("greater", loop.call("absolute", decision), loop.const(1e-14, F64)), local=True)
        outlier = loop.call("less", decision, loop.const(0, F64))
        return checked.array([loop.select(outlier, loop.const(-1, I64), loop.const(1, I64))], ndim=1, order="C")


def library_of(model: Any, name: str) -> Any:
    """Returns a function of the module that defines a model's class."""
    return getattr(sys.modules[type(model).__module__], name)


ESTIMATORS: dict[str, type[Translator]] = {
    "sklearn.ensemble._iforest.IsolationForest": IsolationForest,
}
