"""The arrays of a tree ensemble's block back to trees, and trees to those that are left where more is known of the features.

It inverts `tree_layouts`: thresholds are edges of columns, and a leaf's number is the place of its values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from sparkweld.ir.blocks import ConstantBlock
from sparkweld.ir.ops.trees import TreeEnsemble
from sparkweld.ir.tree_layouts import CHILD_BIT, HIT_LEAF, JOIN, LAST, MISS_LEAF, OFFSET_BIT, WALKERS
from sparkweld.ir.trees import Forest, Interval, Tree


@dataclass(frozen=True)
class Span:
    """What is known of a feature: it lies in [low, high] (nowhere, when low is greater), or is NaN, unless `nan` is False."""

    low: float = -np.inf
    high: float = np.inf
    nan: bool = True


def forest_of(op: TreeEnsemble) -> Forest:
    """The ensemble that the op's block was made of, but for what no row can tell. The block's bytes have to be here."""
    trees = _of_masks(op.block) if op.form == "mask" else _of_walk(op.block)
    return Forest(op.arguments, op.width, op.sums, op.block["start"], tuple(trees))


def pruned(forest: Forest, spans: Mapping[int, Span]) -> Forest:
    """The forest without branches that no row reaches whose features are as `spans` says; the same object when there is none."""
    trees = tuple(_pruned(tree, spans) for tree in forest.trees)
    if all(a is b for a, b in zip(trees, forest.trees, strict=True)):
        return forest
    return replace(forest, trees=trees)


def _pruned(tree: Tree, spans: Mapping[int, Span]) -> Tree:
    """Splits whose rows all go one way are left out."""
    nodes = np.arange(len(tree.hit))
    onwards = np.where(_decided(tree, spans, hits=True), tree.hit, np.where(_decided(tree, spans, hits=False), tree.miss, nodes))
    while np.any((further := onwards[onwards]) != onwards):
        onwards = further
    if np.array_equal(onwards, nodes):
        return tree
    hit, miss = (np.where(tree.is_leaf, -1, onwards[child]) for child in (tree.hit, tree.miss))
    order, level = [], onwards[:1]
    while level.size:
        order.append(level)
        inner = level[~tree.is_leaf[level]]
        level = np.concatenate([hit[inner], miss[inner]])
    kept = np.concatenate(order)
    number = np.full(len(nodes) + 1, -1, np.int32)  # one more, for the -1 of leaves
    number[kept] = np.arange(len(kept), dtype=np.int32)
    sets = {int(number[node]): found for node, found in tree.sets.items() if number[node] >= 0}
    return Tree(tree.feature[kept], tree.threshold[kept], tree.nan_hits[kept], number[hit[kept]], number[miss[kept]],
                tree.values[kept], tree.first, sets)  # fmt: skip


def _decided(tree: Tree, spans: Mapping[int, Span], *, hits: bool) -> np.ndarray:
    """bool[n]: whether all rows that may come to the split are hits, or all misses."""
    found = np.zeros(len(tree.hit), bool)
    for feature in np.unique(tree.feature[~tree.is_leaf]):
        span = spans.get(int(feature), Span())
        here = ~tree.is_leaf & (tree.feature == feature)
        inside = span.high <= tree.threshold if hits else span.low > tree.threshold
        for node in np.flatnonzero(here)[np.isin(np.flatnonzero(here), list(tree.sets))]:
            inside[node] = _set_decides(tree.sets[int(node)], span, hits=hits)
        nan = ~np.bool_(span.nan) | (tree.nan_hits == hits)
        found |= here & nan & (inside | (span.low > span.high))
    return found


def _set_decides(intervals: tuple[Interval, ...], span: Span, *, hits: bool) -> bool:
    if hits:
        return any((low is None or span.low > low) and span.high <= high for low, high in intervals)
    return all((low is not None and span.high <= low) or span.low > high for low, high in intervals)


class _Grown:
    """A tree whose nodes are added one by one."""

    def __init__(self) -> None:
        self.features: list[int] = []
        self.intervals: list[tuple[tuple[Interval, ...], bool] | None] = []
        self.children: list[list[int]] = []
        self.leaf: list[int] = []

    def add(self, feature: int = 0, intervals: tuple[Interval, ...] = (), nan: bool = False, leaf: int = -1) -> int:
        self.features.append(feature)
        self.intervals.append((intervals, nan) if leaf < 0 else None)
        self.children.append([-1, -1])
        self.leaf.append(leaf)
        return len(self.leaf) - 1

    def tree(self, values: np.ndarray, first: int, dtype: np.dtype) -> Tree:
        """The tree, with the values of its leaves' numbers."""
        count, children = len(self.leaf), np.array(self.children, np.int32)
        threshold, nan_hits, sets = np.zeros(count, dtype), np.zeros(count, bool), {}
        for node, found in enumerate(self.intervals):
            if found is None:
                continue
            intervals, nan_hits[node] = found
            if len(intervals) == 1 and intervals[0][0] is None:
                threshold[node] = intervals[0][1]
            elif len(intervals) == 1 and intervals[0][1] == np.inf:  # its misses are what lies up to a threshold
                threshold[node], nan_hits[node] = intervals[0][0], not found[1]
                children[node] = children[node, ::-1]
            else:
                sets[node] = intervals
        hit, miss = children.T
        taken = values[np.maximum(np.array(self.leaf), 0)]
        return Tree(np.array(self.features, np.int32), threshold, nan_hits, hit.copy(), miss.copy(), taken, first, sets)


def _interval(table: np.ndarray, low: int, high: int) -> tuple[Interval, ...]:
    """The values that are no NaN with these ranks in a column."""
    if low > len(table) or (low > 0 and table[low - 1] == np.inf):
        return ()
    return ((None if low == 0 else table[low - 1], table[high] if high < len(table) else table.dtype.type(np.inf)),)


def _tables(block: ConstantBlock) -> list[tuple[int, np.ndarray]]:
    """(feature, edges and what fills the table) of each column."""
    rows = block["columns"].reshape(-1, 4).tolist()
    return [(feature, block["edges"][begin : begin + (1 << bits) - 1]) for feature, bits, begin, _ in rows]


def _of_masks(block: ConstantBlock) -> list[Tree]:
    tables, operations = _tables(block), block["operations"].reshape(-1, 6).tolist()
    trees: list[Tree] = []
    begin, grown = 0, _Grown()
    for end, at, first, width in block["trees"].reshape(-1, 4).tolist():
        if end > begin:  # else it is split as the one before
            grown = _grown_of(operations[begin:end], tables)
        leaves = max(grown.leaf) + 1
        trees.append(grown.tree(block["values"][at : at + leaves * width].reshape(leaves, width), first, block["edges"].dtype))
        begin = end
    return trees


def _grown_of(operations: list[list[int]], tables: list[tuple[int, np.ndarray]]) -> _Grown:
    grown = _Grown()
    waiting: dict[int, tuple[int, int]] = {}  # slot -> the node and the side whose rows it has
    union: tuple[Interval, ...] = ()
    union_nan = False
    for column, bounds, slot, hit, miss, kind in operations:
        feature, table = tables[column]
        low, high = bounds & 255, (bounds & 255) + (bounds >> 8)
        joins = kind == JOIN or bool(kind & LAST)
        intervals = (*(union if joins else ()), *_interval(table, low, high))
        nan = high >= 255 or (joins and union_nan)
        if kind & ~(LAST | HIT_LEAF | MISS_LEAF):
            union, union_nan = intervals, nan
            continue
        node = grown.add(feature, intervals, nan)
        if node:
            parent, side = waiting.pop(slot)
            grown.children[parent][side] = node
        for side, (to, leaf) in enumerate(((hit, HIT_LEAF), (miss, MISS_LEAF))):
            if kind & leaf:
                grown.children[node][side] = grown.add(leaf=to)
            else:
                waiting[to] = (node, side)
    return grown


def _of_walk(block: ConstantBlock) -> list[Tree]:
    rows = block["columns"].reshape(-1, 4)
    plain = np.arange(max(len(rows), int(rows[:, 3].max(initial=0)) + 1))  # a column with NaN among its hits -> the one without
    plain[rows[rows[:, 3] > 0, 3]] = np.flatnonzero(rows[:, 3])
    trees = block["trees"].reshape(-1, 5)
    ends = [*trees[1:, 0].tolist(), block.length("nodes")]
    found = []
    for (root, _, first, width, at), end in zip(trees.tolist(), ends, strict=True):
        words, numbers = block["nodes"][root:end].view(np.int64), block["leaves"][root:end]
        child, offset = (words >> CHILD_BIT) - root, words >> OFFSET_BIT & 0xFFFF
        leaf = child == np.arange(len(words))
        is_set = (offset & 1).astype(bool) & ~leaf
        read = np.where(leaf, 0, offset // (2 * WALKERS))
        feature, bits, begin, _ = rows[plain[read]].astype(np.int64).T
        nan = (plain[read] != read) & ~is_set
        key = np.where(leaf | is_set, 0, (words & 0xFFFF) - nan)
        beyond = key >= (1 << bits) - 1
        threshold = np.where(beyond, np.inf, block["edges"][np.where(beyond, 0, begin + key)]).astype(block["edges"].dtype)
        sets = {}
        for node in np.flatnonzero(is_set).tolist():
            table = block["edges"][begin[node] : begin[node] + (1 << bits[node]) - 1]
            sets[node], nan[node] = _set(block, int(words[node] & 0xFFFF), table)
        hit, miss = (np.where(leaf, -1, child + side).astype(np.int32) for side in (0, 1))
        values = block["values"][at : at + (int(numbers.max(initial=0)) + 1) * width].reshape(-1, width)
        feature = np.where(leaf, 0, feature).astype(np.int32)
        found.append(Tree(feature, threshold, nan & ~leaf, hit, miss, values[numbers], first, sets))
    return found


def _set(block: ConstantBlock, number: int, table: np.ndarray) -> tuple[tuple[Interval, ...], bool]:
    """(the intervals, whether NaN is in it) of a set of ranks."""
    members, start = block["members"], int(block["set_starts"][number])
    largest = int(members[start - 4 : start].copy().view(np.int32)[0])
    edges = np.flatnonzero(np.diff(members[start : start + largest], prepend=0, append=0)).reshape(-1, 2)
    found = [interval for low, end in edges.tolist() for interval in _interval(table, low, end - 1)]
    return tuple(found), bool(members[start + largest])
