"""Raises the exception of a plain UDF, which no kernel can raise."""

from __future__ import annotations

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.functions import udf


@udf("double")
def ratio(y, id):
    return y / (id - 17)


def query(spark: SparkSession) -> DataFrame:
    return spark.table("items").select("id", ratio("y", "id").alias("r"))
