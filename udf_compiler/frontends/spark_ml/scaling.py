"""Lowers Spark's scalers and Normalizer to elementwise arithmetic on vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.text_models import NORM_L1, NORM_L2, NORM_MAX
from udf_compiler.frontends.models.sparse_text_features import Terms
from udf_compiler.frontends.spark_ml.stages import Argument, Rule, Stage, Vector, double, one_vector


def scale(stage: Stage, loop: LoopBuilder, args: Sequence[Argument]) -> Vector:
    """Implements StandardScaler, MaxAbsScaler and RobustScaler: ``(x - shift) * scale``, where shift and scale are optional.

    Scaling alone preserves the vector's form, as Spark skips the zeros of a sparse vector. The number of zeros stays the same,
    unless a scale is 0 or a product underflows.
    """
    x = one_vector(args)
    if isinstance(x.features, Terms):
        return replace(x, features=_scaled_terms(stage, x, x.features))
    values, form = x.values, x.form
    if (shift := stage.arrays.get("shift")) is not None:
        x.sized(len(shift), stage)
        values, form = tuple(loop.call("subtract", v, double(loop, c)) for v, c in zip(values, shift, strict=True)), "dense"
    if (factors := stage.arrays.get("scale")) is not None:
        x.sized(len(factors), stage)
        if not np.isfinite(factors).all():
            stage.refuse("a scale that is not finite")
        if form != "dense" and (factors < 0).any():
            stage.refuse("a negative scale of data that may be sparse")  # the sign of a zero depends on the form
        values = tuple(loop.call("multiply", v, double(loop, c)) for v, c in zip(values, factors, strict=True))
    if shift is None and factors is None:
        return x
    if form == "dense" or factors is None:
        return x.of(values, form)
    made = same_form(loop, x, values) if factors.all() else x.of(values)
    return replace(made, stored=_scaled_terms(stage, x, x.stored)) if x.stored is not None and shift is None else made


def same_form(loop: LoopBuilder, x: Vector, values: Sequence[Value]) -> Vector:
    """Returns a vector of the same form as `x`, with zeros at the same positions.

    When written, guards rows where a number underflowed to zero.
    """

    def same_zeros() -> None:
        if x.when_written is not None:
            x.when_written()
        for before, after in zip(x.values, values, strict=True):
            zeros = [loop.call("equal", v, double(loop, 0.0)) for v in (before, after)]
            loop.guard(loop.call("equal", *zeros))

    return replace(x.of(values, x.form), when_written=same_zeros)


def _scaled_terms(stage: Stage, x: Vector, terms: Terms) -> Terms:
    """Scales a sparse vector, which stays sparse: numbers that are not stored are 0 for every scale."""
    if "shift" in stage.arrays:
        stage.refuse("a mean that is subtracted from word counts")
    factors = stage.arrays.get("scale")
    if factors is None:
        return terms
    x.sized(len(factors), stage)
    if not np.isfinite(factors).all():
        stage.refuse("a scale that is not finite")
    return terms.scaled(factors)


def min_max(stage: Stage, loop: LoopBuilder, args: Sequence[Argument]) -> Vector:
    """Implements MinMaxScaler: ``(x - least) * scale + low``; a constant where the scale is 0; NaN stays NaN."""
    x = one_vector(args)
    factors, least = stage.arrays["scale"], stage.arrays["least"]
    x.sized(len(factors), stage)
    low, constant = double(loop, stage.number("low")), double(loop, stage.number("constant"))
    made = []
    for value, factor, offset in zip(x.values, factors, least, strict=True):
        if factor != 0:
            scaled = loop.call("multiply", loop.call("subtract", value, double(loop, offset)), double(loop, factor))
            made.append(loop.call("add", scaled, low))
        else:
            made.append(loop.select(loop.call("isnan", value), value, constant))
    return x.of(made, "compressed")


def normalize(stage: Stage, loop: LoopBuilder, args: Sequence[Argument]) -> Vector:
    """Implements Normalizer: divides each number by the row's norm, unless that is 0. Zeros do not change the norm."""
    x, p = one_vector(args), stage.number("p")
    if p not in _NORMS:
        stage.refuse(f"p={p}")
    if isinstance(x.features, Terms):
        return replace(x, features=x.features.step(_NORMS[p], stage.name))
    norm, zero = double(loop, 0.0), double(loop, 0.0)
    for value in x.values:
        size = loop.call("multiply", value, value) if p == 2 else loop.call("absolute", value)
        if p == np.inf:
            norm = loop.select(loop.call("greater", size, norm), size, norm)  # NaN is never greater
        else:
            norm = loop.call("add", norm, size)
    norm = loop.call("sqrt", norm) if p == 2 else norm
    if x.form != "dense":  # numbers that a sparse row does not store stay 0 even if the norm is NaN
        loop.guard(loop.call("logical_not", loop.call("isnan", norm)))
    divisor = loop.select(loop.call("equal", norm, zero), double(loop, 1.0), norm)
    made = [loop.call("divide", value, divisor) for value in x.values]
    same = x.of(made, x.form) if x.form == "dense" else same_form(loop, x, made)
    return replace(same, stored=x.stored.step(_NORMS[p], stage.name)) if x.stored is not None else same


_NORMS = {1.0: NORM_L1, 2.0: NORM_L2, np.inf: NORM_MAX}

STAGES: dict[str, Rule] = {
    "StandardScalerModel": scale,
    "MinMaxScalerModel": min_max,
    "ElementwiseProduct": scale,
    "Normalizer": normalize,
}
