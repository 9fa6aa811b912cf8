"""Checks plan shapes: which operators are fused, where Weld operators may be placed, and that the rows stay equal."""

from __future__ import annotations

import datetime
import decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql import functions as F
from pyspark.sql.functions import pandas_udf
from pyspark.sql.types import BooleanType, DoubleType, LongType

from tests.helpers.differential import check, measured, run, session_conf
from tests.helpers.lines import differs_before, of_named_arguments

#: The setting of adaptive execution. The rules that run without it have two of these tests in `make test`, and all at night: the
#: kernels and the rows are the same. All other tests of this folder run with it.
WITHOUT = pytest.mark.parametrize("aqe", [pytest.param("true", marks=pytest.mark.nightly), "false"])
WITH = pytest.mark.parametrize("aqe", ["true", pytest.param("false", marks=pytest.mark.nightly)])


@pandas_udf(DoubleType())
def half_plus_one(x: pd.Series) -> pd.Series:
    return x * 0.5 + 1.0


@pandas_udf(DoubleType())
def hypotenuse(x: pd.Series, y: pd.Series) -> pd.Series:
    return np.sqrt(x * x + y * y)


@pandas_udf(LongType())
def bucket(k: pd.Series) -> pd.Series:
    return k * 3 - 7


@pandas_udf(BooleanType())
def is_large(x: pd.Series) -> pd.Series:
    return x > 2.0


def numbers(rows=20_000, seed=7):
    random = np.random.default_rng(seed)
    null = random.random(rows) < 0.1
    return {
        "id": np.arange(rows),
        "x": pa.array(random.normal(0, 3, rows), mask=null),
        "y": random.normal(0, 3, rows),
        "k": random.integers(-1000, 1000, rows),
        "kn": pa.array(random.integers(-1000, 1000, rows), mask=random.random(rows) < 0.01),
        "s": pa.array([f"name {i % 97}" if i % 13 else None for i in range(rows)]),
        "d": pa.array([datetime.date(2020, 1, 1) + datetime.timedelta(days=int(i % 400)) for i in range(rows)]),
        "price": pa.array([decimal.Decimal(i % 1000).scaleb(-2) for i in range(rows)], pa.decimal128(12, 2)),
        "tags": pa.array([[i % 3, i % 5] for i in range(rows)]),
    }


@pytest.fixture
def table(parquet):
    return parquet(numbers())


def test_one_udf(spark, table):
    check(spark, lambda: table.select("id", half_plus_one("x").alias("h")))


def test_chain_and_siblings_are_one_operator(spark, table):
    what = check(spark, lambda: table.select("id", half_plus_one(half_plus_one("x")).alias("h"), hypotenuse("x", "y").alias("r")))
    assert what.operators == 1


def test_catalyst_between_two_udfs_is_fused(spark, table):
    query = lambda: table.select("id", half_plus_one(half_plus_one("x") * 2 + F.col("y")).alias("h"))  # noqa: E731
    assert check(spark, query).operators == 1


def test_filter_below_is_fused_into_the_columnar_scan(spark, table):
    what = check(spark, lambda: table.where("k > 0 and x is not null").select("id", "s", hypotenuse("x", "y").alias("r")))
    assert what.operators == 1


def test_udf_in_filter_and_projection_is_evaluated_once(spark, table):
    query = lambda: table.select("id", "s", hypotenuse("x", "y").alias("r")).where("r > 3")  # noqa: E731
    what = check(spark, query)
    assert what.operators == 1
    _, frame = run(spark, query, {})
    plan = frame._jdf.queryExecution().executedPlan().toString()
    assert "ArrowEvalPython" not in plan


@pytest.mark.gate_cases("r > 3 or k = 5", "r is null")
@pytest.mark.parametrize("condition", ["r > 1e9", "r >= 0", "r is null", "r > 3 or k = 5", "not (r > 3)"])
def test_filters_that_keep_none_some_all(spark, table, condition):
    check(spark, lambda: table.select("id", "k", "s", "tags", hypotenuse("x", "y").alias("r")).where(condition))


def test_boolean_udf_as_a_filter(spark, table):
    check(spark, lambda: table.where(is_large("x")).select("id", "x"))


def test_columns_of_every_type_pass_through(spark, table):
    query = lambda: table.select("*", half_plus_one("x").alias("h")).where("h > 1")  # noqa: E731
    check(spark, query)


def test_renamed_and_repeated_columns(spark, table):
    check(spark, lambda: table.select(F.col("x").alias("a"), F.col("x").alias("b"), half_plus_one("x").alias("x")))


@WITHOUT
def test_below_an_exchange(spark, table, aqe):
    query = lambda: (  # noqa: E731
        table.withColumn("h", hypotenuse("x", "y")).groupBy("s").agg(F.count("h").alias("n"), F.max("h")).orderBy("s")
    )
    check(spark, query, conf={"spark.sql.adaptive.enabled": aqe})


def test_rows_of_every_type_become_batches(spark, table):
    """NULLs of fixed-width columns, and types that use Spark's converter: strings, decimals, arrays, structs."""
    wide = table.selectExpr(
        "*", "cast(k as tinyint) as k1", "cast(kn as smallint) as k2", "cast(kn as int) as k4", "cast(x as float) as x4",
        "kn > 0 as b", "if(id % 3 = 0, null, id) as n", "timestamp_micros(id * 7919) as t",
        "named_struct('p', x, 'q', s) as st")  # fmt: skip
    rows = wide.repartition(3, "k")
    names = [c for c in wide.columns if c != "id"]
    query = lambda: rows.select("id", *names, half_plus_one("x").alias("h"), bucket("kn").alias("c")).orderBy("id")  # noqa: E731
    plain = {"spark.sql.adaptive.enabled": "false"}  # so that the plan is final before it has run
    check(spark, query, conf=plain)
    with session_conf(spark, plain):
        assert "WeldRowBatches" in query()._jdf.queryExecution().executedPlan().toString()


@pytest.mark.nightly("tests/spark/test_queries.py::test_query")
@WITHOUT
def test_above_a_join(spark, table, aqe):
    other = spark.range(0, 5000).selectExpr("id as k", "id * 0.25D as w")
    query = lambda: (  # noqa: E731
        table.join(other, "k").select("id", hypotenuse("x", "w").alias("r"), bucket("k").alias("b")).orderBy("id")
    )
    check(spark, query, conf={"spark.sql.adaptive.enabled": aqe})
    check(spark, query, conf={"spark.sql.adaptive.enabled": aqe, "spark.sql.autoBroadcastJoinThreshold": "-1"})


def test_row_source(spark):
    check(spark, lambda: spark.range(0, 30_000, 1, 3).select("id", bucket("id").alias("b")))


def test_cached_input(spark, table):
    cached = table.select("id", "x", "y", "k", "s").cache()
    try:
        cached.count()
        check(spark, lambda: cached.select("id", "s", hypotenuse("x", "y").alias("r"), bucket("k").alias("b")))
    finally:
        cached.unpersist()


@WITH
def test_filter_over_a_cached_input_below_an_exchange(spark, table, aqe):
    """A cached table is a query stage of adaptive execution: it must not replace the filter that the kernel contains."""
    cached = table.select("id", "x", "y", "k", "s").cache()
    try:
        cached.count()
        kept = lambda: cached.where("x > 0 and k > 10").select("id", "s", hypotenuse("x", "y").alias("r"))  # noqa: E731
        conf = {"spark.sql.adaptive.enabled": aqe}
        check(spark, lambda: kept().agg(F.count(F.lit(1)), F.count("r"), F.max("r")), conf=conf)
        check(spark, lambda: kept().where("r > 2").groupBy("s").agg(F.count("r"), F.max("r")).orderBy("s"), conf=conf)
        check(spark, lambda: kept().orderBy("id"), conf=conf)
        check(spark, lambda: kept().union(kept()).orderBy("id"), conf=conf)
    finally:
        cached.unpersist()


@pytest.mark.nightly("test_below_an_exchange", "test_udf_in_filter_and_projection_is_evaluated_once")
@WITH
def test_filters_on_both_sides_of_exchanges(spark, table, aqe):
    conf = {"spark.sql.adaptive.enabled": aqe, "spark.sql.autoBroadcastJoinThreshold": "-1"}
    scored = lambda: table.where("k > 0").select("id", "k", "s", hypotenuse("x", "y").alias("r")).where("r > 1")  # noqa: E731
    again = lambda frame: frame.where("id > 100").select("id", half_plus_one("r").alias("h")).where("h > 1.2")  # noqa: E731
    check(spark, lambda: again(scored().repartition(3, "k")).orderBy("id"), conf=conf)
    check(spark, lambda: again(scored().join(scored().select("id", F.col("k").alias("k2")), "id")).orderBy("id"), conf=conf)
    check(spark, lambda: again(scored().groupBy("id").agg(F.max("r").alias("r"))).orderBy("id"), conf=conf)
    check(spark, lambda: again(scored().distinct()).orderBy("id"), conf=conf)


def test_cached_output(spark, table):
    def query():
        result = table.select("id", half_plus_one("x").alias("h")).cache()
        try:
            return result.select("id", (F.col("h") * 2).alias("h2"), half_plus_one("h").alias("h3"))
        finally:
            spark.catalog.clearCache()

    check(spark, query)


def test_on_heap_vectors(spark, table):
    query = lambda: table.select("id", hypotenuse("x", "y").alias("r"), bucket("k").alias("b"), bucket("kn").alias("c"))  # noqa: E731
    check(spark, query, conf={"spark.sql.columnVector.offheap.enabled": "false"})


@differs_before((4, 1), "it reads files with the settings of the session only")
def test_off_heap_vectors_below_kernels_alone(spark, table):
    """The session's setting would change scans below Spark's own functions too, some of which fail over off-heap vectors."""
    with session_conf(spark, {"spark.sql.adaptive.enabled": "false"}):
        for column, kind in ((hypotenuse("x", "y"), "OffHeapColumnVector"), (F.col("x") * 2, "OnHeapColumnVector")):
            scan = table.select(column)._jdf.queryExecution().executedPlan().collectLeaves().head()
            assert scan.vectorTypes().get().head().endswith(kind)


def test_row_based_reader(spark, table):
    query = lambda: table.select("id", hypotenuse("x", "y").alias("r"), bucket("kn").alias("b"))  # noqa: E731
    check(spark, query, conf={"spark.sql.parquet.enableVectorizedReader": "false"})


@pytest.mark.parametrize("offheap", ["true", pytest.param("false", marks=pytest.mark.nightly)])  # ColumnCheck reads both
def test_dictionary_encoded_columns(spark, parquet, offheap):
    rows = 12_000
    values = numbers(rows)
    values["x"] = pa.array(np.round(np.asarray(values["y"]), 1), mask=np.arange(rows) % 11 == 0)
    for kind in ("int8", "int16", "int32", "float32"):
        values[kind] = pa.array(np.arange(rows) % 50, pa.type_for_alias(kind) if kind != "float32" else pa.float32())
    frame = parquet(values, dictionary=True, row_group_size=5000)
    query = lambda: frame.select(  # noqa: E731
        "id",
        half_plus_one("x").alias("h"),
        bucket("k").alias("b"),
        *(half_plus_one(c).alias(c) for c in ("int8", "int16", "int32", "float32")),
    )
    check(spark, query, conf={"spark.sql.columnVector.offheap.enabled": offheap})


def test_partition_columns_are_constant_vectors(spark, tmp_path):
    path = str(tmp_path / "parts")
    spark.range(0, 3000).selectExpr("id", "id * 0.5D as x", "id % 3 as part").write.partitionBy("part").parquet(path)
    spark.range(3000, 3010).selectExpr("id", "id * 0.5D as x").write.parquet(path + "/part=__HIVE_DEFAULT_PARTITION__")
    frame = spark.read.parquet(path)
    check(spark, lambda: frame.select("id", bucket("part").alias("b"), hypotenuse("x", "part").alias("r")).orderBy("id"))


def test_struct_argument(spark, table):
    @pandas_udf("double")
    def norm(p: pd.DataFrame) -> pd.Series:
        return np.sqrt(p["a"] ** 2 + p["b"] ** 2)

    check(spark, lambda: table.select("id", norm(F.struct(F.col("x").alias("a"), F.col("y").alias("b"))).alias("r")), ulp=4)


@of_named_arguments
def test_keyword_arguments(spark, table):
    @pandas_udf("double")
    def weighted(x: pd.Series, w: pd.Series) -> pd.Series:
        return x - 2.0 * w

    check(spark, lambda: table.select("id", weighted(w=F.col("x"), x=F.col("y")).alias("r"), weighted("x", w="y").alias("q")))


def test_constant_argument_and_no_columns(spark, table):
    check(spark, lambda: table.select("id", hypotenuse(F.lit(3.0), "y").alias("r")))
    check(spark, lambda: table.select(hypotenuse(F.lit(3.0), F.lit(4.0)).alias("r")), deopt=None)


@pytest.mark.nightly("tests/spark/test_queries.py::test_query")
def test_union_limit_sort_window_and_subquery(spark, table):
    from pyspark.sql import Window

    scored = lambda: table.select("id", "k", hypotenuse("x", "y").alias("r"))  # noqa: E731
    check(spark, lambda: scored().union(scored()).orderBy("id", "r"))
    check(spark, lambda: scored().limit(100).orderBy("id"), deopt=None)
    check(spark, lambda: scored().orderBy(F.desc("r"), "id").limit(20))
    ranked = Window.partitionBy("k").orderBy(F.desc("r"), "id")
    check(spark, lambda: scored().withColumn("n", F.row_number().over(ranked)).where("n <= 2").orderBy("id"))

    def subquery():
        scored().createOrReplaceTempView("scored")
        return spark.sql("select id, r from scored where r > (select avg(r) from scored) order by id")

    check(spark, subquery)


def test_empty_and_all_null_tables(spark, parquet):
    schema = pa.schema([("id", pa.int64()), ("x", pa.float64()), ("k", pa.int64()), ("b", pa.bool_())])
    query = lambda t: t.select("id", half_plus_one("x").alias("h"), bucket("k").alias("c"))  # noqa: E731
    empty = parquet(schema.empty_table(), name="empty")
    check(spark, lambda: query(empty))
    nulls = parquet(pa.table({c.name: pa.nulls(9000, c.type) for c in schema}, schema=schema), name="nulls")
    check(spark, lambda: query(nulls), deopt=None)


@pytest.mark.nightly("tests/spark/plan/test_batches.py::test_no_function_receives_a_batch_without_rows")
def test_empty_partitions(spark, table):
    check(spark, lambda: table.limit(5).repartition(8).select("id", half_plus_one("x").alias("h")).orderBy("id"))


@pytest.mark.nightly("test_columns_of_every_type_pass_through")
def test_a_thousand_columns(spark, parquet):
    rows = 300
    frame = parquet({f"c{i}": np.arange(rows, dtype=float) + i for i in range(1000)})
    names = [f"c{i}" for i in range(1000)]
    check(spark, lambda: frame.select("c0", *(half_plus_one(n).alias(n + "h") for n in names[:20])))
    check(spark, lambda: frame.select(*names, hypotenuse("c1", "c999").alias("r")).where("r > 1100"))


def test_nullable_int_form_runs_as_a_kernel(spark, table):
    what = check(spark, lambda: table.select("id", bucket("kn").alias("b")))
    assert what.kernel_batches == what.batches > 1


def test_a_second_run_reuses_everything(spark, table):
    query = lambda: table.select("id", hypotenuse("x", "y").alias("r"))  # noqa: E731
    check(spark, query)
    _, frame = run(spark, query, {})
    assert measured(frame).kernel_batches == measured(frame).batches


def test_queries_without_udfs_are_left_alone(spark, table):
    _, frame = run(spark, lambda: table.select("id", (F.col("x") * 2).alias("z")).where("z > 1"), {})
    what = measured(frame)
    assert what.operators == 0
    assert what.refusals == ()


def test_explain_names_the_fused_nodes(spark, table):
    import sparkweld

    text = sparkweld.explain(table.select("id", hypotenuse("x", "y").alias("r")).where("r > 3"))
    assert "hypotenuse" in text
    assert "filter" in text.lower()
