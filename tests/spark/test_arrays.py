"""Columns of arrays into kernels and out of them, however Spark holds them: plugin off and on."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from pyspark.sql import functions as F
from pyspark.sql.functions import udf
from pyspark.sql.types import DoubleType, IntegerType

from tests.helpers.differential import check

ON_HEAP = {"spark.sql.columnVector.offheap.enabled": "false"}
OFF_HEAP = {"spark.sql.columnVector.offheap.enabled": "true"}
ELEMENTS = {
    "boolean": pa.bool_(), "tinyint": pa.int8(), "smallint": pa.int16(), "int": pa.int32(), "bigint": pa.int64(),
    "float": pa.float32(), "double": pa.float64(),
}  # fmt: skip


def lists(type_: pa.DataType, rows: int, nulls: bool = True, longest: int = 9, seed: int = 3) -> pa.Array:
    """Arrays of lengths up to `longest`, some empty, some NULL; NaN and infinity among floats."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(0, longest + 1, rows)
    total = int(lengths.sum())
    if pa.types.is_boolean(type_):
        values = rng.random(total) < 0.5
    elif pa.types.is_floating(type_):
        values = rng.choice([0.5, -0.0, 1.5, -2.25, 1e10, np.nan, np.inf, 0.1], total)
    else:
        values = rng.integers(-100, 100, total)
    ends = np.concatenate([[0], np.cumsum(lengths)])
    made = [values[a:b].tolist() for a, b in zip(ends[:-1], ends[1:], strict=True)]
    missing = rng.random(rows) < 0.1 if nulls else np.zeros(rows, bool)
    return pa.array([None if gone else items for gone, items in zip(missing, made, strict=True)], pa.list_(type_))


@udf(IntegerType())
def size(xs):
    return -1 if xs is None else len(xs)


@udf(DoubleType())
def total(xs):
    if xs is None:
        return None
    found = 0.0
    for x in xs:
        found += x
    return found


@pytest.mark.parametrize("conf", [ON_HEAP, OFF_HEAP], ids=["on-heap", "off-heap"])
@pytest.mark.parametrize("dictionary", [True, False], ids=["dictionary", "plain"])
def test_parquet(spark, parquet, conf, dictionary):
    columns = {name: lists(type_, 6000) for name, type_ in ELEMENTS.items()}
    frame = parquet({"id": np.arange(6000), **columns}, dictionary=dictionary, row_group_size=2500)
    query = lambda: frame.select("id", *(f(c).alias(f"{c}{i}") for c in columns for i, f in enumerate((size, total))))  # noqa: E731
    check(spark, query, conf=conf)


def test_rows_filters_and_caches(spark, parquet):
    frame = parquet({"id": np.arange(3000), "xs": lists(pa.float64(), 3000)})
    shuffled = frame.repartition(2, "id").sortWithinPartitions("id")
    check(spark, lambda: shuffled.select("id", size("xs"), total("xs")).orderBy("id"))
    check(spark, lambda: frame.filter(F.col("xs").isNotNull() & (F.col("id") > 100)).select("id", "xs", total("xs")))
    check(spark, lambda: frame.select("id", total("xs").alias("t"), "xs").filter(F.col("t") > 1.0))


def test_elements_that_are_null_go_to_python(spark, parquet):
    made = pa.array([[1.0, 2.0], None, [], [3.0, None], [None]] * 10, pa.list_(pa.float64()))
    frame = parquet({"xs": made})
    check(spark, lambda: frame.select(size("xs")), deopt=True)
    good = frame.filter(~F.exists("xs", lambda x: x.isNull()))
    check(spark, lambda: good.select(size("xs"), total("xs")))


def test_long_arrays_and_no_rows(spark, parquet):
    frame = parquet({"xs": pa.array([[0.1] * 100_000, [], [1e16, 1.0, -1e16] * 1000], pa.list_(pa.float64()))})
    compensated = udf(lambda xs: sum(xs), "double")
    check(spark, lambda: frame.select(size("xs"), total("xs"), compensated("xs")))
    check(spark, lambda: frame.filter("size(xs) > 1000000").select(size("xs")), deopt=None)


def test_errors_are_those_of_python(spark, parquet):
    frame = parquet({"xs": lists(pa.int32(), 500, nulls=False)})
    third = udf(lambda xs: xs[2], "int")
    check(spark, lambda: frame.select(third("xs")), deopt=True)
    check(spark, lambda: frame.filter("size(xs) > 2").select(third("xs")))


def test_what_kernels_do_not_hold_is_refused(spark, parquet):
    frame = parquet({"s": pa.array([["a"], [], None]), "n": pa.array([[[1]], [], None], pa.list_(pa.list_(pa.int32())))})
    check(spark, lambda: frame.select(size("s")), refused="SW101")
    check(spark, lambda: frame.select(size("n")), refused="SW101")
