"""Checks datetime.date in scalar functions: fields, comparisons, differences and shifts equal Python's."""

from __future__ import annotations

import datetime

import pytest

from sparkweld.errors import Refusal
from tests.helpers.scalars import check

DAY = datetime.date(2020, 6, 15)

SOURCES = [
    "a.year", "a.month", "a.day", "a.weekday()", "a.isoweekday()", "a.toordinal()", "a.isocalendar()[1]", "a < DAY",
    "DAY <= a", "a == DAY", "a != DAY", "a == 1", "(DAY - a).days", "(a - DAY).days // 7", "(a - DAY).total_seconds()",
    "a - DAY > datetime.timedelta(days=30)", "a + datetime.timedelta(days=40)", "a - datetime.timedelta(days=1, hours=5)",
    "datetime.timedelta(weeks=1) + a", "a", "bool(a)", "a if a > DAY else DAY", "a if a.year > 2000 else None",
    "a.month in (12, 1, 2)", "(a.month, a.day) < (6, 15)", "min(a, DAY)", "isinstance(a, datetime.date)",
    "'winter' if a.month < 3 else 'other'", "a.year * 100 + a.month", "str(a)", "a.isoformat()", "f'<{a}>'",
    "f'{a.year:04d}-{a.month:02d}'",
]  # fmt: skip


@pytest.mark.parametrize("source", SOURCES)
def test_expressions(source):
    check(f"lambda a: {source}", ("date",), DAY=DAY)


def test_two_dates_and_none():
    source = "def f(a, b):\n    if a is None or b is None:\n        return None\n    years = b.year - a.year\n"
    source += "    if (b.month, b.day) < (a.month, a.day):\n        years -= 1\n    return years"
    check(source, ("date?", "date?"))


REFUSED = ["round(a)", "abs(a)", "int(a)", "a.ctime()",
           "a.strftime('%Y')", "a + 1", "a - DAY + DAY", "a.replace(year=2000)", "hash(a)"]


@pytest.mark.parametrize("source", REFUSED)
def test_refused(source):
    with pytest.raises(Refusal):
        check(f"lambda a: {source}", ("date",), DAY=DAY)
