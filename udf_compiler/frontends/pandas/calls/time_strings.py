"""Lowers strftime, day_name and month_name of datetimes, and pd.to_datetime of strings with a format, to IR.

Formatting uses tables: each field of a time has few values, and a table yields a view of a constant. Parsing decides two kinds of
strings: those with all digits of every number, and those that no rule of pandas parses. Others (``2024-1-5``) are guarded.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from sparkweld.ir import LoopBuilder, ProgramBuilder, Value, evaluate
from sparkweld.ir.ops import DatePart, IsIn, Lookup
from sparkweld.ir.types import BOOL, I32, I64, STR
from udf_compiler.frontends.pandas import datetimes
from udf_compiler.frontends.pandas.calls.datetime_accessor import DAY, Parts, parts
from udf_compiler.frontends.pandas.calls.strings.mapping import plain
from udf_compiler.frontends.pandas.datetimes import DATETIMES
from udf_compiler.frontends.pandas.missing import Missing
from udf_compiler.frontends.pandas.series import TracedSeries
from udf_compiler.frontends.pandas.strings import optional, some_string, str_call, text_series
from udf_compiler.frontends.python.regex_calls import Regex
from udf_compiler.frontends.tracing.civil import days_of_date
from udf_compiler.frontends.tracing.lower import run_prototype
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.values import raw

_MONTHS = dict(enumerate(calendar.month_name))
_DAYS = dict(enumerate(calendar.day_name))


def _padded(digits: int, last: int, first: int = 0) -> Mapping[int, str]:
    return {n: f"{n:0{digits}d}" for n in range(first, last + 1)}


def _short(names: Mapping[int, str]) -> Mapping[int, str]:
    return {n: name[:3] for n, name in names.items()}


_Part = tuple[Callable[[Parts], Value], Mapping[int, str]]

#: Directive of strftime -> a field of a time, and the string of each of its values.
_DIRECTIVES: dict[str, _Part] = {
    "Y": (lambda p: p.date("year"), _padded(4, 2262, 1677)),
    "y": (lambda p: p.rest(p.date("year"), 100), _padded(2, 99)),
    "m": (lambda p: p.date("month"), _padded(2, 12, 1)),
    "d": (lambda p: p.date("day"), _padded(2, 31, 1)),
    "H": (lambda p: p.over(p.seconds, 3600), _padded(2, 23)),
    "I": (lambda p: p.over(p.seconds, 3600), {n: f"{n % 12 or 12:02d}" for n in range(24)}),
    "p": (lambda p: p.over(p.seconds, 3600), {n: "AM" if n < 12 else "PM" for n in range(24)}),
    "M": (lambda p: p.over(p.rest(p.seconds, 3600), 60), _padded(2, 59)),
    "S": (lambda p: p.rest(p.seconds, 60), _padded(2, 59)),
    "j": (lambda p: p.date("day_of_year"), _padded(3, 366, 1)),
    "a": (lambda p: p.date("weekday"), _short(_DAYS)),
    "A": (lambda p: p.date("weekday"), _DAYS),
    "b": (lambda p: p.date("month"), _short(_MONTHS)),
    "B": (lambda p: p.date("month"), _MONTHS),
    "u": (lambda p: p.plus(p.date("weekday"), 1), _padded(1, 7, 1)),
    "w": (lambda p: p.rest(p.plus(p.date("weekday"), 1), 7), _padded(1, 6)),
    "G": (lambda p: p.date("iso_year"), _padded(4, 2262, 1677)),
    "V": (lambda p: p.date("iso_week"), _padded(2, 53, 1)),
}
_MICROSECONDS: tuple[_Part, _Part] = (
    (lambda p: p.small(10**6), _padded(3, 999)),
    (lambda p: p.rest(p.small(10**3), 1000), _padded(3, 999)),
)
_COMPOUND = {"F": "%Y-%m-%d", "T": "%H:%M:%S", "R": "%H:%M", "D": "%m/%d/%y", "h": "%b"}

#: Times that distinguish the directives.
SAMPLES = [
    pd.Timestamp(text).as_unit("ns")
    for text in ("1999-12-31 23:59:58.123456", "2024-02-29 00:00", "2021-01-03 12:05:09.000987", "1700-07-04 11:00")
]


def strftime(s: TracedSeries, date_format: Any) -> TracedSeries:
    """Implements strftime with a format of plain directives; NaT becomes NaN."""
    call = "Series.dt.strftime"
    if not isinstance(date_format, str) or not date_format.isascii() or "\0" in date_format:
        refuse("SW262", call=call, what=f"{raw(date_format)} that is not an ASCII string")
    pieces = pieces_of(date_format, call)
    text = text_of(s.loop, parts(s), pieces)
    wanted = run_prototype(call, lambda: pd.Series(SAMPLES).dt.strftime(date_format))
    if [formatted(t, pieces) for t in SAMPLES] != list(wanted):
        refuse("SW262", call=call, what=f"the format {date_format!r} in this locale")
    return _missing_where_nat(s, text)


def pieces_of(date_format: str, call: str) -> list[str | _Part]:
    """Splits a format into literals and directives. Refuses (SW262) directives that depend on locale, zone or platform."""
    for letter, text in _COMPOUND.items():
        date_format = re.sub(f"(?<!%)((?:%%)*)%{letter}", lambda m, text=text: m[1] + text, date_format)  # type: ignore[misc]
    pieces: list[str | _Part] = []
    for literal, directive in re.findall(r"([^%]+)|%(.)", date_format, re.DOTALL):
        if literal or directive == "%":
            pieces.append(literal or "%")
        elif directive == "f":
            pieces.extend(_MICROSECONDS)
        elif directive in _DIRECTIVES:
            pieces.append(_DIRECTIVES[directive])
        else:
            refuse("SW262", call=call, what=f"%{directive}")
    if not pieces or date_format.count("%") % 2 and date_format.endswith("%"):
        refuse("SW262", call=call, what=f"the format {date_format!r}")
    return pieces


def text_of(loop: LoopBuilder, p: Parts, pieces: list[str | _Part]) -> Value:
    """Emits the formatted string of a list of literals and directives."""
    values = [loop.const(v, STR) if isinstance(v, str) else _text(loop, v[0](p), v[1]) for v in pieces]
    return values[0] if len(values) == 1 else str_call(loop, "concat", *values)


def _text(loop: LoopBuilder, number: Value, texts: Mapping[int, str]) -> Value:
    pairs: dict[object, object] = dict(texts.items())
    found = loop.emit(Lookup.of(pairs, I64, STR), loop.cast(number, I64))
    return loop.value_of(found)


def formatted(time: pd.Timestamp, pieces: list[str | _Part]) -> str:
    """Formats one time with the tables."""
    builder = ProgramBuilder("sample", [])
    loop = builder.loop("sample")
    p = Parts(loop, loop.const(time._value, I64))
    for at, piece in enumerate(pieces):
        loop.append(f"{at}", loop.const(piece, STR) if isinstance(piece, str) else _text(loop, piece[0](p), piece[1]))
    loop.close()
    result = evaluate(builder.finish([f"{at}" for at in range(len(pieces))]), {}, 1)
    return "".join(str(column[0]) for column in result.columns.values())  # type: ignore[index]


def _missing_where_nat(s: TracedSeries, text: Value) -> TracedSeries:
    valid = s.loop.is_valid(s.value) if s.value.type.nullable else None
    return text_series(s.loop, optional(s.loop, text, valid), Missing(nan=valid is not None))  # type: ignore[no-any-return]


def day_name(s: TracedSeries, locale: Any = None) -> TracedSeries:
    return _name(s, "day_name", locale, _DIRECTIVES["A"])


def month_name(s: TracedSeries, locale: Any = None) -> TracedSeries:
    return _name(s, "month_name", locale, _DIRECTIVES["B"])


def _name(s: TracedSeries, method: str, locale: Any, part: _Part) -> TracedSeries:
    """Implements day_name and month_name with pandas' own English names."""
    call = f"Series.dt.{method}"
    if locale is not None:
        refuse("SW262", call=call, what="the argument locale=")
    if [formatted(t, [part]) for t in SAMPLES] != list(run_prototype(call, getattr(pd.Series(SAMPLES).dt, method))):
        refuse("SW262", call=call, what="this locale")
    return _missing_where_nat(s, _text(s.loop, part[0](parts(s)), part[1]))


# Parsing.

#: Directive of a format to parse -> number of digits, and pandas' own regular expression.
_NUMERIC = {
    "Y": (4, r"\d\d\d\d"),
    "y": (2, r"\d\d"),
    "m": (2, r"(?:1[0-2]|0[1-9]|[1-9])"),
    "d": (2, r"(?:3[0-1]|[1-2]\d|0[1-9]|[1-9]| [1-9])"),
    "H": (2, r"(?:2[0-3]|[0-1]\d|\d)"),
    "M": (2, r"(?:[0-5]\d|\d)"),
    "S": (2, r"(?:6[0-1]|[0-5]\d|\d)"),
}
#: pandas._libs.tslibs: strings that are NaT for every format.
_NAT_TEXTS = ("", "NaT", "nat", "NAT", "nan", "NaN", "NAN")


def parse(s: TracedSeries, format: Any, errors: str, call: str) -> TracedSeries:
    """Parses strings by a format of numeric directives. Refuses (SW243) no format: the first string of a batch decides it."""
    if format is None:
        refuse("SW243", call=call)
    if not isinstance(format, str) or not format.isascii():
        refuse("SW262", call=call, what=f"format={raw(format)}")
    directives, shape, pattern, separated = _shape(format, call)
    some_string(s)
    made = run_prototype(call, lambda: pd.to_datetime(pd.Series([pd.Timestamp(2024, 2, 29).strftime(format)]), format=format))
    if made.dtype != DATETIMES.numpy_dtype:
        refuse("SW254", call=call, type=str(made.dtype))
    loop = s.loop
    present = loop.is_valid(s.value) if s.value.type.nullable else loop.const(True, BOOL)
    text = plain(s)
    found = str_call(loop, "fixed_digits", text, params=(shape,))
    full = loop.is_valid(found)
    nanoseconds, sound, exists = _time_of(loop, loop.value_of(found), directives)
    good = loop.call("logical_and", full, sound)
    nothing = loop.emit(IsIn.of(list(_NAT_TEXTS), STR), text)
    if errors == "coerce":
        no_day = loop.call("logical_and", full, loop.call("logical_not", exists)) if separated else loop.const(False, BOOL)
        nothing = loop.call("logical_or", nothing, _hopeless(s, text, no_day, pattern, call))
    absent = loop.call("logical_or", loop.call("logical_not", present), nothing)
    loop.guard(loop.call("logical_or", absent, good))
    valid = loop.call("logical_and", good, loop.call("logical_not", absent))
    return datetimes.new(loop, loop.optional(nanoseconds, valid), DATETIMES)  # type: ignore[no-any-return]


def _shape(format: str, call: str) -> tuple[list[tuple[str, int]], str, str, bool]:
    """Parses a format of numeric directives.

    Returns four values. These are the directives with their digits, and the shape of a string with all digits. The others are a
    pattern of all strings that pandas may accept, and whether a literal separates all directives.
    """
    directives: list[tuple[str, int]] = []
    shape = pattern = ""
    for literal, directive in re.findall(r"([^%]+)|%(.)", format, re.DOTALL):
        if literal:
            shape, pattern = shape + literal, pattern + re.sub(r"(?:\\\s|\s)+", r"\\s+", re.escape(literal))
            continue
        if directive not in _NUMERIC or directive in dict(directives):
            refuse("SW262", call=call, what=f"%{directive} in format=")
        digits, text = _NUMERIC[directive]
        directives.append((directive, digits))
        shape, pattern = shape + "0" * digits, pattern + text
    if any(c.isdigit() for c in re.sub(r"%.", "", format)) or len({"Y", "y"} & set(dict(directives))) != 1:
        refuse("SW262", call=call, what=f"format={format!r}")
    return directives, shape, pattern, re.search(r"%.%", format) is None


def _hopeless(s: TracedSeries, text: Value, no_day: Value, pattern: str, call: str) -> Value:
    """Whether pandas certainly cannot parse a string, so that errors="coerce" yields NaT.

    This holds for ASCII strings whose start, after spaces, does not match the pattern of the format: pandas' ISO 8601 parser
    rejects them, too. It also holds for strings with all digits whose day does not exist, as they have one reading. `now` and
    `today` are excluded, because they depend on the clock.
    """
    loop = s.loop
    matches = Regex(r"\s*" + pattern, re.IGNORECASE, call, mode="match").emit(loop, loop.value_of(s.value), "test")
    lower = str_call(loop, "lower", str_call(loop, "strip", text, params=(None,)))
    clock = loop.emit(IsIn.of(["now", "today"], STR), lower)
    undecided = loop.call("logical_or", loop.call("logical_and", matches, loop.call("logical_not", no_day)), clock)
    return loop.call("logical_and", str_call(loop, "is_ascii", text), loop.call("logical_not", undecided))


def _time_of(loop: LoopBuilder, digits: Value, directives: list[tuple[str, int]]) -> tuple[Value, Value, Value]:
    """Decodes the digits of all directives, given as one number.

    Returns the nanoseconds since 1970, whether the time exists and fits int64, and whether the day exists.
    """
    numbers: dict[str, Value] = {}
    rest = digits
    for directive, count in reversed(directives):
        unit = loop.const(10**count, I64)
        numbers[directive] = loop.call("remainder", rest, unit)
        rest = loop.call("floor_divide", rest, unit)

    def number(directive: str, default: int) -> Value:
        return numbers.get(directive, loop.const(default, I64))

    def plus(x: Value, y: Value | int) -> Value:
        return loop.call("add", x, loop.const(y, I64) if isinstance(y, int) else y)

    def times(x: Value, factor: int) -> Value:
        return loop.call("multiply", x, loop.const(factor, I64))

    def below(x: Value, limit: int) -> Value:
        return loop.call("less", x, loop.const(limit, I64))

    year, month, day = number("Y", 0), number("m", 1), number("d", 1)
    if "y" in numbers:
        century = loop.select(below(numbers["y"], 69), loop.const(2000, I64), loop.const(1900, I64))
        year = plus(numbers["y"], century)
    days = days_of_date(loop, year, month, day)  # `DatePart` reveals whether the date exists
    narrow = loop.cast(days, I32)
    exists = loop.const(True, BOOL)
    for part, wanted in (("month", month), ("day", day)):
        same = loop.call("equal", loop.cast(loop.emit(DatePart(part), narrow), I64), wanted)
        exists = loop.call("logical_and", exists, same)
    inside = loop.call("less_equal", loop.call("absolute", days), loop.const(106_750, I64))
    sound = loop.call("logical_and", exists, inside)
    seconds = loop.const(0, I64)
    for directive, length, limit in (("H", 3600, 24), ("M", 60, 60), ("S", 1, 60)):
        if directive in numbers:
            sound = loop.call("logical_and", sound, below(numbers[directive], limit))
            seconds = plus(seconds, times(numbers[directive], length))
    return plus(times(days, DAY), times(seconds, 10**9)), sound, exists


#: Methods of ``.dt`` that return strings.
METHODS: dict[str, Callable[..., Any]] = {"strftime": strftime, "day_name": day_name, "month_name": month_name}
