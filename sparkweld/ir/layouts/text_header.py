"""Defines the header layout of a text model's constant block: the indices into its first array, `head`."""

from __future__ import annotations

from enum import IntEnum

from sparkweld.ir.text_models import MOST_STEPS


class Head(IntEnum):
    """Index of each int64 of the head. Members named `*_AT` hold byte offsets from the block's address to an array."""

    ANALYZER = 0
    LEAST = 1  # minimum code points of a token
    SHORTEST = 2  # minimum symbols of an n-gram
    LONGEST = 3  # maximum symbols of an n-gram
    OUTPUTS = 4
    STARTS = 5  # 1 when the sums' initial values are arguments
    FEATURES = 6  # columns of a hashing vectoriser, 0 for a vocabulary
    HASH = 7  # the kind of hash
    BLOCKS_AT = 8
    KINDS_AT = 9
    WORDS_AT = 10
    WORDS_SHIFT = 11  # right shift from a word's hash to its slot
    LETTERS_AT = 12
    FIRST_STOP = 13  # words from this number on are stop words
    SYMBOLS_AT = 14
    NODES_AT = 15
    ROOTS_AT = 16
    ROOTS = 17  # length of the table of the root's children, by symbol
    WEIGHTS_AT = 18
    LOGS_AT = 19
    LOGS = 20  # number of logarithms, of 0, 1, 2 ...
    DIGITS = 21  # bytes of the largest column number
    DIRECT = 22  # 1 when each term is one word, whose number is its column
    WORD_STARTS_AT = 23
    SPANS_AT = 24
    SPANS = 25  # number of ASCII ranges that are token characters
    SPLIT = 26  # 1 when tokens are the strings between single separators
    EXTRA = 27  # extra length of a code point past 16 bits, beside 1
    STEPS = 28  # number of steps; then for each step its kind and the offset of its numbers


HEAD = Head.STEPS + 1 + 2 * MOST_STEPS
