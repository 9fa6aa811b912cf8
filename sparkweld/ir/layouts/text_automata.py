"""Builds the automaton that finds all terms of a text vectoriser in one pass over a document.

The terms are sequences of symbols: code points, or word numbers. They form one automaton (Aho and Corasick, "Efficient string
matching", 1975). It is a trie where each node also knows the longest proper suffix of its prefix that is in the trie. The next
symbol leads to one node, and the terms that end there are the node's own and those on its chain of suffixes. So a row costs
time linear in its symbols and in the terms found, however long the terms are.

Tables are filled one trie level at a time, since a vocabulary may have millions of terms.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np

#: Multiplier of the hash of a word's bytes: 2^64 over the golden ratio, from Knuth's multiplicative hashing.
GOLDEN = 0x9E3779B97F4A7C15
SYMBOL_BITS = 32
#: Symbols below this are looked up directly at the root; those beyond all planes of living scripts are searched for.
_MOST_ROOTS = 1 << 17
#: Classes of code points, as bits.
TOKEN, SPACE = 1, 2
_BLOCK = 128
_STAGE1 = 1 << 14  # more than any four bytes decode to


@dataclass(frozen=True)
class TermTables:
    """The automaton as arrays. Nodes are numbered level by level from the root, 0, so a node's children are adjacent, by symbol.

    `symbols`: int32[nodes], the symbol on the edge to the node. `nodes`: int32[nodes, 8]. The first three are the columns of
    the first three terms that end there, longest first, or -1. The next is the node where the fourth and later ones are found,
    or 0. Then follow the first child and the number of children, of the node or of its nearest suffix with children. The next
    is the node where the next symbol is looked up when it is none of these. The last is padding. `roots`: int32: symbol ->
    child of the root, or 0. Only the root has the first child 1.
    """

    symbols: np.ndarray
    nodes: np.ndarray
    roots: np.ndarray


def term_tables(symbols: np.ndarray, lengths: np.ndarray, columns: np.ndarray) -> TermTables:
    """Builds the tables of n terms.

    symbols: int64[n, longest], padded arbitrarily. lengths: int64[n], at least 1. columns: int64[n], at least 0. The terms are
    distinct.
    """
    at = np.zeros(len(lengths), np.int64)  # each term's node at the current level
    parents, steps, column = [np.array([-1])], [np.array([-1])], [np.array([-1])]
    count = 1
    for level in range(symbols.shape[1] if len(lengths) else 0):
        live = lengths > level
        keys, numbers = np.unique(at[live] << SYMBOL_BITS | symbols[live, level], return_inverse=True)
        at[live] = count + numbers
        ending = np.full(len(keys), -1)
        done = lengths == level + 1
        ending[at[done] - count] = columns[done]
        parents.append(keys >> SYMBOL_BITS)
        steps.append(keys & ((1 << SYMBOL_BITS) - 1))
        column.append(ending)
        count += len(keys)
    parent, step, col = (np.concatenate(p).astype(np.int64) for p in (parents, steps, column))
    starts = np.cumsum([0, *map(len, parents)])
    return TermTables(step.astype(np.int32), _nodes(parent, step, col, starts), _roots(parent, step))


def _nodes(parent: np.ndarray, step: np.ndarray, column: np.ndarray, starts: np.ndarray) -> np.ndarray:
    keys = parent[1:] << SYMBOL_BITS | step[1:]  # ascending: levels follow each other, and so do parents
    children = np.bincount(parent[1:], minlength=len(parent))
    inner = children > 0
    suffix, out, go, fall = (np.zeros(len(parent), np.int64) for _ in range(4))
    for first, end in zip(starts[1:-1], starts[2:], strict=True):
        level = np.arange(first, end)
        suffix[level] = _suffixes(keys, parent[level], step[level], fall) if first > 1 else 0
        out[level] = np.where(column[suffix[level]] >= 0, suffix[level], out[suffix[level]])
        go[level] = np.where(inner[level], level, go[suffix[level]])
        fall[level] = go[suffix[level]]
    one = np.where(column >= 0, np.arange(len(parent)), out)
    two, three = out[one], out[out[one]]
    first_child = np.cumsum([1, *children[:-1]])
    found = column[one], column[two], column[three], out[three]
    return np.column_stack([*found, first_child[go], children[go], fall[go], np.zeros(len(parent))]).astype(np.int32)


def _roots(parent: np.ndarray, step: np.ndarray) -> np.ndarray:
    symbols = step[parent == 0]
    symbols = symbols[symbols < _MOST_ROOTS]
    roots = np.zeros(symbols.max(initial=0) + 1, np.int32)
    roots[symbols] = np.arange(1, len(symbols) + 1)
    return roots


def _suffixes(keys: np.ndarray, parent: np.ndarray, step: np.ndarray, fall: np.ndarray) -> np.ndarray:
    """Returns the longest proper suffix of each node of one level.

    Tries the suffixes of the node's parent, longest first, with the same symbol.
    """
    at = fall[parent]
    found = np.zeros(len(parent), np.int64)
    left = np.arange(len(parent))
    while len(left):
        wanted = at[left] << SYMBOL_BITS | step[left]
        place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        hit = keys[place] == wanted
        found[left[hit]] = place[hit] + 1
        left = left[~hit & (at[left] != 0)]
        at[left] = fall[at[left]]
    return found


def _places(home: np.ndarray, size: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Returns (places, key numbers) of each round of linear probing.

    In round r, the remaining keys try the slot r after their own, and one key a slot is placed. So only taken slots lie between
    a key's own slot and its place, as linear probing requires.
    """
    taken = np.zeros(size, bool)
    left = np.arange(len(home))
    places, numbers = [], []
    distance = 0
    while len(left):
        wanted = (home[left] + distance) & (size - 1)
        free = np.flatnonzero(~taken[wanted])
        chosen, first = np.unique(wanted[free], return_index=True)
        taken[chosen] = True
        places.append(chosen)
        numbers.append(left[free[first]])
        left = np.delete(left, free[first])
        distance += 1
    return places, numbers


@dataclass(frozen=True)
class WordTable:
    """A hash table of words. A word's home slot is its hash shifted right by `shift`.

    `slots`: int64[2, a power of two]: a word's first eight bytes, padded with zeros, and ``number << 32 | bytes``, or -1.
    `starts`: int64: number -> offset of its `letters`.
    """

    slots: np.ndarray
    shift: int
    starts: np.ndarray
    letters: np.ndarray


def word_table(words: Sequence[str]) -> WordTable:
    """Builds the table of distinct words, which are numbered from 0."""
    encoded = [word.encode() for word in words]
    lengths = np.array([len(word) for word in encoded], np.int64)
    letters = np.frombuffer(b"".join(encoded), np.uint8)
    starts = np.concatenate([[0], np.cumsum(lengths)])[:-1].astype(np.int64)
    hashes, heads = _word_hashes(letters, starts, lengths)
    bits = max(1, (4 * len(encoded)).bit_length())
    slots = np.full((1 << bits, 2), -1, np.int64)
    homes = (hashes >> np.uint64(64 - bits)).astype(np.int64)
    for place, i in zip(*_places(homes, 1 << bits), strict=True):
        slots[place] = np.column_stack([heads[i], i << 32 | lengths[i]])
    return WordTable(slots.reshape(-1), 64 - bits, starts, letters)


def _word_hashes(letters: np.ndarray, starts: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns (hashes, first eight bytes) of words.

    For longer words, the last eight bytes are hashed whole, even if they overlap.
    """
    padded = np.concatenate([letters, np.zeros(8, np.uint8)])

    def eight_at(places: np.ndarray) -> np.ndarray:
        return padded[places[:, None] + np.arange(8)].view(np.uint64)[:, 0]

    unused = 8 * np.clip(8 - lengths, 0, 7).astype(np.uint64)
    heads = np.where(lengths > 0, eight_at(starts) << unused >> unused, np.uint64(0))
    h = heads * np.uint64(GOLDEN)
    for i in range(8, int(lengths.max(initial=0)), 8):
        live = np.flatnonzero(lengths > i)
        last = np.minimum(starts[live] + i, starts[live] + lengths[live] - 8)
        h[live] = (h[live] ^ h[live] >> np.uint64(32) ^ eight_at(last)) * np.uint64(GOLDEN)
    return h, heads.view(np.int64)


@dataclass(frozen=True)
class CharacterClasses:
    """Two-stage table of the class of each code point: ``kinds[blocks[code >> 7] << 7 | code & 127]``, bits TOKEN and SPACE.

    `spans`: int64[2, n]: the first code of each run of ASCII token characters, and the number of codes that follow it.
    """

    blocks: np.ndarray
    kinds: np.ndarray
    spans: np.ndarray


@cache
def _spaces() -> list[int]:
    return [c for c in range(0x110000) if chr(c).isspace()]


@lru_cache(maxsize=16)
def character_classes(pattern: str | tuple[int, ...], repeated: int = 1) -> CharacterClasses:
    """Builds the classes from the running Python's Unicode tables.

    Tokens consist of the code points c for which ``c * repeated`` matches `pattern`. `pattern` may also list these code points:
    the first of each range, and the first after it.
    """
    kinds = np.zeros(0x110000, np.uint8)
    kinds[_spaces()] = SPACE
    if isinstance(pattern, tuple):
        for first, end in zip(pattern[::2], pattern[1::2], strict=True):
            kinds[first:end] |= TOKEN
    else:
        match: Callable[[str], object] = re.compile(pattern).fullmatch
        kinds[[c for c in range(0x110000) if match(chr(c) * repeated)]] |= TOKEN
    parts = [part.tobytes() for part in kinds.reshape(-1, _BLOCK)]
    distinct = sorted(set(parts))
    numbers = {part: number for number, part in enumerate(distinct)}
    blocks = np.zeros(_STAGE1, np.uint16)
    blocks[: len(parts)] = [numbers[part] for part in parts]
    edges = np.flatnonzero(np.diff(kinds[:128] & TOKEN, prepend=0, append=0)).reshape(-1, 2)
    spans = np.column_stack([edges[:, 0], edges[:, 1] - edges[:, 0] - 1])
    return CharacterClasses(blocks, np.frombuffer(b"".join(distinct), np.uint8), spans.reshape(-1).astype(np.int64))
