"""VectorAssembler: columns of numbers and vectors side by side."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sparkweld.ir import LoopBuilder, Value
from udf_compiler.models.features import Column, Features, Indicator
from udf_compiler.spark_ml.stages import Argument, Maybe, Rule, Stage, Vector, double


def assemble(stage: Stage, loop: LoopBuilder, args: Sequence[Argument]) -> Vector:
    """Zeros are left out and so lose their sign. NULL and NaN are errors, or NaN when `handleInvalid` is keep."""
    columns: list[Column] = []
    kept = False
    for arg in args:
        if isinstance(arg, Vector):
            kept = kept or arg.features.kept
            columns += [c if isinstance(c, Indicator) else _unsigned_zero(loop, c) for c in arg.features.columns]
        else:
            assert isinstance(arg, Maybe)
            columns.append(_unsigned_zero(loop, _number(stage, loop, arg.value, arg.valid)))
    return Vector(Features(loop, tuple(columns), kept=kept), "compressed")


def _number(stage: Stage, loop: LoopBuilder, value: Value, valid: Value | None) -> Value:
    if stage.params["keepInvalid"]:
        return value if valid is None else loop.select(valid, value, double(loop, np.nan))
    if valid is not None:
        loop.guard(valid)
    loop.guard(loop.call("logical_not", loop.call("isnan", value)))
    return value


def _unsigned_zero(loop: LoopBuilder, value: Value) -> Value:
    return loop.call("add", value, double(loop, 0.0))  # -0.0 + 0.0 -> 0.0


STAGES: dict[str, Rule] = {"VectorAssembler": assemble}
