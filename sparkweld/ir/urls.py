"""Defines the parts of URLs and their escapes in terms of Python's urllib.parse, where all its versions agree."""

from __future__ import annotations

import string
from urllib.parse import quote_from_bytes, unquote_to_bytes

from sparkweld.ir.codecs import text_of, utf8
from sparkweld.ir.types import Items

#: The characters of a scheme, and those of them that no scheme begins with; older versions of Python accept them there.
SCHEME = string.ascii_letters + string.digits + "+-."
NEVER_FIRST = string.digits + "+-."

#: Numbers of the parts.
PARTS = ("scheme", "netloc", "path", "query", "fragment")


def _split(s: str) -> tuple[str, ...]:
    """Returns the parts as `urlsplit` finds them, with the scheme as written."""
    scheme, netloc, query, fragment = "", "", "", ""
    at = s.find(":")
    if at > 0 and s[0] in string.ascii_letters and all(c in SCHEME for c in s[:at]):
        scheme, s = s[:at], s[at + 1 :]
    if s[:2] == "//":
        end = min((i for i in (s.find(c, 2) for c in "/?#") if i >= 0), default=len(s))
        netloc, s = s[2:end], s[end:]
    s, _, fragment = s.partition("#")
    s, _, query = s.partition("?")
    return scheme, netloc, s, query, fragment


def url_part(s: str, number: int) -> str:
    return _split(s)[number]


def url_decided(s: str) -> bool:
    """Whether all versions of Python agree on the URL.

    It has no control characters, which they strip. Its host has no brackets and is ASCII. It does not begin with a character with
    which a scheme begins in some versions only.
    """
    if any(c in s for c in "\t\r\n") or (s and (s[0] <= " " or s[0] in NEVER_FIRST)):
        return False
    netloc = _split(s)[1]
    return netloc.isascii() and "[" not in netloc and "]" not in netloc


def quote(s: str, safe: str, plus: int) -> str:
    """Returns ``quote(s, safe)``, or ``quote_plus(s, safe)``."""
    quoted = quote_from_bytes(utf8(s), safe + " " * plus)
    return quoted.replace(" ", "+") if plus else quoted


def _unquoted(s: str, plus: int) -> str:
    return text_of(unquote_to_bytes(utf8(s.replace("+", " ") if plus else s)))


def unquote_decided(s: str, plus: int) -> bool:
    """Whether the bytes without escapes are UTF-8. Each is then part of a character of its own run of escapes."""
    return not any("\ud800" <= c <= "\udfff" for c in _unquoted(s, plus))


def unquote(s: str, plus: int) -> str:
    """Returns ``unquote(s)``, or ``unquote_plus(s)``; an empty string where `unquote_decided` is False."""
    return _unquoted(s, plus) if unquote_decided(s, plus) else ""


def query_values(s: str, name: str, blank: int) -> Items:
    """Returns ``parse_qs(s, blank).get(name, [])``, if `unquote_decided`."""
    pairs = [piece.partition("=") for piece in s.split("&") if piece]
    found = [unquote(value, 1) for key, _, value in pairs if (value or blank) and _unquoted(key, 1) == name]
    return Items("str", tuple(found))
