"""Implements a lazy DataFrame of lazy Series; operations other than column access and filters are computed eagerly."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from sparkweld.lazy_evaluation.definition import Definition
from sparkweld.lazy_evaluation.values import Lazy, LazySeries

#: Arguments of `groupby` that do not depend on columns.
_GROUPING = frozenset(("sort", "as_index", "dropna", "observed", "group_keys"))


class LazyFrame:
    """Columns by name; None for a column of `source` that was not requested yet, filtered by all `masks`.

    `numbers`: the row numbers of the filtered rows in `source`, None for all rows. `assigned`: names of columns that are not from
    `source`.
    """

    def __init__(
        self, session: Any, source: pd.DataFrame, columns: dict[Any, LazySeries | None], masks: tuple[Lazy, ...] = (),
        numbers: Lazy | None = None, assigned: frozenset[Any] = frozenset(),
    ) -> None:  # fmt: skip
        self._session, self._source, self._columns, self._masks, self._numbers = session, source, columns, masks, numbers
        self._assigned = assigned
        self._computed: pd.DataFrame | None = None

    @staticmethod
    def of(session: Any, source: pd.DataFrame) -> LazyFrame:
        """Returns a frame of all columns of real data."""
        return LazyFrame(session, source, dict.fromkeys(source.columns))

    def column(self, name: Any) -> LazySeries:
        """Returns a column; a real column becomes lazy at its first use."""
        from sparkweld.lazy_evaluation.recording import kept_rows, leaf

        found = self._columns[name]
        if found is None:
            made = leaf(self._session, self._source[name])
            for mask in self._masks:
                made = kept_rows([made._definition], mask._definition)[0]
            found = self._columns[name] = made  # type: ignore[assignment]
        assert found is not None
        return found

    def definitions(self) -> list[Definition]:
        """Returns the definitions of assigned columns and of the row numbers; pandas takes all other columns at once by
        number.
        """
        lazies = [c for n, c in self._columns.items() if c is not None and n in self._assigned]
        return [c._definition for c in (*lazies, self._numbers) if c is not None]

    def compute(self) -> pd.DataFrame:
        """Returns the real DataFrame."""
        from sparkweld.lazy_evaluation.evaluating import compute

        made: pd.DataFrame = compute(self)[0]
        return made

    def real(self) -> pd.DataFrame:
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
        from sparkweld.lazy_evaluation.recording import is_mask, kept_rows

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
        from sparkweld.lazy_evaluation.recording import row_numbers

        return row_numbers(self._session, len(self._source)) if self._numbers is None else self._numbers

    def _is_beside(self, value: Lazy) -> bool:
        """Whether a value has exactly the rows and labels of this frame."""
        from sparkweld.lazy_evaluation.recording import is_aligned

        recorded = self._session.space(len(self._source)).is_recorded
        if not self._columns or not recorded or not self._source.columns.is_unique:
            return False
        index = value._definition.index
        labels = index is None or index is self._source.index or index.equals(self._source.index)
        return labels and is_aligned([self._row_numbers()._definition, value._definition])

    def groupby(self, by: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Returns pandas' groups, of the requested columns only."""
        from sparkweld.lazy_evaluation.relational import LazyGroups

        known = isinstance(by, str) and by in self._columns and not args and kwargs.keys() <= _GROUPING
        return LazyGroups(self, by, kwargs) if known else self._forwarded("groupby", by, *args, **kwargs)

    def merge(self, right: Any, *args: Any, on: Any = None, **kwargs: Any) -> Any:
        """Returns pandas' inner join by one column, of the requested columns only; computes other joins at once."""
        from sparkweld.lazy_evaluation.relational import merged

        made = None if args or kwargs else merged(self, right, on)
        return self._forwarded("merge", right, *args, on=on, **kwargs) if made is None else made

    def real_columns(self, names: list[Any]) -> pd.DataFrame:
        """Returns a real DataFrame of some columns, each once."""
        from sparkweld.lazy_evaluation.evaluating import compute

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
        from sparkweld.lazy_evaluation.evaluating import compute
        from sparkweld.lazy_evaluation.session import wrap

        given = compute(*args)
        named = dict(zip(kwargs, compute(*kwargs.values()), strict=True))
        result = getattr(self.compute(), name)(*given, **named)
        return wrap(self._session, result) if isinstance(result, pd.DataFrame | pd.Series) and len(result) else result

    def __len__(self) -> int:
        return len(self.compute())

    def __repr__(self) -> str:
        return repr(self.compute())
