"""Checks models that UDFs load from files: kernels run while a task finds the files of the planned query."""

from __future__ import annotations

import os
from collections.abc import Iterator

import joblib
import numpy as np
import pandas as pd
import pytest
from pyspark import SparkFiles
from pyspark.sql import functions as F
from pyspark.sql.functions import pandas_udf
from sklearn.linear_model import LinearRegression

from tests.helpers.differential import check, measured

ROWS = 500
TABLE = pd.DataFrame({"a": np.arange(ROWS) / 7, "b": np.arange(ROWS) % 5 / 1})
FIRST = LinearRegression().fit(TABLE, TABLE.a - TABLE.b)
SECOND = LinearRegression().fit(TABLE, TABLE.a + TABLE.b)
FEATURES = ("a", "b")


@pytest.fixture
def df(parquet):
    """Returns the table, and integers with NULLs: batches of them need a separate form."""
    return parquet({**TABLE, "n": pd.array([None, 7] * (ROWS // 2), "Int64")})


def scores(path):
    @pandas_udf("double")
    def score(rows: pd.DataFrame, n: pd.Series) -> pd.Series:
        return pd.Series(joblib.load(path).predict(rows)).round(6) + n.fillna(0)

    return score


def expected(model):
    return model.predict(TABLE).round(6) + np.where(np.arange(ROWS) % 2, 7, 0)


def test_a_file_that_appears_and_changes(spark, df, tmp_path):
    """NULL forms, refusals and kernels depend on the file's contents; a task that finds other contents runs in Python."""
    path = str(tmp_path / "m.joblib")
    score = scores(path)

    def query():
        return df.select(score(F.struct(*FEATURES), "n").alias("r"))

    missing = query()
    missing._jdf.queryExecution().executedPlan()
    joblib.dump(FIRST, path)
    np.testing.assert_array_equal(missing.toPandas().r, expected(FIRST))
    assert measured(missing).refusals == ("SW860",)
    assert check(spark, query).kernel_batches

    planned = query()
    planned._jdf.queryExecution().executedPlan()
    os.utime(path)
    assert measured(planned).operators == 1
    np.testing.assert_array_equal(planned.toPandas().r, expected(FIRST))
    assert measured(planned).kernel_batches and not measured(planned).deoptimised_batches

    planned = query()
    planned._jdf.queryExecution().executedPlan()
    joblib.dump(SECOND, path)
    np.testing.assert_array_equal(planned.toPandas().r, expected(SECOND))
    assert measured(planned).deoptimised_batches and not measured(planned).kernel_batches
    assert check(spark, query).kernel_batches
    np.testing.assert_array_equal(query().toPandas().r, expected(SECOND))

    planned = query()
    planned._jdf.queryExecution().executedPlan()
    os.unlink(path)
    with pytest.raises(Exception, match="FileNotFoundError"):
        planned.toPandas()
    check(spark, query, refused="SW860")


def test_once_for_each_worker(spark, df, tmp_path):
    """The model is loaded before an iterator's first batch, from a file added to the job, and not when that is disabled."""
    joblib.dump(FIRST, tmp_path / "added.joblib")
    spark.sparkContext.addFile(str(tmp_path / "added.joblib"))

    @pandas_udf("double")
    def score(batches: Iterator[pd.DataFrame]) -> Iterator[pd.Series]:
        model = joblib.load(SparkFiles.get("added.joblib"))
        for rows in batches:
            yield pd.Series(model.predict(rows)).round(6)

    def query():
        return df.select(score(F.struct(*FEATURES)))

    check(spark, query)
    check(spark, query, refused="SW805", conf={"spark.sparkweld.models.files.maxBytes": "0"})
    check(spark, query, refused="SW860", conf={"spark.sparkweld.models.files.maxBytes": "10"})
