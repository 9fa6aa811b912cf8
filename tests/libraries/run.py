"""Runs the cases of `tests.libraries.cases`: each method of each model, compared with the installed library in the worker."""

from __future__ import annotations

import importlib.metadata
import platform
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from pyspark.sql.types import DataType, DoubleType, LongType, StringType

from tests.helpers.models import compare, compare_columns
from tests.libraries.cases import Case, cases
from udf_compiler.frontends.models.translator import METHODS

PACKAGES = tuple("scikit-learn lightgbm xgboost catboost statsmodels numpy pandas pyarrow scipy numba pyspark".split())


@dataclass(frozen=True)
class Outcome:
    """`status`: "equal" (compiled, and all rows as the library's), "python" (no row passed the guards), "wrong", "error", or the
    code of a refusal. `flagged`: rows that a kernel leaves to Python.
    """

    status: str
    rows: int = 0
    flagged: int = 0
    detail: str = ""


def outcomes(only: str = "") -> Iterator[tuple[str, str, Outcome]]:
    """Yields (class, case and method, outcome) of every method that a case's model has."""
    for case in cases(only):
        for method in METHODS:
            if hasattr(case.model, method) and _applies(case, method):
                yield case.kind, f"{case.name}.{method}", _compared(case, method)


def _applies(case: Case, method: str) -> bool:
    if case.kind == "xgboost.core.Booster":
        return (method == "inplace_predict") == ("inplace" in case.name)
    if method == "inverse_transform":
        return case.kind.endswith(".StandardScaler")
    return not (method == "apply" and case.kind.endswith("GradientBoostingClassifier"))  # three dimensions


def _compared(case: Case, method: str) -> Outcome:
    model, given = case.model, case.given
    frame = case.batch.to_pandas()
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        made = _sample(lambda d: getattr(model, method)(given(d)), frame)
        if made is None:
            return Outcome("python", detail="the library raises for each row")
        try:
            if made.ndim == 1:
                scored = compare(lambda d: pd.Series(getattr(model, method)(given(d))), case.batch, _type(made), rtol=case.rtol)
            else:
                two = lambda d: _dense(getattr(model, method)(given(d)))  # noqa: E731 - defined in this branch alone
                fit = frame.iloc[:1] if _sample(two, frame.iloc[:1]) is not None else _first(two, frame)
                scored = compare_columns(two, case.batch, _type(made), rtol=case.rtol, fit=fit)
        except AssertionError as error:
            return Outcome("wrong", detail=str(error)[:600])
        except Exception as error:  # noqa: BLE001 - the report names the case, and the others run
            return Outcome("error", detail=f"{type(error).__name__}: {str(error)[:400]}")
    if scored.refused:
        return Outcome(scored.refused)
    return Outcome("equal" if scored.rows else "python", scored.rows, scored.flagged)


def _sample(function: Callable[[pd.DataFrame], Any], frame: pd.DataFrame) -> Any:
    """Returns the result for the first row that the library accepts, as a dense array; None when there is none."""
    row = _first(function, frame)
    return None if row is None else np.asarray(_dense(function(row)))


def _first(function: Callable[[pd.DataFrame], Any], frame: pd.DataFrame) -> pd.DataFrame | None:
    for at in range(len(frame)):
        row = frame.iloc[at : at + 1]
        try:
            function(row)
        except Exception:  # noqa: BLE001 - the library rejects this row
            continue
        return row
    return None


def _dense(made: Any) -> Any:
    return made.toarray() if hasattr(made, "toarray") else made


def _type(made: np.ndarray) -> DataType:
    if made.dtype.kind in "OU":
        return StringType()
    return LongType() if made.dtype.kind in "iub" else DoubleType()


def versions() -> dict[str, str]:
    """Returns the versions of Python and of the libraries that are installed here."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        for package in (name, f"{name}-cpu"):
            try:
                found[name] = importlib.metadata.version(package)
            except importlib.metadata.PackageNotFoundError:
                continue
    return found
