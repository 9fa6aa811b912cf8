"""Compares plain UDFs over arrays, maps and structs of dates and timestamps with PySpark's worker."""

from __future__ import annotations

import datetime

import pyarrow as pa
import pytest
from pyspark.sql.types import ArrayType, BooleanType, DateType, DoubleType, IntegerType, LongType, StringType, TimestampNTZType

from tests.helpers.compiled import compare_with_worker
from tests.udf_compiler.eval_types.test_nested_arguments import PICKLED, ROW, batch, counts_of

D, AT, UTC = datetime.date, datetime.datetime, datetime.timezone.utc
INTS = ArrayType(IntegerType())
ITEM = pa.struct([("d", pa.date32()), ("t", pa.timestamp("us")), ("z", pa.timestamp("us", "UTC")), ("n", pa.int32())])


def event(day, n):
    at = AT(2024, 5, day, 13, 45, 1, 250)
    return {"d": at.date(), "t": at, "z": at.replace(tzinfo=UTC), "n": n}


EVENTS = batch([[event(3, 1), event(1, 2), event(2, 3)], [], None, [event(9, 4)], [{**event(1, 1), "d": None}], [None],
                [event(4, 1), event(4, 0)]], pa.list_(ITEM))  # fmt: skip
DATES = batch([[D(2024, 1, 31), D(1969, 12, 31)], [], None, [D(1, 1, 1), D(9999, 12, 31)], [None]], pa.list_(pa.date32()))
TIMES = batch([[AT(2024, 1, 31, 1, 2, 3, 4), AT(1969, 12, 31)], [], None, [AT(1, 1, 1), AT(9999, 12, 31, 23, 59, 59, 999999)],
               [None]], pa.list_(pa.timestamp("us")))  # fmt: skip
ZONED = batch([[AT(2024, 1, 31, 1, 2, 3, 4), AT(1969, 12, 31)], [], None, [None]], pa.list_(pa.timestamp("us", "UTC")))
BY_NAME = batch([[("a", D(2024, 1, 2)), ("b", D(2023, 1, 2))], [], None], pa.map_(pa.string(), pa.date32()))
NESTED = batch([[[D(2024, 1, 2)], []], [], None, [[D(2023, 4, 5), D(2022, 4, 5)]], [[None]]], pa.list_(pa.list_(pa.date32())))


def gaps(rows):
    rows = sorted(rows or [], key=lambda r: r["t"])
    made = []
    for i in range(1, len(rows)):
        made.append((rows[i]["t"] - rows[i - 1]["t"]).total_seconds())
    return made


def sessions(rows):
    count, last = 0, None
    for row in sorted(rows or [], key=lambda r: (r.z, r.n)):
        if last is None or (row.z - last).days >= 1:
            count += 1
        last = row.z
    return count


def latest(rows):
    best = None
    for row in rows or []:
        if best is None or row.d > best:
            best = row.d
    return best


#: A function, its batch and type; how many of the batch and its rows a kernel decides, flags, and raise in the worker.
CASES = [
    (gaps, EVENTS, ArrayType(DoubleType()), (6, 3, 2)),
    (sessions, EVENTS, IntegerType(), (6, 3, 2)),
    (latest, EVENTS, DateType(), (6, 3, 2)),
    (lambda rows: max(rows, key=lambda r: r.d).n if rows else None, EVENTS, IntegerType(), (6, 3, 2)),
    (lambda rows: [r.n for r in sorted(rows, key=lambda r: r.d, reverse=True)] if rows else [], EVENTS, INTS, (6, 3, 2)),
    (lambda rows: sum(r.n for r in rows if r.t > datetime.datetime(2024, 5, 2)) if rows else 0, EVENTS, LongType(), (6, 3, 2)),
    (lambda rows: [r.z.isoformat() for r in rows or []], EVENTS, ArrayType(StringType()), (6, 3, 2)),
    (lambda rows: rows[-1].t if rows else None, EVENTS, TimestampNTZType(), (6, 3, 2)),
    (lambda xs: [x.year for x in xs or []], DATES, ArrayType(IntegerType()), (4, 2, 2)),
    (lambda xs: xs[0] if xs else None, DATES, DateType(), (6, 2, 0)),
    (lambda xs: [x.isoformat() for x in xs[::-1]] if xs else None, TIMES, ArrayType(StringType()), (4, 3, 2)),
    (lambda xs: xs, DATES, ArrayType(DateType()), (6, 2, 0)),
    (lambda xs: sorted(xs)[0] if xs else None, DATES, DateType(), (6, 2, 0)),
    (lambda xs: (max(xs) - min(xs)).days if xs else None, TIMES, IntegerType(), (4, 2, 2)),
    (lambda xs: D(2024, 1, 31) in xs if xs else None, DATES, BooleanType(), (6, 2, 0)),
    (lambda xs: len(xs) if xs else None, TIMES, IntegerType(), (6, 2, 0)),
    (lambda xs: [str(x) for x in xs or []], ZONED, ArrayType(StringType()), (5, 2, 0)),
    (lambda xs: all(x.month == 1 for x in xs or []), ZONED, BooleanType(), (3, 2, 2)),
    (lambda m: [k for k, v in m.items() if v.year > 2023] if m else None, BY_NAME, ArrayType(StringType()), (4, 0, 0)),
    (lambda m: m.get("a") if m else None, BY_NAME, DateType(), (4, 0, 0)),
    (lambda xs: [y.day for x in xs or [] for y in x], NESTED, ArrayType(IntegerType()), (4, 2, 2)),
]


@pytest.mark.parametrize("number", range(len(CASES)))
def test_nested_times(number):
    function, given, returns, counts = CASES[number]
    assert counts_of(function, given, returns) == counts


def test_nested_times_that_are_refused():
    assert compare_with_worker(lambda xs: str(xs), [DATES], StringType(), ROW).refused == "SW259"


def test_kinds_that_are_refused():
    assert compare_with_worker(lambda xs: len(xs or []), [DATES], IntegerType(), PICKLED).refused == "SW101"
    keyed = batch([[(D(2024, 1, 2), 1)], [], None], pa.map_(pa.date32(), pa.int32()))
    assert compare_with_worker(lambda m: len(m or {}), [keyed], IntegerType(), ROW).refused == "SW101"
