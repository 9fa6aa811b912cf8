"""Lowers pyarrow.compute's string functions to Python's string operations; guards non-ASCII where their Unicode tables differ."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow.compute as pc

from sparkweld.ir import Value
from sparkweld.ir.ops import StrCall
from sparkweld.ir.types import STR
from udf_compiler.frontends.arrow.arithmetic import Traced, all_valid
from udf_compiler.frontends.arrow.array import TracedArrow, as_column, loop_of, operand, result_type
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.values import raw

#: (column, constants) -> value.
_Rule = Callable[..., Value]


def _ascii(x: TracedArrow) -> TracedArrow:
    """Returns the column; guards strings that are not ASCII."""
    x.guard(x.loop.emit(StrCall("is_ascii"), x.value))
    return x


def _call(x: TracedArrow, fn: str, *params: Any) -> Value:
    return x.loop.emit(StrCall(fn, params), x.value)


def _text(value: Any, call: str, empty: bool = False) -> str:
    if type(value) is not str or not (value or empty):
        refuse("SW262", call=call, what=f"the pattern {raw(value) if value else 'of no characters'}")
    return value


def _function(name: str, rule: _Rule) -> Traced:
    """Returns a function of one string column; `rule` takes the column and pyarrow's options by name."""
    function, call = getattr(pc, name), f"pc.{name}"

    def traced(strings: Any, *args: Any, **options: Any) -> TracedArrow:
        x = operand(strings, call)
        if not isinstance(x, TracedArrow) or x.value.type != STR:
            refuse("SW262", call=call, what=f"{raw(strings)} that has no strings")
        try:
            value = rule(x, *args, **options)
        except TypeError as error:
            refuse("SW262", call=call, what=str(error))
        # After the rule, which refuses empty patterns: pyarrow replaces and counts those in an endless loop.
        out = result_type(call, lambda s: function(s, *args, **options), (x,))
        return TracedArrow(x.loop, x.loop.cast(value, out), x.valid)

    return traced


def _starts(x: TracedArrow, pattern: Any) -> Value:
    return _call(x, "starts_with", _text(pattern, "pc.starts_with", empty=True))


def _ends(x: TracedArrow, pattern: Any) -> Value:
    return _call(x, "ends_with", _text(pattern, "pc.ends_with", empty=True))


def _contains(x: TracedArrow, pattern: Any) -> Value:
    return _call(x, "contains", _text(pattern, "pc.match_substring", empty=True))


def _count(x: TracedArrow, pattern: Any) -> Value:
    return _call(x, "count", _text(pattern, "pc.count_substring"), None, None)


def _find(x: TracedArrow, pattern: Any) -> Value:
    """Finds a byte position, which for ASCII equals the character position."""
    return _call(_ascii(x), "find", _text(pattern, "pc.find_substring"), None, None)


def _replace(x: TracedArrow, pattern: Any, replacement: Any) -> Value:
    call = "pc.replace_substring"
    return _call(x, "replace", _text(pattern, call), _text(replacement, call, empty=True), -1)


def _slice(x: TracedArrow, start: Any, stop: Any = None, step: Any = 1) -> Value:
    if type(start) is not int or not (stop is None or type(stop) is int) or step != 1:
        refuse("SW262", call="pc.utf8_slice_codeunits", what="bounds that are not constant, or a step")
    return _call(x, "slice", start, stop, 1)


def _trim(fn: str) -> _Rule:
    return lambda x, characters: _call(x, fn, _text(characters, "pc.utf8_trim"))


def _joined(*strings: Any) -> TracedArrow:
    """Joins strings as binary_join_element_wise does: the last argument is the separator; NULL where any operand is."""
    call = "pc.binary_join_element_wise"
    operands = tuple(operand(s, call) for s in strings)
    result_type(call, pc.binary_join_element_wise, operands)
    loop = loop_of(operands, call)
    columns = tuple(as_column(loop, o, STR, call) for o in operands)
    *parts, separator = columns
    values = [parts[0].value]
    for part in parts[1:]:
        values += [separator.value, part.value]
    value = loop.emit(StrCall("concat"), *values) if len(values) > 1 else values[0]
    return TracedArrow(loop, value, all_valid(loop, columns))


def check_utf8(column: TracedArrow) -> None:
    """Guards strings that are not valid UTF-8: string functions raise for them, or produce other bytes than Python does."""
    column.guard(column.loop.emit(StrCall("valid_utf8"), column.value))


_RULES: dict[str, _Rule] = {
    "ascii_lower": lambda x: _call(_ascii(x), "lower"),
    "ascii_upper": lambda x: _call(_ascii(x), "upper"),
    "count_substring": _count,
    "ends_with": _ends,
    "find_substring": _find,
    "match_substring": _contains,
    "replace_substring": _replace,
    "starts_with": _starts,
    "string_is_ascii": lambda x: _call(x, "is_ascii"),
    "utf8_length": lambda x: _call(x, "length"),
    "utf8_lower": lambda x: _call(_ascii(x), "lower"),
    "utf8_ltrim": _trim("lstrip"),
    "utf8_ltrim_whitespace": lambda x: _call(_ascii(x), "lstrip", None),
    "utf8_rtrim": _trim("rstrip"),
    "utf8_rtrim_whitespace": lambda x: _call(_ascii(x), "rstrip", None),
    "utf8_slice_codeunits": _slice,
    "utf8_trim": _trim("strip"),
    "utf8_trim_whitespace": lambda x: _call(_ascii(x), "strip", None),
    "utf8_upper": lambda x: _call(_ascii(x), "upper"),
}

FUNCTIONS: dict[str, Traced] = {
    **{name: _function(name, rule) for name, rule in _RULES.items()},
    "binary_join_element_wise": _joined,
}

