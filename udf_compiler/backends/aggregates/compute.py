"""Computes pyarrow.compute's aggregate functions over a group, and Python scalars from their results.

An Arrow scalar of a group is a `TracedArrow` of the groups' loop, so every elementwise function of pyarrow.compute accepts it.
`skip_nulls` either skips NULLs or makes the result NULL; fewer values than `min_count` also make it NULL. NaN is a value that
only `min` and `max` skip. Arrow adds floats pairwise and computes the variance in two passes. The result here is approximate,
with the documented bounds of the pandas reductions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from sparkweld.ir import Value
from sparkweld.ir.types import BOOL, F64, I64
from udf_compiler.backends.aggregates.reductions import MEAN_BOUND, SUM_BOUND, VARIANCE_BOUND, ZERO_BOUND
from udf_compiler.frontends.arrow import ARROW_TYPES, TracedArrow
from udf_compiler.frontends.tracing.lower import is_number, operator_call
from udf_compiler.frontends.tracing.session import current, keep_of_group, refuse
from udf_compiler.frontends.tracing.values import BINARY, REFLECTED, Traced, raw, symbol


class _Column:
    """A column over its group, as the argument of one function of pyarrow.compute."""

    def __init__(self, x: Any, call: str, numbers: bool) -> None:
        groups = current().groups
        if type(x) is not TracedArrow or x.loop is groups.loop:
            refuse("SW262", call=call, what=raw(x))
        self.type = x.value.type
        if not (self.type.is_int or self.type.is_float if numbers else self.type == BOOL):
            refuse("SW254", call=call, type=str(ARROW_TYPES[self.type]))
        self.groups, self.x, self.loop, self.call = groups, x, x.loop, call

    def filled(self, to: Any) -> Value:
        """Returns the values cast to `to`, with 0 for NULL."""
        value = self.x.value
        if self.x.valid is not None:
            value = self.loop.select(self.x.valid, value, self.loop.const(self.type.zero, self.type))
        return self.loop.cast(value, to)

    def rows(self) -> Value:
        return self.groups.aggregate("rows")  # type: ignore[no-any-return]

    def count(self) -> Value:
        """Returns the number of values that are not NULL."""
        if self.x.valid is None:
            return self.rows()
        return self.groups.aggregate("sum", self.loop.cast(self.x.valid, I64))  # type: ignore[no-any-return]

    def result(self, value: Value, skip_nulls: Any, min_count: Any, most: int = 0) -> TracedArrow:
        """Returns the scalar with its NULL condition.

        It is NULL for fewer values than `min_count`, for at most `most` values, and for any NULL that is not skipped.
        """
        if type(skip_nulls) is not bool or type(min_count) is not int or not 0 <= min_count < 2**31:
            refuse("SW262", call=self.call, what="the argument skip_nulls= or min_count=")
        loop = self.groups.loop
        enough = loop.call("greater_equal", self.count(), loop.const(max(min_count, most + 1), I64))
        if not skip_nulls and self.x.valid is not None:
            enough = loop.call("logical_and", enough, loop.call("equal", self.count(), self.rows()))
        return TracedArrow(loop, value, enough)


def _sum(x: Any, /, *, skip_nulls: bool = True, min_count: int = 1) -> TracedArrow:
    column = _Column(x, "pc.sum", numbers=True)
    if column.type.is_float:
        keep_of_group(column.call, SUM_BOUND)
    total = column.groups.aggregate("sum", column.filled(F64 if column.type.is_float else I64))
    return column.result(total, skip_nulls, min_count, most=-1)


def _mean(x: Any, /, *, skip_nulls: bool = True, min_count: int = 1) -> TracedArrow:
    column = _Column(x, "pc.mean", numbers=True)
    keep_of_group(column.call, MEAN_BOUND)
    loop, total = column.groups.loop, column.groups.aggregate("sum", column.filled(F64))
    mean = loop.call("divide", total, loop.cast(column.count(), F64))
    return column.result(mean, skip_nulls, min_count, most=-1)


def _extreme(name: str) -> Callable[..., TracedArrow]:
    def rule(x: Any, /, *, skip_nulls: bool = True, min_count: int = 1) -> TracedArrow:
        column = _Column(x, f"pc.{name}", numbers=True)
        rows, loop, present = column.loop, column.groups.loop, column.x.valid
        if column.type.is_float:
            keep_of_group(column.call, ZERO_BOUND)
            number = rows.call("logical_not", rows.call("isnan", column.x.value))
            present = number if present is None else rows.call("logical_and", present, number)
        found = column.groups.aggregate(name, column.x.value if present is None else rows.optional(column.x.value, present))
        if found.type.nullable:
            none = loop.const(float("nan") if column.type.is_float else 0, column.type)
            found = loop.select(loop.is_valid(found), loop.value_of(found), none)
        return column.result(found, skip_nulls, min_count)

    return rule


def _quantified(name: str) -> Callable[..., TracedArrow]:
    def rule(x: Any, /, *, skip_nulls: bool = True, min_count: int = 1) -> TracedArrow:
        column = _Column(x, f"pc.{name}", numbers=False)
        if skip_nulls is not True or min_count != 1:
            refuse("SW262", call=column.call, what="the argument skip_nulls= or min_count=")
        value, valid = column.x.value, column.x.valid
        if valid is not None:
            other = column.loop.call("logical_not", valid) if name == "all" else valid
            value = column.loop.call("logical_or" if name == "all" else "logical_and", value, other)
        return column.result(column.groups.aggregate("min" if name == "all" else "max", value), True, 1)

    return rule


def _variance(x: Any, /, *, ddof: int = 0, skip_nulls: bool = True, min_count: int = 0, call: str = "pc.variance") -> TracedArrow:
    column = _Column(x, call, numbers=True)
    if type(ddof) is not int or not 0 <= ddof < 1000:
        refuse("SW262", call=call, what="the argument ddof=")
    keep_of_group(call, VARIANCE_BOUND)
    rows, loop = column.loop, column.groups.loop
    value = rows.cast(column.x.value, F64)
    squares = column.groups.aggregate("moment2", value if column.x.valid is None else rows.optional(value, column.x.valid))
    freedom = loop.call("subtract", column.count(), loop.const(ddof, I64))
    return column.result(loop.call("divide", squares, loop.cast(freedom, F64)), skip_nulls, min_count, most=ddof)


def _stddev(x: Any, /, *, ddof: int = 0, skip_nulls: bool = True, min_count: int = 0) -> TracedArrow:
    found = _variance(x, ddof=ddof, skip_nulls=skip_nulls, min_count=min_count, call="pc.stddev")
    return TracedArrow(found.loop, found.loop.call("sqrt", found.value), found.valid)


def _count(x: Any, /, mode: str = "only_valid") -> TracedArrow:
    groups = current().groups
    if type(x) is not TracedArrow or x.loop is groups.loop:
        refuse("SW262", call="pc.count", what=raw(x))
    if mode not in ("only_valid", "only_null", "all"):
        refuse("SW262", call="pc.count", what=f"mode={mode!r}")
    rows = groups.aggregate("rows")
    valid = rows if x.valid is None else groups.aggregate("sum", x.loop.cast(x.valid, I64))
    value = {"all": rows, "only_valid": valid}.get(mode)
    return TracedArrow(groups.loop, groups.loop.call("subtract", rows, valid) if value is None else value)


FUNCTIONS: dict[str, Callable[..., TracedArrow]] = {
    "sum": _sum, "mean": _mean, "min": _extreme("min"), "max": _extreme("max"), "any": _quantified("any"),
    "all": _quantified("all"), "variance": _variance, "stddev": _stddev, "count": _count,
}  # fmt: skip


def scalar_attribute(scalar: TracedArrow, name: str) -> Any:
    """Returns an attribute of each group's Arrow scalar; refuses all but `as_py` (SW251)."""
    if name == "as_py":
        return lambda: PythonScalar(scalar)
    refuse("SW251", call=f"Scalar.{name}")


class PythonScalar(Traced):
    """The result of ``scalar.as_py()``: each group's Python number, or None.

    Only floats support operators; an operator raises TypeError for None.
    """

    __slots__ = ("scalar", "shared")
    what = "Python value of a reduction"
    python_kind = "float"  # only floats support operators here
    stands_for = float
    exact = False  # the value may be None

    def __init__(self, scalar: TracedArrow) -> None:
        self.scalar, self.shared = scalar, True

    def _number(self, call: str) -> Value:
        """Returns the float; records a TypeError for groups whose value is None."""
        scalar = self.scalar
        if scalar.value.type != F64:
            refuse("SW262", call=call, what="a Python value that is not a float")
        if scalar.valid is not None:
            error = "TypeError: unsupported operand type(s): 'NoneType' and 'float'"
            current().groups.raises.append((scalar.null(), error))
        return scalar.value

    def _binary(self, name: str, other: Any, reflected: bool) -> PythonScalar:
        call = f"as_py() {symbol(name)} ..."
        if name not in ("add", "sub", "mul", "truediv") or not (type(other) is PythonScalar or is_number(other)):
            refuse("SW262", call=call, what=raw(other))
        loop = self.scalar.loop
        mine = self._number(call)
        if type(other) is PythonScalar:
            right = other._number(call)
        elif type(other) in (int, float) and abs(other) <= 2**53:
            right = loop.const(float(other), F64)
        else:
            refuse("SW262", call=call, what=raw(other))
        if name == "truediv":
            zero = loop.call("equal", mine if reflected else right, loop.const(0.0, F64))
            current().groups.raises.append((zero, "ZeroDivisionError: float division by zero"))
        (value,) = operator_call(loop, (REFLECTED if reflected else BINARY)[name], (mine, right), call)
        return PythonScalar(TracedArrow(loop, value))

    def _in_place(self, name: str, other: Any) -> Any:
        return self._binary(name, other, False)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> NoReturn:
        refuse("SW251", call=f"np.{ufunc.__name__} of a {self.what}")
