"""Translates scikit-learn's feature selectors."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from udf_compiler.frontends.models.by_version import allows_nan, validate_data
from udf_compiler.frontends.models.features import Features, validated
from udf_compiler.frontends.models.sparse_text_features import Terms
from udf_compiler.frontends.models.translator import Translator
from udf_compiler.frontends.tracing.lower import run_prototype
from udf_compiler.frontends.tracing.session import refuse


class Selector(Translator):
    """Translates selectors that return the columns of `get_support` unchanged."""

    def transform(self, x: Features) -> Features:
        call = self.call("transform")
        chosen = [int(i) for i in np.flatnonzero(self.model.get_support())]
        if not chosen:
            refuse("SW810", call=call, what="no feature to keep")
        if x.has_texts:
            refuse("SW811", call=call)
        if x.names is not None and self.container != "default":  # the result has the DataFrame's own columns
            run_prototype(call, validate_data, self.model, x.prototype(), reset=False, skip_check_array=True)
            return x.chosen(chosen)
        finite = not allows_nan(self.model)
        made = validated(self.model, x, call, finite, dtype=None, accept_sparse="csr")
        return replace(made.chosen(chosen), names=None)

    def transform_terms(self, x: Terms) -> Terms:
        made = x.validated(self.model, self.call("transform"), True, {"accept_sparse": "csr", "dtype": None})
        return made.select(self.model.get_support())


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
}
