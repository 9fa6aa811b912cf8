"""Totals of words that come again, in a table that a call keeps from one run of the kernel to the next (see `ModelCalls`).

Where terms do not reach beyond a word, they are the same in every text, and so few words make up most of all text (Zipf's law)
that most are found in a table that fits a cache. A word has one place there. One that was found since another one wanted its
place is spared (the second chance of paging), so that what comes once does not drive out what comes again and again.

An entry is a cache line: the word's first eight bytes, its length above a bit that says that it was found, 16 more bytes, and its
four totals. Nothing stands where the length is 0. Longer words are not kept.
"""

from __future__ import annotations

from sparkweld.kernels.models.text_entries import TOTAL, TOTALS, WORDS
from sparkweld.kernels.models.text_words import first_bytes, word_hash
from sparkweld.kernels.strings.library import function
from sparkweld.kernels.strings.memory_access import INT, bits_of, copy, load_f64, shift_right, store_word, word
from sparkweld.kernels.strings.search import same_bytes

_BITS = 16
#: Bytes of the table.
KNOWN = 64 << _BITS
_SHIFT = 64 - _BITS
_LENGTH, _LETTERS, _KEPT = 8, 16, 32
_LONGEST = 8 + _KEPT - _LETTERS


@function(*(INT,) * 5, result=INT)
def add_known(registers: int, a: int, i: int, size: int, n: int) -> int:
    """Adds the totals of a word at i, and gives -1 where they are known; n bytes may be read.

    Else the entry that becomes the word's, which holds the totals so far until `keep_known`, and those at hand are 0; or 0.
    """
    if size > _LONGEST:
        return 0
    first = first_bytes(a, i, size, n)
    entry = word(registers, WORDS) + 64 * shift_right(word_hash(first, a, i, size), _SHIFT)
    length = word(entry, _LENGTH)
    if length >> 1 == size and word(entry, 0) == first:
        if size <= 8 or same_bytes(entry + _LETTERS, a + i + 8, size - 8):
            store_word(entry, _LENGTH, length | 1)
            at = 0
            while at < TOTALS:
                store_word(registers + TOTAL, at, bits_of(load_f64(registers + TOTAL, at) + load_f64(entry + _KEPT, at)))
                at += 8
            return -1
    if length & 1 != 0:
        store_word(entry, _LENGTH, length - 1)
        return 0
    store_word(entry, 0, first)
    store_word(entry, _LENGTH, size << 1)
    if size > 8:
        copy(entry + _LETTERS, a + i + 8, size - 8)
    at = 0
    while at < TOTALS:
        store_word(entry + _KEPT, at, word(registers + TOTAL, at))
        store_word(registers + TOTAL, at, 0)
        at += 8
    return entry


@function(INT, INT, result=INT)
def keep_known(registers: int, entry: int) -> int:
    """Keeps the totals at hand, which are a word's, and adds those so far."""
    at = 0
    while at < TOTALS:
        found = load_f64(registers + TOTAL, at)
        store_word(registers + TOTAL, at, bits_of(load_f64(entry + _KEPT, at) + found))
        store_word(entry + _KEPT, at, bits_of(found))
        at += 8
    return 0
