"""Models Series of pandas' dtype "string", whose missing elements are pd.NA.

They come from ``series.astype("string")`` of strings. Methods that return strings keep the dtype. Functions of the elements,
loops and `map` see Python strings, so they need a Series without missing elements, as after `fillna`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from sparkweld.ir.types import STR
from udf_compiler.frontends.pandas import masked
from udf_compiler.frontends.pandas.kind import SeriesKind
from udf_compiler.frontends.pandas.missing import Missing
from udf_compiler.frontends.pandas.series import TracedSeries
from udf_compiler.frontends.pandas.strings import constant, str_call, text_series, validity
from udf_compiler.frontends.python.values import of_value
from udf_compiler.frontends.tracing.lower import constant_of
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.values import COMPARISONS, raw, refuse_in_place

#: Methods and protocols that see the elements as Python strings.
_OF_ELEMENTS = frozenset("apply map tolist to_list".split())


class _StringDtype(SeriesKind):
    """Strings, NULL where missing."""

    name = 'strings of the dtype "string"'
    precedence = precedence_as_other = 6
    of_strings = True

    def dtype(self, series: TracedSeries) -> NoReturn:
        self.check_numeric("Series.dtype")

    def check_numeric(self, call: str) -> NoReturn:
        refuse("SW251", call=f"{call} of {self.name}")

    def receiver(self, series: TracedSeries, name: str, call: str) -> TracedSeries:
        if name in _OF_ELEMENTS:
            return objects(series, call)
        if name != "index" and name not in self.methods and name not in self.properties:
            self.check_numeric(call)
        return series

    def element(self, series: TracedSeries, call: str) -> Callable[[], Any]:
        x = of_value(objects(series, call).value)
        return lambda: x

    def binary(self, series: TracedSeries, name: str, other: Any, reflected: bool, call: str) -> TracedSeries:
        loop = series.loop
        if series.kind is not self or name not in ("add", "eq", "ne"):
            self.check_numeric(call)
        other = constant_of(other)
        if isinstance(other, TracedSeries) and other.kind is self and other.loop is loop:
            right = other.value
        elif type(other) is str:
            right = constant(loop, other, call)
        else:
            refuse("SW270", call=f"{call} with {raw(other)}")
        operands = [loop.value_of(series.value), loop.value_of(right)]
        valid = validity(loop, series.value, right)
        if name != "add":
            return masked.of_values(loop, loop.call(COMPARISONS[name], *operands), valid)
        made = str_call(loop, "concat", *(operands[::-1] if reflected else operands))
        return new(series, made if valid is None else loop.optional(made, valid))


STRING_DTYPE = _StringDtype()


def new(like: TracedSeries, value: Any) -> TracedSeries:
    """Returns a Series of the dtype "string"."""
    return TracedSeries(like.loop, value, np.dtype(object), STRING_DTYPE)


def objects(series: TracedSeries, call: str) -> TracedSeries:
    """Returns the strings as a Series of objects. Refuses (SW251) missing elements, which are pd.NA."""
    if series.value.type.nullable:
        refuse("SW251", call=f'{call} of strings of the dtype "string" that may be missing')
    return text_series(series.loop, series.value)  # type: ignore[no-any-return]


def with_none(series: TracedSeries) -> TracedSeries:
    """Returns the strings as a Series of objects with None where an element is missing, for methods that keep missing ones."""
    return text_series(series.loop, series.value, Missing(none=series.value.type.nullable))  # type: ignore[no-any-return]


def fillna(s: TracedSeries, value: Any = None, *, inplace: bool = False) -> TracedSeries:
    """Implements fillna of a constant string."""
    call = "Series.fillna"
    refuse_in_place(inplace, call)
    value, loop = constant_of(value), s.loop
    if type(value) is not str:
        refuse("SW262", call=call, what=f"{raw(value)} for {s.kind.name}")
    filled = constant(loop, value, call)
    if not s.value.type.nullable:
        return new(s, s.value)
    return new(s, loop.select(loop.is_valid(s.value), loop.value_of(s.value), filled))


def astype(s: TracedSeries, dtype: Any, copy: Any = None, errors: str = "raise") -> TracedSeries:
    """Implements astype of str and object, where missing elements become the string "<NA>", or are refused."""
    call, loop = "Series.astype", s.loop
    if errors != "raise" or copy is not None:
        refuse("SW262", call=call, what="the argument errors= or copy=")
    if type(dtype) is str and dtype == "string":
        return new(s, s.value)
    if dtype is object or (type(dtype) is str and dtype == "object"):
        return objects(s, call)
    if not (dtype is str or (type(dtype) is str and dtype == "str")):
        refuse("SW254", call=call, type=str(dtype))
    if not s.value.type.nullable:
        return text_series(loop, s.value)  # type: ignore[no-any-return]
    return text_series(loop, loop.select(loop.is_valid(s.value), loop.value_of(s.value), loop.const("<NA>", STR)))  # type: ignore[no-any-return]


METHODS: dict[str, Callable[..., Any]] = {"fillna": fillna, "astype": astype}
