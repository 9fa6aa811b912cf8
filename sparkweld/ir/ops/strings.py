"""Defines the op of string functions: Python's `str` methods by name, with constant parameters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from sparkweld.errors import VerifyError
from sparkweld.ir.ops.base import Array, Op, Optional
from sparkweld.ir.ops.string_functions import FUNCTIONS, Param, StringFunction
from sparkweld.ir.types import STR, Type, encode


@dataclass(frozen=True, slots=True)
class StrCall(Op):
    """Applies `fn` of `string_functions.FUNCTIONS` to each row; written ``str.find["abc", 0, null] %0``.

    Arguments are plain values: programs spell out how pandas' methods handle NULL.
    """

    fn: str
    params: tuple[Param, ...] = ()
    name: ClassVar[str] = "str"

    def __post_init__(self) -> None:
        if self.fn not in FUNCTIONS:
            raise VerifyError(f"unknown function of strings {self.fn!r}")
        if not self.function.takes(self.params):
            raise VerifyError(f"str.{self.fn} takes [{', '.join(self.function.params)}], got {list(self.params)}")
        for param in self.params:
            if isinstance(param, str):
                encode(param, STR)

    @property
    def function(self) -> StringFunction:
        """The function of that name."""
        return FUNCTIONS[self.fn]

    def infer(self, *args: Type) -> Type:
        wanted = self.function.arguments
        if self.function.variadic:
            wanted += wanted[-1:] * (len(args) - len(wanted))
        if args != wanted:
            raise VerifyError(f"str.{self.fn} expects ({', '.join(map(str, wanted))}), got ({', '.join(map(str, args))})")
        return self.function.result

    def evaluate(self, *args: Array) -> Array:
        rows = np.broadcast_arrays(*args)  # type: ignore[arg-type]
        given = [self.function.row(*values, *self.params) for values in zip(*(r.tolist() for r in rows), strict=True)]
        return column(given, self.function.result)


def column(values: list[object], type: Type) -> Array:
    """Converts one value a row to an array; None is NULL."""
    if not type.nullable:
        return np.array(values, type.dtype)
    valid = np.array([v is not None for v in values], np.bool_)
    return Optional(np.array([type.zero if v is None else v for v in values], type.dtype), valid)


_WIDE = "ß€😀İ"
_EXAMPLES: dict[str, tuple[tuple[Param, ...], ...]] = {
    "strip": ((None,), ("",), ("ab",), (" é€x",)),
    "lstrip": ((None,), ("a",), ("é😀",)),
    "rstrip": ((None,), ("a ",), ("é😀",)),
    "remove_prefix": (("a",), ("",), (_WIDE,)),
    "remove_suffix": (("a",), ("",), ("é",)),
    "slice": (
        (0, 3, 1), (None, None, 1), (1, None, 1), (None, -1, 1), (-3, None, 1), (-5, -2, 1), (2, 1, 1), (100, None, 1),
        (None, None, -1), (None, None, 2), (1, 7, 3), (5, None, -2), (-1, -6, -1), (None, 2, -1), (-100, 4, 1),
    ),
    "get": ((0,), (3,), (-1,), (-4,), (100,)),
    "split_part": (
        (" ", -1, 0), (" ", -1, 1), (" ", -1, -1), (" ", 1, 1), (", ", -1, 0), ("a", -1, 2), ("aa", -1, -2), ("é", 0, 0),
        (None, -1, 0), (None, -1, 1), (None, -1, -1), (None, 1, 1), (None, 1, -1), (None, 0, 0), (None, 2, -2),
    ),
    "rsplit_part": (
        (" ", -1, 0), (" ", 1, 0), (" ", 1, 1), (" ", -1, -1), ("aa", 1, -1), ("aa", -1, 0), ("é", 2, 1),
        (None, -1, 0), (None, -1, -1), (None, 1, 0), (None, 1, -1), (None, 2, 1), (None, 0, 0),
    ),
    "split_count": ((" ", -1), (None, -1), ("aa", -1), (None, 1), ("é", 2), (None, 0)),
    "split": ((" ", -1), (None, -1), ("aa", -1), (None, 1), ("é", 2), (None, 0), (" ", 1)),
    "rsplit": ((" ", -1), (None, -1), ("aa", -1), (None, 1), ("aa", 1), (None, 0), (" ", 1)),
    "partition_part": ((" ", 0), (" ", 1), (" ", 2), ("aa", 0), ("é", 2)),
    "rpartition_part": ((" ", 0), (" ", 1), (" ", 2), ("aa", 0), ("é", 2)),
    "contains": (("a",), ("",), ("abc",), ("é",), ("a longer text than eight",), ("\0",)),
    "lacks": (("",), ("a",), (_WIDE,), ("éÿ\u4e00",), ("ab\U0010ffff",)),
    "starts_with": (("a",), ("",), ("abc", "é", "x" * 20)),
    "ends_with": (("a",), ("",), ("abc", "é", "x" * 20)),
    "find": (("a", None, None), ("", None, None), ("ab", 1, None), ("é", -5, -1), ("", 3, 2), ("", 5, None), ("aba", 2, 40)),
    "rfind": (("a", None, None), ("", None, None), ("ab", 1, None), ("é", -5, -1), ("", 3, 2), ("", 5, None), ("aa", 0, 9)),
    "count": (("a", None, None), ("", None, None), ("aa", 1, None), ("é", -5, -1), ("", 3, 2), ("", 5, None), ("ab", 0, 9)),
    "replace": (("a", "b", -1), ("aa", "", -1), ("é", "longer", 1), (" ", "€", 2), ("abc", "x", 0), (_WIDE, "a", -1)),
    "translate": (("a", ""), ("aé😀 ", "é", "a", "", "longer"), ("ßx", "ss", "€uro"), ("\0\U0010ffffΣ", "0", "", "σ")),
    "repeat": ((0,), (1,), (3,), (-1,)),
    "center": ((10, " "), (7, "é"), (0, "x"), (8, "*")),
    "ljust": ((10, " "), (7, "é"), (-1, "x")),
    "rjust": ((10, " "), (7, "😀"), (1, "0")),
    "zfill": ((5,), (1,), (12,)),
    "format_int": (("",), (",",), ("_",)),
    "format_decimal": ((2, ""), (0, ""), (0, ","), (2, ","), (18, ""), (28, "_")),
    "format_hex": ((0,), (1,)),
    "format_fixed": ((2, ""), (0, ""), (1, ","), (9, "_"), (6, ""), (0, ",")),
    "format_fixed_decided": ((2, ""), (0, ""), (9, "_")),
    "strptime": (("%Y-%m-%d",), ("%d %b %Y",), ("%H:%M:%S.%f %p",), ("%I%M%S%p",), ("%Y%m%d",), ("%A  %B %y%%",), ("%j/%Y",)),
    "strftime": (("%Y-%m-%d %H:%M:%S.%f",), ("%A %e %B %y, %-I:%M %p %j%%",), ("%a%b%u%w%U%W%k%l%P",), ("",)),
    "parse_base": ((16,), (2,), (8,), (10,), (36,)),
    "parse_base_decided": ((16,), (36,)),
    "parse_decimal": ((0,), (2,), (26,)),
    "hex_rest": ((1,), (100,), (1 << 31,), (10**16,), (2**31 - 1,)),
    "hmac_key": ((64, 0x36), (128, 0x5C)),
    "hexdigest": (("md5",), ("sha1",), ("sha224",), ("sha256",), ("sha384",), ("sha512",)),
    "base64_encode": (("+/", 0), ("-_", 0), ("+/", 1)),
    "base64_decode": (("+/",), ("-_",)),
    "base64_decode_decided": (("+/",), ("-_",)),
    "json_quote": ((0,), (1,)),
    "json_uniform": ((4, 0), (4, 1), (2, 1)),
    "json_written": ((0,), (1,)),
    "quote": (("/", 0), ("", 1), (" :é", 0)),
    "unquote": ((0,), (1,)),
    "unquote_decided": ((0,), (1,)),
    "url_part": ((0,), (1,), (2,), (3,), (4,)),
    "query_values": ((0,), (1,)),
    "crc32": ((0,), (4294967295,)),
    "fixed_digits": (("00",), ("0",), ("0000-00-00",), ("a0",), ("0" * 18,)),
}  # fmt: skip


def _examples() -> tuple[tuple[Op, tuple[Type, ...]], ...]:
    rows: list[tuple[Op, tuple[Type, ...]]] = []
    for fn, function in FUNCTIONS.items():
        rows.extend((StrCall(fn, params), function.arguments) for params in _EXAMPLES.get(fn, ((),)))
    rows.append((StrCall("concat"), (STR, STR, STR)))
    return tuple(rows)


StrCall.examples = _examples()

__all__ = ["StrCall", "column"]
