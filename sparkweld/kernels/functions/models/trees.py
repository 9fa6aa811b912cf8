"""Scores tree ensembles over a chunk of rows; `sparkweld.ir.layouts.trees` defines the forms of their blocks.

Mask form: each split is evaluated for all rows of a block at once. This is QuickScorer (Lucchese et al., SIGIR 2015) with
transposed masks. A bit is a row instead of a leaf, so 512 rows are one register. Leaf numbers are computed one binary digit at
a time. Ranks replace thresholds and are compared 64 at a time, as in RapidScorer (Ye et al., KDD 2018).

Walk form: interleaved rows step down the tree over nodes of 8 bytes. Unless the rows are few, the first levels are evaluated by a
program like that of the mask form.

Entry functions are as in `kernels.functions.models`; the number of rows is arbitrary. Parameters: the first tree, and the end
of the trees. For a first tree above 0 there is a third: the index of the argument with the first of the sums so far. For a
first tree inside a group, all tests of the group are computed again.
"""

from __future__ import annotations

from sparkweld.ir.layouts.tree_walks import LEAST_ROWS, WAYS
from sparkweld.ir.layouts.trees import PIECE, WALKERS
from sparkweld.ir.types import F32, F64, Type
from sparkweld.kernels.functions.models.library import ModelFunction
from sparkweld.kernels.functions.models.tree_ranks import rank_bytes, rank_words
from sparkweld.kernels.functions.models.tree_vectors import (
    add_arrived,
    add_leaves,
    arrive,
    choices,
    enter,
    fetch,
    fetch_step,
    fill,
    leaf_numbers,
    start,
    tests,
    tree_function,
    walk,
)
from sparkweld.kernels.functions.strings.memory_access import copy, load_i32, store_word, word

#: A tree with fewer nodes per row than this is prefetched sequentially as a whole, which is the fastest way to read memory.
FETCHED = 80


def mask_entry(width: Type, sums: Type) -> ModelFunction:
    """Returns the function for ensembles in mask form, for this width of features and sums."""
    size, term = width.width, sums.width
    rank, add, begin, test_all = rank_bytes(width.kind), add_leaves(sums.kind), fill(sums.kind), tests(8)

    def score(arguments: int, rows: int, block: int, outputs: int, scratch: int, parameters: int) -> int:
        count = word(block, 0)
        columns = block + word(block, 40)
        edges = block + word(block, 48)
        group = block + word(block, 56)
        all_tests = block + word(block, 64)
        tree = block + word(block, 72)
        planes = block + word(block, 80)
        operations = block + word(block, 88)
        terms = block + word(block, 96)
        start = block + word(block, 104)
        sets = scratch
        leaves = sets + 64 * word(block, 16)
        partial = leaves + PIECE
        ranks = partial + 8 * PIECE
        sums_at = ranks + PIECE * word(block, 32)
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
        while number < word(block, 24):
            if first == 0:
                begin(sums_at + term * PIECE * number, start + term * number, PIECE)
            else:
                copy(sums_at + term * PIECE * number, word(arguments, 8 * (word(parameters, 16) + number)), term * rows)
            number += 1
        test = all_tests
        op = operations
        at = tree + 48 * first
        trees_end = tree + 48 * word(parameters, 8)
        planes += 16 * first
        if first > 0:
            op = operations + 8 * word(at - 48, 0)
            while word(group, 8) <= first:
                test = all_tests + 4 * word(group, 0)
                group += 16
        while at < trees_end:
            end = all_tests + 4 * word(group, 0)
            test_all(ranks, test, end, sets + 128)
            test = end
            following = tree + 48 * word(group, 8)
            if following > trees_end:
                following = trees_end
            while at < following:
                end = operations + 8 * word(at, 0)
                choices(sets, op, end)
                op = end
                if word(at, 8) >= 0:
                    leaf_numbers(sets, planes, word(at, 8), leaves)
                planes += 16
                values = terms + term * word(at, 16)
                to = sums_at + term * PIECE * word(at, 24)
                number = 0
                while number < word(at, 32):
                    add(to, leaves, values, word(at, 40))
                    to += term * PIECE
                    values += term * word(at, 40)
                    number += 1
                at += 48
            group += 16
        number = 0
        while number < word(block, 24):
            to = word(outputs, 8 * number)
            if to != 0:
                copy(to, sums_at + term * PIECE * number, term * rows)
            number += 1
        return 0

    return tree_function(score, f"tree_masks_{width.kind}_{sums.kind}")


def walk_entry(width: Type, sums: Type, *, sets: bool) -> ModelFunction:
    """Returns the function for ensembles in walk form, for this width of features and sums, with or without sets."""
    size, term = width.width, sums.width
    rank, add, begin, go = rank_words(width.kind), add_arrived(sums.kind), fill(sums.kind), walk(sets=sets)
    test_all = tests(16)

    def score(arguments: int, rows: int, block: int, outputs: int, scratch: int, parameters: int) -> int:
        count = word(block, 0)
        columns = block + word(block, 56)
        edges = block + word(block, 64)
        tree = block + word(block, 72)
        trees_end = tree + 64 * word(parameters, 8)
        last = tree + 64 * (word(block, 40) - 1)
        nodes = block + word(block, 80)
        numbers = block + word(block, 88)
        terms = block + word(block, 96)
        start_at = block + word(block, 104)
        starts = block + word(block, 112)
        members = block + word(block, 120)
        groups = block + word(block, 128)
        all_tests = block + word(block, 136)
        all_planes = block + word(block, 144)
        operations = block + word(block, 152)
        all_entries = block + word(block, 160)
        most = word(block, 48)
        room = PIECE if most < PIECE else most
        arrived = scratch
        leaves = arrived + 4 * room
        ranks = leaves + room
        all_columns = word(block, 32)
        programs = 0
        plain = arrived  # a dummy: nothing reads these ranks
        column = 0
        sets_size = 0
        if word(block, 8) != 0 and rows >= LEAST_ROWS:
            programs = 1
            plain = ranks + 2 * room * all_columns
            column = 2 * PIECE
            sets_size = 64 * word(block, 16)
        plain_size = column * all_columns
        slots = plain + 2 * room * all_columns
        first = word(parameters, 0)
        number = 0
        while number < word(block, 24):
            to = word(outputs, 8 * number)
            if to != 0:
                if first == 0:
                    begin(to, start_at + term * number, rows)
                else:
                    copy(to, word(arguments, 8 * (word(parameters, 16) + number)), term * rows)
            number += 1
        base = 0
        while base < rows:
            some = rows - base
            if some > most:
                some = most
            piece = 0
            here_plain = plain
            here_sets = slots
            while piece < some:
                ranked = PIECE if some - piece > PIECE else some - piece
                i = 0
                while i < count:
                    at = columns + 16 * i
                    values = word(arguments, 8 * load_i32(at, 0)) + size * (base + piece)
                    twin = i
                    if load_i32(at, 12) != 0:
                        twin = load_i32(at, 12)
                    to = ranks + 2 * all_columns * piece
                    table = edges + size * load_i32(at, 8)
                    rank(
                        values, table, load_i32(at, 4), ranked, to + 2 * WALKERS * i, to + 2 * WALKERS * twin,
                        2 * WALKERS * all_columns, here_plain + column * i, here_plain + column * twin,
                    )
                    i += 1
                if programs != 0:
                    i = 0
                    while i < 64:
                        store_word(here_sets, i, 0)
                        store_word(here_sets, 64 + i, -1)
                        i += 8
                piece += PIECE
                here_plain += plain_size
                here_sets += sets_size
            test = all_tests
            op = operations
            at = tree + 64 * first
            following = at
            group = groups
            planes = all_planes
            entries = all_entries
            if first > 0 and programs != 0:
                planes += 16 * first
                entries += 4 * WAYS * first
                op = operations + 8 * word(at - 64, 0)
                while word(group, 8) <= first:
                    test = all_tests + 4 * word(group, 0)
                    group += 16
            while at < trees_end:
                # While rows walk, the next steps' data are prefetched: this tree's leaves, and the next tree's nodes.
                leaves_near = numbers + 4 * word(at, 16)
                terms_near = terms + term * word(at, 56)
                nodes_near = nodes + 8 * word(at + 64, 16)
                leaves_step = 0
                terms_step = 0
                nodes_step = 0
                if at < last and word(at + 64, 16) - word(at, 16) < some * FETCHED:
                    leaves_step = fetch_step(4 * (word(at + 64, 16) - word(at, 16)), some)
                    terms_step = fetch_step(term * (word(at + 64, 56) - word(at, 56)), some)
                if at + 64 < last and word(at + 128, 16) - word(at + 64, 16) < some * FETCHED:
                    nodes_step = fetch_step(8 * (word(at + 128, 16) - word(at + 64, 16)), some)
                if programs == 0:
                    piece = 0
                    while piece < some:
                        start(arrived + 4 * piece, word(at, 16))
                        piece += PIECE
                else:
                    tests_end = test
                    if at == following:
                        tests_end = all_tests + 4 * word(group, 0)
                        following = tree + 64 * word(group, 8)
                        group += 16
                    end = operations + 8 * word(at, 0)
                    piece = 0
                    here_plain = plain
                    here_sets = slots
                    while piece < some:
                        test_all(here_plain, test, tests_end, here_sets + 128)
                        choices(here_sets, op, end)
                        if word(at, 8) >= 0:
                            leaf_numbers(here_sets, planes, word(at, 8), leaves + piece)
                        enter(arrived + 4 * piece, leaves + piece, entries)
                        piece += PIECE
                        here_plain += plain_size
                        here_sets += sets_size
                    test = tests_end
                    op = end
                    planes += 16
                    entries += 4 * WAYS
                row = 0
                while row < some:
                    go(nodes, word(at, 24 + 8 * programs), ranks + 2 * all_columns * row, arrived + 4 * row, starts, members)
                    fetch(leaves_near, leaves_step)
                    fetch(terms_near, terms_step)
                    fetch(nodes_near, nodes_step)
                    leaves_near += leaves_step
                    terms_near += terms_step
                    nodes_near += nodes_step
                    row += WALKERS
                arrive(arrived, numbers, word(at, 48), some)
                values = terms + term * word(at, 56)
                number = 0
                while number < word(at, 48):
                    to = word(outputs, 8 * (word(at, 40) + number))
                    if to != 0:
                        add(to + term * base, arrived, values + term * number, some)
                    number += 1
                at += 64
            base += most
        return 0

    return tree_function(score, f"tree_walk{'_sets' if sets else ''}_{width.kind}_{sums.kind}")


#: (form, type of features, type of sums) -> function.
ENTRIES = {
    (form, width, sums): mask_entry(width, sums) if form == "mask" else walk_entry(width, sums, sets=form == "sets")
    for form in ("mask", "walk", "sets")
    for width, sums in ((F32, F32), (F32, F64), (F64, F64))
}

FUNCTIONS = tuple(ENTRIES.values())
