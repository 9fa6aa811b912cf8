"""Translates scikit-learn's models with one estimator per output or class: multi-output, chains, one-vs-rest, one-vs-one."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np

from sparkweld.ir import Value
from sparkweld.ir.types import F64, I64
from udf_compiler.frontends.models.by_version import uses
from udf_compiler.frontends.models.compose import joined
from udf_compiler.frontends.models.ensemble import NEAR, nearest_label
from udf_compiler.frontends.models.features import Features, validated
from udf_compiler.frontends.models.labels import keep, labels
from udf_compiler.frontends.models.sums import clear_argmax
from udf_compiler.frontends.models.translator import Translator, method_of
from udf_compiler.frontends.tracing.session import refuse


class MultiOutput(Translator):
    """Predicts each output with its own model."""

    def predict(self, x: Features) -> Features:
        parts = [replace(method_of(self.part(e), "predict")(x), ndim=2) for e in self.fitted("estimators_")]
        return replace(joined(parts, self.call("predict")), order="F")


class Chain(Translator):
    """Predicts each output with a model that also reads the previous outputs; results are float64 in output order."""

    KEPT = ("predict_proba", "predict_log_proba", "decision_function")

    def _predicted(self, x: Features, method: str) -> Features:
        call, model, loop = self.call(method), self.model, x.loop
        checked = validated(model, x, call, accept_sparse=True)
        if checked.sparse:
            refuse("SW821", call=call)
        before: list[Value] = []
        found: list[Value] = []
        kept = checked.kept
        for estimator in self.fitted("estimators_"):
            seen = joined([checked, checked.array(before)], call) if before else checked
            given = replace(seen, names=None, order="C")
            fed = self._of(estimator, getattr(model, "chain_method_", "predict"), given)
            wanted = self._of(estimator, method, given)
            before.append(loop.cast(fed.values[-1], F64))
            found.append(loop.cast(wanted.values[-1], F64))
            kept = kept or fed.kept or wanted.kept
        order = np.argsort(np.asarray(self.fitted("order_")))
        return checked.array([found[int(i)] for i in order], order=None, kept=kept)

    def _of(self, estimator: object, method: str, x: Features) -> Features:
        return method_of(self.part(estimator), method)(x)

    def predict(self, x: Features) -> Features:
        return self._predicted(x, "predict")

    def predict_proba(self, x: Features) -> Features:
        return self._predicted(x, "predict_proba")

    def decision_function(self, x: Features) -> Features:
        return self._predicted(x, "decision_function")

    def predict_log_proba(self, x: Features) -> Features:
        made = self.predict_proba(x)
        return made.array([made.loop.call("log", v) for v in made.values])


class OneVsRestClassifier(Translator):
    """Predicts with one binary model per class."""

    KEPT = ("predict", "predict_proba", "decision_function")

    def decision_function(self, x: Features) -> Features:
        parts = [method_of(self.part(e), "decision_function")(x).values[0] for e in self.fitted("estimators_")]
        return Features(x.loop, tuple(parts), ndim=1 if len(parts) == 1 else 2, order=None, kept=True)

    def predict_proba(self, x: Features) -> Features:
        """Returns each model's probability of its class, normalised by their sum; multilabel probabilities are not normalised."""
        loop, call = x.loop, self.call("predict_proba")
        values = [loop.cast(method_of(self.part(e), "predict_proba")(x).values[1], F64) for e in self.fitted("estimators_")]
        keep("average", f"{len(values) + 2} * eps of each value", call)
        if len(values) == 1:
            values = [loop.call("subtract", loop.const(1.0, F64), values[0]), values[0]]
        if not self.model.multilabel_:
            total = values[0].loop.fold("add", values)
            zero = loop.call("equal", total, loop.const(0.0, F64))
            kept = uses(type(self.model).predict_proba, "divide")  # else a sum of 0 yields NaN
            values = [loop.select(zero, v, w) if kept else w for v in values for w in (loop.call("divide", v, total),)]
        return Features(loop, tuple(values), order=None, kept=True)

    def predict(self, x: Features) -> Features:
        binarizer = self.fitted("label_binarizer_")
        if binarizer.y_type_ not in ("multiclass", "binary"):
            refuse("SW813", call=self.call("predict"), type="not of several classes")
        scored = hasattr(self.model.estimators_[0], "decision_function")
        method = "decision_function" if scored else "predict_proba"
        values = [method_of(self.part(e), method)(x).values[-1] for e in self.model.estimators_]
        if len(values) == 1:  # two classes: one model
            loop, limit = x.loop, x.loop.const(0.0 if scored else 0.5, values[0].type)
            away = loop.call("subtract", values[0], limit)
            size = loop.call("add", loop.call("absolute", values[0]), loop.const(1.0, values[0].type))
            bound = f"rows whose score lies within {NEAR} of the threshold, relatively, run in Python"
            keep("label", bound, self.call("predict"))
            near = loop.call("multiply", size, loop.const(NEAR, values[0].type))
            loop.guard(loop.call("greater", loop.call("absolute", away), near), local=True)
            index = loop.cast(loop.call("greater", values[0], limit), I64)
            return labels(x, index, self.fitted("classes_"), self.call("predict"))
        made = Features(x.loop, tuple(values), kept=True)
        return nearest_label(self, made, values, self.fitted("classes_"))


class OneVsOneClassifier(Translator):
    """Predicts by votes of one binary model per pair of classes; confidences break ties."""

    KEPT = ("predict", "decision_function")

    def _scores(self, x: Features, method: str) -> list[Value]:
        call, model, loop = self.call(method), self.model, x.loop
        checked = validated(model, x, call, False, accept_sparse=True)
        if checked.sparse or model.pairwise_indices_ is not None:
            refuse("SW821", call=call)
        keep("confidence", f"the propagated error of the scores; rows with a score within {NEAR} of 0 run in Python", call)
        count, zero, one = len(self.fitted("classes_")), loop.const(0.0, F64), loop.const(1.0, F64)
        votes, sums = [zero] * count, [zero] * count
        for estimator, (i, j) in zip(self.fitted("estimators_"), itertools.combinations(range(count), 2), strict=True):
            scored = hasattr(estimator, "decision_function")
            made = method_of(self.part(estimator), "decision_function" if scored else "predict_proba")(checked)
            score = loop.cast(made.values[-1], F64)
            second = loop.cast(method_of(self.part(estimator), "predict")(checked).values[0], I64)
            flag = loop.call("equal", second, loop.const(1, I64))
            votes[i] = loop.call("add", votes[i], loop.select(flag, zero, one))
            votes[j] = loop.call("add", votes[j], loop.select(flag, one, zero))
            sums[i] = loop.call("subtract", sums[i], score)
            sums[j] = loop.call("add", sums[j], score)
        made_scores = []
        for vote, total in zip(votes, sums, strict=True):
            wide = loop.call("multiply", loop.const(3.0, F64), loop.call("add", loop.call("absolute", total), one))
            made_scores.append(loop.call("add", vote, loop.call("divide", total, wide)))
        return made_scores

    def decision_function(self, x: Features) -> Features:
        values = self._scores(x, "decision_function")
        if len(values) == 2:
            return Features(x.loop, (values[1],), ndim=1, order=None, kept=True)
        return Features(x.loop, tuple(values), order="C", kept=True)

    def predict(self, x: Features) -> Features:
        values, loop = self._scores(x, "predict"), x.loop
        if len(values) == 2:
            limit = loop.const(0.0 if hasattr(self.model.estimators_[0], "decision_function") else 0.5, F64)
            away = loop.call("absolute", loop.call("subtract", values[1], limit))
            loop.guard(loop.call("greater", away, loop.const(NEAR, F64)), local=True)
            second = loop.cast(loop.call("greater", values[1], limit), I64)
            return labels(x, second, self.fitted("classes_"), self.call("predict"))
        index = clear_argmax(loop, values, [loop.const(NEAR, F64)] * len(values))
        return labels(x, index, self.fitted("classes_"), self.call("predict"))


ESTIMATORS: dict[str, type[Translator]] = {
    "sklearn.multioutput.MultiOutputRegressor": MultiOutput,
    "sklearn.multioutput.MultiOutputClassifier": MultiOutput,
    "sklearn.multioutput.ClassifierChain": Chain,
    "sklearn.multioutput.RegressorChain": Chain,
    "sklearn.multiclass.OneVsRestClassifier": OneVsRestClassifier,
    "sklearn.multiclass.OneVsOneClassifier": OneVsOneClassifier,
}
