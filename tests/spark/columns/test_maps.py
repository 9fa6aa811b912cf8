"""Compares maps, in and out of plain UDFs and in every Spark representation, with the plugin off and on."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from pyspark.sql import functions as F
from pyspark.sql.functions import udf
from pyspark.sql.types import ArrayType, IntegerType, MapType, StringType, StructType

from tests.helpers.differential import check

COUNTS = MapType(StringType(), IntegerType())
FEES = {"sea": {"fuel": 2, "base": 9}, "air": {}, "rail": {"base": 4}}
WORDS = ["sea", "air", "", None, "rail", "étage", "a longer word"]


@udf(COUNTS, useArrow=True)
def fees(word):
    return FEES.get(word, {"unknown": 0}) if word is not None else None


@udf(COUNTS, useArrow=True)
def sizes(word, n):
    return {"size": len(word or ""), "n": n, "big": 1 if n > 900 else None}


def words(parquet, rows=2000):
    return parquet({"n": np.arange(rows, dtype=np.int32), "s": pa.array(np.resize(np.array(WORDS, object), rows))})


def test_dicts_become_maps(spark, parquet):
    frame = words(parquet)
    check(spark, lambda: frame.select("n", fees("s"), sizes("s", "n").alias("m")))
    check(spark, lambda: frame.select(sizes("s", "n").alias("m")).select(F.map_keys("m"), F.to_json("m"), F.col("m")["size"]))
    check(spark, lambda: frame.filter("n % 3 = 0").select(F.explode(fees("s"))))
    check(spark, lambda: frame.select("n", fees("s").alias("m")).filter(F.size("m") > 0).repartition(3).orderBy("n"))
    check(spark, lambda: frame.limit(50).select(sizes("s", "n")).union(frame.limit(9).select(sizes("s", "n"))))


def test_a_row_that_does_not_convert_runs_alone(spark, parquet):
    @udf(COUNTS, useArrow=True)
    def scaled(n):
        return {"n": n, "m": n * 7} if n % 500 else {"m": 10**n if n == 3 else 2}

    frame = words(parquet)
    check(spark, lambda: frame.select("n", scaled("n")), deopt=None)


def test_maps_in_structs(spark, parquet):
    @udf(StructType().add("words", ArrayType(StringType())).add("counts", COUNTS).add("n", IntegerType()), useArrow=True)
    def features(word, n):
        parts = (word or "").split()
        return parts, {"parts": len(parts), "n": n}, n

    frame = words(parquet)
    check(spark, lambda: frame.select("n", features("s", "n").alias("f")).select("n", "f", "f.counts", F.col("f.counts")["n"]))


def test_shadowed_maps(spark, parquet):
    frame = words(parquet)
    check(spark, lambda: frame.select(fees("s"), sizes("s", "n")), conf={"spark.sparkweld.shadow.fraction": "1.0"})
