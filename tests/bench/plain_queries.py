"""Defines queries without UDFs over the flights' Parquet, whose planning the plugin must not slow down."""

from __future__ import annotations

from collections.abc import Callable

from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as F


def filter_project(spark: SparkSession, folder: str) -> DataFrame:
    flights = spark.read.schema(SCHEMA).parquet(folder)
    return flights.where((F.col("dep_delay") > 15) & (F.col("origin") == "JFK")).select("flight_id", "dest", "air_time")


def aggregate(spark: SparkSession, folder: str) -> DataFrame:
    flights = spark.read.schema(SCHEMA).parquet(folder)
    delays = flights.groupBy("carrier", "dest").agg(F.avg("dep_delay").alias("delay"), F.count("*").alias("flights"))
    return delays.where("flights > 100").orderBy(F.desc("delay"))


def joins(spark: SparkSession, folder: str) -> DataFrame:
    flights = spark.read.schema(SCHEMA).parquet(folder)
    hubs = flights.groupBy("origin").agg(F.count("*").alias("departures"))
    days = flights.groupBy("day_of_year").agg(F.avg("dep_delay").alias("day_delay"))
    carriers = flights.groupBy("carrier").agg(F.avg("air_time").alias("carrier_time"))
    joined = flights.join(hubs, "origin").join(days, "day_of_year").join(carriers, "carrier")
    late = joined.where("dep_delay > day_delay")
    return late.groupBy("origin", "carrier").agg(F.sum("air_time"), F.max("departures"))


def window(spark: SparkSession, folder: str) -> DataFrame:
    flights = spark.read.schema(SCHEMA).parquet(folder)
    order = Window.partitionBy("dest").orderBy(F.desc("dep_delay"))
    return flights.withColumn("place", F.row_number().over(order)).where("place <= 10")


def wide(spark: SparkSession, folder: str) -> DataFrame:
    flights = spark.read.schema(SCHEMA).parquet(folder)
    computed = [(F.col("dep_delay") * i + F.col("air_time")).alias(f"c{i}") for i in range(200)]
    return flights.select("flight_id", *computed)


# Declared, so that the timed part plans and does not read Parquet footers.
SCHEMA = ("flight_id bigint, carrier string, origin string, dest string, day_of_year int, dep_delay double, "
          "air_time double")

QUERIES: dict[str, Callable[[SparkSession, str], DataFrame]] = {
    "filter and project": filter_project,
    "aggregate and sort": aggregate,
    "three joins": joins,
    "window": window,
    "200 columns": wide,
}
