"""Measures the latency that the plugin adds to the first query, to a first query with a warm cache, and to planning.

    make bench BENCH=latency           (or: python tests/bench/bench_latency.py [--repeats N] [--json FILE])

First query: a new JVM runs one pandas UDF query over 100,000 rows. With the flag it runs once with an empty kernel cache, and
once with the cache of an earlier process. Planning: queries without UDFs, and one with sixty new functions each time, from
DataFrame to physical plan, in new JVMs. Runs with and without the flag alternate; differences are between medians.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from flights_data import prepare_flights
from formula_data import prepare_formula
from formulas import formula
from progress import Progress
from spark_processes import SparkProcess

CASE, ROWS = "black_scholes", 100_000
# Targets for the seconds added to plugin off.
COLD_TARGET, WARM_TARGET, PLANNING_TARGET, FUNCTIONS_TARGET = 0.3, 0.0, 0.005, 0.3
KINDS = ("off", "cold", "warm")
#: Plans of new functions, and seconds before each, in which the service generates the code of the plan before.
FUNCTION_PLANS, PAUSE = 8, 1.5


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=7, help="new processes of each kind (default 7)")
    parser.add_argument("--planning-repeats", type=int, default=40, help="plans of each query per process (default 40)")
    parser.add_argument("--planning-processes", type=int, default=3, help="processes for planning (default 3 each)")
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--json", type=Path, help="also write all samples to this file")
    parser.add_argument("--check-harness", action="store_true", help="never use the flag, to test this script")
    return parser.parse_args()


def first_queries(arguments: argparse.Namespace, progress: Progress, scratch: Path) -> dict[str, dict[str, list[float]]]:
    """Returns the seconds of session start, first query and second query in `repeats` new processes of each kind."""
    folder = str(prepare_formula(formula(CASE), ROWS, progress.say))
    query = {"case": CASE, "way": "udf", "source": "parquet", "folder": folder}
    samples: dict[str, dict[str, list[float]]] = {kind: {"start": [], "first": [], "second": []} for kind in KINDS}
    left = scratch / "left-by-an-earlier-process"
    for repeat in range(-1, arguments.repeats):  # the first round warms the page cache and fills the warm kernel cache
        for kind in KINDS:
            cache = left if kind == "warm" else scratch / f"empty-{kind}-{repeat}"
            progress.tick(f"first query, {kind}: process {repeat + 1} of {arguments.repeats}")
            with SparkProcess(f"{kind} {repeat}", kind != "off" and not arguments.check_harness, {}, scratch,
                              arguments.cores, "2g", {"SPARKWELD_CACHE_DIR": str(cache)}) as session:
                took = {"start": session.ask("hello")["sessionSeconds"], "first": session.ask("run", **query)["seconds"],
                        "second": session.ask("run", **query)["seconds"]}
                if kind != "off" and repeat < 0 and not arguments.check_harness:
                    _must_run_in_kernels(session, query)
            if repeat >= 0:
                for what, seconds in took.items():
                    samples[kind][what].append(seconds)
    return samples


def _must_run_in_kernels(session: SparkProcess, query: dict[str, Any]) -> None:
    batches = session.ask("weld_batches")
    if batches["kernels"] == 0 or batches["python"]:
        plan = session.ask("plan", **query)["text"]
        raise RuntimeError(f"some batches of the query do not run in kernels ({batches}); its plan:\n{plan}")


def planning(arguments: argparse.Namespace, progress: Progress, scratch: Path) -> dict[str, dict[str, list[float]]]:
    """Returns seconds from DataFrame to physical plan, per query and side; each process's first plan has its own key."""
    from function_queries import QUERIES as FUNCTIONS
    from plain_queries import QUERIES

    queries = {**QUERIES, **FUNCTIONS}
    folder = str(prepare_flights(1, progress.say).flights)
    seconds: dict[str, dict[str, list[float]]] = {name: {"off": [], "on": []} for name in ("first plan", *queries)}
    for process in range(arguments.planning_processes):
        for side in ("off", "on"):
            with SparkProcess(f"planning {side} {process}", side == "on" and not arguments.check_harness, {}, scratch,
                              arguments.cores, "2g", {"SPARKWELD_CACHE_DIR": str(scratch / "planning")}) as session:
                session.ask("hello")
                for number, name in enumerate(queries):
                    progress.tick(f"planning, {side}: process {process + 1}, {name}")
                    repeats, pause = (FUNCTION_PLANS, PAUSE) if name in FUNCTIONS else (arguments.planning_repeats, 0.0)
                    times = session.ask("plan_seconds", name=name, folder=folder, repeats=repeats, pause=pause)["seconds"]
                    if number == 0:
                        seconds["first plan"][side].append(times[0])
                    # A query's first plans measure the JIT compiler, on both sides.
                    seconds[name][side] += times[len(times) // 4 :]
    return seconds


def report(first: dict[str, dict[str, list[float]]], plans: dict[str, dict[str, list[float]]]) -> bool:
    """Prints both tables; returns whether all targets are met."""
    middle = {kind: {what: statistics.median(values) for what, values in first[kind].items()} for kind in KINDS}
    print(f"{CASE} over {ROWS:,} rows, in a new JVM each; medians of {len(first['off']['first'])} processes, seconds\n")
    print("| | session start | first query | second query | start + first, added | first, added | verdict |")
    print("|---|---:|---:|---:|---:|---:|---|")
    met = []
    names = {"off": "plugin off", "cold": "on, empty cache", "warm": "on, warm cache"}
    for kind, target in zip(KINDS, (None, COLD_TARGET, WARM_TARGET), strict=True):
        took, off = middle[kind], middle["off"]
        added = took["first"] - off["first"]
        whole = added + took["start"] - off["start"]
        # The session's start counts too, so that work done there is not hidden from the first query's time.
        verdict = "-" if target is None else _verdict(max(added, whole), target, met)
        print(f"| {names[kind]} | {took['start']:.2f} | {took['first']:.2f} | {took['second']:.2f} | {whole:+.2f} | "
              f"{added:+.2f} | {verdict} |")
    print("\nplanning, medians in milliseconds\n")
    print("| query | off | on | added | verdict |\n|---|---:|---:|---:|---|")
    for name, sides in plans.items():
        off_ms, on_ms = (statistics.median(sides[side]) for side in ("off", "on"))
        # A process has one first plan: too few and too noisy for a verdict, but a large cost would show.
        target = FUNCTIONS_TARGET if name.endswith(" functions") else PLANNING_TARGET
        verdict = "-" if name == "first plan" else _verdict(on_ms - off_ms, target, met)
        print(f"| {name} | {off_ms * 1e3:.2f} | {on_ms * 1e3:.2f} | {(on_ms - off_ms) * 1e3:+.2f} | {verdict} |")
    return all(met)


def _verdict(added: float, target: float, met: list[bool]) -> str:
    met.append(added <= target)
    return f"{'PASS' if met[-1] else 'FAIL'} (target at most {target:g} s)"


def main() -> int:
    arguments = parse_arguments()
    progress = Progress()
    scratch = Path(tempfile.mkdtemp(prefix="sparkweld-latency-"))
    try:
        first = first_queries(arguments, progress, scratch)
        plans = planning(arguments, progress, scratch)
    except (RuntimeError, OSError) as error:
        progress.say(f"FAILED: {error}\nlogs: {scratch}")
        return 1
    passed = report(first, plans)
    if arguments.json:
        samples = {"firstQuerySeconds": first, "planningSeconds": plans}
        arguments.json.write_text(json.dumps(samples, indent=1), encoding="utf-8")
    shutil.rmtree(scratch)
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
