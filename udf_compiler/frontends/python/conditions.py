"""Combines conditions of a row, simplified where a part is constant."""

from __future__ import annotations

from typing import Any

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.ops import Const
from sparkweld.ir.types import BOOL


def both(loop: LoopBuilder, a: Value, b: Value) -> Value:
    """Returns a and b, simplified where one is constant."""
    for x, y in ((a, b), (b, a)):
        known = constant(loop, x)
        if known is not None:
            return y if known else x
    return a if a.id == b.id else loop.call("logical_and", a, b)


def choose(loop: LoopBuilder, condition: Value, a: Value, b: Value) -> Value:
    """Returns select(condition, a, b), simplified where possible."""
    if a.id == b.id:
        return a
    if a.type == BOOL:
        a, b = (loop.const(holds, BOOL) if x.id == condition.id else x for x, holds in ((a, True), (b, False)))
        first, second = constant(loop, a), constant(loop, b)
        if first is True and second is False:
            return condition
        if first is False and second is True:
            return loop.call("logical_not", condition)
        if first is False:
            return both(loop, loop.call("logical_not", condition), b)
        if second is False:
            return both(loop, condition, a)
    return loop.select(condition, a, b)


def constant(loop: LoopBuilder, value: Value) -> Any:
    """Returns a value's constant as a Python number; None if it is not constant."""
    op = loop.body[value.id].op
    return getattr(op.value, "item", lambda: op.value)() if isinstance(op, Const) else None
