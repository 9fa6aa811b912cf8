"""Defines digests and codecs of strings in terms of Python's modules: hashlib, zlib, base64, binascii, json, and int with a base.

A string is given as UTF-8. Surrogates of PEP 383 represent the bytes of a string that is not UTF-8.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import ipaddress
import json
import string
import zlib

from sparkweld.ir.city_hash import city_hash

#: Names in hashlib of the digests that kernels compute.
DIGESTS = ("md5", "sha1", "sha224", "sha256", "sha384", "sha512")

#: A kernel parses larger integers than this times the base only as undecided.
MOST_BEFORE_LAST_DIGIT = ((1 << 63) - 36) // 36

#: The exclusive bound of a constant by which kernels divide digits.
LARGEST_MODULUS = 1 << 59


def utf8(s: str) -> bytes:
    """Returns the bytes of a string."""
    return s.encode("utf-8", "surrogateescape")


def text_of(b: bytes) -> str:
    """Returns bytes as a string, as programs represent it."""
    return b.decode("utf-8", "surrogateescape")


def hexdigest(s: str, name: str) -> str:
    return hashlib.new(name, utf8(s), usedforsecurity=False).hexdigest()


def crc32(s: str, start: int) -> int:
    return zlib.crc32(utf8(s), start)


def category_hash(s: str) -> int:
    """Returns the number by which CatBoost names a category: the low 32 bits of its CityHash64, signed."""
    low = city_hash(utf8(s)) & 0xFFFFFFFF
    return low - (1 << 32) if low >> 31 else low


def _int_of(s: str, base: int) -> int | None:
    try:
        return int(s, base)
    except ValueError:
        return None


def parse_base_decided(s: str, base: int, longest: int) -> bool:
    """Whether the string is ASCII, of limited length, and no integer of about 62 bits or more."""
    if not s.isascii() or len(s) > longest:
        return False
    value = _int_of(s, base)
    return value is None or abs(value) // base <= MOST_BEFORE_LAST_DIGIT


def parse_base(s: str, base: int, longest: int) -> int | None:
    return _int_of(s, base) if parse_base_decided(s, base, longest) else None


def hex_rest(s: str, modulus: int) -> int:
    """Returns the digits as a hexadecimal number modulo a constant; other bytes than digits count as some digit."""
    value = 0
    for c in utf8(s):
        value = value * 16 + _digit(c)
    return value % modulus


def _digit(c: int) -> int:
    if 48 <= c <= 57:
        return c - 48
    return (c | 32) - 87 & 15 if 97 <= c | 32 <= 122 else 99 & 15


def without_wide(s: str) -> str:
    """Returns the ASCII characters of a string."""
    return s.encode("ascii", "ignore").decode()


def json_quote(s: str, ascii: int) -> str:
    return json.dumps(s, ensure_ascii=bool(ascii))


def hexlify(s: str) -> str:
    return utf8(s).hex()


def unhexlify(s: str) -> str:
    """Returns the bytes of hexadecimal digits; a digit without another is left out."""
    return text_of(bytes(_digit(a) * 16 + _digit(b) for a, b in zip(*[iter(utf8(s))] * 2, strict=False)))


def hmac_key(s: str, block: int, byte: int) -> str:
    """Returns a key, of at most `block` bytes, with zeros up to that length, each byte combined with `byte` by exclusive or."""
    return text_of(bytes(c ^ byte for c in utf8(s)[:block].ljust(block, b"\0")))


def parse_ipv4(s: str) -> int | None:
    """Returns the number of an IPv4 address in dotted form, as `ipaddress` reads it."""
    try:
        return int(ipaddress.IPv4Address(s))
    except ValueError:
        return None


#: The last two digits of an alphabet of Base64.
ALPHABETS = ("+/", "-_")


def base64_encode(s: str, last: str, is_hex: int) -> str:
    """Returns the Base64 of a string, or of the bytes that its hexadecimal digits represent."""
    data = utf8(unhexlify(s)) if is_hex else utf8(s)
    return base64.b64encode(data, last.encode()).decode()


def base64_decode(s: str, last: str) -> str | None:
    """Returns the bytes of Base64 as a string; None for a wrong padding, and where `base64_decode_decided` is False."""
    return _base64_decode(s, last) if base64_decode_decided(s, last) else None


def base64_decode_decided(s: str, last: str) -> bool:
    """Whether the bytes are UTF-8, and all versions of Python read the padding alike: it is at the end, and not too much."""
    known = [c for c in utf8(s) if chr(c) in f"{_DIGITS}{last}+/="]
    count = next((n for n, c in enumerate(known) if chr(c) == "="), len(known))
    pads = len(known) - count
    if any(chr(c) != "=" for c in known[count:]) or (pads and not (count % 4 >= 2 and count % 4 + pads <= 4)):
        return False
    decoded = _base64_decode(s, last)
    return decoded is None or not any("\ud800" <= c <= "\udfff" for c in decoded)


_DIGITS = string.ascii_letters + string.digits


def _base64_decode(s: str, last: str) -> str | None:
    try:
        return text_of(base64.b64decode(utf8(s), None if last == "+/" else last.encode()))
    except binascii.Error:
        return None
