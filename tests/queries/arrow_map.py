"""Runs mapInArrow over batches of columns."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame, SparkSession


def scaled(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        yield pa.RecordBatch.from_arrays([batch["id"], pc.multiply(batch["y"], 3.0)], names=["id", "z"])


def query(spark: SparkSession) -> DataFrame:
    return spark.table("items").select("id", "y").mapInArrow(scaled, "id long, z double")
