"""Represents ``Decimal(x)`` of a str or a float of the row, until the function rounds it to constant decimals.

The number of decimals depends on the row, so the only operations are `quantize`, `round` and float(). Of a text, `parse_decimal`
keeps two decimals more than the result. The second of these only tells whether further digits follow. So each rounding mode
decides as over all digits. Rows that are not plain numbers of a sign, digits and a point run in Python.
"""

from __future__ import annotations

import decimal
from typing import Any

from sparkweld.ir import Value
from sparkweld.ir.ops import StrCall
from sparkweld.ir.types import F64
from udf_compiler.frontends.python import decimals
from udf_compiler.frontends.python.decimal_arguments import rounding_of, scale_of
from udf_compiler.frontends.python.operands import as_float, as_text, make_float, make_int
from udf_compiler.frontends.python.path_explorer import explorer
from udf_compiler.frontends.python.values import MAX, TracedScalar
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.signatures import check_form
from udf_compiler.frontends.tracing.values import Traced

#: `format_fixed` formats up to this number of decimals.
_MOST_FIXED = 9
_HALVES = (decimal.ROUND_HALF_EVEN, decimal.ROUND_HALF_UP, decimal.ROUND_HALF_DOWN)


class DecimalText(Traced):
    """A Decimal of the row whose digits are those of a str."""

    __slots__ = ("of", "shared")
    what = "Decimal of a str"
    stands_for = decimal.Decimal

    def __init__(self, of: TracedScalar) -> None:
        self.of, self.shared = of, True

    def __getattr__(self, name: str) -> Any:
        if name != "quantize":
            refuse("SW251", call=f"{self.what}.{name}")

        def quantize(exp: Any, rounding: Any = None, context: Any = None) -> Any:
            return self.rounded(scale_of(exp), rounding_of(rounding, context, "Decimal.quantize"))

        def called(*args: Any, **kwargs: Any) -> Any:
            check_form(quantize, args, kwargs, "Decimal.quantize")
            return quantize(*args, **kwargs)

        return called

    def __round__(self, ndigits: Any = None) -> Any:
        if type(ndigits) is not int:
            refuse("SW262", call="round()", what="a number of digits that is not constant")
        return self.rounded(ndigits, decimal.ROUND_HALF_EVEN)

    def to_float(self) -> Any:
        """Returns ``float(x)``. Refuses (SW251) a str, which float() parses by other rules."""
        refuse("SW251", call=f"float() of a {self.what}")

    def rounded(self, scale: int, rounding: str) -> Any:
        """Returns the Decimal with a number of decimals; refuses (SW262) one below 0 or above 26."""
        if not 0 <= scale <= decimals.MOST_DECIMALS - 2:
            refuse("SW262", call="Decimal.quantize", what=f"{scale} decimals")
        return decimals.quantized(_parsed(as_text(self.of), scale), scale, rounding)


class DecimalFloat(DecimalText):
    """A Decimal of the row that has the exact value of a float."""

    __slots__ = ()
    what = "Decimal of a float"

    def to_float(self) -> Any:
        """Returns ``float(x)``; Decimal is exact. A NaN has no sign afterwards, as no NaN has in a result."""
        return make_float(as_float(self.of))

    def rounded(self, scale: int, rounding: str) -> Any:
        """Formats the float half to even, which differs from the other ways to round halves in ties only: Python runs these rows.

        A float x is half way between two numbers of n decimals where x * 2**(n + 1) is an odd int.
        """
        if rounding not in _HALVES or not 0 <= scale <= _MOST_FIXED:
            refuse("SW262", call="Decimal.quantize", what=f"{rounding} to {scale} decimals of a float")
        run, value = explorer(), as_float(self.of)
        loop = run.loop
        if rounding != decimal.ROUND_HALF_EVEN:
            steps = loop.call("multiply", value, loop.const(2.0 ** (scale + 1), F64))
            rest = loop.call("remainder", steps, loop.const(2.0, F64))  # 1.0 of each odd int, also of a negative one
            run.guard(loop.call("not_equal", rest, loop.const(1.0, F64)))
        run.guard(loop.emit(StrCall("format_fixed_decided", (scale, "")), value))
        return decimals.new(_digits(loop.emit(StrCall("format_fixed", (scale, "")), value), scale), scale)


def _digits(text: Value, scale: int) -> Any:
    """Returns the int without the decimal point of a number with that many decimals. Python runs other rows."""
    loop = explorer().loop
    found = _found(text, scale)
    return make_int(loop.call("floor_divide", found, loop.const(100, found.type)), (-(MAX // 100), MAX // 100))


def _parsed(text: Value, scale: int) -> Any:
    return decimals.new(make_int(_found(text, scale), (-MAX, MAX)), scale + 2)


def _found(text: Value, scale: int) -> Value:
    loop = explorer().loop
    found = loop.emit(StrCall("parse_decimal", (scale,)), text)
    explorer().guard(loop.is_valid(found))
    return loop.value_of(found)
