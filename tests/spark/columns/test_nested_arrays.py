"""Compares arrays in Arrow UDFs and as struct fields, with the plugin off and on."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from pyspark.sql import functions as F
from pyspark.sql.functions import pandas_udf, udf
from pyspark.sql.types import ArrayType, DoubleType, IntegerType

from tests.helpers.differential import check
from tests.helpers.lines import arrow_udf
from tests.helpers.sampling import every_case
from tests.spark.columns.test_arrays import lists


@arrow_udf(ArrayType(DoubleType()))
def heads(a: pa.Array) -> pa.Array:
    return pc.list_slice(a, 0, 2)


@arrow_udf(ArrayType(DoubleType()))
def same(a: pa.Array) -> pa.Array:
    return a


@arrow_udf(IntegerType())
def sizes(a: pa.Array) -> pa.Array:
    return pc.fill_null(pc.list_value_length(a), -1)


@arrow_udf(DoubleType())
def first(a: pa.Array) -> pa.Array:
    return pc.list_element(a, 0)


@pytest.mark.sampled
def test_arrow_udfs_of_arrays(spark, parquet):
    frame = parquet({"id": np.arange(3000), "xs": lists(pa.float64(), 3000)}, row_group_size=1500)
    check(spark, lambda: frame.select("id", heads("xs"), same("xs"), sizes("xs")))
    if every_case():
        check(spark, lambda: frame.select("id", F.size(heads("xs")).alias("n")).filter("n > 1"))
    check(spark, lambda: frame.select(first("xs")), deopt=True)  # some have no element, and pyarrow raises
    if every_case():
        check(spark, lambda: frame.filter("size(xs) > 0").select("id", first("xs")))
    incomplete = parquet({"xs": pa.array([[1.0, None], [2.0]] * 20, pa.list_(pa.float64()))}, name="incomplete")
    check(spark, lambda: incomplete.select(same("xs"), sizes("xs")), deopt=True)


def test_batches_of_arrays(spark, parquet):
    def longer(batches):
        for batch in batches:
            yield batch.append_column("n", pc.list_value_length(batch.column("xs")))

    frame = parquet({"id": np.arange(2000), "xs": lists(pa.int32(), 2000)})
    check(spark, lambda: frame.mapInArrow(longer, "id long, xs array<int>, n int"))


def test_structs_with_arrays(spark, parquet):
    @pandas_udf(DoubleType())
    def total(s: pd.DataFrame) -> pd.Series:
        return s["xs"].map(lambda v: float(len(v))) + s["k"]

    @udf("double")
    def plain(row):
        return sum(row.xs) + row.k

    @udf("double", useArrow=False)
    def pickled(row):
        return sum(row["xs"]) + row["k"]

    frame = parquet({"k": np.arange(2000), "xs": lists(pa.float64(), 2000, nulls=False)})
    made = frame.select("k", F.struct("xs", "k").alias("s"))
    check(spark, lambda: made.select("k", total("s"), plain("s"), pickled("s")))
    ints = parquet({"k": np.arange(2000), "xs": lists(pa.int32(), 2000, nulls=False)}, name="i")
    check(spark, lambda: ints.select("k", total(F.struct("xs", "k"))))
