"""Caches the totals of tokens in a table that a call keeps between runs of the kernel (see `ModelCalls`).

Where terms do not span tokens, a token has the same terms in every string. A few words make up most of a corpus (Zipf's law), so
most lookups hit a table that fits a cache. A token has a single place in it. A token that was hit since its last conflict has a
second chance (as in paging), so that rare tokens do not evict frequent ones. Where conflicts are frequent, an empty table of four
times the size replaces it, up to a limit.

The tokens of a string are looked up in batches: their entries, at random addresses, are prefetched concurrently.

An entry is a cache line. It holds the token's first eight bytes, its length above a bit that marks a hit, 16 more bytes, and
its four totals. Length 0 marks an empty entry. Longer tokens are not cached.
"""

from __future__ import annotations

from sparkweld.kernels.functions.models.text_entries import AWAITED, COUNTS, FIRST, TOTAL, TOTALS, WORDS
from sparkweld.kernels.functions.models.text_string_cache import opened
from sparkweld.kernels.functions.models.text_words import first_bytes, word_hash
from sparkweld.kernels.functions.strings.library import function
from sparkweld.kernels.functions.strings.memory_access import (
    INT,
    bits_of,
    copy,
    load_f64,
    prefetch,
    shift_right,
    store_word,
    word,
)
from sparkweld.kernels.functions.strings.search import same_bytes

#: Words of the area: the right shift from a token's hash to its entry's number, and the number of conflicts.
_SHIFT, _WANTED, _ENTRIES = 0, 8, 64
_FEWEST_BITS, _MOST_BITS = 14, 18
#: Bytes of the area.
KNOWN = _ENTRIES + (64 << _MOST_BITS)
_LENGTH, _LETTERS, _KEPT = 8, 16, 32
_LONGEST = 8 + _KEPT - _LETTERS
#: Batch of tokens: its location, in place of the counts for sorting entries; bytes of an element (the token's offset in the
#: string, size, first bytes and entry); and most elements.
AWAITING, AWAITED_BYTES = COUNTS, 32
MOST_AWAITED = (FIRST - COUNTS) // AWAITED_BYTES


@function(INT, INT, result=INT)
def known_area(head: int, area: int) -> int:
    """Returns the area, ready for lookups; 0 when the cache is disabled. `head`: the address of its state."""
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
    """Adds the token at i to the batch and prefetches its entry; n bytes are readable.

    Returns the size of the batch, at most `MOST_AWAITED`, or 0 when the token is too long to be cached.
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
    """Adds the totals of the token at i, which `await_known` has batched at `awaited`, and returns -1 on a hit.

    On a miss, returns the entry that the token replaces, or 0 when second chance protects the entry's old token. The caller then
    computes the new token's totals and calls `keep_known`. Until then, the entry holds the row's totals so far, and the current
    totals start at 0.
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
    """Completes a miss of `add_known`: stores the token's totals in the entry, and adds the row's totals, which it held."""
    at = 0
    while at < TOTALS:
        found = load_f64(registers + TOTAL, at)
        store_word(registers + TOTAL, at, bits_of(load_f64(entry + _KEPT, at) + found))
        store_word(entry + _KEPT, at, bits_of(found))
        at += 8
    return 0
