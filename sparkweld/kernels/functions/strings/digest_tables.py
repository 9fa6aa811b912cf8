"""Computes the constants of digests from the primes and sines that define them: initial states, round constants, rotations."""

from __future__ import annotations

import math
from functools import cache

import numpy as np

from sparkweld.kernels.functions.strings.digests import MD5, SHA1, SHA256, SHA512

#: Name in hashlib -> the function of its blocks, the bytes of the digest.
DIGESTS = {
    "md5": (MD5, 16), "sha1": (SHA1, 20), "sha224": (SHA256, 28), "sha256": (SHA256, 32), "sha384": (SHA512, 48),
    "sha512": (SHA512, 64),
}  # fmt: skip

_SIMPLE = (0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0)


def _primes(count: int) -> list[int]:
    found: list[int] = []
    n = 2
    while len(found) < count:
        if all(n % p for p in found):
            found.append(n)
        n += 1
    return found


def _root(n: int, degree: int, bits: int) -> int:
    """Returns the first `bits` bits of the fraction of a root."""
    scaled = n << (degree * bits)
    low, high = 0, 1 << (bits + 10)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if middle**degree <= scaled else (low, middle - 1)
    return low & ((1 << bits) - 1)


def _initial(name: str) -> list[int]:
    if name in ("md5", "sha1"):
        return list(_SIMPLE[: 4 + (name == "sha1")])
    if name == "sha224":  # the second halves of the words of SHA-384
        return [x & 0xFFFFFFFF for x in _initial("sha384")]
    primes = _primes(16)[8:] if name == "sha384" else _primes(8)
    return [_root(p, 2, 32 if name == "sha256" else 64) for p in primes]


def _rounds(kind: int) -> list[int]:
    if kind == MD5:
        return [int(abs(math.sin(i + 1)) * 2**32) for i in range(64)]
    if kind == SHA1:
        return []
    return [_root(p, 3, 32 if kind == SHA256 else 64) for p in _primes(64 if kind == SHA256 else 80)]


_ROTATIONS = [turn for turns in ((7, 12, 17, 22), (5, 9, 14, 20), (4, 11, 16, 23), (6, 10, 15, 21)) for turn in turns * 4]


@cache
def digest_table(name: str) -> bytes:
    """Returns the words of a digest's table: 8 of the initial state, the round constants, the rotations."""
    initial = _initial(name)
    words = [*initial, *[0] * (8 - len(initial)), *_rounds(DIGESTS[name][0])]
    return np.array(words + (_ROTATIONS if name == "md5" else []), np.uint64).tobytes()


@cache
def crc_table() -> bytes:
    """Returns the words by which CRC-32 replaces a byte."""
    table = np.arange(256, dtype=np.uint64)
    for _ in range(8):
        table = np.where(table & np.uint64(1), (table >> np.uint64(1)) ^ np.uint64(0xEDB88320), table >> np.uint64(1))
    return table.tobytes()
