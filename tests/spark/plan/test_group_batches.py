"""Compares aggregates over groups whose rows come from several files and frames, with the plugin off and on."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql import Window
from pyspark.sql import functions as F
from pyspark.sql.functions import pandas_udf
from pyspark.sql.types import DoubleType, LongType, StringType

from tests.helpers.batches import ONE_PARTITION, small_batches, with_nulls, write_files
from tests.helpers.differential import check
from tests.helpers.lines import CHECKED, LINE, differs_before
from tests.helpers.sampling import every_case


def columns(start: int, rows: int, nulls: tuple[int, ...]) -> dict[str, object]:
    ids = range(start, start + rows)
    return {
        "id": pa.array(ids, pa.int64()),
        "g": pa.array([n % 3 for n in ids], pa.int64()),
        "i": with_nulls([n % 7 for n in ids], nulls, pa.int32()),
        "b": with_nulls([n % 2 == 0 for n in ids], nulls, pa.bool_()),
        "s": pa.array(["aA"[n // 2 % 2] for n in ids]),
    }


@pytest.fixture(scope="module")
def table(spark, tmp_path_factory):
    """Returns a function that reads two files, the second of which has a NULL."""
    path = write_files(tmp_path_factory.mktemp("groups") / "two", [columns(0, 30, ()), columns(30, 20, (3,))])
    return lambda: spark.read.parquet(path)


@pandas_udf(LongType())
def total(v: pd.Series) -> int:
    return v.sum()


@pandas_udf(DoubleType())
def share(v: pd.Series) -> float:
    return v.mean()


@pandas_udf(LongType())
def first(v: pd.Series) -> int:
    return v.iloc[0]


FRAMES = {
    "running": lambda w: w,
    "rest": lambda w: w.rowsBetween(0, Window.unboundedFollowing),
}


@pytest.mark.gate_cases("running")
@pytest.mark.parametrize("frame", FRAMES)
def test_sums_of_booleans_over_frames(spark, table, frame):
    """pandas returns a bool for a one-row frame without NULL in a partition with one, so the results are objects."""
    window = FRAMES[frame](Window.partitionBy("g").orderBy("id"))
    query = lambda f: table().select("id", f("b").over(window).alias("r")).orderBy("id")  # noqa: E731
    check(spark, lambda: query(total), refused="SW102", conf=ONE_PARTITION)
    check(spark, lambda: query(share), rewritten=1, conf=ONE_PARTITION)


def test_sums_of_booleans_over_partitions(spark, table):
    window = Window.partitionBy("g")
    check(spark, lambda: table().select("id", total("b").over(window).alias("r")).orderBy("id"), rewritten=1)


@pytest.mark.sampled
def test_python_aggregates_above_see_the_order_of_rows(spark, table):
    """The first row of a group is that of the least key, because Python's aggregate below sorts its groups."""
    inner = lambda: table().groupBy("id", "g").agg(total("i").alias("n"))  # noqa: E731
    code = "SW392" if LINE < (4, 2) else None  # both group by group, in the same order
    check(spark, lambda: inner().groupBy("g").agg(first("n").alias("r")).orderBy("g"), refused=code, conf=CHECKED)
    window = Window.partitionBy("g")
    check(spark, lambda: inner().select("id", first("n").over(window).alias("r")).orderBy("id"), refused=code, conf=CHECKED)
    if every_case():
        check(spark, lambda: inner().groupBy("g").agg(total("n").alias("r")).orderBy("g"), rewritten=2, conf=CHECKED)


@differs_before((4, 0), "no collations")
def test_keys_that_are_equal_without_being_the_same(spark, table):
    """Which of several equal strings a group shows depends on the aggregation."""
    collated = lambda: table().select("i", F.expr("s collate UTF8_LCASE as c"))  # noqa: E731
    shown = F.expr("c collate UTF8_BINARY as c")
    check(spark, lambda: collated().groupBy("c").agg(total("i").alias("r")).select(shown, "r").orderBy("r"), refused="SW389")


@pandas_udf(LongType())
def doubled(v: pd.Series) -> pd.Series:
    return v * 2


@pandas_udf(StringType())
def batch_of(v: pd.Series) -> pd.Series:
    return pd.Series([f"{len(v)} rows of {v.dtype}"] * len(v))


batch_of = batch_of.asNondeterministic()  # so that Spark does not move it below a union


def test_python_above_a_union_of_kernels_sees_the_batches_of_spark(spark, table):
    """A union of kernels produces columns where Spark's produces rows, which Spark gathers across the batches of a scan."""
    conf = {**ONE_PARTITION, **small_batches(scan=7)}

    def query():
        united = table().select("id", doubled("i").alias("v")).union(table().select("id", doubled("g").alias("v")))
        return united.select("id", "v", batch_of("v").alias("seen")).orderBy("id", "v", "seen")

    check(spark, query, conf=conf)
