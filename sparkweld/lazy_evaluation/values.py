"""Implements lazy Series and arrays: their operators, ufuncs, functions and methods are recorded and return lazy values."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from pandas.core import roperator

from sparkweld.annotations.domains import RowDomain
from sparkweld.lazy_evaluation.definition import Definition, LazyData
from sparkweld.lazy_evaluation.evaluating import compute

_BINARY = "add sub mul truediv floordiv mod pow and or xor eq ne lt le gt ge matmul lshift rshift divmod".split()
_REFLECTED = "add sub mul truediv floordiv mod pow and or xor divmod".split()
_UNARY = {"neg": operator.neg, "pos": operator.pos, "invert": operator.invert, "abs": abs}
_IN_PLACE = "add sub mul truediv floordiv mod pow and or xor".split()
#: Conversions whose result has no rows, so that they compute the value at once.
_CONVERSIONS: dict[str, Callable[..., Any]] = {
    "float": float, "int": int, "index": operator.index, "bool": bool, "complex": complex, "contains": operator.contains,
    "iter": iter, "reversed": reversed, "round": round,
}  # fmt: skip


class Lazy(LazyData):
    """A Series or array that is not computed yet. A use that no pipeline supports computes it and continues with the result."""

    #: The class of the real object.
    real: Any = None
    #: Copies the real object.
    _copy: Any = None
    __array_priority__ = 3000
    __pandas_priority__ = 11_000
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, definition: Definition) -> None:
        self._definition = definition

    def _definitions(self) -> list[Definition]:
        return [self._definition]

    def _real_data(self) -> Any:
        return self._definition.real

    def _record(
        self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any] = MappingProxyType({})
    ) -> Any:
        return self._definition.session.record(function, args, kwargs)

    @property
    def _rows(self) -> RowDomain:
        return self._definition.domain

    def compute(self) -> Any:
        """Returns the real Series or array."""
        return compute(self)[0]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        array = np.asarray(self.compute())
        return array if dtype is None else array.astype(dtype)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, out: Any = None, **kwargs: Any) -> Any:
        function = ufunc if method == "__call__" else getattr(ufunc, method)
        result = self._record(function, inputs, kwargs)
        if out is None:
            return result
        if len(out) != 1 or not isinstance(out[0], Lazy):
            return self._copied(out, result)
        out[0]._become(self._record(_as_dtype, (result, out[0])))
        return out[0]

    def _copied(self, out: tuple[Any, ...], result: Any) -> Any:
        for target, value in zip(out, result if isinstance(result, tuple) else (result,), strict=True):
            np.copyto(target, np.asarray(value), casting="same_kind")
        return out if len(out) > 1 else out[0]

    def __array_function__(self, function: Callable[..., Any], types: Any, args: Any, kwargs: Any) -> Any:
        return self._record(function, args, kwargs)

    def _become(self, other: Any) -> None:
        """Represents `other`'s value from now on: after an item assignment or an in-place operator."""
        self._definition = other._definition

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return self._definition.session.attribute(self, name)

    def __getitem__(self, key: Any) -> Any:
        return self._definition.session.element(self, key)

    def __setitem__(self, key: Any, value: Any) -> None:
        self._become(self._record(partial(_with_item, copy=self._copy), (self, key, value)))

    def __len__(self) -> int:
        rows = self._definition.known_rows
        return len(self.compute()) if rows is None else rows

    def __repr__(self) -> str:
        return repr(self.compute())


class LazySeries(Lazy):
    """A lazy pandas Series."""

    real = pd.Series
    _copy = staticmethod(operator.methodcaller("copy"))


class LazyArray(Lazy):
    """A lazy array of one dimension."""

    real = np.ndarray
    _copy = staticmethod(np.copy)


def _with_item(x: Any, key: Any, value: Any, copy: Callable[[Any], Any]) -> Any:
    """Returns a copy of `x` after ``x[key] = value``."""
    made = copy(x)
    made[key] = value
    return made


def _as_dtype(value: Any, like: Any) -> Any:
    """Returns the value in the dtype of its target, as NumPy casts the results of ufuncs."""
    if not np.can_cast(value.dtype, like.dtype, "same_kind"):
        raise TypeError(f"Cannot cast ufunc output from {value.dtype!r} to {like.dtype!r} with casting rule 'same_kind'")
    return value if value.dtype == like.dtype else value.astype(like.dtype)


def _in_place(x: Any, other: Any, name: str, copy: Callable[[Any], Any]) -> Any:
    """Returns a copy of `x` after an in-place operator."""
    return getattr(operator, f"i{name}")(copy(x), other)


def _define() -> None:
    def method(function: Callable[..., Any]) -> Callable[..., Any]:
        return lambda self, *args: self._record(function, (self, *args))

    def in_place(name: str) -> Callable[..., Any]:
        def call(self: Lazy, other: Any) -> Any:
            self._become(self._record(partial(_in_place, name=name, copy=self._copy), (self, other)))
            return self

        return call

    def converted(function: Callable[..., Any]) -> Callable[..., Any]:
        return lambda self, *args: function(self.compute(), *args)

    functions = {"and": operator.and_, "or": operator.or_, "divmod": divmod}
    reflected = {"and": roperator.rand_, "or": roperator.ror_}
    for name in _BINARY:
        setattr(Lazy, f"__{name}__", method(functions.get(name) or getattr(operator, name)))
    for name in _REFLECTED:
        setattr(Lazy, f"__r{name}__", method(reflected.get(name) or getattr(roperator, f"r{name}")))
    for name, function in _UNARY.items():
        setattr(Lazy, f"__{name}__", method(function))  # type: ignore[arg-type]
    for name in _IN_PLACE:
        setattr(Lazy, f"__i{name}__", in_place(name))
    for name, function in _CONVERSIONS.items():
        setattr(Lazy, f"__{name}__", converted(function))


_define()
