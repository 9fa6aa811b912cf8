"""Lowers methods of a pandas DataFrame to IR: selects, adds, renames and concatenates columns, and filters rows."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from sparkweld.ir import LoopBuilder
from sparkweld.ir.ops import ListCall
from sparkweld.ir.types import I64
from udf_compiler.frontends.pandas import masked
from udf_compiler.frontends.pandas.apply import frame_loops
from udf_compiler.frontends.pandas.apply.comprehensions import Values, collect, collect_rows, is_collection
from udf_compiler.frontends.pandas.apply.positions import Position
from udf_compiler.frontends.pandas.apply.results import RowSeries
from udf_compiler.frontends.pandas.apply.tuples import TracedTuples
from udf_compiler.frontends.pandas.array import TracedArray
from udf_compiler.frontends.pandas.batch_dependent import is_batch_dependent, plain
from udf_compiler.frontends.pandas.calls import column_names, frame_columns, row_reductions
from udf_compiler.frontends.pandas.calls.arrays import astype
from udf_compiler.frontends.pandas.calls.column_names import are_names
from udf_compiler.frontends.pandas.calls.constructors import Index, make_series
from udf_compiler.frontends.pandas.calls.cuts import TracedCut, categories_of
from udf_compiler.frontends.pandas.calls.frame_cells import set_cells
from udf_compiler.frontends.pandas.calls.series_methods import copy as copy_series
from udf_compiler.frontends.pandas.calls.series_methods import pipe
from udf_compiler.frontends.pandas.calls.strings.choose import TracedTexts, texts_of
from udf_compiler.frontends.pandas.frame import TracedFrame, fresh, is_frame, refuse_renumbered, viewed
from udf_compiler.frontends.pandas.row_counts import is_empty, row_count
from udf_compiler.frontends.pandas.series import TracedSeries
from udf_compiler.frontends.pandas.strings import text_series
from udf_compiler.frontends.python.ndarrays import leave_none
from udf_compiler.frontends.python.operands import as_text, is_text
from udf_compiler.frontends.python.operands import is_number as is_of_python
from udf_compiler.frontends.python.path_explorer import explorer, is_exploring
from udf_compiler.frontends.python.row_matrices import vector
from udf_compiler.frontends.tracing.constants import unwrapped
from udf_compiler.frontends.tracing.lower import dtype_of, is_number, type_of
from udf_compiler.frontends.tracing.session import current, refuse
from udf_compiler.frontends.tracing.stand_ins import StandIn
from udf_compiler.frontends.tracing.values import Traced, moved, raw


def make_frame(data: Any = None, index: Any = None, columns: Any = None, dtype: Any = None, copy: Any = None) -> TracedFrame:
    """Implements pd.DataFrame of a dict of columns, or of a two-dimensional array with column names."""
    call = "pd.DataFrame"
    if is_exploring() and dtype is None:
        return _of_one_row(data, index, columns, call)
    if dtype is not None or (index is not None and type(index) is not Index):
        refuse("SW262", call=call, what="the argument dtype= or an index of its own")
    if isinstance(columns, np.ndarray):
        columns = columns.tolist()
    of_matrix = isinstance(data, TracedArray) and data.ndim == 2
    if of_matrix and (columns is None or are_names(columns, len(data.columns))):
        columns = range(len(data.columns)) if columns is None else columns
        data.shared = True
        refuse_renumbered(data.loop, call)
        series = {n: TracedSeries(data.loop, v, data.dtype, shared=True) for n, v in zip(columns, data.columns, strict=True)}
        return fresh(data.loop, series)
    of_rows = (type(data) is TracedTuples and data.listed) or (type(data) is list and is_collection(data))
    if of_rows:
        data, columns = _rows(data.columns if type(data) is TracedTuples else collect_rows(data), columns, call), None
    if not isinstance(data, dict) or columns is not None or not (of_rows or all(isinstance(n, str) for n in data)):
        refuse("SW262", call=call, what=raw(data))
    listed = [name for name, v in data.items() if type(v) is Values or (type(v) is list and is_collection(v))]
    data = {name: collect(v) if name in listed else v for name, v in data.items()}
    loop = next((v.loop for v in data.values() if isinstance(v, TracedSeries | TracedArray | RowSeries)), None)
    if loop is None:
        refuse("SW262", call=call, what="a dict without a column")
    if of_rows or not any(isinstance(v, TracedSeries) for name, v in data.items() if name not in listed):
        refuse_renumbered(loop, call)
    return fresh(loop, {name: _column(loop, v, call) for name, v in data.items()})


def _rows(found: dict[Any, Any], columns: Any, call: str) -> dict[Any, Any]:
    """Returns the columns of a list of rows by name: of dicts the keys, or those of them in `columns`; of tuples `columns`."""
    if columns is None:
        return found
    of_tuples = 0 in found
    known = isinstance(columns, list) and are_names(columns, len(found) if of_tuples else len(columns))
    if not known or not (of_tuples or set(columns) <= found.keys()):
        refuse("SW262", call=call, what="columns= of other names than the rows have")
    return dict(zip(columns, found.values(), strict=True)) if of_tuples else {name: found[name] for name in columns}


def _of_one_row(data: Any, index: Any, columns: Any, call: str) -> TracedFrame:
    """Returns the frame that a function of single rows makes of its values: of one row, so an element stands for its column."""
    loop = explorer().loop
    if type(data) is list and len(data) == 1:
        (data,) = data
    elif type(data) is dict and all(type(x) in (list, tuple) and len(x) == 1 for x in data.values()):
        data = {name: x[0] for name, x in data.items()}
    elif not (type(data) is dict and index == [0]):
        refuse("SW262", call=call, what=raw(data))
    columns = unwrapped(columns)
    if type(data) in (list, tuple) and isinstance(columns, list | tuple | np.ndarray | pd.Index):
        data, columns = dict(zip(columns, data, strict=False)) if len(columns) == len(data) else None, None
    if type(data) is not dict or columns is not None or index not in (None, [0]) or not are_names([*data], len(data)):
        refuse("SW262", call=call, what="anything but one row with a distinct string for each column")
    return fresh(loop, {name: _of_element(loop, x, call) for name, x in data.items()})


def _of_element(loop: LoopBuilder, x: Any, call: str) -> TracedSeries:
    """Returns the column of one value of the row. Refuses (SW262) values that are no number or string."""
    if x is None:
        leave_none()
    if is_text(x):
        return text_series(loop, as_text(x))  # type: ignore[no-any-return]
    if not is_of_python(x):
        refuse("SW262", call=call, what=raw(x))
    array = vector([x])
    value = loop.emit(ListCall("at", array.value.type), array.value, loop.const(0, I64))
    return TracedSeries(loop, value, value.type.dtype)


def _column(loop: Any, value: Any, call: str) -> TracedSeries:
    made = None if current().group is None else current().group.column(value, loop)
    if made is not None:
        return made  # type: ignore[no-any-return]
    if type(value) is TracedCut and value.loop is loop:
        return categories_of(value, call)
    if type(value) is Values or (type(value) is list and is_collection(value)):
        refuse_renumbered(loop, call)
        value = collect(value)
    if type(value) is TracedTexts:
        refuse_renumbered(loop, call)
        value = texts_of(value)
    if isinstance(value, TracedSeries) and value.loop is loop:
        return copy_series(value)
    if isinstance(value, RowSeries) and value.loop is loop:
        return value.twin(shared=False)  # type: ignore[return-value]  # whoever reads it refuses
    if isinstance(value, TracedArray) and value.loop is loop and value.ndim == 1:
        return TracedSeries(loop, value.value, value.dtype)
    if is_number(value) or type(value) is str:
        return make_series(value, Index(loop))
    refuse("SW262", call=call, what=f"{raw(value)} as a column")


def assign(frame: TracedFrame, **columns: Any) -> TracedFrame:
    """Implements DataFrame.assign; a function receives the frame with the columns assigned before its own."""
    made = copy(frame)
    for name, value in columns.items():
        value = value(made) if callable(value) and not isinstance(value, Traced) else value
        made.series[name] = _column(frame.loop, value, "DataFrame.assign")
    return made


def copy(frame: TracedFrame, deep: bool = True) -> TracedFrame:
    if not deep:
        refuse("SW262", call="DataFrame.copy", what="deep=False")
    return fresh(frame.loop, {name: copy_series(s) for name, s in frame.series.items()})


def set_column(frame: TracedFrame, name: Any, value: Any) -> None:
    """Implements ``frame[name] = column`` and ``frame[names] = columns`` on an unshared frame."""
    call, name = "DataFrame[...] = ...", unwrapped(name)
    several = isinstance(name, list | pd.Index)
    if frame.shared or not (several or isinstance(name, str)):
        refuse("SW256", call=call)
    made = _columns(frame.loop, list(name), value, call) if several else {name: _column(frame.loop, value, call)}
    frame.series.update(made)


def _columns(loop: LoopBuilder, names: list[Any], value: Any, call: str) -> dict[str, TracedSeries]:
    """Returns the columns of a matrix, a frame or a scalar by their new names, which pandas assigns one by one."""
    if not are_names(names, len(names)) or not names:
        refuse("SW262", call=call, what="names that are not distinct strings")
    if isinstance(value, TracedFrame):
        value.expect(len(names))
        parts: list[Any] = list(value.series.values())
    elif isinstance(value, TracedArray) and value.ndim == 2:
        parts = [TracedArray(value.loop, (column,)) for column in value.columns]
    elif is_number(value) or type(value) is str:
        parts = [value] * len(names)
    else:
        refuse("SW262", call=call, what=raw(value))
    if len(parts) != len(names):
        refuse("SW252", call=call, error="ValueError: Columns must be same length as key")
    return {name: _column(loop, part, call) for name, part in zip(names, parts, strict=True)}


def delete_column(frame: TracedFrame, name: Any) -> None:
    """Implements ``del frame[name]`` on an unshared frame."""
    call = "del DataFrame[...]"
    if frame.shared:
        refuse("SW256", call=call)
    frame.column(name)
    del frame.series[name]


def keep_rows(frame: TracedFrame, mask: Any, call: str) -> TracedFrame:
    """Implements ``frame[mask]``: keeps the rows where a condition on the frame's own rows holds, and their index labels."""
    mask = masked.condition(mask)
    if not (isinstance(mask, TracedSeries | TracedArray) and mask.loop is frame.loop and mask.dtype == np.bool_):
        refuse("SW250", call=call)
    if isinstance(mask, TracedArray) and mask.ndim != 1:
        refuse("SW262", call=call, what="a condition of several columns")
    # the dtype depends on all rows, also on those that are dropped
    decided = {n: plain(s, call) if is_batch_dependent(s) else s for n, s in frame.series.items()}
    made = over(TracedFrame(frame.loop, decided), frame.loop.kept(mask.value))
    for series in made.series.values():
        series.has_nat = False  # no row with NaT may remain
    return made


def over(frame: TracedFrame, loop: LoopBuilder) -> TracedFrame:
    """Creates an unshared frame of the same values in `loop`, a copy of the frame's loop."""
    return fresh(loop, {n: copy_series(moved(s, loop)) for n, s in frame.series.items()})


def dropna(
    frame: TracedFrame, *, axis: Any = 0, how: str = "any", subset: Any = None, inplace: Any = False
) -> TracedFrame | None:
    """Implements DataFrame.dropna: keeps the rows without NaN in the columns of `subset`, by default all columns."""
    call = "DataFrame.dropna"
    if axis not in (0, "index"):
        refuse("SW250", call=call)
    names = [subset] if isinstance(subset, str) else list(frame.series) if subset is None else subset
    if not isinstance(names, list | tuple) or not names or how not in ("any", "all"):
        refuse("SW262", call=call, what=raw(subset))
    present = [frame.column(n).notna() for n in names]
    combine = operator.and_ if how == "any" else operator.or_
    return _replaced(frame, keep_rows(frame, functools.reduce(combine, present), call), inplace, call)


def _replaced(frame: TracedFrame, made: TracedFrame, inplace: Any, call: str) -> TracedFrame | None:
    """Returns the new frame; with inplace=True, stores its rows in an unshared frame."""
    if inplace is not True:
        return made
    if frame.shared:
        refuse("SW256", call=f"{call}(inplace=True)")
    frame.loop, frame.series = made.loop, made.series
    return None


def reset_index(frame: TracedFrame, *, drop: bool = False, inplace: bool = False) -> TracedFrame | None:
    """Implements DataFrame.reset_index(drop=True): renumbers the rows."""
    call = "DataFrame.reset_index"
    if drop is not True:
        refuse("SW250", call=call)
    if frame.loop.numbered and inplace is not True and current().group is None:
        return copy(frame)
    made = over(frame, frame.loop.derive(numbered=True))
    if current().group is not None:
        current().group.renumber(made.loop)
    return _replaced(frame, made, inplace, call)


class Loc(StandIn):
    """The indexer ``frame.loc``: selects rows by a condition and columns by name."""

    __slots__ = ("_frame",)
    what = "DataFrame.loc"
    stands_for = type(pd.DataFrame().loc)

    def __init__(self, frame: TracedFrame) -> None:
        self._frame = frame

    def __getitem__(self, key: Any) -> Any:
        rows, columns = key if isinstance(key, tuple) and len(key) == 2 else (key, slice(None))
        frame = self._frame
        if type(rows) is Position:
            return frame_loops.cells(frame, key, "DataFrame.loc")
        if not (isinstance(rows, slice) and rows == slice(None)):
            frame = keep_rows(frame, rows, "DataFrame.loc")
        return frame if isinstance(columns, slice) and columns == slice(None) else frame[columns]

    def __setitem__(self, key: Any, value: Any) -> None:
        set_cells(self._frame, key, value)


def drop(frame: TracedFrame, labels: Any = None, *, axis: Any = 0, columns: Any = None, errors: Any = "raise") -> TracedFrame:
    if columns is None and axis in (1, "columns"):
        labels, columns = None, labels
    names = [columns] if isinstance(columns, str) else columns
    known = labels is None and isinstance(names, list | tuple) and all(isinstance(n, str) for n in names)
    if not known or errors not in ("raise", "ignore") or (errors == "raise" and not all(n in frame.series for n in names)):
        refuse("SW262", call="DataFrame.drop", what=raw(columns))
    return fresh(frame.loop, {n: viewed(s, copy_series(s)) for n, s in frame.series.items() if n not in names})


def concat(objs: Any, *, axis: Any = 0, keys: Any = None) -> TracedFrame:
    """Implements pd.concat along the columns, of DataFrames and named Series, or of Series only, which `keys` or a dict names."""
    call = "pd.concat"
    if axis not in (1, "columns"):
        refuse("SW250", call=call)
    if type(objs) is dict and keys is None:
        keys, objs = list(objs), list(objs.values())
    if not isinstance(objs, list | tuple) or not objs or not all(is_frame(o) or type(o) is TracedSeries for o in objs):
        refuse("SW262", call=call, what="anything but DataFrames and Series")
    if any(o.loop is not objs[0].loop for o in objs):
        refuse("SW262", call=call, what="a column of another function call")
    names: list[Any] = [n for o in objs for n in (o.series if is_frame(o) else [o.known_name])]
    of_series = all(type(o) is TracedSeries for o in objs)
    if of_series and are_names(keys, len(objs)):
        names = keys
    elif of_series and keys is None and None in names:
        names = [Unknown(at) for at in range(len(objs))]
    elif keys is not None or None in names:
        refuse("SW262", call=call, what="a Series without a known name beside a DataFrame, or keys= of DataFrames")
    if len(set(names)) < len(names):
        refuse("SW262", call=call, what="two columns of one name")
    parts = [s for o in objs for s in (o.series.values() if is_frame(o) else [o])]
    return fresh(objs[0].loop, {n: copy_series(s) for n, s in zip(names, parts, strict=True)})


@dataclass(frozen=True, slots=True)
class Unknown:
    """The unknown name of a column that comes from a Series: names of Series are not traced."""

    at: int


def _is_empty(frame: TracedFrame, call: str) -> Any:
    group = current().group
    return is_empty(frame.loop, call) if group is None else group.is_empty(frame, call)


def _row_count(frame: TracedFrame, call: str) -> Any:
    group = current().group
    return row_count(frame.loop, call) if group is None else group.length(frame, call)


def to_numpy(frame: TracedFrame, dtype: Any = None, copy: Any = False) -> TracedArray:
    """Implements DataFrame.to_numpy. With a dtype, pandas casts columns of several dtypes one by one, without a common dtype.

    Refuses (SW262) a dtype without fractions for these: the values of NaN are undefined.
    """
    call = "DataFrame.to_numpy"
    array = frame.to_array(call)
    if dtype is None:
        return array
    if all(s.dtype == array.dtype for s in frame.series.values()):
        return astype(array, dtype)
    type = type_of(dtype_of(dtype, call), call)
    if not type.is_float:
        refuse("SW262", call=call, what="the dtype of integers for columns of several dtypes")
    values = [frame.loop.cast(s.kind.plain(s, call).value, type) for s in frame.series.values()]
    return TracedArray(frame.loop, values, 2, order=None)


#: Methods that a compiled function may call.
METHODS: dict[str, Callable[..., Any]] = {
    **row_reductions.METHODS,
    **frame_loops.METHODS,
    **frame_columns.METHODS,
    "assign": assign,
    "copy": copy,
    "drop": drop,
    "dropna": dropna,
    "rename": column_names.rename,
    "reset_index": reset_index,
    "set_axis": column_names.set_axis,
    "pipe": pipe,
    "to_numpy": to_numpy,
}

#: Attributes other than methods.
PROPERTIES: dict[str, Callable[[TracedFrame], Any]] = {
    "values": lambda f: f.to_array("DataFrame.values"),
    "columns": column_names.columns,
    "loc": Loc,
    "ndim": lambda f: 2,
    "empty": lambda f: not f.series or _is_empty(f, "DataFrame.empty"),
    "shape": lambda f: (_row_count(f, "DataFrame.shape"), len(f.series)),
}
