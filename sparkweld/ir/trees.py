"""Represents the fitted tree ensembles of all libraries as data, and as the constants of programs.

These are the arrays of a library's trees, which passes read. `sparkweld.ir.layouts` has the forms that kernels read.

Every library's split reduces to one form. A row moves to `hit` when its feature is in a set of intervals, each open below and
closed above. It also does so when the feature is NaN and `nan_hits` is set. Otherwise it moves to `miss`. ``x < t`` is ``x <=
t'`` with t' the next smaller value of the width in which the library compares. A category c of a library that truncates is the
interval [c, c + 1).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from sparkweld.ir.blocks import ConstantBlock
from sparkweld.ir.types import F32, F64, Type

#: (low, high): the values above low up to high; None as low means no bound, and includes -inf.
Interval = tuple[float | None, float]


class TooLarge(Exception):
    """The forest fits no form that kernels read."""


@dataclass(frozen=True, eq=False)
class Tree:
    """One tree of n nodes; node 0 is the root. A leaf has `hit` -1.

    - feature: int32[n]
    - threshold: [n] of the ensemble's width. The hits of a node are the values up to it, unless `sets` has intervals for that
      node (ascending, disjoint)
    - nan_hits: bool[n]
    - hit, miss: int32[n], children
    - values: [n, w], a leaf's terms of the sums from `first` on
    """

    feature: np.ndarray
    threshold: np.ndarray
    nan_hits: np.ndarray
    hit: np.ndarray
    miss: np.ndarray
    values: np.ndarray
    first: int = 0
    sets: dict[int, tuple[Interval, ...]] = field(default_factory=dict)

    @property
    def is_leaf(self) -> np.ndarray:
        """bool[n]: whether each node is a leaf."""
        return self.hit < 0

    def adds_to(self, output: int) -> bool:
        """Whether the tree has terms of this sum."""
        return 0 <= output - self.first < self.values.shape[1]

    def intervals(self, node: int) -> tuple[Interval, ...]:
        """Returns the intervals of a node's hits, NaN excluded."""
        found = self.sets.get(node)
        return ((None, self.threshold[node]),) if found is None else found

    def hits(self, node: int, x: np.ndarray) -> np.ndarray:
        """Returns, for each value, whether it goes to `hit`."""
        inside = np.isnan(x) & self.nan_hits[node]
        for low, high in self.intervals(node):
            inside |= (x <= high) if low is None else (x > low) & (x <= high)
        return inside

    def leaves(self, columns: np.ndarray) -> np.ndarray:
        """Returns the node number of the leaf that each row reaches, for the features [features, rows]."""
        found = np.zeros(columns.shape[1], np.int64)
        rows: np.ndarray = np.arange(len(found))
        at = found
        while rows.size:
            hit = self.hit[at]
            inner = hit >= 0
            if not inner.all():
                found[rows[~inner]] = at[~inner]
                rows, at, hit = rows[inner], at[inner], hit[inner]
            x = columns[self.feature[at], rows]
            inside = (x <= self.threshold[at]) | (np.isnan(x) & self.nan_hits[at])
            for node in self.sets.keys() & set(at.tolist()) if self.sets else ():
                here = at == node
                inside[here] = self.hits(node, x[here])
            at = np.where(inside, hit, self.miss[at])
        return found

    @cached_property
    def depth(self) -> int:
        """Number of splits on the longest path to a leaf."""
        return self.depth_below(np.zeros(1, np.int64))

    def depth_below(self, nodes: np.ndarray) -> int:
        """Returns the number of splits on the longest path from one of the nodes to a leaf."""
        depth = 0
        level = nodes[self.hit[nodes] >= 0]
        while level.size:
            children = np.concatenate([self.hit[level], self.miss[level]])
            level = children[self.hit[children] >= 0]
            depth += 1
        return depth


@dataclass(frozen=True, eq=False)
class Forest:
    """An ensemble. Output j of a row is start[j] plus each tree's term, added in the order of trees in the type `sums`.

    width: F32 or F64, of the features and thresholds. sums: F32 or F64. start: [outputs] of that type.
    """

    features: int
    width: Type
    sums: Type
    start: np.ndarray
    trees: tuple[Tree, ...]

    @property
    def outputs(self) -> int:
        """Number of sums."""
        return len(self.start)

    def evaluate(
        self, columns: Sequence[np.ndarray], begin: int = 0, end: int | None = None, sums: Sequence[np.ndarray] = ()
    ) -> list[np.ndarray]:
        """Returns the sums of each row, one array an output, by the plain walk that defines the results of kernels.

        With a range of trees, only these are added: to `sums`, or else to the start.
        """
        features = np.array(columns)
        found = [np.array(s) for s in sums] or [np.full(features.shape[1], s, self.sums.dtype) for s in self.start]
        for tree in self.trees[begin:end]:
            terms = tree.values[tree.leaves(features)].astype(self.sums.dtype, copy=False)
            for number in range(terms.shape[1]):
                found[tree.first + number] += terms[:, number]
        return found

    def terms(self, output: int, columns: Sequence[np.ndarray]) -> np.ndarray:
        """Returns [trees, rows]: the term that each tree adds to one of the sums."""
        features = np.array(columns)
        found = np.zeros((len(self.trees), features.shape[1]), self.sums.dtype)
        for number, tree in enumerate(self.trees):
            if tree.adds_to(output):
                found[number] = tree.values[:, output - tree.first][tree.leaves(features)]
        return found

    def leaf_terms(self, output: int) -> list[np.ndarray]:
        """Returns the terms, f64, of each tree's leaves in one of the sums; a single 0 for a tree that adds nothing to it."""
        return [
            tree.values[tree.is_leaf, output - tree.first].astype(self.sums.dtype).astype(np.float64)
            if tree.adds_to(output) else np.zeros(1)
            for tree in self.trees
        ]  # fmt: skip

    def samples(self, rows: int) -> list[np.ndarray]:
        """Returns the features of synthetic rows, the same for each call.

        Values are drawn uniformly from a feature's thresholds, 0, and one value beyond them.
        """
        random, found = np.random.default_rng(0), []
        for splits in self.thresholds:
            splits = np.unique(np.append(splits, splits.dtype.type(0)))
            splits = splits[np.isfinite(splits)]
            found.append(random.choice(np.append(splits, 2 * np.abs(splits[-1:]) + 1), rows).astype(splits.dtype))
        return found

    @cached_property
    def thresholds(self) -> tuple[np.ndarray, ...]:
        """The distinct thresholds of each feature, ascending, with the ends of intervals."""
        dtype = self.width.dtype
        found: list[list[np.ndarray]] = [[] for _ in range(self.features)]
        for tree in self.trees:
            plain = ~tree.is_leaf
            plain[list(tree.sets)] = False
            features, thresholds = tree.feature[plain], tree.threshold[plain]
            for feature in np.unique(features):
                found[feature].append(np.unique(thresholds[features == feature]))
            for node, intervals in tree.sets.items():
                ends = [end for pair in intervals for end in pair if end is not None]
                found[tree.feature[node]].append(np.array(ends, dtype))
        return tuple(np.unique(np.concatenate([*parts, np.empty(0, dtype)])).astype(dtype) for parts in found)

    def cut(self, tree: int) -> int:
        """Returns the last tree up to this one at which a range of trees may begin.

        A kernel may reuse the leaf numbers of the tree before, when both have the same splits. So no range begins there.
        """
        while 0 < tree < len(self.trees) and _compares_alike(self.trees[tree - 1], self.trees[tree]):
            tree -= 1
        return tree

    @cached_property
    def used(self) -> tuple[int, ...]:
        """The features that some split reads, ascending."""
        found = [np.unique(tree.feature[~tree.is_leaf]) for tree in self.trees]
        return tuple(int(f) for f in np.unique(np.concatenate([*found, np.empty(0, np.int32)])))

    def of_used(self) -> Forest:
        """Returns the same ensemble over its used features only, renumbered. One that uses none keeps its first."""
        used = self.used or (0,)
        number = np.zeros(self.features, np.int32)
        number[list(used)] = np.arange(len(used), dtype=np.int32)
        trees = tuple(
            Tree(np.where(t.is_leaf, 0, number[t.feature * ~t.is_leaf]).astype(np.int32), t.threshold, t.nan_hits, t.hit, t.miss,
                 t.values, t.first, t.sets)
            for t in self.trees
        )  # fmt: skip
        return Forest(len(used), self.width, self.sums, self.start, trees)

    def constant(self) -> ConstantBlock:
        """Returns the ensemble as the constant of an op, from which `of_constant` restores it.

        Its arrays are those of all trees, one tree after another; `values` has the type of the sums.

        - trees: int64[t, 3], a tree's number of nodes, its first output, and its values a node
        - set_nodes: int64[s, 2], the nodes with intervals, numbered over all trees, and the end of their intervals
        - intervals: [i, 2], their ends; NaN where the low one is None
        """
        nodes, intervals, begin = [], [], 0
        for tree in self.trees:
            for node, found in sorted(tree.sets.items()):
                intervals += [(np.nan if low is None else low, high) for low, high in found]
                nodes.append((begin + node, len(intervals)))
            begin += len(tree.hit)
        rows = [(len(tree.hit), tree.first, tree.values.shape[1]) for tree in self.trees]

        def whole(name: str, dtype: Any) -> list[np.ndarray]:
            return [np.empty(0, dtype), *(getattr(tree, name).astype(dtype, copy=False) for tree in self.trees)]

        return ConstantBlock.joined({
            "start": [self.start.astype(self.sums.dtype)],
            "trees": [np.array(rows, np.int64)],
            **{name: whole(name, np.int32) for name in ("feature", "hit", "miss")},
            "threshold": whole("threshold", self.width.dtype),
            "nan_hits": whole("nan_hits", np.uint8),
            "values": whole("values", self.sums.dtype),
            "set_nodes": [np.array(nodes, np.int64)],
            "intervals": [np.array(intervals, self.width.dtype)],
        })  # fmt: skip

    @staticmethod
    def of_constant(features: int, block: ConstantBlock) -> Forest:
        """Returns the ensemble of a constant, whose arrays it shares. The block must hold its bytes."""
        width, sums = (F32 if block.part(name).kind == "f32" else F64 for name in ("threshold", "start"))
        sets, ends = block["set_nodes"].reshape(-1, 2), block["intervals"].reshape(-1, 2)
        arrays = [block[name] for name in ("feature", "threshold", "nan_hits", "hit", "miss")]
        trees, begin, value, done, first = [], 0, 0, 0, 0
        for size, output, count in block["trees"].reshape(-1, 3).tolist():
            found: dict[int, tuple[Interval, ...]] = {}
            while done < len(sets) and sets[done, 0] < begin + size:
                last = int(sets[done, 1])
                found[int(sets[done, 0]) - begin] = tuple((None if low != low else low, high) for low, high in ends[first:last])
                done, first = done + 1, last
            feature, threshold, nan_hits, hit, miss = (array[begin : begin + size] for array in arrays)
            values = block["values"][value : value + size * count].reshape(size, count)
            trees.append(Tree(feature, threshold, nan_hits.view(np.bool_), hit, miss, values, output, found))
            begin, value = begin + size, value + size * count
        return Forest(features, width, sums, block["start"], tuple(trees))


def _compares_alike(a: Tree, b: Tree) -> bool:
    """Whether the nodes of two trees compare the same features with the same thresholds."""
    pairs = ((a.feature, b.feature), (a.threshold, b.threshold), (a.nan_hits, b.nan_hits))
    return all(np.array_equal(x, y) for x, y in pairs)
