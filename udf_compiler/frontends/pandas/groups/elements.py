"""Traces single elements of a group's columns, the first or last rows, and the DataFrame of one row that a summary returns."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from sparkweld.errors import Refusal
from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.types import I64
from udf_compiler.frontends.pandas.apply.row_iterator import Positions, Rows, check_loop
from udf_compiler.frontends.pandas.array import TracedArray
from udf_compiler.frontends.pandas.calls.arrays import bound
from udf_compiler.frontends.pandas.calls.frames import Loc, keep_rows, over
from udf_compiler.frontends.pandas.dates import DATES
from udf_compiler.frontends.pandas.datetimes import DATETIMES
from udf_compiler.frontends.pandas.frame import TracedFrame, viewed
from udf_compiler.frontends.pandas.groups.scalars import GroupScalar
from udf_compiler.frontends.pandas.groups.single_values import GroupElement
from udf_compiler.frontends.pandas.kind import ARRAY_OBJECTS, BOOL_OBJECTS
from udf_compiler.frontends.pandas.series import NUMBERS, TracedSeries
from udf_compiler.frontends.pandas.strings import STRINGS
from udf_compiler.frontends.tracing.lower import run_prototype, type_of
from udf_compiler.frontends.tracing.session import attempt, current, refuse, refuse_again
from udf_compiler.frontends.tracing.stand_ins import StandIn
from udf_compiler.frontends.tracing.values import Traced, symbol

if TYPE_CHECKING:
    from udf_compiler.frontends.pandas.groups.frame_group import FrameGroup

_MOST_ROWS = 2**31


class Places(Traced):
    """The whole numbers from a start on, one for each row of a frame: ``range(1, len(f) + 1)``, or the array of np.arange."""

    __slots__ = ("count", "of", "shared", "start")
    what = "range of numbers"

    def __init__(self, start: int, count: GroupScalar, of: type) -> None:
        self.start, self.count, self.of, self.shared = start, count, of, True

    @property
    def stands_for(self) -> type:  # type: ignore[override]
        return self.of

    def _binary(self, name: str, other: Any, reflected: bool) -> Any:
        if isinstance(other, TracedArray) and self.of is np.ndarray:
            return current().group.array_beside(self, [other], self.what)._binary(name, other, reflected)
        if name != "add" or type(other) is not int or abs(other) >= _MOST_ROWS or self.of is range:
            refuse("SW312", call=f"{self.what} {symbol(name)} ...", what="other than a constant int")
        return Places(self.start + other, self.count, self.of)

    def __getattr__(self, name: str) -> Any:
        refuse("SW312", call=f"{self.what}.{name}", what="an attribute of a range")

    def __iter__(self) -> Rows:
        check_loop(sys._getframe(1))
        stop: Any = self.count + self.start  # type: ignore[operator]
        return rows_in_region(lambda to: to.counter(self.start, stop, 1))

    def column(self, group: FrameGroup, loop: LoopBuilder) -> TracedSeries:
        """Returns a column of these numbers. A group with another number of rows runs in Python."""
        scalars = group.loop
        scalars.guard(scalars.call("equal", self.count.value, group.count_of(loop, self.what)))
        value = loop.call("add", group.place(loop), loop.const(self.start, I64))
        return TracedSeries(loop, value, value.type.dtype)


class GroupRange(Traced):
    """A range of numbers of the group, which may only be the numbers of a loop."""

    __slots__ = ("bounds", "shared")
    what = "range of numbers"
    stands_for = range

    def __init__(self, bounds: tuple[Any, Any, int]) -> None:
        self.bounds, self.shared = bounds, True

    def __iter__(self) -> Rows:
        check_loop(sys._getframe(1))
        return rows_in_region(lambda to: to.counter(*self.bounds))

    def __getattr__(self, name: str) -> Any:
        refuse("SW312", call=f"{self.what}.{name}", what="an attribute of a range")


def rows_in_region(listed: Callable[[Any], Any]) -> Rows:
    """Returns the iterator of a loop that only a region runs, see `Rows`; other loops are refused (SW600)."""
    loop = current().group.root  # type: ignore[union-attr]
    return Rows((Positions(loop),), single=True, sources=(lambda: refuse("SW600"),), listed=listed)


def range_of_group(args: Sequence[Any]) -> Places | GroupRange:
    """Implements range of numbers of the group."""
    made = attempt(lambda: places(range, *args))
    if not isinstance(made, Refusal):
        return made
    start, stop, step = (0, args[0], 1) if len(args) == 1 else (*args, 1)[:3]
    whole = all(type(x) is int or (type(x) is GroupScalar and x.dtype.kind == "i") for x in (start, stop))
    if not whole or type(step) is not int or step == 0 or len(args) > 3:
        refuse_again(made)
    return GroupRange((start, stop, step))


def places(of: type, start: Any, stop: Any = None, step: Any = 1) -> Places:
    """Implements range and np.arange up to a number of rows."""
    call = "range" if of is range else "np.arange"
    start, stop = (0, start) if stop is None else (start, stop)
    if type(start) is not int or abs(start) >= _MOST_ROWS or step != 1 or type(stop) is not GroupScalar or not stop.weak:
        refuse("SW312", call=call, what="other than as many numbers as rows")
    count: Any = stop - start  # type: ignore[operator]
    return Places(start, count, of)


def element(group: FrameGroup, series: TracedSeries, at: int, call: str) -> Any:
    """Returns the element of one row, counted from the end if negative. A group without that row runs in Python."""
    loop, rows = group.loop, series.loop
    if type(at) is not int or abs(at) >= _MOST_ROWS:
        refuse("SW262", call=call, what="anything but a constant int")
    if at not in (0, -1) or rows.where is not None:
        enough = loop.call("greater" if at >= 0 else "greater_equal", group.count_of(rows, call), loop.const(abs(at), I64))
        loop.guard(enough)
    return element_at(group, series, _row(group, rows, at, call), call)


def _row(group: FrameGroup, rows: LoopBuilder, at: int, call: str) -> Value:
    """Returns, in each row, the number of the row at a place, which a filter may have moved."""
    place = rows.const(at, I64)
    if at < 0:
        place = rows.call("add", group.of_rows(group.count_of(rows, call), rows), place)
    if rows.where is None:
        return place
    here = rows.call("logical_and", rows.where, rows.call("equal", group.place(rows), place))
    found = group.reduced(call, "max", rows.optional(group.position(rows), here))
    return group.of_rows(group.loop.value_of(found), rows)


def element_of_label(group: FrameGroup, series: TracedSeries, label: GroupScalar | int, call: str) -> Any:
    """Returns the element with a label. A group without it runs in Python."""
    rows = series.loop
    found = group.reduced(call, "max", rows.optional(group.position(rows), has_label(group, rows, label, call)))
    group.loop.guard(group.loop.is_valid(found))
    return element_at(group, series, group.of_rows(group.loop.value_of(found), rows), call)


def has_label(group: FrameGroup, rows: LoopBuilder, label: GroupScalar | int, call: str) -> Value:
    """Returns which row has a label in the index."""
    if type(label) is GroupScalar and label.value.type == I64:
        value = group.of_rows(label.value, rows)
    elif type(label) is int and 0 <= label < _MOST_ROWS:
        value = rows.const(label, I64)
    else:
        refuse("SW312", call=call, what="other than the label of a row")
    found = rows.call("equal", group.labels(rows), value)
    return found if rows.where is None else rows.call("logical_and", found, rows.where)


def element_at(group: FrameGroup, series: TracedSeries, index: Value, call: str) -> Any:
    """Returns the element of the row of a number."""
    loop = group.loop
    if series.kind in (STRINGS, DATES, DATETIMES):
        return GroupElement(series, group.reduced(call, "at", series.value, index))
    if series.kind is not NUMBERS:
        refuse("SW312", call=call, what=f"a {series.kind.name} column")
    return GroupScalar(loop, group.reduced(call, "at", series.value, index))


class Iloc(StandIn):
    """The indexer ``iloc`` of a Series or a DataFrame: single elements, and the first rows."""

    __slots__ = ("_group", "_of")
    what = "iloc"
    stands_for = type(pd.Series(dtype=float).iloc)

    def __init__(self, group: FrameGroup, of: Any) -> None:
        self._group, self._of = group, of

    def __getitem__(self, key: Any) -> Any:
        group, of, call = self._group, self._of, f"{self._of.what}.iloc[...]"
        if isinstance(key, tuple) and len(key) == 2 and isinstance(of, TracedFrame) and type(key[1]) is int:
            return Iloc(group, list(of.series.values())[key[1]])[key[0]]
        if type(key) is int:
            return element(group, of, key, call) if isinstance(of, TracedSeries) else Row(of, partial(element, group), key)
        if isinstance(key, list) and len(key) == 1 and type(key[0]) is int:
            (at,) = key
            group.loop.guard(_has_place(group, of.loop, at, call))
            key = slice(at, at + 1 or None)
        if isinstance(key, slice) and key.step is None and all(x is None or type(x) is int for x in (key.start, key.stop)):
            return _slice(group, of, key, call)
        refuse("SW312", call=call, what="other than rows at constant places")

    def __setitem__(self, key: Any, value: Any) -> None:
        refuse("SW256", call="iloc[...] = ...")


class Row(StandIn):
    """One row of a frame, as a Series of its elements: ``frame.iloc[0]["name"]``, and ``frame.loc[label]["name"]``.

    `element`: returns the element of a column `at` a place or label.
    """

    __slots__ = ("_at", "_element", "_frame")
    what = "row of a group"
    stands_for = pd.Series

    def __init__(self, frame: TracedFrame, element: Callable[[TracedSeries, Any, str], Any], at: Any) -> None:
        self._frame, self._element, self._at = frame, element, at

    def _more_names(self) -> Any:
        return self._frame.series

    def __getitem__(self, key: Any) -> Any:
        call = "a row of a DataFrame [...]"
        if not isinstance(key, str):
            refuse("SW312", call=call, what="other than the name of a column")
        series = self._frame.column(key)
        known = (NUMBERS, STRINGS, DATES, DATETIMES, BOOL_OBJECTS, ARRAY_OBJECTS)
        if any(s.kind not in known for s in self._frame.series.values()):
            refuse("SW312", call=call, what="a row of such columns")
        protos = {name: np.zeros(1, s.dtype) for name, s in self._frame.series.items()}
        common = run_prototype(call, lambda: pd.DataFrame(protos).iloc[0].dtype)
        found = self._element(series, self._at, call)
        if common in (np.dtype(object), series.dtype):
            return found
        if type(found) is not GroupScalar:
            refuse("SW312", call=call, what=f"{series.dtype} in a row of {common}")
        return GroupScalar(found.loop, found.loop.cast(found.value, type_of(common, call)))

    def __getattr__(self, name: str) -> Any:
        return self[name] if name in self._frame.series else refuse("SW312", call=f"a row of a DataFrame .{name}", what="a row")


def _has_place(group: FrameGroup, loop: LoopBuilder, at: int, call: str) -> Value:
    scalars = group.loop
    least = at + 1 if at >= 0 else -at
    return scalars.call("greater_equal", group.count_of(loop, call), scalars.const(least, I64))


def _slice(group: FrameGroup, of: Any, rows: slice, call: str) -> Any:
    """Returns the rows at places from a start on, up to a stop; negative ones count from the end."""
    loop: LoopBuilder = of.loop
    place, conditions = group.place(loop), []
    for limit, fn in ((rows.start, "greater_equal"), (rows.stop, "less")):
        if limit is None:
            continue
        if abs(limit) >= _MOST_ROWS:
            refuse("SW262", call=call, what="a place of more than 31 bits")
        bound_ = loop.const(limit, I64)
        if limit < 0:
            bound_ = loop.call("add", group.of_rows(group.count_of(loop, call), loop), bound_)
        conditions.append(loop.call(fn, place, bound_))
    if not conditions:
        return of
    frame = of if isinstance(of, TracedFrame) else TracedFrame(loop, {"column": of})
    made = over(frame, loop.kept(loop.fold("logical_and", conditions)))
    made.loop.numbered = loop.numbered and not rows.start
    for name, series in made.series.items():
        viewed(frame.series[name], series)
    return made if isinstance(of, TracedFrame) else made.series["column"]


def first_rows(group: FrameGroup, frame: TracedFrame, n: int) -> TracedFrame:
    return _slice(group, frame, slice(None, n), "head")  # type: ignore[no-any-return]


def _rows(name: str) -> Callable[[FrameGroup, Any], Any]:
    def of(group: FrameGroup, x: Any) -> Any:
        call = f"{x.what}.{name}"

        def rows(x: Any, n: Any = 5) -> Any:
            if type(n) is not int or not 0 <= n < _MOST_ROWS:
                refuse("SW262", call=call, what="the argument n=")
            if name == "tail":
                return _slice(group, x, slice(-n, None) if n else slice(0, 0), call)
            return _slice(group, x, slice(None, n), call)

        return bound(rows, x, call)

    return of


class FrameLoc(Loc):
    """The indexer ``frame.loc``, which also selects rows by labels."""

    __slots__ = ("_group",)

    def __init__(self, group: FrameGroup, frame: TracedFrame) -> None:
        super().__init__(frame)
        self._group = group

    def __getitem__(self, key: Any) -> Any:
        call = "DataFrame.loc[...]"
        rows, columns = key if isinstance(key, tuple) and len(key) == 2 else (key, None)
        group, frame = self._group, self._frame
        if isinstance(rows, list) and len(rows) == 1 and type(rows[0]) is GroupScalar:
            found = has_label(group, frame.loop, rows[0], call)
            group.loop.guard(group.some(frame.loop, found, call))
            made = keep_rows(frame, TracedArray(frame.loop, (found,)), call)
            return made if columns is None or columns == slice(None) else made[columns]
        if type(rows) is GroupScalar and isinstance(columns, str):
            return element_of_label(group, frame.column(columns), rows, call)
        if type(rows) is GroupScalar and columns is None:
            return Row(frame, partial(element_of_label, group), rows)
        return super().__getitem__(key)


#: Attributes of a Series and of a DataFrame.
SERIES: dict[str, Callable[[FrameGroup, TracedSeries], Any]] = {
    "iloc": Iloc,
    "iat": Iloc,
    "head": _rows("head"),
    "tail": _rows("tail"),
}
FRAME: dict[str, Callable[[FrameGroup, TracedFrame], Any]] = {
    "iloc": Iloc,
    "iat": Iloc,
    "head": _rows("head"),
    "tail": _rows("tail"),
}
