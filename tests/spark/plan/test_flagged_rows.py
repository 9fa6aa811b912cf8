"""Checks row-local functions: only the rows that a kernel flagged run in Python, and the results keep their order."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from pyspark.sql.functions import udf

from tests.helpers.differential import check
from tests.helpers.lines import arrow_udf

ROWS, LARGE = 5000, 2**40


def last_digits(k: int | None) -> int | None:
    return None if k is None else k * k % 1000


def digits(k: int | None, name: str | None) -> str | None:
    return None if k is None or name is None else f"{name} {k * k}"


def small(k: int | None) -> float | None:
    if k is None:
        return -1.0
    square = k * k
    return None if square > 10**20 else square / 7


def parsed(name: str | None) -> int | None:
    try:
        return int(name.split()[1])
    except Exception as error:  # noqa: BLE001
        print(f"no number in {name}: {error}")
        return None


@pytest.fixture(scope="module")
def columns():
    random = np.random.default_rng(11)
    large, missing = random.random(ROWS) < 0.01, random.random(ROWS) < 0.1
    k = np.where(large, LARGE + np.arange(ROWS), random.integers(-1000, 1000, ROWS))
    names = pa.array([f"name {v} é" for v in range(ROWS)], mask=random.random(ROWS) < 0.2)
    return {"k": pa.array(k, mask=missing), "name": names, "id": np.arange(ROWS), "large": large, "flagged": large & ~missing}


@pytest.mark.gate_cases("pickled")
@pytest.mark.parametrize("arrow", [True, False], ids=["arrow", "pickled"])
def test_flagged_rows_run_alone(spark, parquet, columns, arrow):
    table = parquet(columns, row_group_size=1500)
    functions = [udf(f, returns, useArrow=arrow) for f, returns in ((last_digits, "long"), (digits, "string"), (small, "double"))]
    first, text, other = functions

    def query():
        return table.select(first("k").alias("a"), "name", text("k", "name"), other("k"), "id", first(first("k")))

    what = check(spark, query)
    assert what.guarded_rows == columns["flagged"].sum() and what.kernel_batches > 3


@pytest.mark.gate_cases("arrow")
@pytest.mark.parametrize("arrow", [True, False], ids=["arrow", "pickled"])
def test_rows_that_print_run_alone(spark, parquet, arrow):
    table = parquet({"name": [f"name {v}" if v % 100 else "name" for v in range(ROWS)]}, row_group_size=1500)
    classes = spark.sparkContext.broadcast({"name 1": "first", "name 20": "twentieth"})
    known = udf(lambda name: classes.value.get(name, "other"), useArrow=arrow)
    what = check(spark, lambda: table.select(udf(parsed, "long", useArrow=arrow)("name"), known("name")))
    assert what.guarded_rows == ROWS // 100 and what.kernel_batches > 3


def test_many_flagged_rows_take_their_batch_along(spark, parquet):
    """Batches of 100 rows, buffered or not, surround heavily flagged ones, which finally are frequent enough to stay in
    Python.
    """
    shares = [0, 1, 0, 40, 0, 2, 90, 30, 1, 0, 50, 60, 70, 80, 90, 0, 1]
    large = np.concatenate([np.arange(100) * 37 % 100 < share for share in shares])
    rows = np.arange(len(large))
    table = parquet({"k": np.where(large, LARGE + rows, rows), "id": rows}, row_group_size=100)
    what = check(spark, lambda: table.select("id", udf(last_digits, "long", useArrow=True)("k")), deopt=True)
    assert (what.kernel_batches, what.deoptimised_batches, what.guarded_rows) == (7, 10, 424), "the fourth in a row ends it"


def test_filters_take_their_batch_along(spark, parquet, columns):
    table = parquet(columns, row_group_size=500)
    even = udf(last_digits, "long", useArrow=True)
    check(spark, lambda: table.select("id", even("k").alias("e")).where("e % 2 = 0"), deopt=None)


def test_errors_of_a_flagged_row(spark, parquet, columns):
    table = parquet(columns)

    def worst(k: int | None) -> int:
        return 0 if k is None or k * k < 10**20 else 1 // (k - k)

    check(spark, lambda: table.select(udf(worst, "long", useArrow=True)("k")), deopt=None)


def test_arrow_functions(spark, parquet, columns):
    table = parquet({**columns, "k": columns["k"]})

    @arrow_udf("long")
    def doubled(k: pa.Array) -> pa.Array:
        return pc.multiply_checked(pc.if_else(pc.greater(k, 10**6), 3, k), 2)

    check(spark, lambda: table.select("id", doubled("k")), deopt=None)
