"""Models inside of pandas UDFs with the plugin off and on."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import functions as F
from pyspark.sql.functions import pandas_udf
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tests.helpers.differential import check

ROWS = 9000
RNG = np.random.default_rng(4)
X = RNG.normal(size=(ROWS, 4)) * [1, 10, 0.1, 100]
FRAME = pd.DataFrame(X, columns=list("abcd"))
CLASS = np.where(FRAME.a + FRAME.b / 10 > 0, "yes", "no")


@pytest.fixture
def table(parquet):
    return parquet({"id": np.arange(ROWS), **{name: FRAME[name].to_numpy() for name in FRAME}})


def test_linear_models(spark, table):
    scaled = make_pipeline(StandardScaler(), LogisticRegression()).fit(FRAME, CLASS)
    plain = LinearRegression().fit(X, X @ [1, 2, 3, 4])

    @pandas_udf("string")
    def label(d: pd.DataFrame) -> pd.Series:
        return pd.Series(scaled.predict(d))

    @pandas_udf("double")
    def probability(d: pd.DataFrame) -> pd.Series:
        return pd.Series(scaled.predict_proba(d)[:, 1]).round(9)

    @pandas_udf("double")
    def line(a: pd.Series, b: pd.Series, c: pd.Series, d: pd.Series) -> pd.Series:
        return pd.Series(plain.predict(np.column_stack([a, b, c, d]))).round(6)

    features = F.struct("a", "b", "c", "d")
    check(
        spark,
        lambda: table.select("id", label(features), probability(features), line("a", "b", "c", "d")),
        deopt=None,
    )


def test_a_large_model_in_a_broadcast(spark, table):
    model = LinearRegression().fit(X, X @ [1, 2, 3, 4])
    model.note = RNG.bytes(2_000_000)  # the command is a broadcast past 1 MB
    held = spark.sparkContext.broadcast({"model": model})

    @pandas_udf("double")
    def captured(d: pd.DataFrame) -> pd.Series:
        return pd.Series(model.predict(d.values)).round(6)

    @pandas_udf("double")
    def broadcast(d: pd.DataFrame) -> pd.Series:
        return pd.Series(held.value["model"].predict(d.values)).round(6)

    features = F.struct("a", "b", "c", "d")
    check(spark, lambda: table.select("id", captured(features), broadcast(features)))
