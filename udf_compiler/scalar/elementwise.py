"""Calls of pandas that run a Python function on each value of a Series, to explored scalar functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from udf_compiler.scalar.builtin_calls import STAND_INS
from udf_compiler.scalar.paths import explorer, is_exploring
from udf_compiler.scalar.results import RowSeries, explored, series_of_tree
from udf_compiler.scalar.values import of_value
from udf_compiler.trace import dates
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
    dates.refuse_date(series, call)
    function = STAND_INS.get(function, function) if isinstance(function, type) else function
    x = of_value(series.value)

    def of_row() -> Any:
        if ignore_missing and x.kind == "float" and explorer().decide(series.loop.call("isnan", x.value)):
            return x
        return function(x)

    tree = explored(series.loop, of_row, current().handlers, function)
    return series_of_tree(series.loop, tree)
