"""Lowers the repetition of strings, where the string or the number depends on the row."""

from __future__ import annotations

from typing import Any

from sparkweld.ir.ops import StrCall
from sparkweld.ir.types import I64
from udf_compiler.frontends.python.operands import as_int, as_text, make_text
from udf_compiler.frontends.python.path_explorer import explorer
from udf_compiler.frontends.python.values import TracedScalar, is_scalar
from udf_compiler.frontends.tracing.session import refuse

#: The most characters of a constant string that is repeated a number of times that depends on the row.
_MOST = 256

#: More characters than any string has.
_END = 2**62


def repeated(text: Any, count: Any) -> TracedScalar:
    """Returns ``text * count`` of a str and an int, at least one of which is a value of the row."""
    if is_scalar(count):
        return _start_of_many(text, count)
    if abs(count) > _END:
        refuse("SW262", call="str * int", what="a count of more than 62 bits")
    return make_text(explorer().loop.emit(StrCall("repeat", (int(count),)), as_text(text)))


def _start_of_many(text: Any, count: Any) -> TracedScalar:
    """Returns the start of a long constant string; guards larger numbers."""
    if is_scalar(text):
        refuse("SW262", call="str * int", what="a count that is not constant, of a string that is not,")
    most = _MOST // max(len(text), 1)
    if not most:
        refuse("SW262", call="str * int", what="a count that is not constant, of a long string,")
    loop, number = explorer().loop, as_int(count)
    explorer().guard(loop.call("less_equal", number, loop.const(most, I64)))
    some = loop.call("maximum", number, loop.const(0, I64))
    size = loop.call("multiply", some, loop.const(len(text), I64))
    return make_text(loop.emit(StrCall("substring"), as_text(text * most), loop.const(0, I64), size))
