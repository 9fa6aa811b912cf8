"""Lowers methods of a DataFrame that treat each column as a Series: replace, fillna, astype, round, get and apply."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sparkweld.ir import LoopBuilder
from sparkweld.ir.types import BOOL
from udf_compiler.frontends.pandas.apply.frame_rows import apply_rows
from udf_compiler.frontends.pandas.batch_dependent import BATCH_DEPENDENT
from udf_compiler.frontends.pandas.calls.replacement import replace as replace_in_series
from udf_compiler.frontends.pandas.calls.series_methods import copy as copy_series
from udf_compiler.frontends.pandas.frame import TracedFrame, fresh
from udf_compiler.frontends.pandas.series import NUMBERS, TracedSeries
from udf_compiler.frontends.pandas.strings import STRINGS
from udf_compiler.frontends.python.path_explorer import is_exploring
from udf_compiler.frontends.tracing.constants import unwrapped
from udf_compiler.frontends.tracing.exceptions import as_python
from udf_compiler.frontends.tracing.lower import is_number
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.values import Traced, raw, refuse_in_place


def each(frame: TracedFrame, change: Callable[[str, TracedSeries], Any], call: str) -> TracedFrame:
    """Returns a new frame of changed columns. Refuses (SW262) a result that is no Series of the same rows."""
    made = {name: change(name, series) for name, series in frame.series.items()}
    if any(type(s) is not TracedSeries or s.loop is not frame.loop for s in made.values()):
        refuse("SW262", call=call, what="a column of something other than the rows' values")
    return fresh(frame.loop, {name: copy_series(s) for name, s in made.items()})


def _check_kinds(frame: TracedFrame, names: Any, kinds: tuple[Any, ...], call: str) -> None:
    """Refuses (SW262) columns of other kinds."""
    for name, series in frame.series.items():
        if name in names and series.kind not in kinds:
            refuse("SW262", call=call, what=f"a column of {series.kind.name}")


def fillna(frame: TracedFrame, value: Any = None) -> TracedFrame:
    """Implements DataFrame.fillna of a number or string, or of a dict of these by column."""
    call, value = "DataFrame.fillna", unwrapped(value)
    by_column = value if type(value) is dict else dict.fromkeys(frame.series, value)
    if not all(is_number(x) or type(x) is str for x in by_column.values()):
        refuse("SW262", call=call, what=raw(value))
    _check_kinds(frame, by_column, (NUMBERS, STRINGS), call)
    return each(frame, lambda name, s: s.fillna(by_column[name]) if name in by_column else s, call)


def replace(
    frame: TracedFrame, to_replace: Any = None, value: Any = None, *, inplace: Any = False, regex: Any = False
) -> TracedFrame:
    """Implements DataFrame.replace of numbers by numbers in columns of numbers, which keeps the dtype of each block."""
    call = "DataFrame.replace"
    refuse_in_place(inplace, call)
    _check_kinds(frame, frame.series, (NUMBERS,), call)
    return each(frame, lambda name, s: replace_in_series(s, to_replace, value, regex=regex), call)


def astype(frame: TracedFrame, dtype: Any, copy: Any = None, errors: str = "raise") -> TracedFrame:
    """Implements DataFrame.astype of one dtype, or of a dict of dtypes by column."""
    call, dtype = "DataFrame.astype", unwrapped(dtype)
    if errors != "raise" or copy is False or isinstance(dtype, Traced):
        refuse("SW262", call=call, what="the argument errors= or copy=")
    by_column = dtype if type(dtype) is dict else dict.fromkeys(frame.series, dtype)
    unknown = [name for name in by_column if name not in frame.series]
    if unknown:
        error = f"KeyError: Only a column name can be used for the key in a dtype mappings argument: {unknown[0]!r}"
        refuse("SW252", call=call, error=error)
    return each(frame, lambda name, s: s.astype(by_column[name]) if name in by_column else s, call)


def round_(frame: TracedFrame, decimals: Any = 0) -> TracedFrame:
    """Implements DataFrame.round to a number of digits, or to a dict of these by column; only numbers are rounded."""
    call, decimals = "DataFrame.round", unwrapped(decimals)
    by_column = decimals if type(decimals) is dict else dict.fromkeys(frame.series, decimals)
    if not all(type(n) is int or isinstance(n, np.integer) for n in by_column.values()):
        refuse("SW262", call=call, what=raw(decimals))
    _check_kinds(frame, frame.series, (NUMBERS, STRINGS, BATCH_DEPENDENT), call)

    def rounded(name: str, s: TracedSeries) -> Any:
        unchanged = name not in by_column or s.kind is STRINGS or s.value.type == BOOL
        return s if unchanged else s.round(int(by_column[name]))

    return each(frame, rounded, call)


def get(frame: TracedFrame, key: Any, default: Any = None) -> Any:
    """Implements DataFrame.get: a column, or `default` where the frame has none of that name."""
    names = key if isinstance(key, list) else [key]
    if not all(isinstance(n, str) for n in names) or not all(isinstance(n, str) for n in frame.series):
        refuse("SW262", call="DataFrame.get", what="names that are not strings")
    return frame[key] if all(n in frame.series for n in names) else default


def apply_(frame: TracedFrame, func: Any, axis: Any = 0, args: Any = (), **kwargs: Any) -> Any:
    """Implements DataFrame.apply to each row, or, with axis=0, of a function from a column to a Series of the same rows."""
    call = "DataFrame.apply"
    if axis in (1, "columns"):
        return apply_rows(frame, func, axis, args, **kwargs)
    named = {"raw", "result_type", "by_row", "engine", "engine_kwargs"} & kwargs.keys()
    of_columns = axis in (0, "index") and callable(func) and not isinstance(func, Traced) and frame.series and not named
    if not of_columns or is_exploring():
        refuse("SW250", call=call)
    made = {name: as_python(func, frame.column(name), *args, **kwargs) for name in frame.series}
    if any(type(s) is not TracedSeries or s.loop is not frame.loop for s in made.values()):
        refuse("SW250", call=call)
    if _may_be_empty(frame.loop) and any(_type(made[name]) != _type(s) for name, s in frame.series.items()):
        refuse("SW262", call=call, what="a change of dtypes, which pandas leaves out where a filter keeps no row")
    return each(frame, lambda name, s: made[name], call)


def _may_be_empty(loop: LoopBuilder | None) -> bool:
    """Whether a filter may have kept no row."""
    while loop is not None:
        if loop.where is not None:
            return True
        loop = loop.parent
    return False


def _type(s: TracedSeries) -> tuple[Any, ...]:
    return s.kind, s.value.type, s._dtype


METHODS: dict[str, Callable[..., Any]] = {
    "fillna": fillna,
    "replace": replace,
    "astype": astype,
    "round": round_,
    "get": get,
    "apply": apply_,
}
