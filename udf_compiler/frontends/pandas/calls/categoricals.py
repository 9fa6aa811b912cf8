"""Lowers ``astype("category")``, ``pd.CategoricalDtype`` and ``pd.Categorical`` of strings, numbers and bools to IR.

A categorical Series holds the values themselves, not codes. A value that is not in the list of categories is NULL. Without a
list, the categories of a batch are its own values, so every value is valid. NaN is missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from sparkweld.ir import LoopBuilder, Type, Value
from sparkweld.ir.ops import IsIn
from sparkweld.ir.types import BOOL, F64, I64, STR
from udf_compiler.frontends.pandas.kind import CATEGORIES
from udf_compiler.frontends.pandas.series import NUMBERS, TracedSeries
from udf_compiler.frontends.pandas.strings import is_text
from udf_compiler.frontends.tracing.class_stand_ins import class_stand_in
from udf_compiler.frontends.tracing.lower import run_prototype
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.stand_ins import StandIn
from udf_compiler.frontends.tracing.values import raw

#: Largest magnitude up to which every integer is exact as int64 and as float64.
_EXACT = 2**53


class Dtype(StandIn):
    """The stand-in of a CategoricalDtype; only ``astype`` accepts it."""

    __slots__ = ("_real",)
    what = "CategoricalDtype"
    stands_for = pd.CategoricalDtype

    def __init__(self, dtype: pd.CategoricalDtype) -> None:
        self._real = dtype


def dtype_of(categories: Any = None, ordered: Any = False) -> Dtype:
    """Implements ``pd.CategoricalDtype(...)``."""
    return Dtype(_real("pd.CategoricalDtype", categories, ordered))


CategoricalDtypeStandIn = class_stand_in(pd.CategoricalDtype, "pd.CategoricalDtype", dtype_of)


def is_category(dtype: Any) -> bool:
    """Whether ``astype(dtype)`` returns a categorical Series."""
    return type(dtype) is Dtype or isinstance(dtype, pd.CategoricalDtype) or (isinstance(dtype, str) and dtype == "category")


def astype(series: Any, dtype: Any, call: str) -> TracedSeries:
    """Implements ``series.astype(dtype)`` for a dtype for which `is_category` holds."""
    real = dtype._real if type(dtype) is Dtype else dtype
    if isinstance(real, pd.CategoricalDtype) and real.categories is not None:
        real = _real(call, list(real.categories), real.ordered)
    return categorised(series, pd.CategoricalDtype() if isinstance(real, str) else real, call)


def categorical(values: Any, categories: Any = None, ordered: Any = None, dtype: Any = None, **others: Any) -> TracedSeries:
    """Implements ``pd.Categorical(series, categories=[...])``."""
    call = "pd.Categorical"
    if others or not (is_text(values) or (isinstance(values, TracedSeries) and values.kind is NUMBERS)):
        refuse("SW262", call=call, what=f"{sorted(others)[0]}=" if others else raw(values))
    if dtype is not None:
        if categories is not None or ordered is not None or not is_category(dtype):
            refuse("SW262", call=call, what="the argument dtype=")
        return astype(values, dtype, call)
    return categorised(values, _real(call, categories, bool(ordered)), call)


def categorised(series: Any, dtype: pd.CategoricalDtype, call: str) -> TracedSeries:
    """Converts a Series to categories; a value outside the list is missing. Refuses (SW262) categories of another class."""
    loop, value = series.loop, series.value
    if not is_text(series):
        series.kind.check_numeric(call)
    if dtype.categories is not None:
        given = list(dtype.categories)
        wanted = str if value.type.plain() == STR else bool if value.type == BOOL else int
        if not all(type(category) is wanted for category in given):
            refuse("SW262", call=call, what="categories of another class than the values")
        value = loop.optional(loop.value_of(value), one_of(loop, value, given))
    return TracedSeries(loop, value, dtype, CATEGORIES, missing=series.missing)


def one_of(loop: LoopBuilder, value: Value, categories: Sequence[Any]) -> Value:
    """Emits a bool: whether a value is present and is one of the categories; compares numbers as pandas does."""
    keys, type = keys_of(value.type, categories)
    found = loop.emit(IsIn.of(keys if type == STR else np.asarray(keys, type.dtype), type), loop.cast(loop.value_of(value), type))
    return loop.call("logical_and", found, loop.is_valid(value)) if value.type.nullable else found


def keys_of(of: Type, categories: Sequence[Any]) -> tuple[list[Any], Type]:
    """Returns the categories as table keys for values of a type, and the keys' type. Refuses (SW262) numbers beyond 2**53."""
    if of.plain() == STR:
        return list(categories), STR
    keys = [c.item() if isinstance(c, np.generic) else c for c in categories]
    if any(abs(key) > _EXACT for key in keys):
        refuse("SW262", call="a category", what="a number past 2**53")
    whole = not of.is_float and all(isinstance(key, int) for key in keys)
    return [int(key) if whole else float(key) for key in keys], I64 if whole else F64


def _real(call: str, categories: Any, ordered: Any) -> pd.CategoricalDtype:
    given = None if categories is None else list(categories) if isinstance(categories, list | tuple | pd.Index) else categories
    listed = isinstance(given, list) and given and len(set(map(type, given))) == 1 and type(given[0]) in (str, int, bool)
    if given is not None and not listed:
        refuse("SW262", call=call, what="categories that are not a list of strings, of integers or of bools")
    return run_prototype(call, pd.CategoricalDtype, given, ordered)  # type: ignore[no-any-return]


__all__ = ["Dtype", "astype", "categorical", "categorised", "dtype_of", "is_category", "keys_of", "one_of"]
