"""Parses integers in a base from 2 to 36 as Python's `int`, IPv4 addresses, and the rest of hexadecimal digits of any number."""

from __future__ import annotations

from sparkweld.kernels.functions.strings.library import function
from sparkweld.kernels.functions.strings.memory_access import INT, VIEW, address_of, byte, length_of, rest, view
from sparkweld.kernels.functions.strings.numbers import DECIDED, LONGEST, NO_NUMBER, UNDECIDED, c_strip, sign_length
from sparkweld.kernels.functions.strings.utf8 import is_ascii

_UNDERSCORE = 95
_DOT = 46


@function(INT, result=INT)
def digit_of(c: int) -> int:
    """Returns the value of a digit or ASCII letter, 99 for other bytes."""
    if c >= 48 and c <= 57:
        return c - 48
    c = c | 32
    if c >= 97 and c <= 122:
        return c - 87
    return 99


@function(VIEW, INT, result=VIEW)
def parse_base(v: int, base: int) -> int:
    """Parses int(v, base), with an underscore between digits and after a prefix such as 0x."""
    if length_of(v) > LONGEST or not is_ascii(v):
        return view(0, UNDECIDED)
    text = c_strip(v)
    a = address_of(text)
    n = length_of(text)
    i = sign_length(a, n)
    negative = i == 1 and byte(a, 0) == 45
    if n - i >= 2 and byte(a, i) == 48:
        c = byte(a, i + 1) | 32
        if (base == 16 and c == 120) or (base == 8 and c == 111) or (base == 2 and c == 98):
            i += 2
            if i < n and byte(a, i) == _UNDERSCORE:
                i += 1
    value = 0
    large = 0
    after = 0  # whether a digit precedes
    while i < n:
        c = byte(a, i)
        if c == _UNDERSCORE:
            if after == 0:
                return view(0, NO_NUMBER)
            after = 0
        else:
            digit = digit_of(c)
            if digit >= base:
                return view(0, NO_NUMBER)
            after = 1
            if value > 256204778801521549:  # another digit of base 36 may exceed int64
                large = 1
            else:
                value = value * base + digit
        i += 1
    if after == 0:
        return view(0, NO_NUMBER)
    if large != 0:
        return view(0, UNDECIDED)
    if negative:
        value = 0 - value
    return view(value, DECIDED)


@function(VIEW, result=VIEW)
def parse_ipv4(v: int) -> int:
    """Parses four decimal numbers up to 255 with dots between them and without leading zeros."""
    a = address_of(v)
    n = length_of(v)
    value = 0
    part = 0
    digits = 0
    dots = 0
    i = 0
    while i <= n:
        c = _DOT if i == n else byte(a, i)
        if c == _DOT:
            if digits == 0 or part > 255:
                return view(0, NO_NUMBER)
            value = (value << 8) | part
            part = 0
            digits = 0
            if i < n:
                dots += 1
        else:
            if c < 48 or c > 57 or (digits > 0 and part == 0) or digits == 3:
                return view(0, NO_NUMBER)
            part = part * 10 + c - 48
            digits += 1
        i += 1
        if dots > 3:
            return view(0, NO_NUMBER)
    if dots != 3:
        return view(0, NO_NUMBER)
    return view(value, DECIDED)


@function(VIEW, INT, INT, result=INT)
def hex_rest(v: int, modulus: int, step: int) -> int:
    """Returns int(v, 16) % modulus of hexadecimal digits.

    It divides after each `step` digits, so that 63 bits hold the value: 8 for a modulus up to 2**31, else 1.
    """
    a = address_of(v)
    n = length_of(v)
    value = 0
    i = 0
    while i < n:
        value = (value << 4) | (digit_of(byte(a, i)) & 15)
        i += 1
        if i & (step - 1) == 0:
            value = rest(value, modulus)
    return rest(value, modulus)
