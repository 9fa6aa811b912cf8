"""Defines functions that change and write JSON documents, and one that reads a literal of Python as JSON.

A document is as in `json_texts`, whose scan they share: they are defined for any string, and equal Python's on valid JSON.
"""

from __future__ import annotations

import re

from sparkweld.ir.codecs import json_quote, text_of, utf8
from sparkweld.ir.json_texts import LONGEST_NUMBER, MOST_DEPTH, kind, pieces, skip, string, string_end
from sparkweld.ir.types import Items

#: An object with more members is not `writable`: each key is compared with those before it.
MOST_MEMBERS = 64

#: A number with at most this many significant digits is the shortest decimal of its float.
_EXACT_DIGITS = 15

_SPACE = b" \t\n\r"
_FLOAT = re.compile(rb"-?([0-9]+)\.([0-9]+)")
_WORDS = {b"True": b"true", b"False": b"false", b"None": b"null"}
_NUMBER = re.compile(rb"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")


def keys(s: str) -> Items:
    """Returns the keys of an object, also repeated ones."""
    b = utf8(s)
    return Items("str", tuple(string(text_of(b[i:j])) for i, j, _, _ in pieces(b, True)) if s[:1] == "{" else ())


def values(s: str) -> Items:
    """Returns the JSON of an object's values."""
    b = utf8(s)
    return Items("str", tuple(text_of(b[i:j]) for _, _, i, j in pieces(b, True)) if s[:1] == "{" else ())


def strings(s: str) -> Items:
    """Returns the strings of a list of JSON, as `string`; here of the elements or values of a document."""
    return Items("str", tuple(map(string, _parts(s))))


def uniform(s: str, number: int, null: int) -> bool:
    """Whether all elements or values of a document are of a class, or null where `null` is 1."""
    return all(kind(part) == number or (null == 1 and kind(part) == 0) for part in _parts(s))


def _parts(s: str) -> list[str]:
    b = utf8(s)
    return [text_of(b[i:j]) for _, _, i, j in pieces(b, s[:1] == "{")] if s[:1] in ("{", "[") else []


def writable(s: str) -> bool:
    """Whether `written` returns what Python writes: no key occurs twice, and each number is written as Python writes it."""
    b, i = utf8(s), 0
    while i < len(b):
        if b[i] == 34:
            i = string_end(b, i)
        elif b[i] in b"[]},: \t\n\r":
            i += 1
        elif b[i] == 123:
            found = [string(text_of(b[i:][k:j])) for k, j, _, _ in pieces(b[i:], True)]
            if len(found) > MOST_MEMBERS or len(set(found)) < len(found):
                return False
            i += 1
        else:
            end = i
            while end < len(b) and b[end] not in b'"[]{},: \t\n\r':
                end += 1
            if not _is_plain(b[i:end]):
                return False
            i = end
    return True


def _is_plain(token: bytes) -> bool:
    if token[0] in b"tfnNI" or token[:2] == b"-I":
        return True
    if re.fullmatch(rb"-?[0-9]+", token):
        return token != b"-0"
    found = _FLOAT.fullmatch(token)
    if found is None:
        return False
    whole, rest = found.groups()
    if rest == b"0":
        return len(whole) <= _EXACT_DIGITS
    if rest[-1:] == b"0" or len(whole) + len(rest) > _EXACT_DIGITS:
        return False
    return whole != b"0" or rest[:4] != b"0000"


def written(s: str, ascii: int) -> str:
    """Returns a document as json.dumps(json.loads(s), ensure_ascii=ascii) writes it, where it is `writable`."""
    b, i, made = utf8(s), 0, bytearray()
    while i < len(b):
        if b[i] == 34:
            end = string_end(b, i)
            made += utf8(json_quote(string(text_of(b[i:end])), ascii))
            i = end
            continue
        if b[i] not in _SPACE:
            made.append(b[i])
        if b[i] in b",:":
            made += b" "
        i += 1
    return text_of(bytes(made))


def put(s: str, key: str, value: str) -> str:
    """Returns an object after ``x[key] = value``, where `value` is JSON; any other string unchanged."""
    if s[:1] != "{":
        return s
    b, made, last = utf8(s), bytearray(), 0
    found = list(pieces(b, True))
    for start, end, begin, stop in found:
        if string(text_of(b[start:end])) == key:
            made += b[last:begin] + utf8(value)
            last = stop
    if last > 0:
        return text_of(bytes(made + b[last:]))
    body = b[: found[-1][3]] + b", " if found else b"{"
    return text_of(body + utf8(json_quote(key, 0)) + b": " + utf8(value) + b"}")


def drop(s: str, key: str) -> str:
    """Returns an object without a key; any other string unchanged."""
    if s[:1] != "{":
        return s
    b = utf8(s)
    kept = [b[i:j] + b": " + b[k:m] for i, j, k, m in pieces(b, True) if string(text_of(b[i:j])) != key]
    return text_of(b"{" + b", ".join(kept) + b"}")


def literal(s: str) -> str | None:
    """Returns the JSON of what ast.literal_eval returns.

    None where a kernel does not know: tuples, sets, bytes, escapes in strings, other forms of numbers, and what Python rejects.
    """
    b = utf8(s)
    read = _Literal(b)
    i = read.value(skip(b, 0, b" \t"), 0)
    return text_of(bytes(read.made)) if i >= 0 and skip(b, i, b" \t\n") == len(b) else None


class _Literal:
    """Reads values of a literal; each method returns the offset after it, or -1."""

    def __init__(self, b: bytes) -> None:
        self._b, self.made = b, bytearray()

    def value(self, i: int, depth: int) -> int:
        b = self._b
        if i < len(b) and b[i] in b"[{":
            return self._container(i, depth)
        if i < len(b) and b[i] in b"'\"uU":
            return self._string(i)
        for word, json in _WORDS.items():
            if b.startswith(word, i):
                self.made += json
                return i + len(word)
        found = _NUMBER.match(b, i)
        if found is None or found.end() - i > LONGEST_NUMBER or re.search(rb"[eE]-[0-9]{3}", found[0]):
            return -1
        self.made += found[0]
        return found.end()

    def _string(self, i: int) -> int:
        b = self._b
        i += b[i] in b"uU"
        if i >= len(b) or b[i] not in b"'\"":
            return -1
        end = b.find(b[i : i + 1], i + 1)
        inside = b[i + 1 : end]
        if end < 0 or b"\\" in inside or any(c < 32 for c in inside) or b[end + 1 : end + 2] == b[i : i + 1]:
            return -1
        self.made += b'"' + inside.replace(b'"', b'\\"') + b'"'
        return end + 1

    def _container(self, i: int, depth: int) -> int:
        b, keyed = self._b, self._b[i] == 123
        if depth == MOST_DEPTH:
            return -1
        self.made.append(b[i])
        close = b"}" if keyed else b"]"
        i = self._skip(i + 1)
        first = True
        while b[i : i + 1] != close:
            if not first:
                self.made += b","
            if keyed:
                i = self._skip(self._string(i)) if b[i : i + 1] in (b"'", b'"', b"u", b"U") else -1
                if i < 0 or b[i : i + 1] != b":":
                    return -1
                self.made += b":"
                i = self._skip(i + 1)
            i = self._skip(self.value(i, depth + 1))
            if i < 0 or b[i : i + 1] not in (b",", close):
                return -1
            if b[i] == 44:
                i = self._skip(i + 1)
            first = False
        self.made += close
        return i + 1

    def _skip(self, i: int) -> int:
        return i if i < 0 else skip(self._b, i, b" \t\n")
