"""Translates PyTorch's activations of single values, and softmax."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.types import F64
from udf_compiler.frontends.models.features import guard_finite
from udf_compiler.frontends.models.labels import largest
from udf_compiler.frontends.models.trees import expit, softmax
from udf_compiler.frontends.networks.layers import Dense, activated, after_activation, apply_activation
from udf_compiler.frontends.networks.tensors import Accuracy, eps_of, scaled, total
from udf_compiler.frontends.torch.elementwise import LIBM, clamp, made
from udf_compiler.frontends.torch.values import RowTensor, Step, grid_of

_ROOT_HALF, _ROOT_TWO_PI = math.sqrt(0.5), math.sqrt(2 / math.pi)
#: SELU's constants.
_ALPHA, _SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946


class Values:
    """Arithmetic on the values of a row."""

    def __init__(self, loop: LoopBuilder, value: Value) -> None:
        self.loop, self.value = loop, value

    def of(self, fn: str, *others: Any) -> Values:
        type = self.value.type
        given = [o.value if isinstance(o, Values) else self.loop.const(o, type) for o in others]
        return Values(self.loop, self.loop.call(fn, self.value, *given))

    def erf(self) -> Values:
        """Returns erf, which exists for 64-bit floats."""
        wide = self.loop.call("erf", self.loop.cast(self.value, F64))
        return Values(self.loop, self.loop.cast(wide, self.value.type))

    def __add__(self, other: Any) -> Values:
        return self.of("add", other)

    def __sub__(self, other: Any) -> Values:
        return self.of("subtract", other)

    def __mul__(self, other: Any) -> Values:
        return self.of("multiply", other)

    def __truediv__(self, other: Any) -> Values:
        return self.of("divide", other)

    def if_above(self, limit: float, other: Values) -> Values:
        """Returns this value where it is above the limit, else another one."""
        above = self.loop.call("greater", self.value, self.loop.const(limit, self.value.type))
        return Values(self.loop, self.loop.select(above, self.value, other.value))

    def clamped(self, low: float, high: float) -> Values:
        return self.of("maximum", low).of("minimum", high)


def _silu(x: Values) -> Values:
    return Values(x.loop, x.loop.call("multiply", x.value, expit(x.loop, x.value)))


def _gelu(x: Values) -> Values:
    return x * 0.5 * ((x * _ROOT_HALF).erf() + 1.0)


def _gelu_tanh(x: Values) -> Values:
    return x * 0.5 * (((x + x * x * x * 0.044715) * _ROOT_TWO_PI).of("tanh") + 1.0)


def _softplus(x: Values) -> Values:
    return x.if_above(20.0, x.of("exp").of("log1p"))


def _log_sigmoid(x: Values) -> Values:
    return x.of("minimum", 0.0) - x.of("absolute").of("negative").of("exp").of("log1p")


def _elu(alpha: float, x: Values) -> Values:
    return x.if_above(0.0, x.of("expm1") * alpha)


def _selu(x: Values) -> Values:
    return x.if_above(0.0, x.of("expm1") * _ALPHA) * _SCALE


def _mish(x: Values) -> Values:
    return x * _softplus(x).of("tanh")


#: Name -> (the function, the largest slope). Values at 0 are at most 1.
_FUNCTIONS: dict[str, tuple[Callable[[Values], Values], float]] = {
    "silu": (_silu, 1.1),
    "selu": (_selu, 1.76),
    "mish": (_mish, 1.1),
    "logsigmoid": (_log_sigmoid, 1.0),
    "hardsigmoid": (lambda x: (x + 3.0).clamped(0.0, 6.0) / 6.0, 0.17),
    "hardswish": (lambda x: x * (x + 3.0).clamped(0.0, 6.0) / 6.0, 1.6),
    "softsign": (lambda x: x / (x.of("absolute") + 1.0), 1.0),
    "erf": (Values.erf, 1.13),
}


def _applied(function: Callable[[Values], Values], slope: float, step: Step, input: RowTensor) -> RowTensor:
    """Applies an approximate function whose slope is at most `slope`. Rows with NaN or infinity run in Python."""
    given, loop = input.values, input.loop
    if not given.type.is_float:
        step.refuse("integers")
    guard_finite(loop, given.columns)
    values = [function(Values(loop, v)).value for v in given.columns]

    def bounds() -> Accuracy:
        size = total(loop, scaled(loop, given.bounds.size, slope), loop.const(1.0, F64))
        return Accuracy(size, total(loop, scaled(loop, given.bounds.error, slope), scaled(loop, size, LIBM * eps_of(given.type))))

    return made(step, input, values, input.shape, bounds)


def _of_op(name: str, input: RowTensor, step: Step) -> RowTensor | None:
    """Returns layers with an activation after the last one; None for another tensor, or where it has an activation."""
    given = input.values
    if not isinstance(given, Dense) or given.layers.last != "identity":
        return None
    return RowTensor(replace(given.layers, last=name).tensor(), input.batched, step.expected, fresh=True)


def _named(name: str, step: Step, input: RowTensor, *, inplace: bool = False) -> RowTensor:
    if name == "silu" and (found := _of_op(name, input, step)) is not None:
        return found
    function, slope = _FUNCTIONS[name]
    return _applied(function, slope, step, input)


def _of_layers(name: str, step: Step, input: RowTensor, *, inplace: bool = False) -> RowTensor:
    """Implements the activations that the op of layers has."""
    given = input.values
    if not given.type.is_float:
        step.refuse("integers")
    if (found := _of_op(name, input, step)) is not None:
        return found
    if name != "relu":
        return RowTensor(apply_activation(given, name), input.batched, step.expected, fresh=True)
    return made(step, input, activated(input.loop, given.columns, name), input.shape, given.accuracy)


def _leaky_relu(step: Step, input: RowTensor, negative_slope: float = 0.01, inplace: bool = False) -> RowTensor:
    return _of_op(f"leaky_relu:{float(negative_slope)!r}", input, step) or _by_sign(step, input, np.array([negative_slope]))


def _prelu(step: Step, input: RowTensor, weight: RowTensor) -> RowTensor:
    if weight.rows is not None or len(input.shape) != 1:
        step.refuse("a slope of the rows, or several axes")
    return _by_sign(step, input, weight.array())


def _by_sign(step: Step, input: RowTensor, slopes: np.ndarray) -> RowTensor:
    """Returns ``x if x > 0 else x * slope``: one product, rounded as PyTorch does."""
    given, loop = input.values, input.loop
    if not given.type.is_float:
        step.refuse("integers")
    zero, each = loop.const(0, given.type), np.broadcast_to(slopes.astype(given.type.dtype), len(given.columns))
    values = [
        loop.select(loop.call("greater", v, zero), v, loop.call("multiply", v, loop.const(slope, given.type)))
        for v, slope in zip(given.columns, each, strict=True)
    ]
    most = max(1.0, float(np.abs(slopes).max()))
    bounds = None if given.exact else lambda: given.bounds.scaled(loop, most, 0.0, eps_of(given.type))
    return made(step, input, values, input.shape, bounds)


def _elu_function(step: Step, input: RowTensor, alpha: float = 1.0, inplace: bool = False) -> RowTensor:
    found = _of_op(f"elu:{float(alpha)!r}", input, step)
    return found or _applied(partial(_elu, float(alpha)), max(1.0, abs(float(alpha))), step, input)


def _gelu_function(step: Step, input: RowTensor, *, approximate: str = "none") -> RowTensor:
    name, function = ("gelu_tanh", _gelu_tanh) if approximate == "tanh" else ("gelu", _gelu)
    return _of_op(name, input, step) or _applied(function, 1.13, step, input)


def _softplus_function(step: Step, input: RowTensor, beta: float = 1.0, threshold: float = 20.0) -> RowTensor:
    if beta != 1 or threshold != 20:
        step.refuse("beta or threshold")
    return _applied(_softplus, 1.0, step, input)


def _hardtanh(step: Step, input: RowTensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> RowTensor:
    return clamp(step, input, float(min_val), float(max_val))


def _relu6(step: Step, input: RowTensor, inplace: bool = False) -> RowTensor:
    return clamp(step, input, 0.0, 6.0)


def _softmax(step: Step, input: RowTensor, dim: Any = None, _stacklevel: int = 3, dtype: Any = None) -> RowTensor:
    axis = _axis(step, input, dim, dtype)
    if axis + 1 == len(input.shape) and all(n == 1 for n in input.shape[:-1]):
        return _of_layers("softmax", step, input)
    guard_finite(input.loop, input.values.columns)
    given = input.values
    columns = _along(input, axis, lambda values: softmax(input.loop, values))

    def bounds() -> Accuracy:
        return after_activation(input.loop, given.bounds, "softmax", given.type, (input.shape[axis],))

    return made(step, input, columns, input.shape, bounds)


def _log_softmax(step: Step, input: RowTensor, dim: Any = None, _stacklevel: int = 3, dtype: Any = None) -> RowTensor:
    axis, loop, given = _axis(step, input, dim, dtype), input.loop, input.values
    guard_finite(loop, given.columns)

    def of(values: Sequence[Value]) -> list[Value]:
        most = largest(loop, values)
        shifted = [loop.call("subtract", v, most) for v in values]
        summed = loop.call("log", loop.fold("add", [loop.call("exp", v) for v in shifted]))
        return [loop.call("subtract", v, summed) for v in shifted]

    def bounds() -> Accuracy:
        count = input.shape[axis]
        size = total(loop, scaled(loop, given.bounds.size, 2.0), loop.const(math.log(count) + 1, F64))
        rounding = scaled(loop, size, (4 * LIBM + 2 * count) * eps_of(given.type))
        return Accuracy(size, total(loop, scaled(loop, given.bounds.error, 2.0), rounding))

    return made(step, input, _along(input, axis, of), input.shape, bounds)


def _axis(step: Step, input: RowTensor, dim: Any, dtype: Any) -> int:
    if not input.values.type.is_float or dtype is not None:
        step.refuse("integers, or a dtype")
    return step.axis(input, dim)


def _along(input: RowTensor, axis: int, function: Callable[[Sequence[Value]], Sequence[Value]]) -> list[Value]:
    """Applies a function to the values along an axis; returns all values in the order of the tensor."""
    moved = np.moveaxis(input.grid, axis, -1)
    rows = [function(list(row)) for row in moved.reshape(-1, moved.shape[-1])]
    flat = grid_of([v for row in rows for v in row], moved.shape)
    return list(np.moveaxis(flat, -1, axis).ravel())


FUNCTIONS: dict[str, Callable[..., RowTensor]] = {
    **{name: partial(_named, name) for name in _FUNCTIONS},
    "special_erf": partial(_named, "erf"),
    **{name: partial(_of_layers, fn) for name, fn in
       (("relu", "relu"), ("sigmoid", "logistic"), ("special_expit", "logistic"), ("tanh", "tanh"))},
    "leaky_relu": _leaky_relu,
    "prelu": _prelu,
    "elu": _elu_function,
    "gelu": _gelu_function,
    "softplus": _softplus_function,
    "hardtanh": _hardtanh,
    "relu6": _relu6,
    "softmax": _softmax,
    "log_softmax": _log_softmax,
}  # fmt: skip
