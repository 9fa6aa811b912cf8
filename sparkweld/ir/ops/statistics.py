"""Defines the ops of models that are tables of ordered numbers: linear interpolation, and weighted medians."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from sparkweld.ir.blocks import ConstantBlock
from sparkweld.ir.ops.models import ModelOp
from sparkweld.ir.types import F64, Type


@dataclass(frozen=True, slots=True)
class Interpolate(ModelOp):
    """``np.interp(x, xs, ys)`` of `points` points with ascending, finite xs; f64.

    Block: `xs`, `ys`, and the `slopes` between them; the last slope is not used.
    """

    points: int
    block: ConstantBlock
    output: int = 0
    name: ClassVar[str] = "interpolate"

    @staticmethod
    def of(xs: np.ndarray, ys: np.ndarray) -> Interpolate:
        """Builds the op from two or more points."""
        with np.errstate(all="ignore"):
            slopes = np.append(np.diff(ys) / np.diff(xs), 0.0)
        return Interpolate(len(xs), ConstantBlock.of(xs=xs.astype(np.float64), ys=ys.astype(np.float64), slopes=slopes))

    def results(self, *args: Type) -> tuple[Type, ...]:
        for name in ("xs", "ys", "slopes"):
            self._wants_part(name, "f64", self.points, args)
        self._wants(args == (F64,) and self.points > 1, "one f64", args)
        return (F64,)

    def evaluate_all(self, *args: np.ndarray) -> list[np.ndarray]:
        return [np.interp(args[0], self.block["xs"], self.block["ys"])]


@dataclass(frozen=True, slots=True)
class WeightedMedian(ModelOp):
    """The smallest argument at which the weights, accumulated in ascending order of arguments, reach half of their sum; f64.

    The second result is 1 where the order of equal arguments could decide the first. That is so when they have unequal weights,
    whose order affects the rounding of the sums, and some sum is within rounding of the half. Else it is 0. NaN sorts last.
    Block: `weights`, one an argument.
    """

    block: ConstantBlock
    output: int = 0
    name: ClassVar[str] = "weighted_median"

    @staticmethod
    def of(weights: np.ndarray) -> WeightedMedian:
        """Builds the op from the weights of the arguments."""
        return WeightedMedian(ConstantBlock.of(weights=weights.astype(np.float64)))

    def results(self, *args: Type) -> tuple[Type, ...]:
        part = self.block.part("weights")
        self._wants((part.kind, part.length) == ("f64", len(args)), f"{part.length} arguments", args)
        self._wants(args == (F64,) * len(args) and len(args) > 0, "f64", args)
        return (F64, F64)

    def evaluate_all(self, *args: np.ndarray) -> list[np.ndarray]:
        values = np.column_stack(args)
        order = np.argsort(values, axis=1, kind="stable")
        values, weights = np.take_along_axis(values, order, axis=1), self.block["weights"][order]
        sums = np.cumsum(weights, axis=1)
        half = 0.5 * sums[:, -1:]
        at = np.argmax(sums >= half, axis=1)
        unclear = (values[:, 1:] == values[:, :-1]) & (weights[:, 1:] != weights[:, :-1])
        near = np.abs(sums - half) <= self.slack * half
        found = np.take_along_axis(values, at[:, None], axis=1)[:, 0]
        return [found, (unclear.any(axis=1) & near.any(axis=1)).astype(np.float64)]

    @property
    def slack(self) -> float:
        """Relative difference that sums of the weights in different orders may have."""
        return 4 * self.block.length("weights") * float(np.finfo(np.float64).eps)


Interpolate.examples = (
    (Interpolate.of(np.array([-1.0, 0.5, 2.0, 2.0, 3.5]), np.array([1.0, -2.0, 0.25, 4.0, 4.0])), (F64,)),
    (Interpolate.of(np.linspace(-4, 4, 300), np.linspace(-4, 4, 300) ** 3), (F64,)),
    (Interpolate.of(np.array([0.0, 1.0]), np.array([-0.0, 0.0])), (F64,)),
)
WeightedMedian.examples = (
    (WeightedMedian.of(np.array([1.0])), (F64,)),
    (WeightedMedian.of(np.array([0.5, 0.25, 0.25, 1.0])), (F64,) * 4),
    (WeightedMedian.of(np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7])), (F64,) * 7),
)
