"""Runs a function that its author declares row-local on the distinct rows of its batches, inside a Python worker.

The function is a black box, such as a sentence encoder. A row's result depends on this row alone, so a result serves all equal
rows, and rows may be passed in any order and number. Strings are passed by length, because models pad those of a call to the
longest. All of this is measured, and the function is kept for the later tasks of the process, with the models that it loads.

The promise is checked in each process: some rows of a batch also run in other calls. If a result differs, or anything fails,
the original runs on the batches of Spark.
"""

from __future__ import annotations

import math
import sys
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from pyspark import TaskContext

from sparkweld.worker.counts import counts
from sparkweld.worker.distinct import Distinct, Payoff, ResultCache, columns_of, concat, distinct_of, keys_of, lengths_of, take

#: The maximum number of functions kept in a worker process, with their models and results.
_FUNCTIONS = 4
#: The rows of a batch that also run in one call, and in this number of calls in reverse order.
_CHECKED, _PARTS = 64, 4
#: The least rows of a stage in this process, including those of the batch, for that check, which then takes 5 % of the time.
_CHECKED_AFTER = 40 * _CHECKED
#: Rows per call that are tried with strings ordered by length, beside the batch as it is, and how often each of them is.
_SIZES, _TRIALS = (256, 32), 2
#: The rows of a trial, the rows of a stage in this process before the first one, and the share of the time per row that another
#: order and size have to save.
_TRIED, _TRIED_AFTER, _GAIN = 256, 8192, 0.05

_kept: OrderedDict[bytes, State] = OrderedDict()


def load(
    key: bytes, number: int, make_original: Callable[[], Callable[..., Any]], conversions: Any, returns: str | None
) -> RowLocal:
    """Returns the function to call. `key`: a digest, the tolerance and the name of the function.

    A stage starts anew: a function may read files, such as a model, that change between queries.
    """
    stage = _stage()
    state = _kept.pop(key, None)
    if state is None or state.stage != stage:
        _, rtol, name = key.decode().split(" ", 2)
        state = State(name, stage, float(rtol))
    _kept[key] = state
    while len(_kept) > _FUNCTIONS:
        _kept.popitem(last=False)
    return RowLocal(state, make_original, conversions)


def _stage() -> int | None:
    context = TaskContext.get()
    return None if context is None else context.stageId()


class Order:
    """Chooses, by the time per row, how many rows a call takes, and whether those are passed by the length of their strings."""

    def __init__(self, sizes: tuple[int, ...] = _SIZES) -> None:
        self.size: int | None = None  # None: the rows as they are, as many as a batch of Spark has
        self._sizes = sizes
        self._left = [size for _ in range(_TRIALS) for size in (None, *sizes)]
        self._best: dict[int | None, float] = {}

    @property
    def tries(self) -> bool:
        """Whether the next rows are a trial."""
        return bool(self._left)

    def next(self) -> int | None:
        """Returns the size to try on the next rows."""
        return self._left[0]

    def add(self, seconds: float) -> None:
        """Adds the time per row of the trial; after the last one, the fastest size is settled."""
        size = self._left.pop(0)
        self._best[size] = min(seconds, self._best.get(size, seconds))
        if not self._left:
            fastest = min(self._sizes, key=self._best.__getitem__)
            self.size = fastest if self._best[fastest] < (1 - _GAIN) * self._best[None] else None


class State:
    """A function in one stage, in this process. `function`: None before the first batch. `checked`: whether its promise was.

    `off`: the original runs on the batches of Spark from now on. `rows`: those of all batches so far. `rtol`: see `row_local`.
    """

    def __init__(self, name: str, stage: int | None, rtol: float) -> None:
        self.name, self.stage, self.rtol = name, stage, rtol
        self.function: Callable[..., Any] | None = None
        self.checked = self.off = False
        self.order, self.order_of_series = Order(), Order((sys.maxsize,))
        self.repeats, self.reuse, self.cache = Payoff(), Payoff(), ResultCache()
        self.seconds_per_row, self.rows = 0.0, 0

    def stop(self, why: str) -> None:
        """Turns everything off, with one warning."""
        print(f"SparkWeld: {self.name} runs on the batches of Spark: {why}", file=sys.stderr)
        self.off, self.cache = True, ResultCache()


class RowLocal:
    """The function as PySpark calls it: with Series, or with Arrow arrays and `sparkweld_starts` (see `function.Function`)."""

    def __init__(self, state: State, make_original: Callable[[], Callable[..., Any]], conversions: Any) -> None:
        self.state, self.make_original = state, make_original
        self.series_of, self.array_of = conversions

    def __call__(self, *args: Any, sparkweld_starts: pa.BooleanArray | None = None) -> Any:
        state, batch = self.state, Batch(self, args, sparkweld_starts)
        state.rows += batch.rows
        ready = state.checked or (state.rows >= _CHECKED_AFTER and batch.is_steady)
        if state.off or not ready or not batch.rows:
            return self._by_original(args, sparkweld_starts)
        try:
            result = batch.result() if state.checked else batch.checked_result()
        except Exception as error:  # noqa: BLE001 - of the function, or internal: the original decides
            state.function = None
            result = self._by_original(args, sparkweld_starts)  # raises where Spark does
            state.stop(f"it fails for some rows of a batch: {type(error).__name__}: {error}")
            return result
        return self._by_original(args, sparkweld_starts) if state.off else result

    def _by_original(self, args: tuple[Any, ...], starts: pa.BooleanArray | None) -> Any:
        counts.original_rows += len(args[0])
        return self.function(*args) if starts is None else self.function(*args, sparkweld_starts=starts)

    @property
    def function(self) -> Callable[..., Any]:
        """The original function, with the models that it loads, which the tasks of a stage share."""
        if self.state.function is None:
            self.state.function = self.make_original()
        return self.state.function


class Batch:
    """One call of the function. Results of arrays are arrays, and those of Series are Series, which may share the memory of the
    function's next result. So the rows of Series take one call, which may be ordered, and nothing of them is cached.
    """

    def __init__(self, owner: RowLocal, args: tuple[Any, ...], starts: pa.BooleanArray | None) -> None:
        self.owner, self.state, self.args, self.rows = owner, owner.state, args, len(args[0])
        self.in_arrow = starts is not None
        self.most = self.rows if starts is None else _largest(starts)
        self.order = self.state.order if self.in_arrow else self.state.order_of_series
        self._lengths: np.ndarray | None = None

    @property
    def is_steady(self) -> bool:
        """Whether pandas has the same dtypes for any rows of the batch: it has others for integers that include a NULL."""
        return not self.in_arrow or self.owner.series_of is None or all(map(_is_steady, self.args))

    def checked_result(self) -> Any:
        """Returns the result, some rows of which are compared with those of a call in the original order, and of small ones.

        A difference turns the state off.
        """
        at = np.unique(np.linspace(0, self.rows - 1, _CHECKED).astype(np.int64))
        expected = self._values(self._called(at))
        parts = [self._values(self._called(some)) for some in np.array_split(at[::-1], _PARTS)]
        result = self.result()
        found = [self._values(take(result, at)), [row for part in parts for row in part][::-1]]
        if not all(_is_near(a, b, self.state.rtol) for rows in found for a, b in zip(expected, rows, strict=True)):
            self.state.stop("it is declared row-local, and a row's result depends on the other rows of its call")
        self.state.checked = True
        return result

    def _values(self, result: Any) -> list[Any]:
        """Returns each row's result as Python values, converted as an Arrow array."""
        array = result if isinstance(result, pa.Array) else self.owner.array_of(result, len(result))
        return array.to_pylist()  # type: ignore[no-any-return]

    def result(self) -> Any:
        """Returns the results of the batch. Each distinct row is passed once while that pays."""
        state, began = self.state, time.perf_counter()
        wanted = state.repeats.wanted()
        columns = columns_of(self.args) if wanted or self.order.tries or self.order.size else None
        if columns is not None and self.is_steady:
            self._lengths = lengths_of(columns)
        if columns is None or not wanted:
            return self._scored(np.arange(self.rows))
        distinct = distinct_of(columns, self.rows)
        looked_up = time.perf_counter() - began
        caches = self.in_arrow and self.is_steady
        made, order = self._of_distinct(columns, distinct) if caches else (self._scored(distinct.first), distinct.first)
        began = time.perf_counter()
        result = made if len(order) == self.rows and order is distinct.first else take(made, _places(distinct, order))
        looked_up += time.perf_counter() - began
        repeated = self.rows - len(distinct.first)
        counts.repeated_rows += repeated
        state.repeats.add(repeated * state.seconds_per_row, looked_up)
        return result

    def _of_distinct(self, columns: list[pa.Array], distinct: Distinct) -> tuple[Any, np.ndarray]:
        """Returns the results of the distinct rows, new or cached, and the rows in the order of the results."""
        state, at = self.state, distinct.first
        if not state.reuse.wanted():
            return self._scored(at), at
        began = time.perf_counter()
        keys = keys_of(columns, at)
        places = state.cache.places(keys)
        new, old = np.flatnonzero(places < 0), np.flatnonzero(places >= 0)
        counts.repeated_rows += len(old)
        pieces = [state.cache.take(places[old])] if len(old) else []
        took = time.perf_counter() - began
        if len(new):
            pieces.append(self._scored(at[new]))
            began = time.perf_counter()
            state.cache.add([keys[i] for i in new.tolist()], pieces[-1], sum(c.nbytes for c in columns) * len(new) // self.rows)
            took += time.perf_counter() - began
        state.reuse.add(len(old) * state.seconds_per_row, took)
        return concat(pieces), at[np.concatenate([old, new])]

    def _scored(self, at: np.ndarray) -> Any:
        """Returns the function's results for these rows, in their order."""
        state, pieces, done = self.state, [], 0
        tries = self._lengths is not None and state.checked and state.rows >= _TRIED_AFTER
        while done < len(at):
            is_trial = tries and self.order.tries and len(at) - done >= _TRIED
            rows = at[done : done + _TRIED] if is_trial and self.in_arrow else at[done:]
            began = time.perf_counter()
            pieces.append(self._in_order(rows, self.order.next() if is_trial else self.order.size))
            state.seconds_per_row = (time.perf_counter() - began) / len(rows)
            if is_trial:
                self.order.add(state.seconds_per_row)
            done += len(rows)
        return concat(pieces)

    def _in_order(self, at: np.ndarray, size: int | None) -> Any:
        """Returns the results for these rows, in their order. `size`: rows of a call, by length; None: as they are."""
        if size is None or self._lengths is None:
            return concat([self._called(at[i : i + self.most]) for i in range(0, len(at), self.most)])
        order, size = np.argsort(self._lengths[at], kind="stable"), min(size, self.most)
        made = concat([self._called(at[order[i : i + size]]) for i in range(0, len(at), size)])
        back = np.empty(len(at), np.int64)
        back[order] = np.arange(len(at))
        return take(made, back)

    def _called(self, at: np.ndarray) -> Any:
        """Returns the function's result for these rows. Raises TypeError for one of another length."""
        owner = self.owner
        taken = [take(argument, at) for argument in self.args]
        if self.in_arrow and owner.series_of is not None:
            taken = list(owner.series_of(taken))
        began = time.perf_counter()
        result = owner.function(*taken)
        counts.call_seconds += time.perf_counter() - began
        if not isinstance(result, pd.Series | pd.DataFrame | pa.Array) or len(result) != len(at):
            raise TypeError(f"its result for {len(at)} rows is no column of as many")
        return owner.array_of(result, len(at)) if self.in_arrow else result


def _is_near(a: Any, b: Any, rtol: float) -> bool:
    """Whether two values are the same to the bit, or have floats within `rtol` of the largest one.

    `repr` tells -0.0 from 0.0, and writes all digits.
    """
    if repr(a) == repr(b):
        return True
    one, other = list(_floats(a)), list(_floats(b))
    if not rtol or len(one) != len(other) or repr(_without_floats(a)) != repr(_without_floats(b)):
        return False
    largest = max((abs(x) for x in one if math.isfinite(x)), default=0.0)
    return all(repr(x) == repr(y) or abs(x - y) <= rtol * largest for x, y in zip(one, other, strict=True))


def _floats(value: Any) -> Iterator[float]:
    if isinstance(value, float):
        yield value
    elif isinstance(value, list):
        for x in value:
            yield from _floats(x)


def _without_floats(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_floats(x) for x in value]
    return "float" if isinstance(value, float) else value


def _is_steady(array: pa.Array) -> bool:
    return pa.types.is_string(array.type) or pa.types.is_floating(array.type) or not (
        array.null_count or pa.types.is_struct(array.type)
    )


def _largest(starts: pa.BooleanArray) -> int:
    """Returns the rows of Spark's largest batch; `starts` is true in the first row of each."""
    cuts = [*np.flatnonzero(starts.to_numpy(zero_copy_only=False)).tolist(), len(starts)]
    return max(stop - start for start, stop in pairwise([0, *cuts]))


def _places(distinct: Distinct, order: np.ndarray) -> np.ndarray:
    """Returns, for each row of the batch, the index of its result. `order`: the first rows in the order of the results."""
    place = np.empty(len(order), np.int64)
    place[np.searchsorted(distinct.first, order)] = np.arange(len(order))
    return place[distinct.codes]
