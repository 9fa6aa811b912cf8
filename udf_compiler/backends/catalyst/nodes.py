"""Builds Catalyst expressions in the format of the JVM's `ExpressionDecoder`, with sound simplifications.

These expressions never depend on the session's ANSI flag: arithmetic wraps and nothing raises.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sparkweld.contract.expressions import Expression
from sparkweld.ir import Type
from sparkweld.ir.types import BOOL, DATE, DTYPES, STR

#: IR kind -> the Spark type of its values.
SPARK_NAMES = {
    "bool": "boolean", "i8": "byte", "i16": "short", "i32": "integer", "i64": "long", "f32": "float", "f64": "double",
    "date": "date", "str": "string",
}  # fmt: skip

_STRICT = frozenset(("Cast", "Add", "Subtract", "Multiply", "UnaryMinus", "Abs", "UnixDate"))


def node(op: str, type: Type, *args: Expression) -> Expression:
    return Expression(op=op, type=SPARK_NAMES[type.kind], args=args)


def column(name: str, type: Type) -> Expression:
    return Expression(op="Column", type=SPARK_NAMES[type.kind], name=name)


def literal(value: Any, type: Type) -> Expression:
    """Returns a literal of a plain type; None is NULL."""
    given = value if value is None else _text(value, type)
    return Expression(op="Literal", type=SPARK_NAMES[type.kind], value=given)


def _text(value: Any, type: Type) -> Any:
    if type == BOOL:
        return bool(value)
    if type == STR:
        return value
    return float(value).hex() if type.is_float else str(int(value))


def is_literal(expr: Expression) -> bool:
    return expr.op == "Literal" and expr.value is not None


def number(expr: Expression) -> bool | int | float:
    """Returns the Python value of a literal that is not NULL."""
    value = expr.value
    if isinstance(value, bool):
        return value
    return float.fromhex(str(value)) if expr.type in ("float", "double") else int(str(value))


def both(a: Expression, b: Expression) -> Expression:
    return b if a == literal(True, BOOL) else a if b == literal(True, BOOL) else node("And", BOOL, a, b)


def negation(x: Expression) -> Expression:
    return x.args[0] if x.op == "Not" else node("Not", BOOL, x)


def is_nan(x: Expression) -> Expression:
    return literal(number(x) != number(x), BOOL) if is_literal(x) else node("IsNaN", BOOL, x)


def is_not_null(x: Expression) -> Expression:
    """Returns the test that `x` is not NULL; for an optional value built from a condition, that condition."""
    if x.op == "NullIfNaN":
        return negation(is_nan(x.args[0]))
    if x.op == "If" and x.args[2].is_null:
        return x.args[0]
    return node("IsNotNull", BOOL, x)


def or_else(x: Expression, other: Expression, type: Type) -> Expression:
    """Returns `x` where it is not NULL, else `other`."""
    return node("Coalesce", type, x, other)


def choice(condition: Expression, a: Expression, b: Expression, type: Type) -> Expression:
    """Returns `a` where the condition, which is never NULL, is true; else `b`."""
    if a == b:
        return a
    if condition.op == "Not":
        return choice(condition.args[0], b, a, type)
    if condition.op == "IsNotNull":
        bare = without_default(a, condition.args[0])
        if bare is not None:
            return or_else(bare, b, type)  # if(x is not null, f(coalesce(x, 0)), b) -> coalesce(f(x), b) for a NULL-strict f
    return node("If", type, condition, a, b)


def without_default(expr: Expression, of: Expression) -> Expression | None:
    """Replaces ``coalesce(of, ...)`` by `of` in `expr`, if the result is NULL exactly where `of` is; else returns None."""
    if expr.op == "Coalesce" and expr.args[0] == of and is_literal(expr.args[1]):
        return of
    if expr.op not in _STRICT:
        return None
    args: list[Expression] = []
    for arg in expr.args:
        bare = arg if is_literal(arg) else without_default(arg, of)
        if bare is None:
            return None
        args.append(bare)
    return None if all(map(is_literal, expr.args)) else replace(expr, args=tuple(args))


def where_not_null(expr: Expression, columns: frozenset[str]) -> Expression:
    """Simplifies an expression for rows in which none of `columns` is NULL: drops their defaults and NULL tests."""
    if not expr.args:
        return expr
    args = tuple(where_not_null(a, columns) for a in expr.args)
    made = replace(expr, args=args)
    if expr.op == "Coalesce" and _never_null(args[0], columns):
        return args[0]
    if expr.op in ("IsNull", "IsNotNull") and _never_null(args[0], columns):
        return literal(expr.op == "IsNotNull", BOOL)
    if expr.op == "Not" and is_literal(args[0]):
        return literal(not number(args[0]), BOOL)
    if expr.op == "If" and is_literal(args[0]):
        return args[1] if number(args[0]) else args[2]
    if expr.op == "And":
        return both(*args)
    return made


def _never_null(expr: Expression, columns: frozenset[str]) -> bool:
    if expr.op == "Column":
        return expr.name in columns
    return expr.op in _STRICT and all(is_literal(a) or _never_null(a, columns) for a in expr.args)


def zero(type: Type) -> Expression:
    """Returns the value that an IR value holds where it is NULL."""
    if type == STR:
        return literal("", type)
    return literal(DTYPES[type.kind].type(0).item() if type != DATE else 0, type)


def size(expr: Expression) -> int:
    """Returns the number of nodes of the tree."""
    return 1 + sum(map(size, expr.args))
