"""Constant tables with strings for keys: open addressing, the hash and the layout known to this module only.

A table is int64 values and then bytes: the mask of the slots, the offset of the keys' bytes, and for each slot the key's hash,
its offset among these bytes, its length, and its number, or -1 for a free slot.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sparkweld.kernels.strings.library import function
from sparkweld.kernels.strings.memory_access import INT, VIEW, address_of, byte, length_of, shift_right, word, wrapping_multiply
from sparkweld.kernels.strings.search import same_bytes

_FACTOR = 0x2545F4914F6CDD1D  # odd, so that no bit of the text is lost
_SLOT = 32


@function(VIEW, result=INT)
def hash_of(v: int) -> int:
    """A hash of the bytes, eight at a time."""
    a = address_of(v)
    n = length_of(v)
    h = n
    i = 0
    while i + 8 <= n:
        h = wrapping_multiply(h ^ word(a, i), _FACTOR)
        h ^= shift_right(h, 32)
        i += 8
    last = 0
    while i < n:
        last = last << 8 | byte(a, i)
        i += 1
    h = wrapping_multiply(h ^ last, _FACTOR)
    return h ^ shift_right(h, 32)


def _hash(data: bytes) -> int:
    """The same in Python."""
    h = len(data)
    whole = len(data) // 8 * 8
    pieces = [int.from_bytes(data[i : i + 8], "little") for i in range(0, whole, 8)]
    for piece in [*pieces, int.from_bytes(data[whole:], "big")]:
        h = (h ^ piece) * _FACTOR % (1 << 64)
        h ^= h >> 32
    return h - (1 << 64) if h >> 63 else h


@function(VIEW, INT, result=INT)
def find_key(v: int, table: int) -> int:
    """Number of the key that v is, else -1."""
    h = hash_of(v)
    mask = word(table, 0)
    keys = table + word(table, 8)
    n = length_of(v)
    slot = h & mask
    while True:
        at = 16 + _SLOT * slot
        number = word(table, at + 24)
        if number < 0:
            return -1
        if word(table, at) == h and word(table, at + 16) == n and same_bytes(keys + word(table, at + 8), address_of(v), n):
            return number
        slot = slot + 1 & mask


def key_table(keys: Sequence[str]) -> bytes:
    """The table of distinct keys, at most half full."""
    size = 1 << (2 * len(keys)).bit_length()
    slots = np.full((size, 4), -1, np.int64)
    data = b""
    for number, key in enumerate(keys):
        encoded = key.encode()
        h = _hash(encoded)
        slot = h & (size - 1)
        while slots[slot, 3] >= 0:
            slot = (slot + 1) & (size - 1)
        slots[slot] = h, len(data), len(encoded), number
        data += encoded
    return np.array([size - 1, 16 + slots.nbytes], np.int64).tobytes() + slots.tobytes() + data
