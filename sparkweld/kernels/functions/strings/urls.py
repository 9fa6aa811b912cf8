"""Finds the parts of URLs and of their queries, and converts escapes such as %20, as Python's urllib.parse."""

from __future__ import annotations

from sparkweld.kernels.functions.strings.arena import give_back, reserve
from sparkweld.kernels.functions.strings.library import function
from sparkweld.kernels.functions.strings.memory_access import (
    BOOL,
    INT,
    VIEW,
    address_of,
    byte,
    length_of,
    store_byte,
    view,
)
from sparkweld.kernels.functions.strings.radixes import digit_of
from sparkweld.kernels.functions.strings.splitting import put_piece
from sparkweld.kernels.functions.strings.utf8 import is_ascii, valid_utf8

#: Flags of a byte in `characters`: of a scheme, and of a scheme but not its first.
SCHEME, NEVER_FIRST = 1, 2

_PERCENT, _PLUS, _AMPERSAND, _EQUALS = 37, 43, 38, 61


@function(INT, INT, INT, INT, result=INT)
def index_of(a: int, i: int, n: int, c: int) -> int:
    """Returns the offset of a byte from i on, n when it does not occur."""
    while i < n and byte(a, i) != c:
        i += 1
    return i


@function(VIEW, INT, result=INT)
def scheme_end(v: int, characters: int) -> int:
    """Returns the offset of the colon after a scheme or what resembles one, -1 when there is none."""
    a = address_of(v)
    n = length_of(v)
    i = 0
    while i < n and byte(characters, byte(a, i)) != 0:
        i += 1
    if i == 0 or i == n or byte(a, i) != 58:
        return -1
    return i


@function(VIEW, INT, INT, result=VIEW)
def url_part(v: int, number: int, characters: int) -> int:
    """Returns scheme, netloc, path, query or fragment, by its number."""
    a = address_of(v)
    n = length_of(v)
    colon = scheme_end(v, characters)
    if colon >= 0 and byte(characters, byte(a, 0)) & NEVER_FIRST != 0:
        colon = -1
    start = 0
    if colon >= 0:
        if number == 0:
            return view(a, colon)
        start = colon + 1
    if number == 0:
        return view(a, 0)
    if n - start >= 2 and byte(a, start) == 47 and byte(a, start + 1) == 47:
        end = start + 2
        while end < n and byte(a, end) != 47 and byte(a, end) != 63 and byte(a, end) != 35:
            end += 1
        if number == 1:
            return view(a + start + 2, end - start - 2)
        start = end
    if number == 1:
        return view(a, 0)
    fragment = index_of(a, start, n, 35)
    if number == 4:
        if fragment == n:
            return view(a, 0)
        return view(a + fragment + 1, n - fragment - 1)
    query = index_of(a, start, fragment, 63)
    if number == 2:
        return view(a + start, query - start)
    if query == fragment:
        return view(a, 0)
    return view(a + query + 1, fragment - query - 1)


@function(VIEW, INT, result=BOOL)
def url_decided(v: int, characters: int) -> bool:
    """Whether Python strips and normalises nothing of the URL."""
    a = address_of(v)
    n = length_of(v)
    if n == 0:
        return True
    if byte(a, 0) <= 32:
        return False
    i = 0
    while i < n:
        c = byte(a, i)
        if c == 9 or c == 10 or c == 13:
            return False
        i += 1
    if byte(characters, byte(a, 0)) & NEVER_FIRST != 0:
        return False
    netloc = url_part(v, 1, characters)
    i = 0
    while i < length_of(netloc):
        c = byte(address_of(netloc), i)
        if c == 91 or c == 93:
            return False
        i += 1
    return is_ascii(netloc)


@function(INT, VIEW, INT, INT, result=VIEW)
def quote(arena: int, v: int, safe: int, plus: int) -> int:
    """Returns the bytes for which `safe` is 0 as escapes of their hexadecimal digits; with `plus`, a space as +."""
    a = address_of(v)
    n = length_of(v)
    to = reserve(arena, 3 * n)
    if to == 0:
        return view(0, 0)
    used = 0
    i = 0
    while i < n:
        c = byte(a, i)
        if plus != 0 and c == 32:
            store_byte(to, used, _PLUS)
            used += 1
        elif byte(safe, c) != 0:
            store_byte(to, used, c)
            used += 1
        else:
            store_byte(to, used, _PERCENT)
            store_byte(to, used + 1, byte(safe, 256 + (c >> 4)))
            store_byte(to, used + 2, byte(safe, 256 + (c & 15)))
            used += 3
        i += 1
    give_back(arena, 3 * n - used)
    return view(to, used)


@function(INT, INT, INT, result=INT)
def size_of_escape(a: int, i: int, n: int) -> int:
    """Returns 3 for an escape at offset i, 1 for any other byte."""
    if byte(a, i) == _PERCENT and i + 2 < n and digit_of(byte(a, i + 1)) < 16 and digit_of(byte(a, i + 2)) < 16:
        return 3
    return 1


@function(INT, INT, INT, INT, result=INT)
def unescaped(a: int, i: int, size: int, plus: int) -> int:
    """Returns the byte that an escape of this size, or a byte, represents."""
    if size == 3:
        return (digit_of(byte(a, i + 1)) << 4) | digit_of(byte(a, i + 2))
    c = byte(a, i)
    if plus != 0 and c == _PLUS:
        return 32
    return c


@function(INT, VIEW, INT, result=VIEW)
def unescape(arena: int, v: int, plus: int) -> int:
    """Returns the string without escapes, which may not be UTF-8; v itself when it has none."""
    a = address_of(v)
    n = length_of(v)
    first = index_of(a, 0, n, _PERCENT)
    if first == n and (plus == 0 or index_of(a, 0, n, _PLUS) == n):
        return v
    to = reserve(arena, n)
    if to == 0:
        return view(0, 0)
    used = 0
    i = 0
    while i < n:
        size = size_of_escape(a, i, n)
        store_byte(to, used, unescaped(a, i, size, plus))
        used += 1
        i += size
    give_back(arena, n - used)
    return view(to, used)


@function(INT, VIEW, INT, result=VIEW)
def unquote(arena: int, v: int, plus: int) -> int:
    """Returns the string without escapes, an empty string when that is not UTF-8."""
    made = unescape(arena, v, plus)
    if not valid_utf8(made):
        return view(0, 0)
    return made


@function(INT, VIEW, INT, result=BOOL)
def unquote_decided(arena: int, v: int, plus: int) -> bool:
    """Whether the string without escapes is UTF-8."""
    made = unescape(arena, v, plus)
    if address_of(made) == address_of(v):
        return True
    decided = valid_utf8(made)
    give_back(arena, length_of(made))
    return decided


@function(INT, INT, VIEW, result=BOOL)
def is_named(a: int, n: int, name: int) -> bool:
    """Whether n bytes, without escapes, equal a name."""
    m = length_of(name)
    used = 0
    i = 0
    while i < n:
        size = size_of_escape(a, i, n)
        if used >= m or unescaped(a, i, size, 1) != byte(address_of(name), used):
            return False
        used += 1
        i += size
    return used == m


@function(INT, VIEW, VIEW, INT, INT, result=INT)
def put_values(to: int, v: int, name: int, blank: int, arena: int) -> int:
    """Counts the values of a name in a query, and writes their views to `to` unless that is 0."""
    a = address_of(v)
    n = length_of(v)
    found = 0
    i = 0
    while i < n:
        end = index_of(a, i, n, _AMPERSAND)
        equals = index_of(a, i, end, _EQUALS)
        value = equals + 1
        if value > end:
            value = end
        if end > i and (blank != 0 or value < end) and is_named(a + i, equals - i, name):
            if to != 0:
                put_piece(to, found, unquote(arena, view(a + value, end - value), 1))
            found += 1
        i = end + 1
    return found


@function(INT, VIEW, VIEW, INT, result=VIEW)
def query_values(arena: int, v: int, name: int, blank: int) -> int:
    """Returns the list of the values of a name in a query."""
    count = put_values(0, v, name, blank, arena)
    to = reserve(arena, 16 * count)
    if to == 0:
        return view(0, 0)
    put_values(to, v, name, blank, arena)
    return view(to, count)
