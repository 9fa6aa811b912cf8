"""pandas categories: ``astype("category")``, ``pd.CategoricalDtype`` and ``pd.Categorical`` of Series of texts."""

from __future__ import annotations

from typing import Any

import pandas as pd

from udf_compiler.trace.lower import run_prototype
from udf_compiler.trace.series import TracedSeries
from udf_compiler.trace.session import refuse
from udf_compiler.trace.text import among, is_text
from udf_compiler.trace.values import raw


class Dtype:
    """What compiled functions see as a CategoricalDtype: good for ``astype`` only."""

    def __init__(self, dtype: pd.CategoricalDtype) -> None:
        self._real = dtype

    def __getattr__(self, name: str) -> Any:
        refuse("SW251", call=f"CategoricalDtype.{name}")


def dtype_of(categories: Any = None, ordered: Any = False) -> Dtype:
    """``pd.CategoricalDtype(...)``."""
    return Dtype(_real("pd.CategoricalDtype", categories, ordered))


def is_category(dtype: Any) -> bool:
    """Whether ``astype(dtype)`` makes categories."""
    return type(dtype) is Dtype or isinstance(dtype, pd.CategoricalDtype) or (isinstance(dtype, str) and dtype == "category")


def astype(series: Any, dtype: Any, call: str) -> TracedSeries:
    """``series.astype(dtype)`` for what `is_category`."""
    real = dtype._real if type(dtype) is Dtype else dtype
    if isinstance(real, pd.CategoricalDtype) and real.categories is not None:
        real = _real(call, list(real.categories), real.ordered)
    return categorised(series, pd.CategoricalDtype() if isinstance(real, str) else real, call)


def categorical(values: Any, categories: Any = None, ordered: Any = None, dtype: Any = None, **others: Any) -> TracedSeries:
    """``pd.Categorical(series, categories=[...])``."""
    call = "pd.Categorical"
    if others or not is_text(values):
        refuse("SW262", call=call, what=f"{sorted(others)[0]}=" if others else raw(values))
    if dtype is not None:
        if categories is not None or ordered is not None or not is_category(dtype):
            refuse("SW262", call=call, what="the argument dtype=")
        return astype(values, dtype, call)
    return categorised(values, _real(call, categories, bool(ordered)), call)


def categorised(series: Any, dtype: pd.CategoricalDtype, call: str) -> TracedSeries:
    """The Series as categories: a text that is none of them is missing. Refuses SW262 what are no texts."""
    loop, value = series.loop, series.value
    if dtype.categories is not None:
        value = among(loop, value, list(dtype.categories))
    return TracedSeries(loop, value, dtype, "category", missing=series.missing)


def _real(call: str, categories: Any, ordered: Any) -> pd.CategoricalDtype:
    given = None if categories is None else list(categories) if isinstance(categories, list | tuple | pd.Index) else categories
    if given is not None and not (isinstance(given, list) and given and all(type(c) is str for c in given)):
        refuse("SW262", call=call, what="categories that are no list of texts")
    return run_prototype(call, pd.CategoricalDtype, given, ordered)  # type: ignore[no-any-return]


__all__ = ["Dtype", "astype", "categorical", "categorised", "dtype_of", "is_category"]
