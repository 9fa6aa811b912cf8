"""Iterates over the rows of columns: yields the values of the one symbolic row, and ends. A loop then has one round.

`udf_compiler.frontends.pandas.apply.comprehensions` describes the loops.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from types import FrameType, FunctionType, ModuleType
from typing import Any

from sparkweld.errors import Refusal
from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.ops import MakeList
from sparkweld.ir.types import list_of
from udf_compiler.frontends.pandas.apply.elementwise import element
from udf_compiler.frontends.pandas.apply.positions import Position
from udf_compiler.frontends.pandas.apply.row_loops import LOOPS, NO_ELEMENT, RowLoops
from udf_compiler.frontends.pandas.array import TracedArray
from udf_compiler.frontends.python.flow import Flow, flow_of_list
from udf_compiler.frontends.python.lists import of_list
from udf_compiler.frontends.python.loop_flow import flow_of_appends
from udf_compiler.frontends.python.numpy_scalars import numpy_scalar
from udf_compiler.frontends.python.path_explorer import Explorer, explore_with, explorer
from udf_compiler.frontends.python.state import Record
from udf_compiler.frontends.tracing.frames import instruction
from udf_compiler.frontends.tracing.session import attempt, current, leave_unseen, refuse, refuse_again
from udf_compiler.frontends.tracing.stand_ins import StandIn
from udf_compiler.function.bytecode import identity_of
from udf_compiler.function.plain_data import is_scalar


class Rows(StandIn):
    """An iterator over the rows of columns, which yields the values of the one symbolic row."""

    __slots__ = ("_listed", "_loops", "_made", "_over", "_single", "_sources", "_state", "_values")
    what = "loop over the rows"
    stands_for = zip
    exact = False

    def __init__(
        self,
        columns: Sequence[Any],
        single: bool,
        made: Callable[[tuple[Any, ...]], Any] | None = None,
        sources: Sequence[Callable[[], Any]] | None = None,
        listed: Callable[[Any], Any] | None = None,
    ) -> None:
        """`made`: returns the element of a row from its values, which are those of the columns or, if given, of `sources`.

        `listed`: returns the same iteration over lists of a group's rows, which it takes from a `Lister`.
        """
        self._listed: Callable[[Any], Any] | None = listed or (lambda to: to.tuples(columns, single))
        self._loops, self._single, self._made = [c.loop for c in columns], single, made
        self._sources = [_source(c) for c in columns] if sources is None else list(sources)
        self._values = [(c, _values_of(c)) for c in columns]
        self._state: tuple[Explorer | None, FrameType, int, Record, Flow | None] | None = None
        self._over = False

    def __iter__(self) -> Rows:
        check_loop(sys._getframe(1))
        return self

    def __next__(self) -> Any:
        loops = LOOPS.get()
        if loops is None or self._over:
            refuse("SW600")
        if self._state is None:
            return self._start(loops, sys._getframe(1))
        self._end(loops, sys._getframe(1))
        raise StopIteration

    def _start(self, loops: RowLoops, frame: FrameType) -> Any:
        loop = self.loop
        if loops.active is not None:
            refuse("SW600")
        self._check()
        loops.began = True
        flows = loops.sequential and flow_of_list(frame) is not None
        loops.flowed = loops.flowed or flows
        if loops.sequential and not loops.driven and not (flows and loops.flows_apart):
            site = current().group.comprehension_of(frame)
            if site is not None:
                loops.sites.add(site)  # the next attempt runs rewritten code
                refuse("SW600")
            over = self.listing()
            current().group.run_loop(frame, over)
            del over
            raise StopIteration
        flow = None
        if loops.driven:
            if instruction(frame.f_code, frame.f_lasti) != "FOR_ITER":  # a call that takes elements, such as next() or sum()
                refuse("SW600")
        else:
            flow = flow_of_list(frame) or flow_of_appends(frame)
            if flow is None or loops.pending is not None:
                refuse("SW600")
            identity = identity_of(frame.f_code)
            if identity is not None:
                refuse("SW603", at=identity.place, function=identity.function)
        record = _record(frame, flow)
        self._state = (explore_with(loops.enter(loop)), frame, frame.f_lasti, record, flow)
        loops.active = self
        explorer().collector = None if flow is None else (frame, frame.f_lasti, flow.appends)
        return self._element()

    def listing(self) -> Callable[[Any], Any]:
        """Takes all rows at once; returns a function of a `Lister` that yields them in a region."""
        if self._over or self._state is not None or self._listed is None:
            refuse("SW600")
        self._check()
        found, self._over = self._listed, True
        self._listed = self._made = None  # the columns, which the function may change from now on
        self._loops, self._sources, self._values = [], [], []
        return found

    def _element(self) -> Any:
        values = tuple(source() for source in self._sources)
        if self._made is not None:
            return self._made(values)
        return values[0] if self._single else values

    @property
    def loop(self) -> LoopBuilder:
        """The loop of the columns. Refuses (SW262) several."""
        if any(loop is not self._loops[0] for loop in self._loops):
            refuse("SW262", call="a loop over columns", what="columns of several batches, or of some of their rows,")
        return self._loops[0]

    def taken(self) -> Callable[[], Any]:
        """Takes all rows at once; returns a function that yields the row's element within an exploration."""
        loops = LOOPS.get()
        if loops is None or self._over or self._state is not None or loops.active is not None:
            refuse("SW600")
        self._check()
        self._over = True
        return self._element

    def counted(self) -> Rows:
        """Returns an iterator over the position and the element of each row, in place of this one."""
        if self._over or self._state is not None:
            refuse("SW600")
        self._check()
        self._over, loop = True, self.loop
        columns = [column for column, _ in self._values]
        of: Any = self._listed
        made = lambda values: (Position(loop), self._element())  # noqa: E731
        return Rows(columns, single=False, made=made, sources=(), listed=lambda to: to.counted(of(to)))

    def _check(self) -> None:
        """Refuses (SW256) a change of a column since the iterator was made, which may see the change."""
        if any(_values_of(c) != values for c, values in self._values):
            refuse("SW256", call="Code between an iterator over a column and its loop")

    def _end(self, loops: RowLoops, ending: FrameType) -> None:
        assert self._state is not None
        before, frame, position, record, flow = self._state
        if ending is not frame or frame.f_lasti != position:  # two instructions share the iterator: each sees some rows only
            refuse("SW600")
        self._over, loops.active = True, None
        explore_with(before)
        record.check()
        if flow is not None:
            _settle(flow)
            loops.flows(flow)


def _settle(flow: Flow) -> None:
    """Fills the lists to which this path has appended nothing: the batch has other rows, as a guard shows.

    A batch without such rows runs in Python, and may go on to the next one where a list is tested. Refuses (SW600) objects that
    the next round may read, and that such a batch could change.
    """
    variables = flow.frame.f_locals
    for items in (variables[name] for name in flow.calls if name):
        if not items:
            items.append(NO_ELEMENT)
    if flow.carried is None:
        return
    leave_unseen()
    if any(not _is_fixed(variables[name]) for name in flow.carried if name in variables):
        refuse("SW600")


def _is_fixed(x: Any) -> bool:
    """Whether nothing can change an object: a scalar, a class, a module, a function, a stand-in, or a tuple of these."""
    if type(x) in (tuple, frozenset):
        return all(map(_is_fixed, x))
    return is_scalar(x) or isinstance(x, type | ModuleType | FunctionType) or issubclass(type(x), StandIn)


def _source(column: Any) -> Callable[[], Any]:
    """Returns `source_of`; in a function of a group, a column that has none is refused where its element is read."""
    if current().group is None:
        return source_of(column)
    found = attempt(lambda: source_of(column))
    return (lambda: refuse_again(found)) if isinstance(found, Refusal) else found


def listing_of(rows: Any) -> Callable[[Any], Any] | None:
    """Returns the listing of an iterator over rows that nothing has advanced; None for another object."""
    return rows.listing() if type(rows) is Rows else None


def source_of(column: Any) -> Callable[[], Any]:
    """Returns a function that yields the row's value: of an array, a NumPy scalar or, if it has two dimensions, an array."""
    if type(column) is not TracedArray:
        return element(column, "a loop over a Series")
    x = numpy_scalar(column.value, column.dtype) if column.ndim == 1 else of_list(row_list(column), ndarray=True)
    return lambda: x


def _values_of(column: Any) -> list[int]:
    if type(column) is Positions:
        return []
    return [v.id for v in (column.columns if type(column) is TracedArray else (column.value,))]


def row_list(matrix: TracedArray) -> Value:
    """Returns the row of a matrix as a list."""
    return matrix.loop.emit(MakeList(list_of(matrix.columns[0].type)), *matrix.columns)


def _record(frame: FrameType, flow: Flow | None) -> Record:
    own = flow.variables if flow is not None else frozenset()
    known = [value for name, value in frame.f_locals.items() if name not in own]
    if flow is not None and flow.frame is not frame:
        known += flow.frame.f_locals.values()
    return Record(*(value for value in known if not isinstance(value, Rows)))


def check_loop(frame: FrameType) -> None:
    """Refuses (SW600) an iterator that another call than a loop's takes: enumerate, filter and sum, say, see all rows."""
    if instruction(frame.f_code, frame.f_lasti) != "GET_ITER":
        refuse("SW600")


def rows_of(columns: Sequence[Any], single: bool) -> Rows:
    """Returns ``iter(series)`` or ``zip(series, ...)``: Python's values of each row."""
    return Rows(columns, single)


class Positions(StandIn):
    """The positions of all rows: ``range(len(series))``."""

    __slots__ = ("loop",)
    what = "range of the rows"
    stands_for = range

    def __init__(self, loop: LoopBuilder) -> None:
        self.loop = loop

    def __iter__(self) -> Rows:
        check_loop(sys._getframe(1))
        listed = lambda to: to.counter(0, to.count(self.loop), 1)  # noqa: E731
        return Rows((self,), single=True, sources=(lambda: Position(self.loop),), listed=listed)
