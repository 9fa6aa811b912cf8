"""Traces the Series and DataFrames of statistics by key that `groupby` inside a group returns."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pandas as pd

from sparkweld.ir.types import BOOL
from udf_compiler.frontends.pandas.calls.arrays import called
from udf_compiler.frontends.pandas.calls.frames import over
from udf_compiler.frontends.pandas.frame import TracedFrame, fresh
from udf_compiler.frontends.pandas.groups.elements import Iloc
from udf_compiler.frontends.pandas.groups.reductions import check_plain
from udf_compiler.frontends.pandas.series import NUMBERS, TracedSeries
from udf_compiler.frontends.pandas.strings import STRINGS
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.stand_ins import StandIn

if TYPE_CHECKING:
    from udf_compiler.frontends.pandas.groups.frame_group import FrameGroup
    from udf_compiler.frontends.pandas.groups.inner_groups import Keys

#: What a Series with one element for each key may be asked for: nothing that depends on its index.
_REDUCTIONS = ("sum", "mean", "min", "max", "std", "var", "median", "count", "prod", "nunique", "any", "all")


def numbered(group: FrameGroup, frame: TracedFrame) -> TracedFrame:
    """Returns a frame whose rows have the labels from 0 on."""
    made = over(frame, frame.loop.derive(numbered=True))
    group.renumber(made.loop)
    return made


class PerKey(StandIn):
    """The Series or DataFrame of statistics that has the keys as its index: `columns` is a name, a list of names, or None."""

    __slots__ = ("_columns", "_frame", "_keys")
    what = "result of DataFrame.groupby"

    def __init__(self, keys: Keys, frame: TracedFrame, columns: Any) -> None:
        self._keys, self._frame, self._columns = keys, frame, columns

    @property
    def stands_for(self) -> type:  # type: ignore[override]
        return pd.DataFrame if isinstance(self._columns, list) else pd.Series

    def _more_names(self) -> Any:
        return self._columns if isinstance(self._columns, list) else ()

    def __getitem__(self, name: Any) -> PerKey:
        if not isinstance(self._columns, list) or name not in self._columns:
            refuse("SW312", call=f"a {self.what} [...]", what="other than the name of a column")
        return PerKey(self._keys, self._frame, name)

    def __len__(self) -> Any:
        refuse("SW312", call=f"len() of a {self.what}", what="as a number")

    def __getattr__(self, name: str) -> Any:
        call = f"a {self.what} .{name}"
        if name == "reset_index":
            return called(partial(self._reset_index, call), call)
        if name in _REDUCTIONS and not isinstance(self._columns, list):
            return getattr(self._series, name)
        if name in ("idxmax", "idxmin", "sort_values", "iloc", "index") and not isinstance(self._columns, list):
            return self._ordered(name, call)
        refuse("SW312", call=call, what="not among the supported methods")

    @property
    def _series(self) -> TracedSeries:
        return self._frame.series[self._columns or ""]

    def _ordered(self, name: str, call: str) -> Any:
        """Returns an attribute of a Series that depends on its order or on its index."""
        group = self._keys.group
        if name == "iloc":
            return Iloc(group, self._series)
        if name == "index":
            return IndexOfKeys(self)
        if name == "sort_values":
            return called(partial(self._sorted, call), call)
        return called(lambda: group.element_of_label(self._key(call), getattr(self._series, name)(), call), call)

    def _key(self, call: str) -> TracedSeries:
        """Returns the keys. Refuses (SW312) several ones, and keys other than numbers and strings."""
        series = self._frame.series[self._keys.names[0]]
        if len(self._keys.names) > 1 or series.kind not in (NUMBERS, STRINGS) or series.value.type == BOOL:
            refuse("SW312", call=call, what="keys other than one column of numbers or strings")
        return series

    def _sorted(self, call: str, ascending: Any = True) -> PerKey:
        made = self._frame.sort_values(self._columns or "", ascending=ascending)
        return PerKey(self._keys, made, self._columns)

    def _reset_index(self, call: str, drop: Any = False, name: Any = None) -> TracedFrame:
        check_plain(call, drop=(drop, (False,)))
        names = self._columns if isinstance(self._columns, list) else [self._columns]
        unnamed = name is None and self._columns is None
        if unnamed or (name is not None and (isinstance(self._columns, list) or not isinstance(name, str))):
            refuse("SW262", call=call, what="this name=")
        frame = numbered(self._keys.group, self._frame)
        series = frame.series
        made = {key: series[key] for key in self._keys.names}
        for column in names:
            to = column if name is None else name
            if to in made:
                refuse("SW252", call=call, error=f"ValueError: cannot insert {to}, already exists")
            made[to] = series[column or ""]
        return fresh(frame.loop, {column: s.twin(shared=False) for column, s in made.items()})


class IndexOfKeys(StandIn):
    """The index of statistics: the keys, in the order of their rows."""

    __slots__ = ("_of",)
    what = "index of keys"
    stands_for = pd.Index

    def __init__(self, of: PerKey) -> None:
        self._of = of

    def __getitem__(self, at: Any) -> Any:
        call = f"an {self.what} [...]"
        if type(at) is not int:
            refuse("SW312", call=call, what="other than a constant place")
        return Iloc(self._of._keys.group, self._of._key(call))[at]

    def __getattr__(self, name: str) -> Any:
        refuse("SW312", call=f"an {self.what} .{name}", what="not among the supported attributes")
