"""Encodes bytes as hexadecimal digits or Base64, and decodes Base64, as Python's `binascii`."""

from __future__ import annotations

from sparkweld.kernels.functions.strings.arena import give_back, reserve
from sparkweld.kernels.functions.strings.digests import hex_digit
from sparkweld.kernels.functions.strings.library import function
from sparkweld.kernels.functions.strings.memory_access import (
    INT,
    VIEW,
    address_of,
    byte,
    divide,
    length_of,
    store_byte,
    view,
)
from sparkweld.kernels.functions.strings.numbers import NO_NUMBER, UNDECIDED
from sparkweld.kernels.functions.strings.radixes import digit_of
from sparkweld.kernels.functions.strings.utf8 import valid_utf8

_PAD = 61


@function(INT, VIEW, result=VIEW)
def hexlify(arena: int, v: int) -> int:
    """Returns two hexadecimal digits for each byte."""
    a = address_of(v)
    n = length_of(v)
    to = reserve(arena, 2 * n)
    if to == 0:
        return view(0, 0)
    i = 0
    while i < n:
        store_byte(to, 2 * i, hex_digit(byte(a, i) >> 4))
        store_byte(to, 2 * i + 1, hex_digit(byte(a, i) & 15))
        i += 1
    return view(to, 2 * n)


@function(INT, INT, INT, result=INT)
def byte_at(a: int, i: int, is_hex: int) -> int:
    """Returns byte i of a string, or of the bytes that its hexadecimal digits represent."""
    if is_hex == 0:
        return byte(a, i)
    return ((digit_of(byte(a, 2 * i)) & 15) << 4) | (digit_of(byte(a, 2 * i + 1)) & 15)


@function(INT, VIEW, result=VIEW)
def unhexlify(arena: int, v: int) -> int:
    """Returns the byte that each two hexadecimal digits represent."""
    a = address_of(v)
    n = length_of(v) >> 1
    to = reserve(arena, n)
    if to == 0:
        return view(0, 0)
    i = 0
    while i < n:
        store_byte(to, i, byte_at(a, i, 1))
        i += 1
    return view(to, n)


@function(INT, VIEW, INT, INT, result=VIEW)
def base64_encode(arena: int, v: int, is_hex: int, alphabet: int) -> int:
    """Returns the Base64 of a string, or of the bytes that its hexadecimal digits represent."""
    a = address_of(v)
    n = length_of(v) >> is_hex
    size = divide(n + 2, 3) * 4
    to = reserve(arena, size)
    if to == 0:
        return view(0, 0)
    i = 0
    end = to
    while i < n:
        bits = byte_at(a, i, is_hex) << 16
        if i + 1 < n:
            bits |= byte_at(a, i + 1, is_hex) << 8
        if i + 2 < n:
            bits |= byte_at(a, i + 2, is_hex)
        store_byte(end, 0, byte(alphabet, bits >> 18))
        store_byte(end, 1, byte(alphabet, (bits >> 12) & 63))
        store_byte(end, 2, byte(alphabet, (bits >> 6) & 63))
        store_byte(end, 3, byte(alphabet, bits & 63))
        end += 4
        i += 3
    if i > n:
        store_byte(end, -1, _PAD)
    if i > n + 1:
        store_byte(end, -2, _PAD)
    return view(to, size)


@function(INT, VIEW, INT, result=VIEW)
def base64_decode(arena: int, v: int, values: int) -> int:
    """Returns the bytes of Base64, or {0, NO_NUMBER} for a wrong padding, or {0, UNDECIDED}.

    Undecided are bytes that are not UTF-8, and padding before digits or too much of it: versions of Python differ.
    `values` has the value of each digit, 64 for bytes that are skipped.
    """
    a = address_of(v)
    n = length_of(v)
    room = divide(n + 3, 4) * 3
    to = reserve(arena, room)
    used = 0
    position = 0  # of the next digit among four
    left = 0
    pads = 0
    i = 0
    while i < n:
        c = byte(a, i)
        digit = byte(values, c)
        if c == _PAD:
            pads += 1
        elif digit < 64:
            if pads > 0:
                give_back(arena, room)
                return view(0, UNDECIDED)
            left = ((left << 6) | digit) & 0xFFFFFF
            if position > 0:
                if to != 0:
                    store_byte(to, used, (left >> (6 - 2 * position)) & 0xFF)
                used += 1
            position = (position + 1) & 3
        i += 1
    give_back(arena, room - used)
    if pads > 0 and (position < 2 or position + pads > 4):
        return view(0, UNDECIDED)
    if position != 0 and position + pads != 4:
        return view(0, NO_NUMBER)
    if to == 0:
        return view(0, 0)
    if not valid_utf8(view(to, used)):
        return view(0, UNDECIDED)
    return view(to, used)
