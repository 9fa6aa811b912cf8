"""Builds two-stage tables of the running Python's code point properties: a block's number per 128, then the block's entries.

All values come from `str` methods and `unicodedata`, so a kernel has the Unicode version of the Python that compiles it.

A table is bytes: the int64 of `TableHead`, the two stages, and the special mappings. A special mapping is the number of bytes in
UTF-8, then these, padded to a multiple of RECORD bytes. An entry of a mapping is the distance to its single target code point,
or SPECIAL plus the number of a special mapping. A set of code points is the int64 of `SetHead`, then its members past ASCII,
ascending, as int32.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from enum import IntEnum
from functools import cache

import numpy as np

SPECIAL = 1 << 24
#: Unit of the sizes of special mappings, in bytes.
RECORD = 16


class TableHead(IntEnum):
    """Index of each int64 before the stages. Members named `*_AT` hold byte offsets."""

    END = 0  # the first code point past all entries
    BLOCKS_AT = 1
    ENTRIES_AT = 2
    SPECIAL_AT = 3


class SetHead(IntEnum):
    """Index of each int64 before the members of a set."""

    LOW = 0  # bits of the code points below 64
    HIGH = 1  # bits of those from 64 to 127
    OTHERS = 2  # the number of members past ASCII


ALPHA, DECIMAL, DIGIT, NUMERIC, SPACE, LOWER, UPPER, TITLE, CASED, IGNORABLE = (1 << bit for bit in range(10))
ALNUM = ALPHA | DECIMAL | DIGIT | NUMERIC

#: Most bytes that a byte of a string becomes in case mapping; `mapping` checks it.
GROWTH = 3

_BLOCK = 128
_CLASSES = re.compile(r"[\w\s]")
_END = 0x110000


def _blocks(changes: Callable[[str], bool]) -> list[int]:
    """Returns the numbers of the blocks with entries, by one test of a whole block."""
    surrogates = range(0xD800 // _BLOCK, 0xE000 // _BLOCK)
    return [k for k in range(_END // _BLOCK) if k not in surrogates and changes("".join(map(chr, _codes(k))))]


def _codes(block: int) -> range:
    return range(block * _BLOCK, (block + 1) * _BLOCK)


def _two_stages(entries: dict[int, np.ndarray], zero: np.ndarray, special: bytes = b"") -> bytes:
    """Returns the table of the blocks that are not all zero; equal blocks are stored once."""
    stage1 = np.zeros(max(entries, default=0) + 1, np.uint16)
    distinct = {zero.tobytes(): 0}
    for block, values in entries.items():
        stage1[block] = distinct.setdefault(values.tobytes(), len(distinct))
    first, second = stage1.tobytes(), b"".join(distinct)
    first += bytes(-len(first) % 8)
    starts = np.cumsum([8 * len(TableHead), len(first), len(second)])
    head = np.array([len(stage1) * _BLOCK, *starts], np.int64)
    return head.tobytes() + first + second + special


@cache
def mapping(method: str) -> bytes:
    """Returns the table of `str.lower`, `upper`, `title` or `casefold` of single code points."""
    of = getattr(str, method)
    blocks = _blocks(lambda text: of(" ".join(text)) != " ".join(text))
    pairs = {code: of(chr(code)) for block in blocks for code in _codes(block)}
    assert all(len(to.encode()) <= GROWTH * len(chr(code).encode()) for code, to in pairs.items())
    return mapping_of(pairs)


def mapping_of(pairs: dict[int, str], dropped: Sequence[int] = ()) -> bytes:
    """Returns the table that maps these code points to strings, those of `dropped` blocks to "", and the others to themselves."""
    special, records = _special([*(to for _, to in sorted(pairs.items()) if len(to) != 1), *[""] * len(dropped)])
    entries = {block: np.full(_BLOCK, SPECIAL + special[""], np.int32) for block in dropped}
    for code, to in pairs.items():
        values = entries.setdefault(code // _BLOCK, np.zeros(_BLOCK, np.int32))
        values[code % _BLOCK] = ord(to) - code if len(to) == 1 else SPECIAL + special[to]
    return _two_stages({k: entries[k] for k in sorted(entries) if entries[k].any()}, np.zeros(_BLOCK, np.int32), records)


def _special(texts: Iterable[str]) -> tuple[dict[str, int], bytes]:
    """Returns the number of each string and the records. A number counts units of RECORD bytes."""
    numbers, records = {}, b""
    for text in dict.fromkeys(texts):
        data = text.encode()
        assert len(data) < 256
        numbers[text] = len(records) // RECORD
        records += bytes([len(data)]) + data + bytes(-(1 + len(data)) % RECORD)
    return numbers, records


@cache
def without_accents(strip: Callable[[str], str]) -> tuple[bytes, int]:
    """Returns the table of scikit-learn's `strip_accents_ascii` or `strip_accents_unicode`, and the most bytes of one result.

    Both work on single code points: normalisation reorders combining code points only, and these are dropped.
    """
    pairs = {code: strip(chr(code)) for block in _blocks(lambda t: strip(t) not in (t, "")) for code in _codes(block)}
    dropped = _blocks(lambda t: strip(t) == "")
    return mapping_of(pairs, dropped), max(len(to.encode()) for to in pairs.values())


@cache
def flags(wanted: int) -> bytes:
    """Returns the table of the `wanted` flags."""
    entries = {block: values & np.uint16(wanted) for block, values in _all_flags().items()}
    return _two_stages({block: values for block, values in entries.items() if values.any()}, np.zeros(_BLOCK, np.uint16))


@cache
def _all_flags() -> dict[int, np.ndarray]:
    """Returns the flags of each block that has any."""
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
    """Whether a code point of a block may have case or be ignorable: a sigma after it is then a final one."""
    return text.swapcase() != text or "ς" in ("a" + "Σ a".join(text) + "Σ").lower()


def _context_flags(c: str) -> int:
    """Returns CASED as `str.title` shows it, and IGNORABLE as the rule of the final sigma shows it; both may hold."""
    found = CASED * ((c + "a").title()[-1] == "a")
    if ("a" + c + "Σ").lower()[-1] == "ς" and (c + "Σ").lower()[-1] != "ς":
        found |= IGNORABLE
    return found


@cache
def spaces() -> str:
    """Returns all characters that `str.strip` and `str.split` treat as white space."""
    blocks = _blocks(lambda text: len("".join(text.split())) < len(text))
    return "".join(c for block in blocks for c in map(chr, _codes(block)) if c.isspace())


def character_set(characters: str) -> bytes:
    """Returns a set of code points."""
    codes = sorted({ord(c) for c in characters})
    bits = sum(1 << code for code in codes if code < 128)
    others = [code for code in codes if code >= 128]
    return bits.to_bytes(16, "little") + len(others).to_bytes(8, "little") + np.array(others, np.int32).tobytes()
