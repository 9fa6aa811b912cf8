"""Models Series of pandas' nullable integers and booleans (Int8 to Int64, boolean), whose missing elements are pd.NA.

PySpark 4.3 makes such Series of integers with NULLs in a struct with strings or arrays. Their operators compute NumPy's results
where neither operand is missing. ``&`` and ``|`` follow Kleene's logic. Everything else about them is refused.
"""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np
import pandas as pd

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.types import BOOL
from udf_compiler.frontends.pandas.kind import SeriesKind
from udf_compiler.frontends.pandas.series import NUMBERS, TracedSeries, binary
from udf_compiler.frontends.tracing.lower import cast, constant_of, run_prototype, type_of
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.values import raw, refuse_in_place

_COMPARISONS = frozenset("eq ne lt le gt ge".split())
_ARITHMETIC = frozenset("add sub mul".split())
_LOGICAL = frozenset(("and", "or"))


class _Masked(SeriesKind):
    """Numbers of one NumPy dtype, NULL where missing."""

    precedence = precedence_as_other = 5

    def __init__(self, name: str, of: str, operators: frozenset[str]) -> None:
        self.name, self._of, self._operators = name, of, operators

    def dtype(self, series: TracedSeries) -> NoReturn:
        self.check_numeric("Series.dtype")

    def check_numeric(self, call: str) -> NoReturn:
        refuse("SW273", column=f"The column of {call}")

    def receiver(self, series: TracedSeries, name: str, call: str) -> TracedSeries:
        if name != "index" and name not in self.methods and name not in self.properties:
            self.check_numeric(call)
        return series

    def binary(self, series: TracedSeries, name: str, other: Any, reflected: bool, call: str) -> TracedSeries:
        if name not in self._operators:
            self.check_numeric(call)
        self._check(series, series.loop, call)
        given, valid = self._operand(series, other, call)
        if name in _LOGICAL:
            return _kleene(series.loop, name == "and", (_dense(series).value, _valid(series)), (given.value, valid))
        made = binary(_dense(series), name, given, reflected, call)
        return of_values(series.loop, made.value, _both(series.loop, _valid(series), valid))

    def _operand(self, series: TracedSeries, other: Any, call: str) -> tuple[Any, Value]:
        """Returns the other operand without missing elements, and where it has none; refuses other classes (SW262)."""
        loop = series.loop
        if isinstance(other, TracedSeries):
            self._check(other, loop, call)
            return _dense(other), _valid(other)
        other = constant_of(other)
        known = type(other) is bool if self is BOOLS else type(other) is int
        if not known or (self is INTEGERS and not _fits(other, series.value.type.dtype)):
            refuse("SW262", call=call, what=f"{raw(other)} beside {self.name}")
        return (series.new(loop.const(other, BOOL)) if self is BOOLS else other), loop.const(True, BOOL)

    def _check(self, operand: TracedSeries, loop: LoopBuilder, call: str) -> None:
        """Refuses (SW262) an operand of other rows or with other elements than integers, or bools."""
        if operand.loop is not loop or operand.kind not in (self, NUMBERS) or operand.value.type.dtype.kind != self._of:
            refuse("SW262", call=call, what=f"a {operand.kind.name} Series beside one of {self.name}")

    def unary(self, series: TracedSeries, name: str, call: str) -> TracedSeries:
        if self is not BOOLS or name != "invert":
            self.check_numeric(call)
        return of_values(series.loop, series.loop.call("logical_not", _dense(series).value), _valid(series))


INTEGERS = _Masked("Int64", "i", _COMPARISONS | _ARITHMETIC)
BOOLS = _Masked("boolean", "b", _LOGICAL)
KINDS = (INTEGERS, BOOLS)


def of_values(loop: LoopBuilder, value: Value, valid: Value | None = None) -> TracedSeries:
    """Returns a Series of integers or bools, missing where `valid` is False."""
    kind = BOOLS if value.type.plain() == BOOL else INTEGERS
    dtype = value.type.plain().dtype
    return TracedSeries(loop, value if valid is None else loop.optional(value, valid), dtype, kind)


def of_column(loop: LoopBuilder, value: Value) -> TracedSeries:
    """Returns the Series of an integer column with NULLs."""
    return TracedSeries(loop, value, value.type.plain().dtype, INTEGERS)


def condition(mask: Any) -> Any:
    """Returns a mask whose missing elements are False, as in ``frame[mask]``; anything else unchanged."""
    if not isinstance(mask, TracedSeries) or mask.kind is not BOOLS:
        return mask
    return mask.new(_both(mask.loop, _dense(mask).value, _valid(mask)))


def _dense(series: TracedSeries) -> TracedSeries:
    value = series.loop.value_of(series.value)
    return TracedSeries(series.loop, value, value.type.dtype)


def _valid(series: TracedSeries) -> Value:
    return series.loop.is_valid(series.value) if series.value.type.nullable else series.loop.const(True, BOOL)


def _both(loop: LoopBuilder, a: Value, b: Value) -> Value:
    return loop.call("logical_and", a, b)


def _kleene(loop: LoopBuilder, is_and: bool, a: tuple[Value, Value], b: tuple[Value, Value]) -> TracedSeries:
    """Returns ``a & b`` or ``a | b`` of operands and where they are known: one of them may decide the result alone."""
    alone = [_both(loop, known, loop.call("logical_not", x) if is_and else x) for x, known in (a, b)]
    decided = loop.call("logical_or", *alone)
    value = loop.select(decided, loop.const(not is_and, BOOL), loop.const(is_and, BOOL))
    return of_values(loop, value, loop.call("logical_or", decided, _both(loop, a[1], b[1])))


def _fits(x: int, dtype: np.dtype) -> bool:
    return bool(np.iinfo(dtype).min <= x <= np.iinfo(dtype).max)


def fillna(s: TracedSeries, value: Any = None, *, inplace: bool = False) -> TracedSeries:
    """Implements fillna of an integer of the dtype, or of a bool; the dtype stays."""
    call = "Series.fillna"
    refuse_in_place(inplace, call)
    value = constant_of(value)
    known = type(value) is bool if s.kind is BOOLS else type(value) is int and _fits(value, s.value.type.dtype)
    if not known:
        refuse("SW262", call=call, what=f"{raw(value)} for {s.kind.name}")
    dense = _dense(s).value
    return of_values(s.loop, s.loop.select(_valid(s), dense, s.loop.const(value, dense.type)))


def astype(s: TracedSeries, dtype: Any, copy: Any = None, errors: str = "raise") -> TracedSeries:
    """Implements astype to floats, where missing elements become NaN, and to NumPy's integers or bool, where they raise."""
    call = "Series.astype"
    if errors != "raise" or copy is not None:
        refuse("SW262", call=call, what="the argument errors= or copy=")
    own = s.value.type.dtype
    wanted = run_prototype(call, pd.Series(np.ones(1, own)).astype, dtype).dtype
    if not isinstance(wanted, np.dtype) or wanted.kind not in ("f", own.kind) or wanted.itemsize < own.itemsize:
        refuse("SW254", call=call, type=str(wanted))
    loop, to = s.loop, type_of(wanted, call)
    made = cast(loop, _dense(s).value, to)
    if wanted.kind != "f":
        loop.guard(_valid(s))
        return s.new(made)
    return s.new(loop.select(_valid(s), made, loop.const(float("nan"), to)))


METHODS = {"fillna": fillna, "astype": astype}
