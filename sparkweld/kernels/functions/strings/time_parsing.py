"""Parses times as Python's strptime and datetime.fromisoformat do."""

from __future__ import annotations

from sparkweld.kernels.functions.strings.library import function
from sparkweld.kernels.functions.strings.memory_access import (
    BOOL,
    INT,
    VIEW,
    address_of,
    byte,
    length_of,
    rest,
    store_word,
    view,
    word,
)
from sparkweld.kernels.functions.strings.numbers import DECIDED, NO_NUMBER
from sparkweld.kernels.functions.strings.times import (
    DAY,
    DAY_LENGTH,
    DIGITS,
    FIELDS,
    HALF,
    HOUR,
    HOUR_OF_HALF,
    ITEM,
    LITERAL,
    MATCHED,
    MICROSECOND,
    MINUTE,
    MONTH,
    NAME,
    NAMES,
    ORDINAL,
    SECOND,
    SHORT_YEAR,
    SPACES,
    YEAR,
    days_from_civil,
    month_length,
    words_on_stack,
)

#: No match at an offset, and no further alternative there.
_NO_MATCH, _EXHAUSTED = -1, -2


@function(INT, result=INT)
def lower_ascii(c: int) -> int:
    if c >= 65 and c <= 90:
        return c + 32
    return c


@function(INT, result=BOOL)
def is_ascii_space(c: int) -> bool:
    """Whether str.isspace holds for an ASCII character."""
    return c == 32 or (c >= 9 and c <= 13) or (c >= 28 and c <= 31)


@function(INT, INT, INT, result=INT)
def digits_at(a: int, at: int, count: int) -> int:
    """Returns the number that `count` digits at an offset form, -1 where one of them is no digit."""
    value = 0
    i = at
    while i < at + count:
        c = byte(a, i)
        if c < 48 or c > 57:
            return -1
        value = value * 10 + c - 48
        i += 1
    return value


@function(INT, INT, INT, INT, INT, result=INT)
def match_digits(a: int, n: int, at: int, item: int, choice: int) -> int:
    """Matches a `Digits`: its alternatives are the numbers of digits in descending order, then a space and a digit."""
    count = word(item, 16) - choice
    space = 0
    if count < word(item, 24):
        if count < word(item, 24) - 1 or word(item, 48) == 0:
            return _EXHAUSTED
        space = 1
        count = 1
        if at < n and byte(a, at) != 32:
            return _NO_MATCH
    if n - at < space + count:
        return _NO_MATCH
    value = digits_at(a, at + space, count)
    if value < word(item, 32) or value > word(item, 40):
        return _NO_MATCH
    return at + space + count


@function(INT, INT, INT, INT, INT, result=INT)
def name_at(a: int, n: int, at: int, names: int, count: int) -> int:
    """Returns the number of the name at an offset in any case, -1 for none. No name begins with another one."""
    number = 0
    while number < count:
        one = names + NAMES * number
        size = byte(one, 0)
        if n - at >= size:
            i = 0
            while i < size and lower_ascii(byte(a, at + i)) == lower_ascii(byte(one, i + 1)):
                i += 1
            if i == size:
                return number
        number += 1
    return -1


@function(INT, INT, INT, INT, INT, INT, result=INT)
def match_item(a: int, n: int, at: int, table: int, item: int, choice: int) -> int:
    """Returns the offset after an item's alternative number `choice` at an offset, _NO_MATCH or _EXHAUSTED."""
    kind = word(item, 0)
    if kind == DIGITS:
        return match_digits(a, n, at, item, choice)
    if kind == SPACES:
        end = at
        while end < n and is_ascii_space(byte(a, end)):
            end += 1
        if end - choice > at:
            return end - choice
        return _EXHAUSTED
    if choice > 0:
        return _EXHAUSTED
    if kind == LITERAL:
        if at < n and lower_ascii(byte(a, at)) == word(item, 8):
            return at + 1
        return _NO_MATCH
    number = name_at(a, n, at, table + word(item, 24), word(item, 16))
    if number < 0:
        return _NO_MATCH
    return at + byte(table, word(item, 24) + NAMES * number)


@function(INT, INT, INT, INT, result=INT)
def match_all(registers: int, a: int, n: int, table: int) -> int:
    """Matches the items from the left, with backtracking as in `re`; returns the end of the match, -1 for none."""
    count = word(table, 0)
    number = 0
    at = 0
    choice = 0
    while number < count:
        end = match_item(a, n, at, table, table + 8 + ITEM * number, choice)
        matched = registers + MATCHED + 16 * number
        if end >= 0:
            store_word(matched, 0, at)
            store_word(matched, 8, choice)
            at = end
            number += 1
            choice = 0
        elif end == _NO_MATCH:
            choice += 1
        elif number == 0:
            return -1
        else:
            number -= 1
            at = word(matched, -16)
            choice = word(matched, -8) + 1
    return at


@function(INT, INT, INT, INT, result=INT)
def read_fields(registers: int, a: int, end: int, table: int) -> int:
    """Stores the fields of a match that ends at `end`; a later field of a kind replaces an earlier one."""
    i = 0
    while i < FIELDS:
        store_word(registers, 8 * i, 0)
        i += 1
    store_word(registers, YEAR, 1900)
    store_word(registers, MONTH, 1)
    store_word(registers, DAY, 1)
    number = 0
    of_half = 0
    while number < word(table, 0):
        item = table + 8 + ITEM * number
        kind = word(item, 0)
        part = word(item, 8)
        at = word(registers, MATCHED + 16 * number)
        number += 1
        after = end
        if number < word(table, 0):
            after = word(registers, MATCHED + 16 * number)
        if kind == NAME:
            store_word(registers, part, word(item, 32) + name_at(a, after, at, table + word(item, 24), word(item, 16)))
        if kind == DIGITS:
            if byte(a, at) == 32:
                at += 1
            value = digits_at(a, at, after - at)
            if part == MICROSECOND:
                while after - at < 6:
                    value *= 10
                    after += 1
            if part == SHORT_YEAR:
                part += YEAR - SHORT_YEAR
                value += 1900
                if value < 1969:
                    value += 100
            if part == HOUR:
                of_half = 0
            if part == HOUR_OF_HALF:
                part += HOUR - HOUR_OF_HALF
                of_half = 1
                value = rest(value, 12)
            store_word(registers, part, value)
    if of_half != 0:
        store_word(registers, HOUR, word(registers, HOUR) + 12 * word(registers, HALF))
    return 0


@function(INT, result=VIEW)
def time_of_fields(registers: int) -> int:
    """Returns the time of the fields in microseconds; NO_NUMBER where datetime() raises."""
    year = word(registers, YEAR)
    month = word(registers, MONTH)
    day = word(registers, DAY)
    if year < 1 or word(registers, SECOND) > 59:
        return view(0, NO_NUMBER)
    ordinal = word(registers, ORDINAL)
    if ordinal > 0:
        month = 1
        day = ordinal
        if year == 9999 and ordinal > 365:
            return view(0, NO_NUMBER)
    elif day > month_length(year, month):
        return view(0, NO_NUMBER)
    seconds = 3600 * word(registers, HOUR) + 60 * word(registers, MINUTE) + word(registers, SECOND)
    return view(days_from_civil(year, month, day) * DAY_LENGTH + seconds * 1_000_000 + word(registers, MICROSECOND), DECIDED)


@function(VIEW, INT, result=VIEW)
def strptime(v: int, table: int) -> int:
    """Parses a time; NO_NUMBER where strptime raises ValueError or the string is not ASCII, as no item matches its bytes then."""
    registers = words_on_stack()
    end = match_all(registers, address_of(v), length_of(v), table)
    if end != length_of(v):
        return view(0, NO_NUMBER)
    read_fields(registers, address_of(v), end, table)
    return time_of_fields(registers)


@function(INT, INT, INT, result=BOOL)
def has_shape(a: int, shape: int, count: int) -> bool:
    """Whether `count` bytes are those of a shape, with a digit for each 0 in it, and T or a space for each T."""
    i = 0
    while i < count:
        c = byte(a, i)
        wanted = byte(shape, i)
        if wanted == 48:
            if c < 48 or c > 57:
                return False
        elif c != wanted and (wanted != 84 or c != 32):
            return False
        i += 1
    return True


@function(VIEW, INT, result=VIEW)
def parse_iso(v: int, shape: int) -> int:
    """Parses the forms of ISO 8601 in `shape`, 0000-00-00T00:00:00.000000 and its beginnings; NO_NUMBER for others."""
    n = length_of(v)
    a = address_of(v)
    if n != 10 and n != 16 and n != 19 and n != 23 and n != 26:
        return view(0, NO_NUMBER)
    if not has_shape(a, shape, n):
        return view(0, NO_NUMBER)
    year = digits_at(a, 0, 4)
    month = digits_at(a, 5, 2)
    day = digits_at(a, 8, 2)
    if year < 1 or month < 1 or month > 12 or day < 1 or day > month_length(year, month):
        return view(0, NO_NUMBER)
    time = days_from_civil(year, month, day) * DAY_LENGTH
    if n > 10:
        hour = digits_at(a, 11, 2)
        minute = digits_at(a, 14, 2)
        if hour > 23 or minute > 59:
            return view(0, NO_NUMBER)
        time += (3600 * hour + 60 * minute) * 1_000_000
    if n > 16:
        second = digits_at(a, 17, 2)
        if second > 59:
            return view(0, NO_NUMBER)
        time += second * 1_000_000
    if n == 23:
        time += 1000 * digits_at(a, 20, 3)
    if n == 26:
        time += digits_at(a, 20, 6)
    return view(time, DECIDED)
