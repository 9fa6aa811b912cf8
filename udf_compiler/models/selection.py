"""scikit-learn's selectors of features, and its projections onto fewer."""

from __future__ import annotations

import importlib
from dataclasses import replace

import numpy as np

from udf_compiler.models.features import FLOATS, Features, validated
from udf_compiler.models.scaling import in_place
from udf_compiler.models.sums import scores
from udf_compiler.models.translator import Translator
from udf_compiler.trace.lower import run_prototype
from udf_compiler.trace.session import refuse


class Selector(Translator):
    """Some of the columns (`get_support`), as they are."""

    def transform(self, x: Features) -> Features:
        call = self.call("transform")
        chosen = [int(i) for i in np.flatnonzero(self.model.get_support())]
        if not chosen:
            refuse("SW810", call=call, what="no feature to keep")
        if x.has_texts:
            refuse("SW811", call=call)
        if x.names is not None and self.container != "default":  # the DataFrame's own columns
            library = importlib.import_module("sklearn.utils.validation")
            run_prototype(call, library.validate_data, self.model, x.prototype(), reset=False, skip_check_array=True)
            return x.chosen(chosen)
        tags = importlib.import_module("sklearn.utils").get_tags(self.model).input_tags
        finite = not tags.allow_nan
        made = validated(self.model, x, call, finite, dtype=None, accept_sparse="csr")
        return replace(made.chosen(chosen), names=None)


class Projection(Translator):
    """Products with `components_`."""

    KEPT = ("transform",)

    def transform(self, x: Features) -> Features:
        call, components = self.call("transform"), self.fitted("components_")
        pca = hasattr(self.model, "whiten")
        made = validated(self.model, x, call, accept_sparse=("csr", "csc"), dtype=FLOATS if pca else "numeric")
        if made.types[0].dtype != components.dtype or (pca and self.model.mean_.dtype != components.dtype):
            refuse("SW814", name=self.name, attribute="components_", type=f"{components.dtype} for {made.types[0].dtype}")
        offsets = -(self.model.mean_.reshape(1, -1) @ components.T)[0] if pca else np.zeros(len(components), components.dtype)
        sums = scores(made, components.T, offsets, call)
        sums.kept(call)
        values = sums.values
        if pca and self.model.whiten:
            scale = np.sqrt(self.model.explained_variance_)
            values = in_place(made, "divide", values, np.maximum(scale, np.finfo(scale.dtype).eps))
        return made.array(values, order=None, kept=True)


#: Module of sklearn.feature_selection -> its selectors.
SELECTORS = {
    "_univariate_selection": "SelectKBest SelectPercentile SelectFpr SelectFdr SelectFwe GenericUnivariateSelect",
    "_variance_threshold": "VarianceThreshold",
    "_from_model": "SelectFromModel",
    "_rfe": "RFE RFECV",
    "_sequential": "SequentialFeatureSelector",
}

ESTIMATORS: dict[str, type[Translator]] = {
    **{f"sklearn.feature_selection.{module}.{name}": Selector for module, names in SELECTORS.items() for name in names.split()},
    "sklearn.decomposition._pca.PCA": Projection,
    "sklearn.decomposition._incremental_pca.IncrementalPCA": Projection,
    "sklearn.decomposition._truncated_svd.TruncatedSVD": Projection,
}
