"""Times programs outside Spark against the library of the model and other compilers of models: latency and throughput.

    make bench BENCH=serving   (or: python tests/bench/bench_serving.py [--cases WORDS] [--seconds S] [--peers PYTHON])

Each side scores the same batch of 1 to 100,000 rows, in one thread and in 8 at once. The sides of a case alternate. Results of
the program equal the library's, bit by bit for trees, before anything is timed. Those of other sides may differ, and the table
states by how much. `--peers` names a Python with lleaves, TL2cgen, Treelite and Hummingbird (`serving_peers.py` says how to make
it). "C" calls the exported library from a compiled C program. "An empty call" is a Python function with the same arguments, which
shows what the clock, the interpreter and the machine add. Cells have microseconds of a call: the median, and the 99th
percentile beside it.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
from serving_cases import Case, lightgbm, pipeline, xgboost
from serving_sides import SIZES, THREADS

#: A size is left out where a call is expected to take longer.
MOST_SECONDS = 5.0
ROUNDS = 10

#: Side -> rows -> the microseconds of its calls.
Times = dict[str, dict[int, list[float]]]


def check(case: Case) -> dict[str, float]:
    """Returns the largest difference of each side; raises AssertionError where the program differs from the library."""
    mine, library = case.sides["sparkweld"].results(1_000), list(case.sides)[2]
    sides = [(name, side) for name, side in case.sides.items() if 1_000 in side.sizes]
    off = {name: float(np.max(np.abs(mine - side.results(1_000).reshape(-1)))) for name, side in sides}
    assert off[library] <= case.bound, f"{library} differs by {off[library]}"
    singles = [case.program.predict_row(**row) for row in case.rows[:200]]
    assert singles == mine[:200].tolist(), "single rows differ from the table"
    for name, side in case.sides.items():
        if name.startswith(library) and name not in off:
            off[name] = abs(float(side.results(1)) - float(mine[0]))
    return off


def measured(case: Case, seconds: float, threads: int) -> Times:
    """Returns the times of all sides, which alternate."""
    found: Times = {name: {} for name in case.sides}
    for at, n in enumerate(SIZES):
        chosen = {}
        for name, side in case.sides.items():
            before = found[name].get(SIZES[at - 1]) if at else None
            slow = before is not None and np.median(before) * n / SIZES[at - 1] > MOST_SECONDS * 1e6
            if n in side.sizes and not slow and (not at or before is not None):
                chosen[name] = side
                side.times(n, 0)
        for _ in range(ROUNDS):
            for name, side in chosen.items():
                found[name].setdefault(n, []).extend(side.times(n, seconds / ROUNDS, threads))
    return found


def in_c(case: Case, folder: Path) -> list[float]:
    """Returns the microseconds of calls for one row in C."""
    case.program.export_shared_library(folder / "program.so", "program")
    values = ",\n".join("{ " + ", ".join(f"{x!r}, 0" for x in row.values()) + " }" for row in case.rows[:100])
    source = f"""#include "program.h"
    #include <stdio.h>
    #include <time.h>
    static const program_input rows[] = {{ {values} }};
    int main(void) {{
        program_output made; uint8_t status; struct timespec a, b;
        for (int i = 0; i < 20000; i++) {{
            clock_gettime(CLOCK_MONOTONIC, &a);
            program_score(rows + i % 100, 1, &made, &status);
            clock_gettime(CLOCK_MONOTONIC, &b);
            if (i >= 1000) printf("%ld\\n", (b.tv_sec - a.tv_sec) * 1000000000L + b.tv_nsec - a.tv_nsec);
        }}
        return 0;
    }}"""
    (folder / "main.c").write_text(source)
    subprocess.run(["cc", "-O2", "main.c", "program.so", "-o", "main", "-Wl,-rpath,."], cwd=folder, check=True)
    lines = subprocess.run(["./main"], cwd=folder, check=True, capture_output=True, text=True).stdout.split()
    return [float(line) / 1e3 for line in lines]


def stored(case: Case, folder: Path) -> str:
    """Returns the size of the file, and the time of a first load in a process that has imported the package."""
    path = folder / "program.sparkweld"
    case.program.save(path)
    code = (
        "import time, sys, sparkweld, sparkweld.serving.program; begin = time.perf_counter(); "
        "sparkweld.load(sys.argv[1]); print((time.perf_counter() - begin) * 1e3)"
    )
    run = [sys.executable, "-c", code, str(path)]
    times = [float(subprocess.run(run, check=True, capture_output=True, text=True).stdout) for _ in range(5)]
    return f"file {path.stat().st_size:,} bytes, first load in a process {np.median(times):.1f} ms"


def cell(times: list[float] | None) -> str:
    """Returns the median and the 99th percentile."""
    if not times:
        return ""
    return f"{np.median(times):,.1f} ({np.percentile(times, 99):,.1f})"


def report(case: Case, folder: Path, seconds: float) -> None:
    off = check(case)
    print(f"\n## {case.name}\n\n{stored(case, folder)}; without: {'; '.join(case.missing) or 'none'}")
    for threads in (1, THREADS):
        times = measured(case, seconds, threads)
        heads = [f"{n:,} row{'s' if n > 1 else ''}" for n in SIZES]
        heads += ["1 row: p99 / median", "differs by up to"] if threads == 1 else ["single rows a second"]
        print(f"\n{threads} thread{'s' if threads > 1 else ''}:\n\n| side | {' | '.join(heads)} |\n|---|" + "---:|" * len(heads))
        for name, found in times.items():
            cells = [cell(found.get(n)) for n in SIZES]
            ones = found[1]
            cells += [ratio(ones), f"{off[name]:.2g}" if name in off else ""] if threads == 1 else [f"{len(ones) / seconds:,.0f}"]
            print(f"| {name} | {' | '.join(cells)} |", flush=True)
        if threads == 1 and not case.bound:
            ones = in_c(case, folder)
            print(f"| sparkweld, C | {cell(ones)} | | | | {ratio(ones)} | |")


def ratio(times: list[float]) -> str:
    return f"{np.percentile(times, 99) / np.median(times):.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", default="", help="only cases whose names contain these words")
    parser.add_argument("--seconds", type=float, default=2.0, help="of each side, number of rows and number of threads")
    parser.add_argument("--peers", help="a Python with other compilers of models")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    for make in (lightgbm, xgboost, pipeline):
        if arguments.cases.lower() not in (make.__doc__ or "").lower():
            continue
        with tempfile.TemporaryDirectory() as scratch:
            case = make(Path(scratch), arguments.peers)
            try:
                report(case, Path(scratch), arguments.seconds)
            finally:
                for side in case.sides.values():
                    side.close()


if __name__ == "__main__":
    main()
