"""Annotates methods of fitted scikit-learn estimators whose results are row-local, to the last bit.

Estimators that multiply matrices are excluded: BLAS rounds a row differently when other rows accompany it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sparkweld.annotations.annotation import Arguments, Examples
from sparkweld.annotations.split_types import Broadcast, Matrix, Rows, SplitType
from sparkweld.annotations.tables.row import Row


def _fitted(make: Callable[[], Any], columns: int) -> Examples:
    """Creates examples whose first argument is the estimator of `make`, fitted to other rows."""

    def examples(rng: np.random.Generator, rows: int) -> Arguments:
        data = np.random.default_rng(7).normal(size=(300, columns)) if columns else np.random.default_rng(7).normal(size=300)
        model = make()
        model.fit(data, (data.sum(axis=1) if columns else data) > 0)
        return (model, rng.normal(size=(rows, columns) if columns else rows)), {}

    return examples


def _row(module: str, estimator: str, method: str, columns: int = 3, returns: SplitType = Matrix(), **options: Any) -> Row:  # noqa: B008
    def make() -> Any:
        return getattr(__import__(module, fromlist=[estimator]), estimator)(**options)

    taken = Matrix(columns=columns) if columns else Rows(container="array")
    return Row(f"{module}:{estimator}.{method}", (Broadcast(), taken), returns, wants_rows=True, examples=_fitted(make, columns))


_VECTOR = Rows(container="array")

ROWS = (
    _row("sklearn.isotonic", "IsotonicRegression", "predict", columns=0, returns=_VECTOR, out_of_bounds="clip"),
    _row("sklearn.isotonic", "IsotonicRegression", "transform", columns=0, returns=_VECTOR, out_of_bounds="clip"),
    _row("sklearn.preprocessing", "PowerTransformer", "transform"),
    _row("sklearn.preprocessing", "QuantileTransformer", "transform", n_quantiles=50),
    _row("sklearn.preprocessing", "KBinsDiscretizer", "transform", encode="ordinal", quantile_method="averaged_inverted_cdf"),
    _row("sklearn.preprocessing", "SplineTransformer", "transform"),
    _row("sklearn.tree", "DecisionTreeClassifier", "predict", returns=_VECTOR),
    _row("sklearn.tree", "DecisionTreeClassifier", "predict_proba"),
    _row("sklearn.tree", "DecisionTreeRegressor", "predict", returns=_VECTOR),
    _row("sklearn.tree", "ExtraTreeRegressor", "predict", returns=_VECTOR),
    _row("sklearn.ensemble", "HistGradientBoostingRegressor", "predict", returns=_VECTOR, max_iter=5),
    _row("sklearn.ensemble", "GradientBoostingRegressor", "predict", returns=_VECTOR, n_estimators=5),
)
