"""Checks that the options of `sparkweld.pandas_udf` reach the plan, and that without options it is PySpark's own."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import sparkweld
from tests.helpers.differential import check


@sparkweld.pandas_udf("double")
def grown(s: pd.Series) -> pd.Series:
    return np.exp(s)


@sparkweld.pandas_udf("double", backend="python")
def left(s: pd.Series) -> pd.Series:
    return s * 2


@sparkweld.pandas_udf("double", exact=True)
def exactly(s: pd.Series) -> pd.Series:
    return s * 2 + 1


def test_options_reach_the_plan(spark, parquet):
    frame = parquet({"id": np.arange(100), "x": np.linspace(-3, 3, 100)})
    check(spark, lambda: frame.select("id", grown("x").alias("r")), ulp=4)
    check(spark, lambda: frame.select("id", left("x").alias("r")), refused="SW700")
    check(spark, lambda: frame.select("id", exactly("x").alias("r")))
    with pytest.warns(sparkweld.RefusalWarning, match="SW232"):
        demanding = sparkweld.pandas_udf(lambda s: np.exp(s), "double", exact=True, backend="auto")
    check(spark, lambda: frame.select("id", demanding("x").alias("r")), refused="SW232")
    text = sparkweld.explain(frame.select(left("x"), demanding("x")))
    assert "Left to Python" in text and "Not bit-equal" in text


def test_only_the_function_that_requests_it_is_exact(spark, parquet):
    frame = parquet({"id": np.arange(50), "x": np.linspace(-3, 3, 50)})
    check(spark, lambda: frame.select("id", exactly("x").alias("a"), grown("x").alias("b")), ulp=4)
    chained = check(spark, lambda: frame.select("id", exactly(grown("x")).alias("r")), refused="SW232")
    assert chained.operators == 0


def test_sql_text_and_registration(spark, parquet):
    spark.udf.register("weld_exactly", exactly)
    parquet({"id": np.arange(50), "x": np.linspace(-3, 3, 50)}).createOrReplaceTempView("decorated")
    check(spark, lambda: spark.sql("select id, weld_exactly(x) as r from decorated"))
