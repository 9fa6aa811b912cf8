"""Traces DataFrames: named columns of one batch, all with the batch's index."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from pandas.core.computation import expressions

from sparkweld.ir import LoopBuilder
from udf_compiler.frontends.pandas.array import TracedArray
from udf_compiler.frontends.pandas.columns import ColumnLike
from udf_compiler.frontends.pandas.series import NUMBERS, TracedSeries
from udf_compiler.frontends.tracing.lower import constant_of, is_number, run_prototype, type_of
from udf_compiler.frontends.tracing.session import current, refuse
from udf_compiler.frontends.tracing.stand_ins import called_by_user
from udf_compiler.frontends.tracing.values import Traced


class TracedFrame(ColumnLike):
    """A symbolic DataFrame; `series` maps column names to Series, in order."""

    __slots__ = ("loop", "series", "shared")
    what = "DataFrame"
    stands_for = pd.DataFrame
    visible = frozenset({"dtypes"})
    operator_rank = 2

    loop: LoopBuilder
    series: dict[Any, TracedSeries]

    def __init__(self, loop: LoopBuilder, series: dict[Any, TracedSeries]) -> None:
        self.loop, self.series, self.shared = loop, dict(series), True

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return current().dispatch.class_of_frame(self)

    @property
    def dtypes(self) -> dict[Any, np.dtype]:
        """Returns a map from column name to dtype."""
        return {name: s.dtype for name, s in self.series.items()}

    def _more_names(self) -> Any:
        return self.series

    def __getattr__(self, name: str) -> Any:
        return current().dispatch.attribute(self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if not called_by_user():
            object.__setattr__(self, name, value)
        elif name == "columns":
            current().dispatch.set_columns(self, value)
        elif name in self.series and not hasattr(pd.DataFrame, name):
            self[name] = value
        else:
            refuse("SW256", call=f"DataFrame.{name} = ...")

    def expect(self, count: int) -> None:
        """Guards that the frame has `count` columns, where their number depends on the batch."""

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, list) and all(isinstance(k, str) for k in key):
            if len(set(key)) < len(key):
                refuse("SW262", call="DataFrame[...]", what="a column twice")
            return fresh(self.loop, {k: viewed(self.column(k), self.series[k].twin(shared=False)) for k in key})
        if isinstance(key, str):
            return self.column(key)
        if isinstance(key, Traced):
            return current().dispatch.item(self, key)
        refuse("SW250", call="DataFrame[...]")

    def __setitem__(self, key: Any, value: Any) -> None:
        current().dispatch.set_item(self, key, value)

    def __delitem__(self, key: Any) -> None:
        current().dispatch.delete_item(self, key)

    def column(self, name: str) -> TracedSeries:
        """Returns a column as a view of the frame. Refuses (SW252) an unknown name."""
        if name not in self.series and not all(isinstance(n, str) for n in self.series):
            refuse("SW262", call=f"DataFrame[{name!r}]", what="a DataFrame with a column whose name is no str")
        if name not in self.series:
            refuse("SW252", call=f"DataFrame[{name!r}]", error=f"KeyError: {name!r}")
        self.series[name].shared = True
        return self.series[name]

    def to_array(self, call: str) -> TracedArray:
        """Returns ``to_numpy()``: the columns cast to their common dtype. The memory order is undefined."""
        if not self.series:
            refuse("SW262", call=call, what="a DataFrame without columns")
        for s in self.series.values():
            s.kind.check_numeric(call)
        series = {name: s.kind.plain(s, call) for name, s in self.series.items()}
        protos = {name: np.ones(1, s.dtype) for name, s in series.items()}
        common = run_prototype(call, lambda: pd.DataFrame(protos).to_numpy().dtype)
        type = type_of(common, call)
        columns = [self.loop.cast(s.value, type) for s in series.values()]
        for s in self.series.values():
            s.viewed = True
        return TracedArray(self.loop, columns, 2, order=None, shared=True)

    def _binary(self, name: str, other: Any, reflected: bool) -> Any:
        """Applies an operator with a number to each Series, which matches pandas' computation by blocks of columns."""
        if name == "divmod" or not is_number(constant_of(other)) or not self._is_of_numbers():
            refuse("SW251", call=f"DataFrame {name}")
        return TracedFrame(self.loop, {column: s._binary(name, other, reflected) for column, s in self.series.items()})

    def _is_of_numbers(self) -> bool:
        """Whether operators work column by column; numexpr's threshold counts the elements of all columns."""
        return not expressions.USE_NUMEXPR and all(s.kind is NUMBERS for s in self.series.values())

    def _unary(self, name: str) -> Any:
        refuse("SW251", call=f"{name} of a DataFrame")

    def _in_place(self, name: str, other: Any) -> Any:
        refuse("SW256", call=f"DataFrame {name}=")

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if method != "__call__" or kwargs or len(inputs) != 1 or ufunc.nout != 1 or not self._is_of_numbers():
            refuse("SW251", call=f"np.{ufunc.__name__} of a DataFrame")
        return TracedFrame(self.loop, {name: ufunc(s) for name, s in self.series.items()})

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return current().dispatch.call_numpy(function, args, kwargs)


def is_frame(x: object) -> bool:
    """Whether `x` is a symbolic DataFrame; `isinstance` would trust `__class__`."""
    return issubclass(type(x), TracedFrame)


def fresh(loop: LoopBuilder, series: dict[Any, TracedSeries]) -> TracedFrame:
    """Returns a new DataFrame, to which the function may add columns."""
    made = TracedFrame(loop, series)
    made.shared = False
    return made


def viewed(of: TracedSeries, made: TracedSeries) -> TracedSeries:
    """Returns a column of a new frame, and notes that it may be a view of the column that it was made of."""
    of.viewed = made.viewed = True
    return made


def refuse_renumbered(loop: LoopBuilder, call: str) -> None:
    """Refuses (SW250) to renumber rows whose index a filter has left with gaps: pandas would join them by index."""
    if not loop.numbered:
        refuse("SW250", call=f"{call} without the index of the rows")
