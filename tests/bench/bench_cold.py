"""Measures the plugin's cost or saving on small queries, on an idle machine and on a busy one.

    make bench BENCH=cold              (or: python tests/bench/bench_cold.py [--rounds N] [--queries N] [--json FILE])

A pandas UDF runs over a Parquet file of 1, 10, 1,000 and 100,000 rows. Either each query has another function, as in a
notebook or a test suite, or all repeat one function, as in a scheduled job. Runs of queries with the plugin off and on
alternate in one session. CPU time covers the JVM, the workers and the compile service until all are idle, so it includes
background compilation. Busy: as many processes as processors spin meanwhile.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from local_session import local_session
from process_memory import cpu_seconds
from progress import Progress

ROWS = (1, 10, 1_000, 100_000)
KINDS = ("new function", "same function")
#: CPU seconds in a fifth of a second below which the processes count as idle.
QUIET = 0.02


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="pairs of samples, off and on, for each line (default 5)")
    parser.add_argument("--queries", type=int, default=5, help="queries of a sample (default 5)")
    parser.add_argument("--rows", type=int, nargs="*", default=list(ROWS))
    parser.add_argument("--loads", nargs="*", default=["idle", "busy"], choices=["idle", "busy"])
    parser.add_argument("--spinners", type=int, default=os.cpu_count(), help="busy processes on the busy machine")
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--json", type=Path, help="also write all samples to this file")
    return parser.parse_args()


@contextmanager
def load(spinners: int) -> Iterator[set[int]]:
    """Runs `spinners` processes that only consume a processor; yields their ids."""
    started = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(spinners)]
    try:
        yield {process.pid for process in started}
    finally:
        for process in started:
            process.kill()
            process.wait()


def function_of(constant: float) -> Any:
    from pyspark.sql.functions import pandas_udf

    def f(x: pd.Series) -> pd.Series:
        return np.sqrt(x * constant) + 1.0

    return pandas_udf(f, "double")  # type: ignore[call-overload]


def quiet(spinning: set[int], most: float = 20.0) -> float:
    """Waits until the session's processes are idle; returns their CPU seconds."""
    end, before = time.monotonic() + most, cpu_seconds(spinning)
    while time.monotonic() < end:
        time.sleep(0.2)
        now = cpu_seconds(spinning)
        if now - before < QUIET:
            return now
        before = now
    return before


def block(spark: Any, path: str, plugin: bool, constants: Sequence[float], spinning: set[int]) -> dict[str, Any]:
    """Runs queries with functions of these constants; returns seconds and CPU seconds per query, and all rows."""
    spark.conf.set("spark.sparkweld.enabled", str(plugin).lower())
    cpu, wall, rows = quiet(spinning), list[float](), list[Any]()
    for constant in constants:
        started = time.perf_counter()
        rows.append(spark.read.parquet(path).select(function_of(constant)("x")).toArrow())
        wall.append(time.perf_counter() - started)
    return {"wall": statistics.median(wall), "cpu": (quiet(spinning) - cpu) / len(constants), "rows": rows}


def measure(
    spark: Any, path: str, kind: str, arguments: argparse.Namespace, fresh: Iterator[float], spinning: set[int]
) -> dict[str, list[float]]:
    """Returns the samples of each round after the warm-up round."""
    samples: dict[str, list[float]] = {f"{what} {way}": [] for what in ("wall", "cpu") for way in ("off", "on")}
    same = next(fresh)
    for number in range(arguments.rounds + 1):
        constants = [next(fresh) if kind == KINDS[0] else same for _ in range(arguments.queries)]
        order = ("off", "on") if number % 2 else ("on", "off")
        made = {way: block(spark, path, way == "on", constants, spinning) for way in order}
        if any(not a.equals(b) for a, b in zip(made["off"]["rows"], made["on"]["rows"], strict=True)):
            raise SystemExit(f"rows differ: {path}, {kind}")
        for way, values in made.items() if number else ():
            samples[f"wall {way}"].append(values["wall"])
            samples[f"cpu {way}"].append(values["cpu"])
    return samples


def main() -> None:
    arguments, progress = parse_arguments(), Progress()
    report: list[dict[str, Any]] = []
    fresh = (1 + number / 8 for number in itertools.count())  # no function repeats one of an earlier query
    print("| machine | rows | function | wall off | wall on | off/on | CPU off | CPU on | off/on |")
    print("|---|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as scratch:
        spark = local_session(arguments.cores, "2g", {"spark.sparkweld.cache.dir": f"{scratch}/kernels"})
        spark.sparkContext.setLogLevel("ERROR")
        for rows in arguments.rows:
            path = f"{scratch}/{rows}.parquet"
            pq.write_table(pa.table({"x": np.linspace(0, 1, rows)}), path)
            for machine in arguments.loads:
                for kind in KINDS:
                    progress.say(f"{machine}, {rows:,} rows, {kind}")
                    with load(arguments.spinners if machine == "busy" else 0) as spinning:
                        samples = measure(spark, path, kind, arguments, fresh, spinning)
                    report.append({"machine": machine, "rows": rows, "kind": kind, **samples})
                    print(line(report[-1]), flush=True)
        spark.stop()
    if arguments.json:
        arguments.json.write_text(json.dumps(report))


def line(found: dict[str, Any]) -> str:
    middle = {name: statistics.median(found[name]) for name in ("wall off", "wall on", "cpu off", "cpu on")}
    columns = [found["machine"], f"{found['rows']:,}", found["kind"]]
    for what in ("wall", "cpu"):
        off, on = middle[f"{what} off"], middle[f"{what} on"]
        columns += [f"{off * 1000:.0f} ms", f"{on * 1000:.0f} ms", f"{off / on:.2f}"]
    return f"| {' | '.join(columns)} |"


if __name__ == "__main__":
    main()
