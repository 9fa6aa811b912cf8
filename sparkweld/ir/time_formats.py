"""Parses the formats of strptime and strftime to the items that kernels match and write, in the locale C.

Both lists of items state what CPython does for ASCII strings (`_strptime.py`) and what the GNU C library does for years of four
digits. A format with anything else has no items, and frontends refuse it.
"""

from __future__ import annotations

import _strptime  # type: ignore[import-not-found]
import calendar
import datetime
import re
from dataclasses import dataclass
from functools import cache

#: The fields of a time that items read or write, in the order of a kernel's words.
PARTS = tuple("year month day hour minute second microsecond day_of_year weekday half hour_of_half short_year sunday_week"
              " monday_week iso_weekday sunday_weekday".split())  # fmt: skip

#: A format with more items has no kernel.
MOST_ITEMS = 64

EPOCH = datetime.datetime(1970, 1, 1)

#: The first and the last time of years with four digits, which strftime pads alike on all platforms.
FIRST_TIME, LAST_TIME = (
    (x - EPOCH) // datetime.timedelta(microseconds=1) for x in (datetime.datetime(1000, 1, 1), datetime.datetime.max)
)


@dataclass(frozen=True, slots=True)
class Digits:
    """Matches `most` to `least` digits of a number from `low` to `high`, else a space and one digit if `space`."""

    part: str
    most: int
    least: int
    low: int
    high: int
    space: bool = False


@dataclass(frozen=True, slots=True)
class Name:
    """Matches one of the names in any case, or writes it; the first one is number `first`."""

    part: str
    names: tuple[str, ...]
    first: int = 0


@dataclass(frozen=True, slots=True)
class Literal:
    """Matches one character in any case, or writes it."""

    character: str


@dataclass(frozen=True, slots=True)
class Spaces:
    """Matches one or more white-space characters."""


@dataclass(frozen=True, slots=True)
class Number:
    """Writes a number in at least `width` characters, filled with `fill` on the left."""

    part: str
    width: int = 1
    fill: str = "0"


#: The longest form of ISO 8601 that kernels parse, with a digit for each 0 and T or a space for T; and the lengths of all.
ISO_SHAPE = "0000-00-00T00:00:00.000000"
_ISO_LENGTHS = (10, 16, 19, 23, 26)
_HAS_ISO_SHAPE = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{3,6})?)?)?", re.ASCII).fullmatch

Item = Digits | Name | Literal | Spaces | Number

_MONTHS = tuple(map(str, calendar.month_name))[1:]
_DAYS = tuple(map(str, calendar.day_name))


def _short(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name[:3] for name in names)


#: The pattern of a directive in CPython's `_strptime.TimeRE` -> its item; versions differ in some patterns.
_DIGITS: dict[str, Digits] = {
    r"(?P<d>3[0-1]|[1-2]\d|0[1-9]|[1-9]| [1-9])": Digits("day", 2, 1, 1, 31, True),
    r"(?P<f>[0-9]{1,6})": Digits("microsecond", 6, 1, 0, 999_999),
    r"(?P<H>2[0-3]|[0-1]\d|\d)": Digits("hour", 2, 1, 0, 23),
    r"(?P<I>1[0-2]|0[1-9]|[1-9])": Digits("hour_of_half", 2, 1, 1, 12),
    r"(?P<I>1[0-2]|0[1-9]|[1-9]| [1-9])": Digits("hour_of_half", 2, 1, 1, 12, True),
    r"(?P<j>36[0-6]|3[0-5]\d|[1-2]\d\d|0[1-9]\d|00[1-9]|[1-9]\d|0[1-9]|[1-9])": Digits("day_of_year", 3, 1, 1, 366),
    r"(?P<m>1[0-2]|0[1-9]|[1-9])": Digits("month", 2, 1, 1, 12),
    r"(?P<M>[0-5]\d|\d)": Digits("minute", 2, 1, 0, 59),
    r"(?P<S>6[0-1]|[0-5]\d|\d)": Digits("second", 2, 1, 0, 61),
    r"(?P<w>[0-6])": Digits("weekday", 1, 1, 0, 6),
    r"(?P<u>[1-7])": Digits("weekday", 1, 1, 1, 7),
    r"(?P<y>\d\d)": Digits("short_year", 2, 2, 0, 99),
    r"(?P<Y>\d\d\d\d)": Digits("year", 4, 4, 0, 9999),
}
_NAMES = {
    "a": Name("weekday", _short(_DAYS)), "A": Name("weekday", _DAYS),
    "b": Name("month", _short(_MONTHS), 1), "B": Name("month", _MONTHS, 1), "p": Name("half", ("AM", "PM")),
}  # fmt: skip

_WRITTEN: dict[str, Item] = {
    **_NAMES, "h": _NAMES["b"], "P": Name("half", ("am", "pm")),
    "Y": Number("year", 4), "m": Number("month", 2), "d": Number("day", 2), "e": Number("day", 2, " "), "H": Number("hour", 2),
    "k": Number("hour", 2, " "), "I": Number("hour_of_half", 2), "l": Number("hour_of_half", 2, " "), "M": Number("minute", 2),
    "S": Number("second", 2), "f": Number("microsecond", 6), "j": Number("day_of_year", 3), "y": Number("short_year", 2),
    "U": Number("sunday_week", 2), "W": Number("monday_week", 2), "u": Number("iso_weekday"), "w": Number("sunday_weekday"),
}  # fmt: skip
_SHORTHANDS = {"F": "%Y-%m-%d", "T": "%H:%M:%S", "R": "%H:%M", "D": "%m/%d/%y"}


@cache
def parsed_items(format: str) -> tuple[Item, ...] | None:
    """Returns the items that strptime matches; None for an unsupported format."""
    if not format.isascii():
        return None
    patterns = _strptime.TimeRE()
    items: list[Item] = []
    seen: set[str] = set()
    at = 0
    while at < len(format):
        character = format[at]
        at += 1
        if character == "%":
            letter = format[at : at + 1]
            at += 1
            found = Literal("%") if letter == "%" else _matched(letter, patterns)
            if found is None or letter in seen:
                return None
            seen |= {letter} - {"%"}
            items.append(found)
        elif not character.isspace():
            items.append(Literal(character.lower()))
        elif not items or not isinstance(items[-1], Spaces):
            items.append(Spaces())
    return tuple(items) if len(items) <= MOST_ITEMS else None


def _matched(letter: str, patterns: dict[str, str]) -> Item | None:
    if letter not in _NAMES:
        return _DIGITS.get(patterns.get(letter, ""))
    name = _NAMES[letter]
    ordered = sorted((text.lower() for text in name.names), key=len, reverse=True)  # as in TimeRE
    return name if patterns[letter] == f"(?P<{letter}>{'|'.join(ordered)})" else None


@cache
def written_items(format: str) -> tuple[Item, ...] | None:
    """Returns the items that strftime writes; None for an unsupported format."""
    if not format.isascii() or "\0" in format:
        return None
    items: list[Item] = []
    at = 0
    while at < len(format):
        if format[at] != "%":
            items.append(Literal(format[at]))
            at += 1
            continue
        plain = format[at + 1 : at + 2] == "-"
        letter = format[at + 1 + plain : at + 2 + plain]
        at += 2 + plain
        found = _written(letter, plain)
        if found is None:
            return None
        items += found
    return tuple(items) if len(items) <= MOST_ITEMS else None


def _written(letter: str, plain: bool) -> tuple[Item, ...] | None:
    """Returns the items of a directive. `plain`: without padding, as in ``%-d``."""
    if letter == "%":
        return None if plain else (Literal("%"),)
    if letter in _SHORTHANDS:
        return None if plain else written_items(_SHORTHANDS[letter])
    found = _WRITTEN.get(letter)
    if plain:
        return (Number(found.part),) if isinstance(found, Number) and letter != "f" else None
    return None if found is None else (found,)


def strptime(s: str, format: str) -> int | None:
    """Returns ``datetime.strptime(s, format)`` in microseconds since 1970, None where it raises or the string is not ASCII."""
    if not s.isascii():
        return None
    try:
        return microseconds(datetime.datetime.strptime(s, format))
    except ValueError:
        return None


def parse_iso(s: str) -> int | None:
    """Returns ``datetime.fromisoformat(s)`` in microseconds since 1970 for beginnings of ISO_SHAPE; None for other strings."""
    if len(s) not in _ISO_LENGTHS or not _HAS_ISO_SHAPE(s) or s[11:13] > "23":  # 24:00 is midnight from Python 3.14 on
        return None
    try:
        return microseconds(datetime.datetime.fromisoformat(s))
    except ValueError:
        return None


def strftime(x: int, format: str) -> str:
    """Returns ``strftime`` of a time in microseconds since 1970; empty unless `strftime_decided`."""
    return (EPOCH + datetime.timedelta(microseconds=int(x))).strftime(format) if strftime_decided(x) else ""


def strftime_decided(x: int) -> bool:
    """Whether the year has four digits."""
    return FIRST_TIME <= x <= LAST_TIME


def microseconds(x: datetime.datetime) -> int:
    """Returns a naive datetime in microseconds since 1970."""
    return (x - EPOCH) // datetime.timedelta(microseconds=1)
