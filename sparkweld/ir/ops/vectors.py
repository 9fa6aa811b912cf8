"""Defines the ops of Spark ML vectors, dense or sparse in each row: their numbers, and weighted sums of those.

A vector is three arguments: whether it is dense (bool), its indices (list<i32>, ignored where it is dense) and its values
(list<f64>). It is *whole* when Spark's constructors accept it. A dense one then has `size` values. A sparse one has one value
for each index; indices ascend and are from 0 to `size` - 1. For other rows all numbers are 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from sparkweld.ir.blocks import ConstantBlock
from sparkweld.ir.ops.models import ModelOp
from sparkweld.ir.text_models import NORM_L1, NORM_L2, NORM_MAX, ONE, SCALE
from sparkweld.ir.types import BOOL, F64, I64, Items, Type

#: Argument types of a vector.
STORED = (BOOL, Type("list<i32>"), Type("list<f64>"))

#: Requirements on the values of a row of `VectorSums`: none, finite, or finite and not negative.
CHECKS = ("none", "finite", "positive")

#: Steps of `text_models` that VectorSums supports.
STEPS = (SCALE, ONE, NORM_L1, NORM_L2, NORM_MAX)


@dataclass(frozen=True, slots=True)
class VectorColumns(ModelOp):
    """The numbers of a vector. The first is i64: 1 where it is whole, else 0. The second is i64: 1 where it is sparse and
    stores a zero. Then follow `size` f64."""

    size: int
    block: ConstantBlock
    output: int = 0
    name: ClassVar[str] = "vector_columns"

    @staticmethod
    def of(size: int) -> VectorColumns:
        """Builds the op; it has no learned parameters, so the content of the block is ignored."""
        return VectorColumns(size, ConstantBlock.of(none=np.zeros(1, np.int64)))

    def results(self, *args: Type) -> tuple[Type, ...]:
        self._wants(args == STORED and self.size >= 0, f"{', '.join(map(str, STORED))}", args)
        return (I64, I64, *(F64,) * self.size)

    def evaluate_all(self, *args: np.ndarray) -> list[np.ndarray]:
        rows = [_entries(self.size, *row) for row in zip(*args, strict=True)]
        whole, zeros = np.array([row is not None for row in rows], np.int64), np.zeros(len(rows), np.int64)
        numbers = np.zeros((len(rows), self.size))
        for at, (entries, dense) in enumerate(zip(rows, args[0], strict=True)):
            if entries is not None:
                indices, values = entries
                numbers[at, indices] = values
                zeros[at] = not dense and bool((values == 0).any())
        return [whole, zeros, *numbers.T]


@dataclass(frozen=True, slots=True)
class VectorSums(ModelOp):
    """Sums over the stored values of a vector, in their order, of the value times its weight: an i64, then `outputs` f64.

    The i64 is 1 where the vector is whole and its values satisfy `check`, else 0. After the sums follow `outputs` more f64. In
    dense rows they are the sums of the absolute values of the same products, which bound the effect of another order. In sparse
    rows they are 0. Values are first transformed by `steps` of `text_models`. Further arguments: when `started`, one f64 an
    output, the initial values of the sums. Block: `weights`, f64[size, outputs], and `numbers`, for each SCALE one f64 a
    column.
    """

    size: int
    outputs: int
    steps: tuple[int, ...]
    check: str
    started: bool
    block: ConstantBlock
    output: int = 0
    name: ClassVar[str] = "vector_sums"

    @staticmethod
    def of(
        weights: np.ndarray, steps: Sequence[tuple[int, np.ndarray | None]] = (), check: str = "none", started: bool = False
    ) -> VectorSums:
        """Builds the op. `weights`: f64[size, outputs]; `steps`: kinds, and for each SCALE its numbers."""
        numbers = [np.zeros(0), *(np.asarray(given, np.float64) for _, given in steps if given is not None)]
        block = ConstantBlock.of(weights=np.asarray(weights, np.float64), numbers=np.concatenate(numbers))
        size, outputs = weights.shape
        return VectorSums(size, outputs, tuple(kind for kind, _ in steps), check, started, block)

    def results(self, *args: Type) -> tuple[Type, ...]:
        wanted = (*STORED, *(F64,) * self.outputs * self.started)
        self._wants(args == wanted, f"{', '.join(map(str, wanted))}", args)
        self._wants_part("weights", "f64", self.size * self.outputs, args)
        self._wants_part("numbers", "f64", self.size * self.steps.count(SCALE), args)
        self._wants(self.check in CHECKS and set(self.steps) <= set(STEPS), "known steps and checks", args)
        return (I64, *(F64,) * 2 * self.outputs)

    def evaluate_all(self, *args: np.ndarray) -> list[np.ndarray]:
        stored, starts = args[:3], args[3:]
        rows = [_entries(self.size, *row) for row in zip(*stored, strict=True)]
        weights = self.block["weights"].reshape(self.size, self.outputs)
        fine, sizes = np.zeros(len(rows), np.int64), np.zeros((len(rows), self.outputs))
        sums = np.column_stack(starts) if self.started else np.zeros((len(rows), self.outputs))
        for at, (entries, dense) in enumerate(zip(rows, stored[0], strict=True)):
            if entries is None:
                continue
            with np.errstate(all="ignore"):
                indices, values = entries[0], self._stepped(*entries)
                fine[at] = self._is_fine(values)
                for index, value in zip(indices, values, strict=True):
                    sums[at] += value * weights[index]
                    sizes[at] += np.abs(value * weights[index]) if dense else 0.0
        return [fine, *sums.T, *sizes.T]

    def _is_fine(self, values: np.ndarray) -> bool:
        if self.check == "none":
            return True
        return bool(np.isfinite(values).all() and (self.check == "finite" or (values >= 0).all()))

    def _stepped(self, indices: np.ndarray, values: np.ndarray) -> np.ndarray:
        scales = iter(self.block["numbers"].reshape(-1, self.size)) if SCALE in self.steps else iter(())
        for kind in self.steps:
            if kind == SCALE:
                values = values * next(scales)[indices]
            elif kind == ONE:
                values = np.ones(len(values))
            else:
                norm = _norm(values.tolist(), kind)
                values = values / norm if norm != 0 else values
        return values


def _norm(values: Sequence[float], kind: int) -> float:
    """Computes `Vectors.norm`: sums in order; the maximum ignores NaN."""
    norm = 0.0
    for value in values:
        if kind == NORM_MAX:
            norm = abs(value) if abs(value) > norm else norm
        else:
            norm += value * value if kind == NORM_L2 else abs(value)
    return float(np.sqrt(norm)) if kind == NORM_L2 else norm


def _entries(size: int, dense: bool, indices: Items, values: Items) -> tuple[np.ndarray, np.ndarray] | None:
    """Returns the stored indices and values of a row; None where its vector is not whole."""
    if None in values.values or (not dense and None in indices.values):
        return None
    numbers = np.array(values.values, np.float64)
    at = np.arange(size) if dense else np.array(indices.values, np.int64)
    if len(at) != len(numbers) or (np.diff(at, prepend=-1) <= 0).any() or (len(at) and at[-1] >= size):
        return None
    return at, numbers


def _example(size: int, outputs: int, steps: Sequence[int], check: str, started: bool) -> tuple[VectorSums, tuple[Type, ...]]:
    random = np.random.default_rng(size)
    given = [(kind, random.normal(size=size) if kind == SCALE else None) for kind in steps]
    op = VectorSums.of(random.normal(size=(size, outputs)), given, check, started)
    return op, (*STORED, *(F64,) * outputs * started)


VectorColumns.examples = tuple((VectorColumns.of(size), STORED) for size in (0, 1, 5, 9))
VectorSums.examples = (
    _example(5, 1, (), "none", False),
    _example(9, 3, (SCALE, NORM_L2, SCALE), "finite", True),
    _example(9, 2, (NORM_L1, ONE), "positive", False),
    _example(1, 1, (NORM_MAX,), "none", True),
)

__all__ = ["CHECKS", "STEPS", "STORED", "VectorColumns", "VectorSums"]
