"""Times models inside pandas UDFs and pipelines of pyspark.ml, per row: plugin off, plugin on, and the scan alone.

    make bench BENCH=scoring        (or: python tests/bench/bench_scoring.py [--rows N] [--cases WORDS] [--json FILE])

Two JVMs have equal settings, one with the flag and one without. Both read the same Parquet on the same cores and write to the
noop sink. Where plugin off is slow it reads a table of fewer rows. All its rows are compared before timing. Samples alternate;
the table shows medians of the warm runs and, in brackets, the first run. A variant that takes over 20 s has one warm run. The
two variants that run in the JVM alone have extra warm-up runs, until the JIT has compiled Spark's code. The first case has
three times as many. With the plugin off, the worker takes nearly all of the time and has no such phase. *scan* only selects the
case's columns from the same files into the same sink. It passes rows of all these columns, where the other two pass rows of the
score.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from formula_report import Samples
from progress import Progress
from scoring_cases import CASES, ScoringCase
from scoring_tables import prepare
from side_by_side import SideBySide, add_session_arguments, print_table, times, verdict
from spark_processes import SparkProcess

# variant: (JVM, what the JVM runs)
RUNS = {"scan": ("off", "scan"), "off": ("off", "udf"), "on": ("on", "udf")}


@dataclass(kw_only=True)
class Measured(Samples):
    """One case and its targets."""

    target: float
    scan: float | None

    def missed(self) -> list[str]:
        """Returns the targets that are not met."""
        if self.note:
            return [self.note]
        scan, off, on = (self.core_ns(way) for way in RUNS)
        missed = [] if off >= self.target * on else [f">= {self.target:g}x off"]
        return missed if self.scan is None or on <= self.scan * scan else [*missed, f"<= {self.scan:g}x scan"]


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", default="", help="only models whose names contain these words; `|` separates alternatives")
    parser.add_argument("--rows", type=int, default=2_000_000, help="rows of each table (default 2,000,000)")
    parser.add_argument("--repeats", type=int, default=3, help="warm runs of each variant (default 3)")
    parser.add_argument("--warm-ups", type=int, default=6, help="warm-up runs of scan and plugin on (default 6)")
    add_session_arguments(parser, memory="3g")
    return parser.parse_args()


def measure(bench: SideBySide, case: ScoringCase, *, first: bool) -> Measured:
    """Compares, then times all variants, alternating."""
    arguments = bench.arguments
    bench.progress.tick(f"{case.name}: data")
    folder = str(prepare(case.table, arguments.rows))
    query = {"case": case.name, "folder": folder, "trained": folder}
    few = min(case.slow or arguments.rows, arguments.rows)
    bench.own = {"off": {"folder": str(prepare(case.table, few))}} if few < arguments.rows else {}
    line = Measured(case=case.name, rows=arguments.rows, cores=arguments.cores, target=case.target, scan=case.scan)
    line.rows_of = dict.fromkeys(bench.own, few)
    batches = bench.first_runs(line, "run_scoring", query)
    if batches["python"] or not batches["kernels"]:
        line.note = f"{batches['python']} batches ran in Python, {batches['kernels']} in kernels"
    bench.progress.tick(f"{case.name}: comparing all rows")
    compare(bench.sessions, case, {**query, **bench.own.get("off", {})}, bench.scratch)
    bench.warm_up(line, "run_scoring", query, ("scan", "on"), arguments.warm_ups * (3 if first else 1))
    bench.warm_runs(line, "run_scoring", query)
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
    # approximate: the last digits of sums in another order, which cancel in a probability near 0, and of exponentials
    if not np.allclose(scores["off"], scores["on"], rtol=1e-12, atol=1e-15):
        raise RuntimeError(f"{case.name}: plugin off and on differ")


def cells(line: Measured) -> list[str]:
    """Returns a line of the table."""
    scan, off, on = (line.core_ns(way) for way in RUNS)
    return [line.case, f"{line.rows:,}", *times(line, RUNS), f"{off / on:.1f}x", f"{on / scan:.2f}", verdict(line.missed())]


def main() -> int:
    arguments = parse_arguments()
    progress = Progress()
    scratch = Path(tempfile.mkdtemp(prefix="sparkweld-bench-"))
    wanted = [words.lower().split() for words in arguments.cases.split("|")]
    chosen = [c for c in CASES if any(all(word in c.name.lower() for word in words) for words in wanted)]
    try:
        with SideBySide(arguments, RUNS, scratch, progress) as bench:
            lines = [measure(bench, case, first=case is chosen[0]) for case in chosen]
    except (RuntimeError, OSError) as error:
        progress.say(f"FAILED: {error}\nlogs: {scratch}")
        return 1
    head = ["model", "rows", "scan", "off", "on", "on vs off", "on / scan", "verdict"]
    print_table(head, [cells(line) for line in lines], arguments.cores)
    print("\nall rows that plugin off had were compared with plugin on first")
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(line) for line in lines], indent=1), encoding="utf-8")
    shutil.rmtree(scratch)
    return 1 if any(line.missed() for line in lines) else 0


if __name__ == "__main__":
    sys.exit(main())
