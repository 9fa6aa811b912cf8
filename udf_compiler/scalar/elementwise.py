"""Calls of pandas that run a Python function on each value of a Series, to explored scalar functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from udf_compiler.scalar.builtin_calls import STAND_INS
from udf_compiler.scalar.paths import explorer, is_exploring
from udf_compiler.scalar.results import RowSeries, explored, series_of_tree
from udf_compiler.scalar.values import of_value
from udf_compiler.trace import dates
from udf_compiler.trace.maybe import plain
from udf_compiler.trace.series import TracedSeries
from udf_compiler.trace.session import current, refuse


def apply_function(
    series: TracedSeries, function: Callable[..., Any], call: str, ignore_missing: bool = False
) -> TracedSeries | RowSeries:
    """The Series of ``function(x)`` for each x, which pandas makes a Python value first (astype(object)).

    `ignore_missing`: NaN stays as it is and the function does not see it.
    """
    if is_exploring():
        refuse("SW262", call=call, what="a Series within a scalar function")
    if series.kind != "text":
        dates.refuse_date(series, call)
        series = plain(series, call)
    function = STAND_INS.get(function, function) if isinstance(function, type) else function
    loop = series.loop
    x = of_value(loop.value_of(series.value))
    if series.missing.none and series.missing.nan:
        loop.guard(loop.is_valid(series.value))  # None or NaN: the value does not say which

    def of_row() -> Any:
        if series.value.type.nullable and not explorer().decide(loop.is_valid(series.value)):
            missing = None if series.missing.none else float("nan")
            return missing if ignore_missing else function(missing)
        if ignore_missing and x.kind == "float" and explorer().decide(series.loop.call("isnan", x.value)):
            return x
        return function(x)

    tree = explored(loop, of_row, current().handlers, function)
    return series_of_tree(loop, tree)
