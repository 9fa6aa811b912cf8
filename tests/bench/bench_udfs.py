"""Times seven everyday jobs per row: UDFs with the plugin off and on, and Spark SQL.

    make bench BENCH=udfs           (or: python tests/bench/bench_udfs.py [--rows N] [--cases a,b] [--json FILE])

Two JVMs have equal settings, one with the flag and one without. Both read the same Parquet on the same cores and write to the
noop sink. Listing a table's files and reading their schema is excluded from the time. Before timing, all rows of plugin on and
of handwritten SQL are compared with plugin off. Samples alternate and are retaken after a slow phase of the machine. The table
shows medians of the warm runs, after uncounted warm-ups for the JIT, and, in brackets, the first run.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from flights_data import data_folder
from formula_report import Samples
from progress import Progress
from row_compare import Bound, compare_tables
from side_by_side import SideBySide, add_session_arguments, print_table, times, verdict
from spark_processes import SparkProcess
from udf_cases import CASES, UdfCase
from udf_data import described, prepare_table

# variant: (JVM, how the JVM computes it)
RUNS = {"off": ("off", "udf"), "on": ("on", "udf"), "sql": ("off", "sql")}
# Spark's functions come from another library: sums and transcendental functions may differ in the last digits.
SQL_BOUND = Bound(4096, absolute=1e-9)


@dataclass(kw_only=True)
class Measured(Samples):
    """One case; `target` is the required speedup over plugin off."""

    target: float

    def missed(self) -> list[str]:
        """Returns the targets that are not met."""
        off, on, sql = (self.median(way) for way in ("off", "on", "sql"))
        missed = [] if off >= self.target * on else [f">= {self.target:g}x off"]
        missed += [] if on <= sql else ["not slower than SQL"]
        return [self.note] if self.note else missed


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = ",".join(case.name for case in CASES)
    parser.add_argument("--cases", default=names, help=f"cases to run (default {names})")
    parser.add_argument("--rows", type=int, default=4_000_000, help="rows of each table (default 4,000,000)")
    parser.add_argument("--repeats", type=int, default=5, help="warm runs of each variant (default 5)")
    parser.add_argument("--warm-ups", type=int, default=6, help="warm-up runs of each variant (default 6)")
    add_session_arguments(parser, memory="4g")
    return parser.parse_args()


def measure(bench: SideBySide, case: UdfCase) -> Measured:
    """Compares, then times all variants, alternating."""
    arguments = bench.arguments
    folder = prepare_table(case.table, arguments.rows, bench.progress.say)
    query = {"case": case.name, "folder": str(folder)}
    line = Measured(case=case.name, rows=arguments.rows, cores=arguments.cores, target=case.target)
    batches = bench.first_runs(line, "run_udfs", query)
    bench.progress.tick(f"{case.name}: comparing all rows")
    compare(bench.sessions, case, query, bench.scratch)
    bench.warm_up(line, "run_udfs", query, tuple(RUNS), arguments.warm_ups)
    bench.warm_runs(line, "run_udfs", query)
    if batches["python"]:
        line.note = f"{batches['python']} batches ran in Python"
    elif "Python [" in bench.sessions["on"].ask("plan_udfs", way="udf", **query)["text"]:
        line.note = "stays in Python"
    return line


def compare(sessions: dict[str, SparkProcess], case: UdfCase, query: dict[str, str], scratch: Path) -> None:
    """Compares all rows of plugin on, and of SQL, with those of plugin off. RuntimeError where they differ."""
    import pyarrow.parquet as pq

    tables = {}
    for way, (jvm, how) in RUNS.items():
        target = scratch / f"{case.name}-{way}"
        sessions[jvm].ask("write_udfs", way=how, target=str(target), **query)
        tables[way] = pq.read_table(target)
        shutil.rmtree(target)
    floats = [name for name in case.columns if str(tables["off"].schema.field(name).type) == "double"]
    for way, bounds in (("on", case.bounds), ("sql", dict.fromkeys(floats, SQL_BOUND))):
        found = compare_tables(tables["off"], tables[way].cast(tables["off"].schema), case.keys[0], bounds)
        if not found.equal:
            raise RuntimeError(f"{case.name}: plugin off and {way} differ\n" + "\n".join(found.lines()))


def cells(line: Measured) -> list[str]:
    """Returns a line of the table."""
    off, on, sql = (line.median(way) for way in RUNS)
    return [line.case, f"{line.rows:,}", *times(line, RUNS), f"{off / on:.1f}x", f"{sql / on:.2f}x", verdict(line.missed())]


def main() -> int:
    arguments = parse_arguments()
    progress = Progress()
    scratch = Path(tempfile.mkdtemp(prefix="sparkweld-bench-"))
    chosen = [case for case in CASES if case.name in arguments.cases.split(",")]
    progress.say(f"data: {data_folder()}")
    try:
        with SideBySide(arguments, RUNS, scratch, progress) as bench:
            lines = [measure(bench, case) for case in chosen]
    except (RuntimeError, OSError) as error:
        progress.say(f"FAILED: {error}\nlogs: {scratch}")
        return 1
    head = ["case", "rows", "UDFs, off", "UDFs, on", "Spark SQL", "on vs off", "on vs SQL", "verdict"]
    print_table(head, [cells(line) for line in lines], arguments.cores)
    print("\nall rows of plugin on and of SQL were compared with plugin off first\n"
          + "\n".join(f"{name}: {described(name)}" for name in dict.fromkeys(case.table for case in chosen)))  # fmt: skip
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(line) for line in lines], indent=1), encoding="utf-8")
    shutil.rmtree(scratch)
    return 1 if any(line.missed() for line in lines) else 0


if __name__ == "__main__":
    sys.exit(main())
