"""Compiles the UDFs that `mlflow.pyfunc.spark_udf` creates to calls of the models that they load.

Such a UDF loads a model saved by MLflow, converts each batch to a DataFrame, and enforces the model's signature. It then calls
the library's predict and converts the predictions to the requested type. All steps are MLflow's own code, so they are known.
MLflow's functions determine the dtype of each column at compile time, and provide the reference results.
"""

from udf_compiler.frontends.mlflow.udfs import ScoringUdf, scoring_udf_of

__all__ = ["ScoringUdf", "scoring_udf_of"]
