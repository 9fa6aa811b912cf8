"""Parses LightGBM's model text (defined by its `src/io/tree.cpp` and `include/LightGBM/tree.h`)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sparkweld.ir.trees import Forest, Interval, Tree
from sparkweld.ir.types import F64
from udf_compiler.frontends.models.forests.of_sklearn import codes_to_intervals

#: LightGBM treats values up to this magnitude as zero: 1e-35 as float32.
_ZERO = np.float64(np.float32(1e-35))
#: Bits of `decision_type`: a categorical split, missing values go left, and the kind of missing values.
_CATEGORICAL, _LEFT, _MISSING_SHIFT = 1, 2, 2
_NONE, _ZEROS, _NANS = 0, 1, 2


@dataclass(frozen=True)
class LightGBM:
    """A model: the entries of its header, and its trees in order."""

    head: dict[str, str]
    trees: tuple[Tree, ...]

    @property
    def features(self) -> int:
        return int(self.head["max_feature_idx"]) + 1

    @property
    def per_iteration(self) -> int:
        """Returns the number of trees per iteration: one per class."""
        return int(self.head["num_tree_per_iteration"])

    @property
    def averages(self) -> bool:
        """Whether sums are divided by the number of iterations (random forests)."""
        return "average_output" in self.head

    @property
    def iterations(self) -> int:
        return len(self.trees) // self.per_iteration

    @property
    def forest(self) -> Forest:
        return Forest(self.features, F64, F64, np.zeros(self.per_iteration), self.trees)


class Unread(Exception):
    """Raised for an element of a model that no reader supports; the message names it."""


def read(text: str) -> LightGBM:
    """Parses the result of `Booster.model_to_string()`. Raises Unread for linear trees."""
    head, *sections = text.split("\nTree=")
    entries = _entries(head)
    per_iteration = int(entries["num_tree_per_iteration"])
    trees = []
    for number, section in enumerate(sections):
        body = section.split("\n\n", 1)[0]
        trees.append(_tree(_entries(body), number % per_iteration))
    return LightGBM(entries, tuple(trees))


def _entries(text: str) -> dict[str, str]:
    pairs = (line.partition("=") for line in text.splitlines())
    return {key: value for key, _, value in pairs if key}


def _tree(entry: dict[str, str], first: int) -> Tree:
    if entry.get("is_linear", "0") != "0":
        raise Unread("linear trees")
    count = int(entry["num_leaves"])
    leaf_values = _floats(entry["leaf_value"])
    if count == 1:
        none = np.zeros(1, np.int32)
        return Tree(none, np.zeros(1), np.zeros(1, bool), none - 1, none - 1, leaf_values[:1].reshape(1, 1), first)
    inner = count - 1
    kind = _integers(entry["decision_type"])
    thresholds = _floats(entry["threshold"])
    nan_hits = np.zeros(inner + count, bool)
    sets: dict[int, tuple[Interval, ...]] = {}
    for node in range(inner):
        missing = kind[node] >> _MISSING_SHIFT & 3
        if kind[node] & _CATEGORICAL:
            sets[node] = codes_to_intervals(_codes(entry, int(thresholds[node])), np.float64, below_zero=True)
        else:
            default = bool(kind[node] & _LEFT)
            # NaN counts as zero where it is not a missing value.
            nan_hits[node] = default if missing != _NONE else 0.0 <= thresholds[node]
            if missing == _ZEROS:
                sets[node] = _around_zero(thresholds[node], default)
    padding = np.zeros(count)
    child = [_children(_integers(entry[name]), inner) for name in ("left_child", "right_child")]
    values = np.concatenate([np.zeros(inner), leaf_values]).reshape(-1, 1)
    feature = np.concatenate([_integers(entry["split_feature"]), padding]).astype(np.int32)
    return Tree(feature, np.concatenate([thresholds, padding]), nan_hits, child[0], child[1], values, first, sets)


def _children(numbers: np.ndarray, inner: int) -> np.ndarray:
    """Renumbers children: leaves, numbered -1, -2, ... in the text, follow the inner nodes."""
    return np.concatenate([np.where(numbers < 0, inner - 1 - numbers, numbers), np.full(inner + 1, -1)]).astype(np.int32)


def _around_zero(threshold: np.float64, default: bool) -> tuple[Interval, ...]:
    """Returns the intervals up to the threshold; values that count as zero are included only by default direction."""
    below = np.nextafter(-_ZERO, -np.inf)
    parts: list[Interval] = [(None, min(threshold, below))]
    if default:
        parts.append((below, _ZERO))
    if threshold > _ZERO:
        parts.append((_ZERO, threshold))
    return tuple(parts)


def _codes(entry: dict[str, str], which: int) -> np.ndarray:
    """Returns the categories of a split, from a bitset of 32-bit words."""
    bounds = _integers(entry["cat_boundaries"])
    words = np.array(entry["cat_threshold"].split(), "<u4")[bounds[which] : bounds[which + 1]]
    return np.flatnonzero(np.unpackbits(words.view(np.uint8), bitorder="little"))


def _floats(text: str) -> np.ndarray:
    return np.array(text.split(), np.float64)


def _integers(text: str) -> np.ndarray:
    return np.array(text.split(), np.int64)


