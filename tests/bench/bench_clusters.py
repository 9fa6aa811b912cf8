"""Runs an unmodified job on a standalone cluster through losses, other installations and restarts, with the plugin off and on.

    make bench BENCH=clusters        (or: python tests/bench/bench_clusters.py [--scenarios lost,stream] [--ranges N N])

Each scenario starts a master and three workers on loopback addresses, once without the plugin and once with it. The workers
have one core and an executor of 512 MB each. A line of the table fails where one side does not succeed, or the rows of the
sides differ. It also fails where a batch ran elsewhere than expected, or a warning is missing or unexpected. And it fails where
Spark did not notice the disruption.

The time is that of the whole job with its start. The last scenarios compute a function of many numbers. Their time excludes the
start. It and the executors' memory are compared between the sizes.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from cluster_cases import Scenario, scenarios
from cluster_sides import Side, prepare
from flights_data import data_folder
from progress import Progress

#: A larger range may take this much more time for each row than the smaller one, and this much more memory in an executor.
MOST_TIME, MOST_MEMORY = 1.2, 1.25


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=360_000, help="rows of the scored table (default 360,000)")
    parser.add_argument("--ranges", type=int, nargs="*", default=[20_000_000, 200_000_000], help="sizes of the long counts")
    parser.add_argument("--scenarios", default="", help="parts of names, with commas between them: run these scenarios only")
    parser.add_argument("--keep", action="store_true", help="keep all logs and rows")
    return parser.parse_args()


def run(scenario: Scenario, data: Path, scratch: Path, progress: Progress) -> tuple[dict[str, Side], str]:
    """Runs both sides; returns them and what is wrong, empty when all is as expected."""
    sides = {}
    for name in ("off", "on"):
        progress.tick(f"{scenario.name}, plugin {name}")
        folder = scratch / scenario.name.replace(" ", "-").replace(",", "") / name
        sides[name] = Side(scenario.name, name == "on", folder, data)
        try:
            scenario.run(sides[name])
        except (RuntimeError, OSError, ValueError, subprocess.SubprocessError):  # the table has the failure
            progress.say(traceback.format_exc())
            return sides, f"plugin {name} FAILED"
    return sides, "; ".join(faults(scenario, sides))


def faults(scenario: Scenario, sides: dict[str, Side]) -> list[str]:
    """Returns what differs from the expectation."""
    found = []
    off, on = sides["off"].rows(), sides["on"].rows()
    if not off or len(off) != len(on) or not all(same(a, b) for a, b in zip(off, on, strict=True)):
        found.append("rows differ")
    for name, side in sides.items():
        logs = "".join(job.log.read_text(encoding="utf-8", errors="replace") for job in side.jobs)
        if not re.search(scenario.happened, logs):
            found.append(f"no disruption, plugin {name}")
    kernels, fallbacks = sides["on"].batches()
    if (kernels > 0) != scenario.kernels:
        found.append(f"{kernels} batches in kernels")
    if (fallbacks > 0) != scenario.fallbacks:
        found.append(f"{fallbacks} batches in Python")
    warned = [lines for lines in sides["on"].warnings() if lines]
    if not scenario.warning and warned:
        found.append(f"warned: {warned[0][0]}")
    if scenario.warning:
        if not warned:
            found.append("no warning")
        found += [f"warned: {lines}" for lines in warned if len(lines) != 1 or scenario.warning not in lines[0]]
    return found


def same(left: pa.Table, right: pa.Table) -> bool:
    """Whether two tables have the same rows, bit for bit: NaN equals NaN, and -0.0 differs from 0.0."""
    return left.schema.equals(right.schema) and all(
        _bits(a).equals(_bits(b)) for a, b in zip(left.columns, right.columns, strict=True))


def _bits(column: pa.ChunkedArray) -> pa.Array:
    array = column.combine_chunks()
    array = array if isinstance(array, pa.Array) else pa.concat_arrays(array.chunks)
    if array.type != pa.float64():
        return array
    return pc.if_else(pc.is_nan(array), pa.scalar(float("nan")), array).view(pa.int64())


def main() -> int:
    arguments = parse_arguments()
    progress = Progress()
    data = prepare(data_folder(), arguments.rows)
    scratch = Path(tempfile.mkdtemp(prefix="sparkweld-clusters-"))
    parts = [part for part in arguments.scenarios.split(",") if part]
    lines, wrong, done = [], [], {}
    for scenario in scenarios(arguments.ranges):
        if parts and not any(part in scenario.name for part in parts):
            continue
        sides, fault = run(scenario, data, scratch, progress)
        done[scenario.name] = sides
        lines.append(line(sides, fault))
        progress.say(lines[-1])
        wrong += [f"{scenario.name}: {fault}"] if fault else []
    print("| scenario | rows | off s | on s | kernel batches | fallbacks | equal and as expected |")
    print("|---|---:|---:|---:|---:|---:|---|")
    print("\n".join(lines))
    wrong += growth([done[f"range of {rows:,}"] for rows in arguments.ranges if f"range of {rows:,}" in done], arguments.ranges)
    if wrong:
        print("\n" + "\n".join(wrong))
    if wrong or arguments.keep:
        print(f"logs: {scratch}", file=sys.stderr)
    else:
        shutil.rmtree(scratch)
    return 1 if wrong else 0


def line(sides: dict[str, Side], fault: str) -> str:
    on = sides.get("on")
    name, off = sides["off"].scenario, sides["off"]
    if on is None or "FAILED" in fault:
        return f"| {name} | - | {off.seconds:.1f} | - | - | - | {fault} |"
    kernels, fallbacks = on.batches()
    tables = on.rows()
    rows = tables[0]["count"][0].as_py() if tables and "count" in tables[0].column_names else sum(map(len, tables))
    facts = "".join(f"; {key} {value} (off: {off.facts.get(key)})" for key, value in on.facts.items())
    return (f"| {name} | {rows:,} | {off.seconds:.1f} | {on.seconds:.1f} | {kernels:,} | {fallbacks:,} | "
            f"{fault or 'yes'}{facts} |")


def growth(measured: list[dict[str, Side]], sizes: list[int]) -> list[str]:
    """Prints the ratio of times and of memory of each range to the one before; returns those beyond the limits."""
    found = []
    for before, after, few, many in zip(measured, measured[1:], sizes, sizes[1:], strict=False):
        for name in ("off", "on"):
            if name not in before or name not in after or "resident MB" not in after[name].facts:
                continue
            time = after[name].seconds / before[name].seconds
            memory = after[name].facts["resident MB"] / before[name].facts["resident MB"]
            text = f"{many / few:g} times the rows, plugin {name}: {time:.1f} times the time, {memory:.2f} times the memory"
            print(f"\n{text}")
            if name == "on" and (time > MOST_TIME * many / few or memory > MOST_MEMORY):
                found.append(text)
    return found


if __name__ == "__main__":
    sys.exit(main())
