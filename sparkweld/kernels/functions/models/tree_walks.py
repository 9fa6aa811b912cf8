"""Scores tree ensembles in walk form over a chunk of rows; `sparkweld.ir.layouts.tree_walks` defines their blocks.

Interleaved rows step down the tree over nodes of 8 bytes. Unless the rows are few, the first levels are evaluated by a program
like that of the mask form.
"""

from __future__ import annotations

from sparkweld.ir.layouts.tree_walks import LEAST_ROWS, WAYS, WalkHead, WalkTree
from sparkweld.ir.layouts.trees import PIECE, WALKERS
from sparkweld.ir.types import Type
from sparkweld.kernels.functions.models.library import ModelFunction
from sparkweld.kernels.functions.models.tree_ranks import rank_words
from sparkweld.kernels.functions.models.tree_vectors import (
    add_arrived,
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

_COLUMNS, _GROUPS, _SLOTS = 8 * WalkHead.COLUMNS, 8 * WalkHead.GROUPS, 8 * WalkHead.SLOTS
_OUTPUTS, _ALL_COLUMNS, _TREES = 8 * WalkHead.OUTPUTS, 8 * WalkHead.ALL_COLUMNS, 8 * WalkHead.TREES
_ROWS, _COLUMNS_AT, _EDGES_AT = 8 * WalkHead.ROWS, 8 * WalkHead.COLUMNS_AT, 8 * WalkHead.EDGES_AT
_TREES_AT, _NODES_AT, _LEAVES_AT = 8 * WalkHead.TREES_AT, 8 * WalkHead.NODES_AT, 8 * WalkHead.LEAVES_AT
_VALUES_AT, _START_AT, _SET_STARTS_AT = 8 * WalkHead.VALUES_AT, 8 * WalkHead.START_AT, 8 * WalkHead.SET_STARTS_AT
_MEMBERS_AT, _GROUPS_AT, _TESTS_AT = 8 * WalkHead.MEMBERS_AT, 8 * WalkHead.GROUPS_AT, 8 * WalkHead.TESTS_AT
_PLANES_AT, _OPERATIONS_AT, _ENTRIES_AT = 8 * WalkHead.PLANES_AT, 8 * WalkHead.OPERATIONS_AT, 8 * WalkHead.ENTRIES_AT
_TREE_OPERATIONS, _TREE_PLANES, _TREE_ROOT = 8 * WalkTree.OPERATIONS, 8 * WalkTree.PLANES, 8 * WalkTree.ROOT
_TREE_DEPTH, _TREE_OUTPUT, _TREE_WIDTH = 8 * WalkTree.DEPTH, 8 * WalkTree.OUTPUT, 8 * WalkTree.WIDTH
_TREE_BELOW, _TREE_VALUES = 8 * WalkTree.BELOW, 8 * WalkTree.VALUES
#: Bytes of a tree.
_TREE = 8 * len(WalkTree)
#: A tree with fewer nodes per row than this is prefetched sequentially as a whole, which is the fastest way to read memory.
FETCHED = 80


def walk_entry(width: Type, sums: Type, *, sets: bool) -> ModelFunction:
    """Returns the function for ensembles in walk form, for this width of features and sums, with or without sets."""
    size, term = width.width, sums.width
    rank, add, begin, go = rank_words(width.kind), add_arrived(sums.kind), fill(sums.kind), walk(sets=sets)
    test_all = tests(16)

    # Long: its loops share the addresses of all arrays, and these are the arguments that every helper would take
    def score(arguments: int, rows: int, block: int, outputs: int, scratch: int, parameters: int) -> int:
        count = word(block, _COLUMNS)
        columns = block + word(block, _COLUMNS_AT)
        edges = block + word(block, _EDGES_AT)
        tree = block + word(block, _TREES_AT)
        trees_end = tree + _TREE * word(parameters, 8)
        last = tree + _TREE * (word(block, _TREES) - 1)
        nodes = block + word(block, _NODES_AT)
        numbers = block + word(block, _LEAVES_AT)
        terms = block + word(block, _VALUES_AT)
        start_at = block + word(block, _START_AT)
        starts = block + word(block, _SET_STARTS_AT)
        members = block + word(block, _MEMBERS_AT)
        groups = block + word(block, _GROUPS_AT)
        all_tests = block + word(block, _TESTS_AT)
        all_planes = block + word(block, _PLANES_AT)
        operations = block + word(block, _OPERATIONS_AT)
        all_entries = block + word(block, _ENTRIES_AT)
        most = word(block, _ROWS)
        room = PIECE if most < PIECE else most
        arrived = scratch
        leaves = arrived + 4 * room
        ranks = leaves + room
        all_columns = word(block, _ALL_COLUMNS)
        programs = 0
        plain = arrived  # a dummy: nothing reads these ranks
        column = 0
        sets_size = 0
        if word(block, _GROUPS) != 0 and rows >= LEAST_ROWS:
            programs = 1
            plain = ranks + 2 * room * all_columns
            column = 2 * PIECE
            sets_size = 64 * word(block, _SLOTS)
        plain_size = column * all_columns
        slots = plain + 2 * room * all_columns
        first = word(parameters, 0)
        number = 0
        while number < word(block, _OUTPUTS):
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
                    shifted = i
                    if load_i32(at, 12) != 0:
                        shifted = load_i32(at, 12)
                    to = ranks + 2 * all_columns * piece
                    table = edges + size * load_i32(at, 8)
                    rank(
                        values, table, load_i32(at, 4), ranked, to + 2 * WALKERS * i, to + 2 * WALKERS * shifted,
                        2 * WALKERS * all_columns, here_plain + column * i, here_plain + column * shifted,
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
            at = tree + _TREE * first
            following = at
            group = groups
            planes = all_planes
            entries = all_entries
            if first > 0 and programs != 0:
                planes += 16 * first
                entries += 4 * WAYS * first
                op = operations + 8 * word(at - _TREE, _TREE_OPERATIONS)
                while word(group, 8) <= first:
                    test = all_tests + 4 * word(group, 0)
                    group += 16
            while at < trees_end:
                # While rows walk, the next steps' data are prefetched: this tree's leaves, and the next tree's nodes.
                leaves_near = numbers + 4 * word(at, _TREE_ROOT)
                terms_near = terms + term * word(at, _TREE_VALUES)
                nodes_near = nodes + 8 * word(at + _TREE, _TREE_ROOT)
                leaves_step = 0
                terms_step = 0
                nodes_step = 0
                if at < last and word(at + _TREE, _TREE_ROOT) - word(at, _TREE_ROOT) < some * FETCHED:
                    leaves_step = fetch_step(4 * (word(at + _TREE, _TREE_ROOT) - word(at, _TREE_ROOT)), some)
                    terms_step = fetch_step(term * (word(at + _TREE, _TREE_VALUES) - word(at, _TREE_VALUES)), some)
                if at + _TREE < last and word(at + 2 * _TREE, _TREE_ROOT) - word(at + _TREE, _TREE_ROOT) < some * FETCHED:
                    nodes_step = fetch_step(8 * (word(at + 2 * _TREE, _TREE_ROOT) - word(at + _TREE, _TREE_ROOT)), some)
                if programs == 0:
                    piece = 0
                    while piece < some:
                        start(arrived + 4 * piece, word(at, _TREE_ROOT))
                        piece += PIECE
                else:
                    tests_end = test
                    if at == following:
                        tests_end = all_tests + 4 * word(group, 0)
                        following = tree + _TREE * word(group, 8)
                        group += 16
                    end = operations + 8 * word(at, _TREE_OPERATIONS)
                    piece = 0
                    here_plain = plain
                    here_sets = slots
                    while piece < some:
                        test_all(here_plain, test, tests_end, here_sets + 128)
                        choices(here_sets, op, end)
                        if word(at, _TREE_PLANES) >= 0:
                            leaf_numbers(here_sets, planes, word(at, _TREE_PLANES), leaves + piece)
                        enter(arrived + 4 * piece, leaves + piece, entries)
                        piece += PIECE
                        here_plain += plain_size
                        here_sets += sets_size
                    test = tests_end
                    op = end
                    planes += 16
                    entries += 4 * WAYS
                row = 0
                levels = word(at, _TREE_DEPTH) if programs == 0 else word(at, _TREE_BELOW)
                while row < some:
                    go(nodes, levels, ranks + 2 * all_columns * row, arrived + 4 * row, starts, members)
                    fetch(leaves_near, leaves_step)
                    fetch(terms_near, terms_step)
                    fetch(nodes_near, nodes_step)
                    leaves_near += leaves_step
                    terms_near += terms_step
                    nodes_near += nodes_step
                    row += WALKERS
                arrive(arrived, numbers, word(at, _TREE_WIDTH), some)
                values = terms + term * word(at, _TREE_VALUES)
                number = 0
                while number < word(at, _TREE_WIDTH):
                    to = word(outputs, 8 * (word(at, _TREE_OUTPUT) + number))
                    if to != 0:
                        add(to + term * base, arrived, values + term * number, some)
                    number += 1
                at += _TREE
            base += most
        return 0

    return tree_function(score, f"tree_walk{'_sets' if sets else ''}_{width.kind}_{sums.kind}")
