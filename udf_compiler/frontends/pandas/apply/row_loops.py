"""Compiles loops over rows by running the function from its start for each path, until the Series of each loop is known."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from sparkweld.errors import Refusal
from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.types import BOOL
from sparkweld.reasons import has
from udf_compiler.frontends.pandas.apply.interpreted_helpers import has_helpers, interpreting
from udf_compiler.frontends.pandas.apply.results import finished, series_of_tree
from udf_compiler.frontends.python.flow import Flow
from udf_compiler.frontends.python.formats import assembled
from udf_compiler.frontends.python.path_explorer import PATH_LIMIT, Explorer, Leaf, Node, exploring, leaves
from udf_compiler.frontends.python.path_trees import with_ends
from udf_compiler.frontends.python.result_kinds import merged
from udf_compiler.frontends.tracing.exceptions import told
from udf_compiler.frontends.tracing.session import attempt, current, place_of, refuse, refuse_again
from udf_compiler.frontends.tracing.values import moved
from udf_compiler.process.context_variables import assigned


class _Elements(BaseException):
    """The elements of the row on this path, one for each list; they end the run. There are none where the path appends nothing.

    As a BaseException, they evade the user's handlers. `framed`: each element has a value for each column of a frame.
    """

    def __init__(self, values: tuple[Any, ...], framed: bool) -> None:
        super().__init__()
        self.values, self.framed = values, framed


#: Traits of refusals that a region of a helper may avoid.
_BY_REGIONS = ("path_limit", "region_may_decide", "too_much_work")
#: The most paths of a first attempt, where helpers may become regions.
_FEW = 64
#: The most comprehensions over the rows of a group in one function.
_MOST_SITES = 32
#: The only element of a list to which a path has appended nothing.
NO_ELEMENT = object()


class _NoElement(Exception):
    """Ends a path that appends nothing, in the tree of the appended elements."""


@dataclass(frozen=True, slots=True)
class _Done:
    """A finished loop: the columns of its lists, and the decisions of one path.

    `appended`: the condition that a row appends to the lists; None if all rows do. The columns are those of the other rows then.
    """

    columns: list[Any]
    decisions: list[bool]
    appended: Value | None


@dataclass(slots=True)
class RowLoops:
    """The loops over rows of one UDF, finished ones in order.

    The columns of each list of a loop are a Series, or those of a frame by name. `driven`: the elements of a generator are taken
    now. `active`: the loop that runs now; loops are not nested, as an inner one would run over all rows for each row. `batch`:
    the loop of the present batch. A function of an iterator receives a second batch, for which its loops take the same paths.
    `pending`: the flow of the last loop's lists, until calls have taken them all. `waiting`: the variables of those left. `kept`:
    the rows of the last loop that append something. `regions`: those of the helpers, where these become regions. `began`: some
    loop has begun. `sequential`: loops over a group run in one region each. `sites`: the comprehensions over rows of a group that
    the attempts have met. `flowed`: one of these flows into a call, which makes a column of it unless not `flows_apart`.
    """

    loop: LoopBuilder
    handlers: bool
    done: list[_Done] = field(default_factory=list)
    explorer: Explorer | None = None
    position: int = 0
    pending: Flow | None = None
    waiting: frozenset[str] = frozenset()
    driven: bool = False
    active: Any = None
    batch: LoopBuilder = field(init=False)
    kept: LoopBuilder | None = None
    regions: dict[Any, Any] | None = None
    began: bool = False
    sequential: bool = False
    sites: set[Any] = field(default_factory=set)
    flowed: bool = False
    flows_apart: bool = True

    def run(self, call: Callable[[], Any], function: Callable[..., Any]) -> Any:
        """Returns the result of `call`, which calls a user's function.

        In further attempts, its helpers are interpreted, or become regions. The first one has a limit, since many paths of a
        helper take seconds and a region takes none. Loops over the rows of a group run in regions in a second attempt.
        """
        session = current()
        if session.group is not None:
            return self._run_of_group(call, inspect.unwrap(function), session.group)
        if session.groups is not None or not has_helpers(function):
            return self._run(call)
        mark = self.loop.mark()
        found = attempt(lambda: self._run(call, _FEW))
        if not isinstance(found, Refusal):
            return found
        for traits, regions in ((("interpret",), None), (_BY_REGIONS, {})):
            if any(has(found.code, trait) for trait in traits):
                again = self._again(mark, call, function, regions)
                if not isinstance(again, Refusal):
                    return again
        if not has(found.code, "many_paths"):
            refuse_again(found)
        self.loop.undo(mark)
        self.done, self.regions = [], None
        return self._run(call)

    def _run_of_group(self, call: Callable[[], Any], function: Callable[..., Any], group: Any) -> Any:
        """Returns the result of a function of a group; where it is refused and has a loop, from loops in regions.

        The later attempts compile more, so their refusal names what is missing, unless it is the general one of loops.
        """
        mark = group.mark()
        found = attempt(lambda: self._run(call))
        if not isinstance(found, Refusal):
            return found
        self.sequential = True
        again = self._rewritten(call, function, group, mark)
        if isinstance(again, Refusal) and self.flowed:
            self.flows_apart = False
            again = self._rewritten(call, function, group, mark)
        if isinstance(again, Refusal):
            refuse_again(again if self.began and not has(again.code, "loop_over_rows") else found)
        return again

    def _rewritten(self, call: Callable[[], Any], function: Callable[..., Any], group: Any, mark: Any) -> Any:
        """Returns the result of a function of a group, or its refusal; rewrites the comprehensions that each attempt meets."""
        while True:
            known = len(self.sites)
            found = self._in_regions(call, function, group, mark)
            if not isinstance(found, Refusal) or not known < len(self.sites) <= _MOST_SITES:
                return found

    def _in_regions(self, call: Callable[[], Any], function: Callable[..., Any], group: Any, mark: Any) -> Any:
        """Returns the result of a function of a group, or its refusal; its loops run in one region each."""
        group.undo(mark)
        self.done = []
        with group.rewritten(function, self.sites):
            return attempt(lambda: self._run(call))

    def _again(self, mark: Any, call: Callable[[], Any], function: Any, regions: dict[Any, Any] | None) -> Any:
        """Returns the result of `call` with interpreted helpers, or its refusal. `regions`: where helpers become regions."""
        with interpreting(function):
            self.loop.undo(mark)
            self.done, self.regions = [], regions
            return attempt(lambda: self._run(call))

    def _run(self, function: Callable[[], Any], limit: int = PATH_LIMIT) -> Any:
        with assigned(LOOPS, self):
            while True:
                tree = self._explore(function, limit)
                if isinstance(tree, Leaf) and not isinstance(tree.value, _Elements):
                    if tree.error is not None:
                        raise tree.error
                    return tree.value
                self._finish(tree)

    def _explore(self, function: Callable[[], Any], limit: int) -> Node:
        self.explorer = Explorer(self.loop, self.handlers, limit=limit, regions=self.regions)

        def run() -> Any:
            self.position, self.pending, self.driven, self.active, self.batch = 0, None, False, None, self.loop
            try:
                with exploring(None):  # also ends a row whose function raised: its iterator may live on in a traceback
                    result = function()
            except _Elements as elements:
                return elements
            if self.pending is not None or self.active is not None:
                refuse("SW600")
            return result

        return self.explorer.explore(run, lazily=True)

    def _finish(self, tree: Node) -> None:
        """Adds the loop in which all paths ended."""
        ends = list(leaves(tree))
        if any(leaf.error is None and not isinstance(leaf.value, _Elements) for leaf in ends):
            refuse("SW600")
        good = next((leaf for leaf in ends if leaf.error is None and leaf.value.values), None)
        if good is None and any(leaf.error is None for leaf in ends):
            refuse("SW600")
        if good is None:
            error = ends[0].error
            assert error is not None
            refuse("SW261", at=place_of(error), error=told(error))
        framed, count = good.value.framed, len(good.value.values)
        ends = [leaf for leaf in ends if leaf.error is None]
        if any(leaf.value.framed != framed or len(leaf.value.values) not in (0, count) for leaf in ends):
            refuse("SW600")
        finished(self.loop, tree, self.handlers)
        appended = None if all(leaf.value.values for leaf in ends) else self._appended(tree)
        columns = []
        for at in range(count):
            elements = _parts(tree, partial(_elements_at, at))
            columns.append(frame_of_tree(self.loop, elements) if framed else series_of_tree(self.loop, elements))
        self.done.append(_Done(columns, _decisions(tree, good), appended))

    def _appended(self, tree: Node) -> Value:
        """Returns the condition that a row appends to the lists. A batch without such a row has empty lists, and runs in Python.

        A flagged row therefore concerns its batch: alone, it might leave the lists empty. Refuses (SW600) an aggregate that
        merges partial results.
        """
        session = current()
        if session.groups is not None:
            refuse("SW600")
        session.caught = True
        found = merged(self.loop, tree, BOOL, lambda ended: self.loop.const(bool(ended.values), BOOL))
        self.loop.guard_some(found)
        return found

    def enter(self, batch: LoopBuilder) -> Explorer:
        """Returns the explorer of the loop that starts now: a new one to explore, or a known one that repeats one path."""
        assert self.explorer is not None
        if batch is not self.batch:
            self._next_batch(batch)
        if self.position == len(self.done):
            return self.explorer if batch is self.loop else refuse("SW600")
        return Explorer.repeating(batch, self.handlers, self.done[self.position].decisions, self.regions)

    def _next_batch(self, batch: LoopBuilder) -> None:
        """Begins a further batch, which has all rows; refuses (SW262) rows that a filter has kept, and an earlier batch."""
        if batch.parent is not None or batch is self.loop or self.pending is not None:
            refuse("SW262", call="a loop over a column", what="a function of an iterator of batches, of some of their rows,")
        self.batch, self.position = batch, 0

    def flows(self, flow: Flow) -> None:
        """Ends a loop, whose lists flow into calls."""
        self.pending, self.waiting = flow, frozenset(flow.calls)

    def taken(self, name: str) -> bool:
        """Notes that the list in a variable flows into its call now; returns whether it is the first one of its loop."""
        assert self.pending is not None
        first, self.waiting = len(self.waiting) == len(self.pending.calls), self.waiting - {name}
        if not self.waiting:
            self.pending = None
        return first

    def collected(self, elements: Sequence[Any], at: int = 0, first: bool = True, framed: bool = False) -> Any:
        """Returns the result of the call that takes a list of a loop; ends the run where that is not known yet.

        `elements`: those of all lists, or none; the call takes number `at`. `first`: no call has taken a list of the loop before.
        `framed`: the call takes rows of a frame, and receives the columns by name.
        """
        if first:
            self.position += 1
        if self.position > len(self.done):
            with exploring(self.explorer):
                raise _Elements(tuple(map(assembled, elements)), framed)
        done = self.done[self.position - 1]
        columns, loop = done.columns[at], self.batch
        if isinstance(columns, dict) != framed:
            refuse("SW600")
        if done.appended is not None:
            if first or self.kept is None:
                self.kept = _numbered(loop.kept(moved(done.appended, loop)))
            loop = self.kept
        if loop is self.loop:
            return columns
        return {name: moved(x, loop) for name, x in columns.items()} if framed else moved(columns, loop)


def _numbered(kept: LoopBuilder) -> LoopBuilder:
    """Returns the loop of some rows, labelled from 0 on: pandas numbers the elements of a list."""
    kept.numbered, group = True, current().group
    if group is not None:
        group.renumber(kept)
    return kept


LOOPS: ContextVar[RowLoops | None] = ContextVar("sparkweld_row_loops", default=None)


def frame_of_tree(loop: LoopBuilder, tree: Node) -> dict[Any, Any]:
    """Returns the Series of each column of a frame whose rows are dicts, or tuples and lists, whose columns are numbered.

    pandas infers the dtype of each as that of a list of its values. Refuses (SW262) rows that do not all have the same columns in
    the same order, since those of the batch would decide the frame's.
    """
    rows = [leaf.value for leaf in leaves(tree) if leaf.error is None]
    names = [[*row] if type(row) is dict else [*range(len(row))] if type(row) in (list, tuple) else [] for row in rows]
    known = names[0] and all(type(name) is type(names[0][0]) in (str, int) for each in names for name in each)
    if not known or any(each != names[0] for each in names) or len({type(row) is dict for row in rows}) > 1:
        refuse("SW262", call="pd.DataFrame", what="a list of rows other than dicts, tuples or lists with the same columns")
    return {name: series_of_tree(loop, _parts(tree, partial(_item, name))) for name in names[0]}


def _item(name: Any, row: Any) -> Any:
    return row[name]


def _elements_at(at: int, ended: _Elements) -> Any:
    return ended.values[at]


def _parts(tree: Node, part: Callable[[Any], Any]) -> Node:
    """Returns the tree of a part of each result."""

    def end(leaf: Leaf) -> Leaf:
        nothing = isinstance(leaf.value, _Elements) and not leaf.value.values
        return Leaf(None, _NoElement(), leaf.guards) if nothing else Leaf(part(leaf.value), None, leaf.guards)

    return with_ends(tree, end)


def _decisions(tree: Node, leaf: Leaf) -> list[bool]:
    """Returns the decisions that lead to a leaf."""
    if isinstance(tree, Leaf):
        return []
    yes = any(end is leaf for end in leaves(tree.yes))
    return [yes, *_decisions(tree.yes if yes else tree.no, leaf)]
