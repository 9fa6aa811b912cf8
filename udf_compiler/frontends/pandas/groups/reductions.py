"""Computes reductions of a group's columns with pandas' and NumPy's own bits (pandas/core/nanops.py).

Sums add in NumPy's order. Rows that a filter has dropped are absent. pandas replaces NaN by 0 in a sum, so NaN keeps its place.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from pandas.core import nanops

from sparkweld.ir import Value
from sparkweld.ir.types import BOOL, F64, I64, Type
from udf_compiler.frontends.pandas.array import TracedArray, as_array
from udf_compiler.frontends.pandas.calls.arrays import bound
from udf_compiler.frontends.pandas.groups.scalars import GroupScalar
from udf_compiler.frontends.pandas.series import TracedSeries
from udf_compiler.frontends.tracing.lower import is_negative_zero, run_prototype
from udf_compiler.frontends.tracing.session import keep_of_group, refuse

if TYPE_CHECKING:
    from udf_compiler.frontends.pandas.groups.frame_group import FrameGroup

Column = TracedSeries | TracedArray


class Rows:
    """The numbers of a column: `present` where they count, which is None for all rows; `kept`, of these, after filters."""

    def __init__(self, group: FrameGroup, x: Column, skip: bool, call: str) -> None:
        if isinstance(x, TracedSeries):
            x.kind.check_numeric(call)
            series, seen = x, x.viewed
            x = x.to_array(call)
            series.viewed = seen  # no function gets this array
        if nanops._USE_BOTTLENECK:
            refuse("SW312", call=call, what="pandas uses Bottleneck")
        type = x.value.type
        if x.ndim != 1 or not (type in (BOOL, F64) or type.is_int):
            refuse("SW312", call=call, what=str(x.dtype))
        self.group, self.call, self.loop, self.value, self.type, self.skip = group, call, x.loop, x.value, type, skip
        self.kept = self.loop.where
        self.number = self.loop.call("logical_not", self.loop.call("isnan", self.value)) if type.is_float and skip else None

    @property
    def present(self) -> Value | None:
        """Returns where a value counts."""
        conditions = [c for c in (self.kept, self.number) if c is not None]
        return self.loop.fold("logical_and", conditions) if conditions else None

    def among_kept(self, value: Value) -> Value:
        """Returns a value, absent in rows that a filter has dropped."""
        return value if self.kept is None else self.loop.optional(value, self.kept)

    def sum(self, value: Value) -> Value:
        """Returns the sum, in the loop of scalars, of a value of the same rows; 0 takes the place of NaN."""
        if self.number is not None:
            value = self.loop.select(self.number, value, self.loop.const(0, value.type))
        return self.group.reduced(self.call, "sum", self.among_kept(value))

    def total(self) -> Value:
        return self.sum(self.value if self.type.is_float else self.loop.cast(self.value, I64))

    def product(self) -> Value:
        """Returns the product of the values that count, in the order of the rows."""
        return self.group.reduced(self.call, "product", self.optional(None if self.type.is_float else I64))

    def total_of_doubles(self) -> Value:
        """Returns the sum that adds doubles, as NumPy adds converted integers."""
        if self.type.is_float:
            return self.total()
        return self.group.reduced(self.call, "buffered_sum", self.among_kept(self.loop.cast(self.value, F64)))

    def count(self) -> Value:
        present = self.present
        ones = self.loop.const(True, BOOL) if present is None else present
        return self.group.reduced(self.call, "sum", self.loop.cast(ones, I64))

    def guard_zero(self, found: Value) -> None:
        """Flags a result of 0.0 or -0.0 where NumPy's own depends on the order of equal numbers, which it leaves open."""
        loop = self.group.loop
        zero = loop.call("equal", found, loop.const(0.0, F64))
        negative = self.group.some(self.loop, is_negative_zero(self.loop, self.value), self.call)
        loop.guard(loop.call("logical_not", loop.call("logical_and", zero, negative)))

    def optional(self, type: Type | None = None) -> Value:
        """Returns the values, absent where they do not count."""
        value, present = self.loop.cast(self.value, type or self.type), self.present
        return value if present is None else self.loop.optional(value, present)


def _mean(rows: Rows, ddof: int) -> Value:
    loop = rows.group.loop
    return loop.call("divide", rows.total_of_doubles(), loop.cast(rows.count(), F64))


def _variance(rows: Rows, ddof: int) -> Value:
    """Returns the sum of squares about the mean over n - ddof, in two passes; NaN where that is not positive."""
    loop, group = rows.group.loop, rows.group
    doubles = rows.loop.cast(rows.value, F64)
    count = loop.cast(rows.count(), F64)
    freedom = loop.call("subtract", count, loop.const(float(ddof), F64))
    total = rows.sum(doubles)
    mean = group.of_rows(loop.call("divide", total, count), rows.loop)
    distance = rows.loop.call("subtract", mean, doubles)
    squares = rows.sum(rows.loop.call("multiply", distance, distance))
    positive = loop.call("greater", freedom, loop.const(0.0, F64))
    return loop.select(positive, loop.call("divide", squares, freedom), loop.const(float("nan"), F64))


def _deviation(rows: Rows, ddof: int) -> Value:
    return rows.group.loop.call("sqrt", _variance(rows, ddof))


def _extreme(kind: str) -> Callable[[Rows, int], Value]:
    """Returns min or max; NaN for no values. Flags a zero of unknown sign: NumPy's depends on the order of its vectors."""

    def rule(rows: Rows, ddof: int) -> Value:
        loop = rows.group.loop
        if rows.type.is_float and not rows.skip:
            refuse("SW312", call=rows.call, what="NaN counts")
        found = rows.group.reduced(rows.call, kind, rows.optional())
        value, type = loop.value_of(found), rows.type
        if type.is_float:
            rows.guard_zero(value)
            return loop.select(loop.is_valid(found), value, loop.const(float("nan"), F64)) if found.type.nullable else value
        if found.type.nullable:
            loop.guard(loop.is_valid(found))  # pandas returns NaN, of another dtype
        return value

    return rule


def _quantified(kind: str) -> Callable[[Rows, int], Value]:
    """Returns any or all. NaN counts as true unless it is skipped."""

    def rule(rows: Rows, ddof: int) -> Value:
        loop, type = rows.group.loop, rows.type
        truth = rows.loop.call("not_equal", rows.value, rows.loop.const(0, type)) if type != BOOL else rows.value
        present = rows.present
        given = truth if present is None else rows.loop.optional(truth, present)
        found = rows.group.reduced(rows.call, "max" if kind == "any" else "min", given)
        if not found.type.nullable:
            return found
        return loop.select(loop.is_valid(found), loop.value_of(found), loop.const(kind == "all", BOOL))

    return rule


#: name -> the rule, a value of the loop of scalars.
_RULES: dict[str, Callable[[Rows, int], Value]] = {
    "sum": lambda rows, ddof: rows.total(),
    "prod": lambda rows, ddof: rows.product(),
    "mean": _mean,
    "var": _variance,
    "std": _deviation,
    "min": _extreme("min"),
    "max": _extreme("max"),
    "any": _quantified("any"),
    "all": _quantified("all"),
}


def reduce(group: FrameGroup, name: str, x: Column, skip: bool, call: str, ddof: int = 1) -> GroupScalar:
    """Returns a reduction as pandas or NumPy returns it. Refuses (SW312) a dtype other than theirs."""
    value = _RULES[name](Rows(group, x, skip, call), ddof)
    given = np.ones(2, x.dtype)
    proto: Any = pd.Series(given) if isinstance(x, TracedSeries) else given
    arguments = {"ddof": ddof} if name in ("std", "var") else {}
    made = np.asarray(run_prototype(call, getattr(proto, name), **arguments)).dtype
    if made != value.type.dtype:
        refuse("SW312", call=call, what=f"{x.dtype}, for which it is {made}")
    return GroupScalar(group.loop, value)


def check_plain(call: str, **arguments: tuple[Any, tuple[Any, ...]]) -> None:
    """Refuses (SW262) an argument whose value is not among the given ones."""
    for name, (value, allowed) in arguments.items():
        if not any(value is x or (type(value) is type(x) and value == x) for x in allowed):
            refuse("SW262", call=call, what=f"the argument {name}=")


def _ddof(ddof: Any, call: str) -> int:
    if type(ddof) is not int or not 0 <= ddof < 1000:
        refuse("SW262", call=call, what="the argument ddof=")
    return ddof


def _method(name: str) -> Callable[[FrameGroup, TracedSeries], Any]:
    call = f"Series.{name}"

    def of(group: FrameGroup, series: TracedSeries) -> Any:
        def simple(s: Any, axis: Any = None, skipna: Any = True, numeric_only: Any = False, min_count: Any = 0) -> GroupScalar:
            check_plain(call, axis=(axis, (None, 0)), numeric_only=(numeric_only, (False,)), min_count=(min_count, (0,)))
            check_plain(call, skipna=(skipna, (True,)))
            return reduce(group, name, s, True, call)

        def spread(s: Any, axis: Any = None, skipna: Any = True, ddof: Any = 1, numeric_only: Any = False) -> GroupScalar:
            check_plain(call, axis=(axis, (None, 0)), skipna=(skipna, (True,)), numeric_only=(numeric_only, (False,)))
            return reduce(group, name, s, True, call, _ddof(ddof, call))

        return bound(spread if name in ("std", "var") else simple, series, call)

    return of


def _count(group: FrameGroup, series: TracedSeries) -> Any:
    def count(s: Any) -> GroupScalar:
        found = s.notna()
        return GroupScalar(group.loop, Rows(group, found, True, "Series.count").total())

    return bound(count, series, "Series.count")


#: Reductions that Series.agg takes by name: it calls the method.
_NAMED = frozenset((*_RULES, "count", "median", "nunique"))


def _agg(group: FrameGroup, series: TracedSeries) -> Any:
    call = "Series.agg"

    def agg(s: TracedSeries, func: Any, axis: Any = 0) -> Any:
        check_plain(call, axis=(axis, (0,)))
        if type(func) is not str or func not in _NAMED:
            refuse("SW262", call=call, what="other than the name of a reduction")
        return group.series_attribute(s, func)()

    return bound(agg, series, call)


#: Series methods that return a scalar.
SERIES: dict[str, Callable[[FrameGroup, TracedSeries], Any]] = {
    **{name: _method(name) for name in _RULES},
    "count": _count, "agg": _agg, "aggregate": _agg,
}  # fmt: skip


def of_array(group: FrameGroup, array: TracedArray, name: str) -> Any:
    """Returns a reduction of an array, in which NaN counts, or None."""
    if name not in _RULES:
        return None
    call = f"array.{name}"

    def simple(x: Any, axis: Any = None, ddof: Any = 0) -> GroupScalar:
        check_plain(call, axis=(axis, (None, 0, -1)))
        return reduce(group, name, x, False, call, _ddof(ddof, call))

    return bound(simple, array, call)


_NAN_FUNCTIONS = {"nansum": "sum", "nanmean": "mean", "nanmax": "max", "nanmin": "min"}


#: NumPy adds the products in the order of its BLAS library.
PRODUCT_BOUND = "2 * n * eps * sum(|x * y|) of each group of n rows"


def _is_column(x: Any) -> bool:
    return isinstance(x, TracedSeries) or (isinstance(x, TracedArray) and x.ndim == 1)


def _product(group: FrameGroup, call: str, a: Any, b: Any) -> GroupScalar:
    """Returns the sum of the products of two columns of doubles. NaN counts."""
    left, right = (Rows(group, x, False, call) for x in (a, b))
    if left.type != F64 or right.type != F64 or left.loop is not right.loop:
        refuse("SW312", call=call, what="columns other than two of float64 and of the same rows")
    keep_of_group(call, PRODUCT_BOUND)
    return GroupScalar(group.loop, left.sum(left.loop.call("multiply", left.value, right.value)))


def _average(group: FrameGroup, a: Any, axis: Any = None, weights: Any = None) -> GroupScalar:
    """Returns np.average: the mean, or the sum of the products over that of the weights. Their sum of 0 raises."""
    call = "np.average"
    check_plain(call, axis=(axis, (None, 0)))
    array = as_array(a, call)
    if weights is None:
        return reduce(group, "mean", array, False, call)
    if not _is_column(weights) or as_array(weights, call).loop is not array.loop:
        refuse("SW312", call=call, what="weights of other rows")
    values, scale = Rows(group, array, False, call), Rows(group, as_array(weights, call), False, call)
    common = np.result_type(values.type.dtype, scale.type.dtype)
    if np.issubdtype(values.type.dtype, np.integer) or values.type == BOOL:
        common = np.result_type(values.type.dtype, scale.type.dtype, "f8")
    if common != np.float64:
        refuse("SW312", call=call, what=f"of {common}")
    loop, scalars = values.loop, group.loop
    product = loop.call("multiply", loop.cast(values.value, F64), loop.cast(scale.value, F64))
    total = scale.total_of_doubles()
    scalars.guard(scalars.call("not_equal", total, scalars.const(0.0, F64)))
    return GroupScalar(scalars, scalars.call("divide", values.sum(product), total))


def numpy_function(group: FrameGroup, name: str, args: tuple[Any, ...]) -> Callable[..., Any] | None:
    """Returns np.<name> of a column, or None. It is the Series method where NumPy delegates to that."""
    if name in ("dot", "inner", "vdot"):
        return partial(_product, group, f"np.{name}") if len(args) == 2 and all(map(_is_column, args)) else None
    if not args or not isinstance(args[0], TracedSeries | TracedArray) or getattr(args[0], "ndim", 1) != 1:
        return None
    call = f"np.{name}"
    if name == "average":
        return partial(_average, group)
    method = {"amax": "max", "amin": "min"}.get(name, _NAN_FUNCTIONS.get(name, name))
    if name == "size":
        return lambda a: group.length(a, call)
    if method not in _RULES:
        return None
    skips = name in _NAN_FUNCTIONS

    def function(a: Any, axis: Any = None, ddof: Any = 0) -> GroupScalar:
        check_plain(call, axis=(axis, (None, 0)))
        given = as_array(a, call) if skips else a
        return reduce(group, method, given, skips or isinstance(a, TracedSeries), call, _ddof(ddof, call))

    return function
