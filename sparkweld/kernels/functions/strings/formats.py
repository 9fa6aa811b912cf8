"""Formats numbers with fixed decimals and thousands separators."""

from __future__ import annotations

from sparkweld.kernels.functions.strings.arena import reserve
from sparkweld.kernels.functions.strings.library import function
from sparkweld.kernels.functions.strings.memory_access import (
    BOOL,
    FLOAT,
    INT,
    VIEW,
    as_int,
    bits_of,
    divide,
    magnitude,
    multiply_add,
    nearest,
    rest,
    shift_right,
    store_byte,
    view,
    wrapping_subtract,
)
from sparkweld.kernels.functions.strings.numbers import digits_of


@function(INT, INT, INT, INT, INT, result=VIEW)
def put_number(arena: int, value: int, negative: int, decimals: int, separator: int) -> int:
    """Formats an unsigned integer over 10**decimals; `separator` is the byte between thousands, 0 for none."""
    whole = digits_of(value) - decimals
    if whole < 1:
        whole = 1
    size = negative + whole + decimals
    if decimals > 0:
        size += 1
    if separator != 0:
        size += divide(whole - 1, 3)
    to = reserve(arena, size)
    if to == 0:
        return view(0, 0)
    end = to + size
    left = value
    behind = decimals
    while behind > 0:
        end -= 1
        store_byte(end, 0, 48 + rest(left, 10))
        left = divide(left, 10)
        behind -= 1
    if decimals > 0:
        end -= 1
        store_byte(end, 0, 46)
    done = 0
    while done < whole:
        if separator != 0 and done > 0 and rest(done, 3) == 0:
            end -= 1
            store_byte(end, 0, separator)
        end -= 1
        store_byte(end, 0, 48 + rest(left, 10))
        left = divide(left, 10)
        done += 1
    if negative != 0:
        store_byte(to, 0, 45)
    return view(to, size)


@function(INT, INT, INT, result=VIEW)
def format_int(arena: int, x: int, separator: int) -> int:
    """Returns f"{x:,}" with `separator` in place of the comma."""
    if x < 0:
        return put_number(arena, wrapping_subtract(0, x), 1, 0, separator)
    return put_number(arena, x, 0, 0, separator)


@function(INT, INT, INT, INT, result=VIEW)
def format_decimal(arena: int, x: int, scale: int, separator: int) -> int:
    """Returns the string of x / 10**scale, with `scale` decimals; `separator` as in `put_number`."""
    if x < 0:
        return put_number(arena, wrapping_subtract(0, x), 1, scale, separator)
    return put_number(arena, x, 0, scale, separator)


@function(INT, INT, INT, result=VIEW)
def format_hex(arena: int, x: int, letter: int) -> int:
    """Returns f"{x:x}"; `letter` is the code of a digit above 9, less its value."""
    size = 0
    left = x
    if x < 0:
        size = 1
        left = wrapping_subtract(0, x)
    value = left
    size += 1
    left = shift_right(left, 4)
    while left != 0:
        size += 1
        left = shift_right(left, 4)
    to = reserve(arena, size)
    if to == 0:
        return view(0, 0)
    if x < 0:
        store_byte(to, 0, 45)
    end = to + size
    more = True
    while more:
        digit = rest(value, 16)
        code = digit + 48
        if digit > 9:
            code = digit + letter
        end -= 1
        store_byte(end, 0, code)
        value = shift_right(value, 4)
        more = value != 0
    return view(to, size)


@function(FLOAT, FLOAT, result=BOOL)
def fixed_is_decided(x: float, scale: float) -> bool:
    """Whether `format_fixed` can format x exactly: x is NaN, infinite, or below 2**52 when scaled."""
    size = magnitude(x)
    return x != x or size > 1.7976931348623157e308 or size * scale < 4503599627370496.0


@function(INT, FLOAT, FLOAT, INT, INT, INT, result=VIEW)
def format_fixed(arena: int, x: float, scale: float, decimals: int, separator: int, words: int) -> int:
    """Returns f"{x:,.2f}" for `decimals` decimals and any separator; empty where `fixed_is_decided` is false.

    `scale` is 10**decimals, and `words` are "-inf" and "nan". Python rounds the exact value to nearest, ties to even. The exact
    product x * scale is p + e, with e the rounding error of p. Below 2**52 there are two cases. Either the distance of p to its
    nearest integer is below a half by at least a unit of p, which is more than e. Or it is exactly a half. Then the sign of e
    decides, and e = 0 is the tie that rounding p to the nearest integer has resolved.
    """
    if x != x:
        return view(words + 4, 3)
    negative = 0
    if bits_of(x) < 0:
        negative = 1
    size = magnitude(x)
    if size > 1.7976931348623157e308:
        return view(words + 1 - negative, 3 + negative)
    p = size * scale
    if p >= 4503599627370496.0:
        return view(0, 0)
    e = multiply_add(size, scale, 0.0 - p)
    whole = nearest(p)
    value = as_int(whole)
    if p - whole == 0.5 and e > 0.0:
        value += 1
    if p - whole == -0.5 and e < 0.0:
        value -= 1
    return put_number(arena, value, negative, decimals, separator)
