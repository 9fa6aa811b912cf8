"""Computes each group's partial state in Python workers before the shuffle, and its result from the states after it.

The code is pickled by value: workers need NumPy, pandas and PyArrow, which pandas UDFs require anyway, and no SparkWeld. Groups
are found by their keys' Arrow values; two keys are one group only when they are bitwise equal. When the state function raises for
a chunk, its rows are shuffled instead. If a group has only such rows, the annotated function runs on all of them.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import reduce
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from pyspark.sql.types import StructField, StructType

from sparkweld.worker.distinct import codes_of
from sparkweld.worker.segmented import states as states_of_all

#: Bytes of rows that are buffered before their groups' states are emitted.
HELD_BYTES = 64 << 20


@dataclass(frozen=True)
class Part:
    """One aggregate. `state` maps a chunk's Series to a state, `merge` combines two states, `finish` maps a state to the result.
    `finish` is None where the state is the result. `function` is the annotated function. `rtol` bounds the relative effect of row
    order on floats.

    `columns`: positions of the arguments among the columns after the keys, and keywords (None: positional). `turns`: positions of
    integer and boolean columns, whose pandas dtype differs in a group with a NULL.
    """

    state: Callable[..., Any]
    merge: Callable[[Any, Any], Any]
    finish: Callable[[Any], Any] | None
    columns: tuple[tuple[int, str | None], ...]
    turns: frozenset[int]
    return_type: Any
    function: Callable[..., Any]
    rtol: float


@dataclass(frozen=True)
class Leaf:
    """The element of a state in the column at `position`. `python`: a Python number, not a NumPy scalar."""

    position: int
    python: bool


@dataclass(frozen=True)
class Finished:
    """An aggregate whose state columns Spark computes: `shape` is the state with a Leaf for each, `finish` yields the result."""

    shape: Any
    columns: int
    finish: Callable[[Any], Any] | None
    return_type: Any


#: The result for one chunk: its state and None, or, when `state` raised, None and the positional and keyword arguments.
Given = tuple[Any, tuple[list[pd.Series], dict[str, pd.Series]] | None]


@dataclass(frozen=True)
class Groups:
    """Rows sorted by group: `order[starts[i]:starts[i + 1]]` are the rows of group i."""

    order: np.ndarray
    starts: np.ndarray

    @staticmethod
    def of(keys: list[pa.Array], rows: int) -> Groups:
        codes, count = codes_of(keys, rows)
        small = codes.astype(np.uint16) if count <= 1 << 16 else codes  # NumPy sorts uint16 by radix
        ends = np.cumsum(np.bincount(codes, minlength=count))
        return Groups(np.argsort(small, kind="stable"), np.concatenate([[0], ends]).astype(np.int64))

    @property
    def first(self) -> np.ndarray:
        """Returns the first row of each group."""
        return self.order[self.starts[:-1]]


class Column:
    """A column's values sorted by group, in the dtype PySpark yields: with NULLs, integers are floats, booleans objects."""

    def __init__(self, array: pa.Array, order: np.ndarray) -> None:
        self.null = array.is_null().to_numpy(zero_copy_only=False)[order] if array.null_count else None
        if self.null is not None and (pa.types.is_integer(array.type) or pa.types.is_boolean(array.type)):
            array = array.fill_null(False if pa.types.is_boolean(array.type) else 0)
        self.values = array.to_numpy(zero_copy_only=False)[order]

    def has_null(self, start: int, stop: int) -> bool:
        return self.null is not None and bool(self.null[start:stop].any())

    def turned(self, turned: bool) -> np.ndarray:
        """Returns all values of a column without NULLs; if `turned`, in the dtype of a column with NULLs."""
        return self.values.astype(object if self.values.dtype == bool else np.float64) if turned else self.values

    def series(self, start: int, stop: int, turned: bool) -> pd.Series:
        """Returns a copy of a row range as a Series. `turned`: in the dtype of a column with NULLs."""
        values = self.values[start:stop]
        if not turned:
            return pd.Series(values.copy(), copy=False)
        values = values.astype(object if values.dtype == bool else np.float64)
        if self.null is not None:
            values[self.null[start:stop]] = None if values.dtype == object else np.nan
        return pd.Series(values, copy=False)


def partial_states(keys: int, parts: tuple[Part, ...]) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """Returns the mapInArrow function before the shuffle: for each group held, its keys and one binary state per aggregate."""

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        held: list[pa.RecordBatch] = []
        size = 0
        for batch in batches:
            held.append(batch)
            size += batch.nbytes
            if size >= HELD_BYTES:
                yield _states(held, keys, parts)
                held, size = [], 0
        if any(batch.num_rows for batch in held):
            yield _states(held, keys, parts)

    return run


def _states(held: list[pa.RecordBatch], keys: int, parts: tuple[Part, ...]) -> pa.RecordBatch:
    arrays = _columns(held)
    groups = Groups.of(arrays[:keys], len(arrays[0]))
    columns = [Column(array, groups.order) for array in arrays[keys:]]
    states = [pa.array(_part_states(part, columns, groups.starts), pa.binary()) for part in parts]
    return _batch([key.take(pa.array(groups.first)) for key in arrays[:keys]] + states)


def _part_states(part: Part, columns: list[Column], starts: np.ndarray) -> list[bytes]:
    """Returns a pickle per group: which columns have NULLs here, and the chunk's state for each combination of dtypes that the
    whole group may have.
    """
    turns, bounds = sorted(part.turns), starts.tolist()
    sets = list(product((False, True), repeat=len(turns)))
    if all(columns[p].null is None for p in turns):
        nulls = (False,) * len(turns)
        alike = [_alike(part, columns, starts, turned) for turned in sets]
        return [
            pickle.dumps((nulls, dict(zip(sets, states, strict=True))), pickle.HIGHEST_PROTOCOL)
            for states in zip(*alike, strict=True)
        ]
    made = []
    for start, stop in zip(bounds, bounds[1:], strict=False):
        nulls = tuple(columns[p].has_null(start, stop) for p in turns)
        found = {
            turned: _given(part, columns, start, stop, turned)
            for turned in sets
            if all(is_turned or not null for is_turned, null in zip(turned, nulls, strict=True))
        }
        made.append(pickle.dumps((nulls, found), pickle.HIGHEST_PROTOCOL))
    return made


def _alike(part: Part, columns: list[Column], starts: np.ndarray, turned: tuple[bool, ...]) -> list[Given]:
    """Returns each group's result, from one segmented run where the function supports it."""
    by, bounds = dict(zip(sorted(part.turns), turned, strict=True)), starts.tolist()

    def one(group: int) -> Given:
        return _given(part, columns, bounds[group], bounds[group + 1], turned)

    given = [(name, columns[p].turned(by.get(p, False))) for p, name in part.columns]
    args, named = [values for name, values in given if name is None], {name: values for name, values in given if name is not None}
    found = states_of_all(part.state, args, named, starts, part.rtol, lambda group: one(group)[0])
    return [one(group) for group in range(len(bounds) - 1)] if found is None else [(state, None) for state in found]


def _given(part: Part, columns: list[Column], start: int, stop: int, turned: tuple[bool, ...]) -> Given:
    """Returns the chunk's state, or its arguments when the state raises: the annotated function may accept the whole group."""
    by = dict(zip(sorted(part.turns), turned, strict=True))

    def arguments() -> tuple[list[pd.Series], dict[str, pd.Series]]:
        made = [(name, columns[p].series(start, stop, by.get(p, False))) for p, name in part.columns]
        return [s for name, s in made if name is None], {name: s for name, s in made if name is not None}

    args, named = arguments()
    try:
        return part.state(*args, **named), None
    except Exception:  # noqa: BLE001 - it is raised again by the function of the whole group
        return None, arguments()  # fresh copies: the state may have changed its arguments


def final_results(
    keys: int, parts: tuple[Part, ...], timezone: str | None
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """Returns the mapInArrow function after the shuffle: for each group, its keys and the result of each aggregate."""

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        held = [batch for batch in batches if batch.num_rows]
        if not held:
            return
        arrays = _columns(held)
        groups = Groups.of(arrays[:keys], len(arrays[0]))
        bounds = groups.starts.tolist()
        made = []
        for part, states in zip(parts, arrays[keys:], strict=True):
            pieces = states.take(pa.array(groups.order)).to_pylist()
            results = [_result(part, pieces[start:stop]) for start, stop in zip(bounds, bounds[1:], strict=False)]
            made.append(_converted(results, part.return_type, timezone))
        yield _batch([key.take(pa.array(groups.first)) for key in arrays[:keys]] + made)

    return run


def results_of_states(
    keys: int, parts: tuple[Finished, ...], timezone: str | None
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """Returns the mapInArrow function that maps the keys and state columns of whole groups to keys and results."""

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            if not batch.num_rows:
                continue
            made, at = batch.columns[:keys], keys
            for part in parts:
                states = _of_shape(part.shape, batch.columns[at : at + part.columns])
                results = states if part.finish is None else list(map(part.finish, states))
                made.append(_converted(results, part.return_type, timezone))
                at += part.columns
            yield _batch(made)

    return run


def _of_shape(shape: Any, columns: list[pa.Array]) -> list[Any]:
    """Returns the state of each group."""
    if isinstance(shape, Leaf):
        column = columns[shape.position]
        return column.to_pylist() if shape.python else list(column.to_numpy(zero_copy_only=False))
    if isinstance(shape, dict):
        parts = zip(*(_of_shape(part, columns) for part in shape.values()), strict=True)
        return [dict(zip(shape, row, strict=True)) for row in parts]
    rows = zip(*(_of_shape(part, columns) for part in shape), strict=True)
    return [type(shape)(row) for row in rows]


def _result(part: Part, pieces: list[bytes]) -> Any:
    loaded = [pickle.loads(piece) for piece in pieces]
    turned = tuple(any(flags) for flags in zip(*(null for null, _ in loaded), strict=True)) if part.turns else ()
    given: list[Given] = [found[turned] for _, found in loaded]
    states = [state for state, left in given if left is None]
    rows = [left for _, left in given if left is not None]
    if rows:
        args = [pd.concat(series, ignore_index=True) for series in zip(*(args for args, _ in rows), strict=True)]
        named = {name: pd.concat([named[name] for _, named in rows], ignore_index=True) for name in rows[0][1]}
        if not states:  # these are all rows of the group
            return part.function(*args, **named)
        states.append(part.state(*args, **named))
    merged = reduce(part.merge, states)
    return merged if part.finish is None else part.finish(merged)


def _converted(results: list[Any], return_type: Any, timezone: str | None) -> pa.Array:
    """Converts the results as PySpark does: one at a time, unless all are floats, whose conversions are independent."""
    from pyspark.sql.conversion import PandasToArrowConversion

    schema = StructType([StructField("_0", return_type)])
    alike = set(map(type, results)) == {float}
    series = [pd.Series(results)] if alike else [pd.Series([result]) for result in results]
    made = [
        PandasToArrowConversion.convert([one], schema, timezone=timezone, safecheck=True, arrow_cast=True).column(0)
        for one in series
    ]
    return pa.concat_arrays(made)


def _columns(held: list[pa.RecordBatch]) -> list[pa.Array]:
    table = pa.Table.from_batches(held)
    return [column.combine_chunks() if column.num_chunks != 1 else column.chunk(0) for column in table.columns]


def _batch(arrays: list[pa.Array]) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays(arrays, [f"_{i}" for i in range(len(arrays))])
