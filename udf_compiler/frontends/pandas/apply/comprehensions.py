"""Compiles row-local comprehensions and generators over Series: ``pd.Series([f(x, y) for x, y in zip(a, b)])``.

A symbolic Series has one row. Its loop therefore runs once, and its element is that of the row. The element forks into paths like
a scalar function's result. The UDF runs from its start for each path, up to the call that turns the list into a Series. The
result of that call is then known, and the UDF runs again with it, up to the next such loop.

The trace does not have the length of the list or its other elements. The list must therefore flow into that one call and nowhere
else. `flow` proves it for a comprehension; the call itself runs a generator.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any, NoReturn

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.ops import MakeList
from sparkweld.ir.types import BOOL, F64, I64, list_of
from udf_compiler.frontends.pandas.apply.elementwise import element
from udf_compiler.frontends.pandas.apply.results import ListSeries
from udf_compiler.frontends.pandas.apply.row_loops import LOOPS, RowLoops
from udf_compiler.frontends.pandas.array import TracedArray
from udf_compiler.frontends.pandas.series import NUMBERS, TracedSeries
from udf_compiler.frontends.pandas.strings import STRINGS
from udf_compiler.frontends.python.flow import Flow, flow_of_list
from udf_compiler.frontends.python.lists import is_lazy, of_list
from udf_compiler.frontends.python.loop_flow import flow_of_appends
from udf_compiler.frontends.python.numpy_scalars import numpy_scalar
from udf_compiler.frontends.python.path_explorer import Explorer, explore_with, explorer
from udf_compiler.frontends.python.state import Record
from udf_compiler.frontends.python.values import is_scalar
from udf_compiler.frontends.tracing.exceptions import as_python
from udf_compiler.frontends.tracing.frames import instruction, offset_of
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.stand_ins import StandIn
from udf_compiler.frontends.tracing.values import Traced
from udf_compiler.function.bytecode import identity_of

_NO_ELEMENT = object()

#: Kind of a dtype -> the type of a Series of Python's numbers of that kind.
_WIDE = {"b": BOOL, "i": I64, "f": F64}


class Rows(StandIn):
    """An iterator over the rows of columns, which yields the values of the one symbolic row."""

    __slots__ = ("_loops", "_made", "_over", "_single", "_sources", "_state", "_values")
    what = "loop over the rows"
    stands_for = zip
    exact = False

    def __init__(
        self,
        columns: Sequence[Any],
        single: bool,
        made: Callable[[tuple[Any, ...]], Any] | None = None,
        sources: Sequence[Callable[[], Any]] | None = None,
    ) -> None:
        """`made`: returns the element of a row from its values, which are those of the columns or, if given, of `sources`."""
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
        if any(loop is not self._loops[0] for loop in self._loops):
            refuse("SW262", call="a loop over columns", what="columns of several batches, or of some of their rows,")
        if loops.active is not None:
            refuse("SW600")
        if any(_values_of(c) != values for c, values in self._values):  # an iterator may see the change
            refuse("SW256", call="Code between an iterator over a column and its loop")
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
        self._state = (explore_with(loops.enter(self._loops[0])), frame, frame.f_lasti, record, flow)
        loops.active = self
        explorer().collector = None if flow is None else (frame, frame.f_lasti)
        values = tuple(source() for source in self._sources)
        if self._made is not None:
            return self._made(values)
        return values[0] if self._single else values

    def _end(self, loops: RowLoops, ending: FrameType) -> None:
        assert self._state is not None
        before, frame, position, record, flow = self._state
        if ending is not frame or frame.f_lasti != position:  # two instructions share the iterator: each sees some rows only
            refuse("SW600")
        self._over, loops.active = True, None
        explore_with(before)
        record.check()
        if flow is not None:
            loops.flows(flow)


def _source(column: Any) -> Callable[[], Any]:
    """Returns a function that yields the row's value: of an array, a NumPy scalar or, if it has two dimensions, an array."""
    if type(column) is not TracedArray:
        return element(column, "a loop over a Series")
    x = numpy_scalar(column.value, column.dtype) if column.ndim == 1 else of_list(_row(column), ndarray=True)
    return lambda: x


def _values_of(column: Any) -> list[int]:
    return [v.id for v in (column.columns if type(column) is TracedArray else (column.value,))]


def _row(matrix: TracedArray) -> Value:
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


def _other_rows(self: Any, *args: Any) -> NoReturn:
    refuse("SW600")


class Mapped(Traced):
    """A symbolic ``map(function, series, ...)``, or a map over the rows of a zip or of a frame."""

    __slots__ = ("function", "rows")
    what = "map"
    stands_for = map

    def __init__(self, function: Callable[..., Any], rows: Rows) -> None:
        self.function, self.rows = function, rows

    _binary = _unary = _in_place = _other_rows  # type: ignore[assignment]


class Values(Traced):
    """The list of a column's values: ``series.tolist()``, ``list(array)``.

    `column`: a Series, also of lists, or an array; its elements in a loop are those of the list. The list has the values of now,
    also if the column changes later; the rows of a matrix remain views of it.
    """

    __slots__ = ("column",)
    what = "list of a column's values"
    stands_for = list
    __class__ = list  # type: ignore[assignment]

    def __init__(self, column: Any) -> None:
        if type(column) is TracedSeries:
            column = column.twin(shared=True)
        elif type(column) is TracedArray and column.ndim == 1:
            column = TracedArray(column.loop, column.columns, column.ndim, column.order)
        self.column = column

    @property
    def loop(self) -> LoopBuilder:
        """The loop of the values."""
        return self.column.loop  # type: ignore[no-any-return]

    def __iter__(self) -> Rows:
        check_loop(sys._getframe(1))
        return rows_of((self.column,), single=True)

    def __getitem__(self, key: Any) -> NoReturn:
        refuse("SW250", call=f"a {self.what} [...]")

    __getattr__ = _binary = _unary = _in_place = _other_rows  # type: ignore[assignment]


def python_values(column: Any) -> Values:
    """Returns ``column.tolist()``: Python's numbers, strings and lists."""
    if type(column) is TracedArray:
        two, value = column.ndim == 2, _row(column) if column.ndim == 2 else column.value
        return Values(ListSeries(value, frozenset()) if two else TracedSeries(column.loop, value, column.dtype))
    return Values(column)


def is_column(x: Any) -> bool:
    """Whether `x` has a value for each row, over which a loop may run."""
    return type(x) in (TracedSeries, TracedArray, Values)


def _column_of(x: Any) -> Any:
    return x.column if type(x) is Values else x


def is_collection(data: Any) -> bool:
    """Whether `data` may be the elements of a loop over rows."""
    loops = LOOPS.get()
    if loops is None:
        return False
    return type(data) in (Mapped, Values, types.GeneratorType) or (type(data) is list and loops.pending is not None)


def collect_rows(data: list[Any]) -> dict[Any, Any]:
    """Returns the Series of each column of the frame that pandas makes of a loop's list of rows; refuses other lists (SW600)."""
    loops = LOOPS.get()
    assert loops is not None
    return loops.collected(*_elements_of_list(loops, data), framed=True)  # type: ignore[no-any-return]


def collect(data: Any) -> Any:
    """Returns the Series of a loop's list, a generator or a map; refuses any other list (SW600)."""
    loops = LOOPS.get()
    assert loops is not None
    if type(data) is list:
        return loops.collected(*_elements_of_list(loops, data))
    if type(data) is Values:
        series = _without_loop(data.column)
        if series is not None:
            return series
        data = (x for x in rows_of((data.column,), single=True))
    if type(data) is Mapped:
        function, rows = data.function, data.rows
        data = (function(row) for row in rows)
    loops.driven = True
    try:
        # One element for each row: it comes while the loop runs, and no other one before the loop has ended.
        element = next(data, _NO_ELEMENT)
        if element is _NO_ELEMENT or loops.active is None:
            refuse("SW600")
        if next(data, _NO_ELEMENT) is not _NO_ELEMENT or loops.active is not None:
            refuse("SW600")
    finally:
        loops.driven = False
    return loops.collected((element,))


def _without_loop(column: Any) -> TracedSeries | None:
    """Returns the Series of a list of the column's values where its dtype is known without a look at each of them, else None."""
    loop = column.loop
    if type(column) is TracedArray and column.ndim == 1:
        return TracedSeries(loop, column.value, column.dtype)  # NumPy's scalars keep their dtype
    if type(column) is TracedSeries and column.kind is NUMBERS and column.dtype.kind in _WIDE:
        type_ = _WIDE[column.dtype.kind]
        return TracedSeries(loop, loop.cast(column.value, type_), type_.dtype)
    if type(column) is TracedSeries and column.kind is STRINGS and not column.value.type.nullable:
        return column.twin(shared=True)
    return None


def _elements_of_list(loops: RowLoops, data: list[Any]) -> tuple[list[Any], int, bool]:
    """Returns the elements of all lists of the loop, the number of this list, and whether it is the first that a call takes."""
    flow = loops.pending
    if flow is None or flow.frame is not _user_frame():
        refuse("SW600")
    variables = flow.frame.f_locals
    lists = {name: data if name == "" else variables[name] for name in flow.calls}
    name = next((name for name in loops.waiting if lists[name] is data), None)
    if name is None or offset_of(flow.frame) != flow.calls[name] or any(len(x) != 1 for x in lists.values()):
        refuse("SW600")
    return [x[0] for x in lists.values()], [*lists].index(name), loops.taken(name)


def _user_frame() -> FrameType | None:
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and str(frame.f_globals.get("__name__") or "").partition(".")[0] in ("udf_compiler", "sparkweld"):
        frame = frame.f_back
    return frame


def zip_(*columns: Any, strict: bool = False) -> Any:
    """Returns ``zip``: for Series, an iterator over their rows."""
    if not any(isinstance(c, Traced) for c in columns):
        return as_python(zip, *columns, strict=strict)
    if any(is_scalar(c) or is_lazy(c) for c in columns):
        refuse("SW223")
    if not all(map(is_column, columns)):
        refuse("SW600")
    return rows_of([_column_of(c) for c in columns], single=False)


def map_(function: Any, *columns: Any) -> Any:
    """Returns ``map``: for Series, a function applied to each row."""
    if columns and all(map(is_column, columns)):
        return Mapped(lambda row: function(*row), rows_of([_column_of(c) for c in columns], single=False))
    if len(columns) == 1 and type(columns[0]) is Rows:
        return Mapped(function, columns[0])
    return as_python(map, function, *columns)


__all__ = ["RowLoops", "Rows", "Values", "collect", "collect_rows", "is_collection", "map_", "python_values", "rows_of", "zip_"]
