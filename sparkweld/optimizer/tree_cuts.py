"""Cuts the trees of a forest short, so that its sums bound the forest's: few leaves, each with the extreme term below it.

Rows descend deep trees one by one. The first splits of all trees are evaluated for all rows of a block in a small fraction of
that time.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np

from sparkweld.ir.ops import ForestSums
from sparkweld.ir.trees import Forest, Tree
from sparkweld.ir.types import F32, F64, Type
from sparkweld.optimizer.model_ranges import REMEMBERED, ROWS

#: Number of sums of a cut forest, one for each group of consecutive trees.
GROUPS = 8
#: Numbers of leaves of a cut tree, and maximum bytes of its leaves, which should fit the registers that leaves are looked up in.
_LEAVES, _LEAF_BYTES = (8, 16, 32, 64, 128), 512
#: Maximum bytes of an ensemble whose trees are cut.
_MOST_BYTES = 192 << 20


class _Forests:
    """The forests of cut trees of an op's output, by side and number of leaves; built on first use."""

    def __init__(self, op: ForestSums, leaves: Sequence[int]) -> None:
        self.op, self.leaves, self.whole = op, leaves, op.forest()

    @cached_property
    def samples(self) -> list[np.ndarray]:
        """The synthetic rows that represent all."""
        return self.whole.samples(ROWS)

    @cached_property
    def low(self) -> list[Forest]:
        """Forests whose sums are at most the groups' sums."""
        return self._made(high=False)

    @cached_property
    def high(self) -> list[Forest]:
        """Forests whose sums are at least the groups' sums."""
        return self._made(high=True)

    def _made(self, *, high: bool) -> list[Forest]:
        whole, sums = self.whole, _sums(self.op)
        ends = [group_end(whole, group) for group in range(GROUPS)]
        trees: list[list[Tree]] = [[] for _ in self.leaves]
        for number, tree in enumerate(whole.trees):
            at = self.op.output - tree.first
            if 0 <= at < tree.values.shape[1]:
                cut = _Cutting(tree, tree.values[:, at].astype(np.float64), 1 if high else -1)
                group = sum(end <= number for end in ends)
                for found, leaves in zip(trees, self.leaves, strict=True):
                    short = cut.tree(leaves)
                    found.append(replace(short, first=group, values=_rounded(short.values, sums.dtype, high)))
        return [Forest(whole.features, whole.width, sums, np.zeros(GROUPS, sums.dtype), tuple(found)) for found in trees]


@dataclass(frozen=True, eq=False)
class Cut:
    """A cut of an ensemble's output: sums, one a group of trees, that are at least the groups' sums (`high`), or at most."""

    forests: _Forests
    number: int
    high: bool

    @property
    def sums(self) -> Type:
        """Type of the sums."""
        return _sums(self.forests.op)

    @property
    def forest(self) -> Forest:
        """The forest that computes the sums."""
        return (self.forests.high if self.high else self.forests.low)[self.number]

    @cached_property
    def typical(self) -> np.ndarray:
        """The sums [GROUPS, rows] in the synthetic rows that represent all (see `model_ranges.ForestRange`)."""
        return np.array(self.forest.evaluate(self.forests.samples))

    @cached_property
    def op(self) -> tuple[ForestSums, tuple[int, ...]]:
        """(the op, the ensemble's arguments that it takes)."""
        return ForestSums.of(self.forest.of_used()), self.forest.used or (0,)


def cuts_of(op: ForestSums) -> list[tuple[Cut, Cut]]:
    """Returns pairs of cuts of the op's output, from below and from above, fewest leaves first; none for small trees."""
    if op.block.size > _MOST_BYTES:
        return []
    return _known(op) if op.block.size <= REMEMBERED else _pairs(op)


@lru_cache(8)
def _known(op: ForestSums) -> list[tuple[Cut, Cut]]:
    return _pairs(op)


def _pairs(op: ForestSums) -> list[tuple[Cut, Cut]]:
    leaves = sum(map(len, op.forest().leaf_terms(op.output))) / op.trees
    chosen = [n for n in _LEAVES if 2 * n <= leaves and n * _sums(op).width <= _LEAF_BYTES][-2:]
    forests = _Forests(op, chosen)
    return [(Cut(forests, number, high=False), Cut(forests, number, high=True)) for number in range(len(chosen))]


def group_end(forest: Forest, group: int) -> int:
    """Returns the tree at which a group ends."""
    return forest.cut(len(forest.trees) * (group + 1) // GROUPS)


def _sums(op: ForestSums) -> Type:
    return F32 if op.width == F32 else F64


def _rounded(values: np.ndarray, dtype: np.dtype, high: bool) -> np.ndarray:
    """Rounds to this type, outwards."""
    found = values.astype(dtype)
    wrong = found < values if high else found > values
    return np.where(wrong, np.nextafter(found, dtype.type(np.inf if high else -np.inf)), found)


class _Cutting:
    """A tree to be cut short.

    `terms`: those of its leaves. A cut leaf holds the largest term below it, or with `sign` -1 the smallest.
    """

    def __init__(self, tree: Tree, terms: np.ndarray, sign: int) -> None:
        self.tree_, self.sign, is_leaf = tree, sign, tree.is_leaf
        self.most = np.where(is_leaf, sign * terms, -np.inf)
        sums, counts = np.where(is_leaf, sign * terms, 0.0), is_leaf.astype(np.float64)
        levels = [np.zeros(1, np.int64)]
        while (inner := levels[-1][~is_leaf[levels[-1]]]).size:
            levels.append(np.concatenate([tree.hit[inner], tree.miss[inner]]).astype(np.int64))
        for level in reversed(levels):
            inner = level[~is_leaf[level]]
            hit, miss = tree.hit[inner], tree.miss[inner]
            self.most[inner] = np.maximum(self.most[hit], self.most[miss])
            sums[inner], counts[inner] = sums[hit] + sums[miss], counts[hit] + counts[miss]
        # the sum, over the leaves below a node, of their distance to the largest one
        self.gain = (self.most * counts - sums).tolist()

    def tree(self, leaves: int) -> Tree:
        """Returns the tree cut to at most `leaves` leaves. Repeatedly splits the node with the largest gain."""
        tree, split = self.tree_, np.zeros(len(self.most), bool)
        waiting, found = [(-self.gain[0], 0)], 1
        while waiting and found < leaves:
            _, node = heapq.heappop(waiting)
            if tree.hit[node] >= 0:
                split[node], found = True, found + 1
                for child in (int(tree.hit[node]), int(tree.miss[node])):
                    heapq.heappush(waiting, (-self.gain[child], child))
        return _without(tree, split, self.sign * self.most)


def _without(tree: Tree, split: np.ndarray, values: np.ndarray) -> Tree:
    """Returns the tree with only these splits; its leaves hold the values of their nodes."""
    nodes = np.flatnonzero(split)
    kept = np.unique(np.concatenate([np.zeros(1, np.int64), nodes, tree.hit[nodes], tree.miss[nodes]]))
    number = np.full(len(split), -1, np.int32)
    number[kept] = np.arange(len(kept), dtype=np.int32)
    hit, miss = (np.where(split[kept], number[child[kept]], -1).astype(np.int32) for child in (tree.hit, tree.miss))
    feature = np.where(split[kept], tree.feature[kept], 0).astype(np.int32)
    sets = {int(number[node]): found for node, found in tree.sets.items() if split[node]}
    return Tree(feature, tree.threshold[kept], tree.nan_hits[kept] & split[kept], hit, miss, values[kept].reshape(-1, 1), 0, sets)
