"""Formats floats as their shortest decimals: Schubfach (R. Giulietti, "The Schubfach way to render doubles", 2020).

Of all decimals that round to the float it selects those with the fewest digits. Of these it returns the nearest to the float,
like Python's `repr`. `powers()` is the paper's table g: 10**k as 128 bits, rounded up, for k from FIRST_POWER on.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from sparkweld.kernels.functions.strings.arena import give_back, reserve
from sparkweld.kernels.functions.strings.library import function
from sparkweld.kernels.functions.strings.memory_access import (
    FLOAT,
    INT,
    VIEW,
    address_of,
    at_most,
    bits_of,
    divide,
    length_of,
    magnitude,
    multiply_high,
    rest,
    shift_right,
    store_byte,
    view,
    word,
    wrapping_add,
    wrapping_multiply,
)
from sparkweld.kernels.functions.strings.numbers import digits_of

FIRST_POWER, LAST_POWER = -292, 324


@cache
def powers() -> bytes:
    """Returns the table, the higher half of each entry first."""
    entries = []
    for k in range(FIRST_POWER, LAST_POWER + 1):
        exact = (10**k, 1) if k >= 0 else (1, 10**-k)
        shift = 128 - (exact[0].bit_length() - exact[1].bit_length())
        for bits in (shift - 1, shift, shift + 1):
            top, bottom = (exact[0] << max(bits, 0)), (exact[1] << max(-bits, 0))
            value = -(-top // bottom)
            if (top // bottom).bit_length() == 128:
                break
        assert value < 1 << 128
        entries.append((value >> 64, value & (1 << 64) - 1))
    return np.array(entries, np.uint64).tobytes()


@function(INT, INT, INT, result=INT)
def round_to_odd(high: int, low: int, x: int) -> int:
    """Returns the product of a table entry and x, divided by 2**128; its last bit is set when the product is inexact."""
    middle = multiply_high(low, x)
    lower = wrapping_multiply(high, x)
    total = wrapping_add(lower, middle)
    upper = multiply_high(high, x)
    if not at_most(lower, total):
        upper = wrapping_add(upper, 1)
    if not at_most(total, 1):
        upper |= 1
    return upper


@function(FLOAT, INT, result=VIEW)
def shortest_decimal(x: float, table: int) -> int:
    """Returns {digits as an integer, exponent of ten} of a positive finite float."""
    bits = bits_of(x)
    fraction = bits & 0xFFFFFFFFFFFFF
    biased = shift_right(bits, 52)
    c = fraction
    q = -1074
    if biased != 0:
        c = fraction | 1 << 52
        q = biased - 1075
        if q <= 0 and q > -53 and c & ((1 << (0 - q)) - 1) == 0:
            return view(shift_right(c, 0 - q), 0)
    odd = c & 1
    closer = 0
    if fraction == 0 and biased > 1:
        closer = 1
    k = q * 1262611 >> 22
    if closer != 0:
        k = q * 1262611 - 524031 >> 22
    h = q + ((0 - k) * 1741647 >> 19) + 1
    entry = table + 16 * (0 - k + 292)
    high = word(entry, 0)
    low = word(entry, 8)
    lower = round_to_odd(high, low, 4 * c - 2 + closer << h) + odd
    middle = round_to_odd(high, low, 4 * c << h)
    upper = round_to_odd(high, low, 4 * c + 2 << h) - odd
    s = shift_right(middle, 2)
    if s >= 10:
        tens = divide(s, 10)
        below = lower <= 40 * tens
        above = 40 * tens + 40 <= upper
        if below != above:
            if above:
                tens += 1
            return view(tens, k + 1)
    below = lower <= 4 * s
    above = 4 * s + 4 <= upper
    if below != above:
        if above:
            s += 1
        return view(s, k)
    half = 4 * s + 2
    if middle > half or (middle == half and s & 1 == 1):
        s += 1
    return view(s, k)


@function(INT, INT, INT, result=INT)
def put_padded(to: int, value: int, count: int) -> int:
    """Writes the last `count` digits of an unsigned integer and returns its remaining leading digits."""
    left = value
    at = count
    while at > 0:
        at -= 1
        store_byte(to, at, 48 + rest(left, 10))
        left = divide(left, 10)
    return left


@function(INT, INT, INT, result=INT)
def put_zeros(to: int, count: int, point_at: int) -> int:
    """Writes `count` zeros, with a point in place of the one at index `point_at`."""
    at = 0
    while at < count:
        c = 48
        if at == point_at:
            c = 46
        store_byte(to, at, c)
        at += 1
    return 0


@function(INT, INT, INT, INT, result=INT)
def put_fixed(to: int, digits: int, count: int, point: int) -> int:
    """Writes `count` digits with a point after the first `point` of them, padded with zeros, and returns the end."""
    if point <= 0:
        put_zeros(to, 2 - point, 1)
        put_padded(to + 2 - point, digits, count)
        return to + 2 - point + count
    behind = count - point
    if behind > 0:
        left = put_padded(to + point + 1, digits, behind)
        store_byte(to, point, 46)
        put_padded(to, left, point)
        return to + count + 1
    put_padded(to, digits, count)
    put_zeros(to + count, 2 - behind, 0 - behind)
    return to + point + 2


@function(INT, INT, INT, INT, result=INT)
def put_scientific(to: int, digits: int, count: int, power: int) -> int:
    """Writes `count` digits, with a point after the first one, and a power of ten; returns the end."""
    left = put_padded(to + 2, digits, count - 1)
    store_byte(to, 0, 48 + left)
    end = to + 1
    if count > 1:
        store_byte(to, 1, 46)
        end = to + 1 + count
    store_byte(end, 0, 101)
    size = power
    sign = 43
    if power < 0:
        size = 0 - power
        sign = 45
    store_byte(end, 1, sign)
    places = 2
    if size > 99:
        places = 3
    put_padded(end + 2, size, places)
    return end + 2 + places


@function(INT, FLOAT, INT, INT, result=VIEW)
def float_to_str(arena: int, x: float, table: int, words: int) -> int:
    """Returns repr(x). `words` are "-inf", "nan" and "-0.0"."""
    if x != x:
        return view(words + 4, 3)
    negative = 0
    if bits_of(x) < 0:
        negative = 1
    if x == 0.0:
        return view(words + 8 - negative, 3 + negative)
    if magnitude(x) > 1.7976931348623157e308:
        return view(words + 1 - negative, 3 + negative)
    decimal = shortest_decimal(magnitude(x), table)
    digits = address_of(decimal)
    exponent = length_of(decimal)
    while rest(digits, 10) == 0:
        digits = divide(digits, 10)
        exponent += 1
    count = digits_of(digits)
    point = count + exponent
    to = reserve(arena, 32)  # the longest is -2.2250738585072014e-308
    if to == 0:
        return view(0, 0)
    if negative != 0:
        store_byte(to, 0, 45)
    if point > -4 and point <= 16:
        end = put_fixed(to + negative, digits, count, point)
    else:
        end = put_scientific(to + negative, digits, count, point - 1)
    give_back(arena, 32 - (end - to))
    return view(to, end - to)
