"""Dispatches the methods of the accessor `Series.str` and refuses those that are not compiled.

A method that returns strings leaves a missing element unchanged. A method that returns integers or bools yields a Series whose
dtype depends on whether elements are missing (`frontends.pandas.batch_dependent`). Each method applies Python's own to every
string.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from udf_compiler.frontends.pandas.calls.arrays import bound
from udf_compiler.frontends.pandas.calls.strings import changes, patterns, pieces, search
from udf_compiler.frontends.pandas.calls.strings.mapping import known_int
from udf_compiler.frontends.pandas.series import NUMBERS
from udf_compiler.frontends.pandas.strings import is_text, some_string
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.values import Traced, raw

#: Methods of the accessor; the first argument is the Series.
METHODS: dict[str, Callable[..., Any]] = {
    **changes.METHODS,
    **search.METHODS,
    **pieces.METHODS,
    **patterns.METHODS,
}

_REFUSED = frozenset("extractall get_dummies wrap encode decode slice_replace".split())


class StrAccessor(Traced):
    """The accessor ``series.str`` of a Series of strings."""

    __slots__ = ("series",)
    what = "Series.str"
    stands_for = pd.Series.str

    def __init__(self, series: Any) -> None:
        self.series = series

    def __getattr__(self, name: str) -> Any:
        call = f"Series.str.{name}"
        series = object.__getattribute__(self, "series")
        if name in METHODS:
            return bound(METHODS[name], series, call)
        if name in _REFUSED:
            refuse("SW270", call=call)
        refuse("SW252", call=call, error=f"AttributeError: 'StringMethods' object has no attribute {name!r}")

    def __getitem__(self, key: Any) -> Any:
        series = object.__getattribute__(self, "series")
        if isinstance(key, slice):
            return changes.slice_(series, key.start, key.stop, key.step)
        return pieces.get(series, known_int(key, "Series.str[...]"))


def accessor(series: Any) -> Any:
    """Returns ``series.str``. Refuses a Series without strings: SW252 where pandas raises, SW270 otherwise."""
    if is_text(series):
        some_string(series)  # a float64 Series has no accessor
        return StrAccessor(series)
    if series.kind is NUMBERS and series.dtype != np.dtype(object):
        refuse("SW252", call="Series.str", error="AttributeError: Can only use .str accessor with string values!")
    refuse("SW270", call=f"Series.str of {raw(series)} without strings")
