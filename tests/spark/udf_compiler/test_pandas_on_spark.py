"""Compares pandas-on-Spark with the plugin off and on: transform_batch, apply_batch, transform, apply and map."""
# ruff: noqa: F821 - names of columns in pandas-on-Spark's type hints are strings

import os
import warnings

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql.functions import pandas_udf

from tests.helpers.differential import check
from tests.helpers.lines import LINE
from tests.helpers.sampling import some

ROWS = 3000


@pytest.fixture(scope="module")
def ps(spark):
    os.environ["PYARROW_IGNORE_TIMEZONE"] = "1"  # pyspark.pandas warns without
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pyspark.pandas
    if LINE == (4, 0):  # it requires that, as pandas-on-Spark has no ANSI mode there
        spark.conf.set("spark.sql.ansi.enabled", "false")
    yield pyspark.pandas
    spark.conf.unset("spark.sql.ansi.enabled")


@pytest.fixture
def frame(spark, ps, parquet):
    """Returns a frame whose index `id` counts down from above the batch's row numbers; `x`, `k`, `t` have NULLs, `x` NaN too."""
    ids = np.arange(ROWS)
    x = np.where(ids % 5 == 0, np.nan, ids / 7)
    parquet(
        {
            "id": 10_000 - ids,
            "x": pa.array(x, mask=ids % 9 == 1),
            "n": ids % 40 - 20,
            "k": pa.array((ids % 30).astype(np.int32), mask=ids % 11 == 2),
            "t": [None if i % 6 == 1 else f" Item {i % 13}" for i in ids],
            "f": (ids / 3).astype(np.float32),
        }
    ).createOrReplaceTempView("pos")
    return spark.table("pos").pandas_api("id")


def _check(spark, result, **how):
    """Compares a pandas-on-Spark result as the underlying Spark DataFrame, index included."""
    made = result()
    made = made.to_frame() if hasattr(made, "to_frame") else made
    internal = made._internal.to_internal_spark_frame
    # Plans are cached by DataFrame: a projection of the same one is planned anew.
    what = check(spark, lambda: internal.select("*"), **how)
    assert what.kernel_batches or how.get("deopt") or "refused" in how


@pytest.mark.sampled
def test_series(spark, ps, frame):
    def scaled(x, by, plus=0.5) -> ps.Series[float]:
        return x * by + plus

    def doubled(value) -> float:
        return value * 2.0 if value > 3 else -value

    def labelled(value) -> str:
        return "low" if value < 0 else "high"

    def trimmed(t) -> ps.Series[str]:
        return t.str.strip().str.lower()

    results = (
        lambda: frame.x.pandas_on_spark.transform_batch(scaled, 3, plus=1),
        lambda: frame.n.pandas_on_spark.transform_batch(lambda n: n // 7 + n % 3),
        lambda: frame.x.apply(doubled),
        lambda: frame.n.apply(lambda v, by: v * by, args=(4,)),
        lambda: frame.n.map(labelled),
        lambda: frame.t.pandas_on_spark.transform_batch(trimmed),
        lambda: frame[["x", "n"]].transform(scaled, by=2),
        lambda: frame.x.apply(np.sqrt),
    )
    for result in some(results, 3):
        _check(spark, result, deopt=None, ulp=0)


@pytest.mark.nightly("test_series")
def test_frames(spark, ps, frame):
    def two(pdf) -> ps.DataFrame["a":float, "b":int]:
        return pd.DataFrame({"a": pdf.x + pdf.n, "b": pdf.n * 2})

    def indexed(pdf) -> ps.DataFrame[("key", int), [("n", int), ("f", np.float32)]]:
        pdf["f"] = pdf.f / 2
        return pdf[["n", "f"]]

    def kept(pdf) -> ps.DataFrame[("key", int), [("x", float)]]:
        return pdf[pdf.n > 3][["x"]]

    def summed(pdf) -> ps.Series[float]:
        return pdf.x.fillna(0) + pdf.n

    def of_row(row) -> float:
        return row.n * 0.5 + row.f

    def halved(pdf) -> ps.DataFrame["a":float]:
        return pd.DataFrame({"a": pdf.k * 0.5})

    # Operations of integers with NULLs beside strings are left to pandas, but for a few.
    _check(spark, lambda: frame.pandas_on_spark.transform_batch(two), deopt=None)
    _check(spark, lambda: frame.pandas_on_spark.transform_batch(halved), deopt=True if LINE >= (4, 2) else None)
    accessor = frame[["x", "n", "t", "f"]].pandas_on_spark
    for result in (
        lambda: accessor.transform_batch(two),
        lambda: accessor.transform_batch(indexed),
        lambda: accessor.transform_batch(summed),
        lambda: accessor.apply_batch(indexed),
        lambda: accessor.apply_batch(kept),
        lambda: frame[["n", "f"]].apply(of_row, axis=1),
    ):
        _check(spark, result, deopt=None)


def test_refusals(spark, ps, frame):
    def narrow(x) -> ps.Series[int]:
        return x.fillna(0).round()

    def wrong(pdf) -> ps.DataFrame["a":float, "b":int]:
        return pdf[["x"]]

    def renumbered(pdf) -> ps.DataFrame[("key", int), [("x", float)]]:
        return pdf[["x"]].reset_index(drop=True)

    def by_number(x) -> ps.Series[float]:
        return x + pd.Series(np.sqrt(x.to_numpy()))

    def plus_one(pdf) -> ps.Series[float]:
        return pdf[1] + 1

    numbered = frame[["n", "x"]]
    numbered.columns = [0, 1]
    for code, result in (
        ("SW266", lambda: frame.x.pandas_on_spark.transform_batch(narrow)),
        ("SW267", lambda: frame.pandas_on_spark.transform_batch(wrong)),
        ("SW268", lambda: frame.pandas_on_spark.apply_batch(renumbered)),
        ("SW250", lambda: frame.x.pandas_on_spark.transform_batch(by_number)),
        ("SW265", lambda: numbered.pandas_on_spark.transform_batch(plus_one)),
    ):
        _check(spark, result, refused=code)
    inner = frame.x.apply(lambda v: v + 1)
    outer = pandas_udf(lambda x: x * 2, "double")(inner.spark.column)
    check(spark, lambda: inner._internal.spark_frame.select(outer.alias("r")), refused="SW269")
