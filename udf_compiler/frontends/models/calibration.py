"""Translates scikit-learn's wrappers of one classifier's scores: calibrated probabilities and custom thresholds."""

from __future__ import annotations

from typing import Any

import numpy as np

from sparkweld.ir import Value
from sparkweld.ir.types import F64, I64
from udf_compiler.frontends.models.ensemble import NEAR, nearest_label
from udf_compiler.frontends.models.features import Features, guard_finite
from udf_compiler.frontends.models.labels import keep, labels
from udf_compiler.frontends.models.linear import expit, normalised, softmax
from udf_compiler.frontends.models.translator import Translator, method_of
from udf_compiler.frontends.tracing.session import refuse


class CalibratedClassifierCV(Translator):
    """Translates the mean of probabilities that sigmoids, isotonic regressions or a temperature compute from scores."""

    KEPT = ("predict", "predict_proba")

    def predict_proba(self, x: Features) -> Features:
        loop, classes = x.loop, self.fitted("classes_")
        totals = [loop.const(0.0, F64)] * len(classes)
        for calibrated in self.fitted("calibrated_classifiers_"):
            values = self._calibrated(calibrated, x, len(classes))
            totals = [loop.call("add", t, v) for t, v in zip(totals, values, strict=True)]
        keep("calibration", "the propagated error of the scores", self.call("predict_proba"))
        count = loop.const(float(len(self.model.calibrated_classifiers_)), F64)
        return Features(loop, tuple(loop.call("divide", t, count) for t in totals), order="C", kept=True)

    def _calibrated(self, one: Any, x: Features, count: int) -> list[Value]:
        loop = x.loop
        by_score = hasattr(one.estimator, "decision_function")
        made = method_of(self.part(one.estimator), "decision_function" if by_score else "predict_proba")(x)
        scores = [loop.cast(v, F64) for v in made.values]
        if len(one.estimator.classes_) != count:
            refuse("SW814", name=self.name, attribute="classes_", type="not those of each part")
        if one.method == "temperature":
            return self._tempered(x, scores, float(one.calibrators[0].beta_), by_score)
        values = scores[1:] if not by_score and count == 2 else scores
        if len(values) != len(one.calibrators):
            refuse("SW814", name=self.name, attribute="classes_", type="not those of each part")
        calibrate = {"sigmoid": self._sigmoid, "isotonic": self._isotonic}.get(one.method)
        if calibrate is None:
            refuse("SW814", name=self.name, attribute="method", type=one.method)
        probabilities = [calibrate(x, v, c) for v, c in zip(values, one.calibrators, strict=True)]
        if count == 2:
            return [loop.call("subtract", loop.const(1.0, F64), probabilities[0]), probabilities[0]]
        return normalised(x, probabilities)

    def _sigmoid(self, x: Features, value: Value, calibrator: Any) -> Value:
        loop = x.loop
        slope = loop.call("multiply", loop.const(float(calibrator.a_), F64), value)
        return expit(x, loop.call("negative", loop.call("add", slope, loop.const(float(calibrator.b_), F64))))

    def _isotonic(self, x: Features, value: Value, calibrator: Any) -> Value:
        return method_of(self.part(calibrator), "predict")(x.array([value], ndim=1)).values[0]

    def _tempered(self, x: Features, scores: list[Value], beta: float, by_score: bool) -> list[Value]:
        """Returns ``softmax(beta * logits)``. Refuses (SW814) multiclass scores: some batches treat them as probabilities."""
        loop = x.loop
        if by_score and len(scores) > 1:
            refuse("SW814", name=self.name, attribute="method", type="temperature of a decision_function of several classes")
        if by_score:
            logits = [loop.call("negative", scores[0]), scores[0]]
        else:
            if len(scores) == 2:  # the library keeps only the second class and recomputes the first
                scores = [loop.call("subtract", loop.const(1.0, F64), scores[1]), scores[1]]
            guard_finite(loop, scores)
            logits = [loop.call("log", loop.call("add", v, loop.const(1e-12, F64))) for v in scores]
        return softmax(x, [loop.call("multiply", loop.const(beta, F64), v) for v in logits])

    def predict(self, x: Features) -> Features:
        made = self.predict_proba(x)
        return nearest_label(self, made, made.values, self.fitted("classes_"))


class Threshold(Translator):
    """Translates FixedThresholdClassifier and TunedThresholdClassifierCV: positive where the score reaches the threshold."""

    KEPT = ("predict_proba", "predict_log_proba", "decision_function")

    def _estimator(self) -> Translator:
        return self.part(getattr(self.model, "estimator_", None) or self.model.estimator)

    def predict(self, x: Features) -> Features:
        model, call, owner = self.model, self.call("predict"), self._estimator()
        classes = self.fitted("classes_")
        tuned = hasattr(model, "best_threshold_")
        positive = model._curve_scorer._get_pos_label() if tuned else model.pos_label
        at = 1 if positive is None else int(np.flatnonzero(classes == positive)[0])
        asked = ["predict_proba", "decision_function"] if model.response_method == "auto" else [model.response_method]
        method = next(m for m in asked if hasattr(owner.model, m))
        threshold = model.best_threshold_ if tuned else model.threshold
        if threshold == "auto":
            threshold = 0.5 if method == "predict_proba" else 0.0
        made, loop = method_of(owner, method)(x), x.loop
        score = loop.cast(made.values[at if method == "predict_proba" else 0], F64)
        if method == "decision_function" and at == 0:
            score = loop.call("negative", score)
        limit = loop.const(float(threshold), F64)
        if made.kept or method in owner.KEPT:
            keep("label", f"rows whose score lies within {NEAR} of the threshold, relatively, run in Python", call)
            size = loop.call("add", loop.call("absolute", score), loop.const(1.0, F64))
            near = loop.call("multiply", size, loop.const(NEAR, F64))
            away = loop.call("absolute", loop.call("subtract", score, limit))
            loop.guard(loop.call("greater", away, near), local=True)
        index = loop.select(loop.call("greater_equal", score, limit), loop.const(at, I64), loop.const(1 - at, I64))
        return labels(x, index, classes, call)

    def predict_proba(self, x: Features) -> Features:
        return method_of(self._estimator(), "predict_proba")(x)

    def predict_log_proba(self, x: Features) -> Features:
        return method_of(self._estimator(), "predict_log_proba")(x)

    def decision_function(self, x: Features) -> Features:
        return method_of(self._estimator(), "decision_function")(x)


_THRESHOLDS = "sklearn.model_selection._classification_threshold"

ESTIMATORS: dict[str, type[Translator]] = {
    "sklearn.calibration.CalibratedClassifierCV": CalibratedClassifierCV,
    f"{_THRESHOLDS}.FixedThresholdClassifier": Threshold,
    f"{_THRESHOLDS}.TunedThresholdClassifierCV": Threshold,
}
