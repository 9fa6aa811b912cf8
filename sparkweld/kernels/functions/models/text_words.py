"""Splits strings into tokens, up to 64 bytes at a time, and looks tokens up in the table of words."""

from __future__ import annotations

from llvmlite import ir

from sparkweld.ir.layouts.text_automata import GOLDEN, TOKEN
from sparkweld.ir.layouts.text_header import Head
from sparkweld.kernels.functions.models.text_entries import COVERED, WINDOW
from sparkweld.kernels.functions.strings.library import function
from sparkweld.kernels.functions.strings.memory_access import (
    INT,
    byte,
    copy,
    load_u16,
    shift_right,
    store_word,
    word,
    wrapping_multiply,
    zeros_below,
)
from sparkweld.kernels.functions.strings.search import same_bytes
from sparkweld.kernels.functions.strings.utf8 import decode, size_at
from sparkweld.kernels.llvm.memory import pointer
from sparkweld.kernels.llvm.numba_frontend import Operation

_MULTIPLIER = GOLDEN - (1 << 64)
_BLOCKS, _KINDS, _SPANS_AT, _SPANS = 8 * Head.BLOCKS_AT, 8 * Head.KINDS_AT, 8 * Head.SPANS_AT, 8 * Head.SPANS
_WORDS, _SHIFT, _STARTS, _LETTERS = 8 * Head.WORDS_AT, 8 * Head.WORDS_SHIFT, 8 * Head.WORD_STARTS_AT, 8 * Head.LETTERS_AT
_PAGE = 4096
_BYTES = ir.VectorType(ir.IntType(8), 64)


def _bytes_within(b: ir.IRBuilder, address: ir.Value, low: ir.Value, more: ir.Value) -> ir.Value:
    """Builds a mask: bit i is set where the byte at address + i is in [low, low + more]."""

    def splat(value: ir.Value) -> ir.Value:
        one = b.insert_element(ir.Constant(_BYTES, ir.Undefined), b.trunc(value, _BYTES.element), ir.IntType(32)(0))
        return b.shuffle_vector(one, one, ir.Constant(ir.VectorType(ir.IntType(32), 64), [0] * 64))

    found = b.load(pointer(b, address, _BYTES), align=1)
    return b.bitcast(b.icmp_unsigned("<=", b.sub(found, splat(low)), splat(more)), ir.IntType(64))


bytes_within = Operation("bytes_within", (INT, INT, INT), INT, _bytes_within)


@function(INT, INT, result=INT)
def kind_of(block: int, code: int) -> int:
    """Returns the kinds of a code point: bits of `ir.layouts.text_automata`."""
    number = load_u16(block + word(block, _BLOCKS), 2 * (code >> 7))
    return byte(block + word(block, _KINDS), (number << 7) + (code & 127))


@function(INT, result=INT)
def lowest_bits(count: int) -> int:
    """Returns a word whose lowest `count` bits are set, at most 64."""
    if count >= 64:
        return -1
    return (1 << count) - 1


@function(INT, INT, INT, INT, INT, result=INT)
def wide_tokens(registers: int, block: int, a: int, i: int, n: int) -> int:
    """Like `tokens_at`, for code points beyond ASCII, the first of them at i."""
    found = 0
    covered = 0
    size = size_at(a, i, n)
    while i < n and byte(a, i) >= 128 and covered + size <= 64:
        if kind_of(block, decode(a, i, size)) & TOKEN != 0:
            found |= lowest_bits(size) << covered
        covered += size
        i += size
        if i < n:
            size = size_at(a, i, n)
    store_word(registers, COVERED, covered)
    return found


@function(INT, INT, INT, INT, INT, result=INT)
def tokens_at(registers: int, block: int, a: int, i: int, n: int) -> int:
    """Returns a mask: bit k is set where the byte at i + k < n belongs to a token.

    COVERED then holds the number of bytes examined, at most 64: either all are ASCII, or none.
    """
    at = a + i
    left = n - i
    if left < 64 and at & _PAGE - 1 > _PAGE - 64:  # other bytes are read in place: no page ends among them
        copy(registers + WINDOW, at, left)
        at = registers + WINDOW
    beyond = bytes_within(at, 128, 127)
    if left < 64:
        beyond |= -1 << left
    if beyond & 1 != 0:
        return wide_tokens(registers, block, a, i, n)
    spans = block + word(block, _SPANS_AT)
    end = spans + 16 * word(block, _SPANS)
    found = 0
    while spans < end:
        found |= bytes_within(at, word(spans, 0), word(spans, 8))
        spans += 16
    covered = 64
    if beyond != 0:
        covered = zeros_below(beyond)
    store_word(registers, COVERED, covered)
    return found & lowest_bits(covered)


@function(INT, INT, result=INT)
def count_long(a: int, n: int) -> int:
    """Returns the number of code points of four bytes."""
    count = 0
    i = 0
    while i < n:
        count += byte(a, i) >= 240
        i += 1
    return count


@function(INT, INT, INT, INT, result=INT)
def first_bytes(a: int, i: int, size: int, n: int) -> int:
    """Returns the first eight bytes of a word at i, zeros after its end; n bytes are readable."""
    if size >= 8:
        return word(a, i)
    if size == 0:
        return 0
    unused = 64 - 8 * size
    if i + size >= 8:
        return shift_right(word(a, i + size - 8), unused)
    if i + 8 <= n:
        return shift_right(word(a, i) << unused, unused)
    found = 0
    while size > 0:
        size -= 1
        found = found << 8 | byte(a, i + size)
    return found


@function(INT, INT, INT, INT, result=INT)
def word_hash(head: int, a: int, i: int, size: int) -> int:
    """Returns the hash of a word with these first eight bytes, as `layouts.text_automata` computes it."""
    h = wrapping_multiply(head, _MULTIPLIER)
    last = i + size - 8
    i += 8
    while i < last + 8:
        if i > last:
            i = last
        h = wrapping_multiply(h ^ shift_right(h, 32) ^ word(a, i), _MULTIPLIER)
        i += 8
    return h


@function(INT, INT, INT, INT, INT, result=INT)
def word_number(block: int, a: int, i: int, size: int, n: int) -> int:
    """Returns the number of the word at i, -1 when it is not in the table; n bytes are readable."""
    head = first_bytes(a, i, size, n)
    slots = block + word(block, _WORDS)
    shift = word(block, _SHIFT)
    mask = lowest_bits(64 - shift)
    slot = shift_right(word_hash(head, a, i, size), shift)
    while True:
        found = word(slots, 16 * slot + 8)
        if found < 0:
            return -1
        if word(slots, 16 * slot) == head and found & 0xFFFFFFFF == size:
            number = found >> 32
            if size <= 8:
                return number
            if same_bytes(block + word(block, _LETTERS) + word(block + word(block, _STARTS), 8 * number), a + i, size):
                return number
        slot = slot + 1 & mask
