"""Checks that kernels slower than Python are dropped, and that rows stay the same."""

from __future__ import annotations

import re

import numpy as np
import pytest
from pyspark.sql.functions import udf

import sparkweld
from tests.helpers.differential import BACKEND, check, measured, run, session_conf
from tests.helpers.lines import of_plain_arrow

DROPS = "spark.sparkweld.kernel.dropSlower.enabled"
LARGE, ROWS, BATCH = 2**40, 12_000, 2000


@pytest.fixture(autouse=True)
def dropping(spark):
    with session_conf(spark, {DROPS: "true"}):
        yield


@pytest.fixture
def numbers(parquet):
    rows = np.arange(ROWS)
    seldom = np.where(rows < BATCH // 50, LARGE + rows, rows)
    return parquet({"huge": LARGE + rows, "small": rows, "seldom": seldom}, row_group_size=BATCH)


def planned_again(query, times: int) -> None:
    for _ in range(times):
        query()._jdf.queryExecution().executedPlan()


def test_guards_that_flag_most_rows_end_it_after_one_batch(spark, numbers):
    square = udf(lambda k: k * k % 1009, "long")
    query = lambda: numbers.select("huge", square("huge").alias("s"))  # noqa: E731
    expected, _ = run(spark, query, {"spark.sparkweld.enabled": "false"})
    got, frame = run(spark, query, {})
    assert got.rows == expected.rows
    assert (measured(frame).guarded_rows, measured(frame).kernel_batches) == (BATCH, 0)
    assert "SW959" in sparkweld.explain(frame) and "left 100% of the rows" in sparkweld.explain(frame)
    check(spark, query, refused="SW959")
    # On another column it is another kernel.
    good = lambda: numbers.select("huge", square("small").alias("s"))  # noqa: E731
    check(spark, good)


def test_a_dropped_kernel_gets_another_turn(spark, numbers, parquet):
    cube = udf(lambda k: k * k * k % 1013, "long")
    query = lambda: numbers.select(cube("huge").alias("s"))  # noqa: E731
    run(spark, query, {})
    check(spark, query, refused="SW959")
    planned_again(query, 64)
    _, frame = run(spark, query, {})
    assert measured(frame).guarded_rows == BATCH, "it was tried again, and ended after one batch again"
    planned_again(query, 100)
    check(spark, query, refused="SW959")


def test_kernels_are_kept_at_any_cost(spark, numbers):
    fourth = udf(lambda k: k * k * k * k % 1019, "long")
    query = lambda: numbers.select(fourth("huge").alias("s"))  # noqa: E731
    for _ in range(2):
        what = check(spark, query, deopt=True, conf={DROPS: "false"})
        assert what.guarded_rows == 4 * BATCH, "the fourth batch in a row ends the kernel of this partition alone"


def test_a_batch_that_is_an_exception(spark, numbers):
    fifth = udf(lambda k: k * k * 5 % 1021, "long")
    query = lambda: numbers.select("seldom", fifth("seldom").alias("s"))  # noqa: E731
    for _ in range(2):
        what = check(spark, query)
        assert (what.kernel_batches, what.guarded_rows) == (ROWS // BATCH, BATCH // 50)


def words(s: str) -> int:
    """Kernels look for the class of a character past ASCII in a list of ranges, Python in a table."""
    found = len(re.findall(r"\w+", s)) + len(re.findall(r"[^\W\d]+", s)) + len(re.findall(r"\w{2,}", s))
    return found + len(re.findall(r"[\w-]+", s)) + len(re.findall(r"[^\W_]+", s))


@pytest.mark.nightly("test_a_kernel_that_is_a_hundred_times_slower_is_dropped", "tests/jvm_bridge/test_native.py::test_checks")
@of_plain_arrow
def test_rows_that_are_measured_in_python_too(spark, parquet):
    """Which of the two is faster depends on the machine (timings: tests/jvm/RaceCheck.java); the rows are equal."""
    texts = [f"{k} " + "数据库系统" * 400 for k in range(6000)]
    table = parquet({"text": texts}, row_group_size=500)
    query = lambda: table.select(udf(words, "int", useArrow=True)("text").alias("n"))  # noqa: E731
    expected, _ = run(spark, query, {"spark.sparkweld.enabled": "false"})
    kernels = 0
    for _ in range(2):
        got, frame = run(spark, query, {})
        assert got.rows == expected.rows
        kernels += measured(frame).kernel_batches
        told = " ".join(sparkweld.explain(frame).split())
        assert "SW959" not in told or "ns per row, and Python" in told and DROPS in told
    assert kernels


#: Every position matches at both ends, so that kernels compare half of it at each; Python's search takes linear time.
NEEDLE = "a" * 8000 + "b" + "a" * 8000


@of_plain_arrow
def test_a_kernel_that_is_a_hundred_times_slower_is_dropped(spark, parquet):
    """No machine load hides such a factor: both sides are timed by their CPU time."""
    table = parquet({"id": range(120), "text": [f"{k}" + "a" * 60_000 for k in range(120)]}, row_group_size=10)
    query = lambda: table.select("id", udf(lambda s: s.find(NEEDLE), "int", useArrow=True)("text").alias("n"))  # noqa: E731
    expected, _ = run(spark, query, {"spark.sparkweld.enabled": "false", BACKEND: "native"})
    got, frame = run(spark, query, {BACKEND: "native"})
    assert got.rows == expected.rows
    assert measured(frame).kernel_batches > 0
    told = " ".join(sparkweld.explain(frame).split())
    assert "SW959" in told and "ns per row, and Python" in told, told
    check(spark, query, refused="SW959")
