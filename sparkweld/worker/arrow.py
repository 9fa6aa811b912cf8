"""Converts Arrow columns to pipeline inputs and pipeline outputs to Arrow, inside a Python worker.

PySpark's conversions copy numbers, look up each string among those of the batch, and check each result for NULLs, because they
accept any value. When a batch has few distinct strings and the pipeline reads only that column, it runs on the distinct strings.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

#: Above this ratio of distinct strings to rows, dictionary encoding does not pay. A task stops after `_IN_VAIN` such batches.
_DISTINCT, _IN_VAIN = 0.5, 3
#: Batches of fewer rows are not encoded and do not count.
_LEAST_ROWS = 256


def same(arrays: Sequence[Any], others: Sequence[Any]) -> bool:
    """Whether both lists hold the same arguments. Arrays match when they share memory, which both keep alive."""
    if len(arrays) != len(others):
        return False
    return all(a is b or _place(a) == _place(b) is not None for a, b in zip(arrays, others, strict=True))


def _place(array: Any) -> tuple[Any, ...] | None:
    if not isinstance(array, pa.Array):
        return None
    return array.offset, len(array), *(buffer and buffer.address for buffer in array.buffers())


def numbers_of(array: pa.Array) -> np.ndarray | None:
    """Returns the numbers of an array without NULLs, without a copy and in their pandas dtype; None for any other array."""
    is_number = pa.types.is_integer(array.type) or pa.types.is_floating(array.type)
    return array.to_numpy() if is_number and not array.null_count else None


def array_of_numbers(column: np.ndarray) -> pa.Array:
    """Returns an Arrow array of the dtype's Arrow type. NaN becomes NULL, as in PySpark."""
    absent = np.isnan(column) if column.dtype.kind == "f" else np.False_
    return pa.array(column, mask=absent if absent.any() else None)


class Repeats:
    """Finds the distinct strings of a column while they are few. Call `again` for each task, as tables differ."""

    def __init__(self) -> None:
        self._in_vain = 0

    def again(self) -> None:
        """Resets the count of useless encodings for a new task."""
        self._in_vain = 0

    def of(self, array: pa.StringArray) -> pa.DictionaryArray | None:
        """Returns the dictionary-encoded array, with NULL as an entry; None when it has too many distinct strings."""
        if self._in_vain >= _IN_VAIN or len(array) < _LEAST_ROWS:
            return None
        made = array.dictionary_encode(null_encoding="encode")
        if len(made.dictionary) > _DISTINCT * len(array):
            self._in_vain += 1
            return None
        self._in_vain = 0
        return made


def in_arrow_batches(function: Callable[..., Any], starts: Any, args: tuple[Any, ...]) -> Any:
    """Applies `function` to each of Spark's batches and concatenates the results. `starts` is true in the first row of each.

    Pickled by value.
    """
    import pyarrow as pa

    cuts = [0, *(at for at in starts.to_numpy(zero_copy_only=False).nonzero()[0].tolist() if at), len(starts)]
    pieces = []
    for start, stop in zip(cuts[:-1], cuts[1:]):  # noqa: B905 - the code runs in the worker's Python
        pieces.append(function(*(array.slice(start, stop - start) for array in args)))
    return pieces[0] if len(pieces) == 1 else pa.concat_arrays(pieces)
