"""Forests to the arrays of a constant block, in one of the two forms that kernels score.

Both forms compare ranks and no floats. A *column* is a piece of a feature's sorted thresholds, its edges; a row's rank in it is
the number of edges below the row's value, and the largest unsigned integer for NaN. The mask form has ranks of 8 bits, the walk
form of 16, so a feature with more thresholds takes several columns, which overlap by one edge: each rank is then an inner one of
some column. Where NaN hits, a split reads a column whose ranks are larger by 1, modulo the type, so that NaN's is 0: the plain
column's *twin*.

- *mask*: for trees of up to 256 leaves, see `tree_masks`.
- *walk*: nodes of 64 bits in breadth-first order, siblings side by side; a leaf is a node that leads to itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np

from sparkweld.ir.blocks import offsets
from sparkweld.ir.trees import Forest, Tree

#: Least log2 of the length of a column's table: so many levels are searched in two registers of 512 bits.
LEAST_BITS = 4
#: Rows that walk side by side: their ranks in one column are neighbours.
WALKERS = 16
#: Fewest rows that walk at once.
_FEWEST_ROWS = 64
#: Bits of a node of the walk form: key (or number of the set), byte offset of the column in the ranks of WALKERS rows, first
#: child. The offset's lowest bit, which would be 0, says whether the node has a set.
OFFSET_BIT, CHILD_BIT = 16, 32
MAX_COLUMNS = (1 << (CHILD_BIT - OFFSET_BIT)) // (2 * WALKERS)
MAX_SETS = 1 << 16
#: Most rows that are scored at a time.
PIECE = 512
#: Ranks of the rows that walk at once: they should stay in the second-level cache.
RANK_BYTES = 128 * 1024

#: Where `head` has the byte offsets of the arrays behind it, in their order.
OFFSETS = 5


class TooLarge(Exception):
    """The forest does not fit the form."""


@dataclass(frozen=True)
class Ranks:
    """The columns of a forest. `limit`: most edges of a column, one less than the largest rank of NaN."""

    limit: int
    edges: tuple[np.ndarray, ...]  # a feature's, ascending
    first: tuple[int, ...]  # a feature's first column

    @staticmethod
    def of(forest: Forest, bits: int) -> Ranks:
        """The columns of ranks of so many bits."""
        found: list[list[np.ndarray]] = [[] for _ in range(forest.features)]
        for tree in forest.trees:
            plain = ~tree.is_leaf
            plain[list(tree.sets)] = False
            features, thresholds = tree.feature[plain], tree.threshold[plain]
            for feature in np.unique(features):
                found[feature].append(np.unique(thresholds[features == feature]))
            for node, intervals in tree.sets.items():
                ends = [end for pair in intervals for end in pair if end is not None]
                found[tree.feature[node]].append(np.array(ends, forest.width.dtype))
        limit = (1 << bits) - 2
        dtype = forest.width.dtype
        edges = tuple(np.unique(np.concatenate([*parts, np.empty(0, dtype)])).astype(dtype) for parts in found)
        counts = [max(1, -(-(len(e) - 1) // (limit - 1))) for e in edges]
        return Ranks(limit, edges, tuple(int(c) for c in np.cumsum([0, *counts])[:-1]))

    def columns(self) -> Iterator[tuple[int, np.ndarray]]:
        """(feature, edges) of each column."""
        for feature, edges in enumerate(self.edges):
            for start in range(0, max(1, len(edges) - 1), self.limit - 1):
                yield feature, edges[start : start + self.limit]

    def at(self, features: np.ndarray, thresholds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(columns, ranks up to which the values up to the thresholds go there) of nodes."""
        column = np.zeros(len(features), np.int64)
        rank = np.zeros(len(features), np.int64)
        for feature in np.unique(features):
            here = features == feature
            index = np.searchsorted(self.edges[feature], thresholds[here])
            last = max(0, len(self.edges[feature]) - 2) // (self.limit - 1)
            piece = np.minimum(index // (self.limit - 1), last)
            column[here] = self.first[feature] + piece
            rank[here] = index - piece * (self.limit - 1)
        return column, rank

    def ranges(self, tree: Tree, node: int) -> list[tuple[int, int]]:
        """The ranks of the whole feature that hit, as ascending ranges (first, last) that do not touch."""
        edges = self.edges[tree.feature[node]]
        found: list[tuple[int, int]] = []
        for low, high in tree.intervals(node):
            first = 0 if low is None else int(np.searchsorted(edges, low)) + 1
            last = int(np.searchsorted(edges, high))
            if found and found[-1][1] + 1 == first:
                first = found.pop()[0]
            if first <= last:
                found.append((first, last))
        return found

    def arrays(self, forest: Forest) -> dict[str, np.ndarray]:
        """columns: int32[c, 4], feature, log2 of the table's length, its start, its twin or 0. edges: the tables.

        A table is a search tree in breadth-first order from its place 1 on, with inf behind the largest edge.
        """
        rows, tables, size = [], [], 0
        for feature, edges in self.columns():
            bits = max(LEAST_BITS, int(len(edges)).bit_length())
            rows.append((feature, bits, size, 0))
            ascending = np.full((1 << bits) - 1, np.inf, forest.width.dtype)
            ascending[: len(edges)] = edges
            tables += [np.full(1, np.inf, forest.width.dtype), ascending[_breadth_first_places(bits)]]
            size += 1 << bits
        if size >= 1 << 31:
            raise TooLarge(f"{size} thresholds")
        return {"columns": np.array(rows, np.int32), "edges": np.concatenate([*tables, np.full(1, np.inf, forest.width.dtype)])}


@cache
def _breadth_first_places(bits: int) -> np.ndarray:
    """The place in ascending order of what a search tree of 2**bits - 1 values has at its places 1, 2, ..."""
    place = np.arange(1, 1 << bits)
    level = np.frexp(place)[1] - 1
    return (2 * (place - (1 << level)) + 1 << bits - 1 - level) - 1


def ascending(edges: np.ndarray, bits: int, start: int) -> np.ndarray:
    """The values of a column's table, of 2**bits - 1, in ascending order: its edges and the inf behind."""
    table = np.empty((1 << bits) - 1, edges.dtype)
    table[_breadth_first_places(bits)] = edges[start + 1 : start + (1 << bits)]
    return table


class Columns:
    """The columns of ranks of a form: those of `rows`, then the twins that some split wants, whose numbers go into `rows`."""

    def __init__(self, rows: np.ndarray) -> None:
        self.rows = rows
        self.count = len(rows)

    def numbers(self, column: np.ndarray, nan: np.ndarray) -> np.ndarray:
        """The columns that nodes read whose NaN hits (1) or not (0)."""
        wanted = np.unique(column[nan == 1])
        new = wanted[self.rows[wanted, 3] == 0]
        self.rows[new, 3] = np.arange(self.count, self.count + len(new))
        self.count += len(new)
        return np.where(nan == 1, self.rows[column, 3], column)


def walk_bytes(columns: int) -> int:
    """Bytes that scoring a piece in walk form works in: the nodes arrived at, and ranks of columns that may all have twins."""
    return PIECE * 4 + max(RANK_BYTES, 4 * _FEWEST_ROWS * columns)


def with_head(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays, with their offsets in the head, so that kernels depend on no layout."""
    head = np.concatenate([arrays["head"], np.zeros(len(arrays) - 1, np.int64)])
    arrays = {**arrays, "head": head}  # which stays the first one
    head[OFFSETS:] = list(offsets(arrays).values())[1:]
    return arrays


def walk_arrays(forest: Forest) -> dict[str, np.ndarray]:
    """The walk form. Raises TooLarge.

    trees: int64[t, 5], the root, its depth, its first output, its values a leaf, where its values begin. nodes: uint64[n], see
    the bits above. leaves: int32[n], a leaf's number within its tree. set_starts, members: the ranks that a set has begin at
    its start, one byte each, the last one for NaN; one int32 before is the largest rank. head: the number of columns, of trees,
    of rows that walk at once, of outputs, and of columns with twins.

    A hit is a rank up to the key, which is larger by 1 where the node reads a twin.
    """
    ranks = Ranks.of(forest, 16)
    arrays = ranks.arrays(forest)
    columns = Columns(arrays["columns"])
    sets = _Sets(ranks)
    nodes, leaves, trees, values = [], [], [], []
    root, size = 0, 0
    for tree in forest.trees:
        order, child = _breadth_first(tree)
        nodes.append(_packed(tree, order, child, root, columns, sets))
        is_leaf = tree.is_leaf[order]
        leaves.append(np.where(is_leaf, np.cumsum(is_leaf) - 1, 0).astype(np.int32))
        values.append(tree.values[order[is_leaf]].astype(forest.sums.dtype).ravel())
        trees.append((root, tree.depth, tree.first, tree.values.shape[1], size))
        root += len(order)
        size += values[-1].size
    if root >= 1 << 31:
        raise TooLarge(f"{root} nodes")
    if columns.count > MAX_COLUMNS:
        raise TooLarge(f"{columns.count} columns")
    head = (len(columns.rows), len(trees), _rows_at_once(columns.count), forest.outputs, columns.count)
    return with_head({
        "head": np.array(head, np.int64),
        **arrays,
        "trees": np.array(trees, np.int64).reshape(-1, 5),
        "nodes": np.concatenate(nodes),
        "leaves": np.concatenate(leaves),
        "values": np.concatenate(values),
        "start": forest.start.astype(forest.sums.dtype),
        "set_starts": np.array([*sets.starts, 0], np.int32).reshape(-1),
        "members": np.frombuffer(b"".join(sets.members) + b"\0", np.uint8),
    })  # fmt: skip


def _rows_at_once(columns: int) -> int:
    """A power of 2 of rows whose ranks, 16 bits each, take at most RANK_BYTES."""
    rows = PIECE
    while rows > _FEWEST_ROWS and 2 * columns * rows > RANK_BYTES:
        rows //= 2
    return rows


def _breadth_first(tree: Tree) -> tuple[np.ndarray, np.ndarray]:
    """(nodes in order, siblings side by side, hits first; the place of each one's first child, its own for leaves)."""
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
    is_set = np.zeros(len(order), np.int64)
    for node in tree.sets:
        column[node], key[node], is_set[node], nan[node] = ranks.first[tree.feature[node]], sets.number(tree, node), 1, 0
    leaf = tree.is_leaf
    column, nan, is_set = (np.where(leaf, 0, a) for a in (column, nan, is_set))
    key = np.where(leaf, 0xFFFF, key + nan)
    bits = key | (columns.numbers(column, nan) * 2 * WALKERS | is_set) << OFFSET_BIT
    return bits[order].astype(np.uint64) | (child + root).astype(np.uint64) << np.uint64(CHILD_BIT)


class _Sets:
    """The sets of ranks of a walk form, each once."""

    def __init__(self, ranks: Ranks) -> None:
        self.ranks = ranks
        self.starts: list[int] = []
        self.members: list[bytes] = []
        self._numbers: dict[bytes, int] = {}
        self._size = 0

    def number(self, tree: Tree, node: int) -> int:
        """The number of the set of a node's hits."""
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
