"""Lowers methods of a pandas Series that select between its values and others: where, mask, fillna, assignment by a mask."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from sparkweld.ir import Value
from sparkweld.ir.types import BOOL
from udf_compiler.frontends.pandas import batch_dependent
from udf_compiler.frontends.pandas.array import TracedArray, as_array
from udf_compiler.frontends.pandas.series import TracedSeries
from udf_compiler.frontends.pandas.strings import STRINGS, constant, some_string
from udf_compiler.frontends.tracing.lower import cast, constant_of, is_number, kind_of, run_prototype
from udf_compiler.frontends.tracing.lower import given as prototype_of
from udf_compiler.frontends.tracing.session import current, refuse
from udf_compiler.frontends.tracing.values import Traced, moved, raw, refuse_in_place, symbol

_CAST_FIRST = "Cast the Series to the required type first."


def isna(s: TracedSeries) -> TracedSeries:
    return s.new(s.kind.is_missing(s))


def notna(s: TracedSeries) -> TracedSeries:
    return s.new(s.loop.call("logical_not", isna(s).value))


def condition_value(s: TracedSeries, cond: Any, call: str) -> Value:
    """Returns the condition of each row as a bool.

    A missing condition is False in where. In mask, pandas inverts it, which raises, so it is guarded.
    """
    if batch_dependent.is_batch_dependent(cond) and cond.loop is s.loop and cond.value.type == BOOL and call == "Series.where":
        return s.loop.call("logical_and", cond.value, batch_dependent.present(cond))
    if not isinstance(cond, TracedSeries | TracedArray):
        refuse("SW262", call=call, what=f"{raw(cond)} as the condition")
    array = as_array(cond, call)
    if array.ndim != 1 or array.loop is not s.loop:
        refuse("SW262", call=call, what="a condition of another shape")
    if array.dtype != np.bool_:
        refuse("SW252", call=call, error=f"TypeError: Boolean array expected for the condition, not {array.dtype}")
    return array.value


def _other(s: TracedSeries, other: Any, method: Callable[[pd.Series, Any], pd.Series], call: str) -> Value:
    """Converts the replacement to the Series' type. Refuses (SW255) one for which pandas changes the dtype of some batches."""
    found = s.kind.replacement(s, other, method, call)
    if found is not None:
        return found
    other = constant_of(other)
    proto = pd.Series(np.array([np.nan, 1.0], s.dtype) if s.dtype.kind == "f" else np.ones(2, s.dtype))
    if isinstance(other, TracedSeries | TracedArray):
        array = as_array(other, call)
        if array.ndim != 1 or array.loop is not s.loop:
            refuse("SW262", call=call, what="a replacement of another shape")
        kind, size = array.dtype.kind, array.dtype.itemsize
        fits = array.dtype == s.dtype or (kind == s.dtype.kind and size < s.dtype.itemsize)
        fits = fits or (kind == "i" and s.dtype.kind == "f" and size < s.dtype.itemsize)
        made = _replaced_prototype(method, proto, pd.Series(np.ones(2, array.dtype)))
        if not fits or made is None or made.dtype != s.dtype:
            refuse("SW255", call=call, when=f"a row is replaced by {array.dtype} values", advice=_CAST_FIRST)
        return cast(s.loop, array.value, s.value.type)
    if other is not None and not is_number(other):
        refuse("SW262", call=call, what=f"{raw(other)} as the replacement")
    made = _replaced_prototype(method, proto, other)
    if made is None or made.dtype != s.dtype:
        refuse("SW255", call=call, when="a row is replaced", advice=_CAST_FIRST)
    return s.loop.const(made.iloc[0], s.value.type)


def _replaced_prototype(method: Callable[[pd.Series, Any], pd.Series], proto: pd.Series, other: Any) -> pd.Series | None:
    """Returns the prototype with a row replaced; None when pandas raises, which it does only for batches with such a row."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return method(proto, other)
    except Exception:  # noqa: BLE001 - the caller refuses, whatever pandas raises
        return None


def _chosen(s: TracedSeries, keep: Value, other: Value) -> TracedSeries:
    loop = s.loop
    return TracedSeries(loop, loop.select(keep, s.value, other), s.dtype, s.kind)


def replaced(s: TracedSeries, keep: Value, other: Any, call: str) -> TracedSeries:
    return _chosen(s, keep, _other(s, other, lambda p, o: p.where(np.array([False, True]), o), call))


def where(s: TracedSeries, cond: Any, other: Any = np.nan, inplace: bool = False, axis: Any = None) -> TracedSeries:
    call = "Series.where"
    refuse_in_place(inplace, call)
    keep = condition_value(s, cond, call)
    return replaced(s, keep, other, call)


def mask(s: TracedSeries, cond: Any, other: Any = np.nan, inplace: bool = False, axis: Any = None) -> TracedSeries:
    call = "Series.mask"
    refuse_in_place(inplace, call)
    keep = s.loop.call("logical_not", condition_value(s, cond, call))
    return replaced(s, keep, other, call)


def fillna(s: TracedSeries, value: Any = None, *, inplace: bool = False) -> TracedSeries:
    call = "Series.fillna"
    refuse_in_place(inplace, call)
    if isinstance(value, TracedArray):
        refuse("SW252", call=call, error='TypeError: "value" parameter must be a scalar, dict or Series')
    if value is None:
        refuse("SW252", call=call, error="ValueError: Must specify a fill 'value' or 'method'.")
    if s.dtype.kind in "bi":
        if not isinstance(value, TracedSeries) and not is_number(constant_of(value)):
            refuse("SW262", call=call, what=f"{raw(value)} as the replacement")
        return s.new(s.value)  # such a Series has no missing values
    keep, kept = notna(s).value, s.loop.value_of(s.value)
    filled = s.loop.select(keep, kept, _other(s, value, lambda p, o: p.fillna(o), call))
    return TracedSeries(s.loop, filled, s.dtype, s.kind)


def combine_first(s: TracedSeries, other: Any) -> TracedSeries:
    call = "Series.combine_first"
    if not isinstance(other, TracedSeries) or other.dtype != s.dtype or other.kind is not s.kind:
        refuse("SW262", call=call, what="anything but a Series of the same dtype")
    return mask(s, isna(s), other)


def set_where(s: TracedSeries, key: Any, value: Any, call: str) -> None:
    """Implements ``s[mask] = scalar`` and ``s.loc[mask] = scalar`` on an unshared Series, where the dtype stays."""
    if s.shared:
        refuse("SW256", call=call)
    if type(value) is KeptElements:
        _set_elements(s, key, value, call)
        return
    value = constant_of(value)
    if s.kind is STRINGS and type(value) is str:
        at = condition_value(s, key, call)
        some_string(s)  # pandas deprecates assigning a string to a float64 Series
        s.value, s.missing = s.loop.select(at, constant(s.loop, value, call), s.value), s.missing.kept()
        return
    s.kind.check_numeric(call)
    at = condition_value(s, key, call)
    if not is_number(value):
        refuse("SW262", call=call, what=raw(value))

    made = _assigned(s.dtype, kind_of(value), call)
    if made.dtype != s.dtype:
        refuse("SW255", call=call, when="a row is replaced", advice=_CAST_FIRST)
    s.value = s.loop.select(at, s.loop.const(made.iloc[0], s.value.type), s.value)


@lru_cache(maxsize=256)
def _assigned(dtype: np.dtype, kind: tuple[Any, ...], call: str) -> pd.Series:
    """Returns a Series of the dtype whose first row was replaced by a constant."""

    def assigned() -> pd.Series:
        proto = pd.Series(np.ones(2, dtype))
        proto[pd.Series([True, False])] = prototype_of(kind)
        return proto

    made: pd.Series = run_prototype(call, assigned)
    return made


def filled_bools(s: TracedSeries, value: Any) -> TracedSeries:
    """Implements fillna of booleans with None among them: pandas casts the result to bool, if an element was missing."""
    if type(value) is not bool:
        refuse("SW262", call="Series.fillna", what="anything but True or False")
    loop = s.loop
    valid = loop.is_valid(s.value)
    loop.guard_some(loop.call("logical_not", valid))
    return s.new(loop.select(valid, loop.value_of(s.value), loop.const(value, BOOL)))


class KeptElements(Traced):
    """The elements of a Series where a condition holds. ``s[mask] += 1`` computes with them and assigns them to the same rows."""

    __slots__ = ("_made", "condition", "series")
    what = "part of a Series"
    stands_for = pd.Series

    series: TracedSeries
    condition: Value

    def __init__(self, series: TracedSeries, condition: Value) -> None:
        self.series, self.condition = series, condition
        self._made: TracedSeries | None = None

    def __getattr__(self, name: str) -> Any:
        if current().group is not None:
            return getattr(self.alone(), name)
        refuse("SW250", call=f"Series[...].{name}")

    def alone(self) -> TracedSeries:
        """Returns the Series of these elements alone, for functions of a whole group."""
        if self._made is None:
            loop = current().group.kept(self.series.loop, self.condition)
            self._made = TracedSeries(loop, loop.repeat(self.series.value), self.series.dtype)
        return self._made

    def _binary(self, name: str, other: Any, reflected: bool) -> Any:
        if type(other) is KeptElements and other.condition.id == self.condition.id and other.series.loop is self.series.loop:
            other = other.series
        elif not (is_number(constant_of(other)) or (current().group is not None and current().group.has_scalar(other))):
            refuse("SW237", call=f"Series[...] {symbol(name)} ...")
        made = self.series._binary(name, other, reflected)
        return KeptElements(made, self.condition) if type(made) is TracedSeries else refuse("SW250", call="Series[...]")

    def _unary(self, name: str) -> Any:
        return KeptElements(self.series._unary(name), self.condition)

    def _in_place(self, name: str, other: Any) -> Any:
        return self._binary(name, other, False)  # pandas has made a new Series of these elements

    def __array_ufunc__(self, *args: Any, **kwargs: Any) -> Any:
        refuse("SW250", call="Series[...]")

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if current().group is None:
            refuse("SW250", call="Series[...]")
        args = tuple(x.alone() if type(x) is KeptElements else x for x in args)
        return current().dispatch.call_numpy(function, args, kwargs)


def kept_elements(s: TracedSeries, key: Any) -> KeptElements:
    """Returns ``s[mask]``; refuses other keys (SW250)."""
    if not (isinstance(key, TracedSeries | TracedArray) and key.loop is s.loop and key.dtype == np.bool_):
        refuse("SW250", call="Series[...]")
    if current().group is not None and s.kind.name != "numeric":
        return moved(s, s.loop.kept(condition_value(s, key, "Series[...]")))  # type: ignore[no-any-return]
    s.kind.check_numeric("Series[...]")
    return KeptElements(s.twin(shared=True), condition_value(s, key, "Series[...]"))


def _set_elements(s: TracedSeries, key: Any, value: KeptElements, call: str) -> None:
    """Implements ``s[mask] = elements`` of the same mask.

    pandas aligns the elements with the Series, and fills rows in between with NaN. So both must be floats of one dtype.
    """
    at = condition_value(s, key, call)
    s.kind.check_numeric(call)
    made = value.series
    if made.loop is not s.loop or value.condition.id != at.id:
        refuse("SW250", call=call)
    made.kind.check_numeric(call)
    if s.dtype.kind != "f" or made.dtype != s.dtype:
        refuse("SW255", call=call, when="a row is replaced", advice=_CAST_FIRST)
    s.value = s.loop.select(at, made.value, s.value)


class Loc(Traced):
    """The indexer ``s.loc``: assignment by a mask."""

    __slots__ = ("series",)
    what = "Series.loc"
    stands_for = type(pd.Series(dtype=float).loc)

    def __init__(self, series: TracedSeries) -> None:
        self.series = series

    def __getitem__(self, key: Any) -> Any:
        if current().groups is not None:
            return current().groups.part(self.series, key)
        if current().group is not None:
            return self.series[key]
        refuse("SW250", call="Series.loc[...]")

    def __setitem__(self, key: Any, value: Any) -> None:
        set_where(self.series, key, value, "Series.loc[...] = ...")
