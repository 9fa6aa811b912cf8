"""Describes the first difference between the results of a function and of its translation, for a refusal."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from enum import IntEnum
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from sparkweld.contract.constants import DOUBLE_SUM_TERMS, FLOAT_SUM_TERMS
from sparkweld.ir.ops.base import Let
from sparkweld.ir.types import Type

_Differ = str | None
_Comparison = Callable[[np.ndarray, np.ndarray], np.ndarray]


class Tolerance(IntEnum):
    """How far results may differ: not in a bit, in the digits that differ between libms, or by sums in another order.

    With SINGLE_SUMS, the sums are of 32-bit floats, whatever type the result is converted to.
    """

    BITS = 0
    DIGITS = 1
    SUMS = 2
    SINGLE_SUMS = 3


def tolerance_of(kept: Iterable[Any], body: Sequence[Let]) -> Tolerance:
    """Returns the tolerance. `kept`: operations that sum in another order; `body`: the body of the loop.

    Python computes ``x ** 0.3`` of a number with libm, while NumPy's loop over an array has its own implementation.
    """
    if any(True for _ in kept):
        return Tolerance.SINGLE_SUMS if has_single_precision(body) else Tolerance.SUMS
    return Tolerance.DIGITS if any(let.op.bound is not None for let in body) else Tolerance.BITS


def has_single_precision(body: Sequence[Let]) -> bool:
    """Whether an approximate operation of a loop's body results in 32-bit floats."""
    types: list[Type] = []
    for let in body:
        types.append(let.op.infer(*(types[a] for a in let.args)))
    return any(type.kind == "f32" and let.op.bound is not None for type, let in zip(types, body, strict=True))


def difference_of(given: Any, wanted: Any, tolerance: Tolerance) -> _Differ:
    """Describes the difference between the function's and the translation's result; None when they are equal."""
    if type(given) is not type(wanted):
        return f"the function returns a {type(given).__name__}, its translation a {type(wanted).__name__}"
    if isinstance(wanted, pd.DataFrame):
        if list(given.columns) != list(wanted.columns):
            return f"the function returns the columns {list(given.columns)}, its translation {list(wanted.columns)}"
        differences = (difference_of(given[name], wanted[name], tolerance) for name in wanted.columns)
        return next((d for d in differences if d is not None), None)
    if _is_void(wanted) and (_is_void(given) or _is_void_of_times(given)) and given.shape == wanted.shape:
        return None  # without any value, pandas infers a dtype that no column depends on
    if isinstance(wanted, pa.RecordBatch):
        if given.schema.names != wanted.schema.names:
            return f"the function returns the columns {given.schema.names}, its translation {wanted.schema.names}"
        differences = (_arrow_difference(a, b, tolerance) for a, b in zip(given.columns, wanted.columns, strict=True))
        return next((d for d in differences if d is not None), None)
    if isinstance(wanted, pa.StructArray) and given.type == wanted.type:
        differences = (_arrow_difference(a, b, tolerance) for a, b in zip(given.flatten(), wanted.flatten(), strict=True))
        return next((d for d in differences if d is not None), None)
    if isinstance(wanted, pa.Array):
        return _arrow_difference(given, wanted, tolerance)
    if given.dtype != wanted.dtype or given.shape != wanted.shape:
        return f"the function returns {given.dtype} of shape {given.shape}, its translation {wanted.dtype} of {wanted.shape}"
    theirs, ours = _values_of(given), _values_of(wanted)
    same = _COMPARISONS[tolerance](theirs, ours)
    if same.all() or (tolerance and ours.dtype.kind != "f" and 4 * np.count_nonzero(~same) < same.size):
        return None  # the last bits of a dot product may decide a comparison
    at = tuple(np.argwhere(~same)[0])
    return f"the function returns {theirs[at]!r}, its translation {ours[at]!r}"


def _is_void(x: Any) -> bool:
    """Whether a Series has only missing elements."""
    return isinstance(x, pd.Series) and (x.dtype == object or x.dtype == np.float64) and bool(x.isna().all())


def _is_void_of_times(x: Any) -> bool:
    """Whether a Series is what pandas makes of objects that are all NaT, such as dates."""
    return isinstance(x, pd.Series) and x.dtype.kind == "M" and bool(x.isna().all())


def _values_of(x: Any) -> np.ndarray:
    """Returns the values, with times as integers and missing values of other extension arrays as None."""
    if isinstance(x.dtype, pd.api.extensions.ExtensionDtype):
        return np.asarray(x.array.to_numpy(dtype=object, na_value=None))
    array = np.asarray(x)
    return array.view(np.int64) if array.dtype.kind in "mM" else array


def _arrow_difference(given: pa.Array, wanted: pa.Array, tolerance: Tolerance) -> _Differ:
    if given.type != wanted.type or len(given) != len(wanted):
        return f"the function returns {len(given)} values of {given.type}, its translation {len(wanted)} of {wanted.type}"
    theirs, ours = (np.asarray(a.is_valid()) for a in (given, wanted))
    if not np.array_equal(theirs, ours):
        return f"the function returns {np.count_nonzero(~theirs)} NULLs, its translation {np.count_nonzero(~ours)}"
    pair = [np.asarray(a.drop_null()) for a in (given, wanted)]
    same = _COMPARISONS[tolerance](*pair)
    at = np.flatnonzero(~same)
    return f"the function returns {pair[0][at[0]]!r}, its translation {pair[1][at[0]]!r}" if len(at) else None


def _same(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    if a.dtype == object:
        return np.array([_same_object(x, y) for x, y in zip(a, b, strict=True)], np.bool_)
    if a.dtype.kind != "f":
        return np.asarray(a == b)
    return ((a == b) & (np.signbit(a) == np.signbit(b))) | (np.isnan(a) & np.isnan(b))


def _same_object(x: Any, y: Any, same: _Comparison = _same) -> bool:
    if isinstance(x, np.ndarray) and isinstance(y, np.ndarray):
        return x.dtype == y.dtype and x.shape == y.shape and bool(same(x, y).all())
    if isinstance(x, np.ndarray) or isinstance(y, np.ndarray):
        return False
    return bool(x == y or (pd.isna(x) and pd.isna(y)))


def _near(a: np.ndarray, b: np.ndarray, single: bool = False) -> np.ndarray:
    if a.dtype == object:
        return np.array([_same_object(x, y, partial(_near, single=single)) for x, y in zip(a, b, strict=True)], np.bool_)
    if a.dtype.kind != "f":
        return _same(a, b)
    finite = np.abs(a[np.isfinite(a)])
    single |= a.dtype.itemsize == 4
    terms, eps = (FLOAT_SUM_TERMS, np.finfo(np.float32).eps) if single else (DOUBLE_SUM_TERMS, np.finfo(np.float64).eps)
    tolerance = 2 * terms * float(eps)  # as in Shadow.scala
    return np.isclose(a, b, rtol=tolerance, atol=tolerance * float(finite.max(initial=0.0)), equal_nan=True)


def _close(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    if a.dtype.kind != "f":
        return _same(a, b)
    return np.isclose(a, b, rtol=1e6 * float(np.finfo(a.dtype).eps), atol=1e-12, equal_nan=True)


_COMPARISONS: dict[Tolerance, _Comparison] = {
    Tolerance.BITS: _same, Tolerance.DIGITS: _close, Tolerance.SUMS: _near,
    Tolerance.SINGLE_SUMS: partial(_near, single=True),
}  # fmt: skip
