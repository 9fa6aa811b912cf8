"""Converts between nullable and plain values: the only ops that handle NULL."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from sparkweld.ir.ops.base import Array, Op, Optional
from sparkweld.ir.types import BOOL, DATE, F32, F64, I8, I64, STR, TS, Items, Type, list_of


@dataclass(frozen=True, slots=True)
class IsValid(Op):
    """True where the value is not NULL."""

    name: ClassVar[str] = "is_valid"

    def infer(self, *args: Type) -> Type:
        self._wants(len(args) == 1 and args[0].nullable, "one nullable value", args)
        return BOOL

    def evaluate(self, *args: Array) -> Array:
        (x,) = args
        assert isinstance(x, Optional)
        return x.valid


@dataclass(frozen=True, slots=True)
class ValueOf(Op):
    """The plain value; zero, the empty string or the empty list where it is NULL."""

    name: ClassVar[str] = "value_of"

    def infer(self, *args: Type) -> Type:
        self._wants(len(args) == 1 and args[0].nullable, "one nullable value", args)
        return args[0].plain()

    def evaluate(self, *args: Array) -> Array:
        (x,) = args
        assert isinstance(x, Optional)
        return np.where(x.valid, x.values, np.asarray(_zero_of(x.values), x.values.dtype))


def _zero_of(values: np.ndarray) -> Any:
    if values.dtype != object:
        return values.dtype.type(0)
    first = values.flat[0] if values.size else ""
    return Items(first.kind) if isinstance(first, Items) else ""


@dataclass(frozen=True, slots=True)
class MakeOptional(Op):
    """optional(value, valid): the value where `valid`, else NULL."""

    name: ClassVar[str] = "optional"

    def infer(self, *args: Type) -> Type:
        self._wants(len(args) == 2 and not args[0].nullable and args[1] == BOOL, "a plain value and a bool", args)
        return args[0].optional()

    def evaluate(self, *args: Array) -> Array:
        value, valid = args
        assert isinstance(value, np.ndarray) and isinstance(valid, np.ndarray)
        value, valid = np.broadcast_arrays(value, valid)
        return Optional(value, valid)


_KINDS = (BOOL, I8, I64, F32, F64, DATE, STR, TS, list_of(F64))
IsValid.examples = tuple((IsValid(), (t.optional(),)) for t in _KINDS)
ValueOf.examples = tuple((ValueOf(), (t.optional(),)) for t in _KINDS)
MakeOptional.examples = tuple((MakeOptional(), (t, BOOL)) for t in _KINDS)
