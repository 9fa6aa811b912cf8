"""Computes digests of the bytes of strings: MD5, SHA-1 and SHA-2 as hexadecimal digits, CRC-32, and the padded keys of HMAC.

Working memory is the state of 8 words, the message schedule of 80 words, and the last two blocks of 32 words. A table holds the
initial state, then the round constants, then the rotations of MD5, a word each.
"""

from __future__ import annotations

from sparkweld.kernels.functions.strings.arena import reserve
from sparkweld.kernels.functions.strings.library import Function, function
from sparkweld.kernels.functions.strings.memory_access import (
    INT,
    VIEW,
    address_of,
    byte,
    copy,
    length_of,
    load_u32,
    shift_right,
    store_byte,
    store_word,
    view,
    word,
    wrapping_add,
)
from sparkweld.kernels.llvm.numba_frontend import Operation

MD5, SHA1, SHA256, SHA512 = range(4)
_SCHEDULE, _LAST = 64, 704
#: Words of working memory.
WORDS = 120

_M = 0xFFFFFFFF


@function(INT, INT, result=INT)
def rotate_left(x: int, n: int) -> int:
    """Rotates 32 bits."""
    return ((x << n) | (x >> (32 - n))) & _M


@function(INT, INT, result=INT)
def rotate_right(x: int, n: int) -> int:
    """Rotates 32 bits."""
    return ((x >> n) | (x << (32 - n))) & _M


@function(INT, INT, result=INT)
def rotate_right_64(x: int, n: int) -> int:
    """Rotates 64 bits."""
    return shift_right(x, n) | (x << (64 - n))


@function(INT, INT, result=INT)
def load_big_32(a: int, offset: int) -> int:
    """Loads 32 bits, of which the first byte is the highest."""
    x = load_u32(a, offset)
    return ((x & 0xFF) << 24) | ((x & 0xFF00) << 8) | ((x >> 8) & 0xFF00) | (x >> 24)


@function(INT, INT, result=INT)
def load_big_64(a: int, offset: int) -> int:
    """Loads 64 bits, of which the first byte is the highest."""
    return (load_big_32(a, offset) << 32) | load_big_32(a, offset + 4)


@function(INT, INT, INT, result=INT)
def md5_block(to: int, block: int, table: int) -> int:
    """Adds a block of 64 bytes to a state of MD5."""
    a = word(to, 0)
    b = word(to, 8)
    c = word(to, 16)
    d = word(to, 24)
    i = 0
    while i < 64:
        if i < 16:
            mixed = (b & c) | (~b & d)
            at = i
        elif i < 32:
            mixed = (d & b) | (~d & c)
            at = (5 * i + 1) & 15
        elif i < 48:
            mixed = b ^ c ^ d
            at = (3 * i + 5) & 15
        else:
            mixed = c ^ (b | (~d & _M))
            at = (7 * i) & 15
        total = (a + (mixed & _M) + word(table, 64 + 8 * i) + load_u32(block, 4 * at)) & _M
        a = d
        d = c
        c = b
        b = (b + rotate_left(total, word(table, 576 + 8 * i))) & _M
        i += 1
    store_word(to, 0, (word(to, 0) + a) & _M)
    store_word(to, 8, (word(to, 8) + b) & _M)
    store_word(to, 16, (word(to, 16) + c) & _M)
    store_word(to, 24, (word(to, 24) + d) & _M)
    return 0


@function(INT, INT, INT, result=INT)
def sha1_block(to: int, block: int, table: int) -> int:
    """Adds a block of 64 bytes to a state of SHA-1."""
    schedule = to + _SCHEDULE
    i = 0
    while i < 16:
        store_word(schedule, 8 * i, load_big_32(block, 4 * i))
        i += 1
    while i < 80:
        x = word(schedule, 8 * i - 24) ^ word(schedule, 8 * i - 64) ^ word(schedule, 8 * i - 112) ^ word(schedule, 8 * i - 128)
        store_word(schedule, 8 * i, rotate_left(x, 1))
        i += 1
    a = word(to, 0)
    b = word(to, 8)
    c = word(to, 16)
    d = word(to, 24)
    e = word(to, 32)
    i = 0
    while i < 80:
        if i < 20:
            mixed = (b & c) | (~b & d & _M)
            constant = 0x5A827999
        elif i < 40:
            mixed = b ^ c ^ d
            constant = 0x6ED9EBA1
        elif i < 60:
            mixed = (b & c) | (b & d) | (c & d)
            constant = 0x8F1BBCDC
        else:
            mixed = b ^ c ^ d
            constant = 0xCA62C1D6
        total = (rotate_left(a, 5) + mixed + e + constant + word(schedule, 8 * i)) & _M
        e = d
        d = c
        c = rotate_left(b, 30)
        b = a
        a = total
        i += 1
    store_word(to, 0, (word(to, 0) + a) & _M)
    store_word(to, 8, (word(to, 8) + b) & _M)
    store_word(to, 16, (word(to, 16) + c) & _M)
    store_word(to, 24, (word(to, 24) + d) & _M)
    store_word(to, 32, (word(to, 32) + e) & _M)
    return 0


@function(INT, INT, result=INT)
def add_32(x: int, y: int) -> int:
    """Adds modulo 2**32."""
    return (x + y) & _M


def _sha2(
    name: str, rounds: int, size: int, load: Function, rotate: Function, add: Operation,
    schedule: tuple[int, ...], mixing: tuple[int, ...],
) -> Function:  # fmt: skip
    """Returns the function that adds a block to a state of SHA-2 whose words have `size` bytes (FIPS 180-4, 6.2 and 6.4).

    `schedule`: two rotations and a shift of the first term of a word of the message schedule, then those of the second.
    `mixing`: three rotations of the state's fifth word, then of its first.
    """
    r1, r2, r3, r4, r5, r6 = schedule
    m1, m2, m3, m4, m5, m6 = mixing

    def block(to: int, block: int, table: int) -> int:
        words = to + _SCHEDULE
        i = 0
        while i < 16:
            store_word(words, 8 * i, load(block, size * i))
            i += 1
        while i < rounds:
            x = word(words, 8 * i - 120)
            y = word(words, 8 * i - 16)
            s = rotate(x, r1) ^ rotate(x, r2) ^ shift_right(x, r3)
            t = rotate(y, r4) ^ rotate(y, r5) ^ shift_right(y, r6)
            store_word(words, 8 * i, add(add(word(words, 8 * i - 128), s), add(word(words, 8 * i - 56), t)))
            i += 1
        a = word(to, 0)
        b = word(to, 8)
        c = word(to, 16)
        d = word(to, 24)
        e = word(to, 32)
        f = word(to, 40)
        g = word(to, 48)
        h = word(to, 56)
        i = 0
        while i < rounds:
            s = rotate(e, m1) ^ rotate(e, m2) ^ rotate(e, m3)
            first = add(add(h, s), (e & f) ^ (~e & g))
            first = add(first, add(word(table, 64 + 8 * i), word(words, 8 * i)))
            t = rotate(a, m4) ^ rotate(a, m5) ^ rotate(a, m6)
            second = add(t, (a & b) ^ (a & c) ^ (b & c))
            h = g
            g = f
            f = e
            e = add(d, first)
            d = c
            c = b
            b = a
            a = add(first, second)
            i += 1
        store_word(to, 0, add(word(to, 0), a))
        store_word(to, 8, add(word(to, 8), b))
        store_word(to, 16, add(word(to, 16), c))
        store_word(to, 24, add(word(to, 24), d))
        store_word(to, 32, add(word(to, 32), e))
        store_word(to, 40, add(word(to, 40), f))
        store_word(to, 48, add(word(to, 48), g))
        store_word(to, 56, add(word(to, 56), h))
        return 0

    return function(INT, INT, INT, result=INT, name=name)(block)


sha256_block = _sha2(
    "sha256_block", 64, 4, load_big_32, rotate_right, add_32, (7, 18, 3, 17, 19, 10), (6, 11, 25, 2, 13, 22)
)
sha512_block = _sha2(
    "sha512_block", 80, 8, load_big_64, rotate_right_64, wrapping_add, (1, 8, 7, 19, 61, 6), (14, 18, 41, 28, 34, 39)
)


@function(INT, INT, INT, INT, result=INT)
def add_block(to: int, block: int, table: int, kind: int) -> int:
    """Adds a block to the state of a digest."""
    if kind == MD5:
        return md5_block(to, block, table)
    if kind == SHA1:
        return sha1_block(to, block, table)
    if kind == SHA256:
        return sha256_block(to, block, table)
    return sha512_block(to, block, table)


@function(INT, VIEW, INT, INT, result=INT)
def add_message(to: int, v: int, table: int, kind: int) -> int:
    """Adds a whole message to the initial state: its blocks, then the rest with a bit of 1, zeros, and the length in bits."""
    i = 0
    while i < 64:
        store_word(to, i, word(table, i))
        i += 8
    a = address_of(v)
    n = length_of(v)
    size = 64
    room = 8
    if kind == SHA512:
        size = 128
        room = 16
    while n >= size:
        add_block(to, a, table, kind)
        a += size
        n -= size
    last = to + _LAST
    i = 0
    while i < 256:
        store_word(last, i, 0)
        i += 8
    copy(last, a, n)
    store_byte(last, n, 0x80)
    end = size
    if n + 1 + room > size:
        end = size + size
    bits = length_of(v) * 8
    i = 0
    while i < 8:
        at = end - 1 - i
        if kind == MD5:
            at = end - 8 + i
        store_byte(last, at, (bits >> (8 * i)) & 0xFF)
        i += 1
    add_block(to, last, table, kind)
    if end > size:
        add_block(to, last + size, table, kind)
    return 0


@function(INT, result=INT)
def hex_digit(x: int) -> int:
    """Returns the byte of a hexadecimal digit."""
    if x < 10:
        return 48 + x
    return 87 + x


@function(INT, VIEW, INT, INT, INT, INT, result=VIEW)
def hexdigest(arena: int, v: int, registers: int, table: int, kind: int, size: int) -> int:
    """Returns the first `size` bytes of a digest as hexadecimal digits; `registers` is the working memory."""
    add_message(registers, v, table, kind)
    to = reserve(arena, 2 * size)
    if to == 0:
        return view(0, 0)
    i = 0
    while i < size:
        if kind == SHA512:
            x = word(registers, i & -8) >> (56 - 8 * (i & 7))
        elif kind == MD5:
            x = word(registers, 2 * (i & -4)) >> (8 * (i & 3))
        else:
            x = word(registers, 2 * (i & -4)) >> (24 - 8 * (i & 3))
        store_byte(to, 2 * i, hex_digit((x >> 4) & 15))
        store_byte(to, 2 * i + 1, hex_digit(x & 15))
        i += 1
    return view(to, 2 * size)


@function(VIEW, INT, INT, result=INT)
def crc32(v: int, start: int, table: int) -> int:
    """Returns zlib.crc32(v, start); the table has 256 words."""
    a = address_of(v)
    n = length_of(v)
    crc = start ^ _M
    i = 0
    while i < n:
        crc = word(table, 8 * ((crc ^ byte(a, i)) & 0xFF)) ^ (crc >> 8)
        i += 1
    return crc ^ _M


@function(INT, VIEW, INT, INT, result=VIEW)
def hmac_key(arena: int, v: int, block: int, other: int) -> int:
    """Returns a key with zeros up to `block` bytes, each combined with the byte `other`."""
    a = address_of(v)
    n = length_of(v)
    to = reserve(arena, block)
    if to == 0:
        return view(0, 0)
    i = 0
    while i < block:
        store_byte(to, i, (byte(a, i) ^ other) if i < n else other)
        i += 1
    return view(to, block)
