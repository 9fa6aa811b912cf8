"""Computes CityHash64 in its version 1.0 (Pike and Alakuijala), by which CatBoost names the values of categories.

Later versions of CityHash return other numbers for strings of more than 16 bytes.
"""

from __future__ import annotations

_BITS = (1 << 64) - 1
#: Multipliers of the hash.
K0, K1, K2, K3, K_MIX = (
    0xC3A5C85C97CB3127, 0xB492B66FBE98F273, 0x9AE16A3B2F90404F, 0xC949D7C7509E6557, 0x9DDFEA08EB382D69
)  # fmt: skip


def city_hash(data: bytes) -> int:
    """Returns the hash of the bytes, unsigned."""
    size = len(data)
    if size <= 16:
        return _up_to_16(data)
    if size <= 32:
        a, b, c, d = (_word(data, 0) * K1, _word(data, 8), _word(data, size - 8) * K2, _word(data, size - 16) * K0)
        return _mixed(_rotated(a - b, 43) + _rotated(c, 30) + d, a + _rotated(b ^ K3, 20) - c + size)
    return _up_to_64(data) if size <= 64 else _long(data)


def _up_to_16(data: bytes) -> int:
    size = len(data)
    if size > 8:
        last = _word(data, size - 8)
        return _mixed(_word(data, 0), _rotated(last + size, size)) ^ last
    if size >= 4:
        return _mixed(size + (_half(data, 0) << 3), _half(data, size - 4))
    if size:
        return _folded((data[0] + (data[size >> 1] << 8)) * K2 ^ (size + (data[-1] << 2)) * K3) * K2 & _BITS
    return K2


def _up_to_64(data: bytes) -> int:
    size = len(data)
    first, first_sum = _half_of_64(data, 0, _word(data, 0) + (size + _word(data, size - 16)) * K0, _word(data, 24))
    last, last_sum = _half_of_64(data, size - 32, _word(data, 16) + _word(data, size - 32), _word(data, size - 8))
    both = _folded((first + last_sum) * K2 + (last + first_sum) * K0)
    return _folded(both * K0 + first_sum) * K2 & _BITS


def _half_of_64(data: bytes, at: int, a: int, z: int) -> tuple[int, int]:
    b, c = _rotated(a + z, 52), _rotated(a, 37)
    a += _word(data, at + 8)
    c += _rotated(a, 7)
    a += _word(data, at + 16)
    return a + z, b + _rotated(a, 31) + c


def _long(data: bytes) -> int:
    size = len(data)
    x, y, z = _word(data, 0), _word(data, size - 16) ^ K1, _word(data, size - 56) ^ K0
    v, v_sum = _block(data, size - 64, size, y)
    w, w_sum = _block(data, size - 32, size * K1, K0)
    z += _folded(v_sum) * K1
    x, y = _rotated(z + x, 39) * K1, _rotated(y, 33) * K1
    for at in range(0, (size - 1) // 64 * 64, 64):
        x = _rotated(x + y + v + _word(data, at + 16), 37) * K1 ^ w_sum
        y = _rotated(y + v_sum + _word(data, at + 48), 42) * K1 ^ v
        z = _rotated(z ^ w, 33)
        v, v_sum = _block(data, at, v_sum * K1, x + w)
        w, w_sum = _block(data, at + 32, z + w_sum, y)
        x, z = z, x
    return _mixed(_mixed(v, w) + _folded(y) * K1 + z, _mixed(v_sum, w_sum) + x)


def _block(data: bytes, at: int, a: int, b: int) -> tuple[int, int]:
    """Hashes 32 bytes with two seeds to two words."""
    w, x, y, z = (_word(data, at + 8 * i) for i in range(4))
    a += w
    return a + x + y + z, _rotated(b + a + z, 21) + _rotated(a + x + y, 44) + a


def _word(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 8], "little")


def _half(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 4], "little")


def _rotated(x: int, bits: int) -> int:
    x &= _BITS
    return x >> bits | x << 64 - bits & _BITS


def _folded(x: int) -> int:
    x &= _BITS
    return x ^ x >> 47


def _mixed(low: int, high: int) -> int:
    a = _folded((low ^ high) * K_MIX)
    return _folded((high ^ a) * K_MIX) * K_MIX & _BITS
