"""Runs a plan of fused functions in a Python worker, behind the functions that PySpark calls with Series or Arrow arrays.

The functions of one plan are siblings: they take the same columns, and the first one called for a batch computes all results. A
batch of arrays may concatenate several of Spark's batches. The plan has one pipeline per set of pandas dtypes. In all other cases
the original functions run on whole Spark batches. These cases are other dtypes, a row that a kernel cannot decide, a call that
breaks its annotation, and internal errors.
"""


from __future__ import annotations

import pickle
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from sparkweld.ir.arrow import array_of
from sparkweld.ir.ops import Optional
from sparkweld.ir.types import STR, Type
from sparkweld.pipelines import BrokenPromise, Pipeline, Runner, Undecided
from sparkweld.pipelines.results import concat
from sparkweld.pipelines.stages import Block, in_arrow, take
from sparkweld.worker.arrow import Repeats, array_of_numbers, in_arrow_batches, numbers_of, same
from sparkweld.worker.counts import counts

#: The maximum number of plans cached in a worker process, which serves many tasks: their models are unpickled once.
_PLANS = 16
#: The conversions of PySpark: from Arrow arrays to Series (None: functions take arrays), and from a function's result and its
#: required number of rows to an array.
Conversions = tuple[Callable[[Sequence[Any]], Sequence[Any]] | None, Callable[[Any, int], Any]]
#: Strings are converted this many rows at a time, so that they and the results stay in the L2 cache.
_PIECE = 1 << 12
#: After this number of consecutive undecided batches, the process stops trying the pipeline.
_MOST_IN_VAIN = 20


@dataclass(frozen=True)
class Column:
    """An input column: the number of the argument that holds it, its field (None: the whole argument), its dtype.

    `text`: strings, None where NULL. `date`: Python dates, None where NULL. `has_none`: a date column of this form has a None,
    else it has none. `arrow`: an Arrow array, whose type is named `dtype`.
    """

    name: str
    argument: int
    field: str | None
    dtype: str
    text: bool
    date: bool = False
    has_none: bool = False
    arrow: bool = False


@dataclass(frozen=True)
class Form:
    """A pipeline for batches whose columns have these dtypes. `missing`: for each result, the value of a missing string."""

    columns: tuple[Column, ...]
    pipeline: Pipeline
    missing: tuple[Any, ...]

    @property
    def of_text(self) -> bool:
        """Whether each row's results depend on one string alone: calls keep no state, and no row is filtered out."""
        texts = [column.text for column in self.columns]
        return texts == [True] and all(domain is self.pipeline.root for domain in self.pipeline.domains.values())


@dataclass(frozen=True)
class Result:
    """A pipeline's output column; strings of a batch of arrays are an array. `missing`: the function's own value for NULL.
    `rows`: for each row of the batch, its index in the column; None: the rows in order. `type`: the column's type.
    """

    column: Any
    missing: Any = None
    rows: pa.Array | None = None
    type: Type | None = None

    def series(self) -> pd.Series:
        """Returns the column as the original function would return it as a Series. Ignores `rows`."""
        column = self.column
        if isinstance(column, pa.Array):
            column = column.to_numpy(zero_copy_only=False)
        if isinstance(column, Optional):
            values = column.values.astype(object)
            values[~column.valid] = self.missing
            column = values
        return pd.Series(column, copy=False)

    def array(self) -> pa.Array:
        """Returns the result as the original function of Arrow arrays would."""
        assert self.type is not None
        array = array_of(self.column, self.type)
        return array if self.rows is None else array.take(self.rows)


@dataclass(frozen=True)
class Plan:
    """The content of a payload. `names`: of the functions; `block_rows`: None is measured.

    `originals`: a hash of the functions that run where the plan does not decide. `arrow`: the functions take Arrow arrays.
    """

    names: tuple[str, ...]
    forms: tuple[Form, ...]
    block_rows: int | None
    originals: str = ""
    arrow: bool = False

    @property
    def name(self) -> str:
        """Returns the functions' names for messages."""
        return " + ".join(self.names)


def load(
    plan: bytes, number: int, make_original: Callable[[], Callable[..., Any]], conversions: Conversions, returns: str | None
) -> Callable[..., Any]:
    """Returns the function that PySpark calls for a result of the plan.

    `make_original` returns the user's function on demand; it takes arrays where this one does. `returns`: the pandas dtype of the
    return type's values in Spark, None where no dtype has it.
    """
    siblings = _loaded(plan)
    siblings.repeats.again()
    return Function(siblings, number, make_original, conversions, returns)


@lru_cache(maxsize=_PLANS)
def _loaded(plan: bytes) -> Siblings:
    return Siblings(pickle.loads(plan))


@dataclass
class Batch:
    """The state of a batch, shared by all siblings. `results`: None where the originals decide. `pieces`: the results for each of
    Spark's batches in it, computed on demand. `left`: the siblings that have not asked yet.
    """

    args: tuple[Any, ...]
    results: list[Result] | None
    left: set[int]
    pieces: list[list[Result] | None] = field(default_factory=list)


class Siblings:
    """The pipelines of one plan in this process and their results for the last batch. `evaluated`: see Runner."""

    def __init__(self, plan: Plan, evaluated: bool = False) -> None:
        self.plan, self.evaluated, self.repeats = plan, evaluated, Repeats()
        self._runners: dict[tuple[int, bool], Runner] = {}
        self._warned = False
        self._in_vain = 0
        self._last: Batch | None = None

    def batch(self, number: int, args: tuple[Any, ...], series_of: Any = None) -> Batch:
        """Returns the state of a batch. Siblings ask for the same batch one after another, each of them once."""
        last = self._last
        if last is None or number not in last.left or not same(args, last.args):
            self._last = last = Batch(args, self.tried(args, series_of), set(range(len(self.plan.names))))
        last.left.discard(number)
        if not last.left:
            self._last = None
        return last

    def tried(self, args: tuple[Any, ...], series_of: Any = None) -> list[Result] | None:
        """Returns a pipeline's results; None when the originals decide. After `_MOST_IN_VAIN` failures in a row none is tried."""
        if self._in_vain >= _MOST_IN_VAIN:
            return None
        try:
            results = self.run(args, series_of)
        except Undecided:
            results = None
        except Exception as error:  # noqa: BLE001 - an internal error, or a broken annotation: the originals decide
            self._warn(error)
            results = None
        self._in_vain = 0 if results is not None else self._in_vain + 1
        return results

    def run(self, args: tuple[Any, ...], series_of: Any = None) -> list[Result] | None:
        """Returns the results; None for a batch of other dtypes or without rows.

        `series_of`: see Conversions; None: the arguments are Series.

        Raises Undecided and BrokenPromise.
        """
        for number, form in enumerate(self.plan.forms):
            columns, rows, places = _columns_of(form.columns, args, series_of), len(args[0]), None
            if columns is None:
                continue
            if not rows:
                return None
            if form.of_text:
                columns, rows, places = self._without_repeats(columns, rows)
                counts.repeated_rows += len(args[0]) - rows
            made = self._in_pieces(number, columns, rows, series_of is not None)
            results = []
            for name, missing in zip(map(result_name, range(len(form.missing))), form.missing, strict=True):
                results.append(Result(made[name], missing, places, form.pipeline.types.get(form.pipeline.outputs[name])))
            return results
        return None

    def _without_repeats(self, columns: Block, rows: int) -> tuple[Block, int, pa.Array | None]:
        """Returns the column's distinct strings, their number and each row's index; else the column, its rows and None."""
        ((name, column),) = columns.items()
        found = self.repeats.of(column) if isinstance(column, pa.StringArray) else None
        return (columns, rows, None) if found is None else ({name: found.dictionary}, len(found.dictionary), found.indices)

    def _in_pieces(self, number: int, columns: Block, rows: int, of_arrays: bool) -> Block:
        """Runs a pipeline. In a batch of arrays, Arrow strings are converted to Python and back in chunks of `_PIECE` rows."""
        if not of_arrays:
            return self._made(number, columns, rows)
        pipeline = self.plan.forms[number].pipeline
        types = {name: pipeline.types.get(column) for name, column in pipeline.outputs.items()}
        texts = {name for name, type in types.items() if type is not None and type.plain() == STR}
        has_texts = texts or any(isinstance(column, pa.Array) for column in columns.values())
        size = _PIECE if has_texts and not self.plan.block_rows else rows
        pieces: dict[str, list[Any]] = {}
        for start in range(0, rows, size):
            stop = min(start + size, rows)
            piece = {name: take(column, slice(start, stop)) for name, column in columns.items()}
            for name, column in self._made(number, piece, stop - start, of_arrays).items():
                pieces.setdefault(name, []).append(in_arrow(column, STR) if name in texts else column)
        return {name: pa.concat_arrays(some) if name in texts else concat(some) for name, some in pieces.items()}

    def _made(self, number: int, columns: Block, rows: int, of_arrays: bool = False) -> Block:
        runner = self.runner(number, of_arrays)
        before = replace(runner.metrics)
        try:
            return runner.run(columns, rows)
        finally:
            counts.kernel_seconds += runner.metrics.kernel_seconds - before.kernel_seconds
            counts.call_seconds += runner.metrics.call_seconds - before.call_seconds

    def runner(self, form: int, of_arrays: bool = False) -> Runner:
        """Returns the runner of a form's pipeline, whose kernels are compiled at the first batch of its dtypes."""
        key = form, of_arrays
        if key not in self._runners:
            pipeline = self.plan.forms[form].pipeline
            made = replace(pipeline, arrow=pipeline.arrow or of_arrays)
            self._runners[key] = Runner(made, 1, self.plan.block_rows, evaluated=self.evaluated)
        return self._runners[key]

    def _warn(self, error: Exception) -> None:
        if not self._warned:
            self._warned = True
            what = (
                "a call breaks its annotation" if isinstance(error, BrokenPromise) else f"INTERNAL_ERROR {type(error).__name__}"
            )
            print(f"SparkWeld: {self.plan.name} runs in its original form: {what}: {error}", file=sys.stderr)


class Function:
    """One of the siblings, as PySpark calls it. All siblings receive the same arguments, the columns of all of them."""

    def __init__(
        self,
        siblings: Siblings,
        number: int,
        make_original: Callable[[], Callable[..., Any]],
        conversions: Conversions,
        returns: str | None,
    ) -> None:
        self.siblings, self.number, self.make_original = siblings, number, make_original
        (self.series_of, self.array_of), self.returns = conversions, returns
        self._original: Callable[..., Any] | None = None

    def __call__(self, *args: Any, sparkweld_starts: pa.BooleanArray | None = None) -> Any:
        """Returns the result of a batch of Series or arrays. With `sparkweld_starts`, the arrays concatenate Spark's batches, and
        it is true in the first row of each.
        """
        if sparkweld_starts is not None:
            return self._of_arrays(args, sparkweld_starts)
        batch = self.siblings.batch(self.number, args)
        if batch.results is None:
            return self._by_original(*args)
        result = batch.results[self.number]
        return result.array() if self.siblings.plan.arrow else result.series()

    def _of_arrays(self, args: tuple[Any, ...], starts: pa.BooleanArray) -> pa.Array:
        batch = self.siblings.batch(self.number, args, self.series_of)
        if batch.results is not None:
            return self._array(batch.results[self.number])
        if starts.true_count <= 1:
            return self._by_original(*args, sparkweld_starts=starts)
        at = iter(range(len(starts)))

        def piece(*cut: Any) -> Any:
            number = next(at)
            if number == len(batch.pieces):
                batch.pieces.append(self.siblings.tried(cut, self.series_of))
            results = batch.pieces[number]
            if results is None:
                return self._by_original(*cut, sparkweld_starts=pa.array(np.arange(len(cut[0])) == 0))
            return self._array(results[self.number])

        return in_arrow_batches(piece, starts, args)

    def _array(self, result: Result) -> pa.Array:
        if self.siblings.plan.arrow:
            array = result.array()
            return self.array_of(array, len(array))
        array, is_text = result.column, self.returns == "object"
        if isinstance(array, np.ndarray) and array.dtype.name == self.returns and not is_text:
            array = array_of_numbers(array)
        elif not isinstance(array, pa.Array) or not is_text:
            array = self.array_of(result.series(), len(_values(array)))
        return array if result.rows is None else array.take(result.rows)

    def _by_original(self, *args: Any, **kwargs: Any) -> Any:
        counts.original_rows += len(args[0])
        return self.original(*args, **kwargs)

    @property
    def original(self) -> Callable[..., Any]:
        """Returns the user's function, which selects its own arguments."""
        if self._original is None:
            self._original = self.make_original()
        return self._original


def result_name(number: int) -> str:
    """Returns the name of the pipeline's output for this result."""
    return f"result{number}"


def _columns_of(columns: tuple[Column, ...], args: tuple[Any, ...], series_of: Any) -> Block | None:
    """Returns the columns' data in this batch, with arrays of strings unconverted; None when a column has another dtype.

    `series_of`: see Siblings.run.
    """
    found: Block = {}
    for column in columns:
        given = args[column.argument]
        if column.arrow:
            array = given if column.field is None else given.field(column.field)
            if str(array.type) != column.dtype:
                return None
            found[column.name] = array
            continue
        if column.text and isinstance(given, pa.StringArray):
            found[column.name] = given
            continue
        values: Any = numbers_of(given) if isinstance(given, pa.Array) else None
        if values is None:
            given = given if series_of is None else series_of([given])[0]
            series = given if column.field is None else given[column.field]
            if str(series.dtype) != column.dtype:
                return None
            values = series.to_numpy()
        elif values.dtype.name != column.dtype:
            return None
        if column.date:
            days = values.astype("datetime64[D]")
            absent = np.isnat(days)
            if absent.any() != column.has_none:
                return None
            values = days.view(np.int64).astype(np.int32)
            values = Optional(np.where(absent, 0, values), ~absent) if column.has_none else values
        if column.text:
            values = _texts(values)
        found[column.name] = values
    return found


def _texts(values: np.ndarray) -> Optional:
    """Returns strings, "" where missing. Inferring that none is missing takes a quarter of the time of a check for each row."""
    if pd.api.types.infer_dtype(values, skipna=False) == "string":
        return Optional(values, np.ones(len(values), np.bool_))
    absent = pd.isna(values)
    return Optional(np.where(absent, "", values), ~absent)


def _values(column: Any) -> Any:
    return column.values if isinstance(column, Optional) else column
