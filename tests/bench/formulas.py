"""Defines four well-known formulas as benchmark cases: data, pandas UDFs as users write them, and Spark SQL.

Each case computes one function in two ways: `udfs` are scalar pandas UDFs, `sql` is the formula handwritten with Spark's
built-in expressions. A seeded generator draws the data, and all rows differ.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import DoubleType
from row_compare import Bound

RATE = 0.03
EARTH_RADIUS_KM = 6371.0088
BIG_CITY = 500_000
FEATURES = 30

Columns = dict[str, np.ndarray]


@dataclass(frozen=True)
class Formula:
    """One benchmark case.

    `draw(random, rows)` returns the input columns (float64). `udfs(frame)` and `sql(frame)` select `outputs` from a frame with
    these columns. `prepare` is the part of the query that all variants share (a filter, or nothing). `bound` is the permitted
    distance between plugin-on and plugin-off results. `sql_tolerance` is the relative and absolute distance to Spark SQL, whose
    functions come from another library.
    """

    name: str
    columns: tuple[str, ...]
    outputs: tuple[str, ...]
    draw: Callable[[np.random.Generator, int], Columns]
    prepare: Callable[[DataFrame], DataFrame]
    udfs: Callable[[DataFrame], dict[str, Column]]
    sql: Callable[[DataFrame], DataFrame]
    bound: Bound
    sql_tolerance: float


def _whole(frame: DataFrame) -> DataFrame:
    return frame


# Black-Scholes: European call and put, normal distribution by Abramowitz and Stegun 26.2.17.


def normal_cdf(x: pd.Series) -> pd.Series:
    t = 1 / (1 + 0.2316419 * np.abs(x))
    poly = t * (0.319381530 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))))
    upper = np.exp(-x * x / 2) / np.sqrt(2 * np.pi) * poly
    return np.where(x >= 0, 1 - upper, upper)


def call_price(price: pd.Series, strike: pd.Series, years: pd.Series, volatility: pd.Series) -> pd.Series:
    spread = volatility * np.sqrt(years)
    d1 = (np.log(price / strike) + (RATE + volatility * volatility / 2) * years) / spread
    return price * normal_cdf(d1) - strike * np.exp(-RATE * years) * normal_cdf(d1 - spread)


def put_price(price: pd.Series, strike: pd.Series, years: pd.Series, volatility: pd.Series) -> pd.Series:
    spread = volatility * np.sqrt(years)
    d1 = (np.log(price / strike) + (RATE + volatility * volatility / 2) * years) / spread
    return strike * np.exp(-RATE * years) * normal_cdf(spread - d1) - price * normal_cdf(-d1)


def _draw_options(random: np.random.Generator, rows: int) -> Columns:
    price = random.uniform(10, 500, rows)
    strike = price * random.uniform(0.6, 1.6, rows)
    return {"price": price, "strike": strike, "years": random.uniform(0.05, 5, rows),
            "volatility": random.uniform(0.05, 0.9, rows)}


def _options_udfs(frame: DataFrame) -> dict[str, Column]:
    columns = ("price", "strike", "years", "volatility")
    return {"call": _udf(call_price)(*columns), "put": _udf(put_price)(*columns)}


def _cdf_sql(x: Column) -> Column:
    t = 1 / (1 + F.lit(0.2316419) * F.abs(x))
    poly = t * (0.319381530 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))))
    upper = F.exp(-x * x / 2) * float(1 / np.sqrt(2 * np.pi)) * poly
    return F.when(x >= 0, 1 - upper).otherwise(upper)


def _options_sql(frame: DataFrame) -> DataFrame:
    # Later steps use each step several times; Spark keeps such projections separate, so that nothing is computed twice.
    price, strike, years, volatility = (F.col(c) for c in ("price", "strike", "years", "volatility"))
    spread = frame.select("*", (volatility * F.sqrt(years)).alias("spread"),
                          (strike * F.exp(-RATE * years)).alias("owed"))
    drift = (RATE + volatility * volatility / 2) * years
    d1 = spread.select("*", ((F.ln(price / strike) + drift) / F.col("spread")).alias("d1"))
    d2 = d1.select("*", (F.col("d1") - F.col("spread")).alias("d2"))
    n1n2 = d2.select("price", "owed", _cdf_sql(F.col("d1")).alias("n1"), _cdf_sql(F.col("d2")).alias("n2"))
    call = F.col("price") * F.col("n1") - F.col("owed") * F.col("n2")
    return n1n2.select(call.alias("call"), (call - F.col("price") + F.col("owed")).alias("put"))


# Haversine: kilometres between two points.


def haversine_km(lat: pd.Series, lon: pd.Series, to_lat: pd.Series, to_lon: pd.Series) -> pd.Series:
    lat, lon, to_lat, to_lon = np.radians(lat), np.radians(lon), np.radians(to_lat), np.radians(to_lon)
    half = np.sin((to_lat - lat) / 2) ** 2 + np.cos(lat) * np.cos(to_lat) * np.sin((to_lon - lon) / 2) ** 2
    return 2 * EARTH_RADIUS_KM * np.arcsin(np.sqrt(half))


def _draw_places(random: np.random.Generator, rows: int) -> Columns:
    return {"lat": random.uniform(-60, 70, rows), "lon": random.uniform(-180, 180, rows),
            "to_lat": random.uniform(-60, 70, rows), "to_lon": random.uniform(-180, 180, rows)}


def _places_udfs(frame: DataFrame) -> dict[str, Column]:
    return {"km": _udf(haversine_km)("lat", "lon", "to_lat", "to_lon")}


def _places_sql(frame: DataFrame) -> DataFrame:
    lat, lon, to_lat, to_lon = (F.radians(c) for c in ("lat", "lon", "to_lat", "to_lon"))
    radians = frame.select(lat.alias("a"), to_lat.alias("b"), ((to_lat - lat) / 2).alias("down"),
                           ((to_lon - lon) / 2).alias("along"))
    sines = radians.select("a", "b", F.sin("down").alias("down"), F.sin("along").alias("along"))
    down, along = F.col("down"), F.col("along")
    half = down * down + F.cos("a") * F.cos("b") * along * along
    return sines.select((2 * EARTH_RADIUS_KM * F.asin(F.sqrt(half))).alias("km"))


# Crime index: of the big cities, a weighted sum, then its outliers flattened.


def crime_index(population: pd.Series, adults: pd.Series, robberies: pd.Series) -> pd.Series:
    weights = np.array([1.0, 2.0, -2000.0])
    index = np.column_stack([population, adults, robberies]) @ weights / 100_000.0
    index = np.where(index > 0.02, 0.032, index)
    return pd.Series(np.where(index < 0.01, 0.005, index))


def _draw_cities(random: np.random.Generator, rows: int) -> Columns:
    population = random.lognormal(np.log(BIG_CITY), 1.0, rows)
    adults = population * random.uniform(0.6, 0.85, rows)
    # The sum lies around zero, so that all three branches are taken.
    robberies = (population + 2 * adults) / 2000 + random.normal(-0.75, 0.4, rows)
    return {"population": population, "adults": adults, "robberies": robberies}


def _big_cities(frame: DataFrame) -> DataFrame:
    return frame.where(F.col("population") > BIG_CITY)


def _cities_udfs(frame: DataFrame) -> dict[str, Column]:
    return {"index": _udf(crime_index)("population", "adults", "robberies")}


def _cities_sql(frame: DataFrame) -> DataFrame:
    weighted = F.col("population") + F.col("adults") * 2.0 + F.col("robberies") * -2000.0
    sums = frame.select((weighted / 100_000.0).alias("sum"))
    total = F.col("sum")
    return sums.select(F.when(total > 0.02, 0.032).when(total < 0.01, 0.005).otherwise(total).alias("index"))


# A logistic score over 30 columns.


def _weights() -> tuple[np.ndarray, float]:
    random = np.random.default_rng(30)
    return random.normal(0, 0.4, FEATURES), -0.3


def _score_columns() -> tuple[str, ...]:
    return tuple(f"x{i}" for i in range(FEATURES))


def _logistic(weights: np.ndarray, intercept: float) -> Callable[..., pd.Series]:
    def logistic_score(*features: pd.Series) -> pd.Series:
        return pd.Series(1 / (1 + np.exp(-(np.column_stack(features) @ weights + intercept))))

    return logistic_score


def _draw_features(random: np.random.Generator, rows: int) -> Columns:
    return {name: random.normal(0, 1, rows) for name in _score_columns()}


def _score_udfs(frame: DataFrame) -> dict[str, Column]:
    return {"score": _udf(_logistic(*_weights()))(*_score_columns())}


def _score_sql(frame: DataFrame) -> DataFrame:
    weights, intercept = _weights()
    total = F.lit(float(intercept))
    for name, weight in zip(_score_columns(), weights, strict=True):
        total = total + F.col(name) * float(weight)
    return frame.select((1 / (1 + F.exp(-total))).alias("score"))


def _udf(function: Callable[..., Any]) -> Any:
    return F.pandas_udf(function, DoubleType())


FORMULAS: tuple[Formula, ...] = (
    # A price far out of the money is a difference of near equals, and asin is steep between opposite points of the globe.
    # There a one-ULP error in a term exceeds one ULP in the result, so an absolute bound is needed.
    Formula("black_scholes", ("price", "strike", "years", "volatility"), ("call", "put"), _draw_options, _whole,
            _options_udfs, _options_sql, Bound(16, absolute=1e-11), 1e-9),
    Formula("haversine", ("lat", "lon", "to_lat", "to_lon"), ("km",), _draw_places, _whole, _places_udfs, _places_sql,
            Bound(16, absolute=1e-7), 1e-9),
    Formula("crime_index", ("population", "adults", "robberies"), ("index",), _draw_cities, _big_cities, _cities_udfs,
            _cities_sql, Bound(16, absolute=1e-12), 1e-9),
    Formula("logistic30", _score_columns(), ("score",), _draw_features, _whole, _score_udfs, _score_sql,
            Bound(64, absolute=1e-15), 1e-9),
)


def formula(name: str) -> Formula:
    """Returns the case of that name; KeyError when there is none."""
    return {case.name: case for case in FORMULAS}[name]


def shifted_score(constant: float) -> Any:
    """Returns a UDF of two columns that closes over `constant`: each constant is another function to compile."""

    def score(price: pd.Series, strike: pd.Series) -> pd.Series:
        return 1 / (1 + np.exp(-(price - strike) / constant))

    return _udf(score)
