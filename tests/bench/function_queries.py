"""Defines a query with sixty Python functions, new ones each time, whose planning compiles them."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pandas as pd
import plain_queries
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql.functions import pandas_udf, udf

FUNCTIONS = 60
_new = itertools.count(1)


def _delay(k: int) -> Column:
    return udf(lambda x, y: x * k + y if x > k else y - x, "double")("dep_delay", "air_time")


def _share(k: int) -> Column:
    @pandas_udf("double")
    def share(x: pd.Series, y: pd.Series) -> pd.Series:
        return (x * k + y).clip(0, 100) / (k + 2)

    return share("dep_delay", "air_time")


def _name(k: int) -> Column:
    return udf(lambda s: s.strip().upper()[: k % 9 + 1] + str(k) if s else None, "string")("carrier")


def _code(k: int) -> Column:
    return udf(lambda s: {"JFK": k, "LGA": 2 * k}.get(s, -k), "long")("origin")


_KINDS: tuple[Callable[[int], Any], ...] = (_delay, _share, _name, _code)


def sixty_functions(spark: SparkSession, folder: str) -> DataFrame:
    flights = spark.read.schema(plain_queries.SCHEMA).parquet(folder)
    return flights.select("flight_id", *(_KINDS[i % len(_KINDS)](next(_new)).alias(f"f{i}") for i in range(FUNCTIONS)))


QUERIES: dict[str, Callable[[SparkSession, str], DataFrame]] = {"60 new functions": sixty_functions}
