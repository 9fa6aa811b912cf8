"""Parses CatBoost's JSON models (written by its `catboost/libs/model/model_export/json_model_helpers.cpp`).

A split compares a float32 with a border: greater values go to the right. Borders are sorted, so this is what the library's bins
decide (`catboost/libs/model/cpu/quantization.h`). Terms are added in the order of trees (`evaluator_impl.cpp`).
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
from udf_compiler.frontends.models.forests.catboost_categories import Categories, Single, is_missing_above, read_categories
from udf_compiler.frontends.models.forests.of_lightgbm import Unread


@dataclass(frozen=True)
class CatBoost:
    """A model of numeric and categorical features.

    - positions: the place of each feature in the training data -> its name; numbers that no tree uses are left out
    - numbers: the trees' columns of numbers; those that derive from categories follow
    - categories: the categorical features and what derives from them
    - trees: of one term per output
    - bias: [outputs], added after the trees
    - threshold: the probability above which a binary classifier predicts its second class
    """

    positions: dict[int, str]
    numbers: int
    categories: Categories
    trees: tuple[Tree, ...]
    bias: np.ndarray
    threshold: float

    def forest(self, start: int, end: int) -> Forest:
        """Returns the sums of the trees from `start` up to `end`, without the bias."""
        return Forest(self.numbers + len(self.categories.columns), F32, F64, np.zeros(len(self.bias)), self.trees[start:end])


def read(model: Any) -> CatBoost:
    """Reads a fitted CatBoost. Raises Unread for features that are text or embeddings, and for scaled sums."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.json"
        try:
            model.save_model(str(path), format="json")
        except Exception as error:  # noqa: BLE001 - the library's own: it cannot write an infinite border
            raise Unread(f"something that JSON cannot hold: {error}") from None
        document = json.loads(path.read_text(encoding="utf-8"))
    kinds = document["features_info"]
    for kind in ("text_features", "embedding_features"):
        if kinds.get(kind):
            raise Unread(kind.replace("_", " "))
    scale, bias = document["scale_and_bias"]
    if scale != 1:
        raise Unread("a scale of its sums")
    columns = _Columns(document)
    trees = [_symmetric(tree, columns, len(bias)) for tree in document.get("oblivious_trees", ())]
    trees += [_asymmetric(tree, columns) for tree in document.get("trees", ())]
    threshold = document["model_info"].get("binclass_probability_threshold", 0.5)
    return CatBoost(
        columns.places, columns.numbers, columns.categories, tuple(trees), np.array(bias, np.float64), float(threshold)
    )


class _Columns:
    """The columns of a model's trees, and how its splits compare them."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.floats = {one["feature_index"]: one for one in document["features_info"].get("float_features") or ()}
        self.categories = read_categories(document)
        numbers = {one["flat_feature_index"]: one for one in self.floats.values()}
        used = {at for at, one in numbers.items() if one.get("borders")} | (numbers.keys() & set(self.categories.arguments))
        self.places = {at: numbers[at]["feature_id"] for at in sorted(used)} | self.categories.places
        self.numbers = max(self.places, default=0) + 1

    def condition(self, split: dict[str, Any]) -> tuple[int, float, bool]:
        """Returns the column of a split, the border up to which its values are hits, and whether a missing value is one."""
        kind = split["split_type"]
        if kind == "FloatFeature":
            feature = self.floats[split["float_feature_index"]]
            return feature["flat_feature_index"], split["border"], not is_missing_above(feature)
        at = self.categories.of_split.get(split["split_index"], -1)
        column = self.categories.columns[at] if at >= 0 else None
        # Borders of statistics and single categories are numbered after all borders of numbers.
        if kind == "OneHotFeature" and isinstance(column, Single) and column.number == split["value"]:
            return self.numbers + at, 0.5, True
        if kind == "OnlineCtr" and isinstance(column, int):
            return self.numbers + at, split["border"], True
        raise Unread(f"a split of the type {kind}")


def _symmetric(tree: dict[str, Any], columns: _Columns, outputs: int) -> Tree:
    """Returns a tree whose levels have one split each: bit k of a leaf's number is the result of split k."""
    splits = list(reversed(tree["splits"] or ()))  # the root decides the highest bit, which keeps the order of leaves
    per_node = [split for level, split in enumerate(splits) for _ in range(1 << level)]
    inner, leaves = len(per_node), 1 << len(splits)
    hit = np.concatenate([2 * np.arange(inner) + 1, np.full(leaves, -1)])
    values = np.array(tree["leaf_values"], np.float64).reshape(leaves, outputs)
    return _tree(per_node, columns, hit, np.where(hit < 0, -1, hit + 1), values)


def _asymmetric(root: dict[str, Any], columns: _Columns) -> Tree:
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
    return _tree([n["split"] for n in inner], columns, hit, miss, np.array([np.ravel(n["value"]) for n in leaves], np.float64))


def _level_order(root: dict[str, Any]) -> Iterator[dict[str, Any]]:
    pending = [root]
    while pending:
        node = pending.pop(0)
        yield node
        if "split" in node:
            pending += [node["left"], node["right"]]


def _tree(splits: list[dict[str, Any]], columns: _Columns, hit: np.ndarray, miss: np.ndarray, leaves: np.ndarray) -> Tree:
    """Returns a tree of inner nodes with these splits, then leaves with these values. Values up to a border are hits."""
    conditions = [columns.condition(split) for split in splits]
    padding = np.zeros(len(leaves))
    column, border, missing = (list(part) for part in zip(*conditions, strict=True)) if conditions else ([], [], [])
    return Tree(
        np.concatenate([column, padding]).astype(np.int32),
        np.concatenate([border, padding]).astype(np.float32),
        np.concatenate([missing, padding]).astype(bool),
        hit.astype(np.int32),
        miss.astype(np.int32),
        np.concatenate([np.zeros((len(splits), leaves.shape[1])), leaves]),
    )
