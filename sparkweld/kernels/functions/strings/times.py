"""Parses and formats times as Python's strptime and strftime do, by tables of the items of a format (`ir.time_formats`).

A table is a word with the number of items, then eight words for each item, then its names: {length, bytes} in 16 bytes each.
Times are microseconds since 1970. Fields are words on the stack, in the order of `PARTS`.
"""

from __future__ import annotations

import numpy as np
from llvmlite import ir

from sparkweld.ir.time_formats import MOST_ITEMS, PARTS, Digits, Item, Literal, Name, Number, Spaces
from sparkweld.kernels.functions.strings.arena import give_back, reserve
from sparkweld.kernels.functions.strings.library import function
from sparkweld.kernels.functions.strings.memory_access import (
    BOOL,
    INT,
    VIEW,
    address_of,
    byte,
    copy,
    divide,
    length_of,
    rest,
    store_byte,
    store_word,
    view,
    word,
)
from sparkweld.kernels.functions.strings.numbers import DECIDED, NO_NUMBER, digits_of, put_digits
from sparkweld.kernels.llvm.numba_frontend import Operation

_LITERAL, _SPACES, _DIGITS, _NAME, _NUMBER = range(5)
#: Bytes of an item and of a name in a table; words of the fields of a time.
_ITEM, _NAMES, _PARTS = 64, 16, len(PARTS)
_MATCHED = 8 * _PARTS

_YEAR, _MONTH, _DAY, _HOUR, _MINUTE, _SECOND, _MICROSECOND, _ORDINAL, _WEEKDAY, _HALF, _HOUR_OF_HALF, _SHORT_YEAR = (
    8 * at for at in range(12)
)
_SUNDAY_WEEK, _MONDAY_WEEK, _ISO_WEEKDAY, _SUNDAY_WEEKDAY = (8 * at for at in range(12, 16))

_DAY_LENGTH = 86_400_000_000
_ERA_DAYS, _TO_MARCH = 146_097, 719_468  # as in kernels.codegen.lowerings.calendar

#: No match at an offset, and no further alternative there.
_NO_MATCH, _EXHAUSTED = -1, -2


def table_of(items: tuple[Item, ...]) -> bytes:
    """Returns the table of a format."""
    registers: list[int] = [len(items)]
    names = b""
    first = 8 + _ITEM * len(items)
    for item in items:
        made = _words(item, first + len(names))
        registers += made + [0] * (8 - len(made))
        if isinstance(item, Name):
            names += b"".join(bytes([len(name)]) + name.encode().ljust(_NAMES - 1, b"\0") for name in item.names)
    return np.array(registers, np.int64).tobytes() + names


def _words(item: Item, names: int) -> list[int]:
    match item:
        case Literal(character):
            return [_LITERAL, ord(character)]
        case Spaces():
            return [_SPACES]
        case Name(part, texts, first):
            return [_NAME, 8 * PARTS.index(part), len(texts), names, first]
        case Digits(part, most, least, low, high, space):
            return [_DIGITS, 8 * PARTS.index(part), most, least, low, high, space]
        case Number(part, width, fill):
            return [_NUMBER, 8 * PARTS.index(part), width, ord(fill)]


def _build_words(b: ir.IRBuilder) -> ir.Value:
    with b.goto_entry_block():
        return b.ptrtoint(b.alloca(ir.IntType(64), size=_PARTS + 2 * MOST_ITEMS), ir.IntType(64))


#: The address of words on the stack: the fields, then the offset and the alternative of each matched item.
_words_on_stack = Operation("time_words", (), INT, _build_words)


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
        one = names + _NAMES * number
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
    if kind == _DIGITS:
        return match_digits(a, n, at, item, choice)
    if kind == _SPACES:
        end = at
        while end < n and is_ascii_space(byte(a, end)):
            end += 1
        if end - choice > at:
            return end - choice
        return _EXHAUSTED
    if choice > 0:
        return _EXHAUSTED
    if kind == _LITERAL:
        if at < n and lower_ascii(byte(a, at)) == word(item, 8):
            return at + 1
        return _NO_MATCH
    number = name_at(a, n, at, table + word(item, 24), word(item, 16))
    if number < 0:
        return _NO_MATCH
    return at + byte(table, word(item, 24) + _NAMES * number)


@function(INT, INT, INT, INT, result=INT)
def match_all(registers: int, a: int, n: int, table: int) -> int:
    """Matches the items from the left, with backtracking as in `re`; returns the end of the match, -1 for none."""
    count = word(table, 0)
    number = 0
    at = 0
    choice = 0
    while number < count:
        end = match_item(a, n, at, table, table + 8 + _ITEM * number, choice)
        matched = registers + _MATCHED + 16 * number
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
    while i < _PARTS:
        store_word(registers, 8 * i, 0)
        i += 1
    store_word(registers, _YEAR, 1900)
    store_word(registers, _MONTH, 1)
    store_word(registers, _DAY, 1)
    number = 0
    of_half = 0
    while number < word(table, 0):
        item = table + 8 + _ITEM * number
        kind = word(item, 0)
        part = word(item, 8)
        at = word(registers, _MATCHED + 16 * number)
        number += 1
        after = end
        if number < word(table, 0):
            after = word(registers, _MATCHED + 16 * number)
        if kind == _NAME:
            store_word(registers, part, word(item, 32) + name_at(a, after, at, table + word(item, 24), word(item, 16)))
        if kind == _DIGITS:
            if byte(a, at) == 32:
                at += 1
            value = digits_at(a, at, after - at)
            if part == _MICROSECOND:
                while after - at < 6:
                    value *= 10
                    after += 1
            if part == _SHORT_YEAR:
                part += _YEAR - _SHORT_YEAR
                value += 1900
                if value < 1969:
                    value += 100
            if part == _HOUR:
                of_half = 0
            if part == _HOUR_OF_HALF:
                part += _HOUR - _HOUR_OF_HALF
                of_half = 1
                value = rest(value, 12)
            store_word(registers, part, value)
    if of_half != 0:
        store_word(registers, _HOUR, word(registers, _HOUR) + 12 * word(registers, _HALF))
    return 0


@function(INT, result=BOOL)
def is_leap(year: int) -> bool:
    return rest(year, 4) == 0 and (rest(year, 100) != 0 or rest(year, 400) == 0)


@function(INT, INT, result=INT)
def month_length(year: int, month: int) -> int:
    if month == 2:
        if is_leap(year):
            return 29
        return 28
    if month == 4 or month == 6 or month == 9 or month == 11:
        return 30
    return 31


@function(INT, INT, INT, result=INT)
def days_from_civil(year: int, month: int, day: int) -> int:
    """Returns the days since 1970 of a date from year 1 on."""
    march_month = month - 3
    if month < 3:
        year -= 1
        march_month = month + 9
    leaps = divide(year, 4) - divide(year, 100) + divide(year, 400)
    return 365 * year + leaps + divide(153 * march_month + 2, 5) + day - 1 - _TO_MARCH


@function(INT, result=VIEW)
def time_of_fields(registers: int) -> int:
    """Returns the time of the fields in microseconds; NO_NUMBER where datetime() raises."""
    year = word(registers, _YEAR)
    month = word(registers, _MONTH)
    day = word(registers, _DAY)
    if year < 1 or word(registers, _SECOND) > 59:
        return view(0, NO_NUMBER)
    ordinal = word(registers, _ORDINAL)
    if ordinal > 0:
        month = 1
        day = ordinal
        if year == 9999 and ordinal > 365:
            return view(0, NO_NUMBER)
    elif day > month_length(year, month):
        return view(0, NO_NUMBER)
    seconds = 3600 * word(registers, _HOUR) + 60 * word(registers, _MINUTE) + word(registers, _SECOND)
    return view(days_from_civil(year, month, day) * _DAY_LENGTH + seconds * 1_000_000 + word(registers, _MICROSECOND), DECIDED)


@function(VIEW, INT, result=VIEW)
def strptime(v: int, table: int) -> int:
    """Parses a time; NO_NUMBER where strptime raises ValueError or the string is not ASCII, as no item matches its bytes then."""
    registers = _words_on_stack()
    end = match_all(registers, address_of(v), length_of(v), table)
    if end != length_of(v):
        return view(0, NO_NUMBER)
    read_fields(registers, address_of(v), end, table)
    return time_of_fields(registers)


@function(INT, INT, result=INT)
def write_fields(registers: int, x: int) -> int:
    """Stores the fields of a time of the years 1 to 9999."""
    since = x + 719_162 * _DAY_LENGTH
    number = divide(since, _DAY_LENGTH)
    shifted = number + 306  # days since 0000-03-01
    era = divide(shifted, _ERA_DAYS)
    of_era = shifted - _ERA_DAYS * era
    year = divide(of_era - divide(of_era, 1460) + divide(of_era, 36524) - divide(of_era, 146096), 365)
    of_year = of_era - (365 * year + divide(year, 4) - divide(year, 100))
    march_month = divide(5 * of_year + 2, 153)
    store_word(registers, _DAY, of_year - divide(153 * march_month + 2, 5) + 1)
    year += 400 * era
    month = march_month + 3
    if month > 12:
        month -= 12
        year += 1
    ordinal = number - 719_162 - days_from_civil(year, 1, 1) + 1
    weekday = rest(number, 7)  # the first day of year 1 was a Monday
    sunday = rest(weekday + 1, 7)
    store_word(registers, _YEAR, year)
    store_word(registers, _MONTH, month)
    store_word(registers, _ORDINAL, ordinal)
    store_word(registers, _WEEKDAY, weekday)
    store_word(registers, _SHORT_YEAR, rest(year, 100))
    store_word(registers, _SUNDAY_WEEK, divide(ordinal + 6 - sunday, 7))
    store_word(registers, _MONDAY_WEEK, divide(ordinal + 6 - weekday, 7))
    store_word(registers, _ISO_WEEKDAY, weekday + 1)
    store_word(registers, _SUNDAY_WEEKDAY, sunday)
    of_day = rest(since, _DAY_LENGTH)
    seconds = divide(of_day, 1_000_000)
    hour = divide(seconds, 3600)
    store_word(registers, _HOUR, hour)
    store_word(registers, _HALF, divide(hour, 12))
    store_word(registers, _HOUR_OF_HALF, rest(hour + 11, 12) + 1)
    store_word(registers, _MINUTE, rest(divide(seconds, 60), 60))
    store_word(registers, _SECOND, rest(seconds, 60))
    store_word(registers, _MICROSECOND, rest(of_day, 1_000_000))
    return 0


@function(INT, INT, INT, INT, result=INT)
def put_item(to: int, registers: int, table: int, item: int) -> int:
    """Writes an item and returns the address after it."""
    kind = word(item, 0)
    if kind == _LITERAL:
        store_byte(to, 0, word(item, 8))
        return to + 1
    value = word(registers, word(item, 8))
    if kind == _NAME:
        name = table + word(item, 24) + _NAMES * (value - word(item, 32))
        copy(to, name + 1, byte(name, 0))
        return to + byte(name, 0)
    size = digits_of(value)
    while size < word(item, 16):
        store_byte(to, 0, word(item, 24))
        to += 1
        size += 1
    size = digits_of(value)
    put_digits(to + size, value)
    return to + size


@function(INT, INT, INT, INT, INT, INT, result=VIEW)
def strftime(arena: int, x: int, table: int, most: int, first: int, last: int) -> int:
    """Formats a time from `first` to `last`, in at most `most` bytes; empty for another one."""
    if x < first or x > last:
        return view(0, 0)
    start = reserve(arena, most)
    if start == 0:
        return view(0, 0)
    registers = _words_on_stack()
    write_fields(registers, x)
    at = start
    number = 0
    while number < word(table, 0):
        at = put_item(at, registers, table, table + 8 + _ITEM * number)
        number += 1
    give_back(arena, start + most - at)
    return view(start, at - start)


def most_bytes(items: tuple[Item, ...]) -> int:
    """Returns the bytes of the longest string that a format writes."""
    return sum(
        max(map(len, item.names)) if isinstance(item, Name) else max(item.width, 6) if isinstance(item, Number) else 1
        for item in items
    )
