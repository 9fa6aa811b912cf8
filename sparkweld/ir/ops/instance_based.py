"""Defines the ops of models that store training rows: kernel sums over support vectors, and nearest neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from sparkweld.ir.blocks import ConstantBlock
from sparkweld.ir.ops.models import ModelOp, sum_products
from sparkweld.ir.types import F64, Type

_KERNELS = ("rbf", "poly", "sigmoid")


@dataclass(frozen=True, slots=True)
class KernelSums(ModelOp):
    """Weighted sums of kernels between a row x and `count` vectors v; all f64.

    There are `sums` results ``start + sum(weight * K(x, v))``. K of rbf is ``exp(-gamma * |x - v|**2)``, of poly ``(gamma * x @
    v + coef0) ** degree``, of sigmoid ``tanh(gamma * x @ v + coef0)``. Vectors of weight 0 add nothing. Block: `vectors` [count,
    arguments], `weights` [sums, count], `numbers`: gamma, coef0 and the starts. `guarded`: the program guards the rows where
    rounding differences of a sum would be visible.
    """

    kernel: str
    degree: int
    count: int
    sums: int
    guarded: bool
    block: ConstantBlock
    output: int = 0
    name: ClassVar[str] = "kernel_sums"

    @staticmethod
    def of(
        kernel: str, vectors: np.ndarray, weights: np.ndarray, starts: np.ndarray, gamma: float, coef0: float = 0.0,
        degree: int = 1, guarded: bool = False,
    ) -> KernelSums:  # fmt: skip
        """Builds the op from vectors [count, arguments], weights [sums, count] and starts [sums]."""
        numbers = np.array([gamma, coef0, *starts], np.float64)
        block = ConstantBlock.of(vectors=vectors.astype(np.float64), weights=weights.astype(np.float64), numbers=numbers)
        return KernelSums(kernel, degree, len(vectors), len(weights), guarded, block)

    @property
    def width(self) -> int:
        """Number of arguments."""
        return self.block.length("vectors") // max(self.count, 1)

    def results(self, *args: Type) -> tuple[Type, ...]:
        self._wants(self.kernel in _KERNELS and self.degree >= 0, "a known kernel", args)
        self._wants_part("vectors", "f64", self.count * len(args), args)
        self._wants_part("weights", "f64", self.sums * self.count, args)
        self._wants_part("numbers", "f64", self.sums + 2, args)
        self._wants(args == (F64,) * len(args) and self.count > 0 and self.sums > 0, "f64", args)
        return (F64,) * self.sums

    def evaluate_all(self, *args: np.ndarray) -> list[np.ndarray]:
        x, vectors = np.column_stack(args), self.block["vectors"].reshape(self.count, -1)
        gamma, coef0, *starts = self.block["numbers"]
        with np.errstate(all="ignore"):
            if self.kernel == "rbf":
                one = np.ones((1, x.shape[1]))
                kernels = np.column_stack([np.exp(-gamma * sum_products((x - v) ** 2, one)[:, 0]) for v in vectors])
            else:
                inner = gamma * sum_products(x, vectors) + coef0
                kernels = np.tanh(inner) if self.kernel == "sigmoid" else _power(inner, self.degree)
            made = []
            for start, weights in zip(starts, self.block["weights"].reshape(self.sums, -1), strict=True):
                used = weights != 0
                made.append(start + sum_products(kernels[:, used], weights[None, used])[:, 0])
            return made

    @property
    def bound(self) -> str | None:
        if self.guarded:
            return None
        terms = f"whose arguments are within {self.width + 3} eps of their terms"
        return f"{self.count + 4} eps of the sum of |weight * kernel|, {terms}"


def _power(x: np.ndarray, degree: int) -> np.ndarray:
    """Computes ``x ** degree`` by repeated squaring."""
    made = np.ones_like(x)
    while degree > 0:
        if degree & 1:
            made = made * x
        x = x * x
        degree >>= 1
    return made


@dataclass(frozen=True, slots=True)
class Neighbours(ModelOp):
    """The `nearest` + 1 smallest squared Euclidean distances to `count` points, and the values of the nearest points; all f64.

    Distances are ascending; then follow `columns` values of each of the `nearest` points. Points at equal distances keep their
    order. A distance that is NaN counts as infinite, and a point at infinite distance counts as the first point. Block: `points`
    [count, arguments], `values` [count, columns].
    """

    nearest: int
    count: int
    columns: int
    block: ConstantBlock
    output: int = 0
    name: ClassVar[str] = "neighbours"

    @staticmethod
    def of(points: np.ndarray, values: np.ndarray, nearest: int) -> Neighbours:
        """Builds the op from points [count, arguments] and their values [count, columns]."""
        block = ConstantBlock.of(points=points.astype(np.float64), values=values.astype(np.float64))
        return Neighbours(nearest, len(points), values.shape[1], block)

    def results(self, *args: Type) -> tuple[Type, ...]:
        self._wants_part("points", "f64", self.count * len(args), args)
        self._wants_part("values", "f64", self.count * self.columns, args)
        self._wants(args == (F64,) * len(args), "f64", args)
        self._wants(0 < self.nearest <= self.count, "no more neighbours than points", args)
        return (F64,) * (self.nearest + 1 + self.nearest * self.columns)

    def evaluate_all(self, *args: np.ndarray) -> list[np.ndarray]:
        points, values = self.block["points"].reshape(self.count, -1), self.block["values"].reshape(self.count, -1)
        distances = np.zeros((len(args[0]), self.count + 1))
        with np.errstate(all="ignore"):
            for k, x in enumerate(args):
                distances[:, :-1] += (x[:, None] - points[:, k]) ** 2
        distances[:, -1] = np.inf  # represents one more point
        distances[np.isnan(distances)] = np.inf
        order = np.argsort(distances, axis=1, kind="stable")[:, : self.nearest + 1]
        found = np.take_along_axis(distances, order, axis=1)
        order = np.where(np.isinf(found), 0, order)[:, :-1]
        return [*found.T, *values[order].reshape(len(order), self.nearest * self.columns).T]


def _examples() -> tuple[tuple[ModelOp, tuple[Type, ...]], ...]:
    random = np.random.default_rng(4)
    made: list[tuple[ModelOp, tuple[Type, ...]]] = []
    kernels = (("rbf", 1, 7, 3, 2), ("poly", 3, 5, 2, 1), ("sigmoid", 1, 4, 3, 3), ("poly", 0, 1, 1, 1))
    for kernel, degree, count, width, sums in kernels:
        vectors, weights = random.normal(size=(count, width)), random.normal(size=(sums, count))
        made.append((KernelSums.of(kernel, vectors, weights, random.normal(size=sums), 0.5, 0.25, degree), (F64,) * width))
    for nearest, count, width, columns in ((3, 9, 2, 1), (1, 1, 3, 2), (4, 4, 1, 1)):
        points, values = random.normal(size=(count, width)), random.normal(size=(count, columns))
        made.append((Neighbours.of(points, values, nearest), (F64,) * width))
    return tuple(made)


_EXAMPLES = _examples()
KernelSums.examples = tuple(e for e in _EXAMPLES if isinstance(e[0], KernelSums))
Neighbours.examples = tuple(e for e in _EXAMPLES if isinstance(e[0], Neighbours))
