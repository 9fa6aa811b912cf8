"""Runs thousands of queries from many threads, of which some fail or are cancelled, and measures the growth of all processes.

    make bench BENCH=soak            (or: python tests/bench/bench_soak.py [--queries N] [--threads N] [--json FILE])

Two runs, with the plugin and without it, each in a process with a JVM of its own and the same queries. Of ten queries, six
repeat one of twenty functions, two have a new function, one fails, and one is cancelled while it runs. All others are compared
with the values that Python computes. Eight times per run, after a minute without queries, the resident memory of the JVM, of
Python and of the compile service is read. A growth per 1,000 queries beyond the limits is a failure, over the last half of the
run.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from local_session import local_session
from process_memory import of_process
from progress import Progress

ROWS = 500
SAMPLES = 8
#: Spark's own pools keep idle threads for a minute. Their number depends on how fast queries follow each other.
IDLE = 65
#: Permitted growth in MB per 1,000 queries beyond that without the plugin.
ALLOWED = {"jvmMb": 12.0, "pythonMb": 2.0, "serviceMb": 130.0}
#: The compile service is replaced when it exceeds this; the bench lowers the default, to see that happen.
RECYCLE = "400m"


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--queries", type=int, default=10_000)
    parser.add_argument("--threads", type=int, default=100)
    parser.add_argument("--json", type=Path, help="also write all samples to this file")
    parser.add_argument("--side", choices=("on", "off"), help=argparse.SUPPRESS)
    return parser.parse_args()


class Failure(Exception):
    """A query returned other values than Python, or succeeded where it must not."""


class Queries:
    """The queries of a run, by number."""

    def __init__(self, spark: Any) -> None:
        self._spark = spark
        self.done = dict.fromkeys(("repeated", "new", "failed", "cancelled", "endedBeforeCancel"), 0)
        self._lock = threading.Lock()

    def run(self, number: int) -> None:
        kind = number % 10
        if kind < 6:
            self._compare(number % 20)
            self._count("repeated")
        elif kind < 8:
            self._compare(1000 + number)
            self._count("new")
        elif kind == 8:
            self._fail(number)
        else:
            self._cancel(number)

    def _count(self, what: str) -> None:
        with self._lock:
            self.done[what] += 1

    def _compare(self, constant: int) -> None:
        from pyspark.sql import functions as F
        from pyspark.sql.functions import pandas_udf, udf

        rows = self._spark.range(0, ROWS, 1, 2)
        if constant % 2:
            scored = rows.select(udf(lambda x: x * 3 + constant if x % 2 else x - constant, "long")("id").alias("r"))
        else:
            @pandas_udf("long")
            def scored_rows(x):  # type: ignore[no-untyped-def]
                return x * 3 + constant

            scored = rows.select(scored_rows("id").alias("r"))
        found = scored.agg(F.sum("r").alias("s")).collect()[0].s
        if constant % 2:
            expected = sum(x * 3 + constant if x % 2 else x - constant for x in range(ROWS))
        else:
            expected = sum(x * 3 + constant for x in range(ROWS))
        if found != expected:
            raise Failure(f"the sum of function {constant} is {found}, not {expected}")

    def _fail(self, number: int) -> None:
        from pyspark.sql.functions import udf

        try:
            self._spark.range(0, ROWS, 1, 2).select(udf(lambda x: 1 // (x - 7), "long")("id")).collect()
        except Exception as error:
            if "ZeroDivisionError" not in str(error):
                raise Failure(f"query {number} failed otherwise: {error}") from error
            self._count("failed")
        else:
            raise Failure(f"query {number} did not fail")

    def _cancel(self, number: int) -> None:
        from pyspark.sql import functions as F
        from pyspark.sql.functions import udf

        context, group = self._spark.sparkContext, f"soak-{number}"
        context.setJobGroup(group, "to be cancelled", True)
        ended = threading.Event()
        canceller = threading.Thread(target=self._cancel_when_it_runs, args=(group, ended))
        canceller.start()
        try:
            residue = udf(lambda x: (x * 7 + number % 20) % 1001, "long")
            self._spark.range(0, 100_000_000, 1, 2).select(residue("id").alias("r")).agg(F.sum("r")).collect()
        except Exception as error:
            if "cancel" not in str(error).lower():
                raise Failure(f"query {number} failed otherwise: {error}") from error
            self._count("cancelled")
        else:
            self._count("endedBeforeCancel")
        finally:
            ended.set()
            canceller.join()
            context.setLocalProperty("spark.jobGroup.id", None)

    def _cancel_when_it_runs(self, group: str, ended: threading.Event) -> None:
        context = self._spark.sparkContext
        while not ended.wait(0.05):
            if context.statusTracker().getJobIdsForGroup(group):
                ended.wait(0.2)
                context.cancelJobGroup(group)


def _compiler(spark: Any) -> Any:
    return spark._jvm.io.sparkweld.SparkWeldRuntime.driver().get().compiler()


def sample(spark: Any, jvm: int) -> dict[str, float]:
    """Returns the memory of the processes, after idle threads have ended and collections have freed what only cleaners hold."""
    time.sleep(IDLE)
    gc.collect()
    spark._jvm.java.lang.System.gc()
    time.sleep(0.5)
    pids = _compiler(spark).pids().mkString(",")
    services = [of_process(int(pid))["residentMb"] for pid in pids.split(",") if pid]
    mine, java = of_process(os.getpid()), of_process(jvm)
    return {"jvmMb": java["residentMb"], "pythonMb": mine["residentMb"], "serviceMb": sum(services),
            "threads": java["threads"], "openFiles": java["openFiles"], "children": java["children"]}


def run_side(arguments: argparse.Namespace) -> int:
    """Runs all queries on one side, and prints its samples as JSON."""
    progress = Progress()
    conf = {"spark.sparkweld.enabled": str(arguments.side == "on").lower(), "spark.sparkweld.compile.tinyRows": "0",
            "spark.sparkweld.compile.recycleMemory": RECYCLE, "spark.sparkweld.compile.timeout": "120s",
            "spark.sparkweld.compile.warmup.enabled": str(arguments.side == "on").lower(),
            "spark.sql.shuffle.partitions": "2", "spark.driver.extraJavaOptions": "-Xms2g -XX:+AlwaysPreTouch"}
    spark = local_session(2, "2g", conf)
    spark.sparkContext.setLogLevel("OFF")
    jvm = spark.sparkContext._gateway.proc.pid
    queries, samples, begin = Queries(spark), [], time.monotonic()
    with ThreadPoolExecutor(arguments.threads) as pool:
        for part in np.array_split(np.arange(arguments.queries), SAMPLES):
            for made in [pool.submit(queries.run, int(number)) for number in part]:
                made.result()
            samples.append({"queries": int(part[-1]) + 1, "seconds": time.monotonic() - begin, **sample(spark, jvm)})
            progress.tick(f"{arguments.side}: {samples[-1]}")
    starts = int(_compiler(spark).starts())
    print(json.dumps({"samples": samples, "done": queries.done, "serviceStarts": starts}))
    spark.stop()
    return 0


def growth(samples: list[dict[str, float]], what: str) -> float:
    """Returns the growth per 1,000 queries by least squares over the last half."""
    half = samples[len(samples) // 2 :]
    return float(np.polyfit([one["queries"] / 1000 for one in half], [one[what] for one in half], 1)[0])


def report(sides: dict[str, Any]) -> bool:
    """Prints a line for each process and side; returns whether all growth is within its limit, and all kinds of queries ran."""
    fine = True
    print("| measured | plugin | first | half | last | per 1,000 queries | verdict |\n|---|---|---:|---:|---:|---:|---|")
    for what in (*ALLOWED, "threads", "openFiles", "children"):
        base = max(growth(sides["off"]["samples"], what), 0.0)
        for side in ("off", "on"):
            samples = sides[side]["samples"]
            first, half, last = (samples[at][what] for at in (0, len(samples) // 2, -1))
            grown, verdict = growth(samples, what), "-"
            if side == "on" and what in ALLOWED:
                is_fine = grown <= base + ALLOWED[what]
                fine &= is_fine
                verdict = f"{'PASS' if is_fine else 'FAIL'} (at most {base + ALLOWED[what]:.1f})"
            print(f"| {what} | {side} | {first:.0f} | {half:.0f} | {last:.0f} | {grown:+.1f} | {verdict} |")
    for side, made in sides.items():
        fine &= all(made["done"][kind] for kind in ("repeated", "new", "failed", "cancelled"))
        seconds = made["samples"][-1]["seconds"]
        print(f"\nplugin {side}: {made['done']} in {seconds:.0f} s; compile services started: {made['serviceStarts']}")
    return fine


def main() -> int:
    arguments = parse_arguments()
    if arguments.side:
        return run_side(arguments)
    sides = {}
    for side in ("off", "on"):
        numbers = ["--queries", str(arguments.queries), "--threads", str(arguments.threads)]
        command = [sys.executable, __file__, "--side", side, *numbers]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            print(f"FAILED: the run with the plugin {side}", file=sys.stderr)
            return 1
        sides[side] = json.loads(done.stdout.splitlines()[-1])
    fine = report(sides)
    if arguments.json:
        arguments.json.write_text(json.dumps(sides, indent=1), encoding="utf-8")
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
