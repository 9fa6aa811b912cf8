"""Compiles a row-local mapInPandas and refuses one that looks at the whole batch."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd
from pyspark.sql import DataFrame, SparkSession


def doubled(batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
    for batch in batches:
        yield batch[["id"]].assign(z=batch.x * 2 + batch.y)


def shares(batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
    for batch in batches:
        yield batch[["id"]].assign(z=batch.y * 0 / batch.y.abs().max())


def query(spark: SparkSession) -> DataFrame:
    items = spark.table("items")
    return items.mapInPandas(doubled, "id long, z double").union(items.mapInPandas(shares, "id long, z double"))
