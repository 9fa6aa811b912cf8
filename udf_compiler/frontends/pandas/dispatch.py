"""Supplies the operations of NumPy, pandas and Python's builtins to the sessions of traces."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sparkweld.ir import LoopBuilder, Value
from udf_compiler.frontends.pandas.apply.comprehensions import check_loop, rows_of
from udf_compiler.frontends.pandas.apply.positions import Position, element_at
from udf_compiler.frontends.pandas.array import TracedArray
from udf_compiler.frontends.pandas.calls import arrays
from udf_compiler.frontends.pandas.calls.column_names import set_columns
from udf_compiler.frontends.pandas.calls.frames import delete_column, keep_rows, set_column
from udf_compiler.frontends.pandas.calls.numpy_ import call_function
from udf_compiler.frontends.pandas.calls.numpy_module import NdarrayStandIn
from udf_compiler.frontends.pandas.calls.pandas_ import FrameStandIn, SeriesStandIn, frame_attribute
from udf_compiler.frontends.pandas.calls.reductions import matmul
from udf_compiler.frontends.pandas.calls.series_choices import kept_elements, set_where
from udf_compiler.frontends.pandas.calls.strings.pieces import TracedColumns
from udf_compiler.frontends.pandas.frame import TracedFrame, is_frame
from udf_compiler.frontends.pandas.kinds import series_attribute
from udf_compiler.frontends.pandas.series import TracedSeries
from udf_compiler.frontends.pandas.stand_ins import stand_in
from udf_compiler.frontends.python.kinds import KINDS
from udf_compiler.frontends.python.output_calls import printed, user_frame
from udf_compiler.frontends.python.path_explorer import is_exploring
from udf_compiler.frontends.python.regions import tables
from udf_compiler.frontends.tracing.dispatch import Dispatch

_ATTRIBUTES: dict[type, Callable[[Any, str], Any]] = {
    TracedArray: arrays.attribute,
    TracedSeries: series_attribute,
    TracedFrame: frame_attribute,
    TracedColumns: frame_attribute,
}
_SETTERS: dict[type, Callable[[Any, Any, Any], None]] = {
    TracedArray: arrays.set_item,
    TracedSeries: lambda series, key, value: set_where(series, key, value, "Series[...] = ..."),
    TracedFrame: set_column,
    TracedColumns: set_column,
}


class _Dispatch(Dispatch):
    """The operations of sessions that call user code."""

    scalar_kinds = KINDS

    def class_of_series(self, x: object) -> type:
        return SeriesStandIn  # type: ignore[no-any-return]

    def class_of_array(self, x: object) -> type:
        return NdarrayStandIn  # type: ignore[no-any-return]

    def class_of_frame(self, x: object) -> type:
        return FrameStandIn  # type: ignore[no-any-return]

    def looked_up(self, table: Any, key: Any, missing: Callable[[], Any]) -> tuple[Any] | None:
        return tables.lookup(table, key, missing) if is_exploring() else None

    def is_key(self, table: Any, key: Any) -> Any:
        return tables.contains(table, key) if is_exploring() else None

    def attribute(self, x: Any, name: str) -> Any:
        return _ATTRIBUTES[type(x)](x, name)

    def item(self, x: Any, key: Any) -> Any:
        if type(key) is Position:
            return element_at(x, key, "[...] of a column")
        if type(x) is TracedSeries:
            return kept_elements(x, key)
        return keep_rows(x, key, "DataFrame[...]") if is_frame(x) else arrays.item(x, key)

    def set_item(self, x: Any, key: Any, value: Any) -> None:
        _SETTERS[type(x)](x, key, value)

    def set_columns(self, x: Any, names: Any) -> None:
        set_columns(x, names)

    def delete_item(self, x: Any, key: Any) -> None:
        delete_column(x, key)

    def rows(self, x: Any) -> Any:
        check_loop(sys._getframe(2))  # the caller of x.__iter__
        return rows_of((x,), single=True)

    def matmul(self, x: Any, other: Any) -> Any:
        return matmul(x, other)

    def stand_in(self, obj: object) -> object | None:
        return stand_in(obj)

    def unknown_text(self) -> str | None:
        return printed(user_frame())

    def call_numpy(self, function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        return call_function(function, tuple(args), dict(kwargs))

    def of_arrays(self, function: Callable[..., Any], loop: LoopBuilder, args: Sequence[Any]) -> Value | None:
        made = function(*(TracedArray(loop, (x,)) if isinstance(x, Value) else x for x in args))
        return made.value if type(made) is TracedArray and made.ndim == 1 else None


DISPATCH: Dispatch = _Dispatch()
