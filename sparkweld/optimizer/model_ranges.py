"""A model op to bounds of its results that cost little: of sums over a text's terms, and of a forest by some of its trees.

Text. A row's values behind a step that divides by their norm have norm 1, so a sum of weights over them is at most the norm of
the weights (Cauchy and Schwarz), of as many of the largest as the text has terms. Values are not negative but where terms are
hashed with signs, so that only positive weights count for the upper bound.

Forest. The first trees are evaluated, and of the others the largest and the smallest leaf counts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from sparkweld.ir.ops import TextSums, TreeEnsemble
from sparkweld.ir.text_layout import CHAR, LOG, NORM_L1, NORM_L2, ONE, SCALE, SIGNED, WORD, Head
from sparkweld.ir.tree_layouts import TooLarge
from sparkweld.ir.trees import Forest, Tree

#: Bytes of a block up to which it is read, and columns up to which additions lose less than `SLACK`.
_MOST_BYTES, _MOST_COLUMNS = 256 << 20, 1 << 20
#: What rounding may add to a sum, as a share of what is added up: 2 ** 20 additions lose less than 2.4e-10.
SLACK = 1e-9
#: Past it, and below its inverse, squares of a row's values might lose their precision.
_EXTREME = 1e100
#: Lengths of a text, in code points, up to which it has a bound of its own.
_LENGTHS = (16, 32, 64, 128)


def is_bounded(op: object) -> bool:
    """Whether bounds of the op can be looked for: its bytes are here, and not too many."""
    return isinstance(op, TextSums | TreeEnsemble) and op.block.data is not None and op.block.size <= _MOST_BYTES


@dataclass(frozen=True)
class TextRange:
    """Between `-low[k]` and `high[k]` lies what a text of up to `lengths[k]` code points adds to its start; the last: any."""

    lengths: tuple[int, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


def text_range(op: TextSums) -> TextRange | None:
    """That of the op's output; None when no norm bounds it."""
    head = op.block["head"]
    columns = op.block.length("weights") // op.outputs
    weights = op.block["weights"].reshape(-1, op.outputs)[:, op.output].copy()
    norm, signed = None, bool(head[Head.FEATURES]) and int(head[Head.HASH]) == SIGNED
    for i in range(int(head[Head.STEPS])):
        kind, at = head[Head.STEPS + 1 + 2 * i : Head.STEPS + 3 + 2 * i].tolist()
        if kind in (NORM_L1, NORM_L2):
            norm, weights = kind, op.block["weights"].reshape(-1, op.outputs)[:, op.output].copy()
        elif kind == SCALE:
            numbers = op.block["numbers"][(at - op.block.offset("numbers")) // 8 :][:columns]
            signed = signed or bool((numbers < 0).any())
            weights *= numbers
            if not np.all((numbers == 0) | (np.abs(numbers) > 1 / _EXTREME) & (np.abs(numbers) < _EXTREME)):
                return None
        elif norm is None and (kind == ONE or kind == LOG and not signed):
            signed = False
        else:
            return None
    if norm is None or columns > _MOST_COLUMNS or not np.isfinite(weights).all():
        return None
    upper, lower = np.maximum(weights, 0.0), np.maximum(-weights, 0.0)
    if signed:
        upper = lower = np.abs(weights)
    lengths = tuple(n for n in _LENGTHS if _most_terms(head, n) < columns)
    most = [*(_most_terms(head, n) for n in lengths), columns]
    low, high = (tuple(_largest(side, norm, k) for k in most) for side in (lower, upper))
    return TextRange(lengths, low, high)


def _most_terms(head: np.ndarray, length: int) -> int:
    """Of a text of so many code points."""
    shortest, longest = int(head[Head.SHORTEST]), int(head[Head.LONGEST])
    if head[Head.ANALYZER] == CHAR:
        symbols = length
    elif head[Head.ANALYZER] == WORD:
        least = 1 if head[Head.EXTRA] and head[Head.LEAST] > 0 else int(head[Head.LEAST])
        symbols = (length + 1) // (least + 1) if not head[Head.SPLIT] else length + 1
    else:
        symbols = 3 * length  # each run of characters with a space before it and behind
    return (longest - shortest + 1) * symbols


def _largest(weights: np.ndarray, norm: int, count: int) -> float:
    """The most that values of norm 1 in so many columns make of weights that are not negative, rounding included."""
    first = np.partition(weights, max(len(weights) - count, 0))[max(len(weights) - count, 0) :] if len(weights) else weights
    found = float(np.sqrt(np.sum(first * first))) if norm == NORM_L2 else float(first.max(initial=0.0))
    return found * (1 + SLACK)


@dataclass(frozen=True)
class ForestRange:
    """The result of the first `trees`, to which the others add `low` to `high`; `mean`: of a row in the middle, by its leaves."""

    trees: int
    low: float
    high: float
    mean: float


def forest_range(forest: Forest, output: int, part: float) -> ForestRange | None:
    """By so large a part of the trees of one of its outputs; None where there is no such bound."""
    spans = [_leaves(tree, output) for tree in forest.trees]
    trees = int(part * len(spans))
    ends = np.array([(s.min(), s.max()) for s in spans]).reshape(-1, 2)
    start = float(forest.start[output])
    sizes = abs(start) + float(np.abs(ends).max(axis=1, initial=0.0).sum())
    if not trees or not np.isfinite(sizes):
        return None
    lost = 4 * (len(spans) + 2) * float(np.finfo(forest.sums.dtype).eps) * sizes
    low, high = ends[trees:].sum(axis=0).tolist()
    return ForestRange(trees, low - lost, high + lost, start + float(sum(s.mean() for s in spans[:trees])))


def first_trees(forest: Forest, output: int, trees: int) -> tuple[TreeEnsemble, tuple[int, ...]] | None:
    """The op of so many trees, and which of the arguments it takes; None where they do not fit a form."""
    first = replace(forest, trees=forest.trees[:trees])
    try:
        return replace(TreeEnsemble.of(first.of_used()), output=output), first.used or (0,)
    except TooLarge:
        return None


def _leaves(tree: Tree, output: int) -> np.ndarray:
    """The terms of a sum that a tree's leaves have."""
    values = tree.values[tree.is_leaf].astype(np.float64)
    at = output - tree.first
    return values[:, at] if 0 <= at < values.shape[1] else np.zeros(1)
