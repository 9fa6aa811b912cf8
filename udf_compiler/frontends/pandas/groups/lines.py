"""Fits a line to two columns of a group: np.polyfit of degree 1.

NumPy solves the least squares problem by LAPACK's singular value decomposition. Here, the slope is the covariance over the
variance of x, and the line passes through the means. Both agree within a bound that grows with the condition of the problem. A
group with a worse condition than `_CONDITION` runs in Python. So does one with fewer than two rows, an infinity or a NaN.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from sparkweld.ir.types import F64, I64
from udf_compiler.frontends.pandas.array import TracedArray, as_array
from udf_compiler.frontends.pandas.groups.correlations import products
from udf_compiler.frontends.pandas.groups.elements import Places
from udf_compiler.frontends.pandas.groups.scalars import GroupScalar
from udf_compiler.frontends.pandas.series import TracedSeries
from udf_compiler.frontends.tracing.session import keep_of_group, refuse
from udf_compiler.frontends.tracing.stand_ins import StandIn

if TYPE_CHECKING:
    from udf_compiler.frontends.pandas.groups.frame_group import FrameGroup

#: The largest mean(x**2) / var(x): about half of the square of the condition number of the scaled columns x and 1.
_CONDITION = 1e6
LINE_BOUND = "8 * n * eps * q * rms(y) / std(x) of the slope, times rms(x) of the intercept, with q = mean(x**2) / var(x) <= 1e6"


class Line(StandIn):
    """The coefficients of a line, as an array: the slope and the intercept. Only these elements may be read."""

    __slots__ = ("_values",)
    what = "coefficients of np.polyfit"
    stands_for = np.ndarray

    def __init__(self, slope: GroupScalar, intercept: GroupScalar) -> None:
        self._values = slope, intercept

    def __getitem__(self, key: Any) -> GroupScalar:
        if type(key) is not int or not -2 <= key < 2:
            refuse("SW251", call=f"{self.what} [...]")
        return self._values[key]

    def __iter__(self) -> Iterator[GroupScalar]:
        return iter(self._values)

    def __len__(self) -> int:
        return 2


def numpy_function(group: FrameGroup, name: str, args: tuple[Any, ...]) -> Callable[..., Any] | None:
    """Returns np.polyfit of columns, or None."""
    if name != "polyfit" or not any(isinstance(x, TracedSeries | TracedArray) for x in args[:2]):
        return None
    call = "np.polyfit"

    def polyfit(x: Any, y: Any, deg: Any) -> Line:
        if type(deg) is not int or deg != 1:
            refuse("SW262", call=call, what="a degree other than 1")
        made = [as_array(column, call) for column in (x, y) if type(column) is not Places]
        a, b = (group.array_beside(column, made, call) if type(column) is Places else as_array(column, call) for column in (x, y))
        return _line(group, a, b, call)

    return polyfit


def _line(group: FrameGroup, x: Any, y: Any, call: str) -> Line:
    keep_of_group(call, LINE_BOUND)
    found, loop = products(group, x, y, False, call), group.loop
    mean_x, mean_y = found.means
    rows = loop.cast(found.count, F64)
    square = loop.call("multiply", loop.call("multiply", mean_x, mean_x), rows)
    of_squares = loop.call("add", found.xx, square)  # rows * mean(x**2)
    limit = loop.call("multiply", found.xx, loop.const(_CONDITION, F64))
    fits = [
        loop.call("greater_equal", found.count, loop.const(2, I64)),
        loop.call("less_equal", of_squares, limit),  # not so for a NaN
        loop.call("less", loop.const(0.0, F64), found.xx),
        loop.call("isfinite", found.yy),
        loop.call("isfinite", limit),
    ]
    loop.guard(loop.fold("logical_and", fits))
    slope = loop.call("divide", found.xy, found.xx)
    intercept = loop.call("subtract", mean_y, loop.call("multiply", slope, mean_x))
    return Line(GroupScalar(loop, slope), GroupScalar(loop, intercept))
