"""Totals of words that come again, in a table that a call keeps from one run of the kernel to the next (see `ModelCalls`).

Where terms do not reach beyond a word, they are the same in every text, and so few words make up most of all text (Zipf's law)
that most are found in a table that fits a cache. A word has one place there. One that was found since another one wanted its
place is spared (the second chance of paging), so that what comes once does not drive out what comes again and again. Where that
happens often, an empty table that is four times as large is begun, up to a largest one.

The words of a text are looked up together: their entries, which lie anywhere, come from afar at the same time.

An entry is a cache line: the word's first eight bytes, its length above a bit that says that it was found, 16 more bytes, and its
four totals. Nothing stands where the length is 0. Longer words are not kept.
"""

from __future__ import annotations

from sparkweld.kernels.models.text_entries import AWAITED, COUNTS, FIRST, TOTAL, TOTALS, WORDS
from sparkweld.kernels.models.text_kept import opened
from sparkweld.kernels.models.text_words import first_bytes, word_hash
from sparkweld.kernels.strings.library import function
from sparkweld.kernels.strings.memory_access import INT, bits_of, copy, load_f64, prefetch, shift_right, store_word, word
from sparkweld.kernels.strings.search import same_bytes

#: Words of the area: by how much a word's hash is shifted to its entry's number, and how often an entry was wanted by two.
_SHIFT, _WANTED, _ENTRIES = 0, 8, 64
_FEWEST_BITS, _MOST_BITS = 14, 18
#: Bytes of the area.
KNOWN = _ENTRIES + (64 << _MOST_BITS)
_LENGTH, _LETTERS, _KEPT = 8, 16, 32
_LONGEST = 8 + _KEPT - _LETTERS
#: Words that are looked up together: where they stand, in the place of the counts that entries are sorted by; bytes of one, its
#: place in the text, size, first bytes and entry; and most of them.
AWAITING, AWAITED_BYTES = COUNTS, 32
MOST_AWAITED = (FIRST - COUNTS) // AWAITED_BYTES


@function(INT, INT, result=INT)
def known_area(head: int, area: int) -> int:
    """The area, ready to be looked into; 0 where nothing is to be kept. `head`: the address of its state."""
    if opened(head, area, _ENTRIES) == 0:
        return 0
    bits = 64 - word(area, _SHIFT)
    if bits == 64:
        bits -= 64 - _FEWEST_BITS  # a constant alone has a type of its own
    elif bits < _MOST_BITS and word(area, _WANTED) >= 1 << bits:
        bits += 2
    else:
        return area
    store_word(area, _SHIFT, 64 - bits)
    store_word(area, _WANTED, 0)
    i = 0
    while i < 1 << bits:
        store_word(area + _ENTRIES, 64 * i + _LENGTH, 0)
        i += 1
    return area


@function(*(INT,) * 5, result=INT)
def await_known(registers: int, a: int, i: int, size: int, n: int) -> int:
    """Puts a word at i among those that are looked up together, and has its entry brought near; n bytes may be read.

    Gives how many they are then, of `MOST_AWAITED`; 0 where a word is too long to be known.
    """
    if size > _LONGEST:
        return 0
    awaited = word(registers, AWAITED)
    at = registers + AWAITING + AWAITED_BYTES * awaited
    first = first_bytes(a, i, size, n)
    area = word(registers, WORDS)
    entry = area + _ENTRIES + 64 * shift_right(word_hash(first, a, i, size), word(area, _SHIFT))
    prefetch(entry)
    store_word(at, 0, i)
    store_word(at, 8, size)
    store_word(at, 16, first)
    store_word(at, 24, entry)
    store_word(registers, AWAITED, awaited + 1)
    return awaited + 1


@function(*(INT,) * 5, result=INT)
def add_known(registers: int, a: int, i: int, size: int, awaited: int) -> int:
    """Adds the totals of a word at i, as `await_known` has put it at `awaited`, and gives -1 where they are known.

    Else the entry that becomes the word's, which holds the totals so far until `keep_known`, and those at hand are 0; or 0.
    """
    first = word(awaited, 16)
    entry = word(awaited, 24)
    length = word(entry, _LENGTH)
    if length >> 1 == size and word(entry, 0) == first:
        if size <= 8 or same_bytes(entry + _LETTERS, a + i + 8, size - 8):
            store_word(entry, _LENGTH, length | 1)
            at = 0
            while at < TOTALS:
                store_word(registers + TOTAL, at, bits_of(load_f64(registers + TOTAL, at) + load_f64(entry + _KEPT, at)))
                at += 8
            return -1
    if length != 0:
        area = word(registers, WORDS)
        store_word(area, _WANTED, word(area, _WANTED) + 1)
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
