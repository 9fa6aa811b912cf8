"""Represents the position of the row in a loop over all rows, and reads a column there: ``for i in range(len(a)): ... a[i]``."""

from __future__ import annotations

from typing import Any, NoReturn

import pandas as pd

from sparkweld.ir import LoopBuilder
from udf_compiler.frontends.pandas.array import TracedArray
from udf_compiler.frontends.pandas.series import NUMBERS, TracedSeries
from udf_compiler.frontends.pandas.strings import STRINGS
from udf_compiler.frontends.python.numpy_scalars import numpy_scalar
from udf_compiler.frontends.python.path_explorer import explorer, is_exploring
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.stand_ins import StandIn
from udf_compiler.frontends.tracing.values import Traced, symbol


class Position(Traced):
    """The number of the row among those of the batch. It may only be an index of a column, as its value depends on the batch."""

    __slots__ = ("loop",)
    what = "position of the row"
    stands_for = int

    def __init__(self, loop: LoopBuilder) -> None:
        self.loop = loop

    def _binary(self, name: str, other: Any, reflected: bool) -> NoReturn:
        refuse("SW250", call=f"{symbol(name)} of a {self.what}")

    def _unary(self, name: str) -> NoReturn:
        refuse("SW250", call=f"{symbol(name)} of a {self.what}")


def check_position(loop: LoopBuilder, key: Any, call: str) -> None:
    """Refuses (SW250) keys other than the row's position in the loop over these rows that runs now."""
    if type(key) is not Position or not is_exploring() or key.loop is not loop or explorer().loop is not loop:
        refuse("SW250", call=call)


def element_at(column: Any, key: Any, call: str) -> Any:
    """Returns the element of a Series or an array at the row's position, as indexing does: a NumPy scalar of numbers.

    Refuses (SW250) other keys, and positions outside of their loop or among other rows than the column's.
    """
    check_position(column.loop, key, call)
    if type(column) is TracedArray and column.ndim == 1:
        return numpy_scalar(column.value, column.dtype)
    if type(column) is TracedSeries and column.kind is NUMBERS:
        return numpy_scalar(column.value, column.dtype)
    if type(column) is TracedSeries and column.kind is STRINGS:
        return column.kind.element(column, call)()
    refuse("SW250", call=call)


class Located(StandIn):
    """The indexer ``series.iloc`` in a loop over all rows."""

    __slots__ = ("series",)
    what = "Series.iloc"
    stands_for = type(pd.Series([1.0]).iloc)

    def __init__(self, series: TracedSeries) -> None:
        self.series = series

    def __getitem__(self, key: Any) -> Any:
        return element_at(self.series, key, self.what)
