"""Lowers ``frame.loc[mask, name] = value``: replaces elements of columns in place.

pandas writes to the memory of the column, which a Series or array that the function has taken of it before may share. So nothing
else may refer to the column: no variable, and no view (`TracedSeries.viewed`).
"""

from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np

from sparkweld.ir.types import F64
from udf_compiler.frontends.pandas.array import TracedArray
from udf_compiler.frontends.pandas.calls.series_choices import condition_value, set_where
from udf_compiler.frontends.pandas.frame import TracedFrame
from udf_compiler.frontends.pandas.series import NUMBERS, TracedSeries
from udf_compiler.frontends.tracing.constants import unwrapped
from udf_compiler.frontends.tracing.lower import constant_of
from udf_compiler.frontends.tracing.session import current, refuse
from udf_compiler.frontends.tracing.values import raw

_CALL = "DataFrame.loc[...] = ..."

#: The largest int that is exact as a float.
_EXACT = 2**53


def set_cells(frame: TracedFrame, key: Any, value: Any) -> None:
    """Evaluates ``frame.loc[mask, name] = value`` and ``frame.loc[mask, names] = value`` on an unshared frame.

    Refuses (SW256) columns that something else may see, (SW255) values for which pandas changes the dtype, and (SW262) others.
    """
    rows, columns = key if isinstance(key, tuple) and len(key) == 2 else (key, None)
    columns = unwrapped(columns)
    names = [columns] if isinstance(columns, str) else columns
    if frame.shared:
        refuse("SW256", call=_CALL)
    if not isinstance(rows, TracedSeries | TracedArray) or not isinstance(names, list) or not names:
        refuse("SW262", call=_CALL, what="anything but a condition and names of columns")
    if not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
        refuse("SW262", call=_CALL, what="names that are not distinct strings")
    for name in names:
        _set(frame, rows, name, value)


def _set(frame: TracedFrame, rows: Any, name: str, value: Any) -> None:
    if name not in frame.series:
        frame.series[name] = _new(frame, rows, value)
        return
    made = frame.series[name].twin(shared=False)
    if frame.series[name].viewed or _references(frame.series, name) > _references({name: made.twin(shared=False)}, name):
        refuse("SW256", call=_CALL)
    group = current().group
    if group is not None and group.has_scalar(value):
        value = group.column(value, frame.loop)
    if isinstance(value, TracedSeries):
        _replace(made, rows, value)
    else:
        set_where(made, rows, value, _CALL)
    frame.series[name] = made


def _references(series: dict[str, TracedSeries], name: str) -> int:
    """Returns the number of references to a column, those of the interpreter included."""
    return sys.getrefcount(series[name])


def _replace(made: TracedSeries, rows: Any, value: TracedSeries) -> None:
    """Replaces elements by those of another column of the frame's rows, where the dtype stays."""
    if value.loop is not made.loop or value.kind is not made.kind or made.kind is not NUMBERS or value.dtype != made.dtype:
        refuse("SW262", call=_CALL, what="a Series of other rows or another dtype")
    made.value = made.loop.select(condition_value(made, rows, _CALL), value.value, made.value)


def _new(frame: TracedFrame, rows: Any, value: Any) -> TracedSeries:
    """Returns a new column of float64, NaN where the condition does not hold."""
    value = constant_of(value)
    if type(value) not in (int, float) or abs(value) > _EXACT:
        refuse("SW262", call=_CALL, what=f"{raw(value)} for a new column")
    loop = frame.loop
    made = TracedSeries(loop, loop.const(math.nan, F64), np.dtype(np.float64))
    made.value = loop.select(condition_value(made, rows, _CALL), loop.const(float(value), F64), made.value)
    return made
