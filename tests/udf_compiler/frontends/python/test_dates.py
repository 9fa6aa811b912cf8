"""Checks datetime.date in scalar functions: fields, comparisons, differences and shifts equal Python's."""

from __future__ import annotations

import datetime

import pytest

from sparkweld.errors import Refusal
from tests.helpers.scalars import check

DAY = datetime.date(2020, 6, 15)

CAUGHT = "def f(a):\n    try:\n        return {}\n    except {}:\n        return None"

SOURCES = [
    "a.year", "a.month", "a.day", "a.weekday()", "a.isoweekday()", "a.toordinal()", "a.isocalendar()[1]", "a < DAY",
    "DAY <= a", "a == DAY", "a != DAY", "a == 1", "(DAY - a).days", "(a - DAY).days // 7", "(a - DAY).total_seconds()",
    "a - DAY > datetime.timedelta(days=30)", "a + datetime.timedelta(days=40)", "a - datetime.timedelta(days=1, hours=5)",
    "datetime.timedelta(weeks=1) + a", "a", "bool(a)", "a if a > DAY else DAY", "a if a.year > 2000 else None",
    "a.month in (12, 1, 2)", "(a.month, a.day) < (6, 15)", "min(a, DAY)", "isinstance(a, datetime.date)",
    "'winter' if a.month < 3 else 'other'", "a.year * 100 + a.month", "str(a)", "a.isoformat()", "f'<{a}>'",
    "f'{a.year:04d}-{a.month:02d}'", "a - DAY + DAY", "(a - DAY) / datetime.timedelta(days=1)",
    "a.isocalendar().week", "a.timetuple().tm_yday", "a.timetuple()[1]",
    "a + datetime.timedelta(days=a.day)", "abs(a - DAY)", "-(a - DAY)", "bool(a - DAY)",
    "(a - DAY) // datetime.timedelta(days=7)", "(a - DAY) % datetime.timedelta(days=7)", "(a - DAY) * 3", "(a - DAY) // 7",
    "divmod(a - DAY, datetime.timedelta(days=7))[1].days", "(a - DAY) == 3", "max(a - DAY, datetime.timedelta(0)).days",
    "str(a - DAY)",
]  # fmt: skip


@pytest.mark.parametrize("source", SOURCES)
def test_expressions(source):
    check(f"lambda a: {source}", ("date",), DAY=DAY)


def test_two_dates_and_none():
    source = "def f(a, b):\n    if a is None or b is None:\n        return None\n    years = b.year - a.year\n"
    source += "    if (b.month, b.day) < (a.month, a.day):\n        years -= 1\n    return years"
    check(source, ("date?", "date?"))


REFUSED = ["round(a)", "abs(a)", "int(a)", "a.ctime()",
           "a.strftime('%c')", "a + 1", "(a - DAY) / 2", "(a - DAY) * 0.5", "hash(a)", "a < datetime.datetime.min"]


@pytest.mark.parametrize("source", REFUSED)
def test_refused(source):
    with pytest.raises(Refusal):
        check(f"lambda a: {source}", ("date",), DAY=DAY)


def test_strings():
    check("lambda a: a.strftime('%d/%m/%y')", ("date",), needless=1)
    check("lambda a: f'{a:%B %Y}'", ("date",), needless=1)


@pytest.mark.parametrize("parts", ["year=2000", "day=1", "month=b", "day=b", "2000, b", "year=b, month=1"])
def test_replace(parts):
    check(f"lambda a, b: a.replace({parts})", ("date", "i32"))


@pytest.mark.parametrize("types", [("i32", "i8", "i8"), ("i64", "i64", "i64")])
def test_new_dates(types):
    check("lambda a, b, c: datetime.date(a, b, c)", types)
    days = [(m, d) for m in (0, 1, 2, 4, 12, 13) for d in (0, 1, 28, 29, 30, 31)]
    rows = [(y, *day) for y in (0, 1, 1900, 2000, 2023, 2024, 9999, 10_000) for day in days]
    check(CAUGHT.format("datetime.date(a, b, c)", "ValueError").replace("f(a)", "f(a, b, c)"), types, rows=rows)


def test_arguments_that_are_no_ints():
    check(CAUGHT.format("datetime.date(2000, a, 1)", "TypeError"), ("f64",))
    check(CAUGHT.format("datetime.date(2000, 1, a)", "TypeError"), ("str",))


ROLLED = """
def f(a):
    while a.weekday() >= 5:
        a += datetime.timedelta(days=1)
    return a
"""
COUNTED = """
def f(a, b):
    days = 0
    end = a + datetime.timedelta(days=b)
    while a < end:
        if a.weekday() < 5:
            days += 1
        a = a + datetime.timedelta(days=1)
    return days
"""


@pytest.mark.parametrize("type", ["date", "ts"])
def test_loops_over_days(type):
    check(ROLLED, (type,))
    check(COUNTED, (type, "i8"))
