"""Converts floats to ints (int, floor, ceil, round) and rounds to decimals, as CPython does."""

from __future__ import annotations

from typing import Any

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.types import F64, I64
from udf_compiler.frontends.python.numbers import as_int, fits, is_scalar, make_float, make_int, span_of
from udf_compiler.frontends.python.path_explorer import explorer
from udf_compiler.frontends.python.values import TracedScalar
from udf_compiler.frontends.tracing.session import refuse

#: 10 ** 22 is the largest power of ten that is exact as a float.
MOST_DIGITS = 22

#: Veltkamp's splitter: the high and the low half of a float's 53 bits.
_SPLITTER = 2.0**27 + 1


def to_int(x: TracedScalar) -> TracedScalar:
    """Returns ``int(x)`` of a number: truncates towards zero."""
    return whole(x, "trunc")


def round_(x: TracedScalar, ndigits: Any = None) -> TracedScalar:
    """Returns ``round(x)`` as an int, half to even, or ``round(x, ndigits)`` as the float nearest to the rounded decimal."""
    if ndigits is None:
        return whole(x, "rint")
    if is_scalar(ndigits) or type(ndigits) is not int:
        refuse("SW262", call="round()", what="a number of digits that is not constant")
    if x.kind != "float":
        if ndigits < 0:
            refuse("SW262", call="round()", what="an int to tens or more")
        return make_int(as_int(x), span_of(x))
    if not 0 <= ndigits <= MOST_DIGITS:
        refuse("SW262", call="round()", what=f"{ndigits} digits")
    return make_float(_to_decimals(explorer().loop, x.value, ndigits))


def whole(x: TracedScalar, fn: str) -> TracedScalar:
    """Returns a number as the int of the ufunc `fn`, such as "floor"; ValueError and OverflowError where Python raises them."""
    if x.kind != "float":
        return make_int(as_int(x), span_of(x))
    run, loop = explorer(), explorer().loop
    run.raise_if(loop.call("isnan", x.value), lambda: ValueError("cannot convert float NaN to integer"))
    run.raise_if(loop.call("isinf", x.value), lambda: OverflowError("cannot convert float infinity to integer"))
    result = loop.call(fn, x.value)
    run.guard(fits(loop, result))
    return make_int(loop.cast(result, I64))


def _to_decimals(loop: LoopBuilder, x: Value, digits: int) -> Value:
    """Rounds the exact value of x half to even and returns the float nearest to that decimal, as CPython does.

    Let y be the float nearest to x * 10**digits, and e its exact error (Dekker's product), so y + e is exact. Only where y lies
    exactly between two integers does e decide. An integer below 2**53, divided by an exact power of ten, yields the float nearest
    to the decimal. From 2**52 on, x is an integer and remains unchanged. Rows where only y is that large are guarded.
    """
    if digits == 0:
        return loop.call("rint", x)
    size = loop.call("fabs", x)
    is_whole = loop.call("logical_not", loop.call("less", size, loop.const(2.0**52, F64)))  # NaN too
    scaled, decided = scaled_integer(loop, x, digits)
    explorer().guard(loop.call("logical_or", is_whole, decided))
    return loop.select(is_whole, x, loop.call("divide", scaled, loop.const(10.0**digits, F64)))


def scaled_integer(loop: LoopBuilder, x: Value, digits: int) -> tuple[Value, Value]:
    """Returns x * 10**digits as a float, rounded half to even by its exact value, and where it is decided (below 2**51)."""
    if digits == 0:
        return loop.call("rint", x), loop.call("less", loop.call("fabs", x), loop.const(2.0**51, F64))
    scale = loop.const(10.0**digits, F64)
    y = loop.call("multiply", x, scale)
    small = loop.call("less", loop.call("fabs", y), loop.const(2.0**51, F64))
    nearest = loop.call("rint", y)
    distance = loop.call("subtract", y, nearest)
    tie = loop.call("equal", loop.call("fabs", distance), loop.const(0.5, F64))
    error = _product_error(loop, x, scale, 10.0**digits, y)
    zero = loop.const(0.0, F64)
    up = loop.select(loop.call("greater", error, zero), loop.call("ceil", y), nearest)
    decided = loop.select(loop.call("less", error, zero), loop.call("floor", y), up)
    return loop.select(tie, decided, nearest), small


def _product_error(loop: LoopBuilder, x: Value, scale: Value, number: float, product: Value) -> Value:
    """Returns x * scale - product exactly, for x below 2**52 (Dekker 1971)."""
    high_of_scale = number * _SPLITTER - (number * _SPLITTER - number)
    b_high, b_low = loop.const(high_of_scale, F64), loop.const(number - high_of_scale, F64)
    scaled = loop.call("multiply", x, loop.const(_SPLITTER, F64))
    a_high = loop.call("subtract", scaled, loop.call("subtract", scaled, x))
    a_low = loop.call("subtract", x, a_high)
    error = loop.call("subtract", loop.call("multiply", a_high, b_high), product)
    error = loop.call("add", error, loop.call("multiply", a_high, b_low))
    error = loop.call("add", error, loop.call("multiply", a_low, b_high))
    return loop.call("add", error, loop.call("multiply", a_low, b_low))
