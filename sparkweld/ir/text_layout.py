"""Where a text model's kernel finds what in its block: words of the array `head`, which lies first."""

from __future__ import annotations

from enum import IntEnum


class Head(IntEnum):
    """Index of each int64 of the head. Those named `*_AT` are bytes from the block's address to an array."""

    ANALYZER = 0
    LEAST = 1  # code points of a token at least
    SHORTEST = 2  # of n-grams
    LONGEST = 3
    OUTPUTS = 4
    STARTS = 5  # 1 when sums start from arguments
    FEATURES = 6  # columns of a hashing vectoriser, 0 for a vocabulary
    HASH = 7  # the kind of hash
    BLOCKS_AT = 8
    KINDS_AT = 9
    WORDS_AT = 10
    WORDS_SHIFT = 11  # of a word's hash to its slot
    LETTERS_AT = 12
    FIRST_STOP = 13  # words from this number on are left out
    SYMBOLS_AT = 14
    NODES_AT = 15
    ROOTS_AT = 16
    ROOTS = 17  # how many symbols are looked up there
    WEIGHTS_AT = 18
    LOGS_AT = 19
    LOGS = 20  # how many logarithms there are: of 0, 1, 2 ...
    DIGITS = 21  # bytes of the largest column
    DIRECT = 22  # 1 when each term is a word, whose number is its column
    WORD_STARTS_AT = 23
    SPANS_AT = 24
    SPANS = 25  # how many spans of ASCII are of tokens
    SPLIT = 26  # 1 when tokens are what stands between single separators
    EXTRA = 27  # what a code point past 16 bits adds to its token's length, beside 1
    STEPS = 28  # their number; then kind, and where its numbers are, of each


#: Kinds of analyzers.
WORD, CHAR, CHAR_WB = range(3)

#: Kinds of hashes, all MurmurHash3. SIGNED and UNSIGNED: scikit-learn's, whose sign counts or not. SPARK: Spark's since 3.0.
UNSIGNED, SIGNED, SPARK = range(3)
#: What Spark's hash starts from.
SPARK_SEED = 42

#: What is done with a row's values, in order. LOG: 1 + log(x). SCALE: times its column's number. ONE: 1. ABOVE: 1 where greater
#: than the number, else 0. Those from NORM_L1 on divide by the row's norm, unless that is 0.
LOG, SCALE, ONE, ABOVE, NORM_L1, NORM_L2, NORM_MAX = range(1, 8)
MOST_STEPS = 8
HEAD = Head.STEPS + 1 + 2 * MOST_STEPS
#: Most symbols of an n-gram that is hashed.
LONGEST_HASHED = 16
