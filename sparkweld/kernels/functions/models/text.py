"""Computes weighted sums over the terms of text models, without a document-term matrix.

One pass over a row's symbols (code points, or tokens looked up in a table) finds the columns of its terms. `text_terms` counts
them. Sorting the columns yields each column's number of occurrences, and the library's order of addition: that of CSR rows with
sorted indices.

ENTRIES columns fit. A row with more is gathered again for each range of columns that fits. Once the entries are full,
duplicates are merged. If more than half of the entries remain, the greater half of the columns is deferred to the next range.
"""

from __future__ import annotations

from sparkweld.ir.layouts.text_automata import SPACE
from sparkweld.ir.layouts.text_header import Head
from sparkweld.ir.text_models import CHAR, CHAR_WB, NORM_L1, NORM_L2, SPARK, SPARK_SEED
from sparkweld.kernels.functions.models.library import ModelFunction, model_function
from sparkweld.kernels.functions.models.text_entries import (
    AWAITED,
    COVERED,
    HIGH,
    LOW,
    NO_END,
    NORMS,
    OUTPUTS,
    SEEN,
    STATE,
    STEPS,
    USED,
    WEIGHED,
    WORDS,
    add_entry,
    add_norm,
    add_weights,
    make_values,
    merge_entries,
)
from sparkweld.kernels.functions.models.text_hashes import begin_hash
from sparkweld.kernels.functions.models.text_string_cache import (
    FOUND,
    LOOKED,
    add_kept,
    count_kept,
    keep_text,
    kept_area,
    slot_of,
)
from sparkweld.kernels.functions.models.text_terms import count_hashed, take
from sparkweld.kernels.functions.models.text_token_cache import (
    AWAITED_BYTES,
    AWAITING,
    MOST_AWAITED,
    add_known,
    await_known,
    keep_known,
)
from sparkweld.kernels.functions.models.text_words import count_long, kind_of, lowest_bits, tokens_at, word_number
from sparkweld.kernels.functions.strings.library import Function, function
from sparkweld.kernels.functions.strings.memory_access import (
    INT,
    bits_of,
    byte,
    shift_right,
    square_root,
    store_word,
    word,
    zeros_below,
)
from sparkweld.kernels.functions.strings.utf8 import count_code_points, decode, size_at

_ANALYZER, _LEAST, _SHORTEST, _STARTS = 8 * Head.ANALYZER, 8 * Head.LEAST, 8 * Head.SHORTEST, 8 * Head.STARTS
_FEATURES, _HASH, _DIRECT, _FIRST_STOP = 8 * Head.FEATURES, 8 * Head.HASH, 8 * Head.DIRECT, 8 * Head.FIRST_STOP
_SPLIT, _EXTRA = 8 * Head.SPLIT, 8 * Head.EXTRA


@function(INT, INT, INT, INT, INT, INT, result=INT)
def take_word(registers: int, block: int, a: int, i: int, size: int, n: int) -> int:
    """Consumes the row's next token, unless it is a stop word."""
    number = word_number(block, a, i, size, n)
    if number >= word(block, _FIRST_STOP):
        return 0
    if word(block, _FEATURES) != 0:
        return take(registers, block, a + i, size)
    if number < 0:
        store_word(registers, STATE, 0)
        return 0
    if word(block, _DIRECT) != 0:
        return add_entry(registers, block, number, 1)
    return take(registers, block, number, 0)


@function(*(INT,) * 6, result=INT)
def take_padded(registers: int, block: int, a: int, i: int, size: int, n: int) -> int:
    """Consumes the row's next run between white space by itself, with a space before and after it."""
    store_word(registers, STATE, 0)
    store_word(registers, SEEN, 0)
    take(registers, block, 32, 0)
    end = i + size
    while i < end:
        size = size_at(a, i, n)
        take(registers, block, decode(a, i, size), 0)
        i += size
    take(registers, block, 32, 0)
    seen = word(registers, SEEN)
    if seen < word(block, _SHORTEST) and word(block, _FEATURES) != 0:
        return count_hashed(registers, block, seen)  # a run shorter than all n-grams counts as a whole
    return 0


@function(*(INT,) * 6, result=INT)
def take_run(registers: int, block: int, a: int, i: int, size: int, n: int) -> int:
    """Consumes the row's next run of token code points."""
    if word(block, _ANALYZER) == CHAR_WB:
        return take_padded(registers, block, a, i, size, n)
    return take_word(registers, block, a, i, size, n)


@function(INT, INT, INT, INT, result=INT)
def take_awaited(registers: int, block: int, a: int, n: int) -> int:
    """Consumes the runs that `await_known` has batched: adds their cached totals, or computes them."""
    awaited = registers + AWAITING
    end = awaited + AWAITED_BYTES * word(registers, AWAITED)
    store_word(registers, AWAITED, 0)
    while awaited < end:
        i = word(awaited, 0)
        size = word(awaited, 8)
        entry = add_known(registers, a, i, size, awaited)
        if entry >= 0:
            take_run(registers, block, a, i, size, n)
            if entry > 0:
                keep_known(registers, entry)
        awaited += AWAITED_BYTES
    return 0


@function(*(INT,) * 6, result=INT)
def take_or_await(registers: int, block: int, a: int, i: int, size: int, n: int) -> int:
    """Consumes the row's next run of token code points, at once, or in a batch where token totals are cached."""
    awaited = 0
    if word(registers, WORDS) != 0:
        awaited = await_known(registers, a, i, size, n)
    if awaited == 0:
        return take_run(registers, block, a, i, size, n)
    if awaited == MOST_AWAITED:
        return take_awaited(registers, block, a, n)
    return 0


@function(INT, INT, INT, INT, INT, INT, result=INT)
def take_empty(registers: int, block: int, a: int, end: int, begin: int, n: int) -> int:
    """Consumes the empty tokens of a gap: one per separator except the last; all at the string's start (`end` is -1)."""
    gap = count_code_points(a, begin)
    if end >= 0:
        gap = count_code_points(a + end, begin - end) - 1
    while gap > 0:
        take_word(registers, block, a, begin, 0, n)
        gap -= 1
    return 0


@function(INT, INT, INT, INT, result=INT)
def scan_words(registers: int, block: int, a: int, n: int) -> int:
    """Consumes the runs of token code points that are long enough, and empty tokens between them where separators split."""
    split = word(block, _SPLIT)
    end = -1
    if split != 0 and n == 0:
        take_word(registers, block, a, 0, 0, n)
    least = word(block, _LEAST)
    i = 0
    begin = -1
    inside = 0
    wide = 0
    while i <= n:
        found = 0
        covered = 1  # the end of the string ends a token
        if i < n:
            wide |= byte(a, i)
            found = tokens_at(registers, block, a, i, n)
            covered = word(registers, COVERED)
        edges = (found ^ (found << 1 | inside)) & lowest_bits(covered)
        inside = shift_right(found, covered - 1)
        while edges != 0:
            at = i + zeros_below(edges)
            edges &= edges - 1
            if begin < 0:
                begin = at
            else:
                length = at - begin
                if wide >= 128:
                    length = count_code_points(a + begin, length)
                    if word(block, _EXTRA) != 0:
                        length += count_long(a + begin, at - begin)
                if split != 0:
                    take_empty(registers, block, a, end, begin, n)
                if length >= least:
                    take_or_await(registers, block, a, begin, at - begin, n)
                end = at
                begin = -1
        i += covered
    if word(registers, WORDS) != 0:
        take_awaited(registers, block, a, n)
    return 0


@function(INT, INT, INT, INT, result=INT)
def scan_chars(registers: int, block: int, a: int, n: int) -> int:
    """Consumes the code points; a run of white space counts as one space."""
    i = 0
    while i < n:
        size = size_at(a, i, n)
        code = decode(a, i, size)
        i += size
        if kind_of(block, code) & SPACE != 0:
            spaces = 1
            while spaces != 0 and i < n:
                size = size_at(a, i, n)
                if kind_of(block, decode(a, i, size)) & SPACE != 0:
                    code = 32
                    i += size
                else:
                    spaces = 0
        take(registers, block, code, 0)
    return 0


@function(INT, INT, INT, INT, result=INT)
def scan(registers: int, block: int, a: int, n: int) -> int:
    """Finds the terms of a string."""
    store_word(registers, STATE, 0)
    store_word(registers, SEEN, 0)
    if word(block, _ANALYZER) == CHAR:
        return scan_chars(registers, block, a, n)
    return scan_words(registers, block, a, n)


@function(INT, INT, INT, INT, INT, result=INT)
def gather(registers: int, block: int, a: int, n: int, low: int) -> int:
    """Returns the number of columns from `low` on, in order, up to the column that HIGH then holds."""
    store_word(registers, USED, 0)
    store_word(registers, LOW, low)
    store_word(registers, HIGH, NO_END)
    scan(registers, block, a, n)
    return merge_entries(registers, block)


@function(INT, INT, INT, INT, INT, INT, result=INT)
def score_row(registers: int, block: int, a: int, n: int, outputs: int, row: int) -> int:
    """Adds a row's terms to its sums, after a pass over them for each norm.

    Returns the number of terms, or -1 when they did not all fit at once.
    """
    steps = word(block, STEPS)
    whole = 0
    found = 0
    done = 0
    at = 0
    while at <= steps:
        kind = 0
        if at < steps:
            kind = word(block, STEPS + 8 + 16 * at)
        if at == steps or kind >= NORM_L1:
            norm = 0.0
            low = 0
            while low < NO_END:
                if whole == 0:
                    found = gather(registers, block, a, n, low)
                    whole = low == 0 and word(registers, HIGH) == NO_END
                    done = 0
                make_values(registers, block, found, done, at)
                done = at
                if at == steps:
                    add_weights(registers, block, found, outputs, row)
                else:
                    norm = add_norm(registers, found, kind, norm)
                low = word(registers, HIGH)
            if at < steps:
                if kind == NORM_L2:
                    norm = square_root(norm)
                store_word(registers, NORMS + 8 * at, bits_of(norm))
        at += 1
    if whole == 0:
        return -1
    return found


@function(INT, INT, INT, INT, INT, result=INT)
def score_text(registers: int, arguments: int, rows: int, block: int, outputs: int) -> int:
    """Computes the sums of each row, from 0 or from the arguments after the string."""
    texts = word(arguments, 0)
    number = word(block, OUTPUTS)
    behind = 8 + 8 * number * word(block, _STARTS)
    head = word(arguments, behind)
    area = kept_area(head, word(arguments, behind + 8))
    looked = 0
    known = 0
    if area != 0:
        looked = word(area, LOOKED)
        known = word(area, FOUND)
    store_word(registers, WEIGHED, 0)
    store_word(registers, WORDS, 0)
    begin_hash(registers, SPARK_SEED * (word(block, _HASH) == SPARK))
    row = 0
    while row < rows:
        output = 0
        while output < number:
            column = word(outputs, 8 * output)
            start = 0
            if word(block, _STARTS) != 0:
                start = word(word(arguments, 8 + 8 * output), 8 * row)
            if column != 0:  # else the sum is unused
                store_word(column, 8 * row, start)
            output += 1
        a = word(texts, 16 * row)
        n = word(texts, 16 * row + 8)
        slot = 0
        if area != 0:
            slot = slot_of(area, a, n)
        if slot == 0:
            score_row(registers, block, a, n, outputs, row)
        elif add_kept(area, slot, block, n, outputs, row) == 0:
            found = score_row(registers, block, a, n, outputs, row)
            if found >= 0:
                keep_text(area, slot, registers, block, a, n, found, outputs, row)
        row += 1
    if area != 0:
        count_kept(head, area, looked, known)
    return 0


class ShortLoops(ModelFunction):
    """A function whose loops cover the few tokens and terms of a row: it is compiled like string functions."""

    bitcode = Function.bitcode


@model_function(*(INT,) * 6, kind=ShortLoops)
def text_sums(arguments: int, rows: int, block: int, outputs: int, scratch: int, parameters: int) -> int:
    """Computes `TextSums`."""
    return score_text(scratch, arguments, rows, block, outputs)


FUNCTIONS = (text_sums,)
