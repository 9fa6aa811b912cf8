"""Checks, counts, steps over, decodes and encodes code points in UTF-8.

On valid UTF-8 these are Python's code points. On other bytes the results are unspecified, but the functions read only [address,
address + size), and each step advances by at least a byte.
"""

from __future__ import annotations

from sparkweld.kernels.functions.strings.library import function
from sparkweld.kernels.functions.strings.memory_access import (
    BOOL,
    INT,
    VIEW,
    address_of,
    byte,
    length_of,
    ones,
    shift_right,
    store_byte,
    word,
)

_HIGH = -0x7F7F7F7F7F7F7F80  # 0x80 in each byte
_LOW = 0x0101010101010101


@function(VIEW, result=BOOL)
def is_ascii(v: int) -> bool:
    """Whether no byte has its high bit set."""
    a = address_of(v)
    n = length_of(v)
    if n >= 8:
        i = 0
        seen = word(a, n - 8)
        while i + 8 < n:
            seen |= word(a, i)
            i += 8
        return seen & _HIGH == 0
    seen = 0
    i = 0
    while i < n:
        seen |= byte(a, i)
        i += 1
    return seen < 128


@function(VIEW, result=BOOL)
def valid_utf8(v: int) -> bool:
    """Whether Python's strict decoder accepts the bytes (Unicode, table 3-7)."""
    if is_ascii(v):
        return True
    a = address_of(v)
    n = length_of(v)
    i = 0
    while i < n:
        while i + 8 <= n and word(a, i) & _HIGH == 0:
            i += 8
        if i >= n:
            return True
        lead = byte(a, i)
        if lead < 0x80:
            i += 1
        elif lead < 0xC2:
            return False
        else:
            low = 0x80
            high = 0xBF
            if lead < 0xE0:
                size = 2
            elif lead < 0xF0:
                size = 3
                if lead == 0xE0:
                    low = 0xA0
                if lead == 0xED:
                    high = 0x9F
            else:
                size = 4
                if lead == 0xF0:
                    low = 0x90
                if lead == 0xF4:
                    high = 0x8F
                if lead > 0xF4:
                    return False
            if i + size > n:
                return False
            second = byte(a, i + 1)
            if second < low or second > high:
                return False
            if size > 2 and byte(a, i + 2) & 0xC0 != 0x80:
                return False
            if size > 3 and byte(a, i + 3) & 0xC0 != 0x80:
                return False
            i += size
    return True


@function(INT, INT, result=INT)
def count_code_points(a: int, n: int) -> int:
    """Returns the number of bytes that do not continue a code point."""
    count = n
    i = 0
    while i + 8 <= n:
        bits = word(a, i)
        count -= ones(shift_right(bits, 7) & ~shift_right(bits, 6) & _LOW)
        i += 8
    if n >= 8 and i < n:
        # The last word again, without its bytes that are already counted.
        bits = shift_right(word(a, n - 8), (8 - (n - i)) << 3)
        return count - ones(shift_right(bits, 7) & ~shift_right(bits, 6) & _LOW)
    while i < n:
        count -= byte(a, i) & 0xC0 == 0x80
        i += 1
    return count


@function(VIEW, result=INT)
def length(v: int) -> int:
    """Returns the number of code points."""
    return count_code_points(address_of(v), length_of(v))


@function(INT, INT, INT, result=INT)
def size_at(a: int, i: int, n: int) -> int:
    """Returns the bytes of the code point at i < n."""
    lead = byte(a, i)
    if lead < 0xC0:
        return 1
    size = 2 + (lead >= 0xE0) + (lead >= 0xF0)
    if i + size > n:
        return n - i
    return size


@function(INT, INT, INT, result=INT)
def decode(a: int, i: int, size: int) -> int:
    """Returns the code point of `size` bytes at i."""
    lead = byte(a, i)
    if size == 1:
        return lead
    second = byte(a, i + 1) & 0x3F
    if size == 2:
        return (lead & 0x1F) << 6 | second
    third = byte(a, i + 2) & 0x3F
    if size == 3:
        return (lead & 0x0F) << 12 | second << 6 | third
    return (lead & 0x07) << 18 | second << 12 | third << 6 | byte(a, i + 3) & 0x3F


@function(VIEW, result=INT)
def code_point(v: int) -> int:
    """Returns the code point of the first character, 0 for an empty string."""
    a = address_of(v)
    n = length_of(v)
    if n == 0:
        return 0
    return decode(a, 0, size_at(a, 0, n))


@function(INT, INT, result=INT)
def encode(to: int, code: int) -> int:
    """Writes a code point and returns the number of bytes, up to 4."""
    if code < 0x80:
        store_byte(to, 0, code)
        return 1
    if code < 0x800:
        store_byte(to, 0, 0xC0 | code >> 6)
        store_byte(to, 1, 0x80 | code & 0x3F)
        return 2
    if code < 0x10000:
        store_byte(to, 0, 0xE0 | code >> 12)
        store_byte(to, 1, 0x80 | code >> 6 & 0x3F)
        store_byte(to, 2, 0x80 | code & 0x3F)
        return 3
    store_byte(to, 0, 0xF0 | code >> 18)
    store_byte(to, 1, 0x80 | code >> 12 & 0x3F)
    store_byte(to, 2, 0x80 | code >> 6 & 0x3F)
    store_byte(to, 3, 0x80 | code & 0x3F)
    return 4


@function(INT, INT, INT, INT, result=INT)
def advance(a: int, n: int, i: int, count: int) -> int:
    """Returns the offset `count` code points after offset i, at most n."""
    while count > 0 and i < n:
        if count >= 8 and i + 8 <= n and word(a, i) & _HIGH == 0:
            i += 8
            count -= 8
        else:
            i += size_at(a, i, n)
            count -= 1
    return i


@function(INT, INT, result=INT)
def step_back(a: int, i: int) -> int:
    """Returns the offset of the code point that ends at i > 0."""
    i -= 1
    while i > 0 and byte(a, i) & 0xC0 == 0x80:
        i -= 1
    return i


@function(INT, INT, INT, result=INT)
def retreat(a: int, i: int, count: int) -> int:
    """Returns the offset `count` code points before offset i, at least 0."""
    while count > 0 and i > 0:
        if count >= 8 and i >= 8 and word(a, i - 8) & _HIGH == 0:
            i -= 8
            count -= 8
        else:
            i = step_back(a, i)
            count -= 1
    return i
