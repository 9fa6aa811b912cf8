"""Turns chains of 2 to 32 operations into the constants of `CostModel.scala`: what a kernel and an expression cost a row.

    make bench BENCH=backends          (or: python tests/bench/bench_backends.py [--rows N] [--repeats N] [--json FILE])

Each chain (multiply, add, multiply, add, ...) is one pandas UDF over one double, taken by `spark.sparkweld.backend` once as
a kernel and once as Spark's own expressions, over a Parquet scan (columns) and over a range (rows). One core, one JVM; runs
of the two sides alternate. The constants are least-squares fits of the fastest runs; the scan or range alone, with the same
column, is the row at 0 operations and is subtracted.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

OPERATIONS = (2, 8, 16, 32)
BACKENDS = ("native", "catalyst")
SOURCES = ("columns", "rows")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=8_000_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path, help="also write all samples to this file")
    return parser.parse_args()


def chain(operations: int) -> Any:
    """A pandas UDF of so many operations, none of which folds into another."""
    from pyspark.sql.functions import pandas_udf

    @pandas_udf("double")
    def steps(x: pd.Series) -> pd.Series:
        for i in range(operations // 2):
            x = x * (1.0 + i / 1024) + 0.5
        return x

    return steps


def session(scratch: Path) -> Any:
    from pyspark.sql import SparkSession

    import sparkweld

    builder = SparkSession.builder.master("local[1]").appName("sparkweld-backends").config("spark.ui.enabled", "false")
    builder = builder.config("spark.sparkweld.cache.dir", str(scratch / "kernels")).config("spark.driver.memory", "2g")
    return sparkweld.configure(builder).getOrCreate()


def seconds(frame: Any) -> float:
    started = time.perf_counter()
    frame.write.format("noop").mode("overwrite").save()
    return time.perf_counter() - started


def must_run(frame: Any, backend: str) -> None:
    plan = frame._jdf.queryExecution().executedPlan().toString()
    if "ArrowEvalPython" in plan or ("Weld [" in plan) != (backend == "native"):
        raise RuntimeError(f"not the backend {backend}:\n{plan}")


def measure(spark: Any, rows: int, repeats: int, scratch: Path) -> dict[str, dict[str, dict[int, float]]]:
    """Source -> backend -> operations -> nanoseconds a row, fastest of the runs; 0 operations: the source alone."""
    path = str(scratch / "numbers.parquet")
    made = spark.range(rows).selectExpr("id * 0.25D + rand(1) as x")
    made.write.option("compression", "none").parquet(path)
    sources = {"columns": spark.read.parquet(path), "rows": spark.range(0, rows, 1, 1).selectExpr("id * 0.25D as x")}
    best: dict[str, dict[str, dict[int, float]]] = {s: {b: {} for b in BACKENDS} for s in SOURCES}
    for _ in range(repeats + 1):  # the first round warms the JVM and the kernel cache, and is beaten later
        for source, table in sources.items():
            for operations in (0, *OPERATIONS):
                for backend in BACKENDS:
                    spark.conf.set("spark.sparkweld.backend", backend)
                    frame = table.select("x" if operations == 0 else chain(operations)("x").alias("r"))
                    if operations:
                        must_run(frame, backend)
                    took = seconds(frame) / rows * 1e9
                    best[source][backend][operations] = min(took, best[source][backend].get(operations, np.inf))
    return best


def constants(best: dict[str, dict[str, dict[int, float]]]) -> dict[str, float]:
    """The constants of CostModel, in nanoseconds."""

    def line(source: str, backend: str) -> tuple[float, float]:
        points = best[source][backend]
        slope, start = np.polyfit(OPERATIONS, [points[n] - points[0] for n in OPERATIONS], 1)
        return float(slope), float(start)

    kernel, kernel_row = line("columns", "native")
    expression, _ = line("columns", "catalyst")
    over_rows, over_rows_start = line("rows", "native")
    return {
        "KernelOperation": kernel,
        "KernelRow": kernel_row,
        "CatalystOperation": expression,
        "RowToColumn + ColumnToRow": over_rows_start - kernel_row,
        "kernel slope over rows (for comparison)": over_rows,
    }


def main() -> int:
    arguments = parse_arguments()
    with tempfile.TemporaryDirectory(prefix="sparkweld-backends-") as folder:
        spark = session(Path(folder))
        spark.sparkContext.setLogLevel("ERROR")
        try:
            best = measure(spark, arguments.rows, arguments.repeats, Path(folder))
        except RuntimeError as error:
            print(f"FAILED: {error}")
            return 1
        finally:
            spark.stop()
    print("nanoseconds a row, one core\n\n| operations | " + " | ".join(f"{s}, {b}" for s in SOURCES for b in BACKENDS) + " |")
    print("|---:|" + "---:|" * 4)
    for operations in (0, *OPERATIONS):
        print(f"| {operations} | " + " | ".join(f"{best[s][b][operations]:.1f}" for s in SOURCES for b in BACKENDS) + " |")
    print()
    for name, value in constants(best).items():
        print(f"{name}: {value:.2f} ns")
    if arguments.json:
        arguments.json.write_text(json.dumps(best, indent=1), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
