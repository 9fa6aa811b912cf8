"""In a Python worker: columns in Arrow's memory to what a pipeline takes, and what it makes to Arrow's again.

PySpark's conversions copy numbers, look each text up among those of the batch, and at each result for NULLs, for they may hold
anything. Where few of a batch's texts differ, a pipeline over nothing else gets these alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

#: More texts than this part of the rows are not worth a dictionary; nor is one tried again in a task that had so many in vain.
_DISTINCT, _IN_VAIN = 0.5, 3
#: Batches of fewer rows say nothing.
_LEAST_ROWS = 256


def same(arrays: Sequence[Any], others: Sequence[Any]) -> bool:
    """Whether these are the same arguments. Arrays are when they are the same memory, which is alive as long as both are."""
    if len(arrays) != len(others):
        return False
    return all(a is b or _place(a) == _place(b) is not None for a, b in zip(arrays, others, strict=True))


def _place(array: Any) -> tuple[Any, ...] | None:
    if not isinstance(array, pa.Array):
        return None
    return array.offset, len(array), *(buffer and buffer.address for buffer in array.buffers())


def numbers_of(array: pa.Array) -> np.ndarray | None:
    """Numbers without NULLs where they lie, of the dtype that they have in pandas; None for any other array."""
    is_number = pa.types.is_integer(array.type) or pa.types.is_floating(array.type)
    return array.to_numpy() if is_number and not array.null_count else None


def array_of_numbers(column: np.ndarray) -> pa.Array:
    """The array of numbers or booleans, of Arrow's type for their dtype: NULL where a number is NaN, as PySpark has it."""
    absent = np.isnan(column) if column.dtype.kind == "f" else np.False_
    return pa.array(column, mask=absent if absent.any() else None)


class Repeats:
    """Of a column of texts, those that differ, while they are few. `again`: for each task, as tables differ."""

    def __init__(self) -> None:
        self._in_vain = 0

    def again(self) -> None:
        """Looks at the next batches, whatever the last ones were."""
        self._in_vain = 0

    def of(self, array: pa.StringArray) -> pa.DictionaryArray | None:
        """The array by numbers of its texts, of which NULL is one; None when there are too many."""
        if self._in_vain >= _IN_VAIN or len(array) < _LEAST_ROWS:
            return None
        made = array.dictionary_encode(null_encoding="encode")
        if len(made.dictionary) > _DISTINCT * len(array):
            self._in_vain += 1
            return None
        self._in_vain = 0
        return made
