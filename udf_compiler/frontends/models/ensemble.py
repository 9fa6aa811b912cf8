"""Translates scikit-learn's meta-estimators: votes, stacks and transformed targets; and dummy models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from sparkweld.ir import Value
from sparkweld.ir.types import F64, I64
from udf_compiler.frontends.models.compose import FunctionTransformer, joined
from udf_compiler.frontends.models.features import Features, features_of, validated
from udf_compiler.frontends.models.labels import keep, labels
from udf_compiler.frontends.models.output import given_back
from udf_compiler.frontends.models.sums import clear_argmax
from udf_compiler.frontends.models.translator import Translator, method_of
from udf_compiler.frontends.pandas.calls.reductions import argmax
from udf_compiler.frontends.tracing.session import refuse

#: Rows whose best classes have probabilities closer than this run in Python.
NEAR = 1e-9


def nearest_label(owner: Translator, x: Features, values: Sequence[Value], classes: np.ndarray) -> Features:
    """Returns the label of the largest probability."""
    call, loop = owner.call("predict"), x.loop
    if x.kept:
        keep("label", f"rows whose two best classes lie within {NEAR} run in Python", call)
        index = clear_argmax(loop, values, [loop.const(NEAR / 2, values[0].type)] * len(values))
    else:
        index = argmax(loop, values)
    return labels(x, index, classes, call)


def averaged(parts: Sequence[Sequence[Value]], weights: Any, x: Features) -> list[Value]:
    """Returns ``np.average`` of one row per estimator, in the order of the estimators."""
    loop, made = x.loop, []
    numbers = None if weights is None else [float(w) for w in weights]
    for column in zip(*parts, strict=True):
        terms = [loop.cast(v, F64) for v in column]
        if numbers is not None:
            terms = [loop.call("multiply", v, loop.const(w, F64)) for v, w in zip(terms, numbers, strict=True)]
        total = loop.fold("add", terms)
        made.append(loop.call("divide", total, loop.const(float(sum(numbers)) if numbers else float(len(terms)), F64)))
    return made


class VotingClassifier(Translator):
    """Predicts the class with the largest mean probability (soft), or with the most votes (hard)."""

    KEPT = ("predict", "predict_proba")

    def predict_proba(self, x: Features) -> Features:
        parts = [method_of(self.part(e), "predict_proba")(x) for e in self.fitted("estimators_")]
        keep("average", f"{len(parts) + 2} * eps of each value", self.call("predict_proba"))
        return Features(x.loop, tuple(averaged([p.values for p in parts], self.model._weights_not_none, x)), order="C", kept=True)

    def transform(self, x: Features) -> Features:
        """Returns the estimators' probabilities side by side (soft), or the indices of their labels (hard)."""
        soft, call = self.model.voting == "soft", self.call("transform")
        if soft and not self.model.flatten_transform:
            refuse("SW840", call=call, option="flatten_transform=False, which returns three dimensions")
        method = "predict_proba" if soft else "predict"
        made = [replace(method_of(self.part(e), method)(x), ndim=2, names=None) for e in self.fitted("estimators_")]
        return joined(made, call) if soft else replace(joined(made, call), order="F")

    def predict(self, x: Features) -> Features:
        if self.model.voting == "soft":
            made = self.predict_proba(x)
            return nearest_label(self, made, made.values, self.fitted("le_").classes_)
        loop, classes = x.loop, self.fitted("le_").classes_
        weights = self.model._weights_not_none or [1.0] * len(self.model.estimators_)
        votes = [loop.const(0.0, F64)] * len(classes)
        for estimator, weight in zip(self.model.estimators_, weights, strict=True):
            vote = loop.cast(method_of(self.part(estimator), "predict")(x).values[0], I64)
            for j in range(len(classes)):
                own = loop.call("equal", vote, loop.const(j, I64))
                votes[j] = loop.call("add", votes[j], loop.select(own, loop.const(float(weight), F64), loop.const(0.0, F64)))
        return labels(x, argmax(loop, votes), classes, self.call("predict"))


class VotingRegressor(Translator):
    """Predicts the mean of the estimators' predictions."""

    KEPT = ("predict",)

    def transform(self, x: Features) -> Features:
        """Returns the estimators' predictions."""
        parts = [replace(method_of(self.part(e), "predict")(x), ndim=2, names=None) for e in self.fitted("estimators_")]
        return replace(joined(parts, self.call("transform")), order="F")

    def predict(self, x: Features) -> Features:
        parts = [method_of(self.part(e), "predict")(x).values for e in self.fitted("estimators_")]
        keep("average", f"{len(parts) + 2} * eps of each value", self.call("predict"))
        return Features(x.loop, tuple(averaged(parts, self.model._weights_not_none, x)), ndim=1, kept=True)


class Stacking(Translator):
    """Translates a model on the predictions of other models."""

    KEPT = ("predict", "predict_proba", "decision_function", "transform")

    def transform(self, x: Features) -> Features:
        model, parts = self.model, []
        for estimator, method in zip(self.fitted("estimators_"), self.fitted("stack_method_"), strict=True):
            made = replace(method_of(self.part(estimator), method)(x), ndim=2, names=None)
            if method == "predict_proba" and len(model.classes_) == 2:
                made = made.chosen([1])
            parts.append(made)
        if model.passthrough:
            if x.sparse:
                refuse("SW821", call=self.call("transform"))
            parts.append(x)
        return joined(parts, self.call("transform"))


class StackingClassifier(Stacking):
    """Translates a stack whose final model predicts class indices."""

    def _final(self, x: Features, method: str) -> Features:
        if isinstance(self.model._label_encoder, list):
            refuse("SW813", call=self.call(method), type="several at once")
        return method_of(self.part(self.fitted("final_estimator_")), method)(self.transform(x))

    def predict(self, x: Features) -> Features:
        index = x.loop.cast(self._final(x, "predict").values[0], I64)
        return labels(x, index, self.model._label_encoder.classes_, self.call("predict"))

    def predict_proba(self, x: Features) -> Features:
        return self._final(x, "predict_proba")

    def decision_function(self, x: Features) -> Features:
        return self._final(x, "decision_function")


class StackingRegressor(Stacking):
    """Translates a stack whose result is the final model's prediction."""

    def predict(self, x: Features) -> Features:
        return method_of(self.part(self.fitted("final_estimator_")), "predict")(self.transform(x))


class TransformedTargetRegressor(Translator):
    """Translates a regressor whose predictions are inverse-transformed."""

    KEPT = ("predict",)

    def predict(self, x: Features) -> Features:
        call = self.call("predict")
        made = replace(method_of(self.part(self.fitted("regressor_")), "predict")(x), ndim=2)
        back = taken_back(self.part(self.fitted("transformer_")), made, call)
        return replace(back, ndim=1) if self.model._training_dim == 1 and len(back.columns) == 1 else back


def taken_back(translator: Translator, x: Features, call: str) -> Features:
    """Returns ``inverse_transform`` of a target transformer. Refuses (SW802) an unsupported transformer."""
    if isinstance(translator, FunctionTransformer):
        model, rebuild = translator.model, translator.rebuild
        if model.validate:
            x = validated(model, x, call)
        if model.inverse_func is None:
            return x
        if rebuild is None:
            refuse("SW802", name=translator.name, method="inverse_transform")
        function: Callable[..., Any] = rebuild(model.inverse_func)
        made = features_of(function(given_back(x, call), **rebuild(model.inv_kw_args or {})), call)
        return replace(made, kept=x.kept)
    return method_of(translator, "inverse_transform")(x)


class Dummy(Translator):
    """Predicts the same value for all rows."""

    def predict(self, x: Features) -> Features:
        model, call = self.model, self.call("predict")
        if model.n_outputs_ != 1:
            refuse("SW813", call=call, type="several at once")
        if hasattr(model, "constant_"):
            return Features(x.loop, (x.loop.const(float(np.ravel(model.constant_)[0]), F64),), ndim=1)
        if model._strategy not in ("most_frequent", "prior"):
            refuse("SW814", name=self.name, attribute="strategy", type=model._strategy)
        return labels(x, x.loop.const(int(model.class_prior_.argmax()), I64), model.classes_, call)

    def predict_proba(self, x: Features) -> Features:
        """Returns the priors, or 1 for one class. Refuses (SW814) random strategies."""
        model, call = self.model, self.call("predict_proba")
        if model.n_outputs_ != 1:
            refuse("SW813", call=call, type="several at once")
        if model._strategy not in ("most_frequent", "prior", "uniform", "constant"):
            refuse("SW814", name=self.name, attribute="strategy", type=model._strategy)
        (row,) = model.predict_proba(np.zeros((1, 1)))
        return Features(x.loop, tuple(x.loop.const(float(p), F64) for p in row), order="C")


_ENSEMBLE = "sklearn.ensemble"

ESTIMATORS: dict[str, type[Translator]] = {
    f"{_ENSEMBLE}._voting.VotingClassifier": VotingClassifier,
    f"{_ENSEMBLE}._voting.VotingRegressor": VotingRegressor,
    f"{_ENSEMBLE}._stacking.StackingClassifier": StackingClassifier,
    f"{_ENSEMBLE}._stacking.StackingRegressor": StackingRegressor,
    "sklearn.compose._target.TransformedTargetRegressor": TransformedTargetRegressor,
    "sklearn.dummy.DummyClassifier": Dummy,
    "sklearn.dummy.DummyRegressor": Dummy,
}
