"""Compares scalar pandas UDFs and their iterators with the plugin off and on, after PySpark's own suites."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql import functions as F
from pyspark.sql.functions import pandas_udf
from pyspark.sql.types import LongType

from tests.helpers.lines import LINE
from tests.helpers.semantics import Case, a_third, check_cases

#: One column of each type that kernels support, with NULLs except the first and the last.
HELD = "k int, y tinyint, h smallint, i int, l bigint, f float, x double, s string, d date, t timestamp, b boolean"
ROWS = 40


@pytest.fixture(scope="module")
def frame(spark, tmp_path_factory):
    """Writes rows of every type to one Parquet file: two partitions, one of which is empty after `where k < 0`."""
    path = str(tmp_path_factory.mktemp("semantics") / "t.parquet")
    some = "if(k % 5 = 3, null, {})"
    columns = {
        "y": "cast(k - 20 as tinyint)", "h": "cast(k * 100 as smallint)", "i": "k * 1000", "l": "k * 10000000000L",
        "f": "cast(k as float) / 4", "x": "k / 8D", "s": "concat('text ', k)", "d": "date_add(date'1969-12-20', k * 400)",
        "t": "timestamp_seconds(k * 40000000L - 100)", "a": "array(k, k + 1)", "m": "cast(k as decimal(20, 3))",
    }  # fmt: skip
    made = spark.range(ROWS).select(F.col("id").cast("int").alias("k"))
    made = made.select("k", *(F.expr(some.format(e)).alias(n) for n, e in columns.items()), F.expr("k % 2 = 0").alias("b"))
    made = made.withColumn("holes", F.expr(some.format("k % 2 = 0")))
    made.coalesce(1).write.parquet(path)
    return spark.read.parquet(path)


def each(function, returns):
    """Returns the function as an iterator UDF of one column."""

    def iterated(parts: Iterator[pd.Series]) -> Iterator[pd.Series]:
        for part in parts:
            yield function(part)

    return pandas_udf(iterated, returns)


def _types(name: str) -> str:
    return next(part.split()[1] for part in HELD.split(", ") if part.split()[0] == name)


def identities(frame, wrap):
    return frame.select(*(wrap(lambda v: v, _types(n))(n).alias(n) for n in "yhilfxsdtb"))


SCALAR = [
    Case("every type, NULLs and all", lambda t: identities(t, pandas_udf)),
    Case("every type by iterators", lambda t: identities(t, each)),
    Case("a boolean with NULLs", lambda t: t.select(pandas_udf(lambda b: b, "boolean")("holes")), runs=None),
    Case("a decimal", lambda t: t.select(pandas_udf(lambda m: m, "decimal(20, 3)")("m")), refused="SW101"),
    Case("an array", lambda t: t.select(pandas_udf(lambda a: a, "array<int>")("a"))),
    Case("a binary", lambda t: t.select(pandas_udf(lambda a: a, "binary")(F.encode("s", "utf8"))), refused="SW101"),
    Case("strings from a map", lambda t: t.select(pandas_udf(lambda v: pd.Series(map(str, v)), "string")("k"))),
    Case(
        "strings of rows",
        lambda t: t.select(pandas_udf(lambda s: s.apply(lambda v: v.split(" ")), "array<string>")("s")),
        runs=None,
    ),
    Case(
        "sums and powers",
        lambda t: t.select(pandas_udf(lambda v, w: v + w, "int")("k", "k"), pandas_udf(lambda v: 2**v, "int")(F.col("k") % 20)),
    ),
    Case("one over another", lambda t: t.select(pandas_udf(lambda v: v - 1, "long")(pandas_udf(lambda v: v + 1, "long")("k")))),
    Case(
        "iterators over another",
        lambda t: t.select(each(lambda v: v - 1, "long")(each(lambda v: v + 1, "long")("k"))),
        refused="SW206",
    ),
    Case("any arguments", lambda t: t.select(pandas_udf(lambda *v: v[0] + v[-1], "long")("k", "l", "k"))),
    Case("by name", lambda t: t.select(pandas_udf(lambda a, b: a - b, "long")(b=F.col("k"), a=F.col("k") * 3)), since=(4, 0)),
    Case("default arguments", lambda t: t.select(pandas_udf(lambda a, b=2: a * b, "long")("k"))),
    Case("an empty partition", lambda t: t.where("k < 0").select(pandas_udf(lambda v: v + 1, "long")("k"))),
    Case(
        "a row in one of four partitions",
        lambda t: t.where("k = 1").repartition(4).select(pandas_udf(lambda v: v + 1, "long")("k")),
    ),
    Case("a division by zero", lambda t: t.select(pandas_udf(lambda v: v * (1 / 0), "long")("k")), refused="SW261"),
    Case("fewer rows", lambda t: t.select(pandas_udf(lambda v: pd.Series(1), "long")("k")), refused="SW262"),
    Case("a number for a Series", lambda t: t.select(pandas_udf(lambda v: 1.0, "double")("k")), refused="SW106"),
    Case("a category", lambda t: t.select(pandas_udf(lambda s: s.astype("category"), "string")("s")), refused="SW251"),
    Case(
        "a random one",
        lambda t: t.select((pandas_udf(lambda v: v * 0 + np.float64(3), "double").asNondeterministic())("k")),
        refused="SW302",
    ),
    Case("an error of one row", lambda t: t.select(pandas_udf(lambda v: v.map(lambda q: 10 // (q - 7)), "long")("k")), runs=None),
    Case(
        "in a filter and a column",
        lambda t: t.where(pandas_udf(lambda v: v > 9, "boolean")("k")).select(pandas_udf(lambda v: v * 2, "int")("k")),
    ),
    Case("within SQL's expressions", lambda t: t.select((pandas_udf(lambda v: v + 1, "int")(F.col("k") + 1) * 2).alias("r"))),
    Case(
        "under when, which does not guard it",
        lambda t: t.select(F.when(F.col("k") < 5, pandas_udf(lambda v: v / 2, "double")("k")).otherwise(0.0)),
    ),
    Case("over a limit and an order", lambda t: t.orderBy(F.desc("k")).limit(7).select(pandas_udf(lambda v: v * 3, "int")("k"))),
    Case(
        "beside an aggregate",
        lambda t: t.groupBy("b").agg(F.sum("k").alias("n")).orderBy("b").select(pandas_udf(lambda v: v + 1, "long")("n")),
    ),
    Case("of a column twice", lambda t: t.select(*[pandas_udf(lambda v: v + 1, "int")("k")] * 2, "k")),
    Case(
        "dates",
        lambda t: t.select(pandas_udf(lambda d: d.isnull() | (d == d), "boolean")("d"), pandas_udf(lambda d: d, "date")("d")),
        runs=None,
    ),
]


@pytest.mark.sampled
def test_scalar_udfs(spark, frame):
    check_cases(spark, frame, a_third(SCALAR))


NANOS = pandas_udf(lambda t: t.apply(lambda v: v.value if v is not pd.NaT else None), LongType())
CHANGES = ["2015-11-01 08:30:00", "2015-11-01 09:30:00", "2015-03-08 10:30:00", "2012-02-02 02:02:02"]


@pytest.mark.nightly("tests/spark/columns/test_timestamps.py::test_timestamps")
@pytest.mark.parametrize("zone", ["America/Los_Angeles", pytest.param("America/New_York", marks=pytest.mark.nightly)])
def test_timestamps_in_the_zone_of_the_session(spark, parquet, zone):
    times = pa.array([pd.Timestamp(v, tz="UTC") for v in CHANGES] * 3 + [None], pa.timestamp("us", "UTC"))
    frame = parquet({"t": times, "k": np.arange(len(times))})
    cases = [
        Case("itself", lambda t: t.select("k", pandas_udf(lambda v: v, "timestamp")("t"))),
        Case("by an iterator", lambda t: t.select("k", each(lambda v: v, "timestamp")("t"))),
        Case("nanoseconds", lambda t: t.select(NANOS("t")), refused="SW251"),
        Case(
            "hours",
            lambda t: t.select(pandas_udf(lambda v: v.dt.hour, "int")("t"), pandas_udf(lambda v: v.dt.date, "date")("t")),
            runs=None,
        ),
        Case("a day later", lambda t: t.select(pandas_udf(lambda v: v + pd.Timedelta(days=1), "timestamp")("t")), runs=None),
    ]
    check_cases(spark, frame, cases, {"spark.sql.session.timeZone": zone})


@pytest.fixture
def registered(spark, frame):
    spark.udf.register("added_in_pandas", pandas_udf(lambda v, w: v + w, "int"))
    frame.createOrReplaceTempView("semantics")
    yield
    spark.catalog.dropTempView("semantics")


def test_registered_functions(spark, frame, registered):
    query = "select added_in_pandas(k, k * 2) as r from semantics where added_in_pandas(k, 1) > 4"
    check_cases(spark, frame, [Case("by SQL", lambda t: spark.sql(query))])


def test_arguments_by_name_in_sql(spark, frame, registered):
    """Spark 3.5 accepts names when it analyses a query, and rejects them when the query runs."""
    query = "select added_in_pandas(w => 1, v => k) from semantics"
    refused = None if LINE >= (4, 0) else "SW306"
    check_cases(spark, frame, [Case("by name", lambda t: spark.sql(query), refused=refused)])


#: A script, and a module of Spark's own tests: the functions are pickled by value.
MODULE = """
import pandas as pd
FACTOR = 3
def helper(v):
    return v * FACTOR
def scaled(v):
    return helper(v) + 1
def of_rows(v):
    return pd.Series([helper(x) for x in v])
"""


@pytest.mark.parametrize("name", ["__main__", "pyspark.sql.tests.pandas.test_scalar"])
def test_functions_by_the_name_of_their_module(spark, frame, name):
    scope = {"__name__": name}
    exec(compile(MODULE, "module", "exec", dont_inherit=True), scope)
    scaled, of_rows = pandas_udf(scope["scaled"], "long"), pandas_udf(scope["of_rows"], "long")
    check_cases(spark, frame, [Case(name, lambda t: t.select(scaled("k"), of_rows("k")))])
