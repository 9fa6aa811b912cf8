"""Implements the accessor `str` of Series of the dtype "string": methods that return strings, which keep the dtype."""

from __future__ import annotations

from typing import Any

import pandas as pd

from udf_compiler.frontends.pandas.calls.strings.accessor import accessor
from udf_compiler.frontends.pandas.series import TracedSeries
from udf_compiler.frontends.pandas.string_dtype import new, with_none
from udf_compiler.frontends.pandas.strings import is_text
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.stand_ins import StandIn

#: Methods that return a string for each string, and a missing element for a missing one.
_KEPT = frozenset(
    "capitalize casefold lower lstrip removeprefix removesuffix replace rstrip slice strip swapcase title upper zfill".split()
)


class TextsOfDtype(StandIn):
    """The accessor."""

    __slots__ = ("_series",)
    what = "Series.str"
    stands_for = type(pd.Series(dtype="string").str)

    def __init__(self, series: TracedSeries) -> None:
        self._series = series

    def __getattr__(self, name: str) -> Any:
        series = self._series
        if name not in _KEPT:
            refuse("SW251", call=f"Series.str.{name} of {series.kind.name}")

        def method(*args: Any, **kwargs: Any) -> TracedSeries:
            made = getattr(accessor(with_none(series)), name)(*args, **kwargs)
            if not is_text(made):
                refuse("SW251", call=f"Series.str.{name} of {series.kind.name}")
            return new(made, made.value)

        return method


PROPERTIES = {"str": TextsOfDtype}
