"""Measures the CPU time of queries with the plugin off and on, and fails when one costs more with it.

    make bench BENCH=never_slower   (or: python tests/bench/bench_never_slower.py [--cases TEXT] [--repeats N] [--json FILE])

Two JVMs with equal settings, one with the flag and one without, read the same Parquet and write to the noop sink. The measure
is user plus system time of the driver, its JVM, the Python workers and the compile service. It covers a query from a new
DataFrame to its end. Other work on the machine adds little to it. Results are compared first. Samples alternate; the table
shows medians of the warm runs. A line below 0.95 makes the exit code 1.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path

from never_slower_cases import CASES, Case
from never_slower_data import prepare_table
from progress import Progress
from side_by_side import add_session_arguments
from spark_processes import SparkProcess

LEAST, SIDES = 0.95, ("off", "on")
#: Where a line is below LEAST, each side takes MORE further samples, up to ROUNDS times.
MORE, ROUNDS = 4, 2


@dataclass
class Line:
    """Processor seconds of one case, and the batches of the last run in kernels and in Python."""

    case: str
    rows: int
    seconds: dict[str, list[float]] = field(default_factory=lambda: {side: [] for side in SIDES})
    kernels: int = 0
    python: int = 0
    problem: str = ""

    def median(self, side: str) -> float:
        return statistics.median(self.seconds[side])

    @property
    def ratio(self) -> float:
        return self.median("off") / self.median("on")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", default="", help="only cases whose names contain one of these strings, separated by commas")
    parser.add_argument("--repeats", type=int, default=5, help="measured runs of each side (default 5)")
    parser.add_argument("--warm-ups", type=int, default=3, help="warm-up runs of each side (default 3)")
    parser.add_argument("--scale", type=float, default=1.0, help="factor of the number of rows (default 1)")
    add_session_arguments(parser, memory="2g")
    return parser.parse_args()


Sessions = dict[str, SparkProcess]


def measure(case: Case, sessions: Sessions, arguments: argparse.Namespace, scratch: Path, progress: Progress) -> Line:
    """Compares, warms up, then runs both sides alternately."""
    rows = max(1, int(case.rows * arguments.scale)) if case.rows > 10_000 else case.rows
    query = {"name": case.name, "folder": str(prepare_table(case.table, rows))}
    line = Line(case.name, rows)
    written = {side: str(scratch / side) for side in SIDES}
    for side in SIDES:
        sessions[side].ask("write_never_slower", target=written[side], **query)
    if not sessions["off"].ask("same_rows", left=written["off"], right=written["on"])["equal"]:
        line.problem = "rows differ"
    for _ in range(arguments.warm_ups):
        for side in SIDES:
            sessions[side].ask("run_never_slower", times=case.times, **query)
    sample(line, sessions, query, case.times, arguments.repeats)
    for _ in range(ROUNDS):
        if line.ratio < LEAST:
            sample(line, sessions, query, case.times, MORE)
    batches = sessions["on"].ask("weld_batches")
    line.kernels, line.python = batches["kernels"], batches["python"]
    progress.say(f"{case.name}: off {line.median('off'):.2f} s, on {line.median('on'):.2f} s, {line.ratio:.2f} {line.problem}")
    return line


def sample(line: Line, sessions: Sessions, query: dict[str, str], times: int, repeats: int) -> None:
    for repeat in range(repeats):
        for side in SIDES if repeat % 2 == 0 else reversed(SIDES):
            line.seconds[side].append(float(sessions[side].ask("run_never_slower", times=times, **query)["seconds"]))


def main() -> int:
    arguments = parse_arguments()
    progress = Progress()
    scratch = Path(tempfile.mkdtemp(prefix="sparkweld-bench-"))
    chosen = [case for case in CASES if any(text in case.name for text in arguments.cases.split(","))]
    lines = []
    try:
        sessions = {}
        for side in SIDES:
            plugin = side == "on" and not arguments.check_harness
            environment = {"SPARKWELD_CACHE_DIR": str(scratch / f"cache-{side}")}
            sessions[side] = SparkProcess(side, plugin, {"spark.sql.session.timeZone": "UTC"}, scratch, arguments.cores,
                                          arguments.memory, environment)  # fmt: skip
        try:
            lines = [measure(case, sessions, arguments, scratch, progress) for case in chosen]
        finally:
            for session in sessions.values():
                session.close()
    except (RuntimeError, OSError) as error:
        progress.say(f"FAILED: {error}\nlogs: {scratch}")
        return 1
    print_lines(lines)
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(line) for line in lines], indent=1), encoding="utf-8")
    shutil.rmtree(scratch)
    return 1 if any(line.problem or line.ratio < LEAST for line in lines) else 0


def print_lines(lines: list[Line]) -> None:
    """Prints the Markdown table."""
    print("CPU seconds of all processes per sample, medians\n")
    print("| case | rows | off | on | off / on | batches in kernels, in Python | verdict |\n|---|---:|---:|---:|---:|---:|---|")
    for line in lines:
        verdict = line.problem or ("PASS" if line.ratio >= LEAST else f"FAIL: below {LEAST}")
        print(f"| {line.case} | {line.rows:,} | {line.median('off'):.2f} s | {line.median('on'):.2f} s | {line.ratio:.2f} | "
              f"{line.kernels}, {line.python} | {verdict} |")  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
