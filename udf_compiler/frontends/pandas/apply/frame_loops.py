"""Implements loops over the rows of a DataFrame: ``for row in frame.itertuples()`` and ``for _, row in frame.iterrows()``."""

from __future__ import annotations

import collections
from typing import Any

from udf_compiler.frontends.pandas.apply.comprehensions import Rows
from udf_compiler.frontends.pandas.apply.frame_rows import sources_of
from udf_compiler.frontends.pandas.calls.constructors import Index
from udf_compiler.frontends.pandas.frame import TracedFrame
from udf_compiler.frontends.python.frame_row import TracedRow
from udf_compiler.frontends.tracing.session import refuse


def itertuples(frame: TracedFrame, index: Any = True, name: Any = "Pandas") -> Rows:
    """Implements DataFrame.itertuples: Python's values of each row, in a named tuple. The index may only be ignored."""
    if type(index) is not bool or not (name is None or type(name) is str) or not frame.series:
        refuse("SW262", call="DataFrame.itertuples", what="this form")
    first = (Index(frame.loop),) if index else ()
    if name is None:
        return Rows(list(frame.series.values()), single=False, made=lambda values: (*first, *values))
    fields = [*(("Index",) if index else ()), *map(str, frame.series)]
    row: Any = collections.namedtuple(name, fields, rename=True)  # type: ignore[misc]
    return Rows(list(frame.series.values()), single=False, made=lambda values: row(*first, *values))


def iterrows(frame: TracedFrame) -> Rows:
    """Implements DataFrame.iterrows: a row is a Series of the columns' common dtype. The index may only be ignored."""
    if not frame.series:
        refuse("SW262", call="DataFrame.iterrows", what="a frame without columns")
    row = TracedRow(sources_of(frame, "DataFrame.iterrows"))
    return Rows(list(frame.series.values()), single=False, made=lambda values: (Index(frame.loop), row), sources=())


METHODS = {"itertuples": itertuples, "iterrows": iterrows}
