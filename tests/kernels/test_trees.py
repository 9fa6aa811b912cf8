"""Checks that tree-ensemble kernels equal the plain walk bit by bit: random trees of every form, at and around thresholds."""

from __future__ import annotations

import gc
import weakref
from dataclasses import replace

import numpy as np
import pytest

from sparkweld.ir.blocks import ConstantBlock
from sparkweld.ir.layouts.tree_masks import MaskHead, mask_arrays
from sparkweld.ir.layouts.tree_walks import walk_arrays
from sparkweld.ir.layouts.trees import PIECE
from sparkweld.ir.ops import ForestSums, TreeEnsemble
from sparkweld.ir.ops.trees import laid_out
from sparkweld.ir.trees import Forest, TooLarge, Tree
from sparkweld.ir.types import F32, F64, Type
from sparkweld.kernels.functions.models import trees as entries
from sparkweld.optimizer.tree_pruning import Span, pruned
from tests.helpers.score_pieces import Scored

ROWS = 1100  # two chunks and a rest


def random_tree(rng: np.random.Generator, leaves: int, edges: list[np.ndarray], sets: bool, width: int, first: int) -> Tree:
    """Grows a tree by splitting random leaves at the features' edges; deep shapes are as likely as wide ones."""
    feature, threshold, nan_hits, hit, miss = [0], [0.0], [False], [-1], [-1]
    found: dict[int, tuple] = {}
    waiting = [0]
    while len(waiting) < leaves:
        node = waiting.pop(int(rng.integers(max(0, len(waiting) - 3), len(waiting))))
        feature[node] = int(rng.integers(len(edges)))
        threshold[node] = rng.choice(edges[feature[node]])
        nan_hits[node] = bool(rng.random() < 0.5)
        if sets and rng.random() < 0.4:
            e = np.sort(rng.choice(edges[feature[node]], 6, replace=False))
            whole = ((None if rng.random() < 0.5 else e[0], e[1]), (e[2], e[3]), (e[4], e[5]))
            found[node] = whole[: int(rng.integers(0, 4))]
        hit[node], miss[node] = len(feature), len(feature) + 1
        waiting += [len(feature), len(feature) + 1]
        for column, value in ((feature, 0), (threshold, 0.0), (nan_hits, False), (hit, -1), (miss, -1)):
            column += [value, value]
    dtype = edges[0].dtype
    values = rng.normal(size=(len(feature), width))
    ints = (np.array(c, np.int32) for c in (feature, hit, miss))
    features, hits, misses = ints
    return Tree(features, np.array(threshold, dtype), np.array(nan_hits), hits, misses, values, first, found)


def balanced_tree(rng: np.random.Generator) -> Tree:
    """Returns a tree of 256 leaves on one level, over three features."""
    node = np.arange(511, dtype=np.int32)
    feature, threshold = np.where(node < 255, node % 3, 0).astype(np.int32), np.where(node < 255, np.sin(node), 0)
    hits, misses = (np.where(node < 255, 2 * node + side, -1).astype(np.int32) for side in (1, 2))
    return Tree(feature, threshold, node < 0, hits, misses, rng.normal(size=(511, 1)))


def around(rng: np.random.Generator, edges: np.ndarray, rows: int) -> np.ndarray:
    """Returns values at, just below and just above edges, and all odd ones."""
    at = rng.choice(edges, rows)
    below, above = (np.nextafter(at, at.dtype.type(end)) for end in (-np.inf, np.inf))
    x = np.choose(rng.integers(0, 3, rows), [below, at, above])
    odd = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 5e-324, -5e-324, 1e300, -1e300, np.finfo(at.dtype).tiny])
    with np.errstate(over="ignore"):
        odd = odd.astype(at.dtype)
    return np.where(rng.random(rows) < 0.2, rng.choice(odd, rows), x)


def in_parts(op: TreeEnsemble, forest: Forest, columns: list[np.ndarray]) -> list[np.ndarray]:
    """Computes the sums in consecutive tree ranges, each continuing the previous one's sums; each must equal `evaluate_all`."""
    ends = sorted({forest.cut(end) for end in (1, 5, 6)} - {0}) + [op.trees]
    sums: list[np.ndarray] = []
    for begin, end in zip([0, *ends], ends, strict=False):
        part = replace(op, begin=begin, end=end)
        expected = part.evaluate_all(*columns, *sums)
        logical = replace(ForestSums.of(forest), begin=begin, end=end).evaluate_all(*columns, *sums)
        assert [s.tobytes() for s in logical] == [s.tobytes() for s in expected]
        sums = Scored(part).run([*columns, *sums], 512 if begin else 64)
        assert [s.tobytes() for s in sums] == [s.tobytes() for s in expected]
    return sums


def masked(forest: Forest) -> TreeEnsemble:
    """Returns the ensemble in mask form, whatever its cost."""
    arrays = mask_arrays(forest)
    return TreeEnsemble("mask", forest.features, int(arrays["head"][0][MaskHead.SLOTS]), ConstantBlock.joined(arrays))


#: Edges of a feature, leaves of a tree, results: tables of every size, ranks of many columns, reused slots, one-leaf trees.
CASES = [(6, 2, 1), (20, 64, 1), (300, 31, 3), (1500, 256, 1), (50, 16, 1), (110, 100, 1), (250, 255, 2)]


@pytest.mark.gate_cases("plain-f32")
@pytest.mark.parametrize("width", [F32, F64], ids=str)
@pytest.mark.parametrize("sets", [False, True], ids=["plain", "sets"])
def test_kernels_equal_the_walk(width: Type, sets: bool) -> None:
    rng = np.random.default_rng(7)
    for number, (count, leaves, outputs) in enumerate(CASES):
        edges = [np.unique(np.append(rng.normal(size=count), [0.0, -1.0]).astype(width.dtype)) for _ in range(5)]
        vectors = number == len(CASES) - 1
        trees = tuple(
            random_tree(rng, int(rng.integers(1, leaves + 1)) if t else leaves, edges, sets, outputs if vectors else 1,
                        0 if vectors else t % outputs)
            for t in range(12)
        )  # fmt: skip
        forest = Forest(5, width, width, rng.normal(size=outputs).astype(width.dtype), trees)
        columns = [around(rng, e, ROWS) for e in edges]
        expected = forest.evaluate(columns)
        for op in (masked(forest), TreeEnsemble.walking(forest), laid_out(ForestSums.of(forest), few_rows=True)):
            assert op.form != "walk" or not any(t.sets for t in trees)
            least = 1 if op.by_row else 64
            runs = Scored(op).run(columns), Scored(op).run(columns, least), in_parts(op, forest, columns)
            for got in (op.evaluate_all(*columns), *runs):
                for a, b in zip(got, expected, strict=True):
                    assert a.tobytes() == b.tobytes(), (op.form, count, leaves)


@pytest.mark.parametrize("sets", [False, True], ids=["plain", "sets"])
def test_forests_larger_than_the_cache_are_scored_for_more_rows(sets: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks of a call have their own programs; prefetching changes no result, for few rows and for many."""
    monkeypatch.setattr("sparkweld.ir.layouts.tree_walks._CACHED_NODES", 0)
    rng = np.random.default_rng(5)
    edges = [np.unique(np.append(rng.normal(size=300), 0.0)) for _ in range(4)]
    trees = [random_tree(rng, leaves, edges, sets, 2, 0) for leaves in (400, 1, 90, 2, 300, 300, 60, 500)]
    trees[5] = replace(trees[4], values=rng.normal(size=trees[4].values.shape))  # has the leaf numbers of the previous tree
    forest = Forest(4, F64, F64, rng.normal(size=2), tuple(trees))
    op = TreeEnsemble.walking(forest)
    assert op.form == ("sets" if sets else "walk") and op.rows == 4096
    columns = [around(rng, e, 2 * op.rows + 700) for e in edges]
    expected = [s.tobytes() for s in forest.evaluate(columns)]
    for rows in (op.rows, 3 * PIECE + 64, 64):
        assert [s.tobytes() for s in Scored(op).run(columns, rows)] == expected, rows
    begun = Scored(replace(op, end=6)).run(columns, op.rows)
    assert [s.tobytes() for s in Scored(replace(op, begin=6, end=8)).run([*columns, *begun], op.rows)] == expected
    monkeypatch.undo()
    assert TreeEnsemble.walking(forest).rows == PIECE


@pytest.mark.parametrize("width", [F32, F64], ids=str)
def test_without_tables_in_registers(width: Type, monkeypatch: pytest.MonkeyPatch) -> None:
    """The code for CPUs without AVX-512 runs on any CPU."""
    for module in ("tree_ranks", "tree_vectors"):
        monkeypatch.setattr(f"sparkweld.kernels.functions.models.{module}.in_registers", lambda: False)
    mask, walk = entries.mask_entry(width, width), entries.walk_entry(width, width, sets=False)
    monkeypatch.setattr(entries, "ENTRIES", {("mask", width, width): mask, ("walk", width, width): walk})
    rng = np.random.default_rng(9)
    edges = [np.unique(rng.normal(size=count).astype(width.dtype)) for count in (5, 40, 1500)]
    trees = tuple(random_tree(rng, leaves, edges, False, 1, 0) for leaves in (2, 30, 200))
    forest = Forest(3, width, width, np.zeros(1, width.dtype), trees)
    columns = [around(rng, e, ROWS) for e in edges]
    for op in (masked(forest), TreeEnsemble.walking(forest)):
        assert Scored(op).run(columns)[0].tobytes() == forest.evaluate(columns)[0].tobytes(), op.form


@pytest.mark.parametrize("width", [F32, F64], ids=str)
@pytest.mark.parametrize("sets", [False, True], ids=["plain", "sets"])
def test_constants_are_read_back_and_pruned(width: Type, sets: bool) -> None:
    """Features may also have many columns; rows within the spans keep their sums, and branches are pruned."""
    rng = np.random.default_rng(11)
    for count, leaves, outputs in CASES[:4]:
        edges = [np.unique(np.append(rng.normal(size=count), [0.0, -1.0]).astype(width.dtype)) for _ in range(5)]
        trees = tuple(random_tree(rng, leaves if t else 1, edges, sets, 1, t % outputs) for t in range(9))
        forest = Forest(5, width, width, rng.normal(size=outputs).astype(width.dtype), trees)
        low, high = (width.dtype.type(q) for q in np.quantile(edges[0], [0.4, 0.7]))
        one = rng.choice(edges[1])
        spans = {0: Span(low, high, nan=False), 1: Span(one, one, nan=False), 2: Span(np.inf, -np.inf), 3: Span(low)}
        columns = [around(rng, e, ROWS) for e in edges]
        kept = [np.clip(np.nan_to_num(columns[0]), low, high), np.full(ROWS, one), np.full(ROWS, np.nan, width.dtype),
                np.fmax(columns[3], low), columns[4]]  # fmt: skip
        kept[3][::7] = np.nan
        read = ForestSums.of(forest).forest()
        assert ForestSums.of(read) == ForestSums.of(forest)
        assert [s.tobytes() for s in read.evaluate(columns)] == [s.tobytes() for s in forest.evaluate(columns)]
        left = pruned(read, spans)
        assert [s.tobytes() for s in left.evaluate(kept)] == [s.tobytes() for s in forest.evaluate(kept)]
        assert not any(np.any((t.feature == f) & ~t.is_leaf) for t in left.trees for f in (1, 2))
        if leaves > 20:
            assert sum(len(t.hit) for t in left.trees) < 0.8 * sum(len(t.hit) for t in read.trees)
        again = ForestSums.of(left).forest()
        assert pruned(again, spans) is again


def test_deep_and_many() -> None:
    """Cases: a chain of 300 splits, more leaves than masks number, a thousand stumps, features that nothing reads."""
    rng = np.random.default_rng(8)
    edges = [np.sort(rng.normal(size=400)) for _ in range(40)]
    inner = np.arange(300)
    hit = np.concatenate([2 * inner + 1, np.full(301, -1)]).astype(np.int32)
    feature, threshold = np.zeros(601, np.int32), np.zeros(601)
    hits, misses = np.full(601, -1, np.int32), np.full(601, -1, np.int32)
    feature[2 * inner], threshold[2 * inner] = inner % 3, np.linspace(-2, 2, 300)
    hits[2 * inner], misses[2 * inner] = hit[inner], 2 * inner + 2
    chain = Tree(feature, threshold, np.zeros(601, bool), hits, misses, rng.normal(size=(601, 1)))
    wide = random_tree(rng, 3000, edges, False, 1, 0)
    stumps = tuple(random_tree(rng, 2, edges[:7], False, 1, 0) for _ in range(1000))
    columns = [around(rng, e, 700) for e in edges]
    for forest, form in (
        (Forest(40, F64, F64, np.zeros(1), (chain, wide, chain)), "walk"),
        (Forest(40, F64, F64, np.zeros(1), stumps), "mask"),
    ):
        used = forest.of_used()
        op = TreeEnsemble.of(used)
        assert op.form == form and op.arguments == len(forest.used)
        (got,) = Scored(op).run([columns[i] for i in forest.used])
        assert got.tobytes() == forest.evaluate(columns)[0].tobytes()
    bushy = Forest(3, F64, F64, np.zeros(1), (balanced_tree(rng),))
    few = [TreeEnsemble.of(bushy, share) for share in (1.0, 0.001)]
    assert [op.form for op in few] == ["mask", "walk"]  # one row costs the masks as much as all
    assert Scored(few[0]).run(columns[:3])[0].tobytes() == Scored(few[1]).run(columns[:3])[0].tobytes()
    assert chain.depth == 300 and len(Forest(40, F64, F64, np.zeros(1), stumps).used) == 7
    with pytest.raises(TooLarge, match="256 leaves"):
        mask_arrays(Forest(40, F64, F64, np.zeros(1), (wide,)))


def test_walks_begin_below_the_first_levels() -> None:
    """Programs route large chunks through the first levels; splits by long sets, and small chunks, are walked."""
    rng = np.random.default_rng(12)
    edges = [np.unique(rng.normal(size=90)) for _ in range(6)]
    trees = tuple(random_tree(rng, leaves, edges, number == 3, 1, 0) for number, leaves in enumerate((400, 3, 1, 60, 300)))
    many = tuple((edges[0][i], edges[0][i + 1]) for i in range(0, 60, 2))
    trees += (replace(trees[0], sets={0: many}),)
    forest = Forest(6, F64, F64, np.zeros(1), trees)
    op = TreeEnsemble.walking(forest)
    depth, below = op.block["trees"].reshape(-1, 8)[:, 3:5].T.tolist()
    assert op.slots and depth == [t.depth for t in trees]
    assert below[1] == below[2] == 0 and below[0] < depth[0] and below[-1] == depth[-1]
    columns = [around(rng, e, ROWS) for e in edges]
    expected = forest.evaluate(columns)[0].tobytes()
    for piece in (64, 128, 192, PIECE):
        assert Scored(op).run(columns, piece)[0].tobytes() == expected
    assert op.evaluate_all(*columns)[0].tobytes() == expected


def test_mismatches() -> None:
    """Cases: more columns than a walk's nodes can index, and more categories than a set holds."""
    leaf = np.array([1, -1, -1], np.int32)
    trees = tuple(
        Tree(np.array([f, 0, 0], np.int32), np.zeros(3), np.zeros(3, bool), leaf, leaf + (leaf > 0), np.ones((3, 1)))
        for f in range(5000)
    )
    with pytest.raises(TooLarge, match="5000 columns"):
        TreeEnsemble.of(Forest(5000, F64, F64, np.zeros(1), trees))
    many = tuple((float(c) - 0.5, float(c)) for c in range(40000))
    split = Tree(np.zeros(3, np.int32), np.zeros(3), np.zeros(3, bool), leaf, leaf + (leaf > 0), np.ones((3, 1)), sets={0: many})
    with pytest.raises(TooLarge, match="categories"):
        walk_arrays(Forest(1, F64, F64, np.zeros(1), (split,)))


def test_ensembles_are_laid_out_once_while_in_use() -> None:
    """The form depends on the share of rows; parts and further outputs read the same block, which goes with the trees."""
    rng = np.random.default_rng(4)
    op = ForestSums.of(Forest(3, F64, F64, np.zeros(1), (balanced_tree(rng), balanced_tree(rng))))
    made, trees = laid_out(op), op.forest()
    part = laid_out(replace(op, begin=1, end=2))
    assert part == replace(made, begin=1, end=2) and part.block is made.block
    assert op.forest() is trees and np.shares_memory(trees.trees[1].threshold, op.block["threshold"])
    assert (made.form, laid_out(replace(op, share=0.001)).form) == ("mask", "walk")
    kept = weakref.ref(made.block)
    del made, part, op, trees
    gc.collect()
    assert kept() is None


def test_trees_with_equal_splits_share_operations() -> None:
    """Consecutive trees with equal splits share operations, whatever their leaf values; each adds its own values."""
    rng = np.random.default_rng(3)
    edges = [np.sort(rng.normal(size=50)) for _ in range(4)]
    one, other = (random_tree(rng, 20, edges, True, 1, 0) for _ in range(2))
    twin = replace(one, values=rng.normal(size=one.values.shape))
    columns = [around(rng, e, ROWS) for e in edges]
    lengths = []
    for trees in ((one, twin, one, other), (one, other)):
        forest = Forest(4, F64, F64, np.zeros(1), trees)
        op = TreeEnsemble.of(forest)
        assert op.form == "mask"
        lengths.append(op.block.length("operations"))
        for got in (op.evaluate_all(*columns), Scored(op).run(columns)):
            assert got[0].tobytes() == forest.evaluate(columns)[0].tobytes()
    assert lengths[0] == lengths[1]


def test_no_splits() -> None:
    """Trees of one leaf add their values to every row; an ensemble may have no trees."""
    none = np.array([-1], np.int32)
    leaf = Tree(np.zeros(1, np.int32), np.zeros(1), np.zeros(1, bool), none, none, np.array([[0.1]]))
    forest = Forest(3, F64, F64, np.array([0.2]), (leaf, leaf)).of_used()
    assert forest.features == 1
    for trees, wanted in ((forest.trees, 0.2 + 0.1 + 0.1), ((), 0.2)):
        op = ForestSums.of(replace(forest, trees=trees))
        for got in (*op.evaluate_all(np.full(70, np.nan)), *Scored(laid_out(op)).run([np.full(70, np.nan)])):
            assert (got == wanted).all()


def symmetric_tree(rng: np.random.Generator, levels: list[tuple[int, float, bool]], outputs: int) -> Tree:
    """Returns a tree whose levels have one split each: a feature, a threshold, and whether NaN hits."""
    inner = [split for depth, split in enumerate(levels) for _ in range(1 << depth)]
    count, leaves = len(inner), 1 << len(levels)
    feature, threshold, nan = (list(part) + [0] * leaves for part in zip(*inner, strict=True))
    hit = np.concatenate([2 * np.arange(count) + 1, np.full(leaves, -1)]).astype(np.int32)
    values = rng.normal(size=(count + leaves, outputs))
    missed = np.where(hit < 0, -1, hit + 1).astype(np.int32)
    return Tree(np.array(feature, np.int32), np.array(threshold, np.float32), np.array(nan, bool), hit, missed, values)


def test_symmetric_trees_cost_no_operation() -> None:
    """A level's outcome is a digit of the leaf's number; also with a test that occurs twice, and hundreds of features."""
    rng = np.random.default_rng(6)
    edges = [np.unique(rng.normal(size=5).astype(np.float32)) for _ in range(600)]

    def drawn(depth: int) -> list[tuple[int, float, bool]]:
        features = rng.integers(0, 600, depth).tolist()
        return [(feature, float(rng.choice(edges[feature])), bool(rng.random() < 0.3)) for feature in features]

    levels = [drawn(depth) for depth in (1, 2, 6, 8, 6, 3)]
    levels.append([*levels[2][:2], levels[2][0]])
    trees = [symmetric_tree(rng, one, 2) for one in levels]
    columns = [around(rng, e, ROWS) for e in edges]
    used = Forest(600, F32, F64, rng.normal(size=2), tuple(trees))
    op = TreeEnsemble.of(used)
    assert (op.form, op.block.length("operations")) == ("mask", 0)
    almost = replace(trees[2], threshold=np.where(np.arange(127) == 62, np.float32(0.5), trees[2].threshold))
    other = TreeEnsemble.of(Forest(600, F32, F64, used.start, (*trees, almost)).of_used())
    assert other.block.length("operations") > 0
    for got in (op.evaluate_all(*columns), Scored(op).run(columns), Scored(op).run(columns, 64), in_parts(op, used, columns)):
        assert [s.tobytes() for s in got] == [s.tobytes() for s in used.evaluate(columns)]
    mixed = Forest(600, F32, F64, used.start, (*trees, almost))
    for got in (masked(mixed).evaluate_all(*columns), Scored(masked(mixed)).run(columns)):
        assert [s.tobytes() for s in got] == [s.tobytes() for s in mixed.evaluate(columns)]
