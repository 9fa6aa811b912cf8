"""Compiles DataFrame.apply(function, axis=1) by exploring the function on a row: a Series of the columns' common dtype.

Columns of one dtype, or of numbers with a common dtype, yield NumPy scalars of it (DataFrame.values). Bools beside numbers, and
strings, dates and arrays beside anything, yield Python objects, each according to its own column.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from udf_compiler.frontends.pandas.apply.elementwise import element
from udf_compiler.frontends.pandas.apply.results import RowSeries, explored, series_of_tree
from udf_compiler.frontends.pandas.dates import DATES
from udf_compiler.frontends.pandas.datetimes import is_time
from udf_compiler.frontends.pandas.frame import TracedFrame
from udf_compiler.frontends.pandas.kind import ARRAY_OBJECTS, BOOL_OBJECTS
from udf_compiler.frontends.pandas.series import NUMBERS, TracedSeries
from udf_compiler.frontends.pandas.strings import STRINGS
from udf_compiler.frontends.python.builtin_calls import STAND_INS
from udf_compiler.frontends.python.frame_row import TracedRow
from udf_compiler.frontends.python.numpy_scalars import numpy_scalar
from udf_compiler.frontends.python.path_explorer import is_exploring
from udf_compiler.frontends.python.running import run_function
from udf_compiler.frontends.tracing.lower import run_prototype, type_of
from udf_compiler.frontends.tracing.session import current, refuse
from udf_compiler.frontends.tracing.values import Traced

_CALL = "DataFrame.apply"

#: Kinds of Series of Python objects.
_OBJECTS = (STRINGS, ARRAY_OBJECTS, DATES, BOOL_OBJECTS)


def apply_rows(frame: TracedFrame, func: Any, axis: Any = 0, args: Any = (), **kwargs: Any) -> TracedSeries | RowSeries:
    """Applies a function to each row, as DataFrame.apply along the columns."""
    if axis not in (1, "columns"):
        refuse("SW250", call=_CALL)
    if not callable(func) or isinstance(func, np.ufunc | Traced) or not frame.series:
        refuse("SW262", call=_CALL, what="this function")
    if is_exploring():
        refuse("SW262", call=_CALL, what="a DataFrame within a scalar function")
    function = STAND_INS.get(func, func) if isinstance(func, type) else func
    row = TracedRow(sources_of(frame, _CALL))

    def of_row() -> Any:
        return run_function(function, row, *args, **kwargs)

    tree = explored(frame.loop, of_row, current().handlers, function)
    return series_of_tree(frame.loop, tree)


def sources_of(frame: TracedFrame, call: str) -> dict[Any, Callable[[], Any]]:
    """Returns the functions that return the values of a row, by column."""
    common = _common_dtype(frame, call)
    if common.kind == "O":
        unread = {name for name, s in frame.series.items() if is_time(s) or s.kind is BOOL_OBJECTS}
        return {name: _unread(call) if name in unread else element(s, call) for name, s in frame.series.items()}
    return {name: _number(frame, s, common, call) for name, s in frame.series.items()}


def _unread(call: str) -> Callable[[], Any]:
    """Returns the source of a time, or of a bool of a column with NULLs, in a row of objects. It refuses (SW264) to be read."""
    return lambda: refuse("SW264", call=call)


def _number(frame: TracedFrame, series: TracedSeries, dtype: np.dtype, call: str) -> Callable[[], Any]:
    scalar = numpy_scalar(frame.loop.cast(series.value, type_of(dtype, call)), dtype)
    return lambda: scalar


def _is_of_objects(columns: Sequence[TracedSeries], call: str) -> bool:
    """Whether a row with times remains one of objects: iterrows makes times of missing values beside them, apply does not."""
    if call == _CALL:
        return not all(map(is_time, columns))
    return any(s.kind is NUMBERS and not s.value.type.is_float for s in columns)


def _common_dtype(frame: TracedFrame, call: str) -> np.dtype:
    """Returns the dtype of a row; refuses rows of times only and dtypes that depend on the batch (SW264), and float32 (SW254)."""
    columns = list(frame.series.values())
    if any(s.kind not in (NUMBERS, *_OBJECTS) and not is_time(s) for s in columns):
        refuse("SW264", call=call)
    if any(map(is_time, columns)) and not _is_of_objects(columns, call):
        refuse("SW264", call=call)
    dtype = _dtype_of_row(call, tuple(np.dtype(object) if s.kind in _OBJECTS else s.dtype for s in columns))
    if dtype == np.float32:
        refuse("SW254", call=call, type="float32")
    return dtype


@lru_cache(maxsize=256)  # a loop reads a row on each of its paths
def _dtype_of_row(call: str, dtypes: tuple[np.dtype, ...]) -> np.dtype:
    """Returns the dtype of a row of columns of these dtypes."""
    protos = [pd.Series(["x"], dtype=object) if dtype.kind == "O" else np.ones(1).astype(dtype) for dtype in dtypes]
    return np.dtype(run_prototype(call, lambda: pd.DataFrame(dict(enumerate(protos))).iloc[0].dtype))
