"""A model op to bounds of its results that cost little: of sums over a text's terms, and of a forest by some of its trees.

Text. A row's values behind a step that divides by their norm have norm 1, so a sum of weights over them is at most the norm of
the weights (Cauchy and Schwarz), of as many of the largest as the text has terms. Values are not negative but where terms are
hashed with signs, so that only positive weights count for the upper bound. Where values are numbers of occurrences times scales,
perhaps divided by their norm, totals over all occurrences tell the sum but for the norm, which lies between the root of the
squares' total and the sizes' total; where no term occurs twice, it is the former.

Forest. The first trees are evaluated, and of the others the largest and the smallest leaf count.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sparkweld.ir.ops import TextSums, TreeEnsemble
from sparkweld.ir.text_layout import CHAR, LOG, NORM_L1, NORM_L2, ONE, SCALE, SIGNED, WORD, Head
from sparkweld.ir.types import Type

#: Bytes of a block up to which it is read, and columns up to which additions lose less than `SLACK`.
_MOST_BYTES, _MOST_COLUMNS = 256 << 20, 1 << 20
#: What rounding may add to a sum, as a share of what is added up: 2 ** 20 additions lose less than 2.4e-10.
SLACK = 1e-9
#: The same for each term of a row, where these may be more: eight times what one rounding loses.
SLACK_OF_A_TERM = 2.0**-50
#: Past it, and below its inverse, squares of a row's values might lose their precision.
_EXTREME = 1e100
#: Less than any norm but 0, of which all values are 0.
LEAST_NORM = 1e-101
#: Lengths of a text, in code points, up to which it has a bound of its own.
_LENGTHS = (16, 32, 64, 128)
#: Bytes of a block up to which its trees' bounds are kept for the next query.
REMEMBERED = 16 << 20
#: Made-up rows that stand for all.
ROWS = 256


def is_bounded(op: object) -> bool:
    """Whether bounds of the op can be looked for: its bytes are here, and not too many."""
    if not isinstance(op, TextSums | TreeEnsemble) or op.block.data is None or op.block.size > _MOST_BYTES:
        return False
    return isinstance(op, TextSums) or not op.is_part


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


@dataclass(frozen=True)
class TotalsRange:
    """How `TextTotals` bound a sum: the norm that its values are divided by, or None, and the largest of its weights' sizes."""

    norm: int | None
    largest: float


def totals_range(op: TextSums) -> TotalsRange | None:
    """That of the op's output; None where values are made otherwise."""
    head = op.block["head"]
    if head[Head.FEATURES] and int(head[Head.HASH]) == SIGNED:
        return None
    steps = [tuple(head[Head.STEPS + 1 + 2 * i : Head.STEPS + 3 + 2 * i].tolist()) for i in range(int(head[Head.STEPS]))]
    if steps and steps[0][0] == SCALE:
        scales = op.block["numbers"][: op.block.length("weights") // op.outputs]
        if not np.all((scales == 0) | (scales > 1 / _EXTREME) & (scales < _EXTREME)):
            return None
        steps = steps[1:]
    largest = float(np.abs(op.block["weights"].reshape(-1, op.outputs)[:, op.output]).max(initial=0.0))
    if len(steps) > 1 or any(kind not in (NORM_L1, NORM_L2) for kind, _ in steps) or not largest < _EXTREME:
        return None
    return TotalsRange(steps[0][0] if steps else None, largest)


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


@dataclass(frozen=True, eq=False)
class ForestRange:
    """Bounds of one of a forest's sums. After so many trees, from 0 to all: the others add between `low` and `high`.

    typical: [trees + 1, rows], what the sum is by then in made-up rows that stand for all. sizes: the largest terms of all trees,
    added up.
    """

    start: float
    low: np.ndarray
    high: np.ndarray
    typical: np.ndarray
    sizes: float

    def lost(self, type: Type) -> float:
        """More than what rounding makes of sums in that type: those that a kernel makes, and those of its bounds."""
        return 4 * (len(self.low) + 64) * float(np.finfo(type.dtype).eps) * self.sizes


def forest_range(op: TreeEnsemble) -> ForestRange | None:
    """That of the op's output; None where a leaf is infinite or NaN."""
    leaves = op.leaves(op.output)
    ends = np.array([(terms.min(), terms.max()) for terms in leaves]).reshape(-1, 2)
    start = float(op.block["start"][op.output])
    sizes = abs(start) + float(np.abs(ends).max(axis=1, initial=0.0).sum())
    if not np.isfinite(sizes):
        return None
    low, high = (ends.sum(axis=0) - np.cumsum(np.vstack([np.zeros((1, 2)), ends]), axis=0)).T
    typical = np.vstack([np.full(ROWS, start), op.terms(op.output, *op.samples(ROWS))]).cumsum(axis=0)
    return ForestRange(start, low, high, typical, sizes)
