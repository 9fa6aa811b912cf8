"""Lowers methods of a Series whose dtype depends on whether elements are missing (`frontends.pandas.batch_dependent`).

Any other method guards that no element of the batch is missing, and is then that of an ordinary Series.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from sparkweld.ir import Value
from sparkweld.ir.ops import IsIn
from sparkweld.ir.types import BOOL, F64, I64
from udf_compiler.frontends.pandas.batch_dependent import BATCH_DEPENDENT, as_float, is_batch_dependent, plain, present
from udf_compiler.frontends.pandas.calls import series_choices, series_methods
from udf_compiler.frontends.pandas.calls.membership import series_isin
from udf_compiler.frontends.pandas.calls.strings.convert import is_str_dtype, to_str
from udf_compiler.frontends.pandas.series import TracedSeries
from udf_compiler.frontends.tracing.lower import cast, constant_of, run_prototype, type_of
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.values import refuse_in_place


def isna(s: Any) -> Any:
    return s.new(s.loop.call("logical_not", present(s)))


def notna(s: Any) -> Any:
    return s.new(present(s))


def fillna(s: Any, value: Any = None, *, inplace: bool = False) -> Any:
    """Implements fillna. Missing bools become bools, and pandas infers bool; integers take their values in float64."""
    call = "Series.fillna"
    refuse_in_place(inplace, call)
    value = constant_of(value)
    kind = type(value)
    if s.value.type == BOOL and kind is bool:
        return s.new(s.loop.select(present(s), s.value, s.loop.const(value, BOOL)))
    if s.value.type == F64 and kind in (int, float) and abs(value) <= 2**53:
        return _like(s, s.loop.select(present(s), s.value, s.loop.const(value, F64)), replace(s.batch_dependent, valid=None))
    whole = kind is int or (kind is float and value.is_integer())
    if s.value.type != I64 or not whole or abs(value) > s.batch_dependent.bound:
        return series_choices.fillna(plain(s, call), value, inplace=inplace)
    filled = s.loop.select(present(s), s.value, s.loop.const(int(value), I64))
    return _like(s, filled, replace(s.batch_dependent, valid=None))


def _like(s: Any, value: Value, state: Any) -> Any:
    return TracedSeries(s.loop, value, None, BATCH_DEPENDENT, batch_dependent=state)


def astype(s: Any, dtype: Any, copy: Any = None, errors: str = "raise") -> Any:
    """Implements astype. To float: missing becomes NaN. To integer: missing raises. To bool: None is False and NaN is True."""
    call = "Series.astype"
    if errors != "raise" or isinstance(dtype, dict):
        refuse("SW262", call=call, what="the argument errors= or a dict")
    if is_str_dtype(dtype):
        return to_str(s)
    made = run_prototype(call, lambda: np.ones(1, np.int64).astype(dtype).dtype)
    if s.value.type == BOOL:
        return _bool_astype(s, made, call)
    if made.kind == "f":
        floats = as_float(s)
        return floats.new(cast(s.loop, floats.value, type_of(made, call)))
    if made.kind != "i":
        series = plain(s, call)
        return series.new(cast(s.loop, series.value, type_of(made, call)))
    if s.batch_dependent.valid is not None:
        s.loop.guard(s.batch_dependent.valid)
    if s.value.type == I64:  # a cast of int64 wraps, a cast of float64 does not
        limits = np.iinfo(made)
        if s.batch_dependent.bound > limits.max:
            return s.new(cast(s.loop, plain(s, call).value, type_of(made, call)))
    return s.new(cast(s.loop, s.value, type_of(made, call)))


def _bool_astype(s: Any, made: np.dtype, call: str) -> Any:
    """Casts bools; a missing None becomes False and NaN becomes True."""
    may = s.batch_dependent.missing
    if made == np.bool_ and s.batch_dependent.valid is not None and not (may.none and may.nan):
        return s.new(s.loop.select(s.batch_dependent.valid, s.value, s.loop.const(may.nan, BOOL)))
    series = plain(s, call)
    return series.new(cast(s.loop, series.value, type_of(made, call)))


def truth(s: Any) -> Value:
    """Converts each element to bool, as np.where does with its condition. Guards rows that may be None or NaN, which differ."""
    may = s.batch_dependent.missing
    if s.value.type != BOOL:
        return s.loop.cast(s.value, BOOL) if s.batch_dependent.valid is None else s.loop.cast(plain(s, "np.where").value, BOOL)
    if s.batch_dependent.valid is None:
        value: Value = s.value
        return value
    if may.none and may.nan:
        s.loop.guard(s.batch_dependent.valid)
    return s.loop.select(s.batch_dependent.valid, s.value, s.loop.const(may.nan, BOOL))


def copy(s: Any, deep: bool = True) -> Any:
    s.shared = s.shared or not deep
    made = _like(s, s.value, s.batch_dependent)
    made.shared = not deep
    return made


def rename(s: Any, index: Any = None) -> Any:
    if index is not None and not isinstance(index, str):
        refuse("SW250", call="Series.rename of labels")
    return copy(s, deep=False)


def isin(s: Any, values: Any) -> Any:
    """Implements isin of integers in integers; a missing element is in no table."""
    keys = constant_of(values)
    known = isinstance(keys, list | tuple | set | frozenset) and all(type(k) is int and abs(k) <= 2**53 for k in keys)
    if s.value.type != I64 or not known:
        return series_isin(plain(s, "Series.isin"), values)
    return s.new(s.loop.call("logical_and", s.loop.emit(IsIn.of(list(keys), I64), s.value), present(s)))


def between(s: Any, left: Any, right: Any, inclusive: str = "both") -> Any:
    return series_methods.between(s, left, right, inclusive)


def _operator(name: str) -> Callable[..., Any]:
    def method(s: Any, other: Any, level: Any = None, fill_value: Any = None, axis: Any = 0) -> Any:
        if level is not None or fill_value is not None or axis not in (0, "index"):
            refuse("SW262", call=f"Series.{name}", what="the argument level=, fill_value= or axis=")
        if is_batch_dependent(other) or not hasattr(other, "loop"):
            return s._binary(name, other, False)
        return getattr(plain(s, f"Series.{name}"), name)(other)

    return method


#: Methods that need no guard against missing elements.
METHODS: dict[str, Callable[..., Any]] = {
    "isna": isna,
    "isnull": isna,
    "notna": notna,
    "notnull": notna,
    "fillna": fillna,
    "astype": astype,
    "between": between,
    "isin": isin,
    "copy": copy,
    "rename": rename,
    **{name: _operator(name) for name in ("eq", "ne", "lt", "le", "gt", "ge", "add", "sub", "mul")},
}

__all__ = ["METHODS", "truth"]
