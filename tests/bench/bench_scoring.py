"""Turns models inside of pandas UDFs into a table: what a row costs with the plugin off and on, and to be read at all.

    make bench BENCH=scoring        (or: python tests/bench/bench_scoring.py [--rows N] [--cases WORDS] [--json FILE])

Two JVMs of the same settings, one with the flag, one without, on the same cores and the same Parquet, into the noop sink. All
rows are compared before anything is timed. Samples alternate; shown are medians of the warm runs and, in brackets, the first one.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from formula_report import Samples
from progress import Progress
from scoring_cases import CASES, ScoringCase, prepare
from spark_processes import Sampler, SparkProcess

# way: (which JVM, what it runs)
RUNS = {"scan": ("off", "scan"), "off": ("off", "udf"), "on": ("on", "udf")}


@dataclass(kw_only=True)
class Measured(Samples):
    """One case and its targets."""

    target: float
    scan: float | None

    def missed(self) -> list[str]:
        """The targets that are not met."""
        if self.note:
            return [self.note]
        scan, off, on = (self.median(way) for way in RUNS)
        missed = [] if off >= self.target * on else [f">= {self.target:g}x off"]
        return missed if self.scan is None or on <= self.scan * scan else [*missed, f"<= {self.scan:g}x scan"]


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", default="", help="only those whose names have these words")
    parser.add_argument("--rows", type=int, default=2_000_000, help="rows of each table (default 2,000,000)")
    parser.add_argument("--repeats", type=int, default=3, help="warm runs of each (default 3)")
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--memory", default="3g", help="heap of each of the two JVMs (default 3g)")
    parser.add_argument("--json", type=Path, help="also write all samples to this file")
    return parser.parse_args()


def measure(
    arguments: argparse.Namespace, sessions: dict[str, SparkProcess], sampler: Sampler, case: ScoringCase, progress: Progress,
    scratch: Path,
) -> Measured:  # fmt: skip
    """Compares, then times all ways, alternating."""
    progress.tick(f"{case.name}: data")
    query = {"case": case.name, "folder": str(prepare(case.table, arguments.rows))}
    line = Measured(case=case.name, rows=arguments.rows, cores=arguments.cores, target=case.target, scan=case.scan)
    for way, (jvm, how) in RUNS.items():
        progress.tick(f"{case.name}: {way}, first run")
        line.cold[way] = sampler.sample(sessions[jvm], retake=False, do="run_scoring", way=how, **query)
        line.warm[way] = []
    batches = sessions["on"].ask("weld_batches")
    if batches["python"] or not batches["kernels"]:
        line.note = f"{batches['python']} batches ran in Python, {batches['kernels']} in kernels"
    compare(sessions, case, query, scratch)
    for repeat in range(arguments.repeats):
        for way, (jvm, how) in RUNS.items():
            progress.tick(f"{case.name}: {way}, run {repeat + 1} of {arguments.repeats}")
            line.warm[way].append(sampler.sample(sessions[jvm], do="run_scoring", way=how, **query))
    progress.say(f"{case.name}: " + ", ".join(f"{way} {line.median(way):.2f} s" for way in RUNS))
    return line


def compare(sessions: dict[str, SparkProcess], case: ScoringCase, query: dict[str, str], scratch: Path) -> None:
    """Compares all rows of plugin on with those of plugin off. RuntimeError where they differ."""
    scores = {}
    for side in ("off", "on"):
        target = scratch / f"{side}-rows"
        sessions[side].ask("write_scoring", target=str(target), **query)
        table = pq.read_table(target).sort_by("id")
        scores[side] = table["score"].to_numpy()
        shutil.rmtree(target)
    # what is kept: the last digits of sums in another order, and of exponentials
    if not np.allclose(scores["off"], scores["on"], rtol=1e-12, atol=0):
        raise RuntimeError(f"{case.name}: plugin off and on differ")


def table(lines: list[Measured]) -> str:
    """The Markdown table: core-ns per row, ratios, verdict."""
    head = ["model", "rows", "scan", "UDF, off", "UDF, on", "on vs off", "on / scan", "verdict"]
    rows = [head, ["---", *["---:"] * 6, "---"]]
    for line in lines:
        times = [f"{line.core_ns(way):,.0f} ns ({line.cold[way]:.2f} s)" for way in RUNS]
        scan, off, on = (line.median(way) for way in RUNS)
        verdict = f"FAIL: {', '.join(line.missed())}" if line.missed() else "PASS"
        rows.append([line.case, f"{line.rows:,}", *times, f"{off / on:.1f}x", f"{on / scan:.2f}", verdict])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def main() -> int:
    arguments = parse_arguments()
    progress = Progress()
    scratch = Path(tempfile.mkdtemp(prefix="sparkweld-bench-"))
    sampler, lines = Sampler(), []
    chosen = [c for c in CASES if all(word.lower() in c.name.lower() for word in arguments.cases.split())]
    try:
        with ExitStack() as stack:
            sessions = {
                side: stack.enter_context(
                    SparkProcess(side, side == "on", {"spark.sql.session.timeZone": "UTC"}, scratch, arguments.cores,
                                 arguments.memory, {"SPARKWELD_CACHE_DIR": str(scratch / f"cache-{side}")}))
                for side in ("off", "on")
            }  # fmt: skip
            for case in chosen:
                lines.append(measure(arguments, sessions, sampler, case, progress, scratch))
    except (RuntimeError, OSError) as error:
        progress.say(f"FAILED: {error}\nlogs: {scratch}")
        return 1
    print(f"ns = core-ns per row: wall time x {arguments.cores} cores / input rows; in brackets the first run\n")
    print(table(lines) + "\n\nall rows of plugin on were compared with plugin off first")
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(line) for line in lines], indent=1), encoding="utf-8")
    shutil.rmtree(scratch)
    return 1 if any(line.missed() for line in lines) else 0


if __name__ == "__main__":
    sys.exit(main())
