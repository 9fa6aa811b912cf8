"""Times variants of a query alternately in two JVMs with equal settings, one with the flag."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

from formula_report import Samples
from progress import Progress
from spark_processes import Sampler, SparkProcess

#: For longer runs, random variation is small.
SLOW_SECONDS = 20


def add_session_arguments(parser: ArgumentParser, memory: str) -> None:
    """Adds the arguments that `SideBySide` reads."""
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--memory", default=memory, help=f"heap of each of the two JVMs (default {memory})")
    parser.add_argument("--json", type=Path, help="also write all samples to this file")
    parser.add_argument("--check-harness", action="store_true", help="both JVMs without the flag, to test this script")


class SideBySide(AbstractContextManager["SideBySide"]):
    """Both sessions, "off" and "on"; `runs` maps each variant to its session and to the worker's name of the variant.

    `own`: additional query parameters of some variants.
    """

    def __init__(self, arguments: Namespace, runs: Mapping[str, tuple[str, str]], scratch: Path, progress: Progress) -> None:
        self.arguments, self.runs, self.scratch, self.progress = arguments, runs, scratch, progress
        self.sampler, self._stack = Sampler(), ExitStack()
        self.sessions: dict[str, SparkProcess] = {}
        self.own: dict[str, Mapping[str, str]] = {}

    def __enter__(self) -> SideBySide:
        for side in ("off", "on"):
            plugin = side == "on" and not self.arguments.check_harness
            environment = {"SPARKWELD_CACHE_DIR": str(self.scratch / f"cache-{side}")}
            process = SparkProcess(side, plugin, {"spark.sql.session.timeZone": "UTC"}, self.scratch, self.arguments.cores,
                                   self.arguments.memory, environment)  # fmt: skip
            self.sessions[side] = self._stack.enter_context(process)
        return self

    def __exit__(self, *fault: object) -> None:
        self._stack.close()

    def _query(self, query: Mapping[str, str], way: str) -> dict[str, str]:
        return {**query, **self.own.get(way, {})}

    def first_runs(self, line: Samples, do: str, query: Mapping[str, str]) -> dict[str, int]:
        """Runs each variant once, as the line's cold times; returns the plugin's batches in kernels and in Python."""
        for way, (side, how) in self.runs.items():
            self.progress.tick(f"{line.case}: {way}, first run")
            line.cold[way] = self.sampler.sample(self.sessions[side], retake=False, do=do, way=how, **self._query(query, way))
        return self.sessions["on"].ask("weld_batches")

    def warm_up(self, line: Samples, do: str, query: Mapping[str, str], ways: Sequence[str], times: int) -> None:
        """Runs some of the variants without recording their times."""
        for _ in range(times):
            for way in ways:
                side, how = self.runs[way]
                self.progress.tick(f"{line.case}: warming up")
                self.sampler.sample(self.sessions[side], retake=False, do=do, way=how, **self._query(query, way))

    def warm_runs(self, line: Samples, do: str, query: Mapping[str, str]) -> None:
        """Runs all variants alternately, as the line's warm times; those over SLOW_SECONDS only once."""
        line.warm = {way: [] for way in self.runs}
        for repeat in range(self.arguments.repeats):
            for way, (side, how) in self.runs.items():
                if repeat and line.warm[way][0] > SLOW_SECONDS:
                    continue
                self.progress.tick(f"{line.case}: {way}, run {repeat + 1} of {self.arguments.repeats}")
                line.warm[way].append(self.sampler.sample(self.sessions[side], do=do, way=how, **self._query(query, way)))
        self.progress.say(f"{line.case}: " + ", ".join(f"{way} {line.median(way):.2f} s" for way in self.runs))


def print_table(head: list[str], rows: list[list[str]], cores: int) -> None:
    """Prints the Markdown table of core-ns a row: names on the left, verdicts in the last column."""
    print(f"ns = core-ns per row: wall time x {cores} cores / input rows; in brackets the first run\n")
    for cells in (head, ["---", *["---:"] * (len(head) - 2), "---"], *rows):
        print("| " + " | ".join(cells) + " |")


def times(line: Samples, ways: Mapping[str, object]) -> list[str]:
    """Returns the time cells of a line: core-ns a row of each variant, and its first run."""
    return [f"{line.core_ns(way):,.0f} ns ({line.cold[way]:.2f} s)" for way in ways]


def verdict(missed: list[str]) -> str:
    """Returns the last cell: the targets that are missed."""
    return f"FAIL: {', '.join(missed)}" if missed else "PASS"
