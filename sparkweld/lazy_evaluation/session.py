"""Implements `sparkweld.lazy`: wraps data as lazy values and functions as captured ones; sessions compute at their end."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from sparkweld.errors import UserError
from sparkweld.lazy_evaluation import recording
from sparkweld.lazy_evaluation.capture_context import Options, Space
from sparkweld.lazy_evaluation.definition import LazyData
from sparkweld.lazy_evaluation.evaluating import compute, described_pipelines
from sparkweld.lazy_evaluation.frame import LazyFrame
from sparkweld.lazy_evaluation.leaves import leaf
from sparkweld.lazy_evaluation.values import Lazy

_MISSING = object()
#: The number of rows for which recording a call takes about as long as running it in NumPy.
LEAST_ROWS = 1 << 15


class Session:
    """Data that may be computed together. As a context manager, it computes all its live lazy values at its end.

    Calling it wraps data as `lazy` does.
    """

    def __init__(self, options: Options) -> None:
        self.options = options
        self._spaces: dict[int, Space] = {}
        self._lives: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()

    def space(self, rows: int) -> Space:
        """Returns the capture context of data with `rows` rows."""
        if rows not in self._spaces:
            self._spaces[rows] = Space(rows, self.options)
        return self._spaces[rows]

    def watch(self, value: Any) -> None:
        """Registers a lazy value, to be computed at the session's end if it is still alive."""
        self._lives[id(value)] = value

    def record(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Returns the result of ``function(*args, **kwargs)``, lazy where possible."""
        return recording.record(function, args, kwargs)

    def attribute(self, value: Lazy, name: str) -> Any:
        """Returns an attribute of a lazy Series or array."""
        return recording.attribute(value, name)

    def element(self, value: Lazy, key: Any) -> Any:
        """Returns ``value[key]`` of a lazy Series or array."""
        return recording.element(value, key)

    def wrap(self, data: Any) -> Any:
        """Returns data as a lazy value, and a function as one that is captured when called with lazy values.

        Raises UserError for data without rows.
        """
        if isinstance(data, LazyData):
            return data
        if isinstance(data, pa.Array | pa.ChunkedArray | pa.Table | pa.RecordBatch):
            data = data.to_pandas()
        if isinstance(data, pd.DataFrame):
            return LazyFrame.of(self, data)
        if isinstance(data, pd.Series) or isinstance(data, np.ndarray) and data.ndim == 1:
            return leaf(self, data)
        if callable(data):
            return functools.wraps(data)(lambda *args, **kwargs: recording.record(data, args, kwargs))
        raise UserError(
            f"sparkweld.lazy takes a DataFrame, a Series, a one-dimensional array, Arrow data or a function, not a "
            f"{type(data).__name__}{' of ' + str(data.ndim) + ' dimensions' if isinstance(data, np.ndarray) else ''}."
        )

    def __call__(self, data: Any) -> Any:
        return self.wrap(data)

    def __enter__(self) -> Session:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is None:
            compute(*self._lives.values())


def lazy(
    data: Any = _MISSING, *, threads: int = 0, block_rows: int | None = None, exact: bool = False, least_rows: int | None = None
) -> Any | Session | Callable[..., Any]:
    """Wraps data as a lazy value; without data, returns a session for ``with sparkweld.lazy() as wrap:``.

    `threads`: 0 is one per core. `block_rows`: rows per block, by default chosen by the L2 cache and the first blocks. `exact`:
    only operations that are bit-equal to NumPy's are compiled. `least_rows`: calls on fewer rows run at once, by default where
    recording costs more than it saves. Raises UserError for objects without rows and for negative options.
    """
    if threads < 0 or (block_rows is not None and block_rows < 1) or (least_rows is not None and least_rows < 0):
        raise UserError(
            f"threads={threads}, block_rows={block_rows}, least_rows={least_rows}: threads and least_rows are 0 or more, "
            "block_rows 1 or more"
        )
    session = Session(Options(threads, block_rows, exact, LEAST_ROWS if least_rows is None else least_rows))
    return session if data is _MISSING else session.wrap(data)


def explain(*values: Any) -> str:
    """Describes the pipelines of lazy Series and arrays: stages, where each runs, rows per block, bytes."""
    return described_pipelines([v._definition for v in values if isinstance(v, Lazy)])
