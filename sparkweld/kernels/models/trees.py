"""Scores tree ensembles over a piece of rows; the forms of their blocks are `sparkweld.ir.tree_layouts`'s.

Mask form: QuickScorer's idea (Lucchese et al., SIGIR 2015) to meet all rows of a block at a split at once, with the masks turned
round as in RapidScorer (Ye et al., KDD 2018): a bit is a row and no leaf, so that a mask of 512 rows is one register's work
whatever the number of leaves. Ranks in place of thresholds are theirs too. Walk form: rows go down the tree side by side, over
nodes of 8 bytes.

Entries are as `kernels.models` says; the number of rows need not divide by anything.
"""

from __future__ import annotations

from sparkweld.ir.tree_layouts import PIECE, WALKERS
from sparkweld.ir.types import F32, F64, Type
from sparkweld.kernels.models.library import ModelFunction
from sparkweld.kernels.models.tree_vectors import (
    add_arrived,
    add_leaves,
    fill,
    rank_bytes,
    rank_words,
    split,
    tree_function,
    walk,
)
from sparkweld.kernels.strings.memory_access import copy, load_i32, load_u16, store_word, word

_SPLITS = {kind: split(kind) for kind in (0, 1, 2, 3, 4, 5, 8, 9, 10, 11)}


def mask_entry(width: Type, sums: Type) -> ModelFunction:
    """The entry for ensembles in mask form of this width of features and sums."""
    size, term = width.width, sums.width
    rank, add, begin = rank_bytes(width.kind), add_leaves(sums.kind), fill(sums.kind)
    split_0, split_1, split_2, split_3 = (_SPLITS[k] for k in (0, 1, 2, 3))
    split_4, split_5 = _SPLITS[4], _SPLITS[5]
    split_8, split_9, split_10, split_11 = (_SPLITS[k] for k in (8, 9, 10, 11))

    def score(arguments: int, rows: int, block: int, outputs: int, scratch: int, parameters: int) -> int:
        count = word(block, 0)
        trees = word(block, 8)
        columns = block + word(block, 40)
        edges = block + word(block, 48)
        tree = block + word(block, 56)
        op = block + word(block, 64)
        terms = block + word(block, 72)
        start = block + word(block, 80)
        operations = op
        masks = scratch
        leaves = masks + 64 * word(block, 16)
        partial = leaves + PIECE
        ranks = partial + 8 * PIECE
        i = 0
        while i < 64:
            store_word(masks, i, -1)
            i += 8
        i = 0
        while i < count:
            at = columns + 16 * i
            values = word(arguments, 8 * load_i32(at, 0))
            if rows < PIECE:
                copy(partial, values, rows * size)
                values = partial
            rank(values, edges + size * load_i32(at, 8), load_i32(at, 4), ranks + PIECE * i)
            i += 1
        sums_at = ranks + PIECE * count
        number = 0
        while number < word(block, 24):
            begin(sums_at + term * PIECE * number, start + term * number, PIECE)
            number += 1
        i = 0
        while i < trees:
            end = operations + 12 * word(tree, 0)
            while op < end:
                column = ranks + PIECE * load_u16(op, 0)
                bounds = load_u16(op, 2)
                slot = load_u16(op, 4)
                hit = load_u16(op, 6)
                miss = load_u16(op, 8)
                kind = load_u16(op, 10)
                if kind < 4:
                    if kind < 2:
                        if kind == 0:
                            split_0(column, bounds, masks, slot, hit, miss, leaves)
                        else:
                            split_1(column, bounds, masks, slot, hit, miss, leaves)
                    elif kind == 2:
                        split_2(column, bounds, masks, slot, hit, miss, leaves)
                    else:
                        split_3(column, bounds, masks, slot, hit, miss, leaves)
                elif kind == 4:
                    split_4(column, bounds, masks, slot, hit, miss, leaves)
                elif kind == 5:
                    split_5(column, bounds, masks, slot, hit, miss, leaves)
                elif kind == 8:
                    split_8(column, bounds, masks, slot, hit, miss, leaves)
                elif kind == 9:
                    split_9(column, bounds, masks, slot, hit, miss, leaves)
                elif kind == 10:
                    split_10(column, bounds, masks, slot, hit, miss, leaves)
                else:
                    split_11(column, bounds, masks, slot, hit, miss, leaves)
                op += 12
            values = terms + term * word(tree, 8)
            to = sums_at + term * PIECE * word(tree, 16)
            number = 0
            while number < word(tree, 24):
                add(to + term * PIECE * number, leaves, values + term * number, word(tree, 24))
                number += 1
            tree += 32
            i += 1
        number = 0
        while number < word(block, 24):
            to = word(outputs, 8 * number)
            if to != 0:
                copy(to, sums_at + term * PIECE * number, term * rows)
            number += 1
        return 0

    return tree_function(score, f"tree_masks_{width.kind}_{sums.kind}")


def walk_entry(width: Type, sums: Type, *, sets: bool) -> ModelFunction:
    """The entry for ensembles in walk form of this width of features and sums, with or without sets."""
    size, term = width.width, sums.width
    rank, add, begin, go = rank_words(width.kind), add_arrived(sums.kind), fill(sums.kind), walk(sets=sets)

    def score(arguments: int, rows: int, block: int, outputs: int, scratch: int, parameters: int) -> int:
        count = word(block, 0)
        trees = word(block, 8)
        columns = block + word(block, 40)
        edges = block + word(block, 48)
        tree = block + word(block, 56)
        nodes = block + word(block, 64)
        numbers = block + word(block, 72)
        terms = block + word(block, 80)
        start = block + word(block, 88)
        starts = block + word(block, 96)
        members = block + word(block, 104)
        arrived = scratch
        ranks = arrived + 4 * PIECE
        all_columns = word(block, 32)
        stride = 2 * WALKERS * all_columns
        number = 0
        while number < word(block, 24):
            to = word(outputs, 8 * number)
            if to != 0:
                begin(to, start + term * number, rows)
            number += 1
        most = word(block, 16)
        base = 0
        while base < rows:
            some = rows - base
            if some > most:
                some = most
            i = 0
            while i < count:
                at = columns + 16 * i
                values = word(arguments, 8 * load_i32(at, 0)) + size * base
                to = ranks + 2 * WALKERS * i
                twin = to
                if load_i32(at, 12) != 0:
                    twin = ranks + 2 * WALKERS * load_i32(at, 12)
                rank(values, edges + size * load_i32(at, 8), load_i32(at, 4), some, to, twin, stride)
                i += 1
            at = tree
            while at < tree + 40 * trees:
                row = 0
                while row < some:
                    here = ranks + 2 * all_columns * row
                    go(nodes, word(at, 0), word(at, 8), here, arrived + 4 * row, starts, members)
                    row += WALKERS
                values = terms + term * word(at, 32)
                number = 0
                while number < word(at, 24):
                    to = word(outputs, 8 * (word(at, 16) + number))
                    if to != 0:
                        add(to + term * base, arrived, numbers, values + term * number, word(at, 24), some)
                    number += 1
                at += 40
            base += most
        return 0

    return tree_function(score, f"tree_walk{'_sets' if sets else ''}_{width.kind}_{sums.kind}")


#: Form, type of features and type of sums -> entry.
ENTRIES = {
    (form, width, sums): mask_entry(width, sums) if form == "mask" else walk_entry(width, sums, sets=form == "sets")
    for form in ("mask", "walk", "sets")
    for width, sums in ((F32, F32), (F32, F64), (F64, F64))
}

FUNCTIONS = tuple(ENTRIES.values())
