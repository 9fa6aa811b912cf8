"""Translates TreeEnsembleRegressor and TreeEnsembleClassifier (versions 1 and 3 of ai.onnx.ml): 32-bit sums of leaves.

As ONNX Runtime computes them: `onnxruntime/core/providers/cpu/ml/tree_ensemble_aggregator.h`. Its threads may add the trees of
few rows in another order, so sums are approximate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from sparkweld.ir.trees import Forest, Tree
from sparkweld.ir.types import F32, F64, I64, Type
from udf_compiler.frontends.models.trees import sums_of
from udf_compiler.frontends.networks.layers import clear_above, clear_largest
from udf_compiler.frontends.networks.tensors import EPS, Accuracy, Tensor
from udf_compiler.frontends.onnx.dense import (
    classes_of,
    labelled,
    probabilities_of_two,
    transformed,
)
from udf_compiler.frontends.onnx.step import Argument, Operator, Step

#: Mode of a node -> (whether the true child is taken for values up to the threshold, whether the threshold itself is excluded).
_MODES = {"BRANCH_LEQ": (True, False), "BRANCH_LT": (True, True), "BRANCH_GT": (False, False), "BRANCH_GTE": (False, True)}


def _array(step: Step, name: str, dtype: Any) -> np.ndarray:
    return np.array(step.attribute(name, ()), dtype)


@dataclass(frozen=True)
class _Nodes:
    """The attributes of nodes; `missing`: whether NaN goes to the true child."""

    features: np.ndarray
    modes: np.ndarray
    thresholds: np.ndarray
    true: np.ndarray
    false: np.ndarray
    missing: np.ndarray

    @staticmethod
    def of(step: Step, width: Type) -> _Nodes:
        """Returns those of all trees, with thresholds of the type in which features are compared."""
        features, modes = _array(step, "nodes_featureids", np.int64), _array(step, "nodes_modes", object)
        thresholds = _array(step, "nodes_values", np.float32).astype(width.dtype)
        true, false = (_array(step, f"nodes_{side}nodeids", np.int64) for side in ("true", "false"))
        tracks = _array(step, "nodes_missing_value_tracks_true", np.int64)
        missing = tracks != 0 if len(tracks) else np.zeros(len(features), bool)
        return _Nodes(features, modes, thresholds, true, false, missing)

    def take(self, places: np.ndarray) -> _Nodes:
        """Returns copies of the attributes of some nodes."""
        return _Nodes(*(getattr(self, field.name)[places] for field in fields(self)))


def _forest(step: Step, width: Type, leaves: str, outputs: int) -> Forest:
    """Returns the ensemble. `leaves`: the prefix of the attributes of leaves; `outputs`: the number of sums."""
    for name in ("nodes_values", f"{leaves}_weights", "base_values"):
        if step.attribute(f"{name}_as_tensor") is not None:
            step.refuse("64-bit trees")
    tree_ids, node_ids = _array(step, "nodes_treeids", np.int64), _array(step, "nodes_nodeids", np.int64)
    leaf_trees, leaf_nodes = (_array(step, f"{leaves}_{name}", np.int64) for name in ("treeids", "nodeids"))
    leaf_outputs, weights = _array(step, f"{leaves}_ids", np.int64), _array(step, f"{leaves}_weights", np.float32)
    if np.count_nonzero(np.diff(tree_ids)) + 1 != len(np.unique(tree_ids)):
        step.refuse("trees whose nodes are not beside each other")
    used = np.unique(leaf_outputs)
    first, count = (int(used[0]), 1) if len(used) == 1 else (0, outputs)
    nodes, trees = _Nodes.of(step, width), []
    for tree in dict.fromkeys(tree_ids.tolist()):
        here, theirs = np.flatnonzero(tree_ids == tree), np.flatnonzero(leaf_trees == tree)
        own = np.unique(leaf_outputs[theirs])
        lowest, size = (int(own[0]), 1) if len(own) == 1 else (first, count)
        number = {int(node): at for at, node in enumerate(node_ids[here])}
        if len(number) != len(here):
            step.refuse("nodes with equal numbers")
        values = np.zeros((len(here), size), np.float32)
        at = (np.array([number[int(node)] for node in leaf_nodes[theirs]], np.int64), leaf_outputs[theirs] - lowest)
        if len(set(zip(*(part.tolist() for part in at), strict=True))) != len(theirs):
            step.refuse("two weights of one leaf for one result")
        values[at] = weights[theirs]
        trees.append(_tree(step, nodes.take(here), number, values, lowest))
    return Forest(int(nodes.features.max(initial=0)) + 1, width, F32, np.zeros(outputs, np.float32), tuple(trees))


def _tree(step: Step, nodes: _Nodes, number: dict[int, int], values: np.ndarray, first: int) -> Tree:
    """Returns a tree from its nodes, whose arrays it changes. ``x > t`` goes where ``x <= t`` does not."""
    missing, thresholds = nodes.missing, nodes.thresholds
    hit, miss = (np.full(len(missing), -1, np.int32) for _ in range(2))
    for at, mode in enumerate(nodes.modes):
        if mode == "LEAF":
            missing[at] = False
            continue
        if mode not in _MODES:
            step.refuse(f"the mode {mode}")
        upwards, excluded = _MODES[mode]
        sides = number[int(nodes.true[at])], number[int(nodes.false[at])]
        if 0 in sides:
            step.refuse("a tree whose first node is not its root")
        hit[at], miss[at] = sides if upwards else sides[::-1]
        missing[at] = missing[at] if upwards else not missing[at]
        if not thresholds[at] > -np.inf:  # no number is below it
            step.refuse("the threshold -infinity or NaN")
        if excluded:
            thresholds[at] = np.nextafter(thresholds[at], thresholds.dtype.type(-np.inf))
    feature = np.where(hit < 0, 0, nodes.features).astype(np.int32)
    return Tree(feature, thresholds, missing, hit, miss, values, first)


def _sums(step: Step, x: Argument, leaves: str, outputs: int) -> Tensor:
    """Returns the sums of the leaves, with the bounds of any order of additions."""
    given, loop = step.exact(step.alone(step.tensor(x))), step.loop
    forest = _forest(step, given.type if given.type.is_float else F32, leaves, outputs)
    if forest.features > len(given.columns):
        step.refuse("more features than its argument has columns")
    values = sums_of(forest, given.columns, loop, step.call)
    most = max(sum(float(np.abs(terms).max()) for terms in forest.leaf_terms(output)) for output in range(outputs))

    size = most + float(np.abs(np.array(step.attribute("base_values", ()) or [0.0])).max())
    if not size < 1e37:
        step.refuse("weights whose sums may overflow, or NaN")

    def bounds() -> Accuracy:
        return Accuracy(loop.const(size, F64), loop.const(2 * (len(forest.trees) + 3) * EPS * size, F64))

    return Tensor(loop, values, (outputs,), bounds)


def _with_base(step: Step, sums: Tensor, base: Sequence[float]) -> Tensor:
    """Returns the sums plus the base values, one for each or none."""
    if not base:
        return sums
    if len(base) != len(sums.columns):
        step.refuse("base values of another number")
    values = [step.loop.call("add", v, step.loop.const(np.float32(b), F32)) for v, b in zip(sums.columns, base, strict=True)]
    return sums.like(values)


def _regressor(step: Step, x: Argument) -> list[Argument]:
    outputs, function = step.attribute("n_targets", 1), step.attribute("aggregate_function", "SUM")
    if step.attribute("post_transform", "NONE") != "NONE" or function not in ("SUM", "AVERAGE"):
        step.refuse(f"post_transform {step.attribute('post_transform')} or aggregate_function {function}")
    base = step.attribute("base_values", ())
    if outputs > 1 and base:
        _check_scored(step, "target", outputs)
    sums, loop = _sums(step, x, "target", outputs), step.loop
    if function == "AVERAGE":
        count = loop.const(np.float32(len(set(step.attribute("nodes_treeids")))), F32)
        sums = sums.like([loop.call("divide", v, count) for v in sums.columns])
    return [_with_base(step, sums, base)]


def _classifier(step: Step, x: Argument) -> list[Argument]:
    classes = classes_of(step)
    scored = set(step.attribute("class_ids"))
    if len(classes) == 2 and len(scored) == 1:
        return _of_one_score(step, x, classes, next(iter(scored)))
    if len(classes) < 3:
        step.refuse("scores of both of two classes")
    _check_scored(step, "class", len(classes))
    scores = _with_base(step, _sums(step, x, "class", len(classes)), step.attribute("base_values", ()))
    label = labelled(step, clear_largest(scores), classes) if step.requires(0) else None
    return [label, transformed(step, scores, step.attribute("post_transform", "NONE")) if step.requires(1) else None]


def _check_scored(step: Step, leaves_of: str, outputs: int) -> None:
    """Refuses an ensemble in which some row may have no score for an output: it cannot be the label, and has no base value."""
    pairs: dict[tuple[int, int], int] = {}
    for tree, number in zip(step.attribute(f"{leaves_of}_treeids"), step.attribute(f"{leaves_of}_ids"), strict=True):
        pairs[tree, number] = pairs.get((tree, number), 0) + 1
    leaves: dict[int, int] = {}
    for tree, mode in zip(step.attribute("nodes_treeids"), step.attribute("nodes_modes"), strict=True):
        leaves[tree] = leaves.get(tree, 0) + (mode == "LEAF")
    if {number for (tree, number), count in pairs.items() if count == leaves[tree]} != set(range(outputs)):
        step.refuse("leaves without a score for some output")


def _of_one_score(step: Step, x: Argument, classes: Sequence[Any], scored: int) -> list[Argument]:
    """Returns label and probabilities of two classes with one score, which is a probability if no weight is negative."""
    base = step.attribute("base_values", ())
    if scored != 0 or len(base) > 1:
        step.refuse("a score of the second class, or two base values")
    loop, both = step.loop, _sums(step, x, "class", 2)
    score = _with_base(step, Tensor(loop, both.columns[:1], (1,), both.accuracy), base)
    positive = min(step.attribute("class_weights")) >= 0
    if positive and min(base, default=0.0) < 0:
        step.refuse("a negative base value of positive scores, which versions treat differently")
    label = None
    if step.requires(0):
        label = labelled(step, loop.cast(clear_above(score, 0.5 if positive else 0.0), I64), classes)
    if not step.requires(1):
        return [label, None]
    transform, [s] = step.attribute("post_transform", "NONE"), score.columns
    if transform not in ("NONE", "LOGISTIC") or (positive and transform == "LOGISTIC"):  # versions differ
        step.refuse(f"post_transform {transform}{' of scores that are never negative' if positive else ''}")
    if positive:
        return [label, score.like([loop.call("subtract", loop.const(1, F32), s), s], (2,))]
    if transform == "LOGISTIC":
        return [label, probabilities_of_two(step, score)]
    return [label, score.like([loop.call("negative", s), s], (2,))]


OPERATORS: dict[str, Operator] = {
    "ai.onnx.ml.TreeEnsembleRegressor": _regressor,
    "ai.onnx.ml.TreeEnsembleClassifier": _classifier,
}
