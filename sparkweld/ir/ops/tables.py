"""Defines the ops of constant tables: membership and lookup of a row's value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np

from sparkweld.errors import VerifyError
from sparkweld.ir.ops.base import Array, Op, Optional
from sparkweld.ir.types import BOOL, DATE, F64, I32, I64, STR, TS, Type, decode, encode


@lru_cache(maxsize=16)  # each pass infers the types of all ops anew, and a table may have thousands of keys
def _decode_keys(literals: tuple[str, ...], type: Type) -> np.ndarray:
    """Decodes keys to a read-only sorted array without duplicates or NaN (-0.0 and 0.0 are one key)."""
    keys = np.array([decode(text, type) for text in literals], dtype=type.dtype)
    keys.flags.writeable = False
    return keys


def _check_keys(keys: np.ndarray, name: str) -> None:
    if not (np.all(keys[1:] > keys[:-1]) and not np.any(keys != keys)):
        raise VerifyError(f"{name} requires strictly ascending keys without NaN")


@dataclass(frozen=True, slots=True)
class IsIn(Op):
    """True where the value equals one of `keys` (IEEE equality: NaN is in no table; strings by code points)."""

    keys: tuple[str, ...]
    type: Type
    name: ClassVar[str] = "is_in"

    @staticmethod
    def of(values: object, type: Type) -> IsIn:
        """Builds the table of these values, in any order; drops duplicates and NaN."""
        return IsIn(tuple(encode(v, type) for v in _sorted_keys(values, type)), type)

    @property
    def table(self) -> np.ndarray:
        """Keys in ascending order, in the dtype of the type."""
        return _decode_keys(self.keys, self.type)

    def infer(self, *args: Type) -> Type:
        self._wants(args == (self.type,) and not self.type.nullable, f"one {self.type.plain()}", args)
        _check_keys(self.table, self.name)
        return BOOL

    def evaluate(self, *args: Array) -> Array:
        (x,) = args
        assert isinstance(x, np.ndarray)
        return _find(self.table, x)[1]


@dataclass(frozen=True, slots=True)
class Lookup(Op):
    """values[i] where the row's value equals keys[i], else NULL."""

    keys: tuple[str, ...]
    type: Type
    values: tuple[str, ...]
    value_type: Type
    name: ClassVar[str] = "lookup"

    @staticmethod
    def of(pairs: dict[object, object], type: Type, value_type: Type) -> Lookup:
        """Builds the table of these pairs; keys must be distinct as values of the type."""
        by_key = {k if type == STR else type.dtype.type(k): v for k, v in pairs.items()}  # type: ignore[call-overload]
        ordered = _sorted_keys(list(by_key), type)
        return Lookup(
            tuple(encode(k, type) for k in ordered), type, tuple(encode(by_key[k], value_type) for k in ordered), value_type
        )

    @property
    def table(self) -> tuple[np.ndarray, np.ndarray]:
        """(keys ascending, values), in the dtypes of the two types."""
        return _decode_keys(self.keys, self.type), _decode_keys(self.values, self.value_type)

    def infer(self, *args: Type) -> Type:
        self._wants(args == (self.type,) and not self.type.nullable, f"one {self.type.plain()}", args)
        keys, values = self.table
        _check_keys(keys, self.name)
        if len(keys) != len(values) or self.value_type.nullable:
            raise VerifyError(f"lookup requires as many plain values as keys, got {len(values)} for {len(keys)}")
        return self.value_type.optional()

    def evaluate(self, *args: Array) -> Array:
        (x,) = args
        assert isinstance(x, np.ndarray)
        keys, values = self.table
        at, found = _find(keys, x)
        zero = np.asarray(self.value_type.zero, self.value_type.dtype)
        return Optional(np.where(found, values[at], zero) if len(values) else np.full(x.shape, zero), found)


@dataclass(frozen=True, slots=True)
class Steps(Op):
    """values[i] for an integer in [bounds[i - 1], bounds[i]); there is one more value than bounds."""

    bounds: tuple[str, ...]
    type: Type
    values: tuple[str, ...]
    value_type: Type
    name: ClassVar[str] = "steps"

    @staticmethod
    def of(bounds: Sequence[int], values: Sequence[object], type: Type, value_type: Type) -> Steps:
        """Builds the op from ascending bounds."""
        return Steps(tuple(encode(b, type) for b in bounds), type, tuple(encode(v, value_type) for v in values), value_type)

    @property
    def table(self) -> tuple[np.ndarray, np.ndarray]:
        """(bounds ascending, values), in the dtypes of the two types."""
        return _decode_keys(self.bounds, self.type), _decode_keys(self.values, self.value_type)

    def infer(self, *args: Type) -> Type:
        self._wants(args == (self.type,) and self.type.is_int, f"one {self.type.plain()} that is an integer", args)
        bounds, values = self.table
        _check_keys(bounds, self.name)
        if len(values) != len(bounds) + 1 or self.value_type.nullable or self.value_type.kind == "str":
            raise VerifyError(f"steps requires one plain value more than bounds, got {len(values)} for {len(bounds)}")
        return self.value_type

    def evaluate(self, *args: Array) -> Array:
        (x,) = args
        assert isinstance(x, np.ndarray)
        bounds, values = self.table
        return values[np.searchsorted(bounds, x, side="right")]  # type: ignore[no-any-return]


def _sorted_keys(values: object, type: Type) -> np.ndarray:
    keys = np.asarray(list(values), dtype=type.dtype)  # type: ignore[call-overload]
    return np.unique(keys[keys == keys])


def _find(keys: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns (position of each x among the ascending keys, whether x is present)."""
    if not len(keys):
        return np.zeros(x.shape, np.intp), np.zeros(x.shape, np.bool_)
    at = np.minimum(np.searchsorted(keys, x), len(keys) - 1)
    return at, keys[at] == x


IsIn.examples = (
    (IsIn.of([3, 1, 2], I64), (I64,)),
    (IsIn.of([0.5, -0.0, float("nan")], F64), (F64,)),
    (IsIn.of([], F64), (F64,)),
    (IsIn.of(range(0, 400, 3), I32), (I32,)),
    (IsIn.of([0, 19000], DATE), (DATE,)),
    (IsIn.of(["a", "", "ß€", "abcdefghi"], STR), (STR,)),
    (IsIn.of([f"{k}é" * (k % 7) for k in range(60)], STR), (STR,)),
    (IsIn.of([0, -1, 10**15], TS), (TS,)),
)
Lookup.examples = (
    (Lookup.of({1: 10.5, 2: float("nan"), 7: -0.0}, I64, F64), (I64,)),
    (Lookup.of({}, I64, F64), (I64,)),
    (Lookup.of({k: k * k for k in range(200)}, F64, I64), (F64,)),
    (Lookup.of({"a": 1.5, "": 2.5, "abc": -0.0}, STR, F64), (STR,)),
    (Lookup.of({"a" * k: "é" * k for k in range(1, 40)}, STR, STR), (STR,)),
    (Lookup.of({1: "one", 2: "", 7: "😀"}, I64, STR), (I64,)),
    (Lookup.of({k: f"<{k}>" for k in range(0, 300, 2)}, I64, STR), (I64,)),
)
Steps.examples = (
    (Steps.of([-100, 0, 1, 10**12], [1, -1, 5, 2**40, 0], I64, I64), (I64,)),
    (Steps.of([], [2.5], I32, F64), (I32,)),
    (Steps.of(range(-50, 5000, 7), [k % 3 == 0 for k in range(723)], I32, BOOL), (I32,)),
)
