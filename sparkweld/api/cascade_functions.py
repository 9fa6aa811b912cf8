"""Puts a cascade in front of a function, which then only sees the rows of which the small model is not sure.

It is plain Python, which runs where the function runs: in Python workers, with and without the plugin.
"""

from __future__ import annotations

import functools
import inspect
import sys
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sparkweld.api.accelerating import accelerate
from sparkweld.cascades.black_box import BlackBox, digest_of, is_function, known_rows, name_of
from sparkweld.cascades.cascade import Cascade, doubts
from sparkweld.cascades.certificate import CascadeCertificate
from sparkweld.cascades.drift import Drift
from sparkweld.cascades.fingerprint import fingerprint
from sparkweld.errors import RefusalWarning, UserError
from sparkweld.reasons import refusal
from udf_compiler.function.options import ATTRIBUTE

#: The seconds that the small model takes in a process before it is compiled, which takes about as long.
_COMPILED_AFTER = 2.0
_MOST_KEPT = 4


class Small:
    """The small model of a cascade in this process, whose tasks share it, and the rows that it has scored."""

    def __init__(self, cascade: Cascade) -> None:
        self._cascade, self._seconds, self._compiled = cascade, 0.0, False
        self._drift = None if cascade.watched is None else Drift(cascade.watched)

    def answers(self, rows: Any) -> tuple[np.ndarray, np.ndarray]:
        """Returns (the labels or numbers, whether the model is sure of them), as `Cascade.small_answers`."""
        if self._seconds > _COMPILED_AFTER and not self._compiled:
            self._compiled = True
            self._cascade = _accelerated(self._cascade)
        began = time.perf_counter()
        with warnings.catch_warnings():  # what does not compile runs in Python, as before
            warnings.simplefilter("ignore", RefusalWarning)
            doubt, answers = doubts(self._cascade, rows)
        self._seconds += time.perf_counter() - began
        self._compare(doubt)
        return answers, self._cascade.is_sure(doubt)

    def _compare(self, doubt: np.ndarray) -> None:
        """Reports once in the worker's log that the rows differ from the certificate's."""
        watched = self._cascade.watched
        if self._drift is None or watched is None:
            return
        what = self._drift.count(doubt)
        if what is not None:
            self._drift = None
            print(f"SparkWeld: {refusal('SW954', path=watched.path, what=what)}", file=sys.stderr)


#: The small models of this process by the digest of their file, the oldest first.
_kept: dict[str, Small] = {}


def decorator(cascade: Cascade, told: CascadeCertificate, path: Path) -> Callable[[Any], Any]:
    """Returns the decorator that `sparkweld.cascade.apply` describes."""
    box = cascade.full
    if not isinstance(box, BlackBox):
        raise UserError(f"{path} is the cascade of a {type(box).__name__}: use sparkweld.cascade.load in the function")

    def decorate(function: Any) -> Any:
        if not is_function(function) or hasattr(function, "returnType"):
            raise UserError(f"{name_of(function)} is not a plain function: put @sparkweld.cascade.apply below @pandas_udf")
        if digest_of(function) != box.digest:
            why = f"it was fitted for {box.name}, and the code of {name_of(function)} is another; fit it again"
            raise refusal("SW950", what=told.WHAT, path=path, why=why)
        made = in_front(cascade, function, told.digests[told.MODELS])
        setattr(made, ATTRIBUTE, {**getattr(function, ATTRIBUTE, {}), "cascade": str(path)})  # what `explain` reports
        return made

    return decorate


def in_front(cascade: Cascade, function: Callable[..., Any], key: str = "") -> Callable[..., Any]:
    """Returns the function behind the cascade, with the signature and the annotations that PySpark reads.

    `key`: a digest of the cascade's models, which processes keep by it.
    """
    first = First(cascade, key or fingerprint((cascade.small, cascade.judge)))
    if inspect.isgeneratorfunction(function):

        @functools.wraps(function)
        def answers_of_batches(batches: Iterator[Any]) -> Iterator[pd.Series]:
            return first.batches(function, batches)

        return answers_of_batches

    @functools.wraps(function)
    def answers(*columns: Any) -> pd.Series:
        made, sure = first.answers(columns)
        if sure.all():
            return made
        return _merged(made, sure, function(*_rows_of(columns, ~sure)), name_of(function))

    return answers


class First:
    """The first stage: the small model of a cascade, in a process. `key`: a digest of the models' file."""

    def __init__(self, cascade: Cascade, key: str) -> None:
        self.cascade, self.key = cascade, key

    def answers(self, columns: tuple[Any, ...]) -> tuple[pd.Series, np.ndarray]:
        """Returns (the small model's answers, whether it is sure of them, bool[rows]). It is sure of none where it fails."""
        rows, count = self._table(columns), len(columns[0])
        sure, made = known_rows(rows), pd.Series(np.empty(count, self._dtype))
        if not sure.any():
            return made, sure
        try:
            found, certain = self._small().answers(rows[sure])
        except Exception as error:  # noqa: BLE001 - of a library, for rows unlike those of the fit: the function decides
            print(f"SparkWeld: the small model of a cascade fails for a batch: {type(error).__name__}: {error}", file=sys.stderr)
            return made, np.zeros(count, np.bool_)
        made[sure] = found
        sure[sure] = certain
        return made, sure

    def batches(self, function: Callable[..., Any], batches: Iterator[Any]) -> Iterator[pd.Series]:
        """Yields the answers of each batch. The function sees the unsure rows of each, and one row where there is none."""
        waiting: deque[tuple[pd.Series, np.ndarray]] = deque()

        def unsure() -> Iterator[Any]:
            for batch in batches:
                columns = batch if isinstance(batch, tuple) else (batch,)
                made, sure = self.answers(columns)
                sure[:1] &= not sure.all()
                waiting.append((made, sure))
                rows = _rows_of(columns, ~sure)
                yield rows if isinstance(batch, tuple) else rows[0]

        for result in function(unsure()):
            if not waiting:
                raise UserError(f"{name_of(function)} yields more results than it takes batches; it must yield one for each")
            yield _merged(*waiting.popleft(), result, name_of(function))

    def _table(self, columns: tuple[Any, ...]) -> Any:
        box = self.cascade.full
        if box.columns is None or isinstance(columns[0], pd.DataFrame):
            return columns[0]
        return pd.DataFrame(dict(zip(box.columns, columns, strict=True)))

    @property
    def _dtype(self) -> Any:
        return self.cascade.full.classes_.dtype if self.cascade.judge is None else np.dtype(np.float64)

    def _small(self) -> Small:
        if self.key not in _kept:
            _kept[self.key] = Small(self.cascade)
            while len(_kept) > _MOST_KEPT:
                del _kept[next(iter(_kept))]
        return _kept[self.key]


def _accelerated(cascade: Cascade) -> Cascade:
    """Returns the cascade with programs, which compile at the next call; models that cannot be wrapped stay as they are."""
    try:
        judge = None if cascade.judge is None else accelerate(cascade.judge)
        made = Cascade(accelerate(cascade.small), cascade.full, cascade.threshold, judge)
    except UserError:
        return cascade
    made.watched = cascade.watched
    return made


def _rows_of(columns: tuple[Any, ...], at: np.ndarray) -> tuple[Any, ...]:
    return tuple(column[at].reset_index(drop=True) for column in columns)


def _merged(made: pd.Series, sure: np.ndarray, result: Any, name: str) -> pd.Series:
    """Returns the answers of both: `result` has those of the rows that are not sure, in their order."""
    unsure = np.flatnonzero(~sure)
    if np.ndim(result) != 1 or len(result) != len(unsure):
        raise UserError(f"{name} does not return a column of {len(unsure):,} values for {len(unsure):,} rows")
    other = result.set_axis(unsure) if isinstance(result, pd.Series) else pd.Series(result, index=unsure)
    return other if len(unsure) == len(sure) else pd.concat([made[sure], other]).sort_index()
