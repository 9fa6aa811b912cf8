"""Represents the row of a DataFrame that `DataFrame.apply` passes to a function."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import pandas as pd

from udf_compiler.frontends.python.numpy_scalars import is_numpy, python_scalar
from udf_compiler.frontends.tracing.constants import wrapped
from udf_compiler.frontends.tracing.exceptions import as_python
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

    def __contains__(self, key: Any) -> bool:
        if not isinstance(key, str):
            refuse("SW262", call="in a row of a DataFrame", what="anything but the name of a column")
        return key in self.sources

    def _get(self, key: Any, default: Any = None) -> Any:
        if not isinstance(key, str):
            refuse("SW262", call="Series.get of a row", what="anything but the name of a column")
        return self[key] if key in self.sources else default

    def _to_dict(self) -> dict[Any, Any]:
        """Returns the values by column, as Python's own."""
        return dict(zip(self.sources, self, strict=True))

    def _keys(self) -> Any:
        return wrapped(pd.Index(list(self.sources)), "Series.keys of a row")

    def _items(self) -> Any:
        return zip(self.sources, self, strict=True)

    def __getattr__(self, name: str) -> Any:
        if name == "index":
            return self._keys()
        method: Any = {"get": self._get, "to_dict": self._to_dict, "keys": self._keys, "items": self._items}.get(name)
        if method is not None:
            return lambda *args, **kwargs: as_python(method, *args, **kwargs)
        if name not in self.sources or hasattr(pd.Series, name):
            refuse("SW251", call=f"row.{name}")
        return self.sources[name]()

    def _in_place(self, name: str, other: Any) -> NoReturn:
        refuse("SW256", call=f"row {name}= ...")
