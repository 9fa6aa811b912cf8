"""Gathers, sorts and merges a row's columns with their occurrence counts, and computes their weighted sums.

Scratch is int64 values at the offsets below, and then arrays: the norms, the most recent symbols, counts for sorting, and two
arrays of entries. An entry is an int64 with a column in its upper half and the column's count in the lower one. The second array
also stores the values.
"""

from __future__ import annotations

from llvmlite import ir
from numba.core import types

from sparkweld.ir.layouts.text_header import Head
from sparkweld.ir.text_models import ABOVE, LOG, MOST_STEPS, NORM_L1, NORM_L2, ONE, SCALE
from sparkweld.kernels.functions.strings.library import function
from sparkweld.kernels.functions.strings.memory_access import (
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
    store_u32,
    store_word,
    word,
)
from sparkweld.kernels.llvm.memory import pointer
from sparkweld.kernels.llvm.numba_frontend import Operation

#: Columns of a row that are held at a time.
ENTRIES = 8192
_HALF = ENTRIES // 2
_FEW = 64  # up to this many are sorted by counting, for each, the smaller ones
#: Past all columns.
NO_END = 1 << 31

#: Scratch: number of entries, current range of columns, node, symbols so far, state of a hash, space for the bytes of a symbol,
#: number of bytes that were examined last. For totals, which need no entries: weights, scales (0: all are 1), the table of cached
#: tokens (0: none), how many tokens are batched for a lookup there, the totals.
USED, LOW, HIGH, STATE, SEEN, HASH, PENDING, FED, LETTER, COVERED = range(0, 80, 8)
WEIGHED, SCALES, WORDS, AWAITED, TOTAL, SQUARES, SIZE, TERMS = range(80, 144, 8)
#: Bytes of the totals, which are consecutive.
TOTALS = TERMS + 8 - TOTAL
NORMS = 192
WINDOW = NORMS + 8 * MOST_STEPS
RING = WINDOW + 64
COUNTS = RING + 16 * 16
FIRST = COUNTS + 8 * 256
SECOND = FIRST + 8 * ENTRIES
#: Bytes of scratch.
SCRATCH = SECOND + 8 * ENTRIES

STEPS, OUTPUTS = 8 * Head.STEPS, 8 * Head.OUTPUTS
_32 = 0xFFFFFFFF
_FREE = -1 << 63
_LAST_COLUMNS = 0x7FFFFFFF7FFFFFFF
_WEIGHTS, _LOGS_AT, _LOGS, _DIGITS = 8 * Head.WEIGHTS_AT, 8 * Head.LOGS_AT, 8 * Head.LOGS, 8 * Head.DIGITS


_LINE = 64  # bytes of a vector
_COLUMNS = ir.VectorType(ir.IntType(32), 16)


def _splat(b: ir.IRBuilder, value: ir.Value, lanes: int) -> ir.Value:
    one = b.insert_element(ir.Constant(ir.VectorType(value.type, lanes), ir.Undefined), value, ir.IntType(32)(0))
    return b.shuffle_vector(one, one, ir.Constant(ir.VectorType(ir.IntType(32), lanes), [0] * lanes))


def _fill_line(b: ir.IRBuilder, address: ir.Value, value: ir.Value) -> None:
    """Stores the int64 eight times."""
    b.store(_splat(b, value, 8), pointer(b, address, ir.VectorType(value.type, 8)), align=1)


def _less_of_line(b: ir.IRBuilder, address: ir.Value, bound: ir.Value) -> ir.Value:
    """Counts how many of 16 int32 are less than a bound."""
    bounds = _splat(b, b.trunc(bound, _COLUMNS.element), 16)
    less = b.icmp_signed("<", b.load(pointer(b, address, _COLUMNS), align=1), bounds)
    return b.zext(b.ctpop(b.bitcast(less, ir.IntType(16))), ir.IntType(64))


def _equal_of_line(b: ir.IRBuilder, address: ir.Value, value: ir.Value) -> ir.Value:
    """Builds a mask: bit i is set where int32 number i of 16 equals the value."""
    values = _splat(b, b.trunc(value, _COLUMNS.element), 16)
    equal = b.icmp_signed("==", b.load(pointer(b, address, _COLUMNS), align=1), values)
    return b.zext(b.bitcast(equal, ir.IntType(16)), ir.IntType(64))


fill_line = Operation("fill_line", (INT, INT), types.none, _fill_line)
less_of_line = Operation("less_of_line", (INT, INT), INT, _less_of_line)
equal_of_line = Operation("equal_of_line", (INT, INT), INT, _equal_of_line)


@function(INT, INT, result=INT)
def merge_few(registers: int, used: int) -> int:
    """Sorts and merges like `merge_entries`, without branches that depend on the columns.

    Each entry is stored at the number of smaller columns; equal columns share a place. A negative word in the second array is
    free.
    """
    first = registers + FIRST
    second = registers + SECOND
    columns = registers + COUNTS
    end = columns + 4 * used
    i = 0
    while i < used:
        store_u32(columns, 4 * i, load_i32(first, 8 * i + 4))
        store_word(second, 8 * i, _FREE)
        i += 1
    fill_line(end, _LAST_COLUMNS)
    i = 0
    while i < used:
        column = load_i32(columns, 4 * i)
        place = 0
        at = columns
        while at < end:
            place += less_of_line(at, column)
            at += _LINE
        count = load_i32(second, 8 * place) + load_i32(first, 8 * i)
        store_word(second, 8 * place, column << 32 | count & _32)
        i += 1
    merged = 0
    i = 0
    while i < used:
        entry = word(second, 8 * i)
        store_word(first, 8 * merged, entry)
        merged += entry >= 0
        i += 1
    return merged


@function(INT, INT, INT, result=INT)
def sort_many(registers: int, used: int, digits: int) -> int:
    """Sorts entries by the bytes of their columns, lowest byte first (radix sort), and returns their address."""
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
    return source


@function(INT, INT, result=INT)
def merge_entries(registers: int, block: int) -> int:
    """Sorts the entries, merges those of equal columns, and returns their number."""
    used = word(registers, USED)
    if used <= _FEW:
        merged = merge_few(registers, used)
        store_word(registers, USED, merged)
        return merged
    sorted_at = sort_many(registers, used, word(block, _DIGITS))
    first = registers + FIRST
    merged = 0
    last = -1
    i = 0
    while i < used:
        entry = word(sorted_at, 8 * i)
        if entry >> 32 == last:
            merged -= 1
            entry = last << 32 | load_i32(first, 8 * merged) + load_i32(sorted_at, 8 * i) & _32
        last = entry >> 32
        store_word(first, 8 * merged, entry)
        merged += 1
        i += 1
    store_word(registers, USED, merged)
    return merged


@function(INT, INT, INT, result=INT)
def add_total(registers: int, block: int, column: int) -> int:
    """Adds a term of the row to its totals."""
    weight = load_f64(word(registers, WEIGHED), 8 * word(block, OUTPUTS) * column)
    scale = 1.0
    if word(registers, SCALES) != 0:
        scale = load_f64(word(registers, SCALES), 8 * column)
    store_word(registers, TOTAL, bits_of(load_f64(registers, TOTAL) + weight * scale))
    store_word(registers, SQUARES, bits_of(load_f64(registers, SQUARES) + scale * scale))
    store_word(registers, SIZE, bits_of(load_f64(registers, SIZE) + scale))
    store_word(registers, TERMS, bits_of(load_f64(registers, TERMS) + 1.0))
    return 0


@function(INT, INT, INT, INT, result=INT)
def add_entry(registers: int, block: int, column: int, count: int) -> int:
    """Counts a term of the row, unless its column is outside the current range."""
    if word(registers, WEIGHED) != 0:
        return add_total(registers, block, column)
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
    """Returns 1 + log(count): the library's value where the block has it."""
    if count < word(block, _LOGS):
        return load_f64(block + word(block, _LOGS_AT), 8 * count)
    return logarithm(as_float(count)) + 1.0


@function(INT, INT, INT, INT, INT, result=INT)
def make_values(registers: int, block: int, found: int, done: int, steps: int) -> int:
    """Computes the entries' values after `steps` steps, in the second array, which holds them after `done` steps."""
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
    """Adds more values to a norm, before its root, and returns it."""
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
