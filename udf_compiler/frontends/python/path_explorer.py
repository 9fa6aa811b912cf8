"""Runs a function once per path and returns the tree of its decisions: a path forks where Python tests a symbolic value's truth.

A path is a sequence of decisions. For each path the function runs again from its start, follows the decisions made so far and
takes the next open one. Tuplex (SIGMOD 2021) also compiles by types and paths. With equal decisions the function must behave
equally each time, which `state` checks.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass, field
from types import CodeType, FrameType
from typing import Any

from sparkweld.errors import SparkWeldError
from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.ops import Const, StrCall
from sparkweld.ir.types import BOOL, STR
from udf_compiler.frontends.python.facts import Facts
from udf_compiler.frontends.tracing.exceptions import catches, check_exception, watched_exceptions
from udf_compiler.frontends.tracing.session import check_size, current, refuse, refuse_again
from udf_compiler.frontends.tracing.stand_ins import in_place

#: The most paths: each is computed for every row, so a larger tree is no faster than Python.
PATH_LIMIT = 512

#: The most decisions on all paths together: compiling more would take seconds.
DECISION_LIMIT = 20_000

#: The most decisions of a path, on average, when few paths are tried: stops a loop of the row's length early.
_DECISIONS_OF_A_PATH = 60


#: The most elements of a list of the row that a loop visits: rows with more run in Python.
_ELEMENTS = 40
#: The most rounds, each with a path of its own, of a loop of the row's length when few paths are tried.
_FIRST_ROUNDS = 6

#: What a mark within a string begins and ends with, and marks within the repr of one.
_MARK = ("\ue000", "\ue001")
_MARKED = re.compile(r"\\ue000[0-9a-f]{16}\\ue001")


@dataclass(frozen=True, slots=True)
class Guard:
    """A condition of a path; rows where it is False fall back to Python.

    `local`: there Python raises, or continues with a value of the same type. After a guard that is not local, Python may have a
    value that no explored path has, and return another type.
    """

    condition: Value
    local: bool = False


@dataclass(frozen=True, slots=True)
class Leaf:
    """The end of a path: the `value` that the function returned, or the `error` that it raised.

    `guards` are those since the last decision. Where one is False, only Python can compute the row.
    """

    value: Any
    error: Exception | None
    guards: tuple[Guard, ...]


@dataclass(frozen=True, slots=True)
class Fork:
    """A decision: `yes` for rows where `condition` holds, `no` for the others. `guards` are those since the last decision."""

    condition: Value
    guards: tuple[Guard, ...]
    yes: Node
    no: Node


Node = Leaf | Fork


@dataclass(slots=True)
class _Step:
    condition: Value
    guards: tuple[Guard, ...]
    taken: bool = True
    yes: Node | None = None


@dataclass(slots=True)
class Explorer:
    """Runs one function once for each of its paths (symbolic execution by repeated runs).

    - `handled`: user code may catch exceptions, so they fork instead of being guarded.
    - `decisions`: see `repeating`. `limit`: the maximum number of paths.
    - `regions`: the regions that `udf_compiler.frontends.python.regions` compiled so far; None where functions run directly.
    - `inside`: the paths are within a region. `walks`: functions are interpreted on each path.
    - `eager`: whether an argument is None is decided before a region is called, not where the region reads it.
    - `keys`: the keys of the container that an interpreted instruction reads; None where it is unknown.
    - `collector`: the frame and the offset of the loop over rows whose element is computed, if any, and those of its appends.
    - `unwritten`: calls, by code and offset, that must write a string of which only Python knows the contents.
    - `begins` and `after_guard`: what is known, and whether a guard came before, where the call is part of another's path.
    """

    loop: LoopBuilder
    handled: bool = True
    decisions: Sequence[bool] | None = None
    limit: int = PATH_LIMIT
    regions: dict[Any, Any] | None = None
    inside: bool = False
    walks: bool = False
    eager: bool = False
    keys: tuple[Any, ...] | None = None
    facts: Facts = field(init=False)
    marks: dict[str, Any] = field(default_factory=dict)
    collector: tuple[FrameType, int, frozenset[int]] | None = None
    unwritten: set[tuple[CodeType, int]] = field(default_factory=set)
    begins: Facts | None = None
    after_guard: bool = False
    _steps: list[_Step] = field(default_factory=list)
    _position: int = 0
    _decisions: int = 0
    _guards: list[Guard] = field(default_factory=list)
    _guarded: bool = False
    _trees: dict[tuple[Hashable, ...], Node] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.facts = Facts(self.loop)

    @staticmethod
    def repeating(
        loop: LoopBuilder, handled: bool, decisions: Sequence[bool], regions: dict[Any, Any] | None = None
    ) -> Explorer:
        """Returns an explorer that repeats the decisions of a path that was explored before, and adds no guards."""
        return Explorer(loop, handled, decisions, regions=regions)

    def explore(self, call: Callable[[], Any], lazily: bool = False) -> Node:
        """Returns the tree of `call`; refuses too many paths (SW290), and passes on the refusals of `call`.

        Other errors of our code become InternalError. `lazily`: `call` itself enables exploring, by `exploring`.
        """
        paths = 0
        with nullcontext() if lazily else exploring(self):
            while True:
                paths += 1
                if paths > self.limit:
                    refuse("SW290", limit=self.limit)
                node: Node = self._run(call)
                while self._steps and not self._steps[-1].taken:
                    step = self._steps.pop()
                    assert step.yes is not None
                    node = Fork(step.condition, step.guards, step.yes, node)
                if not self._steps:
                    return node
                self._steps[-1].yes, self._steps[-1].taken = node, False

    def _run(self, call: Callable[[], Any]) -> Leaf:
        self._position, self._guards, self._guarded = 0, [], self.after_guard
        self.facts = Facts(self.loop) if self.begins is None else self.begins.copy()
        self.marks, self.unwritten, self.collector = {}, set(), None
        value, error = None, None
        refused = current().refused
        try:
            with watched_exceptions(is_exploring) if self.handled else nullcontext():
                value = call()
        except (SparkWeldError, RecursionError):
            raise
        except Exception as raised:  # noqa: BLE001 - user code may raise anything for the rows of this path
            check_exception(raised)
            error = raised
        now = current().refused
        if now is not None and now is not refused:  # a handler of the user's caught it
            refuse_again(now)
        if self.unwritten:
            refuse("SW602", spec="a string that is used other than as the result")
        if self._position < len(self._steps):
            refuse("SW291")
        check_size(self.loop)
        return Leaf(value, error, tuple(self._guards))

    def within(self, call: Callable[[], Any], key: tuple[Hashable, ...]) -> Node:
        """Returns the tree of `call`, an operation without side effects, as it continues this path.

        Paths where the `key` is the same have the same tree, which another path may have made.
        """
        key = (*key, self._guarded, current().open)
        if key not in self._trees:
            inner = Explorer(
                self.loop, self.handled, regions=self.regions, inside=self.inside, walks=self.walks, begins=self.facts,
                after_guard=self._guarded,
            )  # fmt: skip
            self._trees[key] = inner.explore(call)
        return self._trees[key]

    @property
    def conditions(self) -> list[Value]:
        """Returns the decided conditions of this path."""
        return [step.condition for step in self._steps[: self._position]]

    @property
    def forks(self) -> bool:
        """Whether this path has decided a branch."""
        return self._position > 0

    @property
    def forked(self) -> int:
        """Returns the number of branches that this path has decided."""
        return self._position

    def check_round(self, number: int, before: int) -> None:
        """Refuses (SW290) a loop of the row's length early if it has a path for each round, and few paths are tried.

        `before`: `forked` before the round.
        """
        if number >= _FIRST_ROUNDS and self.limit < PATH_LIMIT and self.regions is None and self._position > before:
            refuse("SW290", limit=self.limit)

    def mark(self, text: Any) -> str:
        """Returns a mark that represents a string of the row within a Python str, until the function has returned it."""
        mark = f"{_MARK[0]}{secrets.token_hex(8)}{_MARK[1]}"
        self.marks[mark] = text
        return mark

    def known(self, condition: Value) -> bool | None:
        """Returns whether `condition` holds on all rows of this path (True) or on none (False); None where it forks."""
        known = self.facts.known(condition)
        if known is not None and not isinstance(self.loop.body[condition.id].op, Const):
            self.is_narrowed()
        return known

    def is_narrowed(self) -> bool:
        """Whether guards of this path may have decided a branch that the caller found decided; records it in the session.

        Python may take the other branch for a flagged row: ``'large' if n * n > 2**63 else 0.5``.
        """
        if self._guarded:
            current().narrowed = True
        return self._guarded

    def decide(self, condition: Value) -> bool:
        """Whether `condition` holds on this path; forks the path if unknown."""
        known = self.known(condition)
        if known is not None:
            return known
        self._decisions += 1
        if self._decisions > min(DECISION_LIMIT, _DECISIONS_OF_A_PATH * self.limit):
            refuse("SW290", limit=self.limit)
        if self.decisions is not None:
            return self._repeat(condition, self.decisions)
        if self._position == len(self._steps):
            self._steps.append(_Step(condition, tuple(self._guards)))
        step = self._steps[self._position]
        if step.condition.id != condition.id:
            refuse("SW291")
        self._position += 1
        self._guards = []
        self.facts.learn(condition, step.taken)
        return step.taken

    def _repeat(self, condition: Value, decisions: Sequence[bool]) -> bool:
        if self._position == len(decisions):
            refuse("SW291")
        self._position += 1
        self.facts.learn(condition, decisions[self._position - 1])
        return decisions[self._position - 1]

    def guard(self, condition: Value, local: bool = False) -> None:
        """Guards this path: rows where `condition` is False fall back to Python. `local`: see `Guard`."""
        known = self.facts.known(condition)
        if known:
            return
        self._guarded = True
        if current().open:
            return
        if known is False:
            condition = self.loop.const(False, BOOL)
        self._guards.append(Guard(condition, local))
        if known is None:
            self.facts.learn(condition, True)

    def leave(self, what: str) -> None:
        """Leaves all rows of this path to Python, as they do `what`. The path goes on: its results have the kinds of Python's."""
        session = current()
        session.left = session.left or what
        if not session.open:
            self._guards.append(Guard(self.loop.const(False, BOOL), local=True))

    def unknown_text(self) -> Value:
        """Returns a str of the loop that is no constant, so that a test of it forks the path: for text that only Python knows."""
        empty = self.loop.const("", STR)
        return self.loop.emit(StrCall("concat"), empty, empty)

    def raise_if(self, condition: Value, make: Callable[[], Exception]) -> None:
        """Raises on the rows where `condition` holds: by a fork when user code may catch it, else by a guard."""
        handled = self._catches()
        known = self.known(condition) if handled else self.facts.known(condition)
        if known is False:
            return
        if handled or known:
            if self.decide(condition):
                raise in_place(make())
            return
        self.guard(self.loop.call("logical_not", condition), local=True)

    def _catches(self) -> bool:
        """Whether user code may catch an exception that is raised now; where functions are interpreted, wherever they may."""
        entry = current().entry
        return self.handled and (self.walks or self.regions is not None or entry is None or catches(entry))


def without_marks(text: str) -> str:
    """Returns the repr of a str with the same text for each of its marks."""
    return _MARKED.sub("mark", text)


_EXPLORER: ContextVar[Explorer | None] = ContextVar("sparkweld_explorer", default=None)


@contextmanager
def exploring(explorer: Explorer | None) -> Iterator[None]:
    """Makes symbolic scalars fork the paths of `explorer` inside the block; with None they cannot be used.

    The end of the block also undoes any `explore_with` inside it.
    """
    before = explore_with(explorer)
    try:
        yield
    finally:
        explore_with(before)


def explore_with(explorer: Explorer | None) -> Explorer | None:
    """Sets the current explorer until the enclosing block of `exploring` ends; returns the previous one."""
    before = _EXPLORER.get()
    _EXPLORER.set(explorer)
    return before


def explorer() -> Explorer:
    """Returns the explorer of the running scalar function; refuses a scalar that outlived its function (SW292)."""
    found = _EXPLORER.get()
    if found is None:
        refuse("SW292")
    return found


def rounds(goes_on: Callable[[int], Any], most: int = _ELEMENTS) -> Iterator[int]:
    """Yields the numbers of a loop's rounds while ``goes_on(number)``, each a decision; leaves rows with more to Python.

    Refuses (SW290) a loop early that has more paths than are tried.
    """
    run = explorer()
    for at in range(most):
        before = run.forked
        if not goes_on(at):
            return
        run.check_round(at, before)
        yield at
    run.guard(run.loop.const(False, BOOL))


def is_exploring() -> bool:
    """Whether a scalar function is running."""
    return _EXPLORER.get() is not None


def leaves(node: Node) -> Iterator[Leaf]:
    """Yields the ends of all paths, in order."""
    if isinstance(node, Leaf):
        yield node
        return
    yield from leaves(node.yes)
    yield from leaves(node.no)


def guards_of(node: Node) -> Iterator[Guard]:
    """Yields the guards of all paths."""
    yield from node.guards
    if isinstance(node, Fork):
        yield from guards_of(node.yes)
        yield from guards_of(node.no)
