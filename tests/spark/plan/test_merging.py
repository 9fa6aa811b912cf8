"""Checks that kernels merge partial aggregates above kernels into the rows of Spark's own operators, bit for bit."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql import functions as F
from pyspark.sql.functions import pandas_udf, udf
from pyspark.sql.types import DoubleType, LongType, StringType

from tests.helpers.differential import check, run, session_conf
from tests.helpers.lines import LINE
from tests.helpers.sampling import some

ENABLED = "spark.sparkweld.enabled"
AQE = "spark.sql.adaptive.enabled"

#: The numbers of batches of a scan of three batches. Before 4.2, Spark gathers rows for functions above a scan.
BATCHES = (3,) if LINE >= (4, 2) else (1, 3)


@pandas_udf(DoubleType())
def scaled(x: pd.Series) -> pd.Series:
    return x * 1.5 - 2.0


@pandas_udf(LongType())
def doubled(k: pd.Series) -> pd.Series:
    return k * 2


@pandas_udf(StringType())
def initial(name: pd.Series) -> pd.Series:
    return name.str.upper()


def numbers(rows=6000, groups=17, seed=5):
    random = np.random.default_rng(seed)
    g = random.integers(0, groups, rows)
    x = random.normal(3, 1e6, rows)
    x[random.random(rows) < 0.02] = np.nan
    x[g == 3], x[g == 4] = -0.0, np.nan
    x[(g == 5) & (random.random(rows) < 0.5)] = 0.0
    x[(g == 5) & (x != 0.0)] = -0.0
    k = random.integers(-(2**40), 2**40, rows)
    return {
        "g": pa.array(g, mask=g == 9),
        "x": pa.array(x, mask=(random.random(rows) < 0.1) | (g == 8)),
        "k": k,
        "i": pa.array(k.astype(np.int16), mask=random.random(rows) < 0.1),
        "f": pa.array(x.astype(np.float32), mask=g == 8),
        "flag": pa.array(k % 3 == 0, mask=k % 7 == 0),
        "day": pa.array((g + 18000).astype(np.int32), pa.int32()).cast(pa.date32()),
        "name": pa.array([f"name {v % 5}" + "é" * (v % 2) for v in g], mask=g == 7),
        "wide": np.arange(rows) * 7919 % rows,
    }


@pytest.fixture
def table(parquet):
    return parquet(numbers(), dictionary=True)


def merged(frame):
    """Returns the metrics of an executed query's merging kernels."""
    jvm = frame.sparkSession._jvm
    return json.loads(jvm.io.sparkweld.ui.WeldReport.report(frame._jdf.queryExecution()))["aggregates"]


def check_merged(spark, query, *, aqe="true", operators=1, conf=None, **arguments):
    """Runs `check`, and checks that kernels merged all rows of `operators` aggregates."""
    conf = {AQE: aqe, **(conf or {})}
    what = check(spark, query, conf=conf, **arguments)
    _, frame = run(spark, query, {ENABLED: "true", "spark.sparkweld.backend": "native", **conf})
    entries = merged(frame)
    assert len(entries) == operators and entries[0]["mergedBatches"], f"{entries} {what}"
    assert not any(entry["sparkTasks"] for entry in entries), entries
    return entries


def calls():
    """Returns every function over every family of types."""
    pairs = [(F.sum, "s"), (F.avg, "s"), (F.min, "s"), (F.max, "s"), (F.count, "s"), (F.sum, "d"), (F.avg, "i"), (F.min, "i"),
             (F.sum, "f"), (F.max, "f"), (F.max, "flag"), (F.min, "day"), (F.stddev, "s"), (F.var_pop, "i")]  # fmt: skip
    return [*(function(column) for function, column in pairs), F.count(F.lit(1)), F.sum(F.col("s") * 2 + 1)]


def scored(table):
    return table.withColumn("s", scaled("x")).withColumn("d", doubled("k"))


def by(table, *keys):
    """Aggregates all calls by some keys, which are shown as one string."""
    names = [f"k{i}" for i in range(len(keys))]
    made = table.groupBy(*(F.col(k).alias(n) if isinstance(k, str) else k.alias(n) for k, n in zip(keys, names, strict=True)))
    shown = F.concat_ws("|", *(F.coalesce(F.col(n).cast("string"), F.lit("NULL")) for n in names))
    columns = [call.alias(f"c{i}") for i, call in enumerate(calls())]
    return made.agg(*columns).select(shown.alias("key"), *(f"c{i}" for i in range(len(columns))))


@pytest.mark.gate_cases("false")
@pytest.mark.parametrize("aqe", ["true", "false"])
def test_groups_of_all_types_of_keys(spark, table, aqe):
    def query():
        frame = scored(table)
        keys = by(frame, "day", "flag", "g").union(by(frame.where(F.col("s") > 0), initial("name"), F.col("g") % 3))
        return keys.union(by(frame.where(F.col("k") < -(2**41)))).orderBy("key", "c0", "c1")

    check_merged(spark, query, aqe=aqe, operators=3)


@pytest.mark.nightly("test_a_table_that_is_full_within_a_block")
def test_more_groups_than_a_table_holds(spark, parquet):
    """Groups in key order are flushed and merging continues; groups that never repeat are left to Spark."""
    rows = 300_000
    ids = np.arange(rows)
    table = parquet({"sorted": ids // 4, "x": ids * 0.25, "text": pa.array([f"{v * 7919 % rows:>40}" for v in range(rows)])})
    scored = table.select("*", scaled("x").alias("s"))

    def query(key):
        sums = scored.groupBy(key).agg(F.sum("s").alias("sum"), F.count("*").alias("n"))
        return sums.agg(F.count("*"), F.max("n"), F.min("sum"), F.max("sum"), F.sum(F.hash(key).cast("long")))

    (entry,) = check_merged(spark, lambda: query("sorted"))
    assert entry["fullTables"] == 1 and entry["numOutputRows"] == rows // 4, entry
    check(spark, lambda: query("text"))
    _, frame = run(spark, lambda: query("text"), {ENABLED: "true", "spark.sparkweld.backend": "native"})
    (entry,) = merged(frame)
    assert entry["fullTables"] == 1 and entry["sparkTasks"] == 1 and entry["numOutputRows"] == rows, entry


def test_batches_that_run_in_python_are_merged_too(spark, parquet):
    table = parquet({"k": [2**62, -5, None, 7] * 50, "g": ["a", "b", "a", None] * 50}, row_group_size=100)

    @pandas_udf(LongType())
    def half(k: pd.Series) -> pd.Series:
        return (k.fillna(0) * 3).astype("int64") // 2

    def query():
        return table.select("g", half("k").alias("h")).groupBy("g").agg(F.max("h"), F.count("h")).orderBy("g")

    check_merged(spark, query, deopt=None)


def by_keys(frame, keys, *calls):
    return frame.groupBy(*keys).agg(*calls).orderBy(*keys)


def report_of(spark, query, conf=None):
    """Returns the metrics of the kernels below, and those of the merging ones."""
    never = {"spark.sparkweld.featureCache.mode": "never"}  # otherwise an earlier measurement decides
    _, frame = run(spark, query, {ENABLED: "true", "spark.sparkweld.backend": "native", **never, **(conf or {})})
    jvm = spark._jvm
    report = json.loads(jvm.io.sparkweld.ui.WeldReport.report(frame._jdf.queryExecution()))
    return report["operators"], report["aggregates"]


def tag(name):
    return None if name is None else name.lower() + "!"


def square(k):
    return None if k is None else k * k


@pytest.mark.sampled
def test_blocks_of_all_kinds_of_kernels(spark, parquet):
    """Filters with pass-through columns, keys that the kernel builds, row functions and empty results are all merged."""
    tagged, squared = udf(tag, "string", useArrow=False), udf(square, "long", useArrow=False)
    rows = 9000
    table = parquet(numbers(rows), row_group_size=5000)
    small = table.withColumn("k", F.col("k") % 1000)
    whole = [
        lambda: by_keys(scored(table).where("s > 0 and i is not null"), ("g", "name"), F.sum("s"), F.max("i"), F.min("f")),
        lambda: by_keys(table.select(initial("name").alias("n"), scaled("x").alias("s")), ("n",), F.sum("s"), F.count("*")),
        lambda: table.select(tagged("name").alias("n"), "i").groupBy("n").agg(F.sum("i")).orderBy("n"),
        lambda: small.select("day", squared("k").alias("q")).groupBy("day").agg(F.sum("q"), F.avg("q")).orderBy("day"),
        lambda: scored(table).where("s * s < -1").agg(F.sum("s"), F.count("s"), F.max("f"), F.avg("i")),
        lambda: scored(table).agg(F.sum("s"), F.count("*"), F.stddev("d")),
    ]
    for query in some(whole, 4):
        check(spark, query)
        operators, aggregates = report_of(spark, query)
        kept = sum(o["numOutputRows"] for o in operators)
        assert kept == sum(a["blockRows"] for a in aggregates), (operators, aggregates)
        assert all(a["mergeTime"] == 0 and a["mergedBatches"] in BATCHES for a in aggregates), aggregates


def test_canonical_forms_of_kernels_produce_batches(spark, parquet):
    """Spark 4.0 requires it of the child of each ColumnarToRow, and otherwise ends the query."""

    def nodes(plan):
        below = plan.children()
        return [plan, *(node for at in range(below.size()) for node in nodes(below.apply(at)))]

    query = scored(parquet(numbers())).groupBy("g").agg(F.sum("s"))
    with session_conf(spark, {ENABLED: "true", AQE: "false", "spark.sparkweld.backend": "native"}):
        plan = query.select("*")._jdf.queryExecution().executedPlan()
    assert "WeldAggregate" in plan.toString()
    read = [node.child() for node in nodes(plan.canonicalized()) if node.nodeName() == "ColumnarToRow"]
    assert read and all(node.supportsColumnar() for node in read), plan.canonicalized().toString()


@pytest.mark.gate_cases("8999")
@pytest.mark.parametrize("where", [0, 2047, 5000, 8999])
def test_a_flagged_row_in_any_block(spark, parquet, where):
    """A guard flags a batch or a single row: the groups must not contain rows that run again."""
    rows, batch, block = 9000, 4096, 2048
    k, x = np.arange(rows) % 1000, np.arange(rows) * 0.1
    k[where], x[where] = 2**62, 1e300
    table = parquet({"k": k, "g": np.arange(rows) % 5, "x": x}, row_group_size=batch)
    squared = udf(square, "long", useArrow=False)

    @pandas_udf(LongType())
    def whole(x: pd.Series) -> pd.Series:
        return x.astype("int64") * 2

    own, first = min(batch, rows - where // batch * batch), where // batch * batch
    calls = [(squared("k").cast("double"), first + (where - first) // block * block), (whole("x"), rows - own)]
    for call, taken in calls:

        def query(call=call):
            sums = table.select("g", call.alias("q")).groupBy("g").agg(F.sum("q"), F.count("q"), F.max("q"))
            return sums.orderBy("g")

        check(spark, query, deopt=None, conf={"spark.sparkweld.backend": "native", "spark.sql.ansi.enabled": "false"})
        operators, aggregates = report_of(spark, query, {"spark.sql.ansi.enabled": "false"})
        assert operators[0]["guardedRows"] == 1, operators
        assert aggregates[0]["blockRows"] == taken and aggregates[0]["mergedBatches"] >= 3, aggregates


def test_a_table_that_is_full_within_a_block(spark, parquet):
    rows = 200_000
    table = parquet({"id": np.arange(rows) // 2, "x": np.arange(rows) * 0.25}, row_group_size=50_000)

    def query():
        sums = table.select("id", scaled("x").alias("s")).groupBy("id").agg(F.sum("s").alias("sum"), F.count("*").alias("n"))
        return sums.agg(F.count("*"), F.max("n"), F.sum("sum"))

    check(spark, query)
    _, (entry,) = report_of(spark, query)
    assert entry["fullTables"] == 1 and 0 < entry["blockRows"] < rows, entry


def test_a_sum_of_integers_overflows_as_in_spark(spark, parquet):
    table = parquet({"k": [2**62 // 2, 1, 2, 3] * 10, "g": [1, 2, 3, 2] * 10})

    def query():
        return table.select("g", doubled("k").alias("d")).groupBy("g").agg(F.sum("d")).orderBy("g")

    check(spark, query, deopt=None, conf={"spark.sql.ansi.enabled": "true"})
    check_merged(spark, query, conf={"spark.sql.ansi.enabled": "false"})


@pytest.mark.nightly("test_blocks_of_all_kinds_of_kernels", "tests/spark/rules/test_aggregates.py::test_windows")
def test_windows_that_are_left_to_the_operator_of_spark(spark, table):
    calls = (F.first("s"), F.sum(F.col("d").cast("decimal(20,2)")), F.expr("sum(d) filter (where k > 0)"), F.skewness("s"))
    queries = [lambda call=call: scored(table).groupBy("g").agg(call.alias("a")).orderBy("g") for call in calls]
    queries.append(lambda: scored(table).groupBy("f").agg(F.sum("d")).orderBy("f"))
    for query in queries:
        check(spark, query)
        with session_conf(spark, {"spark.sparkweld.backend": "native"}):
            text = spark._jvm.io.sparkweld.ui.WeldExplain.explain(query()._jdf.queryExecution())
        assert "SW368" in text and "aggregated inside" not in text, text
    check(spark, lambda: scored(table).groupBy("g").agg(F.sum("d").alias("a"), F.countDistinct("i")).orderBy("g"))


def test_explain(spark, table):
    frame = scored(table).groupBy("g").agg(F.sum(F.col("s") * 2), F.count("*"))
    text = spark._jvm.io.sparkweld.ui.WeldExplain.explain(frame._jdf.queryExecution())
    assert "aggregated in the kernel: sum((s * 2.0D)), count(1) by g\n  each block of 2048 rows passes" in text, text
