"""Writes strings as JSON, as Python's json.dumps."""

from __future__ import annotations

from sparkweld.kernels.functions.strings.arena import reserve
from sparkweld.kernels.functions.strings.digests import hex_digit
from sparkweld.kernels.functions.strings.library import function
from sparkweld.kernels.functions.strings.memory_access import INT, VIEW, address_of, byte, copy, length_of, store_byte, view
from sparkweld.kernels.functions.strings.utf8 import decode, size_at

_QUOTE, _BACKSLASH = 34, 92


@function(INT, result=INT)
def short_escape(c: int) -> int:
    """Returns the letter of an escape of two characters, 0 for a byte that has none."""
    if c == _QUOTE or c == _BACKSLASH:
        return c
    if c == 10:
        return 110
    if c == 13:
        return 114
    if c == 9:
        return 116
    if c == 8:
        return 98
    if c == 12:
        return 102
    return 0


@function(INT, INT, result=INT)
def put_unit(to: int, unit: int) -> int:
    """Writes an escape of 16 bits, as \\u00e9, and returns the address after it."""
    store_byte(to, 0, _BACKSLASH)
    store_byte(to, 1, 117)
    store_byte(to, 2, hex_digit((unit >> 12) & 15))
    store_byte(to, 3, hex_digit((unit >> 8) & 15))
    store_byte(to, 4, hex_digit((unit >> 4) & 15))
    store_byte(to, 5, hex_digit(unit & 15))
    return to + 6


@function(INT, VIEW, INT, result=INT)
def put_quoted(to: int, v: int, ascii: int) -> int:
    """Writes the string in quotes, unless `to` is 0, and returns its size. `ascii`: escapes all characters beyond ASCII."""
    a = address_of(v)
    n = length_of(v)
    used = 1
    i = 0
    while i < n:
        c = byte(a, i)
        size = 1
        if c >= 128:
            size = size_at(a, i, n)
        if short_escape(c) != 0:
            if to != 0:
                store_byte(to, used, _BACKSLASH)
                store_byte(to, used + 1, short_escape(c))
            used += 2
        elif c < 32 or (c >= 127 and ascii != 0):
            code = c
            if size > 1:
                code = decode(a, i, size)
            if code > 0xFFFF:
                if to != 0:
                    put_unit(put_unit(to + used, 0xD800 + ((code - 0x10000) >> 10)), 0xDC00 + (code & 0x3FF))
                used += 12
            else:
                if to != 0:
                    put_unit(to + used, code)
                used += 6
        else:
            if to != 0:
                copy(to + used, a + i, size)
            used += size
        i += size
    if to != 0:
        store_byte(to, 0, _QUOTE)
        store_byte(to, used, _QUOTE)
    return used + 1


@function(INT, VIEW, INT, result=VIEW)
def json_quote(arena: int, v: int, ascii: int) -> int:
    """Returns json.dumps(v, ensure_ascii=ascii)."""
    size = put_quoted(0, v, ascii)
    to = reserve(arena, size)
    if to == 0:
        return view(0, 0)
    put_quoted(to, v, ascii)
    return view(to, size)
