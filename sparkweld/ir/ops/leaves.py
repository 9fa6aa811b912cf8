"""Defines the leaves of a loop body: constants, column reads, and the switch of optional optimizations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from sparkweld.errors import VerifyError
from sparkweld.ir.ops.base import Array, Op
from sparkweld.ir.types import BOOL, F64, I32, STR, Type, decode, encode


@dataclass(frozen=True, slots=True)
class Const(Op):
    """A plain value, the same on every row. `literal` is its exact text form (see `ir.types.encode`)."""

    literal: str
    type: Type
    name: ClassVar[str] = "const"

    @staticmethod
    def of(value: object, type: Type) -> Const:
        """Returns the constant `value`, converted to the type's dtype."""
        return Const(encode(value, type), type)

    @property
    def value(self) -> Any:
        """The constant as a NumPy scalar, or as a `str`."""
        return decode(self.literal, self.type)

    def infer(self, *args: Type) -> Type:
        self._wants(not args, "no argument", args)
        if self.type.nullable:
            raise VerifyError("const makes plain values; wrap it in `optional` for a nullable one")
        decode(self.literal, self.type)
        return self.type

    def evaluate(self, *args: Array) -> Array:
        return np.asarray(self.value, self.type.dtype)


Const.examples = (
    (Const.of(1.5, F64), ()),
    (Const.of(-0.0, F64), ()),
    (Const.of(float("nan"), F64), ()),
    (Const.of(-7, I32), ()),
    (Const.of("", STR), ()),
    (Const.of('a "b"\n\0\u2028é€😀', STR), ()),
)


@dataclass(frozen=True, slots=True)
class Read(Op):
    """The row's value of a column: an input, or a column that an earlier loop appended over this domain or its parents."""

    column: str
    type: Type
    name: ClassVar[str] = "read"

    def infer(self, *args: Type) -> Type:
        self._wants(not args, "no argument", args)
        return self.type

    def evaluate(self, *args: Array) -> Array:
        raise VerifyError("read has no meaning outside a loop; evaluate the program")


@dataclass(frozen=True, slots=True)
class Trial(Op):
    """Whether to run an optional optimization: a kernel decides for blocks of rows, by A/B timing. No result may depend on it."""

    name: ClassVar[str] = "trial"

    def infer(self, *args: Type) -> Type:
        self._wants(not args, "no argument", args)
        return BOOL

    def evaluate(self, *args: Array) -> Array:
        return np.asarray(True)
