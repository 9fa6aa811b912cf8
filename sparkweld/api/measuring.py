"""Measures what a row costs in the models of a cascade or of a ranking."""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Sequence
from typing import Any

import pandas as pd

from sparkweld.cascades.cost import nanoseconds
from sparkweld.errors import Refusal

#: Rows of the sample that kernels are timed over.
_TIMED_ROWS = 8192
#: Rows that functions are timed over.
_TIMED_IN_PYTHON = 256


def measure(estimators: Sequence[Any], data: Any) -> list[float]:
    """Returns the nanoseconds a row of each estimator's kernel, over a sample of the rows.

    An estimator that does not compile costs infinity; the first one is refused then (SW946).
    """
    # it loads the compiler, which only this function needs
    from sparkweld.api.model_kernels import model_kernel

    sample = data.iloc[:_TIMED_ROWS]
    sample = pd.concat([sample] * -(-_TIMED_ROWS // max(len(sample), 1)), ignore_index=True).iloc[:_TIMED_ROWS]
    kernels: list[Any] = [model_kernel(estimators[0], sample)]
    for estimator in estimators[1:]:
        try:
            kernels.append(model_kernel(estimator, sample))
        except Refusal:
            kernels.append(None)
    times = iter(nanoseconds([kernel.run for kernel in kernels if kernel is not None], len(sample)))
    return [math.inf if kernel is None else next(times) for kernel in kernels]


def measure_in_python(estimators: Sequence[Any], data: Any) -> list[float]:
    """Returns the nanoseconds a row of each estimator in Python, by the clock: a black box may wait, or use other threads."""
    sample = data.iloc[:_TIMED_IN_PYTHON]
    runs = [functools.partial(estimator.predict, sample) for estimator in estimators]
    return nanoseconds(runs, len(sample), repeats=3, clock=time.perf_counter)
