"""Measures the CPU time of cases in two sessions, one with the flag: what the never-slower and the everyday bench share.

The measure is user plus system time of the driver, its JVM, the Python workers and the compile service. It covers a query from
a new DataFrame to its end. Other work on the machine adds little to it.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from cpu_cases import Case
from progress import Progress
from side_by_side import add_session_arguments
from spark_processes import SparkProcess

SIDES = ("off", "on")
#: The least ratio of off to on that passes.
LEAST = 0.95


@dataclass
class Line:
    """Processor seconds of one case, and the batches of the last run in kernels and in Python."""

    case: str
    rows: int
    cold: dict[str, float] = field(default_factory=dict)
    seconds: dict[str, list[float]] = field(default_factory=lambda: {side: [] for side in SIDES})
    kernels: int = 0
    python: int = 0
    problem: str = ""

    def median(self, side: str) -> float:
        return statistics.median(self.seconds[side])

    @property
    def ratio(self) -> float:
        return self.median("off") / self.median("on")


def parse_arguments(description: str | None, repeats: int, warm_ups: int) -> argparse.Namespace:
    """Parses the command line of a bench, with these defaults."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", default="", help="only cases whose names contain one of these strings, separated by commas")
    parser.add_argument("--repeats", type=int, default=repeats, help=f"measured runs of each side (default {repeats})")
    parser.add_argument("--warm-ups", type=int, default=warm_ups, help=f"warm-up runs of each side (default {warm_ups})")
    parser.add_argument("--scale", type=float, default=1.0, help="factor of the number of rows (default 1)")
    add_session_arguments(parser, memory="2g")
    return parser.parse_args()


def run(
    description: str | None, module: str, cases: Sequence[Case], prepare: Callable[[str, int], Path],
    report: Callable[[list[Line]], bool], *, repeats: int, warm_ups: int,
) -> int:  # fmt: skip
    """Runs the bench of a module's cases; returns its exit code.

    `report` prints the lines, and returns whether they meet the bench's own target. A line below LEAST takes further
    samples, and fails the bench.
    """
    arguments = parse_arguments(description, repeats, warm_ups)
    progress = Progress()
    scratch = Path(tempfile.mkdtemp(prefix="sparkweld-bench-"))
    try:
        lines = CpuSideBySide(arguments, module, prepare, scratch, progress).lines(cases)
    except (RuntimeError, OSError) as error:
        progress.say(f"FAILED: {error}\nlogs: {scratch}")
        return 1
    met = report(lines)
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(line) for line in lines], indent=1), encoding="utf-8")
    shutil.rmtree(scratch)
    return 0 if met and not any(line.problem or line.ratio < LEAST for line in lines) else 1


class CpuSideBySide:
    """Runs the cases of one module, with tables that `prepare` writes."""

    #: Where a line is below LEAST, each side takes MORE further samples, up to ROUNDS times.
    MORE, ROUNDS = 4, 2

    def __init__(
        self, arguments: argparse.Namespace, module: str, prepare: Callable[[str, int], Path], scratch: Path, progress: Progress
    ) -> None:
        self.arguments, self.module, self.prepare = arguments, module, prepare
        self.scratch, self.progress = scratch, progress
        self.sessions: dict[str, SparkProcess] = {}

    def lines(self, cases: Sequence[Case]) -> list[Line]:
        """Measures the chosen cases in new sessions."""
        chosen = [case for case in cases if any(text in case.name for text in self.arguments.cases.split(","))]
        try:
            for side in SIDES:
                plugin = side == "on" and not self.arguments.check_harness
                environment = {"SPARKWELD_CACHE_DIR": str(self.scratch / f"cache-{side}")}
                self.sessions[side] = SparkProcess(side, plugin, {"spark.sql.session.timeZone": "UTC"}, self.scratch,
                                                   self.arguments.cores, self.arguments.memory, environment)  # fmt: skip
            return [self._line(case) for case in chosen]
        finally:
            for session in self.sessions.values():
                session.close()

    def _line(self, case: Case) -> Line:
        """Runs each side once, compares all rows, warms up, then runs both sides alternately."""
        rows = max(1, int(case.rows * self.arguments.scale)) if case.rows > 10_000 else case.rows
        query = {"module": self.module, "name": case.name, "folder": str(self.prepare(case.table, rows))}
        line = Line(case.name, rows)
        for side in SIDES:
            line.cold[side] = float(self.sessions[side].ask("run_case", times=1, **query)["seconds"])
        written = {side: str(self.scratch / side) for side in SIDES}
        for side in SIDES:
            self.sessions[side].ask("write_case", target=written[side], **query)
        if not self.sessions["off"].ask("same_rows", left=written["off"], right=written["on"])["equal"]:
            line.problem = "rows differ"
        for _ in range(self.arguments.warm_ups):
            for side in SIDES:
                self.sessions[side].ask("run_case", times=case.times, **query)
        self._sample(line, query, case.times, self.arguments.repeats)
        for _ in range(self.ROUNDS):
            if line.ratio < LEAST:
                self._sample(line, query, case.times, self.MORE)
        batches = self.sessions["on"].ask("weld_batches")
        line.kernels, line.python = batches["kernels"], batches["python"]
        seconds = ", ".join(f"{side} {line.median(side):.2f} s" for side in SIDES)
        self.progress.say(f"{case.name}: {seconds}, {line.ratio:.2f} {line.problem}")
        return line

    def _sample(self, line: Line, query: dict[str, str], times: int, repeats: int) -> None:
        for repeat in range(repeats):
            for side in SIDES if repeat % 2 == 0 else reversed(SIDES):
                line.seconds[side].append(float(self.sessions[side].ask("run_case", times=times, **query)["seconds"]))
