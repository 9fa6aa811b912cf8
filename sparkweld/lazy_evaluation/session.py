"""Implements `sparkweld.lazy`: wraps data as lazy values and functions as captured ones; sessions compute at their end."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable
from types import TracebackType
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from sparkweld.errors import UserError
from sparkweld.lazy_evaluation.capture_context import Options, Space

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

    def __call__(self, data: Any) -> Any:
        return wrap(self, data)

    def __enter__(self) -> Session:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        from sparkweld.lazy_evaluation.evaluating import compute

        if kind is None:
            compute(*self._lives.values())


def wrap(session: Session, data: Any) -> Any:
    """Wraps data as a lazy value, or a function as one that is captured when called with lazy values.

    Raises UserError for data without rows.
    """
    from sparkweld.lazy_evaluation.frame import LazyFrame
    from sparkweld.lazy_evaluation.recording import leaf, record
    from sparkweld.lazy_evaluation.values import Lazy

    if isinstance(data, Lazy | LazyFrame):
        return data
    if isinstance(data, pa.Array | pa.ChunkedArray | pa.Table | pa.RecordBatch):
        data = data.to_pandas()
    if isinstance(data, pd.DataFrame):
        return LazyFrame.of(session, data)
    if isinstance(data, pd.Series) or isinstance(data, np.ndarray) and data.ndim == 1:
        return leaf(session, data)
    if callable(data):
        return functools.wraps(data)(lambda *args, **kwargs: record(data, args, kwargs))
    raise UserError(
        f"sparkweld.lazy takes a DataFrame, a Series, a one-dimensional array, Arrow data or a function, not a "
        f"{type(data).__name__}{' of ' + str(data.ndim) + ' dimensions' if isinstance(data, np.ndarray) else ''}."
    )


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
    return session if data is _MISSING else wrap(session, data)
