"""Scores a table of flights and writes a Parquet table of those that will probably arrive late.

An ordinary PySpark job. Pandas UDFs derive distance, speed and cyclic time features, and a fitted logistic model scores each
flight. Flights that are likely to be late are filtered and written.
    spark-submit jobs/score_flights.py --flights DIR --weights weights.json --output DIR
"""

import argparse
import json
from typing import Any

import numpy as np
import pandas as pd
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import DoubleType

EARTH_RADIUS_KM = 6371.0088


@F.pandas_udf(DoubleType())
def haversine_km(lat: pd.Series, lon: pd.Series, to_lat: pd.Series, to_lon: pd.Series) -> pd.Series:
    lat, lon, to_lat, to_lon = np.radians(lat), np.radians(lon), np.radians(to_lat), np.radians(to_lon)
    half = np.sin((to_lat - lat) / 2) ** 2 + np.cos(lat) * np.cos(to_lat) * np.sin((to_lon - lon) / 2) ** 2
    return 2 * EARTH_RADIUS_KM * np.arcsin(np.sqrt(half))


@F.pandas_udf(DoubleType())
def speed_kmh(km: pd.Series, air_minutes: pd.Series) -> pd.Series:
    return km / (air_minutes / 60)


@F.pandas_udf(DoubleType())
def cycle_sin(turns: pd.Series) -> pd.Series:
    return np.sin(2 * np.pi * turns)


@F.pandas_udf(DoubleType())
def cycle_cos(turns: pd.Series) -> pd.Series:
    return np.cos(2 * np.pi * turns)


def late_probability(model: dict[str, Any]) -> Any:
    """Returns a UDF that scores rows: missing features count as the fitted mean, a missing delay as none."""
    mean, scale = np.array(model["mean"]), np.array(model["scale"])
    weights, intercept = np.array(model["weights"]), float(model["intercept"])

    @F.pandas_udf(DoubleType())
    def score(
        delay: pd.Series, km: pd.Series, speed: pd.Series, seats: pd.Series, *time: pd.Series
    ) -> pd.Series:
        delay, slow = delay.fillna(0.0), np.where(speed < 500, 1.0, 0.0)
        known = [km.fillna(mean[2]), speed.fillna(mean[3]), slow, seats.fillna(mean[5])]
        x = np.column_stack([delay.clip(-30, 180), np.sqrt(np.maximum(delay, 0.0)), *known, *time])
        return pd.Series(1 / (1 + np.exp(-(((x - mean) / scale) @ weights + intercept))))

    return score


def score_flights(flights: DataFrame, model: dict[str, Any], threshold: float) -> DataFrame:
    score, time = late_probability(model), ["minute_sin", "minute_cos", "day_sin", "day_cos"]
    minute, day = F.col("sched_dep_minute") / 1440, F.col("day_of_year") / 365
    return (
        flights.withColumn("distance_km", haversine_km("origin_lat", "origin_lon", "dest_lat", "dest_lon"))
        .withColumn("speed_kmh", speed_kmh("distance_km", "air_time"))
        .withColumns({"minute_sin": cycle_sin(minute), "minute_cos": cycle_cos(minute)})
        .withColumns({"day_sin": cycle_sin(day), "day_cos": cycle_cos(day)})
        .withColumn("late_probability", score("dep_delay", "distance_km", "speed_kmh", "seats", *time))
        .where(F.col("late_probability") >= threshold)
        .drop("origin_lat", "origin_lon", "dest_lat", "dest_lon")
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Score flights by their probability of arriving late.")
    parser.add_argument("--flights", required=True, help="folder of Parquet files with flights")
    parser.add_argument("--weights", required=True, help="JSON file with mean, scale, weights and intercept")
    parser.add_argument("--output", required=True, help="folder to write the scored flights to")
    parser.add_argument("--threshold", type=float, default=0.2, help="lowest probability to keep")
    args = parser.parse_args()
    with open(args.weights, encoding="utf-8") as file:
        model = json.load(file)
    spark = SparkSession.builder.appName("score flights").getOrCreate()
    spark.sparkContext.setLogLevel("WARN")
    late = score_flights(spark.read.parquet(args.flights), model, args.threshold)
    late.write.mode("overwrite").parquet(args.output)
    written = spark.read.parquet(args.output)
    print(f"{written.count():,} flights will be late with a probability of {args.threshold} or more; the top 20:")
    shown = ["flight_date", "carrier", "flight", "dest", "dep_delay", "speed_kmh", "late_probability"]
    written.orderBy(F.desc("late_probability"), "flight_id").select(*shown).show(20)
    spark.stop()


if __name__ == "__main__":
    main()
