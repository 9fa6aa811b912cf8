"""Implements a lazy DataFrame of lazy Series, and its groups and joins, which compute only the requested columns.

Operations other than column access and filters are computed eagerly. pandas groups and joins, on fewer columns. A join is a table
lookup when its right keys are unique, dense integers. The result is the same: each left row with a partner once, in the left
order.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from sparkweld.lazy_evaluation.definition import Definition, LazyData, Recorder
from sparkweld.lazy_evaluation.evaluating import compute
from sparkweld.lazy_evaluation.leaves import is_aligned, is_mask, kept_rows, leaf, row_numbers
from sparkweld.lazy_evaluation.values import Lazy, LazySeries

#: Arguments of `groupby` that do not depend on columns.
_GROUPING = frozenset(("sort", "as_index", "dropna", "observed", "group_keys"))
#: The limit on a lookup table's entries for each right row.
_SPARSE = 16


class LazyFrame(LazyData):
    """Columns by name; None for a column of `source` that was not requested yet, filtered by all `masks`.

    `numbers`: the row numbers of the filtered rows in `source`, None for all rows. `assigned`: names of columns that are not from
    `source`.
    """

    def __init__(
        self, session: Recorder, source: pd.DataFrame, columns: dict[Any, LazySeries | None], masks: tuple[Lazy, ...] = (),
        numbers: Lazy | None = None, assigned: frozenset[Any] = frozenset(),
    ) -> None:  # fmt: skip
        self._session, self._source, self._columns, self._masks, self._numbers = session, source, columns, masks, numbers
        self._assigned = assigned
        self._computed: pd.DataFrame | None = None

    @staticmethod
    def of(session: Recorder, source: pd.DataFrame) -> LazyFrame:
        """Returns a frame of all columns of real data."""
        return LazyFrame(session, source, dict.fromkeys(source.columns))

    def column(self, name: Any) -> LazySeries:
        """Returns a column; a real column becomes lazy at its first use."""
        found = self._columns[name]
        if found is None:
            made = leaf(self._session, self._source[name])
            for mask in self._masks:
                made = kept_rows([made._definition], mask._definition)[0]
            found = self._columns[name] = made  # type: ignore[assignment]
        assert found is not None
        return found

    def _definitions(self) -> list[Definition]:
        """Returns the definitions of assigned columns and of the row numbers; pandas takes all other columns at once by
        number.
        """
        lazies = [c for n, c in self._columns.items() if c is not None and n in self._assigned]
        return [c._definition for c in (*lazies, self._numbers) if c is not None]

    def compute(self) -> pd.DataFrame:
        """Returns the real DataFrame."""
        made: pd.DataFrame = compute(self)[0]
        return made

    def _real_data(self) -> pd.DataFrame:
        """Returns the real DataFrame when its definitions are computed."""
        if self._computed is None:
            own = [n for n in self._columns if n not in self._assigned]
            frame = self._source if own == list(self._source.columns) else self._source[own]
            made = {n: c._definition.real for n, c in self._columns.items() if c is not None and n in self._assigned}
            if self._numbers is not None:
                frame = frame.take(self._numbers._definition.real)
                if made:  # their shared index equals this one, and is reused
                    frame.index = next(iter(made.values())).index
            if made:
                frame = frame.copy(deep=False)
                for place, name in enumerate(self._columns):
                    if name in made:
                        frame.insert(place, name, made[name])
            self._computed = frame
        return self._computed

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, Lazy):
            return self._kept(key)
        if isinstance(key, list) and all(k in self._columns for k in key) and len(set(key)) == len(key):
            columns = {k: self._columns[k] for k in key}
            return LazyFrame(self._session, self._source, columns, self._masks, self._numbers, self._assigned & set(key))
        if isinstance(key, str) and key in self._columns and self._source.columns.is_unique:
            return self.column(key)
        return self._forwarded("__getitem__", key)

    def _kept(self, mask: Lazy) -> Any:
        if not is_mask(mask._definition) or not self._is_beside(mask):
            return self._forwarded("__getitem__", mask.compute())
        numbers = self._row_numbers()
        names = [name for name, column in self._columns.items() if column is not None]
        owners = [numbers._definition, *(self.column(name)._definition for name in names)]
        kept_numbers, *kept = kept_rows(owners, mask._definition)
        if self._numbers is None:  # without a pipeline, flatnonzero is faster than indexing
            kept_numbers._definition.function, kept_numbers._definition.args = np.flatnonzero, (mask._definition,)
        columns = {**dict.fromkeys(self._columns), **dict(zip(names, kept, strict=True))}
        return LazyFrame(self._session, self._source, columns, (*self._masks, mask), kept_numbers, self._assigned)  # type: ignore[arg-type]

    def __setitem__(self, key: Any, value: Any) -> None:
        if isinstance(value, LazySeries) and isinstance(key, str) and self._is_beside(value):
            self._columns[key] = value
            self._assigned |= {key}
        else:
            frame = self.compute().copy()
            frame[key] = value.compute() if isinstance(value, Lazy) else value
            self._source, self._columns, self._masks, self._numbers = frame, dict.fromkeys(frame.columns), (), None
            self._assigned = frozenset()
        self._computed = None

    def _row_numbers(self) -> Lazy:
        return row_numbers(self._session, len(self._source)) if self._numbers is None else self._numbers

    def _is_beside(self, value: Lazy) -> bool:
        """Whether a value has exactly the rows and labels of this frame."""
        recorded = self._session.space(len(self._source)).is_recorded
        if not self._columns or not recorded or not self._source.columns.is_unique:
            return False
        index = value._definition.index
        labels = index is None or index is self._source.index or index.equals(self._source.index)
        return labels and is_aligned([self._row_numbers()._definition, value._definition])

    def groupby(self, by: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Returns pandas' groups, of the requested columns only."""
        known = isinstance(by, str) and by in self._columns and not args and kwargs.keys() <= _GROUPING
        return LazyGroups(self, by, kwargs) if known else self._forwarded("groupby", by, *args, **kwargs)

    def merge(self, right: Any, *args: Any, on: Any = None, **kwargs: Any) -> Any:
        """Returns pandas' inner join by one column, of the requested columns only; computes other joins at once."""
        made = None if args or kwargs else merged(self, right, on)
        return self._forwarded("merge", right, *args, on=on, **kwargs) if made is None else made

    def real_columns(self, names: list[Any]) -> pd.DataFrame:
        """Returns a real DataFrame of some columns, each once."""
        numbers = all(name in self._assigned or self._source[name].dtype.kind in "biuf" for name in names)
        if not self._masks or not numbers:  # pandas takes these rows as fast
            made: pd.DataFrame = self[names].compute()
            return made
        columns = [self.column(name) for name in names]
        return pd.DataFrame(dict(zip(names, compute(*columns), strict=True)), copy=False)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if name in self._columns and self._source.columns.is_unique and not hasattr(pd.DataFrame, name):
            return self.column(name)
        found = getattr(self.compute(), name)
        return (lambda *args, **kwargs: self._forwarded(name, *args, **kwargs)) if callable(found) else found

    def _forwarded(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """Calls a method of the real DataFrame; a result with rows becomes lazy."""
        given = compute(*args)
        named = dict(zip(kwargs, compute(*kwargs.values()), strict=True))
        result = getattr(self.compute(), name)(*given, **named)
        return self._session.wrap(result) if isinstance(result, pd.DataFrame | pd.Series) and len(result) else result

    def __len__(self) -> int:
        return len(self.compute())

    def __repr__(self) -> str:
        return repr(self.compute())


class LazyGroups:
    """The groups of ``frame.groupby(by, **kwargs)``: pandas' groups of the requested columns."""

    def __init__(self, frame: LazyFrame, by: str, kwargs: dict[str, Any]) -> None:
        self._frame, self._by, self._kwargs = frame, by, kwargs

    def _groups(self, columns: list[Any] | None) -> Any:
        if columns is None:
            return self._frame.compute().groupby(self._by, **self._kwargs)
        return self._frame.real_columns([self._by, *columns]).groupby(self._by, **self._kwargs)

    def __getitem__(self, key: Any) -> Any:
        wanted = key if isinstance(key, list) else [key]
        known = all(isinstance(k, str) and k in self._frame._columns and k != self._by for k in wanted)
        return self._groups(wanted if known and len(set(wanted)) == len(wanted) else None)[key]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        columns = self._frame._columns
        if name in columns and not hasattr(pd.core.groupby.DataFrameGroupBy, name):
            return self[name]
        return getattr(self._groups(None), name)

    def __len__(self) -> int:
        return len(self._groups([]))

    def __iter__(self) -> Any:
        return iter(self._groups(None))


def merged(left: LazyFrame, right: Any, on: Any) -> LazyFrame | None:
    """Returns the inner join by the column `on`; None where pandas would rename columns or resolve the key otherwise."""
    if not isinstance(right, pd.DataFrame | LazyFrame) or not isinstance(on, str):
        return None
    other = right if isinstance(right, LazyFrame) else LazyFrame.of(left._session, right)
    names, others = list(left._columns), list(other._columns)
    fine = all(on not in frame._source.index.names and frame._source.columns.is_unique for frame in (left, other))
    return _Merged(left, other, on) if fine and set(names) & set(others) == {on} else None


class _Merged(LazyFrame):
    """The inner join of two frames that share only the column `on`; the whole table is computed only for other operations."""

    def __init__(self, left: LazyFrame, right: LazyFrame, on: str) -> None:
        self._left, self._right, self._on = left, right, on
        self._session, self._masks, self._numbers, self._assigned, self._computed = left._session, (), None, frozenset(), None
        self._columns = dict.fromkeys([*left._columns, *(name for name in right._columns if name != on)])

    @cached_property
    def _source(self) -> pd.DataFrame:  # type: ignore[override]
        return self._joined(list(self._columns)).copy()  # its own memory, because callers may change it

    def real_columns(self, names: list[Any]) -> pd.DataFrame:
        """Returns a real DataFrame of some columns."""
        return super().real_columns(names) if "_source" in self.__dict__ else self._joined(names)

    def _joined(self, names: list[Any]) -> pd.DataFrame:
        on = self._on
        left = self._left.real_columns([on, *(n for n in names if n in self._left._columns and n != on)])
        right = self._right.real_columns([on, *(n for n in names if n in self._right._columns and n != on)])
        rows = _partners(left[on], right[on])
        found = np.zeros(0, np.bool_) if rows is None else rows >= 0
        if rows is None or not found.any():
            return left.merge(right, on=on)[names]
        if not found.all():
            left, rows = left[found], rows[found]
        taken = right.take(rows)
        columns = {n: (left if n in left.columns else taken)[n].array for n in names}
        return pd.DataFrame(columns, copy=False)


def _partners(left: pd.Series, right: pd.Series) -> np.ndarray | None:
    """Returns the right row number for each left key, -1 for none; None when a table lookup does not apply."""
    if left.dtype != np.int64 or right.dtype != np.int64 or not len(right):
        return None
    keys, wanted = right.to_numpy(), left.to_numpy()
    low, high = int(keys.min()), int(keys.max())
    if high - low >= _SPARSE * len(keys) or low == np.iinfo(np.int64).min:
        return None
    table = np.full(high - low + 3, -1, np.intp)  # one entry for all keys below, and one for all keys above
    table[keys - (low - 1)] = np.arange(len(keys))
    if np.count_nonzero(table >= 0) < len(keys):  # a key is repeated
        return None
    return table.take(wanted - (low - 1), mode="clip")
