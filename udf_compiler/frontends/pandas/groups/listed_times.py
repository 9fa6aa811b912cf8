"""Models one datetime or span of a group's column in a region: a Timestamp or Timedelta in nanoseconds that is never NaT."""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np
import pandas as pd

from sparkweld.ir import Value
from sparkweld.ir.types import F64, I64
from udf_compiler.frontends.pandas import datetimes
from udf_compiler.frontends.pandas.datetimes import DATETIMES
from udf_compiler.frontends.python import datetime_values
from udf_compiler.frontends.python.listed import Held
from udf_compiler.frontends.python.numbers import make_bool
from udf_compiler.frontends.python.operands import make_int
from udf_compiler.frontends.python.path_explorer import explorer
from udf_compiler.frontends.python.values import TracedScalar
from udf_compiler.frontends.tracing.constants import unwrapped
from udf_compiler.frontends.tracing.integer_checks import no_overflow
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.values import COMPARISONS, symbol

#: Fields of a Timestamp that are Python ints, as Series.dt has them.
_FIELDS = frozenset("year month day hour minute second dayofweek day_of_week dayofyear day_of_year quarter".split())
_ROUNDINGS = ("floor", "ceil", "round")

_SECOND, _DAY = 10**9, 86_400 * 10**9
#: Whole numbers up to here are exact as doubles.
_EXACT = 2**53


class _Time(Held):
    """A point in time or a span: `number` has its nanoseconds."""

    __slots__ = ("number",)
    __dataclass_fields__ = ("number",)

    number: TracedScalar

    def __init__(self, number: TracedScalar) -> None:
        self.number = number

    @property
    def element(self) -> TracedScalar:
        """Returns what a list of such times has for it."""
        return self.number

    @property
    def nanoseconds(self) -> Value:
        return self.number.value

    def _computed(self, name: str, other: Any, reflected: bool) -> Value:
        """Returns a sum or difference. Rows with one that 64 bits do not hold run in Python, which raises."""
        loop, fn = explorer().loop, {"add": "add", "sub": "subtract"}[name]
        a, b = self.nanoseconds, _nanoseconds(other)
        a, b = (b, a) if reflected else (a, b)
        explorer().guard(no_overflow(loop, fn, a, b))
        made = loop.call(fn, a, b)
        explorer().guard(loop.call("not_equal", made, loop.const(int(np.iinfo(np.int64).min), I64)))  # NaT
        return made

    def _compared(self, name: str, other: Any, reflected: bool) -> TracedScalar:
        a, b = self.nanoseconds, _nanoseconds(other)
        return make_bool(explorer().loop.call(COMPARISONS[name], *((b, a) if reflected else (a, b))))  # type: ignore[no-any-return]

    def _binary(self, name: str, other: Any, reflected: bool) -> Any:
        kind = _kind_of(other)
        if name in COMPARISONS and kind is type(self):
            return self._compared(name, other, reflected)
        if other is None and name in ("eq", "ne"):
            return name == "ne"
        made = self._arithmetic(name, kind, other, reflected)
        return refuse("SW312", call=f"a {self.what} {symbol(name)} ...", what="this operand") if made is None else made

    def _arithmetic(self, name: str, kind: Any, other: Any, reflected: bool) -> Any:
        raise NotImplementedError


class RowTime(_Time):
    """A Timestamp without a time zone."""

    __slots__ = ()
    what = "Timestamp"
    stands_for = pd.Timestamp
    tag = "ns"

    def _arithmetic(self, name: str, kind: Any, other: Any, reflected: bool) -> Any:
        if name == "sub" and kind is RowTime:
            return RowSpan(_int(self._computed(name, other, reflected)))
        if kind is RowSpan and (name == "add" or (name == "sub" and not reflected)):
            return RowTime(_int(self._computed(name, other, reflected)))
        return None

    def __getattr__(self, name: str) -> Any:
        call, loop = f"Timestamp.{name}", explorer().loop
        if name in _FIELDS:
            return self._field(name)
        if name in ("weekday", "isoweekday"):
            return lambda: self._field("dayofweek") + (name == "isoweekday")
        if name == "date":
            return lambda: datetime_values.date(TracedScalar("datetime", self._microseconds()))
        if name == "strftime":
            return lambda format: datetime_values.formatted(loop.cast(self._microseconds(), I64), format, "datetime", call)
        if name == "normalize":
            return lambda: self._rounded("floor", "D")
        if name in _ROUNDINGS:
            return lambda freq: self._rounded(name, freq)
        refuse("SW251", call=call)

    def _series(self) -> Any:
        return datetimes.new(explorer().loop, self.nanoseconds, DATETIMES)

    def _field(self, name: str) -> Any:
        return make_int(explorer().loop.cast(DATETIMES.fields[name](self._series()).value, I64), (-(10**6), 10**6))

    def _microseconds(self) -> Value:
        loop = explorer().loop
        return datetime_values.new(loop.call("floor_divide", self.nanoseconds, loop.const(1000, I64))).value

    def _rounded(self, name: str, freq: Any) -> RowTime:
        """Returns the result of the same method of Series.dt. Refuses one that depends on more than the row."""
        loop = explorer().loop
        before = len(loop.guards)
        made = DATETIMES.dt_methods[name](self._series(), freq)
        for guard in loop.guards[before:]:
            explorer().guard(loop.value(guard))
        del loop.guards[before:]
        return RowTime(_int(loop.value_of(made.value)))


class RowSpan(_Time):
    """A Timedelta."""

    __slots__ = ()
    what = "Timedelta"
    stands_for = pd.Timedelta
    tag = "ns span"

    def _arithmetic(self, name: str, kind: Any, other: Any, reflected: bool) -> Any:
        if kind is RowSpan and name in ("add", "sub"):
            return RowSpan(_int(self._computed(name, other, reflected)))
        if kind is RowTime and name == "add":
            return RowTime(_int(self._computed(name, other, reflected)))
        if kind is RowSpan and name == "truediv" and not reflected and type(other) is not RowSpan:
            return self._quotient(_nanoseconds(other))
        return None

    def _quotient(self, divisor: Value) -> TracedScalar:
        """Returns the quotient by a constant span, as Python's int / int. Rows with a longer span than 104 days run in Python."""
        loop = explorer().loop
        for sign in (-1, 1):
            fits = loop.call("less_equal" if sign > 0 else "greater_equal", self.nanoseconds, loop.const(sign * _EXACT, I64))
            explorer().guard(fits)
        return TracedScalar("float", loop.call("divide", loop.cast(self.nanoseconds, F64), loop.cast(divisor, F64)))

    def __getattr__(self, name: str) -> Any:
        loop = explorer().loop
        if name == "total_seconds":
            return self._total_seconds
        if name == "days":
            return _int(loop.call("floor_divide", self.nanoseconds, loop.const(_DAY, I64)))
        if name == "seconds":
            return _int(self._rest(_DAY, _SECOND))
        refuse("SW251", call=f"Timedelta.{name}")

    def _rest(self, of: int, unit: int) -> Value:
        loop = explorer().loop
        return loop.call("floor_divide", loop.call("remainder", self.nanoseconds, loop.const(of, I64)), loop.const(unit, I64))

    def _total_seconds(self) -> TracedScalar:
        """Returns pandas' sum of whole seconds, which are exact, and of the microseconds as a part of a second."""
        loop = explorer().loop
        whole = loop.cast(loop.call("floor_divide", self.nanoseconds, loop.const(_SECOND, I64)), F64)
        part = loop.call("divide", loop.cast(self._rest(_SECOND, 1000), F64), loop.const(1e6, F64))
        return TracedScalar("float", loop.call("add", whole, part))


def _int(value: Value) -> TracedScalar:
    return TracedScalar("int", value)


def _constant(x: Any) -> pd.Timestamp | pd.Timedelta | None:
    known = unwrapped(x)
    if isinstance(known, datetime.datetime | datetime.timedelta | np.datetime64 | np.timedelta64):
        return datetimes.constant(known, "a time")
    return None


def _kind_of(x: Any) -> Any:
    """Returns the class that represents `x`; None for anything but a point in time or a span."""
    if type(x) in (RowTime, RowSpan):
        return type(x)
    known = _constant(x)
    return None if known is None else RowTime if isinstance(known, pd.Timestamp) else RowSpan


def _nanoseconds(x: Any) -> Value:
    known = _constant(x) if type(x) not in (RowTime, RowSpan) else None
    return x.nanoseconds if known is None else explorer().loop.const(known._value, I64)
