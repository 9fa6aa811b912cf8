"""Lays out tree ensembles in the cheaper form, and evaluates the arrays: the interface of the layouts to `ops.trees`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from sparkweld.ir.blocks import ConstantBlock
from sparkweld.ir.layouts.tree_masks import ALL, AS_BEFORE, FREE, PLANES, MaskHead, MaskTree, mask_arrays, mask_bytes
from sparkweld.ir.layouts.tree_walks import WAYS, WalkHead, WalkTree, rows_of_call, walk_arrays
from sparkweld.ir.layouts.trees import BLOCK, CHILD_BIT, OFFSET_BIT, PIECE, WALKERS, ascending
from sparkweld.ir.trees import Forest, TooLarge

#: The forms: `sets` is a walk with splits by sets of ranks.
FORMS = ("mask", "walk", "sets")
#: Maximum scratch bytes of a mask kernel, which should fit in the second-level cache.
_WORK_BYTES = 192 * 1024
#: The same without operations, as of symmetric trees: ranks are then read once, in order.
_WORK_BYTES_OF_TESTS = 1 << 21
#: Nanoseconds a row, from tests/bench/bench_tree_forms.py: for a split of the mask form; for a level and a tree of a walk.
SPLIT_NS, LEVEL_NS, TREE_NS = 0.01, 0.25, 2.2
#: A walk of a single row in a block costs as much as this many rows.
_LEAST_ROWS = 64

#: For each tree: its first output, the start of each output's values, the rows' leaf numbers, the stride between leaves' values.
Leaves = list[tuple[int, np.ndarray, np.ndarray, int]]


@dataclass(frozen=True, slots=True)
class TreeBlock:
    """An ensemble's arrays in one form. `slots`: sets of rows that the programs of masks, and of a walk's first levels, use."""

    form: str
    slots: int
    block: ConstantBlock

    @staticmethod
    def of(forest: Forest, share: float) -> TreeBlock:
        """Lays out an ensemble in the form that costs less when this share of the rows is scored. Raises TooLarge."""
        arrays = _cheap_masks(forest, share)
        if arrays is None:
            return TreeBlock.walking(forest)
        return TreeBlock("mask", int(arrays["head"][0][MaskHead.SLOTS]), ConstantBlock.joined(arrays))

    @staticmethod
    def walking(forest: Forest) -> TreeBlock:
        """Lays out an ensemble in walk form. Raises TooLarge."""
        arrays = walk_arrays(forest)
        form = "sets" if len(arrays["set_starts"][0]) > 1 else "walk"
        return TreeBlock(form, int(arrays["head"][0][WalkHead.SLOTS]), ConstantBlock.joined(arrays))

    @property
    def columns(self) -> int:
        """Number of columns of ranks, without shifted copies."""
        return self.block.length("columns") // 4

    @property
    def rows(self) -> int:
        """Maximum rows that a kernel scores at a time."""
        return PIECE if self.form == "mask" else rows_of_call(self.columns, self.block.length("nodes"))

    @property
    def trees(self) -> int:
        """Number of trees of the whole ensemble."""
        return self.block.length("trees") // self._words

    @property
    def _words(self) -> int:
        """Number of words of a tree."""
        return len(MaskTree if self.form == "mask" else WalkTree)

    def leaves(self, args: Sequence[np.ndarray]) -> Leaves:
        """Returns the leaves that rows reach, for the columns of features."""
        ranks = self._ranks(args)
        return self._mask_leaves(ranks) if self.form == "mask" else self._walk_leaves(ranks)

    def _ranks(self, args: Sequence[np.ndarray]) -> np.ndarray:
        """Returns [columns with their shifted copies, rows]: the number of edges below each value, the dtype's maximum for NaN.
        """
        dtype = np.uint8 if self.form == "mask" else np.uint16
        columns, edges = self.block["columns"].reshape(-1, 4), self.block["edges"]
        ranks = np.empty((max(len(columns), columns[:, 3].max(initial=0) + 1), len(args[0])), dtype)
        for at, (feature, bits, begin, twin) in enumerate(columns):
            x = args[feature]
            found = np.searchsorted(ascending(edges, bits, begin), x)
            ranks[at] = np.where(np.isnan(x), np.iinfo(dtype).max, found)
            if twin:
                ranks[twin] = ranks[at] + dtype(1)
        return ranks

    def _numbers(self, ranks: np.ndarray) -> Iterator[np.ndarray]:
        """Yields, for each tree, the number that its program computes for each row."""
        tests, operations = self.block["tests"].reshape(-1, 2), self.block["operations"].reshape(-1, 4).tolist()
        trees, planes = self.block["trees"].reshape(-1, self._words)[:, :2].tolist(), self.block["planes"].reshape(-1, PLANES)
        sets = np.zeros((self.slots, ranks.shape[1]), bool)
        sets[ALL] = True
        number = np.zeros(ranks.shape[1], np.int64)
        begin, first, done = 0, 0, 0
        for last, ended in self.block["groups"].reshape(-1, 2).tolist():
            for slot, (column, key) in enumerate(tests[first:last], FREE):
                sets[slot] = ranks[column] <= key
            for tree in range(done, ended):
                end, digits = trees[tree]
                for to, condition, hit, miss in operations[begin:end]:
                    sets[to] = sets[hit] & sets[condition] | sets[miss] & ~sets[condition]  # far faster than np.where
                if digits != AS_BEFORE:
                    number = (1 << np.arange(PLANES)) @ sets[planes[tree]]
                yield number
                begin = end
            first, done = last, ended

    def _mask_leaves(self, ranks: np.ndarray) -> Leaves:
        trees = zip(self.block["trees"].reshape(-1, self._words).tolist(), self._numbers(ranks), strict=True)
        return [
            (output, values + np.arange(width) * leaves, leaf, 1) for (_, _, values, output, width, leaves), leaf in trees
        ]

    def _walk_leaves(self, ranks: np.ndarray) -> Leaves:
        nodes, numbers, entries = self.block["nodes"], self.block["leaves"], self.block["entries"].reshape(-1, WAYS)
        rows = np.arange(ranks.shape[1])
        trees = self.block["trees"].reshape(-1, self._words).tolist()
        programs = self._numbers(ranks)
        found = []
        for tree, (*_, root, depth, below, first, width, values) in enumerate(trees):
            at = entries[tree][next(programs)].astype(np.int64) if len(entries) else np.full(len(rows), root)
            for _ in range(below if len(entries) else depth):
                node = nodes[at].view(np.int64)
                key, offset = node & 0xFFFF, node >> OFFSET_BIT & 0xFFFF
                rank = ranks[offset // (2 * WALKERS), rows].astype(np.int64)
                hit = rank <= key
                if self.form == "sets":
                    hit = np.where(offset & 1, self._members(np.where(offset & 1, key, 0), rank), hit)
                at = (nodes[at] >> np.uint64(CHILD_BIT)).astype(np.int64) + ~hit
            found.append((first, values + np.arange(width), numbers[at].astype(np.int64), width))
        return found

    def _members(self, number: np.ndarray, rank: np.ndarray) -> np.ndarray:
        start = self.block["set_starts"][number]
        members = self.block["members"]
        largest = members[start[:, None] + np.arange(-4, 0)].copy().view(np.int32)[:, 0]
        return members[start + np.minimum(rank, largest)] != 0  # type: ignore[no-any-return]


def _cheap_masks(forest: Forest, share: float) -> dict[str, list[np.ndarray]] | None:
    """Returns the arrays of the mask form, or None where they do not fit or a walk costs less.

    In the mask form, one row of a block costs as much as a whole chunk.
    """
    splits = sum(len(t.feature) // 2 for t in forest.trees)
    levels = sum(t.depth for t in forest.trees)
    some = min(share * BLOCK, 1)
    masked, walked = (max(share, some * least / BLOCK) for least in (PIECE, _LEAST_ROWS))
    if masked * splits * SPLIT_NS > walked * (levels * LEVEL_NS + len(forest.trees) * TREE_NS):
        return None
    try:
        arrays = mask_arrays(forest)
    except TooLarge:
        return None
    slots, columns = (int(arrays["head"][0][at]) for at in (MaskHead.SLOTS, MaskHead.ALL_COLUMNS))
    most = _WORK_BYTES if arrays["operations"][0].size else _WORK_BYTES_OF_TESTS
    return arrays if mask_bytes(columns, slots, forest.outputs) <= most else None
