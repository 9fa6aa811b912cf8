"""Translates scikit-learn's columnwise transformers of numbers: scalers, thresholds, bins, powers and polynomials."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from sparkweld.ir import Value
from sparkweld.ir.types import F64
from udf_compiler.frontends.models.by_version import option, uses
from udf_compiler.frontends.models.features import FLOATS, Features, binarized, validated
from udf_compiler.frontends.models.labels import keep, largest
from udf_compiler.frontends.models.sparse_text_features import NORMS, Terms
from udf_compiler.frontends.models.translator import Translator
from udf_compiler.frontends.pandas.array import TracedArray
from udf_compiler.frontends.pandas.calls import arrays
from udf_compiler.frontends.pandas.calls.polynomials import count_below
from udf_compiler.frontends.pandas.calls.reductions import pairwise_sum
from udf_compiler.frontends.tracing.lower import cast, type_of
from udf_compiler.frontends.tracing.session import check_size, refuse


class Scaler(Translator):
    """A transformer that applies the same arithmetic to each column, in the width of its array."""

    def checked(self, x: Features, **options: Any) -> Features:
        """Returns the float array on which `transform` works. Refuses (SW815) where it would change the user's array."""
        call = self.call("transform")
        if not (self.model.copy or x.fresh):
            refuse("SW815", call=call)
        given = {"finite": "allow-nan", "dtype": FLOATS, "copy": self.model.copy, **options}
        return validated(self.model, x, call, **given)

    def dense(self, x: Features) -> Features:
        """Returns the features. Refuses (SW821) a sparse matrix."""
        if x.sparse:
            refuse("SW821", call=self.call("transform"))
        return x


def in_place(x: Features, function: str, values: tuple[Value, ...], numbers: Any) -> tuple[Value, ...]:
    """Computes ``values function= numbers``, one number per column: in the wider type, then cast back to the values' type."""
    made = []
    for value, number in zip(values, np.broadcast_to(np.asarray(numbers), len(values)), strict=True):
        type = type_of(np.result_type(value.type.dtype, number.dtype), function)
        result = x.loop.call(function, x.loop.cast(value, type), x.loop.const(number, type))
        made.append(x.loop.cast(result, value.type))
    return tuple(made)


def clipped(x: Features, values: tuple[Value, ...], low: float, high: float) -> tuple[Value, ...]:
    """Computes ``np.clip(x, low, high)`` with bounds of the values' type."""
    bounds = [v.type.dtype.type(b) for v in values[:1] for b in (low, high)]
    return arrays.clip(TracedArray(x.loop, values, 2), *bounds).columns if values else ()


class StandardScaler(Scaler):
    """Computes ``(x - mean_) / scale_``, both in the type of the array."""

    def transform(self, x: Features) -> Features:
        made = self.checked(x, accept_sparse="csr", force_writeable=True)
        values = made.values
        if made.sparse:
            if self.model.with_mean:
                refuse("SW252", call=self.call("transform"), error="ValueError: Cannot center sparse matrices")
            scale = self.fitted("scale_")
            return made.array(values if scale is None else in_place(made, "multiply", values, 1 / scale), sparse=True)
        if self.model.with_mean:
            values = in_place(made, "subtract", values, self._numbers("mean_", made))
        if self.model.with_std:
            values = in_place(made, "divide", values, self._numbers("scale_", made))
        return made.array(values)

    def _numbers(self, attribute: str, made: Features) -> np.ndarray:
        """Returns fitted numbers, in the type of the array if the library casts them."""
        numbers: np.ndarray = self.fitted(attribute)
        if not uses(type(self.model).transform, "astype"):
            return numbers
        with np.errstate(all="ignore"):
            return numbers.astype(made.types[0].dtype)

    def transform_terms(self, x: Terms) -> Terms:
        call, options = self.call("transform"), {"accept_sparse": "csr", "dtype": FLOATS, "force_writeable": True}
        made = x.validated(self.model, call, "allow-nan", options)
        if self.model.with_mean:
            refuse("SW252", call=call, error="ValueError: Cannot center sparse matrices")
        scale = self.fitted("scale_")
        return made if scale is None else made.scaled(1 / scale)

    def inverse_transform(self, x: Features) -> Features:
        made = validated(self.model, self.dense(x), self.call("inverse_transform"), "allow-nan", dtype=FLOATS)
        values = made.values
        if self.model.with_std:
            values = in_place(made, "multiply", values, self._numbers("scale_", made))
        if self.model.with_mean:
            values = in_place(made, "add", values, self._numbers("mean_", made))
        return made.array(values)


class MinMaxScaler(Scaler):
    """Computes ``x * scale_ + min_``."""

    def transform(self, x: Features) -> Features:
        made = self.checked(self.dense(x), force_writeable=True)
        values = in_place(made, "multiply", made.values, self.fitted("scale_"))
        values = in_place(made, "add", values, self.fitted("min_"))
        return made.array(clipped(made, values, *self.model.feature_range) if self.model.clip else values)


class MaxAbsScaler(Scaler):
    """Computes ``x / scale_``; for a sparse matrix, ``x * (1 / scale_)``."""

    def transform(self, x: Features) -> Features:
        made = self.checked(x, accept_sparse=("csr", "csc"), force_writeable=True)
        scale = self.fitted("scale_")
        function, numbers = ("multiply", 1.0 / scale) if made.sparse else ("divide", scale)
        values = in_place(made, function, made.values, numbers)
        return made.array(clipped(made, values, -1.0, 1.0) if option(self.model, "clip", False) else values, sparse=made.sparse)

    def transform_terms(self, x: Terms) -> Terms:
        call, options = self.call("transform"), {"accept_sparse": ("csr", "csc"), "dtype": FLOATS, "force_writeable": True}
        made = x.validated(self.model, call, "allow-nan", options)
        if option(self.model, "clip", False):
            refuse("SW852", what=f"{call} with clip=True")
        return made.scaled(1.0 / self.fitted("scale_"))


class RobustScaler(Scaler):
    """Computes ``(x - center_) / scale_``."""

    def transform(self, x: Features) -> Features:
        made = self.checked(self.dense(x), force_writeable=True)
        values = made.values
        if self.model.with_centering:
            values = in_place(made, "subtract", values, self.fitted("center_"))
        if self.model.with_scaling:
            values = in_place(made, "divide", values, self.fitted("scale_"))
        return made.array(values)


class Normalizer(Scaler):
    """Computes ``x / norm(x)`` of each row; a norm below 10 eps counts as 1 (`_handle_zeros_in_scale`)."""

    KEPT = ("transform",)

    def transform(self, x: Features) -> Features:
        made = self.checked(self.dense(x), finite=True, dtype="numeric", force_writeable=True)
        made = validated(self.model, made, self.call("transform"), dtype=FLOATS)
        loop, values, type = made.loop, made.values, made.types[0]
        norm, kept = self._norm(made)
        limit = loop.const(10 * np.finfo(type.dtype).eps, type)
        if kept:  # close to the limit, the norm's last bit would decide
            wide = loop.call("multiply", limit, loop.const(1 + 1e-3, type))
            narrow = loop.call("multiply", limit, loop.const(1 - 1e-3, type))
            loop.guard(loop.call("logical_or", loop.call("greater", norm, wide), loop.call("less", norm, narrow)), local=True)
        norm = loop.select(loop.call("less", norm, limit), loop.const(1, type), norm)
        return made.array([loop.call("divide", v, norm) for v in values], kept=made.kept or kept)

    def _norm(self, x: Features) -> tuple[Value, bool]:
        loop, sizes = x.loop, [x.loop.call("absolute", v) for v in x.values]
        if self.model.norm == "max":
            return largest(loop, sizes), False
        bound = f"{len(sizes) + 3} * eps of each value"
        if self.model.norm == "l1":
            exact = x.order == "C" or len(sizes) < 8  # below 8, NumPy adds from left to right in every memory order
            if not exact:
                keep("norm", bound, self.call("transform"))
            return loop.call("add", loop.const(0, x.types[0]), pairwise_sum(loop, sizes)), not exact
        keep("norm", bound, self.call("transform"))  # row_norms is an einsum, whose order depends on the CPU
        squares = [loop.call("square", v) for v in x.values]
        return loop.call("sqrt", pairwise_sum(loop, squares)), True

    def transform_terms(self, x: Terms) -> Terms:
        call, options = self.call("transform"), {"accept_sparse": "csr", "dtype": FLOATS, "force_writeable": True}
        return x.validated(self.model, call, True, options).step(NORMS[self.model.norm], call)


class Binarizer(Scaler):
    """Returns 1 for values above the threshold, else 0, in the type of the array."""

    def transform(self, x: Features) -> Features:
        made = self.checked(self.dense(x), finite=True, dtype="numeric", force_writeable=True)
        return binarized(made, self.model.threshold)


class KBinsDiscretizer(Translator):
    """Returns the number of a value's bin: the number of inner edges that it reaches."""

    def transform(self, x: Features) -> Features:
        call = self.call("transform")
        dtype = FLOATS if self.model.dtype is None else self.model.dtype
        made = validated(self.model, x, call, copy=True, dtype=dtype)
        loop = made.loop
        numbers = []
        for value, edges in zip(made.values, self.fitted("bin_edges_"), strict=True):
            numbers.append(cast(loop, count_below(loop, value, edges[1:-1], "right", call), value.type))
        check_size(loop)
        binned = made.array(numbers)
        if self.model.encode == "ordinal":
            return binned
        return self.part(self.model._encoder).encoded(binned, np.dtype(binned.types[0].dtype))  # type: ignore[attr-defined,no-any-return]


class PolynomialFeatures(Translator):
    """Computes products of columns; the product of (a, b, c) is that of (b, c) times a, as in the library."""

    def transform(self, x: Features) -> Features:
        if x.sparse:
            refuse("SW821", call=self.call("transform"))
        made = validated(self.model, x, self.call("transform"), dtype=FLOATS, order="F")
        loop, degree = made.loop, self.model.degree
        least, most = (0, degree) if isinstance(degree, int) else degree
        combine = itertools.combinations if self.model.interaction_only else itertools.combinations_with_replacement
        terms: dict[tuple[int, ...], Value] = {(i,): v for i, v in enumerate(made.values)}
        chosen = [loop.const(1, made.types[0])] if self.model.include_bias else []
        for size in range(1, most + 1):
            for term in combine(range(len(made.columns)), size):
                if term not in terms:
                    terms[term] = loop.call("multiply", terms[term[1:]], terms[term[:1]])
                if size >= least:
                    chosen.append(terms[term])
            check_size(loop)
        return made.array(chosen, order=self.model.order)


class PowerTransformer(Scaler):
    """Applies Yeo-Johnson by expm1 and log1p (scipy.stats.yeojohnson) or Box-Cox (xsf/boxcox.h), then a StandardScaler."""

    KEPT = ("transform",)

    def transform(self, x: Features) -> Features:
        call = self.call("transform")
        made = self.checked(self.dense(x), ensure_2d=True, force_writeable=True)
        if made.types[0] != F64:
            refuse("SW814", name=self.name, attribute="input", type="float32")
        power = self._box_cox if self.model.method == "box-cox" else self._yeo_johnson
        lambdas = [float(number) for number in self.fitted("lambdas_")]
        if not np.isfinite(lambdas).all():
            refuse("SW814", name=self.name, attribute="lambdas_", type="not finite")
        keep("power transform", "4 ULP of each logarithm and exponential", call)
        columns = tuple(power(made, v, number) for v, number in zip(made.values, lambdas, strict=True))
        result = made.array(columns, kept=True)
        return self.part(self.model._scaler).transform(result) if self.model.standardize else result  # type: ignore[attr-defined,no-any-return]

    def _yeo_johnson(self, x: Features, value: Value, power: float) -> Value:
        loop, eps = x.loop, np.finfo(np.float64).eps

        def number(c: float) -> Value:
            return loop.const(c, F64)

        def raised(grown: Value, by: float) -> Value:
            return loop.call("divide", loop.call("expm1", loop.call("multiply", number(by), grown)), number(by))

        if uses(type(self.model).transform, "_yeo_johnson_transform"):
            return self._yeo_johnson_of_powers(x, value, power)
        upper = loop.call("log1p", value)
        upper = upper if abs(power) < eps else raised(upper, power)
        lower = loop.call("log1p", loop.call("negative", value))
        if abs(power - 2) > eps:
            other = 2 - power
            grown = loop.call("expm1", loop.call("multiply", number(other), lower))
            lower = loop.call("divide", loop.call("negative", grown), number(other))
        else:
            lower = loop.call("negative", lower)
        return loop.select(loop.call("greater_equal", value, number(0.0)), upper, lower)

    def _yeo_johnson_of_powers(self, x: Features, value: Value, power: float) -> Value:
        """Computes `_yeo_johnson_transform`, scikit-learn's own formula of earlier versions."""
        loop, least = x.loop, float(np.spacing(1.0))

        def raised(base: Value, by: float) -> Value:
            grown = loop.call("power", loop.call("add", base, loop.const(1.0, F64)), loop.const(by, F64))
            return loop.call("divide", loop.call("subtract", grown, loop.const(1.0, F64)), loop.const(by, F64))

        opposite = loop.call("negative", value)
        upper = loop.call("log1p", value) if abs(power) < least else raised(value, power)
        lower = raised(opposite, 2 - power) if abs(power - 2) > least else loop.call("log1p", opposite)
        return loop.select(loop.call("greater_equal", value, loop.const(0.0, F64)), upper, loop.call("negative", lower))

    def _box_cox(self, x: Features, value: Value, power: float) -> Value:
        loop = x.loop
        positive = loop.call("greater", value, loop.const(0.0, F64))
        loop.guard(loop.call("logical_or", positive, loop.call("isnan", value)), local=True)  # the library raises
        logarithm = loop.call("log", value)
        if abs(power) < 1e-19:
            return logarithm
        grown = loop.call("multiply", loop.const(power, F64), logarithm)
        # From 709 on, SciPy uses another formula.
        loop.guard(loop.call("logical_not", loop.call("greater_equal", grown, loop.const(709.0, F64))), local=True)
        return loop.call("divide", loop.call("expm1", grown), loop.const(power, F64))


ESTIMATORS: dict[str, type[Translator]] = {
    "sklearn.preprocessing._data.StandardScaler": StandardScaler,
    "sklearn.preprocessing._data.MinMaxScaler": MinMaxScaler,
    "sklearn.preprocessing._data.MaxAbsScaler": MaxAbsScaler,
    "sklearn.preprocessing._data.RobustScaler": RobustScaler,
    "sklearn.preprocessing._data.Normalizer": Normalizer,
    "sklearn.preprocessing._data.Binarizer": Binarizer,
    "sklearn.preprocessing._data.PowerTransformer": PowerTransformer,
    "sklearn.preprocessing._discretization.KBinsDiscretizer": KBinsDiscretizer,
    "sklearn.preprocessing._polynomial.PolynomialFeatures": PolynomialFeatures,
}
