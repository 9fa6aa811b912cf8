"""Checks UDFs and their surrounding plan: expressions in place of UDFs, filter implications, and where neither applies."""

from __future__ import annotations

import datetime
import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql import functions as F
from pyspark.sql.functions import pandas_udf

from tests.helpers.compile_requests import call, literal
from tests.helpers.differential import check, measured, run
from tests.helpers.sampling import some

CATALYST = {"spark.sparkweld.backend": "catalyst"}
SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.5, 2.5, -2.5, 3.5, 1e300, -1e300, 5e-324, 2.0**53, 2.0**63, -(2.0**63)]
SPECIAL += [np.inf, -np.inf, np.nan, 127.0, 128.0, -129.0, 2147483647.0, -2147483649.0, 0.1, 7.0]


def numbers():
    """Returns every pair of special values, with NULLs in columns of floats only; other columns are non-nullable."""
    x, y = (v.ravel() for v in np.meshgrid(SPECIAL, SPECIAL))
    rows = len(x)
    random = np.random.default_rng(1)
    longs = random.choice([0, 1, -1, 7, -7, 2**63 - 1, -(2**63), 2**53 + 1, 12345], (2, rows))
    ints = random.choice([0, 1, -1, 7, -7, 2**31 - 1, -(2**31), 12345], (2, rows))
    shorts = random.choice([0, 1, -1, 7, -7, 32767, -32768], (2, rows))
    with np.errstate(over="ignore"):
        columns = {
            "id": np.arange(rows), "x": pa.array(x, mask=np.arange(rows) % 37 == 5), "y": y, "f": x.astype(np.float32),
            "k": longs[0], "m": longs[1], "i": ints[0].astype(np.int32), "j": ints[1].astype(np.int32),
            "s": shorts[0].astype(np.int16), "b": random.integers(-128, 127, rows).astype(np.int8), "t": x > 0,
            "d": pa.array([datetime.date(1999, 12, 30) + datetime.timedelta(days=int(i % 5)) for i in range(rows)]),
        }  # fmt: skip
    table = pa.table(columns)
    return table.cast(pa.schema([pa.field(f.name, f.type, nullable=f.name in ("x",)) for f in table.schema]))


def frame(spark, parquet):
    """Returns the table with its schema's nullability, which reading a file discards."""
    read = parquet(numbers())
    return read.where(" and ".join(f"{c} is not null" for c in read.columns if c != "x"))


def scalar(source, returns, columns):
    function = eval(source, {"__name__": "__main__", "np": np, "pd": pd})
    names = function.__code__.co_varnames[: function.__code__.co_argcount]
    function.__annotations__ = {**dict.fromkeys(names, pd.Series), "return": pd.Series}
    return pandas_udf(function, returns)(*columns.split())


EXACT = [
    ("lambda a, b: a + b * 2", "double", "x y"),
    ("lambda a, b: a - b", "float", "f f"),
    ("lambda a, b: a / b", "double", "x y"),
    ("lambda a, b: a / b", "double", "k m"),
    ("lambda a: a * a", "float", "f"),
    ("lambda a, b: a + b", "bigint", "k m"),
    ("lambda a, b: a * b - 3", "bigint", "k m"),
    ("lambda a, b: a * b", "int", "i j"),
    ("lambda a: a + 100", "smallint", "s"),
    ("lambda a: -a", "tinyint", "b"),
    ("lambda a: a.abs()", "int", "i"),
    ("lambda a: abs(a)", "double", "x"),
    ("lambda a: a // 7", "bigint", "k"),
    ("lambda a: a % 7", "int", "i"),
    ("lambda a: a // 3", "tinyint", "b"),
    ("lambda a: a // 1000", "int", "i"),
    ("lambda a: a % 5", "smallint", "s"),
    ("lambda a: np.fmod(a, 7)", "bigint", "k"),
    ("lambda a: np.fmod(a, 2.5)", "double", "x"),
    ("lambda a, b: a > b", "boolean", "x y"),
    ("lambda a, b: a >= b", "boolean", "x y"),
    ("lambda a, b: a == b", "boolean", "x y"),
    ("lambda a, b: a != b", "boolean", "x y"),
    ("lambda a: (a > 0) | (a <= -1)", "boolean", "x"),
    ("lambda a: ~(a < 2.5)", "boolean", "x"),
    ("lambda a, b: (a > b) ^ (a != 1)", "boolean", "x y"),
    ("lambda a, b: np.maximum(a, b)", "double", "x y"),
    ("lambda a, b: np.minimum(a, b)", "double", "x y"),
    ("lambda a: a.clip(lower=0)", "double", "x"),
    ("lambda a: a.clip(-2, 5)", "bigint", "k"),
    ("lambda a: a.fillna(0.5)", "double", "x"),
    ("lambda a, b: a.where(b > 0, 1.5)", "double", "x y"),
    ("lambda a, b: pd.Series(np.where(a > b, a, -1.0))", "double", "x y"),
    ("lambda a: pd.Series(np.select([a > 1, a < -1], [a, -a], 0.0))", "double", "x"),
    ("lambda a: np.sqrt(a)", "double", "x"),
    ("lambda a: np.sqrt(a)", "float", "f"),
    ("lambda a: np.floor(a)", "double", "x"),
    ("lambda a: np.ceil(a)", "float", "f"),
    ("lambda a: np.trunc(a)", "double", "x"),
    ("lambda a: a.round()", "double", "x"),
    ("lambda a: a.isna()", "boolean", "x"),
    ("lambda a: np.isfinite(a)", "boolean", "x"),
    ("lambda a: np.isinf(a)", "boolean", "f"),
    ("lambda a: a.isin([1, 7, 12345])", "boolean", "k"),
    ("lambda a: a.isin([1.0, np.nan, 2.5])", "boolean", "x"),
    ("lambda a: a.map({0: 1.5, 1: -2.5, 7: 0.0})", "double", "i"),
    ("lambda a: a & 255 | 1", "bigint", "k"),
    ("lambda a: ~a", "int", "i"),
    ("lambda a, b: a & ~b", "boolean", "t t"),
    ("lambda a: a.astype('float64')", "double", "i"),
    ("lambda a: a.astype('float32')", "float", "x"),
    ("lambda a: a.astype('int16')", "smallint", "i"),
    ("lambda a: a.astype(bool)", "boolean", "x"),
    ("lambda a: a.between(-1, 3)", "boolean", "x"),
]


@pytest.mark.gate_cases("false")
@pytest.mark.parametrize("ansi", ["true", "false"])
def test_expressions_return_the_bits_of_the_functions(spark, parquet, ansi):
    table = frame(spark, parquet)
    query = lambda: table.select("id", *(scalar(*case).alias(f"r{i}") for i, case in enumerate(EXACT)))  # noqa: E731
    what = check(spark, query, rewritten=len(EXACT), conf={**CATALYST, "spark.sql.ansi.enabled": ansi})
    assert what.operators == 0


@pytest.mark.nightly("test_expressions_return_the_bits_of_the_functions")
def test_expressions_without_generated_code(spark, parquet):
    table = frame(spark, parquet)
    conf = {**CATALYST, "spark.sql.codegen.wholeStage": "false", "spark.sql.codegen.factoryMode": "NO_CODEGEN"}
    query = lambda: table.select("id", *(scalar(*case).alias(f"r{i}") for i, case in enumerate(EXACT)))  # noqa: E731
    check(spark, query, rewritten=len(EXACT), conf=conf)


def test_chains_filters_and_sorts_of_expressions(spark, parquet):
    table = frame(spark, parquet)

    @pandas_udf("double")
    def twice(a: pd.Series) -> pd.Series:
        return a * 2

    @pandas_udf("boolean")
    def large(a: pd.Series) -> pd.Series:
        return a > 3

    chained = lambda: table.select("id", twice(twice("x")).alias("r")).where("r > 3").orderBy(F.desc("r"), "id")  # noqa: E731
    check(spark, chained, rewritten=1, conf=CATALYST)
    check(spark, lambda: table.where(large("x")).groupBy(twice("y")).count().orderBy("count"), rewritten=1, conf=CATALYST)


def test_some_udfs_become_expressions_and_others_kernels(spark, parquet):
    table = frame(spark, parquet)
    columns = scalar("lambda a: a + 1", "double", "x").alias("a"), scalar("lambda a: np.exp(a)", "double", "y").alias("b")
    what = check(spark, lambda: table.select("id", *columns), conf=CATALYST, ulp=4)
    assert what.operators == 1 and [kind for _, kind in what.rewritten] == ["expression"]


def test_a_neighbour_that_sees_its_batch_keeps_all_in_place(spark, parquet):
    table = frame(spark, parquet)
    columns = scalar("lambda a: a + 1", "double", "x").alias("a"), scalar("lambda a: a - a.mean()", "double", "y").alias("b")
    query = lambda: table.select("id", *columns)  # noqa: E731
    expected, _ = run(spark, query, {"spark.sparkweld.enabled": "false"})
    actual, planned = run(spark, query, CATALYST)
    assert expected == actual and not measured(planned).rewritten


@pytest.mark.gate_cases("fmin")
@pytest.mark.parametrize("name", ["fmax", "fmin"])
def test_picks_between_zeros_of_both_signs_stay_kernels(spark, parquet, name):
    """NumPy returns either zero depending on the row's position in its batch, which no expression knows."""
    table = frame(spark, parquet)
    pick = scalar(f"lambda a, b: np.{name}(a, b)", "double", "x y")
    what = check(spark, lambda: table.select("id", pick.alias("r")), deopt=True, conf=CATALYST)
    assert not what.rewritten
    other = lambda: table.where("x != 0 or y != 0").select("id", pick.alias("r"))  # noqa: E731
    assert check(spark, other, conf=CATALYST).kernel_batches


def test_nullable_integers_stay_kernels(spark, parquet):
    table = parquet({"k": pa.array([1, None, 3]), "id": [1, 2, 3]})
    what = check(spark, lambda: table.select("id", scalar("lambda a: a + 1", "double", "k")), conf=CATALYST)
    assert what.operators == 1 and not what.rewritten


def test_the_cost_model_takes_rows_as_expressions_and_columns_as_kernels(spark, parquet):
    table = frame(spark, parquet)
    cheap = scalar("lambda a: a + 1", "double", "x").alias("r")
    assert not check(spark, lambda: table.select("id", cheap), conf={"spark.sparkweld.backend": "auto"}).rewritten
    rows = lambda: spark.range(1000).selectExpr("id", "id * 0.5D as x").select("id", cheap)  # noqa: E731
    check(spark, rows, rewritten=1)
    check(spark, rows, conf={"spark.sparkweld.backend": "native"})
    from sparkweld import explain

    assert "ns per row as an expression" in explain(rows())


def pushed(frame):
    text = frame._jdf.queryExecution().executedPlan().toString()
    return text[text.index("PushedFilters") :].split("]")[0]


@pytest.mark.sampled
def test_filters_imply_conditions_for_the_scan(spark, parquet):
    table = parquet({"x": np.linspace(-10, 10, 5001), "n": pa.array([i if i % 11 else None for i in range(5001)])})

    @pandas_udf("double")
    def line(a: pd.Series) -> pd.Series:
        return 2 * a + 1

    queries = [
        lambda: table.where(line("x") > 3),
        lambda: table.select(line("x").alias("r"), "n").where("r > 3"),
        lambda: table.select(line(line("x")).alias("r"), "x").where("r between 3 and 5.5 and x < 100"),
        lambda: table.where(3 < line("x")).groupBy(F.lit(1)).agg(F.sum("x"), F.count("n")),
    ]
    for query in some(queries, 2):
        what = check(spark, query, conf={"spark.sparkweld.backend": "native"})
        assert ("line", "filter") in what.rewritten
        _, planned = run(spark, query, {"spark.sparkweld.backend": "native"})
        assert "GreaterThanOrEqual(x," in pushed(planned)
    _, off = run(spark, queries[0], {"spark.sparkweld.pushdown.enabled": "false"})
    assert "GreaterThan" not in pushed(off)
    check(spark, queries[0], rewritten=1, conf=CATALYST)


@pytest.mark.sampled
def test_conditions_that_imply_nothing(spark, parquet):
    table = parquet({"x": np.linspace(-10, 10, 501), "n": pa.array([i if i % 11 else None for i in range(501)])})
    cases = [
        table.where(scalar("lambda a: a * a", "double", "x") > 3),
        table.where(scalar("lambda a: ~(a > 3)", "boolean", "x")),
        table.where(scalar("lambda a: a - a.mean()", "double", "x") > 3),
        table.where(scalar("lambda a: a + 1", "double", "n") > 3),
        table.where((scalar("lambda a: a + 1", "double", "x") > 3) & (scalar("lambda a: a.rank()", "double", "x") > 3)),
    ]
    for case in some(cases, 3):
        expected, _ = run(spark, lambda case=case: case.select("*"), {"spark.sparkweld.enabled": "false"})
        actual, planned = run(spark, lambda case=case: case.select("*"), {})
        assert expected == actual and not measured(planned).rewritten


@pytest.mark.nightly("test_chains_filters_and_sorts_of_expressions")
def test_unions_limits_and_rollups_around_udfs(spark, parquet):
    table = parquet({"x": np.linspace(-10, 10, 5001), "k": np.arange(5001) % 5})
    half = scalar("lambda a: a * 0.5", "double", "x").alias("r")
    native = {"spark.sparkweld.backend": "native"}
    queries = [
        lambda: table.union(table).select("k", half).orderBy("k", "r"),
        lambda: table.select("k", half).union(table.select("k", half)).orderBy("k", "r"),
        lambda: table.orderBy("x").limit(100).select("k", half),
        lambda: table.select("k", half).orderBy("r").limit(7),
        lambda: table.select("k", half).rollup("k").agg(F.count("r"), F.max("r")).orderBy("k"),
        lambda: table.select("k", half).groupBy("k").agg(F.countDistinct("r"), F.count("r")).orderBy("k"),
    ]
    for query in queries:
        assert check(spark, query, conf=native).kernel_batches
    _, planned = run(spark, queries[0], native)
    assert "RowToColumnar" not in planned._jdf.queryExecution().executedPlan().toString()


def test_a_translation_that_spark_would_not_take_costs_no_query(spark):
    """The decoder checks types: an expression that it cannot build stays with the kernel or with Python."""
    decoder = spark._jvm.io.sparkweld.support.ExpressionDecoder
    encoded = spark._jvm.io.sparkweld.contract
    long, int_ = literal("7", "long"), literal("7", "integer")

    def accepted(expression):
        return decoder.accepts(encoded.Expression.decoder().read(encoded.Encoder.read(json.dumps(expression))))

    assert accepted(call("Add", long, long, type="long"))
    assert not accepted(call("Add", long, int_, type="long"))
    assert not accepted(call("IntegralDivide", int_, int_, type="long"))
    assert not accepted(call("Add", long, long, type="integer"))
    assert not accepted(call("And", long, long))
    assert not accepted(call("Shout", long, type="long"))
