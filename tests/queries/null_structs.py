"""Filters by whether the struct of a UDF is NULL, and returns such structs and their fields."""

from __future__ import annotations

import re

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.functions import udf


@udf("word string, n int, y double")
def parsed(s, y):
    if s is None or y > 1.5:
        return None
    found = re.search(r"(\w+)\W*?(\d)$", s)
    return None if found is None else (found.group(1), int(found.group(2)), y * 2)


def query(spark: SparkSession) -> DataFrame:
    made = spark.table("items").select("id", parsed("s", "y").alias("made"))
    kept = made.filter("made is not null and made.n > 3").select("id", "made", "made.word")
    return kept.union(made.filter("made is null or id % 5 = 0").select("id", "made", "made.word"))
