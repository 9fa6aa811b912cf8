"""Lays out hash tables of strings, which kernels search by open addressing.

A table is the int64 of `KeyHead`, then the slots, each the int64 of `KeySlot`, then the key bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

import numpy as np

#: Multiplier of the hash. It is odd, so that multiplication loses no bit of the key.
FACTOR = 0x2545F4914F6CDD1D


class KeyHead(IntEnum):
    """Index of each int64 before the first slot."""

    MASK = 0  # the number of slots - 1
    KEYS_AT = 1  # the byte offset of the key bytes


class KeySlot(IntEnum):
    """Index of each int64 of a slot."""

    HASH = 0
    OFFSET = 1  # within the key bytes
    LENGTH = 2
    NUMBER = 3  # -1 in a free slot


#: Bytes of a slot, and of the head before the first slot.
SLOT, HEAD = 8 * len(KeySlot), 8 * len(KeyHead)


def key_table(keys: Sequence[str]) -> bytes:
    """Builds the table of distinct keys, at most half full."""
    encoded = [key.encode() for key in keys]
    size = 1 << (2 * len(keys)).bit_length()
    slots = np.full((size, len(KeySlot)), -1, np.int64)
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
    slots = np.frombuffer(table, np.int64, len(KeySlot) * (mask + 1), HEAD).reshape(-1, len(KeySlot))
    used = slots[slots[:, KeySlot.NUMBER] >= 0]
    ordered = used[np.argsort(used[:, KeySlot.NUMBER])][:, [KeySlot.OFFSET, KeySlot.LENGTH]]
    return [table[letters + at : letters + at + size].decode() for at, size in ordered.tolist()]


def _hash(data: bytes) -> int:
    """Computes the same hash as `sparkweld.kernels.functions.strings.key_tables.hash_of`."""
    h = len(data)
    whole = len(data) // 8 * 8
    pieces = [int.from_bytes(data[i : i + 8], "little") for i in range(0, whole, 8)]
    for piece in [*pieces, int.from_bytes(data[whole:], "big")]:
        h = (h ^ piece) * FACTOR % (1 << 64)
        h ^= h >> 32
    return h - (1 << 64) if h >> 63 else h
