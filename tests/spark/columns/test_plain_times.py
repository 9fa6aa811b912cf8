"""Compares timestamps and dates in plain UDFs with PySpark, pickled and over Arrow, in session zones other than local time."""

from __future__ import annotations

import datetime

import numpy as np
import pyarrow as pa
import pytest
from pyspark.sql.functions import udf

from tests.helpers.differential import check
from tests.spark.columns.test_timestamps import NEW_YORK, UTC, ZONE, times


def stamp(t):
    return None if t is None else t.strftime("%Y%m%d %H:%M:%S.%f")


def later(t):
    return t + datetime.timedelta(days=1, microseconds=7) if t else None


def hours(t):
    return -1.0 if t is None else (t - datetime.datetime(2000, 1, 1)).total_seconds() / 3600


def same(t):
    return t


def day(t):
    return None if t is None else t.date()


def of_seconds(n):
    return datetime.datetime.fromtimestamp(n * 86_399.25)


FUNCTIONS = [(stamp, "string"), (later, "timestamp"), (hours, "double"), (same, "timestamp"), (same, "date"), (day, "date")]


@pytest.mark.each_value_once
@pytest.mark.parametrize("arrow", [True, False])
@pytest.mark.parametrize("zone", [UTC, NEW_YORK])
def test_timestamps(spark, parquet, zone, arrow):
    frame = parquet({"id": np.arange(60), "t": times("some")})
    results = [udf(f, returns, useArrow=arrow)("t").alias(f"{f.__name__}_{returns}") for f, returns in FUNCTIONS]
    results.append(udf(of_seconds, "timestamp", useArrow=arrow)("id").alias("seconds"))
    check(spark, lambda: frame.select("id", *results), conf={ZONE: zone})


@pytest.mark.gate_cases("False")
@pytest.mark.parametrize("arrow", [True, False])
def test_timestamps_without_a_zone(spark, parquet, arrow):
    frame = parquet({"id": np.arange(60), "t": times("some", zone=None)})
    chosen = [(stamp, "string"), (later, "timestamp_ntz"), (hours, "double"), (day, "date")]
    results = [udf(f, returns, useArrow=arrow)("t").alias(f.__name__) for f, returns in chosen]
    check(spark, lambda: frame.select("id", *results), conf={ZONE: NEW_YORK})


def parsed(s):
    for layout in ("%Y-%m-%d", "%d/%m/%Y %H:%M"):
        try:
            return datetime.datetime.strptime(s.strip(), layout)
        except ValueError:
            continue
    return None


@pytest.mark.gate_cases("False")
@pytest.mark.parametrize("arrow", [True, False])
def test_parsed_strings(spark, parquet, arrow):
    texts = ["2024-02-29", " 2023-2-9 ", "2023-02-29", "31/12/1999 23:59", "1/1/2000 0:00", "", "n/a", "31/12/1999", "12-31-99"]
    frame = parquet({"id": np.arange(180), "s": pa.array(texts * 20)})
    results = [udf(parsed, returns, useArrow=arrow)("s").alias(returns) for returns in ("timestamp", "date")]
    check(spark, lambda: frame.select("id", *results), conf={ZONE: NEW_YORK})


@pytest.mark.gate_cases("0001-01-01-True")
@pytest.mark.parametrize("arrow", [True, False])
@pytest.mark.parametrize("moment", ["0001-01-01", "9999-12-31T23:59:59.999999"])
def test_the_ends_of_the_calendar_run_in_python(spark, parquet, moment, arrow):
    stamps = pa.array([np.datetime64(moment, "us").astype(object)] * 2, pa.timestamp("us", tz="UTC"))
    frame = parquet({"id": np.arange(2), "t": stamps})
    check(spark, lambda: frame.select("id", udf(same, "timestamp", useArrow=arrow)("t").alias("r")), deopt=None)
