"""Recognizes captured values that are plain data, and detects changes to them during a trace.

Plain data behaves the same on every call and holds no code; it forms the leaves of a rebuilt function. Immutable values
remain themselves, containers are copied, and arrays become read-only views. `Snapshot` detects afterwards whether any of
them was changed.
"""

from __future__ import annotations

import collections
import datetime
import decimal
import functools
import itertools
import operator
import re
import sys
import types
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from udf_compiler.frontends.tracing.constants import ConstantSet, FrameConstant, PandasConstant, constant_date
from udf_compiler.frontends.tracing.large_dicts import FEW, LargeDict, LargeFrozenSet, LargeSet
from udf_compiler.function.bytecode import Use

#: Types whose values are immutable and hold nothing else.
SCALARS: frozenset[type] = frozenset(
    (int, float, complex, bool, str, bytes, type(None), type(...), type(NotImplemented), range, re.RegexFlag)
    + (datetime.time, datetime.timedelta, datetime.timezone, decimal.Decimal)
)

#: C functions that only apply Python's own protocols to their arguments.
PROTOCOL_FUNCTIONS: tuple[Any, ...] = (
    *(f for f in vars(operator).values() if isinstance(f, types.BuiltinFunctionType)),
    *(c for c in vars(itertools).values() if isinstance(c, type)),
    *(operator.itemgetter, functools.reduce, functools.partial, super, object, slice),
    *(property, staticmethod, classmethod),
)
_PROTOCOL_IDS = frozenset(map(id, PROTOCOL_FUNCTIONS))

_ARRAY_KINDS = "biuf"

_Rebuild = Callable[[Any], Any]
_Remember = Callable[[Any], None]


@dataclass(slots=True)
class Snapshot:
    """The comparisons to make after a trace, one for each value that could have been changed."""

    _checks: list[tuple[Use, Callable[[], bool]]] = field(default_factory=list)

    def add(self, use: Use, unchanged: Callable[[], bool]) -> None:
        self._checks.append((use, unchanged))

    def add_attributes(self, use: Use, owner: object) -> None:
        """Requires that the attributes of `owner` remain the same objects."""
        before = dict(vars(owner))
        self.add(use, lambda: vars(owner).keys() == before.keys() and all(vars(owner)[k] is v for k, v in before.items()))

    def check(self) -> None:
        """Refuses (SW217) the first value that was changed."""
        for use, unchanged in self._checks:
            if not unchanged():
                raise use.refusal("SW217")


def is_scalar(value: object) -> bool:
    """Whether a value is immutable and so needs no copy."""
    if issubclass(type(value), np.generic):  # the `__class__` of a value of the row may be one, too
        return value.dtype.kind in _ARRAY_KINDS  # type: ignore[attr-defined]
    if isinstance(value, np.dtype):
        return True
    return type(value) in SCALARS or (type(value) is slice and all(map(is_scalar, (value.start, value.stop, value.step))))


def is_protocol_function(value: object) -> bool:
    """Whether a value is one of PROTOCOL_FUNCTIONS, a built-in exception class, or a type hint."""
    if id(value) in _PROTOCOL_IDS:
        return True
    if isinstance(value, type):
        return issubclass(value, BaseException) and value.__module__ == "builtins"
    return type(value).__module__ == "typing" or isinstance(value, types.GenericAlias | types.UnionType)


def copy_container(value: Any, rebuild: _Rebuild, remember: _Remember, use: Use, snapshot: Snapshot) -> Any:
    """Returns a copy of a list, tuple, dict, set, deque or similar with every element rebuilt; None for another type.

    `remember` receives a mutable copy before its elements are rebuilt, so that cycles terminate.
    """
    kind = type(value)
    if kind is tuple:
        return tuple(map(rebuild, value))
    if kind in (set, frozenset):
        return _copy_set(value, use, snapshot)
    if kind in (list, collections.deque):
        return _copy_sequence(value, rebuild, remember, use, snapshot)
    if kind in (dict, collections.OrderedDict, types.MappingProxyType):
        return _copy_mapping(value, rebuild, remember, use, snapshot)
    return None


def _copy_sequence(value: Any, rebuild: _Rebuild, remember: _Remember, use: Use, snapshot: Snapshot) -> Any:
    copy: Any = [] if type(value) is list else collections.deque(maxlen=value.maxlen)
    remember(copy)
    copy.extend(map(rebuild, value))
    elements = list(copy)
    snapshot.add(use, lambda: _same(list(copy), elements))
    return copy


def _copy_mapping(value: Any, rebuild: _Rebuild, remember: _Remember, use: Use, snapshot: Snapshot) -> Any:
    plain = LargeDict() if type(value) is dict and len(value) > FEW else {}
    copy: dict[Any, Any] = collections.OrderedDict() if type(value) is collections.OrderedDict else plain
    if type(value) is not types.MappingProxyType:
        remember(copy)
    try:
        copy.update((rebuild(k), rebuild(v)) for k, v in value.items())
    except TypeError:  # the copies of some objects with a __hash__ of their own have none
        raise use.refusal("SW216", type=f"{type(value).__name__} of keys that are not plain") from None
    keys, values = list(copy.keys()), list(copy.values())
    snapshot.add(use, lambda: _same(list(copy.keys()), keys) and _same(list(copy.values()), values))
    return types.MappingProxyType(copy) if type(value) is types.MappingProxyType else copy


def _copy_set(value: Any, use: Use, snapshot: Snapshot) -> Any:
    """Copies a set in the same iteration order, which affects loops and sums. Without a stable order, returns a ConstantSet."""
    if not all(is_scalar(v) or _is_date(v) or (type(v) is tuple and all(map(is_scalar, v))) for v in value):
        raise use.refusal("SW216", type=f"{type(value).__name__} of data that is not plain")
    if any(map(_is_randomized, value)) or list(value.copy()) != list(value):
        return ConstantSet(type(value)(map(constant_date, value)))
    copy = type(value)(map(constant_date, value)) if any(isinstance(v, datetime.date) for v in value) else value.copy()
    elements = list(copy)
    if elements != list(value):  # dates have other hashes in each process
        return ConstantSet(copy)
    if len(copy) > FEW:
        large = (LargeSet if type(copy) is set else LargeFrozenSet)(elements)
        copy = large if list(large) == elements else copy
    snapshot.add(use, lambda: list(copy) == elements)
    return copy


def _is_randomized(x: Any) -> bool:
    """Whether the hash of an element of a set may differ between processes.

    A tuple combines the hashes of its elements. Those of None and of NaN are addresses in some versions of Python.
    """
    if type(x) is tuple:
        return any(type(part) not in (int, bool) for part in x)
    return bool(sys.flags.hash_randomization) and isinstance(x, str | bytes)


def copy_array(value: Any, use: Use, snapshot: Snapshot) -> Any:
    """Returns a read-only view of a numeric NumPy array, or a constant for an object of pandas; None for another type."""
    if type(value) is np.ndarray:
        if value.dtype.kind not in _ARRAY_KINDS:
            raise use.refusal("SW216", type=f"array of {value.dtype}")
        view = np.asarray(_ReadOnly(value))
        form = (view.shape, view.strides, view.dtype)
        snapshot.add(use, lambda: not view.flags.writeable and (view.shape, view.strides, view.dtype) == form)
        return view
    if type(value) in (pd.Series, pd.Index, pd.RangeIndex):
        if not isinstance(value.dtype, np.dtype) or value.dtype.kind not in "biuf":
            raise use.refusal("SW216", type=f"{type(value).__name__} of {value.dtype}")
        copy, kept = value.copy(deep=True), value.copy(deep=True)
        snapshot.add(use, lambda: copy.dtype == kept.dtype and copy.equals(kept) and copy.name == kept.name)
        return PandasConstant(copy)
    return _copy_frame(value, use, snapshot) if type(value) is pd.DataFrame else None


def _copy_frame(value: pd.DataFrame, use: Use, snapshot: Snapshot) -> FrameConstant:
    """Copies a frame of columns of numbers or strings, which may be missing, whose names are distinct strings."""
    if not all(type(n) is str for n in value.columns) or not value.columns.is_unique:
        raise use.refusal("SW216", type="DataFrame with names of columns that are not distinct strings")
    index = value.index
    if type(index) not in (pd.Index, pd.RangeIndex) or index.dtype != np.int64 or index.name is not None:
        raise use.refusal("SW216", type="DataFrame with an index of its own")
    for name in value.columns:
        if not _is_plain(value[name]):
            raise use.refusal("SW216", type=f"DataFrame with a column of {value[name].dtype}")
    copy, kept = value.copy(deep=True), value.copy(deep=True)
    snapshot.add(use, lambda: list(copy.columns) == list(kept.columns) and copy.equals(kept))
    return FrameConstant(copy)


def _is_plain(column: pd.Series) -> bool:
    """Whether a column has numbers, or strings, None and NaN."""
    if not isinstance(column.dtype, np.dtype) or column.dtype.kind not in "biufO":
        return False
    return column.dtype.kind != "O" or all(x is None or type(x) is str or (type(x) is float and x != x) for x in column)


def copy_date(value: Any) -> Any:
    """Returns the guarded equivalent of a date or datetime; None for another type."""
    return constant_date(value) if _is_date(value) else None


def _is_date(value: object) -> bool:
    return type(value) in (datetime.date, datetime.datetime)


class _ReadOnly:
    """An array interface to another array's memory that is permanently read-only and whose `base` is not that array."""

    __slots__ = ("__array_interface__", "_array")

    def __init__(self, array: np.ndarray) -> None:
        interface = dict(array.__array_interface__)
        interface["data"] = (interface["data"][0], True)
        self.__array_interface__, self._array = interface, array


def _same(now: list[Any], before: list[Any]) -> bool:
    return len(now) == len(before) and all(a is b for a, b in zip(now, before, strict=True))
