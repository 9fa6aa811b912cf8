"""Searches hash tables of strings that `sparkweld.ir.layouts.key_tables` lays out."""

from __future__ import annotations

from sparkweld.ir.layouts.key_tables import FACTOR, HEAD, SLOT, KeyHead, KeySlot
from sparkweld.kernels.functions.strings.library import function
from sparkweld.kernels.functions.strings.memory_access import (
    INT,
    VIEW,
    address_of,
    byte,
    length_of,
    shift_right,
    word,
    wrapping_multiply,
)
from sparkweld.kernels.functions.strings.search import same_bytes

_MASK, _KEYS_AT = 8 * KeyHead.MASK, 8 * KeyHead.KEYS_AT
_HASH, _OFFSET, _LENGTH, _NUMBER = 8 * KeySlot.HASH, 8 * KeySlot.OFFSET, 8 * KeySlot.LENGTH, 8 * KeySlot.NUMBER


@function(VIEW, result=INT)
def hash_of(v: int) -> int:
    """Returns a hash of the bytes, computed eight at a time."""
    a = address_of(v)
    n = length_of(v)
    h = n
    i = 0
    while i + 8 <= n:
        h = wrapping_multiply(h ^ word(a, i), FACTOR)
        h ^= shift_right(h, 32)
        i += 8
    last = 0
    while i < n:
        last = last << 8 | byte(a, i)
        i += 1
    h = wrapping_multiply(h ^ last, FACTOR)
    return h ^ shift_right(h, 32)


@function(VIEW, INT, result=INT)
def find_key(v: int, table: int) -> int:
    """Returns the index of the key that equals v, else -1."""
    h = hash_of(v)
    mask = word(table, _MASK)
    keys = table + word(table, _KEYS_AT)
    n = length_of(v)
    slot = h & mask
    while True:
        at = HEAD + SLOT * slot
        number = word(table, at + _NUMBER)
        if number < 0:
            return -1
        if word(table, at + _HASH) == h and word(table, at + _LENGTH) == n and same_bytes(
            keys + word(table, at + _OFFSET), address_of(v), n
        ):  # fmt: skip
            return number
        slot = slot + 1 & mask
