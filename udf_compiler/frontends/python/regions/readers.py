"""Distinguishes functions by what they do with a list or an iterator that is their argument."""

from __future__ import annotations

import heapq
import statistics
from collections.abc import Callable
from types import BuiltinMethodType
from typing import Any

from udf_compiler.frontends.python.builtin_calls import is_builtin
from udf_compiler.frontends.python.regions.equivalents import EQUIVALENT
from udf_compiler.frontends.python.vectors import dense
from udf_compiler.frontends.tracing.class_stand_ins import ClassStandIn
from udf_compiler.frontends.tracing.stand_ins import StandIn, stood_for

#: Functions of a number and of elements, of which they return some.
HEAPS: tuple[Callable[..., Any], ...] = (heapq.nlargest, heapq.nsmallest)
#: Builtins that do not keep a reference to a list argument.
_READERS: tuple[Callable[..., Any], ...] = (
    *(len, sum, min, max, any, all, sorted),
    *(statistics.mean, statistics.fmean, statistics.median, statistics.median_low, statistics.median_high),
    *HEAPS,
)
#: Builtins whose result does not depend on later changes of a list argument.
_FORGETS: tuple[Callable[..., Any], ...] = (str, repr, isinstance, bool, type)
#: Functions that take the elements of a generator expression as a list.
_OF_ELEMENTS: tuple[Callable[..., Any], ...] = (min, max, sorted, list, set, frozenset, *HEAPS, *EQUIVALENT)


def takes_elements(function: Any) -> bool:
    """Whether it is one of _OF_ELEMENTS, or the method `join`."""
    return is_join(function) or any(is_builtin(function, f) for f in _OF_ELEMENTS)


def is_heap(function: Any) -> bool:
    """Whether it is one of HEAPS."""
    return any(is_builtin(function, f) for f in HEAPS)


def is_join(function: Any) -> bool:
    """Whether it is the method `join` of a constant string."""
    return type(function) is BuiltinMethodType and type(function.__self__) is str and function.__name__ == "join"


def only_reads(function: Any) -> bool:
    return any(is_builtin(function, f) for f in _READERS)


def copies(function: Any) -> bool:
    """Whether a function keeps no list: it copies the elements, as those of NumPy and the constructors of vectors, or as str."""
    if function is dense or any(is_builtin(function, f) for f in _FORGETS):
        return True
    if issubclass(type(function), ClassStandIn):
        real = type.__getattribute__(function, "stands_for")
    else:
        real = stood_for(function) if issubclass(type(function), StandIn) else None
    return (getattr(real, "__module__", None) or "").startswith(("numpy", "pyspark.ml.linalg"))
