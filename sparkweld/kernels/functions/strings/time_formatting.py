"""Formats times as Python's strftime does."""

from __future__ import annotations

from sparkweld.ir.time_formats import Item, Name, Number
from sparkweld.kernels.functions.strings.arena import give_back, reserve
from sparkweld.kernels.functions.strings.library import function
from sparkweld.kernels.functions.strings.memory_access import (
    INT,
    VIEW,
    byte,
    copy,
    divide,
    rest,
    store_byte,
    store_word,
    view,
    word,
)
from sparkweld.kernels.functions.strings.numbers import digits_of, put_digits
from sparkweld.kernels.functions.strings.times import (
    DAY,
    DAY_LENGTH,
    ERA_DAYS,
    HALF,
    HOUR,
    HOUR_OF_HALF,
    ISO_WEEKDAY,
    ITEM,
    LITERAL,
    MICROSECOND,
    MINUTE,
    MONDAY_WEEK,
    MONTH,
    NAME,
    NAMES,
    ORDINAL,
    SECOND,
    SHORT_YEAR,
    SUNDAY_WEEK,
    SUNDAY_WEEKDAY,
    WEEKDAY,
    YEAR,
    days_from_civil,
    words_on_stack,
)


@function(INT, INT, result=INT)
def write_fields(registers: int, x: int) -> int:
    """Stores the fields of a time of the years 1 to 9999."""
    since = x + 719_162 * DAY_LENGTH
    number = divide(since, DAY_LENGTH)
    shifted = number + 306  # days since 0000-03-01
    era = divide(shifted, ERA_DAYS)
    of_era = shifted - ERA_DAYS * era
    year = divide(of_era - divide(of_era, 1460) + divide(of_era, 36524) - divide(of_era, 146096), 365)
    of_year = of_era - (365 * year + divide(year, 4) - divide(year, 100))
    march_month = divide(5 * of_year + 2, 153)
    store_word(registers, DAY, of_year - divide(153 * march_month + 2, 5) + 1)
    year += 400 * era
    month = march_month + 3
    if month > 12:
        month -= 12
        year += 1
    ordinal = number - 719_162 - days_from_civil(year, 1, 1) + 1
    weekday = rest(number, 7)  # the first day of year 1 was a Monday
    sunday = rest(weekday + 1, 7)
    store_word(registers, YEAR, year)
    store_word(registers, MONTH, month)
    store_word(registers, ORDINAL, ordinal)
    store_word(registers, WEEKDAY, weekday)
    store_word(registers, SHORT_YEAR, rest(year, 100))
    store_word(registers, SUNDAY_WEEK, divide(ordinal + 6 - sunday, 7))
    store_word(registers, MONDAY_WEEK, divide(ordinal + 6 - weekday, 7))
    store_word(registers, ISO_WEEKDAY, weekday + 1)
    store_word(registers, SUNDAY_WEEKDAY, sunday)
    of_day = rest(since, DAY_LENGTH)
    seconds = divide(of_day, 1_000_000)
    hour = divide(seconds, 3600)
    store_word(registers, HOUR, hour)
    store_word(registers, HALF, divide(hour, 12))
    store_word(registers, HOUR_OF_HALF, rest(hour + 11, 12) + 1)
    store_word(registers, MINUTE, rest(divide(seconds, 60), 60))
    store_word(registers, SECOND, rest(seconds, 60))
    store_word(registers, MICROSECOND, rest(of_day, 1_000_000))
    return 0


@function(INT, INT, INT, INT, result=INT)
def put_item(to: int, registers: int, table: int, item: int) -> int:
    """Writes an item and returns the address after it."""
    kind = word(item, 0)
    if kind == LITERAL:
        store_byte(to, 0, word(item, 8))
        return to + 1
    value = word(registers, word(item, 8))
    if kind == NAME:
        name = table + word(item, 24) + NAMES * (value - word(item, 32))
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
    registers = words_on_stack()
    write_fields(registers, x)
    at = start
    number = 0
    while number < word(table, 0):
        at = put_item(at, registers, table, table + 8 + ITEM * number)
        number += 1
    give_back(arena, start + most - at)
    return view(start, at - start)


def most_bytes(items: tuple[Item, ...]) -> int:
    """Returns the bytes of the longest string that a format writes."""
    return sum(
        max(map(len, item.names)) if isinstance(item, Name) else max(item.width, 6) if isinstance(item, Number) else 1
        for item in items
    )
