"""Builds dense layers and their activations as one op for all layers, with bounds on the errors of their results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.ops import Mlp
from sparkweld.ir.ops.models import activation_of
from sparkweld.ir.types import F32, F64, Type
from udf_compiler.frontends.models.features import guard_finite
from udf_compiler.frontends.models.labels import all_of
from udf_compiler.frontends.models.sums import clear_argmax
from udf_compiler.frontends.models.trees import expit, softmax
from udf_compiler.frontends.networks.tensors import Accuracy, Tensor, eps_of, scaled, total
from udf_compiler.frontends.tracing.session import check_size, current

#: The error that an activation adds, in eps: functions of libm are within 4 ULP, and some divide after it.
_ACTIVATION_EPS = 8
#: The error of a weight that a normalization after the layer multiplies, in eps of the product.
_FOLDED_EPS = 16
#: What softmax adds: PyTorch's exp may be of 20 ULP there.
_SOFTMAX_EPS = 24
#: Activations whose results are at most 1.
_BOUNDED = ("tanh", "logistic", "softmax")
#: Activation -> its largest slope, if that is above 1.
_SLOPES = {"silu": 1.1, "gelu": 1.13, "gelu_tanh": 1.13}
#: Activations that PyTorch and the op compute with the same bits, but for a product.
_EXACT = ("identity", "relu", "leaky_relu")
#: The largest sum of |weight * value| that no order of additions lets overflow.
LARGEST = {F32: 1e37, F64: 1e307}


@dataclass(frozen=True)
class Layers:
    """Dense layers over a tensor: ``activation(x @ weights + bias)``, with `last` as the activation of the last one.

    `weights`: [arguments, results] each; `hidden`: the activation of all other layers. `doubts`: errors of a layer's results
    beside those of the order of its additions. `leading`: axes of one element before that of the results.
    """

    given: Tensor
    weights: tuple[np.ndarray, ...]
    biases: tuple[np.ndarray, ...]
    doubts: tuple[float, ...]
    hidden: str = "identity"
    last: str = "identity"
    leading: tuple[int, ...] = ()

    def tensor(self) -> Dense:
        return Dense(self)

    def columns(self) -> Sequence[Value]:
        loop = self.given.loop
        self._guard_sizes()
        op = Mlp.of(self.weights, self.biases, self.hidden, self.last, guarded=current().exact)
        made = [loop.emit(op.at(k), *self.given.columns) for k in range(op.layers[-1])]
        check_size(loop)
        return made

    def _guard_sizes(self) -> None:
        """Sends rows to Python whose sums could be infinite or NaN, about which two orders of additions may disagree."""
        loop, factor = self.given.loop, 1.0
        for weights, bias in zip(self.weights, self.biases, strict=True):
            most = float(np.abs(weights.astype(np.float64)).sum(axis=0).max()) + float(np.abs(bias).max())
            factor *= max(1.0, most) if np.isfinite(most) else np.inf
        # The factor bounds sums of arguments of at least 1; a smaller limit, or NaN, would prove nothing.
        largest = LARGEST[self.given.type]
        limit = loop.const(largest / factor if factor <= largest else 0.0, self.given.type)
        loop.guard(all_of(loop, [loop.call("less", loop.call("absolute", v), limit) for v in self.given.columns]), local=True)

    def accuracy(self) -> Accuracy:
        """Returns the bounds of the results from the row's largest argument.

        Let a layer have n arguments of at most M. Let S be the largest sum of absolute weights of a result, and B the largest
        bias. Two orders of its additions differ by at most ``2 * (n + 2) * eps * (S * M + B)`` (Higham, Accuracy and Stability
        of Numerical Algorithms, section 4.2). An error E of the arguments contributes at most ``S * E``.
        """
        loop, bounds = self.given.loop, self.given.bounds
        for at, (weights, bias, doubt) in enumerate(zip(self.weights, self.biases, self.doubts, strict=True)):
            slope = float(np.abs(weights.astype(np.float64)).sum(axis=0).max())
            rounding = (2 * (len(weights) + 2) + _FOLDED_EPS) * eps_of(self.given.type)
            bounds = bounds.scaled(loop, 1.001 * slope, float(np.abs(bias).max()), rounding)
            # Products that are too small for the format have absolute errors instead.
            tiny = loop.const(doubt + (len(weights) + 2) * float(np.finfo(self.given.type.dtype).tiny), F64)
            bounds = Accuracy(bounds.size, loop.call("add", bounds.error, tiny))
            name = self.last if at + 1 == len(self.weights) else self.hidden
            bounds = after_activation(loop, bounds, name, self.given.type, bias.shape)
        return bounds


class Dense(Tensor):
    """The results of layers, which a further layer joins."""

    def __init__(self, layers: Layers) -> None:
        super().__init__(layers.given.loop, layers.columns, (*layers.leading, layers.weights[-1].shape[1]), layers.accuracy)
        self.layers = layers

    @property
    def type(self) -> Type:
        return self.layers.given.type


def after_activation(loop: LoopBuilder, bounds: Accuracy, name: str, type: Type, shape: tuple[int, ...]) -> Accuracy:
    """Returns the bounds of ``activation(x)`` for values of that shape.

    Probabilities of softmax change by ``e**(2 * error) - 1``, and their sum is rounded for each term.
    """
    name, alpha = activation_of(name)
    slope = max(_SLOPES.get(name, 1.0), abs(alpha))
    if name in _EXACT and slope == 1:
        return bounds
    if name not in _BOUNDED:  # the absolute value is at most that of x, times the slope
        return bounds.scaled(loop, slope, 0.0, _ACTIVATION_EPS * eps_of(type))
    terms = _SOFTMAX_EPS + 2 * shape[-1] if name == "softmax" else 0
    rounding = loop.const((_ACTIVATION_EPS + terms) * eps_of(type), F64)
    factor = 3.0 if name == "softmax" else 1.0
    error = total(loop, scaled(loop, bounds.error, factor), rounding)
    return Accuracy(loop.const(1.0, F64), error)


def activated(loop: LoopBuilder, values: Sequence[Value], name: str) -> list[Value]:
    """Returns the activation of each value; softmax of all values of a row."""
    if name == "identity":
        return list(values)
    if name == "softmax":
        return softmax(loop, values)
    if name == "relu":
        zeros = [loop.const(0, v.type) for v in values]
        return [loop.select(loop.call("less", v, zero), zero, v) for v, zero in zip(values, zeros, strict=True)]
    return [loop.call("tanh", v) if name == "tanh" else expit(loop, v) for v in values]


def dense(x: Tensor, weights: np.ndarray, bias: np.ndarray) -> Tensor:
    """Returns ``x @ weights + bias``; layers of a network become one op."""
    if isinstance(x, Dense):
        before = x.layers
        first = len(before.weights) == 1
        if before.last != "softmax" and (first or before.last == before.hidden):
            weighted = (*before.weights, weights), (*before.biases, bias), (*before.doubts, 0.0)
            return Layers(before.given, *weighted, hidden=before.last, leading=before.leading).tensor()
    return Layers(x, (weights,), (bias,), (0.0,), leading=x.shape[:-1]).tensor()


def with_bias(x: Tensor, bias: np.ndarray) -> Tensor | None:
    """Returns layers with an addition to the last one, before its activation; None for another tensor or another shape."""
    if not isinstance(x, Dense) or x.layers.last != "identity" or bias.ndim > 2 or (bias.ndim == 2 and len(bias) != 1):
        return None
    if bias.size not in (1, x.shape[-1]) or bias.dtype != x.layers.biases[-1].dtype:
        return None
    layers = x.layers
    return replace(layers, biases=(*layers.biases[:-1], layers.biases[-1] + bias.reshape(-1))).tensor()


def apply_activation(x: Tensor, name: str) -> Tensor:
    """Returns the activation of any tensor of floats. Rows with NaN or infinity run in Python."""
    loop = x.loop
    guard_finite(loop, x.columns)
    made = activated(loop, x.columns, name)
    return Tensor(loop, made, x.shape, lambda: after_activation(loop, x.bounds, name, x.type, x.shape))


def clear_largest(x: Tensor) -> Value:
    """Returns the index of the largest value of a row, the first of equal ones. Rows in which the error decides run in Python."""
    loop = x.loop
    if x.exact:
        guard_finite(loop, x.columns)
        return clear_argmax(loop, x.columns, [])
    wide = [loop.cast(v, F64) for v in x.columns]
    return clear_argmax(loop, wide, [x.bounds.error] * len(wide))


def clear_above(x: Tensor, least: float) -> Value:
    """Returns whether the first value of a row is above a number. Rows in which the error decides run in Python."""
    loop, value = x.loop, x.columns[0]
    if not x.exact:
        distance = loop.call("subtract", loop.cast(value, F64), loop.const(least, F64))
        loop.guard(loop.call("greater", loop.call("absolute", distance), x.bounds.error), local=True)
    return loop.call("greater", value, loop.const(least, value.type))


def affine(x: Tensor, factor: np.ndarray, offset: np.ndarray, terms: np.ndarray) -> Tensor:
    """Returns ``x * factor + offset`` of each value, whose offset is a sum of absolute terms of at most `terms`.

    After layers, it becomes a part of the last one. All factors are float64, and rounded with the weights.
    """
    loop, type = x.loop, x.type
    if isinstance(x, Dense) and x.layers.last == "identity":
        layers = x.layers
        weights = (layers.weights[-1] * factor).astype(type.dtype)
        bias = layers.biases[-1] * factor
        doubt = float((np.abs(bias) + terms).max()) * _FOLDED_EPS * eps_of(type)
        doubts = (*layers.doubts[:-1], layers.doubts[-1] * float(np.abs(factor).max()) + doubt)
        biases = (*layers.biases[:-1], (bias + offset).astype(type.dtype))
        return replace(layers, weights=(*layers.weights[:-1], weights), biases=biases, doubts=doubts).tensor()
    pairs = zip(x.columns, factor.astype(type.dtype), offset.astype(type.dtype), strict=True)
    values = [loop.call("add", loop.call("multiply", v, loop.const(f, type)), loop.const(o, type)) for v, f, o in pairs]
    rounding = loop.const(float(terms.max()) * _FOLDED_EPS * eps_of(type), F64)

    def bounds() -> Accuracy:
        made = x.bounds.scaled(loop, float(np.abs(factor).max()), float(np.abs(offset).max()), _FOLDED_EPS * eps_of(type))
        return Accuracy(made.size, loop.call("add", made.error, rounding))

    guard_finite(loop, x.columns)
    return Tensor(loop, values, x.shape, bounds)
