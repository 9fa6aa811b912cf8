"""Finds the distinct rows of a batch's columns, remembers their results, and measures whether that pays."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

#: After this number of batches in a row that cost more than they saved, something optional rests for some batches.
_IN_VAIN, _REST = 3, 32
#: The limit on bytes of the keys and results in a cache.
_CACHED_BYTES = 32 << 20
#: The types of the Python values of a Series of which equal ones are the same.
_PLAIN = {str, bool, datetime.date, type(None)}


@dataclass(frozen=True)
class Distinct:
    """The distinct rows of a batch. `codes`: int64, for each row the number of its distinct row. `first`: int64, ascending, the
    first row that equals each distinct row.
    """

    codes: np.ndarray
    first: np.ndarray


class Payoff:
    """Measures whether an optional step pays; one that does not is tried again now and then."""

    def __init__(self) -> None:
        self._in_vain = self._rest = 0

    def wanted(self) -> bool:
        """Whether the step runs for the next batch."""
        self._rest -= self._rest > 0
        return not self._rest

    def add(self, saved: float, cost: float) -> None:
        """Adds the seconds that the step saved in a batch, and those that it took."""
        self._in_vain = 0 if saved > cost else self._in_vain + 1
        if self._in_vain >= _IN_VAIN:
            self._rest, self._in_vain = _REST, _IN_VAIN - 1


class ResultCache:
    """The results of earlier distinct rows as one Arrow array. It stops growing when it is full; nothing is evicted."""

    def __init__(self, limit: int = _CACHED_BYTES) -> None:
        self._limit, self._bytes = limit, 0
        self._places: dict[Any, int] = {}
        self._results: pa.Array | None = None

    def places(self, keys: Sequence[Any]) -> np.ndarray:
        """Returns int64, the place of each key's result, -1 where it has none."""
        return np.fromiter(map(self._places.get, keys, [-1] * len(keys)), np.int64, len(keys))

    def take(self, places: np.ndarray) -> pa.Array:
        """Returns the results at these places."""
        assert self._results is not None
        return self._results.take(pa.array(places))

    def add(self, keys: Sequence[Any], results: pa.Array, key_bytes: int) -> None:
        """Adds the results of new keys while there is room."""
        size = results.nbytes + key_bytes
        if not keys or self._bytes + size > self._limit:
            return
        start = 0 if self._results is None else len(self._results)
        self._results = results if self._results is None else pa.concat_arrays([self._results, results])
        self._places.update(zip(keys, range(start, start + len(keys)), strict=True))
        self._bytes += size


def columns_of(arguments: Sequence[Any]) -> list[pa.Array] | None:
    """Returns Arrow arrays that are equal in two rows only where all arguments are the same to the bit; None for other types.

    Arguments are Arrow arrays, Series, and DataFrames, which are the structs of pandas UDFs.
    """
    found = []
    for argument in arguments:
        parts = _parts(argument)
        if parts is None:
            return None
        found += parts
    return found


def _parts(argument: Any) -> list[pa.Array] | None:
    if isinstance(argument, pd.DataFrame):
        return columns_of([argument.iloc[:, i] for i in range(argument.shape[1])])
    if isinstance(argument, pa.StructArray):
        inside = columns_of(argument.flatten())
        return None if inside is None else [argument.is_valid(), *inside]
    array = _array(argument) if isinstance(argument, pd.Series) else argument
    if array is None:
        return None
    if pa.types.is_floating(array.type):  # -0.0 equals 0.0, and NaN nothing
        return [array.view(f"int{array.type.bit_width}")]
    is_plain = pa.types.is_integer(array.type) or pa.types.is_boolean(array.type) or pa.types.is_string(array.type)
    return [array] if is_plain or pa.types.is_date32(array.type) else None


def _array(series: pd.Series) -> pa.Array | None:
    """Returns a Series without conversions that could make two values equal; None for a dtype of which that is not known."""
    if not isinstance(series.dtype, np.dtype):
        return None
    values = series.to_numpy()
    if values.dtype.kind in "iufb":
        return pa.array(values, from_pandas=False)
    if values.dtype != object:
        return None
    try:
        made = pa.array(values, from_pandas=False)
    except (pa.ArrowException, UnicodeEncodeError, OverflowError):
        return None  # Python values of several types
    if not set(map(type, values)) <= _PLAIN:  # np.str_ and datetimes are converted, too
        return None
    return made.cast(pa.string()) if pa.types.is_null(made.type) else made


def codes_of(columns: Sequence[pa.Array], rows: int) -> tuple[np.ndarray, int]:
    """Returns int64, for each row the number of its distinct row, and how many there are. A NULL equals a NULL.

    Distinct rows have numbers in the order in which they occur.
    """
    codes, count = np.zeros(rows, np.int64), min(rows, 1)
    for column in columns:
        encoded = column.dictionary_encode(null_encoding="encode")
        if count > 1:  # dense after each column, so that products do not overflow
            encoded = pa.array(codes * len(encoded.dictionary) + encoded.indices.to_numpy()).dictionary_encode()
        codes, count = encoded.indices.to_numpy().astype(np.int64), len(encoded.dictionary)
    return codes, count


def distinct_of(columns: Sequence[pa.Array], rows: int) -> Distinct:
    """Returns the distinct rows of columns from `columns_of`."""
    codes, count = codes_of(columns, rows)
    first = np.empty(count, np.int64)
    first[codes[::-1]] = np.arange(rows - 1, -1, -1)  # of repeated indices the last assignment counts
    return Distinct(codes, first)


def lengths_of(columns: Sequence[pa.Array]) -> np.ndarray | None:
    """Returns int64, the bytes of each row's strings; None when no column has strings."""
    texts = [pc.fill_null(pc.binary_length(c), 0).to_numpy() for c in columns if pa.types.is_string(c.type)]
    return np.sum(texts, axis=0, dtype=np.int64) if texts else None


def keys_of(columns: Sequence[pa.Array], at: np.ndarray) -> list[Any]:
    """Returns hashable keys of these rows of columns from `columns_of`."""
    lists = [column.take(pa.array(at)).to_pylist() for column in columns]
    return lists[0] if len(lists) == 1 else list(zip(*lists, strict=True))


def take(argument: Any, at: np.ndarray) -> Any:
    """Returns rows of an argument, with labels from 0 as in a batch of Spark."""
    if isinstance(argument, pa.Array):
        return argument.take(pa.array(at))
    return argument.iloc[at].reset_index(drop=True)


def concat(pieces: Sequence[Any]) -> Any:
    """Concatenates results. Raises TypeError for Series of several dtypes, which pandas would convert."""
    if len(pieces) == 1:
        return pieces[0]
    if isinstance(pieces[0], pa.Array):
        return pa.concat_arrays(pieces)
    if len({_dtypes(piece) for piece in pieces}) > 1:
        raise TypeError("its results for parts of a batch have several dtypes")
    return pd.concat(pieces, ignore_index=True)


def _dtypes(piece: Any) -> tuple[Any, ...]:
    return (*piece.columns, *map(str, piece.dtypes)) if isinstance(piece, pd.DataFrame) else (str(piece.dtype),)
