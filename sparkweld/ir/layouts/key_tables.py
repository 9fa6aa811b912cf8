"""Lays out hash tables of strings, which kernels search by open addressing.

A table holds two int64 (the slot mask, the offset of the key bytes), then the slots, then the key bytes. A slot is four int64:
the key's hash, its offset within the key bytes, its length, and its number. The number is -1 in a free slot.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

#: Multiplier of the hash. It is odd, so that multiplication loses no bit of the key.
FACTOR = 0x2545F4914F6CDD1D
#: Bytes of a slot, and of the two words before the first slot.
SLOT, HEAD = 32, 16


def key_table(keys: Sequence[str]) -> bytes:
    """Builds the table of distinct keys, at most half full."""
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
    """Returns the keys of a table in the order of their numbers."""
    mask, letters = np.frombuffer(table, np.int64, 2).tolist()
    slots = np.frombuffer(table, np.int64, 4 * (mask + 1), HEAD).reshape(-1, 4)
    used = slots[slots[:, 3] >= 0]
    ordered = used[np.argsort(used[:, 3])]
    return [table[letters + at : letters + at + size].decode() for at, size in ordered[:, 1:3].tolist()]


def _hash(data: bytes) -> int:
    """Computes the same hash as `sparkweld.kernels.functions.strings.key_tables.hash_of`."""
    h = len(data)
    whole = len(data) // 8 * 8
    pieces = [int.from_bytes(data[i : i + 8], "little") for i in range(0, whole, 8)]
    for piece in [*pieces, int.from_bytes(data[whole:], "big")]:
        h = (h ^ piece) * FACTOR % (1 << 64)
        h ^= h >> 32
    return h - (1 << 64) if h >> 63 else h
