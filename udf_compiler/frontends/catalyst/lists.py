"""Translates Catalyst expressions of arrays, and conversions between arrays and strings, to IR values.

Where an expression inspects the elements of an array, rows are guarded against NULL elements and strings that are not valid
UTF-8.
"""

from __future__ import annotations

import re

from sparkweld.contract.expressions import Expression
from sparkweld.ir import Value
from sparkweld.ir.ops import ListCall, StrCall
from sparkweld.ir.types import I32, I64, STR
from sparkweld.reasons import refusal
from udf_compiler.frontends.tracing.expression_rules import Maybe, Rule, Translator, ansi

#: A pattern without special characters, or a single escaped character.
_PLAIN = re.compile(r"[^\\^$.|?*+()\[\]{}]+|\\[^\w\s]")


def _array(t: Translator, expr: Expression, demand: Value | None) -> Maybe:
    """Returns the first argument, guarded to have no NULL elements; the list of a NULL is empty."""
    x = t.of(expr.args[0], demand)
    if not x.value.type.is_list:
        raise refusal("SW321", expression=f"{expr.op} of no array")
    t.guard(t.loop.emit(ListCall("complete", x.value.type), x.value), demand, x.valid)
    if x.value.type.element == STR:
        t.guard(t.loop.emit(ListCall("valid_utf8", x.value.type), x.value), demand, x.valid)
    return x


def _length(t: Translator, x: Maybe) -> Value:
    return t.loop.emit(ListCall("length", x.value.type), x.value)


def _size(t: Translator, expr: Expression, demand: Value | None) -> Maybe:
    """Translates Size; with `legacy`, the size of NULL is -1."""
    x = _array(t, expr, demand)
    size = t.loop.cast(_length(t, x), I32)
    if not expr.legacy or x.valid is None:
        return Maybe(size, x.valid)
    return Maybe(t.loop.select(x.valid, size, t.loop.const(-1, I32)))


def _element(t: Translator, expr: Expression, demand: Value | None) -> Maybe:
    """Translates element_at, which counts from 1 (from the end when negative) and raises for 0, and ``array[i]``, from 0.

    An index out of bounds raises under ANSI and is NULL otherwise.
    """
    loop, x = t.loop, _array(t, expr, demand)
    index = t.of(expr.args[1], demand)
    at, zero = loop.cast(index.value, I64), loop.const(0, I64)
    valid = t.all_of(x.valid, index.valid)
    size = _length(t, x)
    if expr.op == "ElementAt":
        t.guard(loop.call("not_equal", at, zero), demand, valid)
        one = loop.const(1, I64)
        at = loop.select(loop.call("greater", at, zero), loop.call("subtract", at, one), loop.call("add", size, at))
    inside = loop.call("logical_and", loop.call("greater_equal", at, zero), loop.call("less", at, size))
    value = loop.emit(ListCall("at", x.value.type), x.value, at)
    if ansi(expr):
        t.guard(inside, demand, valid)
        return Maybe(value, valid)
    return Maybe(value, t.all_of(valid, inside))


def _contains(t: Translator, expr: Expression, demand: Value | None) -> Maybe:
    loop, x = t.loop, _array(t, expr, demand)
    wanted = t.of(expr.args[1], demand)
    if wanted.value.type != x.value.type.element or wanted.value.type.is_float:  # Spark's NaN equals itself
        raise refusal("SW321", expression=f"ArrayContains of {x.value.type.element} elements")
    at = loop.emit(ListCall("find", x.value.type), x.value, wanted.value)
    return Maybe(loop.call("greater_equal", at, loop.const(0, I64)), t.all_of(x.valid, wanted.valid))


def _join(t: Translator, expr: Expression, demand: Value | None) -> Maybe:
    """Translates ArrayJoin; the replacement for NULLs is irrelevant, as there are no NULL elements."""
    _, *texts = expr.args
    if any(text.op != "Literal" or text.value is None for text in texts):
        raise refusal("SW321", expression="ArrayJoin with a string that is not a literal")
    x = _array(t, expr, demand)
    return Maybe(t.loop.emit(ListCall("join", x.value.type), x.value, t.loop.const(str(texts[0].value), STR)), x.valid)


def _split(t: Translator, expr: Expression, demand: Value | None) -> Maybe:
    """Splits by a literal string; a limit above 0 is the largest number of elements."""
    text, pattern, limit = expr.args
    known = pattern.op == limit.op == "Literal" and None not in (pattern.value, limit.value)
    if not known or not _PLAIN.fullmatch(str(pattern.value)):
        raise refusal("SW321", expression="StringSplit by a pattern that is not a string")
    separator, most = str(pattern.value).removeprefix("\\"), int(str(limit.value))
    x = t.of(text, demand)
    return Maybe(t.loop.emit(StrCall("split", (separator, most - 1 if most > 0 else -1)), x.value), x.valid)


LIST_RULES: dict[str, Rule] = {
    "ArrayContains": _contains,
    "ArrayJoin": _join,
    "ElementAt": _element,
    "GetArrayItem": _element,
    "Size": _size,
    "StringSplit": _split,
}
