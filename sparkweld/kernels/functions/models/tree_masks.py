"""Scores tree ensembles in mask form over a chunk of rows; `sparkweld.ir.layouts.tree_masks` defines their blocks.

As in QuickScorer (Lucchese et al., SIGIR 2015), each split is evaluated for all rows of a block at once, but with the masks
transposed. A bit is a row instead of a leaf, so 512 rows are one register. Leaf numbers are computed one binary digit at a time.
Ranks replace thresholds and are compared 64 at a time, as in RapidScorer (Ye et al., KDD 2018). For a first tree inside a group,
all tests of the group are computed again.
"""

from __future__ import annotations

from sparkweld.ir.layouts.tree_masks import MaskHead, MaskTree
from sparkweld.ir.layouts.trees import PIECE
from sparkweld.ir.types import Type
from sparkweld.kernels.functions.models.library import ModelFunction
from sparkweld.kernels.functions.models.tree_ranks import rank_bytes
from sparkweld.kernels.functions.models.tree_vectors import (
    add_leaves,
    choices,
    fill,
    leaf_numbers,
    tests,
    tree_function,
)
from sparkweld.kernels.functions.strings.memory_access import copy, load_i32, store_word, word

_COLUMNS, _SLOTS, _OUTPUTS = 8 * MaskHead.COLUMNS, 8 * MaskHead.SLOTS, 8 * MaskHead.OUTPUTS
_ALL_COLUMNS, _COLUMNS_AT, _EDGES_AT = 8 * MaskHead.ALL_COLUMNS, 8 * MaskHead.COLUMNS_AT, 8 * MaskHead.EDGES_AT
_GROUPS_AT, _TESTS_AT, _TREES_AT = 8 * MaskHead.GROUPS_AT, 8 * MaskHead.TESTS_AT, 8 * MaskHead.TREES_AT
_PLANES_AT, _OPERATIONS_AT, _VALUES_AT = 8 * MaskHead.PLANES_AT, 8 * MaskHead.OPERATIONS_AT, 8 * MaskHead.VALUES_AT
_START_AT = 8 * MaskHead.START_AT
_TREE_OPERATIONS, _TREE_PLANES, _TREE_VALUES = 8 * MaskTree.OPERATIONS, 8 * MaskTree.PLANES, 8 * MaskTree.VALUES
_TREE_OUTPUT, _TREE_WIDTH, _TREE_LEAVES = 8 * MaskTree.OUTPUT, 8 * MaskTree.WIDTH, 8 * MaskTree.LEAVES
#: Bytes of a tree.
_TREE = 8 * len(MaskTree)


def mask_entry(width: Type, sums: Type) -> ModelFunction:
    """Returns the function for ensembles in mask form, for this width of features and sums."""
    size, term = width.width, sums.width
    rank, add, begin, test_all = rank_bytes(width.kind), add_leaves(sums.kind), fill(sums.kind), tests(8)

    # Long: its loops share the addresses of all arrays, and these are the arguments that every helper would take
    def score(arguments: int, rows: int, block: int, outputs: int, scratch: int, parameters: int) -> int:
        count = word(block, _COLUMNS)
        columns = block + word(block, _COLUMNS_AT)
        edges = block + word(block, _EDGES_AT)
        group = block + word(block, _GROUPS_AT)
        all_tests = block + word(block, _TESTS_AT)
        tree = block + word(block, _TREES_AT)
        planes = block + word(block, _PLANES_AT)
        operations = block + word(block, _OPERATIONS_AT)
        terms = block + word(block, _VALUES_AT)
        start = block + word(block, _START_AT)
        sets = scratch
        leaves = sets + 64 * word(block, _SLOTS)
        partial = leaves + PIECE
        ranks = partial + 8 * PIECE
        sums_at = ranks + PIECE * word(block, _ALL_COLUMNS)
        i = 0
        while i < 64:
            store_word(sets, i, 0)
            store_word(sets, 64 + i, -1)
            i += 8
        i = 0
        while i < count:
            at = columns + 16 * i
            values = word(arguments, 8 * load_i32(at, 0))
            if rows < PIECE:
                copy(partial, values, rows * size)
                values = partial
            to = ranks + PIECE * i
            twin = to
            if load_i32(at, 12) != 0:
                twin = ranks + PIECE * load_i32(at, 12)
            rank(values, edges + size * load_i32(at, 8), load_i32(at, 4), to, twin)
            i += 1
        first = word(parameters, 0)
        number = 0
        while number < word(block, _OUTPUTS):
            if first == 0:
                begin(sums_at + term * PIECE * number, start + term * number, PIECE)
            else:
                copy(sums_at + term * PIECE * number, word(arguments, 8 * (word(parameters, 16) + number)), term * rows)
            number += 1
        test = all_tests
        op = operations
        at = tree + _TREE * first
        trees_end = tree + _TREE * word(parameters, 8)
        planes += 16 * first
        if first > 0:
            op = operations + 8 * word(at - _TREE, _TREE_OPERATIONS)
            while word(group, 8) <= first:
                test = all_tests + 4 * word(group, 0)
                group += 16
        while at < trees_end:
            end = all_tests + 4 * word(group, 0)
            test_all(ranks, test, end, sets + 128)
            test = end
            following = tree + _TREE * word(group, 8)
            if following > trees_end:
                following = trees_end
            while at < following:
                end = operations + 8 * word(at, _TREE_OPERATIONS)
                choices(sets, op, end)
                op = end
                if word(at, _TREE_PLANES) >= 0:
                    leaf_numbers(sets, planes, word(at, _TREE_PLANES), leaves)
                planes += 16
                values = terms + term * word(at, _TREE_VALUES)
                to = sums_at + term * PIECE * word(at, _TREE_OUTPUT)
                number = 0
                while number < word(at, _TREE_WIDTH):
                    add(to, leaves, values, word(at, _TREE_LEAVES))
                    to += term * PIECE
                    values += term * word(at, _TREE_LEAVES)
                    number += 1
                at += _TREE
            group += 16
        number = 0
        while number < word(block, _OUTPUTS):
            to = word(outputs, 8 * number)
            if to != 0:
                copy(to, sums_at + term * PIECE * number, term * rows)
            number += 1
        return 0

    return tree_function(score, f"tree_masks_{width.kind}_{sums.kind}")
