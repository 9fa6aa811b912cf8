"""Translates Catalyst arithmetic to IR values, with guards where Spark raises under ANSI."""

from __future__ import annotations

import numpy as np

from sparkweld.contract.expressions import Expression
from sparkweld.ir import Value
from sparkweld.reasons import refusal
from udf_compiler.frontends.tracing.expression_rules import Maybe, Rule, Translator, ansi, literal_value
from udf_compiler.frontends.tracing.integer_checks import no_overflow


def _arithmetic(t: Translator, expr: Expression, demand: Value | None) -> Maybe:
    a, b = t.operands(expr, demand)
    fn = {"Add": "add", "Subtract": "subtract", "Multiply": "multiply"}[expr.op]
    valid = t.all_of(a.valid, b.valid)
    if ansi(expr) and a.value.type.is_int:
        t.guard(no_overflow(t.loop, fn, a.value, b.value), demand, valid)
    return Maybe(t.loop.call(fn, a.value, b.value), valid)


def _divide(t: Translator, expr: Expression, demand: Value | None) -> Maybe:
    """Translates Divide (of doubles) and Remainder (with Java's sign, that of the dividend)."""
    a, b = t.operands(expr, demand)
    fn = "divide" if expr.op == "Divide" else "fmod"
    if fn == "divide" and not a.value.type.is_float:
        raise refusal("SW322", expression="Divide", type=expr.args[0].type)
    nonzero = t.loop.call("not_equal", b.value, t.loop.const(0, b.value.type))
    valid = t.all_of(a.valid, b.valid)
    if ansi(expr):
        t.guard(nonzero, demand, valid)
    elif not _is_nonzero(t, expr.args[1]):
        valid = t.all_of(valid, nonzero)
    return Maybe(t.loop.call(fn, a.value, b.value), valid)


def _is_nonzero(t: Translator, divisor: Expression) -> bool:
    """Whether the divisor is a constant other than 0."""
    return divisor.op == "Literal" and divisor.value is not None and literal_value(divisor.value, t.type_of(divisor)) != 0


def _sign(t: Translator, expr: Expression, demand: Value | None) -> Maybe:
    """Translates UnaryMinus and Abs; only the smallest integer overflows."""
    (x,) = t.operands(expr, demand)
    type = x.value.type
    if ansi(expr) and type.is_int:
        smallest = t.loop.const(int(np.iinfo(type.dtype).min), type)
        t.guard(t.loop.call("not_equal", x.value, smallest), demand, x.valid)
    return Maybe(t.loop.call("negative" if expr.op == "UnaryMinus" else "absolute", x.value), x.valid)


def _unary(t: Translator, expr: Expression, demand: Value | None) -> Maybe:
    (x,) = t.operands(expr, demand)
    return Maybe(t.loop.call(expr.op.lower(), x.value), x.valid)


# Expressions that equivalents of UDFs use in addition to Spark's own.


def _ieee_divide(t: Translator, expr: Expression, demand: Value | None) -> Maybe:
    a, b = t.operands(expr, demand)
    return Maybe(t.loop.call("divide", a.value, b.value), t.all_of(a.valid, b.valid))


def _null_if_nan(t: Translator, expr: Expression, demand: Value | None) -> Maybe:
    (x,) = t.operands(expr, demand)
    return Maybe(x.value, t.all_of(x.valid, t.negate(t.loop.call("isnan", x.value))))


def _normalize(t: Translator, expr: Expression, demand: Value | None) -> Maybe:
    """Translates NormalizeNaNAndZero: -0.0 + 0.0 -> 0.0."""
    (x,) = t.operands(expr, demand)
    return Maybe(t.loop.call("add", x.value, t.loop.const(0.0, x.value.type)), x.valid)


NUMBER_RULES: dict[str, Rule] = {
    "Abs": _sign,
    "Add": _arithmetic,
    "Divide": _divide,
    "IeeeDivide": _ieee_divide,
    "Multiply": _arithmetic,
    "NormalizeNaNAndZero": _normalize,
    "NullIfNaN": _null_if_nan,
    "Remainder": _divide,
    "Sqrt": _unary,
    "Subtract": _arithmetic,
    "UnaryMinus": _sign,
    "ceil": _unary,
    "floor": _unary,
    "trunc": _unary,
}
