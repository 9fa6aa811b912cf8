"""Checks dateutil's relativedelta in scalar functions: shifts by months and years, and differences of dates and datetimes."""

from __future__ import annotations

import datetime
import itertools
import random

import dateutil.relativedelta
import pytest
from dateutil.relativedelta import relativedelta

from sparkweld.errors import Refusal
from tests.helpers.scalars import check

DRAW = random.Random(5)
DATES = [datetime.date(*x) for x in ((2024, 2, 29), (2023, 2, 28), (2024, 1, 31), (1, 1, 1), (9999, 12, 31), (1900, 2, 28))]
DATES += [datetime.date.fromordinal(DRAW.randint(600_000, 760_000)) for _ in range(30)]
TIMES = [datetime.datetime.combine(d, datetime.time(DRAW.randint(0, 23), 59, 1, DRAW.choice([0, 999_999]))) for d in DATES]
COUNTS = [0, 1, -1, 11, 12, 13, -12, -25, 1200, -99_999, 2**40]
NAMES = {"relativedelta": relativedelta, "dateutil": dateutil, "END": datetime.date(2024, 6, 30)}

SHIFTS = [
    "a + relativedelta(months=b)", "a - relativedelta(months=b)", "a + relativedelta(years=b, months=-1)",
    "relativedelta(months=b) + a", "a + relativedelta(months=1, day=1)", "a + relativedelta(day=31)",
    "a + relativedelta(year=2001, month=2)", "a + relativedelta(years=1, weeks=b % 9, days=-3)", "a + -relativedelta(months=b)",
    "a + relativedelta(months=1) - datetime.timedelta(days=b % 40)", "a + dateutil.relativedelta.relativedelta(years=-b)",
    "END + relativedelta(months=b)",
]  # fmt: skip


@pytest.mark.parametrize("source", SHIFTS)
def test_shifts_of_dates(source):
    """Dates outside the years 1 to 9999, and large numbers, raise in Python."""
    check(f"lambda a, b: {source}", ("date", "i64"), rows=list(itertools.product(DATES, COUNTS)), **NAMES)


@pytest.mark.parametrize("source", [*SHIFTS[:5], "a + relativedelta(months=-1, hours=b, minutes=-5, seconds=b, microseconds=7)"])
def test_shifts_of_datetimes(source):
    rows = list(itertools.product(TIMES, COUNTS[:-2]))
    check(f"lambda a, b: str({source})", ("ts", "i64"), rows=rows, needless=12, **NAMES)


FIELDS = [
    "x.years", "x.months", "x.days", "x.years * 12 + x.months", "f'{x.years}y {x.months}m {x.days}d'", "abs(x.years) < 18",
    "(x.hours, x.minutes, x.seconds) == (0, 0, 0)",
]  # fmt: skip


@pytest.mark.parametrize("field", FIELDS)
def test_differences_of_dates(field):
    source = f"def f(a, b):\n    x = relativedelta(a, b)\n    return {field}"
    check(source, ("date", "date"), rows=list(itertools.product(DATES, DATES)), needless=70, **NAMES)
    source = f"def f(a):\n    x = relativedelta(END, a)\n    return {field}"
    check(source, ("date",), rows=[(d,) for d in DATES], needless=2, **NAMES)


def test_differences_of_datetimes():
    source = "def f(a, b):\n    x = relativedelta(dt1=a, dt2=b)\n"
    source += "    return f'{x.years} {x.months} {x.days} {x.hours} {x.minutes} {x.seconds}'"
    check(source, ("ts", "ts"), rows=list(itertools.product(TIMES, TIMES)), needless=80, **NAMES)


MIXED = "def f(a, b):\n    x = relativedelta({})\n    return f'{{x.years}} {{x.months}} {{x.days}} {{x.hours}} {{x.seconds}}'"


@pytest.mark.parametrize("dates", ["a, b", "b, a"])
def test_differences_of_a_date_and_a_datetime(dates):
    """The date stands for its midnight. A None makes an empty difference."""
    times = [*TIMES, *(datetime.datetime.combine(d, datetime.time()) for d in DATES)]
    check(MIXED.format(dates), ("date", "ts"), rows=list(itertools.product(DATES, times)), **NAMES)
    check(MIXED.format(dates), ("date?", "ts?"), rows=[*itertools.product([DATES[0], None], [TIMES[5], None])], **NAMES)
    check(MIXED.format(dates.replace("b", "END")), ("ts?", "i64"), rows=[(x, 1) for x in [*times, None]], **NAMES)
    check(MIXED.format("END, datetime.date(2024, 6, 1)"), ("i64", "i64"), rows=[(1, 1)], **NAMES)


def test_errors_that_a_function_catches():
    source = "def f(a, b):\n    try:\n        return str(a + relativedelta(years=b))\n    except {}:\n        return 'no'"
    rows = list(itertools.product([*DATES, None], [*COUNTS[:-2], None]))
    for error in ("Exception", "(TypeError, ValueError)"):
        check(source.format(error), ("date?", "i64?"), rows=rows, needless=40, **NAMES)


def test_a_loop_over_months():
    source = "def f(a, b):\n    return ','.join([(a + relativedelta(months=i)).strftime('%Y-%m') for i in range(b)])"
    check(source, ("date", "i64"), rows=list(itertools.product(DATES[5:], [0, 1, 15])), **NAMES)


REFUSED = [
    ("relativedelta(months=b).months", "SW264"), ("a + relativedelta(hours=b)", "SW264"), ("a + relativedelta(a, END)", "SW264"),
    ("relativedelta(a, datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone.utc)).days", "SW261"),
    ("relativedelta(months=b) * 2", "SW264"), ("relativedelta(a, b).days", "SW264"),
    ("relativedelta(a, None, days=b).days", "SW262"), ("relativedelta(months=b) == relativedelta(months=1)", "SW264"),
    ("a + relativedelta(day=b)", "SW262"), ("a + relativedelta(months=b / 2)", "SW262"),
    ("str(relativedelta(months=b))", "SW259"), ("a + relativedelta(leapdays=b)", "SW262"),
]  # fmt: skip


@pytest.mark.parametrize(("source", "code"), REFUSED)
def test_refused(source, code):
    with pytest.raises(Refusal) as refused:
        check(f"lambda a, b: {source}", ("date", "i64"), **NAMES)
    assert refused.value.code == code
