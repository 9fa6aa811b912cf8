"""Defines the op that looks strings up in a hash table of thousands of keys, too large for constants of the code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np

from sparkweld.ir.blocks import ConstantBlock
from sparkweld.ir.layouts.key_tables import key_table, keys_of
from sparkweld.ir.ops.models import ModelOp
from sparkweld.ir.types import F64, I64, STR, Type


@dataclass(frozen=True, slots=True)
class KeyTable(ModelOp):
    """The number of a string among the table's keys, i64, or -1; and the value of that key, or 0.

    Block: `table` (see `ir.layouts.key_tables`), and `values`, one a key, f64 or i64. Without values there is only the first
    result.
    """

    block: ConstantBlock
    output: int = 0
    name: ClassVar[str] = "key_table"

    @staticmethod
    def of(keys: Sequence[str], values: np.ndarray | None = None) -> KeyTable:
        """Builds the op from distinct keys, and optionally one value for each."""
        arrays = {"table": np.frombuffer(key_table(keys), np.uint8)}
        return KeyTable(ConstantBlock.of(**arrays) if values is None else ConstantBlock.of(**arrays, values=values))

    @property
    def has_values(self) -> bool:
        """Whether the table has a value for each key."""
        return len(self.block.layout) > 1

    def results(self, *args: Type) -> tuple[Type, ...]:
        self._wants(args == (STR,) and self.block.part("table").kind == "u8", "one string, and a table of bytes", args)
        if not self.has_values:
            return (I64,)
        kind = self.block.part("values").kind
        self._wants(kind in ("f64", "i64"), f"values of f64 or i64, not {kind}", args)
        return (I64, F64 if kind == "f64" else I64)

    def evaluate_all(self, *args: np.ndarray) -> list[np.ndarray]:
        number_of = _numbers_of_keys(self.block)
        numbers = np.array([number_of.get(str(text), -1) for text in args[0]], np.int64)
        if not self.has_values:
            return [numbers]
        values = self.block["values"]
        return [numbers, np.where(numbers >= 0, values[numbers], values.dtype.type(0))]


@lru_cache(maxsize=4)
def _numbers_of_keys(block: ConstantBlock) -> dict[str, int]:
    """Maps each key to its number. Cached, since each evaluation of a program requests it."""
    return {key: number for number, key in enumerate(keys_of(block["table"].tobytes()))}


KeyTable.examples = (
    (KeyTable.of(["", "a", "ab", "日本", "a string of more than sixteen bytes", "x\0y"]), (STR,)),
    (KeyTable.of([f"key{n}" for n in range(3000)], np.arange(3000) * 0.5), (STR,)),
    (KeyTable.of(["a"], np.array([2**62])).at(1), (STR,)),
)  # fmt: skip
