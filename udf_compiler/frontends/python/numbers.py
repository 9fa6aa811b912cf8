"""Lowers the operators of Python's ints, floats and bools to IR, exactly or with guards.

An int is an int64 that provably does not overflow, by its interval or by a guard on the path. Division by zero and similar errors
raise Python's own exception on the rows where they occur.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.ops import Fits
from sparkweld.ir.types import BOOL, I64
from udf_compiler.frontends.python import undefined
from udf_compiler.frontends.python.comparisons import compare
from udf_compiler.frontends.python.integers import (
    add,
    compare_value,
    divmod_,
    floor_divide,
    multiply,
    raise_on_zero,
    remainder,
    shift_left,
    shift_right,
    subtract,
)
from udf_compiler.frontends.python.operands import (
    Operand,
    as_float,
    as_int,
    guard_between,
    guard_differs,
    guard_exact,
    is_number,
    kind_of,
    make_bool,
    make_float,
    make_int,
    raise_type_error,
    span_of,
)
from udf_compiler.frontends.python.path_explorer import explorer
from udf_compiler.frontends.python.powers import power
from udf_compiler.frontends.python.values import MAX, MIN, TracedScalar, is_scalar
from udf_compiler.frontends.tracing.values import COMPARISONS

_BITWISE = {"and": "bitwise_and", "or": "bitwise_or", "xor": "bitwise_xor"}

def truth(x: TracedScalar) -> Value:
    """Returns the truth of a number: whether it is not zero (NaN is true)."""
    loop = explorer().loop
    return x.value if x.kind == "bool" else loop.call("not_equal", x.value, loop.const(0, x.value.type))


def binary(name: str, a: Any, b: Any) -> Any:
    """Evaluates ``a op b`` of numbers; NotImplemented where the other operand's class may define it."""
    if not (is_number(a) and is_number(b)):
        return undefined.operator(name, a, b)
    if name in COMPARISONS:
        return make_bool(compare(COMPARISONS[name], a, b))
    if name in _BITWISE:
        return _bitwise(name, a, b)
    kinds = "float" if "float" in (kind_of(a), kind_of(b)) else "int"
    table = _OF_FLOATS if kinds == "float" else _OF_INTS
    return table[name](a, b) if name in table else undefined.no_operator(name, a, b)


def unary(name: str, x: TracedScalar) -> Any:
    """Returns ``-x``, ``+x``, ``abs(x)`` or ``~x``."""
    loop = explorer().loop
    if x.kind == "float":
        if name == "invert":
            raise_type_error("bad operand type for unary ~: 'float'")
        return x if name == "pos" else make_float(loop.call({"neg": "negative", "abs": "fabs"}[name], x.value))
    low, high = span_of(x)
    if name == "pos" or (name == "abs" and low >= 0):
        return make_int(as_int(x), (low, high))
    if name == "invert":
        return make_int(loop.call("invert", as_int(x)), (~high, ~low))
    guard_differs(x, MIN)
    low = max(low, MIN + 1)
    if name == "neg":
        return make_int(loop.call("negative", as_int(x)), (-high, -low))
    return make_int(loop.call("absolute", as_int(x)), (max(low, -high, 0), max(-low, high)))


def _bitwise(name: str, a: Operand, b: Operand) -> Any:
    kinds = {kind_of(a), kind_of(b)}
    if "float" in kinds:
        return undefined.no_operator(name, a, b)
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


def _true_divide(a: Operand, b: Operand) -> TracedScalar:
    raise_on_zero(b, "division by zero" if "float" not in (kind_of(a), kind_of(b)) else "float division by zero")
    for x in (a, b):
        if kind_of(x) != "float" and "float" not in (kind_of(a), kind_of(b)):
            guard_exact(x)  # the quotient of exact operands is correctly rounded, as is int / int
    return make_float(explorer().loop.call("divide", as_float(a), as_float(b)))


def _float_op(fn: str) -> Callable[[Operand, Operand], TracedScalar]:
    return lambda a, b: make_float(explorer().loop.call(fn, as_float(a), as_float(b)))


def _float_quotient(fn: str, message: str) -> Callable[[Operand, Operand], TracedScalar]:
    def divide(a: Operand, b: Operand) -> TracedScalar:
        raise_on_zero(b, message)
        return make_float(explorer().loop.call(fn, as_float(a), as_float(b)))

    return divide


def _float_divmod(a: Operand, b: Operand) -> tuple[TracedScalar, TracedScalar]:
    return _OF_FLOATS["floordiv"](a, b), _OF_FLOATS["mod"](a, b)


_OF_INTS: dict[str, Callable[[Operand, Operand], Any]] = {
    "add": add, "sub": subtract, "mul": multiply, "truediv": _true_divide, "floordiv": floor_divide, "mod": remainder,
    "divmod": divmod_, "pow": power, "lshift": shift_left, "rshift": shift_right,
}  # fmt: skip
_OF_FLOATS: dict[str, Callable[[Operand, Operand], Any]] = {
    "add": _float_op("add"), "sub": _float_op("subtract"), "mul": _float_op("multiply"), "truediv": _true_divide,
    "floordiv": _float_quotient("floor_divide", "float floor division by zero"),
    "mod": _float_quotient("remainder", "float modulo"), "divmod": _float_divmod, "pow": power,
}  # fmt: skip


def fits(loop: LoopBuilder, value: Value) -> Value:
    """Returns the condition that a float, truncated, fits an int64."""
    return loop.emit(Fits(I64), value)


__all__ = [
    "MAX", "MIN", "Operand", "as_float", "as_int", "binary", "compare", "compare_value", "fits", "guard_between",
    "guard_exact", "is_number", "is_scalar", "kind_of", "make_bool", "make_float", "make_int", "multiply", "raise_type_error",
    "span_of", "truth", "unary",
]  # fmt: skip
