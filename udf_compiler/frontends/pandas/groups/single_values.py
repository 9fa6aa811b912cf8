"""Traces single strings, dates and times of a group, and what functions compute of them.

A value of the loop of scalars is computed by the operations of a Series of that loop. Operations on a missing value raise, or
have a missing result. So a guard sends groups with one to Python.
"""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.types import F64, I64
from udf_compiler.frontends.pandas import datetimes
from udf_compiler.frontends.pandas.columns import ColumnLike, SeriesOperand
from udf_compiler.frontends.pandas.dates import DATES
from udf_compiler.frontends.pandas.datetimes import COMPARISONS, DATETIMES
from udf_compiler.frontends.pandas.groups.scalars import GroupScalar
from udf_compiler.frontends.pandas.series import TracedSeries
from udf_compiler.frontends.pandas.strings import STRINGS, text_series
from udf_compiler.frontends.python.path_explorer import Explorer, exploring
from udf_compiler.frontends.python.strings import to_str
from udf_compiler.frontends.python.values import of_value
from udf_compiler.frontends.tracing.session import current, refuse
from udf_compiler.frontends.tracing.values import Traced, symbol

if TYPE_CHECKING:
    from udf_compiler.frontends.pandas.groups.frame_group import FrameGroup

#: Fields of a Timestamp that are Python ints, as Series.dt has them.
_FIELDS = frozenset("year month day hour minute second dayofweek day_of_week dayofyear day_of_year quarter".split())

_SECOND, _DAY = 10**9, 86_400 * 10**9

#: Years, days of spans and smaller fields are below this number.
_FIELD_BOUND = 10**6


class GroupElement(SeriesOperand):
    """A string or a date of one row of the group. `series`: its Series, of which `value` has the element, a scalar's value."""

    __slots__ = ("series", "shared", "value")
    what = "element of a group"

    def __init__(self, series: TracedSeries, value: Value) -> None:
        self.series, self.value, self.shared = series, value, True

    @property
    def stands_for(self) -> type:  # type: ignore[override]
        return {STRINGS: str, DATES: datetime.date}.get(self.series.kind, pd.Timestamp)

    def __getattr__(self, name: str) -> Any:
        group = current().group
        if self.series.kind is DATETIMES and name in _FIELDS and group is not None:
            return _whole_number(group, DATETIMES.fields[name](self.alone(group)).value)
        refuse("SW312", call=f"{self.what}.{name}", what="an attribute of a single element")

    def converted(self, to: type) -> GroupElement:
        """Returns ``str(x)`` of a string."""
        group = current().group
        if to is str and self.series.kind is STRINGS and group is not None:
            self.guard_present(group)
            return self
        refuse("SW259", call=f"{to.__name__}() of a {self.what}")

    def column(self, group: FrameGroup, loop: LoopBuilder) -> TracedSeries:
        """Returns a column that has the element in each row."""
        made = self.series.twin(shared=False)
        made.loop, made.value = loop, group.of_rows(self.value, loop)
        return made

    def alone(self, group: FrameGroup, loop: LoopBuilder | None = None) -> TracedSeries:
        """Returns a Series, by default of the loop of scalars, that has the element and is never missing."""
        self.guard_present(group)
        value = group.loop.value_of(self.value)
        if loop is not None:
            value = group.of_rows(value, loop)
        loop = loop or group.loop
        return text_series(loop, value) if self.series.kind is STRINGS else datetimes.new(loop, value, DATETIMES)  # type: ignore[no-any-return]

    def guard_present(self, group: FrameGroup) -> None:
        """Flags groups in which the element is missing."""
        group.loop.guard(group.loop.is_valid(self.value))

    def with_series(self, series: Any, name: str, reflected: bool) -> Any:
        group, kind = current().group, self.series.kind
        times = kind is DATETIMES and (name in COMPARISONS or name == "sub")
        if group is None or series.kind is not kind or not (times or (kind is STRINGS and name in ("eq", "ne"))):
            refuse("SW312", call=f"Series {symbol(name)} ...", what="a single element")
        return series._binary(name, self.alone(group, series.loop), reflected)

    def _binary(self, name: str, other: Any, reflected: bool) -> Any:
        group, kind = current().group, self.series.kind
        if isinstance(other, ColumnLike):
            return NotImplemented  # the column runs its own operator
        alike = type(other) is GroupElement and other.series.kind is kind
        if group is not None and alike and kind is DATETIMES and name == "sub":
            return _between(group, *(other, self) if reflected else (self, other))
        texts = kind is STRINGS and name in ("add", "eq", "ne") and (alike or isinstance(other, str))
        if group is None or not (texts or (alike and kind is DATETIMES and name in COMPARISONS)):
            return super()._binary(name, other, reflected)
        right = other.alone(group) if alike else other
        made = self.alone(group)._binary(name, right, reflected)
        return GroupElement(made, made.value) if name == "add" else GroupScalar(group.loop, made.value, weak=True)


def text_of(scalar: GroupScalar) -> GroupElement:
    """Returns ``str(x)`` of a number; of a NumPy scalar, it is that of the Python number. Refuses (SW254) a float32."""
    if scalar.dtype == np.float32:
        refuse("SW254", call="str()", type="float32")
    with exploring(Explorer(scalar.loop)):
        text = to_str(of_value(scalar.value)).value
    return GroupElement(text_series(scalar.loop, text), text)


class GroupSpan(Traced):
    """The Timedelta between two datetimes of a group. `value`: its nanoseconds, a scalar's value."""

    __slots__ = ("shared", "value")
    what = "span of time of a group"
    stands_for = pd.Timedelta

    def __init__(self, value: Value) -> None:
        self.value, self.shared = value, True

    def __getattr__(self, name: str) -> Any:
        group = current().group
        if name == "total_seconds" and group is not None:
            return lambda: self._total_seconds(group)
        if name in ("days", "seconds") and group is not None:
            return _whole_number(group, self._days(group) if name == "days" else self._rest(group, _SECOND, _DAY))
        refuse("SW312", call=f"{self.what}.{name}", what="an attribute of a single value")

    def _days(self, group: FrameGroup) -> Value:
        return group.loop.call("floor_divide", self.value, group.loop.const(_DAY, I64))

    def _rest(self, group: FrameGroup, unit: int, of: int) -> Value:
        loop = group.loop
        return loop.call("floor_divide", loop.call("remainder", self.value, loop.const(of, I64)), loop.const(unit, I64))

    def _total_seconds(self, group: FrameGroup) -> GroupScalar:
        """Returns pandas' sum of whole seconds, which are exact, and of the microseconds as a part of a second."""
        loop = group.loop
        whole = loop.cast(loop.call("floor_divide", self.value, loop.const(_SECOND, I64)), F64)
        part = loop.call("divide", loop.cast(self._rest(group, 1000, _SECOND), F64), loop.const(1e6, F64))
        return GroupScalar(loop, loop.call("add", whole, part), weak=True)


def _whole_number(group: FrameGroup, value: Value) -> GroupScalar:
    return GroupScalar(group.loop, group.loop.cast(value, I64), weak=True, bound=_FIELD_BOUND)


def _between(group: FrameGroup, left: GroupElement, right: GroupElement) -> GroupSpan:
    """Returns the difference of two datetimes. One that 64 bits do not hold raises."""
    a, b = left.alone(group), right.alone(group)
    return GroupSpan(datetimes.no_overflow(group.loop, "subtract", a.value, b.value))
