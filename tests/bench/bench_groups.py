"""Times functions of groups with the plugin off and on: `applyInPandas`, and aggregate UDFs of all values of a group.

    make bench BENCH=groups         (or: python tests/bench/bench_groups.py [--rows N] [--cases a,b] [--json FILE])

Two JVMs have equal settings, one with the flag and one without. Both read the same Parquet on the same cores and write to the
noop sink. Before timing, all rows of plugin on are compared with plugin off. Samples alternate and are retaken after a slow phase
of the machine. The table shows medians of the warm runs and, in brackets, the first run. The time includes the shuffle and the
sort by groups, which both need.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from formula_report import Samples
from group_cases import CASES, GroupCase, write_table
from progress import Progress
from side_by_side import SideBySide, add_session_arguments, print_table, times, verdict

# variant: (JVM, how the JVM computes it)
RUNS = {"off": ("off", "udf"), "on": ("on", "udf")}


@dataclass(kw_only=True)
class Measured(Samples):
    """One case."""

    def missed(self) -> list[str]:
        """Returns the targets that are not met."""
        return [self.note] if self.note else ["not slower than off"] if self.median("on") > self.median("off") else []


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = ",".join(case.name for case in CASES)
    parser.add_argument("--cases", default=names, help=f"cases to run (default {names})")
    parser.add_argument("--rows", type=int, default=2_000_000, help="rows of the table (default 2,000,000)")
    parser.add_argument("--repeats", type=int, default=5, help="warm runs of each variant (default 5)")
    parser.add_argument("--warm-ups", type=int, default=3, help="warm-up runs of each variant (default 3)")
    add_session_arguments(parser, memory="4g")
    return parser.parse_args()


def measure(bench: SideBySide, case: GroupCase, folder: Path) -> Measured:
    """Times the first runs, compares all rows, then times both variants, alternating."""
    arguments, query = bench.arguments, {"case": case.name, "folder": str(folder)}
    line = Measured(case=case.name, rows=arguments.rows, cores=arguments.cores)
    batches = bench.first_runs(line, "run_groups", query)
    bench.progress.tick(f"{case.name}: comparing all rows")
    written = {way: str(bench.scratch / f"{case.name}-{way}") for way in RUNS}
    for way, target in written.items():
        bench.sessions[way].ask("write_groups", way="udf", target=target, **query)
    if not bench.sessions["off"].ask("same_rows", left=written["off"], right=written["on"])["equal"]:
        raise RuntimeError(f"{case.name}: plugin off and on differ: {written}")
    bench.warm_up(line, "run_groups", query, tuple(RUNS), arguments.warm_ups)
    bench.warm_runs(line, "run_groups", query)
    if not batches["kernels"] and not arguments.check_harness:
        line.note = "no group ran in a kernel at first"
    return line


def cells(line: Measured) -> list[str]:
    """Returns a line of the table."""
    ratio = line.median("off") / line.median("on")
    return [line.case, f"{line.rows:,}", *times(line, RUNS), f"{ratio:.1f}x", verdict(line.missed())]


def main() -> int:
    arguments = parse_arguments()
    progress = Progress()
    scratch = Path(tempfile.mkdtemp(prefix="sparkweld-bench-"))
    chosen = [case for case in CASES if case.name in arguments.cases.split(",")]
    write_table(scratch / "table", arguments.rows)
    try:
        with SideBySide(arguments, RUNS, scratch, progress) as bench:
            lines = [measure(bench, case, scratch / "table") for case in chosen]
    except (RuntimeError, OSError) as error:
        progress.say(f"FAILED: {error}\nlogs: {scratch}")
        return 1
    print_table(["case", "rows", "off", "on", "on vs off", "verdict"], [cells(line) for line in lines], arguments.cores)
    print("\nall rows of plugin on were compared with plugin off first")
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(line) for line in lines], indent=1), encoding="utf-8")
    shutil.rmtree(scratch)
    return 1 if any(line.missed() for line in lines) else 0


if __name__ == "__main__":
    sys.exit(main())
