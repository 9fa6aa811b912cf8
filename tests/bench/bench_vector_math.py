"""Measures our own vector versions of elementary functions against libmvec's and against libm's scalar functions.

    python tests/bench/bench_vector_math.py [--rows N] [--samples N] [FUNCTION ...]

Each is a kernel of one function over a column that fits the cache. Times are the least wall time of some samples by one thread,
in nanoseconds a row. Errors are in units in the last place (ULP), against long double. A kernel whose error exceeds the
documented bound ends the benchmark.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from sparkweld.ir import Input, ProgramBuilder
from sparkweld.ir.ops import Call
from sparkweld.ir.ops.elementwise import LIBM_ULP
from sparkweld.ir.types import Type
from sparkweld.kernels import Kernel, compile_program, vector_math
from sparkweld.kernels.llvm import math_library

#: NumPy's function -> range of its first argument, for f64 and f32.
RANGES = {
    "exp": (-80, 80), "exp2": (-120, 120), "expm1": (-40, 40), "log": (1e-5, 1e5), "log2": (1e-5, 1e5), "log10": (1e-5, 1e5),
    "log1p": (-0.9, 10), "cbrt": (-1e5, 1e5), "tanh": (-5, 5), "arctan": (-10, 10), "arctan2": (-10, 10), "sin": (-100, 100),
    "cos": (-100, 100), "tan": (-100, 100), "power": (0.01, 100),
}  # fmt: skip
#: What math_library is made to find: libmvec; nothing, so that our own code is used; nothing, and no fma either.
MODES = ("libmvec", "own", "libm")
_SETS, _MULTIPLIES_AND_ADDS = dict(math_library._SETS), math_library._multiplies_and_adds


def kernel_of(function: str, bits: int, mode: str) -> Kernel:
    """Compiles a kernel of one function that computes it in the way of `mode`."""
    math_library._SETS = _SETS if mode == "libmvec" else {}
    math_library._multiplies_and_adds = (lambda: False) if mode == "libm" else _MULTIPLIES_AND_ADDS
    math_library.math_function.cache_clear()
    assert vector_math() == ("none" if mode == "libm" else mode), f"this host has no {mode}"
    builder = ProgramBuilder(function, [Input(f"x{at}", Type(f"f{bits}")) for at in range(Call(function).ufunc.nin)])
    loop = builder.loop(function)
    loop.append("y", loop.emit(Call(function), *(loop.read(i.name) for i in builder.inputs)))
    loop.close()
    program = builder.finish(["y"])
    return Kernel.load(compile_program(program), program)


def measure(function: str, bits: int, rows: int, samples: int) -> list[tuple[float, float]]:
    """Returns nanoseconds a row and the largest error in ULP for each mode."""
    random = np.random.default_rng(1)
    x = random.uniform(*RANGES[function], rows).astype(f"f{bits // 8}")
    y = random.uniform(-8, 8, rows).astype(x.dtype)
    columns = {f"x{at}": column for at, column in enumerate((x, y)[: Call(function).ufunc.nin])}
    with np.errstate(all="ignore"):
        truth = getattr(np, function)(*(column.astype(np.longdouble) for column in columns.values()))
        unit = np.spacing(np.abs(truth.astype(x.dtype))).astype(np.longdouble)
    results = []
    for mode in MODES:
        kernel, times = kernel_of(function, bits, mode), []
        for _ in range(samples):
            start = time.perf_counter()
            result = kernel.run(columns, rows)
            times.append(time.perf_counter() - start)
        with np.errstate(all="ignore"):
            difference = np.abs(np.asarray(result.columns["y"]).astype(np.longdouble) - truth) / unit
        error = float(np.max(difference[np.isfinite(truth.astype(x.dtype))]))
        assert error <= LIBM_ULP[function], f"{mode}: {function} of f{bits} is off by {error:.1f} ULP"
        results.append((min(times) / rows * 1e9, error))
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description="Measures vector math.")
    parser.add_argument("functions", nargs="*", default=list(RANGES))
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--samples", type=int, default=30)
    options = parser.parse_args()
    print("| function | type | libmvec | own | libm | own vs libmvec | own vs libm | ULP: libmvec, own, libm |")
    print("|---|---|---:|---:|---:|---:|---:|---|")
    for function in options.functions:
        for bits in (64, 32):
            (mvec, e1), (own, e2), (libm, e3) = measure(function, bits, options.rows, options.samples)
            ratios = f"{mvec / own:.2f}x | {libm / own:.1f}x | {e1:.1f}, {e2:.1f}, {e3:.1f}"
            print(f"| {function} | f{bits} | {mvec:.2f} ns | {own:.2f} ns | {libm:.2f} ns | {ratios} |", flush=True)


if __name__ == "__main__":
    main()
