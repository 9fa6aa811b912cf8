"""Translates scikit-learn's linear projections: products of shifted columns with a learned matrix."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from sparkweld.ir.types import F64
from udf_compiler.frontends.models.by_version import uses
from udf_compiler.frontends.models.features import FLOATS, Features, validated
from udf_compiler.frontends.models.scaling import in_place
from udf_compiler.frontends.models.sparse_text_features import Terms
from udf_compiler.frontends.models.sums import scores
from udf_compiler.frontends.models.translator import Translator
from udf_compiler.frontends.tracing.session import refuse


@dataclass(frozen=True)
class Parts:
    """The transform ``(x - shift) / scale @ matrix + offsets``; [features, outputs]. None: the step is omitted."""

    matrix: np.ndarray
    shift: np.ndarray | None = None
    scale: np.ndarray | None = None
    offsets: np.ndarray | None = None


class Projection(Translator):
    """Translates transforms by products with `components_`."""

    KEPT = ("transform",)

    def transform(self, x: Features) -> Features:
        call, components = self.call("transform"), self.fitted("components_")
        pca = hasattr(self.model, "whiten")
        made = validated(self.model, x, call, accept_sparse=("csr", "csc"), dtype=FLOATS if pca else "numeric")
        if made.types[0].dtype != components.dtype or (pca and self.model.mean_.dtype != components.dtype):
            refuse("SW814", name=self.name, attribute="components_", type=f"{components.dtype} for {made.types[0].dtype}")
        offsets = np.zeros(len(components), components.dtype)
        centres = pca and not hasattr(type(self.model), "_transform")  # before 1.5, the columns and not their products
        if centres:
            made = made.array(in_place(made, "subtract", made.values, self.model.mean_))
        elif pca:
            offsets = -(self.model.mean_.reshape(1, -1) @ components.T)[0]
        sums = scores(made, components.T, offsets, call)
        sums.kept(call)
        values = sums.values
        if pca and self.model.whiten:
            scale = np.sqrt(self.model.explained_variance_)
            values = in_place(made, "divide", values, scale if centres else np.maximum(scale, np.finfo(scale.dtype).eps))
        return made.array(values, order=None, kept=True)


class TruncatedSVD(Projection):
    """Also accepts columns of terms."""

    def transform_terms(self, x: Terms) -> Features:
        call, components = self.call("transform"), self.fitted("components_")
        made = x.validated(self.model, call, True, {"accept_sparse": ["csr", "csc"]})
        sums = made.scores(components.T, np.zeros(len(components)), call)
        sums.kept(call)
        return x.array(sums.values)


class Shifted(Translator):
    """Translates the classes listed in `_PARTS`, for float64 and integers."""

    KEPT: ClassVar[tuple[str, ...]] = ("transform",)

    def transform(self, x: Features) -> Features:
        return self._projected(x, "transform", _PARTS[self.name](self.model))

    def _projected(self, x: Features, method: str, parts: Parts) -> Features:
        call = self.call(method)
        takes = ["csr", "csc"] if self.name == "GaussianRandomProjection" else False
        made = validated(self.model, x, call, dtype=FLOATS, accept_sparse=takes)
        if made.types[0] != F64 or parts.matrix.dtype != np.float64:
            refuse("SW814", name=self.name, attribute="input", type=str(made.types[0]))
        values = made.values
        if parts.shift is not None:
            values = in_place(made, "subtract", values, parts.shift)
        if parts.scale is not None:
            values = in_place(made, "divide", values, parts.scale)
        offsets = np.zeros(parts.matrix.shape[1]) if parts.offsets is None else parts.offsets
        sums = scores(made.array(values), parts.matrix, offsets, call)
        sums.kept(call)
        return made.array(sums.values, order=None, kept=True)


class PartialLeastSquares(Shifted):
    """Translates PLSRegression, PLSCanonical and CCA: scores of the columns, and predicted targets."""

    KEPT = ("predict", "transform")

    def predict(self, x: Features) -> Features:
        model = self.model
        scale = self.fitted("_x_std") if uses(type(model).predict, "_x_std") else None
        parts = Parts(self.fitted("coef_").T, self.fitted("_x_mean"), scale, np.ravel(self.fitted("intercept_")))
        made = self._projected(x, "predict", parts)
        return made.array(made.values, ndim=1) if model._predict_1d else made


class RbfSampler(Shifted):
    """Translates cosines of random projections."""

    def transform(self, x: Features) -> Features:
        model = self.model
        made = self._projected(x, "transform", Parts(self.fitted("random_weights_"), offsets=self.fitted("random_offset_")))
        factor = made.loop.const(float((2.0 / model.n_components) ** 0.5), F64)
        return made.array([made.loop.call("multiply", made.loop.call("cos", v), factor) for v in made.values])


def _factors(model: Any) -> Parts:
    """Returns FactorAnalysis' transform: the posterior means of its factors."""
    weights = model.components_ / model.noise_variance_
    covariance = np.linalg.inv(np.eye(len(model.components_)) + weights @ model.components_.T)
    return Parts(weights.T @ covariance, shift=model.mean_)


def _discriminants(model: Any) -> Parts:
    if model.solver == "lsqr":
        refuse("SW252", call="LinearDiscriminantAnalysis.transform", error="NotImplementedError: not of the solver lsqr")
    scalings = model.scalings_[:, : model._max_components]
    return Parts(scalings, shift=model.xbar_ if model.solver == "svd" else None)


def _random(model: Any) -> Parts:
    components = model.components_
    return Parts((components if isinstance(components, np.ndarray) else components.toarray()).T)


#: Class -> its transform.
_PARTS: dict[str, Callable[[Any], Parts]] = {
    "FactorAnalysis": _factors,
    "FastICA": lambda model: Parts(model.components_.T, shift=model.mean_ if model.whiten else None),
    "GaussianRandomProjection": _random,
    "SparseRandomProjection": _random,
    **dict.fromkeys(("PLSRegression", "PLSCanonical", "CCA"), lambda m: Parts(m.x_rotations_, shift=m._x_mean, scale=m._x_std)),
    "LinearDiscriminantAnalysis": _discriminants,
}


def discriminants(translator: Translator, x: Features) -> Features:
    """Returns ``LinearDiscriminantAnalysis.transform``."""
    return Shifted(translator.model).transform(x)


_DECOMPOSITION = "sklearn.decomposition"

ESTIMATORS: dict[str, type[Translator]] = {
    f"{_DECOMPOSITION}._pca.PCA": Projection,
    f"{_DECOMPOSITION}._incremental_pca.IncrementalPCA": Projection,
    f"{_DECOMPOSITION}._truncated_svd.TruncatedSVD": TruncatedSVD,
    f"{_DECOMPOSITION}._factor_analysis.FactorAnalysis": Shifted,
    f"{_DECOMPOSITION}._fastica.FastICA": Shifted,
    "sklearn.random_projection.GaussianRandomProjection": Shifted,
    "sklearn.random_projection.SparseRandomProjection": Shifted,
    "sklearn.kernel_approximation.RBFSampler": RbfSampler,
    **{f"sklearn.cross_decomposition._pls.{name}": PartialLeastSquares for name in ("PLSRegression", "PLSCanonical", "CCA")},
}
