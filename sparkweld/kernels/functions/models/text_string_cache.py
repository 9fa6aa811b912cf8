"""Caches the per-string term contributions of text models across batches, keyed by the string's bytes.

A join repeats each row of a small side table, such as films, in many rows of the other table. So each distinct string is
vectorised only once. An entry stores the string's values times their weights, in the library's order of addition, so that sums
from another start perform the same additions. Where all sums start from 0, it stores the sums themselves.

A call keeps the area between runs of the kernel (see `ModelCalls`). It has the words below, hash slots with an entry's address
each, and the entries. An entry holds the string's length, the count of numbers per output, its bytes, and the numbers. The
cache disables itself where few strings repeat.
"""

from __future__ import annotations

from sparkweld.ir.layouts.model_memory import HEAD_WORDS, KEEPS
from sparkweld.ir.layouts.text_header import Head
from sparkweld.kernels.functions.models.text_entries import FIRST, OUTPUTS, SECOND
from sparkweld.kernels.functions.models.text_words import first_bytes, word_hash
from sparkweld.kernels.functions.strings.library import function
from sparkweld.kernels.functions.strings.memory_access import (
    INT,
    bits_of,
    copy,
    load_f64,
    load_i32,
    shift_right,
    store_word,
    word,
)
from sparkweld.kernels.functions.strings.search import same_bytes

#: State of a call's cache, in the word of its head: disabled; an area of undefined content; the area is in use.
OFF, NEW, ON = 0, KEEPS, 2

#: Words of the area: lookups and hits since the last decision whether the cache pays, cached strings, and bytes of entries.
LOOKED, FOUND, _TEXTS, _USED = range(0, 32, 8)
_SLOTS, _BITS = 64, 15
_ENTRIES = _SLOTS + (16 << _BITS)
#: Bytes of the area.
KEPT = 16 << 20
_ROOM = KEPT - _ENTRIES
_MOST_TEXTS = 3 << _BITS >> 2
_SHIFT, _MASK = 64 - _BITS, (1 << _BITS) - 1
_MOST_TRIES = 32
#: Longer strings are rarely a side table's. The cache is disabled when fewer than one lookup in `_RARE` hits.
_LONGEST, _PERIOD, _RARE = 4096, 8192, 4
_WEIGHTS, _STARTS = 8 * Head.WEIGHTS_AT, 8 * Head.STARTS


@function(INT, INT, INT, result=INT)
def opened(head: int, area: int, size: int) -> int:
    """Returns the address of a persistent area, or 0 when it is disabled. Clears its first `size` bytes on first use.

    `head`: the address of its state.
    """
    state = word(head, 0)
    if state == OFF:
        return 0
    if state == NEW:
        i = 0
        while i < size:
            store_word(area, i, 0)
            i += 8
        store_word(head, 0, ON)
    return area


@function(INT, INT, result=INT)
def kept_area(head: int, area: int) -> int:
    """Returns the area, ready for lookups; 0 when the cache is disabled."""
    if opened(head, area, _ENTRIES) == 0:
        return 0
    if word(area, LOOKED) >= _PERIOD:
        if word(area, FOUND) * _RARE < word(area, LOOKED):
            store_word(head, 0, OFF)
            return 0
        store_word(area, LOOKED, 0)
        store_word(area, FOUND, 0)
    return area


@function(INT, INT, INT, INT, result=INT)
def count_kept(head: int, area: int, looked: int, found: int) -> int:
    """Adds the area's lookups and hits of this call to the head's counters; `looked` and `found` are its counts at the start."""
    looked_at = head + 8 * HEAD_WORDS
    found_at = looked_at + 8 * HEAD_WORDS
    store_word(looked_at, 0, word(looked_at, 0) + word(area, LOOKED) - looked)
    store_word(found_at, 0, word(found_at, 0) + word(area, FOUND) - found)
    return 0


@function(INT, INT, INT, result=INT)
def slot_of(area: int, a: int, n: int) -> int:
    """Returns the slot of a string, empty when it is not cached; 0 when no slot is available."""
    if n == 0 or n > _LONGEST:
        return 0
    h = word_hash(first_bytes(a, 0, n, n), a, 0, n)
    slot = shift_right(h, _SHIFT)
    tries = 0
    while tries < _MOST_TRIES:
        at = area + _SLOTS + 16 * slot
        entry = word(at, 8)
        if entry == 0:
            store_word(at, 0, h)
            return at
        if word(at, 0) == h and word(entry, 0) == n and same_bytes(entry + 16, a, n):
            return at
        slot = slot + 1 & _MASK
        tries += 1
    return 0


@function(INT, INT, INT, INT, INT, INT, result=INT)
def add_kept(area: int, slot: int, block: int, n: int, outputs: int, row: int) -> int:
    """Adds the cached contributions of a string of n bytes to a row's sums; returns 0 on a miss."""
    store_word(area, LOOKED, word(area, LOOKED) + 1)
    entry = word(slot, 8)
    if entry == 0:
        return 0
    store_word(area, FOUND, word(area, FOUND) + 1)
    count = word(entry, 8)
    at = entry + 16 + (n + 7 & -8)
    number = word(block, OUTPUTS)
    output = 0
    while output < number:
        column = word(outputs, 8 * output)
        if column != 0:
            if word(block, _STARTS) == 0:
                store_word(column, 8 * row, word(at, 0))
            else:
                total = load_f64(column, 8 * row)
                i = 0
                while i < count:
                    total = total + load_f64(at, 8 * i)
                    i += 1
                store_word(column, 8 * row, bits_of(total))
            at += 8 * count
        output += 1
    return 1


@function(*(INT,) * 9, result=INT)
def keep_text(
    area: int, slot: int, registers: int, block: int, a: int, n: int, found: int, outputs: int, row: int
) -> int:  # fmt: skip
    """Caches what the current entries add to a row's sums, unless the area is full."""
    number = word(block, OUTPUTS)
    count = found
    if word(block, _STARTS) == 0:
        count = 1
    size = 16 + (n + 7 & -8) + 8 * count * number
    used = word(area, _USED)
    if used + size > _ROOM or word(area, _TEXTS) >= _MOST_TEXTS:
        return 0
    entry = area + _ENTRIES + used
    store_word(entry, 0, n)
    store_word(entry, 8, count)
    copy(entry + 16, a, n)
    at = entry + 16 + (n + 7 & -8)
    output = 0
    while output < number:
        column = word(outputs, 8 * output)
        weights = block + word(block, _WEIGHTS) + 8 * output
        if column != 0:
            if word(block, _STARTS) == 0:
                store_word(at, 0, word(column, 8 * row))
            else:
                i = 0
                while i < count:
                    place = load_i32(registers + FIRST, 8 * i + 4)
                    product = load_f64(registers, SECOND + 8 * i) * load_f64(weights, 8 * number * place)
                    store_word(at, 8 * i, bits_of(product))
                    i += 1
            at += 8 * count
        output += 1
    store_word(slot, 8, entry)
    store_word(area, _TEXTS, word(area, _TEXTS) + 1)
    store_word(area, _USED, used + size)
    return 0
