"""Lowers comparisons of Python's ints and floats to IR by their exact values, which rounding an int to a float would change."""

from __future__ import annotations

import math
import operator

from sparkweld.ir import Value
from sparkweld.ir.types import BOOL, F64, I64
from udf_compiler.frontends.python.operands import EXACT, Operand, as_float, as_int, kind_of, span_of
from udf_compiler.frontends.python.path_explorer import explorer
from udf_compiler.frontends.python.values import MAX, MIN, TracedScalar, is_scalar
from udf_compiler.frontends.tracing.session import current, refuse
from udf_compiler.frontends.tracing.values import COMPARISONS


def compare(fn: str, a: Operand, b: Operand) -> Value:
    """Compares as Python does: an int and a float by their exact values."""
    loop = explorer().loop
    kinds = {kind_of(a), kind_of(b)}
    if kinds <= {"bool", "int"}:
        known = _by_spans(fn, span_of(a), span_of(b))
        if known is None:
            return loop.call(fn, as_int(a), as_int(b))
        if explorer().is_narrowed() and current().open:  # without the path's guards, ints may lie outside these spans
            return loop.call(fn, as_int(_clamped(a)), as_int(_clamped(b)))
        return loop.const(known, BOOL)
    if kinds == {"float"}:
        return loop.call(fn, as_float(a), as_float(b))
    if kind_of(a) == "float":
        return compare(_FLIPPED[fn], b, a)
    return _compare_mixed(fn, a, b)


def _clamped(x: Operand) -> Operand:
    return x if is_scalar(x) else min(max(x, MIN), MAX)


_FLIPPED = {"less": "greater", "less_equal": "greater_equal", "greater": "less", "greater_equal": "less_equal",
            "equal": "equal", "not_equal": "not_equal"}  # fmt: skip


def _by_spans(fn: str, a: tuple[int, int], b: tuple[int, int]) -> bool | None:
    """Returns the comparison of two ints if their intervals decide it (a constant may lie beyond int64), else None."""
    always, never = {
        "less": (a[1] < b[0], a[0] >= b[1]),
        "less_equal": (a[1] <= b[0], a[0] > b[1]),
        "greater": (a[0] > b[1], a[1] <= b[0]),
        "greater_equal": (a[0] >= b[1], a[1] < b[0]),
        "equal": (a[0] == a[1] == b[0] == b[1], a[1] < b[0] or b[1] < a[0]),
        "not_equal": (a[1] < b[0] or b[1] < a[0], a[0] == a[1] == b[0] == b[1]),
    }[fn]
    return True if always else (False if never else None)


_OPERATORS = {fn: name for name, fn in COMPARISONS.items()}


def _compare_mixed(fn: str, a: Operand, b: Operand) -> Value:
    """Compares an int with a float.

    If the int's nearest float differs from the float, it decides, because rounding keeps the order. Else the float is an integer,
    or 2**63, which no int64 reaches.
    """
    loop = explorer().loop
    if not is_scalar(a) and not MIN <= a <= MAX:
        return _compare_large(fn, a, b)
    if not is_scalar(b):
        return _compare_with_float(fn, a, float(b))
    low, high = span_of(a)
    near = loop.call(fn, as_float(a), b.value)
    if -EXACT <= low and high <= EXACT:
        return near
    whole = loop.call(fn, as_int(a), loop.cast(b.value, I64))
    far = loop.const(fn in ("less", "less_equal", "not_equal"), BOOL)
    whole = loop.select(loop.call("less", b.value, loop.const(2.0**63, F64)), whole, far)
    return loop.select(loop.call("equal", as_float(a), b.value), whole, near)


def _compare_large(fn: str, a: int, b: TracedScalar) -> Value:
    """Compares a constant beyond int64 with a float of the row."""
    if abs(a) >= 2**1024 or int(float(a)) != a:
        refuse("SW294", number="an integer")
    return explorer().loop.call(fn, as_float(a), b.value)


def _compare_with_float(fn: str, a: Operand, b: float) -> Value:
    """Compares an int of the row with a constant float: as an integer, or with the integer next to a fraction."""
    loop = explorer().loop
    if b != b:
        return loop.const(fn == "not_equal", BOOL)
    if b in (math.inf, -math.inf):
        return loop.const(bool(getattr(operator, _OPERATORS[fn])(0.0, b)), BOOL)
    if b == math.floor(b):
        return compare(fn, a, int(b))
    if fn in ("equal", "not_equal"):
        return loop.const(fn == "not_equal", BOOL)
    below = fn in ("less", "less_equal")
    return compare("less_equal" if below else "greater_equal", a, math.floor(b) if below else math.ceil(b))
