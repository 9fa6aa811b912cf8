"""Compares timestamps and dates as arguments and results of plain UDFs with PySpark's worker."""

from __future__ import annotations

import datetime
import time
from datetime import timedelta, timezone

import numpy as np
import pyarrow as pa
import pytest
from pyspark.sql.types import DateType, DoubleType, IntegerType, LongType, StringType, TimestampNTZType, TimestampType

from sparkweld.ir.time_formats import microseconds
from tests.helpers.compiled import compare_with_worker
from tests.helpers.lines import PythonEvalType
from tests.helpers.time_strings import near

ARROW_BATCHED = PythonEvalType.SQL_ARROW_BATCHED_UDF
DAY = 86_400 * 10**6


def _timestamps(zone: str | None, seed: int = 0) -> pa.RecordBatch:
    random = np.random.default_rng(seed)
    low, high = microseconds(datetime.datetime(1900, 1, 1)), microseconds(datetime.datetime(2100, 1, 1))
    columns = []
    for _ in range(2):
        values = random.integers(low, high, 200)
        values[::3] -= values[::3] % DAY
        values[:6] = (0, -1, 1, -62_135_596_800_000_000 + 3 * DAY, 253_402_300_799_999_999 - 3 * DAY, DAY)
        columns.append(pa.array(values, pa.timestamp("us", tz=zone), mask=random.random(200) < 0.1))
    return pa.record_batch(columns, ["a", "b"])


@pytest.fixture(params=["UTC", "Etc/GMT+5", "Asia/Kolkata"])
def local_zone(request, monkeypatch):
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield request.param
    monkeypatch.undo()
    time.tzset()


FUNCTIONS = [
    (lambda a, b: None if a is None else a.strftime("%Y%m%d"), StringType()),
    (lambda a, b: int(a.strftime("%Y%m%d")) if a else None, IntegerType()),
    (lambda a, b: (a - b).total_seconds() / 3600.0 if a and b else None, DoubleType()),
    (lambda a, b: a + timedelta(days=1, seconds=3) if a is not None else b, TimestampType()),
    (lambda a, b: a if a is not None else None, TimestampNTZType()),
    (lambda a, b: a.date() if a else datetime.date(1970, 1, 1), DateType()),
    (lambda a, b: a, DateType()),
    (lambda a, b: None if a is None or b is None else max(a, b), TimestampType()),
    (lambda a, b: None if a is None else a.replace(minute=0, second=0, microsecond=0), TimestampType()),
    (lambda a, b: None if a is None else a.replace(tzinfo=timezone.utc), TimestampType()),
    (lambda a, b: None if a is None else str(a), StringType()),
    (lambda a, b: a, StringType()),
    (lambda a, b: a - b if a and b else a, StringType()),
    (lambda a, b: None if a is None else a.isoformat(), StringType()),
    (lambda a, b: None if a is None else a.timestamp(), DoubleType()),
    (lambda a, b: None if a is None else int(a.timestamp() * 1000), LongType()),
    (lambda a, b: 0 if a is None else a.hour * 60 + a.weekday(), IntegerType()),
    (lambda a, b: None if a is None else a.astimezone(timezone.utc).isoformat(), StringType()),
]


@pytest.mark.parametrize("number", range(len(FUNCTIONS)))
@pytest.mark.parametrize("zone", ["UTC", None, "America/New_York"])
def test_columns_of_timestamps(local_zone, zone, number):
    function, returns = FUNCTIONS[number]
    compared = compare_with_worker(function, [_timestamps(zone)], returns, ARROW_BATCHED)
    if local_zone == "Asia/Kolkata" and compared.refused:
        assert compared.refused == "SW264"
        return
    assert not compared.refused, compared.reason
    assert compared.flagged <= 1 and compared.decided


@pytest.mark.parametrize("zone", ["UTC", None])
def test_machine_code(zone):
    batches = [_timestamps(zone), _timestamps(zone, 1)]
    compared = compare_with_worker(FUNCTIONS[3][0], batches, TimestampType(), ARROW_BATCHED, kernel=True)
    assert compared.decided and not compared.refused


def test_the_ends_of_the_calendar_run_in_python():
    ends = [microseconds(datetime.datetime.min), microseconds(datetime.datetime.max), 0, -(10**18), 2 * 10**18]
    for zone in ("UTC", None):
        for value in ends:
            batch = pa.record_batch([pa.array([value, 5], pa.timestamp("us", tz=zone))], ["a"])
            for returns in (TimestampType(), TimestampNTZType(), StringType(), DateType()):
                assert not compare_with_worker(lambda a: a, [batch], returns, ARROW_BATCHED).refused


def _strings(*formats: str) -> pa.RecordBatch:
    random = np.random.default_rng(7)
    texts = [near(format, random) for format in formats for _ in range(100)] + ["", "x", None]
    return pa.record_batch([pa.array(texts, pa.string())], ["s"])


def first_of(text):
    if text is None:
        return None
    for layout in ("%Y-%m-%d %H:%M:%S", "%d/%m/%Y"):
        try:
            return datetime.datetime.strptime(text.strip(), layout)
        except ValueError:
            continue
    return None


def year_or_text(text):
    try:
        return datetime.datetime.strptime(text, "%d/%m/%Y").strftime("%Y")
    except ValueError:
        return text


@pytest.mark.parametrize("returns", [TimestampType(), TimestampNTZType(), DateType(), StringType()])
def test_parsed_times(returns):
    batch = _strings("%Y-%m-%d %H:%M:%S", "%d/%m/%Y")
    compared = compare_with_worker(first_of, [batch], returns, ARROW_BATCHED, kernel=True)
    assert not compared.refused and compared.flagged <= 1
    assert not compare_with_worker(year_or_text, [batch], StringType(), ARROW_BATCHED, kernel=True).refused


@pytest.mark.parametrize("returns", [IntegerType(), LongType(), DoubleType()])
def test_times_as_numbers_are_refused(returns):
    assert compare_with_worker(lambda a: a, [_timestamps(None)], returns, ARROW_BATCHED).refused
