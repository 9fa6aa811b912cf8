"""Reads values by their JSON within a document: their classes, strings, members and elements."""

from __future__ import annotations

from sparkweld.kernels.functions.strings.arena import give_back, reserve
from sparkweld.kernels.functions.strings.json_scan import (
    VALID,
    hex_unit,
    json_check,
    json_trim,
    skip_separators,
    value_end,
)
from sparkweld.kernels.functions.strings.library import function
from sparkweld.kernels.functions.strings.memory_access import BOOL, INT, VIEW, address_of, byte, length_of, store_byte, view
from sparkweld.kernels.functions.strings.search import equal
from sparkweld.kernels.functions.strings.splitting import put_piece
from sparkweld.kernels.functions.strings.utf8 import encode

_NULL, _BOOL, _INT, _FLOAT, _STR, _LIST, _DICT = range(7)
_QUOTE, _BACKSLASH, _COMMA, _COLON = 34, 92, 44, 58


@function(VIEW, INT, result=VIEW)
def json_root(v: int, words: int) -> int:
    """Returns the value of a document that Python parses, else NULL."""
    if json_check(v, words) != VALID:
        return view(0, -1)
    return json_trim(v)


@function(VIEW, result=INT)
def json_kind(v: int) -> int:
    """Returns the number of the class of a value."""
    a = address_of(v)
    n = length_of(v)
    if n == 0:
        return _NULL
    c = byte(a, 0)
    if c == 116 or c == 102:
        return _BOOL
    if c == _QUOTE:
        return _STR
    if c == 91:
        return _LIST
    if c == 123:
        return _DICT
    if c == 78 or c == 73:
        return _FLOAT
    if c != 45 and (c < 48 or c > 57):
        return _NULL
    if c == 45 and n == 9 and byte(a, 1) == 73 and byte(a, 2) == 110 and byte(a, 3) == 102 and byte(a, 8) == 121:
        return _FLOAT
    i = 1
    while i < n:
        c = byte(a, i)
        if c == 46 or c | 32 == 101:
            return _FLOAT
        i += 1
    return _INT


@function(INT, INT, INT, result=BOOL)
def is_end(a: int, i: int, n: int) -> bool:
    """Whether no piece of a container begins at offset i."""
    return i >= n or byte(a, i) == 93 or byte(a, i) == 125


@function(VIEW, result=BOOL)
def json_truth(v: int) -> bool:
    """Whether the value is true."""
    kind = json_kind(v)
    a = address_of(v)
    n = length_of(v)
    if kind == _NULL:
        return False
    if kind == _BOOL:
        return byte(a, 0) == 116
    if kind == _STR:
        return n != 2 or byte(a, 1) != _QUOTE
    if kind == _LIST or kind == _DICT:
        i = skip_separators(a, 1, n, _COMMA)
        if is_end(a, i, n):
            return False
        end = value_end(a, i, n)
        if kind == _LIST:
            return end > i
        start = skip_separators(a, end, n, _COLON)
        return end > i and value_end(a, start, n) > start
    if byte(a, 0) == 78 or byte(a, 0) == 73 or (n == 9 and byte(a, 1) == 73 and byte(a, 2) == 110):
        return True
    i = 0
    while i < n and byte(a, i) | 32 != 101:
        if byte(a, i) >= 49 and byte(a, i) <= 57:
            return True
        i += 1
    return False


@function(INT, result=INT)
def escaped(c: int) -> int:
    """Returns the byte of an escape of two characters."""
    if c == 110:
        return 10
    if c == 114:
        return 13
    if c == 116:
        return 9
    if c == 98:
        return 8
    if c == 102:
        return 12
    return c


@function(INT, INT, INT, result=INT)
def escaped_code_point(a: int, i: int, n: int) -> int:
    r"""Returns the code point of an escape \uXXXX at offset i, or of a pair of them, -1 if there is none.

    A lone surrogate is a question mark, as in `sparkweld.ir.json_texts`. Above 0xFFFF, the escape has 12 bytes, else 6.
    """
    unit = hex_unit(a, i, n)
    if unit < 0xD800 or unit >= 0xE000:
        return unit
    low = hex_unit(a, i + 6, n)
    if unit < 0xDC00 and low >= 0xDC00 and low < 0xE000:
        return 0x10000 + ((unit - 0xD800) << 10) + low - 0xDC00
    return 63


@function(INT, VIEW, result=VIEW)
def json_string(arena: int, v: int) -> int:
    """Returns the string of a text in quotes, any other text itself."""
    a = address_of(v)
    n = length_of(v)
    if n == 0 or byte(a, 0) != _QUOTE:
        return v
    if n > 1 and byte(a, n - 1) == _QUOTE:
        n -= 1
    i = 1
    while i < n and byte(a, i) != _BACKSLASH:
        i += 1
    if i == n:
        return view(a + 1, n - 1)
    room = n - 1
    to = reserve(arena, room)
    if to == 0:
        return view(0, 0)
    used = 0
    i = 1
    while i < n:
        c = byte(a, i)
        if c != _BACKSLASH:
            store_byte(to, used, c)
            used += 1
            i += 1
        else:
            point = escaped_code_point(a, i, n)
            if point >= 0:
                used += encode(to + used, point)
                i += 12 if point > 0xFFFF else 6
            else:
                if i + 1 < n:
                    store_byte(to, used, escaped(byte(a, i + 1)))
                    used += 1
                i += 2
    give_back(arena, room - used)
    return view(to, used)


@function(INT, VIEW, VIEW, result=BOOL)
def is_key(arena: int, text: int, key: int) -> bool:
    """Whether a text in quotes is a key."""
    made = json_string(arena, text)
    same = equal(made, key)
    start = address_of(text)
    if address_of(made) < start or address_of(made) > start + length_of(text):
        give_back(arena, length_of(made))
    return same


@function(INT, VIEW, VIEW, result=VIEW)
def json_member(arena: int, v: int, key: int) -> int:
    """Returns the text of the last member with a key, or NULL."""
    a = address_of(v)
    n = length_of(v)
    found = view(0, -1)
    if n == 0 or byte(a, 0) != 123:
        return found
    i = 1
    while True:
        i = skip_separators(a, i, n, _COMMA)
        if is_end(a, i, n):
            return found
        end = value_end(a, i, n)
        start = skip_separators(a, end, n, _COLON)
        stop = value_end(a, start, n)
        if stop == start or end == i:
            return found
        if is_key(arena, view(a + i, end - i), key):
            found = view(a + start, stop - start)
        i = stop


@function(INT, VIEW, result=INT)
def put_elements(to: int, v: int) -> int:
    """Counts the elements of an array, and writes the views of their JSON to `to` unless that is 0."""
    a = address_of(v)
    n = length_of(v)
    count = 0
    if n == 0 or byte(a, 0) != 91:
        return 0
    i = 1
    while True:
        i = skip_separators(a, i, n, _COMMA)
        if is_end(a, i, n):
            return count
        end = value_end(a, i, n)
        if end == i:
            return count
        if to != 0:
            put_piece(to, count, view(a + i, end - i))
        count += 1
        i = end


@function(INT, VIEW, result=VIEW)
def json_elements(arena: int, v: int) -> int:
    """Returns the list of the JSON of an array's elements."""
    count = put_elements(0, v)
    to = reserve(arena, 16 * count)
    if to == 0:
        return view(0, 0)
    put_elements(to, v)
    return view(to, count)
