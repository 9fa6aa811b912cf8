"""Checks columns of rare types: other Parquet timestamps and sized strings run in kernels, all others are refused by name."""

from __future__ import annotations

import datetime
import decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import functions as F
from pyspark.sql.functions import pandas_udf, udf

from tests.helpers.differential import check
from tests.helpers.lines import LINE, arrow_udf

ROWS = 5000


@pytest.mark.each_value_once
@pytest.mark.parametrize("form", [{"use_deprecated_int96_timestamps": True}, {"coerce_timestamps": "ms"}])
@pytest.mark.parametrize("dictionary", [True, False])
def test_timestamps_in_other_forms(spark, tmp_path, form, dictionary):
    first = datetime.datetime(1965, 2, 27, 23, 59, 58)
    times = [first + datetime.timedelta(days=i % 40 * 517, milliseconds=i % 5) if i % 7 != 3 else None for i in range(ROWS)]
    table = pa.table({"id": np.arange(ROWS), "t": pa.array(times, pa.timestamp("us", tz="UTC"))})
    pq.write_table(table, str(tmp_path / "t.parquet"), use_dictionary=dictionary, **form)
    frame = spark.read.parquet(str(tmp_path / "t.parquet"))
    hour = pandas_udf(lambda t: t.dt.hour + t.dt.microsecond, "double")
    offset = pd.DateOffset(months=1, hours=2) if LINE >= (4, 0) else pd.Timedelta(days=31, hours=2)  # SW275 on Spark 3.5
    later = pandas_udf(lambda t: t + offset, "timestamp")
    what = check(spark, lambda: frame.select("id", hour("t").alias("h"), later("t").alias("l")), deopt=None)
    assert what.kernel_batches


def test_strings_of_a_declared_length(spark, parquet):
    texts = [None if i % 9 == 4 else f"t{i % 50}" for i in range(300)]
    parquet({"id": np.arange(300), "s": texts}).createOrReplaceTempView("source")
    declared = "select id, cast(s as varchar(9)) as v, cast(s as char(6)) as c from source"
    spark.sql(f"create or replace temp view declared as {declared}")
    upper = pandas_udf(lambda s: s.str.upper() + "!", "string")
    what = check(spark, lambda: spark.table("declared").select("id", upper("v").alias("v"), upper("c").alias("c")), deopt=None)
    assert what.kernel_batches


#: Over Arrow, a plain function takes what a pickled one does not.
_OF_PICKLED = None if LINE >= (4, 2) else "SW101"
#: Name -> an argument that Spark computes, and why a plain and a pandas function of it are refused; None where one compiles.
SELDOM = {
    "decimal": ("cast(id as decimal(12, 2))", None, "SW262"),
    "large decimal": ("cast(id as decimal(19, 2))", "SW101", "SW101"),
    "binary": ("cast(cast(id as string) as binary)", _OF_PICKLED, "SW101"),
    "array": ("array(id, id + 1)", None, "SW262"),
    "map": ("map('a', id)", _OF_PICKLED, "SW101"),
    "months": ("make_ym_interval(0, cast(id as int))", "SW101", "SW101"),
    "days": ("make_dt_interval(cast(id as int), 1, 2, 3.5)", "SW101", "SW101"),
    "variant": ("parse_json('{}')", "SW306", None),
}


@pytest.mark.gate_cases("months", "decimal")
@pytest.mark.parametrize("name", [name for name in SELDOM if name != "variant" or LINE >= (4, 0)])
def test_seldom_types(spark, parquet, name):
    sql, of_plain, of_pandas = SELDOM[name]
    parquet({"id": np.arange(30)}).createOrReplaceTempView("plain")
    stored = spark.sql(f"select id, {sql} as v from plain")
    known = udf(lambda v: 1 if v is None else 2, "long")
    check(spark, lambda: stored.select("id", known("v").alias("r")), refused=of_plain)
    if name != "variant":
        same = pandas_udf(lambda v: pd.Series(range(len(v))), "long")
        check(spark, lambda: stored.select("id", same("v").alias("r")), refused=of_pandas)


@pytest.mark.nightly("test_seldom_types")
def test_columns_of_seldom_types(spark, parquet):
    frame = parquet(
        {
            "id": np.arange(30), "d": pa.array([decimal.Decimal(i) for i in range(30)], pa.decimal128(9, 2)),
            "b": [b"x"] * 30, "l": [[1, 2]] * 30, "s": [{"p": {"q": i}, "r": i} for i in range(30)],
        }
    )  # fmt: skip
    known = udf(lambda v: 1 if v is None else 2, "long")
    arrow = arrow_udf(lambda v: pa.array(range(len(v))), "long")
    for column in ("d", "b", "l", "s"):
        for function in (known, arrow):
            taken = "bdls" if LINE >= (4, 2) else "dl"  # over Arrow; pickled values have other classes
            refused = None if function is known and column in taken else "SW259" if column == "l" else "SW101"
            check(spark, lambda f=function, c=column: frame.select("id", f(F.col(c)).alias("r")), refused=refused)
