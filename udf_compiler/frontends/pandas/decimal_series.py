"""Traces Series of Decimals, as PySpark makes of decimal columns: floats of them, functions of one value, and tests for NULL."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.types import F32, F64, I64
from udf_compiler.frontends.pandas.apply.elementwise import apply_function
from udf_compiler.frontends.pandas.kind import SeriesKind, optional_element
from udf_compiler.frontends.pandas.series import TracedSeries
from udf_compiler.frontends.python.decimals import check_context, nearest_float
from udf_compiler.frontends.python.operands import EXACT
from udf_compiler.frontends.python.values import TracedScalar
from udf_compiler.frontends.tracing.integer_checks import between
from udf_compiler.frontends.tracing.lower import run_prototype
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.values import raw

#: A number of at most this many digits is exact as a float.
_EXACT_DIGITS = 15


class DecimalObjects(SeriesKind):
    """Decimals of one scale, None where NULL. The value is the number without the decimal point."""

    name = "decimal"
    precedence = precedence_as_other = 9

    def __init__(self, precision: int, scale: int) -> None:
        self.precision, self.scale = precision, scale

    def receiver(self, series: TracedSeries, name: str, call: str) -> TracedSeries:
        if name not in self.methods and name not in self.properties:
            self.check_numeric(call)
        return series

    def element(self, series: TracedSeries, call: str) -> Callable[[], Any]:
        check_context()
        most = 10**self.precision - 1
        number = series.loop.cast(series.loop.value_of(series.value), I64)
        return optional_element(series, TracedScalar(f"decimal{self.scale}", number, (-most, most)))


@functools.cache
def kind_of(precision: int, scale: int) -> DecimalObjects:
    """Returns the kind of the Series of a decimal type."""
    return DecimalObjects(precision, scale)


def decimal_series(loop: LoopBuilder, value: Value, precision: int, scale: int) -> TracedSeries:
    """Returns the Series of a decimal column. Numbers of more digits than the type has, which a file may hold, are guarded."""
    number, most = loop.cast(loop.value_of(value), I64), 10**precision - 1
    loop.guard(between(loop, number, -most, most), local=True)
    return TracedSeries(loop, value, np.dtype(object), kind=kind_of(precision, scale))


def astype(s: TracedSeries, dtype: Any, copy: Any = None, errors: str = "raise") -> TracedSeries:
    """Returns ``s.astype(float)``, with NaN for None. Refuses other types (SW254)."""
    call = "Series.astype"
    if errors != "raise" or copy not in (None, True):
        refuse("SW262", call=call, what="the argument errors= or copy=")
    made = run_prototype(call, pd.Series(np.ones(1)).astype, dtype)
    if made.dtype not in (np.float64, np.float32):
        refuse("SW254", call=f"{call} of decimals", type=str(made.dtype))
    return s.new(s.loop.cast(floats(s), F32 if made.dtype == np.float32 else F64))


def floats(s: TracedSeries) -> Value:
    """Returns the floats nearest to the Decimals, NaN for None; guards numbers of more digits than a float has."""
    kind, loop = s.kind, s.loop
    assert isinstance(kind, DecimalObjects)
    number = loop.cast(loop.value_of(s.value), I64)
    if kind.scale > 0 and kind.precision > _EXACT_DIGITS:
        loop.guard(between(loop, number, -EXACT, EXACT), local=True)
    made = nearest_float(loop, number, kind.scale)
    return loop.select(loop.is_valid(s.value), made, loop.const(float("nan"), F64)) if s.value.type.nullable else made


def _mapped(s: TracedSeries, arg: Any, na_action: Any = None) -> Any:
    if not callable(arg) or isinstance(arg, np.ufunc) or na_action is not None:
        refuse("SW251", call=f"Series.map of decimals with {raw(arg)}")
    return apply_function(s, arg, "Series.map")


def _present(s: TracedSeries) -> TracedSeries:
    return s.new(s.loop.is_valid(s.value))


def _isna(s: TracedSeries) -> TracedSeries:
    return s.new(s.loop.call("logical_not", s.loop.is_valid(s.value)))


METHODS: dict[str, Callable[..., Any]] = {
    "astype": astype, "map": _mapped, "apply": lambda s, func: _mapped(s, func), "isna": _isna, "isnull": _isna,
    "notna": _present, "notnull": _present,
}  # fmt: skip
