"""Lowers quotients of Python's Decimals of a row: ``a / b``, which Python rounds to 28 digits.

A quotient is kept as two int64. What reads it must not see that rounding, of at most 5e-28 of the value:

- Rounding to n decimals changes at multiples of 0.5 * 10**-n. A quotient of a and b that is no such multiple differs from it by
  at least 1 / (2 * b * 10**n). That is more than the error, of a / b * 5e-28, since a * 10**n is an int64 here.
- The nearest float changes between two floats, at M * 2**e with an odd M of 54 bits. No quotient of a, of at most 53 bits, equals
  one. It differs by at least 2**-54 / b of the value, which is more than 5e-28 while b <= 2**36.
"""

from __future__ import annotations

import decimal
from decimal import Decimal
from typing import Any

from sparkweld.ir import Value
from sparkweld.ir.types import I64
from udf_compiler.frontends.python import decimals
from udf_compiler.frontends.python.comparisons import compare
from udf_compiler.frontends.python.decimal_methods import rounding_of, scale_of
from udf_compiler.frontends.python.decimals import compare_near, divided_by, guard_zero, is_decimal, new, of_row, parts_of
from udf_compiler.frontends.python.durations import number_op
from udf_compiler.frontends.python.operands import (
    Operand,
    as_float,
    as_int,
    guard_differs,
    guard_exact,
    is_number,
    kind_of,
    make_bool,
    make_float,
    make_int,
    span_of,
)
from udf_compiler.frontends.python.path_explorer import explorer
from udf_compiler.frontends.python.values import MIN, is_scalar
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.values import COMPARISONS, MIRRORED, Traced

#: The most decimals to which a quotient is rounded, as 10**18 is an int64.
_MOST_DECIMALS = 18

#: The largest divisor of a quotient that becomes a float.
_LARGEST = 2**36

#: The most digits that a constant divisor may add to a number.
_MOST_ADDED = 18

_EVEN = decimal.ROUND_HALF_EVEN


class Quotient(Traced):
    """A quotient of two ints of the row; `below` is not zero."""

    __slots__ = ("above", "below")
    what = "quotient of Decimals"
    stands_for = Decimal

    __class__ = Decimal  # type: ignore[assignment]

    above: Operand
    below: Operand

    def __init__(self, above: Operand, below: Operand) -> None:
        self.above, self.below = above, below

    def __bool__(self) -> bool:
        return bool(number_op("ne", self.above, 0))

    def _binary(self, name: str, other: Any, reflected: bool) -> Any:
        return binary(name, other, self) if reflected else binary(name, self, other)

    def __round__(self, ndigits: Any = None) -> Any:
        if ndigits is not None and type(ndigits) is not int:
            refuse("SW262", call="round()", what="a number of digits that is not constant")
        return _quantized(self, ndigits, _EVEN) if ndigits is not None else _rounded(self, 0, _EVEN)

    def __getattr__(self, name: str) -> Any:
        if name != "quantize":
            refuse("SW251", call=f"Decimal.{name} of a quotient")
        return lambda exp, rounding=None, context=None: _quantized(
            self, scale_of(exp), rounding_of(rounding, context, "Decimal.quantize")
        )


def binary(name: str, a: Any, b: Any) -> Any:
    """Applies an operator with a Decimal or a quotient as at least one operand."""
    if type(a) is not Quotient and type(b) is not Quotient:
        return _quotient(a, b) if name == "truediv" and _are_exact(a, b) else decimals.binary(name, a, b)
    if name in COMPARISONS:
        return _compare(name, a, b) if type(a) is Quotient else _compare(MIRRORED[name], b, a)
    factor = b if type(a) is Quotient else a
    if name == "mul" and _is_power_of_ten(factor):
        return _scaled(a if factor is b else b, *parts_of(factor))
    if name == "truediv" and type(a) is Quotient and _is_power_of_ten(b):
        number, scale = parts_of(b)
        return _scaled(a, 10**scale, len(str(number)) - 1)
    refuse("SW262", call=f"{name} of a quotient of Decimals", what="a number that is no power of ten")


def _are_exact(*given: Any) -> bool:
    return all(is_decimal(x) or (is_number(x) and kind_of(x) != "float" and not (is_scalar(x) and x.numpy)) for x in given)


def _is_power_of_ten(x: Any) -> bool:
    return (type(x) is int or type(x) is Decimal) and x > 0 and str(parts_of(x)[0]).rstrip("0") == "1"


def _scaled(x: Quotient, factor: int, decimals: int) -> Quotient:
    """Returns a quotient times a power of ten, by which its rounding is not changed."""
    above, below = _parts(x)
    return Quotient(number_op("mul", above, factor), number_op("mul", below, 10**decimals) if decimals else below)


def _parts(x: Quotient) -> tuple[Operand, Operand]:
    return object.__getattribute__(x, "above"), object.__getattribute__(x, "below")


def _quotient(a: Any, b: Any) -> Any:
    """Returns ``a / b``: a Decimal where the divisor is a constant that divides a power of ten. Guards a divisor of zero."""
    (x, of_x), (y, of_y) = parts_of(a), parts_of(b)
    if not is_scalar(y):
        if y == 0:
            refuse("SW262", call="decimal.Decimal", what="a divisor of zero")
        digits = next((n for n in range(_MOST_ADDED + 1) if 10**n % y == 0), None)
        if digits is not None:
            made = number_op("mul", x, 10**digits // y)
            guard_zero(made, x, y)
            scale = of_x - of_y + digits
            return new(made if scale >= 0 else number_op("mul", made, 10**-scale), max(scale, 0), loose=True)
    guard_differs(y, 0)
    above, below = (of_row(number_op("mul", n, 10**more) if more > 0 else n) for n, more in ((x, of_y - of_x), (y, of_x - of_y)))
    return Quotient(above, below)


def _positive(x: Quotient, factor: int = 1) -> tuple[Value, Value]:
    """Returns the two ints, times a factor the first, so that the divisor is positive."""
    above, below = _parts(x)
    above, loop = number_op("mul", above, factor), explorer().loop
    a, b = as_int(above), as_int(below)
    if span_of(below)[0] > 0:
        return a, b
    for part in (above, below):
        guard_differs(part, MIN)
    negative = loop.call("less", b, loop.const(0, I64))
    return loop.select(negative, loop.call("negative", a), a), loop.call("absolute", b)


def _rounded(x: Quotient, scale: int, rounding: str) -> Any:
    """Returns the int without the decimal point of a quotient that is rounded to a number of decimals."""
    if not 0 <= scale <= _MOST_DECIMALS:
        refuse("SW262", call="Decimal.quantize", what=f"a quotient and {scale} decimals")
    return make_int(divided_by(explorer().loop, *_positive(x, 10**scale), rounding))


def _quantized(x: Quotient, scale: int, rounding: str) -> Any:
    made = _rounded(x, scale, rounding)
    guard_zero(made, *_parts(x))
    return new(made, scale)


def converted(x: Quotient, name: str) -> Any:
    """Returns ``int(x)`` or ``float(x)``, by the name of the operation of a kind of scalars."""
    return _rounded(x, 0, decimal.ROUND_DOWN) if name == "to_int" else to_float(x)


def to_float(x: Quotient) -> Any:
    """Returns ``float(x)``; guards numbers of too many digits."""
    above, below = _parts(x)
    guard_exact(above)
    guard_exact(below, _LARGEST)
    return make_float(explorer().loop.call("divide", as_float(above), as_float(below)))


def _compare(name: str, x: Quotient, other: Any) -> Any:
    """Compares with a number of at most 18 decimals exactly, and with a float by the nearest float."""
    if type(other) is float or (is_scalar(other) and other.kind == "float" and not other.numpy):
        return compare_near(name, to_float(x).value, as_float(other))
    if not _are_exact(other) or type(other) is Quotient:
        refuse("SW251", call=f"{name} of a quotient of Decimals")
    number, scale = parts_of(other)
    if scale > _MOST_DECIMALS:
        refuse("SW262", call="a quotient of Decimals", what=f"a comparison with a number of {scale} decimals")
    above, below = _positive(x, 10**scale)
    return make_bool(compare(COMPARISONS[name], make_int(above), number_op("mul", make_int(below), number)))


__all__ = ["Quotient", "binary", "converted", "to_float"]
