"""Represents the row of a DataFrame that `DataFrame.apply` passes to a function."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import pandas as pd

from udf_compiler.frontends.python.numpy_scalars import is_numpy, python_scalar
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.values import Traced, series_class


class TracedRow(Traced):
    """A row of a frame: its values by column name."""

    __slots__ = ("sources",)
    what = "row"
    stands_for = pd.Series

    def __init__(self, sources: dict[Any, Callable[[], Any]]) -> None:
        self.sources = sources

    __class__ = property(series_class)  # type: ignore[assignment]

    def __getitem__(self, key: Any) -> Any:
        if not isinstance(key, str) or key not in self.sources:
            refuse("SW262", call="a row of a DataFrame", what=f"[{key!r}]" if isinstance(key, str | int) else "this index")
        return self.sources[key]()

    def __len__(self) -> int:
        return len(self.sources)

    def __iter__(self) -> Iterator[Any]:
        """Yields Python values; NumPy scalars are converted by ``item()``."""
        for source in self.sources.values():
            x = source()
            yield python_scalar(x) if is_numpy(x) else x

    def _more_names(self) -> Any:
        return self.sources

    def __getattr__(self, name: str) -> Any:
        if name == "get":
            return lambda key: self[key]
        if name not in self.sources or hasattr(pd.Series, name):
            refuse("SW251", call=f"row.{name}")
        return self.sources[name]()

    def _in_place(self, name: str, other: Any) -> NoReturn:
        refuse("SW256", call=f"row {name}= ...")
