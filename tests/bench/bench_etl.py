"""Measures the CPU time of cleaning pipelines and of single functions in queries: plugin off, plugin on, and Spark SQL by hand.

    make bench BENCH=etl            (or: python tests/bench/bench_etl.py [--cases TEXT] [--repeats N] [--scale F] [--json FILE])

Two JVMs have equal settings, one with the flag. Both read the same files and write to the noop sink. The SQL runs in the JVM
without the flag. The measure is user plus system time of the driver, its JVM, the Python workers and the compile service. It
covers a query from a new DataFrame to its end. All rows of plugin on and of SQL are compared with plugin off first. Cold: the
first query of a case. Warm: medians of alternating runs. The exit code is 1 for rows that differ, and for a line below 0.95
of plugin off or of SQL. It is 1, too, for a group whose median misses its target.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import etl_functions
import etl_pipelines
from cpu_side_by_side import LEAST
from etl_cases import EtlCase
from etl_data import prepare_table
from progress import Progress
from side_by_side import add_session_arguments
from spark_processes import SparkProcess

CASES = (*etl_pipelines.CASES, *etl_functions.CASES)
#: Way -> the session that runs it, and its query.
WAYS = {"off": ("off", "udfs"), "on": ("on", "udfs"), "sql": ("off", "sql")}
#: Group -> the least median of off / on over its lines; "" is all lines that run in kernels alone.
TARGETS = {"listings": 6.0, "logs": 4.0, "functions": 3.0, "": 5.0}


@dataclass
class Line:
    """Processor seconds of one case, and the batches of the last run in kernels and in Python."""

    case: str
    group: str
    rows: int
    cold: dict[str, float] = field(default_factory=dict)
    seconds: dict[str, list[float]] = field(default_factory=dict)
    kernels: int = 0
    python: int = 0
    problem: str = ""

    def median(self, way: str) -> float:
        return statistics.median(self.seconds[way])

    @property
    def gain(self) -> float:
        return self.median("off") / self.median("on")

    @property
    def against_sql(self) -> float | None:
        return self.median("sql") / self.median("on") if "sql" in self.seconds else None

    def verdict(self) -> str:
        found = [self.problem] if self.problem else []
        found += [f"below {LEAST}"] if self.gain < LEAST else []
        found += ["slower than SQL"] if self.against_sql is not None and self.against_sql < LEAST else []
        return ", ".join(found)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", default="", help="only cases whose names contain one of these, separated by semicolons")
    parser.add_argument("--repeats", type=int, default=3, help="measured runs of each way (default 3)")
    parser.add_argument("--warm-ups", type=int, default=2, help="warm-up runs of the ways without Python (default 2)")
    parser.add_argument("--minutes", type=float, default=math.inf, help="start no further case after this time")
    parser.add_argument("--scale", type=float, default=1.0, help="factor of the number of rows (default 1)")
    add_session_arguments(parser, memory="2g")
    return parser.parse_args()


class Bench:
    """The two sessions, and what measures a case in them."""

    def __init__(self, arguments: argparse.Namespace, scratch: Path, progress: Progress) -> None:
        self.arguments, self.scratch, self.progress = arguments, scratch, progress
        self.sessions: dict[str, SparkProcess] = {}

    def lines(self, cases: Sequence[EtlCase]) -> list[Line]:
        try:
            for side in ("off", "on"):
                plugin = side == "on" and not self.arguments.check_harness
                environment = {"SPARKWELD_CACHE_DIR": str(self.scratch / f"cache-{side}")}
                self.sessions[side] = SparkProcess(side, plugin, {"spark.sql.session.timeZone": "UTC"}, self.scratch,
                                                   self.arguments.cores, self.arguments.memory, environment)  # fmt: skip
            begin, found = time.monotonic(), []
            for case in cases:
                if time.monotonic() - begin < 60 * self.arguments.minutes:
                    found.append(self._line(case))
            return found
        finally:
            for session in self.sessions.values():
                session.close()

    def _line(self, case: EtlCase) -> Line:
        """Runs each way once, compares all rows, warms up, then runs the ways alternately."""
        sizes = {name: max(1, int(rows * self.arguments.scale)) if rows > 10_000 else rows for name, rows in case.tables.items()}
        tables = {name: str(prepare_table(name, rows)) for name, rows in sizes.items()}
        query = {"name": case.name, "tables": tables}
        line = Line(case.name, case.group, max(sizes.values()))
        ways = [way for way in WAYS if way != "sql" or case.sql is not None]
        for way in ways:
            self.progress.tick(f"{case.name}: {way}, first run")
            line.cold[way] = self._seconds(way, query)
        line.problem = self._compared(ways, query)
        for _ in range(self.arguments.warm_ups):
            for way in ways[1:]:
                self.progress.tick(f"{case.name}: {way}, warming up")
                self._seconds(way, query)
        line.seconds = {way: [] for way in ways}
        for repeat in range(self.arguments.repeats):
            for way in ways:
                self.progress.tick(f"{case.name}: {way}, run {repeat + 1} of {self.arguments.repeats}")
                line.seconds[way].append(self._seconds(way, query))
        batches = self.sessions["on"].ask("weld_batches")
        line.kernels, line.python = batches["kernels"], batches["python"]
        sql = f", {line.against_sql:.2f} of SQL" if line.against_sql is not None else ""
        self.progress.say(f"{case.name}: {line.gain:.2f}{sql} {line.verdict()}")
        return line

    def _seconds(self, way: str, query: dict[str, object]) -> float:
        side, how = WAYS[way]
        return float(self.sessions[side].ask("run_etl", way=how, **query)["seconds"])

    def _compared(self, ways: Sequence[str], query: dict[str, object]) -> str:
        """Compares the rows of all ways with those of plugin off; returns which differ."""
        different = []
        for way in ways:
            side, how = WAYS[way]
            self.sessions[side].ask("write_etl", way=how, target=str(self.scratch / way), **query)
            folders = {"left": str(self.scratch / "off"), "right": str(self.scratch / way)}
            if not self.sessions["off"].ask("same_rows", **folders)["equal"]:
                different.append(way)
        return f"DIFFERENT ROWS: {', '.join(different)}" if different else ""


def print_lines(lines: list[Line]) -> bool:
    """Prints the Markdown table and the medians of groups; returns whether these reach their targets."""
    print("CPU seconds of all processes per query\n")
    print("| case | rows | off, cold | on, cold | off | on | SQL | off / on | SQL / on | batches: kernels, Python | verdict |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|---:|---|---|")
    for line in lines:
        sql = f"{line.median('sql'):.2f}" if "sql" in line.seconds else ""
        against = "" if line.against_sql is None else f"{line.against_sql:.2f}"
        print(f"| {line.case} | {line.rows:,} | {line.cold['off']:.2f} | {line.cold['on']:.2f} | {line.median('off'):.2f} | "
              f"{line.median('on'):.2f} | {sql} | {line.gain:.1f}x | {against} | {line.kernels}, {line.python} | "
              f"{line.verdict()} |")  # fmt: skip
    met = True
    print()
    for group, target in TARGETS.items():
        gains = [line.gain for line in lines if (line.group == group if group else line.kernels and not line.python)]
        if gains:
            median = statistics.median(gains)
            met &= median >= target
            print(f"median of {group or 'all lines in kernels'} ({len(gains)}): {median:.1f}x, target {target:g}x")
    return met


def main() -> int:
    arguments = parse_arguments()
    progress = Progress()
    scratch = Path(tempfile.mkdtemp(prefix="sparkweld-bench-"))
    chosen = [case for case in CASES if any(text in case.name for text in arguments.cases.split(";"))]
    try:
        lines = Bench(arguments, scratch, progress).lines(chosen)
    except (RuntimeError, OSError) as error:
        progress.say(f"FAILED: {error}\nlogs: {scratch}")
        return 1
    met = print_lines(lines)
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(line) for line in lines], indent=1), encoding="utf-8")
    shutil.rmtree(scratch)
    return 0 if met and not any(line.verdict() for line in lines) else 1


if __name__ == "__main__":
    sys.exit(main())
