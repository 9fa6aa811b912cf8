"""Times Mozart's workloads as pandas UDFs in Spark, plugin off and on, after comparing all rows."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import annotation_cases as cases
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from progress import Progress
from pyspark import cloudpickle
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.functions import pandas_udf
from pyspark.sql.types import DoubleType, StringType

import sparkweld

# As if the job's own file defined the functions: pickled by value, because the workers cannot import these modules.
for _module in (sys.modules[__name__], cases):
    cloudpickle.register_pickle_by_value(_module)

Rows = Callable[[np.random.Generator, int], dict[str, Any]]


@dataclass(frozen=True)
class Workload:
    """A table and a query over it, whose result's first column is its sort key."""

    name: str
    rows: int
    make: Rows
    query: Callable[[DataFrame], DataFrame]


def _named(names: str, make: Callable[[np.random.Generator, int], tuple[Any, ...]]) -> Rows:
    return lambda rng, n: dict(zip(names.split(), make(rng, n), strict=True))


def _of_frame(make: Callable[[np.random.Generator, int], tuple[Any, ...]]) -> Rows:
    return lambda rng, n: dict(make(rng, n)[0])


@pandas_udf(DoubleType())
def call_price(price: pd.Series, strike: pd.Series, t: pd.Series, rate: pd.Series, vol: pd.Series) -> pd.Series:
    return cases._options_erf(price, strike, t, rate, vol)[0]


@pandas_udf(DoubleType())
def put_price(price: pd.Series, strike: pd.Series, t: pd.Series, rate: pd.Series, vol: pd.Series) -> pd.Series:
    return cases._options_erf(price, strike, t, rate, vol)[1]


@pandas_udf(DoubleType())
def tanh_price(price: pd.Series, strike: pd.Series, t: pd.Series, rate: pd.Series, vol: pd.Series) -> pd.Series:
    return cases._options_tanh(price, strike, t, rate, vol)[0]


@pandas_udf(DoubleType())
def distance(lat: pd.Series, lon: pd.Series) -> pd.Series:
    return cases.haversine(lat, lon)


def _force(axis: int) -> Any:
    def force(dx: pd.Series, dy: pd.Series, dz: pd.Series, mass: pd.Series) -> pd.Series:
        return cases.nbody(dx, dy, dz, mass)[axis]

    return pandas_udf(force, DoubleType())


@pandas_udf(DoubleType())
def index_of_crime(total: pd.Series, adult: pd.Series, robberies: pd.Series) -> pd.Series:
    index = (total * 1.0 + adult * 2.0 - robberies * 2000.0) / 100000.0
    return index.mask(index > 0.2, 0.32).mask(index < 0.01, 0.05)


@pandas_udf(StringType())
def cleaned(code: pd.Series) -> pd.Series:
    return cases.clean_zips(code)


@pandas_udf(DoubleType())
def share(births: pd.Series) -> pd.Series:
    return births / 4995.0


@pandas_udf(DoubleType())
def scaled(rating: pd.Series) -> pd.Series:
    return (rating - 5.5) / 4.5


@pandas_udf(DoubleType())
def term_weight(text: pd.Series) -> pd.Series:
    return cases.review_terms(text)


@pandas_udf(DoubleType())
def transformed(x: pd.Series, a: pd.Series, b: pd.Series) -> pd.Series:
    return cases.distributions(x, a, b)


def _movies(rng: np.random.Generator, n: int) -> dict[str, Any]:
    ratings, movies = cases._ratings(rng, n)
    return dict(ratings.merge(movies, on="movie"))


_OPTION = ("price", "strike", "t", "rate", "vol")
_FORCES = [_force(axis) for axis in range(3)]

WORKLOADS = (
    Workload(
        "black_scholes", 4_000_000, _named(" ".join(_OPTION), cases._options), lambda t: t.select("id", tanh_price(*_OPTION))
    ),
    Workload(
        "black_scholes_erf", 4_000_000, _named(" ".join(_OPTION), cases._options),
        lambda t: t.select("id", call_price(*_OPTION), put_price(*_OPTION)),
    ),
    Workload("haversine", 4_000_000, _named("lat lon", cases._places), lambda t: t.select("id", distance("lat", "lon"))),
    Workload(
        "nbody", 4_000_000, _named("dx dy dz mass", cases._pairs),
        lambda t: t.select("id", *(force("dx", "dy", "dz", "mass") for force in _FORCES)),
    ),
    Workload(
        "crime_index", 4_000_000, _of_frame(cases._cities),
        lambda t: t.filter("total > 5000").select("id", index_of_crime("total", "adult", "robberies")),
    ),
    Workload("data_cleaning", 2_000_000, _named("code", cases._zips), lambda t: t.select("id", cleaned("code"))),
    Workload(
        "births", 4_000_000, _of_frame(cases._births),
        lambda t: t.filter("year > 1950 AND births > 50").groupBy("year").agg(F.sum(share("births"))),
    ),
    Workload(
        "movielens", 4_000_000, _movies,
        lambda t: t.filter("rating > 0").groupBy("year").agg(F.avg(scaled("rating"))),
    ),
    Workload("review_terms", 400_000, _named("text", cases._reviews), lambda t: t.select("id", term_weight("text"))),
    Workload("distributions", 1_000_000, _named("x a b", cases._unit), lambda t: t.select("id", transformed("x", "a", "b"))),
)  # fmt: skip


def measure_mozart(spark: SparkSession, folder: Path, arguments: argparse.Namespace, progress: Progress) -> None:
    """Prints a table of all workloads.

    Raises RuntimeError where rows differ, or nothing ran in SparkWeld.
    """
    from annotations_spark import best, with_plugin

    print("| Mozart's workload in Spark | rows | runs as | plugin off | plugin on | on vs off |\n|---|---:|---|---:|---:|---:|")
    for workload in WORKLOADS:
        rows = int(workload.rows * arguments.scale)
        table = workload.make(np.random.default_rng(1), rows)
        query = workload.query(_written(spark, folder / f"{workload.name}.parquet", table))
        text = with_plugin(spark, "true", lambda query=query: sparkweld.explain(query.select("*")))
        how = "pipeline in Python" if "pipeline in Python" in text else "kernel in the JVM" if "compiled " in text else ""
        if not how:
            raise RuntimeError(f"{workload.name} runs as Spark planned it:\n{text}")
        _compare(workload, *(with_plugin(spark, e, lambda query=query: query.select("*").toPandas()) for e in ("false", "true")))
        seconds = best(spark, lambda query=query: query, arguments.repeats)
        factor = seconds["false"] / seconds["true"]
        times = f"{seconds['false']:.2f} s | {seconds['true']:.2f} s | {factor:.2f}x"
        print(f"| {workload.name} | {rows:,} | {how} | {times} |", flush=True)
        progress.say(f"Spark, {workload.name}: {factor:.2f}x")


def _written(spark: SparkSession, path: Path, columns: dict[str, Any]) -> DataFrame:
    rows = len(next(iter(columns.values())))
    pq.write_table(pa.table({"id": np.arange(rows), **columns}), path, row_group_size=max(1, rows // 4))
    return spark.read.parquet(str(path))


def _compare(workload: Workload, off: pd.DataFrame, on: pd.DataFrame) -> None:
    key = off.columns[0]
    off, on = (frame.sort_values(key, ignore_index=True) for frame in (off, on))
    for name in range(off.shape[1]):
        a, b = off.iloc[:, name], on.iloc[:, name]
        same = np.allclose(a, b, rtol=1e-9, atol=1e-12, equal_nan=True) if a.dtype.kind == "f" else a.equals(b)
        if not same:
            raise RuntimeError(f"{workload.name}: plugin on returns another {off.columns[name]}")
