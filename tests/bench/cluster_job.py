"""Runs a PySpark job that does not import SparkWeld: scoring, one long count, or a stream. `bench_clusters.py` submits it.

    spark-submit cluster_job.py {score,range,stream} --output DIR [--input DIR] ..."""

import argparse
import pickle
import sys
import time
from pathlib import Path

import pandas as pd
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.functions import pandas_udf, udf


def scored(rows: DataFrame, model: object) -> DataFrame:
    """Returns id, key, label, score and weight of each row, by two functions before a shuffle and one behind it."""

    @pandas_udf("double")
    def score(a: pd.Series, b: pd.Series, c: pd.Series) -> pd.Series:
        return pd.Series(model.predict(pd.DataFrame({"a": a.fillna(-1.0), "b": b, "c": c})))

    @udf("string")
    def label(text: str, key: int) -> str | None:
        if text is None:
            return None
        parts = text.strip().lower().split("-")
        return parts[0] + ":" + parts[-1] if key % 3 else text[:4]

    @pandas_udf("double")
    def weight(score: pd.Series, b: pd.Series) -> pd.Series:
        return (score * 3.0 - b).abs().where(score > 0.5, b * b)

    first = rows.select("id", "key", "b", label("text", "key").alias("label"), score("a", "b", "c").alias("score"))
    return first.repartition("key").select("id", "key", "label", "score", weight("score", "b").alias("weight"))


def run_scoring(spark: SparkSession, arguments: argparse.Namespace) -> None:
    model = pickle.loads((arguments.input / "model.pkl").read_bytes())
    rows = spark.read.parquet(str(arguments.input / "rows"))
    if arguments.factor != 1.0:
        rows = rows.withColumn("b", F.col("b") * arguments.factor)
    for query in range(arguments.queries):
        if query:
            time.sleep(arguments.pause)
        scored(rows, model).write.parquet(str(arguments.output / f"query{query}"))


def run_range(spark: SparkSession, arguments: argparse.Namespace) -> None:
    @pandas_udf("long")
    def digits(x: pd.Series) -> pd.Series:
        return (x * 7 + 3) % 1001 + (x % 97) * (x % 13)

    began = time.monotonic()
    total = spark.range(0, arguments.rows, 1, 48).select(digits("id").alias("d"))
    spark.createDataFrame(total.agg(F.sum("d"), F.max("d"), F.count("d")).collect(), "id long, most long, count long") \
        .coalesce(1).write.parquet(str(arguments.output / "query0"))
    print(f"SECONDS {time.monotonic() - began}", flush=True)


def run_stream(spark: SparkSession, arguments: argparse.Namespace) -> None:
    model = pickle.loads((arguments.input / "model.pkl").read_bytes())
    source = str(arguments.input / "rows")
    schema = spark.read.parquet(source).schema
    rows = spark.readStream.schema(schema).option("maxFilesPerTrigger", 2).parquet(source)
    query = scored(rows, model).writeStream.format("parquet") \
        .option("path", str(arguments.output / "query0")).option("checkpointLocation", str(arguments.output / "checkpoint")) \
        .trigger(availableNow=True).start()
    query.awaitTermination()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("job", choices=("score", "range", "stream"))
    parser.add_argument("--input", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=0, help="range: number of rows")
    parser.add_argument("--factor", type=float, default=1.0, help="score: factor of a column, to tell jobs apart")
    parser.add_argument("--queries", type=int, default=1, help="score: number of queries")
    parser.add_argument("--pause", type=float, default=0.0, help="score: seconds between queries")
    arguments = parser.parse_args()
    spark = SparkSession.builder.appName(f"cluster {arguments.job}").getOrCreate()
    {"score": run_scoring, "range": run_range, "stream": run_stream}[arguments.job](spark, arguments)
    spark.stop()


if __name__ == "__main__":
    sys.exit(main())
