"""Checks that kernels receive the Arrow batches that Spark builds from filtered and gathered rows.

Two files share one partition. The first has no NULL, the second has one in its first rows, so Spark's third batch is the
first with a NULL. That batch begins in the first file, and scan batches are smaller than Spark's.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql import functions as F
from pyspark.sql.functions import pandas_udf
from pyspark.sql.types import DoubleType, LongType, StringType

from tests.helpers import differential
from tests.helpers.batches import ONE_PARTITION, small_batches, with_nulls, write_files
from tests.helpers.lines import LINE, differs_before
from tests.helpers.sampling import some

FIRST, SECOND = 1000, 700
START = datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc)
CONF = {**ONE_PARTITION, **small_batches(scan=128, records=400), "spark.sparkweld.backend": "native"}


def columns(start: int, rows: int, nulls: tuple[int, ...]) -> dict[str, object]:
    ids = range(start, start + rows)
    return {
        "id": pa.array(ids, pa.int64()),
        "x": with_nulls(list(ids), nulls, pa.int64()),
        "i": with_nulls(list(ids), nulls, pa.int32()),
        "b": with_nulls([n % 3 == 0 for n in ids], nulls, pa.bool_()),
        "d": pa.array([0 if n in (1010, 1200) else n % 7 + 1 for n in ids], pa.int64()),
        "s": with_nulls([f"t{n}" * (n % 5 + 1) for n in ids], list(range(384)) if start == 0 else nulls),
        "l": pa.array([[n] * (n % 4) for n in ids], pa.list_(pa.int64())),
        "t": with_nulls([START + datetime.timedelta(hours=n) for n in ids], nulls, pa.timestamp("us", "UTC")),
    }


@pytest.fixture(scope="module")
def table(spark, tmp_path_factory):
    """Returns a function that reads the two files."""
    path = write_files(tmp_path_factory.mktemp("batches") / "two", [columns(0, FIRST, ()), columns(FIRST, SECOND, (3,))])
    return lambda: spark.read.parquet(path)


def check(spark, query, conf=(), **expected):
    """Checks that off and on agree and that the second run reached a kernel; returns its plan."""
    conf = {**CONF, **dict(conf)}
    differential.check(spark, query, conf=conf, **{"deopt": None, **expected})
    with differential.session_conf(spark, conf):
        return str(query()._jdf.queryExecution().executedPlan().toString())


def is_regrouped(plan: str, rows: str = " 400 rows") -> bool:
    """Whether rows are regrouped into Spark's batches, from columns or from rows."""
    return f"WeldSparkBatches{rows}" in plan or f"WeldRowBatches{rows}" in plan


@pandas_udf(StringType())
def as_text(x: pd.Series) -> pd.Series:
    return x.astype(str)


@pandas_udf(StringType())
def texts_of_batches(batches: Iterator[pd.Series]) -> Iterator[pd.Series]:
    for x in batches:
        yield x.astype(str)


@pandas_udf(DoubleType())
def scaled(x: pd.Series) -> pd.Series:
    return x * 2**52


@pandas_udf(LongType())
def next_one(x: pd.Series) -> pd.Series:
    return x + 1


@pandas_udf(DoubleType())
def half(x: pd.Series) -> pd.Series:
    return x * 0.5


@pandas_udf(StringType())
def quotient(x: pd.Series, d: pd.Series) -> pd.Series:
    return (x // d).astype(str)


@pandas_udf(StringType())
def initial(s: pd.Series) -> pd.Series:
    return s.str[0].str.upper()


@pandas_udf(StringType())
def beside(x: pd.Series, s: pd.Series) -> pd.Series:
    return x.astype(str) + s


@pandas_udf(StringType())
def with_list(x: pd.Series, l: pd.Series) -> pd.Series:  # noqa: E741
    return (x + l.str.len()).astype(str)


@pandas_udf(LongType())
def added(v: pd.Series, x: pd.Series) -> pd.Series:
    return v * 3 + x


@pandas_udf(StringType())
def both_texts(v: pd.Series, x: pd.Series) -> pd.Series:
    return v.astype(str) + "/" + x.astype(str)


@pandas_udf(LongType())
def size_of_batch(x: pd.Series) -> pd.Series:
    return pd.Series([len(x)] * len(x))


def frames(batches):
    for frame in batches:
        yield pd.DataFrame({"id": frame["id"], "y": frame["x"].astype(str)})


FILTERED = {
    "text": lambda t: t.where("id <> 7").select("id", as_text("x")),
    "an error in a batch without NULL": lambda t: t.where("id <> 7").select("id", scaled("x")),
    "a filter that starts late": lambda t: t.where("id >= 500").select("id", as_text("x")),
    "a filter that drops the NULL": lambda t: t.where("x > 7 or id < 3").select("id", as_text("x")),
    "another filter above": lambda t: t.where("id <> 7").select("id", as_text("x").alias("y")).where("y <> '9'"),
    "an iterator": lambda t: t.where("id <> 7").select("id", texts_of_batches("x")),
    "a map": lambda t: t.where("id <> 7").mapInPandas(frames, "id long, y string"),
    "two UDFs, a filter between": lambda t: t.select("id", "x", half("x").alias("y")).where("y is null or y > 1").select(
        "id", "y", as_text("x")),
    "two UDFs that depend on their batches": lambda t: t.where("id <> 7").select("id", "x", as_text("x").alias("y")).where(
        "y <> '9'").select("id", "y", as_text("x").alias("z")),
    "a divisor of 0": lambda t: t.where("id <> 7").select("id", quotient("id", "d")),
    "a batch of NULLs": lambda t: t.where("id <> 390").select("id", initial("s")),
    "bools": lambda t: t.where("id <> 7").select("id", as_text("b")),
}  # fmt: skip


@pytest.mark.nightly_cases(
    "a map",
    "another filter above",
    "an error in a batch without NULL",
    "a batch of NULLs",
    "a filter that starts late",
    "two UDFs that depend on their batches",
)
@pytest.mark.parametrize("name", FILTERED)
def test_rows_above_a_filter_are_in_the_batches_of_spark(spark, table, name):
    plan = check(spark, lambda: FILTERED[name](table()))
    assert is_regrouped(plan)


GATHERED = {
    "a sort": lambda t: t.repartition(1).sortWithinPartitions("id").select("id", as_text("x")),
    "a union": lambda t: t.union(t).coalesce(1).select("id", as_text("x")),
    "a join": lambda t: t.join(F.broadcast(t.selectExpr("id as k")), F.expr("id = k")).select("id", as_text("x")),
    "a map": lambda t: t.repartition(1).sortWithinPartitions("id").mapInPandas(frames, "id long, y string"),
}


@pytest.mark.gate_cases("a join", "a union")
@pytest.mark.parametrize("name", GATHERED)
def test_gathered_rows_are_in_the_batches_of_spark(spark, table, name):
    plan = check(spark, lambda: GATHERED[name](table()))
    assert is_regrouped(plan)


def over_results(t):
    """Returns a query of functions over results of others, each in a node of its own, with and without a projection between."""
    first = added(next_one("x"), "id")
    return t.where("id <> 7").select("id", both_texts(added(first, "x"), "x"), both_texts(first, F.col("x") + 1))


@pytest.mark.gate_cases("2100")
@pytest.mark.parametrize("bytes", [None, 2100])
def test_functions_over_results_of_others_share_their_batches(spark, table, bytes):
    """One kernel computes those that Spark feeds the same batches. With a limit of bytes, their number of columns matters."""
    plan = check(spark, lambda: over_results(table()), small_batches(records=400, bytes=bytes))
    regrouped = plan.count("WeldSparkBatches") + plan.count("WeldRowBatches")
    assert regrouped > 1 if bytes is not None and LINE >= (4, 1) else regrouped == 1  # earlier lines limit rows alone


def test_a_map_sees_rows_of_all_files(spark, table):
    check(spark, lambda: table().mapInPandas(frames, "id long, y string"))


def test_expressions_and_limits_right_above_a_scan(spark, table):
    check(spark, lambda: table().select("id", (F.col("x") + 1).alias("x")).select("id", as_text("x")))
    check(spark, lambda: table().limit(1300).select("id", as_text("x")))


def test_a_scan_is_regrouped_where_spark_feeds_rows(spark, table):
    conf = {"spark.sql.execution.arrow.pythonUDF.columnarInput.enabled": "false"}
    plan = check(spark, lambda: table().select("id", as_text("x")), conf)
    assert is_regrouped(plan)


@differs_before((4, 2), "functions above a scan receive gathered rows")
def test_batches_of_a_scan_are_those_of_spark(spark, table):
    plan = check(spark, lambda: table().select("id", as_text("x")))
    assert "WeldSparkBatches" not in plan


def test_batches_of_a_cached_table_are_those_of_spark(spark, table):
    with differential.session_conf(spark, {**CONF, "spark.sql.inMemoryColumnarStorage.batchSize": "300"}):
        cached = table().where("id <> 7").cache()
        cached.count()
    try:
        check(spark, lambda: cached.select("id", as_text("x")))
        plan = check(spark, lambda: cached.where("id <> 9").select("id", as_text("x")))
        assert is_regrouped(plan)
    finally:
        cached.unpersist()


@pytest.mark.gate_cases("numbers-False-999", "texts-True-999", "lists-True-999")
@pytest.mark.parametrize("bytes", [999])
@pytest.mark.parametrize("rows", [False, True])
@pytest.mark.parametrize("udf", ["numbers", "texts", "expression", "lists", "map"])
def test_batches_end_at_their_limit_of_bytes(spark, table, udf, rows, bytes):
    queries = {
        "numbers": lambda t: t.select("id", as_text("x")),
        "texts": lambda t: t.select("id", beside("x", "s")),
        "expression": lambda t: t.select("id", beside("x", F.concat("s", F.lit("!")))),
        "lists": lambda t: t.select("id", with_list("x", "l")),
        "map": lambda t: t.select("id", "x", "s").mapInPandas(frames, "id long, y string"),
    }

    def query():
        below = table().where("id <> 7")
        return queries[udf](below.repartition(1).sortWithinPartitions("id") if rows else below)

    plan = check(spark, query, small_batches(records=400, bytes=bytes))
    assert is_regrouped(plan, rows="")


@pytest.mark.parametrize("after", ["1", "3"])
def test_batches_that_run_in_python_are_those_of_spark(spark, table, after):
    """A divisor of 0 sends batches to Python, one by one or all that follow."""
    conf = {"spark.sparkweld.fallback.streamAfter": after}
    what = differential.check(
        spark, lambda: table().where("id <> 7").select("id", quotient("id", "d")), conf={**CONF, **conf}, deopt=True
    )
    assert what.kernel_batches


@pytest.mark.sampled
def test_functions_beside_a_kernel_see_their_batches(spark, table):
    """One of two functions of a node stays in Python: it always receives the scan's batches."""
    for other in some((next_one("x"), quotient("x", "d")), 1):
        conf = {"spark.sparkweld.fallback.streamAfter": "1"}
        check(spark, lambda other=other: table().select("id", other.alias("y"), size_of_batch("x")), conf)
        check(spark, lambda other=other: table().where("id <> 7").select("id", other.alias("y"), size_of_batch("x")), conf)


@pytest.mark.gate_cases("i")
@pytest.mark.parametrize("column", ["x", "i"])
def test_rows_that_no_batch_changes_stay_in_one_kernel(spark, table, column):
    plan = check(spark, lambda: table().where("id <> 7").select("id", half(column)), deopt=False)
    assert "WeldSparkBatches" not in plan
    assert plan.count("Weld [") == 1 and "filter" in plan


@pytest.mark.sampled
def test_no_function_receives_a_batch_without_rows(spark, parquet):
    """The fact behind constant emptiness guards: of partitions without rows, of filters that keep none, and of an empty table."""

    @pandas_udf("double")
    def halved(x: pd.Series) -> pd.Series:
        if x.empty:
            raise ValueError("a batch without rows")
        return x / 2

    def halves(frames):
        for frame in frames:
            if len(frame) == 0:
                raise ValueError("a batch without rows")
            frame["x"] = frame["x"] / 2
            yield frame

    table = parquet({"id": np.arange(3000), "x": np.arange(3000) / 7}, row_group_size=300)
    fixed = {"spark.sql.adaptive.enabled": "false"}  # adaptive execution leaves out a stage without rows
    for rows in some((table.where("id % 700 = 3").repartition(8, "id"), table.where("id < 0"), table.where("id > 2900")), 2):
        differential.check(spark, lambda rows=rows: rows.select("id", halved("x")).orderBy("id"), deopt=None, conf=fixed)
        mapped = lambda rows=rows: rows.mapInPandas(halves, "id long, x double").orderBy("id")  # noqa: E731
        differential.check(spark, mapped, deopt=None, conf=fixed)
