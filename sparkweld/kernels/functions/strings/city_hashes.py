"""Computes the hash of strings by which CatBoost names categories: see `sparkweld.ir.city_hash`, whose steps these are."""

from __future__ import annotations

from sparkweld.ir import city_hash
from sparkweld.kernels.functions.strings.library import function
from sparkweld.kernels.functions.strings.memory_access import (
    INT,
    VIEW,
    address_of,
    byte,
    length_of,
    load_u32,
    shift_right,
    word,
    wrapping_add,
    wrapping_multiply,
    wrapping_subtract,
)

#: The multipliers as signed integers, which all words are here.
K0, K1, K2, K3, K_MIX = (k - (1 << 64) for k in (city_hash.K0, city_hash.K1, city_hash.K2, city_hash.K3, city_hash.K_MIX))


@function(INT, INT, result=INT)
def rotated(x: int, bits: int) -> int:
    """Rotates a word to the right by 1 to 63 bits."""
    return shift_right(x, bits) | x << (64 - bits)


@function(INT, result=INT)
def folded(x: int) -> int:
    """Mixes the high bits of a word into its low ones."""
    return x ^ shift_right(x, 47)


@function(INT, INT, result=INT)
def mixed(low: int, high: int) -> int:
    """Hashes two words to one."""
    a = folded(wrapping_multiply(low ^ high, K_MIX))
    return wrapping_multiply(folded(wrapping_multiply(high ^ a, K_MIX)), K_MIX)


@function(INT, INT, result=INT)
def up_to_16(a: int, n: int) -> int:
    """Hashes up to 16 bytes."""
    if n > 8:
        last = word(a, n - 8)
        return mixed(word(a, 0), rotated(wrapping_add(last, n), n)) ^ last
    if n >= 4:
        return mixed(n + (load_u32(a, 0) << 3), load_u32(a, n - 4))
    if n > 0:
        first = byte(a, 0) + (byte(a, n >> 1) << 8)
        last = n + (byte(a, n - 1) << 2)
        return wrapping_multiply(folded(wrapping_multiply(first, K2) ^ wrapping_multiply(last, K3)), K2)
    return K2


@function(INT, INT, result=INT)
def up_to_32(at: int, n: int) -> int:
    """Hashes 17 to 32 bytes."""
    a = wrapping_multiply(word(at, 0), K1)
    b = word(at, 8)
    c = wrapping_multiply(word(at, n - 8), K2)
    d = wrapping_multiply(word(at, n - 16), K0)
    low = wrapping_add(wrapping_add(rotated(wrapping_subtract(a, b), 43), rotated(c, 30)), d)
    high = wrapping_add(wrapping_subtract(wrapping_add(a, rotated(b ^ K3, 20)), c), n)
    return mixed(low, high)


@function(INT, INT, INT, result=INT)
def half_low(at: int, a: int, z: int) -> int:
    """Returns the first word of a half of 33 to 64 bytes."""
    return wrapping_add(wrapping_add(wrapping_add(a, word(at, 8)), word(at, 16)), z)


@function(INT, INT, INT, result=INT)
def half_high(at: int, a: int, z: int) -> int:
    """Returns the second word of a half of 33 to 64 bytes."""
    b = rotated(wrapping_add(a, z), 52)
    c = rotated(a, 37)
    a = wrapping_add(a, word(at, 8))
    c = wrapping_add(c, rotated(a, 7))
    a = wrapping_add(a, word(at, 16))
    return wrapping_add(wrapping_add(b, rotated(a, 31)), c)


@function(INT, INT, result=INT)
def up_to_64(at: int, n: int) -> int:
    """Hashes 33 to 64 bytes."""
    a = wrapping_add(word(at, 0), wrapping_multiply(wrapping_add(n, word(at, n - 16)), K0))
    z = word(at, 24)
    low = half_low(at, a, z)
    high = half_high(at, a, z)
    a = wrapping_add(word(at, 16), word(at, n - 32))
    z = word(at, n - 8)
    last_low = half_low(at + n - 32, a, z)
    last_high = half_high(at + n - 32, a, z)
    both = wrapping_add(
        wrapping_multiply(wrapping_add(low, last_high), K2), wrapping_multiply(wrapping_add(last_low, high), K0)
    )
    return wrapping_multiply(folded(wrapping_add(wrapping_multiply(folded(both), K0), high)), K2)


@function(INT, INT, result=INT)
def block_low(at: int, a: int) -> int:
    """Returns the first word of 32 bytes with the seed a."""
    return wrapping_add(wrapping_add(wrapping_add(a, word(at, 0)), wrapping_add(word(at, 8), word(at, 16))), word(at, 24))


@function(INT, INT, INT, result=INT)
def block_high(at: int, a: int, b: int) -> int:
    """Returns the second word of 32 bytes with the seeds a and b."""
    a = wrapping_add(a, word(at, 0))
    low = rotated(wrapping_add(wrapping_add(b, a), word(at, 24)), 21)
    return wrapping_add(wrapping_add(low, rotated(wrapping_add(wrapping_add(a, word(at, 8)), word(at, 16)), 44)), a)


@function(INT, INT, result=INT)
def longer(at: int, n: int) -> int:
    """Hashes more than 64 bytes."""
    y = word(at, n - 16) ^ K1
    v = block_low(at + n - 64, n)
    v_high = block_high(at + n - 64, n, y)
    w = block_low(at + n - 32, wrapping_multiply(n, K1))
    w_high = block_high(at + n - 32, wrapping_multiply(n, K1), K0)
    z = wrapping_add(word(at, n - 56) ^ K0, wrapping_multiply(folded(v_high), K1))
    x = wrapping_multiply(rotated(wrapping_add(z, word(at, 0)), 39), K1)
    y = wrapping_multiply(rotated(y, 33), K1)
    end = at + ((n - 1) & -64)
    while at < end:
        x = wrapping_multiply(rotated(wrapping_add(wrapping_add(x, y), wrapping_add(v, word(at, 16))), 37), K1) ^ w_high
        y = wrapping_multiply(rotated(wrapping_add(wrapping_add(y, v_high), word(at, 48)), 42), K1) ^ v
        z = rotated(z ^ w, 33)
        a = wrapping_multiply(v_high, K1)
        b = wrapping_add(x, w)
        v = block_low(at, a)
        v_high = block_high(at, a, b)
        a = wrapping_add(z, w_high)
        w = block_low(at + 32, a)
        w_high = block_high(at + 32, a, y)
        x, z = z, x
        at += 64
    low = wrapping_add(wrapping_add(mixed(v, w), wrapping_multiply(folded(y), K1)), z)
    return mixed(low, wrapping_add(mixed(v_high, w_high), x))


@function(VIEW, result=INT)
def city_hash_of(v: int) -> int:
    """Returns the hash of the bytes as a signed word."""
    n = length_of(v)
    a = address_of(v)
    if n <= 16:
        return up_to_16(a, n)
    if n <= 32:
        return up_to_32(a, n)
    if n <= 64:
        return up_to_64(a, n)
    return longer(a, n)


@function(VIEW, result=INT)
def category_hash(v: int) -> int:
    """Returns the low 32 bits of the hash, signed, as CatBoost does."""
    return (city_hash_of(v) << 32) >> 32
