"""Lowers Spark's decision trees, random forests and gradient-boosted trees.

A split compares doubles. Values up to its threshold, or among its categories, take one branch; all others, including NaN, take
the other.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.trees import Forest, Interval, Tree
from sparkweld.ir.types import F64
from udf_compiler.frontends.models.labels import keep
from udf_compiler.frontends.models.trees import sums_of
from udf_compiler.frontends.spark_ml.classes import classifier, sigmoid
from udf_compiler.frontends.spark_ml.stages import Argument, Maybe, Rule, Stage, Vector, double, one_vector, vector_of

_EPS = float(np.finfo(np.float64).eps)


def forest_of(stage: Stage) -> Forest:
    """Returns the stage's trees, cached; the values of a boosted tree are multiplied by its weight."""
    if "forest" not in stage.made:
        stage.made["forest"] = _forest(stage)
    return stage.made["forest"]  # type: ignore[no-any-return]


def _forest(stage: Stage) -> Forest:
    arrays, width = stage.arrays, stage.params["width"]
    hit = arrays["hit"]
    values = np.zeros((len(hit), width))
    values[hit < 0] = arrays["values"].reshape(-1, width)
    sets = _sets(stage)
    roots = [*arrays["roots"].tolist(), len(hit)]
    weights = arrays.get("weights", np.ones(len(roots) - 1))
    trees = []
    for root, end, weight in zip(roots, roots[1:], weights, strict=False):
        part = slice(root, end)
        own = {node - root: intervals for node, intervals in sets.items() if root <= node < end}
        trees.append(
            Tree(arrays["feature"][part], arrays["threshold"][part], np.zeros(end - root, bool), hit[part], arrays["miss"][part],
                 values[part] * weight if "weights" in arrays else values[part], 0, own)
        )  # fmt: skip
    return Forest(stage.params["features"], F64, F64, np.zeros(width), tuple(trees))


def _sets(stage: Stage) -> dict[int, tuple[Interval, ...]]:
    """Returns the categories of each categorical node, each as an interval that contains one double."""
    ends = stage.arrays["ends"].tolist()
    found: dict[int, tuple[Interval, ...]] = {}
    for node, begin, end in zip(stage.arrays["categorical"].tolist(), [0, *ends], ends, strict=False):
        found[node] = tuple((float(np.nextafter(c, -np.inf)), float(c)) for c in np.unique(stage.arrays["categories"][begin:end]))
    return found


def sums(stage: Stage, loop: LoopBuilder, x: Vector) -> list[Value]:
    """Computes the sums over all trees, in their order."""
    forest = forest_of(stage)
    if x.features.kept:
        keep("split", "rows with an approximate feature next to a threshold", stage.name)
    return sums_of(forest, x.sized(forest.features, stage).values, loop, stage.name)


def _mean(stage: Stage, loop: LoopBuilder, args: Sequence[Argument]) -> Maybe:
    """Implements RandomForestRegressionModel: the sum divided by the number of trees."""
    (total,) = sums(stage, loop, one_vector(args))
    return Maybe(loop.call("divide", total, double(loop, len(stage.arrays["roots"]))))


def _leaf(stage: Stage, loop: LoopBuilder, args: Sequence[Argument]) -> Maybe:
    """Implements DecisionTreeRegressionModel, and the class of DecisionTreeClassificationModel."""
    return Maybe(sums(stage, loop, one_vector(args))[0])


def _boosted(stage: Stage, loop: LoopBuilder, x: Vector) -> tuple[Value, float]:
    """Computes the trees' weighted sum, which BLAS adds in an order of its own, and its distance bound from Spark's."""
    (total,) = sums(stage, loop, x)
    trees = forest_of(stage).trees
    bound = 2 * (len(trees) + 2) * _EPS * sum(float(np.abs(tree.values).max()) for tree in trees)
    keep("dot", f"{bound:.2g}, of {len(trees)} trees", stage.name)
    return total, bound


def _boosted_regression(stage: Stage, loop: LoopBuilder, args: Sequence[Argument]) -> Maybe:
    return Maybe(_boosted(stage, loop, one_vector(args))[0])


def _boosted_raw(stage: Stage, loop: LoopBuilder, x: Vector) -> Vector:
    margin, bound = _boosted(stage, loop, x)
    return vector_of(loop, [loop.call("negative", margin), margin], "dense", lambda: [double(loop, bound)] * 2)


def _boosted_probability(stage: Stage, loop: LoopBuilder, raw: Vector) -> Vector:
    """Computes ``1 / (1 + exp(-2 * margin))``, the probability for log loss. Refuses (SW901) other losses."""
    if stage.params["loss"] != "logistic":
        stage.refuse(f"the loss {stage.params['loss']}")
    none = sigmoid(loop, loop.call("multiply", double(loop, 2.0), raw.values[0]))

    def errors() -> list[Value]:
        given = raw.errors()[0] if raw.errors else double(loop, 0.0)
        return [loop.call("add", given, double(loop, 32 * _EPS))] * 2

    return vector_of(loop, [none, loop.call("subtract", double(loop, 1.0), none)], "dense", errors)


def _votes(stage: Stage, loop: LoopBuilder, x: Vector) -> Vector:
    """Returns the votes of a forest, or the weights of a tree, by class."""
    return vector_of(loop, sums(stage, loop, x), "dense")


def shares(stage: Stage, loop: LoopBuilder, raw: Vector) -> Vector:
    """Divides each number by the sum of all, added in order; returns the numbers themselves where the sum is 0."""
    total = loop.fold("add", raw.values, double(loop, 0.0))
    some = loop.call("not_equal", total, double(loop, 0.0))
    by = loop.select(some, total, double(loop, 1.0))
    return vector_of(loop, [loop.call("divide", v, by) for v in raw.values], "dense")


STAGES: dict[str, Rule] = {
    "DecisionTreeRegressionModel.predict": _leaf,
    "RandomForestRegressionModel.predict": _mean,
    "GBTRegressionModel.predict": _boosted_regression,
    **classifier("GBTClassificationModel", _boosted_raw, _boosted_probability),
    **classifier("RandomForestClassificationModel", _votes, shares),
    **classifier("DecisionTreeClassificationModel", _votes, shares),
    "DecisionTreeClassificationModel.predict": _leaf,
}

KEPT = frozenset({"GBTRegressionModel", "GBTClassificationModel"})
