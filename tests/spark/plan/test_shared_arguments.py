"""Checks functions that read a column which another function of the same Python worker has changed."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql import functions as F
from pyspark.sql.functions import pandas_udf, udf
from pyspark.sql.types import ArrayType, LongType, StringType

from tests.helpers import differential

ROWS = 9000


@pytest.fixture(scope="module")
def table(spark, tmp_path_factory):
    path = tmp_path_factory.mktemp("shared") / "t.parquet"
    ids = range(ROWS)
    pa.parquet.write_table(pa.table({
        "id": pa.array(ids, pa.int64()),
        "t": pa.array([None if n % 90 == 0 else f"t{n}" for n in ids]),
        "f": pa.StructArray.from_arrays([pa.array(ids, pa.int64()), pa.array([2 * n for n in ids])], ["a", "b"]),
        "l": pa.array([[n, 2, 1] for n in ids]),
    }), path)  # fmt: skip
    return lambda: spark.read.parquet(str(path))


@pandas_udf(StringType())
def changed(t: pd.Series) -> pd.Series:
    t[:] = "changed"
    return t


@pandas_udf(StringType())
def padded(t: pd.Series) -> pd.Series:
    import textwrap

    return t.apply(lambda x: x if x is None else textwrap.indent(x, " "))


@pandas_udf(StringType())
def shouted(t: pd.Series) -> pd.Series:
    return t + "!"


@pandas_udf(LongType())
def with_field(f: pd.DataFrame) -> pd.Series:
    f["a"] = 7
    return f["b"]


@pandas_udf(LongType())
def next_field(f: pd.DataFrame) -> pd.Series:
    return f["a"] + 1


@udf(ArrayType(LongType()))
def in_order(values):
    values.sort()
    print(len(values))
    return values


@udf(LongType())
def first(values):
    return values[0]


@udf(StringType())
def printed(text):
    print(text)
    return text


@udf(LongType())
def length(text):
    return None if text is None else len(text)


#: Queries, and whether their second function must stay in Python.
QUERIES = {
    "a string": (lambda t: t.select("id", changed("t"), shouted("t")), True),
    "a string, through an inner function": (lambda t: t.select("id", changed("t"), shouted(shouted("t"))), True),
    "a struct": (lambda t: t.select("id", with_field("f"), next_field("f")), True),
    "a list": (lambda t: t.select("id", in_order("l"), first("l")), True),
    "in the other order": (lambda t: t.select("id", shouted("t"), changed("t")), False),
    "another column": (lambda t: t.select("id", changed("t"), next_field("f")), False),
    "another expression": (lambda t: t.select("id", changed("t"), shouted(F.upper("t"))), False),
    "a function that changes nothing": (lambda t: t.select("id", padded("t"), shouted("t")), False),
    "strings of rows": (lambda t: t.select("id", printed("t"), length("t")), False),
}


@pytest.mark.gate_cases("a string", "a list", "another column", "a struct")
@pytest.mark.parametrize("name", QUERIES)
def test_changed_arguments(spark, table, name):
    query, stays = QUERIES[name]
    conf = {"spark.sql.execution.pythonUDF.arrow.enabled": "false"}
    if stays:
        differential.check(spark, lambda: query(table()), refused="SW236", conf=conf)
    else:
        differential.check(spark, lambda: query(table()), deopt=None, conf=conf)
