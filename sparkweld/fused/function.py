"""In a Python worker: the plan of a fused function to what PySpark calls with the Series of a batch.

A batch may be several of Spark's, one behind the other. The plan has one pipeline for each set of dtypes that batches come with.
Any other batch, a row that a kernel may not decide, a call that breaks its annotation, and any fault of ours are the original's
to run, on whole batches of Spark's.
"""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from sparkweld.fused.payload import in_batches
from sparkweld.ir.ops import Optional
from sparkweld.pipelines import BrokenPromise, Pipeline, Runner, Undecided

#: Loaded plans of a worker process, which serves one task after another: models in them are read once.
_PLANS = 16
#: A pipeline that so many batches, one after the other, had to be run again without is not tried any more in this process.
_MOST_IN_VAIN = 20


@dataclass(frozen=True)
class Column:
    """An input column: the argument (a position or a name) that holds it, the field in it (None: all of it), its dtype.

    `text`: strings, None where NULL.
    """

    name: str
    argument: int | str
    field: str | None
    dtype: str
    text: bool


@dataclass(frozen=True)
class Form:
    """A pipeline for batches whose columns have these dtypes. `missing`: what a missing text of the result is."""

    columns: tuple[Column, ...]
    pipeline: Pipeline
    missing: Any


@dataclass(frozen=True)
class Plan:
    """What a payload holds. `block_rows`: None is measured."""

    name: str
    forms: tuple[Form, ...]
    block_rows: int | None


def load(plan: bytes, originals: tuple[bytes, ...], chain: Callable[[tuple[bytes, ...]], Any]) -> Callable[..., Any]:
    """The function that PySpark calls. `chain` makes the original of its commands."""
    function = _loaded(plan, originals)
    function.make_original = lambda: chain(originals)
    return function


@lru_cache(maxsize=_PLANS)
def _loaded(plan: bytes, originals: tuple[bytes, ...]) -> Function:
    return Function(pickle.loads(plan))


class Function:
    """Calls of one fused function in this process. `make_original` gives the user's function when it is needed."""

    def __init__(self, plan: Plan, make_original: Callable[[], Callable[..., Any]] | None = None) -> None:
        self.plan, self.make_original = plan, make_original
        self._original: Callable[..., Any] | None = None
        self._forms = [(form, Runner(form.pipeline, 1, plan.block_rows)) for form in plan.forms]
        self._warned = False
        self._in_vain = 0

    def __call__(self, *args: Any, sparkweld_starts: pd.Series | None = None, **kwargs: Any) -> Any:
        """The result of a batch of Spark's, or of several: `sparkweld_starts` is then True in the first row of each."""
        if sparkweld_starts is None or sparkweld_starts.sum() == 1:
            return self._one(*args, **kwargs)
        result = self._tried(args, kwargs)
        return in_batches(self._one, sparkweld_starts, args, kwargs) if result is None else result

    def _one(self, *args: Any, **kwargs: Any) -> Any:
        result = self._tried(args, kwargs)
        return self.original(*args, **kwargs) if result is None else result

    def _tried(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> pd.Series | None:
        """What a pipeline gives, None when the original has to decide. After `_MOST_IN_VAIN` in a row none is tried any more."""
        if self._in_vain >= _MOST_IN_VAIN:
            return None
        try:
            result = self._run(args, kwargs)
        except Undecided:
            result = None
        except Exception as error:  # noqa: BLE001 - a fault of ours, or a broken promise: the original decides
            self._warn(error)
            result = None
        self._in_vain = 0 if result is not None else self._in_vain + 1
        return result

    @property
    def original(self) -> Callable[..., Any]:
        """The user's function."""
        if self._original is None:
            assert self.make_original is not None
            self._original = self.make_original()
        return self._original

    def _run(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> pd.Series | None:
        for form, runner in self._forms:
            columns = _columns_of(form.columns, args, kwargs)
            if columns is None:
                continue
            rows = len(args[0] if args else next(iter(kwargs.values())))
            return _series(runner.run(columns, rows)["result"], form.missing) if rows else None
        return None

    def _warn(self, error: Exception) -> None:
        if not self._warned:
            self._warned = True
            what = (
                "a call breaks its annotation" if isinstance(error, BrokenPromise) else f"INTERNAL_ERROR {type(error).__name__}"
            )
            print(f"SparkWeld: {self.plan.name} runs as it is: {what}: {error}", file=sys.stderr)


def _columns_of(columns: tuple[Column, ...], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any] | None:
    """The columns' data in this batch, None when one has another dtype."""
    found: dict[str, Any] = {}
    for column in columns:
        given = args[column.argument] if isinstance(column.argument, int) else kwargs[column.argument]
        series = given if column.field is None else given[column.field]
        if str(series.dtype) != column.dtype:
            return None
        values = series.to_numpy()
        if column.text:
            absent = pd.isna(values)
            values = Optional(np.where(absent, "", values), ~absent)
        found[column.name] = values
    return found


def _series(column: Any, missing: Any) -> pd.Series:
    if isinstance(column, Optional):
        values = column.values.astype(object)
        values[~column.valid] = missing
        column = values
    return pd.Series(column, copy=False)
