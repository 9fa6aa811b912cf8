"""Computes `groupby` inside a group: statistics of the rows with equal keys, in each row or in one row for each key.

pandas adds by Kahan's summation in the order of the rows (pandas/_libs/groupby.pyx), unlike reductions of a Series.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial, reduce
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from sparkweld.ir import Value
from sparkweld.ir.types import BOOL, F64, I64
from udf_compiler.frontends.pandas.array import TracedArray
from udf_compiler.frontends.pandas.calls.arrays import bound, called
from udf_compiler.frontends.pandas.calls.frames import keep_rows
from udf_compiler.frontends.pandas.frame import TracedFrame, fresh
from udf_compiler.frontends.pandas.groups.keyed_statistics import PerKey, numbered
from udf_compiler.frontends.pandas.groups.ordered_rows import Key, in_order, order_of
from udf_compiler.frontends.pandas.groups.reductions import Rows, check_plain
from udf_compiler.frontends.pandas.groups.scalars import MAX_ROWS
from udf_compiler.frontends.pandas.series import TracedSeries
from udf_compiler.frontends.tracing.lower import run_prototype, type_of
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.stand_ins import StandIn

if TYPE_CHECKING:
    from udf_compiler.frontends.pandas.groups.frame_group import FrameGroup

_OF_FRAMES = type(pd.DataFrame({"a": [1]}).groupby("a"))
_OF_SERIES = type(pd.DataFrame({"a": [1], "b": [1]}).groupby("a")["b"])

_STATISTICS = ("sum", "mean", "count", "size", "min", "max", "std", "var", "first", "last", "nunique")


@dataclass(frozen=True)
class Keys:
    """The keys of a groupby: `codes` has the number of the first row with equal keys, 0 where a filter has dropped the row.

    `frame`: the columns at the time of the groupby; `live`: the frame itself, whose columns pandas reads later.
    """

    group: FrameGroup
    frame: TracedFrame
    live: TracedFrame
    names: tuple[str, ...]
    codes: Value
    sort: bool
    as_index: bool
    call: str
    ids: tuple[int, ...]

    def column(self, name: str) -> TracedSeries:
        """Returns a column. Refuses (SW256) a frame that has changed since the groupby."""
        found, live = self.frame.column(name), self.live
        if live.loop is not self.frame.loop or any(live.series.get(n) is not self.frame.series[n] for n in (name, *self.names)):
            refuse("SW256", call=f"Code between {self.call} and its result")
        if any(self.frame.series[n].value.id != id for n, id in zip(self.names, self.ids, strict=True)):
            refuse("SW256", call=f"Code between {self.call} and its result")
        return found

    def statistic(self, name: str, series: TracedSeries, call: str) -> TracedSeries:
        """Returns a statistic of the rows with the row's keys, in each row."""
        if name == "size":
            return self._checked(name, series, self.total(self.ones(None), call), call)
        if name == "count":
            present = series.loop.call("logical_not", series.kind.is_missing(series))
            return self._checked(name, series, self.total(self.ones(present), call), call)
        if name == "nunique":
            return self._checked(name, series, self._distinct(series, call), call)
        rows = Rows(self.group, series, True, call)
        if rows.type == BOOL and name in ("min", "max") or not (rows.type in (BOOL, F64) or rows.type.is_int):
            refuse("SW312", call=call, what=str(rows.type.dtype))
        return self._checked(name, series, _RULES[name](self, rows, call), call)

    def _distinct(self, series: TracedSeries, call: str) -> Value:
        """Returns how many distinct values the rows with the row's keys have, without missing ones."""
        loop, key = self.frame.loop, Key(self.group, series, call)
        first = loop.call("equal", _paired(self.codes, key), self.group.position(loop))
        return self.total(self.ones(first if key.present is None else loop.call("logical_and", first, key.present)), call)

    def ones(self, present: Value | None) -> Value:
        """Returns 1 where a value is present, 0 elsewhere."""
        loop = self.frame.loop
        ones = loop.cast(loop.const(True, BOOL) if present is None else present, I64)
        return ones if loop.where is None else loop.optional(ones, loop.where)

    def total(self, value: Value, call: str, fn: str = "grouped_sum") -> Value:
        """Returns a function of the values of the rows with the row's keys."""
        return self.frame.loop.read(self.group.whole(call, fn, value, self.codes))

    def numbers(self, rows: Rows, call: str, fn: str, wide: bool) -> Value:
        """Returns a function of the present numbers as doubles, or as wide integers. Flags infinite ones, which cancel."""
        loop, type_ = rows.loop, F64 if wide or rows.type.is_float else I64
        if rows.type.is_float:
            self.group.guard_none(loop, loop.call("isinf", rows.value), call)
        return self.total(rows.optional(type_), call, fn)

    def known(self, rows: Rows, call: str) -> Value:
        """Returns how many numbers the rows with the row's keys have."""
        return self.total(self.ones(rows.number), call)

    def _checked(self, name: str, series: TracedSeries, value: Value, call: str) -> TracedSeries:
        """Returns the statistic in the dtype of pandas' result. Flags integers that a narrow one does not hold."""
        loop, proto = self.frame.loop, series.kind.plain(series, call)
        sample = pd.Series(np.ones(2, proto.dtype)) if proto.dtype != object else pd.Series(["a", "b"])
        made = run_prototype(call, lambda: getattr(sample.groupby([1, 1]), name)().dtype)
        type_ = type_of(made, call)
        if type_ == value.type:
            return TracedSeries(loop, value, made)
        if not (type_.is_int and value.type == I64):
            refuse("SW312", call=call, what=f"{proto.dtype}, for which it is {made}")
        narrow = loop.cast(value, type_)
        loop.guard(loop.call("equal", loop.cast(narrow, I64), value))
        return TracedSeries(loop, narrow, made)

    def first_rows(self, columns: Mapping[str, TracedSeries]) -> TracedFrame:
        """Returns a frame with one row for each key, in their order, of the keys and other columns of the frame's rows."""
        group, loop, call = self.group, self.frame.loop, self.call
        first = loop.call("equal", self.codes, group.position(loop))
        whole = fresh(loop, {**{name: self.frame.series[name].twin(shared=False) for name in self.names}, **columns})
        made = keep_rows(whole, TracedArray(loop, (first,)), call)
        if self.sort:
            keys = [Key(group, made.series[name], call) for name in self.names]
            made = in_order(made, order_of(keys, [True] * len(keys), False, True), group, call)
        return numbered(group, made)


def _mean(keys: Keys, rows: Rows, call: str) -> Value:
    loop = rows.loop
    total, count = keys.numbers(rows, call, "grouped_sum", wide=True), loop.cast(keys.known(rows, call), F64)
    return loop.call("divide", total, count)


def _spread(rows: Rows, keys: Keys, call: str) -> Value:
    """Returns the sum of squares over n - 1, NaN for fewer than two numbers."""
    loop = rows.loop
    freedom = loop.call("subtract", loop.cast(keys.known(rows, call), F64), loop.const(1.0, F64))
    squares = keys.numbers(rows, call, "grouped_squares", wide=True)
    enough = loop.call("greater", freedom, loop.const(0.0, F64))
    return loop.select(enough, loop.call("divide", squares, freedom), loop.const(float("nan"), F64))


def _extreme(name: str) -> Callable[[Keys, Rows, str], Value]:
    def rule(keys: Keys, rows: Rows, call: str) -> Value:
        loop, found = rows.loop, keys.numbers(rows, call, f"grouped_{name}", wide=False)
        if rows.number is None:
            return found
        some = loop.call("greater", keys.known(rows, call), loop.const(0, I64))
        return loop.select(some, found, loop.const(float("nan"), F64))

    return rule


def _edge(fn: str) -> Callable[[Keys, Rows, str], Value]:
    """Returns the first or the last number, NaN for none."""

    def rule(keys: Keys, rows: Rows, call: str) -> Value:
        loop, present, at = rows.loop, rows.present, keys.group.position(rows.loop)
        place = keys.total(at if present is None else loop.optional(at, present), call, fn)
        found = loop.read(keys.group.whole(call, "take", rows.value, place))
        if rows.number is None:
            return found
        some = loop.call("greater", keys.known(rows, call), loop.const(0, I64))
        return loop.select(some, found, loop.const(float("nan"), rows.type))

    return rule


_RULES: dict[str, Callable[[Keys, Rows, str], Value]] = {
    "first": _edge("grouped_min"),
    "last": _edge("grouped_max"),
    "sum": lambda keys, rows, call: keys.numbers(rows, call, "grouped_sum", wide=False),
    "mean": _mean,
    "min": _extreme("min"),
    "max": _extreme("max"),
    "var": lambda keys, rows, call: _spread(rows, keys, call),
    "std": lambda keys, rows, call: rows.loop.call("sqrt", _spread(rows, keys, call)),
}


class Split(StandIn):
    """A frame split by keys, ``frame.groupby("a")``, or some columns of it: `columns` is a name for a single one."""

    __slots__ = ("_columns", "_keys")
    what = "DataFrame.groupby"

    @property
    def stands_for(self) -> type:  # type: ignore[override]
        return _OF_SERIES if isinstance(self._columns, str) else _OF_FRAMES

    def __init__(self, keys: Keys, columns: Any) -> None:
        self._keys, self._columns = keys, columns

    def _more_names(self) -> Any:
        return () if isinstance(self._columns, str) else self._keys.frame.series

    def __getitem__(self, columns: Any) -> Split:
        names = [columns] if isinstance(columns, str) else columns
        known = isinstance(names, list) and len(names) == len(set(map(str, names))) > 0 and self._columns is None
        if not known or not all(isinstance(n, str) and n not in self._keys.names for n in names):
            refuse("SW262", call="DataFrame.groupby(...)[...]", what="other than names of columns beside the keys")
        for name in names:
            self._keys.column(name)
        return Split(self._keys, columns)

    def __getattr__(self, name: str) -> Any:
        call = f"DataFrame.groupby(...).{name}"
        if name in _STATISTICS:
            return called(partial(self._statistic, name, call), call)
        rule: Any = {
            "transform": self._transform, "agg": self._agg, "aggregate": self._agg, "cumsum": self._cumsum,
            "cumcount": self._cumcount,
        }.get(name)  # fmt: skip
        if rule is not None:
            return called(partial(rule, call), call)
        if self._columns is None and name in self._keys.frame.series and not hasattr(_OF_FRAMES, name):
            return self[name]
        refuse("SW312", call=call, what="not among the supported methods")

    def __iter__(self) -> Any:
        refuse("SW312", call="A loop over DataFrame.groupby", what="as a loop")

    def _one(self, call: str) -> TracedSeries:
        if not isinstance(self._columns, str):
            refuse("SW312", call=call, what="of other than one column")
        return self._keys.column(self._columns)

    def _statistic(self, name: str, call: str) -> Any:
        keys = self._keys
        if name == "size":
            if not keys.as_index:
                refuse("SW262", call=call, what="as_index=False")
            first = keys.column(keys.names[0])
            return PerKey(keys, keys.first_rows({"": keys.statistic(name, first, call)}), None)
        if self._columns is None:
            refuse("SW312", call=call, what="of all columns")
        names = [self._columns] if isinstance(self._columns, str) else self._columns
        made = {column: keys.statistic(name, keys.column(column), call) for column in names}
        return self._result(made, single=isinstance(self._columns, str))

    def _result(self, made: dict[str, TracedSeries], single: bool) -> Any:
        keys = self._keys
        if set(made) & set(keys.names):
            refuse("SW262", call=keys.call, what="a statistic with the name of a key")
        frame = keys.first_rows(made)
        return PerKey(keys, frame, next(iter(made)) if single else [*made]) if keys.as_index else frame

    def _agg(self, call: str, func: Any = None, **named: Any) -> Any:
        keys, single = self._keys, isinstance(self._columns, str)
        if func is None and named and self._columns is None:
            pairs = named
        elif isinstance(func, dict) and not named and self._columns is None:
            pairs = {name: (name, of) for name, of in func.items()}
        elif isinstance(func, str) and not named and self._columns is not None:
            pairs = {name: (name, func) for name in ([self._columns] if single else self._columns)}
        elif isinstance(func, list) and not named and single and keys.as_index and len(set(map(str, func))) == len(func):
            pairs, single = {name: (self._columns, name) for name in func}, False
        else:
            refuse("SW262", call=call, what="in this form")
        if not all(isinstance(n, str) and type(of) is tuple and len(of) == 2 and of[1] in _STATISTICS for n, of in pairs.items()):
            refuse("SW312", call=call, what="other than names of supported statistics")
        return self._result({n: keys.statistic(of, keys.column(c), call) for n, (c, of) in pairs.items()}, single)

    def _transform(self, call: str, func: Any) -> TracedSeries:
        series = self._one(call)
        if not isinstance(func, str) or func not in _STATISTICS:
            refuse("SW312", call=call, what="other than names of supported statistics")
        return self._keys.statistic(func, series, call)

    def _cumsum(self, call: str) -> TracedSeries:
        keys, series = self._keys, self._one(call)
        rows = Rows(keys.group, series, True, call)
        if rows.type not in (F64, I64):
            refuse("SW312", call=call, what=str(rows.type.dtype))
        total = keys.numbers(rows, call, "grouped_running_sum", wide=False)
        if rows.number is not None:
            total = rows.loop.select(rows.number, total, rows.loop.const(float("nan"), F64))
        return TracedSeries(rows.loop, total, rows.type.dtype)

    def _cumcount(self, call: str, ascending: Any = True) -> TracedSeries:
        check_plain(call, ascending=(ascending, (True,)))
        keys, loop = self._keys, self._keys.column(self._keys.names[0]).loop
        count = keys.total(keys.ones(None), call, "grouped_running_sum")
        return TracedSeries(loop, loop.call("subtract", count, loop.const(1, I64)), np.dtype(np.int64))


def _split(group: FrameGroup, frame: TracedFrame) -> Any:
    call = "DataFrame.groupby"

    def groupby(
        f: TracedFrame, by: Any, axis: Any = 0, as_index: Any = True, sort: Any = True, group_keys: Any = True,
        observed: Any = False, dropna: Any = True,
    ) -> Split:  # fmt: skip
        check_plain(call, axis=(axis, (0,)), as_index=(as_index, (True, False)), sort=(sort, (True, False)))
        check_plain(call, group_keys=(group_keys, (True, False)), observed=(observed, (True, False)), dropna=(dropna, (True,)))
        names = [by] if isinstance(by, str) else by
        if not isinstance(names, list) or not names or len({*map(str, names)}) < len(names) or not all(map(_is_name, names)):
            refuse("SW262", call=call, what="anything but names of columns")
        keys = [Key(group, f.column(name), call) for name in names]
        for key in keys:
            if key.present is not None:  # pandas drops such rows
                group.guard_none(f.loop, f.loop.call("logical_not", key.present), call)
        ids = tuple(f.series[name].value.id for name in names)
        made = Keys(group, TracedFrame(f.loop, f.series), f, tuple(names), _codes(keys), sort, as_index, call, ids)
        return Split(made, None)

    return bound(groupby, frame, call)


def _is_name(x: Any) -> bool:
    return isinstance(x, str)


def _codes(keys: list[Key]) -> Value:
    """Returns the number of the first row with equal keys."""
    first, loop = keys[0], keys[0].loop
    return reduce(_paired, keys[1:], loop.value_of(first.same("first", loop.where)))


def _paired(codes: Value, key: Key) -> Value:
    """Returns the number of the first row with an equal code and an equal key; any number where the key is missing."""
    loop = key.loop
    code = loop.value_of(key.same("first", loop.where))
    pair = loop.call("add", loop.call("multiply", codes, loop.const(MAX_ROWS, I64)), code)
    kept = [x for x in (loop.where, key.present) if x is not None]
    given = loop.optional(pair, loop.fold("logical_and", kept)) if kept else pair
    return loop.value_of(loop.read(key.group.whole(key.call, "same_first", given)))


#: Attributes of a DataFrame.
FRAME: dict[str, Callable[[FrameGroup, TracedFrame], Any]] = {"groupby": _split}
