"""Measures both forms of a tree kernel on random trees: the constants by which `ir.ops.trees` chooses a form.

    python tests/bench/bench_tree_forms.py [--trees N] [--samples N]

Trees are grown at random leaves (like LightGBM's, deep) or level by level (like XGBoost's), over rows of normal numbers. Times
are one thread's CPU time, the least of some samples, in nanoseconds a row. The summary below has least-squares costs of a split
and of a level. It also has how often the current constants choose the slower form, and the worst slowdown.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator

import numpy as np

from sparkweld.ir import Input, ProgramBuilder
from sparkweld.ir.blocks import ConstantBlock
from sparkweld.ir.layouts.tree_masks import MaskHead, mask_arrays
from sparkweld.ir.ops import TreeEnsemble
from sparkweld.ir.trees import Forest, TooLarge, Tree
from sparkweld.ir.types import F64
from sparkweld.kernels import Kernel, compile_program

ROWS = 4096
SHAPES = [(way, leaves, features) for features in (10, 30, 100) for leaves in (8, 31, 64, 128, 255) for way in ("leaf", "level")]


def random_tree(random: np.random.Generator, leaves: int, features: int, way: str) -> Tree:
    """Returns a tree with `leaves` leaves; thresholds are among 200 of each feature."""
    hit, miss, open_ = [-1], [-1], [0]
    while len(open_) < leaves:
        node = open_.pop(int(random.integers(len(open_))) if way == "leaf" else 0)
        hit[node], miss[node] = len(hit), len(hit) + 1
        open_ += [len(hit), len(hit) + 1]
        hit += [-1, -1]
        miss += [-1, -1]
    count = len(hit)
    thresholds = np.round(random.normal(size=count) * 50) / 50
    return Tree(
        random.integers(0, features, count).astype(np.int32), thresholds, random.random(count) < 0.5, np.array(hit, np.int32),
        np.array(miss, np.int32), random.normal(size=(count, 1)),
    )  # fmt: skip


def forms(forest: Forest) -> Iterator[TreeEnsemble]:
    """Yields the ensemble in each form that fits it."""
    yield TreeEnsemble.walking(forest)
    try:
        arrays = mask_arrays(forest)
    except TooLarge:
        return
    yield TreeEnsemble("mask", forest.features, int(arrays["head"][0][MaskHead.SLOTS]), ConstantBlock.joined(arrays))


def nanoseconds(op: TreeEnsemble, columns: dict[str, np.ndarray], samples: int) -> tuple[float, np.ndarray]:
    """Returns (CPU nanoseconds a row, the sums)."""
    builder = ProgramBuilder("trees", [Input(name, F64) for name in columns])
    loop = builder.loop("rows")
    loop.append("sum", loop.emit(op, *(loop.read(name) for name in columns)))
    loop.close()
    program = builder.finish(["sum"])
    run = Kernel.load(compile_program(program), program).bound(columns, ROWS)
    best = np.inf
    for _ in range(samples):
        started = time.thread_time()
        made = run()
        best = min(best, time.thread_time() - started)
    return best / ROWS * 1e9, np.asarray(made.columns["sum"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trees", type=int, default=50)
    parser.add_argument("--samples", type=int, default=15)
    arguments = parser.parse_args()
    random = np.random.default_rng(0)
    found: dict[str, list[tuple[float, int]]] = {"mask": [], "walk": []}
    worst, wrong = 1.0, 0
    print("| grown by | leaves | features | depth | mask | walk | chosen |\n|---|---:|---:|---:|---:|---:|---|")
    for way, leaves, features in SHAPES:
        trees = tuple(random_tree(random, leaves, features, way) for _ in range(arguments.trees))
        forest = Forest(features, F64, F64, np.zeros(1), trees)
        columns = {f"x{i}": random.normal(size=ROWS) for i in range(features)}
        made = {op.form: nanoseconds(op, columns, arguments.samples) for op in forms(forest)}
        assert len({sums.tobytes() for _, sums in made.values()}) == 1, "the forms differ"
        splits, levels = arguments.trees * (leaves - 1), sum(tree.depth for tree in trees)
        for form, amount in (("mask", splits), ("walk", levels)):
            found[form].append((made[form][0], amount))
        chosen = TreeEnsemble.of(forest).form
        loss = made[chosen][0] / min(ns for ns, _ in made.values())
        worst, wrong = max(worst, loss), wrong + (loss > 1.1)
        cells = f"{levels / arguments.trees:.1f} | {made['mask'][0]:.0f} | {made['walk'][0]:.0f}"
        print(f"| {way} | {leaves} | {features} | {cells} | {chosen} |", flush=True)
    for form, unit in (("mask", "split"), ("walk", "level")):
        times, amounts = np.array(found[form]).T
        slope, rest = np.polyfit(amounts, times, 1)
        print(f"\n{slope:.3f} ns a {unit}, and {rest / arguments.trees:.1f} ns a tree with its share of the ranks")
    print(f"\nchosen over 10% slower: {wrong} of {len(SHAPES)}, {worst:.2f} times at worst")


if __name__ == "__main__":
    main()
