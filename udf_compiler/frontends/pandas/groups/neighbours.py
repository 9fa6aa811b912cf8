"""Computes what a row asks of its neighbours: filled values, relative changes, rolling windows, running and first extremes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pandas as pd

from sparkweld.ir import Value
from sparkweld.ir.rolling import window_of
from sparkweld.ir.types import F64, I64
from udf_compiler.frontends.pandas.calls.arrays import bound, called
from udf_compiler.frontends.pandas.frame import TracedFrame, fresh
from udf_compiler.frontends.pandas.groups.elements import FrameLoc
from udf_compiler.frontends.pandas.groups.reductions import Rows, check_plain
from udf_compiler.frontends.pandas.groups.scalars import MAX_ROWS, GroupScalar
from udf_compiler.frontends.pandas.series import NUMBERS, TracedSeries
from udf_compiler.frontends.pandas.strings import STRINGS
from udf_compiler.frontends.tracing.lower import is_negative_zero, run_prototype
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.stand_ins import StandIn

if TYPE_CHECKING:
    from udf_compiler.frontends.pandas.groups.frame_group import FrameGroup

#: Windows of extremes are read whole for each row.
_LARGEST_WINDOW = 512
_DIRECTIONS = ("forward", "backward", "both")


def _filled(group: FrameGroup, s: TracedSeries, fn: str, call: str) -> TracedSeries:
    """Returns the Series with the last present value, or the next one, in the place of each missing one."""
    if s.kind is NUMBERS and not s.value.type.is_float:
        return s.twin(shared=False)
    if s.kind not in (NUMBERS, STRINGS):
        refuse("SW312", call=call, what=f"a {s.kind.name} column")
    loop = s.loop
    present = loop.call("logical_not", s.kind.is_missing(s))
    if loop.where is not None:
        present = loop.call("logical_and", present, loop.where)
    found = loop.read(group.whole(call, fn, loop.optional(loop.value_of(s.value), present)))
    if s.kind is NUMBERS:
        return s.new(loop.select(loop.is_valid(found), loop.value_of(found), loop.const(float("nan"), s.value.type)))
    made = s.twin(shared=False)
    made.value = found
    return made


def _fill(name: str, fn: str) -> tuple[Callable[[FrameGroup, TracedSeries], Any], Callable[[FrameGroup, TracedFrame], Any]]:
    def of_series(group: FrameGroup, series: TracedSeries) -> Any:
        call = f"Series.{name}"

        def fill(s: TracedSeries, axis: Any = None, inplace: Any = False, limit: Any = None) -> TracedSeries:
            check_plain(call, axis=(axis, (None, 0)), inplace=(inplace, (False,)), limit=(limit, (None,)))
            return _filled(group, s, fn, call)

        return bound(fill, series, call)

    def of_frame(group: FrameGroup, frame: TracedFrame) -> Any:
        call = f"DataFrame.{name}"

        def fill(f: TracedFrame, axis: Any = None, inplace: Any = False, limit: Any = None) -> TracedFrame:
            check_plain(call, axis=(axis, (None, 0)), inplace=(inplace, (False,)), limit=(limit, (None,)))
            return fresh(f.loop, {column: _filled(group, s, fn, call) for column, s in f.series.items()})

        return bound(fill, frame, call)

    return of_series, of_frame


def _change(group: FrameGroup, series: TracedSeries) -> Any:
    call = "Series.pct_change"

    def pct_change(s: TracedSeries, periods: Any = 1, fill_method: Any = "pad") -> Any:
        check_plain(call, fill_method=(fill_method, ("pad", "ffill", None)))
        if s.kind is not NUMBERS:
            refuse("SW312", call=call, what=f"a {s.kind.name} column")
        data = s if fill_method is None else _filled(group, s, "fill_forward", call)
        return data / data.shift(periods) - 1

    return bound(pct_change, series, call)


def _interpolated(s: TracedSeries, group: FrameGroup, direction: str, call: str) -> TracedSeries:
    """Returns the Series with np.interp over the places of rows in the place of each NaN; `direction`: which ends are filled."""
    if s.kind is NUMBERS and not s.value.type.is_float:
        return s.twin(shared=False)
    rows, loop = Rows(group, s, True, call), s.loop
    present = rows.present
    if rows.type != F64 or present is None:
        refuse("SW312", call=call, what=str(rows.type))
    at = loop.cast(group.place(loop), F64)

    def nearest(fn: str, value: Value) -> Value:
        return loop.read(group.whole(call, fn, loop.optional(value, present)))

    earlier, later = (nearest(fn, rows.value) for fn in ("fill_forward", "fill_backward"))
    left, right = (loop.value_of(nearest(fn, at)) for fn in ("fill_forward", "fill_backward"))
    before, after = loop.value_of(earlier), loop.value_of(later)
    slope = loop.call("divide", loop.call("subtract", after, before), loop.call("subtract", right, left))

    def line(start: Value, value: Value) -> Value:
        return loop.call("add", loop.call("multiply", slope, loop.call("subtract", at, start)), value)

    # as NumPy does with infinite values
    found, unknown = line(left, before), loop.const(float("nan"), F64)
    found = loop.select(loop.call("isnan", found), line(right, after), found)
    level = loop.call("logical_and", loop.call("isnan", found), loop.call("equal", before, after))
    found = loop.select(level, before, found)
    at_end = loop.select(loop.is_valid(earlier), unknown if direction == "backward" else before, unknown)
    at_start = unknown if direction == "forward" else after
    found = loop.select(loop.is_valid(later), loop.select(loop.is_valid(earlier), found, at_start), at_end)
    return s.new(loop.select(loop.call("isnan", rows.value), found, rows.value))


def _interpolate(group: FrameGroup, series: TracedSeries) -> Any:
    call = "Series.interpolate"

    def interpolate(
        s: TracedSeries, method: Any = "linear", *, axis: Any = 0, limit: Any = None, inplace: Any = False,
        limit_direction: Any = None, limit_area: Any = None,
    ) -> TracedSeries:  # fmt: skip
        check_plain(call, method=(method, ("linear",)), axis=(axis, (0,)), limit=(limit, (None,)), inplace=(inplace, (False,)))
        check_plain(call, limit_direction=(limit_direction, (None, *_DIRECTIONS)), limit_area=(limit_area, (None,)))
        return _interpolated(s, group, limit_direction or "forward", call)

    return bound(interpolate, series, call)


def _running(name: str) -> Callable[[FrameGroup, TracedSeries], Any]:
    call = f"Series.{name}"

    def of(group: FrameGroup, series: TracedSeries) -> Any:
        def running(s: TracedSeries, axis: Any = None, skipna: Any = True) -> TracedSeries:
            check_plain(call, axis=(axis, (None, 0)), skipna=(skipna, (True,)))
            rows = Rows(group, s, True, call)
            loop = rows.loop
            if not (rows.type == F64 or rows.type.is_int):
                refuse("SW312", call=call, what=str(rows.type.dtype))
            if rows.type == F64:  # which of two zeros remains depends on the CPU
                group.guard_none(loop, is_negative_zero(loop, rows.value), call)
            given = rows.optional(F64 if rows.type == F64 else I64)
            found = loop.read(group.whole(call, f"running_{name.removeprefix('cum')}", given))
            value = loop.cast(loop.value_of(found), rows.type)
            return s.new(value if rows.number is None else loop.select(rows.number, value, loop.const(float("nan"), F64)))

        return bound(running, series, call)

    return of


class _Windows(StandIn):
    """The windows of a Series: ``s.rolling(3)`` and ``s.expanding()``."""

    __slots__ = ("_group", "_name", "_series", "_window")
    what = "windows of a Series"
    stands_for = type(pd.Series(dtype=float).rolling(1))
    of_instances = frozenset("axis center closed method min_periods obj on step win_type window".split())

    def __init__(self, group: FrameGroup, series: TracedSeries, name: str, window: tuple[int, int]) -> None:
        self._group, self._series, self._name, self._window = group, series, name, window

    def __getattr__(self, name: str) -> Any:
        call = f"Series.{self._name}(...).{name}"
        if name in ("std", "var"):
            return called(lambda ddof=1, numeric_only=False: self._spread(name, ddof, call), call)
        if name == "count":
            return called(lambda numeric_only=False: self._count(call), call)
        if name not in ("sum", "mean", "max", "min"):
            refuse("SW312", call=call, what="not among the supported methods")
        if name in ("max", "min") and self._name == "expanding":
            return called(lambda numeric_only=False: self._extreme_so_far(name, call), call)
        if name in ("max", "min") and self._window[0] > _LARGEST_WINDOW:
            refuse("SW312", call=call, what=f"windows of more than {_LARGEST_WINDOW} rows")
        return called(lambda numeric_only=False: self._computed(name, call), call)

    def _computed(self, name: str, call: str) -> TracedSeries:
        return self._series.new(self._over(self._numbers(call), name, self._window, call))

    def _numbers(self, call: str) -> Value:
        """Returns the doubles; infinite ones are missing."""
        rows = Rows(self._group, self._series, True, call)
        value = rows.loop.cast(rows.value, F64)
        return rows.loop.select(rows.loop.call("isinf", value), rows.loop.const(float("nan"), F64), value)

    def _over(self, value: Value, name: str, window: tuple[int, int], call: str) -> Value:
        """Returns a statistic of the windows of doubles."""
        group, loop = self._group, self._series.loop
        packed = group.packed(loop, value, call)
        if packed.type.nullable:
            packed = loop.select(loop.is_valid(packed), loop.value_of(packed), loop.const(float("nan"), F64))
        made = loop.read(group.whole(call, f"rolling_{name}", packed, loop.const(window_of(*window), I64)))
        return group.unpacked(loop, made, call)

    def _known(self, call: str) -> Value:
        """Returns how many numbers each window has."""
        loop, value = self._series.loop, self._numbers(call)
        ones = loop.cast(loop.call("logical_not", loop.call("isnan", value)), F64)
        return self._over(ones, "sum", (self._window[0], 0), call)

    def _extreme_so_far(self, name: str, call: str) -> TracedSeries:
        """Returns the extreme up to each row. Which of two zeros remains depends on the CPU, so a guard flags -0.0."""
        group, rows = self._group, Rows(self._group, self._series, True, call)
        loop, value = rows.loop, self._numbers(call)
        if rows.type.is_float:
            group.guard_none(loop, is_negative_zero(loop, rows.value), call)
        number = loop.call("logical_not", loop.call("isnan", value))
        present = number if loop.where is None else loop.call("logical_and", number, loop.where)
        best = loop.read(group.whole(call, f"running_{name}", loop.optional(value, present)))
        found = loop.read(group.whole(call, "fill_forward", best))
        least = loop.const(float(self._window[1]), F64)
        enough = loop.call("logical_and", loop.is_valid(found), loop.call("greater_equal", self._known(call), least))
        return self._series.new(loop.select(enough, loop.value_of(found), loop.const(float("nan"), F64)))

    def _count(self, call: str) -> TracedSeries:
        if self._name != "expanding":  # the least number counts the rows of a window
            refuse("SW312", call=call, what="not among the supported methods")
        return self._series.new(self._known(call))

    def _spread(self, name: str, ddof: Any, call: str) -> TracedSeries:
        """Returns the sum of squares about the mean over n - ddof, or its root; a negative rounding error has the root 0."""
        if type(ddof) is not int or not 0 <= ddof < MAX_ROWS:
            refuse("SW262", call=call, what="the argument ddof=")
        loop, zero = self._series.loop, self._series.loop.const(0.0, F64)
        squares = self._over(self._numbers(call), "squares", self._window, call)
        freedom = loop.call("subtract", self._known(call), loop.const(float(ddof), F64))
        enough, unknown = loop.call("greater", freedom, zero), loop.const(float("nan"), F64)
        found = loop.select(enough, loop.call("divide", squares, freedom), unknown)
        if name == "std":
            root = loop.call("sqrt", found)
            found = loop.select(loop.call("less", found, zero), zero, root)
        return self._series.new(found)


def _rolling(group: FrameGroup, series: TracedSeries) -> Any:
    call = "Series.rolling"

    def rolling(
        s: TracedSeries, window: Any, min_periods: Any = None, center: Any = False, win_type: Any = None, on: Any = None,
        closed: Any = None, step: Any = None, method: Any = "single",
    ) -> _Windows:  # fmt: skip
        check_plain(call, center=(center, (False,)), win_type=(win_type, (None,)), on=(on, (None,)), closed=(closed, (None,)))
        check_plain(call, step=(step, (None,)), method=(method, ("single",)))
        least = window if min_periods is None else min_periods
        if type(window) is not int or type(least) is not int or not 0 < least <= window < MAX_ROWS:
            refuse("SW262", call=call, what="other than constant numbers of rows")
        return _Windows(group, s, "rolling", (window, least))

    return bound(rolling, series, call)


def _expanding(group: FrameGroup, series: TracedSeries) -> Any:
    call = "Series.expanding"

    def expanding(s: TracedSeries, min_periods: Any = 1, axis: Any = 0, method: Any = "single") -> _Windows:
        check_plain(call, axis=(axis, (0,)), method=(method, ("single",)))
        if type(min_periods) is not int or not 0 < min_periods < MAX_ROWS:
            refuse("SW262", call=call, what="the argument min_periods=")
        return _Windows(group, s, "expanding", (MAX_ROWS - 1, min_periods))

    return bound(expanding, series, call)


class _Weighted(StandIn):
    """The exponentially weighted windows of a Series: ``s.ewm(span=12)``."""

    __slots__ = ("_adjusted", "_center", "_group", "_least", "_series")
    what = "weighted windows of a Series"
    stands_for = type(pd.Series(dtype=float).ewm(1))
    of_instances = _Windows.of_instances | frozenset("adjust alpha com halflife ignore_na span times".split())

    def __init__(self, group: FrameGroup, series: TracedSeries, center: float, least: int, adjusted: bool) -> None:
        self._group, self._series, self._center, self._least, self._adjusted = group, series, center, least, adjusted

    def __getattr__(self, name: str) -> Any:
        call = f"Series.ewm(...).{name}"
        if name != "mean":
            refuse("SW312", call=call, what="not among the supported methods")
        return called(lambda numeric_only=False: self._mean(call), call)

    def _mean(self, call: str) -> TracedSeries:
        group, loop = self._group, self._series.loop
        windows = _Windows(group, self._series, "ewm", (MAX_ROWS - 1, self._least))
        packed = group.packed(loop, windows._numbers(call), call)
        unknown = loop.const(float("nan"), F64)
        if packed.type.nullable:
            packed = loop.select(loop.is_valid(packed), loop.value_of(packed), unknown)
        fn = "adjusted_weighted_mean" if self._adjusted else "weighted_mean"
        made = group.unpacked(loop, loop.read(group.whole(call, fn, packed, loop.const(self._center, F64))), call)
        enough = loop.call("greater_equal", windows._known(call), loop.const(float(self._least), F64))
        return self._series.new(loop.select(enough, loop.value_of(made), unknown))


def _ewm(group: FrameGroup, series: TracedSeries) -> Any:
    call = "Series.ewm"

    def ewm(
        s: TracedSeries, com: Any = None, span: Any = None, halflife: Any = None, alpha: Any = None, min_periods: Any = 0,
        adjust: Any = True, ignore_na: Any = False, axis: Any = 0, times: Any = None, method: Any = "single",
    ) -> _Weighted:  # fmt: skip
        check_plain(call, adjust=(adjust, (True, False)), ignore_na=(ignore_na, (False,)), axis=(axis, (0,)))
        check_plain(call, times=(times, (None,)), method=(method, ("single",)))
        if type(min_periods) is not int or not 0 <= min_periods < MAX_ROWS:
            refuse("SW262", call=call, what="the argument min_periods=")
        if any(type(x) not in (int, float, type(None)) for x in (com, span, halflife, alpha)):
            refuse("SW262", call=call, what="a decay that is not constant")
        center: float = run_prototype(call, lambda: pd.Series([1.0]).ewm(com, span, halflife, alpha)._com)
        if center == 1.0 and not adjust:  # newer versions of pandas change the weights after missing values
            refuse("SW262", call=call, what="a center of mass of 1 with adjust=False")
        return _Weighted(group, s, center, max(min_periods, 1), adjust)

    return bound(ewm, series, call)


def _first_extreme(name: str) -> Callable[[FrameGroup, TracedSeries], Any]:
    call, largest = f"Series.{name}", name.endswith("max")

    def of(group: FrameGroup, series: TracedSeries) -> Any:
        def extreme(s: TracedSeries, axis: Any = 0, skipna: Any = True) -> GroupScalar:
            """Returns the label, or the place, of the first row with the largest value, a Python int."""
            check_plain(call, axis=(axis, (0,)), skipna=(skipna, (True,)))
            rows = Rows(group, s, True, call)
            loop, scalars = rows.loop, group.loop
            best = group.reduced(call, "max" if largest else "min", rows.optional())
            scalars.guard(scalars.is_valid(best))
            here = loop.call("equal", rows.value, group.of_rows(scalars.value_of(best), loop))
            if rows.present is not None:
                here = loop.call("logical_and", here, rows.present)
            found = scalars.value_of(group.reduced(call, "min", loop.optional(group.position(loop), here)))
            numbers: Value = group.labels(loop) if name.startswith("idx") else group.place(loop)
            label = group.reduced(call, "at", numbers, group.of_rows(found, loop))
            return GroupScalar(scalars, label, weak=True, bound=MAX_ROWS)

        return bound(extreme, series, call)

    return of


_FORWARD, _BACKWARD = _fill("ffill", "fill_forward"), _fill("bfill", "fill_backward")

#: Attributes of a Series and of a DataFrame.
SERIES: dict[str, Callable[[FrameGroup, TracedSeries], Any]] = {
    "ffill": _FORWARD[0],
    "bfill": _BACKWARD[0],
    "pct_change": _change,
    "interpolate": _interpolate,
    "cummax": _running("cummax"),
    "cummin": _running("cummin"),
    "rolling": _rolling,
    "ewm": _ewm,
    "expanding": _expanding,
    **{name: _first_extreme(name) for name in ("idxmax", "idxmin", "argmax", "argmin")},
}
FRAME: dict[str, Callable[[FrameGroup, TracedFrame], Any]] = {"ffill": _FORWARD[1], "bfill": _BACKWARD[1], "loc": FrameLoc}
