"""What the running Python knows of code points, as two-stage tables: a block's number for each 128, then the block's entries.

Everything is asked of `str` methods and `unicodedata`, so that a kernel has the Unicode version of the Python that compiles it.

A table is bytes: four int64 (the first code point past all entries, the offsets of the two stages and of the special
mappings), the stages, and the special mappings: the number of bytes in UTF-8, then these, filled up to a multiple of 16 bytes.
An entry of a mapping is the distance to the one code point that it maps to, or SPECIAL plus the number of a special mapping.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import cache

import numpy as np

SPECIAL = 1 << 24

ALPHA, DECIMAL, DIGIT, NUMERIC, SPACE, LOWER, UPPER, TITLE, CASED, IGNORABLE = (1 << bit for bit in range(10))
ALNUM = ALPHA | DECIMAL | DIGIT | NUMERIC

#: Most bytes that a byte of a string becomes when its case is mapped; `mapping` checks it.
GROWTH = 3

_BLOCK = 128
_CLASSES = re.compile(r"[\w\s]")
_END = 0x110000


def _blocks(changes: Callable[[str], bool]) -> list[int]:
    """Numbers of the blocks of which something is to be said, as one test of a whole block tells."""
    surrogates = range(0xD800 // _BLOCK, 0xE000 // _BLOCK)
    return [k for k in range(_END // _BLOCK) if k not in surrogates and changes("".join(map(chr, _codes(k))))]


def _codes(block: int) -> range:
    return range(block * _BLOCK, (block + 1) * _BLOCK)


def _two_stages(entries: dict[int, np.ndarray], zero: np.ndarray, special: bytes = b"") -> bytes:
    """The table of the blocks that are not all zero, equal ones once."""
    stage1 = np.zeros(max(entries, default=0) + 1, np.uint16)
    distinct = {zero.tobytes(): 0}
    for block, values in entries.items():
        stage1[block] = distinct.setdefault(values.tobytes(), len(distinct))
    first, second = stage1.tobytes(), b"".join(distinct)
    first += bytes(-len(first) % 8)
    head = np.array([len(stage1) * _BLOCK, 32, 32 + len(first), 32 + len(first) + len(second)], np.int64)
    return head.tobytes() + first + second + special


@cache
def mapping(method: str) -> bytes:
    """The table of `str.lower`, `upper`, `title` or `casefold` of single code points."""
    of = getattr(str, method)
    blocks = _blocks(lambda text: of(" ".join(text)) != " ".join(text))
    pairs = {code: of(chr(code)) for block in blocks for code in _codes(block)}
    assert all(len(to.encode()) <= GROWTH * len(chr(code).encode()) for code, to in pairs.items())
    return mapping_of(pairs)


def mapping_of(pairs: dict[int, str]) -> bytes:
    """The table that maps these code points to texts, and all others to themselves."""
    special, records = _special([to for _, to in sorted(pairs.items()) if len(to) != 1])
    entries: dict[int, np.ndarray] = {}
    for code, to in pairs.items():
        values = entries.setdefault(code // _BLOCK, np.zeros(_BLOCK, np.int32))
        values[code % _BLOCK] = ord(to) - code if len(to) == 1 else SPECIAL + special[to]
    return _two_stages({k: entries[k] for k in sorted(entries) if entries[k].any()}, np.zeros(_BLOCK, np.int32), records)


def _special(texts: Iterable[str]) -> tuple[dict[str, int], bytes]:
    """(text -> its number, the records): a number counts 16 bytes."""
    numbers, records = {}, b""
    for text in dict.fromkeys(texts):
        data = text.encode()
        assert len(data) < 256
        numbers[text] = len(records) // 16
        records += bytes([len(data)]) + data + bytes(-(1 + len(data)) % 16)
    return numbers, records


@cache
def without_accents(strip: Callable[[str], str]) -> tuple[bytes, int]:
    """(the table, the most bytes that a code point becomes) of scikit-learn's `strip_accents_ascii` or `strip_accents_unicode`.

    Both look at one code point at a time: what normalisation reorders, combining code points, is what they drop.
    """
    pairs = {code: strip(chr(code)) for block in _blocks(lambda t: strip(t) not in (t, "")) for code in _codes(block)}
    pairs |= {code: "" for block in _blocks(lambda t: strip(t) == "") for code in _codes(block)}
    return mapping_of(pairs), max(len(to.encode()) for to in pairs.values())


@cache
def flags(wanted: int) -> bytes:
    """The table of those of the flags above that are wanted."""
    entries = {block: values & np.uint16(wanted) for block, values in _all_flags().items()}
    return _two_stages({block: values for block, values in entries.items() if values.any()}, np.zeros(_BLOCK, np.uint16))


@cache
def _all_flags() -> dict[int, np.ndarray]:
    """The flags of each block that has any."""
    entries: dict[int, np.ndarray] = {}
    for block in _blocks(_has_flags):
        text = "".join(map(chr, _codes(block)))
        plain = text.isalpha() and not _has_context(text) and not any(map(str.isnumeric, text))
        values = np.full(_BLOCK, ALPHA) if plain else np.array([_flags(c) for c in text])
        if values.any():
            entries[block] = values.astype(np.uint16)
    return entries


def _flags(c: str) -> int:
    found = ALPHA * c.isalpha() | DECIMAL * c.isdecimal() | DIGIT * c.isdigit() | NUMERIC * c.isnumeric() | SPACE * c.isspace()
    upper = c.isupper()
    found |= LOWER * c.islower() | UPPER * upper | TITLE * (c.istitle() and not upper)
    return found | _context_flags(c)


def _has_flags(text: str) -> bool:
    """Whether a code point of a block may have any flag: `\\w` and `\\s` are `str.isalnum` and `str.isspace`."""
    return _has_context(text) or _CLASSES.search(text) is not None


def _has_context(text: str) -> bool:
    """Whether a code point of a block may have case or be ignorable: a sigma behind it is then a final one."""
    return text.swapcase() != text or "ς" in ("a" + "Σ a".join(text) + "Σ").lower()


def _context_flags(c: str) -> int:
    """CASED as `str.title` shows it, and IGNORABLE as the rule of the final sigma does. A code point may be both."""
    found = CASED * ((c + "a").title()[-1] == "a")
    if ("a" + c + "Σ").lower()[-1] == "ς" and (c + "Σ").lower()[-1] != "ς":
        found |= IGNORABLE
    return found


@cache
def spaces() -> str:
    """All that `str.strip` and `str.split` take for white space."""
    blocks = _blocks(lambda text: len("".join(text.split())) < len(text))
    return "".join(c for block in blocks for c in map(chr, _codes(block)) if c.isspace())


def character_set(characters: str) -> bytes:
    """A set of code points: 128 bits, the number of other members as int64, these as int32."""
    codes = sorted({ord(c) for c in characters})
    bits = sum(1 << code for code in codes if code < 128)
    others = [code for code in codes if code >= 128]
    return bits.to_bytes(16, "little") + len(others).to_bytes(8, "little") + np.array(others, np.int32).tobytes()
