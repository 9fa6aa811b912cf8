"""Lowers Python's decimal.Decimal of a row to IR: an int64 without the decimal point, and a constant number of decimals.

Sums and products of such numbers have at most 28 digits, so Python's default context rounds none of them. Rows that would not
fit an int64 are guarded, as are those with a negative zero, which an int64 does not have.
"""

from __future__ import annotations

import decimal
import math
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.ops import StrCall
from sparkweld.ir.ops.string_functions import MOST_DECIMALS
from sparkweld.ir.types import BOOL, F64, I64
from udf_compiler.frontends.python import undefined
from udf_compiler.frontends.python.comparisons import compare
from udf_compiler.frontends.python.durations import number_op
from udf_compiler.frontends.python.numbers import unary as unary_of_int
from udf_compiler.frontends.python.operands import (
    Operand,
    as_int,
    guard_differs,
    guard_exact,
    is_number,
    make_bool,
    make_float,
    make_int,
    raise_type_error,
    span_of,
)
from udf_compiler.frontends.python.path_explorer import explorer
from udf_compiler.frontends.python.values import DECIMALS, LOOSE, MAX, MIN, TracedScalar, is_scalar
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.values import COMPARISONS, MIRRORED, raw

#: The most decimals that one division by an exact power of ten turns into the nearest float.
_MOST_EXACT = 22

#: str() writes an exponent where the first digit is behind more than this many decimals.
_PLAIN = 6

#: How many decimals a kernel may round away: the divisor is an int64.
_MOST_ROUNDED = 18

#: Functions of math and their methods -> the mode that rounds like them.
_WHOLE = {"trunc": decimal.ROUND_DOWN, "floor": decimal.ROUND_FLOOR, "ceil": decimal.ROUND_CEILING}


def is_decimal(x: object) -> bool:
    """Whether `x` is a Decimal of the row or a constant one."""
    return (is_scalar(x) and x.kind in DECIMALS) or type(x) is Decimal  # type: ignore[attr-defined]


def new(x: Operand, scale: int, loose: bool = False) -> Any:
    """Returns the Decimal of an int without the decimal point; refuses (SW262) more than 28 decimals. `loose`: see `LOOSE`."""
    if scale > MOST_DECIMALS:
        refuse("SW262", call="decimal.Decimal", what=f"a number of {scale} decimals")
    kind = f"{'loose' if loose else 'decimal'}{scale}"
    return TracedScalar(kind, as_int(x), span_of(x)) if is_scalar(x) else Decimal(x).scaleb(-scale)


def is_loose(*given: Any) -> bool:
    """Whether one of the numbers has trailing zeros that depend on the row."""
    return any(is_scalar(x) and x.kind in LOOSE for x in given)


def check_context() -> None:
    """Refuses (SW262) another context than Python's default, which a module of the job may have set."""
    now = decimal.getcontext()
    trapped = {signal for signal, raises in now.traps.items() if raises}
    traps = {decimal.InvalidOperation, decimal.DivisionByZero, decimal.Overflow}
    if (now.prec, now.rounding, trapped) != (28, decimal.ROUND_HALF_EVEN, traps):
        refuse("SW262", call="decimal.getcontext", what="another context than the default")


def parts_of(x: Any) -> tuple[Operand, int]:
    """Returns a Decimal or an int as (int without the decimal point, number of decimals).

    Refuses (SW262) constants that are not finite, -0, or multiples of a power of ten.
    """
    if is_scalar(x):
        return TracedScalar("int", x.value, x.span) if x.kind in DECIMALS else x, DECIMALS.get(x.kind, 0)
    if type(x) is not Decimal:
        return x, 0
    sign, _, exponent = x.as_tuple()
    if not isinstance(exponent, int) or exponent > 0 or (sign and not x) or not -MOST_DECIMALS <= exponent:
        refuse("SW262", call="decimal.Decimal", what=f"the constant {x}")
    return int(x.scaleb(-exponent)), -exponent


def aligned(a: Any, b: Any) -> tuple[Operand, Operand, int]:
    """Returns two numbers with the same number of decimals, and that number."""
    (x, of_x), (y, of_y) = parts_of(a), parts_of(b)
    scale = max(of_x, of_y)
    return _moved(x, scale - of_x), _moved(y, scale - of_y), scale


def _moved(x: Operand, decimals: int) -> Operand:
    return number_op("mul", x, 10**decimals) if decimals else x


def truth(x: TracedScalar) -> Value:
    return explorer().loop.call("not_equal", x.value, explorer().loop.const(0, I64))


def binary(name: str, a: Any, b: Any) -> Any:
    """Applies an operator with a Decimal as at least one operand."""
    for x in (a, b):
        if is_scalar(x) and x.numpy:
            refuse("SW262", call=f"{name} of a Decimal", what=raw(x))
    floats = [x for x in (a, b) if type(x) is float or (is_scalar(x) and x.kind == "float")]
    if floats and name in COMPARISONS:
        return _compare_with_float(name, a, b) if is_decimal(a) else _compare_with_float(MIRRORED[name], b, a)
    if floats or not all(is_decimal(x) or is_number(x) for x in (a, b)):
        if all(is_decimal(x) or type(x) in (type(None), float, str, bool) or is_scalar(x) for x in (a, b)):
            return name == "ne" if name in ("eq", "ne") else undefined.no_operator(name, a, b)
        return undefined.operator(name, a, b)
    if name in COMPARISONS:
        x, y, _ = aligned(a, b)
        return make_bool(compare(COMPARISONS[name], x, y))
    if name not in _ARITHMETIC:
        refuse("SW262", call="decimal.Decimal", what=f"the operator {name}")
    return _ARITHMETIC[name](a, b)


def _compare_with_float(name: str, a: Any, b: Any) -> Any:
    """Compares a Decimal with a float by their exact values."""
    x, scale = parts_of(a)
    if is_scalar(b):
        return _compare_with_row(name, a, b)
    if math.isnan(b):
        return name == "ne" if name in ("eq", "ne") else refuse("SW262", call=f"{name} of a Decimal", what="NaN")
    if math.isinf(b):
        return {"eq": False, "ne": True, "lt": b > 0, "le": b > 0, "gt": b < 0, "ge": b < 0}[name]
    exact = Fraction(b) * 10**scale
    if name in ("eq", "ne") and exact.denominator != 1:
        return name == "ne"
    bound = math.ceil(exact) if name in ("lt", "ge") else math.floor(exact)
    return make_bool(compare(COMPARISONS[name], x, bound))


def _compare_with_row(name: str, a: Any, b: TracedScalar) -> Any:
    near = to_float(a).value if is_scalar(a) else explorer().loop.const(float(a), F64)
    return compare_near(name, near, b.value)


def compare_near(name: str, near: Value, x: Value) -> Any:
    """Compares by the float nearest to a Decimal, since rounding keeps the order; guards rows where both are equal, or NaN."""
    loop = explorer().loop
    explorer().guard(loop.call("logical_or", loop.call("less", near, x), loop.call("greater", near, x)))
    return make_bool(loop.call(COMPARISONS[name], near, x))


def _sum_or_difference(name: str) -> Callable[[Any, Any], Any]:
    def compute(a: Any, b: Any) -> Any:
        x, y, scale = aligned(a, b)
        return new(number_op(name, x, y), scale, is_loose(a, b))

    return compute


def _product(a: Any, b: Any) -> Any:
    (x, of_x), (y, of_y) = parts_of(a), parts_of(b)
    made = number_op("mul", x, y)
    guard_zero(made, x, y)
    return new(made, of_x + of_y, is_loose(a, b))


def guard_zero(made: Operand, *operands: Operand) -> None:
    """Guards rows where the result is zero and an odd number of operands may be negative: Python's is a negative zero."""
    if not any(span_of(x)[0] < 0 for x in operands):
        return
    run, loop = explorer(), explorer().loop
    positive = [loop.call("greater_equal", as_int(x), loop.const(0, I64)) for x in operands if span_of(x)[0] < 0]
    found = loop.call("not_equal", as_int(made), loop.const(0, I64))
    all_positive = positive[0] if len(positive) == 1 else loop.call("logical_and", *positive)
    run.guard(loop.call("logical_or", found, all_positive))


def _truncated(a: Any, b: Any) -> tuple[Any, Any, int]:
    """Returns the quotient, rounded towards zero, its remainder, and the decimals of the latter. Guards a divisor of zero."""
    x, y, scale = aligned(a, b)
    y, loop = of_row(y), explorer().loop
    for value, number in ((y, 0), (x, MIN), (y, MIN)):
        guard_differs(value, number)
    size = loop.call("floor_divide", *(loop.call("absolute", as_int(value)) for value in (x, y)))
    negative = loop.call("less", loop.call("bitwise_xor", as_int(x), as_int(y)), loop.const(0, I64))
    whole = make_int(loop.select(negative, loop.call("negative", size), size))
    rest = make_int(loop.call("subtract", as_int(x), loop.call("multiply", whole.value, as_int(y))))
    return whole, rest, scale


def of_row(x: Operand) -> Operand:
    """Returns an int as a value of the row, which a constant is in each row."""
    return x if is_scalar(x) else make_int(as_int(x), (x, x))


def _whole_quotient(a: Any, b: Any) -> Any:
    whole, _, _ = _truncated(a, b)
    guard_zero(whole, *(parts_of(x)[0] for x in (a, b)))
    return new(whole, 0)


def _remainder(a: Any, b: Any) -> Any:
    _, rest, scale = _truncated(a, b)
    guard_zero(rest, parts_of(a)[0])
    return new(rest, scale, is_loose(a, b))


_ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "add": _sum_or_difference("add"), "sub": _sum_or_difference("sub"), "mul": _product, "floordiv": _whole_quotient,
    "mod": _remainder, "divmod": lambda a, b: (_whole_quotient(a, b), _remainder(a, b)),
}  # fmt: skip


def unary(name: str, x: TracedScalar) -> Any:
    """Returns ``-x``, ``+x`` or ``abs(x)``; the negative of zero is zero."""
    if name == "invert":
        raise_type_error("bad operand type for unary ~: 'decimal.Decimal'")
    number, scale = parts_of(x)
    return new(unary_of_int(name, number), scale, is_loose(x))


def to_float(x: TracedScalar) -> Any:
    """Returns ``float(x)``; guards numbers of more digits than a float holds exactly."""
    number, scale = parts_of(x)
    if scale > _MOST_EXACT:
        refuse("SW262", call="float()", what=f"a number of {scale} decimals")
    if scale > 0:
        guard_exact(number)
    return make_float(nearest_float(explorer().loop, x.value, scale))


def nearest_float(loop: LoopBuilder, x: Value, scale: int) -> Value:
    """Returns the float nearest to x / 10**scale, for at most 22 decimals. With decimals, x must be exact as a float."""
    made = loop.cast(x, F64)
    return loop.call("divide", made, loop.const(10.0**scale, F64)) if scale > 0 else made


def to_int(x: TracedScalar) -> TracedScalar:
    """Returns ``int(x)``."""
    return whole(x, "trunc")


def whole(x: TracedScalar, fn: str) -> TracedScalar:
    """Returns the int of ``math.trunc(x)`` and similar."""
    return rounded(x, 0, _WHOLE[fn])


def round_(x: TracedScalar, ndigits: Any = None) -> Any:
    """Returns ``round(x)``, an int, or ``round(x, ndigits)``, a Decimal."""
    if ndigits is None:
        return rounded(x, 0, decimal.ROUND_HALF_EVEN)
    if type(ndigits) is not int:
        refuse("SW262", call="round()", what="a number of digits that is not constant")
    return quantized(x, ndigits, decimal.ROUND_HALF_EVEN)


def quantized(x: TracedScalar, scale: int, rounding: str) -> Any:
    """Returns the Decimal rounded to a number of decimals; refuses (SW262) one below 0 or above 28."""
    if not 0 <= scale <= MOST_DECIMALS:
        refuse("SW262", call="Decimal.quantize", what=f"{scale} decimals")
    made = rounded(x, scale, rounding)
    if scale < DECIMALS[x.kind]:
        guard_zero(made, parts_of(x)[0])
    return new(made, scale)


def rounded(x: TracedScalar, scale: int, rounding: str) -> Any:
    """Returns the int without the decimal point of a Decimal that is rounded to a number of decimals."""
    number, known = parts_of(x)
    if scale >= known:
        return _moved(number, scale - known)
    low, high = span_of(number)
    unit = 10 ** (known - scale)
    return make_int(divided(explorer().loop, as_int(number), known - scale, rounding), (low // unit, -(-high // unit)))


def divided(loop: LoopBuilder, x: Value, decimals: int, rounding: str) -> Value:
    """Returns an int64 over 10**decimals, rounded as the module decimal does. Refuses (SW262) more than 18 decimals."""
    if decimals > _MOST_ROUNDED:
        refuse("SW262", call="Decimal.quantize", what=f"{decimals} decimals fewer")
    return divided_by(loop, x, loop.const(10**decimals, I64), rounding)


def divided_by(loop: LoopBuilder, x: Value, unit: Value, rounding: str) -> Value:
    """Returns an int64 over a positive one, rounded as the module decimal does. Refuses (SW262) ROUND_05UP."""
    if rounding not in _ROUNDS_UP:
        refuse("SW262", call="Decimal.quantize", what=rounding)
    quotient, rest = (loop.call(fn, x, unit) for fn in ("floor_divide", "remainder"))
    up = _ROUNDS_UP[rounding](_Division(loop, x, quotient, rest, loop.call("subtract", unit, rest)))
    return loop.call("add", quotient, loop.select(up, loop.const(1, I64), loop.const(0, I64)))


class _Division:
    """A quotient that is rounded down, and its remainder, which is not negative. `other`: the divisor less the remainder."""

    def __init__(self, loop: LoopBuilder, x: Value, quotient: Value, rest: Value, other: Value) -> None:
        self.loop, self._rest, self._other = loop, rest, other
        self.negative = loop.call("less", x, loop.const(0, I64))
        self.odd = loop.call("equal", loop.call("bitwise_and", quotient, loop.const(1, I64)), loop.const(1, I64))

    def beyond_half(self, with_ties: Value) -> Value:
        """Returns whether the remainder is above one half of the divisor, or equal to it and `with_ties`."""
        above, tie = (self.loop.call(fn, self._rest, self._other) for fn in ("greater", "equal"))
        return self.loop.call("logical_or", above, self.loop.call("logical_and", tie, with_ties))

    @property
    def inexact(self) -> Value:
        return self.loop.call("not_equal", self._rest, self.loop.const(0, I64))

    @property
    def positive(self) -> Value:
        return self.loop.call("logical_not", self.negative)


#: Rounding mode -> whether the quotient that is rounded down becomes the next larger int.
_ROUNDS_UP: dict[str, Callable[[_Division], Value]] = {
    decimal.ROUND_FLOOR: lambda d: d.loop.const(False, BOOL),
    decimal.ROUND_CEILING: lambda d: d.inexact,
    decimal.ROUND_DOWN: lambda d: d.loop.call("logical_and", d.negative, d.inexact),
    decimal.ROUND_UP: lambda d: d.loop.call("logical_and", d.positive, d.inexact),
    decimal.ROUND_HALF_UP: lambda d: d.beyond_half(d.positive),
    decimal.ROUND_HALF_DOWN: lambda d: d.beyond_half(d.negative),
    decimal.ROUND_HALF_EVEN: lambda d: d.beyond_half(d.odd),
}


def text_of(loop: LoopBuilder, x: TracedScalar, separator: str = "") -> Value:
    """Returns the digits of a Decimal with its decimal point: ``str(x)`` where `guard_plain` holds. Refuses SW602."""
    if is_loose(x):
        refuse("SW602", spec="a Decimal whose number of decimals depends on the row")
    return loop.emit(StrCall("format_decimal", (DECIMALS[x.kind], separator)), x.value)


def guard_plain(x: TracedScalar) -> None:
    """Guards rows whose string has an exponent, such as 1E-7."""
    scale, loop = DECIMALS[x.kind], explorer().loop
    if scale > _PLAIN and -(10 ** (scale - _PLAIN)) < x.span[1]:
        least = min(10 ** (scale - _PLAIN), MAX)
        outside = [loop.call(fn, x.value, loop.const(end, I64)) for fn, end in (("less_equal", -least), ("greater_equal", least))]
        explorer().guard(loop.call("logical_or", *outside), local=True)
