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
from dataclasses import dataclass, replace
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

    `text`: strings, None where NULL.
    """

    name: str
    argument: int
    field: str | None
    dtype: str
    text: bool


@dataclass(frozen=True)
class Form:
    """A pipeline for batches whose columns have these dtypes. `missing`: what a missing text is, for each result."""

    columns: tuple[Column, ...]
    pipeline: Pipeline
    missing: tuple[Any, ...]


@dataclass(frozen=True)
class Plan:
    """What a payload holds. `names`: of the functions, one for each result; `block_rows`: None is measured.

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


def load(plan: bytes, number: int, make_original: Callable[[], Callable[..., Any]]) -> Callable[..., Any]:
    """The function that PySpark calls for a result of the plan. `make_original` gives the user's function when it is needed."""
    return Function(_loaded(plan), number, make_original)


@lru_cache(maxsize=_PLANS)
def _loaded(plan: bytes) -> Siblings:
    return Siblings(pickle.loads(plan))


class Siblings:
    """The pipelines of one plan in this process, and what they gave for the last batch. `evaluated`: see Runner."""

    def __init__(self, plan: Plan, evaluated: bool = False) -> None:
        self.plan, self.evaluated = plan, evaluated
        self._runners: dict[int, Runner] = {}
        self._warned = False
        self._in_vain = 0
        self._last: tuple[tuple[Any, ...], list[pd.Series] | None, set[int]] | None = None

    def result(self, number: int, args: tuple[Any, ...]) -> pd.Series | None:
        """A result for a batch, None when the original has to decide. Siblings ask for one batch by turns, each of them once."""
        last = self._last
        known = last is not None and number in last[2] and len(args) == len(last[0]) and all(map(is_, args, last[0]))
        if not known:
            self._last = last = args, self._tried(args), set(range(len(self.plan.names)))
        assert last is not None
        last[2].discard(number)
        if not last[2]:
            self._last = None
        return None if last[1] is None else last[1][number]

    def _tried(self, args: tuple[Any, ...]) -> list[pd.Series] | None:
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
            return [_series(made[result_name(i)], missing) for i, missing in enumerate(form.missing)]
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
        result = self.siblings.result(self.number, args)
        if result is not None:
            return result
        if sparkweld_starts is None or sparkweld_starts.sum() == 1:
            return self._by_original(*args)
        return in_batches(self._one, sparkweld_starts, args)

    def _one(self, *args: Any) -> Any:
        result = self.siblings.result(self.number, args)
        return self._by_original(*args) if result is None else result

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
