"""Compares plain UDFs that return arrays of dates and timestamps, Arrow and pickled, with the plugin off and on."""

from __future__ import annotations

import functools
from datetime import date, datetime, timedelta

import pyarrow as pa
import pytest
from pyspark.sql import functions as F
from pyspark.sql.functions import udf

from tests.helpers.lines import of_plain_arrow
from tests.helpers.semantics import Case, check_cases

FROM = [date(2024, 1, 30), date(2023, 12, 31), None, date(2024, 2, 28), date(2020, 2, 29), date(1969, 12, 30), date(2024, 1, 1)]
TO = [date(2024, 2, 3), date(2024, 1, 2), date(2024, 1, 1), date(2024, 2, 28), date(2020, 2, 25), date(1970, 1, 2), None]
AT = [None if day is None else datetime(day.year, day.month, day.day, 23, 59, 59, 999999) for day in FROM]
STRUCTS = "array<struct<d:date,t:timestamp_ntz,s:string>>"


def days(a, b):
    if a is None or b is None:
        return None
    return [a + timedelta(days=k) for k in range((b - a).days + 1)]


def months(a, b):
    made = []
    at = a.replace(day=1) if a else None
    while at and b and at <= b:
        made.append(at)
        at = (at.replace(day=28) + timedelta(days=4)).replace(day=1)
    return made


def gaps(a, b):
    return [a, b] if a and a.day > 1 else []


def hours(at, n):
    return None if at is None else [at + timedelta(hours=k) for k in range(n)]


def midnights(a):
    return [datetime(a.year, a.month, a.day), datetime(1970, 1, 1)] if a else None


def rows(a, b):
    if a is None:
        return [None]
    made = [(a, datetime(a.year, 1, 1), "first"), (None, None, None)]
    return made if b is None else [*made, (b, None, str(b))]


def of_loop(a, b):
    return [{"d": a + timedelta(days=k), "s": str(k)} for k in range((b - a).days)] if a and b else []


def cases(arrow):
    made = functools.partial(udf, useArrow=arrow)
    two = ("a", "b")
    return [
        Case("days", lambda t: t.select(made(days, "array<date>")(*two))),
        Case("months", lambda t: t.select(made(months, "array<date>")(*two))),
        Case("NULL among the elements", lambda t: t.select(made(gaps, "array<date>")(*two)), runs=None),
        Case("timestamps", lambda t: t.select(made(hours, "array<timestamp>")("at", "n"))),
        Case("timestamps without a zone", lambda t: t.select(made(hours, "array<timestamp_ntz>")("at", "n"))),
        Case("new datetimes", lambda t: t.select(made(midnights, "array<timestamp>")("a"))),
        Case("fields of structs in an array", lambda t: t.select(made(rows, STRUCTS)(*two))),
        Case("fields of dicts in an array", lambda t: t.select(made(of_loop, STRUCTS)(*two))),
        Case(
            "a field of a struct",
            lambda t: t.select(made(lambda a, b: (days(a, b), 1), "struct<days:array<date>,n:int>")(*two)),
        ),
        Case("exploded", lambda t: t.select("k", F.explode(made(days, "array<date>")(*two)).alias("d")).groupBy("d").count()),
        Case("an array of other values", lambda t: t.select(made(lambda k: [k], "array<date>")("k")), refused="SW226", runs=None),
    ]


@pytest.mark.parametrize("arrow", [pytest.param(True, marks=of_plain_arrow), False])
def test_arrays_of_times(spark, parquet, arrow):
    frame = parquet({
        "k": list(range(len(FROM))), "a": pa.array(FROM, pa.date32()), "b": pa.array(TO, pa.date32()),
        "at": pa.array(AT, pa.timestamp("us")), "n": pa.array([3, 0, 1, 2, 40, 1, 1], pa.int32()),
    })  # fmt: skip
    check_cases(spark, frame, cases(arrow))
