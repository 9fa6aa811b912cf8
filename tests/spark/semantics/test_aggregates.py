"""Compares grouped aggregate and window UDFs with the plugin off and on, after PySpark's own suites."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql import Window
from pyspark.sql import functions as F
from pyspark.sql.functions import pandas_udf, udf
from pyspark.sql.types import DoubleType, LongType, StringType

from tests.helpers.lines import LINE
from tests.helpers.semantics import Case, a_third, check_cases

ROWS = 60


@pytest.fixture
def frame(parquet):
    at = np.arange(ROWS)
    v = pa.array(at * 0.5, mask=at % 11 == 5)
    return parquet(
        {
            "id": at % 4,
            "v": v,
            "w": pa.array(np.full(ROWS, 2.0)),
            "n": pa.array(at, pa.int64()),
            "g": pa.array([None if i % 9 == 0 else i % 3 for i in at]),
        }
    )


@pandas_udf(DoubleType())
def total(v: pd.Series) -> float:
    return v.sum()


@pandas_udf(DoubleType())
def mean(v: pd.Series) -> float:
    return v.mean()


@pandas_udf(DoubleType())
def weighted(v: pd.Series, w: pd.Series) -> float:
    return np.average(v, weights=w)


@pandas_udf(LongType())
def count(v: pd.Series) -> int:
    return len(v)


@pandas_udf(DoubleType())
def largest(v: pd.Series) -> float:
    return v.max()


@pandas_udf(StringType())
def shown(v: pd.Series) -> str:
    return str(v.count())


@pandas_udf(DoubleType())
def plus_two(v: pd.Series) -> pd.Series:
    return v + 2


plus_one = udf(lambda v: None if v is None else float(v + 1), DoubleType(), useArrow=True)


def wide():
    return Window.partitionBy("id")


def sliding():
    return Window.partitionBy("id").orderBy("n").rowsBetween(-2, 1)


GROUPED = [
    Case("sum and mean", lambda t: t.groupBy("id").agg(total("v"), mean("v")).orderBy("id")),
    Case("a weighted mean", lambda t: t.where("v is not null").groupBy("id").agg(weighted("v", "w")).orderBy("id")),
    Case("within SQL", lambda t: t.groupBy("id").agg((total(F.col("v") + 1) + 2).alias("r")).orderBy("id")),
    Case("by an expression", lambda t: t.groupBy((F.col("id") + 1).alias("k")).agg(mean("v")).orderBy("k")),
    Case("by two", lambda t: t.groupBy("id", F.expr("n % 2").alias("k")).agg(total("v")).orderBy("id", "k")),
    Case("by a column with NULLs", lambda t: t.groupBy("g").agg(count("v"), total("n")).orderBy("g"), runs=None),
    Case("by nothing", lambda t: t.groupBy().agg(total("v"), count("v"))),
    Case("no rows", lambda t: t.where("n < 0").groupBy().agg(total("v"))),
    Case("of a plain UDF", lambda t: t.groupBy("id").agg(total(plus_one("v"))).orderBy("id"), runs=None),
    Case("of a pandas UDF", lambda t: t.groupBy("id").agg(total(plus_two("v"))).orderBy("id")),
    Case(
        "below a plain UDF",
        lambda t: t.groupBy("id").agg(plus_one(total("v"))).orderBy("id"),
        runs=None,
        refused="SW114" if LINE < (4, 1) else None,  # a plain UDF over Arrow
    ),
    Case("by a pandas UDF", lambda t: t.groupBy(plus_two("id").alias("k")).agg(total("v")).orderBy("k")),
    Case("by name", lambda t: t.where("v is not null").groupBy("id").agg(total(v=F.col("v"))).orderBy("id"), since=(4, 0)),
    Case(
        "a result of another type",
        lambda t: t.groupBy("id").agg(shown("v")).orderBy("id"),
        refused="SW259" if LINE < (4, 2) else None,  # which runs whole groups
    ),
]
WINDOWS = [
    Case("all of a partition", lambda t: t.select("n", mean("v").over(wide()), largest("v").over(wide())).orderBy("n")),
    Case("sliding", lambda t: t.select("n", mean("v").over(sliding())).orderBy("n")),
    Case("over what a UDF makes", lambda t: t.withColumn("p", plus_two("v")).select("n", F.max("p").over(wide())).orderBy("n")),
    Case("below a UDF", lambda t: t.select("n", plus_two(F.avg("v").over(sliding())).alias("r")).orderBy("n")),
]


@pytest.mark.sampled
def test_grouped_aggregates(spark, frame):
    check_cases(spark, frame, a_third(GROUPED))


@pytest.mark.nightly("tests/spark/rules/test_aggregates.py::test_windows")
def test_windows(spark, frame):
    check_cases(spark, frame, WINDOWS)
