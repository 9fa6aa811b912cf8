"""Defines combinations of categories, and the statistics that a model stores for them: what `CategoryStatistics` computes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

#: Multiplier of CatBoost's hash of a combination (`catboost/libs/helpers/hash.h`).
FACTOR = 0x4906BA494954CB65


class PartKind(IntEnum):
    """What a part of a combination contributes to its key."""

    CATEGORY = 0  # the number of the argument's category
    IS_CATEGORY = 1  # 1 where it is `operand`, else 0
    IS_ABOVE = 2  # 1 where the number is greater than `operand`, else 0
    IS_ABOVE_OR_MISSING = 3  # the same, and 1 for NaN


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a combination: an argument of the op, by its position, and what is compared with it."""

    kind: PartKind
    argument: int
    operand: float = 0


@dataclass(frozen=True, slots=True)
class Combination:
    """The parts of a key, in order; the known keys, uint64; and their statistics, f32 [keys + 1, outputs], unknown keys' last."""

    parts: tuple[Part, ...]
    keys: np.ndarray
    values: np.ndarray
