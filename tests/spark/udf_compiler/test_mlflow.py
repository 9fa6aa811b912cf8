"""Checks that MLflow's own UDF is refused by name, and that loading the model's file works instead."""

from __future__ import annotations

import joblib
import numpy as np
import pandas as pd
import pytest
from pyspark.sql import functions as F
from pyspark.sql.functions import pandas_udf
from sklearn.linear_model import LinearRegression

from tests.helpers.differential import check


@pytest.fixture
def table(parquet):
    return parquet({"id": np.arange(200), "a": np.arange(200) * 0.5, "b": np.arange(200) % 7 * 1.0})


def model(table):
    data = table.toPandas()
    return LinearRegression().fit(data[["a", "b"]], data.a * 2 + data.b)


def test_a_udf_of_mlflow_is_refused(spark, table):
    """The captured function's name identifies it; MLflow need not be installed."""

    def udf(d):
        return d

    udf.__module__, udf.__qualname__ = "mlflow.pyfunc", "spark_udf.<locals>.udf"

    @pandas_udf("double")
    def scored(d: pd.DataFrame) -> pd.Series:
        return udf(d)["a"]

    check(spark, lambda: table.select("id", scored(F.struct("a", "b"))), refused="SW865")


def test_the_file_of_such_a_model(spark, table, tmp_path):
    path = str(tmp_path / "model.pkl")
    joblib.dump(model(table), path)

    @pandas_udf("double")
    def scored(d: pd.DataFrame) -> pd.Series:
        return pd.Series(joblib.load(path).predict(d))

    check(spark, lambda: table.select("id", F.round(scored(F.struct("a", "b")), 9)))
