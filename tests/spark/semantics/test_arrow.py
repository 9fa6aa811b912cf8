"""Compares Arrow UDFs and their iterators with the plugin off and on, after PySpark's own suites."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from pyspark.sql import functions as F

from tests.helpers.lines import arrow_udf
from tests.helpers.semantics import Case, a_third, check_cases

ROWS = 30
TYPES = {"i": "int", "l": "long", "x": "double", "f": "float", "b": "boolean", "s": "string", "d": "date", "h": "short"}


@pytest.fixture
def frame(parquet):
    at = np.arange(ROWS)
    holes = at % 7 == 3
    return parquet(
        {
            "k": at,
            "i": pa.array(at, pa.int32(), mask=holes),
            "l": pa.array(at * 10**12, mask=holes),
            "x": pa.array(at / 4, mask=holes),
            "f": pa.array((at / 4).astype(np.float32), mask=holes),
            "b": pa.array(at % 2 == 0, mask=holes),
            "h": pa.array(at, pa.int16()),
            "s": pa.array([f"a b{v}" for v in at], mask=holes),
            "d": pa.array(at * 400, pa.int32(), mask=holes).cast(pa.date32()),
        }
    )


def each(function, returns):
    def iterated(parts: Iterator[pa.Array]) -> Iterator[pa.Array]:
        for part in parts:
            yield function(part)

    return arrow_udf(iterated, returns)


def pair(k: pa.Array, s: pa.Array) -> pa.Array:
    return pa.StructArray.from_arrays([k, s], names=["a", "b"])


def _arrow(function, returns):
    return arrow_udf(function, returns)


CASES = [
    Case("every type", lambda t: t.select(*(_arrow(lambda v: v, type)(name).alias(name) for name, type in TYPES.items()))),
    Case(
        "every type by iterators",
        lambda t: t.select(*(each(lambda v: v, type)(name).alias(name) for name, type in TYPES.items())),
    ),
    Case(
        "sums",
        lambda t: t.select(
            _arrow(lambda a, b: pc.add(a, b), "long")("k", "l"), _arrow(lambda a: pc.multiply(a, 2.5), "double")("x")
        ),
    ),
    Case(
        "one over another",
        lambda t: t.select(_arrow(lambda v: pc.subtract(v, 1), "long")(_arrow(lambda v: pc.add(v, 1), "long")("k"))),
    ),
    Case(
        "iterators over another",
        lambda t: t.select(each(lambda v: pc.subtract(v, 1), "long")(each(lambda v: pc.add(v, 1), "long")("k"))),
        refused="SW206",
    ),
    Case("a struct", lambda t: t.select(_arrow(pair, "a long, b string")("k", "s").alias("r")).select("r.*"), runs=None),
    Case("words", lambda t: t.select(_arrow(lambda s: pc.ascii_split_whitespace(s), "array<string>")("s")), refused="SW251"),
    Case("parts of dates", lambda t: t.select(_arrow(lambda d: pc.year(d), "long")("d")), refused="SW251"),
    Case(
        "Python values",
        lambda t: t.select(_arrow(lambda d: pa.array([v.as_py() for v in d], pa.int32()), "int")("i")),
        refused="SW259",
    ),
    Case("fewer rows", lambda t: t.select(_arrow(lambda v: pa.array([1]), "long")("k")), refused="SW363"),
    Case("a number for an array", lambda t: t.select(_arrow(lambda v: 1, "long")("k")), refused="SW363"),
    Case("a cast", lambda t: t.select(_arrow(lambda v: pc.cast(v, pa.int32()), "int")("k"), _arrow(lambda v: v, "long")("i"))),
    Case("a cast that loses", lambda t: t.select(_arrow(lambda v: pc.add(v, 0.5), "int")("x")), runs=None),
    Case("a checked overflow", lambda t: t.select(_arrow(lambda v: pc.multiply_checked(v, 10**17), "long")("k")), runs=None),
    Case("an empty partition", lambda t: t.where("k < 0").select(_arrow(lambda v: pc.add(v, 1), "long")("k"))),
    Case("named arguments", lambda t: t.select(_arrow(lambda a, b: pc.subtract(a, b), "long")(b=F.col("k"), a=F.col("l")))),
    Case("over a filter", lambda t: t.where("k % 3 = 0").select(_arrow(lambda v: pc.fill_null(v, -1.0), "double")("x"))),
]


@pytest.mark.sampled
def test_arrow_udfs(spark, frame):
    check_cases(spark, frame, a_third(CASES))
