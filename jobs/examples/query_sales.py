"""Runs SQL that calls registered Python functions, as an analyst does, and prints sales by region and season.

The job writes its sales itself. The functions are compiled like those of DataFrames.

    spark-submit --conf spark.plugins=io.sparkweld.SparkWeldPlugin jobs/examples/query_sales.py --folder DIR [--rows N]
"""

import argparse

import pandas as pd
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

QUERY = """
SELECT region_of(shop) AS region, season(month(sold)) AS season, count(*) AS sales, sum(cents) AS cents
FROM sales
WHERE discount(cents, units) < 0.2
GROUP BY 1, 2
ORDER BY 1, 2
"""


def region_of(shop):
    """Returns the region in a shop's name such as "north-12"."""
    return shop.partition("-")[0].capitalize() if shop else "unknown"


def season(month):
    if month is None:
        return None
    return ("winter", "spring", "summer", "autumn")[month % 12 // 3]


def discount(cents: pd.Series, units: pd.Series) -> pd.Series:
    return (units * 250 - cents).clip(lower=0) / (units * 250)


def register(spark: SparkSession) -> None:
    """Registers the functions for SQL."""
    spark.udf.register("region_of", F.udf(region_of, "string"))
    spark.udf.register("season", F.udf(season, "string"))
    spark.udf.register("discount", F.pandas_udf(discount, "double"))


def write_sales(spark: SparkSession, rows: int, path: str) -> DataFrame:
    """Writes and returns sales with shop (some NULL), sold (a date), units and cents."""
    made = spark.range(0, rows, 1, 2).selectExpr(
        "if(id % 17 = 0, null, concat(element_at(array('north', 'south', 'west'), cast(id % 3 as int) + 1), '-', id % 9)) shop",
        "date_add(date'2024-01-01', cast(id % 366 as int)) as sold", "id % 9 + 1 as units",
        "(id % 9 + 1) * 250 - id * 13 % 400 as cents",
    )  # fmt: skip
    made.write.mode("overwrite").parquet(path)
    return spark.read.parquet(path)


def answer(spark: SparkSession, rows: int, path: str) -> DataFrame:
    """Returns the result of the query over sales, which it writes."""
    register(spark)
    write_sales(spark, rows, path).createOrReplaceTempView("sales")
    return spark.sql(QUERY)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", required=True, help="folder for the sales")
    parser.add_argument("--rows", type=int, default=1_000_000, help="sales to generate; default 1,000,000")
    args = parser.parse_args()
    spark = SparkSession.builder.appName("query sales").getOrCreate()
    answer(spark, args.rows, f"{args.folder}/sales").show(20)
    spark.stop()


if __name__ == "__main__":
    main()
