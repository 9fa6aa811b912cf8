"""Computes correlations and covariances of two columns of a group (`pandas.core.nanops.nancorr`, `numpy.cov`).

NumPy computes sums of products by a matrix product of its BLAS library, which adds in its own order. So results are approximate.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.types import BOOL, F64, I64
from udf_compiler.frontends.pandas.array import TracedArray, as_array
from udf_compiler.frontends.pandas.calls.arrays import bound
from udf_compiler.frontends.pandas.groups.reductions import Rows, check_plain
from udf_compiler.frontends.pandas.groups.scalars import GroupScalar
from udf_compiler.frontends.pandas.series import TracedSeries
from udf_compiler.frontends.tracing.session import keep_of_group, refuse
from udf_compiler.frontends.tracing.stand_ins import StandIn

if TYPE_CHECKING:
    from udf_compiler.frontends.pandas.groups.frame_group import FrameGroup

CORRELATION_BOUND = "8 * n * eps of each group of n rows"
COVARIANCE_BOUND = "2 * n * eps * sum(|dx * dy|) / (n - 1) of each group of n rows"

#: Sums of squares between these neither overflow nor lose digits to subnormal products.
_LEAST, _MOST = 1e-280, 1e290


@dataclass(frozen=True)
class Products:
    """The sums of products of the distances from the means, in the loop of scalars, the number of rows, and the means."""

    xx: Value
    xy: Value
    yy: Value
    count: Value
    means: tuple[Value, Value]


def _pair(group: FrameGroup, a: Any, b: Any, skip: bool, call: str) -> tuple[LoopBuilder, list[Value], Value]:
    """Returns two columns as doubles, and where both count."""
    rows = [Rows(group, x, skip, call) for x in (a, b)]
    loop = rows[0].loop
    if loop is not rows[1].loop:
        refuse("SW312", call=call, what="columns of other rows")
    present = [value for row in rows if (value := row.present) is not None]
    inside = loop.fold("logical_and", present) if present else loop.const(True, BOOL)
    return loop, [loop.cast(row.value, F64) for row in rows], inside


def products(group: FrameGroup, a: Any, b: Any, skip: bool, call: str) -> Products:
    """Flags a group whose sums of squares leave the range of doubles with all digits."""
    loop, doubles, present = _pair(group, a, b, skip, call)
    scalars = group.loop

    def total(value: Value) -> Value:
        return scalars.value_of(group.reduced(call, "sum", loop.optional(value, present)))

    count = scalars.value_of(group.reduced(call, "sum", loop.cast(present, I64)))
    x, y = (scalars.call("divide", total(value), scalars.cast(count, F64)) for value in doubles)
    dx, dy = (loop.call("subtract", value, group.of_rows(mean, loop)) for value, mean in zip(doubles, (x, y), strict=True))
    for distance in (dx, dy):
        _guard_range(group, loop, distance, present, call)
    xx, yy, xy = (total(loop.call("multiply", p, q)) for p, q in ((dx, dx), (dy, dy), (dx, dy)))
    return Products(xx, xy, yy, count, (x, y))


def _guard_range(group: FrameGroup, loop: LoopBuilder, distance: Value, present: Value, call: str) -> None:
    square = loop.call("multiply", distance, distance)
    out = [
        loop.call("greater", square, loop.const(_MOST, F64)),
        loop.call("logical_and", loop.call("less", square, loop.const(_LEAST, F64)), _is_not_zero(loop, distance)),
    ]
    found = loop.call("logical_and", loop.fold("logical_or", out), present)
    group.guard_none(loop, found, call)


def _is_not_zero(loop: LoopBuilder, value: Value) -> Value:
    return loop.call("not_equal", value, loop.const(0.0, F64))


def _scale(group: FrameGroup, count: Value, ddof: int) -> Value:
    """Returns NumPy's factor of the sums: 1 / (n - ddof), infinite where that is not positive."""
    loop = group.loop
    freedom = loop.call("subtract", loop.cast(count, F64), loop.const(float(ddof), F64))
    return loop.call("divide", loop.const(1.0, F64), loop.call("maximum", freedom, loop.const(0.0, F64)))


def _correlation(group: FrameGroup, a: Any, b: Any, skip: bool, least: int, call: str) -> GroupScalar:
    """Returns the correlation, clipped to -1 and 1; NaN for fewer pairs than `least`."""
    keep_of_group(call, CORRELATION_BOUND)
    found, loop = products(group, a, b, skip, call), group.loop
    scale = _scale(group, found.count, 1)
    value = loop.call("multiply", found.xy, scale)
    for square in (found.xx, found.yy):
        value = loop.call("divide", value, loop.call("sqrt", loop.call("multiply", square, scale)))
    clipped = loop.call("minimum", loop.call("maximum", value, loop.const(-1.0, F64)), loop.const(1.0, F64))
    return GroupScalar(loop, _for_enough(group, clipped, found.count, least))


def _covariance(group: FrameGroup, a: Any, b: Any, skip: bool, ddof: int, least: int, call: str) -> GroupScalar:
    keep_of_group(call, COVARIANCE_BOUND)
    found, loop = products(group, a, b, skip, call), group.loop
    value = loop.call("multiply", found.xy, _scale(group, found.count, ddof))
    return GroupScalar(loop, _for_enough(group, value, found.count, least))


def _for_enough(group: FrameGroup, value: Value, count: Value, least: int) -> Value:
    loop = group.loop
    enough = loop.call("greater_equal", count, loop.const(least, I64))
    return loop.select(enough, value, loop.const(float("nan"), F64))


def _least(min_periods: Any, call: str) -> int:
    if min_periods is not None and (type(min_periods) is not int or not 1 <= min_periods < 2**31):
        refuse("SW262", call=call, what="the argument min_periods=")
    return min_periods or 1


def _corr(group: FrameGroup, series: TracedSeries) -> Any:
    call = "Series.corr"

    def corr(s: TracedSeries, other: Any, method: Any = "pearson", min_periods: Any = None) -> GroupScalar:
        check_plain(call, method=(method, ("pearson",)))
        _check_series(other, call)
        return _correlation(group, s, other, True, _least(min_periods, call), call)

    return bound(corr, series, call)


def _cov(group: FrameGroup, series: TracedSeries) -> Any:
    call = "Series.cov"

    def cov(s: TracedSeries, other: Any, min_periods: Any = None, ddof: Any = 1) -> GroupScalar:
        _check_series(other, call)
        if type(ddof) is not int or not 0 <= ddof < 1000:
            refuse("SW262", call=call, what="the argument ddof=")
        return _covariance(group, s, other, True, ddof, _least(min_periods, call), call)

    return bound(cov, series, call)


def _check_series(other: Any, call: str) -> None:
    if not isinstance(other, TracedSeries):
        refuse("SW262", call=call, what="anything but a Series")


#: Series methods that return a scalar.
SERIES: dict[str, Callable[[FrameGroup, TracedSeries], Any]] = {"corr": _corr, "cov": _cov}


class Matrix(StandIn):
    """The matrix of two by two correlations or covariances: only the element beside the diagonal may be read."""

    __slots__ = ("_row", "_value")
    what = "matrix of two columns"
    stands_for = np.ndarray

    def __init__(self, value: GroupScalar, row: int | None = None) -> None:
        self._value, self._row = value, row

    def __getitem__(self, key: Any) -> Any:
        places = (*(() if self._row is None else (self._row,)), *(key if isinstance(key, tuple) else (key,)))
        if all(type(at) is int for at in places):
            if places in ((0, 1), (1, 0)):
                return self._value
            if places in ((0,), (1,)):
                return Matrix(self._value, places[0])
        refuse("SW251", call=f"a {self.what} [...]")


def numpy_function(group: FrameGroup, name: str, args: tuple[Any, ...]) -> Callable[..., Any] | None:
    """Returns np.corrcoef or np.cov of two columns, or None. NaN counts."""
    columns = len(args) == 2 and all(isinstance(x, TracedSeries | TracedArray) and getattr(x, "ndim", 1) == 1 for x in args)
    if name not in ("corrcoef", "cov") or not columns:
        return None
    call = f"np.{name}"

    def matrix(x: Any, y: Any) -> Matrix:
        a, b = as_array(x, call), as_array(y, call)
        if name == "corrcoef":
            return Matrix(_correlation(group, a, b, False, 0, call))
        return Matrix(_covariance(group, a, b, False, 1, 0, call))

    return matrix
