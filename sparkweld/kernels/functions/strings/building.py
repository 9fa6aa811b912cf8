"""Builds new strings in the arena: joined, repeated, padded, replaced."""

from __future__ import annotations

from sparkweld.kernels.functions.strings.arena import extend, give_back, reserve
from sparkweld.kernels.functions.strings.library import function
from sparkweld.kernels.functions.strings.memory_access import (
    INT,
    VIEW,
    address_of,
    byte,
    copy,
    divide,
    length_of,
    store_byte,
    view,
)
from sparkweld.kernels.functions.strings.numbers import sign_length
from sparkweld.kernels.functions.strings.search import count_bytes, find_bytes, min_of
from sparkweld.kernels.functions.strings.utf8 import count_code_points, encode, is_ascii


@function(INT, VIEW, VIEW, result=VIEW)
def concat(arena: int, v: int, w: int) -> int:
    """Returns v + w, in the place of v where that can grow."""
    n = length_of(v)
    m = length_of(w)
    if n == 0:
        return w
    if m == 0:
        return v
    to = extend(arena, address_of(v), n, m)
    if to == 0:
        return view(0, 0)
    copy(to + n, address_of(w), m)
    return view(to, n + m)


@function(INT, VIEW, result=INT)
def put(to: int, v: int) -> int:
    """Copies a string to an address and returns the address after it; address 0 copies nothing and returns 0."""
    if to == 0:
        return 0
    copy(to, address_of(v), length_of(v))
    return to + length_of(v)


@function(INT, VIEW, INT, result=INT)
def put_often(to: int, v: int, times: int) -> int:
    """Copies a string `times` times to an address and returns the address after it."""
    n = length_of(v)
    if n == 1:
        while times > 0:
            store_byte(to, 0, byte(address_of(v), 0))
            to += 1
            times -= 1
        return to
    while times > 0:
        copy(to, address_of(v), n)
        to += n
        times -= 1
    return to


@function(INT, INT, result=VIEW)
def from_code_point(arena: int, code: int) -> int:
    """Returns the character of a code point, an empty string for a number that is none."""
    if code < 0 or code > 0x10FFFF or (code >= 0xD800 and code < 0xE000):
        return view(0, 0)
    to = reserve(arena, 4)
    if to == 0:
        return view(0, 0)
    return view(to, encode(to, code))


@function(INT, VIEW, result=VIEW)
def without_wide(arena: int, v: int) -> int:
    """Returns the ASCII bytes of a string; v itself when it has no others."""
    if is_ascii(v):
        return v
    a = address_of(v)
    n = length_of(v)
    to = reserve(arena, n)
    if to == 0:
        return view(0, 0)
    used = 0
    i = 0
    while i < n:
        if byte(a, i) < 128:
            store_byte(to, used, byte(a, i))
            used += 1
        i += 1
    give_back(arena, n - used)
    return view(to, used)


@function(INT, VIEW, INT, result=VIEW)
def repeat(arena: int, v: int, times: int) -> int:
    """Returns v * times."""
    n = length_of(v)
    if times <= 0 or n == 0:
        return view(0, 0)
    if times == 1:
        return v
    limit = 1 << 40
    if times > limit or n > divide(limit, times):
        reserve(arena, limit)
        return view(0, 0)
    to = reserve(arena, n * times)
    if to == 0:
        return view(0, 0)
    put_often(to, v, times)
    return view(to, n * times)


@function(INT, VIEW, INT, INT, result=VIEW)
def repeat_some(arena: int, v: int, times: int, most: int) -> int:
    """Returns v * min(times, most)."""
    return repeat(arena, v, times if times < most else most)


@function(INT, VIEW, VIEW, INT, INT, result=VIEW)
def pad(arena: int, v: int, fill: int, width: int, side: int) -> int:
    """Returns v.rjust(width, fill) for side 0, v.ljust for 1, v.center for 2."""
    n = length_of(v)
    missing = width - count_code_points(address_of(v), n)
    if missing <= 0:
        return v
    before = missing
    if side == 1:
        before = 0
    if side == 2:
        before = (missing >> 1) + (missing & width & 1)
    size = n + min_of(missing, 1 << 40) * length_of(fill)
    to = reserve(arena, size)
    if to == 0:
        return view(0, 0)
    at = put(put_often(to, fill, before), v)
    put_often(at, fill, missing - before)
    return view(to, size)


@function(INT, VIEW, INT, result=VIEW)
def zfill(arena: int, v: int, width: int) -> int:
    """Returns v.zfill(width): zeros after a sign."""
    a = address_of(v)
    n = length_of(v)
    missing = width - count_code_points(a, n)
    if missing <= 0:
        return v
    to = reserve(arena, n + missing)
    if to == 0:
        return view(0, 0)
    sign = sign_length(a, n)
    if sign == 1:
        store_byte(to, 0, byte(a, 0))
    i = 0
    while i < missing:
        store_byte(to, sign + i, 48)
        i += 1
    copy(to + sign + missing, a + sign, n - sign)
    return view(to, n + missing)


@function(INT, VIEW, INT, INT, INT, result=VIEW)
def replace_byte(arena: int, v: int, at: int, old: int, new: int) -> int:
    """Returns the string with all bytes `old` replaced by the byte `new`, or dropped if that is -1.

    The first byte `old` is at offset `at`.
    """
    a = address_of(v)
    n = length_of(v)
    to = reserve(arena, n)
    if to == 0:
        return view(0, 0)
    copy(to, a, at)
    i = at
    end = to + at
    while i < n:
        c = byte(a, i)
        if c != old:
            store_byte(end, 0, c)
            end += 1
        elif new >= 0:
            store_byte(end, 0, new)
            end += 1
        i += 1
    give_back(arena, n - (end - to))
    return view(to, end - to)


@function(INT, VIEW, VIEW, VIEW, INT, result=VIEW)
def replace(arena: int, v: int, old: int, new: int, most: int) -> int:
    """Returns v.replace(old, new, most) for an old that is not empty; v itself when old does not occur."""
    a = address_of(v)
    n = length_of(v)
    b = address_of(old)
    m = length_of(old)
    at = -1
    if most != 0:
        at = find_bytes(a, n, b, m)
    if at < 0:
        return v
    if m == 1 and most < 0 and length_of(new) == 0:
        return replace_byte(arena, v, at, byte(b, 0), -1)
    if m == 1 and most < 0 and length_of(new) == 1:
        return replace_byte(arena, v, at, byte(b, 0), byte(address_of(new), 0))
    found = 1
    if length_of(new) != m:
        found += count_bytes(a + at + m, n - at - m, b, m)
        if most > 0:
            found = min_of(found, most)
    size = n + found * (length_of(new) - m)
    to = reserve(arena, size)
    if to == 0:
        return view(0, 0)
    end = to
    while at >= 0:
        copy(end, a, at)
        end = put(end + at, new)
        a += at + m
        n -= at + m
        most -= 1
        at = -1
        if most != 0:
            at = find_bytes(a, n, b, m)
    copy(end, a, n)
    return view(to, size)
