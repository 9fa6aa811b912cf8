"""Converts scikit-learn's fitted trees to `Forest`.

`sklearn.tree` compares float32 values with float64 thresholds. That is equivalent to float32 thresholds rounded down. The trees
of histogram gradient boosting compare float64.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sparkweld.ir.trees import Forest, Interval, Tree
from sparkweld.ir.types import F32, F64
from udf_compiler.frontends.models.by_version import uses


def rounded_down(thresholds: np.ndarray) -> np.ndarray:
    """Returns the largest float32 that is at most each float64."""
    with np.errstate(over="ignore"):
        near = thresholds.astype(np.float32)
    return np.where(near > thresholds, np.nextafter(near, np.float32(-np.inf)), near)


def plain_tree(tree: Any, values: np.ndarray, first: int = 0, features: np.ndarray | None = None) -> Tree:
    """Converts a `tree_` with these values, [nodes, w]. `features`: the ensemble's feature for each of the tree's own."""
    feature = np.where(tree.children_left < 0, 0, tree.feature)
    if features is not None:
        feature = np.asarray(features)[feature]
    return Tree(
        feature.astype(np.int32), rounded_down(tree.threshold), tree.missing_go_to_left.astype(bool),
        tree.children_left.astype(np.int32), tree.children_right.astype(np.int32), values, first,
    )  # fmt: skip


def forest_of(trees: Sequence[Tree], features: int, start: np.ndarray) -> Forest:
    """Returns an ensemble of `sklearn.tree`'s trees; sums are float64."""
    return Forest(features, F32, F64, np.asarray(start, np.float64), tuple(trees))


def class_fractions(tree: Any) -> np.ndarray:
    """Returns a tree's values, [nodes, outputs or classes]; those of classes as `predict_proba` returns them.

    Before 1.4, a classifier's nodes hold counts, which `predict_proba` divides by their sum.
    """
    values = tree.tree_.value.reshape(tree.tree_.node_count, -1)
    if not hasattr(tree, "classes_") or not uses(type(tree).predict_proba, "sum"):
        return values
    total = values.sum(axis=1, keepdims=True)
    return values / np.where(total == 0.0, 1.0, total)  # type: ignore[no-any-return]


def averaged(model: Any) -> Forest:
    """Returns a tree, or the sum of a forest's trees in their order."""
    parts = [plain_tree(t.tree_, class_fractions(t)) for t in getattr(model, "estimators_", [model])]
    return forest_of(parts, model.n_features_in_, np.zeros(parts[0].values.shape[1]))


def boosted(model: Any, start: np.ndarray) -> Forest:
    """Converts gradient boosting: each stage adds ``learning_rate * value`` to its class."""
    trees = [
        plain_tree(stage.tree_, model.learning_rate * stage.tree_.value[:, 0, :1], number)
        for row in model.estimators_
        for number, stage in enumerate(row)
    ]
    return forest_of(trees, model.n_features_in_, start)


def histogram(model: Any, features: int) -> Forest:
    """Converts histogram gradient boosting, over the features that its preprocessor returns."""
    start = np.ravel(model._baseline_prediction).astype(np.float64)
    start = np.zeros(model.n_trees_per_iteration_) + start
    known = model._bin_mapper.make_known_categories_bitsets() if model.is_categorical_ is not None else (None, None)
    trees = [_histogram_tree(p, number, known) for row in model._predictors for number, p in enumerate(row)]
    return Forest(features, F64, F64, start, tuple(trees))


def _histogram_tree(predictor: Any, number: int, known: tuple[Any, Any]) -> Tree:
    nodes = predictor.nodes
    leaf = nodes["is_leaf"].astype(bool)
    sets: dict[int, tuple[Interval, ...]] = {}
    for node in np.flatnonzero(nodes["is_categorical"].astype(bool) & ~leaf):
        left = _members(predictor.raw_left_cat_bitsets[nodes["bitset_idx"][node]])
        if nodes["missing_go_to_left"][node]:
            # Unknown codes take the branch of NaN.
            bitsets, position = known
            there = _members(bitsets[position[nodes["feature_idx"][node]]])
            left = left | ~there
        sets[int(node)] = codes_to_intervals(np.flatnonzero(left), np.float64)
    return Tree(
        np.where(leaf, 0, nodes["feature_idx"]).astype(np.int32), nodes["num_threshold"].astype(np.float64),
        nodes["missing_go_to_left"].astype(bool), np.where(leaf, -1, nodes["left"].astype(np.int64)).astype(np.int32),
        np.where(leaf, -1, nodes["right"].astype(np.int64)).astype(np.int32), nodes["value"].reshape(-1, 1).astype(np.float64),
        number, sets,
    )  # fmt: skip


def _members(bitset: np.ndarray) -> np.ndarray:
    """Returns the bits of eight 32-bit words as bool[256]."""
    return np.unpackbits(np.ascontiguousarray(bitset, "<u4").view(np.uint8), bitorder="little").astype(bool)


def codes_to_intervals(codes: Sequence[int] | np.ndarray, dtype: type, *, below_zero: bool = False) -> tuple[Interval, ...]:
    """Returns the intervals of values that truncate to one of these codes: [c, c + 1); (-1, 1) for 0 where `below_zero`."""
    down = np.dtype(dtype).type(-np.inf)
    found: list[Interval] = []
    for code in sorted({int(c) for c in codes}):
        low = dtype(-1) if below_zero and code == 0 else np.nextafter(dtype(code), down)
        high = np.nextafter(dtype(code + 1), down)
        if found and found[-1][1] == low:
            low = found.pop()[0]
        found.append((low, high))
    return tuple(found)
