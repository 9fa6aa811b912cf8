"""Lowers the repetition and padding of strings, where the string or the number depends on the row."""

from __future__ import annotations

from typing import Any

from sparkweld.ir.ops import StrCall
from sparkweld.ir.ops.string_functions import MOST_TIMES
from sparkweld.ir.types import I64
from udf_compiler.frontends.python.operands import as_int, as_text, is_number, kind_of, make_int, make_text, raise_type_error
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


def padded(fn: str, x: Any, width: Any, fill: str = "0") -> TracedScalar:
    """Returns ``x.rjust(width, fill)`` and the like for a width of the row; guards many characters of padding."""
    if not is_number(width) or kind_of(width) == "float":
        raise_type_error("the width cannot be interpreted as an integer")
    if len(fill) != 1:
        raise_type_error("The fill character must be exactly one character long")
    loop, text = explorer().loop, as_text(x)
    size: Any = make_int(as_int(width))
    missing = as_int(size - make_int(loop.emit(StrCall("length"), text)))
    count: Any = make_int(loop.call("maximum", missing, loop.const(0, I64)))
    if fn == "ljust":
        return _joined(text, _start_of_many(fill, count))
    if fn == "center":  # CPython puts an odd character on the left where the width is odd, too
        left = count // 2 + (count & size & 1)
        return _joined(_start_of_many(fill, left), text, _start_of_many(fill, count - left))
    if fn == "rjust":
        return _joined(_start_of_many(fill, count), text)
    signs = [loop.emit(StrCall("starts_with", (sign,)), text) for sign in "+-"]
    begin = loop.select(loop.call("logical_or", *signs), loop.const(1, I64), loop.const(0, I64))
    sign = loop.emit(StrCall("substring"), text, loop.const(0, I64), begin)
    return _joined(sign, _start_of_many(fill, count), loop.emit(StrCall("substring"), text, begin, loop.const(_END, I64)))


def _joined(*parts: Any) -> TracedScalar:
    values = [part.value if is_scalar(part) else part for part in parts]
    return make_text(explorer().loop.emit(StrCall("concat"), *values))


def _start_of_many(text: Any, count: Any) -> TracedScalar:
    """Returns a string many times: the start of a long constant string, or one of the row. Guards larger numbers."""
    loop, number = explorer().loop, as_int(count)
    if is_scalar(text):
        explorer().guard(loop.call("less_equal", number, loop.const(MOST_TIMES, I64)))
        return make_text(loop.emit(StrCall("repeat_some"), text.value, number))
    most = _MOST // max(len(text), 1)
    if not most:
        refuse("SW262", call="str * int", what="a count that is not constant, of a long string,")
    explorer().guard(loop.call("less_equal", number, loop.const(most, I64)))
    some = loop.call("maximum", number, loop.const(0, I64))
    size = loop.call("multiply", some, loop.const(len(text), I64))
    return make_text(loop.emit(StrCall("substring"), as_text(text * most), loop.const(0, I64), size))
