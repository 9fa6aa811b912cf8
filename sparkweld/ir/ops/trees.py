"""Defines the op of tree ensembles as kernels compute them, and chooses its form for a `ForestSums`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar
from weakref import WeakKeyDictionary

import numpy as np

from sparkweld.ir.blocks import ConstantBlock
from sparkweld.ir.layouts.tree_blocks import BLOCK, FORMS, TreeBlock
from sparkweld.ir.layouts.tree_walks import surely_fits
from sparkweld.ir.ops.base import Op
from sparkweld.ir.ops.forests import ForestSums, TreeSums
from sparkweld.ir.trees import Forest, Tree
from sparkweld.ir.types import F32, F64, Type

#: Rows of a block in a program that computes an ensemble for some rows only, when the ensemble has more bytes than a core's
#: caches hold. Each block reads such an ensemble from memory, for however few rows.
_FAR_ROWS, _FAR_BYTES = 32768, 1 << 22


@dataclass(frozen=True, slots=True)
class TreeEnsemble(TreeSums):
    """Sums of the leaves' values, in the order of the trees, as `sparkweld.ir.trees.Forest` defines them.

    `form`: mask, walk, or sets (a walk with splits by sets of ranks). `arguments`: number of features, all f32 or all f64.
    `slots`: sets of rows that the programs of masks, and of a walk's first levels, use. `by_row`: a walk scores each row on its
    own. Block: the arrays of that form.
    """

    form: str
    arguments: int
    slots: int
    block: ConstantBlock
    output: int = 0
    begin: int = 0
    end: int = 0
    by_row: bool = False
    name: ClassVar[str] = "tree_ensemble"

    @staticmethod
    def of(forest: Forest, share: float = 1.0) -> TreeEnsemble:
        """Builds the op in the form that costs less when this share of the rows is scored. Raises TooLarge.

        Its arguments are all of the forest's features.
        """
        return TreeEnsemble._of_block(forest, TreeBlock.of(forest, share))

    @staticmethod
    def walking(forest: Forest) -> TreeEnsemble:
        """Builds the op in walk form. Raises TooLarge."""
        return TreeEnsemble._of_block(forest, TreeBlock.walking(forest))

    @staticmethod
    def _of_block(forest: Forest, made: TreeBlock) -> TreeEnsemble:
        return TreeEnsemble(made.form, forest.features, made.slots, made.block)

    @property
    def _laid_out(self) -> TreeBlock:
        return TreeBlock(self.form, self.slots, self.block)

    @property
    def width(self) -> Type:
        """Type of the arguments."""
        return self._floats("edges")

    @property
    def columns(self) -> int:
        """Number of columns of ranks, without shifted copies."""
        return self._laid_out.columns

    @property
    def rows(self) -> int:
        """Maximum rows that a kernel scores at a time."""
        return self._laid_out.rows

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
        return self._laid_out.trees

    def results(self, *args: Type) -> tuple[Type, ...]:
        self._wants(self.form in FORMS, "a known form", args)
        return TreeSums.results(self, *args)

    def evaluate_all(self, *args: np.ndarray) -> list[np.ndarray]:
        sums = [np.full(len(args[0]), start, self.sums.dtype) for start in self.block["start"]]
        if self.begin:
            sums = [np.array(start) for start in args[self.arguments :]]
        values = self.block["values"]
        for first, begins, leaf, stride in self._laid_out.leaves(args)[self.begin : self.end or None]:
            for number, begin in enumerate(begins):
                sums[first + number] += values[begin + leaf * stride]
        return sums


#: Block of a `ForestSums` -> its share and the op that computes it. Requests about one function lay its ensembles out once.
_LAID_OUT: WeakKeyDictionary[ConstantBlock, tuple[float, TreeEnsemble]] = WeakKeyDictionary()


def laid_out(op: ForestSums, few_rows: bool = False) -> TreeEnsemble:
    """Returns the op that computes the same sums from arrays for kernels. Raises TooLarge for an ensemble that fits no form.

    `few_rows`: for calls on a few rows, which are walked one by one.
    """
    if few_rows:
        made = replace(TreeEnsemble.walking(op.forest()), by_row=True)
    else:
        known = _LAID_OUT.get(op.block)
        if known is None or known[0] != op.share:
            known = _LAID_OUT[op.block] = op.share, TreeEnsemble.of(op.forest(), op.share)
        made = known[1]
    return replace(made, arguments=op.arguments, output=op.output, begin=op.begin, end=op.end)


def check_fits(op: ForestSums) -> None:
    """Raises TooLarge for an ensemble that fits no form."""
    nodes, sets, intervals = (op.block.length(name) for name in ("hit", "set_nodes", "intervals"))
    if not surely_fits(op.arguments, nodes, sets, intervals):
        laid_out(op)


def _forest(width: Type, *, sets: bool = False, outputs: int = 1) -> Forest:
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
    return Forest(3, width, width, np.full(outputs, 0.25, dtype), (one, other, one))


def _example(form: str, width: Type, *, sets: bool = False, outputs: int = 1) -> tuple[TreeEnsemble, tuple[Type, ...]]:
    forest = _forest(width, sets=sets, outputs=outputs)
    op = TreeEnsemble.of(forest) if form == "mask" else TreeEnsemble.walking(forest)
    return op, (width,) * 3


def _part(whole: tuple[ForestSums | TreeEnsemble, tuple[Type, ...]], begin: int, end: int) -> tuple[Op, tuple[Type, ...]]:
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
    *((replace(op, by_row=True), args) for op, args in (_example("walk", F64), _example("walk", F32, sets=True, outputs=2))),
)

#: The op, as it is before its form is chosen.
_LOGICAL = [
    (ForestSums.of(_forest(width, sets=sets, outputs=outputs)), (width,) * 3)
    for width, sets, outputs in ((F64, False, 1), (F64, True, 1), (F32, True, 2))
]
ForestSums.examples = (*_LOGICAL, _part(_LOGICAL[2], 1, 3))
