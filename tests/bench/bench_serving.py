"""Times programs outside Spark against the library of the model and the peers that are installed: latency and throughput.

    make bench BENCH=serving   (or: python tests/bench/bench_serving.py [--cases WORDS] [--seconds S])

Each side scores the same batch of 1 to 100,000 rows with one thread, and single rows from 8 threads. The sides of a case
alternate. Results of the program equal the library's, bit by bit for trees, before anything is timed. Peers are ONNX Runtime,
lleaves and TL2cgen where Python imports them (`pip install onnxruntime onnxmltools lleaves tl2cgen treelite`). Their results may
differ, and the table states by how much. "C" calls the exported library from a compiled C program. The cells have microseconds
of a call: the median, and the 99th percentile beside it.
"""

from __future__ import annotations

import argparse
import importlib.util
import subprocess
import tempfile
import threading
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from lightgbm import LGBMRegressor
from sklearn.compose import ColumnTransformer
from sklearn.datasets import make_regression
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import sparkweld

SIZES = (1, 10, 1_000, 100_000)
THREADS = 8


@dataclass
class Case:
    """`sides`: name -> a function that scores the first n rows and returns the results. `exact`: the results' bits are equal."""

    name: str
    sides: dict[str, Callable[[int], Any]]
    exact: bool
    program: Any
    rows: list[dict[str, Any]]
    columns: int
    missing: list[str] = field(default_factory=list)


def trees(folder: Path) -> Case:
    """LightGBM, 100 trees of 31 leaves, 20 features."""
    features, labels = make_regression(100_000, 20, noise=5, random_state=0)
    names = [f"c{at}" for at in range(20)]
    frame = pd.DataFrame(features, columns=names)
    fitted = LGBMRegressor(n_estimators=100, num_leaves=31, verbose=-1, n_jobs=1).fit(frame, labels)
    program = sparkweld.compile(fitted, dict.fromkeys(names, "double"))
    booster, rows = fitted.booster_, [dict(zip(names, row, strict=True)) for row in features[:2000].tolist()]
    arrays = {n: np.ascontiguousarray(features[:n]) for n in SIZES}
    sides: dict[str, Callable[[int], Any]] = {
        "sparkweld": lambda n: program.predict_row(**rows[0]) if n == 1 else program(arrays[n]),
        "LightGBM": lambda n: booster.predict(arrays[n], num_threads=1),
    }
    case = Case("LightGBM 100 x 31", sides, True, program, rows, 20)
    add_onnx(case, lambda: onnx_of_trees(fitted), {n: array.astype(np.float32) for n, array in arrays.items()})
    if present(case, "lleaves"):
        import lleaves

        booster.save_model(folder / "model.txt")
        fast = lleaves.Model(model_file=str(folder / "model.txt"))
        try:
            fast.compile()
            sides["lleaves"] = lambda n: fast.predict(arrays[n], n_jobs=1)
        except AttributeError as error:  # lleaves 1.3 calls functions that llvmlite no longer has
            case.missing.append(f"lleaves ({error})")
    if present(case, "tl2cgen") and present(case, "treelite"):
        import tl2cgen
        import treelite

        model = treelite.frontend.from_lightgbm(booster)
        tl2cgen.export_lib(model, toolchain="gcc", libpath=folder / "tl2cgen.so", params={})
        predictor = tl2cgen.Predictor(folder / "tl2cgen.so", nthread=1)
        sides["TL2cgen"] = lambda n: predictor.predict(tl2cgen.DMatrix(arrays[n])).reshape(-1)
    return case


def pipeline(folder: Path) -> Case:
    """Words of a text, two categories and three numbers before a logistic regression."""
    random = np.random.default_rng(0)
    words = np.array([f"word{at}" for at in range(400)])
    count = 20_000
    table = pd.DataFrame({
        "text": [" ".join(random.choice(words, 12)) for _ in range(count)],
        "city": random.choice(["Bern", "Oslo", "Rome"], count), "plan": random.choice(["a", "b"], count),
        **{name: random.normal(size=count) for name in "xyz"},
    })  # fmt: skip
    parts = [
        ("text", TfidfVectorizer(), "text"), ("kinds", OneHotEncoder(handle_unknown="ignore"), ["city", "plan"]),
        ("numbers", StandardScaler(), ["x", "y", "z"]),
    ]  # fmt: skip
    labels = (table["x"] + table["text"].str.count("word1") > 2).astype(int)
    fitted = make_pipeline(ColumnTransformer(parts), LogisticRegression(max_iter=300)).fit(table, labels)
    program = sparkweld.compile(fitted, table.head(10), proba=True)
    whole = pd.concat([table] * 5, ignore_index=True)
    frames = {n: whole.head(n).copy() for n in SIZES}
    rows = table.head(2000).to_dict("records")
    sides: dict[str, Callable[[int], Any]] = {
        "sparkweld": lambda n: program.predict_row(**rows[0]) if n == 1 else program(frames[n]).to_numpy(),
        "scikit-learn": lambda n: fitted.predict_proba(frames[n])[:, 1],
    }
    return Case("text, categories and numbers", sides, False, program, rows, 6)


def present(case: Case, module: str) -> bool:
    """Whether a peer can be imported; records one that cannot."""
    if importlib.util.find_spec(module) is not None:
        return True
    case.missing.append(module)
    return False


def add_onnx(case: Case, convert: Callable[[], bytes], arrays: dict[int, np.ndarray]) -> None:
    """Adds ONNX Runtime with one thread, which reads float32."""
    if present(case, "onnxruntime") and present(case, "onnxmltools"):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        session = onnxruntime.InferenceSession(convert(), options, providers=["CPUExecutionProvider"])
        name = session.get_inputs()[0].name
        case.sides["ONNX Runtime"] = lambda n: session.run(None, {name: arrays[n]})[0].reshape(-1)


def onnx_of_trees(fitted: Any) -> bytes:
    import onnxmltools
    from onnxmltools.convert.common.data_types import FloatTensorType

    made = onnxmltools.convert_lightgbm(fitted, initial_types=[("input", FloatTensorType([None, 20]))], target_opset=15)
    return made.SerializeToString()  # type: ignore[no-any-return]


def check(case: Case) -> dict[str, float]:
    """Returns the largest difference of each side; raises AssertionError where the program differs from the library."""
    library = list(case.sides)[1]
    mine = np.asarray(case.sides["sparkweld"](1_000))
    off = {name: float(np.max(np.abs(mine - np.asarray(side(1_000))))) for name, side in case.sides.items()}
    assert off[library] == 0 if case.exact else off[library] < 1e-12, f"{library} differs by {off[library]}"
    singles = [case.program.predict_row(**row) for row in case.rows[:200]]
    assert singles == mine[:200].tolist(), "single rows differ from the table"
    return off


def latencies(case: Case, seconds: float) -> dict[str, dict[int, tuple[float, float]]]:
    """Returns side -> rows -> (median, 99th percentile) of the microseconds of a call."""
    found: dict[str, dict[int, tuple[float, float]]] = {name: {} for name in case.sides}
    for n in SIZES:
        samples: dict[str, list[float]] = {name: [] for name in case.sides}
        for side in case.sides.values():
            side(n)
        for _ in range(10):
            for name, side in case.sides.items():
                end = time.perf_counter() + seconds / 10
                while not samples[name] or time.perf_counter() < end:
                    started = time.perf_counter_ns()
                    side(n)
                    samples[name].append((time.perf_counter_ns() - started) / 1e3)
        for name, times in samples.items():
            found[name][n] = float(np.median(times)), float(np.percentile(times, 99))
    return found


def under_load(case: Case, seconds: float) -> dict[str, tuple[float, float]]:
    """Returns side -> (rows a second, 99th percentile in microseconds) of single rows from several threads."""
    found = {}
    for name, side in case.sides.items():
        times: list[list[float]] = [[] for _ in range(THREADS)]
        end = time.perf_counter() + seconds

        def work(own: list[float], side: Callable[[int], Any] = side, end: float = end) -> None:
            while time.perf_counter() < end:
                started = time.perf_counter_ns()
                side(1)
                own.append((time.perf_counter_ns() - started) / 1e3)

        threads = [threading.Thread(target=work, args=(own,)) for own in times]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        every = [x for own in times for x in own]
        found[name] = len(every) / seconds, float(np.percentile(every, 99))
    return found


def in_c(case: Case, folder: Path) -> tuple[float, float]:
    """Returns (median, 99th percentile) of the microseconds of a row in C."""
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
    times = np.array(lines, np.float64) / 1e3
    return float(np.median(times)), float(np.percentile(times, 99))


def stored(case: Case, folder: Path) -> str:
    """Returns the size of the file and the time of a load in this process."""
    case.program.save(folder / "program.sparkweld")
    times = []
    for _ in range(5):
        started = time.perf_counter()
        sparkweld.load(folder / "program.sparkweld")
        times.append((time.perf_counter() - started) * 1e3)
    return f"file {(folder / 'program.sparkweld').stat().st_size:,} bytes, loaded in {min(times):.1f} ms"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", default="", help="only cases whose names contain these words")
    parser.add_argument("--seconds", type=float, default=2.0, help="of each side and number of rows")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    for make in (trees, pipeline):
        if arguments.cases.lower() not in (make.__doc__ or "").lower():
            continue
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            case = make(folder)
            off = check(case)
            times, load = latencies(case, arguments.seconds), under_load(case, arguments.seconds)
            print(f"\n## {case.name}\n\n{stored(case, folder)}; not installed: {', '.join(case.missing) or 'none'}\n")
            heads = [*(f"{n:,} rows" for n in SIZES), f"{THREADS} threads, rows a second", "differs by up to"]
            print("| side | " + " | ".join(heads) + " |\n|---|" + "---:|" * len(heads))
            for name in case.sides:
                cells = [f"{times[name][n][0]:,.1f} ({times[name][n][1]:,.1f})" for n in SIZES]
                print(f"| {name} | {' | '.join(cells)} | {load[name][0]:,.0f} ({load[name][1]:,.1f}) | {off[name]:.2g} |")
            if case.exact:
                print(f"| sparkweld, C | {'{:,.1f} ({:,.1f})'.format(*in_c(case, folder))} | | | | | |")


if __name__ == "__main__":
    main()
