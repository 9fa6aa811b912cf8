"""Checks datetime.datetime and timedelta in scalar functions: parsing, fields, strings and arithmetic equal Python's."""

from __future__ import annotations

import datetime
import json

import numpy as np
import pytest

from sparkweld.errors import Refusal
from tests.helpers.scalars import check
from tests.helpers.time_strings import near

NOON = datetime.datetime(2020, 6, 15, 12, 30)
UTC_NOON = datetime.datetime(2020, 6, 15, 12, 30, tzinfo=datetime.timezone.utc)

SOURCES = [
    "a", "a.year", "a.month", "a.day", "a.hour", "a.minute", "a.second", "a.microsecond", "a.weekday()", "a.isoweekday()",
    "a.toordinal()", "a.isocalendar()[1]", "a.fold", "a.tzinfo", "a.date()", "a.date().year", "a < NOON", "NOON <= a",
    "a == NOON", "a != 1", "a - NOON", "a.timetuple().tm_yday", "sum(a.timetuple())",
    "a == a.date()", "NOON.date() != a", "a.date() == NOON", "datetime.date.min == a",
    "(NOON - a).days", "(a - NOON).seconds", "(a - NOON).microseconds", "a + datetime.timedelta(hours=30)",
    "a - datetime.timedelta(days=1, microseconds=1)", "datetime.timedelta(weeks=1) + a", "a - (a - NOON)", "bool(a)",
    "max(a, NOON)", "a.hour * 60 + a.minute", "a.date() == NOON.date()", "isinstance(a, datetime.datetime)",
    "isinstance(a, datetime.date)", "type(a) is datetime.datetime", "a.utcoffset()",
    "a.replace(hour=0, minute=0, second=0, microsecond=0)", "a.replace(2000)", "a.replace(tzinfo=datetime.timezone.utc)",
    "a.replace(tzinfo=datetime.timezone.utc) - UTC_NOON", "a.replace(tzinfo=datetime.timezone.utc) == a",
    "a.replace(tzinfo=datetime.timezone.utc).replace(tzinfo=None) == a", "datetime.datetime.combine(a, datetime.time(1, 2))",
    "datetime.datetime.combine(a.date(), datetime.datetime.min.time())", "a if a.year > 2000 else None",
    "'weekend' if a.weekday() >= 5 else 'weekday'", "UTC_NOON - a.replace(tzinfo=datetime.timezone.utc)",
]  # fmt: skip


@pytest.mark.parametrize("source", SOURCES)
def test_expressions(source):
    check(f"lambda a: {source}", ("ts",), NOON=NOON, UTC_NOON=UTC_NOON)


#: Times before the year 1000 run in Python.
STRINGS = [
    "a.isoformat()", "a.isoformat(' ')", "a.isoformat(sep='%')", "a.isoformat(timespec='seconds')", "str(a)", "f'<{a}>'",
    "a.isoformat('T', 'milliseconds')", "a.isoformat(timespec='minutes')", "a.isoformat(timespec='microseconds')",
    "a.strftime('%Y-%m-%d')", "a.strftime('%d.%m.%y %H:%M:%S.%f%z')", "f'{a:%A, %-d %B %Y}'", "int(a.strftime('%Y%m%d'))",
    "a.strftime('%I:%M %p') + '!'", "a.replace(tzinfo=datetime.timezone.utc).isoformat()", "a.strftime('')",
    "str(a.replace(tzinfo=datetime.timezone.utc))", "a.replace(tzinfo=datetime.timezone.utc).strftime('%H%z %Z%%z')",
]  # fmt: skip


@pytest.mark.parametrize("source", STRINGS)
def test_strings(source):
    check(f"lambda a: {source}", ("ts",), needless=1)


REFUSED = [
    "a.ctime()", "a.strftime('%c')", "a.strftime(f'{a.year}')", "a + 1", "hash(a)", "a < datetime.date.min",
    "a.astimezone()", "a.time()", "a.replace(tzinfo=datetime.timezone(datetime.timedelta(hours=1)))", "(a - NOON) * 1.5",
    "datetime.datetime.now() - a", "datetime.datetime.combine(a, a)", "datetime.datetime.strptime('1', f'%d{a.year}')",
    "a.tzname()", "datetime.date.today() - a.date()",
]  # fmt: skip


@pytest.mark.parametrize("source", REFUSED)
def test_refused(source):
    with pytest.raises(Refusal):
        check(f"lambda a: {source}", ("ts",), NOON=NOON)


CAUGHT = "def f(a):\n    try:\n        return {}\n    except {}:\n        return None"


def _times(*formats: str) -> list[tuple[str]]:
    random = np.random.default_rng(3)
    return [(near(format, random),) for format in formats for _ in range(150)] + [("",), ("x",), (" ",)]


@pytest.mark.parametrize("format", ["%Y-%m-%d", "%d/%b/%Y:%H:%M:%S", "%I:%M %p", "%Y%m%d"])
def test_parsing(format):
    check(CAUGHT.format(f"datetime.datetime.strptime(a, {format!r})", "ValueError"), ("str",), rows=_times(format), needless=8)
    check(f"lambda a: datetime.datetime.strptime(a.strip(), {format!r}).date()", ("str",), rows=_times(format), needless=8)


CHAIN = """
def f(a):
    for layout in ("%d.%m.%Y", "%Y-%m-%d", "%m/%d/%y"):
        try:
            return datetime.datetime.strptime(a, layout).date()
        except ValueError:
            continue
    return None
"""


def test_a_chain_of_formats():
    check(CHAIN, ("str",), rows=_times("%d.%m.%Y", "%Y-%m-%d", "%m/%d/%y"), needless=20)


def test_arguments_that_are_no_strings():
    check(CAUGHT.format("datetime.datetime.strptime(a, '%Y')", "TypeError"), ("i32",))


ISO = ["2024-02-29", "2024-02-30", "2024-2-29", "20240229", "2024-W09-4", "2024-02-29T13:05", "2024-02-29 13:05:59", "0001-01-01",
       "2024-02-29T13:05:59.120", "2024-02-29T13:05:59.120000", "2024-02-29T13:05:59Z", "2024-02-29 13:05:59.5", "２024-02-29",
       "2024-02-29T13:05:59+00:00", "2024-02-29T13:05:59+01:00", "2024-02-29t13:05:60", "2024-2-029T00:00:00.0000", "2024-02-29Z",
       "2024-02-29T13", "", "x", "not a date", "2024- 2-29", "2024-02-29T24:00", "2024-02-29T13:05:59.120000Z"]  # fmt: skip


@pytest.mark.parametrize("call", ["date", "datetime"])
def test_iso_strings(call):
    """Forms of ISO 8601 without all digits are rare and run in Python."""
    rows = [(text,) for text in ISO]
    check(f"lambda a: datetime.{call}.fromisoformat(a)", ("str",), rows=rows, needless=9)
    check(CAUGHT.format(f"datetime.{call}.fromisoformat(a)", "ValueError"), ("str",), rows=rows, needless=19)


def test_new_datetimes():
    check("lambda a, b: datetime.datetime(2024, a, b)", ("i32", "i8"))
    check("lambda a, b: datetime.datetime(2024, 1, 2, a, b, tzinfo=datetime.timezone.utc)", ("i8", "i64"))
    check("lambda a: datetime.datetime(2024, 1, 2, 3, 4, 5, microsecond=a)", ("i32",))


SPANS = [
    "datetime.timedelta(a)", "datetime.timedelta(days=a)", "datetime.timedelta(hours=a, minutes=5)",
    "datetime.timedelta(weeks=-1, seconds=a)", "datetime.timedelta(milliseconds=a)", "NOON + datetime.timedelta(days=a)",
    "datetime.timedelta(microseconds=a).total_seconds()", "(NOON - datetime.timedelta(seconds=a)).date()",
    "datetime.timedelta(days=1) * a", "str(datetime.timedelta(hours=a, microseconds=5))", "f'{datetime.timedelta(seconds=a)}!'",
    "str(datetime.timedelta(minutes=a))", "datetime.timedelta(seconds=90) // a",
]  # fmt: skip


@pytest.mark.parametrize("source", SPANS)
@pytest.mark.parametrize("type", ["i8", "i32", "i64"])
def test_spans_of_ints(source, type):
    """Spans of more than 292,000 years run in Python."""
    rows = [(x,) for x in (0, -1, 5, 10**6, -(10**9), 2**53, 2**63 - 1)] if type == "i64" else None
    check(f"lambda a: {source}", (type,), rows=rows, needless=2, NOON=NOON)


@pytest.mark.parametrize("unit", ["days", "seconds", "milliseconds", "microseconds", "hours"])
def test_spans_of_floats(unit):
    random = np.random.default_rng(4)
    rows = [(float(x),) for x in (*random.normal(size=300) * 1000, *random.integers(-99, 99, 100) / 16)]
    rows += [(float(x),) for x in random.normal(size=99) * 1e-6]
    rows += [(x,) for x in (0.5, 1.5, 2.5, -0.5, -1.5, 5e-7, 1.5e-6, 2.5e-6, 45000.0, 1e300, float("nan"), float("inf"))]
    check(f"lambda a: datetime.timedelta({unit}=a)", ("f64",), rows=rows)
    check(f"lambda a: datetime.timedelta({unit}=a, weeks=2)", ("f64",), rows=rows)


SECONDS = [0, 1, -1, 1.5, -1.5, 0.1, 1e9 + 1 / 3, 1_600_000_000.123456, 1_600_000_000.1234565, -0.0000005, 0.9999995, 1e10, 2e11,
           -6e10, 253_402_300_800, 1e300, float("nan"), -1e12]  # fmt: skip


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("source", [
    "datetime.datetime.fromtimestamp(a)", "datetime.datetime.fromtimestamp(a, datetime.timezone.utc)",
    "datetime.datetime.fromtimestamp(a / 1000.0)", "datetime.datetime.utcfromtimestamp(a)",
    "datetime.datetime.fromtimestamp(a, tz=datetime.timezone.utc).strftime('%H:%M')",
])  # fmt: skip
def test_from_timestamps(source):
    random = np.random.default_rng(5)
    floats = [*map(float, SECONDS), *(random.uniform(-1e10, 1e10, 500)).tolist()]
    check(f"lambda a: {source}", ("f64",), rows=[(x,) for x in floats], needless=1)
    check(f"lambda a: {source}", ("i64",), rows=[(int(x),) for x in floats if abs(x) < 2**62], needless=1)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", ["fromtimestamp", "utcfromtimestamp"])
def test_timestamps_of_json(name):
    known = ["1500000000.25", "0", "-1.5", '"x"', "true", "null", "[1]", "{}", "1e300", "1" * 30]
    texts = [*(f'{{"t": {x}}}' for x in known), '{"a": 1}', "[]", "nope"]
    check(f"lambda a: str(datetime.datetime.{name}(json.loads(a)['t']))", ("str",), rows=[(x,) for x in texts], json=json)


def test_to_timestamps():
    random = np.random.default_rng(6)
    rows = [(NOON + datetime.timedelta(microseconds=int(x)),) for x in random.integers(-(10**15), 10**15, 500)]
    rows += [(datetime.datetime.min,), (datetime.datetime(1, 1, 4),), (datetime.datetime.max,)]
    for source in ("a.timestamp()", "int(a.timestamp())", "a.astimezone(datetime.timezone.utc)"):
        check(f"lambda a: {source}", ("ts",), rows=rows, needless=1)
    check("lambda a: a.replace(tzinfo=datetime.timezone.utc).timestamp()", ("ts",), rows=rows, needless=3)


def test_local_time_of_a_zone_that_changes_is_refused(monkeypatch):
    import time

    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        for source in ("datetime.datetime.fromtimestamp(a)", "datetime.datetime(2020, 1, 1, a).timestamp()"):
            with pytest.raises(Refusal, match="offset from UTC changes"):
                check(f"lambda a: {source}", ("i8",))
    finally:
        monkeypatch.undo()
        time.tzset()


def test_constants():
    check("lambda a: datetime.datetime.strptime('2024-01-05', '%Y-%m-%d').day + a", ("i8",))
    check("lambda a: datetime.datetime(2024, 1, 5).strftime('%d') + str(a)", ("i8",))
    check("lambda a: (datetime.datetime(2024, 1, 5, 3).date() - datetime.date(2024, 1, 1)).days + a", ("i8",))
