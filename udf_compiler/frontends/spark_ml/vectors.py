"""Lowers Spark's transformers from vectors to vectors: PCA, PolynomialExpansion, Binarizer and VectorSlicer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.types import F64
from udf_compiler.frontends.models.features import Features, Indicator, guard_finite
from udf_compiler.frontends.models.sums import scores
from udf_compiler.frontends.spark_ml.stages import Argument, Rule, Stage, Vector, double, one_vector
from udf_compiler.frontends.tracing.lower import is_negative_zero
from udf_compiler.frontends.tracing.session import check_size


def project(stage: Stage, loop: LoopBuilder, args: Sequence[Argument]) -> Vector:
    """Implements PCAModel: the components times the vector, approximate as BLAS adds in an order of its own."""
    x = one_vector(args)
    assert isinstance(x.features, Features)
    weights = stage.arrays["components"].reshape(stage.params["count"], -1).T
    x.sized(len(weights), stage)
    made = scores(x.features, weights, np.zeros(weights.shape[1]), stage.name)
    made.kept(stage.name)
    return Vector(Features(loop, made.values, kept=True), "dense")


def expand(stage: Stage, loop: LoopBuilder, args: Sequence[Argument]) -> Vector:
    """Implements PolynomialExpansion: all products of up to `degree` numbers except 1, in the order of Spark's array.

    Spark stops multiplying once a product is 0. Infinite numbers and NaN are therefore guarded, and a zero has no sign.
    """
    x = one_vector(args)
    guard_finite(loop, x.values)
    made: list[Value] = []

    def fill(last: int, degree: int, product: Value | None) -> None:
        if degree == 0 or last < 0:
            if product is not None:
                made.append(loop.call("add", product, double(loop, 0.0)))
            return
        power = product
        for used in range(degree + 1):
            if used:
                power = values[last] if power is None else loop.call("multiply", power, values[last])
            fill(last - 1, degree - used, power)
        check_size(loop)

    values = x.values
    fill(len(values) - 1, stage.params["degree"], None)
    return x.of(made, "dense" if x.form == "dense" else "")


def binarize(stage: Stage, loop: LoopBuilder, args: Sequence[Argument]) -> Vector:
    """Implements Binarizer of a vector: 1 where a number is above the threshold, else 0."""
    x, threshold = one_vector(args), stage.number("threshold")
    made = [loop.cast(loop.call("greater", v, double(loop, threshold)), F64) for v in x.values]
    return x.of(made)


def chosen(stage: Stage, loop: LoopBuilder, args: Sequence[Argument]) -> Vector:
    """Implements VectorSlicer."""
    x, indices = one_vector(args), stage.arrays["indices"].tolist()
    if indices and max(indices) >= x.size:
        x.sized(max(indices) + 1, stage)
    made = x.features.chosen(indices)
    if x.form == "dense":
        return Vector(made, "dense")
    return Vector(replace(made, columns=tuple(c if isinstance(c, Indicator) else _sliced(loop, x, c) for c in made.columns)))


def _sliced(loop: LoopBuilder, x: Vector, value: Value) -> Value:
    """Removes the sign of zeros, which a slice of a sparse row does not store. Guards -0.0 where the row's form is unknown."""
    unsigned = loop.call("add", value, double(loop, 0.0))
    if x.dense is not None:
        return loop.select(loop.call("equal", x.dense, double(loop, 0.0)), unsigned, value)
    loop.guard(loop.call("logical_not", is_negative_zero(loop, value)))
    return value


STAGES: dict[str, Rule] = {
    "PCAModel": project,
    "PolynomialExpansion": expand,
    "Binarizer": binarize,
    "VectorSlicer": chosen,
}

KEPT = frozenset({"PCAModel"})
