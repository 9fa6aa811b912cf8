"""Groups and joins lazy DataFrames, computing only the requested columns.

pandas does the work, on fewer columns. A join is a table lookup when its right keys are unique, dense integers. The result is the
same: each left row with a partner once, in the left order.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from sparkweld.lazy_evaluation.frame import LazyFrame

#: The limit on a lookup table's entries for each right row.
_SPARSE = 16


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
