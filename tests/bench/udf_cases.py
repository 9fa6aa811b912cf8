"""Defines seven everyday jobs as benchmark cases: UDFs as users write them, and the best Spark SQL for the same.

Each case selects `outputs` from its table in two ways. `udfs` uses Python functions of the kind that `kind` names; `sql` is
handwritten with Spark's built-in expressions. The tables are those of udf_data.py; `id` is a unique key of each.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import BooleanType, DoubleType, IntegerType, LongType, StringType
from row_compare import Bound

PANDAS_TARGET, ROW_TARGET = 5.0, 10.0


@dataclass(frozen=True)
class UdfCase:
    """One benchmark case; `keys` identify a row of its result, `target` is the required speedup over plugin off."""

    name: str
    table: str
    udfs: Callable[[DataFrame], DataFrame]
    sql: Callable[[DataFrame], DataFrame]
    columns: tuple[str, ...]
    keys: tuple[str, ...] = ("id",)
    target: float = PANDAS_TARGET
    bounds: dict[str, Bound] = field(default_factory=dict)


# ZIP codes as given by callers of New York's 311: five digits, or nothing.


@F.pandas_udf(StringType())
def clean_zip(typed: pd.Series) -> pd.Series:
    zip_code = typed.str.strip().str.slice(0, 5)
    return zip_code.where(zip_code.str.match(r"[0-9]{5}$", na=False) & (zip_code != "00000"))


def _zip_udfs(frame: DataFrame) -> DataFrame:
    return frame.select("id", clean_zip("incident_zip").alias("zip"))


def _zip_sql(frame: DataFrame) -> DataFrame:
    zip_code = F.substring(F.trim("incident_zip"), 1, 5)
    return frame.select("id", F.when(zip_code.rlike("^[0-9]{5}$") & (zip_code != "00000"), zip_code).alias("zip"))


# Features of product titles.


@F.pandas_udf(IntegerType())
def characters(title: pd.Series) -> pd.Series:
    return title.str.len()


@F.pandas_udf(IntegerType())
def words(title: pd.Series) -> pd.Series:
    return title.str.count(" ") + 1


@F.pandas_udf(BooleanType())
def names_a_size(title: pd.Series) -> pd.Series:
    return title.str.lower().str.contains("gb", regex=False)


@F.pandas_udf(StringType())
def brand(title: pd.Series) -> pd.Series:
    return title.str.strip().str.lower().str.split(" ").str[0]


@F.pandas_udf(StringType())
def slug(title: pd.Series) -> pd.Series:
    return title.str.lower().str.replace(" ", "-", regex=False).str.slice(0, 40)


def _title_udfs(frame: DataFrame) -> DataFrame:
    made = {"characters": characters, "words": words, "sized": names_a_size, "brand": brand, "slug": slug}
    return frame.select("id", *(udf("title").alias(name) for name, udf in made.items()))


def _title_sql(frame: DataFrame) -> DataFrame:
    title = F.col("title")
    spaces = F.length(title) - F.length(F.replace(title, F.lit(" "), F.lit("")))
    return frame.select(
        "id", F.length(title).alias("characters"), (spaces + 1).cast("int").alias("words"),
        F.lower(title).contains("gb").alias("sized"), F.substring_index(F.lower(F.trim(title)), " ", 1).alias("brand"),
        F.substring(F.replace(F.lower(title), F.lit(" "), F.lit("-")), 1, 40).alias("slug"))  # fmt: skip


# Features of departure times.


@F.pandas_udf(IntegerType())
def hour_of_day(time: pd.Series) -> pd.Series:
    return time.dt.hour


@F.pandas_udf(IntegerType())
def day_of_week(time: pd.Series) -> pd.Series:
    return time.dt.dayofweek


@F.pandas_udf(IntegerType())
def month(time: pd.Series) -> pd.Series:
    return time.dt.month


@F.pandas_udf(BooleanType())
def weekend(time: pd.Series) -> pd.Series:
    return time.dt.dayofweek >= 5


@F.pandas_udf(DoubleType())
def season(time: pd.Series) -> pd.Series:
    return np.sin(2 * np.pi * time.dt.dayofyear / 365.25)


def _time_udfs(frame: DataFrame) -> DataFrame:
    made = {"hour": hour_of_day, "weekday": day_of_week, "month": month, "weekend": weekend, "season": season}
    return frame.select("id", *(udf("departure").alias(name) for name, udf in made.items()))


def _time_sql(frame: DataFrame) -> DataFrame:
    time, weekday = F.col("departure"), F.weekday("departure")
    return frame.select(
        "id", F.hour(time).alias("hour"), weekday.alias("weekday"), F.month(time).alias("month"),
        (weekday >= 5).alias("weekend"), F.sin(2 * math.pi * F.dayofyear(time) / 365.25).alias("season"))  # fmt: skip


# A branchy scalar function, applied value by value.


def _tax(income: float) -> float:
    if income <= 0:
        return 0.0
    if income <= 11_000:
        return 0.1 * income
    if income <= 44_725:
        return 1_100 + 0.12 * (income - 11_000)
    if income <= 95_375:
        return 5_147 + 0.22 * (income - 44_725)
    if income <= 182_100:
        return 16_290 + 0.24 * (income - 95_375)
    return 37_104 + 0.32 * (income - 182_100)


@F.pandas_udf(DoubleType())
def tax(income: pd.Series) -> pd.Series:
    return income.apply(_tax)


def _tax_udfs(frame: DataFrame) -> DataFrame:
    return frame.select("id", tax("income").alias("tax"))


def _tax_sql(frame: DataFrame) -> DataFrame:
    income = F.col("income")
    amount = (
        F.when(income <= 0, 0.0).when(income <= 11_000, 0.1 * income)
        .when(income <= 44_725, 1_100 + 0.12 * (income - 11_000))
        .when(income <= 95_375, 5_147 + 0.22 * (income - 44_725))
        .when(income <= 182_100, 16_290 + 0.24 * (income - 95_375)).otherwise(37_104 + 0.32 * (income - 182_100))
    )  # fmt: skip
    return frame.select("id", amount.alias("tax"))


# Five chained pandas UDFs.


@F.pandas_udf(DoubleType())
def clipped(income: pd.Series) -> pd.Series:
    return income.clip(0.0, 500_000.0)


@F.pandas_udf(DoubleType())
def in_thousands(income: pd.Series) -> pd.Series:
    return income / 1_000.0


@F.pandas_udf(DoubleType())
def logged(value: pd.Series) -> pd.Series:
    return np.log1p(value)


@F.pandas_udf(DoubleType())
def standardised(value: pd.Series) -> pd.Series:
    return (value - 3.5) / 1.2


@F.pandas_udf(DoubleType())
def squashed(value: pd.Series) -> pd.Series:
    return 1 / (1 + np.exp(-value))


def _chain_udfs(frame: DataFrame) -> DataFrame:
    return frame.select("id", squashed(standardised(logged(in_thousands(clipped("income"))))).alias("score"))


def _chain_sql(frame: DataFrame) -> DataFrame:
    thousands = F.least(F.greatest(F.col("income"), F.lit(0.0)), F.lit(500_000.0)) / 1_000.0
    return frame.select("id", (1 / (1 + F.exp(-((F.log1p(thousands) - 3.5) / 1.2)))).alias("score"))


# Plain row-local UDFs, in the manner of Tuplex' flights job.


@F.udf(StringType())
def origin_city(code: str | None) -> str | None:
    names = {"EWR": "Newark", "JFK": "New York", "LGA": "New York"}
    return names.get(code) if code is not None else None


@F.udf(IntegerType())
def clock(minute: int | None) -> int | None:
    if minute is None:
        return None
    return minute // 60 * 100 + minute % 60


@F.udf(StringType())
def punctuality(delay: float | None) -> str:
    if delay is None:
        return "cancelled"
    if delay <= 0:
        return "early"
    if delay < 15:
        return "on time"
    if delay < 120:
        return "late"
    return "very late"


@F.udf(LongType())
def flight_key(day: int | None, flight: int | None) -> int | None:
    if day is None or flight is None:
        return None
    return day * 10_000 + flight


def _flight_udfs(frame: DataFrame) -> DataFrame:
    return frame.select(
        "id", origin_city("origin").alias("city"), clock("sched_dep_minute").alias("clock"),
        punctuality("dep_delay").alias("punctuality"), flight_key("day_of_year", "flight").alias("key"))  # fmt: skip


def _flight_sql(frame: DataFrame) -> DataFrame:
    minute, delay = F.col("sched_dep_minute"), F.col("dep_delay")
    city = F.when(F.col("origin") == "EWR", "Newark").when(F.col("origin").isin("JFK", "LGA"), "New York")
    word = (
        F.when(delay.isNull(), "cancelled").when(delay <= 0, "early").when(delay < 15, "on time")
        .when(delay < 120, "late").otherwise("very late")
    )  # fmt: skip
    hours = F.floor(minute / 60) * 100 + minute % 60
    return frame.select(
        "id", city.alias("city"), hours.cast("int").alias("clock"), word.alias("punctuality"),
        (F.col("day_of_year").cast("long") * 10_000 + F.col("flight")).alias("key"))  # fmt: skip


# A grouped aggregate.


@F.pandas_udf(DoubleType())
def delay_by_seats(delay: pd.Series, seats: pd.Series) -> float:
    return (delay * seats).sum() / seats.sum()


@F.pandas_udf(DoubleType())
def delay_spread(delay: pd.Series) -> float:
    return delay.max() - delay.min()


def _carrier_udfs(frame: DataFrame) -> DataFrame:
    return frame.groupBy("carrier").agg(
        delay_by_seats("dep_delay", "seats").alias("weighted"), delay_spread("dep_delay").alias("spread"))  # fmt: skip


def _carrier_sql(frame: DataFrame) -> DataFrame:
    delay, seats = F.col("dep_delay"), F.col("seats")
    return frame.groupBy("carrier").agg(
        (F.sum(delay * seats) / F.sum(seats)).alias("weighted"), (F.max(delay) - F.min(delay)).alias("spread"))  # fmt: skip


CASES: tuple[UdfCase, ...] = (
    UdfCase("zip_codes", "zips", _zip_udfs, _zip_sql, ("zip",)),
    UdfCase("titles", "titles", _title_udfs, _title_sql, ("characters", "words", "sized", "brand", "slug")),
    UdfCase("departures", "flights", _time_udfs, _time_sql, ("hour", "weekday", "month", "weekend", "season"),
            bounds={"season": Bound(4)}),
    UdfCase("tax", "incomes", _tax_udfs, _tax_sql, ("tax",)),
    UdfCase("chain", "incomes", _chain_udfs, _chain_sql, ("score",), bounds={"score": Bound(16)}),
    UdfCase("plain_udfs", "flights", _flight_udfs, _flight_sql, ("city", "clock", "punctuality", "key"), target=ROW_TARGET),
    # Each side adds in its own order: the distance is that of two correct sums of a million terms.
    UdfCase("carriers", "flights", _carrier_udfs, _carrier_sql, ("weighted", "spread"), keys=("carrier",),
            bounds={"weighted": Bound(4096), "spread": Bound(0)}),
)  # fmt: skip


def udf_case(name: str) -> UdfCase:
    """Returns the case of that name; KeyError when there is none."""
    return {case.name: case for case in CASES}[name]
