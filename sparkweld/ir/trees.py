"""Represents the fitted tree ensembles of all libraries as data, before they are laid out for a kernel.

Every library's split reduces to one form. A row moves to `hit` when its feature is in a set of intervals, each open below and
closed above. It also does so when the feature is NaN and `nan_hits` is set. Otherwise it moves to `miss`. ``x < t`` is ``x <=
t'`` with t' the next smaller value of the width in which the library compares. A category c of a library that truncates is the
interval [c, c + 1).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from sparkweld.ir.types import Type

#: (low, high): the values above low up to high; None as low means no bound, and includes -inf.
Interval = tuple[float | None, float]


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

    def leaves(self, columns: list[np.ndarray]) -> np.ndarray:
        """Returns the node number of the leaf that each row reaches."""
        at = np.zeros(len(columns[0]), np.int64)
        waiting = [(0, np.arange(len(at)))]
        while waiting:
            node, rows = waiting.pop()
            if self.hit[node] < 0:
                at[rows] = node
            elif rows.size:
                inside = self.hits(node, columns[self.feature[node]][rows])
                waiting += [(int(self.hit[node]), rows[inside]), (int(self.miss[node]), rows[~inside])]
        return at

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

    def evaluate(self, columns: list[np.ndarray]) -> list[np.ndarray]:
        """Returns the sums of each row, one array an output, by the plain walk that defines the results of kernels."""
        rows = len(columns[0])
        sums = [np.full(rows, start, self.sums.dtype) for start in self.start]
        for tree in self.trees:
            terms = tree.values.astype(self.sums.dtype)[tree.leaves(columns)]
            for number in range(terms.shape[1]):
                sums[tree.first + number] += terms[:, number]
        return sums

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
