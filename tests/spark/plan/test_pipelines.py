"""Checks UDFs with annotated black-box calls: one pipeline in the Python worker, with the rows of the plugin off."""

from __future__ import annotations

import json
import math
import os
import textwrap
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql import functions as F
from pyspark.sql.functions import pandas_udf
from pyspark.sql.types import DoubleType, IntegerType, StringType
from scipy.special import erf

import sparkweld
from sparkweld.annotations import Broadcast, Rows, annotate, splittable
from tests.helpers.differential import run, session_conf
from tests.helpers.lines import of_worker_pipelines
from tests.helpers.outcomes import differences
from tests.helpers.sampling import every_case, some

pytestmark = of_worker_pipelines

OFF = {"spark.sparkweld.enabled": "false"}
BATCHES = {"spark.sql.execution.arrow.maxRecordsPerBatch": "1000"}


@splittable((Rows(), Broadcast(1.0)), returns=Rows())
def scaled(s, by):
    return np.frompyfunc(float, 1, 1)(s * by).astype("float64")  # what no compiler takes


@splittable((Rows(), Broadcast("")), returns=Rows(), check=False)
def witnessed(s, folder):
    (Path(folder) / str(len(s))).touch()
    return s * 1.0


@pandas_udf(DoubleType())
def price(a: pd.Series, b: pd.Series) -> pd.Series:
    d = (np.log(b) + 0.5 * a) / np.sqrt(b)
    return a * erf(d) - np.exp(-b) * erf(d - b)


@pandas_udf(DoubleType())
def weighted(s: pd.Series) -> pd.Series:
    return scaled(s + 1, 3.0).fillna(-1)


@pandas_udf(StringType())
def slug(s: pd.Series) -> pd.Series:
    return s.str.strip().map(textwrap.dedent) + "!"


@pandas_udf(StringType())
def plain_letters(s: pd.Series) -> pd.Series:
    return s.map(lambda text: textwrap.dedent(text).strip())


@pandas_udf(DoubleType())
def of_integers(i: pd.Series) -> pd.Series:
    return erf(i / 4) + i


@pandas_udf(DoubleType())
def dated(day: pd.Series) -> pd.Series:
    return erf(pd.to_datetime(day).dt.day / 9)


@pandas_udf(DoubleType())
def of_struct(d: pd.DataFrame) -> pd.Series:
    return erf(d["a"]) * d["i"]


@pandas_udf(DoubleType())
def unknown(s: pd.Series) -> pd.Series:
    return pd.Series(np.frompyfunc(float, 1, 1)(s).astype("float64")) + erf(s)


@pandas_udf(DoubleType())
def of_batch(s: pd.Series) -> pd.Series:
    return erf(s) - s.mean()


TABLE = np.full(3 << 20, 2.0)
weighed = annotate(lambda s, table: s * table[0], (Rows(), Broadcast(np.ones(2))), returns=Rows())


@pandas_udf(DoubleType())
def heavy(s: pd.Series) -> pd.Series:
    return weighed(s, TABLE)


broken = annotate(lambda s: s[:-1] if len(s) == 700 else s * 2.0, (Rows(),), returns=Rows(), check=False)


@pandas_udf(DoubleType())
def breaking(s: pd.Series) -> pd.Series:
    return broken(s + 0.0)


@pandas_udf(DoubleType())
def failing(s: pd.Series) -> pd.Series:
    return erf(s) / pd.Series(np.where(s.isna(), "x", 1.0)).astype(float)


@pandas_udf(DoubleType())
def each_price(batches: Iterator[tuple[pd.Series, pd.Series]]) -> Iterator[pd.Series]:
    scale = math.sqrt(4.0)
    for a, b in batches:
        yield erf(a / b) * scale + np.log(b)


@pandas_udf(StringType())
def each_slug(batches: Iterator[pd.Series]) -> Iterator[pd.Series]:
    return (s.str.strip().map(textwrap.dedent).str.lower() + "!" for s in batches)


@pandas_udf(IntegerType())
def each_narrow(batches: Iterator[pd.Series]) -> Iterator[pd.Series]:
    for a in batches:
        yield (erf(a) * 1e6).astype("int32")


@pandas_udf(DoubleType())
def each_integer(batches: Iterator[pd.Series]) -> Iterator[pd.Series]:
    return (erf(i / 4) + i for i in batches)


@pandas_udf(DoubleType())
def each_remembering(batches: Iterator[pd.Series]) -> Iterator[pd.Series]:
    last = None
    for i in batches:
        factor = 1 if last in (None, str(i.dtype)) else 2
        last = str(i.dtype)
        yield erf(i / 4) * factor


def table(parquet):
    rng, n = np.random.default_rng(2), 4000
    some = rng.random(n) < 0.1
    return parquet(pa.table({
        "id": np.arange(n), "a": pa.array(rng.normal(1, 1, n), mask=some), "b": rng.uniform(0.1, 3, n),
        "i": pa.array(rng.integers(-9, 9, n), mask=np.arange(n) > 3500), "s": rng.choice(["a <b>", " é", ""], n),
    }))  # fmt: skip


def pipelines(frame):
    report = frame.sparkSession._jvm.io.sparkweld.ui.WeldReport.report(frame._jdf.queryExecution())
    return {entry["udf"]: entry for entry in json.loads(report)["pipelines"]}


#: Otherwise the driver's L2 cache decides the size of blocks, and with it whether a pipeline over rows pays.
LARGE = {"spark.sparkweld.pipeline.blockRows": "65536"}


def check(spark, query, wanted, conf=None, ulp=64):
    """Checks that off and on agree and that the `wanted` UDFs ran as pipelines; returns the frame."""
    off, _ = run(spark, query, {**BATCHES, **(conf or {}), **OFF})
    on, frame = run(spark, query, {**BATCHES, **(conf or {})})
    assert not differences(off, on, ulp=ulp)
    assert {name for group in pipelines(frame) for name in group.split(" + ")} == set(wanted), sparkweld.explain(frame)
    return frame


def test_pipelines(spark, parquet):
    t = table(parquet)

    def all_of_them():
        chain = weighted(price("a", "b")).alias("chain")
        return t.select("id", price("a", "b").alias("price"), chain, slug("s").alias("slug"), of_integers("i").alias("i"),
                        plain_letters("s").alias("letters"),
                        of_struct(F.struct("a", "i")).alias("struct"), (F.col("b") * 2).alias("b2"))  # fmt: skip

    wanted = {"price", "price, weighted", "slug", "plain_letters", "of_integers", "of_struct"}
    frame = check(spark, all_of_them, wanted, ulp=1 << 12)
    assert len(pipelines(frame)) == 1
    text = sparkweld.explain(t.select(weighted(price("a", "b"))))
    assert "pipeline in Python: price, weighted\n  1. kernel: " in text and "call: tests.spark.plan.test_pipelines.scaled" in text
    assert "rows by the L2 cache of the driver" in text and "moved: 16 bytes per row in, 8 out" in text
    text = sparkweld.explain(frame)
    assert "no kernel in the JVM: SW251" in text or "no kernel in the JVM: SW214" in text
    for conf in ({"spark.sparkweld.pipeline.enabled": "false"}, {"spark.sparkweld.backend": "python"}):
        with session_conf(spark, conf):
            assert "pipeline in Python" not in sparkweld.explain(t.select(price("a", "b")))
    with session_conf(spark, {"spark.sparkweld.exact.enabled": "true"}):
        assert "SW" in sparkweld.explain(t.select(price("a", "b"))) and not pipelines(t.select(price("a", "b")))


@pytest.mark.sampled
@pytest.mark.gate_cases("true")
@pytest.mark.parametrize("offheap", ["true", "false"])
def test_strings_of_columns_of_all_kinds(spark, parquet, offheap):
    """Strings may be plain or dictionary-encoded, NULL, empty or long, beside filters, in batches that are split."""
    n, rng = 9000, np.random.default_rng(4)
    gone = rng.random(n) < 0.2
    t = parquet(pa.table({
        "id": np.arange(n), "none": pa.nulls(n, pa.string()),
        "plain": pa.array([f" {k} \u00e9" * (k % 40) for k in range(n)], mask=gone),
        "few": pa.array(rng.choice(np.array(["a", "", "\u00c9 b"], object), n), mask=gone),
        "bytes": pa.array([b"\xff" * (k % 7) for k in range(n)], mask=gone),
    }))  # fmt: skip
    for where in some(("id >= 0", "id % 3 = 1", "id % 997 = 0", "plain > ' 5'", "id < 0"), 2):
        made = [plain_letters(c).alias(f"{c}_made") for c in ("plain", "few", "none")]
        conf = {"spark.sql.columnVector.offheap.enabled": offheap}
        check(spark, lambda where=where, made=made: t.where(where).select("*", *made), {"plain_letters"}, conf)


def test_rows_of_pipelines_are_written_natively(spark, parquet):
    """A projection that names columns is written natively; one that computes reads them from the batches."""
    t = table(parquet).select("id", "s", price("a", "b").alias("p"))
    for columns, natively in ((["*"], True), (["p AS x", "id", "p AS y", "s"], True), (["id", "p + 1 AS z"], False)):
        frame = check(spark, lambda columns=columns: t.selectExpr(*columns), {"price"}, ulp=1 << 12)
        assert ("WeldRows" in frame._jdf.queryExecution().executedPlan().toString()) == natively
    check(spark, lambda: t.selectExpr("p AS q", "id").repartition(3, "id").sortWithinPartitions("id"), {"price"}, ulp=4096)


@pytest.mark.nightly("tests/spark/plan/test_arrow_pipelines.py::test_iterators", "tests/worker/test_function.py::test_iterators")
def test_iterators(spark, parquet):
    """A function of an iterator runs per batch, but NULLs that decide a dtype must not differ between batches."""
    t = table(parquet)
    zeros = F.coalesce("i", F.lit(0))

    def all_of_them(t=t):
        return t.select("id", each_price("a", "b").alias("r"), each_slug("s").alias("slug"), each_integer(zeros).alias("e"))

    names = {"each_price", "each_slug", "each_integer"}
    frame = check(spark, all_of_them, names, ulp=1 << 12)
    plan = frame._jdf.queryExecution().executedPlan().toString()
    assert "WeldPipeline [each_price]" in plan and "WeldPipeline [each_slug]" in plan, plan
    check(spark, lambda: all_of_them(t.filter("b > 1").repartition(3)).filter("r < 2"), names, LARGE, ulp=1 << 12)
    check(spark, lambda: all_of_them(t.filter("id < 0")), names)
    check(spark, lambda: t.filter("a > 0").select("id", each_narrow("a").alias("r")), {"each_narrow"})
    check(spark, lambda: t.select("id", each_narrow("a").alias("r")), {"each_narrow"})  # raises
    check(spark, lambda: t.select("id", each_integer("i").alias("r")), {"each_integer"})
    frame = check(spark, lambda: t.select("id", each_remembering("i").alias("r")), set())
    assert "SW651" in sparkweld.explain(frame)


def test_workers_run_blocks(spark, parquet, tmp_path):
    folder = str(tmp_path)
    seen = pandas_udf(lambda s: witnessed(s + 1, folder), DoubleType())
    t = table(parquet)
    frame = check(
        spark, lambda: t.select("id", seen("b").alias("r")), {"<lambda>"}, {"spark.sparkweld.pipeline.blockRows": "333"}
    )
    assert "333" in {path.name for path in tmp_path.iterdir()}
    assert "block: 333 rows, set" in sparkweld.explain(frame)


@pytest.mark.nightly("test_pipelines", "test_siblings_are_one_function")
def test_beside_kernels_filters_and_shuffles(spark, parquet):
    t = table(parquet)

    @pandas_udf(DoubleType())
    def native(s: pd.Series) -> pd.Series:
        return s * 2 + 1

    def query():
        made = t.filter(price("a", "b") > 0).select("id", "i", native("b").alias("n"), weighted("a").alias("w"))
        return made.groupBy("i").agg(F.count("w").alias("c"), F.max("n").alias("n"), F.min("w").alias("w")).orderBy("i")

    check(spark, query, {"price", "weighted"})


def test_plans_that_do_not_change(spark, parquet, capfd):
    t = table(parquet)
    frame = check(spark, lambda: t.select("id", unknown("b").alias("r"), of_batch("b").alias("m")), set())
    assert "in Python: " in sparkweld.explain(frame)
    frame = check(spark, lambda: t.select("id", heavy("b").alias("r")), set())
    assert "annotated calls of heavy cannot be sent with each task: models and tables of 25," in sparkweld.explain(frame)
    check(spark, lambda: t.select("id", breaking("b").alias("r")), {"breaking"}, {"spark.sparkweld.pipeline.blockRows": "700"})
    check(spark, lambda: t.select("id", failing("a").alias("r")), set())


@pytest.mark.sampled
def test_batches_of_a_scan_reach_python_in_larger_ones(spark, parquet, tmp_path):
    folder = tmp_path / "seen"
    folder.mkdir()
    seen = pandas_udf(lambda s, folder=str(folder): witnessed(s + 1, folder), DoubleType())
    rng, n = np.random.default_rng(4), 60_000
    some = rng.random(n) < 0.05
    t = parquet(pa.table({
        "id": np.arange(n), "b": pa.array(rng.normal(size=n), mask=some), "small": rng.integers(-99, 99, n).astype("i1"),
        "i": pa.array(rng.integers(-9, 9, n), mask=np.arange(n) == 30_000), "f": rng.random(n).astype("f4"),
        "s": rng.choice(["a <b>", " é", "", "long " * 40], n),
        "t": pa.array(rng.choice(["ö", "x" * 99], n), mask=some), "flag": rng.random(n) < 0.5,
        "day": pa.array(rng.integers(0, 9999, n).astype("int32"), pa.date32(), mask=some),
        "raw": pa.array([b"x" * (k % 5) for k in range(n)], mask=some),
        "at": pa.array(rng.integers(0, 1 << 50, n), pa.timestamp("us", "UTC")),
        "short": pa.array(rng.integers(-99, 99, n).astype("i2"), mask=some),
    }))  # fmt: skip

    def query():
        return t.select("*", seen("b").alias("r"), slug("s").alias("slug"), of_integers("i").alias("e"))

    names = {"<lambda>", "slug", "of_integers"}
    frame = check(spark, query, names, {"spark.sparkweld.pipeline.blockRows": str(1 << 20)})
    assert "WeldArrowBatches" in frame._jdf.queryExecution().toString()
    assert max(int(path.name) for path in folder.iterdir()) > 4096  # the size of a scan's batches

    def grouped():
        return query().filter("r > 0").groupBy("flag").agg(F.count("slug"), F.max("e"), F.min("day"))

    if every_case():
        check(spark, grouped, names)
        check(spark, lambda: t.limit(10).select("id", seen("b").alias("r")), {"<lambda>"}, LARGE)
        check(spark, lambda: t.select("id", dated("day").alias("r")), {"dated"})


def test_the_original_sees_the_batches_of_spark(spark, parquet):
    """A call violates its annotation in some batches: rows are the original's, on the scan's batches."""
    n = 20_000
    t = parquet(pa.table({"id": np.arange(n), "b": np.arange(n) / 7}))
    raising = annotate(lambda s: s * 2.0 if len(s) <= 4096 else s[:-1], (Rows(),), returns=Rows(), check=False)
    changing = annotate(lambda s: s.__setitem__(0, 5.0) or s if len(s) > 100 else s * 2.0, (Rows(),), returns=Rows(), check=False)
    for function in (raising, changing):
        made = pandas_udf(lambda s, f=function: f(s + 0.0), DoubleType())
        whole = {"spark.sparkweld.pipeline.blockRows": str(1 << 20)}
        check(spark, lambda made=made: t.select("id", made("b").alias("r")), {"<lambda>"}, whole)


def test_faults_of_calls_do_not_change_rows(spark, parquet, tmp_path):
    n = 9_000
    t = parquet(pa.table({"id": np.arange(n), "b": np.arange(n) / 7 + 1}))
    calls = []

    def counted(s):
        calls.append(len(s))
        return s + len(calls)

    def picky(s):
        if len(s) == 333:
            raise ValueError("a block")
        return s * 2.0

    def of_another_type(s):
        return s.astype("f4") if len(s) == 333 else s * 2.0

    blocks = {"spark.sparkweld.pipeline.blockRows": "333"}
    for function in (picky, of_another_type):
        call = annotate(function, (Rows(),), returns=Rows(), check=False)
        made = pandas_udf(lambda s, f=call: f(s + 0.0), DoubleType())
        check(spark, lambda made=made: t.select("id", made("b").alias("r")), {"<lambda>"}, blocks)
    stateful = annotate(counted, (Rows(),), returns=Rows(), check=False)
    made = pandas_udf(lambda s, f=stateful: f(s + 0.0), DoubleType())
    frame = t.select("id", made("b").alias("r"))
    assert not pipelines(frame) and "in Python: " in sparkweld.explain(frame)


def test_a_worker_that_dies_fails_the_query_as_ever(spark, parquet):
    t = parquet(pa.table({"id": np.arange(9_000), "b": np.arange(9_000) / 7 + 1}))

    def deadly(s):
        if float(s.max()) > 600:
            os._exit(7)
        return s * 2.0

    call = annotate(deadly, (Rows(),), returns=Rows(), check=False)
    made = pandas_udf(lambda s, f=call: f(s + 0.0), DoubleType())
    for conf in ({**OFF, **BATCHES}, BATCHES):
        with session_conf(spark, conf), pytest.raises(Exception, match="Python worker exited unexpectedly"):
            t.select("id", made("b").alias("r")).collect()
    assert set(pipelines(t.select(made("b")))) == {"<lambda>"}
    check(spark, lambda: t.filter("id < 4000").select("id", weighted("b").alias("r")), {"weighted"})


@pytest.mark.sampled
def test_siblings_are_one_function(spark, parquet, tmp_path):
    """Sibling UDFs share inputs and calls, with NULLs in some integers, beside a kernel and an unchanged function."""
    t = table(parquet)
    seen = tmp_path / "seen"
    seen.mkdir()
    folder = str(seen)

    @pandas_udf(DoubleType())
    def first(a: pd.Series, b: pd.Series) -> pd.Series:
        return witnessed(a / b, folder) + 1

    @pandas_udf(DoubleType())
    def second(b: pd.Series, a: pd.Series) -> pd.Series:
        return witnessed(a / b, folder) * erf(b)

    @pandas_udf(DoubleType())
    def native(s: pd.Series) -> pd.Series:
        return s * 2 + 1

    def query():
        # After a function that may change b, it would stay in Python.
        made = t.withColumn("n", native("b")).withColumn("r", first("a", "b")).withColumn("q", second(b="b", a="a"))
        return made.withColumn("e", of_integers("i"))

    frame = check(spark, query, {"first", "second", "of_integers"}, {"spark.sparkweld.pipeline.blockRows": "999999"})
    assert set(pipelines(frame)) == {"first + second + of_integers"} and "compiled native" in sparkweld.explain(frame)
    with session_conf(spark, {**BATCHES, "spark.sparkweld.pipeline.blockRows": "50"}):
        for path in seen.iterdir():
            path.unlink()
        query().collect()
        assert {path.name for path in seen.iterdir()} >= {"50"}
    names = {"first", "second", "of_integers"}
    if every_case():
        for key in ("spark.sql.adaptive.enabled", "spark.sql.execution.arrow.pyspark.udf.columnarInput.enabled"):
            grouped = query().filter("r > 0").groupBy("i").agg(F.count("q"), F.max("e"))
            check(spark, lambda grouped=grouped: grouped.select("*"), names, {key: "false"})
        check(spark, lambda: query().filter("id < 0"), {"first", "second", "of_integers"})

    def parted():
        return t.select("id", first("a", "b").alias("r"), of_batch("b").alias("m"), second("b", "a").alias("q"))

    large = {"spark.sparkweld.pipeline.blockRows": "999999"}  # so that each pays alone, on any machine
    assert set(pipelines(check(spark, parted, {"first", "second"}, large))) == {"first", "second"}


def test_functions_around_one_that_changes_their_argument(spark, parquet, tmp_path):
    """In one function, both would see the argument before the change."""
    t, folder = table(parquet), str(tmp_path)

    @pandas_udf(DoubleType())
    def before(a: pd.Series, b: pd.Series) -> pd.Series:
        return witnessed(a / b, folder) + 1

    @pandas_udf(DoubleType())
    def changing(a: pd.Series) -> pd.Series:
        a[:] = 7.0
        return a

    @pandas_udf(DoubleType())
    def after(a: pd.Series, b: pd.Series) -> pd.Series:
        return witnessed(a / b, folder) * erf(b)

    def query():
        return t.select("id", before("a", "b").alias("r"), changing("a").alias("c"), after("a", "b").alias("q"))

    conf = {**BATCHES, "spark.sparkweld.pipeline.blockRows": "999999"}
    off, _ = run(spark, query, {**conf, **OFF})
    on, frame = run(spark, query, conf)
    assert not differences(off, on, ulp=64)
    assert set(pipelines(frame)) == {"before", "after"}


@pytest.mark.sampled
def test_a_filter_below_hands_over_columns(spark, parquet):
    """Spark would pass a filter's rows: the pipeline receives larger batches of a kernel, the original Spark's batches."""
    n = 30_000
    t = parquet(pa.table({
        "id": np.arange(n), "b": np.arange(n) / 7, "s": np.array(["a <b>", " é", "", "long " * 40])[np.arange(n) % 4],
        "i": pa.array(np.arange(n) % 19, mask=np.arange(n) == 21_000),
    }))  # fmt: skip
    exact = annotate(lambda s: s * 2.0 if len(s) <= 1000 else s[:-1], (Rows(),), returns=Rows(), check=False)
    broken = pandas_udf(lambda s: exact(s + 0.0), DoubleType())
    whole = {"spark.sparkweld.pipeline.blockRows": str(1 << 20)}

    def query():
        kept = t.filter("id % 3 < 2 AND b > 400").withColumn("c", F.col("b") * 2)
        return kept.select("id", weighted("c").alias("r"), of_integers("i").alias("e"), slug("s").alias("slug"))

    frame = check(spark, query, {"weighted", "of_integers", "slug"})
    plan = frame._jdf.queryExecution().executedPlan().toString()
    assert "WeldPipeline" in plan and "fused=[filter, project]" in plan and "Filter (" not in plan, plan
    if every_case():
        check(spark, lambda: query().groupBy("slug").agg(F.count("r"), F.max("e")), {"weighted", "of_integers", "slug"})
        check(spark, lambda: query().limit(10), {"weighted", "of_integers", "slug"})
        check(spark, lambda: query().filter("id < 0"), {"weighted", "of_integers", "slug"})
    check(spark, lambda: t.filter("b > 400").select("id", broken("b").alias("r")), {"<lambda>"}, whole)


def measured(frame):
    """Returns the metrics of the pipelines that received columns."""
    report = frame.sparkSession._jvm.io.sparkweld.ui.WeldReport.report(frame._jdf.queryExecution())
    return json.loads(report)["measuredPipelines"]


def test_rewrites_that_do_not_pay_are_not_made(spark, parquet):
    """A pipeline of calls alone over rows gains nothing; over columns, or around kernels, it does."""
    t = table(parquet)
    bare = pandas_udf(lambda s: erf(s), DoubleType())
    rows = t.repartition(2)
    frame = check(spark, lambda: rows.select("id", bare("a").alias("r")), set())
    text = sparkweld.explain(frame)
    assert "in Python: <lambda>" in text and "SW649" in text and "SW251" in text
    check(spark, lambda: rows.select("id", price("a", "b").alias("r")), {"price"}, LARGE, ulp=1 << 14)
    check(spark, lambda: t.select("id", bare("a").alias("r")), {"<lambda>"})
    check(spark, lambda: rows.select("id", slug("s").alias("r")), {"slug"})


def test_metrics(spark, parquet):
    n = 40_000
    t = parquet(pa.table({"id": np.arange(n), "a": np.arange(n) / 9, "b": np.arange(n) / 7 + 1}))
    both = t.select("id", price("a", "b").alias("r"), weighted("a").alias("w"))
    frame = check(spark, lambda: both.select("*"), {"price", "weighted"}, ulp=1 << 14)
    (made,) = measured(frame)
    assert made["udfs"] == ["price", "weighted"] and made["numOutputRows"] == n and made["originalRows"] == 0
    assert made["kernelTime"] > 0 and made["callTime"] > 0
    assert made["bytesSent"] > 16 * n and made["bytesReceived"] > 16 * n
    assert f"measured: price, weighted: {n:,} rows, " in sparkweld.explain(frame)
    picky = annotate(lambda s: s * 2.0 if len(s) != 333 else s[:-1], (Rows(),), returns=Rows(), check=False)
    late = pandas_udf(lambda s: picky(s + 0.0), DoubleType())
    blocks = {"spark.sparkweld.pipeline.blockRows": "333"}
    frame = check(spark, lambda: t.select("id", late("a").alias("r")), {"<lambda>"}, blocks)
    (made,) = measured(frame)
    assert 0 < made["originalRows"] <= n and made["numOutputRows"] == n
