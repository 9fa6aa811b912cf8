"""Checks that misbehaving UDFs and edge values produce the rows, or the error class, of the job without the plugin."""

from __future__ import annotations

import datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql import functions as F
from pyspark.sql.functions import pandas_udf, udf
from pyspark.sql.types import BooleanType, DateType, DoubleType, IntegerType, LongType, StringType, TimestampType

from tests.helpers.differential import check

TEXTS = ["", "12", "x" * 3000, "2024-02-30", "0001-01-01", "9999-12-31", "1e400", " 7 ", "nan", "\ud7ff", "😀"]
TEXTS += [None, "2024-03-01"]


@pytest.fixture
def table(parquet):
    """A string, a number with NaN, infinities and NULL, a date and a timestamp at both ends of Spark's calendar."""
    n = len(TEXTS)
    numbers = [0.0, -0.0, 1.5, float("nan"), float("inf"), float("-inf"), None, 2.0**53, 5e-324, 1e308, -1.0, 2.0, 3.0]
    days = [datetime.date(1, 1, 1), datetime.date(9999, 12, 31), None, datetime.date(1582, 10, 15), datetime.date(1970, 1, 1)]
    moments = [datetime.datetime(1, 1, 1), datetime.datetime(9999, 12, 31, 23, 59, 59, 999999), None]
    return parquet(
        {
            "id": np.arange(n),
            "s": TEXTS,
            "x": pa.array(numbers, pa.float64(), from_pandas=False),
            "k": np.arange(n) % 4,
            "d": [days[i % len(days)] for i in range(n)],
            "t": pa.array([moments[i % len(moments)] for i in range(n)], pa.timestamp("us")),
        }
    )


@pandas_udf(DoubleType())
def by_nan_key(x: pd.Series) -> pd.Series:
    return x.map({float("nan"): -1.0, 2.0: 20.0, 0.0: 10.0})


@pandas_udf(DoubleType())
def by_nan_value(x: pd.Series) -> pd.Series:
    return x.map({1.5: float("nan"), 2.0: 1.0}).fillna(7.0)


@pandas_udf(BooleanType())
def among_nan(x: pd.Series) -> pd.Series:
    return x.isin([float("nan"), 2.0, None])


@pandas_udf(LongType())
def lengths(s: pd.Series) -> pd.Series:
    return s.fillna("").str.len()


@pandas_udf(DoubleType())
def coerced(s: pd.Series) -> pd.Series:
    return pd.to_numeric(s, errors="coerce")


@udf(DoubleType())
def looked_up(x):
    return {0.0: 1.0, 2.0: None}.get(x, -5.0)


def test_dictionaries_with_nan_keys(spark, table):
    check(spark, lambda: table.select("id", by_nan_key("x"), by_nan_value("x"), looked_up("x")))
    check(spark, lambda: table.select("id", among_nan("x")), refused="SW262")


def test_unparseable_numbers_and_long_strings(spark, table):
    # one of the strings is a number that the kernel leaves to pandas
    check(spark, lambda: table.select("id", lengths("s"), coerced("s")), deopt=True)
    check(spark, lambda: table.select("id", lengths("s")))


def test_a_text_of_ten_megabytes(spark, parquet):
    long = "aB 1é" * 1_800_000
    texts = parquet({"s": [long, "", None, long[:-3]]})
    shout = pandas_udf(lambda s: s.str.upper().str.replace("1", "22", regex=False), "string")
    check(spark, lambda: texts.select(F.md5(shout("s").cast("binary")), lengths("s")))


@pandas_udf(DateType())
def a_year_later(d: pd.Series) -> pd.Series:
    return pd.Series([None if x is None else x.replace(year=min(x.year + 1, 9999)) for x in d])


@pandas_udf(IntegerType())
def year_of(d: pd.Series) -> pd.Series:
    return pd.to_datetime(d).dt.year


@pandas_udf(TimestampType())
def parsed(s: pd.Series) -> pd.Series:
    return pd.to_datetime(s, format="%Y-%m-%d")


@pandas_udf(TimestampType())
def parsed_or_null(s: pd.Series) -> pd.Series:
    return pd.to_datetime(s, format="%Y-%m-%d", errors="coerce")


@pandas_udf(IntegerType())
def hour_of(t: pd.Series) -> pd.Series:
    return t.dt.hour


@pandas_udf(StringType())
def surrogate(s: pd.Series) -> pd.Series:
    return s.fillna("") + "\ud800"


@pandas_udf(DoubleType())
def too_short(x: pd.Series) -> pd.Series:
    return x.iloc[1:]


@pandas_udf(DoubleType())
def dropped(x: pd.Series) -> pd.Series:
    return x.dropna()


@pandas_udf(DoubleType())
def only_one(x: pd.Series) -> pd.Series:
    return pd.Series([1.0])


@pandas_udf(DoubleType())
def a_scalar(x: pd.Series) -> pd.Series:
    return 3.0  # type: ignore[return-value]


@pandas_udf(DoubleType())
def nothing(x: pd.Series) -> pd.Series:
    pass


@pandas_udf(DoubleType())
def a_list(x: pd.Series) -> pd.Series:
    return [1.0] * len(x)  # type: ignore[return-value]


@pandas_udf(LongType())
def texts_as_longs(s: pd.Series) -> pd.Series:
    return s


@pandas_udf(StringType())
def numbers_as_texts(x: pd.Series) -> pd.Series:
    return x


@pandas_udf(BooleanType())
def numbers_as_flags(x: pd.Series) -> pd.Series:
    return x


@pandas_udf(DoubleType())
def a_frame(x: pd.Series) -> pd.Series:
    return pd.DataFrame({"x": x})  # type: ignore[return-value]


@pandas_udf(LongType())
def raises_for_some(s: pd.Series) -> pd.Series:
    return s.fillna("0").str.strip().astype("int64")


@udf(LongType())
def raises_in_a_row(s):
    return int(s)


@udf(LongType())
def text_as_long(s):
    return s


@udf(StringType())
def number_as_text(x):
    return x


#: Function, column, and the refusal, or whether the batch is deoptimised to Python (False also where Python raises).
MISBEHAVING = [
    (a_year_later, "d", False), (year_of, "d", False), (parsed, "s", False), (parsed_or_null, "s", True),
    (surrogate, "s", "SW270"), (texts_as_longs, "s", "SW274"), (raises_for_some, "s", False), (raises_in_a_row, "s", False),
    (text_as_long, "s", False), (hour_of, "t", False), (too_short, "x", "SW250"), (dropped, "x", "SW250"),
    (only_one, "x", "SW262"), (a_scalar, "x", "SW106"), (nothing, "x", "SW106"), (a_list, "x", "SW106"),
    (numbers_as_texts, "x", "SW109"), (numbers_as_flags, "x", False), (a_frame, "x", "SW106"),
    (number_as_text, "x", "SW298"),
]  # fmt: skip


@pytest.mark.gate_cases("parsed_or_null", "surrogate", "raises_in_a_row", "too_short", "a_scalar", "numbers_as_flags", "year_of")
@pytest.mark.parametrize(("function", "column", "what"), MISBEHAVING, ids=[f.__name__ for f, _, _ in MISBEHAVING])
def test_misbehaving_functions(spark, table, function, column, what):
    how = {"refused": what} if isinstance(what, str) else {"deopt": what}
    check(spark, lambda: table.select("id", function(column).alias("y")), **how)


def test_an_invalid_text_in_a_column(spark, parquet):
    pieces = parquet({"b": pa.array([b"ok", b"\xff\xfe", b"\xc3", None, b"\xed\xa0\x80"], pa.binary())})
    check(spark, lambda: pieces.select(lengths(F.col("b").cast("string"))), refused="SW101")
    check(spark, lambda: pieces.where(F.col("b") == b"ok").select(lengths(F.col("b").cast("string"))), refused="SW101")
