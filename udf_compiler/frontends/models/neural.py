"""Translates scikit-learn's multilayer perceptrons: one op for all layers, and labels independent of the order of additions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sparkweld.ir import Value
from sparkweld.ir.ops import Mlp
from sparkweld.ir.types import I64
from udf_compiler.frontends.models.features import Features, validated
from udf_compiler.frontends.models.labels import keep, labels
from udf_compiler.frontends.models.sums import clear_argmax
from udf_compiler.frontends.models.translator import Translator
from udf_compiler.frontends.tracing.lower import type_of
from udf_compiler.frontends.tracing.session import check_size, current, refuse

_ACTIVATIONS = ("identity", "relu", "tanh", "logistic", "softmax")
#: The relative error that an activation adds, in eps: libm's functions are within 4 ULP, and expit also divides.
_ACTIVATION_EPS = 8
#: Activations whose results are at most 1.
_BOUNDED = ("tanh", "logistic")


class Perceptrons(Translator):
    """Translates `_forward_pass_fast`: each layer is ``activation(x @ coefs + intercepts)``."""

    def _forward(self, x: Features, method: str, linear: bool = False) -> tuple[Features, tuple[Value, ...], Mlp]:
        """Returns (the validated features, the results, the op); if `linear`, the results before the last activation."""
        call = self.call(method)
        checked = validated(self.model, x, call, accept_sparse=["csr", "csc"])
        weights, biases = self.fitted("coefs_"), self.fitted("intercepts_")
        type = type_of(np.result_type(checked.types[0].dtype, *weights, *biases), call)
        hidden, out = self.model.activation, self.fitted("out_activation_")
        for name in (hidden, out):
            if name not in _ACTIVATIONS:
                refuse("SW814", name=self.name, attribute="activation", type=name)
        cast = [[np.asarray(a, type.dtype) for a in arrays] for arrays in (weights, biases)]
        op = Mlp.of(cast[0], cast[1], hidden, "identity" if linear else out, guarded=linear and current().exact)
        loop = checked.loop
        arguments = [loop.cast(value, type) for value in checked.values]
        values = tuple(loop.emit(op.at(k), *arguments) for k in range(op.layers[-1]))
        check_size(loop)
        return checked, values, op

    def _error(self, x: Features, op: Mlp) -> Value:
        """Returns a bound on the error of a score before the last activation, from the row's largest feature.

        Let a layer have n arguments of at most M. Let S be the largest sum of absolute weights of a unit, and B the largest bias.
        Its sums are P <= S * M + B, and two orders of additions differ by at most 2 * (n + 2) * eps * P. An error E of the
        arguments contributes at most S * E. No activation enlarges an error, because all slopes are at most 1.
        """
        loop, eps = x.loop, float(np.finfo(op.type.dtype).eps)
        largest, error = (1.0, 0.0), (0.0, 0.0)  # coefficients of the row's largest feature, and a constant
        for at, (w, b) in enumerate(zip(self.model.coefs_, self.model.intercepts_, strict=True)):
            s, bias = float(np.abs(w).sum(axis=0).max()), float(np.abs(b).max())
            rounding = 2 * (len(w) + 2) * eps
            sums = s * largest[0], s * largest[1] + bias
            error = s * error[0] + rounding * sums[0], s * error[1] + rounding * sums[1]
            last = at + 1 == len(self.model.coefs_)
            largest = (0.0, 1.0) if self.model.activation in _BOUNDED and not last else sums
            error = error[0] + _ACTIVATION_EPS * eps * largest[0], error[1] + _ACTIVATION_EPS * eps * largest[1]
        sizes = (loop.call("absolute", loop.cast(value, op.type)) for value in x.values)
        size = loop.fold("maximum", sizes, loop.const(0, op.type))
        # Scores that differ by less than a few eps may have the same probability.
        slope, constant = (loop.const(1.001 * e, op.type) for e in (error[0], error[1] + _ACTIVATION_EPS * eps))
        return loop.call("add", loop.call("multiply", size, slope), constant)


class MlpRegressor(Perceptrons):
    """Translates MLPRegressor: the last layer's sums."""

    KEPT = ("predict",)

    def predict(self, x: Features) -> Features:
        checked, values, op = self._forward(x, "predict")
        keep(op.name, str(op.bound), self.call("predict"))
        return checked.array(values, ndim=2 if len(values) > 1 else 1, order="C", kept=True)


class MlpClassifier(Perceptrons):
    """Translates MLPClassifier: expit for two classes and for multilabel, softmax for more classes."""

    KEPT = ("predict_proba", "predict_log_proba")

    def predict_proba(self, x: Features) -> Features:
        checked, values, op = self._forward(x, "predict_proba")
        keep(op.name, str(op.bound), self.call("predict_proba"))
        if len(values) == 1:
            values = (checked.loop.call("subtract", checked.loop.const(1, op.type), values[0]), values[0])
        return checked.array(values, order="C", kept=True)

    def predict_log_proba(self, x: Features) -> Features:
        made = self.predict_proba(x)
        return made.array([made.loop.call("log", v) for v in made.values])

    def predict(self, x: Features) -> Features:
        call = self.call("predict")
        if self.fitted("_label_binarizer").y_type_ not in ("binary", "multiclass"):
            refuse("SW813", call=call, type="several at once")
        checked, values, op = self._forward(x, "predict", linear=True)
        if checked.kept:
            keep("label", "rows whose best scores differ by less than the error of the features", call)
        loop, error = checked.loop, self._error(checked, op)
        if len(values) == 1:
            loop.guard(loop.call("greater", loop.call("absolute", values[0]), error), local=True)
            index = loop.cast(loop.call("greater", values[0], loop.const(0, op.type)), I64)
        else:
            index = clear_argmax(loop, values, [error] * len(values))
        return labels(replace(checked, columns=values), index, self.fitted("classes_"), call)


_MODULE = "sklearn.neural_network._multilayer_perceptron"

ESTIMATORS: dict[str, type[Translator]] = {f"{_MODULE}.MLPClassifier": MlpClassifier, f"{_MODULE}.MLPRegressor": MlpRegressor}
