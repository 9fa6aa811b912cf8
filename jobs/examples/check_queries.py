"""Checks queries of other jobs before a roll-out, as a platform operator does: equal rows, times, and what ran where.

Profiles one query of each example, prints a line of JSON for each, and exits with 1 if rows differ.

    spark-submit --conf spark.plugins=io.sparkweld.SparkWeldPlugin \
      --py-files jobs/examples/clean_orders.py,jobs/examples/query_sales.py jobs/examples/check_queries.py --folder DIR
"""

import argparse
import json
import sys
from collections.abc import Iterator
from typing import Any

import clean_orders
import query_sales
from pyspark.sql import DataFrame, SparkSession

import sparkweld


def queries(spark: SparkSession, rows: int, folder: str) -> Iterator[tuple[str, DataFrame]]:
    """Yields the queries to check, with their names. Their tables are written to the folder."""
    yield "clean orders", clean_orders.clean(clean_orders.write_orders(spark, rows, f"{folder}/orders"))
    yield "query sales", query_sales.answer(spark, rows, f"{folder}/sales")


def check(spark: SparkSession, rows: int, folder: str, seconds: float) -> Iterator[dict[str, Any]]:
    """Yields for each query its name, whether rows are equal, seconds without and with SparkWeld, and places of functions."""
    for name, query in queries(spark, rows, folder):
        found = sparkweld.profile(query, seconds=seconds, format="dict")
        times = found["times"]["repeated"] or found["times"]["first"]
        yield {
            "query": name, "rows": found["rows"]["outcome"], "off": round(times["off"], 3), "on": round(times["on"], 3),
            "functions": {one["function"]: one["where"] for one in found["functions"]},
            "reasons": sorted({one["code"] for one in found["advice"]}),
        }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", required=True, help="folder for the tables")
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of each query; default 1,000,000")
    parser.add_argument("--seconds", type=float, default=20.0, help="time for repeated runs of each query; default 20")
    args = parser.parse_args()
    spark = SparkSession.builder.appName("check queries").getOrCreate()
    differing = 0
    for line in check(spark, args.rows, args.folder, args.seconds):
        print(json.dumps(line))
        differing += line["rows"] == "different"
    spark.stop()
    sys.exit(1 if differing else 0)


if __name__ == "__main__":
    main()
