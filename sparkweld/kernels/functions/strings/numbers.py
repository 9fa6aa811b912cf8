"""Parses and formats numbers as Python's `int`, `float`, `str` and `repr` do, in the cases that `ir` declares decided.

A parsed number is a pair in the form of a view: its value's bits, and DECIDED, NO_NUMBER or UNDECIDED.
"""

from __future__ import annotations

from sparkweld.kernels.functions.strings.arena import reserve
from sparkweld.kernels.functions.strings.library import function
from sparkweld.kernels.functions.strings.memory_access import (
    BOOL,
    INT,
    VIEW,
    address_of,
    as_float,
    bits_of,
    byte,
    divide,
    length_of,
    load_f64,
    quotient,
    rest,
    store_byte,
    view,
    wrapping_subtract,
)
from sparkweld.kernels.functions.strings.utf8 import is_ascii

DECIDED, NO_NUMBER, UNDECIDED = 0, -1, -2

LONGEST = 4000
#: `parse_decimal` adds two more digits to at most this number, within int64.
_MOST_HUNDREDS = ((1 << 63) - 1) // 100 - 1
_MINIMUM = -(1 << 63)
_UNDERSCORE = 95


@function(INT, result=BOOL)
def is_c_space(c: int) -> bool:
    """Whether C's isspace holds: `int` and `float` strip such bytes from ASCII; `str.strip` also strips 28 to 31."""
    return c == 32 or (c >= 9 and c <= 13)


@function(VIEW, result=VIEW)
def c_strip(v: int) -> int:
    """Returns the string without such white space at its ends."""
    a = address_of(v)
    i = 0
    n = length_of(v)
    while i < n and is_c_space(byte(a, i)):
        i += 1
    while n > i and is_c_space(byte(a, n - 1)):
        n -= 1
    return view(a + i, n - i)


@function(INT, INT, INT, result=INT)
def skip_digits(a: int, i: int, n: int) -> int:
    """Returns the offset after the digits from i on, with single underscores between them; i itself when there is no digit."""
    start = i
    while i < n:
        c = byte(a, i)
        if c == _UNDERSCORE and i > start and i + 1 < n:
            i += 1
            c = byte(a, i)
            if c < 48 or c > 57:
                return i - 1
        if c < 48 or c > 57:
            return i
        i += 1
    return n


@function(INT, INT, result=INT)
def sign_length(a: int, n: int) -> int:
    """Returns 1 when the first of n bytes is a sign, else 0."""
    if n > 0 and (byte(a, 0) == 43 or byte(a, 0) == 45):
        return 1
    return 0


@function(VIEW, result=VIEW)
def parse_int(v: int) -> int:
    """Parses int(v)."""
    if length_of(v) > LONGEST or not is_ascii(v):
        return view(0, UNDECIDED)
    text = c_strip(v)
    a = address_of(text)
    n = length_of(text)
    i = sign_length(a, n)
    negative = i == 1 and byte(a, 0) == 45
    if i >= n or skip_digits(a, i, n) < n:
        return view(0, NO_NUMBER)
    # The value is accumulated as a negative number, because the smallest integer has no positive counterpart.
    value = 0
    while i < n:
        c = byte(a, i)
        if c != _UNDERSCORE:
            digit = c - 48
            if value < -922337203685477580 or (value == -922337203685477580 and digit > 8):
                return view(0, UNDECIDED)
            value = value * 10 - digit
        i += 1
    if not negative:
        if value == _MINIMUM:
            return view(0, UNDECIDED)
        value = 0 - value
    return view(value, DECIDED)


@function(VIEW, INT, result=VIEW)
def parse_decimal(v: int, decimals: int) -> int:
    """Parses digits with a point as their number times 10**(decimals + 2); the last digit: whether others than zeros follow."""
    a = address_of(v)
    n = length_of(v)
    i = sign_length(a, n)
    negative = i == 1 and byte(a, 0) == 45
    value = 0
    count = 0  # of digits
    missing = decimals + 1
    point = 0
    follows = 0
    while i < n:
        c = byte(a, i)
        if c == 46 and point == 0:
            point = 1
        elif c < 48 or c > 57:
            return view(0, UNDECIDED)
        else:
            count += 1
            if point == 1 and missing == 0:
                if c != 48:
                    follows = 1
            else:
                if value > _MOST_HUNDREDS:
                    return view(0, UNDECIDED)
                value = value * 10 + (c - 48)
                missing -= point
        i += 1
    while missing > 0:
        if value > _MOST_HUNDREDS:
            return view(0, UNDECIDED)
        value *= 10
        missing -= 1
    value = value * 10 + follows
    if count == 0 or (negative and value == 0):
        return view(0, UNDECIDED)
    if negative:
        value = 0 - value
    return view(value, DECIDED)


@function(VIEW, VIEW, result=VIEW)
def fixed_digits(v: int, shape: int) -> int:
    """Parses the digits at the zeros of `shape` as one number; NO_NUMBER for a string of another shape."""
    n = length_of(v)
    if n != length_of(shape):
        return view(0, NO_NUMBER)
    value = 0
    i = 0
    while i < n:
        c = byte(address_of(v), i)
        wanted = byte(address_of(shape), i)
        if wanted == 48:
            if c < 48 or c > 57:
                return view(0, NO_NUMBER)
            value = value * 10 + (c - 48)
        elif c != wanted:
            return view(0, NO_NUMBER)
        i += 1
    return view(value, DECIDED)


@function(INT, INT, INT, INT, INT, result=BOOL)
def is_word(a: int, n: int, word: int, least: int, most: int) -> bool:
    """Whether n bytes, in any case, are the first `least` or `most` bytes of a word."""
    if n != least and n != most:
        return False
    i = 0
    while i < n:
        if byte(a, i) | 32 != byte(word, i):
            return False
        i += 1
    return True


@function(INT, INT, INT, result=VIEW)
def parse_exponent(a: int, i: int, n: int) -> int:
    """Parses an optional exponent after the digits: {exponent, offset after it}, or {0, -1} for an e without digits."""
    if i >= n or byte(a, i) | 32 != 101:
        return view(0, i)
    at = i + 1
    minus = 0
    if at < n and (byte(a, at) == 43 or byte(a, at) == 45):
        minus = byte(a, at) == 45
        at += 1
    stop = skip_digits(a, at, n)
    if stop == at:
        return view(0, -1)
    exponent = 0
    while at < stop:
        if byte(a, at) != _UNDERSCORE and exponent < 100000:
            exponent = exponent * 10 + byte(a, at) - 48
        at += 1
    if minus != 0:
        exponent = 0 - exponent
    return view(exponent, stop)


@function(INT, INT, INT, INT, INT, INT, result=VIEW)
def clinger(a: int, i: int, point: int, end: int, power: int, powers: int) -> int:
    """Parses the digits from i to end, with a point among them, times a power of ten, in Clinger's exact case."""
    digits = 0
    exponent = power
    while i < end:
        c = byte(a, i)
        if c >= 48 and c <= 57:
            if digits > 9007199254740992:
                return view(0, UNDECIDED)
            digits = digits * 10 + c - 48
            if i > point:
                exponent -= 1
        i += 1
    if digits == 0:
        return view(0, DECIDED)
    if digits > 9007199254740992 or exponent > 22 or exponent < -22:
        return view(0, UNDECIDED)
    x = as_float(digits)
    if exponent >= 0:
        return view(bits_of(x * load_f64(powers, 8 * exponent)), DECIDED)
    return view(bits_of(quotient(x, load_f64(powers, 0 - 8 * exponent))), DECIDED)


@function(INT, INT, INT, INT, INT, result=VIEW)
def parse_unsigned(a: int, i: int, n: int, powers: int, words: int) -> int:
    """Parses the number from i to the end of the string."""
    if is_word(a + i, n - i, words, 3, 8):
        return view(0x7FF0000000000000, DECIDED)
    if is_word(a + i, n - i, words + 8, 3, 3):
        return view(0x7FF8000000000000, DECIDED)
    point = skip_digits(a, i, n)
    end = point
    if point < n and byte(a, point) == 46:
        end = skip_digits(a, point + 1, n)
        if end == i + 1:
            return view(0, NO_NUMBER)
    elif point == i:
        return view(0, NO_NUMBER)
    power = parse_exponent(a, end, n)
    if length_of(power) != n:
        return view(0, NO_NUMBER)
    return clinger(a, i, point, end, address_of(power), powers)


@function(VIEW, INT, INT, result=VIEW)
def parse_float(v: int, powers: int, words: int) -> int:
    """Parses float(v): Clinger's exact case, zeros and the named values. `words` are "infinity" and "nan"."""
    if length_of(v) > LONGEST or not is_ascii(v):
        return view(0, UNDECIDED)
    text = c_strip(v)
    a = address_of(text)
    n = length_of(text)
    if n > 0 and byte(a, 0) == 45:
        number = parse_unsigned(a, 1, n, powers, words)
        return view(address_of(number) | -9223372036854775808, length_of(number))
    i = 0
    if n > 0 and byte(a, 0) == 43:
        i = 1
    return parse_unsigned(a, i, n, powers, words)


@function(INT, INT, result=INT)
def put_digits(end: int, value: int) -> int:
    """Writes an unsigned integer that ends before an address, and returns the address of its first digit."""
    while True:
        end -= 1
        store_byte(end, 0, 48 + rest(value, 10))
        value = divide(value, 10)
        if value == 0:
            return end


@function(INT, result=INT)
def digits_of(value: int) -> int:
    """Returns the number of decimal digits of an unsigned integer."""
    count = 1
    value = divide(value, 10)
    while value != 0:
        count += 1
        value = divide(value, 10)
    return count


@function(INT, INT, result=VIEW)
def int_to_str(arena: int, x: int) -> int:
    """Returns str(x)."""
    value = x
    negative = 0
    if x < 0:
        value = wrapping_subtract(0, x)
        negative = 1
    size = negative + digits_of(value)
    to = reserve(arena, size)
    if to == 0:
        return view(0, 0)
    put_digits(to + size, value)
    if negative != 0:
        store_byte(to, 0, 45)
    return view(to, size)
