"""Compares plain UDFs, Arrow and pickled, with the plugin off and on, after PySpark's own suites."""

from __future__ import annotations

import functools

import numpy as np
import pyarrow as pa
import pytest
from pyspark.sql import functions as F
from pyspark.sql.functions import udf

from tests.helpers.lines import of_plain_arrow
from tests.helpers.semantics import Case, a_third, check_cases

ROWS = 30


class Scaler:
    def __init__(self, by):
        self.by = by

    def __call__(self, v):
        return None if v is None else v * self.by


def scaled(v, by):
    return None if v is None else v * by


def checked(v):
    if v is None:
        return "none"
    try:
        return str(100 // (v - 7))
    except ZeroDivisionError:
        return "seven"


def spelled(v, n=2, *, mark="!"):
    return None if v is None else f"{v}{mark * n}"


def _in_parts(s, k):
    return None if k % 9 == 4 else (k * 2, s + "!")


@pytest.fixture
def frame(parquet):
    at = np.arange(ROWS)
    holes = at % 7 == 3
    digits = pa.array([str(i) for i in at])
    return parquet(
        {"k": at, "i": pa.array(at, pa.int32(), mask=holes), "x": pa.array(at / 4, mask=holes), "s": digits, "b": at % 2 == 0}
    )


def cases(arrow):
    made = functools.partial(udf, useArrow=arrow)
    return [
        Case("None where NULL", lambda t: t.select(made(lambda v: -1 if v is None else v + 1, "int")("i"))),
        Case("an int as a double", lambda t: t.select(made(lambda v: v, "double")("i"), made(lambda v: v, "float")("i"))),
        Case("a double as an int", lambda t: t.where("x = floor(x)").select(made(lambda v: v, "int")("x"))),
        Case("a bool as a string", lambda t: t.select(made(lambda v: v, "string")("b"))),
        Case("an int as a string", lambda t: t.select(made(lambda v: v, "string")("i"))),
        Case("a string as an int", lambda t: t.select(made(lambda v: v, "int")("s")), refused="SW298" if arrow else None),
        Case("an int as a bool", lambda t: t.select(made(lambda v: v, "boolean")("i")), runs=None),
        Case(
            "one within another",
            lambda t: t.select(
                made(lambda v: None if v is None else v * 2, "double")(
                    made(lambda v: None if v is None else v + 0.5, "double")("x")
                )
            ),
        ),
        Case("a callable object", lambda t: t.select(made(Scaler(2.5), "double")("x"))),
        Case("a partial", lambda t: t.select(made(functools.partial(scaled, by=3), "double")("x"))),
        Case("by name", lambda t: t.select(made(lambda a, b: a - b, "long")(b=F.col("k"), a=F.col("k") * 3)), since=(4, 0)),
        Case("default arguments", lambda t: t.select(made(lambda v, n=3: v * n, "long")("k"))),
        Case("a handler", lambda t: t.select(made(checked, "string")("k"))),
        Case(
            "an error of one row",
            lambda t: t.select(made(lambda v: 100 // (v - 7), "long")("k")),
            runs=None,
            raises="ZeroDivisionError",
        ),
        Case("an error behind a filter", lambda t: t.where("k > 7").select(made(lambda v: 100 // (v - 7), "long")("k"))),
        Case("in a filter", lambda t: t.where(made(lambda v: v % 3 == 0, "boolean")("k")).select("k")),
        Case(
            "in a join's condition",
            lambda t: (
                t.alias("a")
                .join(t.alias("b"), F.col("a.k") == made(lambda v: v // 2, "long")("b.k"))
                .select("a.k", "b.s")
                .orderBy("a.k", "b.s")
            ),
            runs=None,
        ),
        Case(
            "in an aggregate",
            lambda t: (
                t.groupBy(made(lambda v: v % 4, "long")("k").alias("g"))
                .agg(F.sum(made(lambda v: v * 2, "long")("k")))
                .orderBy("g")
            ),
        ),
        Case("no arguments", lambda t: t.select("k", made(lambda: 3, "int")()), runs=None),
        Case("a list", lambda t: t.select(made(lambda v: [v, v + 1], "array<long>")("k")), runs=None),
        Case(
            "a tuple as a struct",
            lambda t: t.select(made(lambda v: (v, str(v)), "a long, b string")("k").alias("r")).select("r.*"),
            runs=None,
        ),
        Case(
            "None as a struct",
            lambda t: t.select("k", made(_in_parts, "n long, text string")("s", "k").alias("r")),
            runs=None,
        ),
        Case(
            "fields of None",
            lambda t: t.select("k", made(_in_parts, "n long, text string")("s", "k").alias("r")).select("k", "r.n", "r.text"),
            runs=None,
        ),
        Case(
            "structs that are not None",
            lambda t: (
                t.select("k", made(_in_parts, "n long, text string")("s", "k").alias("r"))
                .where("r is not null")
                .select("k", "r.*")
            ),
            runs=None,
        ),
        Case("a string of a list", lambda t: t.select(made(str, "string")(F.array("k")))),
        Case("a formatted list", lambda t: t.select(made(lambda v: f"{v}", "string")(F.array("k"))), refused="SW222"),
        Case("an empty partition", lambda t: t.where("k < 0").select(made(lambda v: v + 1, "long")("k"))),
        Case("a random one", lambda t: t.select(made(lambda v: v + 0, "long").asNondeterministic()("k")), refused="SW302"),
        Case("in sorted order", lambda t: t.orderBy(made(lambda v: -v, "long")("k")).select("k").limit(5)),
    ]


@pytest.mark.gate_cases("pickled")
@pytest.mark.sampled
@pytest.mark.parametrize("arrow", [pytest.param(True, marks=of_plain_arrow), False], ids=["arrow", "pickled"])
def test_plain_udfs(spark, frame, arrow):
    check_cases(spark, frame, a_third(cases(arrow)))


@of_plain_arrow
def test_registered_functions(spark, frame):
    spark.udf.register("spelled", udf(spelled, "string", useArrow=True))
    frame.createOrReplaceTempView("semantics_of_plain")
    try:
        query = "select spelled(k), spelled(k, 1), spelled(n => 3, v => s) from semantics_of_plain where spelled(k) <> '3!!'"
        check_cases(spark, frame, [Case("by SQL", lambda t: spark.sql(query))])
    finally:
        spark.catalog.dropTempView("semantics_of_plain")
