"""Parses XGBoost's JSON model, with features, thresholds and sums in float32."""

from __future__ import annotations

import copy
import json
import sys
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from sparkweld.ir.trees import Forest, Interval, Tree
from sparkweld.ir.types import F32
from udf_compiler.frontends.models.forests.of_lightgbm import Unread
from udf_compiler.frontends.models.forests.of_sklearn import codes_to_intervals

#: An object of this JSON.
Json = dict[str, Any]

#: Boosters of trees, and the path of the trees in their JSON.
_TREES = {"gbtree": ("model",), "dart": ("gbtree", "model")}


@dataclass(frozen=True)
class XGBoost:
    """A model: its objective, its number of classes, and a forest whose start is the margin without trees.

    `weights`: of a linear booster, [features + 1, outputs], the biases last; its forest has no trees.
    """

    objective: str
    classes: int
    forest: Forest
    iterations: int = 0
    weights: np.ndarray | None = None


def read(raw: bytes, booster_class: Any, iterations: tuple[int, int] = (0, 0)) -> XGBoost:
    """Parses the result of ``Booster.save_raw("json")``, with the trees of `iterations` (begin, end); an end of 0 is the last.

    `booster_class` is XGBoost's Booster, which computes the margin without trees. Raises Unread.
    """
    document = json.loads(raw)
    learner = document["learner"]
    booster = learner["gradient_booster"]
    if booster["name"] == "gblinear":
        return _linear(document, booster_class)
    if booster["name"] not in _TREES:
        raise Unread(f"booster {booster['name']}")
    model = _model(document)
    starts = _starts(learner, model)
    rounds = len(starts) - 1
    begin, end = iterations[0], iterations[1] or rounds
    chosen = range(starts[begin], starts[min(end, rounds)])
    weights = model.get("weight_drop") or booster.get("weight_drop")
    start = _start(document, booster_class)
    trees = [_tree(model["trees"][i], model["tree_info"][i], 1.0 if weights is None else weights[i]) for i in chosen]
    forest = Forest(int(learner["learner_model_param"]["num_feature"]), F32, F32, start, tuple(trees))
    return XGBoost(learner["objective"]["name"], int(learner["learner_model_param"]["num_class"]), forest, rounds)


def _starts(learner: Json, model: Json) -> list[int]:
    """Returns the first tree of each iteration, and the number of trees. Models before 2.0 do not store them: all are alike."""
    if "iteration_indptr" in model:
        return list(model["iteration_indptr"])
    parameters = learner["learner_model_param"]
    outputs = max(int(parameters["num_class"]), int(parameters.get("num_target", 1)), 1)
    step = outputs * max(int(model["gbtree_model_param"].get("num_parallel_tree", 1)), 1)
    return list(range(0, len(model["trees"]) + 1, step))


def _linear(document: Json, booster_class: Any) -> XGBoost:
    """Parses a linear booster: the weights of the first feature, of the second, ..., and the biases."""
    learner = document["learner"]
    parameters = learner["learner_model_param"]
    features = int(parameters["num_feature"])
    weights = np.array(learner["gradient_booster"]["model"]["weights"], np.float32).reshape(features + 1, -1)
    bare = {**document, "learner": {**learner, "feature_names": [], "feature_types": []}}
    model = {**learner["gradient_booster"]["model"], "weights": [0.0] * weights.size}
    bare["learner"]["gradient_booster"] = {"name": "gblinear", "model": model}
    booster = booster_class(params={"nthread": 1, "verbosity": 0})
    with warnings.catch_warnings():  # this kind of booster is deprecated
        warnings.simplefilter("ignore")
        booster.load_model(bytearray(json.dumps(bare).encode()))
        row = sys.modules["xgboost"].DMatrix(np.zeros((1, features), np.float32), nthread=1)
        start = np.ravel(booster.predict(row, output_margin=True)).astype(np.float32)
    forest = Forest(features, F32, F32, start, ())
    return XGBoost(learner["objective"]["name"], int(parameters["num_class"]), forest, weights=weights)


def _model(document: Json) -> Any:
    booster = document["learner"]["gradient_booster"]
    for key in _TREES[booster["name"]]:
        booster = booster[key]
    return booster


def _start(document: Json, booster_class: Any) -> np.ndarray:
    """Returns the margins without trees, float32, by predicting with one tree that is a leaf of 0."""
    bare = copy.copy(document)
    learner = bare["learner"] = dict(document["learner"])
    whole = _model(document)
    leaf = _leaf_of(whole["trees"][0])
    model = {**whole, "trees": [leaf], "tree_info": [0], "iteration_indptr": [0, 1]}
    model["gbtree_model_param"] = {**whole["gbtree_model_param"], "num_trees": "1", "num_parallel_tree": "1"}
    learner["gradient_booster"] = {"name": "gbtree", "model": model}
    model.pop("weight_drop", None)
    learner["feature_names"], learner["feature_types"] = [], []
    model["cats"] = {"enc": [], "feature_segments": [], "sorted_idx": []}
    booster = booster_class(params={"nthread": 1})
    booster.load_model(bytearray(json.dumps(bare).encode()))
    row = np.zeros((1, int(learner["learner_model_param"]["num_feature"])), np.float32)
    return np.ravel(booster.inplace_predict(row, predict_type="margin")).astype(np.float32)


def _leaf_of(tree: Json) -> Json:
    """Returns a tree of one leaf with value 0, in the form of `tree`."""
    made = {key: value[:1] if isinstance(value, list) else value for key, value in tree.items()}
    made.update({key: [] for key in tree if key.startswith("categories")})
    made.update(left_children=[-1], right_children=[-1], split_conditions=[0.0], split_type=[0], split_indices=[0], id=0)
    size = max(int(tree["tree_param"]["size_leaf_vector"]), 1)
    made["base_weights"] = [0.0] * size
    if size > 1:
        made.update(leaf_weights=[0.0] * size, right_children=[0])
    made["tree_param"] = {**tree["tree_param"], "num_nodes": "1", "num_deleted": "0"}
    return made


def _tree(tree: Json, group: int, weight: float) -> Tree:
    left, right = (np.array(tree[k], np.int32) for k in ("left_children", "right_children"))
    condition = np.array(tree["split_conditions"], np.float32)
    default_left = np.array(tree["default_left"], bool)
    # x < t is equivalent to x <= the next smaller float32.
    threshold = np.nextafter(condition, np.float32(-np.inf))
    hit, miss, nan_hits = left.copy(), right.copy(), default_left.copy()
    sets: dict[int, tuple[Interval, ...]] = {}
    for number, node in enumerate(tree["categories_nodes"]):
        begin = tree["categories_segments"][number]
        codes = tree["categories"][begin : begin + tree["categories_sizes"][number]]
        # Listed categories take the right branch.
        sets[node] = codes_to_intervals(codes, np.float32)
        hit[node], miss[node], nan_hits[node] = right[node], left[node], not default_left[node]
    feature = np.where(left < 0, 0, np.array(tree["split_indices"])).astype(np.int32)
    if int(tree["tree_param"]["size_leaf_vector"]) > 1:
        if "leaf_weights" not in tree:
            raise Unread("trees of several outputs without leaf weights, as before XGBoost 3.1")
        # The right child of a leaf is its index among the leaf weights.
        leaves = np.array(tree["leaf_weights"], np.float32).reshape(-1, int(tree["tree_param"]["size_leaf_vector"]))
        values = np.float32(weight) * leaves[np.where(left < 0, right, 0)]
        group = 0
    else:
        values = (np.float32(weight) * condition).reshape(-1, 1)
    return Tree(feature, threshold, nan_hits, hit, miss, values, group, sets)
