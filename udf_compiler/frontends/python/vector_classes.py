"""Represents the classes of pyspark.ml.linalg: Vectors.dense, DenseVector, and classes that functions test for."""

from __future__ import annotations

import sys
from functools import cache
from types import ModuleType
from typing import Any

from udf_compiler.frontends.python import vectors
from udf_compiler.frontends.tracing.class_stand_ins import ClassStandIn, class_stand_in
from udf_compiler.frontends.tracing.session import refuse


class _VectorsMeta(ClassStandIn):
    """The metaclass of the stand-in of Vectors, whose functions make vectors."""

    def __getattr__(cls, name: str) -> Any:
        if name != "dense":
            refuse("SW263", name=f"Vectors.{name}")
        return vectors.dense


def _unavailable(label: str) -> Any:
    def make(*args: Any, **kwargs: Any) -> Any:
        refuse("SW263", name=f"{label}()")

    return make


def stand_in(obj: Any) -> Any:
    """Returns the stand-in of a class of pyspark.ml.linalg, or None. A function that uses one has imported the module."""
    linalg = sys.modules.get("pyspark.ml.linalg")
    return _class(obj, linalg) if linalg is not None and isinstance(obj, type) and obj.__module__ == linalg.__name__ else None


@cache
def _class(obj: type, linalg: ModuleType) -> Any:
    """Returns the one stand-in of a class: functions compare classes by `is`."""
    if obj is linalg.Vectors:
        return class_stand_in(obj, "Vectors", kind=_VectorsMeta)
    if obj is linalg.DenseVector:
        return class_stand_in(obj, "DenseVector", vectors.made_of)
    if obj in (linalg.SparseVector, linalg.Vector):
        return class_stand_in(obj, obj.__name__, _unavailable(obj.__name__))
    return None
