"""Compares maps over frames and batches with the plugin off and on, after PySpark's own suites."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import functions as F
from pyspark.sql import types as T

from tests.helpers.differential import ENABLED, check, session_conf
from tests.helpers.lines import to_arrow
from tests.helpers.semantics import Case, a_third, check_cases

ROWS = 30


@pytest.fixture
def frame(parquet):
    names = pa.array([None if at % 4 == 1 else f"n{at}" for at in range(ROWS)])
    return parquet({"id": pa.array(range(ROWS)), "v": pa.array([at / 4 for at in range(ROWS)]), "s": names})


def itself(parts):
    for part in parts:  # noqa: UP028
        yield part


def by_numbers(parts):
    for part in parts:
        yield part.rename(columns=list(part.columns).index)


def renamed(parts):
    for part in parts:
        yield part.rename(columns={"id": "other"})


def twice_the_rows(parts):
    for part in parts:
        yield pd.concat([part, part])


def kept(parts):
    for part in parts:
        yield part[part.v > 3]


def reordered(parts):
    for part in parts:
        yield part[["s", "v", "id"]].assign(v=part.v * 2)


def with_text(parts):
    for part in parts:
        yield part.assign(id=part.id.apply(str))


def fixed(parts):
    for _ in parts:
        yield pd.DataFrame({"a": list(range(100))})


def nothing(_):
    return iter([])


def no_frames(_):
    return iter([1])


def one_more(parts):
    yield from parts
    yield pd.DataFrame([], columns=["id", "v", "s"])


def batches(parts):
    for part in parts:  # noqa: UP028
        yield part


def filtered(parts):
    for part in parts:
        yield part.filter(pc.greater(part.column("v"), 3.0))


def computed(parts):
    for part in parts:
        yield pa.RecordBatch.from_arrays([part.column("id"), pc.multiply(part.column("v"), 2.0)], ["id", "v"])


def priced(parts):
    for part in parts:
        part["twice"] = part["v"].values * 2
        part["name"] = part["s"]
        yield part[["id", "twice", "name"]]


REQUIRED = {"twice": T.DoubleType, "name": T.StringType}
ALL = "id long, v double, s string"
PANDAS = [
    Case("itself", lambda t: t.mapInPandas(itself, ALL)),
    Case("one after the other", lambda t: t.mapInPandas(itself, ALL).mapInPandas(kept, ALL)),
    Case("by position", lambda t: t.mapInPandas(by_numbers, ALL), refused="SW262"),
    Case("other names", lambda t: t.mapInPandas(renamed, ALL), refused="SW364", raises="PySparkRuntimeError"),
    Case("fewer columns", lambda t: t.select("id", "v").mapInPandas(itself, ALL), refused="SW364", raises="PySparkRuntimeError"),
    Case("more columns", lambda t: t.mapInPandas(itself, "id long, v double")),
    Case("other rows", lambda t: t.mapInPandas(twice_the_rows, ALL), refused="SW250"),
    Case("fewer rows", lambda t: t.mapInPandas(kept, ALL)),
    Case("in another order", lambda t: t.mapInPandas(reordered, ALL)),
    Case("declared as another type", lambda t: t.mapInPandas(with_text, ALL), refused="SW274"),
    Case(
        "a number as a string",
        lambda t: t.mapInPandas(itself, "id string, v double, s string"),
        refused="SW109",
        raises="ArrowTypeError",
    ),
    Case("frames of its own", lambda t: t.mapInPandas(fixed, "a long"), refused="SW262"),
    Case("no frame", lambda t: t.mapInPandas(nothing, ALL), refused="SW360"),
    Case("no frames but a number", lambda t: t.mapInPandas(no_frames, ALL), refused="SW360", raises="PySparkTypeError"),
    Case("an empty frame more", lambda t: t.mapInPandas(one_more, ALL), refused="SW262"),
    Case("over a filter", lambda t: t.where("id % 3 = 0").mapInPandas(reordered, ALL).where("v > 2")),
    Case("over an empty partition", lambda t: t.where("id < 0").mapInPandas(reordered, ALL)),
    Case(
        "joined with itself",
        lambda t: (
            t.mapInPandas(kept, ALL)
            .alias("a")
            .join(t.mapInPandas(kept, ALL).alias("b"), F.expr("a.id = b.id"))
            .orderBy("a.id")
            .select("a.v", "b.s")
        ),
    ),
]
ARROW = [
    Case("itself", lambda t: t.mapInArrow(batches, ALL)),
    Case("fewer rows", lambda t: t.mapInArrow(filtered, ALL)),
    Case("computed", lambda t: t.mapInArrow(computed, "id long, v double")),
    Case("other columns", lambda t: t.mapInArrow(computed, "id long, w double"), refused="SW364"),
    Case("over a filter", lambda t: t.where("id % 3 = 0").mapInArrow(computed, "id long, v double").where("v > 2")),
]


@pytest.mark.sampled
def test_maps_over_frames(spark, frame):
    check_cases(spark, frame, a_third(PANDAS))


def test_a_null_in_a_column_that_is_declared_not_nullable(spark, parquet):
    """Spark reads the value of such a NULL, which ends the query with its own error; SparkWeld must not end it otherwise."""
    at = range(ROWS)
    known = {"id": pa.array(at), "v": pa.array([n / 4 for n in at]), "s": pa.array([f"n{n}" for n in at])}
    schema = T.StructType([T.StructField("id", T.LongType()), *(T.StructField(n, t(), False) for n, t in REQUIRED.items())])
    rows = parquet(known)
    check(spark, lambda: rows.mapInPandas(priced, schema))
    for name, error in (("v", "Value at index is null"), ("s", "NullPointerException")):
        column = pa.array([None if n == 7 else known[name][n].as_py() for n in at])
        made = parquet(known | {name: column}).mapInPandas(priced, schema)
        for enabled in ("false", "true"):
            with session_conf(spark, {ENABLED: enabled}), pytest.raises((Py4JJavaError, PySparkException), match=error):
                to_arrow(made.selectExpr("id", "twice + 1", "concat(name, 'x')"))


@pytest.mark.nightly("tests/spark/udf_compiler/test_kinds.py::test_map_in_arrow")
def test_maps_over_batches(spark, frame):
    check_cases(spark, frame, ARROW)
