"""Lowers the steps that Spark's classifiers share: scores to probabilities, and both to classes.

A classifier consists of `raw` (features to one score per class), `probability` (scores to probabilities) and optional rules that
choose the class. The functions that `transform` calls are compositions of these steps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.types import F64
from udf_compiler.frontends.models.labels import keep, largest
from udf_compiler.frontends.models.sums import clear_argmax
from udf_compiler.frontends.spark_ml.stages import Argument, Maybe, Rule, Stage, Vector, double, one_vector, vector_of

Step = Callable[[Stage, LoopBuilder, Vector], Vector]
Choice = Callable[[Stage, LoopBuilder, Vector], Value]


def classifier(
    name: str, raw: Step, probability: Step | None = None, by_raw: Choice | None = None, by_probability: Choice | None = None
) -> dict[str, Rule]:
    """Returns the lowering rules of a classifier's functions, by name."""
    steps: dict[str, Step | Choice] = {"predictRaw": raw}

    def of_raw(stage: Stage, loop: LoopBuilder, scores: Vector) -> Value:
        if by_raw is not None:
            return by_raw(stage, loop, scores)
        if "thresholds" not in stage.arrays or probability is None:
            return first_largest(loop, scores)
        return weighed(stage, loop, probability(stage, loop, scores))

    steps["raw2prediction"] = of_raw
    steps["predict"] = lambda stage, loop, x: of_raw(stage, loop, raw(stage, loop, x))
    if probability is not None:
        steps["raw2probability"] = probability
        steps["predictProbability"] = lambda stage, loop, x: probability(stage, loop, raw(stage, loop, x))
        steps["probability2prediction"] = by_probability or weighed
    return {f"{name}.{call}": _rule(step) for call, step in steps.items()}


def _rule(step: Step | Choice) -> Rule:
    def rule(stage: Stage, loop: LoopBuilder, args: Sequence[Argument]) -> Argument:
        made = step(stage, loop, one_vector(args))
        return made if isinstance(made, Vector) else Maybe(made)

    return rule


def first_largest(loop: LoopBuilder, scores: Vector) -> Value:
    """Implements `Vector.argmax`, as a double. Guards rows with NaN, or whose largest scores differ by less than their errors."""
    values = scores.values
    for value in dict.fromkeys(v.id for v in values):
        loop.guard(loop.call("logical_not", loop.call("isnan", loop.value(value))))
    return loop.cast(clear_argmax(loop, values, scores.errors() if scores.errors else []), F64)


def weighed(stage: Stage, loop: LoopBuilder, probabilities: Vector) -> Value:
    """Returns the class of the largest probability; with thresholds, of the largest probability divided by its threshold."""
    thresholds = stage.arrays.get("thresholds")
    if thresholds is None:
        return first_largest(loop, probabilities)
    probabilities.sized(len(thresholds), stage)

    def scaled(values: Sequence[Value], by_nothing: float) -> list[Value]:
        fixed = double(loop, by_nothing)
        return [fixed if t == 0 else loop.call("divide", v, double(loop, t)) for v, t in zip(values, thresholds, strict=True)]

    errors = probabilities.errors
    off = (lambda: scaled(errors(), 0.0)) if errors else None
    return first_largest(loop, vector_of(loop, scaled(probabilities.values, np.inf), "dense", off))


def above(loop: LoopBuilder, value: Value, limit: float, error: Value | None) -> Value:
    """Returns 1.0 where the number is above the limit, else 0.0. Guards rows where an `error` of the number may change that."""
    if error is not None and np.isfinite(limit):
        distance = loop.call("absolute", loop.call("subtract", value, double(loop, limit)))
        loop.guard(loop.call("logical_or", loop.call("greater", distance, error), loop.call("isnan", value)))
    return loop.cast(loop.call("greater", value, double(loop, limit)), F64)


def sigmoid(loop: LoopBuilder, value: Value) -> Value:
    """Computes ``1 / (1 + exp(-x))``."""
    one = double(loop, 1.0)
    return loop.call("divide", one, loop.call("add", one, loop.call("exp", loop.call("negative", value))))


def softmax(stage: Stage, loop: LoopBuilder, scores: Vector) -> Vector:
    """Implements `Utils.softmax`: ``exp(x - max(x))`` times the reciprocal of their sum, added in order.

    Guards rows with scores that are not finite.
    """
    values = scores.values
    for value in values:
        loop.guard(loop.call("isfinite", value))
    keep("softmax", f"{len(values)} eps and 4 ULP of the exponentials", stage.name)
    most = largest(loop, values)
    powers = [loop.call("exp", loop.call("subtract", v, most)) for v in values]
    total = loop.fold("add", powers)
    share = loop.call("divide", double(loop, 1.0), total)
    made = [loop.call("multiply", p, share) for p in powers]

    def errors() -> list[Value]:
        given = scores.errors() if scores.errors else [double(loop, 0.0)]
        eps = double(loop, (4 * len(values) + 32) * float(np.finfo(np.float64).eps))
        off = loop.call("add", loop.call("multiply", double(loop, 3.0), largest(loop, given)), eps)
        return [loop.call("add", loop.call("multiply", p, off), double(loop, float(np.finfo(np.float64).tiny))) for p in made]

    return vector_of(loop, made, "dense", errors)
