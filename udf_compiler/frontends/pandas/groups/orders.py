"""Computes what depends on the order of a group's rows: median, quantile, rank, shift, diff and cumulative sums."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.types import F64, I32, I64
from udf_compiler.frontends.pandas import datetimes
from udf_compiler.frontends.pandas.array import TracedArray, as_array
from udf_compiler.frontends.pandas.calls.arrays import bound
from udf_compiler.frontends.pandas.groups.reductions import Rows, check_plain
from udf_compiler.frontends.pandas.groups.scalars import GroupScalar
from udf_compiler.frontends.pandas.missing import Missing
from udf_compiler.frontends.pandas.series import TracedSeries
from udf_compiler.frontends.pandas.strings import STRINGS
from udf_compiler.frontends.tracing.lower import is_negative_zero, run_prototype, type_of
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.stand_ins import StandIn

if TYPE_CHECKING:
    from udf_compiler.frontends.pandas.groups.frame_group import FrameGroup

_METHODS = ("average", "min", "max", "first", "dense")
_MOST_EXACT = 2**52


class _Sorted:
    """Numbers in ascending order, as doubles, and how many there are."""

    def __init__(self, rows: Rows) -> None:
        if rows.type == I64:
            _guard_exact(rows)
        self.rows, self.group, self.call, self.root = rows, rows.group, rows.call, rows.group.root
        self.column = self.group.whole(self.call, "sorted", rows.optional(F64))
        self.count = rows.count()

    def at(self, index: Value) -> Value:
        """Returns, in the loop of scalars, the number at an index of that loop; NaN where there is none."""
        root, loop = self.root, self.group.loop
        found = self.group.reduced(self.call, "at", root.read(self.column), self.group.of_rows(index, root))
        return loop.select(loop.is_valid(found), loop.value_of(found), loop.const(float("nan"), F64))

    def middle(self) -> Value:
        """Returns the median."""
        loop = self.group.loop
        one, two = loop.const(1, I64), loop.const(2, I64)
        lower = self.at(loop.call("floor_divide", loop.call("subtract", self.count, one), two))
        upper = self.at(loop.call("floor_divide", self.count, two))
        odd = loop.call("equal", loop.call("bitwise_and", self.count, one), one)
        zero = loop.const(0.0, F64)  # NumPy's mean of one or two numbers starts from 0
        mean = loop.call("divide", loop.call("add", loop.call("add", zero, lower), upper), loop.const(2.0, F64))
        return loop.select(odd, loop.call("add", zero, upper), mean)

    def at_share(self, share: float) -> Value:
        """Returns the number below which this share of the numbers is, between two of them by their distances."""
        loop = self.group.loop
        last = loop.call("subtract", loop.cast(self.count, F64), loop.const(1.0, F64))
        place = loop.call("multiply", last, loop.const(share, F64))
        below = loop.call("floor", place)
        index = loop.cast(below, I64)
        above = loop.call("minimum", loop.call("add", index, loop.const(1, I64)), loop.cast(last, I64))
        a, b = self.at(index), self.at(above)
        part = loop.call("subtract", place, below)
        span = loop.call("subtract", b, a)
        up = loop.call("add", a, loop.call("multiply", span, part))
        down = loop.call("subtract", b, loop.call("multiply", span, loop.call("subtract", loop.const(1.0, F64), part)))
        found = loop.select(loop.call("greater_equal", part, loop.const(0.5, F64)), down, up)
        if self.rows.type.is_float:
            self.rows.guard_zero(found)
        return found


def _guard_exact(rows: Rows, most: int = _MOST_EXACT) -> None:
    """Flags integers that are not exact as doubles, or whose differences may overflow."""
    loop = rows.loop
    value = loop.cast(rows.value, I64)
    low, high = (loop.const(sign * most, I64) for sign in (-1, 1))
    loop.guard(loop.call("logical_and", loop.call("greater", value, low), loop.call("less", value, high)))


def _ordered(group: FrameGroup, series: TracedSeries, call: str) -> _Sorted:
    rows = Rows(group, series, True, call)
    run_prototype(call, getattr(pd.Series(np.ones(2, rows.type.dtype)), call.removeprefix("Series.")))
    return _Sorted(rows)


def _median(group: FrameGroup, series: TracedSeries) -> Any:
    call = "Series.median"

    def median(s: Any, axis: Any = 0, skipna: Any = True, numeric_only: Any = False) -> GroupScalar:
        check_plain(call, axis=(axis, (None, 0)), skipna=(skipna, (True,)), numeric_only=(numeric_only, (False,)))
        return GroupScalar(group.loop, _ordered(group, s, call).middle())

    return bound(median, series, call)


def _share(q: Any, most: int, call: str) -> float:
    if type(q) not in (int, float) or not 0 <= q <= most:
        refuse("SW262", call=call, what="the argument q=")
    return float(np.true_divide(np.asarray([q], np.float64), most)[0])


class Quantiles(StandIn):
    """The Series of several quantiles of a column, by share: only its elements may be read."""

    __slots__ = ("_values",)
    what = "Series of quantiles"
    stands_for = pd.Series

    def __init__(self, values: dict[float, GroupScalar]) -> None:
        self._values = values

    def __getitem__(self, share: Any) -> GroupScalar:
        if type(share) is not float or share not in self._values:
            refuse("SW251", call=f"a {self.what} [...]")
        return self._values[share]

    def __iter__(self) -> Iterator[GroupScalar]:
        return iter([*self._values.values()])

    def __len__(self) -> int:
        return len(self._values)


class QuantileArray(StandIn):
    """The array of several quantiles of a column: only its elements may be read."""

    __slots__ = ("_values",)
    what = "array of quantiles"
    stands_for = np.ndarray

    def __init__(self, values: list[GroupScalar]) -> None:
        self._values = values

    def __getitem__(self, at: Any) -> GroupScalar:
        if type(at) is not int or not -len(self._values) <= at < len(self._values):
            refuse("SW251", call=f"an {self.what} [...]")
        return self._values[at]

    def __iter__(self) -> Iterator[GroupScalar]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def _quantile(group: FrameGroup, series: TracedSeries) -> Any:
    call = "Series.quantile"

    def quantile(s: Any, q: Any = 0.5, interpolation: Any = "linear") -> GroupScalar | Quantiles:
        check_plain(call, interpolation=(interpolation, ("linear",)))
        several = type(q) in (list, tuple) and len(q) == len({*q}) and len(q) > 0
        # pandas multiplies by 100, and np.percentile divides by 100
        shares = np.asarray([_share(x, 1, call) for x in (q if several else [q])], np.float64) * 100.0
        ordered = _ordered(group, s, call)
        found = [GroupScalar(group.loop, ordered.at_share(float(x))) for x in np.true_divide(shares, 100)]
        return Quantiles(dict(zip(map(float, q), found, strict=True))) if several else found[0]

    return bound(quantile, series, call)


def _sort(group: FrameGroup) -> Callable[..., Any]:
    """Returns np.sort of numbers. Guards zeros with a sign, whose order among zeros is open; other equal numbers are alike."""
    call = "np.sort"

    def sort(a: Any, axis: Any = -1) -> TracedArray:
        check_plain(call, axis=(axis, (-1, 0)))
        array = as_array(a, call)
        if array.ndim != 1 or array.dtype.kind not in "fi":
            refuse("SW312", call=call, what=str(array.dtype))
        loop, value = array.loop, array.value
        if array.dtype.kind == "f":
            group.guard_none(loop, is_negative_zero(loop, value), call)
        return as_array(TracedSeries(loop, value, array.dtype).sort_values(kind="stable"), call)

    return sort


def numpy_function(group: FrameGroup, name: str, args: tuple[Any, ...]) -> Callable[..., Any] | None:
    """Returns np.sort, np.median, np.percentile or np.quantile of a column, or None.

    Without "nan" in the names of the last three, NaN is the result.
    """
    if name == "sort" and args and isinstance(args[0], TracedSeries | TracedArray):
        return _sort(group)
    kind = name.removeprefix("nan")
    if kind not in ("median", "percentile", "quantile") or not args or not isinstance(args[0], TracedSeries | TracedArray):
        return None
    call = f"np.{name}"

    def values_of(a: Any, shares: Sequence[float] | None) -> list[GroupScalar]:
        rows, loop = Rows(group, as_array(a, call), True, call), group.loop
        if rows.type not in (F64, I64, I32):
            refuse("SW312", call=call, what=str(rows.type.dtype))
        if rows.type == I32:  # NumPy subtracts neighbours with 32 bits
            _guard_exact(rows, 2**30)
        loop.guard(loop.call("greater", rows.count(), loop.const(0, I64)))
        ordered = _Sorted(rows)
        found = [ordered.middle()] if shares is None else [ordered.at_share(share) for share in shares]
        if rows.number is not None and name == kind:
            unknown = group.some(rows.loop, rows.loop.call("isnan", rows.value), call)
            found = [loop.select(unknown, loop.const(float("nan"), F64), value) for value in found]
        return [GroupScalar(loop, value) for value in found]

    def median(a: Any, axis: Any = None) -> GroupScalar:
        check_plain(call, axis=(axis, (None, 0)))
        return values_of(a, None)[0]

    def quantile(a: Any, q: Any, axis: Any = None) -> GroupScalar | QuantileArray:
        check_plain(call, axis=(axis, (None, 0)))
        several = type(q) in (list, tuple) and len(q) > 0
        most = 100 if kind == "percentile" else 1
        found = values_of(a, [_share(x, most, call) for x in (q if several else [q])])
        return QuantileArray(found) if several else found[0]

    return median if kind == "median" else quantile


def _rank(group: FrameGroup, series: TracedSeries) -> Any:
    call = "Series.rank"

    def rank(
        s: Any, axis: Any = 0, method: Any = "average", numeric_only: Any = False, na_option: Any = "keep", ascending: Any = True,
        pct: Any = False,
    ) -> TracedSeries:  # fmt: skip
        check_plain(call, axis=(axis, (0,)), method=(method, _METHODS), numeric_only=(numeric_only, (False,)))
        check_plain(call, na_option=(na_option, ("keep",)), ascending=(ascending, (True, False)), pct=(pct, (True, False)))
        rows = Rows(group, s, True, call)
        loop, value = rows.loop, rows.value
        if rows.type != F64:
            value = loop.cast(value, I64)
        if not ascending:
            value = loop.call("negative", value) if value.type == F64 else loop.call("invert", value)
        present = rows.present
        made = loop.read(group.whole(call, f"rank_{method}", value if present is None else loop.optional(value, present)))
        if pct:
            if method == "dense":
                refuse("SW262", call=call, what="pct=True with method='dense'")
            count = group.of_rows(group.loop.cast(rows.count(), F64), loop)
            return s.new(loop.call("divide", _number(loop, made), count))
        return s.new(_number(loop, made))

    return bound(rank, series, call)


def _number(loop: Any, value: Value) -> Value:
    """Returns a double, NaN for NULL."""
    if not value.type.nullable:
        return value
    return loop.select(loop.is_valid(value), loop.value_of(value), loop.const(float("nan"), F64))


def _shifted(group: FrameGroup, loop: LoopBuilder, value: Value, periods: Any, call: str) -> Value:
    """Returns for each row the value of `periods` rows before, NULL where there is none."""
    if type(periods) is not int or abs(periods) > 2**31:
        refuse("SW262", call=call, what="the argument periods=")
    shifted = loop.read(group.whole(call, "shift", group.packed(loop, value, call), loop.const(periods, I64)))
    return group.unpacked(loop, shifted, call)


def _earlier(group: FrameGroup, series: TracedSeries, periods: Any, call: str) -> tuple[Rows, Value]:
    """Returns the numbers, and for each row that of `periods` rows before, NULL where there is none."""
    rows = Rows(group, series, True, call)
    return rows, _shifted(group, rows.loop, rows.value, periods, call)


def _earlier_time(group: FrameGroup, series: TracedSeries, periods: Any, call: str) -> TracedSeries:
    """Returns the datetimes or timedeltas of `periods` rows before, NaT where there is none."""
    made = _shifted(group, series.loop, series.value, periods, call)
    return datetimes.new(series.loop, made, series.kind)  # type: ignore[arg-type, no-any-return]


def _earlier_string(group: FrameGroup, series: TracedSeries, periods: Any, call: str) -> TracedSeries:
    """Returns the strings of `periods` rows before, None where there is none."""
    if run_prototype(call, lambda: pd.Series(["a", "b"], dtype=object).shift(1)[0]) is not None:
        refuse("SW312", call=call, what="a string column")
    made = series.twin(shared=False)
    made.value = _shifted(group, series.loop, series.value, periods, call)
    made.missing = series.missing.or_(Missing(none=True))
    return made


def _shift(group: FrameGroup, series: TracedSeries) -> Any:
    call = "Series.shift"

    def shift(s: Any, periods: Any = 1, fill_value: Any = None) -> TracedSeries:
        if datetimes.is_time(s) and fill_value is None:
            return _earlier_time(group, s, periods, call)
        if s.kind is STRINGS and fill_value is None:
            return _earlier_string(group, s, periods, call)
        rows, earlier = _earlier(group, s, periods, call)
        loop = rows.loop
        if periods == 0:
            return s.new(rows.value)
        made = run_prototype(call, lambda: pd.Series(np.ones(2, rows.type.dtype)).shift(1, fill_value=fill_value).dtype)
        type = type_of(made, call)
        if fill_value is None:
            fill: Any = float("nan")
        elif type_of(np.asarray(fill_value).dtype, call).is_float and not type.is_float or isinstance(fill_value, str):
            refuse("SW262", call=call, what="the argument fill_value=")
        else:
            fill = fill_value
        value = loop.cast(loop.value_of(earlier), type)
        return s.new(loop.select(loop.is_valid(earlier), value, loop.const(fill, type)))

    return bound(shift, series, call)


def _diff(group: FrameGroup, series: TracedSeries) -> Any:
    call = "Series.diff"

    def diff(s: Any, periods: Any = 1) -> TracedSeries:
        if datetimes.is_time(s):  # pandas subtracts the shifted Series
            return s - _earlier_time(group, s, periods, call)  # type: ignore[no-any-return]
        rows, earlier = _earlier(group, s, periods, call)
        loop = rows.loop
        if rows.type not in (F64, I64, I32):
            refuse("SW312", call=call, what=str(rows.type.dtype))
        before, now = loop.value_of(earlier), rows.value
        if rows.type == I32:  # pandas subtracts with 32 bits
            before, now = loop.cast(before, I64), loop.cast(now, I64)
        difference = loop.call("subtract", now, before)
        if rows.type == I32:
            loop.guard(loop.call("equal", loop.cast(loop.cast(difference, I32), I64), difference))
        return s.new(loop.select(loop.is_valid(earlier), loop.cast(difference, F64), loop.const(float("nan"), F64)))

    return bound(diff, series, call)


def _cumsum(group: FrameGroup, series: TracedSeries) -> Any:
    call = "Series.cumsum"

    def cumsum(s: Any, axis: Any = None, skipna: Any = True) -> TracedSeries:
        check_plain(call, axis=(axis, (None, 0)), skipna=(skipna, (True,)))
        rows = Rows(group, s, True, call)
        loop = rows.loop
        made = run_prototype(call, lambda: pd.Series(np.ones(2, rows.type.dtype)).cumsum().dtype)
        to = F64 if rows.type.is_float else I64
        if made != to.dtype:
            refuse("SW312", call=call, what=f"{rows.type.dtype}, for which it is {made}")
        value = loop.cast(rows.value, to)
        if rows.number is not None:  # pandas adds 0 in the place of NaN
            value = loop.select(rows.number, value, loop.const(0.0, F64))
        total = loop.value_of(loop.read(group.whole(call, "running_sum", rows.among_kept(value))))
        if rows.number is not None:
            total = loop.select(rows.number, total, loop.const(float("nan"), F64))
        return s.new(total)

    return bound(cumsum, series, call)


#: Series methods that depend on the order of rows or of values.
SERIES: dict[str, Callable[[FrameGroup, TracedSeries], Any]] = {
    "median": _median,
    "quantile": _quantile,
    "rank": _rank,
    "shift": _shift,
    "diff": _diff,
    "cumsum": _cumsum,
}
