"""Defines the functions of strings by name: their parameters, types, and semantics in terms of Python's `str`.

`row(*values, *params)` computes one row; None represents NULL where the result is nullable. Positions and lengths count code
points. A function that a kernel cannot decide exactly for all rows has a companion ``<name>_decided``. Where that is False the
function returns NULL or an empty string, and frontends guard such rows.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from sparkweld.ir import json_documents, json_texts, urls
from sparkweld.ir.codecs import (
    ALPHABETS,
    DIGESTS,
    LARGEST_MODULUS,
    base64_decode,
    base64_decode_decided,
    base64_encode,
    category_hash,
    crc32,
    hex_rest,
    hexdigest,
    hexlify,
    hmac_key,
    json_quote,
    parse_base,
    parse_base_decided,
    parse_ipv4,
    unhexlify,
    without_wide,
)
from sparkweld.ir.time_formats import parse_iso, parsed_items, strftime, strftime_decided, strptime, written_items
from sparkweld.ir.types import BOOL, F64, I64, STR, Items, Type, list_of

Param = int | str | None

#: The most times that `repeat_some` repeats a string.
MOST_TIMES = 256

#: The most decimals of `format_decimal`, as of Python's decimals.
MOST_DECIMALS = 28

#: Kind of a parameter -> whether a value is valid. `text+` is one or more of `text`; `text1` is a string that is not empty.
PARAM_KINDS: dict[str, Callable[[object], bool]] = {
    "int": lambda v: type(v) is int and abs(v) < 1 << 62,
    "int?": lambda v: v is None or PARAM_KINDS["int"](v),
    "step": lambda v: PARAM_KINDS["int"](v) and v != 0,
    "text": lambda v: isinstance(v, str),
    "text?": lambda v: v is None or isinstance(v, str),
    "text1": lambda v: isinstance(v, str) and v != "",
    "text1?": lambda v: v is None or PARAM_KINDS["text1"](v),
    "char": lambda v: isinstance(v, str) and len(v) == 1,
    "third": lambda v: type(v) is int and 0 <= v <= 2,
    "shape": lambda v: isinstance(v, str) and v.isascii() and 1 <= v.count("0") <= MOST_DIGITS,
    "decimals": lambda v: type(v) is int and 0 <= v <= 9,
    "scale": lambda v: type(v) is int and 0 <= v <= MOST_DECIMALS,
    "separator": lambda v: v in ("", ",", "_"),
    "digest": lambda v: v in DIGESTS,
    "base": lambda v: type(v) is int and 2 <= v <= 36,
    "modulus": lambda v: type(v) is int and 0 < v < LARGEST_MODULUS,
    "alphabet": lambda v: v in ALPHABETS,
    "part": lambda v: type(v) is int and 0 <= v < len(urls.PARTS),
    "flag": lambda v: type(v) is int and v in (0, 1),
    "class": lambda v: type(v) is int and json_texts.NULL <= v <= json_texts.DICT,
    "block": lambda v: v in (64, 128),
    "byte": lambda v: type(v) is int and 0 <= v < 256,
    "u32": lambda v: type(v) is int and 0 <= v < 1 << 32,
    "parsed": lambda v: isinstance(v, str) and parsed_items(v) is not None,
    "written": lambda v: isinstance(v, str) and written_items(v) is not None,
}


@dataclass(frozen=True)
class StringFunction:
    """A function of strings: its semantics for a row, argument types, result type, and kinds of parameters."""

    row: Callable[..., object]
    arguments: tuple[Type, ...]
    result: Type
    params: tuple[str, ...] = ()
    variadic: bool = False
    also: Callable[[tuple[Param, ...]], bool] = lambda params: True

    def takes(self, params: tuple[Param, ...]) -> bool:
        """Whether these parameters are valid for the function."""
        kinds = self.params
        if kinds and kinds[-1].endswith("+"):
            if len(params) < len(kinds):
                return False
            kinds = (*kinds[:-1], *(kinds[-1][:-1] for _ in params[len(kinds) - 1 :]))
        known = len(params) == len(kinds) and all(PARAM_KINDS[k](p) for k, p in zip(kinds, params, strict=True))
        return known and self.also(params)


def _valid_utf8(s: str) -> bool:
    return not any("\ud800" <= c <= "\udfff" for c in s)


def _piece(pieces: list[str], index: int) -> str | None:
    return pieces[index] if -len(pieces) <= index < len(pieces) else None


#: Maximum digits of a number that certainly fits in 64 bits.
MOST_DIGITS = 18


def fixed_digits(s: str, shape: str) -> int | None:
    """Returns the digits of a string as one number, if it equals `shape` with an ASCII digit for each 0 in it; else None."""
    if len(s) != len(shape) or any(c not in "0123456789" if z == "0" else c != z for c, z in zip(s, shape, strict=True)):
        return None
    return int("".join(c for c, z in zip(s, shape, strict=True) if z == "0"))


#: Maximum bytes of the replacement of a code point in `translate`.
LONGEST_REPLACEMENT = 15


def _are_translations(params: tuple[Param, ...]) -> bool:
    """Whether the first parameter consists of distinct code points, with one further string for each."""
    keys, *texts = map(str, params)
    return len(set(keys)) == len(keys) == len(texts) and all(len(t.encode()) <= LONGEST_REPLACEMENT for t in texts)


def strip_accents_ascii(s: str) -> str:
    """Returns the ASCII part of the decomposed string.

    Equals sklearn.feature_extraction.text.strip_accents_ascii.
    """
    return unicodedata.normalize("NFKD", s).encode("ascii", "ignore").decode("ascii")


def strip_accents_unicode(s: str) -> str:
    """Returns the decomposed string without combining code points.

    Equals sklearn.feature_extraction.text.strip_accents_unicode.
    """
    return "".join(c for c in unicodedata.normalize("NFKD", s) if not unicodedata.combining(c))


#: Longest string that `parse_int` and `parse_float` decide (below Python's own limit of 4300 digits).
LONGEST_NUMBER = 4000


def _int_of(s: str) -> int | None:
    try:
        return int(s)
    except ValueError:
        return None


def parse_int_decided(s: str) -> bool:
    """Whether the string is ASCII, of limited length, and not an integer past 64 bits."""
    if not s.isascii() or len(s) > LONGEST_NUMBER:
        return False
    value = _int_of(s)
    return value is None or -(1 << 63) <= value < 1 << 63


def parse_int(s: str) -> int | None:
    return _int_of(s) if parse_int_decided(s) else None


def _float_of(s: str) -> float | None:
    try:
        return float(s)
    except ValueError:
        return None


def decimal_parts(s: str) -> tuple[int, int] | None:
    """Returns (digits as an integer, exponent of ten) of a string that `float` reads as a finite decimal number, else None."""
    text = s.strip("\t\n\v\f\r ").lstrip("+-").replace("_", "").lower()
    head, _, exponent = text.partition("e")
    whole, _, fraction = head.partition(".")
    return (int(whole + fraction), int(exponent or 0) - len(fraction)) if (whole + fraction).isdigit() else None


def parse_float_decided(s: str) -> bool:
    """Whether the string is ASCII, of limited length, and not a number, an infinity or NaN, zero, or in Clinger's exact case.

    Clinger's case is an integer up to 2**53, multiplied or divided by a power of ten up to 10**22, which rounds once.
    """
    if not s.isascii() or len(s) > LONGEST_NUMBER:
        return False
    value = _float_of(s)
    parts = None if value is None else decimal_parts(s)
    return parts is None or _is_clinger(*parts)


def _is_clinger(digits: int, exponent: int) -> bool:
    return digits == 0 or (digits <= 1 << 53 and abs(exponent) <= 22)


def parse_float(s: str) -> float | None:
    return _float_of(s) if parse_float_decided(s) else None


def format_fixed_decided(x: float, decimals: int, separator: str) -> bool:
    """Whether the number is NaN, an infinity, or below 2**52 when scaled."""
    return not math.isfinite(x) or abs(x) * 10.0**decimals < 2.0**52


def format_fixed(x: float, decimals: int, separator: str) -> str:
    return f"{x:{separator}.{decimals}f}" if format_fixed_decided(x, decimals, separator) else ""


def format_decimal(x: int, scale: int, separator: str) -> str:
    """Returns the string of x / 10**scale, with `scale` decimals."""
    return f"{Decimal(int(x)).scaleb(-scale):,f}".replace(",", separator)


#: The largest hundreds of `parse_decimal`; a kernel adds two more digits to them within int64.
_MOST_HUNDREDS = (2**63 - 1) // 100 - 1
_PLAIN_DECIMAL = re.compile(r"([+-]?)([0-9]*)(?:\.([0-9]*))?")


def parse_decimal(s: str, decimals: int) -> int | None:
    """Returns the number of a string times 10**(decimals + 2). Its last digit is 1 if other digits than zeros follow, else 0.

    None for a string that is not a sign, digits and a point, for a negative zero, and for a number beyond int64.
    """
    found = _PLAIN_DECIMAL.fullmatch(s)
    if found is None or not (found[2] or found[3]):
        return None
    digits = found[3] or ""
    number = int(found[2] + digits[: decimals + 1].ljust(decimals + 1, "0")) * 10 + any(c != "0" for c in digits[decimals + 1 :])
    if number // 100 > _MOST_HUNDREDS or (number == 0 and found[1] == "-"):
        return None
    return -number if found[1] == "-" else number


def is_code_point(x: int) -> bool:
    """Whether UTF-8 encodes the code point: surrogates are none."""
    return 0 <= x < 0x110000 and not 0xD800 <= x < 0xE000


def _unary(result: Type, *names: str) -> dict[str, StringFunction]:
    return {name: StringFunction(getattr(str, name), (STR,), result) for name in names}


_S, _SS = (STR,), (STR, STR)

FUNCTIONS: dict[str, StringFunction] = {
    # Defined for any bytes; guards evaluate these first.
    "valid_utf8": StringFunction(_valid_utf8, _S, BOOL),
    "is_ascii": StringFunction(str.isascii, _S, BOOL),
    "lacks": StringFunction(lambda s, characters: not set(s) & set(characters), _S, BOOL, ("text",)),  # each of them
    # Classes
    **_unary(
        BOOL, "isdigit", "isalpha", "isalnum", "isdecimal", "isnumeric", "isspace", "islower", "isupper", "istitle"
    ),
    # Case
    **_unary(STR, "lower", "upper", "swapcase", "title", "capitalize", "casefold"),
    # Substrings
    "strip": StringFunction(str.strip, _S, STR, ("text?",)),
    "lstrip": StringFunction(str.lstrip, _S, STR, ("text?",)),
    "rstrip": StringFunction(str.rstrip, _S, STR, ("text?",)),
    "remove_prefix": StringFunction(str.removeprefix, _S, STR, ("text",)),
    "remove_suffix": StringFunction(str.removesuffix, _S, STR, ("text",)),
    "slice": StringFunction(lambda s, a, b, step: s[a:b:step], _S, STR, ("int?", "int?", "step")),
    "substring": StringFunction(lambda s, a, b: s[a:b], (STR, I64, I64), STR),
    "get": StringFunction(lambda s, at: _piece(s, at), _S, STR.optional(), ("int",)),
    "char_at": StringFunction(lambda s, at: _piece(s, at), (STR, I64), STR.optional()),
    "split_part": StringFunction(
        lambda s, sep, most, at: _piece(s.split(sep, most), at), _S, STR.optional(), ("text1?", "int", "int")
    ),
    "rsplit_part": StringFunction(
        lambda s, sep, most, at: _piece(s.rsplit(sep, most), at), _S, STR.optional(), ("text1?", "int", "int")
    ),
    "split": StringFunction(lambda s, sep, most: Items("str", tuple(s.split(sep, most))), _S, list_of(STR), ("text1?", "int")),
    "rsplit": StringFunction(lambda s, sep, most: Items("str", tuple(s.rsplit(sep, most))), _S, list_of(STR), ("text1?", "int")),
    "split_count": StringFunction(lambda s, sep, most: len(s.split(sep, most)), _S, I64, ("text1?", "int")),
    "partition_part": StringFunction(lambda s, sep, at: s.partition(sep)[at], _S, STR, ("text1", "third")),
    "rpartition_part": StringFunction(lambda s, sep, at: s.rpartition(sep)[at], _S, STR, ("text1", "third")),
    # Search
    "length": StringFunction(len, _S, I64),
    "contains": StringFunction(lambda s, text: text in s, _S, BOOL, ("text",)),
    "starts_with": StringFunction(lambda s, *texts: s.startswith(texts), _S, BOOL, ("text+",)),
    "ends_with": StringFunction(lambda s, *texts: s.endswith(texts), _S, BOOL, ("text+",)),
    "find": StringFunction(lambda s, text, a, b: s.find(text, a, b), _S, I64, ("text", "int?", "int?")),
    "rfind": StringFunction(lambda s, text, a, b: s.rfind(text, a, b), _S, I64, ("text", "int?", "int?")),
    "count": StringFunction(lambda s, text, a, b: s.count(text, a, b), _S, I64, ("text", "int?", "int?")),
    "contains_str": StringFunction(lambda s, text: text in s, _SS, BOOL),
    "find_str": StringFunction(lambda s, text: s.find(text), _SS, I64),
    "rfind_str": StringFunction(lambda s, text: s.rfind(text), _SS, I64),
    "count_str": StringFunction(lambda s, text: s.count(text), _SS, I64),
    "remove_prefix_str": StringFunction(str.removeprefix, _SS, STR),
    "remove_suffix_str": StringFunction(str.removesuffix, _SS, STR),
    # An empty separator, for which Python raises, is not found.
    "split_str": StringFunction(lambda s, sep: Items("str", tuple(s.split(sep) if sep else (s,))), _SS, list_of(STR)),
    "code_point": StringFunction(lambda s: ord(s[0]) if s else 0, _S, I64),
    "starts_with_str": StringFunction(str.startswith, _SS, BOOL),
    "ends_with_str": StringFunction(str.endswith, _SS, BOOL),
    # New strings
    "replace": StringFunction(str.replace, _S, STR, ("text1", "text", "int")),
    "concat": StringFunction(lambda *parts: "".join(parts), _SS, STR, variadic=True),
    "translate": StringFunction(
        lambda s, keys, *texts: s.translate(str.maketrans(dict(zip(keys, texts, strict=True)))),
        _S, STR, ("text1", "text+"), also=_are_translations,
    ),
    "strip_accents_ascii": StringFunction(strip_accents_ascii, _S, STR),
    "strip_accents_unicode": StringFunction(strip_accents_unicode, _S, STR),
    "repeat": StringFunction(lambda s, n: s * n, _S, STR, ("int",)),
    "repeat_some": StringFunction(lambda s, n: s * min(int(n), MOST_TIMES), (STR, I64), STR),
    "center": StringFunction(str.center, _S, STR, ("int", "char")),
    "ljust": StringFunction(str.ljust, _S, STR, ("int", "char")),
    "rjust": StringFunction(str.rjust, _S, STR, ("int", "char")),
    "zfill": StringFunction(str.zfill, _S, STR, ("int",)),
    # Numbers
    "parse_int": StringFunction(parse_int, _S, I64.optional()),
    "parse_int_decided": StringFunction(parse_int_decided, _S, BOOL),
    "parse_float": StringFunction(parse_float, _S, F64.optional()),
    "parse_float_decided": StringFunction(parse_float_decided, _S, BOOL),
    "parse_base": StringFunction(lambda s, base: parse_base(s, base, LONGEST_NUMBER), _S, I64.optional(), ("base",)),
    "parse_base_decided": StringFunction(lambda s, base: parse_base_decided(s, base, LONGEST_NUMBER), _S, BOOL, ("base",)),
    "parse_decimal": StringFunction(parse_decimal, _S, I64.optional(), ("scale",)),
    "hex_rest": StringFunction(hex_rest, _S, I64, ("modulus",)),
    "fixed_digits": StringFunction(fixed_digits, _S, I64.optional(), ("shape",)),
    "from_code_point": StringFunction(lambda x: chr(x) if is_code_point(x) else "", (I64,), STR),
    "int_to_str": StringFunction(lambda x: str(int(x)), (I64,), STR),
    "format_int": StringFunction(lambda x, separator: f"{int(x):{separator}d}", (I64,), STR, ("separator",)),
    "format_decimal": StringFunction(format_decimal, (I64,), STR, ("scale", "separator")),
    "format_hex": StringFunction(lambda x, capital: f"{int(x):{'X' if capital else 'x'}}", (I64,), STR, ("flag",)),
    "float_to_str": StringFunction(lambda x: repr(float(x)), (F64,), STR),
    "float_to_str_decided": StringFunction(lambda x: True, (F64,), BOOL),
    # f"{x:.2f}", f"{x:,.0f}"
    "format_fixed": StringFunction(format_fixed, (F64,), STR, ("decimals", "separator")),
    "format_fixed_decided": StringFunction(format_fixed_decided, (F64,), BOOL, ("decimals", "separator")),
    # Digests and codecs
    "hexdigest": StringFunction(hexdigest, _S, STR, ("digest",)),
    "crc32": StringFunction(crc32, _S, I64, ("u32",)),
    "category_hash": StringFunction(category_hash, _S, I64),
    "hexlify": StringFunction(hexlify, _S, STR),
    "unhexlify": StringFunction(unhexlify, _S, STR),
    "hmac_key": StringFunction(hmac_key, _S, STR, ("block", "byte")),
    "parse_ipv4": StringFunction(parse_ipv4, _S, I64.optional()),
    "base64_encode": StringFunction(base64_encode, _S, STR, ("alphabet", "flag")),
    "base64_decode": StringFunction(base64_decode, _S, STR.optional(), ("alphabet",)),
    "json_quote": StringFunction(json_quote, _S, STR, ("flag",)),
    "json_root": StringFunction(json_texts.root, _S, STR.optional()),
    "json_root_decided": StringFunction(json_texts.root_decided, _S, BOOL),
    "json_kind": StringFunction(json_texts.kind, _S, I64),
    "json_truth": StringFunction(json_texts.truth, _S, BOOL),
    "json_string": StringFunction(json_texts.string, _S, STR),
    "json_member": StringFunction(json_texts.member, _SS, STR.optional()),
    "json_elements": StringFunction(json_texts.elements, _S, list_of(STR)),
    "json_keys": StringFunction(json_documents.keys, _S, list_of(STR)),
    "json_values": StringFunction(json_documents.values, _S, list_of(STR)),
    "json_strings": StringFunction(json_documents.strings, _S, list_of(STR)),
    "json_uniform": StringFunction(json_documents.uniform, _S, BOOL, ("class", "flag")),
    "json_writable": StringFunction(json_documents.writable, _S, BOOL),
    "json_written": StringFunction(json_documents.written, _S, STR, ("flag",)),
    "json_put": StringFunction(json_documents.put, (STR, STR, STR), STR),
    "json_drop": StringFunction(json_documents.drop, _SS, STR),
    "python_literal": StringFunction(json_documents.literal, _S, STR.optional()),
    "quote": StringFunction(urls.quote, _S, STR, ("text", "flag")),
    "unquote": StringFunction(urls.unquote, _S, STR, ("flag",)),
    "unquote_decided": StringFunction(urls.unquote_decided, _S, BOOL, ("flag",)),
    "url_part": StringFunction(urls.url_part, _S, STR, ("part",)),
    "url_decided": StringFunction(urls.url_decided, _S, BOOL),
    "query_values": StringFunction(urls.query_values, _SS, list_of(STR), ("flag",)),
    "base64_decode_decided": StringFunction(base64_decode_decided, _S, BOOL, ("alphabet",)),
    "without_wide": StringFunction(without_wide, _S, STR),
    # Times, in microseconds since 1970
    "parse_iso": StringFunction(parse_iso, _S, I64.optional()),
    "strptime": StringFunction(strptime, _S, I64.optional(), ("parsed",)),
    "strftime": StringFunction(strftime, (I64,), STR, ("written",)),
    "strftime_decided": StringFunction(strftime_decided, (I64,), BOOL),
}
