"""Hashes the bytes of an n-gram incrementally; the state is stored in the scratch of `text_entries`."""

from __future__ import annotations

from sparkweld.kernels.functions.models.text_entries import FED, HASH, PENDING
from sparkweld.kernels.functions.strings.library import function
from sparkweld.kernels.functions.strings.memory_access import INT, byte, shift_right, store_word, word, wrapping_multiply

_32 = 0xFFFFFFFF


@function(INT, INT, result=INT)
def begin_hash(registers: int, seed: int) -> int:
    """Resets the hash: the next byte fed is the first one."""
    store_word(registers, HASH, seed)
    store_word(registers, PENDING, 0)
    store_word(registers, FED, 0)
    return 0


@function(INT, result=INT)
def mixed_key(k: int) -> int:
    """Mixes four bytes as MurmurHash3 does."""
    k = wrapping_multiply(k, 0xCC9E2D51) & _32
    k = (k << 15 | shift_right(k, 17)) & _32
    return wrapping_multiply(k, 0x1B873593) & _32


@function(INT, INT, INT, result=INT)
def feed(registers: int, a: int, n: int) -> int:
    """Hashes n more bytes (MurmurHash3_x86_32, Appleby; as sklearn.utils.murmurhash3_32)."""
    h = word(registers, HASH)
    k = word(registers, PENDING)
    fed = word(registers, FED)
    i = 0
    while i < n:
        k |= byte(a, i) << 8 * (fed & 3)
        fed += 1
        i += 1
        if fed & 3 == 0:
            h ^= mixed_key(k)
            h = (h << 13 | shift_right(h, 19)) & _32
            h = wrapping_multiply(h, 5) + 0xE6546B64 & _32
            k = 0
    store_word(registers, HASH, h)
    store_word(registers, PENDING, k)
    store_word(registers, FED, fed)
    return 0


@function(INT, INT, result=INT)
def fed_hash(registers: int, seed: int) -> int:
    """Returns the signed hash of all bytes fed, and resets the hash to the seed."""
    h = word(registers, HASH) ^ mixed_key(word(registers, PENDING)) ^ word(registers, FED)
    h ^= shift_right(h, 16)
    h = wrapping_multiply(h, 0x85EBCA6B) & _32
    h ^= shift_right(h, 13)
    h = wrapping_multiply(h, 0xC2B2AE35) & _32
    h ^= shift_right(h, 16)
    begin_hash(registers, seed)
    if h >= 1 << 31:
        h -= 1 << 32
    return h
