"""Computes clean orders with Python UDFs, as a data engineer does, and writes them by country.

The job writes its raw orders itself. It knows nothing of SparkWeld: run it with and without the flag.

    spark-submit jobs/examples/clean_orders.py --folder DIR [--rows N]
    spark-submit --conf spark.plugins=io.sparkweld.SparkWeldPlugin jobs/examples/clean_orders.py --folder DIR
"""

import argparse

import pandas as pd
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import DoubleType, StringType

RATES = {"DE": 1.0, "FR": 1.0, "US": 0.92, "GB": 1.17}


@F.udf(StringType())
def country_of(address):
    """Returns the code at the end of an address such as " Main St 4, de "; None for an address without one."""
    if address is None:
        return None
    parts = address.strip().split(",")
    code = parts[-1].strip().upper()
    return code if len(parts) > 1 and len(code) == 2 else None


@F.udf(DoubleType())
def amount_of(text):
    """Returns the number in a string such as "EUR 1,234.50"; None for other strings."""
    if text is None or not text.startswith("EUR "):
        return None
    return float(text[4:].replace(",", ""))


@F.pandas_udf(DoubleType())
def net_price(amount: pd.Series, vat: pd.Series) -> pd.Series:
    return (amount / (1 + vat.fillna(0.19))).where(amount > 0, 0.0)


def write_orders(spark: SparkSession, rows: int, path: str) -> DataFrame:
    """Writes and returns orders with id, address, price as a string (some NULL) and VAT (some NULL)."""
    made = spark.range(0, rows, 1, 2).selectExpr(
        "id",
        "concat('  Main ', id % 90, ', ', element_at(array('de', 'FR', ' us', 'Gb ', ''), cast(id % 5 as int) + 1)) as address",
        "if(id % 11 = 0, null, concat(if(id % 13 = 0, 'USD ', 'EUR '), format_number((id * 37) % 500000 / 100, 2))) as price",
        "if(id % 7 = 0, null, 0.05 + id % 3 / 10) as vat",
    )
    made.write.mode("overwrite").parquet(path)
    return spark.read.parquet(path)


def clean(orders: DataFrame) -> DataFrame:
    """Returns the orders with a country and a positive net price."""
    read = orders.select("id", country_of("address").alias("country"), amount_of("price").alias("amount"), "vat")
    return read.where("country is not null and amount is not null").withColumn("net", net_price("amount", F.col("vat")))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", required=True, help="folder for the raw and the clean orders")
    parser.add_argument("--rows", type=int, default=1_000_000, help="orders to generate; default 1,000,000")
    args = parser.parse_args()
    spark = SparkSession.builder.appName("clean orders").getOrCreate()
    raw, path = write_orders(spark, args.rows, f"{args.folder}/raw"), f"{args.folder}/clean"
    clean(raw).write.mode("overwrite").partitionBy("country").parquet(path)
    print(f"wrote {spark.read.parquet(path).count():,} orders to {path}")
    spark.stop()


if __name__ == "__main__":
    main()
