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
from collections.abc import Callable
from types import FrameType
from typing import Any, NoReturn

from sparkweld.ir import LoopBuilder
from sparkweld.ir.types import BOOL, F64, I64
from udf_compiler.frontends.pandas.apply.positions import Position, element_at
from udf_compiler.frontends.pandas.apply.results import ListSeries, explored, series_of_tree
from udf_compiler.frontends.pandas.apply.row_iterator import Positions, Rows, check_loop, row_list, rows_of, source_of
from udf_compiler.frontends.pandas.apply.row_loops import LOOPS, NO_ELEMENT, RowLoops
from udf_compiler.frontends.pandas.array import TracedArray
from udf_compiler.frontends.pandas.row_counts import RowCount
from udf_compiler.frontends.pandas.series import NUMBERS, TracedSeries
from udf_compiler.frontends.pandas.strings import STRINGS
from udf_compiler.frontends.python.lists import is_lazy
from udf_compiler.frontends.python.path_explorer import explorer, is_exploring
from udf_compiler.frontends.python.running import run_function
from udf_compiler.frontends.python.values import is_scalar
from udf_compiler.frontends.tracing.exceptions import as_python
from udf_compiler.frontends.tracing.frames import offset_of
from udf_compiler.frontends.tracing.session import current, refuse
from udf_compiler.frontends.tracing.values import Traced, raw

_NO_ELEMENT = object()

#: Kinds of values that a Series returns as Python's: of them, a loop over a list has the elements of one over its Series.
_PLAIN = ("bool", "int", "float", "str")

#: Kind of a dtype -> the type of a Series of Python's numbers of that kind.
_WIDE = {"b": BOOL, "i": I64, "f": F64}


def _other_rows(self: Any, *args: Any) -> NoReturn:
    refuse("SW600")


class Mapped(Traced):
    """A symbolic ``map(function, series, ...)``, or a map over the rows of a zip or of a frame.

    `spread`: an element of `rows` is a tuple of arguments, not one argument.
    """

    __slots__ = ("function", "rows", "spread")
    what = "map"
    stands_for: Any = map

    def __init__(self, function: Callable[..., Any], rows: Rows, spread: bool) -> None:
        self.function, self.rows, self.spread = function, rows, spread

    def results(self) -> Any:
        """Returns the Series of the results, each computed as `Series.apply` does; refuses (SW600) a map within a loop."""
        return self._series(lambda x: x)

    def _series(self, seen: Callable[[Any], Any]) -> Any:
        """Returns `results`; `seen` receives the result of each path, and returns it."""
        values, function, loop = self.rows.taken(), self.function, self.rows.loop

        def of_row() -> Any:
            return seen(run_function(function, *(values() if self.spread else (values(),))))

        return series_of_tree(loop, explored(loop, of_row, current().handlers, function))

    _binary = _unary = _in_place = _other_rows  # type: ignore[assignment]


class MappedList(Mapped):
    """The list of a map's results: ``list(map(function, series))``. `other`: a result of another class than those of `_PLAIN`."""

    __slots__ = ("function", "made", "other", "rows", "spread")
    what = "list of a map's results"
    stands_for = list
    __class__ = list  # type: ignore[assignment]

    def __init__(self, of: Mapped) -> None:
        super().__init__(of.function, of.rows, of.spread)
        self.made, self.other = None, ""

    def results(self) -> Any:
        if self.made is None:
            self.made = self._series(self._seen)
        return self.made

    def _seen(self, x: Any) -> Any:
        kind = ("" if x.numpy else x.kind) if is_scalar(x) else type(x).__name__
        if kind not in _PLAIN:
            self.other = raw(x)
        return x

    @property
    def values(self) -> Values:
        """Returns the list of the results. Refuses (SW250) those that are not Python's numbers or strings of one kind."""
        series = self.results()
        if self.other or type(series) is not TracedSeries:
            refuse("SW250", call=f"a {self.what}, {self.other or 'values of several kinds'} among them")
        return Values(series)

    def __iter__(self) -> Rows:
        check_loop(sys._getframe(1))
        return rows_of((self.values.column,), single=True)

    def __getitem__(self, key: Any) -> Any:
        return self.values.at(key)


def range_(*args: Any) -> Positions:
    """Implements ``range(len(series))`` and ``range(0, len(series))``; refuses (SW250) other ranges of a number of rows."""
    *rest, step = args if len(args) == 3 else (*args, 1)
    start, stop = rest if len(rest) == 2 else (0, *rest)
    if type(stop) is not RowCount or type(start) is not int or type(step) is not int or (start, step) != (0, 1):
        refuse("SW250", call="a range of a number of rows")
    return Positions(stop.loop)


def enumerate_(iterable: Any, start: Any = 0) -> Any:
    """Implements ``enumerate``: for Series, an iterator over their rows and positions."""
    rows = iterable if type(iterable) is Rows else None
    if type(iterable) is MappedList:
        iterable = iterable.values
    if is_column(iterable):
        rows = rows_of([_column_of(iterable)], single=True)
    group = current().group
    if group is not None and group.is_made(iterable) and type(start) is int and start == 0:
        return group.together([iterable], single=True)
    if rows is None:
        return as_python(enumerate, iterable, start)
    if type(start) is not int or start != 0:
        refuse("SW250", call="enumerate of a column with a start")
    return rows.counted()


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

    def __getitem__(self, key: Any) -> Any:
        return self.at(key)

    def at(self, key: Any) -> Any:
        """Returns the element of the row. Refuses (SW250) other keys than its position."""
        call, group = f"a {self.what} [...]", current().group
        if group is not None and type(key) is int and type(self.column) in (TracedArray, TracedSeries):
            return group.python_element(self.column, key, call)
        if type(self.column) is TracedArray:
            return element_at(self.column, key, call)
        if type(key) is not Position or key.loop is not self.loop or not is_exploring() or explorer().loop is not self.loop:
            refuse("SW250", call=call)
        return source_of(self.column)()

    __getattr__ = _binary = _unary = _in_place = _other_rows  # type: ignore[assignment]


def python_values(column: Any) -> Values:
    """Returns ``column.tolist()``: Python's numbers, strings and lists."""
    if type(column) is TracedArray:
        two, value = column.ndim == 2, row_list(column) if column.ndim == 2 else column.value
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
    return type(data) in (Mapped, MappedList, Values, types.GeneratorType) or (type(data) is list and loops.pending is not None)


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
    if type(data) in (Mapped, MappedList):
        return data.results()
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
    """Returns the elements of all lists of the loop, the number of this list, and whether it is the first that a call takes.

    There are none on a path that appends nothing.
    """
    flow = loops.pending
    if flow is None or flow.frame is not _user_frame():
        refuse("SW600")
    variables = flow.frame.f_locals
    lists = {name: data if name == "" else variables[name] for name in flow.calls}
    name = next((name for name in loops.waiting if lists[name] is data), None)
    if name is None or offset_of(flow.frame) != flow.calls[name] or any(len(x) > 1 for x in lists.values()):
        refuse("SW600")
    elements = [x[0] for x in lists.values() if x and x[0] is not NO_ELEMENT]
    if len(elements) not in (0, len(lists)):
        refuse("SW600")
    return elements, [*lists].index(name), loops.taken(name)


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
    group = current().group
    if group is not None and any(map(group.is_made, columns)) and all(is_column(c) or group.is_made(c) for c in columns):
        return group.together([_column_of(c) for c in columns])
    if not all(map(is_column, columns)):
        refuse("SW600")
    return rows_of([_column_of(c) for c in columns], single=False)


def map_(function: Any, *columns: Any) -> Any:
    """Returns ``map``: for Series, a function applied to each row."""
    if columns and all(map(is_column, columns)):
        return Mapped(function, rows_of([_column_of(c) for c in columns], single=False), spread=True)
    if len(columns) == 1 and type(columns[0]) is Rows:
        return Mapped(function, columns[0], spread=False)
    return as_python(map, function, *columns)


__all__ = [
    "RowLoops", "Rows", "Values", "collect", "collect_rows", "enumerate_", "is_collection", "map_", "python_values", "range_",
    "rows_of", "zip_",
]  # fmt: skip
