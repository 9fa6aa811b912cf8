"""Lowers Python's arithmetic of ints to IR.

An int is an int64 that provably does not overflow, by its interval or by a guard on the path. Division by zero and similar errors
raise Python's own exception on the rows where they occur.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.types import F64, I64
from udf_compiler.frontends.python.comparisons import compare
from udf_compiler.frontends.python.operands import Operand, as_float, as_int, guard_between, kind_of, make_int, span_of
from udf_compiler.frontends.python.path_explorer import Explorer, explorer
from udf_compiler.frontends.python.values import MAX, MIN, TracedScalar, is_scalar
from udf_compiler.frontends.tracing.session import current


def _corners(function: Callable[[int, int], int], a: Operand, b: Operand) -> tuple[int, int]:
    values = [function(x, y) for x in span_of(a) for y in span_of(b)]
    return min(values), max(values)


def add(a: Operand, b: Operand) -> TracedScalar:
    loop, span = explorer().loop, _corners(operator.add, a, b)
    x, y = as_int(a), as_int(b)
    result = loop.call("add", x, y)
    if span[0] < MIN or span[1] > MAX:  # overflow: the sum's sign differs from that of both operands
        _guard_sign(loop, loop.call("bitwise_and", loop.call("bitwise_xor", x, result), loop.call("bitwise_xor", y, result)))
    return make_int(result, span)


def subtract(a: Operand, b: Operand) -> TracedScalar:
    loop, span = explorer().loop, _corners(operator.sub, a, b)
    x, y = as_int(a), as_int(b)
    result = loop.call("subtract", x, y)
    if span[0] < MIN or span[1] > MAX:  # overflow: the signs differ, and the result's differs from the first's
        _guard_sign(loop, loop.call("bitwise_and", loop.call("bitwise_xor", x, y), loop.call("bitwise_xor", x, result)))
    return make_int(result, span)


def _guard_sign(loop: LoopBuilder, value: Value) -> None:
    explorer().guard(loop.call("greater_equal", value, loop.const(0, I64)))


def multiply(a: Operand, b: Operand) -> TracedScalar:
    loop, span = explorer().loop, _corners(operator.mul, a, b)
    if span[0] < MIN or span[1] > MAX:
        constant = next((x for x in (a, b) if not is_scalar(x)), None)
        if constant is not None:
            other = as_int(b if constant is a else a)
            limit = MAX // abs(constant)
            guard_between(loop, other, -limit, limit)
        else:
            # three roundings of at most 2**-53 each: below this bound the exact product is an int64
            product = loop.call("multiply", as_float(a), as_float(b))
            bound = loop.const(2.0**63 - 2.0**13, F64)
            explorer().guard(loop.call("less_equal", loop.call("fabs", product), bound))
    return make_int(loop.call("multiply", as_int(a), as_int(b)), span)


def raise_on_zero(x: Operand, message: str) -> None:
    """Raises ZeroDivisionError on the rows where the divisor is zero."""
    run: Explorer = explorer()
    if not is_scalar(x) and x != 0:
        return
    value = as_float(x) if kind_of(x) == "float" else as_int(x)
    if is_scalar(x) and x.kind == "int" and not span_of(x)[0] <= 0 <= span_of(x)[1]:
        if not (run.is_narrowed() and current().open):
            return
    run.raise_if(run.loop.call("equal", value, run.loop.const(0, value.type)), lambda: ZeroDivisionError(message))


def floor_divide(a: Operand, b: Operand) -> TracedScalar:
    raise_on_zero(b, "integer division or modulo by zero")
    loop = explorer().loop
    (low, high), (first, last) = span_of(a), span_of(b)
    if low == MIN and first <= -1 <= last:
        either = loop.call("logical_or", compare("not_equal", a, MIN), compare("not_equal", b, -1))
        explorer().guard(either)
    if first > 0:
        span = (min(low // first, low // last), max(high // first, high // last))
    else:
        size = max(abs(low), abs(high))
        span = (-size, size)
    return make_int(loop.call("floor_divide", as_int(a), as_int(b)), span)


def remainder(a: Operand, b: Operand) -> TracedScalar:
    raise_on_zero(b, "integer modulo by zero")
    first, last = span_of(b)
    span = (min(0, first + 1), max(0, last - 1))
    return make_int(explorer().loop.call("remainder", as_int(a), as_int(b)), span)


def divmod_(a: Operand, b: Operand) -> tuple[TracedScalar, TracedScalar]:
    return floor_divide(a, b), remainder(a, b)


def shift_left(a: Operand, b: Operand) -> TracedScalar:
    run, loop, count = explorer(), explorer().loop, as_int(b)
    run.raise_if(compare_value(loop, "less", count, 0), lambda: ValueError("negative shift count"))
    (low, high), (_, last) = span_of(a), span_of(b)
    if 0 <= last <= 64 and MIN <= min(low << last, low) and max(high << last, high) <= MAX:
        return make_int(loop.call("left_shift", as_int(a), count), (min(low << last, low), max(high << last, high)))
    if last > 62:
        run.guard(compare_value(loop, "less_equal", count, 62))
    shifted = loop.call("left_shift", as_int(a), count)
    run.guard(loop.call("equal", loop.call("right_shift", shifted, count), as_int(a)))
    return make_int(shifted)


def shift_right(a: Operand, b: Operand) -> TracedScalar:
    run, loop, count = explorer(), explorer().loop, as_int(b)
    run.raise_if(compare_value(loop, "less", count, 0), lambda: ValueError("negative shift count"))
    if span_of(b)[1] > 63:
        count = loop.call("minimum", count, loop.const(63, I64))
    low, high = span_of(a)
    return make_int(loop.call("right_shift", as_int(a), count), (min(low, 0), max(high, 0)))


def compare_value(loop: LoopBuilder, fn: str, value: Value, number: Any) -> Value:
    """Compares a value with a constant of its type."""
    return loop.call(fn, value, loop.const(number, value.type))
