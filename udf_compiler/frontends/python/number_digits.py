"""Lowers ``hex(x)``, ``bin(x)`` and the binary digits of an int of the row."""

from __future__ import annotations

from typing import Any

from sparkweld.ir import Value
from sparkweld.ir.types import I64
from udf_compiler.frontends.python import strings
from udf_compiler.frontends.python.operands import as_int, as_text, make_text
from udf_compiler.frontends.python.path_explorer import explorer
from udf_compiler.frontends.python.values import is_scalar
from udf_compiler.frontends.tracing.exceptions import as_python

#: Each hexadecimal digit -> its binary digits.
_BITS = str.maketrans({f"{digit:x}": f"{digit:04b}" for digit in range(16)})


def to_hexadecimal(x: Any) -> Any:
    """Returns ``hex(x)``."""
    return _prefixed(x, "0x", _digits(x)) if _is_int(x) else as_python(hex, x)


def to_binary(x: Any) -> Any:
    """Returns ``bin(x)``."""
    return _prefixed(x, "0b", _in_bits(x)) if _is_int(x) else as_python(bin, x)


def binary_digits(x: Any) -> Value:
    """Returns ``format(x, "b")`` of an int of the row."""
    return _prefixed(x, "", _in_bits(x)).value  # type: ignore[no-any-return]


def _is_int(x: Any) -> bool:
    return is_scalar(x) and x.kind == "int" and not x.numpy


def _is_below(x: Any) -> Value:
    return explorer().loop.call("less", as_int(x), explorer().loop.const(0, I64))


def _digits(x: Any) -> Value:
    """Returns the hexadecimal digits of the magnitude."""
    text = strings.call("format_hex", as_int(x), params=(0,))
    return explorer().loop.select(_is_below(x), strings.call("slice", text, params=(1, None, 1)), text)


def _in_bits(x: Any) -> Value:
    """Returns the binary digits of the magnitude."""
    loop = explorer().loop
    bits = make_text(_digits(x)).translate(_BITS).lstrip("0").value
    return loop.select(loop.call("equal", as_int(x), loop.const(0, I64)), as_text("0"), bits)


def _prefixed(x: Any, prefix: str, digits: Value) -> Any:
    below = strings.call("concat", as_text(f"-{prefix}"), digits)
    other = strings.call("concat", as_text(prefix), digits) if prefix else digits
    return make_text(explorer().loop.select(_is_below(x), below, other))
