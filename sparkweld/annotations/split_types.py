"""Defines split types: how one argument or result is split into chunks of rows, and how chunks merge to a value.

Mozart's interface (SOSP 2019, section 3.2): info (here `rows`), split, merge. Types are values: two of the same class with the
same parameters are the same type. `domain` names a row domain within one annotation. So ``(Rows("a"), Rows("b"))`` takes two
arguments with unrelated rows, and ``(Rows(), Rows())`` two aligned ones.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from sparkweld.annotations.containers import concat_rows, count_rows, equal, has_rows, take_rows
from sparkweld.annotations.errors import AnnotationError

_CONTAINERS = ("series", "array", "arrow", "list")


class SplitType:
    """Base of all split types. A value without rows of its own (`rows` returns None) is passed whole to every chunk."""

    #: Name of the row domain within the annotation; None when the value has no rows.
    domain: str | None = None

    def rows(self, value: Any) -> int | None:
        """Returns the number of rows of a value, None when it is the same for every chunk.

        Raises TypeError for an unsupported value.
        """
        raise NotImplementedError

    def split(self, value: Any, start: int, stop: int) -> Any:
        """Returns the chunk of rows start to stop - 1."""
        return value

    def merge(self, pieces: Sequence[Any]) -> Any:
        """Merges the results of one or more chunks, in order, to the result of the whole."""
        raise NotImplementedError

    def same(self, merged: Any, whole: Any) -> bool:
        """Whether a merged result equals that of the call on the whole."""
        return equal(merged, whole)

    def example(self, rng: np.random.Generator, rows: int) -> Any:
        """Returns a value to check an annotation with. Raises LookupError when the type has none."""
        raise LookupError(f"{self} has no example of its own")


@dataclass(frozen=True)
class Rows(SplitType):
    """Rows of a Series, DataFrame, array, Arrow array or table, or list. A scalar in its place is the same for every row.

    `container` ("series", "array", "arrow", "list") and `dtype` select the examples that the annotation is checked with. Raises
    AnnotationError for others.
    """

    domain: str = "rows"
    container: str = "series"
    dtype: str = "float64"

    def __post_init__(self) -> None:
        if self.container not in _CONTAINERS:
            raise AnnotationError(f"container={self.container!r} is none of {', '.join(_CONTAINERS)}")
        try:
            np.dtype(self.dtype)
        except TypeError as error:
            raise AnnotationError(f"dtype={self.dtype!r} is not a NumPy dtype: {error}") from None

    def rows(self, value: Any) -> int | None:
        return count_rows(value) if has_rows(value) else None

    def split(self, value: Any, start: int, stop: int) -> Any:
        return take_rows(value, start, stop) if has_rows(value) else value

    def merge(self, pieces: Sequence[Any]) -> Any:
        return concat_rows(pieces)

    def example(self, rng: np.random.Generator, rows: int) -> Any:
        values = _values(rng, rows, self.dtype)
        if self.container == "series":
            return pd.Series(values, index=2 * np.arange(rows)[::-1])  # labels differ from positions, equal for all arguments
        if self.container == "arrow":
            return pa.array(values.tolist() if self.dtype == "str" else values)
        return values.tolist() if self.container == "list" else values


@dataclass(frozen=True)
class Matrix(Rows):
    """A two-dimensional array of `columns` columns, split by rows."""

    container: str = "array"
    columns: int = 3

    def rows(self, value: Any) -> int | None:
        if isinstance(value, np.ndarray) and value.ndim == 2 or isinstance(value, pd.DataFrame):
            return count_rows(value)
        raise TypeError(f"a {type(value).__name__} is not a matrix")

    def example(self, rng: np.random.Generator, rows: int) -> Any:
        return _values(rng, rows * self.columns, self.dtype).reshape(rows, self.columns)


@dataclass(frozen=True)
class Mutated(Rows):
    """Rows that the call changes in place: chunks must be views, and the caller's own data is copied first."""

    container: str = "array"

    def split(self, value: Any, start: int, stop: int) -> Any:
        if not isinstance(value, np.ndarray):
            raise TypeError(f"a chunk of a {type(value).__name__} is not a view, so it cannot be changed in place")
        return value[start:stop]


@dataclass(frozen=True)
class Broadcast(SplitType):
    """The same value for every chunk: a model, a table, a dictionary, an option. `value` is the example for the check."""

    value: Any = None

    def rows(self, value: Any) -> int | None:
        return None

    def merge(self, pieces: Sequence[Any]) -> Any:
        raise TypeError("a broadcast value cannot be merged from chunks")

    def example(self, rng: np.random.Generator, rows: int) -> Any:
        return self.value


@dataclass(frozen=True)
class Filtered(SplitType):
    """A result that is some of the rows of `of`, in order: a new row domain, whose size is known only after the call."""

    of: str = "rows"

    def rows(self, value: Any) -> int | None:
        return count_rows(value)

    def merge(self, pieces: Sequence[Any]) -> Any:
        return concat_rows(pieces)


@dataclass(frozen=True)
class Unknown(SplitType):
    """An opaque result: the function takes whole arguments, and no pipeline extends across it."""

    def rows(self, value: Any) -> int | None:
        return None

    def merge(self, pieces: Sequence[Any]) -> Any:
        if len(pieces) != 1:
            raise TypeError("a result of an unknown kind cannot be merged")
        return pieces[0]


@dataclass(frozen=True)
class Merge(SplitType):
    """A result of all rows, merged by an associative function of two results.

    `rtol`: relative difference of floats that another order of merging may cause.
    """

    function: Callable[[Any, Any], Any]
    rtol: float = 0.0

    def rows(self, value: Any) -> int | None:
        return None

    def merge(self, pieces: Sequence[Any]) -> Any:
        return reduce(self.function, pieces)

    def same(self, merged: Any, whole: Any) -> bool:
        return equal(merged, whole, self.rtol)


@dataclass(frozen=True)
class Merged(Merge):
    """A result computed through a state: ``finish`` of the merged states of all chunks.

    `state` takes the arguments of the annotated function, and `function` merges two states. So a mean merges sums and counts,
    not means.
    """

    state: Callable[..., Any] | None = None
    finish: Callable[[Any], Any] | None = None

    def merge(self, pieces: Sequence[Any]) -> Any:
        whole = super().merge(pieces)
        return whole if self.finish is None else self.finish(whole)


def Sum(rtol: float = 1e-12) -> Merge:
    """Returns the type of a sum over all rows; floats are added in another order."""
    return Merge(operator.add, rtol)


def Count() -> Merge:
    """Returns the type of a number of rows."""
    return Merge(operator.add)


def Min() -> Merge:
    """Returns the type of a minimum, NaN when there is one, as in ``np.minimum``."""
    return Merge(np.minimum)


def Max() -> Merge:
    """Returns the type of a maximum, NaN when there is one, as in ``np.maximum``."""
    return Merge(np.maximum)


def Concat() -> Merge:
    """Returns the type of a list: the concatenated results of all chunks, of any length."""
    return Merge(operator.add)


_WORDS = ("", "a", "Zürich", "two words", "  edge ", "123", "é́", "😀", "\n")


def _values(rng: np.random.Generator, count: int, dtype: str) -> np.ndarray:
    """Returns random values that include edge cases."""
    if dtype == "str":
        return rng.choice(np.array(_WORDS, object), count)
    kind = np.dtype(dtype)
    if kind.kind == "b":
        return rng.random(count) < 0.5
    if kind.kind in "iu":
        return rng.integers(0, 100, count).astype(kind)
    values = rng.normal(0, 10, count)
    values[rng.random(count) < 0.1] = np.nan
    values[rng.random(count) < 0.1] = rng.choice([0.0, -0.0, np.inf, -np.inf, 1.0, 1e300])
    return values.astype(kind)
