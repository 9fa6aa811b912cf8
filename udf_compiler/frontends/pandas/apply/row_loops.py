"""Compiles loops over rows by running the function from its start for each path, until the Series of each loop is known."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from sparkweld.ir import LoopBuilder
from udf_compiler.frontends.pandas.apply.results import finished, series_of_tree
from udf_compiler.frontends.python.flow import Flow
from udf_compiler.frontends.python.formats import assembled
from udf_compiler.frontends.python.path_explorer import Explorer, Fork, Leaf, Node, exploring, leaves
from udf_compiler.frontends.tracing.exceptions import told
from udf_compiler.frontends.tracing.session import place_of, refuse
from udf_compiler.frontends.tracing.values import moved
from udf_compiler.process.context_variables import assigned


class _Element(BaseException):
    """The element of the row on this path; it ends the run. As a BaseException, it evades the user's handlers."""

    def __init__(self, value: Any) -> None:
        super().__init__()
        self.value = value


@dataclass(slots=True)
class RowLoops:
    """The loops over rows of one UDF: the Series of each finished loop in order, with the decisions of one path each.

    `driven`: the elements of a generator are taken now. `active`: the loop that runs now; loops are not nested, as an inner one
    would run over all rows for each row. `batch`: the loop of the present batch. A function of an iterator receives a second
    batch, for which its loops take the same paths.
    """

    loop: LoopBuilder
    handlers: bool
    done: list[tuple[Any, list[bool]]] = field(default_factory=list)
    explorer: Explorer | None = None
    position: int = 0
    pending: Flow | None = None
    driven: bool = False
    active: Any = None
    batch: LoopBuilder = field(init=False)

    def run(self, function: Callable[[], Any]) -> Any:
        """Returns the result of `function`, once all its loops are known."""
        with assigned(LOOPS, self):
            while True:
                tree = self._explore(function)
                if isinstance(tree, Leaf) and not isinstance(tree.value, _Element):
                    if tree.error is not None:
                        raise tree.error
                    return tree.value
                self._finish(tree)

    def _explore(self, function: Callable[[], Any]) -> Node:
        self.explorer = Explorer(self.loop, self.handlers)

        def run() -> Any:
            self.position, self.pending, self.driven, self.active, self.batch = 0, None, False, None, self.loop
            try:
                with exploring(None):  # also ends a row whose function raised: its iterator may live on in a traceback
                    result = function()
            except _Element as element:
                return element
            if self.pending is not None or self.active is not None:
                refuse("SW600")
            return result

        return self.explorer.explore(run, lazily=True)

    def _finish(self, tree: Node) -> None:
        """Adds the loop in which all paths ended."""
        ends = list(leaves(tree))
        if any(leaf.error is None and not isinstance(leaf.value, _Element) for leaf in ends):
            refuse("SW600")
        good = next((leaf for leaf in ends if leaf.error is None), None)
        if good is None:
            error = ends[0].error
            assert error is not None
            refuse("SW261", at=place_of(error), error=told(error))
        elements = _elements(tree)
        series = series_of_tree(self.loop, finished(self.loop, elements, self.handlers))
        self.done.append((series, _decisions(tree, good)))

    def enter(self, batch: LoopBuilder) -> Explorer:
        """Returns the explorer of the loop that starts now: a new one to explore, or a known one that repeats one path."""
        assert self.explorer is not None
        if batch is not self.batch:
            self._next_batch(batch)
        if self.position == len(self.done):
            return self.explorer if batch is self.loop else refuse("SW600")
        return Explorer.repeating(batch, self.handlers, self.done[self.position][1])

    def _next_batch(self, batch: LoopBuilder) -> None:
        """Begins a further batch, which has all rows; refuses (SW262) rows that a filter has kept, and an earlier batch."""
        if batch.parent is not None or batch is self.loop or self.pending is not None:
            refuse("SW262", call="a loop over a column", what="a function of an iterator of batches, of some of their rows,")
        self.batch, self.position = batch, 0

    def collected(self, element: Any) -> Any:
        """Returns the result of the call that takes the elements; ends the run where that is not known yet."""
        self.position += 1
        if self.position > len(self.done):
            with exploring(self.explorer):
                raise _Element(assembled(element))
        series = self.done[self.position - 1][0]
        return series if self.batch is self.loop else moved(series, self.batch)


LOOPS: ContextVar[RowLoops | None] = ContextVar("sparkweld_row_loops", default=None)


def _elements(tree: Node) -> Node:
    if isinstance(tree, Leaf):
        return tree if tree.error is not None else Leaf(tree.value.value, None, tree.guards)
    return Fork(tree.condition, tree.guards, _elements(tree.yes), _elements(tree.no))


def _decisions(tree: Node, leaf: Leaf) -> list[bool]:
    """Returns the decisions that lead to a leaf."""
    if isinstance(tree, Leaf):
        return []
    yes = any(end is leaf for end in leaves(tree.yes))
    return [yes, *_decisions(tree.yes if yes else tree.no, leaf)]
