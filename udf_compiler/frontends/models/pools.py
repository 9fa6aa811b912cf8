"""Implements ``catboost.Pool(columns, cat_features=...)`` for CatBoost's models."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

from udf_compiler.frontends.models.features import Features, features_of
from udf_compiler.frontends.models.matrices import refuse_given
from udf_compiler.frontends.tracing.lower import run_prototype
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.values import Traced

_CALL = "catboost.Pool"


@dataclass(frozen=True)
class Pool:
    """Columns, and the places of those that are categories."""

    features: Features
    categories: frozenset[int]

    def prototype(self) -> Any:
        """Returns a Pool of one row."""
        kind = sys.modules["catboost"].Pool
        return run_prototype(_CALL, kind, self.features.prototype(), cat_features=sorted(self.categories))


class TracedPool(Traced):
    """A Pool: it can only be passed on to a model."""

    __slots__ = ("pool",)
    what = "Pool"

    def __init__(self, pool: Pool) -> None:
        object.__setattr__(self, "pool", pool)

    @property  # type: ignore[override]
    def stands_for(self) -> Any:
        return sys.modules["catboost"].Pool

    def __getattr__(self, name: str) -> Any:
        refuse("SW840", call=_CALL, option=f".{name}")


def pool(data: Any, label: Any = None, cat_features: Any = None, *, thread_count: int = -1, **others: Any) -> TracedPool:
    """Returns the Pool of traced columns. Refuses (SW840) arguments that label, weight or name its rows and columns."""
    refuse_given(_CALL, {"label": label, **others})
    x = features_of(data, _CALL, categories=True)
    if x.ndim != 2:
        refuse("SW811", call=_CALL)
    made = Pool(x, frozenset(_place(x, one) for one in ([] if cat_features is None else list(cat_features))))
    made.prototype()
    return TracedPool(made)


def _place(x: Features, feature: Any) -> int:
    """Returns the place of a categorical feature, given by name or place. Refuses (SW840) one that no column has."""
    if isinstance(feature, str) and x.names is not None and x.names.count(feature) == 1:
        return x.names.index(feature)
    if type(feature) is not int or not 0 <= feature < len(x.columns):
        refuse("SW840", call=_CALL, option="cat_features")
    return feature
