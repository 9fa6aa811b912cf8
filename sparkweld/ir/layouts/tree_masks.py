"""Lowers tree ensembles to the mask form: programs over bit sets of rows that compute the leaf number of each row.

A *slot* holds a set of rows, one bit a row. The tests come first: each is the set of rows whose rank in a column is at most a
key. Then a tree's operations run from its leaves up: ``to = condition ? hit : miss`` in every bit, with two constant slots for
no rows and all rows. The results are the binary digits of the leaf numbers, one slot a digit (a *plane*). A split whose two
subtrees agree in a digit needs no operation for it. A set of intervals is a chain of such choices between tests and constants.

Tests of consecutive trees form a *group*: all of them are computed before the first operation reads one, and equal tests are
shared.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from functools import lru_cache, reduce
from operator import and_, or_

import numpy as np

from sparkweld.ir.layouts.trees import PIECE, Columns, Ranks, with_head
from sparkweld.ir.trees import Forest, TooLarge, Tree

#: Maximum leaves of a tree in mask form, and the planes of a leaf number, which is one byte.
MASK_LEAVES, PLANES = 256, 8
#: Slots: no rows, all rows, and the first free one. A group's tests come first, then the results of its operations.
NONE, ALL, FREE = 0, 1, 2
#: Replaces a tree's number of planes when its splits equal those of the tree before, whose leaf numbers are then reused.
AS_BEFORE = -1
#: Maximum tests of a group, unless one tree has more: their slots should fit in the first-level cache.
_GROUP_TESTS = 192
#: First provisional number of a slot that an operation fills, until the number of tests before it is known.
_MADE = 1 << 20
#: Padding after the values: a look-up of leaves in registers reads up to this many values beyond a tree's own.
BEYOND = 128


class MaskHead(IntEnum):
    """Index of each int64 of the head of a block in mask form. Members named `*_AT` hold byte offsets to an array."""

    COLUMNS = 0  # without shifted copies
    GROUPS = 1
    SLOTS = 2
    OUTPUTS = 3
    ALL_COLUMNS = 4  # with shifted copies
    COLUMNS_AT = 5
    EDGES_AT = 6
    GROUPS_AT = 7
    TESTS_AT = 8
    TREES_AT = 9
    PLANES_AT = 10
    OPERATIONS_AT = 11
    VALUES_AT = 12
    START_AT = 13


class MaskTree(IntEnum):
    """Index of each int64 of a tree in mask form."""

    OPERATIONS = 0  # the end of its operations
    PLANES = 1  # its number of planes, or AS_BEFORE
    VALUES = 2  # the start of its values; an output's values of all leaves are adjacent
    OUTPUT = 3  # its first output
    WIDTH = 4  # its values a leaf
    LEAVES = 5  # one more than its largest leaf number


def mask_arrays(forest: Forest) -> dict[str, list[np.ndarray]]:
    """Returns the arrays of the mask form, in pieces. Raises TooLarge.

    - groups: int64[g, 2], the ends of its tests and of its trees
    - tests: uint16[n, 2], column and key; the first test of a group fills slot FREE
    - trees: int64[t, 6], see `MaskTree`
    - planes: uint16[t, 8], their slots, lowest digit first
    - operations: uint16[o, 4]: to, condition, hit, miss
    """
    if any(int(tree.is_leaf.sum()) > MASK_LEAVES for tree in forest.trees):
        raise TooLarge(f"a tree of more than {MASK_LEAVES} leaves")
    ranks = Ranks.of(forest, 8)
    arrays = ranks.arrays(forest)
    programs = Programs(ranks, Columns(arrays["columns"][0]))
    trees, values, size = [], [], 0
    for tree in forest.trees:
        digits = programs.add(tree)
        trees.append((len(programs.operations), digits, size, tree.first, tree.values.shape[1], len(programs.leaves)))
        values.append(tree.values[programs.leaves].T.astype(forest.sums.dtype).ravel())
        size += values[-1].size
    programs.end_group()
    columns = programs.columns
    if columns.count > 1 << 16 or programs.slots > 1 << 16:
        raise TooLarge(f"{columns.count} columns, {programs.slots} sets of rows")
    head = {
        MaskHead.COLUMNS: len(columns.rows), MaskHead.GROUPS: len(programs.groups), MaskHead.SLOTS: programs.slots,
        MaskHead.OUTPUTS: forest.outputs, MaskHead.ALL_COLUMNS: columns.count,
    }  # fmt: skip
    return with_head(head, {
        **arrays,
        "groups": [np.array(programs.groups, np.int64).reshape(-1, 2)],
        "tests": [np.array(programs.tests, np.uint16).reshape(-1, 2)],
        "trees": [np.array(trees, np.int64).reshape(-1, 6)],
        "planes": [np.array(programs.planes, np.uint16).reshape(-1, PLANES)],
        "operations": [np.array(programs.operations, np.uint16).reshape(-1, 4)],
        "values": [*values, np.zeros(BEYOND, forest.sums.dtype)],
        "start": [forest.start.astype(forest.sums.dtype)],
    })  # fmt: skip


def mask_bytes(columns: int, slots: int, outputs: int) -> int:
    """Returns the scratch bytes for a chunk: slots, leaf numbers, a copy of a column, ranks of all columns, and sums.

    `columns` includes the shifted copies.
    """
    return slots * PIECE // 8 + PIECE * (1 + 8 + columns + 8 * outputs)


def _split_alike(a: Tree, b: Tree) -> bool:
    """Whether two trees have equal splits, so that every row reaches the same leaf of both."""
    pairs = ((a.hit, b.hit), (a.miss, b.miss), (a.feature, b.feature), (a.threshold, b.threshold), (a.nan_hits, b.nan_hits))
    return a.sets == b.sets and all(np.array_equal(x, y) for x, y in pairs)


#: A column and a key.
_Test = tuple[int, int]


@dataclass(frozen=True)
class _Condition:
    """The condition that a row hits at a split: the outcome of the first test that the row passes, else `otherwise`."""

    tests: tuple[tuple[_Test, bool], ...]
    otherwise: bool

    @property
    def is_test(self) -> bool:
        """Whether one test alone decides, and its rows are the hits."""
        return not self.otherwise and len(self.tests) == 1 and self.tests[0][1]


def _children(tree: Tree, node: int, conditions: dict[int, _Condition]) -> tuple[int, ...]:
    """Returns the children that rows can reach from a node, hits first."""
    if tree.hit[node] < 0:
        return ()
    both = int(tree.hit[node]), int(tree.miss[node])
    return both if conditions[node].tests else both[:1] if conditions[node].otherwise else both[1:]


def _numbered(tree: Tree, conditions: dict[int, _Condition]) -> dict[int, int]:
    """Maps each leaf to its number.

    Each digit in which leaves below a split differ costs an operation there. Neighbours in the reflected (Gray) code differ in
    one digit, so leaves get numbers from it in order. Each split places first the side for which that costs less. In a symmetric
    tree, whose levels have one condition each, a digit is the outcome of a level: no split costs an operation.
    """
    if symmetric := _numbered_by_levels(tree, conditions):
        return symmetric
    order, waiting = [], [0]
    while waiting:
        order.append(waiting.pop())
        waiting += _children(tree, order[-1], conditions)
    leaves: dict[int, int] = {}
    for node in reversed(order):
        leaves[node] = sum(leaves[child] for child in _children(tree, node, conditions)) or 1
    numbers: dict[int, int] = {}
    begins = [(0, 0)]  # a node, and the place of its first leaf in the code
    while begins:
        node, begin = begins.pop()
        children = _children(tree, node, conditions)
        if len(children) < 2:
            begins += [(child, begin) for child in children]
            numbers |= {} if children else {node: begin ^ begin >> 1}
            continue
        a, b = (leaves[child] for child in children)
        hit, miss = min(((begin, begin + a), (begin + b, begin)), key=lambda at: _cost(at[0], a, at[1], b))
        begins += [(children[0], hit), (children[1], miss)]
    return numbers


def _numbered_by_levels(tree: Tree, conditions: dict[int, _Condition]) -> dict[int, int]:
    """Maps each leaf of a symmetric tree to its number, a digit a level; returns nothing for other trees."""
    numbers, digit = {0: 0}, 0
    while all(tree.hit[node] >= 0 for node in numbers):
        first, *others = (conditions[node] for node in numbers)
        if not first.is_test or any(other != first for other in others):
            return {}
        hits = {int(tree.hit[node]): number | 1 << digit for node, number in numbers.items()}
        numbers = {int(tree.miss[node]): number for node, number in numbers.items()} | hits
        digit += 1
    return numbers if digit and all(tree.hit[node] < 0 for node in numbers) else {}


@lru_cache(1 << 16)
def _differing(begin: int, count: int) -> tuple[int, int]:
    """Returns (the digits in which `count` consecutive numbers of the code differ, the digits that are 1 in all of them)."""
    numbers = [place ^ place >> 1 for place in range(begin, begin + count)]
    every = reduce(and_, numbers)
    return reduce(or_, numbers) & ~every, every


@lru_cache(1 << 16)
def _cost(hit: int, hits: int, miss: int, misses: int) -> int:
    """Returns the operations of a split whose hits and misses are numbered consecutively from `hit` and `miss` on.

    Includes the digits that differ within each side.
    """
    (in_hits, of_hits), (in_misses, of_misses) = _differing(hit, hits), _differing(miss, misses)
    # A digit that is 1 in all hits and 0 in all misses is the condition itself.
    chosen = in_hits | in_misses | (of_misses & ~of_hits)
    return sum(digits.bit_count() for digits in (chosen, in_hits, in_misses))


#: The slots of an operation's condition, hits and misses.
_Choice = tuple[int, int, int]


def _scheduled(choices: list[_Choice], planes: list[int]) -> tuple[list[list[int]], list[int], int]:
    """Returns (operations, planes, number of slots) of choices that have a slot each: reuses slots, and reorders the operations.

    Operations are ordered by depth of dependence: one that directly follows the operation that it reads would wait for it.
    """
    levels: list[int] = []
    for choice in choices:
        levels.append(1 + max((levels[slot - _MADE] for slot in choice if slot >= _MADE), default=0))
    order = sorted(range(len(choices)), key=levels.__getitem__)
    last = {slot: place for place, number in enumerate(order) for slot in choices[number]}
    last |= dict.fromkeys(planes, len(order))
    place_of: dict[int, int] = {}
    spare: list[int] = []
    operations: list[list[int]] = []
    used = 0
    for place, number in enumerate(order):
        read = [place_of.get(slot, slot) for slot in choices[number]]
        # An operation reads before it writes.
        spare += {place_of[slot] for slot in choices[number] if slot >= _MADE and last[slot] == place}
        if not spare:
            spare.append(_MADE + used)
            used += 1
        place_of[_MADE + number] = spare.pop()
        operations.append([place_of[_MADE + number], *read])
    return operations, [place_of.get(slot, slot) for slot in planes], used


@dataclass
class Programs:
    """The programs of a forest, extended tree by tree.

    `leaves` maps the leaf numbers of the last tree to its nodes (any node for an unused number). Results of operations are
    stored after all tests of the group, so they are numbered from _MADE on until the group ends.
    """

    ranks: Ranks
    columns: Columns
    groups: list[tuple[int, int]] = field(default_factory=list)
    tests: list[_Test] = field(default_factory=list)
    operations: list[list[int]] = field(default_factory=list)
    planes: list[list[int]] = field(default_factory=list)
    leaves: list[int] = field(default_factory=list)
    slots: int = FREE
    _last: Tree | None = None
    _known: dict[_Test, int] = field(default_factory=dict)
    _numbers: dict[int, int] = field(default_factory=dict)  # of this tree's leaves, by node
    _width: int = 0  # number of digits of the leaf numbers
    _choices: list[_Choice] = field(default_factory=list)  # of this tree, each in a slot of its own
    _begin: int = 0  # the group's first operation
    _made: int = 0  # maximum slots that a tree of the group fills

    def add(self, tree: Tree) -> int:
        """Adds a tree, and returns its number of planes, or AS_BEFORE."""
        if self._last is not None and _split_alike(self._last, tree):
            self.planes.append([NONE] * PLANES)
            return AS_BEFORE
        self._last = tree
        conditions = self._conditions(tree)
        wanted = dict.fromkeys(test for c in conditions.values() for test, _ in c.tests)
        if self._known and len(self._known | wanted) > _GROUP_TESTS:
            self.end_group()
        for test in wanted:
            self._known.setdefault(test, FREE + len(self._known))
        self._numbers, self._choices = _numbered(tree, conditions), []
        self._width = max(self._numbers.values()).bit_length()
        made, planes, used = _scheduled(self._choices, self._digits(tree, 0, conditions))
        self.operations += made
        self.planes.append(planes + [NONE] * (PLANES - self._width))
        self._made = max(self._made, used)
        self.leaves = [0] * (1 + max(self._numbers.values()))
        for node, number in self._numbers.items():
            self.leaves[number] = node
        return self._width

    def end_group(self) -> None:
        """Ends the group of the trees since the last one ended.

        Sorts its tests, so that tests of a column, which read the same, are adjacent.
        """
        done = self.groups[-1][1] if self.groups else 0
        made, tests = FREE + len(self._known), sorted(self._known)
        place = {NONE: NONE, ALL: ALL} | {self._known[test]: slot for slot, test in enumerate(tests, FREE)}
        for slots in (*self.operations[self._begin :], *self.planes[done:]):
            slots[:] = [made + slot - _MADE if slot >= _MADE else place[slot] for slot in slots]
        self.tests += tests
        self.groups.append((len(self.tests), len(self.planes)))
        self.slots = max(self.slots, made + self._made)
        self._known, self._begin, self._made = {}, len(self.operations), 0

    def _digits(self, tree: Tree, node: int, conditions: dict[int, _Condition]) -> list[int]:
        """Returns the slots of the digits of the leaf numbers below a node."""
        children = _children(tree, node, conditions)
        if not children:
            return [ALL if self._numbers[node] >> digit & 1 else NONE for digit in range(self._width)]
        below = [self._digits(tree, child, conditions) for child in children]
        if len(below) == 1:
            return below[0]
        (hits, misses), condition = below, conditions[node]
        slot = self._known[condition.tests[0][0]] if condition.is_test else self._chain(condition)
        found = []
        for hit, miss in zip(hits, misses, strict=True):
            if hit == miss:
                found.append(hit)
            elif condition.is_test and (hit, miss) == (ALL, NONE):
                found.append(slot)
            else:
                found.append(self._choose(slot, hit, miss))
        return found

    def _chain(self, condition: _Condition) -> int:
        """Returns the slot of the hits of a condition, after choices between its tests."""
        slot = ALL if condition.otherwise else NONE
        for test, hits in reversed(condition.tests):
            slot = self._choose(self._known[test], ALL if hits else NONE, slot)
        return slot

    def _choose(self, condition: int, hit: int, miss: int) -> int:
        """Adds an operation and returns the slot that it fills."""
        self._choices.append((condition, hit, miss))
        return _MADE + len(self._choices) - 1

    def _conditions(self, tree: Tree) -> dict[int, _Condition]:
        """Returns the conditions of the splits, by node."""
        inner = np.flatnonzero(~tree.is_leaf)
        plain = inner[~np.isin(inner, list(tree.sets))]
        column, rank = self.ranks.at(tree.feature[plain], tree.threshold[plain])
        nan = tree.nan_hits[plain].astype(np.int64)
        tests = zip(self.columns.numbers(column, nan).tolist(), (rank + nan).tolist(), strict=True)
        found = {node: _Condition(((test, True),), False) for node, test in zip(plain.tolist(), tests, strict=True)}
        return found | {node: self._of_set(tree, node) for node in tree.sets if tree.hit[node] >= 0}

    def _of_set(self, tree: Tree, node: int) -> _Condition:
        """Returns the condition of a split by a set: one test wherever the ranks begin or cease to hit."""
        feature, nan = int(tree.feature[node]), bool(tree.nan_hits[node])
        count = len(self.ranks.edges[feature])
        member = np.zeros(count + 1, bool)
        for first, last in self.ranks.ranges(tree, node):
            member[first : last + 1] = True
        ends = np.flatnonzero(member[1:] != member[:-1])
        features = np.full(len(ends), feature)
        column, rank = self.ranks.at(features, self.ranks.edges[feature][ends])
        # NaN passes no test of a column, and all tests of its shifted copy.
        first = int(bool(len(ends)) and nan == member[0] and nan != member[-1])
        twins = np.full(len(ends), first)
        tests = zip(self.columns.numbers(column, twins).tolist(), (rank + first).tolist(), strict=True)
        chain = [(test, bool(member[end])) for test, end in zip(tests, ends.tolist(), strict=True)]
        if not first and nan != member[-1]:
            one = np.array([self.ranks.first[feature]])
            chain.insert(0, ((int(self.columns.numbers(one, np.ones(1, np.int64))[0]), 0), nan))
        return _Condition(tuple(chain), bool(member[-1]))
