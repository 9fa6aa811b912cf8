"""Measures the growth of the executor JVM per query over 100 queries in one session.

    make bench BENCH=memory            (or: python tests/bench/bench_memory.py [--queries N] [--json FILE])

Three runs each have their own JVM. Its heap has one fixed size and is touched in advance, so that resident memory changes
only with memory outside the heap. With the flag, one run has 100 queries with differing UDFs (another constant and kernel
each), and one repeats a query 100 times. Without it, 100 differing queries show Spark's own growth. An executor keeps 256
linked kernels; here the limit is KEPT, so that the oldest are evicted. Read after each query: resident memory, child
processes, executable mappings (linked kernels), threads, open files.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from formula_data import prepare_formula
from formulas import formula
from progress import Progress
from spark_processes import SparkProcess

ROWS = 100_000
HEAP = "1g"
KEPT = 16
RUNS = {"differing, on": (True, True), "same, on": (True, False), "differing, off": (False, True)}
WATCHED = ("residentMb", "anonymousMb", "executableMappings", "children", "threads", "openFiles")
# Permitted growth per query over the last two thirds, beyond the growth with the plugin off: Spark's own thread pools fill
# up, and the JVM keeps compiling, for hundreds of queries.
ALLOWED = {"residentMb": 0.20, "executableMappings": 0.05, "children": 0.02, "threads": 0.20, "openFiles": 0.05}


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--json", type=Path, help="also write all samples to this file")
    parser.add_argument("--check-harness", action="store_true", help="never use the flag, to test this script")
    return parser.parse_args()


def watch(label: str, plugin: bool, differing: bool, arguments: argparse.Namespace, progress: Progress,
          scratch: Path) -> list[dict[str, Any]]:
    """Runs the queries in a new session; returns the JVM's resources after each."""
    folder = str(prepare_formula(formula("black_scholes"), ROWS, progress.say))
    samples = []
    with SparkProcess(label.replace(",", ""), plugin and not arguments.check_harness,
                      {"spark.sparkweld.kernel.cached": str(KEPT)}, scratch, arguments.cores, HEAP,
                      {"SPARKWELD_CACHE_DIR": str(scratch / "cache")},
                      java_options=f"-Xms{HEAP} -XX:+AlwaysPreTouch") as session:
        for query in range(arguments.queries):
            constant = 10.0 + (query if differing else 0) / 16
            seconds = session.ask("varied_query", folder=folder, constant=constant)["seconds"]
            # A collection frees objects that only finalizers or cleaners hold; a leak stays.
            samples.append({**session.ask("memory", collect=query % 10 == 9), "seconds": seconds})
            progress.tick(f"{label}: query {query + 1} of {arguments.queries}, {samples[-1]['residentMb']:.0f} MB")
        if plugin and not arguments.check_harness:
            batches = session.ask("weld_batches")
            if batches["kernels"] == 0 or batches["python"]:
                plan = session.ask("varied_plan", folder=folder, constant=10.0)["text"]
                raise RuntimeError(f"some batches of the queries do not run in kernels ({batches}); the plan:\n{plan}")
    return samples


def slope(values: list[float]) -> float:
    """Returns the growth per query by least squares over the last two thirds; the first third fills caches and compiles Spark."""
    settled = np.asarray(values[len(values) // 3 :], dtype=float)
    return float(np.polyfit(np.arange(len(settled)), settled, 1)[0]) if len(settled) > 1 else 0.0


def report(runs: dict[str, list[dict[str, Any]]]) -> bool:
    """Prints a line per run and watched number; returns whether all judged numbers are flat."""
    base = {what: slope([float(sample[what]) for sample in runs["differing, off"]]) for what in WATCHED}
    flat = []
    print(f"{len(runs['same, on'])} queries of {ROWS:,} rows in one session, heap {HEAP}, {KEPT} kernels kept\n")
    print("| queries | measured | first | after a third | last | slope per query | verdict |")
    print("|---|---|---:|---:|---:|---:|---|")
    for label, samples in runs.items():
        for what in WATCHED:
            values = [float(sample[what]) for sample in samples]
            growth = slope(values)
            verdict = "-"
            if RUNS[label][0] and what in ALLOWED:
                allowed = ALLOWED[what] + max(base[what], 0.0)
                flat.append(growth <= allowed)
                verdict = f"{'PASS' if flat[-1] else 'FAIL'} (at most {allowed:.2f})"
            print(f"| {label} | {what} | {values[0]:.0f} | {values[len(values) // 3]:.0f} | {values[-1]:.0f} | "
                  f"{growth:+.3f} | {verdict} |")
    return all(flat)


def main() -> int:
    arguments = parse_arguments()
    progress = Progress()
    scratch = Path(tempfile.mkdtemp(prefix="sparkweld-memory-"))
    try:
        runs = {label: watch(label, plugin, differing, arguments, progress, scratch)
                for label, (plugin, differing) in RUNS.items()}
    except (RuntimeError, OSError) as error:
        progress.say(f"FAILED: {error}\nlogs: {scratch}")
        return 1
    passed = report(runs)
    if arguments.json:
        arguments.json.write_text(json.dumps(runs, indent=1), encoding="utf-8")
    shutil.rmtree(scratch)
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
