"""Runs UDFs of `mlflow.pyfunc.spark_udf` in kernels: the model's flavour, its signature, and the types of results."""

from __future__ import annotations

import importlib
import os

import cloudpickle
import lightgbm
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import xgboost
from pyspark.sql import functions as F
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeRegressor

import sparkweld
from tests.helpers.differential import check, measured, session_conf

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
mlflow = importlib.import_module("mlflow")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning", "ignore::FutureWarning")

ROWS = 600
RANDOM = np.random.default_rng(5)
TABLE = pd.DataFrame({
    "a": RANDOM.normal(size=ROWS).round(3), "b": RANDOM.integers(0, 50, ROWS), "c": RANDOM.choice(["x", "y", "z"], ROWS),
})  # fmt: skip
NUMBERS = TABLE[["a", "b"]].astype(float)
FLAG = (TABLE.a + TABLE.b / 50 > 0.4).astype("int32")
WORD = np.where(FLAG == 1, "yes", "no")
CLASSES = np.digitize(TABLE.a, [-0.5, 0.5])
MIXED = ColumnTransformer([("n", StandardScaler(), ["a", "b"]), ("c", OneHotEncoder(handle_unknown="ignore"), ["c"])])
FEW = {"n_estimators": 8}


@pytest.fixture(autouse=True)
def patience(spark):
    """Raises the timeout: the compile service imports MLflow, which takes long on a busy machine."""
    with session_conf(spark, {"spark.sparkweld.compile.timeout": "90s"}):
        yield


@pytest.fixture
def df(parquet):
    """Returns the table plus an integer column and a float column with NULLs."""
    n = [None if i % 7 == 0 else i % 3 for i in range(ROWS)]
    columns = {**TABLE, "f": pa.array([None if i % 5 == 0 else i / 9 for i in range(ROWS)]), "n": pa.array(n, pa.int32())}
    return parquet({**columns, "i": pa.array(TABLE.b, pa.int32()), "bit": pa.array(TABLE.b % 2)})


@pytest.fixture
def udf(spark, tmp_path):
    """Saves a model, with its input signature unless `signature` is False, and creates its UDF."""

    def make(flavour, model, example=None, *, signature=True, result_type="double", predict=None, **options):
        path = str(tmp_path / f"model{len(os.listdir(tmp_path))}")
        given = None
        if example is not None and signature:
            given = mlflow.models.infer_signature(example, (predict or model.predict)(example))
        options |= {"serialization_format": "cloudpickle"} if flavour == "sklearn" else {}
        getattr(mlflow, flavour).save_model(model, path, signature=given, pip_requirements=[], **options)
        return mlflow.pyfunc.spark_udf(spark, path, result_type=result_type)

    return make


@pytest.mark.nightly(
    "tests/spark/mlflow/test_flavour.py::test_a_pipeline_and_trees",
    "tests/udf_compiler/frontends/mlflow/test_mlflow.py::test_results",
)
def test_flavours(spark, df, udf):
    """Flavours work with and without signature, for a struct and several columns; results are numbers, labels, probabilities."""
    line = LinearRegression().fit(NUMBERS, TABLE.a * 2 + TABLE.b)
    pipeline = make_pipeline(MIXED, LogisticRegression()).fit(TABLE, WORD)
    gbm = lightgbm.LGBMClassifier(**FEW, verbosity=-1).fit(NUMBERS, CLASSES)
    xgb = xgboost.XGBRegressor(**FEW).fit(NUMBERS, TABLE.a)
    score = udf("sklearn", line, NUMBERS, signature=False)
    label = udf("sklearn", pipeline, TABLE, result_type="string")
    chances = udf("sklearn", pipeline, TABLE, result_type="array<double>", pyfunc_predict_fn="predict_proba")
    leaf, trees = udf("lightgbm", gbm, NUMBERS, result_type="long"), udf("xgboost", xgb, NUMBERS, result_type="float")
    b = F.col("b").cast("double").alias("b")
    what = check(
        spark,
        lambda: df.select(
            F.round(score(F.struct("a", "b")), 9),
            label(F.struct("b", "c", "a")),
            F.transform(chances("a", "b", "c"), lambda p: F.round(p, 9)),
            leaf(F.struct("c", b, "a")),
            trees("a", b),
        ),
    )
    assert what.kernel_batches and not what.refusals


def test_nulls_and_no_rows(spark, df, udf):
    """Trees accept NaN and integers that NULLs turned into floats; a linear model raises for the row, as scikit-learn does."""
    data = pd.DataFrame({"f": NUMBERS.a, "n": NUMBERS.b})
    trees = udf("xgboost", xgboost.XGBRegressor(**FEW).fit(data, TABLE.a), data)
    line = udf("sklearn", LinearRegression().fit(data, TABLE.a), data)
    f = F.col("f").cast("double").alias("f")
    check(spark, lambda: df.select("a", trees(F.struct(f, "n"))), deopt=None)
    check(spark, lambda: df.where("a > 100").select(trees(F.struct(f, "n"))))
    check(spark, lambda: df.select(line(F.struct(f, "n"))), deopt=True)


@pytest.mark.nightly(
    "tests/udf_compiler/frontends/mlflow/test_mlflow.py::test_refusals",
    "tests/udf_compiler/frontends/mlflow/test_mlflow.py::test_long_columns_of_zeros_and_ones",
)
def test_functions_that_raise(spark, df, udf):
    """A missing column, a lossy type conversion, and predictions that the result type cannot hold raise."""
    model = DecisionTreeRegressor(max_depth=3).fit(NUMBERS, TABLE.a)
    score, whole = udf("sklearn", model, NUMBERS), udf("sklearn", model, NUMBERS, result_type="int")
    check(spark, lambda: df.select(score(F.struct("a", "n"))), refused="SW252")
    check(spark, lambda: df.select(whole(F.struct("a", F.col("b").cast("double").alias("b")))), refused="SW252")
    check(spark, lambda: df.select(score("a", "b")), deopt=True)  # a long other than 0 or 1


def test_a_changed_file(spark, df, udf):
    """A query is planned with the driver's copy of the model."""
    score = udf("sklearn", DecisionTreeRegressor(max_depth=3).fit(NUMBERS, TABLE.a), NUMBERS)
    function = score.__wrapped__.func
    folder = function.__closure__[function.__code__.co_freevars.index("local_model_path")].cell_contents
    columns = F.struct("a", F.col("b").cast("double").alias("b"))
    query = df.select(score(columns).alias("r"))
    assert "MLflow model" in sparkweld.explain(query)
    query._jdf.queryExecution().executedPlan()
    with open(os.path.join(folder, "model.pkl"), "wb") as file:
        cloudpickle.dump(DecisionTreeRegressor(max_depth=1).fit(NUMBERS, TABLE.a), file)
    assert query.distinct().count() == 2
    rows = query.toPandas()
    assert rows.r.nunique() == 2 and measured(query).deoptimised_batches and not measured(query).kernel_batches
