"""Runs a traced function and its original on a small synthetic batch, and refuses the function when they disagree.

The tables of calls are written from the sources of certain NumPy and pandas versions; this probe catches their errors. The
original runs once, with real pandas, on extreme and ordinary values, and its result must equal the loop's, bit for bit. It
has passed the purity check, so it may run. Rows that a guard flags are excluded, so it must not raise.
"""

from __future__ import annotations

import datetime
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from sparkweld.ir import ROWS, Input, LoopBuilder, Program, Type, Value, evaluate
from sparkweld.ir.ops import Array, Cast, IsIn, Lookup, Optional, Read, ValueOf
from sparkweld.ir.ops.lists import array_of
from sparkweld.ir.ops.regions import hurried
from sparkweld.ir.program import Append, Loop
from sparkweld.reasons import refusal
from udf_compiler.frontends.arrow import ARROW_TYPES, TracedArrow, TracedBatch, TracedStructArray
from udf_compiler.frontends.pandas import datetimes, masked
from udf_compiler.frontends.pandas.apply.results import ListSeries, RowSeries
from udf_compiler.frontends.pandas.array import TracedArray
from udf_compiler.frontends.pandas.dates import DATES
from udf_compiler.frontends.pandas.decimal_series import DecimalObjects
from udf_compiler.frontends.pandas.frame import TracedFrame
from udf_compiler.frontends.pandas.kind import ARRAY_OBJECTS, BOOL_OBJECTS, CATEGORIES, UNSIGNED
from udf_compiler.frontends.pandas.microseconds import is_coarse
from udf_compiler.frontends.pandas.series import TracedSeries
from udf_compiler.frontends.pandas.string_dtype import STRING_DTYPE
from udf_compiler.frontends.pandas.strings import STRINGS
from udf_compiler.probing.constants import constants_of
from udf_compiler.probing.differences import Tolerance, difference_of
from udf_compiler.probing.rows import EPOCH, EXTREME_ROWS, ROW_COUNT, column_of, constant_rows, ordinary, with_constants

#: Larger loops are not probed: their evaluation takes more than about ten milliseconds.
NODE_LIMIT = 3_000

#: Rows that need more loop iterations are flagged.
_STEPS = 2000

_PLAUSIBLE_ROWS = 32


def probe(
    function: Callable[..., Any],
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    result: Any,
    loop: LoopBuilder,
    place: str,
    tolerance: Tolerance = Tolerance.BITS,
) -> None:
    """Refuses (SW233) when ``function(*args, **kwargs)`` differs from `result` as `loop` computes it on the unflagged rows.

    `args` and `kwargs` are the traced arguments. From `Tolerance.SUMS` on, the loop adds in another order than the function (dot
    products). The synthetic rows then avoid the function's constants: a rounding error there could decide a comparison either
    way. Does nothing when every row is flagged, for loops of more than NODE_LIMIT values, and for a result that cannot become a
    column.
    """
    known = TracedSeries | TracedArray | TracedFrame | TracedArrow | TracedBatch | TracedStructArray
    if len(loop.body) > NODE_LIMIT or not isinstance(result, known):
        return
    with np.errstate(all="ignore"), warnings.catch_warnings(), in_this_process():
        warnings.simplefilter("ignore")
        traced = [*args, *kwargs.values(), result]
        rounded = tolerance >= Tolerance.SUMS
        constants = () if rounded else constants_of(function)
        computed = Computed(loop, traced, rounded, constants)
        if computed.rows == 0:  # in a model of many columns, one extreme value flags a row
            computed = Computed(loop, traced, rounded, constants, plausible=True)
        if computed.rows == 0:
            return
        positional = [computed.real(a) for a in args]
        named = {name: computed.real(a) for name, a in kwargs.items()}
        try:
            given = function(*positional, **named)
        except FloatingPointError:  # pandas rounds uninitialized memory where a number of to_datetime is NaN
            return
        except Exception as error:  # noqa: BLE001 - whatever user code raises: no guard announced it
            raise refusal("SW233", place, what=f"the function raises {type(error).__name__}: {error}") from None
        difference = difference_of(comparable(given, result), computed.result(result), tolerance)
    if difference is not None:
        raise refusal("SW233", place, what=difference)


def comparable(given: Any, traced: Any) -> Any:
    """Returns a frame with columns of float64 where the traced one's dtype depends on the batch, and without columns of lists."""
    if not isinstance(traced, TracedFrame) or not isinstance(given, pd.DataFrame):
        return given
    kinds = {name: type(s) for name, s in traced.series.items() if name in given.columns}
    floats = {name: np.float64 for name, kind in kinds.items() if kind is RowSeries}
    lists = [name for name, kind in kinds.items() if kind is ListSeries]
    return given.drop(columns=lists).astype(floats) if floats or lists else given


def in_this_process() -> AbstractContextManager[Any]:
    """Makes models with `n_jobs` start no workers inside the block."""
    joblib = sys.modules.get("joblib")
    return nullcontext() if joblib is None else joblib.parallel_config(backend="sequential")


def program_of(loop: LoopBuilder, outputs: Mapping[str, int]) -> Program:
    """Returns the loop so far as a program with these values as outputs; rows in which a region iterates long are flagged."""
    inputs = {let.op.column: Input(let.op.column, let.op.type) for let in loop.body if isinstance(let.op, Read)}
    appends = tuple(Append(name, value) for name, value in outputs.items())
    alone = short(Loop(loop.name, ROWS, tuple(loop.body), appends, tuple(loop.guards), some=tuple(loop.some)))
    return Program(loop.name, tuple(inputs.values()), (alone,), tuple(outputs))


def short(loop: Loop) -> Loop:
    """Returns the loop with regions that end without results after `_STEPS` iterations: else, a `while` loop may not end."""
    return replace(loop, body=hurried(loop.body, _STEPS))


class Computed:
    """The values of traced objects on the probe's unflagged rows, from evaluation of the loop so far.

    `constants`: the function's constants. `plausible`: adds rows with small values and without NULL. Such rows are also
    added where the loop has tables, with values from these.
    """

    def __init__(
        self, loop: LoopBuilder, traced: Sequence[Any], rounded: bool, constants: Sequence[Any], plausible: bool = False
    ) -> None:
        values = {value.id for x in traced for value in values_in(x)} | {id for pair in loop.some for id in pair}
        if loop.where is not None:
            values.add(loop.where.id)
        program = program_of(loop, {f"v{id}": id for id in sorted(values)})
        inputs = list(enumerate(program.inputs))
        columns = {i.name: with_constants(column_of(i.type, at), i.type, at, constants) for at, i in inputs}
        tables = _tables(loop)
        if plausible or tables:
            columns = {i.name: _followed(columns[i.name], i.type, at, tables.get(i.name)) for at, i in inputs}
        rows = ROW_COUNT + constant_rows(constants) + (_PLAUSIBLE_ROWS if plausible or tables else 0)
        result = evaluate(program, columns, rows)
        keep = ~result.flagged
        keep[:EXTREME_ROWS] &= not rounded
        self._arrays = {id: _rows(result.columns[f"v{id}"], keep) for id in values}
        # the remaining rows, too, must include one that satisfies each condition on some row of a batch
        met = all(np.any(self._arrays[a] & self._arrays[w]) for a, w in loop.some)  # type: ignore[operator]
        self.rows = int(np.count_nonzero(keep)) if met else 0

    def real(self, x: Any) -> Any:
        """Returns the pandas or NumPy object that a traced one represents."""
        if isinstance(x, TracedFrame):
            known = {name: self.real(s) for name, s in x.series.items() if type(s) is not ListSeries}
            return pd.DataFrame(known, index=range(self.rows))
        if type(x) is RowSeries:
            values, valid = _parts(self._arrays[x.value.id])
            return pd.Series(np.where(valid, values, np.nan), dtype=np.float64)
        if isinstance(x, TracedSeries):
            return self._series(x)
        if isinstance(x, TracedArrow):
            return self._arrow(x)
        if isinstance(x, TracedBatch):
            return pa.RecordBatch.from_arrays([self._arrow(a) for _, a in x.fields], [name for name, _ in x.fields])
        if isinstance(x, TracedStructArray):
            return pa.StructArray.from_arrays([self._arrow(a) for _, a in x.fields], [name for name, _ in x.fields])
        if x.ndim == 1:
            return np.array(self._arrays[x.value.id])
        return np.array(np.column_stack([self._arrays[v.id] for v in x.columns]), order=x.order or "C")

    def result(self, x: Any) -> Any:
        """Returns the object that a traced result represents, restricted to the rows of its loop."""
        where = x.loop.where
        if where is None:
            return self.real(x)
        mask = np.broadcast_to(self._arrays[where.id], self.rows)
        return self.real(x).filter(pa.array(mask)) if isinstance(x, TracedBatch) else self.real(x)[mask]

    def _arrow(self, x: TracedArrow) -> pa.Array:
        null = None if x.valid is None else ~np.broadcast_to(self._arrays[x.valid.id], self.rows)
        values = np.broadcast_to(np.asarray(self._arrays[x.value.id]), self.rows)
        if x.value.type.is_list:
            return pa.array([items.values for items in values], pa.list_(ARROW_TYPES[x.value.type.element]), mask=null)
        return pa.array(values, mask=null).cast(ARROW_TYPES[x.value.type])

    def _series(self, x: TracedSeries) -> pd.Series:
        array = self._arrays[x.value.id]
        if x.kind is CATEGORIES:
            raise refusal("SW251", call="a result of categories")
        if x.kind is BOOL_OBJECTS:
            return pd.Series([bool(v) if ok else None for v, ok in zip(*_parts(array), strict=True)], dtype=object)
        if isinstance(x.kind, DecimalObjects):
            return pd.Series(_decimals(array, x.kind.scale), dtype=object)
        if x.kind is DATES:
            return pd.Series(_dates(array), dtype=object)
        if x.kind is ARRAY_OBJECTS:
            return _arrays_series(array)
        if x.kind is STRINGS:
            return pd.Series(_texts(array, np.nan if x.missing.nan and not x.missing.none else None), dtype=object)
        if x.kind is STRING_DTYPE:
            return pd.Series(_texts(array, None), dtype="string")
        if is_coarse(x):
            return _missing_series(array, x.kind.exact).astype(x.kind.numpy_dtype)  # type: ignore[attr-defined]
        if x.kind in masked.KINDS:
            return _masked_series(array)
        if x.kind is UNSIGNED or datetimes.is_time(x):
            return _missing_series(array, x.kind)
        dtype = x.batch_dependent
        dense = dtype is None or bool(np.all(self._arrays[dtype.plain.id]))  # type: ignore[arg-type]
        if dtype is not None and x.value.type.kind == "f64":
            return pd.Series(np.array(array, np.int64 if dense else np.float64))
        if dtype is None or dense:
            narrow = None if dtype is None else dtype.narrow
            return pd.Series(np.array(array, None if narrow is None else narrow.dtype))
        valid = self._arrays[dtype.valid.id] if dtype.valid is not None else np.ones(self.rows, np.bool_)
        elements = [v if ok else None for v, ok in zip(np.asarray(array).tolist(), valid, strict=True)]
        is_object = x.value.type.kind == "bool" or not np.any(valid)  # type: ignore[arg-type]
        return pd.Series(elements, dtype=object if is_object else np.float64)


def _parts(array: Array) -> tuple[np.ndarray, np.ndarray]:
    """Returns the values, and where they are not NULL."""
    if isinstance(array, Optional):
        return array.values, array.valid
    return array, np.ones(len(array), np.bool_)


def values_in(x: Any) -> Iterator[Value]:
    if isinstance(x, TracedFrame):
        yield from (value for s in x.series.values() for value in values_in(s))
    elif isinstance(x, RowSeries):
        yield x.value
    elif isinstance(x, TracedSeries):
        yield x.value
        dtype = x.batch_dependent
        if dtype is not None:
            yield dtype.plain
            yield from () if dtype.valid is None else (dtype.valid,)
    elif isinstance(x, TracedBatch | TracedStructArray):
        for _, array in x.fields:
            yield from values_in(array)
    elif isinstance(x, TracedArrow):
        yield x.value
        if x.valid is not None:
            yield x.valid
    else:
        yield from x.columns


def _rows(array: Array, keep: np.ndarray) -> Array:
    if isinstance(array, Optional):
        return Optional(array.values[keep], array.valid[keep])
    return array[keep]


def _masked_series(array: Array) -> pd.Series:
    """Returns a Series of pandas' nullable integers or booleans."""
    values, valid = _parts(array)
    made = pd.arrays.BooleanArray if values.dtype == np.bool_ else pd.arrays.IntegerArray
    return pd.Series(made(np.array(values), ~np.asarray(valid, np.bool_)))


def _missing_series(array: Array, kind: Any) -> pd.Series:
    """Returns a Series of datetimes, timedeltas or UInt32 from these values, missing where NULL."""
    values, valid = array if isinstance(array, Optional) else (array, np.ones(len(array), np.bool_))
    if kind is UNSIGNED:
        return pd.Series(pd.arrays.IntegerArray(values.astype(np.uint32), ~valid))
    return pd.Series(np.where(valid, values, np.iinfo(np.int64).min).view(kind.numpy_dtype))


def _arrays_series(array: Array) -> pd.Series:
    """Returns a Series of arrays, None where NULL."""
    lists, valid = array if isinstance(array, Optional) else (array, np.ones(len(array), np.bool_))
    made = [array_of(items, Type(items.kind)) if ok else None for items, ok in zip(lists.tolist(), valid, strict=True)]
    objects = np.empty(len(made), object)
    for at, row in enumerate(made):
        objects[at] = row
    return pd.Series(objects)


def _decimals(array: Array, scale: int) -> list[Decimal | None]:
    return [Decimal(int(v)).scaleb(-scale) if ok else None for v, ok in zip(*_parts(array), strict=True)]


def _dates(array: Array) -> list[datetime.date | None]:
    days, valid = array if isinstance(array, Optional) else (array, np.ones(len(array), np.bool_))
    return [datetime.date.fromordinal(int(d) + EPOCH) if v else None for d, v in zip(days, valid, strict=True)]


def _texts(array: Array, missing: Any) -> list[Any]:
    values, valid = array if isinstance(array, Optional) else (array, np.ones(len(array), np.bool_))
    return [v if ok else missing for v, ok in zip(values.tolist(), valid, strict=True)]


def _tables(loop: LoopBuilder) -> dict[str, np.ndarray]:
    """Returns column -> the keys of the tables in which its own values are looked up."""
    origins: dict[int, str] = {}
    found: dict[str, list[np.ndarray]] = {}
    for at, let in enumerate(loop.body):
        if isinstance(let.op, Read):
            origins[at] = let.op.column
        elif isinstance(let.op, ValueOf | Cast) and let.args[0] in origins:
            origins[at] = origins[let.args[0]]
        elif isinstance(let.op, IsIn | Lookup) and let.args[0] in origins:
            keys = let.op.table[0] if isinstance(let.op, Lookup) else let.op.table
            found.setdefault(origins[let.args[0]], []).append(keys)
    return {name: keys for name, parts in found.items() if len(keys := np.concatenate(parts))}


def _followed(column: Array, type: Type, at: int, keys: np.ndarray | None) -> Array:
    """Returns the column followed by plausible rows: no NULL, keys of its tables, else small values."""
    rng = np.random.default_rng((ROW_COUNT, at))
    if keys is not None and (type.kind == "str") == (keys.dtype == object):
        more = rng.choice(keys, _PLAUSIBLE_ROWS)
    elif type.is_float:
        more = rng.normal(size=_PLAUSIBLE_ROWS)
    else:
        more = rng.integers(0, 10, _PLAUSIBLE_ROWS) if type.is_int else ordinary(type, rng)
    with np.errstate(all="ignore"):
        more = more.astype(type.dtype)
    if not isinstance(column, Optional):
        return np.concatenate([column, more])
    valid = np.concatenate([column.valid, np.ones(_PLAUSIBLE_ROWS, np.bool_)])
    return Optional(np.concatenate([column.values, more]), valid)
