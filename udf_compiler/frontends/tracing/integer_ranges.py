"""Computes integer ranges through functions and comparisons, and decides which types hold them."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from sparkweld.ir.types import BOOL, Type

#: The smallest and the largest integer that a value may be.
Span = tuple[int, int]

#: A float type represents every integer up to this magnitude exactly.
EXACT = {"f32": 2**24, "f64": 2**53}

COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "less": operator.lt, "less_equal": operator.le, "greater": operator.gt, "greater_equal": operator.ge,
    "equal": operator.eq, "not_equal": operator.ne,
}  # fmt: skip


def within(span: Span, type: Type) -> bool:
    """Whether a numeric or bool type holds all integers of a span."""
    if type == BOOL:
        low, high = 0, 1
    elif type.is_float:
        low, high = -EXACT[type.kind], EXACT[type.kind]
    elif type.is_int:
        low, high = int(np.iinfo(type.dtype).min), int(np.iinfo(type.dtype).max)
    else:
        return False
    return low <= span[0] and span[1] <= high


def compared(fn: str, a: Span, b: Span) -> bool | None:
    """Returns the result of a comparison if it is the same for all integers of two spans, else None."""
    found = {COMPARISONS[fn](x, y) for x in a for y in b}
    if len(found) > 1:
        return None
    if fn in ("equal", "not_equal") and a[0] <= b[1] and b[0] <= a[1] and (a[0] != a[1] or b[0] != b[1]):
        return None  # the spans overlap, so equality depends on the values
    return found.pop()


def _holds_zero(a: Span) -> bool:
    return a[0] <= 0 <= a[1]


def _product(a: Span, b: Span) -> tuple[Span, bool]:
    ends = [x * y for x in a for y in b]
    return (min(ends), max(ends)), (_holds_zero(a) and b[0] < 0) or (_holds_zero(b) and a[0] < 0)


def _absolute(a: Span) -> tuple[Span, bool]:
    low = 0 if _holds_zero(a) else min(abs(a[0]), abs(a[1]))
    return (low, max(abs(a[0]), abs(a[1]))), False


def _quotient(a: Span, b: Span) -> tuple[Span, bool] | None:
    ends = [x // y for x in a for y in b] if b[0] > 0 else []
    return ((min(ends), max(ends)), False) if ends else None


def _rest(a: Span, b: Span) -> tuple[Span, bool] | None:
    return ((0, b[1] - 1), False) if b[0] > 0 else None


#: Function -> rule from the spans of its arguments to the span of its result, and whether a float result may be -0.0. A rule
#: returns None when the result may be no integer.
RULES: Mapping[str, Callable[..., tuple[Span, bool] | None]] = {
    "add": lambda a, b: ((a[0] + b[0], a[1] + b[1]), False),
    "subtract": lambda a, b: ((a[0] - b[1], a[1] - b[0]), False),
    "multiply": _product,
    "negative": lambda a: ((-a[1], -a[0]), _holds_zero(a)),
    "absolute": _absolute,
    "fabs": _absolute,
    "square": lambda a: ((_absolute(a)[0][0] ** 2, _absolute(a)[0][1] ** 2), False),
    "sign": lambda a: ((-1, 1), False),
    "maximum": lambda a, b: ((max(a[0], b[0]), max(a[1], b[1])), False),
    "minimum": lambda a, b: ((min(a[0], b[0]), min(a[1], b[1])), False),
    "floor_divide": _quotient,
    "remainder": _rest,
}
