"""Compares strings and searches bytes in bytes. UTF-8 is self-synchronising, so a byte match is a code point match."""

from __future__ import annotations

from sparkweld.kernels.functions.strings.library import function
from sparkweld.kernels.functions.strings.memory_access import (
    BOOL,
    INT,
    VIEW,
    address_of,
    both_bytes_8,
    both_bytes_32,
    byte,
    length_of,
    load_u32,
    ones,
    shift_right,
    view,
    word,
    zeros_below,
)
from sparkweld.kernels.functions.strings.utf8 import advance, count_code_points, retreat


@function(INT, INT, INT, result=BOOL)
def same_bytes(a: int, b: int, n: int) -> bool:
    """Whether two ranges of n bytes are equal."""
    if n >= 8:
        i = 0
        while i + 8 < n:
            if word(a, i) != word(b, i):
                return False
            i += 8
        return word(a, n - 8) == word(b, n - 8)
    if n >= 4:
        return load_u32(a, 0) == load_u32(b, 0) and load_u32(a, n - 4) == load_u32(b, n - 4)
    i = 0
    while i < n:
        if byte(a, i) != byte(b, i):
            return False
        i += 1
    return True


@function(VIEW, VIEW, result=BOOL)
def equal(v: int, w: int) -> bool:
    """Whether two strings are equal."""
    n = length_of(v)
    return n == length_of(w) and same_bytes(address_of(v), address_of(w), n)


@function(VIEW, VIEW, result=INT)
def compare(v: int, w: int) -> int:
    """Returns a value below, at or above 0 as v is less than, equal to or greater than w."""
    a = address_of(v)
    b = address_of(w)
    shorter = min_of(length_of(v), length_of(w))
    i = 0
    while i + 8 <= shorter:
        differ = word(a, i) ^ word(b, i)
        if differ != 0:
            i += shift_right(zeros_below(differ), 3)
            return byte(a, i) - byte(b, i)
        i += 8
    while i < shorter:
        if byte(a, i) != byte(b, i):
            return byte(a, i) - byte(b, i)
        i += 1
    return length_of(v) - length_of(w)


@function(INT, INT, result=INT)
def min_of(x: int, y: int) -> int:
    if x < y:
        return x
    return y


@function(INT, INT, INT, INT, result=INT)
def find_bytes(a: int, n: int, b: int, m: int) -> int:
    """Returns the offset of the first occurrence of the m bytes at b in the n bytes at a, else -1.

    Vectors find candidates whose first and last byte match; the last vector overlaps the one before it.
    """
    if m > n:
        return -1
    if m == 0:
        return 0
    first = byte(b, 0)
    last = byte(b, m - 1)
    places = n - m + 1
    i = 0
    if places >= 8:
        step = 8
        if places >= 32:
            step = 32
        while i < places:
            if i > places - step:
                i = places - step
            if step == 32:
                hits = both_bytes_32(a + i, m - 1, first, last)
            else:
                hits = both_bytes_8(a + i, m - 1, first, last)
            while hits != 0:
                at = i + zeros_below(hits)
                if m <= 2 or same_bytes(a + at + 1, b + 1, m - 2):
                    return at
                hits &= hits - 1
            i += step
        return -1
    while i < places:
        if byte(a, i) == first and byte(a, i + m - 1) == last and (m <= 2 or same_bytes(a + i + 1, b + 1, m - 2)):
            return i
        i += 1
    return -1


@function(INT, INT, INT, INT, result=INT)
def rfind_bytes(a: int, n: int, b: int, m: int) -> int:
    """Returns the offset of the last occurrence of the m bytes at b in the n bytes at a, else -1."""
    i = n - m
    if m == 0:
        return i
    if i < 0:
        return -1
    first = byte(b, 0)
    last = byte(b, m - 1)
    while i >= 0:
        if byte(a, i) == first and byte(a, i + m - 1) == last and same_bytes(a + i, b, m):
            return i
        i -= 1
    return -1


@function(INT, INT, INT, result=INT)
def count_byte(a: int, n: int, c: int) -> int:
    """Returns how many of n bytes are c."""
    count = 0
    i = 0
    while i + 32 <= n:
        count += ones(both_bytes_32(a + i, 0, c, c))
        i += 32
    while i + 8 <= n:
        count += ones(both_bytes_8(a + i, 0, c, c))
        i += 8
    while i < n:
        count += byte(a, i) == c
        i += 1
    return count


@function(INT, INT, INT, INT, result=INT)
def count_bytes(a: int, n: int, b: int, m: int) -> int:
    """Returns the number of non-overlapping occurrences from left to right, for m > 0."""
    if m == 1:
        return count_byte(a, n, byte(b, 0))
    count = 0
    at = find_bytes(a, n, b, m)
    while at >= 0:
        count += 1
        a += at + m
        n -= at + m
        at = find_bytes(a, n, b, m)
    return count


@function(VIEW, VIEW, result=BOOL)
def contains(v: int, w: int) -> bool:
    """Returns w in v."""
    return find_bytes(address_of(v), length_of(v), address_of(w), length_of(w)) >= 0


@function(VIEW, VIEW, result=BOOL)
def starts_with(v: int, w: int) -> bool:
    """Returns v.startswith(w)."""
    m = length_of(w)
    return m <= length_of(v) and same_bytes(address_of(v), address_of(w), m)


@function(VIEW, VIEW, result=BOOL)
def ends_with(v: int, w: int) -> bool:
    """Returns v.endswith(w)."""
    m = length_of(w)
    n = length_of(v)
    return m <= n and same_bytes(address_of(v) + n - m, address_of(w), m)


#: Represents an omitted end (None).
NO_END = 1 << 62


@function(VIEW, INT, result=INT)
def offset_of(v: int, position: int) -> int:
    """Returns the byte offset of a slice position: negative ones count from the end, and all are clamped to the string."""
    a = address_of(v)
    n = length_of(v)
    if position < -n:
        return 0
    if position < 0:
        return retreat(a, n, -position)
    if position >= NO_END:
        return n
    return advance(a, n, 0, position)


@function(VIEW, INT, result=BOOL)
def is_beyond(v: int, position: int) -> bool:
    """Whether a position is past the end of the string, where not even the empty string is found."""
    n = length_of(v)
    return position > 0 and (position > n or count_code_points(address_of(v), n) < position)


@function(VIEW, INT, INT, result=VIEW)
def window(v: int, start: int, end: int) -> int:
    """Returns v[start:end] for a search; its length is -1 where not even the empty string is found."""
    if start != 0 and is_beyond(v, start):
        return view(0, -1)
    begin = offset_of(v, start)
    stop = offset_of(v, end)
    if stop < begin:
        return view(0, -1)
    return view(address_of(v) + begin, stop - begin)


@function(VIEW, VIEW, INT, INT, result=INT)
def find(v: int, w: int, start: int, end: int) -> int:
    """Returns v.find(w, start, end)."""
    part = window(v, start, end)
    if length_of(part) < 0:
        return -1
    at = find_bytes(address_of(part), length_of(part), address_of(w), length_of(w))
    if at < 0:
        return -1
    return count_code_points(address_of(v), address_of(part) - address_of(v) + at)


@function(VIEW, VIEW, INT, INT, result=INT)
def rfind(v: int, w: int, start: int, end: int) -> int:
    """Returns v.rfind(w, start, end)."""
    part = window(v, start, end)
    if length_of(part) < 0:
        return -1
    at = rfind_bytes(address_of(part), length_of(part), address_of(w), length_of(w))
    if at < 0:
        return -1
    return count_code_points(address_of(v), address_of(part) - address_of(v) + at)


@function(VIEW, VIEW, INT, INT, result=INT)
def count(v: int, w: int, start: int, end: int) -> int:
    """Returns v.count(w, start, end)."""
    part = window(v, start, end)
    if length_of(part) < 0:
        return 0
    if length_of(w) == 0:
        return count_code_points(address_of(part), length_of(part)) + 1
    return count_bytes(address_of(part), length_of(part), address_of(w), length_of(w))
