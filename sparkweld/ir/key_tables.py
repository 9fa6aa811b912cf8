"""Lays out hash tables of strings, which kernels search by open addressing.

A table is int64 words and then bytes: the mask of the slots, the offset of the keys' bytes, and for each slot the hash of its
key, the key's offset among these bytes, its length and its number, or -1 for a free slot.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

#: Odd, so that a product loses no bit of the string.
FACTOR = 0x2545F4914F6CDD1D
#: Bytes of a slot, and of the words before the first one.
SLOT, HEAD = 32, 16


def key_table(keys: Sequence[str]) -> bytes:
    """The table of distinct keys, at most half full."""
    encoded = [key.encode() for key in keys]
    size = 1 << (2 * len(keys)).bit_length()
    slots = np.full((size, 4), -1, np.int64)
    taken, at = bytearray(size), 0
    for number, key in enumerate(encoded):
        h = _hash(key)
        slot = h & (size - 1)
        while taken[slot]:
            slot = (slot + 1) & (size - 1)
        taken[slot] = 1
        slots[slot] = h, at, len(key), number
        at += len(key)
    return np.array([size - 1, HEAD + slots.nbytes], np.int64).tobytes() + slots.tobytes() + b"".join(encoded)


def keys_of(table: bytes) -> list[str]:
    """The keys of a table in the order of their numbers."""
    mask, letters = np.frombuffer(table, np.int64, 2).tolist()
    slots = np.frombuffer(table, np.int64, 4 * (mask + 1), HEAD).reshape(-1, 4)
    used = slots[slots[:, 3] >= 0]
    ordered = used[np.argsort(used[:, 3])]
    return [table[letters + at : letters + at + size].decode() for at, size in ordered[:, 1:3].tolist()]


def _hash(data: bytes) -> int:
    """What `sparkweld.kernels.strings.key_tables.hash_of` computes."""
    h = len(data)
    whole = len(data) // 8 * 8
    pieces = [int.from_bytes(data[i : i + 8], "little") for i in range(0, whole, 8)]
    for piece in [*pieces, int.from_bytes(data[whole:], "big")]:
        h = (h ^ piece) * FACTOR % (1 << 64)
        h ^= h >> 32
    return h - (1 << 64) if h >> 63 else h
