"""Computes reductions of a Series, array or DataFrame over its group, rewritten from pandas/core/nanops.py and NumPy's sources.

Every function takes the whole group as one batch, so only traces of aggregate UDFs use this module (`Session.groups`). Float sums
add in Spark's order instead of NumPy's: approximate, with a documented bound. The bounds hold while no partial sum overflows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from sparkweld.ir import Value
from sparkweld.ir.types import BOOL, F32, F64, I64, Type
from udf_compiler.backends.aggregates.groups import Groups
from udf_compiler.frontends.pandas.array import TracedArray, as_array
from udf_compiler.frontends.pandas.calls.arrays import bound
from udf_compiler.frontends.pandas.groups.scalars import MAX_ROWS, GroupScalar
from udf_compiler.frontends.pandas.series import TracedSeries
from udf_compiler.frontends.tracing.lower import BY_VALUE, run_prototype
from udf_compiler.frontends.tracing.session import current, keep_of_group, refuse
from udf_compiler.frontends.tracing.values import Traced

#: pandas adds pairwise; Spark adds in the order of rows and partitions. Their partial sums round log2(n) and n - 1 times. Spark's
#: variance is Welford's; pandas makes a second pass (Chan, Golub, LeVeque: Algorithms for Computing the Sample Variance, 1983).
SUM_BOUND = "2 * n * eps * sum(|x|) of each group of n rows"
MEAN_BOUND = "2 * n * eps * mean(|x|) of each group of n rows"
AVERAGE_BOUND = "4 * n * eps * sum(|x * w|) * sum(|w|) / sum(w)**2 of each group of n rows"
VARIANCE_BOUND = "4 * n * eps * (std + n * eps * |mean|) * (std + |mean|) in the variance of each group of n rows"
ZERO_BOUND = "the sign of a zero"

_Column = TracedSeries | TracedArray


def _groups() -> Groups:
    groups = current().groups
    assert groups is not None
    return groups  # type: ignore[no-any-return]


def _of_groups(value: Value, to: Type) -> Value:
    return _groups().loop.cast(value, to)


class _Rows:
    """The values of a column over its group.

    `skip`: pandas skips NaN. `part`: the condition of the rows that count; None: all rows.
    """

    def __init__(self, x: _Column, skip: bool, part: Value | None) -> None:
        self.loop, self.value, self.type, self.part = x.loop, x.value, x.value.type, part
        self.keeps_nan = self.type.is_float and not skip
        self.present: Value | None = part
        if skip and self.type.is_float:
            number = self.loop.call("logical_not", self.loop.call("isnan", self.value))
            self.present = number if part is None else self.loop.call("logical_and", part, number)

    def filled(self, type: Type) -> Value:
        """Returns the values as `type`, with 0 for skipped ones."""
        value = self.value
        if self.present is not None:
            value = self.loop.select(self.present, value, self.loop.const(0, self.type))
        return self.loop.cast(value, type)

    def optional(self, type: Type) -> Value:
        """Returns the values as `type`, with NULL for skipped ones."""
        value = self.loop.cast(self.value, type)
        return value if self.present is None else self.loop.optional(value, self.present)

    def count(self) -> Value:
        """Returns the number of values, as i64 of the group."""
        if self.present is None:
            return _groups().aggregate("rows")
        return _groups().aggregate("sum", self.loop.cast(self.present, I64))

    def total(self, operation: str) -> Value:
        """Returns the sum in pandas' accumulator type."""
        if not self.type.is_float:
            return _groups().aggregate("sum", self.filled(I64))
        keep_of_group(operation, SUM_BOUND)
        return _of_groups(_groups().aggregate("sum", self.filled(F64)), self.type)


def _sum(x: _Rows, call: str) -> Value:
    return x.total(call)


def _mean(x: _Rows, call: str) -> Value:
    """Returns the mean. The sum of 64-bit integers adds doubles: exact up to 2**53, within the bound beyond."""
    groups = _groups()
    if x.type == BOOL:
        return groups.loop.call("divide", *(_of_groups(v, F64) for v in (x.total(call), x.count())))
    keep_of_group(call, MEAN_BOUND)
    to = x.type if x.type.is_float else F64
    wide = x.type.is_int and x.type != I64  # never wraps, and its order does not matter
    total = groups.aggregate("sum", x.filled(I64 if wide else F64))
    return groups.loop.call("divide", _of_groups(total, to), _of_groups(x.count(), to))


def _variance(x: _Rows, ddof: int, call: str) -> Value:
    """Returns the sum of squares about the mean over n - ddof; NaN where that is not positive (nanops.nanvar)."""
    groups, loop = _groups(), _groups().loop
    if BY_VALUE and x.type == F32:
        refuse("SW251", call=f"{call} of float32, whose deviations NumPy before 2 computes in float32,")
    keep_of_group(call, VARIANCE_BOUND)
    squares, count = groups.aggregate("moment2", x.optional(F64)), x.count()
    freedom = loop.call("subtract", count, loop.const(ddof, I64))
    ratio = loop.call("divide", squares, loop.cast(freedom, F64))
    positive = loop.call("greater", freedom, loop.const(0, I64))
    result = loop.select(positive, ratio, loop.const(float("nan"), F64))
    return loop.cast(result, F32) if x.type == F32 else result


def _extreme(x: _Rows, kind: str, call: str) -> Value:
    """Returns the extreme; NaN for a group of NaN only.

    Spark orders NaN last, so a maximum that does not skip NaN is NaN if any value is.
    """
    groups, loop = _groups(), _groups().loop
    if x.type.is_float:
        keep_of_group(call, ZERO_BOUND)
        if x.keeps_nan and kind == "min":
            refuse("SW382", call=f"{call} of an array of floats")
    elif x.part is not None:
        refuse("SW382", call=f"{call} of a selection that may be empty, cast to float64 first:")
    found = groups.aggregate(kind, x.optional(x.type))
    if not found.type.nullable:
        return found
    return loop.select(loop.is_valid(found), loop.value_of(found), loop.const(float("nan"), found.type.plain()))


def _quantified(x: _Rows, kind: str, call: str) -> Value:
    """Returns any or all. NaN counts as true, and is skipped where pandas skips it."""
    truth = x.loop.cast(x.value, BOOL)
    if x.present is not None:
        present = x.loop.call("logical_not", x.present) if kind == "all" else x.present
        truth = x.loop.call("logical_or" if kind == "all" else "logical_and", truth, present)
    return _groups().aggregate("min" if kind == "all" else "max", truth)


def _reduce(name: str, x: _Column, skip: bool, call: str, ddof: int = 1, part: Value | None = None) -> GroupScalar:
    if isinstance(x, TracedSeries):
        x.kind.check_numeric(call)
    if isinstance(x, TracedArray) and x.ndim != 1:
        refuse("SW382", call=f"{call} of a two-dimensional array")
    rows = _Rows(x, skip, part)
    if name in ("std", "var"):
        value = _variance(rows, ddof, call)
        value = value if name == "var" else _groups().loop.call("sqrt", value)
    elif name in ("min", "max"):
        value = _extreme(rows, name, call)
    elif name in ("any", "all"):
        value = _quantified(rows, name, call)
    elif name == "count":
        value = rows.count()
    else:
        value = {"sum": _sum, "mean": _mean}[name](rows, call)
    return _checked(name, x, value, call, ddof)


def _checked(name: str, x: _Column, value: Value, call: str, ddof: int) -> GroupScalar:
    """Returns the scalar; refuses (SW382) a dtype other than that of pandas' or NumPy's own result for such a column."""
    given = np.ones(2, x.dtype)
    proto: Any = pd.Series(given) if isinstance(x, TracedSeries) else given
    arguments = {"ddof": ddof} if name in ("std", "var") else {}
    made = np.asarray(run_prototype(call, getattr(proto, name), **arguments)).dtype
    if made != value.type.dtype:
        refuse("SW382", call=f"{call} of {x.dtype}, which returns {made}")
    return _groups().scalar(value)


def _plain(call: str, **given: Any) -> None:
    """Refuses an argument that is not at its default."""
    for name, (value, allowed) in given.items():
        if not any(value is a or (type(value) is type(a) and value == a) for a in allowed):
            refuse("SW262", call=call, what=f"the argument {name}=")


def _method(name: str) -> Callable[..., GroupScalar]:
    """Returns the reduction as a method of a Series or of a selection of its rows."""
    call = f"Series.{name}"

    def reduced(s: Any, ddof: int = 1) -> GroupScalar:
        if isinstance(s, GroupPart):
            return _reduce(name, s.series, True, call, ddof, s.part)
        return _reduce(name, s, True, call, ddof)

    def simple(s: Any, axis: Any = None, skipna: bool = True, numeric_only: bool = False, min_count: int = 0) -> GroupScalar:
        _plain(call, axis=(axis, (None, 0)), skipna=(skipna, (True,)), numeric_only=(numeric_only, (False,)))
        _plain(call, min_count=(min_count, (0,)))
        return reduced(s)

    def spread(s: Any, axis: Any = None, skipna: bool = True, ddof: int = 1, numeric_only: bool = False) -> GroupScalar:
        _plain(call, axis=(axis, (None, 0)), skipna=(skipna, (True,)), numeric_only=(numeric_only, (False,)))
        return reduced(s, _ddof(ddof, call))

    def counted(s: Any) -> GroupScalar:
        return reduced(s)

    return spread if name in ("std", "var") else counted if name == "count" else simple


def _ddof(ddof: Any, call: str) -> int:
    if type(ddof) is not int or not 0 <= ddof < 1000:
        refuse("SW262", call=call, what="the argument ddof=")
    return ddof


SERIES_METHODS = {name: _method(name) for name in ("sum", "mean", "min", "max", "any", "all", "count", "std", "var")}


def length(x: Any) -> GroupScalar:
    """Returns the number of rows of the group, or of a selection of them, as a Python int."""
    if isinstance(x, GroupPart):
        rows = _groups().aggregate("sum", x.series.loop.cast(x.part, I64))
        return _groups().scalar(rows, weak=True, bound=MAX_ROWS)
    return _groups().scalar(_groups().aggregate("rows"), weak=True, bound=MAX_ROWS)


class GroupPart(Traced):
    """The rows of `series` where the bool `part` is true, for reductions: ``s[mask]`` and ``s.dropna()``."""

    __slots__ = ("part", "series", "shared")
    what = "part of a Series"
    stands_for = pd.Series

    def __init__(self, series: TracedSeries, part: Value) -> None:
        self.series, self.part, self.shared = series, part, True

    def __getattr__(self, name: str) -> Any:
        if name in SERIES_METHODS:
            return bound(SERIES_METHODS[name], self, f"Series.{name}")
        if name in ("size", "shape"):
            return length(self) if name == "size" else (length(self),)
        if name in _ROW_BY_ROW:
            return lambda *args, **kwargs: self._of(getattr(self.series, name)(*args, **kwargs))
        if name == "dropna":
            return lambda: part_of(self.series, self.series.notna(), self.part)
        refuse("SW382", call=f"Series[...].{name}")

    def _of(self, series: Any) -> GroupPart:
        return GroupPart(series, self.part)

    def _binary(self, name: str, other: Any, reflected: bool) -> Any:
        if isinstance(other, GroupPart) and other.part.id == self.part.id:
            other = other.series
        elif isinstance(other, Traced):
            refuse("SW382", call="an operation on selections of a Series with different rows")
        return self._of(self.series._binary(name, other, reflected))

    def _unary(self, name: str) -> Any:
        return self._of(self.series._unary(name))

    def _in_place(self, name: str, other: Any) -> Any:
        return self._binary(name, other, False)


#: Row-local Series methods that a selection supports too: they return a Series of the same rows.
_ROW_BY_ROW = frozenset("abs round clip isna isnull notna notnull astype between isin".split())


def part_of(series: TracedSeries, mask: Any, within: Value | None = None) -> GroupPart:
    """Returns ``series[mask]``; refuses a mask that is not bool or has other rows."""
    if not isinstance(mask, TracedSeries | TracedArray) or mask.dtype != np.bool_ or mask.loop is not series.loop:
        refuse("SW250", call="Series[...]")
    part = mask.value if within is None else series.loop.call("logical_and", within, mask.value)
    return GroupPart(series, part)


def series_attribute(series: TracedSeries, name: str) -> Any:
    """Returns a Series attribute that is a reduction or a selection; refuses every other attribute (SW382)."""
    if name in SERIES_METHODS:
        return bound(SERIES_METHODS[name], series, f"Series.{name}")
    if name == "size":
        return length(series)
    if name == "shape":
        return (length(series),)
    if name == "dropna":
        return bound(lambda s: part_of(s, s.notna()), series, "Series.dropna")
    refuse("SW382", call=f"Series.{name}")


def array_attribute(array: TracedArray, name: str) -> Any:
    """Returns a reduction of a one-dimensional array (NaN counts), or None."""
    if name in ("sum", "mean", "max", "min", "any", "all"):
        return bound(lambda x, axis=None: _array(name, x, axis), array, f"array.{name}")
    if name in ("std", "var"):
        return bound(lambda x, axis=None, ddof=0: _array(name, x, axis, ddof), array, f"array.{name}")
    return length(array) if name == "size" else (length(array),) if name == "shape" else None


def _array(name: str, x: TracedArray, axis: Any, ddof: int = 0) -> GroupScalar:
    call = f"array.{name}"
    _plain(call, axis=(axis, (None, 0, -1)))
    if x.dtype == np.float32 and name in ("std", "var"):
        refuse("SW382", call=f"{call} of float32")
    return _reduce(name, x, False, call, _ddof(ddof, call))


_NAN_FUNCTIONS = {"nansum": "sum", "nanmean": "mean", "nanmax": "max", "nanmin": "min"}


def numpy_function(name: str) -> Callable[..., Any] | None:
    """Returns the reduction np.<name> of a column, or None; it is the Series method where NumPy delegates to that."""
    call = f"np.{name}"
    method = {"amax": "max", "amin": "min"}.get(name, name)
    if method in ("sum", "mean", "max", "min", "any", "all"):
        return lambda a, axis=None: _reduced(method, a, axis, call)
    if method in ("std", "var"):
        return lambda a, axis=None, ddof=0: _reduced(method, a, axis, call, _ddof(ddof, call))
    if name in _NAN_FUNCTIONS:
        return lambda a, axis=None: _reduce(_NAN_FUNCTIONS[name], _flat(a, call), True, call)
    if name == "average":
        return average
    return length if name == "size" else None


def _reduced(name: str, a: Any, axis: Any, call: str, ddof: int = 0) -> GroupScalar:
    if isinstance(a, GroupPart):
        _plain(call, axis=(axis, (None, 0)))
        return _reduce(name, a.series, True, call, ddof, a.part)
    if not isinstance(a, TracedSeries):
        return _array(name, _flat(a, call), axis, ddof)
    _plain(call, axis=(axis, (None, 0)))
    return _reduce(name, a, True, call, ddof)


def _flat(x: Any, call: str) -> TracedArray:
    array = as_array(x, call)
    if array.ndim != 1:
        refuse("SW382", call=f"{call} of a two-dimensional array")
    return array


def average(a: Any, axis: Any = None, weights: Any = None) -> GroupScalar:
    """Returns np.average of float64 columns. NaN counts; weights that sum to zero raise ZeroDivisionError."""
    call = "np.average"
    _plain(call, axis=(axis, (None, 0)))
    x = _flat(a, call)
    if weights is None:
        return _array("mean", x, None)
    w = _flat(weights, call)
    if x.value.type != F64 or w.value.type != F64 or x.loop is not w.loop:
        refuse("SW382", call=f"{call} of {x.dtype} with {w.dtype} weights")
    keep_of_group(call, AVERAGE_BOUND)
    groups = _groups()
    scale = groups.aggregate("sum", w.value)
    total = groups.aggregate("sum", x.loop.call("multiply", x.value, w.value))
    zero = groups.loop.call("equal", scale, groups.loop.const(0.0, F64))
    groups.raises.append((zero, "ZeroDivisionError: Weights sum to zero, can't be normalized"))
    return groups.scalar(groups.loop.call("divide", total, scale))
