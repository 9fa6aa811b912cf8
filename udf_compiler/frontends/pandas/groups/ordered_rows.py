"""Sorts the rows of a group, and finds equal ones: `sort_values`, `nlargest`, `drop_duplicates`, `unique`, `nunique` and `mode`.

A sorted frame is a loop of its own, whose columns are taken by the numbers of the rows. pandas sorts one column by an algorithm
that may exchange equal values, in a way that depends on the CPU. So a guard sends groups with equal values to Python, unless the
sort is stable.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.types import BOOL, DATE, F64, I32, I64
from udf_compiler.frontends.pandas.array import TracedArray
from udf_compiler.frontends.pandas.batch_dependent import BATCH_DEPENDENT
from udf_compiler.frontends.pandas.calls.arrays import bound
from udf_compiler.frontends.pandas.calls.frames import keep_rows, over
from udf_compiler.frontends.pandas.calls.strings.choose import TracedTexts
from udf_compiler.frontends.pandas.dates import DATES
from udf_compiler.frontends.pandas.datetimes import DATETIMES, TIMEDELTAS
from udf_compiler.frontends.pandas.frame import TracedFrame, fresh
from udf_compiler.frontends.pandas.groups.elements import element
from udf_compiler.frontends.pandas.groups.reductions import check_plain
from udf_compiler.frontends.pandas.groups.scalars import MAX_ROWS, GroupScalar
from udf_compiler.frontends.pandas.kind import UNSIGNED
from udf_compiler.frontends.pandas.missing import PRESENT
from udf_compiler.frontends.pandas.series import NUMBERS, TracedSeries
from udf_compiler.frontends.pandas.strings import STRINGS
from udf_compiler.frontends.tracing.session import refuse

if TYPE_CHECKING:
    from udf_compiler.frontends.pandas.groups.frame_group import FrameGroup

_STABLE = ("mergesort", "stable")

#: NumPy sorts this number of Python objects by insertion, which keeps the order of equal ones.
_FEW_OBJECTS = 16

#: Kinds whose extremes are elements.
OBJECTS = (STRINGS, DATES, DATETIMES)

_ALONE = "column"


class Key:
    """A column as a key of orders: `value` is NULL where missing; `present`: where it is not, None for all rows."""

    def __init__(self, group: FrameGroup, series: TracedSeries, call: str) -> None:
        if series.kind is BATCH_DEPENDENT:
            series = series.kind.plain(series, call)
        if series.kind not in (NUMBERS, STRINGS, DATES, DATETIMES, TIMEDELTAS, UNSIGNED):
            refuse("SW312", call=call, what=f"a {series.kind.name} column")
        if series.kind is STRINGS and series.missing.none and (series.missing.nan or series.missing.void):
            refuse("SW312", call=call, what="missing strings that may be None or NaN")
        loop = series.loop
        value = loop.value_of(series.value)
        if value.type.is_float:
            value = loop.cast(value, F64)
        elif value.type == DATE:
            value = loop.cast(value, I32)
        elif series.kind is not STRINGS and value.type != BOOL:
            value = loop.cast(value, I64)
        may_miss = value.type.is_float or series.value.type.nullable
        self.group, self.call, self.loop, self.is_object = group, call, loop, series.kind in (STRINGS, DATES)
        self.present = loop.call("logical_not", series.kind.is_missing(series)) if may_miss else None
        self.plain = value
        self.value = value if self.present is None else loop.optional(value, self.present)

    def among(self, kept: Value | None) -> Value:
        """Returns the key, absent in rows that are not kept."""
        if kept is None:
            return self.value
        present = kept if self.present is None else self.loop.call("logical_and", self.present, kept)
        return self.loop.optional(self.plain, present)

    def same(self, what: str, kept: Value | None) -> Value:
        return self.loop.read(self.group.whole(self.call, f"same_{what}", self.among(kept)))

    def guard_distinct(self) -> None:
        """Flags a group with two equal values."""
        group, loop = self.group, self.group.loop
        most = loop.value_of(group.reduced(self.call, "max", self.same("count", self.loop.where)))
        distinct = loop.call("less_equal", most, loop.const(1, I64))
        if self.is_object:
            rows = group.count_of(self.loop, self.call)
            distinct = loop.call("logical_or", distinct, loop.call("less_equal", rows, loop.const(_FEW_OBJECTS, I64)))
        loop.guard(distinct)


def order_of(keys: Sequence[Key], ascending: Sequence[bool], first: bool, stable: bool) -> Value:
    """Returns the numbers of the rows in the order of the keys, and then those that a filter has dropped.

    `first`: missing values precede the others.
    """
    group, loop, call = keys[0].group, keys[0].loop, keys[0].call
    if not stable:
        keys[0].guard_distinct()
    order: Value | None = None

    def then(fn: str, key: Value) -> Value:
        return loop.read(group.whole(call, fn, key, *(() if order is None else (order,))))

    for key, up in reversed(list(zip(keys, ascending, strict=True))):
        order = then("order" if up else "descending_order", key.value)
        if first and key.present is not None:
            order = then("order", key.present)
    if loop.where is not None:
        order = then("descending_order", loop.where)
    assert order is not None
    return order


def in_order(frame: TracedFrame, order: Value, group: FrameGroup, call: str) -> TracedFrame:
    """Returns the frame with its rows in this order."""
    loop = frame.loop
    made = loop.derive(numbered=False)
    if loop.where is not None:
        made.where = None
        made.where = made.call("less", group.position(made), group.of_rows(group.count_of(loop, call), made))
    group.set_labels(made, taken(group, group.labels(loop), order, made, call))

    def moved(series: TracedSeries) -> TracedSeries:
        if series.kind is BATCH_DEPENDENT:
            series = series.kind.plain(series, call)
        twin = series.twin(shared=False)
        twin.loop, twin.value = made, taken(group, series.value, order, made, call)
        return twin

    return fresh(made, {name: moved(series) for name, series in frame.series.items()})


def taken(group: FrameGroup, value: Value, rows: Value, to: LoopBuilder, call: str) -> Value:
    """Returns, in another loop, the values of the rows that `rows` numbers."""
    return to.read(group.whole(call, "take", value, rows))


def _numbered(frame: TracedFrame, group: FrameGroup) -> TracedFrame:
    made = over(frame, frame.loop.derive(numbered=True))
    group.renumber(made.loop)
    return made


def _flags(given: Any, count: int, call: str) -> list[bool]:
    found = list(given) if isinstance(given, list | tuple) else [given] * count
    if len(found) != count or not all(type(x) is bool or (type(x) is int and x in (0, 1)) for x in found):
        refuse("SW262", call=call, what="the argument ascending=")
    return [bool(x) for x in found]


def _keys(group: FrameGroup, frame: TracedFrame, by: Any, call: str) -> list[Key]:
    names = [by] if isinstance(by, str) else by
    distinct = isinstance(names, list | tuple) and 0 < len(names) == len(set(names)) and all(isinstance(n, str) for n in names)
    if not distinct:
        refuse("SW262", call=call, what="anything but names of columns")
    return [Key(group, frame.column(name), call) for name in names]


def _sort(group: FrameGroup, frame: TracedFrame) -> Any:
    call = "DataFrame.sort_values"

    def sort_values(
        f: TracedFrame, by: Any, axis: Any = 0, ascending: Any = True, inplace: Any = False, kind: Any = "quicksort",
        na_position: Any = "last", ignore_index: Any = False, key: Any = None,
    ) -> TracedFrame | None:  # fmt: skip
        check_plain(call, axis=(axis, (0, "index")), na_position=(na_position, ("last", "first")), key=(key, (None,)))
        check_plain(call, inplace=(inplace, (True, False)), ignore_index=(ignore_index, (True, False)))
        check_plain(call, kind=(kind, ("quicksort", "heapsort", *_STABLE)))
        keys = _keys(group, f, by, call)
        stable = len(keys) > 1 or kind in _STABLE
        made = in_order(f, order_of(keys, _flags(ascending, len(keys), call), na_position == "first", stable), group, call)
        made = _numbered(made, group) if ignore_index else made
        if not inplace:
            return made
        if f.shared:
            refuse("SW256", call=f"{call}(inplace=True)")
        f.loop, f.series = made.loop, made.series
        return None

    return bound(sort_values, frame, call)


def _sort_series(group: FrameGroup, series: TracedSeries) -> Any:
    call = "Series.sort_values"

    def sort_values(
        s: TracedSeries, axis: Any = 0, ascending: Any = True, inplace: Any = False, kind: Any = "quicksort",
        na_position: Any = "last", ignore_index: Any = False, key: Any = None,
    ) -> TracedSeries:  # fmt: skip
        check_plain(call, axis=(axis, (0, "index")), na_position=(na_position, ("last", "first")), key=(key, (None,)))
        check_plain(call, inplace=(inplace, (False,)), ignore_index=(ignore_index, (True, False)))
        check_plain(call, kind=(kind, ("quicksort", "heapsort", *_STABLE)))
        one = Key(group, s, call)
        # equal numbers are alike, except for zeros, and only their labels tell them apart
        order = order_of([one], _flags(ascending, 1, call), na_position == "first", kind in _STABLE)
        made = in_order(TracedFrame(s.loop, {_ALONE: s}), order, group, call)
        return (_numbered(made, group) if ignore_index else made).series[_ALONE]

    return bound(sort_values, series, call)


def _largest(largest: bool) -> Callable[[FrameGroup, Any], Any]:
    name = "nlargest" if largest else "nsmallest"

    def first(group: FrameGroup, frame: TracedFrame, column: TracedSeries, n: Any, keep: Any, call: str) -> TracedFrame:
        check_plain(call, keep=(keep, ("first",)))
        if type(n) is not int or not 0 < n < MAX_ROWS:
            refuse("SW262", call=call, what="the argument n=")
        if column.kind is not NUMBERS:
            refuse("SW312", call=call, what=f"a {column.kind.name} column")
        key, loop = Key(group, column, call), group.loop
        most = loop.value_of(group.reduced(call, "max", key.same("count", key.loop.where)))
        # pandas sorts all rows when it returns all, and otherwise keeps the order of equal ones
        fewer = loop.call("less", loop.const(n, I64), group.count_of(frame.loop, call))
        loop.guard(loop.call("logical_or", fewer, loop.call("less_equal", most, loop.const(1, I64))))
        ordered = in_order(frame, order_of([key], [not largest], False, True), group, call)
        return group.first_rows(ordered, n)

    def of_frame(group: FrameGroup, frame: TracedFrame) -> Any:
        call = f"DataFrame.{name}"

        def rows(f: TracedFrame, n: Any, columns: Any, keep: Any = "first") -> TracedFrame:
            names = [columns] if isinstance(columns, str) else columns
            if not isinstance(names, list | tuple) or len(names) != 1:
                refuse("SW312", call=call, what="of several columns")
            return first(group, f, f.column(names[0]), n, keep, call)

        return bound(rows, frame, call)

    def of_series(group: FrameGroup, series: TracedSeries) -> Any:
        call = f"Series.{name}"

        def rows(s: TracedSeries, n: Any = 5, keep: Any = "first") -> TracedSeries:
            return first(group, TracedFrame(s.loop, {_ALONE: s}), s, n, keep, call).series[_ALONE]

        return bound(rows, series, call)

    return lambda group, x: of_frame(group, x) if isinstance(x, TracedFrame) else of_series(group, x)


def _duplicated(group: FrameGroup, keys: Sequence[Key], keep: Any, call: str) -> Value:
    """Returns where an earlier row (a later one, any other one) has equal values in all keys; missing values are equal."""
    check_plain(call, keep=(keep, ("first", "last", False)))
    loop = keys[0].loop
    codes = None
    for key in keys:
        found = key.same("first", loop.where)
        code = loop.value_of(found)
        if found.type.nullable:
            code = loop.select(loop.is_valid(found), code, loop.const(-1, I64))
        if codes is None:
            codes = code
            continue
        width = loop.const(MAX_ROWS, I64)
        codes = loop.call("add", loop.call("multiply", codes, width), code)
        codes = loop.read(group.whole(call, "same_first", codes))
    assert codes is not None
    given = codes if loop.where is None else loop.optional(codes, loop.where)
    same = loop.read(group.whole(call, f"same_{keep or 'count'}", given))
    one = group.position(loop) if keep else loop.const(1, I64)
    return loop.call("not_equal", loop.value_of(same), one)


def _drop_duplicates(group: FrameGroup, frame: TracedFrame) -> Any:
    call = "DataFrame.drop_duplicates"

    def drop(
        f: TracedFrame, subset: Any = None, keep: Any = "first", inplace: Any = False, ignore_index: Any = False
    ) -> TracedFrame:
        check_plain(call, inplace=(inplace, (False,)), ignore_index=(ignore_index, (True, False)))
        found = _duplicated(group, _keys(group, f, list(f.series) if subset is None else subset, call), keep, call)
        made = keep_rows(f, TracedArray(f.loop, (f.loop.call("logical_not", found),)), call)
        return _numbered(made, group) if ignore_index else made

    return bound(drop, frame, call)


def _is_duplicated(group: FrameGroup, frame: TracedFrame) -> Any:
    call = "DataFrame.duplicated"

    def duplicated(f: TracedFrame, subset: Any = None, keep: Any = "first") -> TracedSeries:
        found = _duplicated(group, _keys(group, f, list(f.series) if subset is None else subset, call), keep, call)
        return TracedSeries(f.loop, found, np.dtype(bool))

    return bound(duplicated, frame, call)


def _distinct(group: FrameGroup, s: TracedSeries, keep: Any, call: str) -> TracedSeries:
    """Returns the elements without equal earlier ones."""
    mask = s.loop.call("logical_not", _duplicated(group, [Key(group, s, call)], keep, call))
    frame = TracedFrame(s.loop, {_ALONE: s})
    return keep_rows(frame, TracedArray(s.loop, (mask,)), call).series[_ALONE]


def _series(name: str, rule: Callable[..., Any]) -> Callable[[FrameGroup, TracedSeries], Any]:
    return lambda group, series: bound(partial(rule, group, f"Series.{name}"), series, f"Series.{name}")


def _series_duplicated(group: FrameGroup, call: str, s: TracedSeries, keep: Any = "first") -> TracedSeries:
    return TracedSeries(s.loop, _duplicated(group, [Key(group, s, call)], keep, call), np.dtype(bool))


def _series_drop(group: FrameGroup, call: str, s: TracedSeries, keep: Any = "first", inplace: Any = False) -> TracedSeries:
    check_plain(call, inplace=(inplace, (False,)))
    return _distinct(group, s, keep, call)


def _unique(group: FrameGroup, call: str, s: TracedSeries) -> TracedArray | TracedTexts:
    if s.kind is STRINGS:
        return TracedTexts(_distinct(group, s, "first", call))
    if s.kind is not NUMBERS:
        refuse("SW312", call=call, what=f"a {s.kind.name} column")
    return _distinct(group, s, "first", call).to_array(call)


def _dropna(
    group: FrameGroup, call: str, s: TracedSeries, axis: Any = 0, inplace: Any = False, ignore_index: Any = False
) -> TracedSeries:
    check_plain(call, axis=(axis, (0,)), inplace=(inplace, (False,)), ignore_index=(ignore_index, (True, False)))
    made = keep_rows(TracedFrame(s.loop, {_ALONE: s}), s.notna(), call)
    return (_numbered(made, group) if ignore_index else made).series[_ALONE]


def _reset_index(group: FrameGroup, call: str, s: TracedSeries, drop: Any = False) -> TracedSeries:
    check_plain(call, drop=(drop, (True,)))
    return _numbered(TracedFrame(s.loop, {_ALONE: s}), group).series[_ALONE]


def extreme(group: FrameGroup, series: TracedSeries, name: str) -> Any:
    """Returns the method min or max of strings, dates or datetimes. pandas compares no string with None."""
    call = f"Series.{name}"

    def of(s: TracedSeries, axis: Any = None, skipna: Any = True) -> Any:
        check_plain(call, axis=(axis, (None, 0)), skipna=(skipna, (True,)))
        key, loop = Key(group, s, call), s.loop
        if key.present is not None:
            group.guard_none(loop, loop.call("logical_not", key.present), call)
        ordered = in_order(TracedFrame(loop, {_ALONE: s}), order_of([key], [name == "min"], False, True), group, call)
        return element(group, ordered.series[_ALONE], 0, call)

    return bound(of, series, call)


def _nunique(group: FrameGroup, call: str, s: TracedSeries, dropna: Any = True) -> GroupScalar:
    """Returns the number of distinct elements, a Python int."""
    check_plain(call, dropna=(dropna, (True, False)))
    distinct = _distinct(group, s, "first", call)
    loop = distinct.loop
    counted = loop.const(True, BOOL) if not dropna else loop.call("logical_not", distinct.kind.is_missing(distinct))
    if loop.where is not None:
        counted = loop.call("logical_and", counted, loop.where)
    count = group.reduced(call, "sum", loop.cast(counted, I64))
    return GroupScalar(group.loop, count, weak=True, bound=MAX_ROWS)


def mode(group: FrameGroup, call: str, s: TracedSeries, dropna: Any = True) -> TracedSeries:
    """Returns the most frequent values, ascending."""
    check_plain(call, dropna=(dropna, (True,)))
    if s.kind not in (NUMBERS, STRINGS):
        refuse("SW312", call=call, what=f"a {s.kind.name} column")
    key, loop = Key(group, s, call), s.loop
    counts = key.same("count", loop.where)
    most = group.of_rows(group.loop.value_of(group.reduced(call, "max", counts)), loop)
    frequent = loop.call("equal", loop.value_of(counts), most)
    if counts.type.nullable:
        frequent = loop.call("logical_and", frequent, loop.is_valid(counts))
    first = loop.call("equal", loop.value_of(key.same("first", loop.where)), group.position(loop))
    frame = TracedFrame(loop, {_ALONE: s})
    kept = keep_rows(frame, TracedArray(loop, (loop.call("logical_and", frequent, first),)), call)
    order = order_of([Key(group, kept.series[_ALONE], call)], [True], False, True)
    made = _numbered(in_order(kept, order, group, call), group).series[_ALONE]
    if s.kind is STRINGS:
        made.missing = PRESENT
    return made


#: Attributes of a Series and of a DataFrame.
SERIES: dict[str, Callable[[FrameGroup, TracedSeries], Any]] = {
    "sort_values": _sort_series,
    "nlargest": _largest(True),
    "nsmallest": _largest(False),
    "duplicated": _series("duplicated", _series_duplicated),
    "drop_duplicates": _series("drop_duplicates", _series_drop),
    "dropna": _series("dropna", _dropna),
    "reset_index": _series("reset_index", _reset_index),
    "unique": _series("unique", _unique),
    "nunique": _series("nunique", _nunique),
    "mode": _series("mode", mode),
}
FRAME: dict[str, Callable[[FrameGroup, TracedFrame], Any]] = {
    "sort_values": _sort,
    "nlargest": _largest(True),
    "nsmallest": _largest(False),
    "drop_duplicates": _drop_duplicates,
    "duplicated": _is_duplicated,
}
