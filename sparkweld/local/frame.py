"""A lazy DataFrame: columns that are lazy Series over one set of rows; what is not about columns and rows is computed."""

from __future__ import annotations

from typing import Any

import pandas as pd

from sparkweld.local.definition import Definition
from sparkweld.local.values import Lazy, LazySeries


class LazyFrame:
    """Columns by name. `source`: the real DataFrame that untouched columns are from."""

    def __init__(self, session: Any, source: pd.DataFrame, columns: dict[Any, LazySeries | None]) -> None:
        self._session, self._source, self._columns = session, source, columns
        self._computed: pd.DataFrame | None = None

    @staticmethod
    def of(session: Any, source: pd.DataFrame) -> LazyFrame:
        """All columns of real data."""
        return LazyFrame(session, source, dict.fromkeys(source.columns))

    def column(self, name: Any) -> LazySeries:
        """A column; the real one becomes lazy when it is first asked for."""
        from sparkweld.local.recording import leaf

        if self._columns[name] is None:
            self._columns[name] = leaf(self._session, self._source[name])  # type: ignore[assignment]
        found = self._columns[name]
        assert found is not None
        return found

    def definitions(self) -> list[Definition]:
        """Of the columns that are not real already."""
        return [c._definition for c in self._columns.values() if c is not None]

    def compute(self) -> pd.DataFrame:
        """The real DataFrame."""
        from sparkweld.local.evaluating import compute

        made: pd.DataFrame = compute(self)[0]
        return made

    def real(self) -> pd.DataFrame:
        """The real DataFrame of columns that are computed."""
        if self._computed is None:
            columns = {n: self._source[n] if c is None else c._definition.real for n, c in self._columns.items()}
            index = next((c.index for c in columns.values()), self._source.index)
            self._computed = pd.DataFrame(columns, index=index, copy=False)
            self._computed.columns = pd.Index(list(columns), dtype=self._source.columns.dtype, name=self._source.columns.name)
        return self._computed

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, Lazy):
            return self._kept(key)
        if isinstance(key, list) and all(k in self._columns for k in key) and len(set(key)) == len(key):
            return LazyFrame(self._session, self._source, {k: self._columns[k] for k in key})
        if isinstance(key, str) and key in self._columns and self._source.columns.is_unique:
            return self.column(key)
        return self._forwarded("__getitem__", key)

    def _kept(self, mask: Lazy) -> Any:
        from sparkweld.local.recording import _is_aligned, _is_mask, kept_rows

        owners = [self.column(name)._definition for name in self._columns]
        if not owners or not _is_aligned([*owners, mask._definition]) or not _is_mask(mask._definition):
            return self._forwarded("__getitem__", mask.compute())
        kept = kept_rows(owners, mask._definition)
        return LazyFrame(self._session, self._source, dict(zip(self._columns, kept, strict=True)))  # type: ignore[arg-type]

    def __setitem__(self, key: Any, value: Any) -> None:
        first = next(iter(self._columns), None)
        fits = isinstance(value, LazySeries) and first is not None and isinstance(key, str)
        if fits and _is_beside(self.column(first), value):
            self._columns[key] = value
        else:
            frame = self.compute().copy()
            frame[key] = value.compute() if isinstance(value, Lazy) else value
            self._source, self._columns = frame, dict.fromkeys(frame.columns)
        self._computed = None

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if name in self._columns and self._source.columns.is_unique and not hasattr(pd.DataFrame, name):
            return self.column(name)
        found = getattr(self.compute(), name)
        return (lambda *args, **kwargs: self._forwarded(name, *args, **kwargs)) if callable(found) else found

    def _forwarded(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """A method of the real DataFrame; rows that it gives are lazy again."""
        from sparkweld.local.evaluating import compute
        from sparkweld.local.session import wrap

        given = compute(*args)
        named = dict(zip(kwargs, compute(*kwargs.values()), strict=True))
        result = getattr(self.compute(), name)(*given, **named)
        return wrap(self._session, result) if isinstance(result, pd.DataFrame | pd.Series) and len(result) else result

    def __len__(self) -> int:
        return len(self.compute())

    def __repr__(self) -> str:
        return repr(self.compute())


def _is_beside(column: LazySeries, value: LazySeries) -> bool:
    from sparkweld.local.recording import _is_aligned

    return _is_aligned([column._definition, value._definition])
