"""Prunes the branches of tree ensembles that known ranges of the features rule out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from sparkweld.ir.trees import Forest, Interval, Tree


@dataclass(frozen=True)
class Span:
    """Known range of a feature: it lies in [low, high] (nowhere when low > high), or is NaN unless `nan` is False."""

    low: float = -np.inf
    high: float = np.inf
    nan: bool = True


def pruned(forest: Forest, spans: Mapping[int, Span]) -> Forest:
    """Removes the branches that no row reaches whose features lie in `spans`; returns the same object when there is none."""
    trees = tuple(_pruned(tree, spans) for tree in forest.trees)
    if all(a is b for a, b in zip(trees, forest.trees, strict=True)):
        return forest
    return replace(forest, trees=trees)


def _pruned(tree: Tree, spans: Mapping[int, Span]) -> Tree:
    """Removes the splits where all rows take the same side."""
    nodes = np.arange(len(tree.hit))
    onwards = np.where(_decided(tree, spans, hits=True), tree.hit, np.where(_decided(tree, spans, hits=False), tree.miss, nodes))
    while np.any((further := onwards[onwards]) != onwards):
        onwards = further
    if np.array_equal(onwards, nodes):
        return tree
    hit, miss = (np.where(tree.is_leaf, -1, onwards[child]) for child in (tree.hit, tree.miss))
    order, level = [], onwards[:1]
    while level.size:
        order.append(level)
        inner = level[~tree.is_leaf[level]]
        level = np.concatenate([hit[inner], miss[inner]])
    kept = np.concatenate(order)
    number = np.full(len(nodes) + 1, -1, np.int32)  # one more, so that the -1 of leaves maps to -1
    number[kept] = np.arange(len(kept), dtype=np.int32)
    sets = {int(number[node]): found for node, found in tree.sets.items() if number[node] >= 0}
    return Tree(tree.feature[kept], tree.threshold[kept], tree.nan_hits[kept], number[hit[kept]], number[miss[kept]],
                tree.values[kept], tree.first, sets)  # fmt: skip


def _decided(tree: Tree, spans: Mapping[int, Span], *, hits: bool) -> np.ndarray:
    """Returns bool[n]: whether all rows that may reach the split hit, or all miss."""
    found = np.zeros(len(tree.hit), bool)
    for feature in np.unique(tree.feature[~tree.is_leaf]):
        span = spans.get(int(feature), Span())
        here = ~tree.is_leaf & (tree.feature == feature)
        inside = span.high <= tree.threshold if hits else span.low > tree.threshold
        for node in np.flatnonzero(here)[np.isin(np.flatnonzero(here), list(tree.sets))]:
            inside[node] = _set_decides(tree.sets[int(node)], span, hits=hits)
        nan = ~np.bool_(span.nan) | (tree.nan_hits == hits)
        found |= here & nan & (inside | (span.low > span.high))
    return found


def _set_decides(intervals: tuple[Interval, ...], span: Span, *, hits: bool) -> bool:
    if hits:
        return any((low is None or span.low > low) and span.high <= high for low, high in intervals)
    return all((low is not None and span.high <= low) or span.low > high for low, high in intervals)
