"""Measures the constants of `worker_pipelines/estimate.py` on chains of operations: costs of pandas, Arrow and stages.

    make bench BENCH=pipelines          (or: python tests/bench/bench_pipelines.py [--rows N] [--repeats N])

Each chain runs as pandas (or pyarrow.compute) in a UDF's batch, and as a kernel in blocks. An operation's cost is the slope
over the number of operations. A stage's cost and a string's transfer into and out of a kernel are the intercept. CPU time of
one thread; the fastest run counts.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from sparkweld.ir.types import F64, Type
from sparkweld.pipelines import Capture, Runner, plan
from udf_compiler.backends.worker_pipelines.black_boxes import source_of
from udf_compiler.frontends.arrow import TracedArrow, stand_in
from udf_compiler.frontends.pandas.missing import Missing
from udf_compiler.frontends.pandas.series import TracedSeries
from udf_compiler.frontends.pandas.strings import text_series

FEW, MANY = 2, 16
BLOCK = 8192
#: Rows of the batches in which Spark passes rows to UDFs.
BATCH = 10_000


def arithmetic(x: Any, count: int) -> Any:
    """Applies a chain of multiplications and additions, none of which folds into another."""
    for i in range(count // 2):
        x = x * (1.0 + i / 1024) + 0.5
    return x


def functions(x: Any, count: int) -> Any:
    """Applies a chain of libm functions whose arguments stay small."""
    for i in range(count):
        x = np.exp(x * 0.5) if i % 2 else np.sin(x * 0.5)
    return x


def texts(x: Any, count: int) -> Any:
    """Applies a chain of string methods."""
    for i in range(count):
        x = (x.str.lower(), x.str.upper(), x.str.replace("n", "m", regex=False), x.str.replace("M", "n", regex=False))[i % 4]
    return x


def arrow_arithmetic(x: Any, count: int, module: Any = pc) -> Any:
    """Applies the chain of `arithmetic` to Arrow arrays."""
    for i in range(count // 2):
        x = module.add(module.multiply(x, 1.0 + i / 1024), 0.5)
    return x


def arrow_functions(x: Any, count: int, module: Any = pc) -> Any:
    """Applies the chain of `functions` to Arrow arrays."""
    for i in range(count):
        x = (module.exp if i % 2 else module.sin)(module.multiply(x, 0.5))
    return x


def arrow_texts(x: Any, count: int, module: Any = pc) -> Any:
    """Applies the chain of `texts` to Arrow arrays."""
    for i in range(count):
        if i % 2:
            x = module.replace_substring(x, *(("n", "m") if i % 4 == 1 else ("M", "n")))
        else:
            x = (module.ascii_upper if i % 4 else module.ascii_lower)(x)
    return x


def arrow_runner(chain: Callable[..., Any], count: int, text: bool) -> Runner:
    """Returns the pipeline of one kernel over Arrow arrays."""
    capture = Capture("bench")
    value: Any = capture.input("x", Type("str" if text else "f64", True))
    made = chain(TracedArrow.of(capture.loop(), value), count, stand_in(pc))
    return Runner(replace(plan(capture, {"r": source_of(made)}), arrow=True), 1, BLOCK)


def runner(chain: Callable[[Any, int], Any], count: int, text: bool) -> Runner:
    """Returns the pipeline of one kernel over Series."""
    capture = Capture("bench")
    value: Any = capture.input("x", Type("str") if text else F64)
    traced = text_series(capture.loop(), value, Missing()) if text else TracedSeries(capture.loop(), value, F64.dtype)
    return Runner(plan(capture, {"r": source_of(chain(traced, count))}), 1, BLOCK)


def fastest(run: Callable[[], Any], repeats: int) -> float:
    """Returns the least CPU seconds."""
    best = float("inf")
    for _ in range(repeats):
        began = time.thread_time()
        run()
        best = min(best, time.thread_time() - began)
    return best


def main() -> None:
    """Prints one line for each kind of operation."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=160_000)
    parser.add_argument("--repeats", type=int, default=7)
    arguments = parser.parse_args()
    rng, rows = np.random.default_rng(1), arguments.rows
    names = np.array([f" Name<{k}> &co " for k in range(5000)], object)
    print("| operations | library, ns an operation | kernel, ns an operation | library, ns at none | kernel, ns at none |")
    print("|---|---:|---:|---:|---:|")
    for name, chain, data, text in (
        ("arithmetic", arithmetic, rng.uniform(0.5, 2, rows), False),
        ("functions of libm, with a product", functions, rng.uniform(0.5, 2, rows), False),
        ("strings", texts, rng.choice(names, rows), True),
        ("arithmetic of Arrow", arrow_arithmetic, rng.uniform(0.5, 2, rows), False),
        ("functions of libm of Arrow, with a product", arrow_functions, rng.uniform(0.5, 2, rows), False),
        ("strings of Arrow", arrow_texts, rng.choice(names, rows), True),
    ):
        arrow = chain.__name__.startswith("arrow")
        line: list[float] = []
        container: Any = pa.array if arrow else pd.Series
        batches = [container(data[at : at + BATCH]) for at in range(0, rows, BATCH)]
        made = {count: (arrow_runner if arrow else runner)(chain, count, text) for count in (FEW, MANY)}
        data = pa.array(data) if arrow else data
        sides: tuple[Callable[[int], Any], ...] = (
            lambda count, chain=chain, batches=batches: [chain(batch, count) for batch in batches],  # type: ignore[misc]
            lambda count, made=made, data=data: made[count].run({"x": data}, len(data)),  # type: ignore[misc]
        )
        for side in sides:
            side(FEW), side(MANY)
            few, many = (
                fastest(lambda side=side, count=count: side(count), arguments.repeats) / rows * 1e9  # type: ignore[misc]
                for count in (FEW, MANY)
            )
            slope = (many - few) / (MANY - FEW)
            line += [slope, few - FEW * slope]
        print(f"| {name} | {line[0]:.2f} | {line[2]:.2f} | {line[1]:.1f} | {line[3]:.1f} |", flush=True)


if __name__ == "__main__":
    main()
