"""Compares results that do not fit their declared type where no conversion is checked, the default of Spark 4.0."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql import functions as F
from pyspark.sql.functions import pandas_udf
from pyspark.sql.types import ByteType, DoubleType, ShortType

from tests.helpers.differential import check
from tests.helpers.lines import LINE

ROWS = 30_000
UNCHECKED = {
    "spark.sql.execution.pandas.convertToArrowArraySafely": "false",
    "spark.sql.execution.arrow.maxRecordsPerBatch": "4000",
}


@pytest.fixture
def frame(parquet):
    """Returns whole numbers in the first third, numbers that wrap or are truncated in the second, and NULLs in the third."""
    at = np.arange(ROWS)
    second, third = at // 10_000 == 1, at // 10_000 == 2
    x = np.where(second, np.choose(at % 4, [2.5, -3e9, 1e20, 7.0]), at % 100)
    n = np.where(second, np.choose(at % 4, [300, 2**40 + 1, 2**53 + 1, -7]), at % 100)
    nulls = third & (at % 3 == 0)
    return parquet({"i": at, "x": pa.array(x, mask=nulls), "n": pa.array(n, pa.int64(), mask=nulls)})


def same(s: pd.Series) -> pd.Series:
    return s + 0


def halves(batches):
    for batch in batches:
        yield pd.DataFrame({"i": batch["i"], "h": batch["n"] // 2})


@pytest.mark.gate_cases("n-tinyint", "x-bigint")
@pytest.mark.parametrize("column, returns", [("x", "int"), ("x", "bigint"), ("x", "tinyint"), ("n", "tinyint"), ("n", "double")])
def test_scalar_functions(spark, frame, column, returns):
    function = pandas_udf(same, returns)
    for rows in (frame, frame.where("i % 5 <> 1")):
        deopt = True if column == "x" else None  # integers wrap in kernels, too, if no NULL makes floats of them
        what = check(spark, lambda rows=rows: rows.select("i", function(column).alias("r")), deopt=deopt, conf=UNCHECKED)
        assert what.kernel_batches


def test_maps(spark, frame):
    what = check(spark, lambda: frame.mapInPandas(halves, "i bigint, h smallint"), deopt=None, conf=UNCHECKED)
    assert what.kernel_batches


@pandas_udf(DoubleType())
def largest(s: pd.Series) -> float:
    return s.max()


@pandas_udf(ByteType())
def count(s: pd.Series) -> int:
    return s.count()


@pandas_udf(ShortType())
def rounded(s: pd.Series) -> int:
    return s.max()


def test_aggregates(spark, frame):
    groups = frame.groupBy((F.col("i") % 7).alias("k"))
    for function in (largest, count):  # the count wraps
        check(spark, lambda function=function: groups.agg(function("x")).orderBy("k"), conf=UNCHECKED, rewritten=1)
    how = {"deopt": True} if LINE >= (4, 2) else {"refused": "SW110"}  # from 4.2 on group by group, and each runs in Python
    check(spark, lambda: groups.agg(rounded("x")).orderBy("k"), conf=UNCHECKED, **how)
