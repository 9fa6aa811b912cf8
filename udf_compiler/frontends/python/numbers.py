"""Lowers Python's arithmetic and comparisons of ints, floats and bools to IR, exactly or with guards.

An int is an int64 that provably does not overflow, by its interval or by a guard on the path. Division by zero and similar errors
raise Python's own exception on the rows where they occur.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.ops import Fits
from sparkweld.ir.types import BOOL, F64, I64
from udf_compiler.frontends.python.comparisons import compare
from udf_compiler.frontends.python.operands import (
    Operand,
    as_float,
    as_int,
    guard_between,
    guard_exact,
    is_number,
    kind_of,
    make_bool,
    make_float,
    make_int,
    raise_type_error,
    span_of,
)
from udf_compiler.frontends.python.path_explorer import Explorer, explorer
from udf_compiler.frontends.python.values import MAX, MIN, TracedScalar, is_scalar
from udf_compiler.frontends.tracing.session import check_size, current, refuse
from udf_compiler.frontends.tracing.values import COMPARISONS, raw, symbol

_BITWISE = {"and": "bitwise_and", "or": "bitwise_or", "xor": "bitwise_xor"}

def truth(x: TracedScalar) -> Value:
    """Returns the truth of a number: whether it is not zero (NaN is true)."""
    loop = explorer().loop
    return x.value if x.kind == "bool" else loop.call("not_equal", x.value, loop.const(0, x.value.type))


def binary(name: str, a: Any, b: Any) -> Any:
    """Evaluates ``a op b``; NotImplemented where the other operand's class may define it, TypeError where neither does."""
    from udf_compiler.frontends.python import lists, numpy_scalars

    check_size(explorer().loop)
    if lists.is_list(a) or lists.is_list(b):
        return lists.binary(name, a, b)
    a, b = (numpy_scalars.of_constant(x) if isinstance(x, np.generic) and not is_scalar(x) else x for x in (a, b))
    if numpy_scalars.is_numpy(a) or numpy_scalars.is_numpy(b):
        return numpy_scalars.binary(name, a, b)
    if not (is_number(a) and is_number(b)):
        return _of_others(name, a, b)
    if name in COMPARISONS:
        return make_bool(compare(COMPARISONS[name], a, b))
    if name in _BITWISE:
        return _bitwise(name, a, b)
    kinds = "float" if "float" in (kind_of(a), kind_of(b)) else "int"
    table = _OF_FLOATS if kinds == "float" else _OF_INTS
    return table[name](a, b) if name in table else _no_operator(name, a, b)


#: Classes whose operators never take a number or a str of the row, except for those that `texts` supports.
_STRANGERS = (type(None), bool, int, float, str, bytes, list, tuple, dict, set, frozenset)


def _of_others(name: str, a: Any, b: Any) -> Any:
    from udf_compiler.frontends.python import calendar, strings

    result: Any = NotImplemented
    if calendar.is_date(a) or calendar.is_date(b):
        result = calendar.binary(name, a, b)
    elif strings.is_text(a) or strings.is_text(b):
        result = strings.binary(name, a, b)
    if result is not NotImplemented:
        return result
    for x in (a, b):
        if isinstance(x, np.generic | np.ndarray):
            refuse("SW262", call=f"{symbol(name)} of a row's value", what=raw(x))
    if all(is_scalar(x) or type(x) in _STRANGERS for x in (a, b)):
        if name in ("eq", "ne"):
            return name == "ne"
        if name == "mul" and any(type(x) in (bytes, list, tuple) for x in (a, b)):
            refuse("SW262", call="a sequence * ...", what="a count that is not constant")
        return _no_operator(name, a, b)
    return NotImplemented


def _no_operator(name: str, a: Any, b: Any) -> Any:
    raise_type_error(f"unsupported operand type(s) for {symbol(name)}")


def unary(name: str, x: TracedScalar) -> Any:
    """Returns ``-x``, ``+x``, ``abs(x)`` or ``~x``."""
    from udf_compiler.frontends.python import lists, numpy_scalars

    loop = explorer().loop
    if lists.is_list(x):
        return lists.unary(name, x)
    if x.numpy:
        return numpy_scalars.unary(name, x)
    if x.kind in ("str", "date"):
        raise_type_error(f"bad operand type for unary {name}: '{x.kind}'")
    if x.kind == "float":
        if name == "invert":
            raise_type_error("bad operand type for unary ~: 'float'")
        return x if name == "pos" else make_float(loop.call({"neg": "negative", "abs": "fabs"}[name], x.value))
    low, high = span_of(x)
    if name == "pos" or (name == "abs" and low >= 0):
        return make_int(as_int(x), (low, high))
    if name == "invert":
        return make_int(loop.call("invert", as_int(x)), (~high, ~low))
    if low == MIN:
        explorer().guard(loop.call("not_equal", x.value, loop.const(MIN, I64)))
        low = MIN + 1
    if name == "neg":
        return make_int(loop.call("negative", as_int(x)), (-high, -low))
    return make_int(loop.call("absolute", as_int(x)), (max(low, -high, 0), max(-low, high)))


def _bitwise(name: str, a: Operand, b: Operand) -> Any:
    kinds = {kind_of(a), kind_of(b)}
    if "float" in kinds:
        return _no_operator(name, a, b)
    loop = explorer().loop
    if kinds == {"bool"}:
        sides = [x.value if is_scalar(x) else loop.const(x, BOOL) for x in (a, b)]
        return make_bool(loop.call(f"logical_{name}", *sides))
    spans = (*span_of(a), *span_of(b))
    span = (MIN, MAX)
    if min(spans) >= 0:
        bits = max(spans).bit_length()
        span = (0, min(span_of(a)[1], span_of(b)[1]) if name == "and" else 2**bits - 1)
    elif name == "and" and max(span_of(a)[0], span_of(b)[0]) >= 0:  # a non-negative operand bounds the result
        span = (0, next(high for low, high in (span_of(a), span_of(b)) if low >= 0))
    return make_int(loop.call(_BITWISE[name], as_int(a), as_int(b)), span)


def _corners(function: Callable[[int, int], int], a: Operand, b: Operand) -> tuple[int, int]:
    values = [function(x, y) for x in span_of(a) for y in span_of(b)]
    return min(values), max(values)


def _add(a: Operand, b: Operand) -> TracedScalar:
    loop, span = explorer().loop, _corners(operator.add, a, b)
    x, y = as_int(a), as_int(b)
    result = loop.call("add", x, y)
    if span[0] < MIN or span[1] > MAX:  # overflow: the sum's sign differs from that of both operands
        _guard_sign(loop, loop.call("bitwise_and", loop.call("bitwise_xor", x, result), loop.call("bitwise_xor", y, result)))
    return make_int(result, span)


def _subtract(a: Operand, b: Operand) -> TracedScalar:
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


def _true_divide(a: Operand, b: Operand) -> TracedScalar:
    raise_on_zero(b, "division by zero" if "float" not in (kind_of(a), kind_of(b)) else "float division by zero")
    for x in (a, b):
        if kind_of(x) != "float" and "float" not in (kind_of(a), kind_of(b)):
            guard_exact(x)  # the quotient of exact operands is correctly rounded, as is int / int
    return make_float(explorer().loop.call("divide", as_float(a), as_float(b)))


def _floor_divide(a: Operand, b: Operand) -> TracedScalar:
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


def _remainder(a: Operand, b: Operand) -> TracedScalar:
    raise_on_zero(b, "integer modulo by zero")
    first, last = span_of(b)
    span = (min(0, first + 1), max(0, last - 1))
    return make_int(explorer().loop.call("remainder", as_int(a), as_int(b)), span)


def _divmod(a: Operand, b: Operand) -> tuple[TracedScalar, TracedScalar]:
    return _floor_divide(a, b), _remainder(a, b)


def _shift_left(a: Operand, b: Operand) -> TracedScalar:
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


def _shift_right(a: Operand, b: Operand) -> TracedScalar:
    run, loop, count = explorer(), explorer().loop, as_int(b)
    run.raise_if(compare_value(loop, "less", count, 0), lambda: ValueError("negative shift count"))
    if span_of(b)[1] > 63:
        count = loop.call("minimum", count, loop.const(63, I64))
    low, high = span_of(a)
    return make_int(loop.call("right_shift", as_int(a), count), (min(low, 0), max(high, 0)))


def compare_value(loop: LoopBuilder, fn: str, value: Value, number: Any) -> Value:
    """Compares a value with a constant of its type."""
    return loop.call(fn, value, loop.const(number, value.type))


def _float_op(fn: str) -> Callable[[Operand, Operand], TracedScalar]:
    return lambda a, b: make_float(explorer().loop.call(fn, as_float(a), as_float(b)))


def _float_quotient(fn: str, message: str) -> Callable[[Operand, Operand], TracedScalar]:
    def divide(a: Operand, b: Operand) -> TracedScalar:
        raise_on_zero(b, message)
        return make_float(explorer().loop.call(fn, as_float(a), as_float(b)))

    return divide


def _float_divmod(a: Operand, b: Operand) -> tuple[TracedScalar, TracedScalar]:
    return _OF_FLOATS["floordiv"](a, b), _OF_FLOATS["mod"](a, b)


def _power(a: Operand, b: Operand) -> Any:
    from udf_compiler.frontends.python.powers import power

    return power(a, b)


_OF_INTS: dict[str, Callable[[Operand, Operand], Any]] = {
    "add": _add, "sub": _subtract, "mul": multiply, "truediv": _true_divide, "floordiv": _floor_divide, "mod": _remainder,
    "divmod": _divmod, "pow": _power, "lshift": _shift_left, "rshift": _shift_right,
}  # fmt: skip
_OF_FLOATS: dict[str, Callable[[Operand, Operand], Any]] = {
    "add": _float_op("add"), "sub": _float_op("subtract"), "mul": _float_op("multiply"), "truediv": _true_divide,
    "floordiv": _float_quotient("floor_divide", "float floor division by zero"),
    "mod": _float_quotient("remainder", "float modulo"), "divmod": _float_divmod, "pow": _power,
}  # fmt: skip


def fits(loop: LoopBuilder, value: Value) -> Value:
    """Returns the condition that a float, truncated, fits an int64."""
    return loop.emit(Fits(I64), value)


__all__ = [
    "MAX", "MIN", "Operand", "as_float", "as_int", "binary", "compare", "compare_value", "fits", "guard_between",
    "guard_exact", "is_number", "is_scalar", "kind_of", "make_bool", "make_float", "make_int", "multiply", "raise_type_error",
    "span_of", "truth", "unary",
]  # fmt: skip
