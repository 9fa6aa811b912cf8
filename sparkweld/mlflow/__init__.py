"""Saves models for MLflow with a compiled program, and loads them as MLflow's Python functions.

A saved model has two flavours. That of its library is MLflow's own, so `mlflow.sklearn.load_model` still loads the model. The
Python function is SparkWeld's: `mlflow.pyfunc.load_model` runs the program, and the plugin compiles `mlflow.pyfunc.spark_udf`.
"""

from sparkweld.mlflow.loading import _load_pyfunc, load_model
from sparkweld.mlflow.saving import log_model, save_model

__all__ = ["_load_pyfunc", "load_model", "log_model", "save_model"]
