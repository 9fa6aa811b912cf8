"""Implements loops over the rows of a DataFrame: ``itertuples``, ``iterrows``, and positions in ``iloc``, ``loc`` and ``at``."""

from __future__ import annotations

import collections
from typing import Any

import pandas as pd

from udf_compiler.frontends.pandas.apply.frame_rows import sources_of
from udf_compiler.frontends.pandas.apply.positions import Position, check_position, element_at
from udf_compiler.frontends.pandas.apply.row_iterator import Rows
from udf_compiler.frontends.pandas.calls.constructors import Index
from udf_compiler.frontends.pandas.frame import TracedFrame
from udf_compiler.frontends.pandas.series import NUMBERS
from udf_compiler.frontends.python.frame_row import TracedRow
from udf_compiler.frontends.tracing.session import current, refuse
from udf_compiler.frontends.tracing.stand_ins import StandIn


def itertuples(frame: TracedFrame, index: Any = True, name: Any = "Pandas") -> Rows:
    """Implements DataFrame.itertuples: Python's values of each row, in a named tuple. The index may only select from columns."""
    if type(index) is not bool or not (name is None or type(name) is str) or not frame.series:
        refuse("SW262", call="DataFrame.itertuples", what="this form")
    first = (_label(frame),) if index else ()
    listed = lambda to: to.named_tuples(frame, index, name)  # noqa: E731
    if name is None:
        return Rows(list(frame.series.values()), single=False, made=lambda values: (*first, *values), listed=listed)
    fields = [*(("Index",) if index else ()), *map(str, frame.series)]
    row: Any = collections.namedtuple(name, fields, rename=True)  # type: ignore[misc]
    return Rows(list(frame.series.values()), single=False, made=lambda values: row(*first, *values), listed=listed)


def iterrows(frame: TracedFrame) -> Rows:
    """Implements DataFrame.iterrows: a row is a Series of the columns' common dtype. The index may only select from columns."""
    if not frame.series:
        refuse("SW262", call="DataFrame.iterrows", what="a frame without columns")
    row, known = TracedRow(sources_of(frame, "DataFrame.iterrows")), dict(frame.series)

    def element(values: tuple[Any, ...]) -> tuple[Any, TracedRow]:
        if frame.series.keys() != known.keys() or any(frame.series[name] is not series for name, series in known.items()):
            refuse("SW256", call="Code between DataFrame.iterrows and its loop")  # which reads each row as it comes to it
        return _label(frame), row

    return Rows(list(frame.series.values()), single=False, made=element, sources=(), listed=lambda to: to.labelled_rows(frame))


def _label(frame: TracedFrame) -> Any:
    """Returns the row's label, which is its position as long as no filter has removed rows."""
    known = frame.loop.where is None and frame.loop.parent is None and current().group is None
    return Position(frame.loop) if known else Index(frame.loop)


def cells(frame: TracedFrame, key: Any, call: str) -> Any:
    """Returns the row at the position of a loop over all rows, or its element in a column: ``frame.loc[i, "a"]``.

    Refuses (SW250) other keys.
    """
    rows, column = key if isinstance(key, tuple) and len(key) == 2 else (key, None)
    if type(column) is int and column in range(len(frame.series)):
        column = list(frame.series)[column]
    if column is not None and not (type(column) is str and column in frame.series):
        refuse("SW250", call=call)
    if column is not None:
        return element_at(frame.column(column), rows, call)
    check_position(frame.loop, rows, call)
    sources = sources_of(frame, call)
    kinds = {(s.kind is NUMBERS, s.kind is NUMBERS and s.dtype.kind == "b") for s in frame.series.values()}
    if len(kinds) > 1:  # its dtype is object, and its numbers are NumPy's scalars, unlike those of `DataFrame.iterrows`
        refuse("SW250", call=f"{call} of numbers beside bools, strings or arrays")
    return TracedRow(sources)


class Located(StandIn):
    """The indexers ``iloc``, ``at`` and ``iat`` of a DataFrame in a loop over all rows."""

    __slots__ = ("frame", "name")
    what = "DataFrame.iloc"
    stands_for = type(pd.DataFrame().iloc)
    exact = False

    def __init__(self, frame: TracedFrame, name: str) -> None:
        self.frame, self.name = frame, name

    def __getitem__(self, key: Any) -> Any:
        call, column = f"DataFrame.{self.name}", key[1] if isinstance(key, tuple) and len(key) == 2 else None
        if column is not None and type(column) is not (str if self.name == "at" else int):
            refuse("SW250", call=call)
        return cells(self.frame, key, call)


METHODS = {"itertuples": itertuples, "iterrows": iterrows}
