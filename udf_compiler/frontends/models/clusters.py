"""Translates scikit-learn's centre-based clusterings: the nearest centre, and distances to all centres."""

from __future__ import annotations

from typing import Any

import numpy as np

from sparkweld.ir import Value
from sparkweld.ir.ops import Distances
from sparkweld.ir.types import F64, I32
from udf_compiler.frontends.models.by_version import uses
from udf_compiler.frontends.models.features import FLOATS, Features, validated
from udf_compiler.frontends.models.labels import keep, labels
from udf_compiler.frontends.models.sums import clear_argmax
from udf_compiler.frontends.models.translator import Translator
from udf_compiler.frontends.tracing.session import check_size, current, refuse


class Centres(Translator):
    """The base of models whose matrix rows are centres."""

    def _to(self, checked: Features, centres: np.ndarray, labels: bool) -> tuple[Features, tuple[Value, ...], Value]:
        if checked.types[0] != F64 or centres.dtype != np.float64:
            refuse("SW814", name=self.name, attribute="cluster_centers_", type=f"{centres.dtype}, for {checked.types[0]}")
        origin = np.zeros((1, centres.shape[1]))
        op = Distances.of(np.concatenate([centres, origin]), guarded=labels and current().exact)
        loop = checked.loop
        *values, size = (loop.emit(op.at(k), *checked.values) for k in range(op.count))
        largest = float((centres**2).sum(axis=1).max())
        eps = 4 * (centres.shape[1] + 4) * float(np.finfo(np.float64).eps)
        error = loop.call("multiply", loop.call("add", size, loop.const(largest, F64)), loop.const(eps, F64))
        check_size(loop)
        return checked, tuple(values), error


class KMeans(Centres):
    """Translates `_BaseKMeans`: labels by the nearest centre, and distances to all centres.

    The library computes labels by ``|c|**2 - 2 * x @ c``, distances by ``sqrt(max(|x|**2 - 2 * x @ c + |c|**2, 0))``. The kernel
    adds squared differences, which has no cancellation. Over n features, both are within 2 * (n + 4) * eps * (|x|**2 + |c|**2) of
    the squared distance (less |x|**2 for labels).
    """

    KEPT = ("transform",)

    def _distances(self, x: Features, method: str) -> tuple[Features, tuple[Value, ...], Value]:
        """Returns (the validated features, squared distances to the centres, the error bound of either method)."""
        call = self.call(method)
        checked = validated(self.model, x, call, accept_sparse="csr", dtype=list(FLOATS), order="C", accept_large_sparse=False)
        return self._to(checked, self.fitted("cluster_centers_"), method == "predict")

    def predict(self, x: Features) -> Features:
        checked, values, error = self._distances(x, "predict")
        if checked.kept:
            keep("label", "rows whose distances to two centres differ by less than the features' error", self.call("predict"))
        loop = checked.loop
        index = clear_argmax(loop, [loop.call("negative", v) for v in values], [error] * len(values))
        return checked.array([loop.cast(index, I32)], ndim=1)

    def transform(self, x: Features) -> Features:
        checked, values, _ = self._distances(x, "transform")
        terms = 4 * (len(checked.columns) + 4)
        keep("distance", f"squared distances within {terms} * eps * (|x|**2 + |centre|**2)", self.call("transform"))
        return checked.array([checked.loop.call("sqrt", v) for v in values], order="C", kept=True)


class Nearest(Centres):
    """The base of models that predict by `pairwise_distances_argmin`, which computes in float64."""

    def nearest(self, x: Features, centres: np.ndarray, **options: Any) -> Value:
        """Returns the index of the nearest centre."""
        call = self.call("predict")
        checked = validated(self.model, x, call, **options)
        loop = checked.loop
        wide = checked.array([loop.cast(v, F64) for v in checked.values])
        checked, values, error = self._to(wide, centres, True)
        if checked.kept:
            keep("label", "rows whose distances to two centres differ by less than the features' error", call)
        return clear_argmax(loop, [loop.call("negative", v) for v in values], [error] * len(values))


class NearestCentroid(Nearest):
    """Predicts the class of the nearest centroid, for the Euclidean metric and equal priors."""

    def predict(self, x: Features) -> Features:
        model, classes = self.model, self.fitted("classes_")
        equal = not uses(type(model).predict, "class_prior_") or np.isclose(model.class_prior_, 1 / len(classes)).all()
        if model.metric != "euclidean" or not equal:
            refuse("SW842", name=self.name, kernel=f"{model.metric} metric, or unequal priors")
        return labels(x, self.nearest(x, self.fitted("centroids_"), accept_sparse="csr"), classes, self.call("predict"))


class MeanShift(Nearest):
    """Predicts the number of the nearest cluster centre."""

    def predict(self, x: Features) -> Features:
        centres = self.fitted("cluster_centers_")
        return labels(x, self.nearest(x, centres), np.arange(len(centres)), self.call("predict"))


ESTIMATORS: dict[str, type[Translator]] = {
    **{f"sklearn.cluster._kmeans.{name}": KMeans for name in ("KMeans", "MiniBatchKMeans")},
    "sklearn.cluster._mean_shift.MeanShift": MeanShift,
    "sklearn.neighbors._nearest_centroid.NearestCentroid": NearestCentroid,
}
