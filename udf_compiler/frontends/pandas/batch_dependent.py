"""Traces Series whose dtype depends on the batch.

Integers become float64, and bools become object, if some element is missing. `s.str.len()` is int64 in a batch of strings,
float64 with NaN when some are missing, and object when all are. Operations with the same result in each case are computed
directly; all others add a guard that requires a batch without missing elements. Numbers from pd.to_numeric are float64, but
int64 when all are integers; the guard then requires one non-integer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.types import BOOL, F64, I64, Type
from udf_compiler.frontends.pandas.kind import SeriesKind
from udf_compiler.frontends.pandas.missing import Missing
from udf_compiler.frontends.pandas.series import NUMBERS, TracedSeries
from udf_compiler.frontends.pandas.strings import is_missing
from udf_compiler.frontends.tracing.lower import is_number
from udf_compiler.frontends.tracing.session import current, refuse
from udf_compiler.frontends.tracing.values import COMPARISONS, MIRRORED, Compound

_FLOAT_OPERATORS = frozenset(("add", "sub", "mul", "truediv"))
_ARITHMETIC = {"add": "add", "sub": "subtract", "mul": "multiply"}

#: Up to this magnitude, int64 and float64 compute the same sums, differences and products.
_EXACT = 2**53


@dataclass(frozen=True, slots=True)
class BatchDependent(Compound):
    """The batch-dependent part of a Series. Its *plain* dtype is that of a batch without missing elements.

    - `valid`: which elements are not missing; None: all.
    - `plain`: the batch has the plain dtype if this holds in all rows.
    - `missing`: the object in place of missing bools.
    - `void`: a batch of only missing integers has dtype object.
    - `bound`: the largest possible absolute value of an integer.
    - `narrow`: the plain type, where it is narrower than i64, the type of the value.

    A float64 value is NaN where missing, and its plain dtype is int64.
    """

    valid: Value | None
    plain: Value
    missing: Missing = Missing()
    void: bool = False
    bound: int = _EXACT
    narrow: Type | None = None


class _BatchDependent(SeriesKind):
    """Numbers or bools; `batch_dependent` of the Series describes it."""

    name = "batch-dependent"
    precedence = precedence_as_other = 1

    #: Methods that need no guard against missing elements.
    independent: frozenset[str]

    def dtype(self, series: TracedSeries) -> NoReturn:
        refuse("SW255", call="Series.dtype", when="a string is missing", advice="Fill missing strings first.")

    def check_numeric(self, call: str) -> None:
        pass

    def plain(self, series: TracedSeries, call: str) -> TracedSeries:
        """Returns the ordinary Series of a batch without missing elements, which a guard requires."""
        loop, state = series.loop, series.batch_dependent
        assert state is not None
        if series.value.type == F64:
            loop.guard_some(loop.call("logical_not", state.plain))
            current().note(f"{call}: batches of integers only run in Python")
            return series.new(series.value)
        loop.guard(state.plain)
        current().note(f"{call}: batches with missing values run in Python")
        return series.new(plain_value(series))

    def receiver(self, series: TracedSeries, name: str, call: str) -> TracedSeries:
        if name in self.independent or not (name in self.methods or name in self.properties):
            return series
        return self.plain(series, call)

    def is_missing(self, series: TracedSeries) -> Value:
        return series.loop.call("logical_not", present(series))

    def binary(self, series: TracedSeries, name: str, other: Any, reflected: bool, call: str) -> Any:
        result = binary(series, name, other, reflected, call)
        if result is not NotImplemented:
            return result
        return NUMBERS.binary(plain(series, call), name, plain(other, call), reflected, call)

    def unary(self, series: TracedSeries, name: str, call: str) -> TracedSeries:
        return NUMBERS.unary(self.plain(series, call), name, call)


BATCH_DEPENDENT = _BatchDependent()


def batch_dependent_series(
    loop: LoopBuilder, value: Value, valid: Value | None, missing: Missing, void: bool = False, bound: int = _EXACT
) -> Any:
    """Returns a Series of a plain bool or integer that is missing where not `valid`; an ordinary one when `valid` is None."""
    if valid is None:
        return TracedSeries(loop, value, value.type.dtype)
    narrow = value.type if value.type.is_int and value.type != I64 else None
    value = value if narrow is None else loop.cast(value, I64)
    dtype = BatchDependent(valid, valid, missing, void, bound, narrow)
    return TracedSeries(loop, loop.select(valid, value, loop.const(0, value.type)), None, BATCH_DEPENDENT, batch_dependent=dtype)


def plain_value(x: Any) -> Value:
    """Returns the value in the dtype of a batch without missing elements."""
    value: Value = x.value
    return value if x.batch_dependent.narrow is None else x.loop.cast(value, x.batch_dependent.narrow)  # type: ignore[no-any-return]


def numbers_read(loop: LoopBuilder, value: Value, valid: Value, whole: Value) -> Any:
    """Returns the Series of a float64 value, NaN where not `valid`.

    It is int64 in a batch whose rows are all `whole`, that is, exact integers.
    """
    value = loop.select(valid, value, loop.const(np.nan, F64))
    return TracedSeries(loop, value, None, BATCH_DEPENDENT, batch_dependent=BatchDependent(valid, whole))


def is_batch_dependent(x: object) -> bool:
    """Whether `x` is a Series whose dtype depends on the batch."""
    return issubclass(type(x), TracedSeries) and x.kind is BATCH_DEPENDENT  # type: ignore[attr-defined]


def plain(x: Any, call: str) -> Any:
    """Returns the ordinary Series of a batch without missing elements, which a guard requires; any other object unchanged."""
    return x.kind.plain(x, call) if issubclass(type(x), TracedSeries) else x


def present(x: Any) -> Value:
    """Returns the bool that marks elements that are not missing."""
    valid: Value | None = x.batch_dependent.valid
    return x.loop.const(True, BOOL) if valid is None else valid


def some_number(x: Any) -> None:
    """Guards that the batch has a number, if pandas would otherwise store it as object."""
    if x.batch_dependent.void:
        x.loop.guard_some(present(x))


def binary(series: Any, name: str, other: Any, reflected: bool, call: str) -> Any:
    """Applies an operator whose result is independent of the dtype; NotImplemented for any other."""
    if not is_batch_dependent(series):  # swap the operands so that the first is such a Series
        series, other, reflected = other, series, not reflected
        name = MIRRORED.get(name, name)
    if series.value.type == BOOL:
        return _logical(series, name, other, reflected)
    if (name == "truediv" and (is_batch_dependent(other) or is_number(other))) or (name in _FLOAT_OPERATORS and _is_float(other)):
        return as_float(series)._binary(name, as_float(other) if is_batch_dependent(other) else other, reflected)
    if name in COMPARISONS:
        return _compared(series, name, other)
    if name in _ARITHMETIC:
        return _computed(series, name, other, reflected)
    return NotImplemented


def _is_float(x: Any) -> bool:
    """Whether `x` is a float constant or an ordinary float64 Series; an operator with it returns float64 for each dtype."""
    if isinstance(x, TracedSeries):
        return x.kind is NUMBERS and x.dtype == np.float64
    return type(x) is float or isinstance(x, np.float64)


def _logical(series: Any, name: str, other: Any, reflected: bool) -> Any:
    """Applies & | ^ with bools, and == and != with a bool constant.

    The result is False where the left side is missing; a missing right side counts as False.
    """
    loop = series.loop
    if name in ("eq", "ne") and type(other) is bool:
        same = loop.call("equal", series.value, loop.const(other, BOOL))
        if name == "ne":
            return series.new(loop.call("logical_or", loop.call("logical_not", same), loop.call("logical_not", present(series))))
        return series.new(loop.call("logical_and", same, present(series)))
    if name not in ("and", "or", "xor") or not _is_bool(other, loop):
        return NotImplemented
    left, right = (other, series) if reflected else (series, other)
    result = loop.call(f"logical_{name}", left.value, right.value)  # a missing bool has the value False
    return series.new(loop.call("logical_and", result, present(left)) if is_batch_dependent(left) else result)


def _is_bool(x: Any, loop: LoopBuilder) -> bool:
    return isinstance(x, TracedSeries) and x.loop is loop and x.kind in (NUMBERS, BATCH_DEPENDENT) and x.value.type == BOOL


def _compared(series: Any, name: str, other: Any) -> Any:
    """Compares as numbers; missing elements compare as NaN does."""
    loop = series.loop
    if is_missing(other):
        return series.new(loop.const(name == "ne", BOOL))
    sides = [_number(series)]
    if is_batch_dependent(other) and other.value.type in (I64, F64):
        sides.append(_number(other))
    elif is_number(other) and abs(other) <= _EXACT:
        sides.append(loop.const(float(other), F64))
    else:
        return NotImplemented
    return series.new(loop.call(COMPARISONS[name], *sides))


def _number(x: Any) -> Value:
    """Returns the float64 value, NaN where missing."""
    loop = x.loop
    if x.value.type == F64:
        value: Value = x.value
        return value
    return loop.select(present(x), loop.cast(x.value, F64), loop.const(np.nan, F64))


def as_float(x: Any) -> Any:
    """Returns the float64 Series of a batch with missing elements; in a batch without them the integers convert to it exactly."""
    some_number(x)
    return x.new(_number(x))


def _computed(series: Any, name: str, other: Any, reflected: bool) -> Any:
    """Adds, subtracts or multiplies where the result is exact in both dtypes; the result is again such a Series."""
    loop, own = series.loop, series.batch_dependent
    if series.value.type != I64:
        return NotImplemented
    if is_batch_dependent(other) and other.value.type == I64:
        value, bound, narrow = other.value, other.batch_dependent.bound, other.batch_dependent.narrow
        narrow = narrow if narrow == own.narrow else None  # of two different types, int64 is the wider one
        valid, dense = loop.call("logical_and", present(series), present(other)), _both(series, other)
    elif type(other) is int and abs(other) <= _EXACT:
        value, bound, valid, dense = loop.const(other, I64), abs(other), own.valid, own.plain
        narrow = own.narrow
    else:
        return NotImplemented
    reach = own.bound * bound if name == "mul" else own.bound + bound
    if max(reach, bound) > (_EXACT if narrow is None else np.iinfo(narrow.dtype).max):
        return NotImplemented
    sides = (value, series.value) if reflected else (series.value, value)
    result = loop.call(_ARITHMETIC[name], *sides)
    if valid is not None:
        result = loop.select(valid, result, loop.const(0, I64))
    void = own.void or (is_batch_dependent(other) and other.batch_dependent.void)
    dtype = BatchDependent(valid, dense, Missing(), void, reach, narrow)
    return TracedSeries(loop, result, None, BATCH_DEPENDENT, batch_dependent=dtype)


def _both(a: Any, b: Any) -> Value:
    return a.loop.call("logical_and", a.batch_dependent.plain, b.batch_dependent.plain)
