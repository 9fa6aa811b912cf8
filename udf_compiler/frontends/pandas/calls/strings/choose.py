"""Lowers selections among strings: where, mask, fillna and combine_first of a Series, np.where and np.select."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace as replaced
from typing import Any

import numpy as np

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.types import BOOL, STR
from udf_compiler.frontends.pandas.apply.comprehensions import Values
from udf_compiler.frontends.pandas.calls.series_choices import condition_value
from udf_compiler.frontends.pandas.calls.strings.convert import TracedFilled
from udf_compiler.frontends.pandas.missing import Missing
from udf_compiler.frontends.pandas.strings import constant, is_missing, is_text, some_string, text_series
from udf_compiler.frontends.tracing.lower import constant_of, run_prototype
from udf_compiler.frontends.tracing.session import current, refuse
from udf_compiler.frontends.tracing.values import Traced, ndarray_class, raw, refuse_in_place

NOT_NULL = Missing()


def replacement(s: Any, other: Any, call: str) -> tuple[Value, Missing]:
    """Returns the replacement, nullable when it may be missing, and its kinds of missing elements. Refuses (SW270) others."""
    other = constant_of(other)
    if is_text(other) and other.loop is s.loop:
        return other.value, other.missing
    if isinstance(other, str):
        return constant(s.loop, other, call), NOT_NULL
    if is_missing(other):
        null = s.loop.optional(s.loop.const("", STR), s.loop.const(False, BOOL))
        return null, Missing(none=other is None, nan=other is not None)
    refuse("SW270", call=f"{call} with {raw(other)}")


def _chosen(s: Any, keep: Value, other: Any, call: str) -> Any:
    value, missing = replacement(s, other, call)
    both = s.missing.or_(missing)
    if call == "Series.fillna":  # pandas infers the dtype: a batch of NaN only becomes float64
        both = replaced(both, void=both.void or both.nan)
    if s.missing.void and both.none:  # in a float64 Series None becomes NaN
        both = replaced(both, nan=True)
    return text_series(s.loop, s.loop.select(keep, s.value, value), both)


def where(s: Any, cond: Any, other: Any = np.nan, inplace: bool = False, axis: Any = None) -> Any:
    call = "Series.where"
    refuse_in_place(inplace, call)
    return _chosen(s, condition_value(s, cond, call), other, call)


def mask(s: Any, cond: Any, other: Any = np.nan, inplace: bool = False, axis: Any = None) -> Any:
    call = "Series.mask"
    refuse_in_place(inplace, call)
    return _chosen(s, s.loop.call("logical_not", condition_value(s, cond, call)), other, call)


def fillna(s: Any, value: Any = None, *, inplace: bool = False) -> Any:
    call = "Series.fillna"
    refuse_in_place(inplace, call)
    if value is None:
        refuse("SW252", call=call, error="ValueError: Must specify a fill 'value' or 'method'.")
    known = constant_of(value)
    if type(known) in (int, float) and math.isfinite(known) and s.value.type.nullable:
        return TracedFilled(s, known)
    return _chosen(s, s.loop.is_valid(s.value), value, call)


def combine_first(s: Any, other: Any) -> Any:
    call = "Series.combine_first"
    if not is_text(other):
        refuse("SW262", call=call, what="anything but a Series of strings")
    return _chosen(s, s.loop.is_valid(s.value), other, call)


class TracedTexts(Traced):
    """An array of strings or times, as np.where returns it; it supports little but conversion to a Series."""

    __slots__ = ("series",)
    what = "array"
    stands_for = np.ndarray

    def __init__(self, series: Any) -> None:
        self.series = series

    __class__ = property(ndarray_class)  # type: ignore[assignment]

    def __getattr__(self, name: str) -> Any:
        if name == "tolist":
            return lambda: Values(texts_of(self))
        refuse("SW270", call=f"array.{name} of strings")

    def __iter__(self) -> Any:
        return current().dispatch.rows(texts_of(self))

    def __getitem__(self, key: Any) -> Any:
        if type(key) is not int or current().group is None or not is_text(self.series):
            refuse("SW251", call=f"{self.what}[...]")
        return current().group.element(texts_of(self), key, "array[...]")

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return current().dispatch.call_numpy(function, args, kwargs)

    def _binary(self, name: str, other: Any, reflected: bool) -> Any:
        """Compares with a string by == or !=; a missing element is unequal to it, as in a Series of objects."""
        if name not in ("eq", "ne") or not isinstance(other, str) or not is_text(self.series):
            refuse("SW270", call=f"{name} of an array of strings")
        return self.series._binary(name, other, reflected).to_numpy(copy=True)

    def _unary(self, name: str) -> Any:
        refuse("SW270", call=f"{name} of an array of strings")

    def _in_place(self, name: str, other: Any) -> Any:
        refuse("SW256", call=f"array {name}=")

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        refuse("SW270", call=f"np.{ufunc.__name__} of an array of strings")


def to_numpy(s: Any) -> TracedTexts:
    """Returns the array of a Series of strings, which holds the same objects."""
    some_string(s)
    return TracedTexts(text_series(s.loop, s.value, s.missing.kept()))


def texts_of(x: Any) -> Any:
    """Returns the Series that an array of strings or times holds; other values unchanged."""
    return object.__getattribute__(x, "series") if type(x) is TracedTexts else x


def has_texts(values: Sequence[Any]) -> bool:
    """Whether any of the values is a string or a column of strings."""
    return any(is_text(v) or type(v) is TracedTexts or isinstance(v, str) for v in values)


def choose(loop: LoopBuilder, conditions: Sequence[Value], choices: Sequence[Any], default: Any, call: str) -> TracedTexts:
    """Implements np.where and np.select of strings: the first choice whose condition holds, else `default`."""
    values = [texts_of(constant_of(v)) for v in (*choices, default)]
    if any(is_text(v) for v in values):
        parts = [_object(loop, v, call) for v in values]
    else:
        parts = _constants(loop, values, call)
    result, missing = parts[-1]
    for condition, (value, may) in zip(reversed(conditions), reversed(parts[:-1]), strict=True):
        result, missing = loop.select(condition, value, result), missing.or_(may)
    return TracedTexts(text_series(loop, result, missing.kept()))


def _object(loop: LoopBuilder, x: Any, call: str) -> tuple[Value, Missing]:
    """Returns a value as an element of an object array, in which NumPy leaves a str and None unchanged."""
    if is_text(x):
        if x.loop is not loop:
            refuse("SW262", call=call, what="a column of another function call")
        some_string(x)  # the common dtype of float64 and a str is str
        return x.value, x.missing.kept()
    if isinstance(x, str):
        return constant(loop, x, call), NOT_NULL
    if is_missing(x):
        return loop.optional(loop.const("", STR), loop.const(False, BOOL)), Missing(none=x is None, nan=x is not None)
    refuse("SW270", call=f"{call} of strings and {raw(x)}")


def _constants(loop: LoopBuilder, values: Sequence[Any], call: str) -> list[tuple[Value, Missing]]:
    """Converts constants to the common dtype that NumPy chooses: strings for a str and a number, objects for a str and None."""
    count = len(values) - 1
    rows = [np.arange(count + 1) == at for at in range(count)]
    made = run_prototype(call, np.select, rows, list(values[:-1]), values[-1])
    if made.dtype.kind not in "UO":
        refuse("SW270", call=f"{call} of strings and numbers")
    return [_object(loop, x if made.dtype.kind == "O" else str(x), call) for x in made.tolist()]


def isna(s: Any) -> Any:
    return s.new(s.loop.call("logical_not", s.loop.is_valid(s.value)))


def notna(s: Any) -> Any:
    return s.new(s.loop.is_valid(s.value))
