"""The UDFs that `mlflow.pyfunc.spark_udf` makes, as the calls of models that they end in.

Such a function loads a model that MLflow has saved, makes a DataFrame of each batch, holds it against the model's signature, has
the model's library predict, and converts what comes to the type that was asked for. All of this is MLflow's, so it is known; the
functions of MLflow themselves are asked about columns of each dtype, and are the ones that the result is compared with.
"""

from udf_compiler.mlflow_.udfs import ScoringUdf, scoring_udf_of

__all__ = ["ScoringUdf", "scoring_udf_of"]
