"""Measures the CPU time of queries with the plugin off and on, and fails when one costs more with it.

    make bench BENCH=never_slower   (or: python tests/bench/bench_never_slower.py [--cases TEXT] [--repeats N] [--json FILE])

Two JVMs with equal settings, one with the flag and one without, read the same Parquet and write to the noop sink. The measure
is user plus system time of the driver, its JVM, the Python workers and the compile service. It covers a query from a new
DataFrame to its end. Other work on the machine adds little to it. Results are compared first. Samples alternate; the table
shows medians of the warm runs. A line below 0.95 makes the exit code 1.
"""

from __future__ import annotations

import sys

from cpu_side_by_side import LEAST, Line, run
from never_slower_cases import CASES
from never_slower_data import prepare_table


def main() -> int:
    return run(__doc__, "never_slower_cases", CASES, prepare_table, print_lines, repeats=5, warm_ups=3)


def print_lines(lines: list[Line]) -> bool:
    """Prints the Markdown table. There is no target but LEAST."""
    print("CPU seconds of all processes per sample, medians\n")
    print("| case | rows | off | on | off / on | batches in kernels, in Python | verdict |\n|---|---:|---:|---:|---:|---:|---|")
    for line in lines:
        verdict = line.problem or ("PASS" if line.ratio >= LEAST else f"FAIL: below {LEAST}")
        print(f"| {line.case} | {line.rows:,} | {line.median('off'):.2f} s | {line.median('on'):.2f} s | {line.ratio:.2f} | "
              f"{line.kernels}, {line.python} | {verdict} |")  # fmt: skip
    return True


if __name__ == "__main__":
    sys.exit(main())
