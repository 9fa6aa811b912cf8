"""Lays out tree ensembles as the arrays of a constant block, in one of the two forms that kernels score.

Both forms compare ranks instead of floats. A *column* holds a range of a feature's sorted thresholds, its edges. A row's rank
in a column is the number of edges below the row's value, and the largest unsigned integer for NaN. Ranks have 8 bits in the
mask form and 16 in the walk form, so a feature with more thresholds takes several columns. These overlap by one edge, so that
each rank is an inner rank of some column. Where NaN hits, a split reads the *shifted* copy of its column (`twin` in the code).
Ranks there are larger by 1, modulo the type, so that NaN's is 0.

- *mask*: for trees of up to 256 leaves, see `tree_masks`.
- *walk*: for any tree, see `tree_walks`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from typing import TypeVar

import numpy as np

from sparkweld.ir.blocks import offsets
from sparkweld.ir.trees import Forest, TooLarge, Tree

#: Minimum log2 of the length of a column's table: two registers of 512 bits search this many levels.
LEAST_BITS = 4
#: Rows that walk in lockstep: their ranks in one column are adjacent.
WALKERS = 16
#: Bit positions in a node of the walk form: key (or set number), byte offset of the column in the ranks of WALKERS rows, first
#: child. The offset is even, so its lowest bit marks nodes that test a set.
OFFSET_BIT, CHILD_BIT = 16, 32
#: Maximum rows of a chunk, which is scored at a time.
PIECE = 512
#: Rows of a block when only some of its rows are scored: enough that those also fill chunks.
BLOCK = 4096


_Head = TypeVar("_Head", bound=IntEnum)


@dataclass(frozen=True)
class Ranks:
    """The columns of a forest. `limit`: maximum number of edges of a column, one less than the largest rank, NaN's."""

    limit: int
    edges: tuple[np.ndarray, ...]  # of each feature, ascending
    first: tuple[int, ...]  # of each feature, its first column

    @staticmethod
    def limit_of(bits: int) -> int:
        """Returns the maximum number of edges of a column with ranks of `bits` bits."""
        return (1 << bits) - 2

    @staticmethod
    def of(forest: Forest, bits: int) -> Ranks:
        """Builds the columns for ranks of `bits` bits."""
        limit, edges = Ranks.limit_of(bits), forest.thresholds
        counts = [max(1, -(-(len(e) - 1) // (limit - 1))) for e in edges]
        return Ranks(limit, edges, tuple(int(c) for c in np.cumsum([0, *counts])[:-1]))

    def columns(self) -> Iterator[tuple[int, np.ndarray]]:
        """Yields (feature, edges) of each column."""
        for feature, edges in enumerate(self.edges):
            for start in range(0, max(1, len(edges) - 1), self.limit - 1):
                yield feature, edges[start : start + self.limit]

    def at(self, features: np.ndarray, thresholds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns (columns, keys) of splits: a value is at most the threshold where its rank in the column is at most the key."""
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
        """Returns the ranks, over all edges of the feature, that hit, as ascending and non-adjacent ranges (first, last)."""
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

    def arrays(self, forest: Forest) -> dict[str, list[np.ndarray]]:
        """Returns the arrays `columns` and `edges`.

        columns: int32[c, 4], feature, log2 of the table's length, its start, its shifted copy or 0. edges: the tables. A table
        is a search tree in breadth-first order from its index 1 on, padded with inf after the largest edge.
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
        return {"columns": [np.array(rows, np.int32)], "edges": [*tables, np.full(1, np.inf, forest.width.dtype)]}


@cache
def _breadth_first_places(bits: int) -> np.ndarray:
    """Returns the ascending index of the values that a search tree of 2**bits - 1 values holds at its indices 1, 2, ..."""
    place = np.arange(1, 1 << bits)
    level = np.frexp(place)[1] - 1
    return (2 * (place - (1 << level)) + 1 << bits - 1 - level) - 1


def ascending(edges: np.ndarray, bits: int, start: int) -> np.ndarray:
    """Returns the 2**bits - 1 values of a column's table in ascending order: its edges, then inf."""
    table = np.empty((1 << bits) - 1, edges.dtype)
    table[_breadth_first_places(bits)] = edges[start + 1 : start + (1 << bits)]
    return table


class Columns:
    """Numbers the columns of ranks of a form: those of `rows`, then the required shifted copies.

    The numbers of the copies are stored in `rows`.
    """

    def __init__(self, rows: np.ndarray) -> None:
        self.rows = rows
        self.count = len(rows)

    def numbers(self, column: np.ndarray, nan: np.ndarray) -> np.ndarray:
        """Returns the columns that splits read, from their plain columns and whether NaN hits (1) or not (0)."""
        wanted = np.unique(column[nan == 1])
        new = wanted[self.rows[wanted, 3] == 0]
        self.rows[new, 3] = np.arange(self.count, self.count + len(new))
        self.count += len(new)
        return np.where(nan == 1, self.rows[column, 3], column)


def with_head(values: Mapping[_Head, int], arrays: Mapping[str, list[np.ndarray]]) -> dict[str, list[np.ndarray]]:
    """Returns the arrays, which are in pieces, after a head: int64, these values, then the offset of each array in the block.

    So kernels depend on no layout but the head. Its enumeration names the values, then the offsets, as `TREES_AT` of `trees`.
    """
    names = [member.name for member in type(next(iter(values)))]
    assert names == [*(key.name for key in values), *(f"{name.upper()}_AT" for name in arrays)], names
    head = np.array([*values.values(), *(0 for _ in arrays)], np.int64)
    whole = {"head": [head], **arrays}
    head[len(values) :] = list(offsets(whole).values())[1:]
    return whole
