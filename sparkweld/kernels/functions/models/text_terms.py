"""Counts the terms that end at a document's next symbol, by the automaton of `ir.layouts.text_automata` or by hashing n-grams."""

from __future__ import annotations

from sparkweld.ir.layouts.text_header import Head
from sparkweld.ir.text_models import SIGNED, SPARK, SPARK_SEED, WORD
from sparkweld.kernels.functions.models.text_entries import (
    LETTER,
    NO_END,
    RING,
    SEEN,
    STATE,
    add_entry,
    equal_of_line,
)
from sparkweld.kernels.functions.models.text_hashes import fed_hash, feed
from sparkweld.kernels.functions.strings.library import function
from sparkweld.kernels.functions.strings.memory_access import (
    INT,
    load_i32,
    rest,
    store_word,
    word,
    zeros_below,
)
from sparkweld.kernels.functions.strings.utf8 import encode

_ANALYZER, _SHORTEST, _LONGEST, _FEATURES = 8 * Head.ANALYZER, 8 * Head.SHORTEST, 8 * Head.LONGEST, 8 * Head.FEATURES
_HASH, _SYMBOLS, _NODES, _ROOTS_AT = 8 * Head.HASH, 8 * Head.SYMBOLS_AT, 8 * Head.NODES_AT, 8 * Head.ROOTS_AT
_ROOTS = 8 * Head.ROOTS


@function(INT, INT, INT, INT, result=INT)
def child_of(symbols: int, first: int, count: int, symbol: int) -> int:
    """Returns the child node with that symbol, 0 when there is none. A line of memory after all symbols must be readable."""
    while count > 16:
        half = count >> 1
        if load_i32(symbols, 4 * (first + half)) <= symbol:
            first += half
        count -= half
    found = equal_of_line(symbols + 4 * first, symbol) & (1 << count) - 1
    if found == 0:
        return 0
    return first + zeros_below(found)


@function(INT, INT, INT, result=INT)
def child_of_root(block: int, count: int, symbol: int) -> int:
    """Returns the root's child of a symbol, 0 when there is none."""
    if symbol < word(block, _ROOTS):
        return load_i32(block + word(block, _ROOTS_AT), 4 * symbol)
    if count == 0:
        return 0
    return child_of(block + word(block, _SYMBOLS), 1, count, symbol)


@function(INT, INT, INT, result=INT)
def step(registers: int, block: int, symbol: int) -> int:
    """Advances the automaton by a symbol and counts the terms that end with it."""
    nodes = block + word(block, _NODES)
    at = nodes + 32 * word(registers, STATE)
    node = 0
    while node == 0 and load_i32(at, 16) != 1:
        node = child_of(block + word(block, _SYMBOLS), load_i32(at, 16), load_i32(at, 20), symbol)
        if node == 0:
            at = nodes + 32 * load_i32(at, 24)
    if node == 0:
        node = child_of_root(block, load_i32(at, 20), symbol)
    store_word(registers, STATE, node)
    while node != 0:
        at = nodes + 32 * node
        if load_i32(at, 0) >= 0:
            add_entry(registers, block, load_i32(at, 0), 1)
            if load_i32(at, 4) >= 0:
                add_entry(registers, block, load_i32(at, 4), 1)
                if load_i32(at, 8) >= 0:
                    add_entry(registers, block, load_i32(at, 8), 1)
        node = load_i32(at, 12)
    return 0


@function(INT, INT, INT, result=INT)
def count_hashed(registers: int, block: int, size: int) -> int:
    """Counts the n-gram of the last `size` symbols."""
    seen = word(registers, SEEN)
    i = seen - size
    while i < seen:
        at = registers + RING + 16 * (i & 15)
        if word(block, _ANALYZER) == WORD:
            if i > seen - size:
                store_word(registers, LETTER, 32)
                feed(registers, registers + LETTER, 1)
            feed(registers, word(at, 0), word(at, 8))
        else:
            feed(registers, registers + LETTER, encode(registers + LETTER, word(at, 0)))
        i += 1
    features = word(block, _FEATURES)
    if word(block, _HASH) == SPARK:
        return add_entry(registers, block, rest(fed_hash(registers, SPARK_SEED) + (features << 31), features), 1)
    h = fed_hash(registers, 0)
    sign = 1
    if h < 0:
        if word(block, _HASH) == SIGNED:
            sign = -1
        h = -h
        if h == NO_END:  # as the library does where abs() would overflow
            h = NO_END - features
            if h < 0:
                h += features
    return add_entry(registers, block, rest(h, features), sign)


@function(INT, INT, INT, INT, result=INT)
def take(registers: int, block: int, first: int, second: int) -> int:
    """Consumes the row's next symbol: a code point, a token's number, or for hashing a token's address and length."""
    if word(block, _FEATURES) == 0:
        return step(registers, block, first)
    seen = word(registers, SEEN)
    at = registers + RING + 16 * (seen & 15)
    store_word(at, 0, first)
    store_word(at, 8, second)
    seen += 1
    store_word(registers, SEEN, seen)
    size = word(block, _SHORTEST)
    while size <= word(block, _LONGEST) and size <= seen:
        count_hashed(registers, block, size)
        size += 1
    return 0
