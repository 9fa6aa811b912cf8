"""Checks that filters by plain UDFs of two joined tables also filter each table before the join, and that rows stay PySpark's."""

from __future__ import annotations

import re

import pandas as pd
import pytest
from pyspark.sql import functions as F
from pyspark.sql.functions import pandas_udf, udf
from pyspark.sql.types import BooleanType, LongType

import sparkweld
from tests.helpers.differential import BACKEND, checked, run

NATIVE = {BACKEND: "native", "spark.sparkweld.compile.timeout": "60s"}
MODES = ["air", "rail", None, "ship", "truck"]
BRANDS = ["a", "b", None, "c"]


@pytest.fixture(scope="module")
def tables(spark, tmp_path_factory):
    """Writes `items` with a `part` that some parts lack, and `parts`; all other columns have NULLs."""
    folder = tmp_path_factory.mktemp("sides")
    items = pd.DataFrame({
        "id": range(6000), "part": [i % 130 for i in range(6000)], "mode": [MODES[i % 5] for i in range(6000)],
        "quantity": pd.array([None if i % 11 == 0 else i % 50 for i in range(6000)], "Int64"),
    })  # fmt: skip
    parts = pd.DataFrame({
        "part": range(120), "brand": [BRANDS[i % 4] for i in range(120)],
        "size": pd.array([None if i % 13 == 0 else i % 30 for i in range(120)], "Int64"),
    })  # fmt: skip
    items.to_parquet(folder / "items.parquet")
    parts.to_parquet(folder / "parts.parquet")
    return lambda: [spark.read.parquet(str(folder / f"{name}.parquet")) for name in ("items", "parts")]


@udf(BooleanType())
def wanted(mode, quantity, brand, size):
    if mode not in ("air", "ship") or quantity is None or size is None:
        return False
    if brand == "a":
        return 1 <= quantity <= 11 and size < 9
    return brand == "b" and 20 <= quantity <= 30


@udf(BooleanType())
def fussy(mode, quantity, brand, size):
    """Raises for a NULL quantity, but only of brand a."""
    return mode == "air" and brand == "a" and 100 // (quantity + 1) < size


@udf(LongType())
def doubled(quantity):
    return None if quantity is None else quantity * 2


@udf(BooleanType())
def odd(size):
    return size is not None and size % 2 == 1


COLUMNS = "mode", "quantity", "brand", "size"


def conditions(frame) -> list[str]:
    """Returns the filters directly above scans."""
    plan = frame._jdf.queryExecution().optimizedPlan().toString().splitlines()
    return [line for line, below in zip(plan, plan[1:], strict=False) if "Filter" in line and "Relation" in below]


def filtered(tables, function=wanted, how="inner"):
    items, parts = tables()
    return items.join(parts, "part", how).where(function(*COLUMNS))


def implied(spark, query, conf=NATIVE, columns=("mode", "brand")) -> int:
    """Returns how many tables a condition on one of the columns filters, after a comparison with PySpark."""
    frame = checked(spark, query, conf=conf)[1]
    lines = [re.sub(r"isnotnull\([^)]*\)", "", line) for line in conditions(frame)]  # as joins themselves add
    return sum(any(f"{column}#" in line for column in columns) for line in lines)


@pytest.mark.gate_cases("broadcast-right", "merge-left")
@pytest.mark.parametrize("how", ["inner", "left", "right"])
@pytest.mark.parametrize("hint", ["broadcast", "merge"])
def test_each_side_is_filtered(spark, tables, how, hint):
    def query():
        items, parts = tables()
        return items.join(parts.hint(hint), "part", how).where(wanted(*COLUMNS)).select("id", "size").orderBy("id")

    _, frame = checked(spark, query, conf=NATIVE)
    found = " ".join(conditions(frame))
    assert ("mode" in found) == (how != "right") and ("brand" in found) == (how != "left")
    assert how != "inner" or "its filter implies" in sparkweld.explain(frame)


@pytest.mark.nightly("test_each_side_is_filtered")
def test_in_join_conditions_and_above_projections(spark, tables):
    def joined():
        items, parts = tables()
        other = parts.withColumnRenamed("part", "number")
        return items.join(other, (F.col("part") == F.col("number")) & wanted(*COLUMNS)).select("id", "size").orderBy("id")

    assert implied(spark, joined) == 2

    def renamed():
        items, parts = tables()
        both = items.join(parts, "part").select("id", F.col("mode").alias("m"), F.col("quantity").alias("q"), "brand")
        keep = udf(lambda m, q, b: m == "ship" and q == 8 and b == "a", BooleanType())
        return both.where(keep("m", "q", "brand")).orderBy("id")

    assert implied(spark, renamed) == 2


def test_nulls_of_the_other_table(spark, tables):
    """The function keeps rows for NULLs of the other table, whatever the columns of its own table are."""
    loose = udf(lambda mode, size: size is None or (mode == "air" and size == 5), BooleanType())

    def query():
        items, parts = tables()
        return items.join(parts, "part").where(loose("mode", "size")).select("id").orderBy("id")

    found = " ".join(conditions(checked(spark, query, conf=NATIVE)[1]))
    assert "size" in found and "mode" not in found


def test_nulls_of_the_own_table(spark, tables):
    """A row whose NULL makes the function return False is dropped; one whose NULL may make it raise stays."""
    keep = udf(lambda mode, quantity, size: mode == "air" and size is not None and quantity > 7, BooleanType())

    def query():
        items, parts = tables()
        both = items.where("quantity is not null").join(parts, "part")
        return both.where(keep("mode", "quantity", "size")).select("id").orderBy("id")

    (found,) = [line for line in conditions(checked(spark, query, conf=NATIVE)[1]) if "mode" in line]
    assert "isnull(" not in found and " = air" in found
    items, parts = tables()
    raising = lambda: items.join(parts, "part").where(keep("mode", "quantity", "size")).select("id")  # noqa: E731
    off, on = (run(spark, raising, {**NATIVE, "spark.sparkweld.enabled": enabled})[0] for enabled in ("false", "true"))
    assert off.error == on.error == "TypeError"


@pytest.mark.nightly(
    "test_each_side_is_filtered",
    "tests/udf_compiler/backends/catalyst/test_side_conditions.py::test_no_row_is_lost",
)
def test_fields_of_structs(spark, tables):
    """A field may be NULL where its struct is not."""
    loose = udf(lambda own, size: own.quantity is None or (own.quantity == 7 and size == 5), BooleanType())

    def query():
        items, parts = tables()
        made = items.select("id", "part", F.struct("quantity", "mode").alias("own"))
        return made.join(parts, "part").where(loose("own", "size")).select("id").orderBy("id")

    checked(spark, query, conf=NATIVE)


def test_random_numbers_see_the_same_rows(spark, tables):
    query = lambda: filtered(tables).where(F.rand(3) < 0.7).select("id").orderBy("id")  # noqa: E731
    beside = lambda: filtered(tables).select("id", F.rand(3).alias("r")).where("r < 0.7").orderBy("id")  # noqa: E731
    for one in (query, beside):
        checked(spark, one, conf={**NATIVE, "spark.sql.adaptive.enabled": "false"})


@pytest.mark.nightly("test_each_side_is_filtered")
def test_three_tables(spark, tables):
    keep = udf(lambda mode, size, brand: mode == "air" and size == 5 and brand == "b", BooleanType())

    def query():
        items, parts = tables()
        sizes, brands = parts.select("part", "size"), parts.select("part", "brand")
        return items.join(sizes, "part").join(brands, "part").where(keep("mode", "size", "brand")).select("id").orderBy("id")

    assert implied(spark, query, columns=("mode", "size", "brand")) == 3


def test_functions_that_raise(spark, tables):
    """A joined row for which the function raises reaches it; without such rows, the sides are filtered."""
    query = lambda: filtered(tables, fussy).select("id")  # noqa: E731
    off, on = (run(spark, query, {**NATIVE, "spark.sparkweld.enabled": enabled})[0] for enabled in ("false", "true"))
    assert off.error == on.error == "TypeError"

    def fine():
        items, parts = tables()
        return items.where("quantity > 0").join(parts.where("size > 1"), "part").where(fussy(*COLUMNS)).select("id").orderBy("id")

    assert implied(spark, fine) == 2


def test_functions_above(spark, tables):
    """Pure functions see fewer batches; one with a state would see other rows, so nothing is added."""
    query = lambda: filtered(tables).select("id", doubled("quantity").alias("d")).orderBy("id")  # noqa: E731
    assert implied(spark, query) == 2
    seen = []

    @udf(LongType())
    def counted(n):
        seen.append(n)
        return len(seen)

    frame = run(spark, lambda: filtered(tables).select(counted("id").alias("c")), NATIVE)[1]
    assert not any("air" in line for line in conditions(frame))


@pytest.mark.nightly("test_functions_above", "test_functions_that_raise")
def test_functions_beside_and_below(spark, tables):
    """They see the rows that PySpark passes: one may raise for a row that the condition drops."""
    beside = lambda: filtered(tables).where(odd("size")).select("id").orderBy("id")  # noqa: E731
    assert implied(spark, beside) == 0

    def below():
        items, parts = tables()
        both = items.withColumn("quantity", doubled("quantity")).join(parts, "part")
        return both.where(wanted(*COLUMNS)).select("id").orderBy("id")

    assert implied(spark, below) == 0


@pytest.mark.nightly("test_functions_above", "tests/udf_compiler/backends/catalyst/test_side_conditions.py::test_no_row_is_lost")
def test_other_filters(spark, tables):
    """Pandas UDFs see batches, a filter of one table is Spark's to move, and one that implies nothing adds nothing."""
    either = udf(lambda mode, size: mode == "air" or size == 3, BooleanType())
    vector = pandas_udf(lambda q, s: (q > 3) & (s > 4), BooleanType())
    one = udf(lambda mode, quantity: mode == "air" and quantity == 5, BooleanType())
    for function, columns in ((either, ("mode", "size")), (vector, ("quantity", "size")), (one, ("mode", "quantity"))):
        items, parts = tables()
        frame = items.join(parts, "part").fillna(0).where(function(*columns)).select("id").orderBy("id")
        assert implied(spark, lambda frame=frame: frame.select("*")) == 0


def test_the_setting(spark, tables):
    off = {**NATIVE, "spark.sparkweld.pushdown.enabled": "false"}
    assert implied(spark, lambda: filtered(tables).select("id").orderBy("id"), off) == 0
