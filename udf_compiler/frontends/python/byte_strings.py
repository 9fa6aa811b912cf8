"""Lowers Python's `bytes` of a row: those that a string encodes, and those of a digest."""

from __future__ import annotations

import codecs
from collections.abc import Callable
from typing import Any

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.ops import StrCall
from sparkweld.ir.types import BOOL, I64, STR
from udf_compiler.frontends.python.of_text import OfText
from udf_compiler.frontends.python.operands import as_text, is_text, make_bool, make_int, make_text, raise_type_error
from udf_compiler.frontends.python.path_explorer import Node, explorer, leaves
from udf_compiler.frontends.python.result_kinds import merged
from udf_compiler.frontends.python.values import is_scalar
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.signatures import check_form
from udf_compiler.frontends.tracing.stand_ins import ErrorText, in_place, of_python
from udf_compiler.frontends.tracing.values import raw

#: How a string represents bytes: as their UTF-8, or by two hexadecimal digits for each.
TEXT, HEX = "text", "hex"


class TracedBytes(OfText):
    """Bytes of the row. `form`: TEXT or HEX."""

    __slots__ = ("form",)
    what = "bytes"
    stands_for = bytes

    __class__ = bytes  # type: ignore[assignment]

    def __init__(self, value: Value, form: str = TEXT) -> None:
        self.value, self.form = value, form

    @property
    def same(self) -> tuple[Any, ...]:
        return (object.__getattribute__(self, "form"),)

    def __bool__(self) -> bool:
        run = explorer()
        return run.decide(run.loop.call("not_equal", _value(self), run.loop.const("", STR)))

    def __getitem__(self, key: Any) -> Any:
        ends = (key.start, key.stop) if type(key) is slice and key.step in (None, 1) else (None, "unknown")
        if any(end is not None and (type(end) is not int or end < 0) for end in ends):
            refuse("SW251", call="bytes[...]")
        digits = tuple(None if end is None else 2 * end for end in ends)
        return TracedBytes(explorer().loop.emit(StrCall("slice", (*digits, 1)), _digits(self)), HEX)

    @property
    def count(self) -> Any:
        """Returns the number of bytes."""
        loop = explorer().loop
        digits = loop.emit(StrCall("length"), _digits(self))
        return make_int(loop.call("floor_divide", digits, loop.const(2, I64)), (0, 2**31 - 1))

    def _binary(self, name: str, other: Any, reflected: bool) -> Any:
        if name in ("eq", "ne") and not is_bytes(other):
            return name == "ne"
        if name not in ("add", "eq", "ne") or not is_bytes(other) or _form(self) != TEXT:
            refuse("SW251", call=f"{name} of bytes")
        loop, known = explorer().loop, utf8_of(other, f"{name} of bytes")
        pair = (known, _value(self)) if reflected else (_value(self), known)
        if name == "add":
            return TracedBytes(loop.emit(StrCall("concat"), *pair))
        return make_bool(loop.call({"eq": "equal", "ne": "not_equal"}[name], *pair))

    def __getattr__(self, name: str) -> Any:
        if name not in _METHODS:
            refuse("SW251", call=f"bytes.{name}")
        function = _METHODS[name]

        def called(*args: Any, **kwargs: Any) -> Any:
            check_form(function, (self, *args), kwargs, f"bytes.{name}")
            return function(self, *args, **kwargs)

        return called


def _value(x: TracedBytes) -> Value:
    return object.__getattribute__(x, "value")  # type: ignore[no-any-return]


def _form(x: TracedBytes) -> str:
    return object.__getattribute__(x, "form")  # type: ignore[no-any-return]


def _digits(x: TracedBytes) -> Value:
    """Returns two hexadecimal digits for each byte."""
    return _value(x) if _form(x) == HEX else explorer().loop.emit(StrCall("hexlify"), _value(x))


def is_bytes(x: object) -> bool:
    """Whether `x` is bytes, of the row or a constant."""
    return type(x) in (TracedBytes, bytes)


def utf8_of(x: Any, call: str) -> Value:
    """Returns bytes as the string that they encode. Refuses (SW262) the bytes of a digest, and constants that are not UTF-8."""
    if type(x) is TracedBytes:
        if _form(x) != TEXT:
            refuse("SW262", call=call, what="the bytes of a digest")
        return _value(x)
    try:
        return explorer().loop.const(x.decode(), STR)
    except UnicodeDecodeError:
        refuse("SW262", call=call, what="constant bytes that are not UTF-8")


def _codec(name: Any, call: str) -> str:
    if type(name) is not str:
        refuse("SW262", call=call, what="an encoding that is not a constant string")
    try:
        found = codecs.lookup(name).name
    except LookupError:
        raise in_place(LookupError(f"unknown encoding: {name}")) from None
    if found not in ("utf-8", "ascii"):
        refuse("SW262", call=call, what=f"the encoding {name!r}")
    return found


def encode(text: Any, encoding: Any = "utf-8", errors: Any = "strict") -> TracedBytes:
    """Returns ``text.encode(encoding, errors)``. No string of a column has a surrogate, so UTF-8 encodes each."""
    codec = _codec(encoding, "str.encode")
    return TracedBytes(_coded(as_text(text), codec, errors, "str.encode", lambda: _coding(UnicodeEncodeError, "")))


def decode(x: TracedBytes, encoding: Any = "utf-8", errors: Any = "strict") -> Any:
    """Returns ``x.decode(encoding, errors)``."""
    codec, value = _codec(encoding, "bytes.decode"), utf8_of(x, "bytes.decode")
    return make_text(_coded(value, codec, errors, "bytes.decode", lambda: _coding(UnicodeDecodeError, b"")))


def _coded(value: Value, codec: str, errors: Any, call: str, error: Callable[[], Exception]) -> Value:
    """Returns a string of UTF-8 as one that the codec has encoded or decoded; `error`: what other characters raise."""
    run = explorer()
    if codec == "utf-8":
        return value
    if errors == "ignore":
        return run.loop.emit(StrCall("without_wide"), value)
    if errors != "strict":
        refuse("SW262", call=call, what="this error handler")
    run.raise_if(run.loop.call("logical_not", run.loop.emit(StrCall("is_ascii"), value)), error)
    return value


def _coding(kind: Any, of: Any) -> Exception:
    """Returns an error of a codec, whose message only Python knows."""
    error: Exception = kind("ascii", of, 0, 1, "")
    error.args = (ErrorText("ordinal not in range(128)"),)
    return of_python(error)


def new_bytes(text: Any, encoding: Any = None, errors: Any = "strict") -> Any:
    """Implements ``bytes(text, encoding)`` with a string of the row."""
    if type(text) is TracedBytes and encoding is None:
        return text
    if not is_text(text):
        refuse("SW262", call="bytes()", what=raw(text))
    if encoding is None:
        raise_type_error("string argument without an encoding")
    return encode(text, encoding, errors)


def hexadecimal(x: TracedBytes) -> Any:
    """Returns ``x.hex()``."""
    return make_text(_digits(x))


def is_value(x: object) -> bool:
    """Whether `x` is a string or bytes of the row."""
    return type(x) is TracedBytes or is_scalar(x)


def bytes_of_row(loop: LoopBuilder, all_paths: Node, tree: Node, return_type: str, place: str) -> Value:
    """Returns the binary column of a function's results. Refuses (SW226) other results, on `all_paths`."""
    for leaf in leaves(all_paths):
        x = leaf.value
        if leaf.error is None and x is not None and _held(loop, x) is None:
            refuse("SW226", at=place, what=raw(x), type=return_type)

    def value(x: Any) -> Value:
        held = loop.const("", STR) if x is None else _held(loop, x)
        assert held is not None
        return held

    made = merged(loop, tree, STR, value)
    if not any(leaf.value is None for leaf in leaves(tree) if leaf.error is None):
        return made
    return loop.optional(made, merged(loop, tree, BOOL, lambda x: loop.const(x is not None, BOOL)))


def _held(loop: LoopBuilder, x: Any) -> Value | None:
    """Returns bytes as the string that they encode; None for anything else, and for bytes that are no UTF-8."""
    if type(x) is TracedBytes:
        return _value(x) if _form(x) == TEXT else None
    try:
        return loop.const(x.decode(), STR) if type(x) is bytes else None
    except UnicodeDecodeError:
        return None


_METHODS: dict[str, Callable[..., Any]] = {"decode": decode, "hex": hexadecimal}
