"""Traces Series of datetime64[ns] and timedelta64[ns]: their operators as IR on int64 nanoseconds, with NULL for NaT.

pandas is the authority on the operands that an operator accepts and on its result dtype: each operator runs on one-element
prototypes. Row-dependent behaviour is explicit: NaT wherever an operand is NaT, and a guard where pandas raises for an
overflow. Whether a batch has a NaT decides dtypes (the years of datetimes are int32, or float64 with NaN for NaT): see
`integers`.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.ops import Fits
from sparkweld.ir.types import BOOL, F64, I64
from udf_compiler.frontends.pandas.batch_dependent import BATCH_DEPENDENT, batch_dependent_series
from udf_compiler.frontends.pandas.kind import SeriesKind
from udf_compiler.frontends.pandas.missing import Missing
from udf_compiler.frontends.pandas.series import NUMBERS, TracedSeries
from udf_compiler.frontends.pandas.time_constants import DATE_TEXT
from udf_compiler.frontends.tracing import integer_checks
from udf_compiler.frontends.tracing.lower import constant_of, is_number, run_prototype
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.values import BINARY, COMPARISONS, REFLECTED, UNARY, raw

_SMALLEST = int(np.iinfo(np.int64).min)  # NaT


class TimeKind(SeriesKind):
    """Nanoseconds, NULL where NaT. `fields` and `dt_methods` are those of the accessor ``.dt``; see `methods`."""

    precedence = precedence_as_other = 2

    fields: Mapping[str, Callable[[TracedSeries], Any]]
    dt_methods: Mapping[str, Callable[..., Any]]

    def __init__(self, name: str, numpy_dtype: str, example: int) -> None:
        self.name, self.numpy_dtype, self.example = name, np.dtype(numpy_dtype), example

    def claims(self, constant: Any) -> bool:
        return isinstance(constant, datetime.datetime | datetime.timedelta | np.datetime64 | np.timedelta64)

    def replacement(self, series: TracedSeries, other: Any, method: Callable[..., Any], call: str) -> Value:
        return replacement(series, other, method, call)

    def binary(self, series: TracedSeries, name: str, other: Any, reflected: bool, call: str) -> Any:
        return binary(series, name, other, reflected, call)

    def unary(self, series: TracedSeries, name: str, call: str) -> TracedSeries:
        # datetimes have no sign; only NaT is the smallest integer, so no value wraps
        run_prototype(call, UNARY[name], proto(series))
        loop, fn = series.loop, {"neg": "negative", "abs": "absolute"}.get(name)
        if fn is None:
            refuse("SW251", call=call)
        return like(series, loop.call(fn, loop.value_of(series.value)))  # type: ignore[no-any-return]


DATETIMES = TimeKind("datetime", "M8[ns]", 10**17 + 1)
TIMEDELTAS = TimeKind("timedelta", "m8[ns]", 10**14 + 1)


def is_time(series: Any) -> bool:
    """Whether a Series holds datetimes or timedeltas."""
    return type(series.kind) is TimeKind


def new(loop: LoopBuilder, value: Value, kind: TimeKind, has_nat: bool = False) -> Any:
    """Returns a Series of nanoseconds. `has_nat`: every batch of this form has a NaT in it."""
    return TracedSeries(loop, value, kind.numpy_dtype, kind, has_nat=has_nat and value.type.nullable)


def like(series: Any, value: Value) -> Any:
    """Returns a Series of the same kind, NaT where `series` is."""
    return new(series.loop, nat_where(series.loop, value, _valid(series)), series.kind, series.has_nat)


def nat_where(loop: LoopBuilder, value: Value, valid: Value | None) -> Value:
    """Returns `value` where `valid` (None: everywhere), else NaT."""
    return value if valid is None else loop.optional(value, valid)


def integers(series: Any, value: Value, bound: int = 10**6) -> Any:
    """Returns a Series of integers with pandas' dtype: their own in a batch without NaT, float64 in a batch with some.

    `bound`: the largest possible |integer|. From 2**53 on, a row with a NaT is flagged, unless every batch has one.
    """
    loop, valid = series.loop, _valid(series)
    if valid is not None and series.has_nat:
        value = loop.select(valid, loop.cast(value, F64), loop.const(np.nan, F64))
    elif valid is not None and bound < 2**53:
        return batch_dependent_series(loop, value, valid, Missing(), bound=bound)
    elif valid is not None:
        loop.guard(valid)
    return TracedSeries(loop, value, value.type.dtype)


def floats(series: Any, value: Value) -> Any:
    """Returns a Series of floats, NaN for NaT."""
    loop, valid = series.loop, _valid(series)
    return series.new(value if valid is None else loop.select(valid, value, loop.const(np.nan, F64)))


def bools(series: Any, value: Value, missing: bool = False) -> Any:
    """Returns a Series of bools, `missing` for NaT."""
    loop, valid = series.loop, _valid(series)
    return series.new(value if valid is None else loop.select(valid, value, loop.const(missing, BOOL)))


def _valid(series: Any) -> Value | None:
    return series.loop.is_valid(series.value) if series.value.type.nullable else None


# Constants.


def is_missing(x: Any) -> bool:
    """Whether a constant is None, NaN or NaT."""
    return x is None or x is pd.NaT or (isinstance(x, float | np.floating | np.datetime64 | np.timedelta64) and x != x)


def constant(x: Any, call: str, text: bool = False) -> pd.Timestamp | pd.Timedelta | None:
    """Returns a point in time or a duration as pandas converts it, in nanoseconds; None for any other constant.

    `text`: a string represents the time that it names. Refuses (SW262) time zones and values outside the range of
    nanoseconds.
    """
    if is_missing(x):
        return None
    x = plain(x)
    if text and isinstance(x, str) and DATE_TEXT.fullmatch(x):
        x = run_prototype(call, pd.Timestamp, x)
    if isinstance(x, datetime.datetime | np.datetime64):
        x = run_prototype(call, pd.Timestamp, x)
        if x.tzinfo is not None:
            refuse("SW262", call=call, what="a time with a time zone")
    elif isinstance(x, datetime.timedelta | np.timedelta64):
        x = run_prototype(call, pd.Timedelta, x)
    else:
        return None
    try:
        return x.as_unit("ns")  # type: ignore[no-any-return]
    except (pd.errors.OutOfBoundsDatetime, pd.errors.OutOfBoundsTimedelta):
        refuse("SW262", call=call, what=f"{x}, which is out of range for int64 nanoseconds,")


def plain(x: Any) -> Any:
    """Returns a guarded datetime constant as a real one, bypassing the guard of its attributes; any other object unchanged."""
    if not isinstance(x, datetime.datetime) or isinstance(x, pd.Timestamp):
        return x
    zone = datetime.datetime.tzinfo.__get__(x)  # type: ignore[attr-defined]
    return datetime.datetime(x.year, x.month, x.day, x.hour, x.minute, x.second, x.microsecond, zone, fold=x.fold)


def kind_of(x: pd.Timestamp | pd.Timedelta) -> TimeKind:
    return DATETIMES if isinstance(x, pd.Timestamp) else TIMEDELTAS


def replacement(series: Any, other: Any, method: Any, call: str) -> Value:
    """Returns the replacement of a row in nanoseconds; NULL for a missing value.

    Refuses replacements that change the dtype in pandas.
    """
    loop, other = series.loop, constant_of(other)
    if isinstance(other, TracedSeries) and other.kind is series.kind and other.loop is loop:
        return other.value
    if is_missing(other):
        return loop.optional(loop.const(0, I64), loop.const(False, BOOL))
    found = constant(other, call)
    if found is None or kind_of(found) is not series.kind:
        refuse("SW262", call=call, what=f"{raw(other)} as the replacement")
    nat = pd.Series(np.array([_SMALLEST, 0]).view(series.dtype))
    made = run_prototype(call, method, nat, found)
    if made.dtype != series.dtype or made[0] != found:
        refuse("SW255", call=call, when="a row is replaced", advice="Cast the replacement to the Series' dtype.")
    return loop.const(found._value, I64)


# Operators.


def is_time_series(x: object) -> bool:
    """Whether an object is a Series of datetimes or timedeltas."""
    return issubclass(type(x), TracedSeries) and is_time(x)


def concerns(left: Any, right: Any) -> bool:
    """Whether an operator on these operands (one of them a Series) is one of datetimes or timedeltas."""
    return is_time_series(left) or is_time_series(right) or DATETIMES.claims(right)


def proto(series: Any) -> pd.Series:
    """Returns one element of the Series' dtype, with no special value."""
    return pd.Series(np.array([series.kind.example if is_time(series) else 1]).astype(series.dtype))


def binary(series: Any, name: str, other: Any, reflected: bool, call: str) -> Any:
    """Returns ``series op other`` (``other op series`` when reflected) as pandas' Series operators compute it."""
    loop = series.loop
    if isinstance(other, TracedSeries):
        if other.loop is not loop:
            refuse("SW262", call=call, what="a column of another function call")
        if other.kind is not NUMBERS and not is_time(other):
            refuse("SW262", call=call, what=f"a {other.kind.name} Series")
        other_proto: Any = proto(other)
        right: Any = other
    else:
        right, other_proto = _scalar(series, name, other, call)
    function = REFLECTED[name] if reflected else BINARY[name]
    wanted = run_prototype(call, function, proto(series), other_proto)
    if not isinstance(wanted, pd.Series):
        refuse("SW251", call=call)
    if right is None:
        return _with_missing(series, name, wanted, call)
    left, right = (right, series) if reflected else (series, right)
    key = (name, _kind(left), _kind(right))
    if name in COMPARISONS and key[1] == key[2]:
        made = _compare(loop, name, left, right)
    elif key in _OPERATORS:
        made = _OPERATORS[key](loop, left, right, call)
    else:
        refuse("SW251", call=f"{call} of {key[1]} and {key[2]}")
    if made.kind is BATCH_DEPENDENT:
        return made
    if made.dtype != wanted.dtype and not (made.dtype == np.float64 and wanted.dtype == np.int64):  # integers with NaT
        refuse("SW254", call=call, type=str(wanted.dtype))
    return made


def _scalar(series: Any, name: str, other: Any, call: str) -> tuple[Any, Any]:
    """Returns (operand, the argument for pandas); the operand is None for a missing value."""
    other = constant_of(other)
    if is_missing(other):
        return None, other
    found = constant(other, call, text=name in COMPARISONS and series.kind is DATETIMES)
    if found is not None:
        return found, plain(other)
    if is_number(other) and not isinstance(other, bool | np.bool_):
        return other, other
    refuse("SW262", call=call, what=raw(other))


def _with_missing(series: Any, name: str, wanted: pd.Series, call: str) -> Any:
    """Returns the constant result of a comparison with a missing value. Refuses other operators."""
    loop = series.loop
    if name in COMPARISONS:
        return series.new(loop.const(name == "ne", BOOL))
    refuse("SW262", call=call, what="a missing value as an operand")


def _kind(x: Any) -> str:
    if isinstance(x, pd.Timestamp | pd.Timedelta):
        return kind_of(x).name
    return x.kind.name if is_time_series(x) else "number"


class _Side:
    """An operand: plain int64 nanoseconds (0 for NaT) or a plain number, where it is valid, and whether every batch has a NaT."""

    def __init__(self, loop: LoopBuilder, x: Any) -> None:
        self.valid: Value | None = None
        self.has_nat = False
        if isinstance(x, pd.Timestamp | pd.Timedelta):
            self.value = loop.const(x._value, I64)
        elif is_time_series(x):
            self.value, self.valid, self.has_nat = loop.value_of(x.value), _valid(x), x.has_nat
        elif issubclass(type(x), TracedSeries):
            self.value = x.value
        else:
            whole = isinstance(x, int | np.integer)
            self.value = loop.const(int(x) if whole else float(x), I64 if whole else F64)


def _both(loop: LoopBuilder, a: _Side, b: _Side) -> Value | None:
    if a.valid is None or b.valid is None:
        return b.valid if a.valid is None else a.valid
    return loop.call("logical_and", a.valid, b.valid)


def _compare(loop: LoopBuilder, name: str, left: Any, right: Any) -> Any:
    a, b = _Side(loop, left), _Side(loop, right)
    result, valid = loop.call(COMPARISONS[name], a.value, b.value), _both(loop, a, b)
    if valid is not None:
        result = loop.select(valid, result, loop.const(name == "ne", BOOL))
    return TracedSeries(loop, result, np.bool_)


def no_overflow(loop: LoopBuilder, fn: str, a: Value, b: Value) -> Value:
    """Returns a + b or a - b in 64 bits; flags rows where it overflows or equals the integer that represents NaT."""
    result = loop.call(fn, a, b)
    loop.guard(integer_checks.no_overflow(loop, fn, a, b), local=True)
    loop.guard(loop.call("not_equal", result, loop.const(_SMALLEST, I64)), local=True)
    return result


def scaled(loop: LoopBuilder, a: Value, b: Value) -> Value:
    """Returns a * b in 64 bits; flags rows where it might overflow."""
    loop.guard(integer_checks.no_overflow(loop, "multiply", a, b), local=True)
    return loop.call("multiply", a, b)


def _sum(fn: str, kind: TimeKind) -> Any:
    def operator(loop: LoopBuilder, left: Any, right: Any, call: str) -> Any:
        a, b = _Side(loop, left), _Side(loop, right)
        result = nat_where(loop, no_overflow(loop, fn, a.value, b.value), _both(loop, a, b))
        return new(loop, result, kind, a.has_nat or b.has_nat)

    return operator


def _times(loop: LoopBuilder, left: Any, right: Any, call: str) -> Any:
    a, b = _Side(loop, left), _Side(loop, right)
    span, number = (a, b) if a.value.type == I64 and _kind(left) == "timedelta" else (b, a)
    if number.value.type.is_float:
        return _of_float(loop, span, loop.call("multiply", loop.cast(span.value, F64), loop.cast(number.value, F64)))
    if not number.value.type.is_int:
        refuse("SW262", call=call, what="a bool operand")
    product = scaled(loop, span.value, loop.cast(number.value, I64))
    return new(loop, nat_where(loop, product, span.valid), TIMEDELTAS, span.has_nat)


def _of_float(loop: LoopBuilder, span: _Side, product: Value) -> Any:
    """Truncates a finite product, as NumPy does; any other becomes NaT."""
    finite = loop.call("isfinite", product)
    loop.guard(loop.call("logical_or", loop.call("logical_not", finite), loop.emit(Fits(I64), product)))
    whole = loop.cast(product, I64)
    loop.guard(loop.call("not_equal", whole, loop.const(_SMALLEST, I64)))
    valid = finite if span.valid is None else loop.call("logical_and", finite, span.valid)
    return new(loop, loop.optional(whole, valid), TIMEDELTAS, span.has_nat)


def _ratio(loop: LoopBuilder, left: Any, right: Any, call: str) -> Any:
    a, b = _Side(loop, left), _Side(loop, right)
    result, valid = loop.call("divide", loop.cast(a.value, F64), loop.cast(b.value, F64)), _both(loop, a, b)
    result = result if valid is None else loop.select(valid, result, loop.const(np.nan, F64))
    return TracedSeries(loop, result, np.float64)


def _positive(x: Any, call: str) -> int:
    """Returns a divisor that is a positive constant. Refuses others: pandas' results depend on the batch or the version."""
    value = x._value if isinstance(x, pd.Timedelta) else x
    if not isinstance(value, int | np.integer) or value <= 0:
        refuse("SW262", call=call, what="a divisor that is not a positive constant")
    return int(value)


def _quotient(loop: LoopBuilder, left: Any, right: Any, call: str) -> Any:
    a = _Side(loop, left)
    divisor = _positive(right, call)
    return integers(left, loop.call("floor_divide", a.value, loop.const(divisor, I64)), 2**63 // divisor + 1)


def _rest(loop: LoopBuilder, left: Any, right: Any, call: str) -> Any:
    """Returns the remainder. pandas subtracts the multiple, which may overflow or, with a NaT in the batch, not fit a double."""
    a, divisor = _Side(loop, left), _positive(right, call)
    rest = loop.call("remainder", a.value, loop.const(divisor, I64))
    multiple = no_overflow(loop, "subtract", a.value, rest)
    exact = 2**53 * (divisor & -divisor)
    if a.valid is not None and exact < 2**63:
        loop.guard(loop.call("less_equal", loop.call("absolute", multiple), loop.const(exact, I64)))
    return like(left, rest)


def _shared_out(loop: LoopBuilder, left: Any, right: Any, call: str) -> Any:
    """Divides a duration by a number. By a positive integer constant NumPy divides integers: / towards zero, // down."""
    if not isinstance(right, int | np.integer | float | np.floating):
        refuse("SW262", call=call, what="a divisor that is not constant")
    a, b = _Side(loop, left), _Side(loop, right)
    if b.value.type == F64:
        return _of_float(loop, a, loop.call("divide", loop.cast(a.value, F64), b.value))
    divisor = loop.const(_positive(right, call), I64)
    down = loop.call("floor_divide", a.value, divisor)
    rest = loop.call("remainder", a.value, divisor)
    zero = loop.const(0, I64)
    up = loop.call("logical_and", loop.call("less", a.value, zero), loop.call("not_equal", rest, zero))
    return like(left, loop.select(up, loop.call("add", down, loop.const(1, I64)), down))


_OPERATORS = {
    ("add", "datetime", "timedelta"): _sum("add", DATETIMES),
    ("add", "timedelta", "datetime"): _sum("add", DATETIMES),
    ("add", "timedelta", "timedelta"): _sum("add", TIMEDELTAS),
    ("sub", "datetime", "datetime"): _sum("subtract", TIMEDELTAS),
    ("sub", "datetime", "timedelta"): _sum("subtract", DATETIMES),
    ("sub", "timedelta", "timedelta"): _sum("subtract", TIMEDELTAS),
    ("mul", "timedelta", "number"): _times,
    ("mul", "number", "timedelta"): _times,
    ("truediv", "timedelta", "timedelta"): _ratio,
    ("truediv", "timedelta", "number"): _shared_out,
    ("floordiv", "timedelta", "timedelta"): _quotient,
    ("mod", "timedelta", "timedelta"): _rest,
}
