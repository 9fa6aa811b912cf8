"""Compares models of xgboost.spark with their own functions: labels and margins exactly, probabilities to the digits of exp."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyspark.ml.feature import VectorAssembler
from pyspark.ml.functions import vector_to_array
from pyspark.sql import functions as F

from tests.helpers.differential import ENABLED, check, measured, run

xgboost = pytest.importorskip("xgboost")
spark_models = pytest.importorskip("xgboost.spark")

NAMES = ["a", "b", "c", "d"]
ROWS = 3000


def _table(rows: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    made = pd.DataFrame(rng.normal(size=(rows, 4)), columns=NAMES)
    made["target"] = made.a * 2 + made.b * made.c
    made["two"] = (made.target > 0).astype(int)
    made["three"] = made.two + (made.target > 1.5)
    return made


def _fitted(estimator, model, label):
    """Returns the model that `estimator` would return, without a job that trains it."""
    known = _table(800, 1)
    model.fit(known[NAMES].astype(np.float32), known[label])
    return estimator._copyValues(estimator._create_pyspark_model(model, None))


def _regressor(**given):
    model = xgboost.XGBRegressor(n_estimators=20, max_depth=4)
    return _fitted(spark_models.SparkXGBRegressor(label_col="target", **given), model, "target")


def _classifier(label, **given):
    model = xgboost.XGBClassifier(n_estimators=12, max_depth=3)
    return _fitted(spark_models.SparkXGBClassifier(label_col=label, **given), model, label)


@pytest.fixture
def table(parquet):
    """Returns a table with NULLs in `c`, which XGBoost takes as missing."""
    made = _table(ROWS, 2).assign(id=np.arange(ROWS))
    columns = {name: pa.array(made[name]) for name in made}
    columns["c"] = pa.array(made.c, mask=made.id % 7 == 3)
    return parquet(pa.table(columns))


def _assembled(frame):
    return VectorAssembler(inputCols=NAMES, outputCol="features", handleInvalid="keep").transform(frame.fillna(0.0))


def test_regression(spark, table):
    model = _regressor(features_col=NAMES)
    what = check(spark, lambda: model.transform(table).select("id", "prediction"))
    assert what.kernel_batches and not what.kept
    check(spark, lambda: model.transform(table.where("id < 0")).select("id", "prediction"))


@pytest.mark.nightly("test_regression", "test_classification")
def test_regression_of_vectors(spark, table):
    model = _regressor(features_col="features")
    assert check(spark, lambda: model.transform(_assembled(table)).select("id", "prediction")).kernel_batches


@pytest.mark.gate_cases("vectors-three", "columns-two")
@pytest.mark.parametrize("label", ["two", "three"])
@pytest.mark.parametrize("features", [NAMES, "features"], ids=["columns", "vectors"])
def test_classification(spark, table, label, features):
    model = _classifier(label, features_col=features)

    def query():
        made = model.transform(table if features is NAMES else _assembled(table))
        scores = [vector_to_array(name).alias(name) for name in ("rawPrediction", "probability")]
        return made.select("id", "prediction", *scores)

    (off, _), (on, frame) = (run(spark, query, {ENABLED: enabled}) for enabled in ("false", "true"))
    what = measured(frame)
    assert what.kernel_batches and not what.deoptimised_batches and what.kept == ("exp (4 ULP)",)
    for mine, theirs in zip(on.rows, off.rows, strict=True):
        assert mine[:3] == theirs[:3]  # labels and margins
        np.testing.assert_allclose(mine[3], theirs[3], rtol=2e-6)
    assert len({row[1] for row in on.rows}) == (2 if label == "two" else 3)


def test_a_base_margin_is_refused(spark, table):
    model = _regressor(features_col=NAMES, base_margin_col="d")
    what = check(spark, lambda: model.transform(table).select("id", "prediction"), refused="SW840")
    assert what.kernel_batches == 0


def test_contributions_are_refused(spark, table):
    model = _regressor(features_col=NAMES, pred_contrib_col="why")
    off, _ = run(spark, lambda: model.transform(table).select("id", "prediction"), {ENABLED: "false"})
    on, frame = run(spark, lambda: model.transform(table).select("id", "prediction"), {ENABLED: "true"})
    assert on == off and not measured(frame).operators


def test_a_filter_above_a_prediction(spark, table):
    model = _classifier("two", features_col=NAMES)
    query = lambda: model.transform(table).where("prediction = 1").groupBy().agg(F.count("*"), F.sum("id"))  # noqa: E731
    assert check(spark, query).kernel_batches
