"""Searches hash tables of strings that `sparkweld.ir.layouts.key_tables` lays out."""

from __future__ import annotations

from sparkweld.ir.layouts.key_tables import FACTOR, HEAD, SLOT
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
    mask = word(table, 0)
    keys = table + word(table, 8)
    n = length_of(v)
    slot = h & mask
    while True:
        at = HEAD + SLOT * slot
        number = word(table, at + 24)
        if number < 0:
            return -1
        if word(table, at) == h and word(table, at + 16) == n and same_bytes(keys + word(table, at + 8), address_of(v), n):
            return number
        slot = slot + 1 & mask
