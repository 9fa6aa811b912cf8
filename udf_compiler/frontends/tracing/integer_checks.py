"""Emits conditions that integers stay within a type, for the guards of casts and checked arithmetic."""

from __future__ import annotations

import numpy as np

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.types import F64, I64, Type

#: The relative error of |a * b| in doubles is less than 2 / 2**52; below this bound the exact product fits in 64 bits.
_SAFE_PRODUCT = float(2**63 - 2**12)


def between(loop: LoopBuilder, x: Value, low: int, high: int) -> Value:
    """Returns whether low <= x <= high, where both bounds are of x's integer type."""
    above = loop.call("greater_equal", x, loop.const(low, x.type))
    return loop.call("logical_and", above, loop.call("less_equal", x, loop.const(high, x.type)))


def within(loop: LoopBuilder, x: Value, type: Type) -> Value:
    """Returns whether an integer fits the smaller integer type."""
    limits = np.iinfo(type.dtype)
    return between(loop, x, int(limits.min), int(limits.max))


def no_overflow(loop: LoopBuilder, fn: str, a: Value, b: Value) -> Value:
    """Returns whether an add, subtract or multiply of two integers of one type fits it.

    False for a few products near the limit that do fit.
    """
    if a.type != I64:
        return within(loop, loop.call(fn, loop.cast(a, I64), loop.cast(b, I64)), a.type)
    if fn == "multiply":
        product = loop.call("multiply", loop.cast(a, F64), loop.cast(b, F64))
        return loop.call("less_equal", loop.call("absolute", product), loop.const(_SAFE_PRODUCT, F64))
    result = loop.call(fn, a, b)
    # The sum of two numbers of one sign has that sign; a difference is the sum with the complement of b.
    toward = loop.call("bitwise_xor", b, result)
    if fn == "subtract":
        toward = loop.call("invert", toward)
    wrapped = loop.call("bitwise_and", loop.call("bitwise_xor", a, result), toward)
    return loop.call("greater_equal", wrapped, loop.const(0, I64))
