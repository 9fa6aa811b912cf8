"""Checks that functions that read other rows of their batch see exactly the batches of Spark.

Two files share one partition, and scan batches are smaller than the Arrow batches that Spark makes of rows.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql import functions as F
from pyspark.sql.functions import pandas_udf, udf
from pyspark.sql.types import BooleanType, DoubleType, LongType, StructField, StructType

from tests.helpers import differential
from tests.helpers.batches import ONE_PARTITION, small_batches, with_nulls, write_files
from tests.helpers.lines import differs_before

FIRST, SECOND = 1000, 700
CONF = {**ONE_PARTITION, **small_batches(scan=128, records=400), "spark.sparkweld.backend": "native"}


def columns(start: int, rows: int, nulls: tuple[int, ...]) -> dict[str, object]:
    ids = range(start, start + rows)
    return {
        "id": pa.array(ids, pa.int64()),
        "x": with_nulls([n * 37 % 101 for n in ids], nulls, pa.int64()),
        "v": with_nulls([(n * 53 % 997) / 7 for n in ids], nulls, pa.float64()),
        "same": pa.array([1.0 if n < 500 else n / 3 for n in ids]),
        "s": with_nulls([f"t{n % 90}" for n in ids], list(range(700)) if start == 0 else nulls),
    }


@pytest.fixture(scope="module")
def table(spark, tmp_path_factory):
    """Returns a function that reads the two files."""
    path = write_files(tmp_path_factory.mktemp("whole") / "two", [columns(0, FIRST, ()), columns(FIRST, SECOND, (3, 90))])
    return lambda: spark.read.parquet(path)


def check(spark, query, conf=(), **expected):
    """Checks that off and on agree and that the second run reached a kernel; returns its plan."""
    conf = {**CONF, **dict(conf)}
    differential.check(spark, query, conf=conf, **{"deopt": False, **expected})
    with differential.session_conf(spark, conf):
        return str(query()._jdf.queryExecution().executedPlan().toString())


@pandas_udf(DoubleType())
def centred(v: pd.Series) -> pd.Series:
    deviation = v - v.mean()
    return deviation / v.std(ddof=0)


@pandas_udf(DoubleType())
def filled(v: pd.Series) -> pd.Series:
    return v.fillna(v.median())


@pandas_udf(DoubleType())
def place(x: pd.Series) -> pd.Series:
    return x.rank(method="dense")


@pandas_udf(LongType())
def running(x: pd.Series) -> pd.Series:
    return x.fillna(0).astype("int64").cumsum()


@pandas_udf(BooleanType())
def repeated(s: pd.Series) -> pd.Series:
    return s.duplicated()


@pandas_udf(DoubleType())
def scaled(v: pd.Series) -> pd.Series:
    spread = v.max() - v.min()
    if spread == 0:
        return v * 0.0 - 1.0
    return (v - v.min()) / spread


@pandas_udf(DoubleType())
def half(v: pd.Series) -> pd.Series:
    return v * 0.5


@pandas_udf(DoubleType())
def share(p: pd.Series, v: pd.Series) -> pd.Series:
    return p / p.max() + v.fillna(0)


@pandas_udf(StructType([StructField("low", DoubleType()), StructField("place", DoubleType())]))
def both(f: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"low": f["v"] - f["v"].min(), "place": f["x"].rank()})


@udf(DoubleType())
def noted(x):
    if x == 50:
        print("fifty")
    return None if x is None else x / 4


ABOVE_ROWS = {
    "a filter": lambda t: t.where("id <> 7").select("id", centred("v")),
    "a filter that drops the NULLs": lambda t: t.where("v is not null").select("id", centred("v"), place("x")),
    "several functions": lambda t: t.where("id <> 7").select(
        "id", centred("v"), filled("v"), place("x"), running("x"), repeated("s")),
    "a struct": lambda t: t.where("id <> 7").select("id", both(F.struct("v", "x"))),
    "a sort": lambda t: t.repartition(1).sortWithinPartitions("id").select("id", running("x")),
    "a union": lambda t: t.union(t).coalesce(1).select("id", place("x")),
    "a join": lambda t: t.join(F.broadcast(t.selectExpr("id as k")), F.expr("id = k")).select("id", centred("v")),
    "a limit": lambda t: t.limit(1300).select("id", centred("v")),
    "a function of rows": lambda t: t.select("id", half("v").alias("w")).where("w > 1").select("id", centred("w")),
    "one another": lambda t: t.where("id <> 7").select("id", centred("v").alias("w")).where("w > -1").select(
        "id", "w", place("w")),
    "results of others": lambda t: t.where("id <> 7").select("id", share(share(place("x"), "v"), "v"), half(place("x"))),
    "a filter, and below one": lambda t: t.where("id <> 7").select("id", centred("v").alias("w")).where("w > 0.5"),
    "a filter, and below an aggregate": lambda t: t.where("id <> 7").select(
        (F.col("id") % 3).alias("k"), place("x").alias("w")).groupBy("k").agg(F.sum("w"), F.count("w")),
    "a filter, and below a top": lambda t: t.where("id <> 7").select("id", centred("v").alias("w")).orderBy("w", "id").limit(9),
    "a filter, in a chain": lambda t: t.where("id <> 7").select("id", centred(half("v")), half(centred("v"))),
}  # fmt: skip


@pytest.mark.gate_cases("a join", "a sort", "a union", "a filter, in a chain", "a filter", "a struct")
@pytest.mark.parametrize("name", ABOVE_ROWS)
def test_functions_above_rows(spark, table, name):
    plan = check(spark, lambda: ABOVE_ROWS[name](table()))
    assert "WeldSparkBatches 400 rows" in plan or "WeldRowBatches 400 rows" in plan, plan


@pytest.mark.gate_cases("True")
@differs_before((4, 2), "functions above a scan receive gathered rows")
@pytest.mark.parametrize("above", [False, True])
def test_functions_above_a_scan(spark, table, above):
    def query():
        made = table().select("id", centred("v").alias("w"), running("x").alias("n"))
        return made.groupBy((F.col("id") % 5).alias("k")).agg(F.sum("n"), F.max("w")) if above else made

    plan = check(spark, query)
    assert "WeldSparkBatches" not in plan
    check(spark, lambda: table().select("id", (F.col("v") + 1).alias("w")).select("id", centred("w")))


def test_batches_of_a_scan_without_columns_as_input(spark, table):
    conf = {"spark.sql.execution.arrow.pythonUDF.columnarInput.enabled": "false"}
    plan = check(spark, lambda: table().select("id", place("x")), conf)
    assert "WeldSparkBatches 400 rows" in plan


def test_batches_that_end_at_their_limit_of_bytes(spark, table):
    query = lambda: table().where("id <> 7").select("id", centred("v"), repeated("s"))  # noqa: E731
    check(spark, query, small_batches(records=400, bytes=999))


@pytest.mark.gate_cases("3")
@pytest.mark.parametrize("after", ["1", "3"])
def test_flagged_batches_run_in_python(spark, table, after):
    """The first batch has one value: the function takes its other branch there."""
    conf = {**CONF, "spark.sparkweld.fallback.streamAfter": after}
    what = differential.check(spark, lambda: table().where("id <> 7").select("id", scaled("same")), conf=conf, deopt=True)
    assert what.kernel_batches or after == "1"


def test_flagged_rows_of_another_function_do_not_divide_a_batch(spark, table):
    """A plain function beside it sends single rows to Python."""
    conf = {**CONF, "spark.sparkweld.fallback.streamAfter": "1000"}
    what = differential.check(
        spark, lambda: table().select("id", noted("x").alias("y"), "v").where("y < 20").select("id", "y", centred("v")),
        conf=conf, deopt=None,
    )  # fmt: skip
    assert what.guarded_rows and what.kernel_batches


def test_compared_batches(spark, table):
    check(spark, lambda: table().where("id <> 7").select("id", centred("v")), {"spark.sparkweld.shadow.fraction": "1"})


@pytest.mark.nightly("tests/spark/plan/test_batches.py::test_no_function_receives_a_batch_without_rows")
def test_an_empty_partition(spark, parquet):
    table = parquet({"id": np.arange(3000), "x": np.arange(3000) / 7}, row_group_size=300)
    for rows in (table.where("id > 2900"), table.where("id < 0"), table.where("id % 700 = 3").repartition(8, "id")):
        query = lambda rows=rows: rows.select("id", centred("x")).orderBy("id")  # noqa: E731
        differential.check(spark, query, deopt=None, conf={"spark.sql.adaptive.enabled": "false"})
