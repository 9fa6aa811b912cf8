"""Defines the op of CatBoost's categorical features: numbers that the training data had for combinations of categories."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from sparkweld.ir.blocks import ConstantBlock
from sparkweld.ir.category_combinations import FACTOR, Combination, Part, PartKind
from sparkweld.ir.layouts.category_tables import PartWord, TableWord, find, layout
from sparkweld.ir.layouts.trees import PIECE
from sparkweld.ir.ops.models import ModelOp
from sparkweld.ir.types import F32, I64, Type

#: Rows of a call whose tables have more bytes than a core's caches hold: each call reads such tables from memory.
_FAR_ROWS, _FAR_BYTES = 8192, 1 << 20


@dataclass(frozen=True, slots=True)
class CategoryStatistics(ModelOp):
    """The statistics, f32, of combinations of categories and of comparisons with numbers.

    Arguments: the numbers of the categories, i64, then `numbers`, f32. A key starts with 0, and becomes
    ``FACTOR * (key + FACTOR * part)`` modulo 2**64 with each part of its combination. Results: the statistics of each
    combination in turn, `outputs` in all. Block: see `ir.layouts.category_tables`.
    """

    categories: int
    numbers: int
    outputs: int
    block: ConstantBlock
    output: int = 0
    name: ClassVar[str] = "category_statistics"

    @staticmethod
    def of(categories: int, numbers: int, combinations: Sequence[Combination]) -> CategoryStatistics:
        """Builds the op of one combination or more."""
        outputs = sum(one.values.shape[1] for one in combinations)
        return CategoryStatistics(categories, numbers, outputs, ConstantBlock.of(**layout(combinations)))

    @property
    def tables(self) -> int:
        """The number of combinations."""
        return self.block.length("tables") // len(TableWord)

    @property
    def rows(self) -> int:
        """Maximum rows that a kernel computes at a time."""
        return _FAR_ROWS if self.block.size > _FAR_BYTES else PIECE

    def results(self, *args: Type) -> tuple[Type, ...]:
        self._wants_part("tables", "i64", self.tables * len(TableWord), args)
        self._wants_part("parts", "i64", self.block.length("parts") // len(PartWord) * len(PartWord), args)
        self._wants_part("records", "i32", self.block.length("records"), args)
        self._wants(self.tables > 0 and self.outputs > 0, "one combination or more", args)
        types = (I64,) * self.categories + (F32,) * self.numbers
        self._wants(args == types, f"{self.categories} i64 and {self.numbers} f32", args)
        return (F32,) * self.outputs

    def evaluate_all(self, *args: np.ndarray) -> list[np.ndarray]:
        parts = self.block["parts"].reshape(-1, len(PartWord))
        records, begin = self.block["records"], 0
        made: list[np.ndarray] = []
        for table in self.block["tables"].reshape(-1, len(TableWord)).tolist():
            key = np.zeros(len(args[0]), np.uint64)
            for part in parts[begin : table[TableWord.PARTS_END]]:
                key += _part(part, args).astype(np.uint64) * part[PartWord.FACTOR].view(np.uint64)
            begin = table[TableWord.PARTS_END]
            made.extend(find(records, table, key).T)
        return made


def _part(part: np.ndarray, args: Sequence[np.ndarray]) -> np.ndarray:
    """Returns the integers of a part of the key."""
    argument, operand = args[part[PartWord.ARGUMENT]], part[PartWord.OPERAND]
    if part[PartWord.KIND] == PartKind.CATEGORY:
        return argument
    if part[PartWord.KIND] == PartKind.IS_CATEGORY:
        return argument == operand
    above = argument > operand.view(np.float64)
    return above | np.isnan(argument) if part[PartWord.KIND] == PartKind.IS_ABOVE_OR_MISSING else above  # type: ignore[no-any-return]


def _example(categories: int, numbers: int, *combinations: tuple[tuple[Part, ...], int, int]) -> CategoryStatistics:
    """`combinations`: parts, a number of rows that the training data had, and a number of statistics."""
    random = np.random.default_rng(categories)
    made = []
    for parts, rows, outputs in combinations:
        known = [0] * rows
        for part in parts:
            values = random.integers(-2, 7 if part.kind == PartKind.CATEGORY else 2, rows).tolist()
            known = [FACTOR * (key + FACTOR * value) % (1 << 64) for key, value in zip(known, values, strict=True)]
        keys = np.unique(np.array(known, np.uint64))
        made.append(Combination(parts, keys, random.normal(size=(len(keys) + 1, outputs)).astype(np.float32)))
    return CategoryStatistics.of(categories, numbers, made)


_A, _B = Part(PartKind.CATEGORY, 0), Part(PartKind.CATEGORY, 1)
_PARTS = (Part(PartKind.IS_CATEGORY, 1, 3), Part(PartKind.IS_ABOVE, 2, 0.5), Part(PartKind.IS_ABOVE_OR_MISSING, 3, -0.25))
CategoryStatistics.examples = (
    (_example(1, 0, ((_A,), 6, 3)), (I64,)),
    (_example(2, 2, ((_A, _B), 90, 1), ((_B, *_PARTS), 40, 2), ((_A,), 0, 1)).at(2), (I64, I64, F32, F32)),
    (_example(2, 2, ((_A, *_PARTS), 400, 5), ((_B, _A, *_PARTS), 400, 1)).at(5), (I64, I64, F32, F32)),
)  # fmt: skip
