"""Traces Series of strings in pandas 2: dtype object, each element a str or missing (None or NaN).

The result for a missing element depends on the method. Some dtypes depend on the batch: a Series without any string may have
become float64 (`void`). An op for which that matters guards that some element is a string.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.ops import StrCall
from sparkweld.ir.types import BOOL, STR
from udf_compiler.frontends.pandas.kind import SeriesKind
from udf_compiler.frontends.pandas.missing import PRESENT, Missing
from udf_compiler.frontends.pandas.series import TracedSeries
from udf_compiler.frontends.python.path_explorer import explorer
from udf_compiler.frontends.python.values import of_value
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.utf8 import check_text
from udf_compiler.frontends.tracing.values import COMPARISONS, MIRRORED, raw


class _Strings(SeriesKind):
    """Strings; `missing` of the Series defines the elements where NULL."""

    name = "string"
    precedence = precedence_as_other = 3
    of_strings = True

    #: Attributes of Series of numbers.
    unsupported: frozenset[str]

    def check_numeric(self, call: str) -> None:
        refuse("SW270", call=call)

    def receiver(self, series: TracedSeries, name: str, call: str) -> TracedSeries:
        if name in self.unsupported and name not in self.methods and name not in self.properties:
            refuse("SW270", call=call)
        return series

    def element(self, series: TracedSeries, call: str) -> Callable[[], Any]:
        loop, value, missing = series.loop, series.value, series.missing
        x = of_value(loop.value_of(value))
        if not value.type.nullable:
            return lambda: x
        if missing.none and (missing.nan or missing.void):
            loop.guard(loop.is_valid(value))  # the value does not distinguish None from NaN
        absent = None if missing.none else float("nan")
        return lambda: x if explorer().decide(loop.is_valid(value)) else absent

    def binary(self, series: TracedSeries, name: str, other: Any, reflected: bool, call: str) -> Any:
        if series.kind is self:
            return binary(series, name, other, reflected, call)
        return binary(other, MIRRORED.get(name, name), series, not reflected, call)


STRINGS = _Strings()


def is_text(x: object) -> bool:
    """Whether `x` is a Series of strings."""
    return issubclass(type(x), TracedSeries) and x.kind is STRINGS  # type: ignore[attr-defined]


def text_series(loop: LoopBuilder, value: Value, missing: Missing = PRESENT) -> Any:
    """Returns a new Series of strings; the value is NULL where an element is missing."""
    return TracedSeries(loop, value, np.dtype(object), STRINGS, missing=missing)


def str_call(loop: LoopBuilder, fn: str, *args: Value, params: tuple[Any, ...] = ()) -> Value:
    """Emits a string function (see `ir.ops.string_functions`)."""
    return loop.emit(StrCall(fn, params), *args)


def constant(loop: LoopBuilder, text: str, call: str) -> Value:
    """Returns a constant string. Refuses (SW270) one that UTF-8 cannot encode."""
    check_text(text, call)
    return loop.const(str(text), STR)


def is_missing(x: object) -> bool:
    """Whether a constant is a missing element."""
    return x is None or (isinstance(x, float | np.floating) and x != x)


def some_string(series: Any) -> None:
    """Guards that the batch has a string, if pandas would otherwise store it as float64."""
    if series.missing.void:
        series.loop.guard_some(series.loop.is_valid(series.value))


def optional(loop: LoopBuilder, value: Value, valid: Value | None) -> Value:
    """Returns the value, NULL where not valid."""
    return value if valid is None else loop.optional(value, valid)


def validity(loop: LoopBuilder, *values: Value) -> Value | None:
    """Returns where none of the values is NULL; None if they never are."""
    found: Value | None = None
    for value in values:
        if value.type.nullable:
            valid = loop.is_valid(value)
            found = valid if found is None else loop.call("logical_and", found, valid)
    return found


def text_operand(loop: LoopBuilder, other: Any, call: str) -> Value | None:
    """Returns a str constant or a Series of strings as a value; None for any other object."""
    if is_text(other):
        if other.loop is not loop:
            refuse("SW262", call=call, what="a column of another function call")
        return other.value
    return constant(loop, other, call) if isinstance(other, str) else None


def binary(series: Any, name: str, other: Any, reflected: bool, call: str) -> Any:
    """Applies an operator to a Series of strings and a str or another such Series."""
    if name in COMPARISONS:
        return compare(series, name, other, reflected, call)
    if name == "add":
        return add(series, other, reflected, call)
    if name == "mul" and type(other) is int:
        return repeated(series, other)
    refuse("SW270", call=call)


def compare(series: Any, name: str, other: Any, reflected: bool, call: str) -> Any:
    """Compares by code points; False (True for !=) where a side is missing."""
    loop = series.loop
    if is_missing(other):
        return series.new(loop.const(name == "ne", BOOL))
    right = text_operand(loop, other, call)
    if right is None:
        if name in ("eq", "ne") and type(other) in (int, float, bool):
            return series.new(loop.const(name == "ne", BOOL))
        refuse("SW270", call=f"{call} with {raw(other)}")
    if isinstance(other, str) and name not in ("eq", "ne"):
        some_string(series)  # float64 has no order with a str
    operands = (loop.value_of(series.value), loop.value_of(right))
    result = loop.call(COMPARISONS[name], *(operands[::-1] if reflected else operands))
    valid = validity(loop, series.value, right)
    return series.new(result if valid is None else loop.select(valid, result, loop.const(name == "ne", BOOL)))


def add(series: Any, other: Any, reflected: bool, call: str) -> Any:
    """Concatenates; NaN where a side is missing."""
    loop = series.loop
    right = text_operand(loop, other, call)
    if right is None:
        refuse("SW270", call=f"{call} with {raw(other)}")
    if isinstance(other, str):
        some_string(series)
    operands = [loop.value_of(series.value), loop.value_of(right)]
    result = str_call(loop, "concat", *(operands[::-1] if reflected else operands))
    missing = series.missing.as_nan() if isinstance(other, str) else series.missing.or_(other.missing).as_nan()
    if is_text(other) and series.missing.void and other.missing.void:
        missing = replace(missing, void=True)  # two float64 Series sum to a float64 Series
    return text_series(loop, optional(loop, result, validity(loop, series.value, right)), missing)


def repeated(series: Any, times: int) -> Any:
    """Returns ``series * times``; NaN where missing."""
    loop = series.loop
    if abs(times) > 2**62:
        refuse("SW262", call="Series * int", what="a count of more than 62 bits")
    value = str_call(loop, "repeat", loop.value_of(series.value), params=(times,))
    missing = replace(series.missing.as_nan(), void=series.missing.void)
    return text_series(loop, optional(loop, value, validity(loop, series.value)), missing)
