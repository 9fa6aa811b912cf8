"""Draws fitted pipelines over numbers, strings and missing values, and compares one of their methods with the library.

A pipeline is fitted on one table and applied to another with unseen categories, NaN, infinities and NULLs.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from hypothesis import reject
from hypothesis import strategies as st
from pyspark.sql.types import DataType, DoubleType, LongType, StringType
from sklearn.pipeline import make_pipeline

from tests.helpers.compiled import Compared, no_fault
from tests.helpers.expressions_estimators import columns_of, last_steps, steps_between
from tests.helpers.models import Scored, compare

_WORDS = ["red", "green", "blue", "", "grün", "a longer word", "RED", "x" * 40]
_KNOWN = 5
_ROWS = 150
#: Tolerances: relative, and absolute for differences of large numbers.
_RTOL, _ATOL = 5e-6, 5e-6
_METHODS = ("predict", "predict_proba", "decision_function", "transform", "predict_log_proba", "score_samples", "apply")


def compare_pipeline(draw: Callable[[Any], Any]) -> tuple[str, Compared]:
    """Draws a pipeline, fits it on one table, and compares a method's results on another."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    fit, fresh = _table(rng, _KNOWN), _with_odd_values(_table(rng, len(_WORDS)), rng)
    kind = draw(st.sampled_from(("classes", "classes", "numbers", "none")))
    last, gaps = draw(last_steps(kind))
    pipeline = make_pipeline(draw(columns_of(gaps)), *draw(steps_between(kind)), last)
    target = _target(fit, kind, rng, draw)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fitted = pipeline.fit(fit, target)
    except (ValueError, TypeError):  # such as counts below 0, or a sparse matrix for a dense model: not a valid pipeline
        reject()
    method = draw(st.sampled_from([m for m in _METHODS if hasattr(fitted, m)]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = _dense(getattr(fitted, method)(fit))
    column = draw(st.integers(0, made.shape[1] - 1)) if made.ndim == 2 else None
    if made.ndim > 2:
        reject()

    def function(d: pd.DataFrame) -> pd.Series:
        result = getattr(fitted, method)(d)
        result = result.toarray() if sparse else result
        return pd.Series(result if column is None else result[:, column])

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sparse = hasattr(getattr(fitted, method)(fit[:2]), "toarray")
        batch = pa.RecordBatch.from_pandas(fresh, preserve_index=False)
        scored = compare(function, batch, _type_of(made), rtol=_RTOL, atol=_ATOL)
    return f"{fitted!r}.{method}, column {column}", _compared(scored)


def _dense(made: Any) -> np.ndarray:
    return np.asarray(made.toarray() if hasattr(made, "toarray") else made)


def _type_of(made: np.ndarray) -> DataType:
    if made.dtype.kind in "OU":
        return StringType()
    return LongType() if made.dtype.kind in "iub" else DoubleType()


def _compared(scored: Scored) -> Compared:
    no_fault(scored.refused)
    return Compared(1, int(scored.rows > 0), int(scored.flagged > 0), int(scored.raised > 0), scored.refused)


def _table(rng: np.random.Generator, words: int) -> pd.DataFrame:
    """Returns three float columns (two with missing values), one of integers, and two of strings with some missing."""
    x, y, z = rng.normal(size=_ROWS), rng.normal(size=_ROWS) * 100, rng.gamma(2.0, size=_ROWS)
    for column in (x, y):
        column[rng.random(_ROWS) < 0.1] = np.nan
    texts = rng.choice(np.array([*_WORDS[:words], None], object), (2, _ROWS))
    count = rng.integers(-3, 4 if words == _KNOWN else 6, _ROWS)
    return pd.DataFrame({"x": x, "y": y, "z": z, "k": count, "s": texts[0], "t": texts[1]})


def _with_odd_values(table: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Returns the table with infinities, zeros and outliers in some rows."""
    odd = (np.inf, -np.inf, 0.0, -0.0, 1e4, -1e4, 5e-324, 1e-3)
    for name in ("x", "y", "z"):
        at = rng.permutation(_ROWS)[: rng.integers(0, len(odd) + 1)]
        table.loc[at, name] = odd[: len(at)]
    return table


def _target(fit: pd.DataFrame, kind: str, rng: np.random.Generator, draw: Callable[[Any], Any]) -> np.ndarray | None:
    score = fit.x.fillna(0).to_numpy() + 0.3 * fit.k.to_numpy() + (fit.s == "red") + 0.1 * rng.normal(size=_ROWS)
    if kind == "none":
        return None
    if kind == "numbers":
        return score * draw(st.sampled_from((1.0, 1000.0)))  # type: ignore[no-any-return]
    classes = np.digitize(score, draw(st.sampled_from(([0.5], [0.0, 1.0]))))
    return np.array(["no", "yes", "maybe"], object)[classes] if draw(st.booleans()) else classes  # type: ignore[no-any-return]
