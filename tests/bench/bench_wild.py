"""Measures the CPU time of everyday UDFs, one or two of each theme of public code, with the plugin off and on.

    make bench BENCH=wild           (or: python tests/bench/bench_wild.py [--cases TEXT] [--repeats N] [--json FILE])

Two JVMs with equal settings, one with the flag and one without, read the same Parquet of 1M rows and write to the noop sink.
See cpu_side_by_side.py for the measure. All rows are compared first. Cold: the first query with the function, with its
compilation and the start of workers. Warm: medians of alternating runs. The exit code is 1 for a line below 0.95, for rows that
differ, and when the median of the compiled lines is below 5.
"""

from __future__ import annotations

import statistics
import sys

from cpu_side_by_side import LEAST, Line, run
from everyday_cases import CASES
from everyday_data import prepare_table

TARGET = 5.0


def main() -> int:
    return run(__doc__, "everyday_cases", CASES, prepare_table, print_lines, repeats=3, warm_ups=1)


def print_lines(lines: list[Line]) -> bool:
    """Prints the Markdown table; returns whether the median ratio of the lines in kernels reaches the target."""
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
    return median >= TARGET


if __name__ == "__main__":
    sys.exit(main())
