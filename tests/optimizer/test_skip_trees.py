"""Checks score filters over forests: for any cut trees and bounds, rows and sums equal the whole forest's, bit for bit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sparkweld.ir import ConstantBlock, Input, Let, Program, ProgramBuilder, evaluate
from sparkweld.ir.ops import ForestSums, Op, TreeEnsemble
from sparkweld.ir.trees import Forest, Tree
from sparkweld.ir.types import F32, F64, Type
from sparkweld.optimizer.model_ranges import forest_range
from sparkweld.optimizer.passes.skip_models import skip_models
from sparkweld.optimizer.tree_cuts import GROUPS, cuts_of, group_end
from tests.helpers.kernels import load_as_is
from tests.kernels.test_trees import around, masked, random_tree

ROWS = 5000  # a block of the driver's, and a rest
EVALUATED = 1500  # `evaluate` has no blocks, and is slow
EDGES = 40


def forest_like(kind: str, width: Type, sums: Type) -> tuple[Forest, list[np.ndarray]]:
    """Returns trees with mostly small leaves, so that few rows have a large sum, and rows at and around their splits."""
    rng = np.random.default_rng(sum(kind.encode()))
    edges = [np.unique(np.append(rng.normal(size=EDGES), [0.0, -1.0]).astype(width.dtype)) for _ in range(4)]
    outputs = 2 if kind == "two outputs" else 1
    trees: list[Tree] = []
    for number in range(1 if kind == "one tree" else 24):
        leaves = 120 if kind == "deep" else int(rng.integers(1, 24))
        tree = random_tree(rng, leaves, edges, kind == "sets", outputs, 0)
        values = np.floor(5 * rng.random(tree.values.shape) ** 8) if kind == "ties" else rng.random(tree.values.shape) ** 8
        tree = replace(tree, values=np.full_like(values, 0.25) if kind == "constant" else values)
        if kind == "alike" and number % 5:
            tree = replace(trees[-1], values=rng.random(trees[-1].values.shape) ** 8)
        trees.append(tree)
    if kind == "infinite":
        trees[7].values[trees[7].is_leaf] = np.inf
    start = rng.normal(size=outputs).astype(sums.dtype)
    return Forest(4, width, sums, start, tuple(trees)), [around(rng, e, ROWS) for e in edges]


def in_form(program: Program, form: str) -> Program:
    """Returns the program with all ensembles in one form."""
    wholes: dict[ConstantBlock, TreeEnsemble] = {}

    def made(op: Op) -> Op:
        if not isinstance(op, ForestSums):
            return op
        if op.block not in wholes:
            wholes[op.block] = masked(op.forest()) if form == "mask" else TreeEnsemble.walking(op.forest())
        return replace(wholes[op.block], output=op.output, begin=op.begin, end=op.end)

    (loop,) = program.loops
    return replace(program, loops=(replace(loop, body=tuple(Let(made(let.op), let.args) for let in loop.body)),))


def filtered(op: ForestSums, comparison: str, threshold: float | None) -> Program:
    """Returns the rows whose first sum satisfies the comparison, and all sums; a threshold of None is a column's."""
    builder = ProgramBuilder("scores", [*(Input(f"x{i}", op.width) for i in range(op.arguments)), Input("t", op.sums)])
    loop = builder.loop("scores")
    arguments = [loop.read(f"x{i}") for i in range(op.arguments)]
    sums = [loop.emit(op.at(number), *arguments) for number in range(op.outputs)]
    end = loop.read("t") if threshold is None else loop.const(threshold, op.sums)
    for number, value in enumerate(sums):
        loop.append(f"s{number}", value)
    loop.close(loop.call(comparison, sums[0], end), "kept")
    return builder.finish([f"s{number}" for number in range(op.outputs)])


#: Cases that a kernel runs too, with all variants of its trial.
KERNELS = {("deep", F32, "mask"), ("two outputs", F64, "walk"), ("sets", F32, "walk"), ("plain", F32, "mask")}
CASES = [(kind, F32, F64) for kind in ("plain", "deep", "sets", "ties", "alike", "constant", "infinite", "one tree")]
CASES += [("deep", F64, F64), ("two outputs", F64, F64), ("ties", F32, F32)]


@pytest.mark.nightly_cases("deep-f32-f64")
@pytest.mark.parametrize("kind, width, sums", CASES, ids=str)
def test_the_rows_and_bits_are_the_forests(kind: str, width: Type, sums: Type) -> None:
    forest, columns = forest_like(kind, width, sums)
    rows = ROWS if any(case[:2] == (kind, width) for case in KERNELS) else EVALUATED
    columns = [column[:rows] for column in columns]
    scores = forest.evaluate(columns)
    rewritten = 0
    for form in ("mask", "walk"):
        queries = ((0.995, "greater"), (0.9, "greater_equal"), (0.002, "less"))
        for share, comparison in queries if form == "mask" else queries[:1]:
            t = float(np.quantile(scores[0], share, method="nearest"))
            for threshold in (t, None) if comparison == "greater" else (t,):
                program = filtered(ForestSums.of(forest), comparison, threshold)
                logical = skip_models(program)
                bounded = in_form(logical, form)
                rewritten += bounded.has_trials
                given = {f"x{i}": column for i, column in enumerate(columns)} | {"t": np.full(rows, t, sums.dtype)}
                expected = np.flatnonzero(getattr(np, comparison)(scores[0], sums.dtype.type(t)))
                runs = [evaluate(p, given, rows) for p in (logical, bounded)]
                if comparison == "greater" and (kind, width, form) in KERNELS and (threshold is None) == (kind == "plain"):
                    kernel = load_as_is(bounded)
                    runs += [kernel.run(given, rows) for _ in range(3)]
                for found in runs:
                    np.testing.assert_array_equal(found.selection, expected)
                    for number, score in enumerate(scores):
                        assert np.asarray(found.columns[f"s{number}"]).tobytes() == score[expected].tobytes()
    assert (rewritten > 0) == (kind not in ("one tree", "infinite"))


@pytest.mark.parametrize("width, sums", [(F32, F64), (F64, F64), (F32, F32)], ids=str)
def test_bounds_hold(width: Type, sums: Type) -> None:
    """The sum of the trees from an index on is between the leaves' bounds, and between those of the truncated trees."""
    for kind in ("deep", "sets", "two outputs"):
        forest, columns = forest_like(kind, width, sums)
        op = ForestSums.of(forest).at(len(forest.start) - 1)
        found, terms = forest_range(op), forest.terms(op.output, columns).astype(np.float64)
        assert found is not None
        for end in (0, 7, op.trees):
            rest = terms[end:].sum(axis=0)
            assert np.all(found.low[end] - 1e-9 <= rest) and np.all(rest <= found.high[end] + 1e-9)
        ends = [0, *(group_end(forest, group) for group in range(GROUPS))]
        groups = np.array([terms[a:b].sum(axis=0) for a, b in zip(ends, ends[1:], strict=False)])
        pairs = cuts_of(op)
        assert pairs or kind != "deep"
        for low, high in pairs:
            for cut, sign in ((low, -1), (high, 1)):
                made, arguments = cut.op
                bounds = np.array(made.evaluate_all(*(columns[feature] for feature in arguments)), np.float64)
                assert np.all(sign * (bounds - groups) >= -found.lost(cut.sums))
                assert cut.forest.trees and all(tree.is_leaf.sum() < 120 for tree in cut.forest.trees)
