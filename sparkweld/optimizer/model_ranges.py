"""Bounds the results of model ops cheaply: weighted term sums by norms or totals, forests by some of their trees.

Text models. After a step that divides a row's values by their norm, the values have norm 1. So a sum of weights over them is at
most the norm of the weights (Cauchy-Schwarz). When the document has at most n terms, only the n largest weights count. Values
are non-negative unless terms are hashed with signs, so only positive weights count for the upper bound. Where values are
occurrence counts times scales, perhaps divided by their norm, totals over all occurrences determine the sum except for the
norm. The norm is between the root of the total of the squares and the total of the sizes. Where no term occurs twice, it equals
the former.

Forests. The first trees are evaluated, and the others are bounded by their largest and smallest leaves.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sparkweld.ir.ops import ForestSums, TextSums
from sparkweld.ir.text_models import LOG, NORM_L1, NORM_L2, ONE, SCALE
from sparkweld.ir.types import Type

#: Maximum bytes of a block to read, and maximum columns for which additions lose less than `SLACK`.
_MOST_BYTES, _MOST_COLUMNS = 384 << 20, 1 << 20
#: Bound on the rounding of a sum, relative to the sum of the sizes: 2 ** 20 additions lose less than 2.4e-10.
SLACK = 1e-9
#: The same for each term of a row, where a row may have more terms: eight times the loss of one rounding.
SLACK_OF_A_TERM = 2.0**-50
#: Above it, and below its inverse, squares of a row's values might lose precision.
_EXTREME = 1e100
#: Smaller than any norm except 0; with norm 0 all values are 0.
LEAST_NORM = 1e-101
#: Document lengths, in code points, up to which separate bounds are computed.
_LENGTHS = (16, 32, 64, 128)
#: Maximum bytes of a block whose trees' bounds are cached for the next query.
REMEMBERED = 16 << 20
#: Number of synthetic rows that represent all rows.
ROWS = 256


def is_bounded(op: object) -> bool:
    """Whether bounds of the op can be computed: its bytes are present, not too many, and have no layout yet."""
    if not isinstance(op, TextSums | ForestSums) or op.block.data is None or op.block.size > _MOST_BYTES:
        return False
    return not (op.is_laid_out if isinstance(op, TextSums) else op.is_part)


@dataclass(frozen=True)
class TextRange:
    """Bounds of a document's contribution to its sum, by document length.

    A document of up to `lengths[k]` code points adds between `-low[k]` and `high[k]`; the last bounds hold for any length.
    """

    lengths: tuple[int, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


def text_range(op: TextSums) -> TextRange | None:
    """Returns the bounds of the op's output; None when no norm bounds it."""
    model = op.model
    columns, signed, norm = len(model.weights), model.is_signed, None
    most_terms, weights = model.analyzer.most_terms, model.weights[:, op.output].copy()
    for kind, numbers in model.steps:
        if kind in (NORM_L1, NORM_L2):
            norm, weights = kind, model.weights[:, op.output].copy()
        elif kind == SCALE:
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
    lengths = tuple(n for n in _LENGTHS if most_terms(n) < columns)
    most = [*map(most_terms, lengths), columns]
    low, high = (tuple(_largest(side, norm, k) for k in most) for side in (lower, upper))
    return TextRange(lengths, low, high)


@dataclass(frozen=True)
class TotalsRange:
    """How `TextTotals` bound a sum: by the norm that divides its values, or None, and the largest absolute weight."""

    norm: int | None
    largest: float


def totals_range(op: TextSums) -> TotalsRange | None:
    """Returns the bounds of the op's output; None where its steps are not supported."""
    model = op.model
    steps = model.steps
    if model.is_signed:
        return None
    if steps and steps[0][0] == SCALE:
        scales = model.scales
        if not np.all((scales == 0) | (scales > 1 / _EXTREME) & (scales < _EXTREME)):
            return None
        steps = steps[1:]
    largest = float(np.abs(model.weights[:, op.output]).max(initial=0.0))
    if len(steps) > 1 or any(kind not in (NORM_L1, NORM_L2) for kind, _ in steps) or not largest < _EXTREME:
        return None
    return TotalsRange(steps[0][0] if steps else None, largest)


def _largest(weights: np.ndarray, norm: int, count: int) -> float:
    """Bounds the sum of `count` non-negative weights times values of norm 1, rounding included."""
    first = np.partition(weights, max(len(weights) - count, 0))[max(len(weights) - count, 0) :] if len(weights) else weights
    found = float(np.sqrt(np.sum(first * first))) if norm == NORM_L2 else float(first.max(initial=0.0))
    return found * (1 + SLACK)


@dataclass(frozen=True, eq=False)
class ForestRange:
    """Bounds of one of a forest's sums.

    After the first n trees, for n from 0 to all, the others add between `low[n]` and `high[n]`.

    - typical: [trees + 1, rows], the partial sums in synthetic rows that represent all
    - sizes: the sum of the largest absolute terms of all trees
    """

    start: float
    low: np.ndarray
    high: np.ndarray
    typical: np.ndarray
    sizes: float

    def lost(self, type: Type) -> float:
        """Returns a bound on the rounding of sums in that type, both the kernel's and those of its bounds."""
        return 4 * (len(self.low) + 64) * float(np.finfo(type.dtype).eps) * self.sizes


def forest_range(op: ForestSums) -> ForestRange | None:
    """Returns the bounds of the op's output; None where a leaf is infinite or NaN."""
    forest = op.forest()
    ends = np.array([(terms.min(), terms.max()) for terms in forest.leaf_terms(op.output)]).reshape(-1, 2)
    start = float(forest.start[op.output])
    sizes = abs(start) + float(np.abs(ends).max(axis=1, initial=0.0).sum())
    if not np.isfinite(sizes):
        return None
    low, high = (ends.sum(axis=0) - np.cumsum(np.vstack([np.zeros((1, 2)), ends]), axis=0)).T
    typical = np.vstack([np.full(ROWS, start), forest.terms(op.output, forest.samples(ROWS))]).cumsum(axis=0)
    return ForestRange(start, low, high, typical, sizes)
