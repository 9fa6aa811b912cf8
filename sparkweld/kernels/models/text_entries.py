"""A row's columns and their numbers of occurrences: gathered, sorted and merged, and what becomes of them, up to weighted sums.

Scratch is int64 values at the offsets below, and then arrays: of the norms, of the symbols seen last, of counts for sorting, and
two of entries, each a column in the upper half of an int64 and its number in the lower one. Values stand in the second one.
"""

from __future__ import annotations

from sparkweld.ir.text_layout import ABOVE, LOG, NORM_L1, NORM_L2, ONE, SCALE, Head
from sparkweld.kernels.strings.library import function
from sparkweld.kernels.strings.memory_access import (
    FLOAT,
    INT,
    as_float,
    bits_of,
    load_f64,
    load_i32,
    logarithm,
    magnitude,
    quotient,
    shift_right,
    store_word,
    word,
)

#: Columns of a row that are held at a time.
ENTRIES = 8192
_HALF = ENTRIES // 2
_FEW = 32  # so many are sorted by insertion
#: Past all columns.
NO_END = 1 << 31

#: Scratch: number of entries, range of columns at hand, node, symbols so far, state of a hash, room for the bytes of a symbol.
USED, LOW, HIGH, STATE, SEEN, HASH, PENDING, FED, LETTER = range(0, 72, 8)
NORMS = 128
RING = 256
COUNTS = RING + 16 * 16
FIRST = COUNTS + 8 * 256
SECOND = FIRST + 8 * ENTRIES
#: Bytes of scratch.
SCRATCH = SECOND + 8 * ENTRIES

STEPS, OUTPUTS = 8 * Head.STEPS, 8 * Head.OUTPUTS
_32 = 0xFFFFFFFF
_WEIGHTS, _LOGS_AT, _LOGS, _DIGITS = 8 * Head.WEIGHTS_AT, 8 * Head.LOGS_AT, 8 * Head.LOGS, 8 * Head.DIGITS


@function(INT, INT, result=INT)
def sort_few(registers: int, used: int) -> int:
    """Sorts entries by insertion."""
    first = registers + FIRST
    i = 1
    while i < used:
        entry = word(first, 8 * i)
        j = i - 1
        while j >= 0 and word(first, 8 * j) > entry:
            store_word(first, 8 * j + 8, word(first, 8 * j))
            j -= 1
        store_word(first, 8 * j + 8, entry)
        i += 1
    return 0


@function(INT, INT, INT, result=INT)
def sort_many(registers: int, used: int, digits: int) -> int:
    """Sorts entries by the bytes of their columns, the lowest first."""
    source = registers + FIRST
    target = registers + SECOND
    counts = registers + COUNTS
    shift = 32
    while shift < 32 + 8 * digits:
        i = 0
        while i < 256:
            store_word(counts, 8 * i, 0)
            i += 1
        i = 0
        while i < used:
            at = 8 * (shift_right(word(source, 8 * i), shift) & 255)
            store_word(counts, at, word(counts, at) + 8)
            i += 1
        place = 0
        i = 0
        while i < 256:
            number = word(counts, 8 * i)
            store_word(counts, 8 * i, place)
            place += number
            i += 1
        i = 0
        while i < used:
            entry = word(source, 8 * i)
            at = 8 * (shift_right(entry, shift) & 255)
            place = word(counts, at)
            store_word(target, place, entry)
            store_word(counts, at, place + 8)
            i += 1
        other = source
        source = target
        target = other
        shift += 8
    if source != registers + FIRST:
        i = 0
        while i < used:
            store_word(target, 8 * i, word(source, 8 * i))
            i += 1
    return 0


@function(INT, INT, result=INT)
def merge_entries(registers: int, block: int) -> int:
    """Sorts the entries and merges those of one column; gives their number."""
    used = word(registers, USED)
    if used <= _FEW:
        sort_few(registers, used)
    else:
        sort_many(registers, used, word(block, _DIGITS))
    first = registers + FIRST
    merged = 0
    i = 0
    while i < used:
        column = load_i32(first, 8 * i + 4)
        count = 0
        while i < used and load_i32(first, 8 * i + 4) == column:
            count += load_i32(first, 8 * i)
            i += 1
        store_word(first, 8 * merged, column << 32 | count & _32)
        merged += 1
    store_word(registers, USED, merged)
    return merged


@function(INT, INT, INT, INT, result=INT)
def add_entry(registers: int, block: int, column: int, count: int) -> int:
    """Counts a term of the row, unless its column is out of the range at hand."""
    if column < word(registers, LOW) or column >= word(registers, HIGH):
        return 0
    used = word(registers, USED)
    if used == ENTRIES:
        used = merge_entries(registers, block)
        if used > _HALF:
            end = load_i32(registers + FIRST, 8 * _HALF + 4)
            store_word(registers, HIGH, end)
            store_word(registers, USED, _HALF)
            if column >= end:
                return 0
            used = word(registers, USED)
    store_word(registers + FIRST, 8 * used, column << 32 | count & _32)
    store_word(registers, USED, used + 1)
    return 0


@function(INT, INT, result=FLOAT)
def logarithm_of(block: int, count: int) -> float:
    """1 + log(count), of the library where the block has it."""
    if count < word(block, _LOGS):
        return load_f64(block + word(block, _LOGS_AT), 8 * count)
    return logarithm(as_float(count)) + 1.0


@function(INT, INT, INT, INT, INT, result=INT)
def make_values(registers: int, block: int, found: int, done: int, steps: int) -> int:
    """The values of the entries behind so many steps, in the second array, which holds them behind `done` of them."""
    values = registers + SECOND
    first = registers + FIRST
    i = 0
    while done == 0 and i < found:
        store_word(values, 8 * i, bits_of(as_float(load_i32(first, 8 * i))))
        i += 1
    while done < steps:
        kind = word(block, STEPS + 8 + 16 * done)
        numbers = block + word(block, STEPS + 16 + 16 * done)
        norm = load_f64(registers, NORMS + 8 * done)
        i = 0
        while i < found:
            value = load_f64(values, 8 * i)
            if kind == SCALE:
                value = value * load_f64(numbers, 8 * load_i32(first, 8 * i + 4))
            elif kind == LOG:
                value = logarithm_of(block, load_i32(first, 8 * i))
            elif kind == ONE:
                value = 1.0
            elif kind == ABOVE:
                above = value > load_f64(numbers, 0)
                value = 0.0
                if above:
                    value = 1.0
            elif norm != 0.0:
                value = quotient(value, norm)
            store_word(values, 8 * i, bits_of(value))
            i += 1
        done += 1
    return 0


@function(INT, INT, INT, FLOAT, result=FLOAT)
def add_norm(registers: int, found: int, kind: int, norm: float) -> float:
    """The norm so far, before its root, and that of more values."""
    i = 0
    while i < found:
        value = load_f64(registers, SECOND + 8 * i)
        if kind == NORM_L2:
            norm = norm + value * value
        elif kind == NORM_L1:
            norm = norm + magnitude(value)
        elif magnitude(value) > norm:
            norm = magnitude(value)
        i += 1
    return norm


@function(INT, INT, INT, INT, INT, result=INT)
def add_weights(registers: int, block: int, found: int, outputs: int, row: int) -> int:
    """Adds value times weight of the entries to each of a row's sums."""
    number = word(block, OUTPUTS)
    output = 0
    while output < number:
        weights = block + word(block, _WEIGHTS) + 8 * output
        column = word(outputs, 8 * output)
        if column != 0:
            total = load_f64(column, 8 * row)
            i = 0
            while i < found:
                place = load_i32(registers + FIRST, 8 * i + 4)
                total = total + load_f64(registers, SECOND + 8 * i) * load_f64(weights, 8 * number * place)
                i += 1
            store_word(column, 8 * row, bits_of(total))
        output += 1
    return 0
