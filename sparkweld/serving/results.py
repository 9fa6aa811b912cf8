"""Converts what a kernel wrote to Arrow arrays, and these to the kind of table that the caller passed."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from sparkweld.serving.columns import ARROW
from sparkweld.serving.runner import Buffer
from sparkweld.serving.signature import CODES, Column


def array_of(buffer: Buffer, column: Column) -> pa.Array:
    """Returns an output column as an Arrow array of its type."""
    nulls = None if buffer.nulls is None else buffer.nulls != 0
    if column.kind == "str":
        return pa.array(_strings(buffer.values, nulls), pa.string())
    if column.element:
        return pa.array(_lists(buffer.values, nulls, column.element), ARROW[column.type])
    values = pa.array(buffer.values, mask=nulls)
    expected = ARROW[column.type]
    if column.kind in ("date", "ts"):
        return values.view(expected)
    return values if values.type == expected else values.cast(expected)


def numbers_like(data: Any, made: Sequence[Buffer], columns: Sequence[Column], struct: bool) -> Any:
    """Returns what `like` does, for numbers and a table that is not Arrow's. Without NULLs it needs no Arrow, which is faster."""
    if any(x.nulls is not None and x.nulls.any() for x in made):
        return like(data, [array_of(x, column) for x, column in zip(made, columns, strict=True)], columns, struct)
    names, plain = [column.name for column in columns], [x.values for x in made]
    if hasattr(data, "iloc"):
        import pandas as pd

        found = [pd.Series(values, data.index, copy=False) for values in plain]
        return pd.DataFrame(dict(zip(names, found, strict=True))) if struct else found[0]
    return dict(zip(names, plain, strict=True)) if struct else plain[0]


def like(data: Any, arrays: Sequence[pa.Array], columns: Sequence[Column], struct: bool) -> Any:
    """Returns the outputs as the caller's kind of table holds them; without `struct`, the one column alone.

    For a DataFrame: a Series or a DataFrame with its index. For an Arrow table: an Array or a Table. Else: an ndarray, or a dict
    of them. A NULL among numbers is NaN in a Series or an ndarray, as Spark's `toPandas` returns it.
    """
    names = [column.name for column in columns]
    if isinstance(data, pa.Table | pa.RecordBatch):
        return pa.Table.from_arrays(list(arrays), names) if struct else arrays[0]
    if hasattr(data, "iloc"):
        import pandas as pd

        made = {name: array.to_pandas().set_axis(data.index) for name, array in zip(names, arrays, strict=True)}
        return pd.DataFrame(made) if struct else made[names[0]]
    plain = [array.to_numpy(zero_copy_only=False) for array in arrays]
    return dict(zip(names, plain, strict=True)) if struct else plain[0]


def _strings(views: np.ndarray, nulls: np.ndarray | None) -> list[str | None]:
    return [
        None if nulls is not None and nulls[row] else ctypes.string_at(address, length).decode()
        for row, (address, length) in enumerate(views.tolist())
    ]


def _lists(views: np.ndarray, nulls: np.ndarray | None, element: str) -> list[list[Any] | None]:
    made: list[list[Any] | None] = []
    for row, (address, length) in enumerate(views.tolist()):
        if nulls is not None and nulls[row]:
            made.append(None)
        elif element == "str":
            data = np.frombuffer(ctypes.string_at(address, 16 * length), np.int64).reshape(-1, 2)
            made.append(list(_strings(data, None)))
        else:
            dtype = np.dtype(CODES[element])
            made.append(np.frombuffer(ctypes.string_at(address, dtype.itemsize * length), dtype).tolist())
    return made
