"""Defines functions of JSON documents: `root` in terms of Python's json, and the others by a scan of what `root` accepted.

A value is its text within the document, without white space around it. The scan is defined for any string, and equals Python's
parser on valid JSON.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from sparkweld.ir.codecs import text_of, utf8
from sparkweld.ir.types import Items

#: Values of deeper nesting, longer numbers, and those with exponents below -99, which may be 0.0, are undecided.
MOST_DEPTH, LONGEST_NUMBER = 60, 200
_NUMBER = re.compile(r"[-+.0-9eE]+")

NULL, BOOL, INT, FLOAT, STR, LIST, DICT = range(7)

_SPACE = b" \t\n\r"
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"?', re.DOTALL)


def _depth(s: str) -> int:
    """Returns the deepest nesting of the brackets outside of strings."""
    depth = most = 0
    for c in _STRING.sub("", s):
        depth += (c in "[{") - (c in "]}")
        most = max(most, depth)
    return most


def _is_large(s: str) -> bool:
    """Whether the beginning of a document nests too deeply, or has a number that a kernel does not decide."""
    numbers = _NUMBER.findall(_STRING.sub("", s))
    return _depth(s) > MOST_DEPTH or any(len(n) > LONGEST_NUMBER or re.search(r"[eE]-\d{3}", n) for n in numbers)


def _status(s: str) -> bool | None:
    """Returns whether Python parses the string; None where a kernel cannot tell, or cannot hold a string of the result."""
    try:
        parsed = json.loads(s, object_pairs_hook=list)
    except json.JSONDecodeError as error:
        return None if _is_large(s[: error.pos]) else False
    except (RecursionError, ValueError):
        return None
    if _is_large(s):
        return None
    written = json.dumps(parsed, ensure_ascii=False) if "\\" in s else ""
    return None if any("\ud800" <= c <= "\udfff" for c in written) else True


def root(s: str) -> str | None:
    """Returns the value of a document; None where Python raises JSONDecodeError, and where `root_decided` is False."""
    return s.strip(" \t\n\r") if _status(s) else None


def root_decided(s: str) -> bool:
    return _status(s) is not None


def _is_infinity(s: str) -> bool:
    return len(utf8(s)) == 9 and s[:4] == "-Inf" and s[-1:] == "y"


def kind(s: str) -> int:
    """Returns the number of the class that Python makes of a value."""
    first = s[:1]
    if first in ("t", "f"):
        return BOOL
    if first == '"':
        return STR
    if first in ("[", "{"):
        return LIST if first == "[" else DICT
    if first in ("N", "I") or _is_infinity(s) or ((first == "-" or "0" <= first <= "9") and any(c in s for c in ".eE")):
        return FLOAT
    return INT if first == "-" or "0" <= first <= "9" else NULL


def truth(s: str) -> bool:
    """Whether the value of a text is true: not null, false, zero, or empty."""
    of = kind(s)
    if of in (INT, FLOAT):
        digits = s.partition("e")[0].partition("E")[0]
        return s[:1] in ("N", "I") or (len(utf8(s)) == 9 and s[1:3] == "In") or any("1" <= c <= "9" for c in digits)
    if of == STR:
        return s != '""'
    if of in (LIST, DICT):
        return next(pieces(utf8(s), of == DICT), None) is not None
    return of == BOOL and s[:1] == "t"


def string_end(b: bytes, i: int) -> int:
    """Returns the offset after the string that begins at offset i."""
    i += 1
    while i < len(b):
        if b[i] == 92:
            i += 2
        elif b[i] == 34:
            return i + 1
        else:
            i += 1
    return len(b)


def value_end(b: bytes, i: int) -> int:
    """Returns the offset after the value that begins at offset i."""
    depth = 0
    while i < len(b):
        c = b[i]
        if c == 34:
            i = string_end(b, i)
            if depth == 0:
                return i
        elif c in b"[{":
            depth, i = depth + 1, i + 1
        elif c in b"]}":
            if depth == 0:
                return i
            depth, i = depth - 1, i + 1
            if depth == 0:
                return i
        elif depth == 0 and c in b",: \t\n\r":
            return i
        else:
            i += 1
    return len(b)


def skip(b: bytes, i: int, characters: bytes) -> int:
    """Returns the offset after these characters at offset i."""
    while i < len(b) and b[i] in characters:
        i += 1
    return i


def pieces(b: bytes, keyed: bool) -> Iterator[tuple[int, int, int, int]]:
    """Yields (start, end) of each key, where there are keys, and of each value."""
    i = 1
    while True:
        i = skip(b, i, _SPACE + b",")
        if i >= len(b) or b[i] in b"]}":
            return
        key = (i, i)
        if keyed:
            key = (i, value_end(b, i))
            i = skip(b, key[1], _SPACE + b":")
        end = value_end(b, i)
        if end == i or (keyed and key[0] == key[1]):
            return
        yield *key, i, end
        i = end


def _decoded(s: str) -> str:
    """Returns the string of a text in quotes. A lone surrogate becomes a question mark; `root` accepts none."""
    body = s[1:-1] if len(s) > 1 and s[-1] == '"' else s[1:]

    def replaced(match: re.Match[str]) -> str:
        escape = match.group(1)
        if len(escape) < 5:
            return _ESCAPES.get(escape, escape)
        units = [int(unit, 16) for unit in re.findall("u([0-9A-Fa-f]{4})", escape)]
        if len(units) == 2:
            return chr(0x10000 + ((units[0] - 0xD800) << 10) + units[1] - 0xDC00)
        return "?" if 0xD800 <= units[0] < 0xE000 else chr(units[0])

    pair = r"u[dD][89abAB][0-9A-Fa-f]{2}\\u[dD][c-fC-F][0-9A-Fa-f]{2}"
    return re.sub(rf"\\({pair}|u[0-9A-Fa-f]{{4}}|.|$)", replaced, body, flags=re.DOTALL)


def string(s: str) -> str:
    """Returns the string of a text in quotes, any other text unchanged."""
    return _decoded(s) if s[:1] == '"' else s


def member(s: str, key: str) -> str | None:
    """Returns the text of the last member with a key; None where there is none."""
    if s[:1] != "{":
        return None
    b, found = utf8(s), None
    for start, end, begin, stop in pieces(b, True):
        if string(text_of(b[start:end])) == key:
            found = text_of(b[begin:stop])
    return found


def elements(s: str) -> Items:
    """Returns the JSON of an array's elements."""
    b = utf8(s)
    return Items("str", tuple(text_of(b[i:j]) for _, _, i, j in pieces(b, False)) if s[:1] == "[" else ())
