"""Lowers what reads and changes the names of a DataFrame's columns: columns, rename and set_axis."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from udf_compiler.frontends.pandas.calls.series_methods import copy as copy_series
from udf_compiler.frontends.pandas.frame import TracedFrame, fresh
from udf_compiler.frontends.tracing.constants import PandasConstant, unwrapped
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.values import Traced, raw


def are_names(columns: Any, count: int) -> bool:
    """Whether `columns` is a list of `count` distinct strings."""
    return isinstance(columns, list) and len(columns) == count == len(set(columns)) and all(isinstance(c, str) for c in columns)


def set_columns(frame: TracedFrame, names: Any) -> None:
    """Implements ``frame.columns = names`` on an unshared frame; refuses names that are not distinct strings (SW262)."""
    call = "DataFrame.columns = ..."
    if frame.shared:
        refuse("SW256", call=call)
    names = unwrapped(names)
    found = list(names) if isinstance(names, list | tuple | pd.Index | np.ndarray) else None
    frame.expect(len(found or ()))
    if not are_names(found, len(frame.series)):
        refuse("SW262", call=call, what="anything but a distinct string for each column")
    frame.series = dict(zip(found, frame.series.values(), strict=True))  # type: ignore[arg-type]


def rename(frame: TracedFrame, *, columns: Any) -> TracedFrame:
    """Implements DataFrame.rename: renames columns by a dict or a function."""
    call = "DataFrame.rename"
    if isinstance(columns, dict):
        names = [columns.get(n, n) for n in frame.series]
    elif callable(columns) and not isinstance(columns, Traced):
        names = [columns(n) for n in frame.series]
    else:
        refuse("SW262", call=call, what=raw(columns))
    if not all(isinstance(n, str) for n in names) or len(set(names)) < len(names):
        refuse("SW262", call=call, what="names that are not distinct strings")
    return fresh(frame.loop, {n: copy_series(s) for n, s in zip(names, frame.series.values(), strict=True)})


def set_axis(frame: TracedFrame, labels: Any, *, axis: Any = 0, copy: Any = None) -> TracedFrame:
    """Implements DataFrame.set_axis of the columns."""
    if axis not in (1, "columns"):
        refuse("SW250", call="DataFrame.set_axis of rows")
    made = fresh(frame.loop, {n: copy_series(s) for n, s in frame.series.items()})
    set_columns(made, labels)
    return made


def columns(frame: TracedFrame) -> PandasConstant:
    """Returns the column names as a constant Index."""
    if not all(isinstance(n, str) for n in frame.series):
        refuse("SW262", call="DataFrame.columns", what="a DataFrame with a column whose name is no str")
    return PandasConstant(pd.Index(list(frame.series)))
