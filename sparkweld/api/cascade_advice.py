"""Implements `sparkweld.cascade.advise`: states for which models of a query a cascade would pay, from costs that it measures.

It records the rows that each function of the query passes to fitted models. On these it tries to fit a certified cascade, as
`sparkweld.cascade.fit` does without labels.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from sparkweld.api import recording
from sparkweld.api.explain import check_query
from sparkweld.bridge import profiled
from sparkweld.cascades import fitting
from sparkweld.cascades.answers import answers_of
from sparkweld.cascades.certificate import CascadeCertificate
from sparkweld.cascades.features import read_columns, steps_of
from sparkweld.cascades.fitting import Measure
from sparkweld.cascades.promises import LossPromise
from sparkweld.errors import Refusal, UserError
from udf_compiler.frontends.models.estimators import is_model
from udf_compiler.function.environment import broadcasts
from udf_compiler.function.payload import load_command


@dataclass(frozen=True)
class CascadeAdvice:
    """Whether a cascade pays for one model of a query's function.

    `rows`: how many rows were recorded. `allowed`: the promised `accuracy_loss`. `certificate`: that of the cascade that was
    fitted on these rows. Where there is none, it is None, and `why` states the reason. Costs are nanoseconds of a compiled kernel
    per row.
    """

    function: str
    model: str
    methods: tuple[str, ...]
    rows: int
    allowed: float
    certificate: CascadeCertificate | None = None
    why: str = ""

    @property
    def gain(self) -> float:
        """Returns the cost of the full model's kernel divided by that of the cascade's; 1 without a cascade."""
        return 1.0 if self.certificate is None else self.certificate.full_cost / self.certificate.cascade_cost

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        made = self.certificate
        yield f"{self.function}, {self.model}: {'a cascade would pay' if made else 'no cascade'}"
        if made is None:
            yield f"  {self.why}"
            return
        saved = (made.full_cost - made.cascade_cost) / 1000
        saved, read = (made.full_cost - made.cascade_cost) / 1000, ", ".join(made.efficient)
        yield (
            f"  {made.cascade_cost:,.0f} ns a row in kernels instead of {made.full_cost:,.0f} ({self.gain:.1f}x), which saves "
            f"{saved:.2f} s of CPU time in a million rows"
        )
        yield f"  the small model answers {1 - made.unsure:.0%} of {self.rows:,} recorded rows; it reads {read}"
        yield from (f"  {line}" for line in made.lines()[:2])
        if others := sorted(set(self.methods) - {"predict"}):
            yield f"  the function calls {' and '.join(others)}, whose numbers this promise does not cover"
        yield f"  fit it on a random sample of rows: sparkweld.cascade.fit(model, rows, accuracy_loss={self.allowed:g}, path=...)"


def advise(df: Any, accuracy_loss: float, confidence: float, rows: int, measure: Measure) -> list[CascadeAdvice]:
    """Returns advice on each model in the query's functions, the largest gain first. See `sparkweld.cascade.advise`."""
    check_query(df, "cascade.advise")
    promise = LossPromise(accuracy_loss, confidence, None, "model")
    found: list[CascadeAdvice] = []
    for function in profiled.functions(df):
        found += _of_function(df, function, promise, rows, measure)
    return sorted(found, key=lambda advice: -advice.gain)


def _of_function(
    df: Any, function: profiled.Function, promise: LossPromise, most: int, measure: Measure
) -> Iterator[CascadeAdvice]:
    try:
        with broadcasts(function.broadcasts):
            pickled, models = recording.pickled_recording(load_command(function.command).function, is_model)
    except Refusal as reason:
        yield CascadeAdvice(function.name, "its models are not known", (), 0, promise.allowed, why=str(reason))
        return
    if not models:
        return
    arguments = profiled.arguments(df, function.command) if function.eval_type in recording.KINDS else None
    calls = [] if arguments is None else recording.recorded(arguments, function.eval_type, pickled, most)
    for number, model in enumerate(models):
        own = [(method, rows) for at, method, rows in calls if at == number]
        methods = tuple(dict.fromkeys(method for method, _ in own))
        advice = CascadeAdvice(function.name, type(steps_of(model)[-1][1]).__name__, methods, 0, promise.allowed)
        if arguments is None:
            yield replace(advice, why="only scalar functions of one table run here: pass rows to sparkweld.cascade.fit")
        elif not own:
            yield replace(advice, why="the function did not call predict, predict_proba or decision_function for these rows")
        else:
            yield _tried(advice, model, [rows for _, rows in own], promise, measure, most)


def _tried(
    advice: CascadeAdvice, model: Any, parts: Sequence[Any], promise: LossPromise, measure: Measure, most: int
) -> CascadeAdvice:
    rows: Any = ()
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "X has feature names", UserWarning)  # a model that was fitted on an array
            kind = fitting.check_kind(model)
            rows = read_columns(model, table(model, parts))[:most]  # Spark may run the function for whole batches
            made = fitting.fit(model, rows, answers_of(model, rows, kind), promise, measure)
    except (Refusal, UserError) as reason:
        return replace(advice, rows=len(rows), why=str(reason))
    return replace(advice, rows=len(rows), certificate=made.certificate)


def table(model: Any, parts: Sequence[Any]) -> pd.DataFrame | pd.Series:
    """Returns the rows of several calls as one table: a DataFrame with the model's names, or a Series of strings.

    Raises UserError for rows in another form than tables, arrays, and lists of rows or strings.
    """
    first = parts[0]
    if isinstance(first, pd.DataFrame | pd.Series):
        joined = pd.concat(parts, ignore_index=True)
        return joined if isinstance(first, pd.DataFrame) else joined.astype(object)
    try:
        array = np.concatenate([np.asarray(part) for part in parts])
    except ValueError:
        array = np.empty(0)
    if array.ndim == 1 and array.dtype.kind in "OU" and len(array):
        return pd.Series(array.astype(object))
    if array.ndim != 2:
        raise UserError(f"the function passes a {type(first).__name__} to the model; only tables, arrays and lists are tried")
    names: Sequence[str] = getattr(model, "feature_names_in_", ())
    given = names if len(names) == array.shape[1] else [f"column {at}" for at in range(array.shape[1])]
    return pd.DataFrame(array, columns=list(given))
