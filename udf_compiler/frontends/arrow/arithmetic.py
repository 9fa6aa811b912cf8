"""Lowers pyarrow.compute's arithmetic and mathematical functions to IR, both wrapping and checked; NULL operands yield NULL."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow.compute as pc

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.types import BOOL, F32, F64, Type
from udf_compiler.frontends.arrow.array import Operand, TracedArrow, as_column, loop_of, operand, result_type, type_of
from udf_compiler.frontends.arrow.array import ir_type as ir_type_of
from udf_compiler.frontends.tracing.integer_checks import no_overflow
from udf_compiler.frontends.tracing.session import refuse

#: The result of a rule: the function that replaces one of pyarrow.compute.
Traced = Callable[..., TracedArrow]

#: (columns of one type) -> value of the result.
Rule = Callable[[tuple[TracedArrow, ...]], Value]


def common_type(args: tuple[Operand, ...], call: str) -> Type:
    """Returns the type that operands are converted to: their own; among numbers float64, float32 or the widest integer."""
    types = {ir_type_of(t, call) for t in map(type_of, args) if str(t) != "null"}
    if len(types) == 1:
        return types.pop()
    if not types or not all(t.is_int or t.is_float for t in types):
        refuse("SW254", call=call, type=" and ".join(sorted(map(str, types))) or "null")
    floats = [t for t in (F64, F32) if t in types]
    return floats[0] if floats else max(types, key=lambda t: t.dtype.itemsize)


def all_valid(loop: LoopBuilder, columns: tuple[TracedArrow, ...]) -> Value | None:
    """Returns the condition that no column is NULL; None when none can be."""
    valid = [c.valid for c in columns if c.valid is not None]
    return loop.fold("logical_and", valid) if valid else None


def elementwise(
    name: str, arity: int, rule: Rule, inputs: Callable[[Type, Type], Type] = lambda common, out: common
) -> Traced:
    """Returns a function of `arity` arguments that yields NULL where one is NULL.

    `inputs`: (common type, type of the result) -> the type that it computes in.
    """
    function, call = getattr(pc, name), f"pc.{name}"

    def traced(*args: Any) -> TracedArrow:
        if len(args) != arity:
            refuse("SW262", call=call, what=f"{len(args)} arguments")
        operands = tuple(operand(a, call) for a in args)
        out = result_type(call, function, operands)
        loop = loop_of(operands, call)
        type = inputs(common_type(operands, call), out)
        columns = tuple(as_column(loop, o, type, call) for o in operands)
        valid = all_valid(loop, columns)
        return TracedArrow(loop, loop.cast(rule(columns), out), valid)

    return traced


def as_result(common: Type, out: Type) -> Type:
    """Returns the result type, in which functions of real numbers compute."""
    return out


def ufunc(name: str) -> Rule:
    """Returns the rule of a NumPy function that equals Arrow's."""
    return lambda columns: columns[0].loop.call(name, *(c.value for c in columns))


def _guarded(name: str, condition: Callable[..., Value]) -> Rule:
    """Returns the rule of a NumPy function with a guard: Arrow raises for non-NULL rows that fail the condition."""

    def rule(columns: tuple[TracedArrow, ...]) -> Value:
        loop = columns[0].loop
        TracedArrow(loop, columns[0].value, all_valid(loop, columns)).guard(condition(loop, *(c.value for c in columns)))
        return ufunc(name)(columns)

    return rule


def _checked(fn: str) -> Rule:
    def fits(loop: LoopBuilder, a: Value, b: Value) -> Value:
        return no_overflow(loop, fn, a, b) if a.type.is_int else loop.const(True, BOOL)

    return _guarded(fn, fits)


def _not_smallest(loop: LoopBuilder, x: Value) -> Value:
    if not x.type.is_int:
        return loop.const(True, BOOL)
    return loop.call("not_equal", x, loop.const(int(np.iinfo(x.type.dtype).min), x.type))


def _divide(checked: bool) -> Rule:
    """Returns the rule of a division. Integers are truncated towards zero.

    A zero divisor always raises for integers, and for floats when checked.
    """

    def rule(columns: tuple[TracedArrow, ...]) -> Value:
        a, b = (c.value for c in columns)
        loop = columns[0].loop
        either = TracedArrow(loop, a, all_valid(loop, columns))
        if a.type.is_int or checked:
            either.guard(loop.call("not_equal", b, loop.const(0, b.type)))
        if not a.type.is_int:
            return loop.call("divide", a, b)
        smallest, minus = loop.const(int(np.iinfo(a.type.dtype).min), a.type), loop.const(-1, a.type)
        overflows = loop.call("logical_and", loop.call("equal", a, smallest), loop.call("equal", b, minus))
        if checked:
            either.guard(loop.call("logical_not", overflows))
        quotient = loop.call("floor_divide", loop.call("subtract", a, loop.call("fmod", a, b)), b)
        return loop.select(overflows, loop.const(0, a.type), quotient)

    return rule


def _power(columns: tuple[TracedArrow, ...]) -> Value:
    a, b = (c.value for c in columns)
    loop = columns[0].loop
    if a.type.is_int:  # a negative exponent raises, even beside a NULL, and the value under a NULL is arbitrary
        refuse("SW254", call="pc.power", type=str(a.type))
    return loop.call("power", a, b)


def _domain(fn: str, low: str) -> Rule:
    """Returns the rule of a checked function that raises below 0 (`low`: greater_equal) or also at 0 (greater); NaN passes."""

    def inside(loop: LoopBuilder, x: Value) -> Value:
        return loop.call("logical_or", loop.call(low, x, loop.const(0, x.type)), loop.call("isnan", x))

    return _guarded(fn, inside)


def whole(fn: str) -> Rule:
    """Returns the rule of rounding to whole numbers; integers stay unchanged."""
    return lambda columns: columns[0].value if columns[0].value.type.is_int else ufunc(fn)(columns)


#: Functions that compute in floating point: name -> NumPy's.
_REAL = {
    "exp": "exp", "expm1": "expm1", "ln": "log", "log10": "log10", "log2": "log2", "log1p": "log1p", "sqrt": "sqrt",
    "sin": "sin", "cos": "cos", "tan": "tan", "asin": "arcsin", "acos": "arccos", "atan": "arctan",
    "sinh": "sinh", "cosh": "cosh", "tanh": "tanh", "asinh": "arcsinh", "acosh": "arccosh", "atanh": "arctanh",
}  # fmt: skip
_REAL_CHECKED = {
    "sqrt_checked": ("sqrt", "greater_equal"), "ln_checked": ("log", "greater"), "log10_checked": ("log10", "greater"),
    "log2_checked": ("log2", "greater"),
}  # fmt: skip
_WRAPPING = {
    "add": "add", "subtract": "subtract", "multiply": "multiply", "bit_wise_and": "bitwise_and", "bit_wise_or": "bitwise_or",
    "bit_wise_xor": "bitwise_xor",
}  # fmt: skip

FUNCTIONS: dict[str, Traced] = {
    **{name: elementwise(name, 2, ufunc(fn)) for name, fn in _WRAPPING.items()},
    **{f"{fn}_checked": elementwise(f"{fn}_checked", 2, _checked(fn)) for fn in ("add", "subtract", "multiply")},
    **{name: elementwise(name, 1, ufunc(fn), as_result) for name, fn in _REAL.items() if hasattr(pc, name)},
    **{name: elementwise(name, 1, _domain(*rule), as_result) for name, rule in _REAL_CHECKED.items()},
    "divide": elementwise("divide", 2, _divide(checked=False)),
    "divide_checked": elementwise("divide_checked", 2, _divide(checked=True)),
    "power": elementwise("power", 2, _power, as_result),
    "atan2": elementwise("atan2", 2, ufunc("arctan2"), as_result),
    "abs": elementwise("abs", 1, ufunc("absolute")),
    "abs_checked": elementwise("abs_checked", 1, _guarded("absolute", _not_smallest)),
    "negate": elementwise("negate", 1, ufunc("negative")),
    "negate_checked": elementwise("negate_checked", 1, _guarded("negative", _not_smallest)),
    "sign": elementwise("sign", 1, ufunc("sign")),
    "bit_wise_not": elementwise("bit_wise_not", 1, ufunc("invert")),
    "floor": elementwise("floor", 1, whole("floor"), as_result),
    "ceil": elementwise("ceil", 1, whole("ceil"), as_result),
    "trunc": elementwise("trunc", 1, whole("trunc"), as_result),
}
