"""Implements `sparkweld.cascade`: fits a certified cascade from rows, loads one from a directory, and advises on queries.

    sparkweld.cascade.fit(pipeline, table, "label", path="cascades/tweets", accuracy_loss=0.001, confidence=0.95)
    sparkweld.cascade.fit(fitted, table, path="cascades/tweets", accuracy_loss=0.001)
    sparkweld.cascade.fit(fitted, table, path="cascades/fraud", selected="fraud", recall=0.95, precision=0.95)
    sparkweld.cascade.fit(function, table, small=pipeline, path="cascades/intent", accuracy_loss=0.01)
    for advice in sparkweld.cascade.advise(df): print(advice)

The pipeline may be fitted already, on other rows than these. Otherwise it is fitted on a share of them. If it is fitted, the rows
need no labels. The third form is for filters, and the fourth for black boxes: functions that no kernel can run.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import pandas as pd

from sparkweld.api.measuring import measure, measure_in_python
from sparkweld.cascades import fitting, store
from sparkweld.cascades.answers import answers_of, asking, check_answers
from sparkweld.cascades.black_box import BlackBox, is_function, known_rows, name_of
from sparkweld.cascades.cascade import Cascade
from sparkweld.cascades.certificate import CascadeCertificate
from sparkweld.cascades.features import read_columns, text_column
from sparkweld.cascades.fitting import Fitted
from sparkweld.cascades.promises import LossPromise, Promise, SelectionPromise
from sparkweld.errors import UserError

if TYPE_CHECKING:
    from sparkweld.api.cascade_advice import CascadeAdvice

_F = TypeVar("_F", bound=Callable[..., Any])


def fit(
    pipeline: Any, data: Any, label: Any = None, accuracy_loss: float = 0.001, confidence: float = 0.95, *,
    path: str | Path | None = None, band: float | None = None, small: Any = None, seed: int = 0, text: str | None = None,
    selected: Any = None, recall: float | None = None, precision: float | None = None, query: Any = None,
) -> Fitted:  # fmt: skip
    """Fits the certified cascade of `pipeline` for rows like `data`.

    `data`: a DataFrame with the pipeline's columns (a Spark DataFrame is collected), or a Series of strings. Columns that the
    pipeline does not read, such as keys, are left out where it states the ones that it reads. `text` names the
    column of a pipeline that takes one Series. `label`: a column of `data`, or one label a row. `accuracy_loss`: the largest
    net share of rows that may be wrong because of the cascade. For regressors it is the share of rows whose absolute error may
    grow by more than `band`, in the label's unit. The default of `band` is the smallest with which a cascade saves time, if it is
    below the pipeline's mean absolute error.
    `small`: an unfitted small pipeline to use. `path`: a directory to write. `query`: a DataFrame of Spark with these columns. It
    is then scored by the full model and by the cascade, four times each, and the certificate states the times.

    Without labels the pipeline must be fitted, and the promise is agreement with it. The share of rows whose answer changes (for
    regressors by more than `band`) is then less than `accuracy_loss`. The default of `band` is at most half the standard
    deviation of the pipeline's answers.

    For a filter, `selected` is the class, or the list of classes, that it selects. The promise is then a `recall`, a `precision`
    or both, relative to the fitted pipeline, in the place of `accuracy_loss`; labels are not used. More than the share `recall`
    of the rows that the pipeline selects are selected. More than the share `precision` of the selected rows are ones that the
    pipeline selects.

    The full model may also be a function, such as that of a pandas UDF, which needs a `small` pipeline. It takes a Series per
    column of `data`, in their order, or one DataFrame, and returns labels or floats. `fit` calls it for all rows. Its results are
    the answers to keep, and costs are those of Python. `apply` places the cascade in front of it. Rows with a NULL in a column of
    strings or objects always run the function, so they take no part.

    Raises UserError for invalid arguments, and a Refusal (SW940 to SW946) with the reason why there is no cascade.
    """
    _check_promise(accuracy_loss, confidence)
    to = None if path is None else store.place(path, CascadeCertificate)
    rows, labels = _rows_and_labels(data, label, text)
    against, timed = "model" if labels is None else "labels", measure
    if is_function(pipeline):
        if small is None or labels is not None:
            raise UserError(f"{name_of(pipeline)} is a function: pass small=, an unfitted pipeline, and no label")
        pipeline, rows, labels = _black_box(pipeline, rows)
        timed = measure_in_python
    kind = fitting.check_kind(pipeline)
    rows = read_columns(pipeline, rows)
    if selected is None and (recall is not None or precision is not None):
        raise UserError("recall and precision are those of a filter: pass the class that it selects, such as selected=1")
    if labels is None or (selected is not None and against == "labels"):
        if not fitting.is_fitted(pipeline):
            raise UserError(f"this {type(pipeline).__name__} is not fitted: without labels, or for a filter, pass a fitted one")
        labels = answers_of(pipeline, rows, kind)
    if band is not None and (not _is_number(band) or not 0 <= band < math.inf):
        raise UserError(f"band={band!r}: pass the allowed increase of an error, a number of 0 or more in the labels' unit")
    promise: Promise = LossPromise(float(accuracy_loss), float(confidence), band, against)
    if selected is not None:
        if band is not None:
            raise UserError("band= is for regressors, and selected= for classifiers: omit one of them")
        classes = _classes(pipeline, kind, selected, labels)
        promise = SelectionPromise(classes, *_targets(recall, precision), float(confidence))
    made = fitting.fit(pipeline, rows, labels, promise, timed, small, seed)
    made = made if query is None else _timed(made, query, rows, text)
    return made if to is None else dataclasses.replace(made, certificate=store.save(made, to))


def _timed(made: Fitted, query: Any, rows: Any, text: str | None) -> Fitted:
    # it loads the compiler, and only this function needs Spark
    from sparkweld.api.cascade_queries import timed

    names = list(rows.columns) if isinstance(rows, pd.DataFrame) else [text or rows.name]
    if names == [None]:
        raise UserError("query= needs the name of the column of strings: pass text=, or a Series with a name")
    return timed(made, query, names)


def _black_box(function: Any, rows: Any) -> tuple[BlackBox, Any, np.ndarray]:
    """Returns (the function as a full model, the rows that it is compared on, its results for them)."""
    rows = rows[known_rows(rows)].reset_index(drop=True)
    columns = tuple(rows.columns) if isinstance(rows, pd.DataFrame) else None
    box = BlackBox(function, columns)
    with asking(f"{box.name} cannot score these rows"):
        answers = box.predict(rows)
    box.learn(answers)
    return box, rows, check_answers(answers, box.kind, box.name)


def _classes(pipeline: Any, kind: str, selected: Any, answers: np.ndarray) -> tuple[Any, ...]:
    """Returns the selected classes as Python's values. Raises UserError, also where none or all of the `answers` are selected."""
    if kind != "classes":
        raise UserError(f"selected={selected!r}: a {type(pipeline).__name__} has no classes to select; omit it")
    known = np.asarray(pipeline.classes_).tolist()
    several = isinstance(selected, list | tuple | set | frozenset | np.ndarray | pd.Series)
    given = list(selected) if several else [selected]
    chosen = [label for label in known if any(_is_label(label, each) for each in given)]
    unknown = [each for each in given if not any(_is_label(label, each) for label in known)]
    if unknown or not 0 < len(chosen) < len(known):
        raise UserError(f"selected={selected!r}: pass some of the model's classes, and not all: {known}")
    positive = np.count_nonzero(pd.Series(answers).isin(chosen))
    if positive in (0, len(answers)):
        which = "none" if positive == 0 else "all"
        raise UserError(f"the model answers {which} of these rows with {chosen}: pass rows of both kinds")
    return tuple(chosen)


def _is_label(label: Any, given: Any) -> bool:
    """Whether a value that a user gave is this class; lists and other containers are none."""
    return bool(np.ndim(given) == 0 and label == given)


def _targets(recall: Any, precision: Any) -> tuple[float | None, float | None]:
    given = [least for least in (recall, precision) if least is not None]
    if not given or not all(_is_within(least, 0, 1) for least in given):
        raise UserError(f"recall={recall!r}, precision={precision!r}: pass one of them or both, each above 0 and below 1")
    return tuple(None if least is None else float(least) for least in (recall, precision))  # type: ignore[return-value]


def advise(df: Any, accuracy_loss: float = 0.001, confidence: float = 0.95, *, rows: int = 12_000) -> list[CascadeAdvice]:
    """States for which fitted models in the functions of a query a cascade would pay, the largest gain first.

    `df`: a DataFrame whose plain, pandas or iterator UDFs hold fitted models, also in broadcasts. It is not run as a whole. Each
    function runs in Python for the first `rows` rows of its arguments, which records the rows that it passes to models. On these
    a cascade is fitted as `fit` does without labels, with measured costs of compiled kernels. The result is advice, not a
    cascade: fit one on a random sample of the rows that you will score.

    Returns one `CascadeAdvice` for each model, which prints as text. A query without such models has an empty list.

    Raises UserError for invalid arguments, a streaming DataFrame, one of Spark Connect, and where the plugin is not active.
    Raises the query's own error if it has one.
    """
    # it loads the compiler
    from sparkweld.api.cascade_advice import advise as advise_on

    _check_promise(accuracy_loss, confidence)
    if not isinstance(rows, int) or isinstance(rows, bool) or rows < 1:
        raise UserError(f"rows={rows!r}: pass the number of rows to record, an int of 1 or more")
    return advise_on(df, float(accuracy_loss), float(confidence), rows, measure)


def _check_promise(accuracy_loss: Any, confidence: Any) -> None:
    if not (_is_within(accuracy_loss, 0, 0.5) and _is_number(confidence) and 0.5 <= confidence < 1):
        raise UserError(f"accuracy_loss={accuracy_loss!r} must be in (0, 0.5), confidence={confidence!r} in [0.5, 1)")


def load(path: str | Path) -> Cascade:
    """Loads the cascade of a directory: an estimator for any UDF, with and without the plugin.

    Raises UserError for an invalid path; refuses SW950 and SW951.
    """
    return store.load(store.directory(path))[0]


def apply(path: str | Path) -> Callable[[_F], _F]:
    """Returns a decorator that places a cascade in front of the function for which it was fitted.

        @pandas_udf("string")
        @sparkweld.cascade.apply("cascades/intent")
        def intent(messages: pd.Series) -> pd.Series: ...

    The small model answers the rows of which it is sure, and the function only sees the others. The result has the function's
    signature, so it declares the same UDF, and works with and without the plugin. The directory is read here, on the driver; the
    small model is part of what Spark sends to the workers. It runs in Python, and as a compiled program once that pays.

    Raises UserError for the cascade of a pipeline, and for what is not a function. Refuses SW950 and SW951, also where the
    function's code has changed since the fit.
    """
    # it loads the compiler, which only this function needs
    from sparkweld.api.cascade_functions import decorator

    return decorator(*store.load(store.directory(path)), Path(path))


def certificate(path: str | Path) -> CascadeCertificate:
    """Returns the certificate of a directory; ``print("\\n".join(certificate.lines()))``. Raises and refuses as `load`."""
    return store.read_certificate(store.directory(path), CascadeCertificate)


def _rows_and_labels(data: Any, label: Any, text: str | None) -> tuple[Any, Any]:
    if hasattr(data, "toPandas"):
        data = data.toPandas()
    if not isinstance(data, pd.DataFrame | pd.Series):
        raise UserError(f"data is a {type(data).__name__}; pass a DataFrame, or a Series of strings")
    if isinstance(label, str):
        if not isinstance(data, pd.DataFrame) or label not in data.columns:
            raise UserError(f"data has no column {label!r} for the label")
        data, label = data.drop(columns=label), data[label]
    if text is not None:
        data = text_column(data, text)
    if isinstance(data, pd.DataFrame) and not len(data.columns):
        raise UserError("data has only the label column")
    return data.reset_index(drop=True), None if label is None else np.asarray(label)


def _is_within(value: Any, low: float, high: float) -> bool:
    return _is_number(value) and low < value < high


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)
