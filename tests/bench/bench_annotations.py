"""Times Mozart's workloads: plain NumPy and pandas, lazy on one thread and on all cores, handwritten Numba, and Spark.

    make bench BENCH=annotations    (or: python tests/bench/bench_annotations.py [--cases a,b] [--scale 0.1] [--spark])

All variants compute the same function on the same varied data, and results are compared before timing. Variants alternate;
the table shows the best repeat, because other load only adds time. `--sweep` also compares block sizes with the automatic
one. `--spark` runs three UDFs with black-box calls in Spark, plugin on and off by `spark.sparkweld.enabled`, and compares all
rows. `--mozart` beside it runs the workloads themselves as Spark UDFs.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from annotation_cases import CASES, AnnotationCase
from progress import Progress

import sparkweld

SIZES = tuple(1 << bits for bits in range(9, 21))
TOLERANCE = 1.10


@dataclass
class Line:
    """Best seconds of each variant of one case."""

    case: str
    kind: str
    rows: int
    target: float
    seconds: dict[str, float]

    @property
    def missed(self) -> bool:
        return self.target > self.seconds["plain"] / self.seconds["all cores"]


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = ",".join(case.name for case in CASES)
    parser.add_argument("--cases", default=names, help=f"cases to run (default {names})")
    parser.add_argument("--scale", type=float, default=1.0, help="part of each case's rows (default 1)")
    parser.add_argument("--repeats", type=int, default=5, help="runs of each variant (default 5)")
    parser.add_argument("--sweep", action="store_true", help="also block sizes of each case")
    parser.add_argument("--spark", action="store_true", help="also the UDFs in Spark")
    parser.add_argument("--spark-only", action="store_true", help="only the UDFs in Spark")
    parser.add_argument("--mozart", action="store_true", help="with --spark or --spark-only: also Mozart's workloads as UDFs")
    parser.add_argument("--json", type=Path, help="also write all figures to this file")
    return parser.parse_args()


def lazily(case: AnnotationCase, data: tuple[Any, ...], threads: int, block_rows: int | None = None) -> Any:
    """Runs the case on lazy data, computed at the end of the `with` block."""
    with sparkweld.lazy(threads=threads, block_rows=block_rows) as wrap:
        made = case.run(*map(wrap, data))
    return sparkweld.compute(*made) if isinstance(made, tuple) else sparkweld.compute(made)[0]


def compare(case: AnnotationCase, wanted: Any, got: Any, way: str) -> None:
    """Raises RuntimeError where results differ by more than the case allows."""
    pairs = zip(wanted, got, strict=True) if isinstance(wanted, tuple) else ((wanted, got),)
    for a, b in pairs:
        same = type(a) is type(b) and (not isinstance(a, pd.Series) or a.index.equals(b.index)) and a.dtype == b.dtype
        x, y = np.asarray(a), np.asarray(b)
        if same and x.dtype.kind == "f":
            same = np.allclose(x, y, rtol=case.rtol, atol=case.rtol * float(np.nanmax(np.abs(x), initial=0)), equal_nan=True)
        elif same:
            same = np.array_equal(x, y)
        if not same:
            raise RuntimeError(f"{case.name}: the result of {way} differs from that of NumPy and pandas")


def best(ways: dict[str, Callable[[], Any]], repeats: int) -> dict[str, float]:
    """Returns the best seconds of each variant, in alternating runs."""
    seconds = dict.fromkeys(ways, float("inf"))
    for _ in range(repeats):
        for way, run in ways.items():
            began = time.perf_counter()
            run()
            seconds[way] = min(seconds[way], time.perf_counter() - began)
    return seconds


def measure(case: AnnotationCase, arguments: argparse.Namespace, progress: Progress) -> Line:
    """Compares the results, then times all variants."""
    rows = int(case.rows * arguments.scale)
    data = case.make(np.random.default_rng(1), rows)
    ways: dict[str, Callable[[], Any]] = {"plain": lambda: case.run(*data)}
    ways |= {"one thread": lambda: lazily(case, data, 1), "all cores": lambda: lazily(case, data, 0)}
    if case.numba is not None:
        by_hand = case.numba
        ways["Numba"] = lambda: by_hand(*data)
    wanted = ways["plain"]()
    for way, run in ways.items():
        progress.tick(f"{case.name}: comparing {way}")
        compare(case, wanted, run(), way)
    line = Line(case.name, case.kind, len(data[0]), case.target, best(ways, arguments.repeats))
    progress.say(f"{case.name}: " + ", ".join(f"{way} {s * 1000:.0f} ms" for way, s in line.seconds.items()))
    return line


def sweep(case: AnnotationCase, arguments: argparse.Namespace) -> tuple[str, bool]:
    """Returns a report line (milliseconds by block size on one thread) and whether the automatic size is within the tolerance."""
    data = case.make(np.random.default_rng(1), int(case.rows * arguments.scale))
    ways = {str(size): (lambda size=size: lazily(case, data, 1, size)) for size in SIZES}
    ways["automatic"] = lambda: lazily(case, data, 1)
    seconds = best(ways, arguments.repeats)
    least = min(seconds.values())
    fine = seconds["automatic"] <= TOLERANCE * least
    cells = " ".join(f"{way}:{s * 1000:.0f}" for way, s in seconds.items())
    return f"{case.name}: {cells} -> automatic {seconds['automatic'] / least:.2f} of the best, {'PASS' if fine else 'FAIL'}", fine


def table(lines: list[Line]) -> str:
    """Returns the Markdown table: milliseconds, and speedups over plain."""
    head = [
        "case",
        "kind",
        "rows",
        "plain",
        "lazy, one thread",
        "lazy, all cores",
        "Numba, all cores",
        "all cores vs plain",
        "target",
    ]
    rows = ["| " + " | ".join(head) + " |", "|---|---|" + "---:|" * 6 + "---|"]
    for line in lines:
        ms = [
            f"{line.seconds[way] * 1000:,.0f} ms" if way in line.seconds else ""
            for way in ("plain", "one thread", "all cores", "Numba")
        ]
        verdict = f"{line.target:g}x: {'FAIL' if line.missed else 'PASS'}" if line.target else ""
        factor = f"{line.seconds['plain'] / line.seconds['all cores']:.1f}x"
        rows.append("| " + " | ".join([line.case, line.kind, f"{line.rows:,}", *ms, factor, verdict]) + " |")
    return "\n".join(rows)


def main() -> int:
    arguments = parse_arguments()
    progress = Progress()
    warnings.simplefilter("ignore")
    failed = False
    lines: list[Line] = []
    try:
        chosen = [case for case in CASES if case.name in arguments.cases.split(",") and not arguments.spark_only]
        lines = [measure(case, arguments, progress) for case in chosen]
        if lines:
            print(table(lines))
            failed = any(line.missed for line in lines)
        for case in chosen if arguments.sweep else ():
            text, fine = sweep(case, arguments)
            print(text)
            failed |= not fine
        if arguments.spark or arguments.spark_only:
            from annotations_spark import measure_spark

            failed |= measure_spark(arguments, progress)
    except RuntimeError as error:
        progress.say(f"FAILED: {error}")
        return 1
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(line) for line in lines], indent=1), encoding="utf-8")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
