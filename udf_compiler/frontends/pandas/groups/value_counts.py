"""Traces `Series.value_counts` of a group: the count of a known value, the largest count, and the most frequent value.

pandas orders the values by their counts, and equal counts by their places. So a guard sends groups to Python whose most frequent
value is not unique, where its place matters. After ``sort_index()`` the smallest of them comes first, as in ``mode()``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pandas as pd

from sparkweld.ir import Value
from sparkweld.ir.types import BOOL, F64, I64
from udf_compiler.frontends.pandas.calls.arrays import bound
from udf_compiler.frontends.pandas.groups.elements import element, element_at
from udf_compiler.frontends.pandas.groups.ordered_rows import Key, mode
from udf_compiler.frontends.pandas.groups.reductions import check_plain
from udf_compiler.frontends.pandas.groups.scalars import MAX_ROWS, GroupScalar
from udf_compiler.frontends.pandas.series import NUMBERS, TracedSeries
from udf_compiler.frontends.pandas.strings import STRINGS
from udf_compiler.frontends.tracing.lower import is_number
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.stand_ins import StandIn

if TYPE_CHECKING:
    from udf_compiler.frontends.pandas.groups.frame_group import FrameGroup

_CALL = "Series.value_counts"


class ValueCounts(StandIn):
    """The Series of counts by value."""

    __slots__ = ("_counts", "_group", "_series", "_shares")
    what = "Series of counts"
    stands_for = pd.Series

    def __init__(self, group: FrameGroup, series: TracedSeries, shares: bool = False) -> None:
        self._group, self._series, self._shares = group, series, shares
        key = Key(group, series, _CALL)
        self._counts = key.same("count", series.loop.where)

    def _element(self, count: Value) -> GroupScalar:
        """Returns the element of a count: the count itself, or its share of all present values."""
        loop = self._group.loop
        if not self._shares:
            return GroupScalar(loop, count)
        return GroupScalar(loop, loop.call("divide", loop.cast(count, F64), loop.cast(self._series.count().value, F64)))

    def _sum(self) -> GroupScalar:
        if self._shares:
            refuse("SW312", call=f"a {self.what} .sum", what="of shares")
        return self._series.count()  # type: ignore[no-any-return]

    @property
    def length(self) -> GroupScalar:
        """Returns the number of distinct values, a Python int."""
        return self._series.nunique()  # type: ignore[no-any-return]

    def __getattr__(self, name: str) -> Any:
        if name == "index":
            return CountedValues(self)
        if name in ("iloc", "iat"):
            return _First(self)
        if name == "keys":
            return lambda: CountedValues(self)
        if name in ("max", "idxmax", "get", "sum", "sort_index"):
            return getattr(self, f"_{name}")
        refuse("SW312", call=f"a {self.what} .{name}", what="not among the supported methods")

    def _sort_index(self, *, ascending: Any = True) -> ValueCounts:
        check_plain(f"a {self.what} .sort_index", ascending=(ascending, (True,)))
        return CountsByValue(self._group, self._series, self._shares)

    def _most(self) -> Value:
        """Returns the largest count, in the loop of scalars. A group without values runs in Python."""
        found = self._group.reduced(_CALL, "max", self._counts)
        self._group.loop.guard(self._group.loop.is_valid(found))
        return self._group.loop.value_of(found)

    def _max(self) -> GroupScalar:
        return self._element(self._most())

    def _idxmax(self) -> Any:
        """Returns the most frequent value. A group with several runs in Python."""
        group, rows = self._group, self._series.loop
        most = self._most()
        frequent = rows.call("equal", rows.value_of(self._counts), group.of_rows(most, rows))
        if self._counts.type.nullable:
            frequent = rows.call("logical_and", frequent, rows.is_valid(self._counts))
        inside = frequent if rows.where is None else rows.call("logical_and", frequent, rows.where)
        same = group.reduced(_CALL, "sum", rows.cast(inside, I64))
        group.loop.guard(group.loop.call("equal", same, most))
        place = group.loop.value_of(group.reduced(_CALL, "min", rows.optional(group.position(rows), inside)))
        return element_at(group, self._series, group.of_rows(place, rows), _CALL)

    def _number_of(self, label: Any) -> Value:
        """Returns how many rows have a constant value, in the loop of scalars."""
        series = self._series
        is_key = type(label) is str if series.kind is STRINGS else is_number(label) and not isinstance(label, bool)
        if not is_key:
            refuse("SW262", call=f"a {self.what} [...]", what="a key other than a constant of the column's kind")
        found = (series == label).value
        rows = series.loop
        inside = found if rows.where is None else rows.call("logical_and", found, rows.where)
        return self._group.reduced(_CALL, "sum", rows.cast(inside, I64))

    def __getitem__(self, label: Any) -> GroupScalar:
        count, loop = self._number_of(label), self._group.loop
        loop.guard(loop.call("greater", count, loop.const(0, I64)))
        return self._element(count)

    def _get(self, label: Any, default: Any = None) -> GroupScalar:
        if type(default) is not int or default != 0:
            refuse("SW262", call=f"a {self.what} .get", what="a default other than 0")
        if self._shares:  # the default is an int, and a share a double
            return self[label]
        return GroupScalar(self._group.loop, self._number_of(label), weak=True, bound=MAX_ROWS)

    def __contains__(self, label: Any) -> bool:
        loop = self._group.loop
        found = loop.call("greater", self._number_of(label), loop.const(0, I64))
        return self._group.decide(GroupScalar(loop, found, weak=True))


class CountsByValue(ValueCounts):
    """The Series of counts in the order of the values."""

    __slots__ = ()
    what = "Series of counts in the order of the values"

    def __getattr__(self, name: str) -> Any:
        if name in ("index", "iloc", "iat", "keys"):
            refuse("SW312", call=f"a {self.what} .{name}", what="not among the supported methods")
        return super().__getattr__(name)

    def _idxmax(self) -> Any:
        """Returns the smallest of the most frequent values. A group without values runs in Python."""
        return element(self._group, mode(self._group, _CALL, self._series), 0, _CALL)


class CountedValues(StandIn):
    """The index of counts: the values, the most frequent one first."""

    __slots__ = ("_counts",)
    what = "index of counts"
    stands_for = pd.Index

    def __init__(self, counts: ValueCounts) -> None:
        self._counts = counts

    def __getitem__(self, key: Any) -> Any:
        if type(key) is not int or key != 0:
            refuse("SW312", call=f"an {self.what} [...]", what="other than the first value")
        return self._counts._idxmax()

    def __contains__(self, label: Any) -> bool:
        return label in self._counts


class _First(StandIn):
    """The indexer ``iloc`` of counts: the largest one."""

    __slots__ = ("_counts",)
    what = "iloc"
    stands_for = type(pd.Series(dtype=float).iloc)

    def __init__(self, counts: ValueCounts) -> None:
        self._counts = counts

    def __getitem__(self, key: Any) -> GroupScalar:
        if type(key) is not int or key != 0:
            refuse("SW312", call="a Series of counts .iloc[...]", what="other than the largest count")
        return self._counts._max()


def _value_counts(group: FrameGroup, series: TracedSeries) -> Any:
    def value_counts(
        s: TracedSeries, normalize: Any = False, sort: Any = True, ascending: Any = False, bins: Any = None, dropna: Any = True
    ) -> ValueCounts:
        check_plain(_CALL, normalize=(normalize, (True, False)), sort=(sort, (True,)), ascending=(ascending, (False,)))
        check_plain(_CALL, bins=(bins, (None,)), dropna=(dropna, (True,)))
        if s.kind not in (NUMBERS, STRINGS) or s.value.type == BOOL:
            refuse("SW312", call=_CALL, what=f"a {s.kind.name} column")
        return ValueCounts(group, s, bool(normalize))

    return bound(value_counts, series, _CALL)


#: Series methods.
SERIES: dict[str, Callable[[FrameGroup, TracedSeries], Any]] = {"value_counts": _value_counts}
