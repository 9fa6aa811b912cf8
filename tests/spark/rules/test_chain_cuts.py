"""Checks chains of plain functions of which only the inner ones have a kernel: values, errors and their order, and the plan."""

from __future__ import annotations

import datetime
import locale
import math

import pyarrow as pa
import pytest
from pyspark.sql import functions as F
from pyspark.sql.functions import udf

import sparkweld
from sparkweld.contract.constants import ARROW_BATCHED
from tests.helpers.chains import clean, mixed, plain
from tests.helpers.differential import ENABLED, check, checked, run
from tests.helpers.lines import is_refused

ROWS = 3000
MOST = 2**63 - 1


def strict(s):
    return plain(s)


def first_of_pair(s):
    return plain(s).split("#")[1].strip()


def scaled(k):
    return None if k is None else mixed(k % 1000) + k * 3


def halved(x):
    if x is None:
        return None
    for i in range(60):
        x = (x * 0.5 + 1.0) - i / 7.0
    return x


def next_day(d):
    return None if d is None else d + datetime.timedelta(days=mixed(d.day) % 30)


def odd(k):
    return None if k is None else mixed(k % 1000) % 2 == 1


def shown(x):
    return f"{type(x).__name__} {locale.strxfrm(repr(x))}"


def rejects(s):
    if locale.strxfrm(s).endswith("3"):
        raise KeyError(s)
    return s


@pytest.fixture
def table(parquet):
    names = [None if i % 11 == 3 else f"  Name-{i} É " if i % 2 else f"x#{i}" for i in range(ROWS)]
    numbers = [None if i % 7 == 1 else MOST - i if i % 400 == 5 else i * 37 - 500 for i in range(ROWS)]
    floats = [None if i % 9 == 1 else float("nan") if i % 9 == 2 else (i - 40) / 7 for i in range(ROWS)]
    days = [None if i % 5 == 1 else datetime.date(1970, 1, 1) + datetime.timedelta(days=i * 3) for i in range(ROWS)]
    columns = {"id": range(ROWS), "s": names, "k": pa.array(numbers, pa.int64()), "x": pa.array(floats, pa.float64()), "d": days}
    return parquet(columns, row_group_size=1000)



def made(*functions, arrow=True, returns="string"):
    return [udf(function, returns, useArrow=arrow) for function in functions]


def kernels(frame):
    """Returns the functions that explain reports as compiled."""
    entries = sparkweld.explain(frame, format="dict")["entries"]
    return [name for entry in entries if entry["kind"] == "compiled" for name in entry["functions"]]


CASES = [(clean, "s"), (scaled, "k"), (halved, "x"), (next_day, "d"), (odd, "k")]


@pytest.mark.gate_cases("scaled-pickled", "odd-arrow", "halved-arrow")
@pytest.mark.parametrize("arrow", [True, False], ids=["arrow", "pickled"])
@pytest.mark.parametrize("function, column", CASES, ids=[function.__name__ for function, _ in CASES])
def test_the_inner_function_is_a_kernel(spark, table, function, column, arrow):
    """Its values have their own types, not the declared one, to which a worker does not convert them between functions."""
    inner, outer = made(function, shown, arrow=arrow)
    what, frame = checked(spark, lambda: table.select("id", outer(inner(column)).alias("r"), column), deopt=None)
    assert kernels(frame) == [function.__name__] and "SW214" in what.refusals


def test_nan_is_the_object_that_the_inner_function_returns(spark, table):
    """A list contains an object that is NaN, and no other NaN."""

    def part(k):
        return math.nan if k is None or mixed(k % 1000) % 2 == 0 else mixed(k % 10) * 0.5

    inner, outer = made(part, lambda x: f"{x in [math.nan]} {locale.strxfrm('x')}")
    _, frame = checked(spark, lambda: table.select("id", outer(inner("k")).alias("r")), deopt=None)
    assert kernels(frame) == ["part"]
    assert {row.r for row in frame.collect()} == {"True x", "False x"}


def test_integers_beyond_64_bits_reach_the_outer_function(spark, table):
    inner, outer = made(lambda k: 0 if k is None else mixed(k % 100) + (k * 3 + 7) * k, shown)
    what, frame = checked(spark, lambda: table.select(outer(inner("k"))), deopt=None)
    assert kernels(frame) and what.guarded_rows > 0
    assert any(len(row[0]) > 30 for row in frame.collect())


def test_chains_of_three(spark, table):
    first, second, outer = made(clean, lambda s: None if s is None else s.upper()[:4] + "!", shown)
    _, frame = checked(spark, lambda: table.select(outer(second(first("s")))), deopt=None)
    assert kernels(frame) == ["<lambda>", "clean"]
    _, frame = checked(spark, lambda: table.select(second(outer(first("s")))), deopt=None)
    assert kernels(frame) == ["clean"]


@pytest.mark.nightly("test_chains_of_three")
def test_chains_beside_each_other(spark, table):
    inner, outer, other, number = made(clean, shown, rejects, scaled)
    query = lambda: table.select(outer(inner("s")), number("k"), "id", outer("k"), F.concat(outer(inner("s")), F.lit("!")))  # noqa: E731
    what, frame = checked(spark, query, deopt=None)
    assert sorted(kernels(frame)) == ["clean", "scaled"]
    query = lambda: table.where("s is not null").select(outer(inner("s")), other(outer(inner("s"))))  # noqa: E731
    _, frame = checked(spark, query, deopt=None)
    assert kernels(frame) == ["clean"]


def test_in_filters_and_projections_between(spark, table):
    inner, outer = made(clean, shown)
    query = lambda: table.where("id % 3 < 2").where(outer(inner("s")).contains("4")).select("id")  # noqa: E731
    _, frame = checked(spark, query, deopt=None)
    assert kernels(frame) == ["clean"]
    query = lambda: table.withColumn("a", inner(F.concat("s", F.lit("-Z")))).withColumn("b", outer("a")).select("b", "id")  # noqa: E731
    _, frame = checked(spark, query, deopt=None)
    assert kernels(frame) == ["clean"]
    query = lambda: table.select("id", F.when(F.col("k") > 3, outer(inner("s"))).otherwise("none").alias("r"))  # noqa: E731
    _, frame = checked(spark, query, deopt=None)
    assert kernels(frame) == ["clean"]


@pytest.mark.nightly("test_in_filters_and_projections_between")
def test_in_aggregates_and_joins(spark, table):
    inner, outer = made(clean, shown)
    query = lambda: table.groupBy(outer(inner("s")).alias("g")).count().orderBy("g")  # noqa: E731
    _, frame = checked(spark, query, deopt=None)
    assert kernels(frame) == ["clean"]
    other = table.select(F.col("id").alias("j"), F.col("s").alias("t"))
    condition = (F.col("id") == F.col("j")) & (outer(inner("s")) == outer(inner("t")))
    check(spark, lambda: table.join(other, condition).select("id").orderBy("id"), deopt=None)


@pytest.mark.gate_cases("pickled")
@pytest.mark.parametrize("arrow", [True, False], ids=["arrow", "pickled"])
def test_errors_of_both_functions(spark, table, arrow):
    """A worker calls both functions for a row before the next row: the first row that fails decides the error."""
    inner, outer = made(first_of_pair, rejects, arrow=arrow)
    for condition, error in (
        ("s like 'x#%'", "KeyError"),
        ("s like 'x#%' and id % 10 <> 3 or id = 2999", "IndexError"),
        ("s like 'x#%' and (id < 100 and id % 10 <> 4 or id = 203 or id = 201 or id = 91) or s is null and id = 91", "KeyError"),
    ):
        query = lambda condition=condition: table.where(condition).select(outer(inner("s")))  # noqa: E731
        expected, _ = run(spark, query, {ENABLED: "false"})
        actual, frame = run(spark, query, {ENABLED: "true"})
        assert expected.error == actual.error
        assert kernels(frame) == ([] if arrow and is_refused(ARROW_BATCHED) else ["first_of_pair"]), error


def test_rows_that_raise_are_caught_by_nobody(spark, table):
    inner, outer = made(strict, shown)
    query = lambda: table.select(outer(inner("s")))  # noqa: E731
    check(spark, query, deopt=None)


def test_what_is_not_divided(spark, table):
    inner, outer = made(clean, shown)
    lists, unchanged = made(lambda s: [] if s is None else plain(s).split("-"), lambda s: s)
    once_outer, once_inner = (function.asNondeterministic() for function in made(shown, clean))
    for chain in (
        once_outer(inner("s")),
        outer(once_inner("s")),
        outer(lists("s")),
        outer(unchanged("s")),
    ):
        query = lambda chain=chain: table.select("id", chain.alias("r"))  # noqa: E731
        expected, _ = run(spark, query, {ENABLED: "false"})
        actual, frame = run(spark, query, {ENABLED: "true"})
        assert expected == actual and not kernels(frame)
    with_setting = {"spark.sparkweld.pipeline.enabled": "false"}
    check(spark, lambda: table.select(outer(inner("s"))), refused="SW214", conf=with_setting)


def test_a_kernel_that_leaves_its_rows(spark, table):
    """Its guards flag most rows of this column: the outer function computes them, and later queries are not divided."""
    inner, outer = made(lambda k: 1 if k is None else mixed(k % 10) + (k % 1000 + 2**31) * (k % 999 + 2**32) * 3, shown)
    conf = {"spark.sparkweld.kernel.dropSlower.enabled": "true"}
    query = lambda: table.select(outer(inner("k")))  # noqa: E731
    _, frame = checked(spark, query, deopt=None, conf=conf)
    assert kernels(frame)
    check(spark, query, refused="SW214", conf=conf)


def test_few_flagged_rows_leave_their_batches(spark, table):
    """The outer function computes them alone: the kernel's results of the other rows are used."""
    inner, outer = made(lambda k: 1 if k is None else mixed(k % 10) + (k % 1000 + 5) * (k - 3), shown)
    what, frame = checked(spark, lambda: table.select("id", outer(inner("k"))))
    assert 0 < what.guarded_rows < 20 and kernels(frame)


def test_shadow_runs_leave_divided_chains_alone(spark, table):
    inner, outer = made(clean, shown)
    conf = {"spark.sparkweld.shadow.fraction": "1"}
    _, frame = checked(spark, lambda: table.select(outer(inner("s"))), deopt=None, conf=conf)
    assert kernels(frame) == ["clean"]


def test_equal_exchanges_are_of_equal_functions(spark, table):
    """Plans of divided chains differ where their functions do: Spark reuses no exchange of another function."""
    inner, other, outer = made(clean, lambda s: None if s is None else plain(s)[:5].upper(), shown)

    def query():
        left = table.select(outer(inner("s")).alias("a")).groupBy("a").count()
        right = table.select(outer(other("s")).alias("a")).groupBy("a").count()
        return left.union(right).orderBy("a", "count")

    _, frame = checked(spark, query, deopt=None)
    assert sorted(kernels(frame)) == ["<lambda>", "clean"]
