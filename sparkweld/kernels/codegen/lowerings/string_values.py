"""Lowers the conversions between strings and numbers or times to calls of `kernels.functions.strings`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from llvmlite import ir

from sparkweld.errors import InternalError
from sparkweld.ir.ops.string_functions import Param
from sparkweld.ir.time_formats import FIRST_TIME, ISO_SHAPE, LAST_TIME, Item, parsed_items, written_items
from sparkweld.kernels.codegen.lowerings.constant_data import constant_bytes, integer
from sparkweld.kernels.functions.strings import formats, numbers, shortest, time_formatting, time_parsing, times
from sparkweld.kernels.llvm.integers import Builder

_Params = tuple[Param, ...]


def _powers(b: Builder) -> ir.Value:
    return constant_bytes(b, np.array([float(10**k) for k in range(23)]).tobytes())


def _parse_float(b: Builder, v: ir.Value) -> ir.Value:
    return numbers.parse_float.build(b, v, _powers(b), constant_bytes(b, b"infinitynan"))


def _is_decided(pair: ir.Value, b: Builder) -> ir.Value:
    return b.icmp_signed("!=", b.extract_value(pair, 1), integer(numbers.UNDECIDED))


def _float_to_str(params: _Params, b: Builder, x: ir.Value, arena: ir.Value) -> ir.Value:
    return shortest.float_to_str.build(b, arena, x, constant_bytes(b, shortest.powers()), constant_bytes(b, b"-infnan-0.0"))


def _format_int(params: _Params, b: Builder, x: ir.Value, arena: ir.Value) -> ir.Value:
    return formats.format_int.build(b, arena, x, _separator(params[0]))


def _format_decimal(params: _Params, b: Builder, x: ir.Value, arena: ir.Value) -> ir.Value:
    return formats.format_decimal.build(b, arena, x, integer(int(params[0] or 0)), _separator(params[1]))


def _separator(value: Param) -> ir.Value:
    return integer(ord(str(value)) if value else 0)


def _scale(decimals: Param) -> ir.Constant:
    return ir.Constant(ir.DoubleType(), 10.0 ** int(decimals or 0))


def _format_fixed(params: _Params, b: Builder, x: ir.Value, arena: ir.Value) -> ir.Value:
    decimals, separator = params
    rest = (integer(int(decimals or 0)), _separator(separator), constant_bytes(b, b"-infnan"))
    return formats.format_fixed.build(b, arena, x, _scale(decimals), *rest)


def _strptime(params: _Params, b: Builder, v: ir.Value) -> ir.Value:
    return time_parsing.strptime.build(b, v, constant_bytes(b, times.table_of(_items(parsed_items(str(params[0]))))))


def _strftime(params: _Params, b: Builder, x: ir.Value, arena: ir.Value) -> ir.Value:
    items = _items(written_items(str(params[0])))
    bounds = map(integer, (time_formatting.most_bytes(items), FIRST_TIME, LAST_TIME))
    return time_formatting.strftime.build(b, arena, x, constant_bytes(b, times.table_of(items)), *bounds)


def _items(found: tuple[Item, ...] | None) -> tuple[Item, ...]:
    if found is None:
        raise InternalError("an unsupported format of times")
    return found


def _strftime_decided(params: _Params, b: Builder, x: ir.Value) -> ir.Value:
    return b.and_(b.icmp_signed(">=", x, integer(FIRST_TIME)), b.icmp_signed("<=", x, integer(LAST_TIME)))


CALLS: dict[str, Callable[..., ir.Value]] = {
    "parse_int": lambda params, b, v: numbers.parse_int.build(b, v),
    "parse_int_decided": lambda params, b, v: _is_decided(numbers.parse_int.build(b, v), b),
    "parse_decimal": lambda params, b, v: numbers.parse_decimal.build(b, v, integer(int(params[0] or 0))),
    "parse_float": lambda params, b, v: _parse_float(b, v),
    "parse_float_decided": lambda params, b, v: _is_decided(_parse_float(b, v), b),
    "int_to_str": lambda params, b, x, arena: numbers.int_to_str.build(b, arena, x), "float_to_str": _float_to_str,
    "format_hex": lambda params, b, x, arena: formats.format_hex.build(b, arena, x, integer(55 if params[0] else 87)),
    "format_int": _format_int, "format_decimal": _format_decimal, "format_fixed": _format_fixed,
    "format_fixed_decided": lambda params, b, x: formats.fixed_is_decided.build(b, x, _scale(params[0])),
    "float_to_str_decided": lambda params, b, x: ir.Constant(ir.IntType(1), 1),
    "parse_iso": lambda params, b, v: time_parsing.parse_iso.build(b, v, constant_bytes(b, ISO_SHAPE.encode())),
    "strptime": _strptime, "strftime": _strftime, "strftime_decided": _strftime_decided,
}  # fmt: skip
