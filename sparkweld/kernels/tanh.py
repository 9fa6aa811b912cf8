"""tanh of doubles as LLVM instructions, for vectors of any number of lanes: libmvec's reads tables, and takes twice as long.

With z = 2|x|, tanh(x) = expm1(z) / (expm1(z) + 2), with the sign of x. z is reduced as for exp: z = k ln 2 + r with a whole k, so
that expm1(z) = 2**k expm1(r) + (2**k - 1). Of expm1(r) it takes the Taylor series to r**13, whose rest is below 2**-56 of it.
All that is rounded adds up to less than 3 ULP. From |x| = 22 on the result rounds to 1. NaN goes through all of it.
"""

from __future__ import annotations

import math
import struct

_LIMIT, _ROUNDING = 22.0, 1.5 * 2.0**52
_LN2_HIGH, _LN2_LOW = 0.6931471805599453, 2.3190468138462996e-17
_DEGREE = 13


def tanh_body(lanes: int) -> str:
    """The function's body, of an argument ``%x``. Adding `_ROUNDING` leaves k in the last bits of the sum."""
    of, whole, flags = (_of(type, lanes) for type in ("double", "i64", "i1"))
    suffix = "f64" if lanes == 1 else f"v{lanes}f64"

    def number(value: float) -> str:
        text = f"0x{struct.unpack('<Q', struct.pack('<d', value))[0]:016X}"
        return text if lanes == 1 else f"splat (double {text})"

    def integer(value: int) -> str:
        return str(value) if lanes == 1 else f"splat (i64 {value})"

    def fma(to: str, *operands: str) -> str:
        return f"  %{to} = call {of} @llvm.fma.{suffix}({', '.join(f'{of} {operand}' for operand in operands)})"

    lines = [
        f"  %size = call {of} @llvm.fabs.{suffix}({of} %x)",
        f"  %large = fcmp ogt {of} %size, {number(_LIMIT)}",
        f"  %near = select {flags} %large, {of} {number(_LIMIT)}, {of} %size",
        f"  %z = fadd {of} %near, %near",
        fma("sum", "%z", number(1 / math.log(2)), number(_ROUNDING)),
        f"  %k = fsub {of} %sum, {number(_ROUNDING)}",
        f"  %bits = bitcast {of} %sum to {whole}",
        f"  %exponent = shl {whole} %bits, {integer(52)}",
        f"  %power = add {whole} %exponent, {integer(1023 << 52)}",
        f"  %scale = bitcast {whole} %power to {of}",
        fma("r1", "%k", number(-_LN2_HIGH), "%z"),
        fma("r", "%k", number(-_LN2_LOW), "%r1"),
        f"  %square = fmul {of} %r, %r",
    ]
    # Neighbours are added first, then pairs of those (Estrin): a row waits for fewer additions than in Horner's order.
    lines += [f"  %fourth = fmul {of} %square, %square"]
    terms = [number(1 / math.factorial(degree)) for degree in range(2, _DEGREE + 1)]
    for step in ("%r", "%square"):
        pairs = list(zip(terms[::2], terms[1::2], strict=True))
        terms = [f"%q{len(terms)}.{at}" for at in range(len(pairs))]
        lines += [fma(to[1:], high, step, low) for to, (low, high) in zip(terms, pairs, strict=True)]
    low, middle, high = terms
    lines += [fma("upper", high, "%fourth", middle), fma("series", "%upper", "%fourth", low)]
    lines += [
        fma("part", "%square", "%series", "%r"),
        f"  %less = fsub {of} %scale, {number(1.0)}",
        fma("expm1", "%scale", "%part", "%less"),
        f"  %below = fadd {of} %expm1, {number(2.0)}",
        f"  %ratio = fdiv {of} %expm1, %below",
        f"  %result = call {of} @llvm.copysign.{suffix}({of} %ratio, {of} %x)",
        f"  ret {of} %result",
    ]
    return "\n".join([*lines, ""])


def _of(type: str, lanes: int) -> str:
    return type if lanes == 1 else f"<{lanes} x {type}>"
