"""Parses what CatBoost's JSON models store about categorical features: single values, and statistics of combinations.

A statistic is a ratio of counts in the training data, scaled to the borders that trees compare it with. See section 3 of
Prokhorenkova et al., "CatBoost: unbiased boosting with categorical features", NeurIPS 2018. The library computes it in float32
(`catboost/libs/model/online_ctr.h`, `static_ctr_provider.cpp`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sparkweld.ir.category_combinations import Combination, Part, PartKind
from sparkweld.ir.ops import CategoryStatistics
from udf_compiler.frontends.models.forests.of_lightgbm import Unread


@dataclass(frozen=True)
class Single:
    """A column that is 1 where the category at a place of the training data has this number, else 0."""

    at: int
    number: int


#: A column that trees compare with borders, beside the numbers of the row: a single category, or the number of a statistic.
Derived = Single | int


@dataclass(frozen=True)
class Categories:
    """The derived columns of a model, by the numbers of the model's splits.

    - places: the place of each categorical feature in the training data -> its name
    - columns: in the order of the model
    - of_split: number of a split -> number of its column in `columns`
    - statistics: the op whose results are all statistics, by their numbers; None without any
    - arguments: the places of the op's arguments, all categories, then numbers
    """

    places: dict[int, str]
    columns: tuple[Derived, ...]
    of_split: dict[int, int]
    statistics: CategoryStatistics | None
    arguments: tuple[int, ...]


_Features = Mapping[int, Mapping[str, Any]]


def read_categories(document: Mapping[str, Any]) -> Categories:
    """Reads the categorical features of a model. Raises Unread for statistics of other types than those of the CPU."""
    kinds = document["features_info"]
    features = {one["feature_index"]: one for one in kinds.get("categorical_features") or ()}
    numbers = {one["feature_index"]: one for one in kinds.get("float_features") or ()}
    places = {one["flat_feature_index"]: one["feature_id"] for one in features.values()}
    columns: list[Derived] = []
    of_split: dict[int, int] = {}
    # Splits of numbers come first, then those of single categories, then those of statistics.
    split = sum(len(one.get("borders") or ()) for one in numbers.values())
    for feature in features.values():
        for number in feature.get("values") or ():
            of_split[split] = len(columns)
            columns.append(Single(feature["flat_feature_index"], number))
            split += 1
    statistics = kinds.get("ctrs") or ()
    parts = _Parts(features, numbers)
    order, combinations = _combinations(document, statistics, parts)
    for number, statistic in zip(order, statistics, strict=True):
        for _ in statistic["borders"]:
            of_split[split] = len(columns)
            split += 1
        columns.append(number)
    op = CategoryStatistics.of(len(places), len(parts.arguments) - len(places), combinations) if combinations else None
    return Categories(places, tuple(columns), of_split, op, tuple(parts.arguments))


def is_missing_above(feature: Mapping[str, Any]) -> bool:
    """Whether a missing value is above all borders: the feature's mode is Max, and its training data had one."""
    return bool(feature["nan_value_treatment"] == "AsTrue" and feature["has_nans"])


class _Parts:
    """The parts of combinations, and the places in the training data of the arguments that they refer to."""

    def __init__(self, features: _Features, numbers: _Features) -> None:
        self.features, self.numbers = features, numbers
        self.arguments = [one["flat_feature_index"] for one in features.values()]

    def part(self, element: Mapping[str, Any]) -> Part:
        kind = element["combination_element"]
        if kind == "float_feature":
            number = self.numbers[element["float_feature_index"]]
            kind = PartKind.IS_ABOVE_OR_MISSING if is_missing_above(number) else PartKind.IS_ABOVE
            return Part(kind, self._argument(number), float(np.float32(element["border"])))
        if kind not in ("cat_feature_value", "cat_feature_exact_value"):
            raise Unread(f"a part of a combination of the kind {kind}")
        argument = self._argument(self.features[element["cat_feature_index"]])
        return Part(PartKind.IS_CATEGORY, argument, element["value"]) if "value" in element else Part(PartKind.CATEGORY, argument)

    def _argument(self, feature: Mapping[str, Any]) -> int:
        if feature["flat_feature_index"] not in self.arguments:
            self.arguments.append(feature["flat_feature_index"])
        return self.arguments.index(feature["flat_feature_index"])


def _combinations(
    document: Mapping[str, Any], statistics: Sequence[Mapping[str, Any]], parts: _Parts
) -> tuple[list[int], list[Combination]]:
    """Returns the number of each statistic among the results of the op, and its combinations: each occurs once."""
    together: dict[tuple[Part, ...], list[int]] = {}
    for at, statistic in enumerate(statistics):
        together.setdefault(tuple(map(parts.part, statistic["elements"])), []).append(at)
    made = []
    for of, places in together.items():
        tables = [_values(document["ctr_data"][statistics[at]["identifier"]], statistics[at]) for at in places]
        keys = np.unique(np.concatenate([own for own, _ in tables]))
        values = np.empty((len(keys) + 1, len(tables)), np.float32)
        for column, (own, of_own) in enumerate(tables):
            values[:, column] = of_own[-1]
            values[np.searchsorted(keys, own[::-1]), column] = of_own[-2::-1]  # of a key that occurs twice, the first counts
        made.append(Combination(of, keys, values))
    number = {at: number for number, at in enumerate(at for places in together.values() for at in places)}
    return [number[at] for at in range(len(statistics))], made


def _values(data: Mapping[str, Any], statistic: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Returns the keys of a table, uint64, and the statistic of each, float32[keys + 1]: the last is that of unknown keys."""
    stride, flat = data["hash_stride"], data["hash_map"]
    keys = np.array([int(key) for key in flat[::stride]], np.uint64)
    counts = np.zeros((stride - 1, len(keys) + 1))
    for at in range(1, stride):
        counts[at - 1, :-1] = flat[at::stride]
    kind, class_ = statistic["ctr_type"], statistic["target_border_idx"]
    if kind == "Borders":
        hits, total = counts[class_ + 1 :].sum(axis=0), counts.sum(axis=0)
    elif kind == "Buckets":
        hits, total = counts[class_], counts.sum(axis=0)
    elif kind == "Counter":
        hits, total = counts[0], np.full(len(keys) + 1, float(data["counter_denominator"]))
    elif kind == "BinarizedTargetMeanValue":
        hits, total = counts
    else:
        raise Unread(f"statistics of the type {kind}")
    hit, all_ = (np.float32(statistic[f"prior_{name}"]) for name in ("numerator", "denomerator"))
    shift, scale = np.float32(statistic["shift"]), np.float32(statistic["scale"])
    with np.errstate(all="ignore"):
        return keys, ((hits.astype(np.float32) + hit) / (total.astype(np.float32) + all_) + shift) * scale
