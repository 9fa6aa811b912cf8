"""Holds what parsing and formatting of times share: tables of the items of a format (`ir.time_formats`), fields, and dates.

A table is a word with the number of items, then eight words for each item, then its names: {length, bytes} in 16 bytes each.
Times are microseconds since 1970. Fields are words on the stack, in the order of `PARTS`.
"""

from __future__ import annotations

import numpy as np
from llvmlite import ir

from sparkweld.ir.time_formats import MOST_ITEMS, PARTS, Digits, Item, Literal, Name, Number, Spaces
from sparkweld.kernels.functions.strings.library import function
from sparkweld.kernels.functions.strings.memory_access import (
    BOOL,
    INT,
    divide,
    rest,
)
from sparkweld.kernels.llvm.numba_frontend import Operation

LITERAL, SPACES, DIGITS, NAME, NUMBER = range(5)
#: Bytes of an item and of a name in a table; words of the fields of a time.
ITEM, NAMES, FIELDS = 64, 16, len(PARTS)
MATCHED = 8 * FIELDS

YEAR, MONTH, DAY, HOUR, MINUTE, SECOND, MICROSECOND, ORDINAL, WEEKDAY, HALF, HOUR_OF_HALF, SHORT_YEAR = (
    8 * at for at in range(12)
)
SUNDAY_WEEK, MONDAY_WEEK, ISO_WEEKDAY, SUNDAY_WEEKDAY = (8 * at for at in range(12, 16))

DAY_LENGTH = 86_400_000_000
ERA_DAYS, _TO_MARCH = 146_097, 719_468  # as in kernels.codegen.lowerings.calendar


def table_of(items: tuple[Item, ...]) -> bytes:
    """Returns the table of a format."""
    words: list[int] = [len(items)]
    names = b""
    first = 8 + ITEM * len(items)
    for item in items:
        made = _words(item, first + len(names))
        words += made + [0] * (8 - len(made))
        if isinstance(item, Name):
            names += b"".join(bytes([len(name)]) + name.encode().ljust(NAMES - 1, b"\0") for name in item.names)
    return np.array(words, np.int64).tobytes() + names


def _words(item: Item, names: int) -> list[int]:
    match item:
        case Literal(character):
            return [LITERAL, ord(character)]
        case Spaces():
            return [SPACES]
        case Name(part, texts, first):
            return [NAME, 8 * PARTS.index(part), len(texts), names, first]
        case Digits(part, most, least, low, high, space):
            return [DIGITS, 8 * PARTS.index(part), most, least, low, high, space]
        case Number(part, width, fill):
            return [NUMBER, 8 * PARTS.index(part), width, ord(fill)]


def _build_words(b: ir.IRBuilder) -> ir.Value:
    with b.goto_entry_block():
        return b.ptrtoint(b.alloca(ir.IntType(64), size=FIELDS + 2 * MOST_ITEMS), ir.IntType(64))


#: The address of words on the stack: the fields, then the offset and the alternative of each matched item.
words_on_stack = Operation("time_words", (), INT, _build_words)


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
