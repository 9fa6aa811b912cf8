"""Defines the op of tree ensembles as programs are built: gradient boosting, random forests, single trees.

Passes read its trees. The last step of the optimizer replaces it by `ops.trees.TreeEnsemble`, in a form that kernels read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar
from weakref import WeakValueDictionary

import numpy as np

from sparkweld.ir.blocks import ConstantBlock
from sparkweld.ir.ops.models import ModelOp
from sparkweld.ir.trees import Forest
from sparkweld.ir.types import Type

#: (number of features, block) -> its trees, while anyone uses them: passes share what they derive from them.
_FORESTS: WeakValueDictionary[tuple[int, ConstantBlock], Forest] = WeakValueDictionary()


class TreeSums(ModelOp):
    """Defines what the op of a tree ensemble has in any form: `start` of its block has the type and the number of the results.

    With an `end` above 0, only the trees from `begin` up to it are evaluated. With a `begin` above 0, further arguments, one an
    output, are the sums so far. Consecutive ranges of trees add up to the bits of the whole ensemble, and all of them read one
    block.
    """

    __slots__ = ()

    arguments: int
    begin: int
    end: int

    @property
    def width(self) -> Type:
        """Type of the arguments."""
        raise NotImplementedError

    @property
    def trees(self) -> int:
        """Number of trees of the whole ensemble."""
        raise NotImplementedError

    @property
    def sums(self) -> Type:
        """Type of the results."""
        return self._floats("start")

    @property
    def outputs(self) -> int:
        """Number of results."""
        return self.block.length("start")

    @property
    def is_part(self) -> bool:
        """Whether the op evaluates only some of the trees."""
        return (self.begin, self.end) != (0, 0)

    def results(self, *args: Type) -> tuple[Type, ...]:
        sums = (self.sums,) * self.outputs
        wanted = (self.width,) * self.arguments + (sums if self.begin else ())
        self._wants(args == wanted, f"{self.arguments} {self.width}{', and sums' if self.begin else ''}", args)
        self._wants(not self.is_part or 0 <= self.begin < self.end <= self.trees, f"a part of {self.trees} trees", args)
        return sums


@dataclass(frozen=True, slots=True)
class ForestSums(TreeSums):
    """Sums of the leaves' values, in the order of the trees, as `sparkweld.ir.trees.Forest` defines them.

    `arguments`: number of features, all f32 or all f64. `share`: estimated fraction of the rows that need the sums, which
    decides the form. Block: the trees (see `Forest.constant`).
    """

    arguments: int
    share: float
    block: ConstantBlock
    output: int = 0
    begin: int = 0
    end: int = 0
    name: ClassVar[str] = "forest"

    @staticmethod
    def of(forest: Forest, share: float = 1.0) -> ForestSums:
        """Builds the op. Its arguments are all of the forest's features."""
        return ForestSums(forest.features, share, forest.constant())

    def forest(self) -> Forest:
        """Returns the ensemble; the block must hold its bytes, which the trees share."""
        key = self.arguments, self.block
        found = _FORESTS.get(key)
        if found is None:
            found = _FORESTS[key] = Forest.of_constant(*key)
        return found

    @property
    def width(self) -> Type:
        """Type of the arguments."""
        return self._floats("threshold")

    @property
    def trees(self) -> int:
        """Number of trees of the whole ensemble."""
        return self.block.length("trees") // 3

    def evaluate_all(self, *args: np.ndarray) -> list[np.ndarray]:
        features, sums = args[: self.arguments], args[self.arguments :]
        return self.forest().evaluate(features, self.begin, self.end or None, sums)
