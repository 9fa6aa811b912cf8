"""Compares Series of datetimes and timedeltas that functions of one value return with PySpark's worker."""

from __future__ import annotations

import datetime

import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql.types import DateType, DoubleType, LongType, StringType, TimestampNTZType, TimestampType

from tests.helpers.compiled import compare_with_worker

DAYS = [f"{day:02d}/{month:02d}/{year}" for year in (1800, 1969, 2024, 2200) for month in (1, 2, 12) for day in (1, 28)]
GOOD = pa.record_batch([pa.array(DAYS)], ["s"])
MIXED = pa.record_batch([pa.array(["", "31/02/2024", *DAYS, None, "x"])], ["s"])
NONE = pa.record_batch([pa.array(["", "x"])], ["s"])
EARLY = pa.record_batch([pa.array([*DAYS, "01/01/1600"])], ["s"])


def strict(x):
    return datetime.datetime.strptime(x, "%d/%m/%Y")


def lenient(x):
    try:
        return datetime.datetime.strptime(x, "%d/%m/%Y")
    except (ValueError, TypeError):
        return None


def since_2000(x):
    found = lenient(x)
    return None if found is None else found - datetime.datetime(2000, 1, 1)


def in_utc(x):
    return strict(x).replace(tzinfo=datetime.timezone.utc)


FUNCTIONS = [
    (lambda s: s.apply(strict), TimestampType()),
    (lambda s: s.map(strict).dt.month, LongType()),
    (lambda s: s.apply(strict).dt.strftime("%Y-%m"), StringType()),
    (lambda s: s.apply(lenient), TimestampNTZType()),
    (lambda s: s.map(lenient), DateType()),
    (lambda s: pd.Series([lenient(x) for x in s]), TimestampType()),
    (lambda s: s.map(lenient).dt.year, DoubleType()),
    (lambda s: s.apply(since_2000).dt.days, DoubleType()),
]


@pytest.mark.parametrize("number", range(len(FUNCTIONS)))
def test_series_of_times(number):
    """A batch of None alone, and one with a time that nanoseconds do not hold, are Series of objects: they run in Python."""
    function, returns = FUNCTIONS[number]
    compared = compare_with_worker(function, [GOOD, MIXED, NONE, EARLY], returns)
    assert not compared.refused, compared.reason
    assert compared.decided and compared.flagged <= 3


def test_other_mixes_are_refused():
    mixed = compare_with_worker(lambda s: s.map(lambda x: lenient(x) or "none"), [GOOD], StringType())
    aware = compare_with_worker(lambda s: s.map(in_utc), [GOOD], TimestampType())
    assert mixed.refused == aware.refused == "SW293"
