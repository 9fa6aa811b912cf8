"""Defines the kinds of Series: a kind owns the operators, methods and properties of its Series."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from sparkweld.ir import Value
from udf_compiler.frontends.python.lists import of_list
from udf_compiler.frontends.python.path_explorer import explorer
from udf_compiler.frontends.python.values import of_value
from udf_compiler.frontends.tracing.session import refuse

if TYPE_CHECKING:
    from udf_compiler.frontends.pandas.series import TracedSeries


class SeriesKind:
    """What the elements of a Series are.

    Of the kinds of the two operands, that with the higher precedence computes an operator. A Series has its `precedence`, or
    `precedence_as_other` as the second operand; constants are those for which `claims` holds. `methods` and `properties` are
    those of pandas.Series. As they are implemented on top of kinds, `frontends.pandas.kinds` supplies them.
    """

    #: The name in messages.
    name = ""
    precedence = 0
    precedence_as_other = 0
    #: Whether the elements are strings.
    of_strings = False

    methods: Mapping[str, Callable[..., Any]]
    properties: Mapping[str, Callable[[Any], Any]]

    def claims(self, constant: Any) -> bool:
        """Whether a constant belongs to the kind, so that the kind computes its operators with a Series."""
        return False

    def dtype(self, series: TracedSeries) -> Any:
        """Returns the dtype. Refuses (SW255) one that depends on the batch."""
        return np.dtype(series._dtype)

    def check_numeric(self, call: str) -> None:
        """Refuses a Series whose elements are not numbers."""
        refuse("SW251", call=f"{call} of a {self.name} Series")

    def plain(self, series: TracedSeries, call: str) -> TracedSeries:
        """Returns a Series whose dtype does not depend on the batch; guards the batches that have it."""
        return series

    def receiver(self, series: TracedSeries, name: str, call: str) -> TracedSeries:
        """Returns the Series from which an attribute is read. Refuses what the kind knows to be unsupported."""
        return series

    def replacement(self, series: TracedSeries, other: Any, method: Callable[..., Any], call: str) -> Value | None:
        """Returns the value with which `method` replaces rows; None for a kind of numbers. Refuses one of another dtype."""
        self.check_numeric(call)
        return None

    def element(self, series: TracedSeries, call: str) -> Callable[[], Any]:
        """Returns a function that yields the row's Python value within an exploration."""
        self.check_numeric(call)
        x = of_value(self.plain(series, call).value)
        return lambda: x

    def is_missing(self, series: TracedSeries) -> Value:
        """Returns the bool that marks missing elements."""
        return series.loop.call("logical_not", series.loop.is_valid(series.value))

    def binary(self, series: TracedSeries, name: str, other: Any, reflected: bool, call: str) -> Any:
        """Returns ``series op other`` (``other op series`` when reflected); the kind is that of one of the two."""
        self.check_numeric(call)

    def unary(self, series: TracedSeries, name: str, call: str) -> TracedSeries:
        """Returns ``-series``, ``+series``, ``~series`` or ``abs(series)``."""
        self.check_numeric(call)
        raise AssertionError(f"{call}: not implemented")


def optional_element(series: TracedSeries, x: Any) -> Callable[[], Any]:
    """Returns the source of `x`, or of None in rows where the Series is NULL."""
    loop, value = series.loop, series.value
    return lambda: x if not value.type.nullable or explorer().decide(loop.is_valid(value)) else None


class _ArrayObjects(SeriesKind):
    """Arrays, None where NULL."""

    name = "list"
    precedence = precedence_as_other = 7

    #: Evaluates an operator, with the arguments of `binary`.
    operator: Callable[..., Any]

    def binary(self, series: TracedSeries, name: str, other: Any, reflected: bool, call: str) -> Any:
        return self.operator(series, name, other, reflected, call)

    def check_numeric(self, call: str) -> None:
        refuse("SW224", call=call)

    def receiver(self, series: TracedSeries, name: str, call: str) -> TracedSeries:
        if name not in self.methods and name not in self.properties:
            refuse("SW224", call=call)
        return series

    def element(self, series: TracedSeries, call: str) -> Callable[[], Any]:
        x = of_list(series.loop.value_of(series.value), ndarray=True)
        return optional_element(series, x)


class _Categories(SeriesKind):
    """Strings, numbers or bools whose dtype is a CategoricalDtype, NULL where missing or not a category."""

    name = "category"
    precedence = precedence_as_other = 6
    of_strings = True

    def dtype(self, series: TracedSeries) -> Any:
        return series._dtype

    def receiver(self, series: TracedSeries, name: str, call: str) -> TracedSeries:
        refuse("SW251", call=f"{call} of categories")

    def binary(self, series: TracedSeries, name: str, other: Any, reflected: bool, call: str) -> Any:
        refuse("SW251", call=f"{call} of categories")


class _Unsigned(SeriesKind):
    """Integers of pandas' dtype UInt32, NULL where missing."""

    name = "UInt32"
    precedence = 4


class _BoolObjects(SeriesKind):
    """Booleans of a group with NULLs: True, False or None in a Series of dtype object."""

    name = "object of booleans"
    precedence = precedence_as_other = 8

    def check_numeric(self, call: str) -> None:
        refuse("SW102", column=f"The column of {call}")

    def receiver(self, series: TracedSeries, name: str, call: str) -> TracedSeries:
        if name not in self.methods:
            self.check_numeric(call)
        return series


ARRAY_OBJECTS = _ArrayObjects()
BOOL_OBJECTS = _BoolObjects()
CATEGORIES = _Categories()
UNSIGNED = _Unsigned()
