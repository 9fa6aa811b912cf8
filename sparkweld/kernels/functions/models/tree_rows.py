"""Scores tree ensembles in walk form one row at a time, for a few rows. `sparkweld.ir.layouts.tree_walks` defines their blocks.

`tree_walks` interleaves the rows of one tree. Here it is the trees of one row, so a single row does not cost as much as WALKERS.
"""

from __future__ import annotations

from llvmlite import ir
from numba.core import types

from sparkweld.ir.layouts.tree_walks import WalkHead, WalkTree
from sparkweld.ir.layouts.trees import WALKERS
from sparkweld.ir.types import Type
from sparkweld.kernels.functions.models.library import ModelFunction
from sparkweld.kernels.functions.models.tree_tables import FLOATS, SIZES
from sparkweld.kernels.functions.models.tree_vectors import INT, fixed, loop, tree_function, walk
from sparkweld.kernels.functions.strings.memory_access import copy, load_i32, load_u32, store_u16, store_u32, word
from sparkweld.kernels.llvm.memory import pointer
from sparkweld.kernels.llvm.numba_frontend import Operation

_COLUMNS, _OUTPUTS, _COLUMNS_AT, _EDGES_AT = (
    8 * at for at in (WalkHead.COLUMNS, WalkHead.OUTPUTS, WalkHead.COLUMNS_AT, WalkHead.EDGES_AT)
)
_TREES_AT, _NODES_AT, _LEAVES_AT, _VALUES_AT = (
    8 * at for at in (WalkHead.TREES_AT, WalkHead.NODES_AT, WalkHead.LEAVES_AT, WalkHead.VALUES_AT)
)
_START_AT, _SET_STARTS_AT, _MEMBERS_AT = (8 * at for at in (WalkHead.START_AT, WalkHead.SET_STARTS_AT, WalkHead.MEMBERS_AT))
_TREE_ROOT, _TREE_DEPTH, _TREE_OUTPUT = 8 * WalkTree.ROOT, 8 * WalkTree.DEPTH, 8 * WalkTree.OUTPUT
_TREE_WIDTH, _TREE_VALUES = 8 * WalkTree.WIDTH, 8 * WalkTree.VALUES
_TREE = 8 * len(WalkTree)
#: Bytes of the nodes that the trees have reached.
_REACHED = 4 * WALKERS


def row_bytes(columns: int) -> int:
    """Returns the scratch bytes to score rows one by one, if every column has a shifted copy."""
    return _REACHED + 2 * columns * 2 * WALKERS


def row_entry(width: Type, sums: Type, *, sets: bool) -> ModelFunction:
    """Returns the function that scores one row at a time, for this width of features and sums, with or without sets."""
    size, term = width.width, sums.width
    rank, add, add_all, go = _rank(width.kind), _add(sums.kind), _add_all(sums.kind), walk(sets=sets, trees=True)

    # Long: as in `tree_walks`, its loops share the addresses of all arrays
    def score(arguments: int, rows: int, block: int, outputs: int, scratch: int, parameters: int) -> int:
        columns = block + word(block, _COLUMNS_AT)
        columns_end = columns + 16 * word(block, _COLUMNS)
        edges = block + word(block, _EDGES_AT)
        trees = block + word(block, _TREES_AT)
        nodes = block + word(block, _NODES_AT)
        numbers = block + word(block, _LEAVES_AT)
        terms = block + word(block, _VALUES_AT)
        starts = block + word(block, _SET_STARTS_AT)
        members = block + word(block, _MEMBERS_AT)
        first = word(parameters, 0)
        trees_end = trees + _TREE * word(parameters, 8)
        ranks = scratch + _REACHED
        row = 0
        while row < rows:
            number = 0
            while number < word(block, _OUTPUTS):
                to = word(outputs, 8 * number)
                if to != 0:
                    begun = block + word(block, _START_AT) + term * number
                    if first > 0:
                        begun = word(arguments, 8 * (word(parameters, 16) + number)) + term * row
                    copy(to + term * row, begun, term)
                number += 1
            column = columns
            to = ranks
            while column < columns_end:
                found = rank(
                    word(arguments, 8 * load_i32(column, 0)) + size * row, edges + size * load_i32(column, 8), load_i32(column, 4)
                )
                store_u16(to, 0, found)
                if load_i32(column, 12) != 0:
                    store_u16(ranks + 2 * WALKERS * load_i32(column, 12), 0, found + 1)
                to += 2 * WALKERS
                column += 16
            tree = trees + _TREE * first
            while tree < trees_end:
                end = tree + _TREE * WALKERS
                if end > trees_end:
                    end = trees_end
                depth = 0
                at = tree
                reached = scratch
                while reached < ranks:  # the last tree's root also fills up a last group
                    store_u32(reached, 0, word(at, _TREE_ROOT))
                    if word(at, _TREE_DEPTH) > depth:
                        depth = word(at, _TREE_DEPTH)
                    if at + _TREE < end:
                        at += _TREE
                    reached += 4
                go(nodes, depth, ranks, scratch, starts, members)
                reached = scratch
                if word(block, _OUTPUTS) == 1 and word(outputs, 0) != 0:
                    add_all(word(outputs, 0) + term * row, reached, tree, end - tree, numbers, terms)
                    tree = end
                while tree < end:
                    values = load_i32(numbers, 4 * load_u32(reached, 0)) * word(tree, _TREE_WIDTH) + word(tree, _TREE_VALUES)
                    number = 0
                    while number < word(tree, _TREE_WIDTH):
                        to = word(outputs, 8 * (word(tree, _TREE_OUTPUT) + number))
                        if to != 0:
                            add(to + term * row, terms + term * (values + number))
                        number += 1
                    reached += 4
                    tree += _TREE
            row += 1
        return 0

    return tree_function(score, f"tree_rows{'_sets' if sets else ''}_{width.kind}_{sums.kind}")


def _rank(width: str) -> Operation:
    """Builds rank(value, table, bits): the rank of the value at an address in a column's table; -1 for NaN. See `tree_ranks`."""
    element = FLOATS[width]

    def build(b: ir.IRBuilder, value: ir.Value, table: ir.Value, bits: ir.Value) -> ir.Value:
        x, edges, size = b.load(pointer(b, value, element), align=1), pointer(b, table, element), SIZES[width]

        def body(_: ir.Value, place: ir.Value) -> list[ir.Value]:
            above = b.fcmp_ordered(">", x, b.load(b.gep(edges, [place]), align=size))
            return [b.add(b.shl(place, fixed(1)), b.zext(above, place.type))]

        (place,) = loop(b, bits, 1, body, [fixed(1)])
        return b.select(b.fcmp_unordered("uno", x, x), fixed(-1), b.sub(place, b.shl(fixed(1), bits)))

    return Operation(f"rank_one_{width}", (INT,) * 3, INT, build)


def _add(sums: str) -> Operation:
    """Builds add(to, value): adds the float at an address to another one."""

    def build(b: ir.IRBuilder, to: ir.Value, value: ir.Value) -> None:
        place = pointer(b, to, FLOATS[sums])
        b.store(b.fadd(b.load(place, align=1), b.load(pointer(b, value, FLOATS[sums]), align=1)), place, align=1)

    return Operation(f"add_one_{sums}", (INT,) * 2, types.none, build)


def _add_all(sums: str) -> Operation:
    """Builds add_all(to, reached, trees, size, numbers, terms): adds the terms of `size` bytes of trees with one output each.

    The sum stays in a register: a load that waits for the store before it takes longer than the addition.
    """
    element = FLOATS[sums]

    def build(b: ir.IRBuilder, to: ir.Value, reached: ir.Value, trees: ir.Value, size: ir.Value, numbers: ir.Value,
              terms: ir.Value) -> None:  # fmt: skip
        leaves = pointer(b, numbers, ir.IntType(32))

        def body(at: ir.Value, total: ir.Value) -> list[ir.Value]:
            place = b.add(reached, b.udiv(at, fixed(_TREE // 4)))
            node = b.zext(b.load(pointer(b, place, ir.IntType(32)), align=4), ir.IntType(64))
            begin = b.load(pointer(b, b.add(trees, b.add(at, fixed(_TREE_VALUES))), ir.IntType(64)), align=8)
            leaf = b.sext(b.load(b.gep(leaves, [node]), align=4), ir.IntType(64))
            return [b.fadd(total, b.load(b.gep(pointer(b, terms, element), [b.add(begin, leaf)]), align=1))]

        place = pointer(b, to, element)
        (total,) = loop(b, size, _TREE, body, [b.load(place, align=1)])
        b.store(total, place, align=1)

    return Operation(f"add_all_{sums}", (INT,) * 6, types.none, build)
