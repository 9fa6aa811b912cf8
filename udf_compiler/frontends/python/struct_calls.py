"""Represents Python's modules struct, for integers of constant formats, and socket, for conversions of IPv4 addresses.

Packed bytes are held by their hexadecimal digits.
"""

from __future__ import annotations

import re
import socket
import struct
from typing import Any

from sparkweld.ir import Value
from sparkweld.ir.ops import StrCall
from sparkweld.ir.types import I64, STR
from udf_compiler.frontends.python.byte_strings import HEX, TracedBytes, hexadecimal, is_bytes
from udf_compiler.frontends.python.library_modules import module_of
from udf_compiler.frontends.python.operands import (
    as_int,
    as_text,
    concatenated,
    guard_between,
    is_number,
    is_text,
    kind_of,
    make_int,
    make_text,
    raise_type_error,
    span_of,
)
from udf_compiler.frontends.python.path_explorer import explorer
from udf_compiler.frontends.python.values import is_scalar
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.stand_ins import in_place
from udf_compiler.frontends.tracing.values import raw

#: A code of an integer of struct -> its bytes, where the format names the order of bytes.
_SIZES = {"b": 1, "h": 2, "i": 4, "l": 4, "q": 8}

_FORMAT = re.compile(r"([<>!=])((?:\d{0,2}[bBhHiIlLqQ])+)")


def _fields(format: Any, call: str) -> tuple[bool, list[str]]:
    """Returns whether the first byte of an integer is the lowest, and the code of each. Refuses (SW262) other formats."""
    found = _FORMAT.fullmatch(format) if type(format) is str else None
    if found is None:
        refuse("SW262", call=call, what="a format of other values than integers, or that names no order of bytes,")
    parts = re.findall(r"(\d*)([a-zA-Z])", found[2])
    little = found[1] == "<" or (found[1] == "=" and struct.pack("=H", 1) == b"\1\0")
    return little, [code for count, code in parts for _ in range(int(count or 1))]


def _unpack(format: Any, buffer: Any, /) -> Any:
    """Implements struct.unpack; struct.error for bytes of another length."""
    little, codes = _fields(format, "struct.unpack")
    if buffer is None or (is_scalar(buffer) and not buffer.is_list):
        raise_type_error("a bytes-like object is required")
    if not is_bytes(buffer):
        refuse("SW262", call="struct.unpack", what=raw(buffer))
    run, loop = explorer(), explorer().loop
    digits = hexadecimal(buffer).value
    length = loop.emit(StrCall("length"), digits)
    size = sum(_SIZES[code.lower()] for code in codes)
    wrong = loop.call("not_equal", length, loop.const(2 * size, I64))
    run.raise_if(wrong, lambda: in_place(struct.error(f"unpack requires a buffer of {size} bytes")))
    made, at = [], 0
    for code in codes:
        end = at + _SIZES[code.lower()]
        made.append(_integer(digits, range(at, end)[::-1] if little else range(at, end), code.islower()))
        at = end
    return tuple(made)


def _integer(digits: Value, places: range, signed: bool) -> Any:
    """Returns the integer of bytes, the highest first. Those of 64 bits that int64 does not hold are guarded."""
    if len(places) < 8:
        number = _unsigned(digits, places)
        bits = 8 * len(places)
        return number - (number >> (bits - 1)) * (1 << bits) if signed else number
    high, low = _integer(digits, places[:4], signed), _unsigned(digits, places[4:])
    if not signed:
        guard_between(explorer().loop, as_int(high), 0, 2**31 - 1)
        high = make_int(as_int(high), (0, 2**31 - 1))
    return high * (1 << 32) + low


def _unsigned(digits: Value, places: range) -> Any:
    loop = digits.loop
    made = loop.value_of(loop.emit(StrCall("parse_base", (16,)), _bytes_at(digits, places)))
    return make_int(made, (0, (1 << (8 * len(places))) - 1))


def _bytes_at(digits: Value, places: range) -> Value:
    """Returns the digits of the bytes at these places, in this order."""
    bounds = [(places.start, places.stop)] if places.step == 1 else [(place, place + 1) for place in places]
    return concatenated([digits.loop.emit(StrCall("slice", (2 * start, 2 * stop, 1)), digits) for start, stop in bounds])


def _pack(format: Any, /, *v: Any) -> Any:
    """Implements struct.pack of integers of at most 32 bits; struct.error for those that the format does not hold."""
    little, codes = _fields(format, "struct.pack")
    if len(v) != len(codes):
        raise in_place(struct.error("another number of items is expected"))
    parts = []
    for code, x in zip(codes, v, strict=True):
        if not is_number(x) or kind_of(x) != "int" or (is_scalar(x) and x.numpy):
            refuse("SW262", call="struct.pack", what=raw(x))
        parts.append(_packed(x, _SIZES[code.lower()], code.islower(), little))
    return TracedBytes(concatenated(parts), HEX)


def _packed(x: Any, size: int, signed: bool, little: bool) -> Value:
    """Returns the hexadecimal digits of an integer."""
    if size == 8:
        refuse("SW262", call="struct.pack", what="an integer of 64 bits")
    run, loop = explorer(), explorer().loop
    low, high = (-(1 << (8 * size - 1)), (1 << (8 * size - 1)) - 1) if signed else (0, (1 << (8 * size)) - 1)
    value, (first, last) = as_int(x), span_of(x)
    if first < low or last > high:
        below, above = loop.call("less", value, loop.const(low, I64)), loop.call("greater", value, loop.const(high, I64))
        run.raise_if(loop.call("logical_or", below, above), lambda: in_place(struct.error("argument out of range")))
    bits = loop.call("bitwise_and", value, loop.const((1 << (8 * size)) - 1, I64))
    digits = loop.emit(StrCall("zfill", (2 * size,)), loop.emit(StrCall("format_hex", (0,)), bits))
    return _bytes_at(digits, range(size)[::-1]) if little and size > 1 else digits


def _aton(ip_addr: Any, /) -> Any:
    """Implements socket.inet_aton of four decimal numbers with dots; rows with other forms run in Python."""
    if ip_addr is None or (is_scalar(ip_addr) and not is_text(ip_addr) and not ip_addr.is_list):
        raise_type_error("argument must be str")
    if not is_text(ip_addr):
        refuse("SW262", call="socket.inet_aton", what=raw(ip_addr))
    loop = explorer().loop
    found = loop.emit(StrCall("parse_ipv4"), as_text(ip_addr))
    explorer().guard(loop.is_valid(found))
    return TracedBytes(_packed(make_int(loop.value_of(found), (0, 2**32 - 1)), 4, signed=False, little=False), HEX)


def _ntoa(packed_ip: Any, /) -> Any:
    """Implements socket.inet_ntoa; OSError for bytes of another length than 4."""
    if type(packed_ip) is not TracedBytes:
        refuse("SW262", call="socket.inet_ntoa", what=raw(packed_ip))
    loop, digits = explorer().loop, hexadecimal(packed_ip).value
    wrong = loop.call("not_equal", loop.emit(StrCall("length"), digits), loop.const(8, I64))
    explorer().raise_if(wrong, lambda: in_place(OSError("packed IP wrong length")))
    parts = [loop.emit(StrCall("int_to_str"), as_int(_unsigned(digits, range(at, at + 1)))) for at in range(4)]
    dot = loop.const(".", STR)
    return make_text(concatenated([parts[0], *(piece for part in parts[1:] for piece in (dot, part))]))


def _of_network(name: str) -> Any:
    """Refuses (SW214) the other functions of socket."""
    refuse("SW214", function="the function", module="socket")


_BY_OBJECT = module_of(struct, "struct", {"unpack": _unpack, "pack": _pack}, {"error": struct.error})
_BY_OBJECT |= module_of(socket, "socket", {"inet_aton": _aton, "inet_ntoa": _ntoa}, {"error": socket.error}, _of_network)


def stand_in(obj: Any) -> Any:
    """Returns the stand-in of the modules struct and socket, or of one of their functions, or None."""
    return _BY_OBJECT.get(id(obj))
