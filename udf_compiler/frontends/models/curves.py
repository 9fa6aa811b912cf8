"""Translates scikit-learn's one-column functions with knots: quantiles, isotonic regression, splines."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist
from typing import Any

import numpy as np

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.ops import Interpolate, Lookup
from sparkweld.ir.types import F64, I64, Type
from udf_compiler.frontends.models.by_version import option
from udf_compiler.frontends.models.features import FLOATS, Features, guard_finite, validated
from udf_compiler.frontends.models.labels import all_of, keep
from udf_compiler.frontends.models.normal import BOUND, normal_quantile
from udf_compiler.frontends.models.scaling import Scaler
from udf_compiler.frontends.models.translator import Translator
from udf_compiler.frontends.tracing.lower import BY_VALUE
from udf_compiler.frontends.tracing.session import check_size, refuse

#: The library's BOUNDS_THRESHOLD.
_THRESHOLD = 1e-7


def interpolated(loop: LoopBuilder, value: Value, xs: np.ndarray, ys: np.ndarray) -> Value:
    """Computes ``np.interp`` of a float64."""
    return loop.emit(Interpolate.of(np.asarray(xs, np.float64), np.asarray(ys, np.float64)), value)


class _WithBounds(Translator):
    """A transformer that compares columns with scalars of float64."""

    def _check_width(self, type: Type) -> None:
        """Refuses (SW814) float32 before NumPy 2, which converts the scalars to float32."""
        if BY_VALUE and type != F64:
            refuse("SW814", name=self.name, attribute="input", type="float32, before NumPy 2")


class QuantileTransformer(_WithBounds, Scaler):
    """Computes ranks among the training quantiles, from below and from above; uniform, or as quantiles of the normal
    distribution.
    """

    KEPT = ("transform",)

    def transform(self, x: Features) -> Features:
        call, model = self.call("transform"), self.model
        normal = model.output_distribution == "normal"
        made = validated(model, self.dense(x), call, "allow-nan", copy=model.copy, dtype=FLOATS, force_writeable=True)
        if not (model.copy or x.fresh):
            refuse("SW815", call=call)
        loop, type = made.loop, made.types[0]
        self._check_width(type)
        if normal:
            if type != F64:
                refuse("SW814", name=self.name, attribute="output_distribution", type=f"normal, of {type}")
            keep("normal quantile", BOUND, call)
        columns = []
        for value, quantiles in zip(made.values, self.fitted("quantiles_").T, strict=True):
            rank = self._rank(loop, loop.cast(value, F64), quantiles, normal)
            columns.append(loop.cast(_normal(loop, rank) if normal else rank, type))
        return made.array(columns, kept=made.kept or normal)

    def _rank(self, loop: LoopBuilder, x: Value, quantiles: np.ndarray, normal: bool) -> Value:
        """Returns the mean of the ranks from below and above; 0 and 1 at the ends, for normal also just inside them."""
        references = self.fitted("references_")
        below = interpolated(loop, x, quantiles, references)
        above = interpolated(loop, loop.call("negative", x), -quantiles[::-1], -references[::-1])
        both = loop.call("multiply", loop.const(0.5, F64), loop.call("subtract", below, above))
        for side, bound, rank in (("add", quantiles[-1], 1.0), ("subtract", quantiles[0], 0.0)):
            end = loop.const(float(bound), F64)
            if normal:
                moved = loop.call(side, x, loop.const(_THRESHOLD, F64))
                outside = loop.call("greater" if rank else "less", moved, end)
            else:
                outside = loop.call("equal", x, end)
            both = loop.select(outside, loop.const(rank, F64), both)
        return both


def _normal(loop: LoopBuilder, rank: Value) -> Value:
    """Returns the normal quantile, clipped as in the library; the clipped argument stays on the same side of the bounds."""
    least = NormalDist().inv_cdf(_THRESHOLD - np.spacing(1))
    most = NormalDist().inv_cdf(1 - (_THRESHOLD - np.spacing(1)))
    inside = loop.call("minimum", rank, loop.const(1 - _THRESHOLD / 2, F64))
    inside = loop.call("maximum", inside, loop.const(_THRESHOLD / 2, F64))
    clipped = loop.call("minimum", normal_quantile(loop, inside), loop.const(most, F64))
    return loop.call("maximum", clipped, loop.const(least, F64))


class IsotonicRegression(Translator):
    """Interpolates linearly between thresholds; outside, it yields NaN, an error, or the nearest threshold's value."""

    def predict(self, x: Features) -> Features:
        return self._at(x)

    def transform(self, x: Features) -> Features:
        return self._at(x)

    def _at(self, x: Features) -> Features:
        model, loop = self.model, x.loop
        xs, ys = self.fitted("X_thresholds_"), self.fitted("y_thresholds_")
        if xs.dtype != np.float64 or len(x.columns) != 1 or x.has_texts or x.sparse:
            refuse("SW814", name=self.name, attribute="X_thresholds_", type=f"{xs.dtype}, or its input is not a single column")
        value = loop.cast(x.values[0], F64)
        guard_finite(loop, [value])
        if len(xs) == 1:
            return x.array([loop.const(float(ys[0]), F64)], ndim=1, names=None)
        low, high = loop.const(float(model.X_min_), F64), loop.const(float(model.X_max_), F64)
        if model.out_of_bounds == "clip":
            value = loop.call("minimum", loop.call("maximum", value, low), high)
        made = interpolated(loop, value, xs, ys)
        inside = loop.call("logical_and", loop.call("greater_equal", value, low), loop.call("less_equal", value, high))
        if model.out_of_bounds == "raise":
            loop.guard(inside, local=True)
        return x.array([loop.select(inside, made, loop.const(np.nan, F64))], ndim=1, names=None)


class SplineTransformer(_WithBounds):
    """Computes B-splines by de Boor's recurrence, as SciPy does (`_deBoor_D`), and extrapolates outside the knots."""

    def transform(self, x: Features) -> Features:
        call, model = self.call("transform"), self.model
        if x.sparse or model.sparse_output:
            refuse("SW821", call=call)
        zeros = option(model, "handle_missing", "error") == "zeros"
        made = validated(model, x, call, not zeros, accept_sparse=False)
        if zeros:  # infinities become NaN in splines that continue
            guard_finite(made.loop, [v for v in made.values if v.type.is_float], allow_nan=True)
        loop = made.loop
        type = made.types[0] if made.types[0].is_float else F64
        self._check_width(type)
        columns: list[Value] = []
        reach = model.degree  # the library's own variable, which linear extrapolation increases from one column to the next
        for value, spline in zip(made.values, self.fitted("bsplines_"), strict=True):
            wide = loop.cast(value, F64)
            count = reach + 1 if model.extrapolation == "linear" and reach <= 1 else reach
            splines = self._outside(loop, wide, spline, self._basis(loop, wide, spline), reach, count)
            reach = count
            absent = loop.call("isnan", wide)
            columns += [loop.cast(loop.select(absent, loop.const(0.0, F64), v), type) for v in splines]
            check_size(loop)
        width = self.model.bsplines_[0].c.shape[1]
        kept = [c for at, c in enumerate(columns) if model.include_bias or (at + 1) % width]
        return made.array(kept, order=model.order if model.include_bias else None)

    def _basis(self, loop: LoopBuilder, x: Value, spline: Any) -> list[Value]:
        """Returns the spline's values at x, within the knots' range or beyond it where the spline continues."""
        knots, degree = spline.t, spline.k
        count = len(knots) - 2 * degree - 1  # intervals
        if self.model.extrapolation == "periodic":
            period, first = loop.const(float(knots[-degree - 1] - knots[degree]), F64), loop.const(float(knots[degree]), F64)
            x = loop.call("add", first, loop.call("remainder", loop.call("subtract", x, first), period))
        interval = loop.const(0, I64)
        for knot in knots[degree + 1 : degree + count]:
            reached = loop.call("greater_equal", x, loop.const(float(knot), F64))
            interval = loop.call("add", interval, loop.cast(reached, I64))
        near = {m: self._knot(loop, interval, knots, degree, count, m) for m in range(1 - degree, degree + 1)}
        work = [loop.const(1.0, F64)]
        for j in range(1, degree + 1):
            before, work = work, [loop.const(0.0, F64)] * (j + 1)
            for n in range(1, j + 1):
                upper, lower = near[n], near[n - j]
                weight = loop.call("divide", before[n - 1], loop.call("subtract", upper, lower))
                work[n - 1] = loop.call("add", work[n - 1], loop.call("multiply", weight, loop.call("subtract", upper, x)))
                work[n] = loop.call("multiply", weight, loop.call("subtract", x, lower))
        return self._spread(loop, interval, spline, work, count)

    def _knot(self, loop: LoopBuilder, interval: Value, knots: np.ndarray, degree: int, count: int, m: int) -> Value:
        """Returns the knot `m` positions after the last knot at or below x."""
        table: dict[object, object] = {i: float(knots[degree + i + m]) for i in range(count)}
        return loop.value_of(loop.emit(Lookup.of(table, I64, F64), interval))

    def _spread(self, loop: LoopBuilder, interval: Value, spline: Any, work: Sequence[Value], count: int) -> list[Value]:
        """Returns ``sum(c[interval + a] * work[a])`` for coefficients of 0 or 1."""
        zero, made = loop.const(0.0, F64), []
        if self.model.extrapolation == "continue":  # the library also adds 0 times these values: infinity would yield NaN
            loop.guard(all_of(loop, [loop.call("logical_not", loop.call("isinf", v)) for v in work]), local=True)
        here = [loop.call("equal", interval, loop.const(i, I64)) for i in range(count)]
        for column in spline.c.T:
            value = zero
            for i in range(count):
                terms = [work[a] for a in range(len(work)) if column[i + a] != 0]
                if terms:
                    value = loop.select(here[i], loop.fold("add", terms), value)
            made.append(value)
        return made

    def _outside(
        self, loop: LoopBuilder, x: Value, spline: Any, inside: list[Value], reach: int, count: int
    ) -> list[Value]:
        """Applies `extrapolation` outside knot number `reach` from either end, to the `count` splines there."""
        how = self.model.extrapolation
        if how in ("periodic", "continue"):
            return inside
        low, high = spline.t[reach], spline.t[-reach - 1]
        if low > high:
            refuse("SW814", name=self.name, attribute="knots", type=f"fewer than straight lines of degree {spline.k} reach over")
        below = loop.call("less", x, loop.const(float(low), F64))
        above = loop.call("greater", x, loop.const(float(high), F64))
        if how == "error":
            loop.guard(loop.call("logical_not", loop.call("logical_or", below, above)), local=True)
            return inside
        if count == 0:
            loop.guard(loop.call("logical_not", above), local=True)  # the library raises
        ends = [self._beyond(loop, x, spline, at, first, count) for at, first in ((low, True), (high, False))]
        return [loop.select(below, under, loop.select(above, over, v)) for v, under, over in zip(inside, *ends, strict=True)]

    def _beyond(self, loop: LoopBuilder, x: Value, spline: Any, end: float, first: bool, count: int) -> list[Value]:
        """Returns the splines beyond an end: the values at the end, or straight lines, for the `count` splines next to it."""
        values, linear = spline(end), self.model.extrapolation == "linear"
        chosen = range(count) if first else range(len(values) - count, len(values))
        made = [loop.const(0.0, F64)] * len(values)
        slopes = spline(end, nu=1) if linear else None
        for k in chosen:
            made[k] = loop.const(float(values[k]), F64)
            if slopes is not None:
                away = loop.call("subtract", x, loop.const(float(end), F64))
                made[k] = loop.call("add", made[k], loop.call("multiply", away, loop.const(float(slopes[k]), F64)))
        return made


ESTIMATORS: dict[str, type[Translator]] = {
    "sklearn.preprocessing._data.QuantileTransformer": QuantileTransformer,
    "sklearn.isotonic.IsotonicRegression": IsotonicRegression,
    "sklearn.preprocessing._polynomial.SplineTransformer": SplineTransformer,
}
