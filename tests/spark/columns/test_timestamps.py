"""Compares timestamp columns through datetime UDFs with PySpark, in time zones with and without transitions."""

from __future__ import annotations

import datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql.functions import col, expr, pandas_udf
from pyspark.sql.types import (
    BooleanType,
    DateType,
    DoubleType,
    IntegerType,
    LongType,
    StringType,
    TimestampNTZType,
    TimestampType,
)

from tests.helpers.differential import check

UTC, FIXED, NEW_YORK = "UTC", "+05:30", "America/New_York"
ZONE = "spark.sql.session.timeZone"

TIMES = [
    "1970-01-01", "1969-12-31T23:59:59.999999", "2000-02-29T12:34:56.789012", "1900-02-28T23:59:59", "2100-03-01T06:00",
    "2023-12-31T23:59:59.999999", "2024-02-29", "2021-01-03T01:02:03", "2024-03-10T06:59:59", "2024-03-10T07:00",
    "2024-11-03T04:59:59", "2024-11-03T05:30", "2024-11-03T06:30", "1883-11-18T17:00", "1850-06-01T12:00", "2040-07-01T12:00",
    "1700-01-01T00:00:00.000001", "2262-04-10", "1999-12-31T18:30", "2020-06-30T19:00:00.5",
]  # fmt: skip


def times(nulls: str = "none", zone: str | None = "UTC") -> pa.Array:
    """Returns 60 times, some or none of them NULL; without a zone a column of timestamp_ntz."""
    stamps = np.array(TIMES * 3, "M8[us]").astype(object)
    values = [None if nulls == "some" and i % 7 == 3 else v for i, v in enumerate(stamps)]
    return pa.array(values, pa.timestamp("us", tz=zone))


@pandas_udf(IntegerType())
def year(t: pd.Series) -> pd.Series:
    return t.dt.year


@pandas_udf(IntegerType())
def code(t: pd.Series) -> pd.Series:
    return t.dt.month * 1_000_000 + t.dt.day * 10_000 + t.dt.hour * 100 + t.dt.minute


@pandas_udf(BooleanType())
def weekend(t: pd.Series) -> pd.Series:
    return t.dt.dayofweek >= 5


@pandas_udf(DateType())
def day(t: pd.Series) -> pd.Series:
    return t.dt.date


@pandas_udf(TimestampType())
def next_day(t: pd.Series) -> pd.Series:
    return t + pd.Timedelta(days=1)


@pandas_udf(TimestampType())
def hour_start(t: pd.Series) -> pd.Series:
    return t.dt.floor("h")


@pandas_udf(TimestampNTZType())
def same_ntz(t: pd.Series) -> pd.Series:
    return t


@pandas_udf(DoubleType())
def days_since(t: pd.Series) -> pd.Series:
    return (t - pd.Timestamp("1980-01-01")).dt.total_seconds() / 86400  # since 2000, one duration overflows


@pandas_udf(IntegerType())
def week(t: pd.Series) -> pd.Series:
    return t.dt.isocalendar().week


@pandas_udf(LongType())
def month_of_date(d: pd.Series) -> pd.Series:
    return pd.to_datetime(d).dt.month


UDFS = [year, code, weekend, day, next_day, hour_start, days_since, week]


@pytest.mark.gate_cases("America/New_York-some", "UTC-none")
@pytest.mark.parametrize(("zone", "nulls"), [(UTC, "none"), (FIXED, "some"), (NEW_YORK, "none"), (NEW_YORK, "some")])
def test_timestamps(spark, parquet, zone, nulls):
    frame = parquet({"id": np.arange(60), "t": times(nulls)})
    results = [udf("t").alias(udf.__name__) for udf in UDFS]
    check(spark, lambda: frame.select("id", *results), conf={ZONE: zone})


def test_timestamps_without_a_zone(spark, parquet):
    for nulls in ("none", "some"):
        frame = parquet({"id": np.arange(60), "t": times(nulls, zone=None)}, name=nulls)
        results = [udf("t").alias(udf.__name__) for udf in (year, code, weekend, day, days_since, same_ntz)]
        check(spark, lambda frame=frame, results=results: frame.select("id", *results), conf={ZONE: NEW_YORK})


@pandas_udf(TimestampType())
def into_the_gap(t: pd.Series) -> pd.Series:
    return t + pd.Timedelta(hours=1)


def test_a_result_in_a_gap_raises_as_in_python(spark, parquet):
    stamps = pa.array([datetime.datetime(2024, 3, 10, 6, 30)] * 3, pa.timestamp("us", tz="UTC"))  # 01:30 in New York
    frame = parquet({"id": np.arange(3), "t": stamps})
    check(spark, lambda: frame.select("id", into_the_gap("t").alias("r")), conf={ZONE: NEW_YORK}, deopt=None)
    check(spark, lambda: frame.select("id", into_the_gap("t").alias("r")), conf={ZONE: FIXED})


@pytest.mark.gate_cases("2500-01-01")
@pytest.mark.parametrize("moment", ["0001-01-01", "9999-12-31T23:59:59.999999", "2500-01-01"])
def test_times_that_nanoseconds_do_not_hold_raise_as_in_python(spark, parquet, moment):
    stamps = pa.array([np.datetime64(moment, "us").astype(object)] * 2, pa.timestamp("us", tz="UTC"))
    frame = parquet({"id": np.arange(2), "t": stamps})
    check(spark, lambda: frame.select("id", year("t").alias("r")), deopt=None)


@pandas_udf(TimestampType())
def half_a_microsecond(t: pd.Series) -> pd.Series:
    return t + pd.Timedelta(500, unit="ns")


def test_lost_nanoseconds_raise_as_in_python(spark, parquet):
    frame = parquet({"id": np.arange(60), "t": times()})
    check(spark, lambda: frame.select("id", half_a_microsecond("t").alias("r")), deopt=None)


@pytest.mark.nightly("test_timestamps", "tests/spark/udf_compiler/test_scalar_functions.py::test_chains_and_filters")
def test_filters_and_chains(spark, parquet):
    frame = parquet({"id": np.arange(60), "t": times("some")})
    late = datetime.datetime(2000, 1, 1)
    check(spark, lambda: frame.where(col("t") > late).select("id", year("t").alias("r")), deopt=None)
    check(spark, lambda: frame.select("id", year(next_day("t")).alias("r")), conf={ZONE: NEW_YORK})
    check(spark, lambda: frame.where(year("t") > 1999).select("id", "t", code("t").alias("r")), conf={ZONE: FIXED}, deopt=None)


FUNCTIONS = "year quarter month day dayofyear dayofweek weekday weekofyear hour minute second".split()


@pytest.mark.nightly("test_timestamps")
@pytest.mark.parametrize("zone", [UTC, FIXED, NEW_YORK])
def test_sparks_functions_beside_a_udf(spark, parquet, zone):
    frame = parquet({"id": np.arange(60), "t": times("some")})
    exprs = [expr(f"{name}(t) as {name}") for name in FUNCTIONS]
    check(spark, lambda: frame.select(year("t").alias("y"), *exprs, expr("cast(t as date) as d")), conf={ZONE: zone}, deopt=None)
    late = frame.where("year(t) >= 1999 and t < timestamp'2024-01-01'")
    check(spark, lambda: late.select("id", week("t").alias("r")), conf={ZONE: zone}, deopt=None)


@pandas_udf(StringType())
def as_text(t: pd.Series) -> pd.Series:
    return t.dt.strftime("%Y-%m-%d %H:%M") + " " + t.dt.day_name()


@pandas_udf(TimestampType())
def from_text(s: pd.Series) -> pd.Series:
    return pd.to_datetime(s, format="%Y-%m-%d %H:%M:%S", errors="coerce")


@pytest.mark.nightly("test_timestamps", "tests/udf_compiler/frontends/pandas/test_times.py::test_strings_of_datetimes")
def test_strings(spark, parquet):
    frame = parquet({"id": np.arange(60), "t": times("some")})
    check(spark, lambda: frame.select("id", as_text("t").alias("r")), conf={ZONE: NEW_YORK})
    texts = ["2024-02-29 12:34:56", "2023-02-29 00:00:00", "", None, "n/a", "1970-01-01 00:00:00", "31/12/1999"] * 8
    frame = parquet({"id": np.arange(56), "s": pa.array(texts)}, name="texts")
    check(spark, lambda: frame.select("id", from_text("s").alias("r")), conf={ZONE: NEW_YORK})


def test_dates_as_datetimes(spark, parquet):
    days = [datetime.date(1900, 1, 1) + datetime.timedelta(days=997 * i) for i in range(40)]
    for nulls in (False, True):
        values = [None if nulls and i % 5 == 0 else d for i, d in enumerate(days)]
        frame = parquet({"id": np.arange(40), "d": pa.array(values, pa.date32())}, name=f"dates{nulls}")
        check(spark, lambda frame=frame: frame.select("id", month_of_date("d").alias("r")))
