"""Times pipelines with black-box calls whose first and last kernels run in Python or in the JVM.

    make bench BENCH=split          (or: python tests/bench/bench_split.py [--rows N] [--repeats N])

The results are the reason that the mode `auto` splits no pipeline. Shown are nanoseconds a row, the fastest of alternating
runs, after all rows were compared.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import scipy.special
from annotations_spark import _middle, _table, _texts
from local_session import local_session
from pyspark import cloudpickle
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.functions import pandas_udf
from pyspark.sql.types import DoubleType, StringType

import sparkweld

# As if the job's own file defined the functions: pickled by value, because the workers cannot import this module.
cloudpickle.register_pickle_by_value(sys.modules[__name__])

MODE = "spark.sparkweld.pipeline.split.mode"
SIDES = ("off", "never", "always", "auto")


#: Calls on the sum of some columns, whose result one of them scales.
_SUMS: dict[int, Callable[..., Any]] = {
    1: lambda a: scipy.special.erf((a + 0.5) / 99) * a,
    2: lambda a, b: scipy.special.erf((a + b + 0.5) / 99) * a,
    4: lambda a, b, c, d: scipy.special.erf((a + b + c + d + 0.5) / 99) * a,
}


def _wide(*columns: pd.Series) -> pd.Series:
    total = columns[0] * 0.5
    for i, column in enumerate(columns[1:]):
        total = total + column * (i - 10.5)
    return scipy.special.erf(total / 99)


#: Columns of the wide table; the call takes only their weighted sum.
WIDE = 30


def _wide_table(spark: SparkSession, folder: Path, rows: int) -> DataFrame:
    rng = np.random.default_rng(1)
    (folder / "wide").mkdir()
    for task in range(2):
        columns = {"id": np.arange(task, rows, 2)}
        columns |= {f"x{i}": rng.normal(size=len(columns["id"])) for i in range(WIDE)}
        path = folder / "wide" / f"{task}.parquet"
        pq.write_table(pa.table(columns), path, row_group_size=max(1, rows // 8), use_dictionary=False)
    return spark.read.parquet(str(folder / "wide"))


def _length(name: pd.Series) -> pd.Series:
    return scipy.special.erf(name.str.strip().str.len() / 9.0)


def cases(table: DataFrame, wide: DataFrame) -> dict[str, Callable[[], DataFrame]]:
    """Returns name -> query."""
    numbers = ("price", "strike", "t", "vol")
    of = {count: pandas_udf(function, DoubleType()) for count, function in _SUMS.items()}  # type: ignore[call-overload]
    middle, texts, length = (
        pandas_udf(function, type)  # type: ignore[call-overload]
        for function, type in ((_middle, DoubleType()), (_texts, StringType()), (_length, DoubleType()))
    )
    by_weights = pandas_udf(_wide, DoubleType())  # type: ignore[call-overload]
    return {
        f"{WIDE} columns, one to the call": lambda: wide.select("id", by_weights(*(f"x{i}" for i in range(WIDE))).alias("r")),
        **{
            f"{count} columns, one to the call": lambda count=count, udf=udf: table.select("id", udf(*numbers[:count]).alias("r"))  # type: ignore[misc]
            for count, udf in of.items()
        },
        "4 columns, a filter above": lambda: table.select("id", of[4](*numbers).alias("r")).where("r > 150"),
        "a formula around one call": lambda: table.select("id", middle(*numbers).alias("r")),
        "a text to a number": lambda: table.select("id", length("name").alias("r")),
        "texts around a call": lambda: table.select("id", texts("name").alias("r")),
    }


def use(spark: SparkSession, side: str) -> None:
    """Configures the session for a side."""
    spark.conf.set("spark.sparkweld.enabled", str(side != "off").lower())
    spark.conf.set(MODE, "auto" if side == "off" else side)


def rows_of(spark: SparkSession, query: Callable[[], DataFrame], side: str) -> Any:
    """Returns the results in order."""
    use(spark, side)
    return query().toPandas().sort_values("id")["r"].to_numpy()


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    spark = local_session(2, "3g")
    with TemporaryDirectory(prefix="sparkweld-bench-") as folder:
        table = _table(spark, Path(folder), arguments.rows)
        print("| pipeline | off | kernels in Python | in the JVM | auto | auto is | JVM vs Python |")
        print("|---|---:|---:|---:|---:|---|---:|")
        for name, query in cases(table, _wide_table(spark, Path(folder), arguments.rows // 2)).items():
            results = {side: rows_of(spark, query, side) for side in SIDES}
            for side, made in results.items():
                wanted = results["off"]
                if not (np.allclose(made, wanted, rtol=1e-9) if made.dtype.kind == "f" else np.array_equal(made, wanted)):
                    raise RuntimeError(f"{name}: {side} gives other rows")
            rows = len(results["off"])
            chosen = "the JVM" if re.search("in the JVM, kernel", sparkweld.explain(query())) else "Python"
            best = dict.fromkeys(SIDES, float("inf"))
            for side in SIDES * arguments.repeats:
                use(spark, side)
                began = time.perf_counter()
                query().write.format("noop").mode("overwrite").save()
                best[side] = min(best[side], (time.perf_counter() - began) / rows * 1e9)
            times = " | ".join(f"{best[side]:.0f} ns" for side in SIDES)
            print(f"| {name} | {times} | {chosen} | {best['never'] / best['always']:.2f}x |", flush=True)
    spark.stop()


if __name__ == "__main__":
    main()
