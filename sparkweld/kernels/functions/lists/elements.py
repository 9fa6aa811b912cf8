"""Defines the instructions of list functions: loads, stores, conversions and comparisons of elements."""

from __future__ import annotations

from functools import cache
from typing import Any

from llvmlite import ir
from numba.core import types

from sparkweld.ir.types import BOOL, STR, Type
from sparkweld.kernels.functions.strings.library import Function, function
from sparkweld.kernels.functions.strings.search import compare, equal
from sparkweld.kernels.llvm.memory import pointer
from sparkweld.kernels.llvm.numba_frontend import VIEW, Operation, numba_type, value_type

_I8, _I64, _F64 = ir.IntType(8), ir.IntType(64), ir.DoubleType()
INT, FLOAT = types.int64, types.float64


def memory_type(element: Type) -> ir.Type:
    """Returns the LLVM type of an element in memory."""
    return _I8 if element == BOOL else value_type(numba_type(element))


def build_load(b: ir.IRBuilder, address: ir.Value, index: ir.Value, element: Type) -> ir.Value:
    """Loads element `index` of the list at an address.

    Rows' lists may be stored anywhere, so nothing is assumed of its alignment.
    """
    stored = b.load(b.gep(pointer(b, address, memory_type(element)), [index], inbounds=True), align=1)
    return b.icmp_unsigned("!=", stored, ir.Constant(_I8, 0)) if element == BOOL else stored


def build_store(b: ir.IRBuilder, address: ir.Value, index: ir.Value, value: ir.Value, element: Type) -> None:
    """Inverts `build_load`."""
    stored = b.zext(value, _I8) if element == BOOL else value
    b.store(stored, b.gep(pointer(b, address, memory_type(element)), [index], inbounds=True), align=1)


def to_word(b: ir.IRBuilder, value: ir.Value) -> ir.Value:
    """Returns a value's bits in an int64."""
    if isinstance(value.type, ir.IntType):
        return value if value.type.width == 64 else b.zext(value, _I64)
    if isinstance(value.type, ir.DoubleType):
        return b.bitcast(value, _I64)
    return b.zext(b.bitcast(value, ir.IntType(32)), _I64)


def of_word(b: ir.IRBuilder, word: ir.Value, type: ir.Type) -> ir.Value:
    """Inverts `to_word`."""
    if isinstance(type, ir.IntType):
        return word if type.width == 64 else b.trunc(word, type)
    if isinstance(type, ir.DoubleType):
        return b.bitcast(word, type)
    return b.bitcast(b.trunc(word, ir.IntType(32)), type)


@cache
def load(element: Type) -> Operation:
    """Builds ``load(address, index)``."""
    build = lambda b, address, index: build_load(b, address, index, element)  # noqa: E731
    return Operation(f"load_element_{element}", (INT, INT), numba_type(element), build)


@cache
def store(element: Type) -> Operation:
    """Builds ``store(address, index, value)``."""
    build = lambda b, address, index, value: build_store(b, address, index, value, element)  # noqa: E731
    return Operation(f"store_element_{element}", (INT, INT, numba_type(element)), types.none, build)


@cache
def as_word(element: Type) -> Operation:
    """Builds `to_word` of an element."""
    return Operation(f"as_word_{element}", (numba_type(element),), INT, to_word)


@cache
def widened(element: Type) -> Operation:
    """Builds the conversion of a bool or an integer to an int64."""

    def build(b: ir.IRBuilder, x: ir.Value) -> ir.Value:
        if x.type == _I64:
            return x
        return b.zext(x, _I64) if element == BOOL else b.sext(x, _I64)

    return Operation(f"widened_{element}", (numba_type(element),), INT, build)


@cache
def as_double(element: Type) -> Operation:
    """Builds the conversion of a float to a float64."""
    build = lambda b, x: x if x.type == _F64 else b.fpext(x, _F64)  # noqa: E731
    return Operation(f"as_double_{element}", (numba_type(element),), FLOAT, build)


@cache
def narrowed(element: Type) -> Operation:
    """Builds the conversion of a float64 to a float of the type."""
    to = value_type(numba_type(element))
    build = lambda b, x: x if x.type == to else b.fptrunc(x, to)  # noqa: E731
    return Operation(f"narrowed_{element}", (FLOAT,), numba_type(element), build)


@cache
def constant(element: Type, value: float) -> Operation:
    """Builds ``constant()``: a number of the type."""
    made = ir.Constant(value_type(numba_type(element)), int(value) if not element.is_float else value)
    return Operation(f"constant_{element}", (), numba_type(element), lambda b: made)


@cache
def added(element: Type) -> Operation:
    """Builds the sum of two floats, in their own type."""
    return Operation(f"added_{element}", (numba_type(element),) * 2, numba_type(element), lambda b, x, y: b.fadd(x, y))


@function(VIEW, VIEW, result=types.boolean)
def texts_differ(x: Any, y: Any) -> bool:
    return not equal(x, y)


@function(VIEW, VIEW, result=types.boolean)
def text_is_less(x: Any, y: Any) -> bool:
    return compare(x, y) < 0


@function(VIEW, VIEW, result=types.boolean)
def text_is_greater(x: Any, y: Any) -> bool:
    return compare(x, y) > 0


_OF_TEXTS: dict[str, Function] = {"==": equal, "!=": texts_differ, "<": text_is_less, ">": text_is_greater}


@cache
def compared(element: Type, symbol: str) -> Operation:
    """Builds a comparison of two elements; False where one is NaN, except for ``!=``."""
    if element == STR:
        return _OF_TEXTS[symbol]

    def build(b: ir.IRBuilder, x: ir.Value, y: ir.Value) -> ir.Value:
        if element == BOOL:
            return b.icmp_unsigned(symbol, x, y)
        if not element.is_float:
            return b.icmp_signed(symbol, x, y)
        return b.fcmp_unordered(symbol, x, y) if symbol == "!=" else b.fcmp_ordered(symbol, x, y)

    return Operation(f"compared_{element}", (numba_type(element),) * 2, types.boolean, build)
