"""Lowers tree ensembles to the walk form: rows step through packed nodes in lockstep.

Nodes are 64 bits in breadth-first order, with siblings adjacent; a leaf is a node that leads to itself. A step costs a row the
same at each level. The first levels have few splits, and a program over sets of rows (`tree_masks`) evaluates them for all rows
of a chunk at once. It yields the number of the node below them that a row reaches, its *entry*, from which the row walks on. In
a chunk of few rows, each row walks from the root.
"""

from __future__ import annotations

from dataclasses import replace
from enum import IntEnum

import numpy as np

from sparkweld.ir.layouts.tree_masks import PLANES, Programs
from sparkweld.ir.layouts.trees import CHILD_BIT, OFFSET_BIT, PIECE, WALKERS, Columns, Ranks, with_head
from sparkweld.ir.trees import Forest, TooLarge, Tree

#: Minimum rows that walk at once.
_FEWEST_ROWS = 64
MAX_COLUMNS = (1 << (CHILD_BIT - OFFSET_BIT)) // (2 * WALKERS)
MAX_SETS = 1 << 16
#: Bits of a rank.
_RANK_BITS = 16
#: Bytes of the ranks of the rows that walk at once: they should fit in the second-level cache.
RANK_BYTES = 128 * 1024
#: Maximum rows that walk at once, and the number of nodes beyond which a forest exceeds that cache: each tree is then read once
#: for this many rows.
_MOST_ROWS, _CACHED_NODES = 4096, 1 << 16
#: Levels of a tree that its program covers, and the maximum number of nodes below them: more levels cost as much as they save.
LEVELS = 4
WAYS = 1 << LEVELS
#: Minimum rows of a chunk for which programs run, from tests/bench/bench_tree_forms.py.
LEAST_ROWS = 128
#: Maximum intervals of a set that a program tests: each end is a test of all rows.
_MOST_INTERVALS = 2


def walk_bytes(columns: int, slots: int, rows: int) -> int:
    """Returns the scratch bytes to score `rows_of_call` rows in walk form, if every column has a shifted copy.

    They hold the current nodes and the leaf numbers; the ranks, which programs read in a different order; and the programs'
    slots.
    """
    of_programs = 4 * PIECE * columns + PIECE // 8 * slots if slots else 0
    ranks = max(RANK_BYTES, 4 * _FEWEST_ROWS * columns) if rows == PIECE else 4 * rows * columns
    return rows * (4 + 1) + ranks + rows // PIECE * of_programs


def rows_of_call(columns: int, nodes: int) -> int:
    """Returns the maximum rows of a call: PIECE times a power of 2. `columns` excludes shifted copies."""
    rows = PIECE
    while rows < _MOST_ROWS and nodes > _CACHED_NODES and 4 * columns * 2 * rows <= 2 * RANK_BYTES:
        rows *= 2
    return rows


class WalkHead(IntEnum):
    """Index of each int64 of the head of a block in walk form. Members named `*_AT` hold byte offsets to an array."""

    COLUMNS = 0  # without shifted copies
    GROUPS = 1
    SLOTS = 2
    OUTPUTS = 3
    ALL_COLUMNS = 4  # with shifted copies
    TREES = 5
    ROWS = 6  # that walk at once
    COLUMNS_AT = 7
    EDGES_AT = 8
    TREES_AT = 9
    NODES_AT = 10
    LEAVES_AT = 11
    VALUES_AT = 12
    START_AT = 13
    SET_STARTS_AT = 14
    MEMBERS_AT = 15
    GROUPS_AT = 16
    TESTS_AT = 17
    PLANES_AT = 18
    OPERATIONS_AT = 19
    ENTRIES_AT = 20


class WalkTree(IntEnum):
    """Index of each int64 of a tree in walk form."""

    OPERATIONS = 0  # the end of its operations
    PLANES = 1  # its number of planes, or AS_BEFORE
    ROOT = 2
    DEPTH = 3
    BELOW = 4  # the maximum number of levels below an entry
    OUTPUT = 5  # its first output
    WIDTH = 6  # its values a leaf
    VALUES = 7  # the start of its values


def surely_fits(features: int, nodes: int, sets: int, intervals: int) -> bool:
    """Whether every ensemble of this size fits, judged by more columns and edges than it may have."""
    edges, limit = nodes + 2 * intervals, Ranks.limit_of(_RANK_BITS)
    columns = 2 * (features + edges // (limit - 1))
    return columns <= MAX_COLUMNS and nodes < 1 << 29 and (sets == 0 or edges <= limit)


def walk_arrays(forest: Forest) -> dict[str, list[np.ndarray]]:
    """Returns the arrays of the walk form, in pieces. Raises TooLarge.

    - trees: int64[t, 8], see `WalkTree`
    - nodes: uint64[n], with the bits of `layouts.trees`
    - leaves: int32[n], a leaf's number within its tree
    - groups, tests, planes, operations: as in the mask form, with ranks of 16 bits; there is no group where many columns make
      chunks small
    - entries: int32[t, WAYS], the nodes of the numbers that a program yields
    - set_starts, members: the members of a set begin at its start, one byte a rank, the last one for NaN. The int32 before the
      start is the largest rank

    A row hits where its rank is at most the key, which is larger by 1 where the node reads a shifted copy.
    """
    ranks = Ranks.of(forest, _RANK_BITS)
    arrays = ranks.arrays(forest)
    columns = Columns(arrays["columns"][0])
    programs, sets = Programs(ranks, columns), _Sets(ranks)
    nodes, leaves, trees, entries, values = [], [], [], [], []
    root, size = 0, 0
    for tree in forest.trees:
        order, child = _breadth_first(tree)
        nodes.append(_packed(tree, order, child, root, columns, sets))
        is_leaf = tree.is_leaf[order]
        leaves.append(np.where(is_leaf, np.cumsum(is_leaf) - 1, 0).astype(np.int32))
        values.append(tree.values[order[is_leaf]].astype(forest.sums.dtype).ravel())
        first = _first_levels(tree)
        digits = programs.add(first)
        place = np.empty(len(tree.hit), np.int64)
        place[order] = np.arange(root, root + len(order))
        entries.append(np.resize(place[programs.leaves], WAYS))
        begun = np.array(programs.leaves)
        below = tree.depth_below(begun[first.hit[begun] < 0])  # a number without a leaf holds the root
        trees.append((len(programs.operations), digits, root, tree.depth, below, tree.first, tree.values.shape[1], size))
        root += len(order)
        size += values[-1].size
    programs.end_group()
    most = _rows_of_walk(columns, root)
    groups = len(programs.groups) if most >= PIECE and programs.slots <= 1 << 16 and programs.tests else 0
    head = {
        WalkHead.COLUMNS: len(columns.rows), WalkHead.GROUPS: groups, WalkHead.SLOTS: programs.slots if groups else 0,
        WalkHead.OUTPUTS: forest.outputs, WalkHead.ALL_COLUMNS: columns.count, WalkHead.TREES: len(trees), WalkHead.ROWS: most,
    }  # fmt: skip
    return with_head(head, {
        **arrays,
        "trees": [np.array(trees, np.int64).reshape(-1, 8)],
        "nodes": nodes,
        "leaves": leaves,
        "values": values,
        "start": [forest.start.astype(forest.sums.dtype)],
        "set_starts": [np.array([*sets.starts, 0], np.int32).reshape(-1)],
        "members": [np.frombuffer(b"".join(sets.members) + b"\0", np.uint8)],
        "groups": [np.array(programs.groups[:groups], np.int64).reshape(-1, 2)],
        "tests": [np.array(programs.tests if groups else [], np.uint16).reshape(-1, 2)],
        "planes": [np.array(programs.planes if groups else [], np.uint16).reshape(-1, PLANES)],
        "operations": [np.array(programs.operations if groups else [], np.uint16).reshape(-1, 4)],
        "entries": [np.array(entries if groups else [], np.int32).reshape(-1, WAYS)],
    })  # fmt: skip


def _rows_of_walk(columns: Columns, nodes: int) -> int:
    """Returns the number of rows that walk at once. Raises TooLarge."""
    if nodes >= 1 << 31:
        raise TooLarge(f"{nodes} nodes")
    if columns.count > MAX_COLUMNS:
        raise TooLarge(f"{columns.count} columns")
    most = rows_of_call(len(columns.rows), nodes)
    return _rows_at_once(columns.count) if most == PIECE else most


def _first_levels(tree: Tree) -> Tree:
    """Returns the tree cut below its first levels, and at splits by sets of many intervals; nodes keep their numbers."""
    few = np.ones(len(tree.hit), bool)
    few[[node for node, intervals in tree.sets.items() if len(intervals) > _MOST_INTERVALS]] = False
    kept, level = np.zeros(len(tree.hit), bool), np.zeros(1, np.int64)
    for _ in range(LEVELS):
        level = level[(tree.hit[level] >= 0) & few[level]]
        kept[level] = True
        level = np.concatenate([tree.hit[level], tree.miss[level]])
    hit, miss = (np.where(kept, child, -1) for child in (tree.hit, tree.miss))
    return replace(tree, hit=hit, miss=miss, sets={node: found for node, found in tree.sets.items() if kept[node]})


def _rows_at_once(columns: int) -> int:
    """Returns the power of 2 of rows whose ranks, 16 bits each, take at most RANK_BYTES."""
    rows = PIECE
    while rows > _FEWEST_ROWS and 2 * columns * rows > RANK_BYTES:
        rows //= 2
    return rows


def _breadth_first(tree: Tree) -> tuple[np.ndarray, np.ndarray]:
    """Returns (nodes, first children) in breadth-first order.

    Siblings are adjacent, hits first. A first child is an index into that order; a leaf's is its own index.
    """
    level, parts, child_parts, size = np.zeros(1, np.int64), [], [], 0
    while level.size:
        inner = tree.hit[level] >= 0
        behind = size + level.size
        child_parts.append(np.where(inner, behind + 2 * (np.cumsum(inner) - 1), size + np.arange(level.size)))
        parts.append(level)
        size = behind
        level = np.column_stack([tree.hit[level[inner]], tree.miss[level[inner]]]).ravel().astype(np.int64)
    return np.concatenate(parts), np.concatenate(child_parts)


def _packed(tree: Tree, order: np.ndarray, child: np.ndarray, root: int, columns: Columns, sets: _Sets) -> np.ndarray:
    ranks = sets.ranks
    column, key = ranks.at(tree.feature, tree.threshold)
    nan = tree.nan_hits.astype(np.int64)
    is_set: np.ndarray = np.zeros(len(order), np.int64)
    for node in tree.sets:
        column[node], key[node], is_set[node], nan[node] = ranks.first[tree.feature[node]], sets.number(tree, node), 1, 0
    leaf = tree.is_leaf
    column, nan, is_set = (np.where(leaf, 0, a) for a in (column, nan, is_set))
    key = np.where(leaf, 0xFFFF, key + nan)
    bits = key | (columns.numbers(column, nan) * 2 * WALKERS | is_set) << OFFSET_BIT
    return bits[order].astype(np.uint64) | (child + root).astype(np.uint64) << np.uint64(CHILD_BIT)


class _Sets:
    """The distinct sets of ranks of a walk form."""

    def __init__(self, ranks: Ranks) -> None:
        self.ranks = ranks
        self.starts: list[int] = []
        self.members: list[bytes] = []
        self._numbers: dict[bytes, int] = {}
        self._size = 0

    def number(self, tree: Tree, node: int) -> int:
        """Returns the number of the set of a node's hits, and adds the set if it is new."""
        largest = len(self.ranks.edges[tree.feature[node]])
        if largest > self.ranks.limit or len(self.starts) == MAX_SETS:
            raise TooLarge(f"{largest} categories, or {MAX_SETS} sets of them")
        member = np.zeros(largest + 2, np.uint8)
        for first, last in self.ranks.ranges(tree, node):
            member[first : last + 1] = 1
        member[-1] = tree.nan_hits[node]
        text = np.array([largest + 1], np.int32).tobytes() + member.tobytes()
        if text not in self._numbers:
            self._numbers[text] = len(self.starts)
            self.starts.append(self._size + 4)
            self.members.append(text)
            self._size += len(text)
        return self._numbers[text]
