"""Represents operands of Python's arithmetic: numbers of the row and constants as values, their intervals, and guards."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.ops import StrCall
from sparkweld.ir.types import F64, I64, STR
from udf_compiler.frontends.python.conditions import both
from udf_compiler.frontends.python.path_explorer import explorer
from udf_compiler.frontends.python.values import DECIMALS, MAX, MIN, TracedScalar, is_scalar
from udf_compiler.frontends.tracing.exceptions import as_python
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.stand_ins import in_place
from udf_compiler.frontends.tracing.utf8 import is_utf8

#: An int of at most this magnitude is exact as a float.
EXACT = 2**53

Operand = Any  # a TracedScalar or a Python int, float or bool


def is_number(x: object) -> bool:
    """Whether `x` is a TracedScalar of a number or a constant of Python's bool, int or float."""
    return (is_scalar(x) and x.kind in ("bool", "int", "float")) or type(x) in (bool, int, float)  # type: ignore[attr-defined]


def kind_of(x: Operand) -> str:
    """Returns the kind: bool, int or float."""
    return x.kind if is_scalar(x) else type(x).__name__


def span_of(x: Operand) -> tuple[int, int]:
    """Returns the interval of an int or bool on this path."""
    if not is_scalar(x):
        return int(x), int(x)
    low, high = x.span
    if x.kind == "int":
        known = explorer().facts.interval(x.value)
        low = max(low, math.floor(known.low) + (1 if known.above else 0)) if known.low > low else low
        high = min(high, math.ceil(known.high) - (1 if known.below else 0)) if known.high < high else high
    return low, high


def as_int(x: Operand) -> Value:
    """Returns an int or bool as an int64; refuses a constant beyond 64 bits (SW294)."""
    loop = explorer().loop
    if is_scalar(x):
        _check_number(x)
        return loop.cast(x.value, I64)
    if not MIN <= x <= MAX:
        refuse("SW294", number=x if abs(x) < 10**40 else "an integer")
    return loop.const(int(x), I64)


def as_float(x: Operand) -> Value:
    """Returns a number as Python's float() does: an int rounds to the nearest. OverflowError for a constant beyond floats."""
    loop = explorer().loop
    if is_scalar(x):
        _check_number(x)
        return loop.cast(x.value, F64)
    return loop.const(as_python(float, x), F64)


def _check_number(x: TracedScalar) -> None:
    """Refuses (SW262) a Decimal, whose value lacks the decimal point."""
    if x.kind in DECIMALS:
        refuse("SW262", call="a number", what="a Decimal")


def make_int(value: Value, span: tuple[int, int] = (MIN, MAX)) -> TracedScalar:
    return TracedScalar("int", value, (max(span[0], MIN), min(span[1], MAX)))


def make_float(value: Value) -> TracedScalar:
    return TracedScalar("float", value)


def make_bool(value: Value) -> Any:
    """Returns a bool of the row, or a Python bool where the path decides it."""
    known = explorer().known(value)
    return TracedScalar("bool", value) if known is None else known


def raise_type_error(message: str) -> Any:
    """Raises Python's TypeError on every row of the path."""
    raise in_place(TypeError(message))


def guard_between(loop: LoopBuilder, x: Value, low: int, high: int) -> None:
    """Guards rows where an int64 is outside [low, high]."""
    above = loop.call("greater_equal", x, loop.const(low, I64))
    below = loop.call("less_equal", x, loop.const(high, I64))
    explorer().guard(both(loop, above, below))


def guard_differs(x: Operand, number: int) -> None:
    """Guards rows where an int may equal a number."""
    low, high = span_of(x)
    if low <= number <= high:
        explorer().guard(explorer().loop.call("not_equal", as_int(x), explorer().loop.const(number, I64)))


def guard_exact(x: Operand, most: int = EXACT) -> None:
    """Guards rows where an int may not be exact as a float, or where its absolute value may be above `most`."""
    low, high = span_of(x)
    if low < -most or high > most:
        guard_between(explorer().loop, as_int(x), -most, most)


def is_text(x: object) -> bool:
    """Whether `x` is a str, of the row or a constant."""
    return (is_scalar(x) and x.kind == "str") or type(x) is str  # type: ignore[attr-defined]


def as_text(x: Any) -> Value:
    """Returns a str as a value; refuses a constant that UTF-8 cannot encode (SW262)."""
    if is_scalar(x):
        return x.value  # type: ignore[no-any-return]
    if not is_utf8(x):
        refuse("SW262", call="a string", what="a lone surrogate")
    return explorer().loop.const(x, STR)


def concatenated(parts: Sequence[Value]) -> Value:
    """Returns the concatenation of at least one string."""
    return parts[0] if len(parts) == 1 else parts[0].loop.emit(StrCall("concat"), *parts)


def make_text(value: Value) -> TracedScalar:
    return TracedScalar("str", value)
