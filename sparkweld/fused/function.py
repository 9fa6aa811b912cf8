"""In a Python worker: the plan of fused functions to what PySpark calls with the Series of a batch.

Functions of one plan are siblings: they take the same columns, and the first one that is called for a batch computes the
results of all. A batch may be several of Spark's, one behind the other. The plan has one pipeline for each set of dtypes that
batches come with. Any other batch, a row that a kernel may not decide, a call that breaks its annotation, and any fault of ours
are the originals' to run, on whole batches of Spark's.
"""


from __future__ import annotations

import pickle
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from operator import is_
from typing import Any

import numpy as np
import pandas as pd

from sparkweld.fused.counts import counts
from sparkweld.fused.payload import in_batches
from sparkweld.ir.ops import Optional
from sparkweld.pipelines import BrokenPromise, Pipeline, Runner, Undecided

#: Loaded plans of a worker process, which serves one task after another: models in them are read once.
_PLANS = 16
#: A pipeline that so many batches, one after the other, had to be run again without is not tried any more in this process.
_MOST_IN_VAIN = 20


@dataclass(frozen=True)
class Column:
    """An input column: the number of the argument that holds it, the field in it (None: all of it), its dtype.

    `text`: strings, None where NULL. `date`: dates of Python, None where NULL; None is none of this form unless it `has_none`.
    `equals`: what it has to be in all rows.
    """

    name: str
    argument: int
    field: str | None
    dtype: str
    text: bool
    date: bool = False
    has_none: bool = False
    equals: int | None = None


@dataclass(frozen=True)
class Form:
    """A pipeline for batches whose columns have these dtypes. `missing`: what a missing text is, for each result.

    `number`: one more result, the same in all rows; None: no such result.
    """

    columns: tuple[Column, ...]
    pipeline: Pipeline
    missing: tuple[Any, ...]
    number: int | None = None


@dataclass(frozen=True)
class Plan:
    """What a payload holds. `names`: of the functions; `block_rows`: None is measured.

    `originals`: a hash of the functions that run where the plan does not decide.
    """

    names: tuple[str, ...]
    forms: tuple[Form, ...]
    block_rows: int | None
    originals: str = ""

    @property
    def name(self) -> str:
        """The functions for people."""
        return " + ".join(self.names)

    @property
    def results(self) -> int:
        """How many there are."""
        return len(self.forms[0].missing) + (self.forms[0].number is not None)


def load(plan: bytes, number: int, make_original: Callable[[], Callable[..., Any]]) -> Callable[..., Any]:
    """The function that PySpark calls for a result of the plan. `make_original` gives the user's function when it is needed."""
    return Function(_loaded(plan), number, make_original)


@lru_cache(maxsize=_PLANS)
def _loaded(plan: bytes) -> Siblings:
    return Siblings(pickle.loads(plan))


@dataclass
class Batch:
    """What is known of a batch, for all siblings. `results`: None where the originals decide; `pieces`: the same for each of
    Spark's batches in it, as far as anyone has asked. `left`: who has not asked yet.
    """

    args: tuple[Any, ...]
    results: list[pd.Series] | None
    left: set[int]
    pieces: list[list[pd.Series] | None] = field(default_factory=list)


class Siblings:
    """The pipelines of one plan in this process, and what they gave for the last batch. `evaluated`: see Runner."""

    def __init__(self, plan: Plan, evaluated: bool = False) -> None:
        self.plan, self.evaluated = plan, evaluated
        self._runners: dict[int, Runner] = {}
        self._warned = False
        self._in_vain = 0
        self._last: Batch | None = None

    def batch(self, number: int, args: tuple[Any, ...]) -> Batch | None:
        """What is known of a batch. Siblings ask for one batch by turns, each of them once.

        None for the number of a form (`Form.number`) when it does not come last: it speaks of results of one run alone.
        """
        last = self._last
        known = last is not None and number in last.left and len(args) == len(last.args) and all(map(is_, args, last.args))
        if self.plan.forms[0].number is not None and number == self.plan.results - 1:
            if last is None or not known or last.left != {number}:
                return None
        if last is None or not known:
            self._last = last = Batch(args, self.tried(args), set(range(self.plan.results)))
        last.left.discard(number)
        if not last.left:
            self._last = None
        return last

    def tried(self, args: tuple[Any, ...]) -> list[pd.Series] | None:
        """What a pipeline gives, None when the originals have to decide. After `_MOST_IN_VAIN` in a row none is tried."""
        if self._in_vain >= _MOST_IN_VAIN:
            return None
        try:
            results = self.run(args)
        except Undecided:
            results = None
        except Exception as error:  # noqa: BLE001 - a fault of ours, or a broken promise: the originals decide
            self._warn(error)
            results = None
        self._in_vain = 0 if results is not None else self._in_vain + 1
        return results

    def run(self, args: tuple[Any, ...]) -> list[pd.Series] | None:
        """The results, None for a batch of other dtypes or without rows. Raises Undecided and BrokenPromise."""
        for number, form in enumerate(self.plan.forms):
            columns = _columns_of(form.columns, args)
            if columns is None:
                continue
            if not len(args[0]):
                return None
            runner = self.runner(number)
            before = replace(runner.metrics)
            try:
                made = runner.run(columns, len(args[0]))
            finally:
                counts.kernel_seconds += runner.metrics.kernel_seconds - before.kernel_seconds
                counts.call_seconds += runner.metrics.call_seconds - before.call_seconds
            results = [_series(made[result_name(i)], missing) for i, missing in enumerate(form.missing)]
            if form.number is not None:
                results.append(pd.Series(np.full(len(args[0]), form.number, np.int8)))
            return results
        return None

    def runner(self, form: int) -> Runner:
        """What runs the pipeline of a form, whose kernels are made when the first batch of its dtypes comes."""
        if form not in self._runners:
            self._runners[form] = Runner(self.plan.forms[form].pipeline, 1, self.plan.block_rows, evaluated=self.evaluated)
        return self._runners[form]

    def _warn(self, error: Exception) -> None:
        if not self._warned:
            self._warned = True
            what = (
                "a call breaks its annotation" if isinstance(error, BrokenPromise) else f"INTERNAL_ERROR {type(error).__name__}"
            )
            print(f"SparkWeld: {self.plan.name} runs as it is: {what}: {error}", file=sys.stderr)


class Function:
    """One of the siblings, as PySpark calls it: all of them with the same arguments, the columns of all."""

    def __init__(self, siblings: Siblings, number: int, make_original: Callable[[], Callable[..., Any]]) -> None:
        self.siblings, self.number, self.make_original = siblings, number, make_original
        self._original: Callable[..., Any] | None = None

    def __call__(self, *args: Any, sparkweld_starts: pd.Series | None = None) -> Any:
        """The result of a batch of Spark's, or of several: `sparkweld_starts` is then True in the first row of each."""
        batch = self.siblings.batch(self.number, args)
        if batch is not None and batch.results is not None:
            return batch.results[self.number]
        if batch is None or sparkweld_starts is None or sparkweld_starts.sum() == 1:
            return self._by_original(*args)
        at = iter(range(len(args[0])))

        def piece(*cut: Any) -> Any:
            number = next(at)
            if number == len(batch.pieces):
                batch.pieces.append(self.siblings.tried(cut))
            results = batch.pieces[number]
            return self._by_original(*cut) if results is None else results[self.number]

        return in_batches(piece, sparkweld_starts, args)

    def _by_original(self, *args: Any) -> Any:
        counts.original_rows += len(args[0])
        return self.original(*args)

    @property
    def original(self) -> Callable[..., Any]:
        """The user's function, which picks its own of the arguments."""
        if self._original is None:
            self._original = self.make_original()
        return self._original


def result_name(number: int) -> str:
    """The pipeline's output that is this result."""
    return f"result{number}"


def _columns_of(columns: tuple[Column, ...], args: tuple[Any, ...]) -> dict[str, Any] | None:
    """The columns' data in this batch, None when one has another dtype."""
    found: dict[str, Any] = {}
    for column in columns:
        given = args[column.argument]
        series = given if column.field is None else given[column.field]
        if str(series.dtype) != column.dtype:
            return None
        values = series.to_numpy()
        if column.equals is not None:
            if not (values == column.equals).all():
                return None
            continue
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
    """Texts, "" where there is none. Mostly there are all: to see that takes a quarter of what a look at each takes."""
    if pd.api.types.infer_dtype(values, skipna=False) == "string":
        return Optional(values, np.ones(len(values), np.bool_))
    absent = pd.isna(values)
    return Optional(np.where(absent, "", values), ~absent)


def _series(column: Any, missing: Any) -> pd.Series:
    if isinstance(column, Optional):
        values = column.values.astype(object)
        values[~column.valid] = missing
        column = values
    return pd.Series(column, copy=False)
