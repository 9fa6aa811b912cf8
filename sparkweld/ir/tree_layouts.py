"""Forests to the arrays of a constant block, in one of the two forms that kernels score.

Both forms compare ranks and no floats. A *column* is a piece of a feature's sorted thresholds, its edges; a row's rank in it is
the number of edges below the row's value, and the largest unsigned integer for NaN. The mask form has ranks of 8 bits, the walk
form of 16, so a feature with more thresholds takes several columns, which overlap by one edge: each rank is then an inner one of
some column.

- *mask*: for trees of up to 256 leaves. Operations in the order of a depth-first walk; each splits the set of rows in one mask
  slot by a range of ranks into its hits and misses, which go to slots or are given a leaf number.
- *walk*: nodes of 64 bits in breadth-first order, siblings side by side; a leaf is a node that leads to itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from sparkweld.ir.blocks import offsets
from sparkweld.ir.trees import Forest, Tree

#: Most leaves of a tree in mask form: a leaf number is a byte.
MASK_LEAVES = 256
#: Slots of the mask form: the rows of the block, which are all; the hits of a set of ranges so far; from here on what trees use.
ALL, UNION, FREE = 0, 1, 2
#: Kinds of operations of the mask form, added up: the hits are a leaf's, the misses are; a range that begins a union, or joins
#: it; the last range of a union, which splits.
HIT_LEAF, MISS_LEAF, BEGIN, JOIN, LAST = 1, 2, 4, 5, 8

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

    def cut(self, feature: int, first: int, last: int) -> Iterator[tuple[int, int, int]]:
        """(column, low, high) of a range of ranks, cut where one column's inner ranks end."""
        step, count = self.limit - 1, len(self.edges[feature])
        pieces = max(1, -(-(count - 1) // step))
        for piece in range(pieces):
            start = piece * step
            inner = (0 if piece == 0 else start + 1, count if piece == pieces - 1 else start + step)
            low, high = max(first, inner[0]), min(last, inner[1])
            if low <= high:
                yield self.first[feature] + piece, low - start, high - start

    def arrays(self, forest: Forest) -> dict[str, np.ndarray]:
        """columns: int32[c, 4], feature, log2 of the table's length + 1, its start, its twin. edges: the tables, inf behind."""
        rows, tables, size = [], [], 0
        for feature, edges in self.columns():
            bits = int(len(edges)).bit_length()
            table = np.full((1 << bits) - 1, np.inf, forest.width.dtype)
            table[: len(edges)] = edges
            rows.append((feature, bits, size, 0))
            tables.append(table)
            size += len(table)
        if size >= 1 << 31:
            raise TooLarge(f"{size} thresholds")
        return {"columns": np.array(rows, np.int32), "edges": np.concatenate([*tables, np.full(1, np.inf, forest.width.dtype)])}


@dataclass
class _Tree:
    """A tree's operations in mask form, as they are made."""

    operations: list[tuple[int, ...]]
    leaves: list[int]
    slots: int = FREE


def mask_arrays(forest: Forest) -> dict[str, np.ndarray]:
    """The mask form. Raises TooLarge.

    trees: int64[t, 4], the end of its operations (none where it is split as the tree before), where its values begin, its first
    output, its values a leaf. operations:
    uint16[o, 6]: column, lowest rank | (ranks - 1) << 8, slot, where its hits go, where its misses go, kind. head: int64, the
    number of columns, trees, slots and outputs, and 0.
    """
    if any(int(tree.is_leaf.sum()) > MASK_LEAVES for tree in forest.trees):
        raise TooLarge(f"a tree of more than {MASK_LEAVES} leaves")
    ranks = Ranks.of(forest, 8)
    arrays = ranks.arrays(forest)
    if len(arrays["columns"]) > 1 << 16:
        raise TooLarge(f"{len(arrays['columns'])} columns")
    operations, trees, values, size, slots = [], [], [], 0, FREE
    before: list[tuple[int, ...]] = []
    for tree in forest.trees:
        one = _mask_tree(tree, ranks)
        if one.operations != before:  # else its leaves are those of the tree before
            operations += one.operations
        before = one.operations
        trees.append((len(operations), size, tree.first, tree.values.shape[1]))
        # Leaf numbers are bytes that a row may have from a tree before, so each tree's values are its own only.
        values.append(tree.values[one.leaves].astype(forest.sums.dtype).ravel())
        size += values[-1].size
        slots = max(slots, one.slots)
    return _with_head({
        "head": np.array([len(arrays["columns"]), len(trees), slots, forest.outputs, 0], np.int64),
        **arrays,
        "trees": np.array(trees, np.int64).reshape(-1, 4),
        "operations": np.array(operations, np.uint16).reshape(-1, 6),
        "values": np.concatenate(values),
        "start": forest.start.astype(forest.sums.dtype),
    })  # fmt: skip


def mask_bytes(columns: int, slots: int, outputs: int) -> int:
    """Bytes that scoring a piece in mask form works in: masks, leaf numbers, a copy of a column, ranks, and sums."""
    return slots * PIECE // 8 + PIECE * (1 + 8 + columns + 8 * outputs)


def walk_bytes(columns: int) -> int:
    """Bytes that scoring a piece in walk form works in: the nodes arrived at, and ranks of columns that may all have twins."""
    return PIECE * 4 + max(RANK_BYTES, 4 * _FEWEST_ROWS * columns)


def _with_head(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays, with their offsets in the head, so that kernels depend on no layout."""
    head = np.concatenate([arrays["head"], np.zeros(len(arrays) - 1, np.int64)])
    arrays = {**arrays, "head": head}  # which stays the first one
    head[OFFSETS:] = list(offsets(arrays).values())[1:]
    return arrays


def _mask_tree(tree: Tree, ranks: Ranks) -> _Tree:
    one = _Tree([], [])
    if tree.hit[0] < 0:
        one.leaves.append(0)
        one.operations.append((0, 255 << 8, ALL, 0, 0, HIT_LEAF | MISS_LEAF))
        return one
    column, rank = (a.tolist() for a in ranks.at(tree.feature, tree.threshold))
    waiting = [(0, ALL, FREE)]  # node, its slot, the first slot that is free
    while waiting:
        node, slot, free = waiting.pop()
        places, kind = [], 0
        # A split is read before its parts are written, so one of them may take its place.
        spare = [slot] if slot != ALL else []
        children = (int(tree.hit[node]), int(tree.miss[node]))
        for child, leaf in zip(children, (HIT_LEAF, MISS_LEAF), strict=True):
            if tree.hit[child] < 0:
                kind |= leaf
                places.append(len(one.leaves))
                one.leaves.append(child)
                continue
            if not spare:
                spare.append(free)
                free += 1
            places.append(spare.pop())
        waiting += [(c, p, free) for c, p in zip(children, places, strict=True) if tree.hit[c] >= 0]
        one.slots = max(one.slots, free)
        if node in tree.sets:
            one.operations += _union(tree, ranks, node, slot, places, kind)
        elif tree.nan_hits[node]:
            # What misses is one range, up to the largest rank that is no NaN's.
            swapped = (kind >> 1) | (kind & 1) << 1
            low = rank[node] + 1
            one.operations.append((column[node], _range(low, ranks.limit), slot, places[1], places[0], swapped))
        else:
            one.operations.append((column[node], _range(0, rank[node]), slot, *places, kind))
    return one


def _range(low: int, high: int) -> int:
    return low | (high - low) << 8


def _union(tree: Tree, ranks: Ranks, node: int, slot: int, places: list[int], kind: int) -> list[tuple[int, ...]]:
    """The operations of a split by several ranges."""
    feature = int(tree.feature[node])
    pieces = [piece for first, last in ranks.ranges(tree, node) for piece in ranks.cut(feature, first, last)]
    nan = ranks.limit + 1
    if tree.nan_hits[node]:
        pieces.append((ranks.first[feature], nan, nan))
    if not pieces:
        # Nothing hits: the misses of all ranks are none.
        return [(ranks.first[feature], _range(0, nan), slot, places[1], places[0], (kind >> 1) | (kind & 1) << 1)]
    if len(pieces) == 1:
        column, low, high = pieces[0]
        return [(column, _range(low, high), slot, *places, kind)]
    found: list[tuple[int, ...]] = []
    for number, (column, low, high) in enumerate(pieces):
        last = number == len(pieces) - 1
        step = BEGIN if number == 0 else LAST | kind if last else JOIN
        found.append((column, _range(low, high), slot, *(places if last else (UNION, UNION)), step))
    return found


def walk_arrays(forest: Forest) -> dict[str, np.ndarray]:
    """The walk form. Raises TooLarge.

    trees: int64[t, 5], the root, its depth, its first output, its values a leaf, where its values begin. nodes: uint64[n], see
    the bits above. leaves: int32[n], a leaf's number within its tree. set_starts, members: the ranks that a set has begin at
    its start, one byte each, the last one for NaN; one int32 before is the largest rank. head: the number of columns, of trees,
    of rows that walk at once, of outputs, and of columns with twins.

    A hit is a rank up to the key, and NaN has the largest rank. Where NaN hits, the node reads a column whose ranks are larger
    by 1, modulo 2**16, so that NaN's is 0: the plain column's twin, whose number is the last one of its row in `columns`, or 0.
    """
    ranks = Ranks.of(forest, 16)
    arrays = ranks.arrays(forest)
    columns = _Columns(arrays["columns"])
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
    head = (len(columns.plain), len(trees), _rows_at_once(columns.count), forest.outputs, columns.count)
    return _with_head({
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


def _packed(tree: Tree, order: np.ndarray, child: np.ndarray, root: int, columns: _Columns, sets: _Sets) -> np.ndarray:
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


class _Columns:
    """The columns of a walk form: those of its ranks, then the twins that some split wants."""

    def __init__(self, plain: np.ndarray) -> None:
        self.plain = plain
        self.count = len(plain)

    def numbers(self, column: np.ndarray, nan: np.ndarray) -> np.ndarray:
        """The columns that nodes read whose NaN hits or not."""
        wanted = np.unique(column[nan == 1])
        new = wanted[self.plain[wanted, 3] == 0]
        self.plain[new, 3] = np.arange(self.count, self.count + len(new))
        self.count += len(new)
        return np.where(nan == 1, self.plain[column, 3], column)


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
