"""Operands of Python's arithmetic: numbers of the row and constants as values, the intervals that they lie in, and guards."""

from __future__ import annotations

import math
from typing import Any

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.types import F64, I64
from udf_compiler.scalar.exceptions import as_python, in_place
from udf_compiler.scalar.paths import both, explorer
from udf_compiler.scalar.values import MAX, MIN, TracedScalar, is_scalar
from udf_compiler.trace.session import refuse

#: An int of at most so many in magnitude is exact as a float.
EXACT = 2**53

Operand = Any  # a TracedScalar or a Python int, float or bool


def is_number(x: object) -> bool:
    """Whether `x` is a TracedScalar of a number or a constant of Python's bool, int or float."""
    return (is_scalar(x) and x.kind in ("bool", "int", "float")) or type(x) in (bool, int, float)  # type: ignore[attr-defined]


def kind_of(x: Operand) -> str:
    """"bool", "int" or "float"."""
    return x.kind if is_scalar(x) else type(x).__name__


def span_of(x: Operand) -> tuple[int, int]:
    """The interval that an int or bool lies in on this path."""
    if not is_scalar(x):
        return int(x), int(x)
    low, high = x.span
    if x.kind == "int":
        known = explorer().facts.interval(x.value)
        low = max(low, math.floor(known.low) + (1 if known.above else 0)) if known.low > low else low
        high = min(high, math.ceil(known.high) - (1 if known.below else 0)) if known.high < high else high
    return low, high


def as_int(x: Operand) -> Value:
    """An int or bool as an int64. Refuses (SW294) a constant beyond 64 bits."""
    loop = explorer().loop
    if is_scalar(x):
        return loop.cast(x.value, I64)
    if not MIN <= x <= MAX:
        refuse("SW294", number=x if abs(x) < 10**40 else "an integer")
    return loop.const(int(x), I64)


def as_float(x: Operand) -> Value:
    """A number as Python's float() has it: an int is rounded to the nearest. OverflowError for a constant beyond floats."""
    loop = explorer().loop
    return loop.cast(x.value, F64) if is_scalar(x) else loop.const(as_python(float, x), F64)


def make_int(value: Value, span: tuple[int, int] = (MIN, MAX)) -> TracedScalar:
    return TracedScalar("int", value, (max(span[0], MIN), min(span[1], MAX)))


def make_float(value: Value) -> TracedScalar:
    return TracedScalar("float", value)


def make_bool(value: Value) -> Any:
    """A bool of the row; a Python bool where the path knows it."""
    known = explorer().known(value)
    return TracedScalar("bool", value) if known is None else known


def raise_type_error(message: str) -> Any:
    """Python's TypeError, on every row of the path."""
    raise in_place(TypeError(message))


def guard_between(loop: LoopBuilder, x: Value, low: int, high: int) -> None:
    """Rows where an int64 is outside of [low, high] go to Python."""
    above = loop.call("greater_equal", x, loop.const(low, I64))
    below = loop.call("less_equal", x, loop.const(high, I64))
    explorer().guard(both(loop, above, below))


def guard_exact(x: Operand) -> None:
    """Rows where an int may not be exact as a float go to Python."""
    low, high = span_of(x)
    if low < -EXACT or high > EXACT:
        guard_between(explorer().loop, as_int(x), -EXACT, EXACT)
