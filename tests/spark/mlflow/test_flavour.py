"""Runs models that `sparkweld.mlflow` saved in Spark's kernels, through `mlflow.pyfunc.spark_udf`."""

from __future__ import annotations

import importlib
import os
import warnings

import pytest
import yaml
from pyspark.sql import functions as F

import sparkweld.mlflow
from tests.helpers.differential import check, session_conf
from tests.serving.test_programs import TABLE, model, trees

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
with warnings.catch_warnings():  # of its own type hints
    warnings.simplefilter("ignore")
    mlflow = importlib.import_module("mlflow")
pytestmark = [
    pytest.mark.spark,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning", "ignore::FutureWarning"),
]
OPTIONS = {"pip_requirements": [], "serialization_format": "cloudpickle"}


@pytest.fixture(autouse=True)
def patience(spark):
    """Raises the timeout: the compile service imports MLflow, which takes long on a busy machine."""
    with session_conf(spark, {"spark.sparkweld.compile.timeout": "90s"}):
        yield


def test_a_pipeline_and_trees(spark, parquet, tmp_path):
    fitted, features = trees()
    sparkweld.mlflow.save_model(model(), tmp_path / "chances", TABLE, method="predict_proba", **OPTIONS)
    sparkweld.mlflow.save_model(fitted, tmp_path / "trees", features, **OPTIONS)
    chances = mlflow.pyfunc.spark_udf(spark, str(tmp_path / "chances"), result_type="array<double>")
    score = mlflow.pyfunc.spark_udf(spark, str(tmp_path / "trees"), result_type="double")
    df = parquet(TABLE)

    def query():
        return df.select(chances(F.struct("age", "pay", "job")).alias("p"), score(F.struct("age", "pay")).alias("y"))

    text = sparkweld.explain(query())
    assert "MLflow model chances, flavour sklearn" in text and "MLflow model trees, flavour lightgbm" in text
    what = check(spark, query)
    assert what.kernel_batches and not what.refusals and not what.deoptimised_batches
    rows = query().toPandas()
    assert rows["y"].tolist() == mlflow.pyfunc.load_model(str(tmp_path / "trees")).predict(features).tolist()
    assert [list(p) for p in rows["p"]] == mlflow.pyfunc.load_model(str(tmp_path / "chances")).predict(TABLE).tolist()


def test_an_edited_description_is_refused(spark, parquet, tmp_path):
    fitted, features = trees()
    sparkweld.mlflow.save_model(fitted, tmp_path / "trees", features, **OPTIONS)
    description = tmp_path / "trees" / "MLmodel"
    content = yaml.safe_load(description.read_text())
    content["flavors"]["sparkweld"]["library"]["config"] = {"a": 1}
    description.write_text(yaml.safe_dump(content))
    score = mlflow.pyfunc.spark_udf(spark, str(tmp_path / "trees"), result_type="double")
    df = parquet(TABLE)
    check(spark, lambda: df.select(score(F.struct("age", "pay"))), refused="SW866")
