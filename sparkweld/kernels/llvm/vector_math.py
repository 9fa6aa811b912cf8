"""Generates elementary functions as LLVM code, for hosts whose C library has no vector versions of them.

Each follows the textbook scheme (Muller, Elementary Functions, 3rd edition, chapters 3, 5 and 11). It reduces the argument to a
small interval with constants in two or three parts, evaluates a polynomial there, and undoes the reduction. There are no
branches, so LLVM vectorises the loop around it like other arithmetic, and all rows have the same result bits. `sin`, `cos`, `tan`
and `pow` leave rare arguments to libm. They are functions of vectors with one branch.

All compute in doubles with `fma`, also for f32. tests/kernels/test_math.py compares them with NumPy, and
tests/bench/bench_vector_math.py with libmvec and libm.
"""

from __future__ import annotations

from sparkweld.kernels.llvm.polynomials import ATAN, COS_SHORT, EXP, INVERSE_CBRT, LOG, LOG_TAIL, SIN, SIN_SHORT
from sparkweld.kernels.llvm.vector_code import ROUND, Code, Function, Value

_LN2, _LN2_LOW = float.fromhex("0x1.62e42fefa39efp-1"), float.fromhex("0x1.abc9e3b39803fp-56")
#: ln 2 with 11 zeros at the end, so that its product with an exponent is exact, and the rest.
_LN2_HEAD, _LN2_REST = float.fromhex("0x1.62e42fefa3800p-1"), float.fromhex("0x1.ef35793c76730p-45")
_LOG2_E, _LOG2_E_LOW = float.fromhex("0x1.71547652b82fep+0"), float.fromhex("0x1.777d0ffda0d24p-56")
_LOG10_E, _LOG10_E_LOW = float.fromhex("0x1.bcb7b1526e50ep-2"), float.fromhex("0x1.95355baaafad3p-57")
#: log10(2) with 11 zeros at the end, and the rest.
_LOG10_2_HEAD, _LOG10_2_REST = float.fromhex("0x1.34413509f7800p-2"), float.fromhex("0x1.fef311f12b358p-46")
_HALF_PI = tuple(map(float.fromhex, ("0x1.921fb54442d18p+0", "0x1.1a62633145c07p-54", "-0x1.f1976b7ed8fbcp-110")))
_QUARTER_PI, _QUARTER_PI_LOW = float.fromhex("0x1.921fb54442d18p-1"), float.fromhex("0x1.1a62633145c07p-55")
_CBRT_2, _CBRT_2_LOW = float.fromhex("0x1.428a2f98d728bp+0"), float.fromhex("-0x1.ddc22548ea41ep-56")
_CBRT_4, _CBRT_4_LOW = float.fromhex("0x1.965fea53d6e3dp+0"), float.fromhex("-0x1.f53e999952f09p-54")
_TAN_PI_8 = 0.41421356237309503
_SQRT_HALF_BITS, _ONE_BITS, _TWO_52_BITS = 0x3FE6A09E667F3BCD, 0x3FF0000000000000, 0x4330000000000000
_FRACTION = 0x000FFFFFFFFFFFFF
_INFINITY, _NAN = float("inf"), float("nan")
_TWO_54 = 2.0**54
#: Above it sin, cos and tan are left to libm: the three parts of pi/2 are exact up to 2**20 quarter turns.
_MOST_ANGLE = 1.0e6


def _clamped(code: Code, x: Value, low: float, high: float) -> Value:
    """Returns x within bounds; NaN stays."""
    below = code.select(x > high, high, x)
    return code.select(x < low, low, below)


def _reduced(code: Code, x: Value) -> tuple[Value, Value]:
    """Returns n and r with x = n * ln(2) + r and |r| <= ln(2)/2."""
    n = code.rounded(x, _LOG2_E)
    r = code.fma(n, -_LN2, x)
    return n, r if code.single else code.fma(n, -_LN2_LOW, r)


def _scaled(code: Code, value: Value, n: Value) -> Value:
    """Returns value * 2**n for |n| up to 2044, in two steps, so that results may overflow or be subnormal doubles."""
    if code.single:
        return value * code.power_of_two(n)
    half = code.rounded(n, 0.5)
    return value * code.power_of_two(half) * code.power_of_two(n - half)


def _exp_of_reduced(code: Code, r: Value) -> Value:
    return _expm1_of_reduced(code, r) + 1.0


def _exp(code: Code, x: Value) -> Value:
    n, r = _reduced(code, _within_exp(code, x))
    return _scaled(code, _exp_of_reduced(code, r), n)


def _within_exp(code: Code, x: Value) -> Value:
    """Returns x, or for larger and smaller arguments one with the same result of exp: 0 or infinity."""
    return _clamped(code, x, *((-110.0, 90.0) if code.single else (-746.0, 710.0)))


def _exp2(code: Code, x: Value) -> Value:
    within = _clamped(code, x, *((-160.0, 130.0) if code.single else (-1076.0, 1025.0)))
    n = code.rounded(within, 1.0)
    return _scaled(code, _exp_of_reduced(code, (within - n) * _LN2), n)


def _expm1_of_reduced(code: Code, r: Value) -> Value:
    return code.fma(code.polynomial(r, EXP), r * r, r)


def _expm1(code: Code, x: Value) -> Value:
    n, r = _reduced(code, _clamped(code, x, -40.0, 90.0 if code.single else 710.0))
    half = code.power_of_two(n - 1.0)  # 2**n itself overflows for the largest results
    result = code.fma(half, _expm1_of_reduced(code, r), half - 0.5) * 2.0
    return code.select(code.size(x) < 2.0**-54, x, result)


def _tanh(code: Code, x: Value) -> Value:
    """tanh(x) = t / (t + 2) with t = exp(2x) - 1; 1 from 22 on."""
    size = code.size(x)
    n, r = _reduced(code, code.select(size > 22.0, 22.0, size) * 2.0)
    power = code.power_of_two(n)
    t = code.fma(power, _expm1_of_reduced(code, r), power - 1.0)
    return code.signed_as(t / (t + 2.0), x)


def _split(code: Code, x: Value) -> tuple[Value, Value]:
    """Returns k and m with x = 2**k * m and m in [sqrt(1/2), sqrt(2)), for normal positive doubles."""
    shifted = x.as_bits() + (_ONE_BITS - _SQRT_HALF_BITS)
    return _exponent(shifted), ((shifted & _FRACTION) + _SQRT_HALF_BITS).as_doubles()


def _exponent(bits: Value) -> Value:
    """Returns the exponents of normal positive doubles from their bits, by making them the low bits of 2**52."""
    return ((bits >> 52) | _TWO_52_BITS).as_doubles() - (2.0**52 + 1023)


def _split_any(code: Code, x: Value) -> tuple[Value, Value]:
    """As `_split`, also for positive subnormals."""
    small = x < 2.0**-1022
    k, m = _split(code, code.select(small, x * _TWO_54, x))
    return code.select(small, k - 54.0, k), m


def _log_parts(code: Code, f: Value) -> tuple[Value, Value, Value]:
    """Returns s = f/(2 + f), h = f**2/2 and w with ln(1 + f) = f - (h - w), for 1 + f in [sqrt(1/2), sqrt(2))."""
    s = f / (f + 2.0)
    z = s * s
    h = f * f * 0.5
    return s, h, s * code.fma(code.polynomial(z, LOG), z, h)


def _of_positive(code: Code, x: Value, result: Value) -> Value:
    """Replaces the results of a logarithm for 0, infinity, NaN and negative arguments."""
    inner = code.select(x.equals(0.0), -_INFINITY, code.select(x.equals(_INFINITY), x, result))
    negative = code.select(x < 0.0, _NAN, inner)
    return code.select(x.differs(x), x, negative)


def _log(code: Code, x: Value) -> Value:
    return _of_positive(code, x, _log_of_split(code, *_split_any(code, x)))


def _log_of_split(code: Code, k: Value, m: Value) -> Value:
    f = m - 1.0
    _, h, w = _log_parts(code, f)
    return code.fma(k, _LN2_HEAD, f - (h - code.fma(k, _LN2_REST, w)))


def _log1p(code: Code, x: Value) -> Value:
    u = x + 1.0
    k, m = _split(code, u)
    near = k.equals(0.0)
    f = code.select(near, x, m - 1.0)
    s, h, w = _log_parts(code, f)
    lost = code.select(x > 1.0, 1.0 - (u - x), x - (u - 1.0))  # what rounding 1 + x lost
    # It is below the last place, so 1/m = (1 - s)/(1 + s) is good enough with the error 2*s**4
    inverse = 1.0 - s * 2.0 * (1.0 - s * (1.0 - s))
    correction = code.select(near | (x > 2.0**53), 0.0, lost * inverse * code.power_of_two(-k))
    result = code.fma(k, _LN2_HEAD, f - (h - (code.fma(k, _LN2_REST, correction) + w)))
    return code.select(x.equals(0.0), x, _of_positive(code, u, result))


def _log_in_base(code: Code, x: Value, factor: float, factor_low: float, unit: float, unit_rest: float) -> Value:
    """Returns ln(x) * (factor + factor_low); a power of two contributes unit + unit_rest."""
    k, m = _split_any(code, x)
    f = m - 1.0
    _, h, w = _log_parts(code, f)
    if code.single:
        return _of_positive(code, x, code.fma(k, unit + unit_rest, (f - (h - w)) * factor))
    high = f - h
    low = ((f - high) - h) + w
    product = high * factor
    rest = code.fma(low, factor, code.fma(high, factor_low, code.fma(high, factor, -product)))
    return _of_positive(code, x, code.fma(k, unit, product + code.fma(k, unit_rest, rest)))


def _log2(code: Code, x: Value) -> Value:
    return _log_in_base(code, x, _LOG2_E, _LOG2_E_LOW, 1.0, 0.0)


def _log10(code: Code, x: Value) -> Value:
    return _log_in_base(code, x, _LOG10_E, _LOG10_E_LOW, _LOG10_2_HEAD, _LOG10_2_REST)


def _cbrt(code: Code, x: Value) -> Value:
    """Takes the exponent by thirds, and m**(-1/3) of the rest by a polynomial and one step of fourth order."""
    size = code.size(x)
    small = size < 2.0**-1022
    bits = code.select(small, size * _TWO_54, size).as_bits()
    exponent = _exponent(bits)
    exponent = code.select(small, exponent - 54.0, exponent)
    m = ((bits & _FRACTION) | _ONE_BITS).as_doubles()
    third = code.rounded(exponent - 1.0, 1 / 3)  # rounds down: exponent - 3*third is 0, 1 or 2
    rest = code.fma(third, -3.0, exponent)
    y = code.polynomial(m, INVERSE_CBRT)
    e = code.fma(y * y * y, -m, 1.0)
    y = code.fma(y * e, code.fma(e, code.fma(e, 14 / 81, 2 / 9), 1 / 3), y)
    t = m * y * y
    square = t * t
    residual = code.fma(square, -t, m) - code.fma(t, t, -square) * t
    root = t if code.single else code.fma(residual * y * y, 1 / 3, t)
    one, two = rest.equals(1.0), rest.equals(2.0)
    high = code.select(two, _CBRT_4, code.select(one, _CBRT_2, 1.0))
    low = code.select(two, _CBRT_4_LOW, code.select(one, _CBRT_2_LOW, 0.0))
    result = code.fma(root, high, root * low) * code.power_of_two(third)
    return code.select(x.equals(0.0), x, code.select(size < _INFINITY, code.signed_as(result, x), x))


def _atan_of_ratio(code: Code, y: Value, x: Value, small: Value, large: Value) -> Value:
    """Returns atan2 of finite arguments, or infinities that the caller replaced, with small = min(|x|, |y|), large = max."""
    middle = small > large * _TAN_PI_8
    t = code.select(middle, small - large, small) / code.select(middle, small + large, large)
    t = code.select(large.equals(0.0), 0.0, t)
    z = t * t
    turned = code.size(y) > code.size(x)
    negative = code.signed_as(1.0, x) < 0.0
    # the angle is eighths * pi/4 + t + ..., with the sign of t changed at the diagonal and at the axis
    eighths = code.select(middle, 1.0, 0.0)
    eighths = code.select(turned, 2.0 - eighths, eighths)
    eighths = code.select(negative, 4.0 - eighths, eighths)
    direction = code.select(turned, -1.0, 1.0)
    direction = code.select(negative, -direction, direction)
    high = eighths * _QUARTER_PI
    low = code.fma(eighths, _QUARTER_PI, -high) + eighths * _QUARTER_PI_LOW
    part = code.fma(code.polynomial(z, ATAN) * z, t, t)
    return code.signed_as(high + code.fma(direction, part, low), y)


def _arctan2(code: Code, y: Value, x: Value) -> Value:
    ys, xs = code.size(y), code.size(x)
    upper = ys > xs
    small, large = code.select(upper, xs, ys), code.select(upper, ys, xs)
    # the quotient needs no precision that scaling would lose, but sums may overflow and subnormals have few bits
    scale = code.select(large > 2.0**1000, 2.0**-100, code.select(large < 2.0**-900, 2.0**200, 1.0))
    infinite = large.equals(_INFINITY)
    small = code.select(infinite, code.select(small.equals(_INFINITY), 1.0, 0.0), small * scale)
    large = code.select(infinite, 1.0, large * scale)
    result = _atan_of_ratio(code, y, x, small, large)
    unordered = x.differs(x) | y.differs(y)
    return code.select(unordered, x + y, result)


def _arctan(code: Code, x: Value) -> Value:
    return _arctan2(code, x, code.constant("f", 1.0))


def _quarter_turns(code: Code, x: Value, n: Value) -> Value:
    """Returns x - n * pi/2 for integers |n| < 2**20: the first step is exact, and the parts that follow are small."""
    first, second, third = _HALF_PI
    exact = code.fma(n, -first, x)
    high = code.fma(n, -second, exact)
    if code.single:
        return high
    return high + code.fma(n, -third, code.fma(n, -second, exact - high))


def _sine(code: Code, r: Value, half_turns: Value) -> Value:
    """Returns sin(r), |r| <= pi/2, negated when `half_turns`, an integer plus `ROUND`, is odd."""
    z = r * r
    result = code.fma(code.polynomial(z, SIN) * z, r, r)
    return (result.as_bits() ^ (half_turns.as_bits() << 63)).as_doubles()


def _sin(code: Code, x: Value) -> Value:
    turns = code.fma(x, 1 / 3.141592653589793, ROUND)
    n = (turns - ROUND) * 2.0
    result = _sine(code, _quarter_turns(code, x, n), turns)
    return code.select(x.equals(0.0), x, result)


def _cos(code: Code, x: Value) -> Value:
    """cos(x) = sin(x + pi/2): reduces by odd multiples of pi/2."""
    size = code.size(x)
    turns = code.fma(size, 1 / 3.141592653589793, 0.5) + ROUND
    n = code.fma(turns - ROUND, 2.0, -1.0)
    return _sine(code, _quarter_turns(code, size, n), turns)


def _tan(code: Code, x: Value) -> Value:
    turns = code.fma(x, 2 / 3.141592653589793, ROUND)
    r = _quarter_turns(code, x, turns - ROUND)
    z = r * r
    sine = code.fma(code.polynomial(z, SIN_SHORT) * z, r, r)
    half = z * 0.5
    near = 1.0 - half
    cosine = near + code.fma(code.polynomial(z, COS_SHORT) * z, z, (1.0 - near) - half)
    odd = ((turns.as_bits() & 1) << 63).as_doubles()  # -0.0 for odd quarter turns, else 0.0
    swapped = code.signed_as(1.0, odd) < 0.0
    result = code.select(swapped, -cosine, sine) / code.select(swapped, sine, cosine)
    return code.select(x.equals(0.0), x, result)


def _log_in_two_parts(code: Code, x: Value) -> tuple[Value, Value]:
    """Returns ln(x) of a normal positive double as a sum of two doubles, with a relative error of about 2**-63."""
    k, m = _split(code, x)
    f, g = m - 1.0, m + 1.0
    inverse = 1.0 / g
    s = f * inverse
    s_low = (code.fma(s, -g, f) - s * (m - (g - 1.0))) * inverse
    z = s * s
    z_low = code.fma(s, s, -z) + s * s_low * 2.0
    # 2/3 * s**3 in two parts; the terms after it in one
    cube = z * s
    cube_low = code.fma(z, s, -cube) + code.fma(z, s_low, z_low * s)
    third = cube * (2 / 3)
    third_low = code.fma(cube, 2 / 3, -third) + code.fma(cube_low, 2 / 3, cube * float.fromhex("0x1.5555555555555p-55"))
    tail = code.polynomial(z, LOG_TAIL) * z * cube
    twice = s * 2.0
    first = twice + third
    low = (twice - first) + third + (third_low + tail + s_low * 2.0)
    head = k * _LN2_HEAD
    high = head + first
    low = (head - high) + first + code.fma(k, _LN2_REST, low)  # head is 0, or larger than first
    total = high + low
    return total, (high - total) + low


def _exp_of_product(code: Code, x: Value, y: Value) -> Value:
    """Returns x**y of a normal positive double."""
    if code.single:
        n, r = _reduced(code, _within_exp(code, y * _log_of_split(code, *_split(code, x))))
        return _scaled(code, _exp_of_reduced(code, r), n)
    log, log_low = _log_in_two_parts(code, x)
    product = y * log
    product_low = code.fma(y, log, -product) + y * log_low
    within = _within_exp(code, product)
    n, r = _reduced(code, within)
    r = r + code.select(within.equals(product), product_low, 0.0)
    return _scaled(code, _exp_of_reduced(code, r), n)


def _power(code: Code, x: Value, y: Value) -> Value:
    result = _exp_of_product(code, code.size(x), y)
    at_zero = code.select(y > 0.0, 0.0, _INFINITY)
    result = code.select(x.equals(0.0), at_zero, result)
    odd = code.intrinsic("floor", y).equals(y) & code.intrinsic("floor", y * 0.5).differs(y * 0.5)
    result = code.select(odd, code.signed_as(result, x), result)
    fraction = code.intrinsic("floor", y).differs(y)
    result = code.select((x < 0.0) & fraction | x.differs(x), _NAN, result)
    result = code.select(y.differs(y), y, result)
    return code.select(x.equals(1.0) | y.equals(0.0), 1.0, result)


def _far(code: Code, x: Value) -> Value:
    return code.size(x) > _MOST_ANGLE


def _unusual(code: Code, x: Value, y: Value) -> Value:
    """Flags powers of a subnormal or infinite base, and those with a huge exponent."""
    size = code.size(x)
    base = (size > 0.0) & (size < 2.0**-1022) | size.equals(_INFINITY)
    return base | (code.size(y) > 2.0**60)


#: By libm's names of the versions for doubles.
FUNCTIONS = {
    "exp": Function(_exp), "exp2": Function(_exp2), "expm1": Function(_expm1), "log": Function(_log), "log2": Function(_log2),
    "log10": Function(_log10), "log1p": Function(_log1p), "cbrt": Function(_cbrt), "tanh": Function(_tanh),
    "atan": Function(_arctan), "atan2": Function(_arctan2, 2), "sin": Function(_sin, 1, _far), "cos": Function(_cos, 1, _far),
    "tan": Function(_tan, 1, _far), "pow": Function(_power, 2, _unusual),
}  # fmt: skip
