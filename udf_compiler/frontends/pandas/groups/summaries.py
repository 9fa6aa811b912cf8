"""Builds the DataFrames of one row or a few rows that functions of groups make of scalars, elements and constants."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from sparkweld.ir import LoopBuilder
from sparkweld.ir.types import I64
from udf_compiler.frontends.pandas.apply.comprehensions import Values
from udf_compiler.frontends.pandas.dates import DATES
from udf_compiler.frontends.pandas.datetimes import DATETIMES
from udf_compiler.frontends.pandas.frame import TracedFrame, fresh
from udf_compiler.frontends.pandas.groups.made_lists import GroupList, list_of_values
from udf_compiler.frontends.pandas.groups.scalars import GroupScalar
from udf_compiler.frontends.pandas.groups.single_values import GroupElement
from udf_compiler.frontends.pandas.series import TracedSeries
from udf_compiler.frontends.pandas.strings import STRINGS, constant, text_series
from udf_compiler.frontends.tracing.constants import unwrapped
from udf_compiler.frontends.tracing.lower import is_number, run_prototype, type_of
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.values import raw

if TYPE_CHECKING:
    from udf_compiler.frontends.pandas.groups.frame_group import FrameGroup

#: The classes of lists of columns, each of which is one cell.
_LISTS = (GroupList, Values)

#: The most rows of a summary. A group with fewer rows than its summary runs in Python.
_MOST_ROWS = 64


def summary(group: FrameGroup, data: Any, columns: Any, index: Any) -> TracedFrame | None:
    """Returns the DataFrame of rows of scalars, elements and constants; None for other data."""
    call = "pd.DataFrame"
    given = unwrapped(data)
    rows = _rows_of(given, unwrapped(columns), index)
    if rows is None or not all(_is_cell(cell) for cells in rows.values() for cell in cells):
        return None
    count = len(next(iter(rows.values())))
    proto = run_prototype(call, pd.DataFrame, _samples(given), columns=columns, index=index)
    if len(proto) != count or list(proto.columns) != list(rows):
        refuse("SW262", call=call, what="rows of other names")
    loop = group.first_of_root(count)
    return fresh(loop, {name: _column(group, cells, proto[name].dtype, loop, call) for name, cells in rows.items()})


def column_of(group: FrameGroup, x: Any, loop: LoopBuilder) -> TracedSeries | None:
    """Returns the Series of one scalar, element or constant, in each row of a loop; None for anything else."""
    x = unwrapped(x)
    if not _is_cell(x):
        return None
    call = "pd.Series"
    proto = run_prototype(call, pd.Series, [_sample(x)])
    return _cell(group, x, proto.dtype, loop, call)


def _rows_of(data: Any, columns: Any, index: Any) -> dict[Any, Sequence[Any]] | None:
    """Returns the cells of each column; None for data that is no table. Without names, columns have numbers."""
    if isinstance(data, dict) and columns is None:
        return _of_columns(data, index)
    if not (isinstance(data, list) and 0 < len(data) <= _MOST_ROWS and index is None):
        return None
    if all(isinstance(row, dict) for row in data) and columns is None:
        names = list(data[0])
        alike = names and _are_names(names) and all(list(row) == names for row in data)
        return {name: [row[name] for row in data] for name in names} if alike else None
    if not all(isinstance(row, list | tuple) and row and len(row) == len(data[0]) for row in data):
        return None
    if columns is None:
        return {at: [row[at] for row in data] for at in range(len(data[0]))}
    names = list(columns) if isinstance(columns, list | tuple | pd.Index) else []
    if len(names) != len(data[0]) or not _are_names(names) or len(set(names)) < len(names):
        return None
    return {name: [row[at] for row in data] for at, name in enumerate(names)}


def _of_columns(data: dict[Any, Any], index: Any) -> dict[Any, Sequence[Any]] | None:
    """Returns the cells of a dict of lists, in which single cells are repeated."""
    if any(type(x) in _LISTS for x in data.values()):
        return None
    lists = [x for x in data.values() if isinstance(x, list | tuple)]
    alone = isinstance(index, list) and len(index) == 1
    count = len(lists[0]) if lists else 1
    if not (lists or alone) or not 0 < count <= _MOST_ROWS or any(len(x) != count for x in lists) or not _are_names(data):
        return None
    if index is not None and count != 1:
        return None
    return {name: x if isinstance(x, list | tuple) else [x] * count for name, x in data.items()}


def _are_names(names: Any) -> bool:
    return all(isinstance(name, str) for name in names)


def _is_cell(x: Any) -> bool:
    return type(x) in (GroupScalar, GroupElement, str, *_LISTS) or is_number(x)


def _sample(x: Any) -> Any:
    """Returns a value of the class that the function sees for a cell."""
    if type(x) is GroupScalar:
        return {"b": True, "i": 1, "f": 1.0}[x.dtype.kind] if x.weak else x.dtype.type(1)
    if type(x) in _LISTS:
        return [1.0]
    if type(x) is GroupElement:
        return {STRINGS: "a", DATES: datetime.date(2000, 1, 1)}.get(x.series.kind, pd.Timestamp(2000, 1, 1))
    return x


def _samples(data: Any) -> Any:
    """Returns the data with samples in the place of the cells."""
    if isinstance(data, dict):
        return {name: _samples(x) for name, x in data.items()}
    return type(data)(map(_samples, data)) if type(data) in (list, tuple) else _sample(data)


def _column(group: FrameGroup, cells: Sequence[Any], dtype: Any, loop: LoopBuilder, call: str) -> TracedSeries:
    """Returns the column with one cell in each row of a summary."""
    made = [_cell(group, cell, dtype, loop, call) for cell in cells]
    first = made[0]
    if len(made) == 1:
        return first
    if any((s.kind, s.missing, s.dtype) != (first.kind, first.missing, first.dtype) for s in made):
        refuse("SW312", call=call, what=f"{raw(cells[0])} in one column with other values")
    value = made[-1].value
    for at, series in reversed(list(enumerate(made[:-1]))):
        value = loop.select(loop.call("equal", group.position(loop), loop.const(at, I64)), series.value, value)
    first.value = value
    return first


def _cell(group: FrameGroup, x: Any, dtype: Any, loop: LoopBuilder, call: str) -> Any:
    if type(x) in _LISTS:
        found = list_of_values(group, x) if type(x) is Values else x
        return found.cell(group, loop)  # type: ignore[no-any-return]
    if type(x) is GroupElement:
        if dtype.kind != ("M" if x.series.kind is DATETIMES else "O"):
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
