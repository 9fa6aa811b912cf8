"""Spark's scalers: the same arithmetic on each number of a vector."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from sparkweld.ir import LoopBuilder
from udf_compiler.spark_ml.stages import Argument, Rule, Stage, Vector, double, one_vector


def scale(stage: Stage, loop: LoopBuilder, args: Sequence[Argument]) -> Vector:
    """StandardScaler, MaxAbsScaler, RobustScaler: ``(x - shift) * scale``, each where there is one.

    What is only scaled keeps its form, as a sparse vector's zeros are not looked at: a row has as many zeros as before, unless a
    scale is 0 or a product is too small.
    """
    x = one_vector(args)
    values, form = x.values, x.form
    if (shift := stage.arrays.get("shift")) is not None:
        x.sized(len(shift), stage)
        values, form = tuple(loop.call("subtract", v, double(loop, c)) for v, c in zip(values, shift, strict=True)), "dense"
    if (factors := stage.arrays.get("scale")) is not None:
        x.sized(len(factors), stage)
        if not np.isfinite(factors).all():
            stage.refuse("a scale that is not finite")
        values = tuple(loop.call("multiply", v, double(loop, c)) for v, c in zip(values, factors, strict=True))
    if shift is None and factors is None:
        return x
    if form == "dense" or factors is None:
        return x.of(values, form)

    def same_zeros() -> None:
        if x.when_written is not None:
            x.when_written()
        for before, after in zip(x.values, values, strict=True):
            zeros = [loop.call("equal", v, double(loop, 0.0)) for v in (before, after)]
            loop.guard(loop.call("equal", *zeros))

    return replace(x.of(values, form if factors.all() else ""), when_written=same_zeros)


def min_max(stage: Stage, loop: LoopBuilder, args: Sequence[Argument]) -> Vector:
    """``(x - least) * scale + low``; a constant where the scale is 0; NaN stays."""
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


STAGES: dict[str, Rule] = {"StandardScalerModel": scale, "MinMaxScalerModel": min_max}
