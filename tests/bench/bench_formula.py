"""Times four formulas: the scan alone, a pandas UDF with the plugin off and on, and Spark SQL.

    make bench BENCH=formula           (or: python tests/bench/bench_formula.py [--rows N] [--cases a,b] [--json FILE])

Two JVMs have equal settings, one with the flag and one without. Both read the same Parquet on the same cores and write to the
noop sink. Results are compared before timing: all rows of one file between plugin off and on, and checksums over all rows
between all three. Samples alternate between the JVMs and are retaken after a slow phase of the machine. The table shows medians
of the warm runs, and the first run (which for the plugin includes compilation, with an empty cache).
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from flights_data import data_folder
from formula_data import prepare_formula
from formula_report import WAYS, Measured, table
from formulas import FORMULAS, Formula
from progress import Progress
from row_compare import compare_tables
from spark_processes import Sampler, SparkProcess

# variant: (JVM, how the JVM computes it)
RUNS = {"scan": ("off", "scan"), "off": ("off", "udf"), "on": ("on", "udf"), "sql": ("off", "sql")}
ON_HEAP = {"spark.sql.columnVector.offheap.enabled": "false"}
SMALL = (1_000, 100_000)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = ",".join(case.name for case in FORMULAS)
    parser.add_argument("--cases", default=names, help=f"formulas to run (default {names})")
    parser.add_argument("--rows", type=int, default=20_000_000, help="rows of the main table (default 20,000,000)")
    parser.add_argument("--wide-rows", type=int, default=5_000_000, help="the same for 30 columns (default 5,000,000)")
    parser.add_argument("--variant-rows", type=int, default=5_000_000,
                        help="rows of the on-heap, join and cached inputs (default 5,000,000; 30 columns: a quarter)")
    parser.add_argument("--repeats", type=int, default=5, help="warm runs of each variant (default 5)")
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--memory", default="5g", help="heap of each of the two JVMs (default 5g)")
    parser.add_argument("--main-only", action="store_true", help="leave out the other inputs and sizes")
    parser.add_argument("--json", type=Path, help="also write all samples to this file")
    parser.add_argument("--check-harness", action="store_true", help="both JVMs without the flag, to test this script")
    return parser.parse_args()


class Bench:
    """The JVMs, the sampler and the lines measured so far."""

    def __init__(self, arguments: argparse.Namespace, progress: Progress, scratch: Path) -> None:
        self.arguments = arguments
        self.progress = progress
        self.scratch = scratch
        self.sampler = Sampler()
        self.lines: list[Measured] = []

    def start(self, label: str, plugin: bool, conf: dict[str, str]) -> SparkProcess:
        """Starts a session; with the plugin it has an empty kernel cache of its own."""
        cache = self.scratch / f"cache-{label}"
        return SparkProcess(
            label, plugin and not self.arguments.check_harness, conf, self.scratch, self.arguments.cores,
            self.arguments.memory, {"SPARKWELD_CACHE_DIR": str(cache)})

    def compare(self, sessions: dict[str, SparkProcess], case: Formula, folder: Path, source: str) -> str:
        """Compares results before they are timed; returns a sentence for the report. RuntimeError where they differ."""
        self.progress.tick(f"{case.name}, {source}: comparing results")
        rows = _compare_rows(sessions, case, folder, source, self.scratch)
        sums = {way: sessions[jvm].ask("checksums", case=case.name, way=how, source=source, folder=str(folder))
                for way, (jvm, how) in RUNS.items() if way != "scan"}
        expected = sums["off"]["checksums"]
        for way, tolerance in (("on", 1e-9), ("sql", case.sql_tolerance)):
            _check_sums(case.name, way, expected, sums[way]["checksums"], tolerance)
        return f"{rows:,} rows of one file equal within {case.bound}; checksums over all {expected['rows']:,} agree"

    def measure(
        self, sessions: dict[str, SparkProcess], case: Formula, rows: int, source: str, judged: bool, repeats: int,
        heap: str = "",
    ) -> None:
        """Compares, then times all four variants, alternating; adds one line to the table."""
        folder = prepare_formula(case, rows, self.progress.say)
        name = source + heap
        query = {"case": case.name, "source": source, "folder": str(folder)}
        line = Measured(case=case.name, source=name, rows=rows, cores=self.arguments.cores, judged=judged)
        if source == "cached":
            # The first query fills the cache: the timed part reads the table and does not build it.
            for session in sessions.values():
                session.ask("run", way="scan", **query)
        for way, (jvm, how) in RUNS.items():
            self.progress.tick(f"{case.name}, {name}, {rows:,} rows: {way}, first run")
            line.cold[way] = self.sampler.sample(sessions[jvm], retake=False, way=how, **query)
            line.warm[way] = []
        line.compared = self.compare(sessions, case, folder, source)
        for repeat in range(repeats):
            for way, (jvm, how) in RUNS.items():
                self.progress.tick(f"{case.name}, {name}, {rows:,} rows: {way}, run {repeat + 1} of {repeats}")
                line.warm[way].append(self.sampler.sample(sessions[jvm], way=how, **query))
        line.note = _outside_kernels(sessions["on"], query)
        self.lines.append(line)
        shown = ", ".join(f"{way} {line.median(way):.2f} s" for way in WAYS)
        self.progress.say(f"{case.name}, {name}, {rows:,} rows: {shown}")
        if source == "cached":
            for session in sessions.values():
                session.ask("forget")


def _outside_kernels(session: SparkProcess, query: dict[str, str]) -> str:
    """Runs the query once more; returns "" when all its batches ran in kernels, else a note about the others."""
    session.ask("run", way="udf", **query)
    batches = session.ask("weld_batches")
    if batches["kernels"] == 0:
        return "did not run in kernels"
    return f"{batches['python']} batches ran in Python" if batches["python"] else ""


def _compare_rows(
    sessions: dict[str, SparkProcess], case: Formula, folder: Path, source: str, scratch: Path
) -> int:
    import pyarrow.parquet as pq

    first = str(folder / "part-00000.parquet")
    tables = {}
    for jvm in ("off", "on"):
        target = scratch / f"compare-{jvm}"
        sessions[jvm].ask("write", case=case.name, source=source, folder=first, target=str(target))
        tables[jvm] = pq.read_table(target)
        shutil.rmtree(target)
    verdict = compare_tables(tables["off"], tables["on"], "id", dict.fromkeys(case.outputs, case.bound))
    if not verdict.equal:
        raise RuntimeError(f"{case.name}: plugin off and on differ\n" + "\n".join(verdict.lines()))
    return verdict.left_rows


def _check_sums(case: str, way: str, expected: dict[str, float], found: dict[str, float], tolerance: float) -> None:
    for key, value in expected.items():
        other = found[key]
        scale = max(abs(value), abs(expected.get(key.partition(".")[0] + ".greatest") or 0.0))
        if value != other and not math.isclose(value, other, rel_tol=tolerance, abs_tol=tolerance * scale):
            raise RuntimeError(f"{case}: {key} over all rows is {value!r} with the pandas UDF, {other!r} with {way}")


def run(arguments: argparse.Namespace, progress: Progress, scratch: Path) -> list[Measured]:
    """Returns all lines of the table, the main ones first."""
    chosen = [case for case in FORMULAS if case.name in arguments.cases.split(",")]
    bench = Bench(arguments, progress, scratch)
    progress.say(f"data: {data_folder()}")
    with ExitStack() as stack:
        sessions = {"off": stack.enter_context(bench.start("off", False, {})),
                    "on": stack.enter_context(bench.start("on", True, {}))}
        for name, session in sessions.items():
            progress.say(f"session {name}: started in {session.ask('hello')['sessionSeconds']:.1f} s")
        for case in chosen:
            rows = arguments.wide_rows if len(case.columns) > 10 else arguments.rows
            bench.measure(sessions, case, rows, "parquet", judged=True, repeats=arguments.repeats)
        if not arguments.main_only:
            few = max(3, arguments.repeats // 2)
            for case in chosen:
                rows = arguments.variant_rows // (4 if len(case.columns) > 10 else 1)
                for source in ("join", "cached"):
                    bench.measure(sessions, case, rows, source, judged=False, repeats=few)
                for rows in SMALL:
                    bench.measure(sessions, case, rows, "parquet", judged=False, repeats=3 * few)
    if not arguments.main_only:
        with ExitStack() as stack:
            sessions = {"off": stack.enter_context(bench.start("off on-heap", False, ON_HEAP)),
                        "on": stack.enter_context(bench.start("on on-heap", True, ON_HEAP))}
            for case in chosen:
                rows = arguments.variant_rows // (4 if len(case.columns) > 10 else 1)
                bench.measure(sessions, case, rows, "parquet", judged=False, repeats=few, heap=", on-heap")
    progress.say(f"{bench.sampler.retaken} samples repeated in slow phases, {bench.sampler.kept_slow} slow ones "
                 f"same; a spin takes {bench.sampler.best * 1e3:.1f} ms at best")
    return bench.lines


def main() -> int:
    arguments = parse_arguments()
    progress = Progress()
    scratch = Path(tempfile.mkdtemp(prefix="sparkweld-bench-"))
    try:
        lines = run(arguments, progress, scratch)
    except (RuntimeError, OSError) as error:
        progress.say(f"FAILED: {error}\nlogs: {scratch}")
        return 1
    print(f"ns = core-ns per row: wall time x {arguments.cores} cores / input rows; in brackets the first run\n")
    print(table(lines))
    print("\ncompared: " + "\n          ".join(f"{line.case}, {line.source}: {line.compared}" for line in lines))
    if arguments.json:
        arguments.json.write_text(json.dumps([line.as_json() for line in lines], indent=1), encoding="utf-8")
    shutil.rmtree(scratch)
    return 0 if all(all(line.targets().values()) for line in lines if line.judged) else 1


if __name__ == "__main__":
    sys.exit(main())
