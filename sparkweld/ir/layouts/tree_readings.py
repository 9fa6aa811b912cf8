"""Reconstructs trees from a tree ensemble's constant block.

It inverts `tree_masks` and `tree_walks`: thresholds are edges of columns, and a leaf's number locates its values.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sparkweld.ir.blocks import ConstantBlock
from sparkweld.ir.layouts.tree_masks import ALL, AS_BEFORE, FREE, NONE, PLANES
from sparkweld.ir.layouts.trees import CHILD_BIT, OFFSET_BIT, WALKERS, ascending
from sparkweld.ir.trees import Interval, Tree


def trees_of(form: str, block: ConstantBlock) -> list[Tree]:
    """Reconstructs the trees of a block, up to differences that no row can observe. The block must hold its bytes."""
    return _of_masks(block) if form == "mask" else _of_walk(block)


class _Grown:
    """A tree whose nodes are added one at a time."""

    def __init__(self) -> None:
        self.features: list[int] = []
        self.intervals: list[tuple[tuple[Interval, ...], bool] | None] = []
        self.children: list[list[int]] = []
        self.leaf: list[int] = []

    def add(self, feature: int = 0, intervals: tuple[Interval, ...] = (), nan: bool = False, leaf: int = -1) -> int:
        self.features.append(feature)
        self.intervals.append((intervals, nan) if leaf < 0 else None)
        self.children.append([-1, -1])
        self.leaf.append(leaf)
        return len(self.leaf) - 1

    def tree(self, values: np.ndarray, first: int, dtype: np.dtype) -> Tree:
        """Builds the tree, with the values of its leaves' numbers."""
        count, children = len(self.leaf), np.array(self.children, np.int32)
        threshold, nan_hits, sets = np.zeros(count, dtype), np.zeros(count, bool), {}
        for node, found in enumerate(self.intervals):
            if found is None:
                continue
            intervals, nan_hits[node] = found
            if len(intervals) == 1 and intervals[0][0] is None:
                threshold[node] = intervals[0][1]
            elif len(intervals) == 1 and intervals[0][1] == np.inf:  # its misses are the values up to a threshold
                threshold[node], nan_hits[node] = intervals[0][0], not found[1]
                children[node] = children[node, ::-1]
            else:
                sets[node] = intervals
        hit, miss = children.T
        taken = values[np.maximum(np.array(self.leaf), 0)]
        return Tree(np.array(self.features, np.int32), threshold, nan_hits, hit.copy(), miss.copy(), taken, first, sets)


def _interval(table: np.ndarray, low: int, high: int) -> tuple[Interval, ...]:
    """Returns the interval of the values, except NaN, whose ranks in a column lie between `low` and `high`."""
    if low > len(table) or (low > 0 and table[low - 1] == np.inf):
        return ()
    return ((None if low == 0 else table[low - 1], table[high] if high < len(table) else table.dtype.type(np.inf)),)


@dataclass(frozen=True, eq=False)
class _Test:
    """The rows of a mask form whose value is at most `high`, or with None those of NaN. `nan`: whether NaN is among the rows."""

    feature: int
    high: float | None
    nan: bool


@dataclass(frozen=True, eq=False)
class _Choice:
    """The operation ``condition ? hit : miss`` of a mask form."""

    condition: _Test | _Choice
    hit: _Rows
    miss: _Rows


#: A set of rows: none, all, or the result of a test or an operation.
_Rows = bool | _Test | _Choice


def _of_masks(block: ConstantBlock) -> list[Tree]:
    tests, operations = _tests(block), block["operations"].reshape(-1, 4).tolist()
    rows = zip(block["trees"].reshape(-1, 6).tolist(), block["planes"].reshape(-1, PLANES).tolist(), strict=True)
    groups = block["groups"].reshape(-1, 2).tolist()
    trees: list[Tree] = []
    begin, first, grown = 0, 0, _Grown()
    for last, ended in groups:
        sets: dict[int, _Rows] = {NONE: False, ALL: True, **dict(enumerate(tests[first:last], FREE))}
        while len(trees) < ended:
            (end, digits, at, output, width, leaves), planes = next(rows)
            for to, condition, hit, miss in operations[begin:end]:
                sets[to] = _Choice(sets[condition], sets[hit], sets[miss])  # type: ignore[arg-type]
            if digits != AS_BEFORE:
                grown = _Grown()
                _grow(grown, [sets[plane] for plane in planes])
            values = block["values"][at : at + leaves * width].reshape(width, leaves).T
            trees.append(grown.tree(values, output, block["edges"].dtype))
            begin = end
        first = last
    return trees


def _ascending_edges(block: ConstantBlock) -> np.ndarray:
    """Returns the block's edges, each table in ascending order from its start on."""
    edges = np.full(block.length("edges"), np.inf, block["edges"].dtype)
    for _, bits, start, _ in block["columns"].reshape(-1, 4).tolist():
        edges[start : start + (1 << bits) - 1] = ascending(block["edges"], bits, start)
    return edges


def _tests(block: ConstantBlock) -> list[_Test]:
    """Returns all tests of a mask form."""
    rows = block["columns"].reshape(-1, 4).tolist()
    plain = {number: (row, False) for number, row in enumerate(rows)} | {row[3]: (row, True) for row in rows if row[3]}
    edges, found = _ascending_edges(block), []
    for column, key in block["tests"].reshape(-1, 2).tolist():
        (feature, _, start, _), twin = plain[column]
        found.append(_Test(feature, None if twin and key == 0 else edges[start + key - twin], twin))
    return found


def _grow(grown: _Grown, digits: list[_Rows]) -> int:
    """Adds the node whose rows have leaf numbers of these digits, and the nodes below it; returns its number."""
    open_ = [digit for digit in digits if not isinstance(digit, bool)]
    if not open_:
        return grown.add(leaf=sum(bool(digit) << place for place, digit in enumerate(digits)))
    condition = open_[0].condition if isinstance(open_[0], _Choice) else open_[0]
    node = grown.add(*_condition(condition))
    for side in (0, 1):
        # A digit equal to the test itself separates two leaves, or subtrees that agree in it.
        below = [d if isinstance(d, bool) else side == 0 if isinstance(d, _Test) else (d.hit, d.miss)[side] for d in digits]
        grown.children[node][side] = _grow(grown, below)
    return node


def _condition(condition: _Test | _Choice) -> tuple[int, tuple[Interval, ...], bool]:
    """Returns (feature, intervals, whether NaN hits) of a split."""
    chain: list[tuple[_Test, bool]] = []
    rest: _Rows = condition
    while not isinstance(rest, bool):
        test, hits, rest = (rest.condition, rest.hit, rest.miss) if isinstance(rest, _Choice) else (rest, True, False)
        chain.append((test, hits))  # type: ignore[arg-type]
    intervals: list[Interval] = []
    low = None
    for test, hits in [(test, hits) for test, hits in chain if test.high is not None]:
        if hits:
            intervals.append((low, test.high))  # type: ignore[arg-type]
        low = test.high
    if rest:
        intervals.append((low, np.inf))
    nan = next((hits for test, hits in chain if test.nan), rest)
    return chain[0][0].feature, tuple(intervals), bool(nan)


def _of_walk(block: ConstantBlock) -> list[Tree]:
    rows = block["columns"].reshape(-1, 4)
    plain = np.arange(max(len(rows), int(rows[:, 3].max(initial=0)) + 1))  # a shifted copy -> its plain column
    plain[rows[rows[:, 3] > 0, 3]] = np.flatnonzero(rows[:, 3])
    trees, edges = block["trees"].reshape(-1, 8)[:, 2:], _ascending_edges(block)
    ends = [*trees[1:, 0].tolist(), block.length("nodes")]
    found = []
    for (root, _, _, first, width, at), end in zip(trees.tolist(), ends, strict=True):
        words, numbers = block["nodes"][root:end].view(np.int64), block["leaves"][root:end]
        child, offset = (words >> CHILD_BIT) - root, words >> OFFSET_BIT & 0xFFFF
        leaf = child == np.arange(len(words))
        is_set = (offset & 1).astype(bool) & ~leaf
        read = np.where(leaf, 0, offset // (2 * WALKERS))
        feature, bits, begin, _ = rows[plain[read]].astype(np.int64).T
        nan = (plain[read] != read) & ~is_set
        key = np.where(leaf | is_set, 0, (words & 0xFFFF) - nan)
        beyond = key >= (1 << bits) - 1
        threshold = np.where(beyond, np.inf, edges[np.where(beyond, 0, begin + key)]).astype(edges.dtype)
        sets = {}
        for node in np.flatnonzero(is_set).tolist():
            table = edges[begin[node] : begin[node] + (1 << bits[node]) - 1]
            sets[node], nan[node] = _set(block, int(words[node] & 0xFFFF), table)
        hit, miss = (np.where(leaf, -1, child + side).astype(np.int32) for side in (0, 1))
        values = block["values"][at : at + (int(numbers.max(initial=0)) + 1) * width].reshape(-1, width)
        feature = np.where(leaf, 0, feature).astype(np.int32)
        found.append(Tree(feature, threshold, nan & ~leaf, hit, miss, values[numbers], first, sets))
    return found


def _set(block: ConstantBlock, number: int, table: np.ndarray) -> tuple[tuple[Interval, ...], bool]:
    """Returns (the intervals, whether NaN is a member) of a set of ranks."""
    members, start = block["members"], int(block["set_starts"][number])
    largest = int(members[start - 4 : start].copy().view(np.int32)[0])
    edges = np.flatnonzero(np.diff(members[start : start + largest], prepend=0, append=0)).reshape(-1, 2)
    found = [interval for low, end in edges.tolist() for interval in _interval(table, low, end - 1)]
    return tuple(found), bool(members[start + largest])
