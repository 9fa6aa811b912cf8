"""Translates Catalyst expressions of strings (collation UTF8_BINARY) to IR values.

Spark's strings are bytes, the IR's are Unicode. A column that an expression reads is guarded to be valid UTF-8; then both
count the same characters. Case conversion is limited to ASCII, where it is the same in every locale; other rows are guarded.
"""

from __future__ import annotations

from sparkweld.contract.expressions import Expression
from sparkweld.ir import Value
from sparkweld.ir.ops import StrCall
from sparkweld.ir.types import BOOL, I32, I64, STR
from sparkweld.reasons import refusal
from udf_compiler.frontends.tracing.expression_rules import Maybe, Rule, Translator

_TRIMS = {"StringTrim": "strip", "StringTrimLeft": "lstrip", "StringTrimRight": "rstrip"}
_SEARCHES = {"Contains": "contains", "StartsWith": "starts_with", "EndsWith": "ends_with"}


def guard_text(t: Translator, value: Value, demand: Value | None) -> None:
    """Flags rows whose bytes are not valid UTF-8; the value of a NULL is an empty string."""
    t.guard(t.loop.emit(StrCall("valid_utf8"), value), demand)


def text_of(t: Translator, value: Value) -> Value:
    """Converts an integer to decimal, a bool to true or false."""
    if value.type == BOOL:
        return t.loop.select(value, t.loop.const("true", STR), t.loop.const("false", STR))
    return t.loop.emit(StrCall("int_to_str"), t.loop.cast(value, I64))


def _length(t: Translator, expr: Expression, demand: Value | None) -> Maybe:
    (x,) = _texts(t, expr, demand)
    return Maybe(t.loop.cast(t.loop.emit(StrCall("length"), x.value), I32), x.valid)


def _case(t: Translator, expr: Expression, demand: Value | None) -> Maybe:
    """Translates Upper and Lower, guarded to ASCII: Java's tables of other letters differ from Python's."""
    (x,) = _texts(t, expr, demand)
    t.guard(t.loop.emit(StrCall("is_ascii"), x.value), demand, x.valid)
    return Maybe(t.loop.emit(StrCall(expr.op.lower()), x.value), x.valid)


def _concat(t: Translator, expr: Expression, demand: Value | None) -> Maybe:
    parts = _texts(t, expr, demand)
    if len(parts) < 2:
        raise refusal("SW321", expression="Concat of one string")
    return Maybe(t.loop.emit(StrCall("concat"), *(p.value for p in parts)), t.all_of(*(p.valid for p in parts)))


def _substring(t: Translator, expr: Expression, demand: Value | None) -> Maybe:
    """Translates Substring. Positions count from 1, or from the end when negative; 0 is the first.

    Positions before the start of the string count towards the length.
    """
    text, *bounds = expr.args
    start, length = (_number(bound, "Substring") for bound in bounds)
    x = t.of(text, demand)
    if length <= 0:
        slice_ = StrCall("slice", (0, 0, 1))
    elif start >= 0:
        first = max(start - 1, 0)
        slice_ = StrCall("slice", (first, first + length, 1))
    else:
        slice_ = StrCall("slice", (start, None if start + length >= 0 else start + length, 1))
    return Maybe(t.loop.emit(slice_, x.value), x.valid)


def _trim(t: Translator, expr: Expression, demand: Value | None) -> Maybe:
    """Strips spaces, or any of the given characters."""
    text, *characters = expr.args
    given = _text(characters[0], expr.op) if characters else " "
    x = t.of(text, demand)
    return Maybe(t.loop.emit(StrCall(_TRIMS[expr.op], (given,)), x.value), x.valid)


def _search(t: Translator, expr: Expression, demand: Value | None) -> Maybe:
    text, wanted = expr.args
    call = StrCall(_SEARCHES[expr.op], (_text(wanted, expr.op),))
    x = t.of(text, demand)
    return Maybe(t.loop.emit(call, x.value), x.valid)


def _texts(t: Translator, expr: Expression, demand: Value | None) -> list[Maybe]:
    operands = t.operands(expr, demand)
    if any(x.value.type != STR for x in operands):
        raise refusal("SW321", expression=f"{expr.op} of no string")
    return operands


def _text(expr: Expression, user: str) -> str:
    if expr.op != "Literal" or expr.value is None:
        raise refusal("SW321", expression=f"{user} of a string that is not a literal")
    return str(expr.value)


def _number(expr: Expression, user: str) -> int:
    if expr.op != "Literal" or expr.value is None:
        raise refusal("SW321", expression=f"{user} at a position that is not a literal")
    return int(str(expr.value))


STRING_RULES: dict[str, Rule] = {
    "Concat": _concat,
    "Contains": _search,
    "EndsWith": _search,
    "Length": _length,
    "Lower": _case,
    "StartsWith": _search,
    "StringTrim": _trim,
    "StringTrimLeft": _trim,
    "StringTrimRight": _trim,
    "Substring": _substring,
    "Upper": _case,
}
