"""Measures the constants of `CostModel.scala` on chains of 2 to 32 operations: costs of kernels and expressions per row.

    make bench BENCH=backends          (or: python tests/bench/bench_backends.py [--rows N] [--repeats N] [--json FILE])

Each chain (multiply, add, multiply, add, ...) is one pandas UDF over one double. `spark.sparkweld.backend` runs it as a kernel
and as Spark expressions. There are three sources: a Parquet scan (columns), a range (rows), and a range with eight more columns
(wide rows). A kernel moves the latter into batches and back. One core, one JVM; runs of the two sides alternate. The constants
are least-squares fits of the fastest runs; the row at 0 operations is the source alone.

The last table is an aggregate pandas UDF grouped by a string over a Parquet scan: Spark's partial aggregation against
kernels.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from local_session import local_session

OPERATIONS = (2, 8, 16, 32)
BACKENDS = ("native", "catalyst")
SOURCES = ("columns", "rows", "wide rows")
MORE = 8  # additional columns of wide rows
KEYS = (16, 1024)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=8_000_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path, help="also write all samples to this file")
    return parser.parse_args()


def chain(operations: int) -> Any:
    """Returns a pandas UDF of `operations` operations, none of which folds into another."""
    from pyspark.sql.functions import pandas_udf

    @pandas_udf("double")
    def steps(x: pd.Series) -> pd.Series:
        for i in range(operations // 2):
            x = x * (1.0 + i / 1024) + 0.5
        return x

    return steps


def seconds(frame: Any) -> float:
    started = time.perf_counter()
    frame.write.format("noop").mode("overwrite").save()
    return time.perf_counter() - started


def must_run(frame: Any, backend: str, kernel: str = "Weld [") -> None:
    plan = frame._jdf.queryExecution().executedPlan().toString()
    if "EvalPython" in plan or "InPandas" in plan or (kernel in plan) != (backend == "native"):
        raise RuntimeError(f"the plan does not use the backend {backend}:\n{plan}")


Best = dict[Any, dict[str, dict[int, float]]]


def alternate(spark: Any, arguments: argparse.Namespace, queries: dict[tuple[Any, int], Any], kernel: str = "Weld [") -> Best:
    """Runs queries by (source, operations); returns source -> backend -> operations -> nanoseconds a row of the fastest run."""
    best: Best = {}
    for _ in range(arguments.repeats + 1):  # the first round warms the JVM and the kernel cache; later rounds beat it
        for (source, operations), query in queries.items():
            for backend in BACKENDS:
                spark.conf.set("spark.sparkweld.backend", backend)
                frame = query()
                if operations:
                    must_run(frame, backend, kernel)
                took = seconds(frame) / arguments.rows * 1e9
                times = best.setdefault(source, {}).setdefault(backend, {})
                times[operations] = min(took, times.get(operations, np.inf))
    return best


def measure(spark: Any, arguments: argparse.Namespace, scratch: Path) -> Best:
    """Measures the chains over all sources."""
    rows = arguments.rows
    path = str(scratch / "numbers.parquet")
    spark.range(rows).selectExpr("id * 0.25D + rand(1) as x").write.option("compression", "none").parquet(path)
    made = spark.range(0, rows, 1, 1)
    wide = [f"id * {i + 2}.5D as c{i}" for i in range(MORE)]
    tables = dict(zip(SOURCES, (spark.read.parquet(path), made.selectExpr("id * 0.25D as x"),
                                made.selectExpr("id * 0.25D as x", *wide)), strict=True))  # fmt: skip

    def query(source: str, operations: int) -> Any:
        result = chain(operations)("x").alias("r") if operations else "x"
        return tables[source].select(result, *(f"c{i}" for i in range(MORE if source == "wide rows" else 0)))

    points = [(source, operations) for source in SOURCES for operations in (0, *OPERATIONS)]
    return alternate(spark, arguments, {point: partial(query, *point) for point in points})


def measure_aggregates(spark: Any, arguments: argparse.Namespace, scratch: Path) -> Best:
    """Measures an aggregate grouped by strings, per number of distinct strings; `operations` is 1."""
    from pyspark.sql.functions import pandas_udf

    @pandas_udf("double")
    def weighted(x: pd.Series, w: pd.Series) -> float:
        return (x * w).sum() / w.sum()

    path = str(scratch / "groups.parquet")
    keys = [f"concat('key ', cast(pmod(hash(id), {n}) as string)) as k{n}" for n in KEYS]
    made = spark.range(arguments.rows).selectExpr("rand(1) as x", "if(id % 50 = 0, null, rand(2)) as w", *keys)
    made.write.option("compression", "none").parquet(path)
    table = spark.read.parquet(path)
    queries = {(f"{n} keys", 1): lambda n=n: table.groupBy(f"k{n}").agg(weighted("x", "w")) for n in KEYS}
    return alternate(spark, arguments, queries, kernel="WeldAggregate [")


def constants(best: Best) -> dict[str, float]:
    """Returns the constants of CostModel, in nanoseconds."""

    def slope(source: str, backend: str) -> float:
        points = best[source][backend]
        return float(np.polyfit(OPERATIONS, [points[n] for n in OPERATIONS], 1)[0])

    def ahead(source: str) -> float:
        """Returns a kernel's fixed cost a row beyond that of an expression."""
        native, catalyst = (best[source][backend] for backend in BACKENDS)
        return float(np.mean([native[n] - catalyst[n] - n * (kernel - expression) for n in OPERATIONS]))

    kernel, expression = slope("columns", "native"), slope("columns", "catalyst")
    through = (ahead("wide rows") - ahead("rows")) / MORE
    return {
        "KernelOperation": kernel,
        "CatalystOperation": expression,
        "KernelRow": ahead("columns"),
        "ThroughColumns": through,
        "KernelOfRows": ahead("rows") - through,
    }


def table_of(best: Best, first: str) -> str:
    """Returns the fastest runs as a Markdown table: a line for each number of operations."""
    columns = [(s, b) for s in best for b in BACKENDS]
    lines = [f"| {first} | " + " | ".join(f"{s}, {b}" for s, b in columns) + " |", "|---:|" + "---:|" * len(columns)]
    for operations in next(iter(best.values()))["native"]:
        lines.append(f"| {operations} | " + " | ".join(f"{best[s][b][operations]:.1f}" for s, b in columns) + " |")
    return "\n".join(lines)


def main() -> int:
    arguments = parse_arguments()
    with tempfile.TemporaryDirectory(prefix="sparkweld-backends-") as folder:
        spark = local_session(1, "2g", {"spark.sparkweld.cache.dir": str(Path(folder) / "kernels")})
        spark.sparkContext.setLogLevel("ERROR")
        try:
            best = measure(spark, arguments, Path(folder))
            groups = measure_aggregates(spark, arguments, Path(folder))
        except RuntimeError as error:
            print(f"FAILED: {error}")
            return 1
        finally:
            spark.stop()
    print(f"nanoseconds a row, one core\n\n{table_of(best, 'operations')}\n")
    for name, value in constants(best).items():
        print(f"{name}: {value:.2f} ns")
    print(f"\n{table_of(groups, 'aggregates')}")
    if arguments.json:
        arguments.json.write_text(json.dumps([best, groups], indent=1), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
