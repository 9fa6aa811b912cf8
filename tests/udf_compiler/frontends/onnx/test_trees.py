"""Compares ensembles of trees with ONNX Runtime whose attributes no converter writes, and those on which versions differ."""

from __future__ import annotations

import numpy as np
import pytest

from tests.helpers.models import batch_of
from tests.udf_compiler.frontends.onnx.test_operators import ML, check, node, refused

BATCH = batch_of(a=np.array([0.0, -0.0, 0.5, -1.0, np.nan, np.inf, -np.inf] * 9))
OPTIONS = {"columns": 1, "batch": BATCH}


def regressor(order=(0, 1, 2), threshold=0.1, mode="BRANCH_LEQ", targets=((0,), (0,)), **options):
    """Returns a regressor of one tree with two leaves. `order`: of its nodes; `targets`: those with a weight in each leaf."""
    columns = {
        "nodeids": [0, 1, 2], "featureids": [0, 0, 0], "values": [threshold, 0.0, 0.0], "modes": [mode, "LEAF", "LEAF"],
        "truenodeids": [1, 0, 0], "falsenodeids": [2, 0, 0],
    }  # fmt: skip
    tree = {f"nodes_{name}": [values[at] for at in order] for name, values in columns.items()}
    leaves = [(leaf, target) for leaf, own in enumerate(targets, 1) for target in own]
    weights = {
        "target_treeids": [0] * len(leaves), "target_nodeids": [leaf for leaf, _ in leaves],
        "target_ids": [target for _, target in leaves], "target_weights": [leaf + target / 2 for leaf, target in leaves],
    }  # fmt: skip
    own = {"nodes_treeids": [0, 0, 0], **tree, **weights, "n_targets": 1, **options}
    return node("TreeEnsembleRegressor", "x", domain=ML, **own)


def classifier(weights, **options):
    """Returns a classifier of two labels: a tree whose two leaves have a weight of the first class."""
    tree = {
        "nodes_treeids": [0, 0, 0], "nodes_nodeids": [0, 1, 2], "nodes_featureids": [0, 0, 0], "nodes_values": [0.1, 0.0, 0.0],
        "nodes_modes": ["BRANCH_LEQ", "LEAF", "LEAF"], "nodes_truenodeids": [1, 0, 0], "nodes_falsenodeids": [2, 0, 0],
    }  # fmt: skip
    leaves = {"class_treeids": [0, 0], "class_nodeids": [1, 2], "class_ids": [0, 0], "class_weights": weights}
    own = {**tree, **leaves, "classlabels_int64s": [3, 5], **options}
    return node("TreeEnsembleClassifier", "x", domain=ML, out=["l", "y"], **own)


def test_order_of_nodes():
    """Leaves may be in any order. The library takes the first node as the root."""
    check(regressor(order=(0, 2, 1)), **OPTIONS)
    refused(regressor(order=(1, 0, 2)), **OPTIONS)


def test_nodes_of_a_tree_are_beside_each_other():
    """The library takes each change of the tree's number as a new root."""
    for trees, numbers in (([0, 1, 0, 0, 1, 1], [0, 0, 1, 2, 1, 2]), ([0, 0, 0, 1, 1, 1], [0, 1, 2, 0, 1, 2])):
        roots = [number == 0 for number in numbers]
        tree = {
            "nodes_treeids": trees, "nodes_nodeids": numbers, "nodes_featureids": [0] * 6, "nodes_values": [0.25] * 6,
            "nodes_modes": ["BRANCH_LEQ" if root else "LEAF" for root in roots],
            "nodes_truenodeids": [int(root) for root in roots], "nodes_falsenodeids": [2 * root for root in roots],
            "target_treeids": [0, 0, 1, 1], "target_nodeids": [1, 2, 1, 2], "target_ids": [0] * 4, "n_targets": 1,
        }  # fmt: skip
        weighted = node("TreeEnsembleRegressor", "x", domain=ML, **tree, target_weights=[1.0, 2, 4, 8])
        (check if trees == sorted(trees) else refused)(weighted, **OPTIONS)
        refused(node("TreeEnsembleRegressor", "x", domain=ML, **tree, target_weights=[3e38, 2, 3e38, -3e38]), **OPTIONS)


@pytest.mark.parametrize("threshold", [-0.0, 1e-45, np.inf])
@pytest.mark.parametrize("mode", ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GT", "BRANCH_GTE"])
def test_thresholds(mode, threshold):
    check(regressor(threshold=threshold, mode=mode), **OPTIONS)
    for odd in (np.nan, -np.inf):
        refused(regressor(threshold=odd, mode=mode), **OPTIONS)


def test_targets_without_weights():
    """The library adds no base value to a target without a weight in the row's leaves."""
    for targets in ([(0, 1), (0, 1)], [(0,), (1,)], [(0,), (0,)]):
        for column in (0, 1):
            check(regressor(targets=targets, n_targets=2), column=column, **OPTIONS)
    check(regressor(targets=[(0, 1), (0, 1)], n_targets=2, base_values=[1.0, 2.0]), column=1, **OPTIONS)
    refused(regressor(targets=[(0,), (0,)], n_targets=2, base_values=[1.0, 2.0]), **OPTIONS)
    refused(regressor(targets=[(0, 1), (0,)], n_targets=2, base_values=[1.0, 2.0]), **OPTIONS)


def test_two_classes_with_one_score():
    """Versions differ in what a negative base value means, and in LOGISTIC of positive scores."""
    for column in (0, 1):
        check(classifier([0.25, 0.75]), column=column, **OPTIONS)
        check(classifier([0.25, 0.5], base_values=[0.125]), column=column, **OPTIONS)
        for transform in ("NONE", "LOGISTIC"):
            check(classifier([-0.25, 0.75], post_transform=transform), column=column, **OPTIONS)
    refused(classifier([0.25, 0.75], base_values=[-0.25]), **OPTIONS)
    refused(classifier([0.25, 0.75], post_transform="LOGISTIC"), **OPTIONS)
