"""Provides the attributes and methods of Python's ints, floats and bools of a row."""

from __future__ import annotations

from typing import Any

from sparkweld.ir.ops import Call
from sparkweld.ir.types import F64, I64
from udf_compiler.frontends.python.operands import as_int, make_bool, make_int
from udf_compiler.frontends.python.path_explorer import explorer
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.stand_ins import in_place


def attribute(x: Any, name: str) -> Any:
    """Returns ``x.name`` of a number; refuses unsupported attributes. AttributeError where Python has no such attribute."""
    if name == "is_integer":
        return lambda: is_integer(x)
    if name == "bit_length" and x.kind != "float":
        return lambda: _bit_length(x)
    if name in ("real", "conjugate"):
        return +x if name == "real" else lambda: +x
    if name == "imag":
        return 0.0 if x.kind == "float" else 0
    if not hasattr({"bool": bool, "int": int, "float": float}[x.kind], name):
        raise in_place(AttributeError(f"'{x.kind}' object has no attribute {name!r}"))
    refuse("SW251", call=f"{x.kind}.{name}")


def _bit_length(x: Any) -> Any:
    """Returns the bit length of |x| by frexp of its upper or lower 32 bits, which are exact as a float."""
    loop = explorer().loop
    size = loop.call("absolute", as_int(x))
    half = loop.const(32, I64)
    upper = loop.call("right_shift", size, half)
    large = loop.call("greater", upper, loop.const(0, I64))
    part = loop.cast(loop.select(large, upper, size), F64)
    bits = loop.cast(loop.emit(Call("frexp", 1), part), I64)
    bits = loop.select(large, loop.call("add", bits, half), bits)
    smallest = loop.call("equal", size, loop.const(-(2**63), I64))  # |x| of the smallest int64 wraps
    return make_int(loop.select(smallest, loop.const(64, I64), bits), (0, 64))


def is_integer(x: Any) -> Any:
    """Returns ``x.is_integer()``."""
    if x.kind != "float":
        return True
    loop = explorer().loop
    finite = loop.call("isfinite", x.value)
    return make_bool(loop.call("logical_and", finite, loop.call("equal", loop.call("floor", x.value), x.value)))
