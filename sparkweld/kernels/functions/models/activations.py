"""Lowers the activations of dense layers to LLVM."""

from __future__ import annotations

import math
from collections.abc import Callable

from llvmlite import ir

from sparkweld.kernels.llvm.floats import FLOATS

#: Name -> its number in the parameters of a kernel.
ACTIVATIONS = {
    "identity": 0, "relu": 1, "tanh": 2, "logistic": 3, "softmax": 4, "silu": 5, "gelu": 6, "gelu_tanh": 7, "leaky_relu": 8,
    "elu": 9,
}  # fmt: skip
#: Coefficients of ``erf(x) / x`` in powers of ``x * x / 8 - 1``, for |x| up to 4: the Chebyshev fit of degree 16. Its error is
#: below 2 eps of a 32-bit float.
_ERF = (
    0.35353100299835205, -0.176576167345047, 0.13167500495910645, -0.10771336406469345, 0.09021203964948654,
    -0.07468753308057785, 0.05985599383711815, -0.046014320105314255, 0.03321700170636177, -0.021662531420588493,
    0.0139081459492445, -0.010085906833410263, 0.0055773635394871235, -0.0010769420769065619, 0.0006166106904856861,
    -0.0013728151097893715, 0.0005964250885881484,
)


def _one(x: ir.Value) -> ir.Constant:
    return ir.Constant(x.type, 1.0)


def _relu(b: ir.IRBuilder, x: ir.Value, _: ir.Value) -> ir.Value:
    """Returns the larger of x and 0, NaN for NaN."""
    zero = ir.Constant(x.type, 0.0)
    return b.select(b.fcmp_ordered("<", x, zero), zero, x)


def _tanh(b: ir.IRBuilder, x: ir.Value, _: ir.Value) -> ir.Value:
    return FLOATS["tanh"](b, x)


def _logistic(b: ir.IRBuilder, x: ir.Value, _: ir.Value) -> ir.Value:
    return b.fdiv(_one(x), b.fadd(_one(x), FLOATS["exp"](b, b.fneg(x))))


def _silu(b: ir.IRBuilder, x: ir.Value, _: ir.Value) -> ir.Value:
    return b.fdiv(x, b.fadd(_one(x), FLOATS["exp"](b, b.fneg(x))))


def _erf(b: ir.IRBuilder, x: ir.Value) -> ir.Value:
    if isinstance(x.type, ir.DoubleType):
        return FLOATS["erf"](b, x)
    low, high = (ir.Constant(x.type, end) for end in (-4.0, 4.0))
    x = b.select(b.fcmp_ordered("<", x, low), low, b.select(b.fcmp_ordered(">", x, high), high, x))
    at = b.fsub(b.fmul(b.fmul(x, x), ir.Constant(x.type, 0.125)), _one(x))
    total = ir.Constant(x.type, _ERF[-1])
    for coefficient in _ERF[-2::-1]:
        total = b.fadd(b.fmul(total, at), ir.Constant(x.type, coefficient))
    return b.fmul(total, x)


def _gelu(b: ir.IRBuilder, x: ir.Value, _: ir.Value) -> ir.Value:
    inner = _erf(b, b.fmul(x, ir.Constant(x.type, math.sqrt(0.5))))
    return b.fmul(b.fmul(x, ir.Constant(x.type, 0.5)), b.fadd(_one(x), inner))


def _gelu_tanh(b: ir.IRBuilder, x: ir.Value, _: ir.Value) -> ir.Value:
    cube = b.fmul(b.fmul(b.fmul(x, x), x), ir.Constant(x.type, 0.044715))
    inner = FLOATS["tanh"](b, b.fmul(b.fadd(x, cube), ir.Constant(x.type, math.sqrt(2 / math.pi))))
    return b.fmul(b.fmul(x, ir.Constant(x.type, 0.5)), b.fadd(_one(x), inner))


def _leaky_relu(b: ir.IRBuilder, x: ir.Value, alpha: ir.Value) -> ir.Value:
    return b.select(b.fcmp_ordered(">", x, ir.Constant(x.type, 0.0)), x, b.fmul(x, alpha))


def _elu(b: ir.IRBuilder, x: ir.Value, alpha: ir.Value) -> ir.Value:
    return b.select(b.fcmp_ordered(">", x, ir.Constant(x.type, 0.0)), x, b.fmul(FLOATS["expm1"](b, x), alpha))


#: Activation of one value -> what builds it from the value and the activation's number, which most ignore. In the order of the
#: functions in `dense`.
LOWERED: dict[str, Callable[[ir.IRBuilder, ir.Value, ir.Value], ir.Value]] = {
    "relu": _relu, "tanh": _tanh, "logistic": _logistic, "silu": _silu, "gelu": _gelu, "gelu_tanh": _gelu_tanh,
    "leaky_relu": _leaky_relu, "elu": _elu,
}  # fmt: skip
