"""Implements `sparkweld.cascade`: fits a certified cascade from rows, and loads one from a directory.

    sparkweld.cascade.fit(pipeline, table, "label", path="cascades/tweets", accuracy_loss=0.001, confidence=0.95)
    sparkweld.cascade.fit(fitted, table, path="cascades/tweets", accuracy_loss=0.001)

The pipeline may be fitted already, on other rows than these. Otherwise it is fitted on a share of them. If it is fitted, the rows
need no labels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sparkweld.cascades import fitting, store
from sparkweld.cascades.cascade import Cascade
from sparkweld.cascades.certificate import CascadeCertificate
from sparkweld.cascades.cost import nanoseconds
from sparkweld.cascades.features import read_columns
from sparkweld.cascades.fitting import Fitted, Promise
from sparkweld.errors import Refusal, UserError

#: Rows of the sample that kernels are timed over.
_TIMED_ROWS = 8192


def fit(
    pipeline: Any, data: Any, label: Any = None, accuracy_loss: float = 0.001, confidence: float = 0.95, *,
    path: str | Path | None = None, band: float | None = None, small: Any = None, seed: int = 0, text: str | None = None,
) -> Fitted:  # fmt: skip
    """Fits the certified cascade of `pipeline` for rows like `data`.

    `data`: a DataFrame with the pipeline's columns (a Spark DataFrame is collected), or a Series of strings. Columns that the
    pipeline does not read, such as keys, are left out where it states the ones that it reads. `text` names the
    column of a pipeline that takes one Series. `label`: a column of `data`, or one label a row. `accuracy_loss`: the largest
    net share of rows that may be wrong because of the cascade. For regressors it is the share of rows whose absolute error may
    grow by more than `band`, in the label's unit. The default of `band` is the smallest with which a cascade saves time, if it is
    below the pipeline's mean absolute error.
    `small`: an unfitted small pipeline to use. `path`: a directory to write.

    Without labels the pipeline must be fitted, and the promise is agreement with it. The share of rows whose answer changes (for
    regressors by more than `band`) is then less than `accuracy_loss`. The default of `band` is at most half the standard
    deviation of the pipeline's answers.

    Raises UserError for invalid arguments, and a Refusal (SW940 to SW946) with the reason why there is no cascade.
    """
    if not _is_number(accuracy_loss) or not _is_number(confidence) or not 0 < accuracy_loss < 0.5 or not 0.5 <= confidence < 1:
        raise UserError(f"accuracy_loss={accuracy_loss!r} must be in (0, 0.5), confidence={confidence!r} in [0.5, 1)")
    to = None if path is None else store.place(path, CascadeCertificate)
    rows, labels = _rows_and_labels(data, label, text)
    kind = fitting.check_kind(pipeline)
    rows = read_columns(pipeline, rows)
    against = "labels" if labels is not None else "model"
    if labels is None:
        if not fitting.is_fitted(pipeline):
            raise UserError(f"this {type(pipeline).__name__} is not fitted: without labels, pass a fitted model")
        labels = fitting.answers_of(pipeline, rows, kind)
    if band is not None and (not _is_number(band) or not 0 <= band < math.inf):
        raise UserError(f"band={band!r}: pass the allowed increase of an error, a number of 0 or more in the labels' unit")
    made = fitting.fit(pipeline, rows, labels, Promise(accuracy_loss, confidence, band, against), measure, small, seed)
    return made if to is None else Fitted(made.cascade, store.save(made, to), made.curve)


def load(path: str | Path) -> Cascade:
    """Loads the cascade of a directory: an estimator for any UDF, with and without the plugin.

    Raises UserError for an invalid path; refuses SW950 and SW951.
    """
    return store.load(store.directory(path))[0]


def certificate(path: str | Path) -> CascadeCertificate:
    """Returns the certificate of a directory; ``print("\\n".join(certificate.lines()))``. Raises and refuses as `load`."""
    return store.read_certificate(store.directory(path), CascadeCertificate)


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


def text_column(data: Any, text: Any) -> pd.Series:
    """Returns the column of that name. Raises UserError without one."""
    if not isinstance(data, pd.DataFrame) or not isinstance(text, str) or text not in data.columns:
        raise UserError(f"data has no column {text!r} of strings")
    return data[text]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)
