"""Translates composed estimators: pipelines, searches, column transformers, unions, and functions as transformers."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from sparkweld.ir.types import STR
from udf_compiler.frontends.models.by_version import fitted_transformers
from udf_compiler.frontends.models.features import Features, features_of, refuse_categories, validated
from udf_compiler.frontends.models.output import contained, given_back
from udf_compiler.frontends.models.sparse_text_features import Terms, joined_terms
from udf_compiler.frontends.models.translator import METHODS, Translator, method_of
from udf_compiler.frontends.tracing.lower import run_prototype, type_of
from udf_compiler.frontends.tracing.session import refuse


class Pipeline(Translator):
    """Applies its steps in order; a method of the pipeline is that of its last step."""

    CATEGORIES = True
    PASSES = True

    def _last(self, x: Features, method: str) -> Features:
        steps = [step for _, step in self.model.steps]
        for step in steps[:-1]:
            x = transformed(self, step, x)
        if method == "transform" or steps[-1] is None or steps[-1] == "passthrough":
            return transformed(self, steps[-1], x)
        return method_of(self.part(steps[-1]), method)(x)


class Search(Translator):
    """Delegates every method of a search to its best estimator."""

    CATEGORIES = True
    PASSES = True

    def _last(self, x: Features, method: str) -> Features:
        best = self.fitted("best_estimator_")
        return transformed(self, best, x) if method == "transform" else method_of(self.part(best), method)(x)


class Delegate(Search):
    """Delegates every method of a frozen estimator to the estimator that it holds."""

    def _last(self, x: Features, method: str) -> Features:
        held = self.model.estimator
        return transformed(self, held, x) if method == "transform" else method_of(self.part(held), method)(x)


class Ransac(Translator):
    """Applies the estimator of the inliers to an array."""

    def predict(self, x: Features) -> Features:
        checked = validated(self.model, x, self.call("predict"), False, accept_sparse=True)
        return method_of(self.part(self.fitted("estimator_")), "predict")(checked)


def transformed(owner: Translator, estimator: Any, x: Features) -> Features:
    """Returns ``estimator.transform(x)``, in the container that it is set to return."""
    if estimator is None or (isinstance(estimator, str) and estimator == "passthrough"):
        return x
    translator = owner.part(estimator)
    return contained(translator, method_of(translator, "transform")(x))


def _handed_on(method: str) -> Callable[[Any, Features], Features]:
    def run(self: Any, x: Features) -> Features:
        return self._last(x, method)  # type: ignore[no-any-return]

    run.__name__ = method
    return run


for _method in METHODS:
    if _method != "inverse_transform":
        setattr(Pipeline, _method, _handed_on(_method))
        setattr(Search, _method, _handed_on(_method))


class ColumnTransformer(Translator):
    """Applies each transformer to its columns and concatenates the results."""

    CATEGORIES = True

    def transform(self, x: Features) -> Features:
        call, model = self.call("transform"), self.model
        by_name = hasattr(model, "feature_names_in_") and x.names is not None
        if not by_name and len(x.columns) != model.n_features_in_:
            refuse("SW252", call=call, error=f"ValueError: X has {len(x.columns)} features, not {model.n_features_in_}")
        parts = []
        for name, transformer, columns, weight in fitted_transformers(model, by_name):
            part = self._chosen(x, columns, model._transformer_to_input_indices[name], by_name, call)
            parts.append(weighted(transformed(self, transformer, part), weight, call))
        if not parts:
            refuse("SW810", call=call, what="no column to transform")
        return self._stacked(parts, call)

    def _chosen(self, x: Features, columns: Any, indices: Any, by_name: bool, call: str) -> Features:
        if by_name:
            assert x.names is not None
            names = [columns] if isinstance(columns, str) else list(columns)
            gone = [n for n in names if n not in x.names]
            if gone:
                refuse("SW252", call=call, error=f"ValueError: columns are missing: {gone}")
            part = x.chosen([x.names.index(n) for n in names])
        else:
            part = x.chosen([int(i) for i in np.atleast_1d(indices)])
        if np.isscalar(columns):
            refuse_categories(part, call)
            return replace(part, ndim=1, names=None)
        return part

    def _stacked(self, parts: list[Features], call: str) -> Features:
        if any(isinstance(p, Terms) for p in parts):
            return joined_terms(parts, call, self.model.sparse_output_)  # type: ignore[return-value]
        if self.model.sparse_output_:
            for part in parts:
                refuse_categories(part, call)
            if any(p.has_texts for p in parts):
                refuse("SW811", call=call)
            return replace(joined([replace(p, names=None, sparse=False) for p in parts], call), sparse=True)
        dense = [replace(p, sparse=False) for p in parts]
        return side_by_side(dense) if self.container == "pandas" and all(p.names for p in parts) else joined(dense, call)


class FeatureUnion(Translator):
    """Applies several transformers to the same columns and concatenates the results."""

    def transform(self, x: Features) -> Features:
        call, model = self.call("transform"), self.model
        weights = model.transformer_weights or {}
        parts = []
        for name, transformer in model.transformer_list:
            if not (isinstance(transformer, str) and transformer == "drop"):
                parts.append(weighted(transformed(self, transformer, x), weights.get(name), call))
        if not parts or any(p.ndim != 2 for p in parts):
            refuse("SW810", call=call, what="no column to transform")
        if any(isinstance(p, Terms) for p in parts):
            return joined_terms(parts, call)  # type: ignore[return-value]
        if self.container == "pandas" and all(p.names for p in parts):
            return side_by_side(parts)
        if any(p.sparse for p in parts):
            return replace(joined([replace(p, names=None, sparse=False) for p in parts], call), sparse=True)
        return joined(parts, call)


def weighted(x: Features, weight: float | None, call: str) -> Features:
    """Returns ``x * weight``, for `transformer_weights`."""
    if weight is None:
        return x
    if isinstance(x, Terms) and type(weight) in (int, float):
        return x.scaled(np.full(x.width, float(weight)))  # type: ignore[return-value]
    if isinstance(x, Features):
        refuse_categories(x, call)
    if x.has_texts or type(weight) not in (int, float):
        refuse("SW822", call=call, what="strings, or a weight that is not a number,")
    loop = x.loop
    made = []
    for value in x.values:
        wide = type_of(run_prototype(call, np.multiply, np.ones(1, value.type.dtype), weight).dtype, call)
        made.append(loop.call("multiply", loop.cast(value, wide), loop.const(weight, wide)))
    return replace(x, columns=tuple(made), fresh=True)


def joined(parts: Sequence[Features], call: str) -> Features:
    """Computes ``np.hstack`` of arrays and DataFrames, in NumPy's dtype. Refuses (SW823) numbers beside strings."""
    for part in parts:
        refuse_categories(part, call)
    columns = [c for p in parts for c in p.columns]
    missing = tuple(p.missing_of(i) for p in parts for i in range(len(p.columns)))
    kept = any(p.kept for p in parts)
    loop = parts[0].loop
    if all(p.types and set(p.types) == {STR} for p in parts):
        return Features(loop, tuple(columns), missing=missing, kept=kept)
    made = run_prototype(call, np.hstack, [p.prototype() for p in parts if p.columns])
    if made.dtype == object:
        refuse("SW823", call=call)
    type = type_of(made.dtype, call)
    values = tuple(c if c.type == type else _as(loop, c, type) for c in columns)
    return Features(loop, values, kept=kept)


def _as(loop: Any, column: Any, type: Any) -> Any:
    return replace(column, type=type) if not hasattr(column, "loop") else loop.cast(column, type)


def side_by_side(parts: Sequence[Features]) -> Features:
    """Concatenates DataFrames under placeholder names, which the container replaces."""
    columns = tuple(v for p in parts for v in p.values)
    missing = tuple(p.missing_of(i) for p in parts for i in range(len(p.columns)))
    names = tuple(f"{i}_{j}" for i, p in enumerate(parts) for j in range(len(p.columns)))
    categories = tuple(dtype for p in parts for dtype in p.categories or (None,) * len(p.columns))  # none of arrays
    kept = any(p.kept for p in parts)
    return Features(parts[0].loop, columns, names, order=None, missing=missing, kept=kept, categories=categories)


class FunctionTransformer(Translator):
    """Applies a user's function to the columns; it is compiled like the function around the model."""

    CATEGORIES = True

    def transform(self, x: Features) -> Features:
        call, model = self.call("transform"), self.model
        if model.validate:
            x = validated(model, x, call, accept_sparse=model.accept_sparse)
        if model.func is None:
            return x
        refuse_categories(x, call)
        if _is_check(model.func):
            return self._checked(x, model.func)
        if self.rebuild is None:
            refuse("SW802", name=self.name, method="transform")
        function, given = self.rebuild(model.func), self.rebuild(model.kw_args or {})
        result = features_of(function(given_back(replace(x, fresh=False), call), **given), call)
        if result.loop is not x.loop:
            refuse("SW810", call=call, what="other rows")
        if result.names is not None and model.feature_names_out is not None and result.names != x.names:
            refuse("SW824", call=call)
        return replace(result, kept=x.kept)

    def _checked(self, x: Features, function: functools.partial[Any]) -> Features:
        options = dict(function.keywords)
        finite = options.pop("ensure_all_finite", options.pop("force_all_finite", True))
        return validated(self.model, x, self.call("transform"), finite, **options)


def _is_check(function: Any) -> bool:
    """Whether a function is scikit-learn's check_array with options, which histogram gradient boosting uses."""
    if type(function) is not functools.partial or function.args:
        return False
    return function.func is importlib.import_module("sklearn.utils.validation").check_array


ESTIMATORS: dict[str, type[Translator]] = {
    "sklearn.pipeline.Pipeline": Pipeline,
    "sklearn.pipeline.FeatureUnion": FeatureUnion,
    "sklearn.compose._column_transformer.ColumnTransformer": ColumnTransformer,
    "sklearn.preprocessing._function_transformer.FunctionTransformer": FunctionTransformer,
    "sklearn.model_selection._search.GridSearchCV": Search,
    "sklearn.model_selection._search.RandomizedSearchCV": Search,
    "sklearn.frozen._frozen.FrozenEstimator": Delegate,
    "sklearn.linear_model._ransac.RANSACRegressor": Ransac,
}
