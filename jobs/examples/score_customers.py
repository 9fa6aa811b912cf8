"""Scores customers with a saved scikit-learn model, as an ML engineer does, and keeps those who will probably leave.

The job fits and saves a small pipeline first, unless it is there. `sparkweld.score` loads it by its path.

    spark-submit --conf spark.plugins=io.sparkweld.SparkWeldPlugin jobs/examples/score_customers.py --folder DIR
"""

import argparse
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
from pyspark.sql import DataFrame, SparkSession
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import sparkweld

NUMBERS = ["months", "calls", "charge"]


def fit(path: Path, rows: int = 4000) -> None:
    """Fits a pipeline on synthetic customers and saves it. Columns: months, calls and charge are float64, plan is a string."""
    rng = np.random.default_rng(7)
    customers = pd.DataFrame({name: rng.gamma(2.0, scale, rows) for name, scale in zip(NUMBERS, (12, 2, 20), strict=True)})
    customers["plan"] = rng.choice(["basic", "plus", "pro"], rows)
    leaves = customers["calls"] * 8 + customers["charge"] - customers["months"] + rng.normal(0, 10, rows) > 50
    features = make_column_transformer(
        (StandardScaler(), NUMBERS), (OneHotEncoder(handle_unknown="ignore", sparse_output=False), ["plan"])
    )
    model = make_pipeline(features, HistGradientBoostingClassifier(max_iter=40, max_leaf_nodes=15, random_state=0))
    joblib.dump(model.fit(customers, leaves.astype(int)), path)


def write_customers(spark: SparkSession, rows: int, path: str) -> DataFrame:
    """Writes and returns customers with an id and the model's features."""
    made = spark.range(0, rows, 1, 2).selectExpr(
        "id", "cast(id * 7 % 600 as double) / 10 as months", "cast(id % 13 as double) as calls",
        "cast(id * 31 % 1200 as double) / 10 as charge",
        "element_at(array('basic', 'plus', 'pro', 'trial'), cast(id % 4 as int) + 1) as plan",
    )  # fmt: skip
    made.write.mode("overwrite").parquet(path)
    return spark.read.parquet(path)


def score(customers: DataFrame, model: Path) -> DataFrame:
    """Returns the customers who leave with a probability of at least 0.8."""
    return sparkweld.score(customers, str(model), proba=True).where("prediction >= 0.8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="local folder for the model, the customers and the scores")
    parser.add_argument("--rows", type=int, default=1_000_000, help="customers to generate; default 1,000,000")
    args = parser.parse_args()
    model, scores = args.folder / "model.joblib", str(args.folder / "scores")
    args.folder.mkdir(parents=True, exist_ok=True)
    if not model.exists():
        fit(model)
    spark = SparkSession.builder.appName("score customers").getOrCreate()
    customers = write_customers(spark, args.rows, str(args.folder / "customers"))
    score(customers, model).write.mode("overwrite").parquet(scores)
    print(f"wrote {spark.read.parquet(scores).count():,} customers to {scores}")
    spark.stop()


if __name__ == "__main__":
    main()
