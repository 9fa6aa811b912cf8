"""Lowers elementwise functions of bools and integers to LLVM: NumPy's wrap-around, zero divisors and shifts, without traps.

Integer division by zero, INT_MIN / -1 and a shift by the width or more are undefined in LLVM. So each lowering first replaces the
operand and then selects NumPy's result.
"""

from __future__ import annotations

from collections.abc import Callable

from llvmlite import ir
from llvmlite.ir import IRBuilder as Builder

from sparkweld.kernels.llvm.lanes import gcd_name

Lowering = Callable[..., ir.Value]


def constant(like: ir.Value, value: int | float) -> ir.Constant:
    """Returns a constant of the type of `like`."""
    return ir.Constant(like.type, value)


def call(b: Builder, name: str, result: ir.Type, *args: ir.Value) -> ir.Value:
    """Calls the external or intrinsic function `name`."""
    function = b.module.globals.get(name)
    if function is None:
        function = ir.Function(b.module, ir.FunctionType(result, [a.type for a in args]), name)
    return b.call(function, args)


def minimum_of(like: ir.Value) -> ir.Constant:
    """Returns the smallest value of a signed integer type."""
    return ir.Constant(like.type, -(1 << (like.type.width - 1)))


def is_negative(b: Builder, x: ir.Value) -> ir.Value:
    return b.icmp_signed("<", x, constant(x, 0))


def is_zero(b: Builder, x: ir.Value) -> ir.Value:
    return b.icmp_signed("==", x, constant(x, 0))


def _quotient(b: Builder, x: ir.Value, y: ir.Value) -> ir.Value:
    """Returns x / y truncated towards zero, for y != 0 and no overflow.

    Up to 32 bits it uses floating point, which vectorises. The quotient of two n-bit integers, if it is no integer, has a
    relative distance of at least 2**-n to any integer. So rounding to a float of more than n bits cannot move it onto or past an
    integer.
    """
    if x.type.width > 32:
        return b.sdiv(x, y)
    real = ir.FloatType() if x.type.width <= 16 else ir.DoubleType()
    return b.fptosi(b.fdiv(b.sitofp(x, real), b.sitofp(y, real)), x.type)


def _divide(b: Builder, x: ir.Value, y: ir.Value) -> tuple[ir.Value, ir.Value, ir.Value]:
    """Returns the truncated quotient, the remainder, and whether y is zero.

    Where undefined, y is replaced by 1 (x / 1 = -(-x) wraps).
    """
    zero = is_zero(b, y)
    overflow = b.and_(b.icmp_signed("==", x, minimum_of(x)), b.icmp_signed("==", y, constant(y, -1)))
    divisor = b.select(b.or_(zero, overflow), constant(y, 1), y)
    quotient = _quotient(b, x, divisor)
    return quotient, b.sub(x, b.mul(quotient, divisor)), zero


def _floor_adjust(b: Builder, rest: ir.Value, y: ir.Value) -> ir.Value:
    """Whether the truncated quotient is one above the floor: a remainder of the other sign than the divisor."""
    return b.and_(b.not_(is_zero(b, rest)), is_negative(b, b.xor(rest, y)))


def floor_division(b: Builder, x: ir.Value, y: ir.Value) -> tuple[ir.Value, ir.Value]:
    """Returns the floor quotient and the remainder with the divisor's sign, both 0 for y = 0; by the machine's own division."""
    quotient, rest, zero = _divide(b, x, y)
    below = _floor_adjust(b, rest, y)
    quotient = b.select(below, b.sub(quotient, constant(x, 1)), quotient)
    rest = b.select(below, b.add(rest, y), rest)
    return b.select(zero, constant(x, 0), quotient), b.select(zero, constant(x, 0), rest)


def _known(y: ir.Value) -> int | None:
    """Returns the divisor when it is a positive constant."""
    value = y.constant if isinstance(y, ir.Constant) else None
    return value if isinstance(value, int) and value > 0 else None


def _floor_parts(b: Builder, x: ir.Value, divisor: int) -> tuple[ir.Value, ir.Value]:
    """Returns the floor quotient and the remainder by a positive constant.

    Up to 32 bits LLVM multiplies by a reciprocal of twice the width, in vectors too. At 64 bits there are no vector instructions
    for that, so the quotient is computed in doubles. Conversion, reciprocal and product round three times. So the quotient is off
    by at most 3 * 2**-53 * 2**63 / divisor, which is less than 1 from 4096 on. The remainder shows by how much. Smaller divisors
    divide that remainder, which is small, in a second step.
    """
    if divisor == 1:
        return x, constant(x, 0)
    if x.type.width <= 32:
        quotient = b.sdiv(x, constant(x, divisor))
        return _at_least_zero(b, quotient, b.sub(x, b.mul(quotient, constant(x, divisor))), divisor)
    quotient, rest = _rounded_step(b, x, divisor)
    if divisor < 4096:
        more, rest = _rounded_step(b, rest, divisor)
        quotient = b.add(quotient, more)
    quotient, rest = _at_least_zero(b, quotient, rest, divisor)
    high = b.icmp_signed(">=", rest, constant(rest, divisor))
    quotient = b.select(high, b.add(quotient, constant(quotient, 1)), quotient)
    return quotient, b.select(high, b.sub(rest, constant(rest, divisor)), rest)


def _rounded_step(b: Builder, x: ir.Value, divisor: int) -> tuple[ir.Value, ir.Value]:
    """Returns a quotient near the floor, computed in doubles, and the rest of x."""
    real = ir.DoubleType()
    scaled = b.fmul(b.sitofp(x, real), ir.Constant(real, 1.0 / divisor))
    quotient = b.fptosi(call(b, "llvm.floor.f64", real, scaled), x.type)
    return quotient, b.sub(x, b.mul(quotient, constant(x, divisor)))


def _at_least_zero(b: Builder, quotient: ir.Value, rest: ir.Value, divisor: int) -> tuple[ir.Value, ir.Value]:
    """Decrements a quotient that is one too high, and corrects the rest."""
    low = is_negative(b, rest)
    quotient = b.select(low, b.sub(quotient, constant(quotient, 1)), quotient)
    return quotient, b.select(low, b.add(rest, constant(rest, divisor)), rest)


def _floor_divide(b: Builder, x: ir.Value, y: ir.Value) -> ir.Value:
    divisor = _known(y)
    if divisor is not None:
        return _floor_parts(b, x, divisor)[0]
    return floor_division(b, x, y)[0]


def _remainder(b: Builder, x: ir.Value, y: ir.Value) -> ir.Value:
    divisor = _known(y)
    if divisor is not None:
        return _floor_parts(b, x, divisor)[1]
    return floor_division(b, x, y)[1]


def _fmod(b: Builder, x: ir.Value, y: ir.Value) -> ir.Value:
    _, rest, zero = _divide(b, x, y)
    return b.select(zero, constant(x, 0), rest)


def _absolute(b: Builder, x: ir.Value) -> ir.Value:
    return b.select(is_negative(b, x), b.neg(x), x)


def _sign(b: Builder, x: ir.Value) -> ir.Value:
    return b.select(is_negative(b, x), constant(x, -1), b.zext(b.not_(is_zero(b, x)), x.type))


def _reciprocal(b: Builder, x: ir.Value) -> ir.Value:
    # NumPy computes (type)(1.0 / x): x86 converts the infinity of x = 0 to the minimum of int, truncated to 0 for short types.
    at_zero = minimum_of(x) if x.type.width >= 32 else constant(x, 0)
    is_unit = b.icmp_unsigned("<=", b.add(x, constant(x, 1)), constant(x, 2))  # -1, 0 or 1
    return b.select(is_zero(b, x), at_zero, b.select(is_unit, x, constant(x, 0)))


def _power(b: Builder, x: ir.Value, y: ir.Value) -> ir.Value:
    """Computes x ** y by squaring, modulo 2**width; unspecified for y < 0. For a constant y LLVM folds it to a few products."""
    result = constant(x, 1)
    for bit in range(x.type.width - 1):
        taken = b.trunc(b.lshr(y, constant(y, bit)), ir.IntType(1))
        result = b.select(taken, b.mul(result, x), result)
        x = b.mul(x, x)
    return result


def _left_shift(b: Builder, x: ir.Value, y: ir.Value) -> ir.Value:
    inside = b.icmp_unsigned("<", y, constant(y, y.type.width))
    return b.select(inside, b.shl(x, b.select(inside, y, constant(y, 0))), constant(x, 0))


def _right_shift(b: Builder, x: ir.Value, y: ir.Value) -> ir.Value:
    most = constant(y, y.type.width - 1)
    return b.ashr(x, b.select(b.icmp_unsigned("<", y, most), y, most))


def _gcd(b: Builder, x: ir.Value, y: ir.Value) -> ir.Value:
    """Computes the gcd of magnitudes taken as unsigned, as NumPy does (so that gcd(INT_MIN, 0) is INT_MIN)."""
    wide = ir.IntType(64 if x.type.width == 64 else 32)
    widened = (a if a.type == wide else b.sext(a, wide) for a in (x, y))
    divisor = call(b, gcd_name(wide.width), wide, *(_absolute(b, a) for a in widened))
    return divisor if x.type == wide else b.trunc(divisor, x.type)


def _lcm(b: Builder, x: ir.Value, y: ir.Value) -> ir.Value:
    divisor = _gcd(b, x, y)
    zero = is_zero(b, divisor)
    part = b.udiv(_absolute(b, x), b.select(zero, constant(x, 1), divisor))
    return b.select(zero, constant(x, 0), b.mul(part, _absolute(b, y)))


def _compare(symbol: str) -> Lowering:
    def lowering(b: Builder, x: ir.Value, y: ir.Value) -> ir.Value:
        # i1 as a signed integer has -1 for True.
        return (b.icmp_unsigned if x.type.width == 1 else b.icmp_signed)(symbol, x, y)

    return lowering


def _truth(name: str) -> Lowering:
    def lowering(b: Builder, x: ir.Value, y: ir.Value) -> ir.Value:
        return getattr(b, name)(b.not_(is_zero(b, x)), b.not_(is_zero(b, y)))

    return lowering


def _always(value: bool) -> Lowering:
    return lambda b, x: ir.Constant(ir.IntType(1), int(value))


def _same(b: Builder, x: ir.Value) -> ir.Value:
    return x


def _larger(b: Builder, x: ir.Value, y: ir.Value) -> ir.Value:
    return b.select(b.icmp_signed(">=", x, y), x, y)


def _smaller(b: Builder, x: ir.Value, y: ir.Value) -> ir.Value:
    return b.select(b.icmp_signed("<=", x, y), x, y)


COMPARISONS = {
    "equal": "==", "not_equal": "!=", "less": "<", "less_equal": "<=", "greater": ">", "greater_equal": ">=",
}  # fmt: skip

_SHARED: dict[str, Lowering] = {
    **{name: _compare(symbol) for name, symbol in COMPARISONS.items()},
    "bitwise_and": Builder.and_, "bitwise_or": Builder.or_, "bitwise_xor": Builder.xor, "invert": Builder.not_,
    "absolute": _absolute, "ceil": _same, "floor": _same, "trunc": _same,
    "isnan": _always(False), "isinf": _always(False), "isfinite": _always(True),
    "logical_and": _truth("and_"), "logical_or": _truth("or_"), "logical_xor": _truth("xor"), "logical_not": is_zero,
}  # fmt: skip

#: Functions of bools (i1): NumPy's sums are `or`, its products `and`.
BOOLS: dict[str, Lowering] = {
    **_SHARED,
    "absolute": _same, "add": Builder.or_, "multiply": Builder.and_,
    "maximum": Builder.or_, "fmax": Builder.or_, "minimum": Builder.and_, "fmin": Builder.and_,
}  # fmt: skip

#: Functions of signed integers of one width.
INTEGERS: dict[str, Lowering] = {
    **_SHARED,
    "add": Builder.add, "subtract": Builder.sub, "multiply": Builder.mul, "negative": Builder.neg, "positive": _same,
    "conjugate": _same, "square": lambda b, x: b.mul(x, x), "sign": _sign, "reciprocal": _reciprocal, "power": _power,
    "floor_divide": _floor_divide, "remainder": _remainder, "fmod": _fmod, "left_shift": _left_shift,
    "right_shift": _right_shift, "gcd": _gcd, "lcm": _lcm,
    "maximum": _larger, "fmax": _larger, "minimum": _smaller, "fmin": _smaller,
}  # fmt: skip
