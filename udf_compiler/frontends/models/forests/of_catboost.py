"""Parses CatBoost's JSON models (written by its `catboost/libs/model/model_export/json_model_helpers.cpp`).

A split compares a float32 feature with a border: greater values go to the right. Borders are sorted, so this is what the
library's bins decide (`catboost/libs/model/cpu/quantization.h`). Terms are added in the order of trees (`evaluator_impl.cpp`).
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sparkweld.ir.trees import Forest, Tree
from sparkweld.ir.types import F32, F64
from udf_compiler.frontends.models.forests.of_lightgbm import Unread


@dataclass(frozen=True)
class CatBoost:
    """A model of numeric features.

    - positions: the place of each feature in the training data -> its name; features that no tree uses are left out
    - trees: of one term per output
    - bias: [outputs], added after the trees
    - threshold: the probability above which a binary classifier predicts its second class
    """

    positions: dict[int, str]
    trees: tuple[Tree, ...]
    bias: np.ndarray
    threshold: float

    def forest(self, start: int, end: int) -> Forest:
        """Returns the sums of the trees from `start` up to `end`, without the bias."""
        return Forest(max(self.positions, default=0) + 1, F32, F64, np.zeros(len(self.bias)), self.trees[start:end])


def read(model: Any) -> CatBoost:
    """Reads a fitted CatBoost. Raises Unread for categorical and other features that are not numbers, and for scaled sums."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.json"
        try:
            model.save_model(str(path), format="json")
        except Exception as error:  # noqa: BLE001 - the library's own: it cannot write an infinite border
            raise Unread(f"something that JSON cannot hold: {error}") from None
        document = json.loads(path.read_text(encoding="utf-8"))
    kinds = document["features_info"]
    for kind in ("categorical_features", "text_features", "embedding_features"):
        if kinds.get(kind):
            raise Unread(kind.replace("_", " "))
    scale, bias = document["scale_and_bias"]
    if scale != 1:
        raise Unread("a scale of its sums")
    features = {feature["feature_index"]: feature for feature in kinds.get("float_features", ())}
    trees = [_symmetric(tree, features, len(bias)) for tree in document.get("oblivious_trees", ())]
    trees += [_asymmetric(tree, features) for tree in document.get("trees", ())]
    used = {features[at]["flat_feature_index"]: features[at]["feature_id"] for at in features if features[at].get("borders")}
    threshold = document["model_info"].get("binclass_probability_threshold", 0.5)
    return CatBoost(used, tuple(trees), np.array(bias, np.float64), float(threshold))


def _symmetric(tree: dict[str, Any], features: dict[int, dict[str, Any]], outputs: int) -> Tree:
    """Returns a tree whose levels have one split each: bit k of a leaf's number is the result of split k."""
    splits = list(reversed(tree["splits"] or ()))  # the root decides the highest bit, which keeps the order of leaves
    per_node = [split for level, split in enumerate(splits) for _ in range(1 << level)]
    inner, leaves = len(per_node), 1 << len(splits)
    hit = np.concatenate([2 * np.arange(inner) + 1, np.full(leaves, -1)])
    values = np.array(tree["leaf_values"], np.float64).reshape(leaves, outputs)
    return _tree(per_node, features, hit, np.where(hit < 0, -1, hit + 1), values)


def _asymmetric(root: dict[str, Any], features: dict[int, dict[str, Any]]) -> Tree:
    """Returns a tree of nodes with a split and two children, or with a value."""
    nodes = list(_level_order(root))
    inner = [node for node in nodes if "split" in node]
    leaves = [node for node in nodes if "split" not in node]
    number = {id(node): at for at, node in enumerate([*inner, *leaves])}
    none = [-1] * len(leaves)
    hit = np.array([number[id(node["left"])] for node in inner] + none)
    miss = np.array([number[id(node["right"])] for node in inner] + none)
    if number[id(root)] != 0:
        raise Unread("a tree without a root")
    return _tree([n["split"] for n in inner], features, hit, miss, np.array([np.ravel(n["value"]) for n in leaves], np.float64))


def _level_order(root: dict[str, Any]) -> Iterator[dict[str, Any]]:
    pending = [root]
    while pending:
        node = pending.pop(0)
        yield node
        if "split" in node:
            pending += [node["left"], node["right"]]


def _tree(
    splits: list[dict[str, Any]], features: dict[int, dict[str, Any]], hit: np.ndarray, miss: np.ndarray, leaves: np.ndarray
) -> Tree:
    """Returns a tree of inner nodes with these splits, then leaves with these values. Values up to a border are hits."""
    if odd := next((split["split_type"] for split in splits if split["split_type"] != "FloatFeature"), None):
        raise Unread(f"a split of the type {odd}")
    read = [features[split["float_feature_index"]] for split in splits]
    padding = np.zeros(len(leaves))
    # A missing value is below all borders, unless the feature's mode is Max.
    nan_hits = [feature["nan_value_treatment"] != "AsTrue" or not feature["has_nans"] for feature in read]
    return Tree(
        np.concatenate([[feature["flat_feature_index"] for feature in read], padding]).astype(np.int32),
        np.concatenate([[split["border"] for split in splits], padding]).astype(np.float32),
        np.concatenate([nan_hits, padding]).astype(bool),
        hit.astype(np.int32),
        miss.astype(np.int32),
        np.concatenate([np.zeros((len(splits), leaves.shape[1])), leaves]),
    )
