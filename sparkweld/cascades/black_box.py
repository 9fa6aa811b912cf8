"""Represents a function of columns as the full model of a cascade.

It may call a network or a remote service, and is not compiled. A cascade runs it in Python, for the rows of which the small model
is not sure.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import types
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pandas as pd

from sparkweld.cascades.fingerprint import fingerprint
from sparkweld.errors import UserError

#: The rows of a call of the function while a cascade is fitted.
_ROWS = 1024


class BlackBox:
    """A function as an estimator: `predict` returns its results for a table, or for one Series.

    `function`: takes a Series per column of the table, or all as one DataFrame, and returns a column of as many values. A
    generator function takes and yields batches of them, as in UDFs of iterators. `columns`: those of the table; None: a Series.
    `kind`: of its results, "numbers" or "classes"; `classes_`: the sorted classes.

    A pickle leaves the function out, and keeps its `digest`: that of its bytecode, constants and defaults.
    """

    def __init__(self, function: Callable[..., Any], columns: tuple[str, ...] | None) -> None:
        self.function: Callable[..., Any] | None = function
        self.name, self.columns, self.digest = name_of(function), columns, digest_of(function)
        self.takes_frame = columns is not None and _takes_frame(function, columns)
        self.kind = "classes"
        self.classes_ = np.empty(0)

    def learn(self, answers: np.ndarray) -> None:
        """Sets the kind and the classes by these results. Raises UserError for results of several types."""
        if answers.dtype.kind == "f":
            self.kind = "numbers"
            return
        try:
            self.classes_ = np.unique(answers)
        except TypeError:
            found = ", ".join(sorted({type(value).__name__ for value in answers.tolist()}))
            raise UserError(f"{self.name} returns {found}: a cascade needs labels of one type, or floats") from None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "function": None}

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Returns no parameters, as scikit-learn asks for some: a function has none to set."""
        return {}

    def predict(self, rows: Any) -> np.ndarray:
        """Returns the function's results, one a row. Raises UserError for a result that is no column of as many values."""
        parts = [self._called(rows.iloc[at : at + _ROWS].reset_index(drop=True)) for at in range(0, len(rows), _ROWS)]
        return np.concatenate(parts) if parts else np.empty(0)

    def _called(self, rows: Any) -> np.ndarray:
        if self.function is None:
            raise UserError(f"this cascade is that of a function: put @sparkweld.cascade.apply(path) above {self.name}")
        given = (rows,) if self.columns is None or self.takes_frame else tuple(rows[name] for name in self.columns)
        if inspect.isgeneratorfunction(self.function):
            results = list(self.function(iter([given[0] if len(given) == 1 else given])))
            if len(results) != 1:
                raise UserError(f"{self.name} yields {len(results)} results for one batch; it must yield one for each")
            (result,) = results
        else:
            result = self.function(*given)
        if np.ndim(result) != 1 or len(result) != len(rows):
            raise UserError(f"{self.name} does not return a column of {len(rows):,} values for {len(rows):,} rows")
        return np.asarray(result)


def name_of(function: Callable[..., Any]) -> str:
    """Returns the name of a function for messages."""
    return getattr(function, "__qualname__", type(function).__name__)


def is_function(model: Any) -> bool:
    """Whether a full model is a function, not an estimator or a class."""
    return callable(model) and not isinstance(model, type) and not hasattr(model, "predict")


def known_rows(rows: Any) -> np.ndarray:
    """Returns which rows have no NULL in a column of strings or of other objects, bool[rows]. Small models raise for these."""
    columns = [rows] if isinstance(rows, pd.Series) else [rows[name] for name in rows.columns]
    known = np.ones(len(rows), np.bool_)
    for column in columns:
        if pd.api.types.is_string_dtype(column.dtype):  # or of objects, as the function defines it
            known &= column.notna().to_numpy()
    return known


def digest_of(function: Any) -> str:
    """Returns the SHA-256 of a function's code, defaults, and the numbers and strings that it reads from outside.

    What it calls takes no part.
    """
    if isinstance(function, functools.partial):
        return fingerprint(("partial", digest_of(function.func), function.args, function.keywords))
    if isinstance(function, types.FunctionType):
        outside = inspect.getclosurevars(function)
        read = {**outside.globals, **outside.nonlocals}
        constants = {name: value for name, value in read.items() if isinstance(value, str | bytes | int | float)}
        return fingerprint((_of_code(function.__code__), function.__defaults__, function.__kwdefaults__, constants))
    try:
        return fingerprint(function)
    except (TypeError, ValueError) as error:
        raise UserError(f"{name_of(function)} has no digest ({error}): pass a function") from error


def _of_code(code: types.CodeType) -> str:
    digest = hashlib.sha256(code.co_code)
    names: Iterable[Any] = (code.co_names, code.co_varnames, code.co_freevars)
    for value in (*names, *code.co_consts):
        digest.update((_of_code(value) if isinstance(value, types.CodeType) else fingerprint(value)).encode())
    return digest.hexdigest()


def _takes_frame(function: Callable[..., Any], columns: tuple[str, ...]) -> bool:
    """Whether the function takes the columns as one DataFrame. Raises UserError for a wrong number of parameters."""
    if inspect.isgeneratorfunction(function):
        return False
    parameters = list(inspect.signature(function).parameters.values())
    if len(parameters) == 1 and parameters[0].kind is not inspect.Parameter.VAR_POSITIONAL:
        return len(columns) > 1 or parameters[0].annotation in (pd.DataFrame, "pd.DataFrame", "pandas.DataFrame")
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    least = sum(p.default is p.empty for p in positional)
    most = len(columns) if any(p.kind is p.VAR_POSITIONAL for p in parameters) else len(positional)
    if not least <= len(columns) <= most:
        raise UserError(
            f"{name_of(function)} has {len(positional)} parameters, and there are {len(columns)} columns ({', '.join(columns)}): "
            "pass the columns that it reads, in the order of its parameters"
        )
    return False
