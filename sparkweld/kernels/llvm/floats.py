"""Lowers elementwise functions of floats to LLVM, bit-identical to NumPy for NaN, infinities, -0.0 and subnormals.

Nothing here is fused or reassociated: `fma` is used only where the proof beside it requires the exact product.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from llvmlite import ir

from sparkweld.kernels.llvm.integers import COMPARISONS, Builder, Lowering, call, constant
from sparkweld.kernels.llvm.math_library import LIBM_FUNCTIONS, libm_name

_I1, _I32 = ir.IntType(1), ir.IntType(32)


@dataclass(frozen=True)
class _Format:
    """The layout of an IEEE format."""

    bits: int
    fraction: int
    bias: int

    @property
    def int_type(self) -> ir.IntType:
        return ir.IntType(self.bits)


_FORMATS = {ir.FloatType(): _Format(32, 23, 127), ir.DoubleType(): _Format(64, 52, 1023)}


def _format(x: ir.Value) -> _Format:
    return _FORMATS[x.type]


def unary(name: str) -> Lowering:
    """Lowers to LLVM's intrinsic of that name, with one operand."""
    return lambda b, x: call(b, f"llvm.{name}.f{_format(x).bits}", x.type, x)


fabs, floor, trunc = unary("fabs"), unary("floor"), unary("trunc")


def copysign(b: Builder, x: ir.Value, sign: ir.Value) -> ir.Value:
    return call(b, f"llvm.copysign.f{_format(x).bits}", x.type, x, sign)


def _is_zero(b: Builder, x: ir.Value) -> ir.Value:
    return b.fcmp_ordered("==", x, constant(x, 0.0))


def _is_nan(b: Builder, x: ir.Value) -> ir.Value:
    return b.fcmp_unordered("uno", x, x)


def _is_infinite(b: Builder, x: ir.Value) -> ir.Value:
    return b.fcmp_ordered("==", fabs(b, x), constant(x, math.inf))


def _is_finite(b: Builder, x: ir.Value) -> ir.Value:
    return b.fcmp_ordered("<", fabs(b, x), constant(x, math.inf))


def _sign_bit(b: Builder, x: ir.Value) -> ir.Value:
    bits = b.bitcast(x, _format(x).int_type)
    return b.icmp_signed("<", bits, constant(bits, 0))


def _negative(b: Builder, x: ir.Value) -> ir.Value:
    return b.fneg(x)


def _sign(b: Builder, x: ir.Value) -> ir.Value:
    zero, one, minus = (constant(x, v) for v in (0.0, 1.0, -1.0))
    signed = b.select(b.fcmp_ordered(">", x, zero), one, b.select(b.fcmp_ordered("<", x, zero), minus, zero))
    return b.select(_is_nan(b, x), x, signed)


def _extreme(symbol: str, keeps_nan: bool) -> Lowering:
    """Lowers maximum and minimum (NaN wins), fmax and fmin (NaN loses).

    Of equal zeros the result is the second one, as in NumPy's SIMD loops.
    """

    def lowering(b: Builder, x: ir.Value, y: ir.Value) -> ir.Value:
        best = b.select(b.fcmp_ordered(symbol, x, y), x, y)
        if keeps_nan:
            return b.select(_is_nan(b, x), x, best)
        return b.select(_is_nan(b, y), x, best)

    return lowering


def _floor_parts(b: Builder, x: ir.Value, y: ir.Value) -> tuple[ir.Value, ir.Value]:
    """Returns the floor quotient and the remainder with the divisor's sign, by the steps of NumPy's npy_divmod."""
    zero, one = constant(x, 0.0), constant(x, 1.0)
    rest = libm("fmod")(b, x, y)
    quotient = b.fdiv(b.fsub(x, rest), y)
    inexact = b.fcmp_unordered("!=", rest, zero)
    signs = b.xor(b.fcmp_ordered("<", y, zero), b.fcmp_ordered("<", rest, zero))
    adjust = b.and_(inexact, signs)
    modulus = b.select(inexact, b.select(adjust, b.fadd(rest, y), rest), copysign(b, zero, y))
    quotient = b.select(adjust, b.fsub(quotient, one), quotient)
    low = floor(b, quotient)
    low = b.select(b.fcmp_ordered(">", b.fsub(quotient, low), constant(x, 0.5)), b.fadd(low, one), low)
    plain = b.fdiv(x, y)
    low = b.select(_is_zero(b, quotient), copysign(b, zero, plain), low)
    no_divisor = _is_zero(b, y)
    return b.select(no_divisor, plain, low), b.select(no_divisor, rest, modulus)


def _heaviside(b: Builder, x: ir.Value, at_zero: ir.Value) -> ir.Value:
    step = b.select(b.fcmp_ordered("<", x, constant(x, 0.0)), constant(x, 0.0), constant(x, 1.0))
    return b.select(_is_nan(b, x), x, b.select(_is_zero(b, x), at_zero, step))


def _nextafter(b: Builder, x: ir.Value, y: ir.Value) -> ir.Value:
    bits = b.bitcast(x, _format(x).int_type)
    grows = b.icmp_signed("==", b.fcmp_ordered("<", x, y), b.fcmp_ordered(">", x, constant(x, 0.0)))
    stepped = b.bitcast(b.add(bits, b.select(grows, constant(bits, 1), constant(bits, -1))), x.type)
    from_zero = copysign(b, b.bitcast(constant(bits, 1), x.type), y)
    moved = b.select(_is_zero(b, x), from_zero, stepped)
    moved = b.select(b.fcmp_ordered("==", x, y), y, moved)
    return b.select(b.fcmp_unordered("uno", x, y), b.fadd(x, y), moved)


def _spacing(b: Builder, x: ir.Value) -> ir.Value:
    """Returns the step away from zero; for either zero it is the smallest positive number."""
    bits = b.bitcast(x, _format(x).int_type)
    step = b.fsub(b.bitcast(b.add(bits, constant(bits, 1)), x.type), x)
    step = b.select(_is_zero(b, x), b.bitcast(constant(bits, 1), x.type), step)
    return b.select(_is_finite(b, x), step, constant(x, math.nan))


def _modf(output: int) -> Lowering:
    def lowering(b: Builder, x: ir.Value) -> ir.Value:
        whole = trunc(b, x)
        if output == 1:
            return whole
        part = b.select(_is_infinite(b, x), constant(x, 0.0), b.fsub(x, whole))
        return copysign(b, part, x)

    return lowering


def _frexp(output: int) -> Lowering:
    def lowering(b: Builder, x: ir.Value) -> ir.Value:
        layout = _format(x)
        tiny = b.fcmp_ordered("<", fabs(b, x), constant(x, 2.0 ** (1 - layout.bias)))
        shift = layout.fraction + 2
        bits = b.bitcast(b.select(tiny, b.fmul(x, constant(x, 2.0**shift)), x), layout.int_type)
        special = b.or_(_is_zero(b, x), b.not_(_is_finite(b, x)))
        exponents = (1 << (layout.bits - 1 - layout.fraction)) - 1
        if output == 0:
            fraction = b.and_(bits, constant(bits, ~(exponents << layout.fraction)))
            half = b.or_(fraction, constant(bits, (layout.bias - 1) << layout.fraction))
            return b.select(special, x, b.bitcast(half, x.type))
        exponent = b.and_(b.lshr(bits, constant(bits, layout.fraction)), constant(bits, exponents))
        if layout.bits > 32:
            exponent = b.trunc(exponent, _I32)
        offset = b.select(tiny, ir.Constant(_I32, layout.bias - 1 + shift), ir.Constant(_I32, layout.bias - 1))
        return b.select(special, ir.Constant(_I32, 0), b.sub(exponent, offset))

    return lowering


def _ldexp(b: Builder, x: ir.Value, exponent: ir.Value) -> ir.Value:
    """Computes x * 2**exponent with one rounding: big steps keep all bits (musl's scalbn), only the last one may round."""
    limit = 4000
    low, high = constant(exponent, -limit), constant(exponent, limit)
    exponent = b.select(b.icmp_signed("<", exponent, low), low, exponent)
    exponent = b.select(b.icmp_signed(">", exponent, high), high, exponent)
    if exponent.type.width > 32:
        exponent = b.trunc(exponent, _I32)
    result = b.fpext(x, ir.DoubleType()) if _format(x).bits == 32 else x
    for _ in range(2):
        above = b.icmp_signed(">", exponent, constant(exponent, 1023))
        below = b.icmp_signed("<", exponent, constant(exponent, -1022))
        scale = b.select(above, constant(result, 2.0**1023), b.select(below, constant(result, 2.0**-969), constant(result, 1.0)))
        step = b.select(above, constant(exponent, 1023), b.select(below, constant(exponent, -969), constant(exponent, 0)))
        result, exponent = b.fmul(result, scale), b.sub(exponent, step)
    exponent = b.select(b.icmp_signed(">", exponent, constant(exponent, 1023)), constant(exponent, 1023), exponent)
    exponent = b.select(b.icmp_signed("<", exponent, constant(exponent, -1022)), constant(exponent, -1022), exponent)
    biased = b.zext(b.add(exponent, constant(exponent, 1023)), ir.IntType(64))
    result = b.fmul(result, b.bitcast(b.shl(biased, constant(biased, 52)), ir.DoubleType()))
    return b.fptrunc(result, ir.FloatType()) if _format(x).bits == 32 else result


def _scaled(numerator: float, denominator: float) -> Lowering:
    """Lowers x times a quotient that NumPy computes in the argument's own precision."""

    def lowering(b: Builder, x: ir.Value) -> ir.Value:
        real = np.float32 if _format(x).bits == 32 else np.float64
        return b.fmul(x, constant(x, float(real(numerator) / real(denominator))))

    return lowering


def _compare(symbol: str) -> Lowering:
    # NaN is unequal to everything, itself included; all other comparisons with it are False.
    return lambda b, x, y: (b.fcmp_unordered if symbol == "!=" else b.fcmp_ordered)(symbol, x, y)


def truth(b: Builder, x: ir.Value) -> ir.Value:
    """Returns x != 0, so True for NaN."""
    return b.fcmp_unordered("!=", x, constant(x, 0.0))


def _logical(name: str) -> Lowering:
    return lambda b, x, y: getattr(b, name)(truth(b, x), truth(b, y))


def libm(name: str, *, exact: bool = False) -> Lowering:
    """Lowers a NumPy function to a call of libm; `exact` demands the bits of libm's scalar function."""

    def lowering(b: Builder, *args: ir.Value) -> ir.Value:
        return call(b, libm_name(name, _format(args[0]).bits, exact=exact), args[0].type, *args)

    return lowering


def _by_double(name: str) -> Lowering:
    """Computes in f64 also for f32: libmvec's own f32 version differs by up to 6 ULP from NumPy's."""

    def lowering(b: Builder, x: ir.Value) -> ir.Value:
        if _format(x).bits == 64:
            return libm(name)(b, x)
        return b.fptrunc(libm(name)(b, b.fpext(x, ir.DoubleType())), x.type)

    return lowering


def _log_of_sum(exp: str, log1p: str, log_of_two: float, scale: float) -> Lowering:
    """Lowers log(exp(x) + exp(y)) by the steps of NumPy's npy_logaddexp, in either base.

    The sum cancels where the result is near 0. So only libm's own bits, which NumPy uses here, stay within a bound.
    """

    def lowering(b: Builder, x: ir.Value, y: ir.Value) -> ir.Value:
        delta = b.fsub(x, y)
        small = b.fneg(fabs(b, delta))
        tail = libm(log1p, exact=True)(b, libm(exp, exact=True)(b, small))
        if scale != 1.0:
            tail = b.fmul(constant(x, float(np.float32(scale)) if _format(x).bits == 32 else scale), tail)
        larger = b.select(b.fcmp_ordered(">", delta, constant(x, 0.0)), x, y)
        result = b.select(_is_nan(b, delta), delta, b.fadd(larger, tail))
        return b.select(b.fcmp_ordered("==", x, y), b.fadd(x, constant(x, log_of_two)), result)

    return lowering


_SAME: Lowering = lambda b, x: x  # noqa: E731

#: Functions of f32 or f64. Those with two results are keyed ``name.output``.
FLOATS: dict[str, Lowering] = {
    **{name: _compare(symbol) for name, symbol in COMPARISONS.items()},
    **{name: libm(name) for name in LIBM_FUNCTIONS},
    "exp": _by_double("exp"), "log": _by_double("log"),
    "add": Builder.fadd, "subtract": Builder.fsub, "multiply": Builder.fmul, "divide": Builder.fdiv,
    "negative": _negative, "positive": _SAME, "conjugate": _SAME, "absolute": fabs, "fabs": fabs,
    "square": lambda b, x: b.fmul(x, x), "reciprocal": lambda b, x: b.fdiv(constant(x, 1.0), x), "sign": _sign,
    "sqrt": unary("sqrt"), "floor": floor, "ceil": unary("ceil"), "trunc": trunc, "rint": unary("rint"),
    "maximum": _extreme(">", True), "minimum": _extreme("<", True),
    "fmax": _extreme(">", False), "fmin": _extreme("<", False),
    "floor_divide": lambda b, x, y: _floor_parts(b, x, y)[0],
    "remainder": lambda b, x, y: _floor_parts(b, x, y)[1],
    "copysign": copysign, "signbit": _sign_bit, "isnan": _is_nan, "isinf": _is_infinite, "isfinite": _is_finite,
    "nextafter": _nextafter, "spacing": _spacing, "heaviside": _heaviside,
    "modf": _modf(0), "modf.1": _modf(1), "frexp": _frexp(0), "frexp.1": _frexp(1), "ldexp": _ldexp,
    "degrees": _scaled(180.0, math.pi), "rad2deg": _scaled(180.0, math.pi),
    "radians": _scaled(math.pi, 180.0), "deg2rad": _scaled(math.pi, 180.0),
    "logical_and": _logical("and_"), "logical_or": _logical("or_"), "logical_xor": _logical("xor"),
    "logical_not": lambda b, x: b.not_(truth(b, x)),
    "logaddexp": _log_of_sum("exp", "log1p", math.log(2.0), 1.0),
    "logaddexp2": _log_of_sum("exp2", "log1p", 1.0, 1.0 / math.log(2.0)),
}  # fmt: skip
