"""Types of the IR: a scalar kind, and whether a value of it may be NULL.

A nullable value is a pair (value, valid). Only the ops of `ir.ops.validity` look at that pair; every other op takes
and gives plain values, so three-valued logic and NULL propagation are spelled out in programs and never implied.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sparkweld.errors import VerifyError

#: kind -> NumPy dtype of its values in memory. A date is days since 1970-01-01, a ts microseconds since its midnight. A str is
#: valid UTF-8 in kernels and a Python `str` in `evaluate`, where bytes that are no UTF-8 stand as PEP 383's surrogates; only
#: `str.valid_utf8` may meet those.
DTYPES: dict[str, np.dtype] = {
    "bool": np.dtype(np.bool_),
    "i8": np.dtype(np.int8),
    "i16": np.dtype(np.int16),
    "i32": np.dtype(np.int32),
    "i64": np.dtype(np.int64),
    "f32": np.dtype(np.float32),
    "f64": np.dtype(np.float64),
    "date": np.dtype(np.int32),
    "str": np.dtype(object),
    "ts": np.dtype(np.int64),
}

#: Kinds of points in time -> the kind of integers that a cast takes them to, value by value.
MOMENTS = {"date": "i32", "ts": "i64"}

#: Bytes of a str in a kernel's column: a view, which is its address and its length in bytes as two int64.
VIEW_BYTES = 16


@dataclass(frozen=True, slots=True)
class Type:
    """A scalar type; written ``f64``, or ``f64?`` when nullable."""

    kind: str
    nullable: bool = False

    def __post_init__(self) -> None:
        if self.kind not in DTYPES:
            raise VerifyError(f"unknown type {self.kind!r}; known: {', '.join(DTYPES)}")

    def __str__(self) -> str:
        return self.kind + ("?" if self.nullable else "")

    @property
    def dtype(self) -> np.dtype:
        """NumPy dtype of the values."""
        return DTYPES[self.kind]

    @property
    def width(self) -> int:
        """Bytes of a value in a kernel's column."""
        return VIEW_BYTES if self.kind == "str" else self.dtype.itemsize

    @property
    def zero(self) -> Any:
        """What stands in a NULL's place: 0 of the dtype, or the empty string."""
        return "" if self.kind == "str" else self.dtype.type(0)

    @property
    def is_float(self) -> bool:
        return self.kind in ("f32", "f64")

    @property
    def is_int(self) -> bool:
        return self.kind in ("i8", "i16", "i32", "i64")

    def plain(self) -> Type:
        """The same kind, never NULL."""
        return replace(self, nullable=False) if self.nullable else self

    def optional(self) -> Type:
        """The same kind, nullable."""
        return self if self.nullable else replace(self, nullable=True)


BOOL, I8, I16, I32, I64, F32, F64, DATE, STR, TS = (Type(kind) for kind in DTYPES)

_BY_DTYPE = {dtype: Type(kind) for kind, dtype in DTYPES.items() if kind not in (*MOMENTS, "str")}


def of_dtype(dtype: np.dtype) -> Type | None:
    """The plain type whose values have `dtype`, or None when the IR has no such type."""
    return _BY_DTYPE.get(np.dtype(dtype))


def parse_type(text: str) -> Type:
    """Inverse of ``str(type)``."""
    return Type(text.removesuffix("?"), text.endswith("?"))


def encode(value: object, type: Type) -> str:
    """A value as exact text: hexadecimal for floats, so that -0.0 and NaN compare and round-trip as themselves."""
    if type.kind == "str":
        return _checked_text(value)
    if type.kind == "bool":
        return "true" if value else "false"
    if type.is_float:
        return float(type.dtype.type(value)).hex()  # type: ignore[attr-defined]
    return str(int(value))  # type: ignore[call-overload]


def decode(text: str, type: Type) -> Any:
    """Inverse of `encode`: a NumPy scalar of the type's dtype, or a `str`."""
    if type.kind == "str":
        return _checked_text(text)
    if type.kind == "bool":
        if text not in ("true", "false"):
            raise VerifyError(f"{text!r} is not a bool literal")
        return np.bool_(text == "true")
    try:
        value = float.fromhex(text) if type.is_float else int(text)
        return type.dtype.type(value)
    except (ValueError, OverflowError):
        raise VerifyError(f"{text!r} is not a literal of type {type}") from None


def _checked_text(value: object) -> str:
    if not isinstance(value, str):
        raise VerifyError(f"{value!r} is not a literal of type str")
    if any("\ud800" <= c <= "\udfff" for c in value):
        raise VerifyError(f"{value!r} has a lone surrogate, which UTF-8 does not hold")
    return str(value)
