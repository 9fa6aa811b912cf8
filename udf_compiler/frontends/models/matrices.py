"""Implements ``xgboost.DMatrix(columns, ...)`` for XGBoost's boosters."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sparkweld.ir import Value
from sparkweld.ir.types import F32
from udf_compiler.frontends.models.categories import numbers_of
from udf_compiler.frontends.models.features import Features, features_of, guard_finite
from udf_compiler.frontends.tracing.lower import run_prototype
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.values import Traced

_CALL = "xgboost.DMatrix"


@dataclass(frozen=True)
class Matrix:
    """Columns, the value that is missing besides NaN, and the other arguments of DMatrix."""

    features: Features
    missing: float = np.nan
    options: dict[str, Any] = field(default_factory=dict)

    def prototype(self) -> Any:
        """Returns a DMatrix of one row."""
        kind = sys.modules["xgboost"].DMatrix
        return run_prototype(_CALL, kind, self.features.prototype(), missing=self.missing, nthread=1, **self.options)

    def columns(self) -> list[Value]:
        """Returns the values as XGBoost compares them: float32, NaN where missing. Infinity is guarded, as the library raises."""
        loop = self.features.loop
        columns = [loop.cast(v, F32) for v in numbers_of(self.features)]
        guard_finite(loop, columns, allow_nan=True)
        if np.isnan(self.missing):
            return columns
        missing, nan = loop.const(np.float32(self.missing), F32), loop.const(np.nan, F32)
        return [loop.select(loop.call("equal", v, missing), nan, v) for v in columns]


class TracedMatrix(Traced):
    """A DMatrix: it can only be passed on to a Booster."""

    __slots__ = ("matrix",)
    what = "DMatrix"
    of_instances = frozenset({"handle", "missing", "nthread", "silent"})

    def __init__(self, matrix: Matrix) -> None:
        object.__setattr__(self, "matrix", matrix)

    @property  # type: ignore[override]
    def stands_for(self) -> Any:
        return sys.modules["xgboost"].DMatrix

    def __getattr__(self, name: str) -> Any:
        refuse("SW840", call=_CALL, option=f".{name}")


def refuse_given(call: str, options: Mapping[str, Any]) -> None:
    """Refuses (SW840) the first option, in the order of names, that is not None."""
    if given := sorted(name for name, value in options.items() if value is not None):
        refuse("SW840", call=call, option=given[0])


def matrix(
    data: Any, label: Any = None, *, missing: float | None = None, silent: bool = False, feature_names: Any = None,
    feature_types: Any = None, nthread: int | None = None, enable_categorical: bool | None = None, **others: Any,
) -> TracedMatrix:  # fmt: skip
    """Returns the DMatrix of traced columns. Refuses (SW840) arguments that label or weight its rows."""
    refuse_given(_CALL, {"label": label, **others})
    x = features_of(data, _CALL, categories=True)
    if x.ndim != 2 or x.has_texts:
        refuse("SW811", call=_CALL)
    options = {"feature_names": feature_names, "feature_types": feature_types, "enable_categorical": enable_categorical}
    made = Matrix(x, np.nan if missing is None else float(missing), {k: v for k, v in options.items() if v is not None})
    made.prototype()
    return TracedMatrix(made)
