"""Lowers methods of a str whose separator, or start of a search, is a value of the same row, and those that split lines."""

from __future__ import annotations

from typing import Any

from sparkweld.ir import Value
from sparkweld.ir.ops import ListCall, StrCall
from sparkweld.ir.types import I64, STR
from udf_compiler.frontends.python.lists import length, of_list
from udf_compiler.frontends.python.operands import as_text, make_int, make_text
from udf_compiler.frontends.python.path_explorer import explorer
from udf_compiler.frontends.python.regex_calls import Regex
from udf_compiler.frontends.python.values import TracedScalar, is_scalar
from udf_compiler.frontends.tracing.session import refuse

#: What ends a line, by `str.splitlines`.
_BREAKS = "\r\n|[\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029]"
#: More characters than any string has.
END = 2**62


def is_of_row(x: Any) -> bool:
    """Whether it is a str of the row."""
    return is_scalar(x) and x.kind == "str"


def pieces_by(x: TracedScalar, separator: TracedScalar) -> TracedScalar:
    """Returns ``x.split(separator)``."""
    _raise_if_empty(separator)
    return of_list(_call("split_str", x.value, separator.value))


def parts_by(x: TracedScalar, separator: TracedScalar) -> tuple[Any, Any, Any]:
    """Returns ``x.partition(separator)``."""
    _raise_if_empty(separator)
    loop = explorer().loop
    first, nothing = loop.const(0, I64), loop.const("", STR)
    start = _call("find_str", x.value, separator.value)
    found = loop.call("greater_equal", start, first)
    end = loop.call("add", start, _call("length", separator.value))
    before = loop.select(found, _call("substring", x.value, first, start), x.value)
    after = loop.select(found, _call("substring", x.value, end, _call("length", x.value)), nothing)
    return make_text(before), make_text(loop.select(found, separator.value, nothing)), make_text(after)


def lines(x: TracedScalar, keepends: Any = False) -> TracedScalar:
    """Returns ``x.splitlines()``: no line follows a break at the end of the string."""
    if keepends is not False:
        refuse("SW262", call="str.splitlines", what="keepends")
    run, loop = explorer(), explorer().loop
    breaks = Regex(_BREAKS, 0, "str.splitlines", (0,), repeated=True)
    pieces: Any = of_list(breaks.emit(loop, x.value, "split", guard=run.guard))
    ends: Any = make_int(loop.cast(loop.call("equal", pieces[-1].value, loop.const("", STR)), I64))
    return pieces[: length(pieces) - ends]  # type: ignore[no-any-return]


def replaced(x: TracedScalar, old: TracedScalar, new: Any) -> TracedScalar:
    """Returns ``x.replace(old, new)``; rows in which `old` is empty, and thus between all characters, are guarded."""
    loop = explorer().loop
    explorer().guard(loop.call("not_equal", old.value, loop.const("", STR)))
    pieces = _call("split_str", x.value, old.value)
    return make_text(loop.emit(ListCall("join", pieces.type), pieces, as_text(new)))


def found_from(x: TracedScalar, part: str, start: TracedScalar) -> Any:
    """Evaluates ``x.find(part, start)`` on the rest of the string, which is empty if the start is past the end."""
    loop = explorer().loop
    explorer().guard(loop.call("greater_equal", start.value, loop.const(0, I64)))
    rest = _call("substring", x.value, start.value, _call("length", x.value))
    found = loop.emit(StrCall("find", (part, None, None)), rest)
    missing = loop.const(-1, I64)
    absent = loop.call("equal", found, missing)
    return make_int(loop.select(absent, missing, loop.call("add", found, start.value)), (-1, END))


def _call(fn: str, *args: Value) -> Value:
    return explorer().loop.emit(StrCall(fn), *args)


def _raise_if_empty(separator: TracedScalar) -> None:
    empty = explorer().loop.call("equal", separator.value, explorer().loop.const("", STR))
    explorer().raise_if(empty, lambda: ValueError("empty separator"))
