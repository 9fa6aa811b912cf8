"""Compares lists of dates and datetimes that plain UDFs make, and return as arrays, with PySpark's worker."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pyarrow as pa
import pytest
from pyspark.sql.types import ArrayType, BooleanType, DateType, IntegerType, StringType, StructType, TimestampType

from sparkweld.contract.constants import ARROW_BATCHED
from tests.helpers.compiled import compare_with_worker

DATES, TIMES, INT, TEXTS = ArrayType(DateType()), ArrayType(TimestampType()), IntegerType(), ArrayType(StringType())
PAIRS = ArrayType(StructType().add("d", DateType()).add("x", DateType()))
FROM = [date(2024, 1, 30), date(2023, 12, 31), date(2024, 1, 1), date(2024, 2, 28), date(2020, 2, 29), date(1969, 12, 30)]
TO = [date(2024, 2, 3), date(2024, 1, 2), date(2024, 1, 1), date(2024, 2, 28), date(2020, 2, 25), date(1970, 1, 2)]
GIVEN = pa.record_batch({"a": pa.array(FROM, pa.date32()), "b": pa.array(TO, pa.date32())})


def days(a, b):
    return [a + timedelta(days=k % 4) for k in range((b - a).days)]


def ends(a, b):
    return [x for x in (a, b, a + timedelta(days=1)) if x.weekday() < 5]


def days_and_numbers(a, b):
    return [(x, x.day) for x in days(a, b)]


def while_before(a, b):
    made, at = [], a
    while at <= b:
        made.append(at)
        at += timedelta(days=1)
    return made


def by_number(a, b):
    return [(k % 3, a + timedelta(days=k)) for k in range((b - a).days)]


#: A function of both dates, the type of its result, and for how many rows, each alone, it is decided and raises.
CASES = [
    (days, DATES, (6, 0)), (ends, DATES, (6, 0)), (while_before, DATES, (6, 0)), (lambda a, b: [], DATES, (6, 0)),
    (lambda a, b: [date(2024, 1, 1), a], DATES, (6, 0)), (lambda a, b: list(reversed(days(a, b)))[1:], DATES, (6, 0)),
    (lambda a, b: sorted(days(a, b))[:2], DATES, (6, 0)), (lambda a, b: days(a, b) + [b, a], DATES, (6, 0)),
    (lambda a, b: [datetime(x.year, x.month, x.day, 23) for x in days(a, b)], TIMES, (6, 0)),
    (lambda a, b: [(x, None) for x in days(a, b)], PAIRS, (6, 0)),
    (lambda a, b: [x.isoformat() for x in sorted(days(a, b), reverse=True)], TEXTS, (6, 0)),
    (lambda a, b: max(days(a, b)), DateType(), (3, 3)), (lambda a, b: min(days(a, b), default=b), DateType(), (6, 0)),
    (lambda a, b: max(by_number(a, b), default=(0, a))[1], DateType(), (6, 0)),
    (lambda a, b: sorted(by_number(a, b), reverse=True)[0][0] if b > a else 0, INT, (6, 0)),
    (lambda a, b: b in days(a, b), BooleanType(), (6, 0)), (lambda a, b: sum(v for v, _ in by_number(a, b)), INT, (6, 0)),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(CASES)))
def test_lists_of_times(number):
    function, returns, counts = CASES[number]
    alone = [GIVEN.slice(at, 1) for at in range(GIVEN.num_rows)]
    compared = compare_with_worker(function, alone, returns, ARROW_BATCHED, kernel=True)
    assert (compared.decided, compared.raised, compared.refused) == (*counts, ""), compared


@pytest.mark.parametrize(("function", "returns", "code"), [
    (lambda a, b: sum(days(a, b)), INT, "SW223"), (lambda a, b: str(days(a, b)), StringType(), "SW259"),
    (lambda a, b: datetime(2024, 1, 1) in days(a, b), BooleanType(), "SW282"),
    (lambda a, b: [datetime(x.year, x.month, x.day) for x in days(a, b)], DATES, "SW226"),
    (days, TEXTS, "SW226"), (days, ArrayType(INT), "SW226"), (days, TIMES, "SW226"), (lambda a, b: [a, 1], DATES, "SW226"),
    (days_and_numbers, PAIRS, "SW226"), (lambda a, b: [days(a, b)], ArrayType(DATES), "SW293"),
    (lambda a, b: len(dict(days_and_numbers(a, b))), INT, "SW261"), (lambda a, b: len(set(days(a, b))), INT, "SW223"),
])  # fmt: skip
def test_lists_of_times_that_are_refused(function, returns, code):
    assert compare_with_worker(function, [GIVEN], returns, ARROW_BATCHED).refused == code
