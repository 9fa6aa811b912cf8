"""Traces single elements of a group's columns, the first or last rows, and the DataFrame of one row that a summary returns."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.types import I64
from udf_compiler.frontends.pandas.calls.arrays import bound
from udf_compiler.frontends.pandas.calls.frames import over
from udf_compiler.frontends.pandas.dates import DATES
from udf_compiler.frontends.pandas.frame import TracedFrame, fresh
from udf_compiler.frontends.pandas.groups.scalars import GroupScalar
from udf_compiler.frontends.pandas.series import NUMBERS, TracedSeries
from udf_compiler.frontends.pandas.strings import STRINGS, constant, text_series
from udf_compiler.frontends.tracing.constants import unwrapped
from udf_compiler.frontends.tracing.lower import is_number, run_prototype, type_of
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.stand_ins import StandIn
from udf_compiler.frontends.tracing.values import Traced, raw

if TYPE_CHECKING:
    from udf_compiler.frontends.pandas.groups.frame_group import FrameGroup

_MOST_ROWS = 2**31


class GroupElement(Traced):
    """A string or a date of one row of the group. `series`: its Series, of which `value` has the element, a scalar's value."""

    __slots__ = ("series", "shared", "value")
    what = "element of a group"

    def __init__(self, series: TracedSeries, value: Value) -> None:
        self.series, self.value, self.shared = series, value, True

    @property
    def stands_for(self) -> type:  # type: ignore[override]
        return str if self.series.kind is STRINGS else datetime.date

    def __getattr__(self, name: str) -> Any:
        refuse("SW312", call=f"{self.what}.{name}", what="an attribute of a single element")

    def column(self, group: FrameGroup, loop: LoopBuilder) -> TracedSeries:
        """Returns a column that has the element in each row."""
        made = self.series.twin(shared=False)
        made.loop, made.value = loop, group.of_rows(self.value, loop)
        return made


def element(group: FrameGroup, series: TracedSeries, at: int, call: str) -> Any:
    """Returns the element of one row, counted from the end if negative. A group without that row runs in Python."""
    root, loop = group.root, group.loop
    if series.loop is not root and series.loop.where is not None:
        refuse("SW312", call=call, what="rows that a filter has kept")
    rows = series.loop
    if at in (0, -1):
        index = rows.const(0, I64) if at == 0 else None
    elif type(at) is int and abs(at) < _MOST_ROWS:
        index = rows.const(at, I64) if at > 0 else None
        count = group.length(series, call).value
        enough = loop.call("greater" if at > 0 else "greater_equal", count, loop.const(abs(at), I64))
        loop.guard(enough)
    else:
        refuse("SW262", call=call, what="anything but a constant int")
    if index is None:
        count = group.of_rows(group.length(series, call).value, rows)
        index = rows.call("add", count, rows.const(at, I64))
    if series.kind in (STRINGS, DATES):
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
        call = f"{self._of.what}.iloc[...]"
        if isinstance(key, slice) and key.start is None and key.step is None and type(key.stop) is int and key.stop >= 0:
            if isinstance(self._of, TracedFrame):
                return _first_rows(self._group, self._of, key.stop, call)
        if isinstance(self._of, TracedSeries) and type(key) is int:
            return element(self._group, self._of, key, call)
        refuse("SW312", call=call, what="other than a row of a column")

    def __setitem__(self, key: Any, value: Any) -> None:
        refuse("SW256", call="iloc[...] = ...")


def _first_rows(group: FrameGroup, frame: TracedFrame, n: int, call: str) -> TracedFrame:
    loop = frame.loop
    if loop.where is not None:
        refuse("SW312", call=call, what="rows that a filter has kept")
    made = over(frame, loop.kept(loop.call("less", group.position(loop), loop.const(n, I64))))
    made.loop.numbered = True
    return made


def _last_rows(group: FrameGroup, frame: TracedFrame, n: int, call: str) -> TracedFrame:
    loop = frame.loop
    if loop.where is not None:
        refuse("SW312", call=call, what="rows that a filter has kept")
    start = loop.call("subtract", group.of_rows(group.length(frame, call).value, loop), loop.const(n, I64))
    return over(frame, loop.kept(loop.call("greater_equal", group.position(loop), start)))


def _rows(
    name: str, rule: Callable[[FrameGroup, TracedFrame, int, str], TracedFrame]
) -> Callable[[FrameGroup, TracedFrame], Any]:
    call = f"DataFrame.{name}"

    def of(group: FrameGroup, frame: TracedFrame) -> Any:
        def rows(f: TracedFrame, n: Any = 5) -> TracedFrame:
            if type(n) is not int or not 0 <= n < _MOST_ROWS:
                refuse("SW262", call=call, what="the argument n=")
            return rule(group, f, n, call)

        return bound(rows, frame, call)

    return of


#: Attributes of a Series and of a DataFrame.
SERIES: dict[str, Callable[[FrameGroup, TracedSeries], Any]] = {"iloc": Iloc}
FRAME: dict[str, Callable[[FrameGroup, TracedFrame], Any]] = {
    "iloc": Iloc,
    "head": _rows("head", _first_rows),
    "tail": _rows("tail", _last_rows),
}


def one_row(group: FrameGroup, data: Any, columns: Any, index: Any) -> TracedFrame | None:
    """Returns the DataFrame of one row of scalars, elements and constants; None for other data."""
    call = "pd.DataFrame"
    found = _one_row_of(unwrapped(data), unwrapped(columns), index)
    if found is None or not all(_is_cell(x) for x in found.values()):
        return None
    samples = {name: _sample(x) for name, x in found.items()}
    cells = _in_form_of(data, list(samples.values()))
    proto = run_prototype(call, pd.DataFrame, cells, columns=columns, index=index)
    if len(proto) != 1 or list(proto.columns) != list(found):
        refuse("SW262", call=call, what="other than one row")
    loop = group.one_row()
    return fresh(loop, {name: _cell(group, x, proto[name].dtype, loop, call) for name, x in found.items()})


def _one_row_of(data: Any, columns: Any, index: Any) -> dict[str, Any] | None:
    """Returns the cells by column; None for data that is not one row with names."""
    if isinstance(data, dict) and columns is None:
        lists = [x for x in data.values() if isinstance(x, list | tuple)]
        alone = isinstance(index, list) and len(index) == 1
        if any(len(x) != 1 for x in lists) or not (lists or alone):
            return None
        return {name: x[0] if isinstance(x, list | tuple) else x for name, x in data.items()} if _are_names(data) else None
    if not (isinstance(data, list) and len(data) == 1 and index is None):
        return None
    (row,) = data
    if isinstance(row, dict) and columns is None and _are_names(row):
        return dict(row)
    names = list(columns) if isinstance(columns, list | tuple | pd.Index) else []
    if isinstance(row, list | tuple) and len(names) == len(row) and _are_names(names) and len(set(names)) == len(names):
        return dict(zip(names, row, strict=True))
    return None


def _are_names(names: Any) -> bool:
    return all(isinstance(name, str) for name in names)


def _is_cell(x: Any) -> bool:
    return type(x) in (GroupScalar, GroupElement, str) or is_number(x)


def _sample(x: Any) -> Any:
    """Returns a value of the class that the function sees for a cell."""
    if type(x) is GroupScalar:
        return {"b": True, "i": 1, "f": 1.0}[x.dtype.kind] if x.weak else x.dtype.type(1)
    if type(x) is GroupElement:
        return "a" if x.series.kind is STRINGS else datetime.date(2000, 1, 1)
    return x


def _in_form_of(data: Any, samples: list[Any]) -> Any:
    """Returns the samples in the place of the cells."""
    cells = iter(samples)
    if isinstance(data, dict):
        return {name: [next(cells)] if isinstance(x, list | tuple) else next(cells) for name, x in data.items()}
    row = data[0]
    return [dict(zip(row, samples, strict=True))] if isinstance(row, dict) else [type(row)(samples)]


def _cell(group: FrameGroup, x: Any, dtype: Any, loop: LoopBuilder, call: str) -> TracedSeries:
    if type(x) is GroupElement:
        if dtype.kind != "O":
            refuse("SW312", call=call, what=f"{raw(x)} as {dtype}")
        return x.column(group, loop)
    if type(x) is str:
        return text_series(loop, constant(loop, x, call))
    value = group.of_rows(x.value, loop) if type(x) is GroupScalar else None
    to = type_of(np.dtype(dtype) if isinstance(dtype, np.dtype) else np.dtype(object), call)
    if value is not None and not np.can_cast(value.type.dtype, to.dtype, "safe"):
        refuse("SW312", call=call, what=f"{value.type.dtype} as {dtype}")
    made = loop.const(np.asarray(x).astype(to.dtype)[()], to) if value is None else loop.cast(value, to)
    return TracedSeries(loop, made, made.type.dtype)
