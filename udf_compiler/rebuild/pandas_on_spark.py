"""Finds the user's function inside pandas-on-Spark's wrappers, and models the wrappers' treatment of its columns and result.

`transform_batch`, `apply_batch`, `transform`, `apply` and `map` of pyspark.pandas reach Spark as scalar pandas UDFs and as
maps over `GroupBy._make_pandas_df_builder_func`. That wrapper makes an index of some columns, calls the function, and
prepares its result (`InternalFrame.restore_index`, `prepare_pandas_frame`). The wrappers are recognized by their code in the
installed PySpark.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pandas as pd

from sparkweld.ir.types import BOOL, F64
from sparkweld.reasons import refusal
from udf_compiler.frontends.pandas.apply.results import RowSeries
from udf_compiler.frontends.pandas.calls.frames import over
from udf_compiler.frontends.pandas.calls.series_methods import copy as copy_series
from udf_compiler.frontends.pandas.dates import DATES
from udf_compiler.frontends.pandas.datetimes import is_time
from udf_compiler.frontends.pandas.frame import TracedFrame
from udf_compiler.frontends.pandas.series import NUMBERS, TracedSeries
from udf_compiler.frontends.pandas.strings import STRINGS
from udf_compiler.frontends.tracing.exceptions import as_python
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.function.bytecode import Namespace
from udf_compiler.function.wrappers import applied, cells_of, codes, is_used

#: Result dtypes that have a Spark type in pandas-on-Spark and are unchanged by it.
_PLAIN = frozenset("int8 int16 int32 int64 bool".split())

#: Float dtype -> the Spark type with the same values whether or not the Series has become object.
_FLOATS = {"float32": "float", "float64": "double"}


@dataclass(frozen=True)
class Columns:
    """The frame that a function receives, and the treatment of its result.

    - `given`: the columns of the arguments in order, or None for a frame.
    - `index` and `data`: the columns that become the frame's index and columns, under `labels`.
    - `names` and `types`: the required columns of the result, the index first when it is `retained`.
    - `one`: the result is a single column.
    """

    given: Sequence[str] | None
    index: Sequence[str]
    data: Sequence[str]
    labels: Sequence[Any]
    names: Sequence[str]
    types: Sequence[str]
    retained: bool
    one: bool

    def of_columns(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Wraps `function` as a function of the columns `given`."""
        position = list(cast("Sequence[str]", self.given)).index(self.data[0])

        def call(*series: Any) -> Any:
            _unnumber(series[position])
            return self._column(as_python(function, copied(series[position])))

        return call

    def of_frame(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Wraps `function` as a function of a frame."""

        def call(frame: Any) -> Any:
            _unnumber(frame)
            result = as_python(function, self._taken(frame))
            return self._column(result) if self.one else self._frame(frame, result)

        return call

    def of_frames(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Wraps `function` as a function of an iterator of frames."""
        one = self.of_frame(function)
        return lambda frames: map(one, frames)

    def _taken(self, frame: Any) -> Any:
        if any(type(label) is not str for label in self.labels):
            refuse("SW265", what="column labels that are not strings")
        if isinstance(frame, TracedFrame):
            made = TracedFrame(frame.loop, {n: copied(frame.series[c]) for n, c in zip(self.labels, self.data, strict=True)})
            made.shared = False
            return made
        return frame[list(self.data)].set_axis(list(self.labels), axis=1)

    def _column(self, result: Any) -> Any:
        if not isinstance(result, TracedSeries | pd.Series):
            refuse("SW267", what=f"a {type(result).__name__} for a Series")
        return _prepared(result, self.types[-1])

    def _frame(self, given: Any, result: Any) -> Any:
        columns = _columns_of(result)
        if self.retained:
            columns = [*self._index_of(given, result), *columns]
        if len(columns) != len(self.names):
            refuse("SW267", what=f"{len(columns)} columns for {len(self.names)}")
        named = dict(zip(self.names, map(_prepared, columns, self.types), strict=True))
        return TracedFrame(columns[0].loop, named) if isinstance(columns[0], TracedSeries) else pd.DataFrame(named)

    def _index_of(self, given: Any, result: Any) -> list[Any]:
        if isinstance(given, TracedFrame):
            if result.loop.numbered:
                refuse("SW268", what="an index of its own")
            given = over(given, result.loop)
            for name in self.index:
                if not is_time(given.series[name]) and given.series[name].kind is not NUMBERS:
                    refuse("SW268", what=f"the index {name}, which holds Python objects")
            return [given.series[name] for name in self.index]
        return [given[name][result.index] for name in self.index]


def copied(series: Any) -> Any:
    """Returns an independent copy of a Series."""
    return copy_series(series) if isinstance(series, TracedSeries) else series.copy()


def _unnumber(given: Any) -> None:
    """Marks that the rows of a batch are labelled by an index, not by 0 to n-1."""
    if isinstance(given, TracedSeries | TracedFrame):
        given.loop.numbered = False


def _columns_of(result: Any) -> list[Any]:
    if isinstance(result, TracedFrame):
        return list(result.series.values())
    if isinstance(result, pd.DataFrame):
        return [result.iloc[:, i] for i in range(result.shape[1])]
    if isinstance(result, TracedSeries | pd.Series):
        return [result]
    refuse("SW267", what=f"a {type(result).__name__} for a DataFrame")


def _prepared(series: Any, spark_type: str) -> Any:
    """Returns the Series unchanged by ``prepare_pandas_frame``, which replaces NaN by None.

    A float Series becomes one of objects, which are converted individually. Refuses SW266 where that may differ from the
    conversion of the Series itself.
    """
    if not isinstance(series, TracedSeries):
        return series
    dtype = str(series.dtype) if series.kind is NUMBERS else ""
    same = dtype in _PLAIN or _FLOATS.get(dtype) == spark_type or series.kind in (DATES, STRINGS) or is_time(series)
    if type(series) is RowSeries:
        same = (series.value.type.plain(), spark_type) in ((F64, "double"), (BOOL, "boolean"))
    if not same:
        refuse("SW266", kind=dtype or series.kind.name, type=spark_type)
    return series


@dataclass(frozen=True)
class Wrapped:
    """The function inside PySpark's wrappers, and `around`, which wraps another function in the same way."""

    function: Callable[..., Any]
    around: Callable[[Callable[..., Any]], Callable[..., Any]]


def unwrap(function: Any) -> Wrapped | None:
    """Returns the function inside pandas-on-Spark's wrappers; None without wrappers.

    Refuses SW265 (columns converted to categories).
    """
    if not isinstance(function, types.FunctionType) or not is_used():
        return None
    known, layer = codes(), "frame"
    if function.__code__ in known.series:
        layer, builder = "columns", cells_of(function)["output_func"]
    elif function.__code__ in known.first:
        layer, builder = "first", cells_of(function)["ff"]
    elif function.__code__ in known.map:
        layer, builder = "frames", cells_of(function)["output_func"]
    else:
        builder = function
    if builder.__code__ not in known.builder:
        return None
    cells = cells_of(builder)
    inner = cells["func"]
    given = cells_of(cells_of(function)["pandas_concat"])["columns"] if layer == "columns" else None
    if layer in ("columns", "first"):
        captured = cells_of(inner)  # of ``func(first_series(pdf)).to_frame()`` or ``new_func(pdf).to_frame()``
        inner = captured["func"] if layer == "columns" else captured["new_func"]
    elif inner.__code__ in known.rows:
        inner = applied(**cells_of(inner))
    columns = _described(cells, given, layer)
    place = {"columns": columns.of_columns, "frames": columns.of_frames}.get(layer, columns.of_frame)
    return Wrapped(inner, place)


def _described(cells: Namespace, given: Sequence[str] | None, layer: str) -> Columns:
    restored, schema = cells["arguments_for_restore_index"], cells["return_schema"]
    for field in restored["fields"]:
        if not isinstance(field.dtype, np.dtype):
            raise refusal("SW265", what=f"a column of dtype {field.dtype}")
    for names in (restored["data_columns"], given or ()):
        if len(set(names)) < len(names):
            raise refusal("SW265", what="two columns with the same name")
    return Columns(
        given=given,
        index=restored["index_columns"],
        data=restored["data_columns"],
        labels=[label if label is None or len(label) != 1 else label[0] for label in restored["column_labels"]],
        names=schema.names,
        types=[field.dataType.typeName() for field in schema.fields],
        retained=cells["retain_index"],
        one=layer in ("columns", "first"),
    )
