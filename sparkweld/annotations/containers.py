"""Counts, slices, concatenates and compares the rows of containers, in each container's own terms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

_ARROW = (pa.Array, pa.ChunkedArray, pa.RecordBatch, pa.Table)
_PANDAS = (pd.Series, pd.DataFrame, pd.Index)


def has_rows(value: object) -> bool:
    """Whether the value is a container of rows; scalars, strings and 0-dimensional arrays are not."""
    if isinstance(value, np.ndarray):
        return value.ndim > 0
    return isinstance(value, (*_ARROW, *_PANDAS, list, tuple))


def count_rows(value: Any) -> int:
    """Returns the number of rows of a container."""
    return value.num_rows if isinstance(value, pa.RecordBatch | pa.Table) else len(value)


def take_rows(value: Any, start: int, stop: int) -> Any:
    """Returns rows start to stop - 1 of a container, as a view where the container has views."""
    if isinstance(value, _ARROW):
        return value.slice(start, stop - start)
    if isinstance(value, pd.Series | pd.DataFrame):
        return value.iloc[start:stop]
    return value[start:stop]


def concat_rows(pieces: Sequence[Any]) -> Any:
    """Concatenates one or more chunks in order. Raises TypeError when they are not containers of one kind."""
    first = pieces[0]
    if len(pieces) == 1:
        return first
    for kind, concat in _CONCATS:
        if isinstance(first, kind):
            if not all(isinstance(piece, kind) for piece in pieces):
                break
            return concat(pieces)
    raise TypeError(f"chunks of the types {', '.join(sorted({type(p).__name__ for p in pieces}))} are not rows of one container")


def _concat_lists(pieces: Sequence[Any]) -> Any:
    return type(pieces[0])(item for piece in pieces for item in piece)


_CONCATS: tuple[tuple[Any, Any], ...] = (
    (np.ndarray, np.concatenate),
    (pd.Series | pd.DataFrame, pd.concat),
    (pd.Index, lambda pieces: pieces[0].append(list(pieces[1:]))),
    (pa.Array, pa.concat_arrays),
    (pa.ChunkedArray, lambda pieces: pa.chunked_array([chunk for piece in pieces for chunk in piece.chunks], pieces[0].type)),
    (pa.RecordBatch, lambda pieces: pa.RecordBatch.from_struct_array(pa.concat_arrays([p.to_struct_array() for p in pieces]))),
    (pa.Table, pa.concat_tables),
    (list | tuple, _concat_lists),
)


def equal(a: Any, b: Any, rtol: float = 0.0) -> bool:
    """Whether two values are the same for the caller: container, dtype, labels and values; NaN equals NaN, 0.0 is not -0.0.

    `rtol`: relative difference that floats may have.
    """
    if type(a) is not type(b):
        return False
    if isinstance(a, pd.DataFrame):
        same = equal(a.index, b.index) and equal(a.columns, b.columns)
        return same and all(equal(a.iloc[:, i], b.iloc[:, i], rtol) for i in range(a.shape[1]))
    if isinstance(a, pd.Series):
        return equal(a.index, b.index) and a.name == b.name and a.dtype == b.dtype and _same_arrays(_raw(a), _raw(b), rtol)
    if isinstance(a, pd.Index):
        return bool(a.equals(b)) and a.dtype == b.dtype
    if isinstance(a, pa.ChunkedArray):
        return bool(a.type == b.type) and equal(a.combine_chunks(), b.combine_chunks(), rtol)
    if isinstance(a, pa.RecordBatch | pa.Table):
        return bool(a.schema == b.schema) and all(map(equal, a.columns, b.columns))
    if isinstance(a, pa.Array):
        return bool(a.type == b.type) and _same_items(a.to_pylist(), b.to_pylist(), rtol)
    if isinstance(a, np.ndarray):
        return _same_arrays(a, b, rtol)
    if isinstance(a, list | tuple):
        return _same_items(a, b, rtol)
    if isinstance(a, dict):
        return _same_items(list(a.items()), list(b.items()), rtol)
    return _same_item(a, b, rtol)


def _raw(series: pd.Series) -> Any:
    values = series.to_numpy()
    return values if isinstance(series.dtype, np.dtype) else values.astype(object)


def _same_arrays(a: np.ndarray, b: np.ndarray, rtol: float) -> bool:
    if a.dtype != b.dtype or a.shape != b.shape:
        return False
    if a.dtype.kind == "O":
        return _same_items(a.ravel().tolist(), b.ravel().tolist(), rtol)
    if a.dtype.kind not in "fc":
        return bool(np.array_equal(a, b))
    close = (a == b) if rtol == 0 else np.isclose(a, b, rtol=rtol, atol=0)
    signs = np.signbit(a.real) == np.signbit(b.real) if rtol == 0 else True
    return bool(np.all((close & signs) | (np.isnan(a) & np.isnan(b))))


def _same_items(a: Sequence[Any], b: Sequence[Any], rtol: float) -> bool:
    return len(a) == len(b) and all(equal(x, y, rtol) for x, y in zip(a, b, strict=True))


def _same_item(a: Any, b: Any, rtol: float) -> bool:
    if isinstance(a, float | np.floating):
        return _same_arrays(np.asarray(a), np.asarray(b), rtol)
    try:
        return a is b or bool(a == b)  # NaT and NA do not equal themselves
    except (TypeError, ValueError):
        return False  # a comparison that raises does not show that they are equal
