"""Measures the CPU time of everyday UDFs, one or two of each theme of public code, with the plugin off and on.

    make bench BENCH=wild           (or: python tests/bench/bench_wild.py [--cases TEXT] [--repeats N] [--json FILE])

Two JVMs with equal settings, one with the flag and one without, read the same Parquet of 1M rows and write to the noop sink.
See cpu_side_by_side.py for the measure. All rows are compared first. Cold: the first query with the function, with its
compilation and the start of workers. Warm: medians of alternating runs. The exit code is 1 for a line below 0.95, for rows that
differ, and when the median of the compiled lines is below 5.
"""

from __future__ import annotations

import json
import shutil
import statistics
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from cpu_side_by_side import CpuSideBySide, Line, parse_arguments
from everyday_cases import CASES
from everyday_data import prepare_table
from progress import Progress

LEAST, TARGET = 0.95, 5.0


def main() -> int:
    arguments = parse_arguments(__doc__, repeats=3, warm_ups=1)
    progress = Progress()
    scratch = Path(tempfile.mkdtemp(prefix="sparkweld-bench-"))
    bench = CpuSideBySide(arguments, "everyday_cases", prepare_table, scratch, progress)
    try:
        lines = bench.lines(CASES, again=lambda line: line.ratio < LEAST)
    except (RuntimeError, OSError) as error:
        progress.say(f"FAILED: {error}\nlogs: {scratch}")
        return 1
    median = print_lines(lines)
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(line) for line in lines], indent=1), encoding="utf-8")
    shutil.rmtree(scratch)
    return 1 if median < TARGET or any(line.problem or line.ratio < LEAST for line in lines) else 0


def print_lines(lines: list[Line]) -> float:
    """Prints the Markdown table; returns the median ratio of the lines that kernels compute, 0 without any."""
    print("CPU seconds of all processes per query\n")
    print("| case | rows | off, cold | on, cold | off | on | off / on | batches in kernels, in Python | |")
    print("|---|---:|---:|---:|---:|---:|---:|---|---|")
    for line in lines:
        verdict = line.problem or ("" if line.ratio >= LEAST else f"below {LEAST}")
        print(f"| {line.case} | {line.rows:,} | {line.cold['off']:.2f} | {line.cold['on']:.2f} | {line.median('off'):.2f} | "
              f"{line.median('on'):.2f} | {line.ratio:.1f}x | {line.kernels}, {line.python} | {verdict} |")  # fmt: skip
    native = [line.ratio for line in lines if line.kernels and not line.python]
    median = statistics.median(native) if native else 0.0
    print(f"\nmedian of the {len(native)} lines in kernels: {median:.1f}x")
    return median


if __name__ == "__main__":
    sys.exit(main())
