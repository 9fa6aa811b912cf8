"""Defines the types of the IR: a scalar kind or a list of scalars, and whether the value may be NULL.

A nullable value is a pair (value, valid). Only the ops of `ir.ops.validity` read that pair; every other op takes and returns
plain values. So programs spell out three-valued logic and NULL propagation, and never imply them.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sparkweld.errors import VerifyError

#: kind -> NumPy dtype of its values in memory. A date is days since 1970-01-01, a ts microseconds since its midnight. A str is
#: valid UTF-8 in kernels. In `evaluate` it is a Python `str`, where PEP 383's surrogates represent bytes that are not valid
#: UTF-8; only `str.valid_utf8` accepts those.
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

#: Kinds of lists -> the kind of their elements. Kernels store a list as a view, as they store a str. A list with a NULL element
#: is *incomplete*, and only `list.complete` accepts it. In `evaluate` a list is an `Items`.
LISTS: dict[str, str] = {f"list<{kind}>": kind for kind in ("bool", "i8", "i16", "i32", "i64", "f32", "f64", "str")}
DTYPES.update(dict.fromkeys(LISTS, np.dtype(object)))

#: Kinds of dates and timestamps -> the integer kind that a cast converts them to, without changing the value.
INTEGERS_OF_TIMES = {"date": "i32", "ts": "i64"}

#: Bytes of a str or a list in a kernel column: a view of two int64. For a str: the address and the length in bytes. For a list:
#: the address of the first element and the number n of elements, or ~n when it is incomplete. The elements of a list of str are
#: views.
VIEW_BYTES = 16


@dataclass(frozen=True, slots=True, eq=False)
class Items:
    """A list of elements of a `kind`, each as NumPy represents one value, None for NULL. Equal when the bits are."""

    kind: str
    values: tuple[Any, ...] = ()

    def _key(self) -> tuple[Any, ...]:
        floats = self.kind in ("f32", "f64")
        texts = ("nan" if math.isnan(x) else x.hex() for x in self.values if x is not None) if floats else ()
        return self.kind, tuple(texts), tuple(x is None if floats else x for x in self.values)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Items) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __bool__(self) -> bool:
        return bool(self.values)


@dataclass(frozen=True, slots=True)
class Type:
    """A scalar or list type; written ``f64``, or ``f64?`` when nullable."""

    kind: str
    nullable: bool = False

    def __post_init__(self) -> None:
        if self.kind not in DTYPES:
            raise VerifyError(f"unknown type {self.kind!r}; known: {', '.join(k for k in DTYPES if k not in LISTS)}, lists")

    def __str__(self) -> str:
        return self.kind + ("?" if self.nullable else "")

    @property
    def dtype(self) -> np.dtype:
        """NumPy dtype of the values."""
        return DTYPES[self.kind]

    @property
    def width(self) -> int:
        """Bytes of a value in a kernel's column."""
        return VIEW_BYTES if self.is_view else self.dtype.itemsize

    @property
    def zero(self) -> Any:
        """The value stored in place of NULL: 0 of the dtype, the empty string or the empty list."""
        if self.is_list:
            return Items(LISTS[self.kind])
        return "" if self.kind == "str" else self.dtype.type(0)

    @property
    def is_list(self) -> bool:
        return self.kind in LISTS

    @property
    def is_view(self) -> bool:
        """Whether the column stores a view of values that are located elsewhere."""
        return self.kind == "str" or self.is_list

    @property
    def element(self) -> Type:
        """The type of a list's elements."""
        return Type(LISTS[self.kind])

    @property
    def is_float(self) -> bool:
        return self.kind in ("f32", "f64")

    @property
    def is_int(self) -> bool:
        return self.kind in ("i8", "i16", "i32", "i64")

    def plain(self) -> Type:
        """Returns the same kind, not nullable."""
        return replace(self, nullable=False) if self.nullable else self

    def optional(self) -> Type:
        """Returns the same kind, nullable."""
        return self if self.nullable else replace(self, nullable=True)


BOOL, I8, I16, I32, I64, F32, F64, DATE, STR, TS = (Type(kind) for kind in DTYPES if kind not in LISTS)

_BY_DTYPE = {dtype: Type(kind) for kind, dtype in DTYPES.items() if kind not in (*INTEGERS_OF_TIMES, *LISTS, "str")}


def list_of(type: Type) -> Type:
    """Returns the type of lists of a plain type's values. Raises VerifyError for an unsupported element type."""
    return Type(f"list<{type}>")


def of_dtype(dtype: np.dtype) -> Type | None:
    """Returns the plain type whose values have `dtype`, or None when the IR has no such type."""
    return _BY_DTYPE.get(np.dtype(dtype))


def parse_type(text: str) -> Type:
    """Parses the output of ``str(type)``."""
    return Type(text.removesuffix("?"), text.endswith("?"))


def encode(value: object, type: Type) -> str:
    """Formats a value exactly: floats in hexadecimal, so that -0.0 and NaN compare and round-trip as themselves."""
    if type.is_list and type.element.kind == "str":
        return json.dumps([_checked_text(x) for x in value.values])  # type: ignore[attr-defined]
    if type.is_list:
        return " ".join(encode(x, type.element) for x in value.values)  # type: ignore[attr-defined]
    if type.kind == "str":
        return _checked_text(value)
    if type.kind == "bool":
        return "true" if value else "false"
    if type.is_float:
        with np.errstate(over="ignore"):  # a float64 beyond the range of float32 becomes infinity, without a warning
            return float(type.dtype.type(value)).hex()  # type: ignore[attr-defined]
    return str(int(value))  # type: ignore[call-overload]


def decode(text: str, type: Type) -> Any:
    """Parses the output of `encode` to a NumPy scalar of the type's dtype, a `str`, or an `Items`."""
    if type.is_list and type.element.kind == "str":
        return Items("str", tuple(_texts(text)))
    if type.is_list:
        return Items(type.element.kind, tuple(decode(part, type.element).item() for part in text.split()))
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


def _texts(text: str) -> list[str]:
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, list):
        raise VerifyError(f"{text!r} is not a literal of type list<str>")
    return [_checked_text(x) for x in found]


def _checked_text(value: object) -> str:
    if not isinstance(value, str):
        raise VerifyError(f"{value!r} is not a literal of type str")
    if any("\ud800" <= c <= "\udfff" for c in value):
        raise VerifyError(f"{value!r} has a lone surrogate, which UTF-8 does not hold")
    return str(value)
