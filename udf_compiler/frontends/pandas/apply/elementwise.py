"""Compiles pandas calls that run a Python function on each value of a Series, by exploring the function's paths."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from udf_compiler.frontends.pandas.apply.expanded import expanded, marked
from udf_compiler.frontends.pandas.apply.results import ListSeries, explored, series_of_tree
from udf_compiler.frontends.pandas.apply.tuples import tuples_of
from udf_compiler.frontends.pandas.kind import optional_element
from udf_compiler.frontends.pandas.series import TracedSeries
from udf_compiler.frontends.python.builtin_calls import STAND_INS
from udf_compiler.frontends.python.lists import of_list
from udf_compiler.frontends.python.path_explorer import explorer, is_exploring
from udf_compiler.frontends.python.running import run_function
from udf_compiler.frontends.python.values import is_scalar, of_value
from udf_compiler.frontends.tracing.session import current, refuse


def element(series: Any, call: str) -> Callable[[], Any]:
    """Returns a function that yields the row's Python value within an exploration, as pandas' ``astype(object)`` does.

    `series`: a Series or a one-dimensional array. Refuses times and dtypes that depend on the batch.
    """
    if isinstance(series, TracedSeries):
        return series.kind.element(series, call)
    if type(series) is ListSeries:
        return optional_element(series, of_list(series.loop.value_of(series.value), ndarray=False))  # type: ignore[arg-type]
    x = of_value(series.value)
    return lambda: x


def apply_function(
    series: TracedSeries | ListSeries, function: Callable[..., Any], call: str, ignore_missing: bool = False
) -> Any:
    """Returns the Series of ``function(x)`` for each x. Series.apply makes a frame where the function returns Series.

    `ignore_missing`: None and NaN remain, and the function is not called for them.
    """
    if is_exploring():
        refuse("SW262", call=call, what="a Series within a scalar function")
    if hasattr(function, "of_series") and not ignore_missing:  # no code to trace: it computes its result itself
        return function.of_series(series, call)  # type: ignore[no-any-return]
    function = STAND_INS.get(function, function) if isinstance(function, type) else function
    source, expands = element(series, call), call == "Series.apply"

    def of_row() -> Any:
        x = source()
        if ignore_missing and _is_missing(x):
            return x
        made = run_function(function, x)
        return marked(made) if expands else made

    tree = explored(series.loop, of_row, current().handlers, function)
    frame = expanded(series.loop, tree, call) if expands else None
    if frame is not None:
        return frame
    tuples = tuples_of(series.loop, tree)
    return series_of_tree(series.loop, tree) if tuples is None else tuples


def _is_missing(x: Any) -> bool:
    if is_scalar(x):
        return x.kind == "float" and explorer().decide(explorer().loop.call("isnan", x.value))
    return x is None or x != x
