"""Defines the op of tree ensembles: gradient boosting, random forests, single trees."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from sparkweld.ir.blocks import ConstantBlock
from sparkweld.ir.layouts.tree_masks import ALL, AS_BEFORE, FREE, PLANES, MaskHead, mask_arrays, mask_bytes
from sparkweld.ir.layouts.tree_walks import WAYS, WalkHead, rows_of_call, walk_arrays
from sparkweld.ir.layouts.trees import BLOCK, CHILD_BIT, OFFSET_BIT, PIECE, WALKERS, TooLarge, ascending
from sparkweld.ir.ops.models import ModelOp
from sparkweld.ir.trees import Forest, Tree
from sparkweld.ir.types import F32, F64, Type

#: Maximum scratch bytes of a mask kernel, which should fit in the second-level cache.
_WORK_BYTES = 192 * 1024
#: Nanoseconds a row, from tests/bench/bench_tree_forms.py: for a split of the mask form; for a level and a tree of a walk.
SPLIT_NS, LEVEL_NS, TREE_NS = 0.01, 0.25, 2.2
#: A walk of a single row in a block costs as much as this many rows.
_LEAST_ROWS = 64
#: Rows of a block in a program that computes an ensemble for some rows only, when the ensemble has more bytes than a core's
#: caches hold. Each block reads such an ensemble from memory, for however few rows.
_FAR_ROWS, _FAR_BYTES = 32768, 1 << 22


#: For each tree: its first output, the start of each output's values, the rows' leaf numbers, the stride between leaves' values.
Leaves = list[tuple[int, np.ndarray, np.ndarray, int]]


@dataclass(frozen=True, slots=True)
class TreeEnsemble(ModelOp):
    """Sums of the leaves' values, in the order of the trees, as `sparkweld.ir.trees.Forest` defines them.

    `form`: mask, walk, or sets (a walk with splits by sets of ranks). `arguments`: number of features, all f32 or all f64.
    `slots`: sets of rows that the programs of masks, and of a walk's first levels, use. Block: the arrays of that form; `start`
    has the type and the number of the results.

    With an `end` above 0, only the trees from `begin` up to it are evaluated. With a `begin` above 0, further arguments, one an
    output, are the sums so far. Consecutive ranges of trees add up to the bits of the whole ensemble, and all of them read one
    block.
    """

    form: str
    arguments: int
    slots: int
    block: ConstantBlock
    output: int = 0
    begin: int = 0
    end: int = 0
    name: ClassVar[str] = "tree_ensemble"

    @staticmethod
    def of(forest: Forest, share: float = 1.0) -> TreeEnsemble:
        """Builds the op in the form that costs less when this share of the rows is scored. Raises TooLarge.

        Its arguments are all of the forest's features.
        """
        arrays = _cheap_masks(forest, share)
        if arrays is not None:
            return TreeEnsemble("mask", forest.features, int(arrays["head"][MaskHead.SLOTS]), ConstantBlock.of(**arrays))
        return TreeEnsemble.walking(forest)

    @staticmethod
    def walking(forest: Forest) -> TreeEnsemble:
        """Builds the op in walk form. Raises TooLarge."""
        arrays = walk_arrays(forest)
        form = "sets" if len(arrays["set_starts"]) > 1 else "walk"
        return TreeEnsemble(form, forest.features, int(arrays["head"][WalkHead.SLOTS]), ConstantBlock.of(**arrays))

    @property
    def width(self) -> Type:
        """Type of the arguments."""
        return self._floats("edges")

    @property
    def sums(self) -> Type:
        """Type of the results."""
        return self._floats("start")

    @property
    def outputs(self) -> int:
        """Number of results."""
        return self.block.length("start")

    @property
    def columns(self) -> int:
        """Number of columns of ranks, without shifted copies."""
        return self.block.length("columns") // 4

    @property
    def rows(self) -> int:
        """Maximum rows that a kernel scores at a time."""
        return PIECE if self.form == "mask" else rows_of_call(self.columns, self.block.length("nodes"))

    def block_rows(self, *, some: bool) -> int:
        """Returns the rows of a block of a program that computes the op for some rows or for all.

        Exceeds `BLOCK` for large ensembles.
        """
        if not some and not self.is_part:
            return self.rows
        return _FAR_ROWS if self.block.size > _FAR_BYTES else BLOCK

    @property
    def trees(self) -> int:
        """Number of trees of the whole ensemble."""
        return self.block.length("trees") // self._tree_words

    @property
    def is_part(self) -> bool:
        """Whether the op evaluates only some of the trees."""
        return (self.begin, self.end) != (0, 0)

    def cut(self, tree: int) -> int:
        """Returns the last tree up to this one at which a range of trees may begin.

        A tree that reuses the splits of the one before has no program, so no range begins there.
        """
        digits = self.block["trees"].reshape(-1, self._tree_words)[:, 1]
        while 0 < tree < len(digits) and digits[tree] == AS_BEFORE:
            tree -= 1
        return tree

    def leaves(self, output: int) -> list[np.ndarray]:
        """Returns the terms, f64, of each tree's leaves in one of the sums; a single 0 for a tree that adds nothing to it."""
        rows, values = self.block["trees"].reshape(-1, self._tree_words).tolist(), self.block["values"].astype(np.float64)
        found = []
        for number, row in enumerate(rows):
            if self.form == "mask":
                _, _, begin, first, width, count = row
                terms = values[begin : begin + width * count].reshape(width, count)
            else:
                *_, first, width, begin = row
                end = rows[number + 1][-1] if number + 1 < len(rows) else len(values)
                terms = values[begin:end].reshape(-1, width).T
            found.append(terms[output - first] if 0 <= output - first < width else np.zeros(1))
        return found

    def terms(self, output: int, *args: np.ndarray) -> np.ndarray:
        """Returns [trees, rows]: the term that each tree adds to one of the sums."""
        leaves = self._mask_leaves if self.form == "mask" else self._walk_leaves
        values = self.block["values"]
        return np.array([
            values[begins[output - first] + leaf * stride] if 0 <= output - first < len(begins) else np.zeros(len(leaf))
            for first, begins, leaf, stride in leaves(self._ranks(args))
        ])  # fmt: skip

    def samples(self, rows: int) -> list[np.ndarray]:
        """Returns the arguments of synthetic rows, the same for each call.

        Values are drawn uniformly from a feature's thresholds and one value beyond them.
        """
        columns, edges = self.block["columns"].reshape(-1, 4).tolist(), self.block["edges"]
        random, found = np.random.default_rng(0), []
        for feature in range(self.arguments):
            tables = [ascending(edges, bits, begin) for at, bits, begin, _ in columns if at == feature]
            splits = np.unique(np.concatenate([*tables, np.zeros(1, edges.dtype)]))
            splits = splits[np.isfinite(splits)]
            found.append(random.choice(np.append(splits, 2 * np.abs(splits[-1:]) + 1), rows).astype(edges.dtype))
        return found

    @property
    def _tree_words(self) -> int:
        return 6 if self.form == "mask" else 8

    def results(self, *args: Type) -> tuple[Type, ...]:
        self._wants(self.form in ("mask", "walk", "sets"), "a known form", args)
        sums = (self.sums,) * self.outputs
        wanted = (self.width,) * self.arguments + (sums if self.begin else ())
        self._wants(args == wanted, f"{self.arguments} {self.width}{', and sums' if self.begin else ''}", args)
        self._wants(not self.is_part or 0 <= self.begin < self.end <= self.trees, f"a part of {self.trees} trees", args)
        return sums

    def evaluate_all(self, *args: np.ndarray) -> list[np.ndarray]:
        leaves = self._mask_leaves if self.form == "mask" else self._walk_leaves
        sums = [np.full(len(args[0]), start, self.sums.dtype) for start in self.block["start"]]
        if self.begin:
            sums = [np.array(start) for start in args[self.arguments :]]
        values = self.block["values"]
        for first, begins, leaf, stride in leaves(self._ranks(args))[self.begin : self.end or None]:
            for number, begin in enumerate(begins):
                sums[first + number] += values[begin + leaf * stride]
        return sums

    def _ranks(self, args: tuple[np.ndarray, ...]) -> np.ndarray:
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

    def _numbers(self, ranks: np.ndarray, width: int) -> Iterator[np.ndarray]:
        """Yields, for each tree, the number that its program computes for each row. `width`: words a tree in the block."""
        tests, operations = self.block["tests"].reshape(-1, 2), self.block["operations"].reshape(-1, 4).tolist()
        trees, planes = self.block["trees"].reshape(-1, width)[:, :2].tolist(), self.block["planes"].reshape(-1, PLANES)
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
                    sets[to] = np.where(sets[condition], sets[hit], sets[miss])
                if digits != AS_BEFORE:
                    number = (1 << np.arange(PLANES)) @ sets[planes[tree]]
                yield number
                begin = end
            first, done = last, ended

    def _mask_leaves(self, ranks: np.ndarray) -> Leaves:
        trees = zip(self.block["trees"].reshape(-1, 6).tolist(), self._numbers(ranks, 6), strict=True)
        return [
            (output, values + np.arange(width) * leaves, leaf, 1) for (_, _, values, output, width, leaves), leaf in trees
        ]

    def _walk_leaves(self, ranks: np.ndarray) -> Leaves:
        nodes, numbers, entries = self.block["nodes"], self.block["leaves"], self.block["entries"].reshape(-1, WAYS)
        rows = np.arange(ranks.shape[1])
        programs = self._numbers(ranks, 8)
        found = []
        for tree, (*_, root, depth, below, first, width, values) in enumerate(self.block["trees"].reshape(-1, 8).tolist()):
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


def _cheap_masks(forest: Forest, share: float) -> dict[str, np.ndarray] | None:
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
    slots, columns = int(arrays["head"][MaskHead.SLOTS]), int(arrays["head"][MaskHead.ALL_COLUMNS])
    return arrays if mask_bytes(columns, slots, forest.outputs) <= _WORK_BYTES else None


def _example(form: str, width: Type, *, sets: bool = False, outputs: int = 1) -> tuple[TreeEnsemble, tuple[Type, ...]]:
    """Builds an ensemble of two distinct small trees over three features."""
    dtype = width.dtype
    hit, miss = np.array([1, 3, -1, -1, -1], np.int32), np.array([2, 4, -1, -1, -1], np.int32)
    values = np.arange(5.0 * outputs).reshape(5, outputs) / 3
    one = Tree(
        np.array([0, 1, 0, 0, 0], np.int32), np.array([0.5, -0.0, 0, 0, 0], dtype), np.array([1, 0, 0, 0, 0], bool), hit, miss,
        values, sets={1: ((None, dtype.type(-3)), (dtype.type(0.5), dtype.type(2)), (dtype.type(3), np.inf))} if sets else {},
    )  # fmt: skip
    leaf = np.array([-1], np.int32)
    other = Tree(np.zeros(1, np.int32), np.zeros(1, dtype), np.zeros(1, bool), leaf, leaf, values[:1] + 1)
    forest = Forest(3, width, width, np.full(outputs, 0.25, dtype), (one, other, one))
    op = TreeEnsemble.of(forest) if form == "mask" else TreeEnsemble.walking(forest)
    return op, (width,) * 3


def _part(whole: tuple[TreeEnsemble, tuple[Type, ...]], begin: int, end: int) -> tuple[TreeEnsemble, tuple[Type, ...]]:
    op, args = whole
    return replace(op, begin=begin, end=end), args + (op.sums,) * op.outputs * bool(begin)


TreeEnsemble.examples = (
    _example("mask", F64),
    _example("mask", F32, sets=True, outputs=2),
    _example("walk", F32, outputs=3),
    _example("walk", F64, sets=True),
    _part(_example("mask", F64), 0, 1),
    _part(_example("mask", F32, outputs=2), 1, 3),
    _part(_example("walk", F32, outputs=3), 1, 2),
    _part(_example("walk", F64, sets=True), 2, 3),
)
