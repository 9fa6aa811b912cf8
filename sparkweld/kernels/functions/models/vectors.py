"""Converts vectors of Spark's ML library to columns and to weighted sums, see `ir.ops.vectors`.

A sparse row costs only its stored values. Sums are added in the order of the stored values. Those of dense rows use four partial
sums, as any result within their error bound is allowed.
"""

from __future__ import annotations

from sparkweld.ir.text_models import NORM_L1, NORM_L2, NORM_MAX, ONE, SCALE
from sparkweld.kernels.functions.models.library import score_function
from sparkweld.kernels.functions.strings.library import function
from sparkweld.kernels.functions.strings.memory_access import (
    FLOAT,
    INT,
    byte,
    load_f64,
    load_i32,
    magnitude,
    quotient,
    square_root,
    store_f64,
    store_word,
    word,
)

#: The codes of `ir.ops.vectors.CHECKS`.
CHECKS = {"none": 0, "finite": 1, "positive": 2}

#: Stored values that are processed at a time: their weights' offsets, and their values after the steps.
CHUNK = 1024
_VALUES = 8 * CHUNK
_NORMS = 16 * CHUNK
_MOST_STEPS = 64
SCRATCH = _NORMS + 8 * _MOST_STEPS

_SIZE, _OUTPUTS, _STARTED, _CHECK, _WEIGHTS, _NUMBERS, _STEPS, _KINDS = range(0, 64, 8)
_INFINITY = float("inf")


@function(INT, INT, INT, result=INT)
def stored(arguments: int, row: int, size: int) -> int:
    """Returns the number of values that a row's vector stores, -1 when the vector is malformed."""
    values = word(word(arguments, 16), 16 * row + 8)
    if byte(word(arguments, 0), row) != 0:
        return values if values == size else -1
    found = word(word(arguments, 8), 16 * row + 8)
    if found < 0 or found != values:
        return -1
    indices = word(word(arguments, 8), 16 * row)
    last = -1
    i = 0
    while i < found:
        index = load_i32(indices, 4 * i)
        if index <= last:
            return -1
        last = index
        i += 1
    return found if last < size else -1


@function(INT, INT, INT, INT, result=INT)
def scatter_row(arguments: int, row: int, found: int, outputs: int) -> int:
    """Stores a row's values into its columns; returns 1 when it is sparse and stores a zero."""
    dense = byte(word(arguments, 0), row) != 0
    indices = word(word(arguments, 8), 16 * row)
    values = word(word(arguments, 16), 16 * row)
    zeros = 0
    i = 0
    while i < found:
        column = i if dense else load_i32(indices, 4 * i)
        to = word(outputs, 16 + 8 * column)
        value = load_f64(values, 8 * i)
        if to != 0:
            store_f64(to, 8 * row, value)
        if value == 0.0 and not dense:
            zeros = 1
        i += 1
    return zeros


@score_function
def vector_columns(arguments: int, rows: int, block: int, outputs: int, scratch: int, parameters: int) -> int:
    """Computes `VectorColumns`. Parameters: the size."""
    size = word(parameters, 0)
    some = word(outputs, 8)
    column = 0
    while column < size:
        to = word(outputs, 16 + 8 * column)
        some = some | to
        row = 0
        while to != 0 and row < rows:
            store_f64(to, 8 * row, 0.0)
            row += 1
        column += 1
    row = 0
    while row < rows:
        found = stored(arguments, row, size)
        zeros = 0
        if some != 0:
            zeros = scatter_row(arguments, row, found, outputs)
        if word(outputs, 0) != 0:
            store_word(word(outputs, 0), 8 * row, 1 if found >= 0 else 0)
        if word(outputs, 8) != 0:
            store_word(word(outputs, 8), 8 * row, zeros)
        row += 1
    return 0


@function(INT, INT, INT, INT, FLOAT, INT, result=FLOAT)
def behind(parameters: int, block: int, scratch: int, column: int, value: float, steps: int) -> float:
    """Returns a stored number of a column after the first `steps` steps: scaling, normalization, or replacement by 1."""
    numbers = block + word(parameters, _NUMBERS)
    step = 0
    while step < steps:
        kind = word(parameters, _KINDS + 8 * step)
        if kind == SCALE:
            value = value * load_f64(numbers, 8 * column)
            numbers += 8 * word(parameters, _SIZE)
        elif kind == ONE:
            value = 1.0
        else:
            norm = load_f64(scratch, _NORMS + 8 * step)
            if norm != 0.0:
                value = quotient(value, norm)
        step += 1
    return value


@function(INT, INT, INT, INT, INT, INT, result=INT)
def find_norms(parameters: int, block: int, scratch: int, indices: int, values: int, found: int) -> int:
    """Computes the norms of a row's values, each after the steps before it. `indices`: 0 for a dense row."""
    step = 0
    while step < word(parameters, _STEPS):
        kind = word(parameters, _KINDS + 8 * step)
        norm = 0.0
        i = 0
        while kind >= NORM_L1 and i < found:
            column = load_i32(indices, 4 * i) if indices != 0 else i
            value = behind(parameters, block, scratch, column, load_f64(values, 8 * i), step)
            if kind == NORM_L2:
                norm = norm + value * value
            elif kind != NORM_MAX:
                norm = norm + magnitude(value)
            elif magnitude(value) > norm:
                norm = magnitude(value)
            i += 1
        if kind == NORM_L2:
            norm = square_root(norm)
        store_f64(scratch, _NORMS + 8 * step, norm)
        step += 1
    return 0


@function(INT, INT, INT, FLOAT, result=FLOAT)
def add_in_order(scratch: int, weights: int, count: int, total: float) -> float:
    """Adds the products of the current values in order. Element i's weight is at its stored offset from `weights`."""
    i = 0
    while i < count:
        total = total + load_f64(scratch, _VALUES + 8 * i) * load_f64(weights, word(scratch, 8 * i))
        i += 1
    return total


@function(INT, INT, INT, FLOAT, result=FLOAT)
def add_in_parts(scratch: int, weights: int, count: int, total: float) -> float:
    """Adds the products in four partial sums."""
    a = 0.0
    b = 0.0
    c = 0.0
    i = 0
    while i + 4 <= count:
        at = scratch + 8 * i
        total = total + load_f64(at, _VALUES) * load_f64(weights, word(at, 0))
        a = a + load_f64(at, _VALUES + 8) * load_f64(weights, word(at, 8))
        b = b + load_f64(at, _VALUES + 16) * load_f64(weights, word(at, 16))
        c = c + load_f64(at, _VALUES + 24) * load_f64(weights, word(at, 24))
        i += 4
    return add_in_order(scratch + 8 * i, weights, count - i, total + a + (b + c))


@function(INT, INT, INT, FLOAT, result=FLOAT)
def add_sizes(scratch: int, weights: int, count: int, total: float) -> float:
    """Adds the magnitudes of the products."""
    i = 0
    while i < count:
        total = total + magnitude(load_f64(scratch, _VALUES + 8 * i) * load_f64(weights, word(scratch, 8 * i)))
        i += 1
    return total


@function(INT, INT, INT, INT, INT, INT, INT, INT, result=INT)
def take_chunk(
    parameters: int, block: int, scratch: int, indices: int, values: int, start: int, end: int, fine: int
) -> int:
    """Loads values of a row into scratch, with their weights' offsets; returns 0 when a value fails the check, else `fine`."""
    steps = word(parameters, _STEPS)
    apart = 8 * word(parameters, _OUTPUTS)
    check = word(parameters, _CHECK)
    i = start
    while i < end:
        column = load_i32(indices, 4 * i) if indices != 0 else i
        value = behind(parameters, block, scratch, column, load_f64(values, 8 * i), steps)
        store_word(scratch, 8 * (i - start), apart * column)
        store_f64(scratch, _VALUES + 8 * (i - start), value)
        if check > 0 and not magnitude(value) < _INFINITY:
            fine = 0
        if check > 1 and value < 0.0:
            fine = 0
        i += 1
    return fine


@function(INT, INT, INT, INT, INT, INT, INT, result=INT)
def add_chunk(parameters: int, block: int, scratch: int, outputs: int, row: int, count: int, dense: int) -> int:
    """Adds the current values to a row's sums and magnitudes."""
    number = word(parameters, _OUTPUTS)
    output = 0
    while output < number:
        weights = block + word(parameters, _WEIGHTS) + 8 * output
        to = word(outputs, 8 + 8 * output)
        if to != 0:
            total = load_f64(to, 8 * row)
            if dense != 0:
                total = add_in_parts(scratch, weights, count, total)
            else:
                total = add_in_order(scratch, weights, count, total)
            store_f64(to, 8 * row, total)
        to = word(outputs, 8 + 8 * (number + output))
        if to != 0 and dense != 0:
            store_f64(to, 8 * row, add_sizes(scratch, weights, count, load_f64(to, 8 * row)))
        output += 1
    return 0


@function(INT, INT, INT, INT, INT, result=INT)
def begin_sums(arguments: int, outputs: int, number: int, row: int, started: int) -> int:
    """Initialises a row's sums and magnitudes."""
    output = 0
    while output < number:
        to = word(outputs, 8 + 8 * output)
        if to != 0:
            store_f64(to, 8 * row, load_f64(word(arguments, 24 + 8 * output), 8 * row) if started != 0 else 0.0)
        to = word(outputs, 8 + 8 * (number + output))
        if to != 0:
            store_f64(to, 8 * row, 0.0)
        output += 1
    return 0


@score_function
def vector_sums(arguments: int, rows: int, block: int, outputs: int, scratch: int, parameters: int) -> int:
    """Computes `VectorSums`.

    Parameters: size, outputs, started, check, offsets of weights and numbers, number and kinds of steps.
    """
    row = 0
    while row < rows:
        found = stored(arguments, row, word(parameters, _SIZE))
        fine = 1 if found >= 0 else 0
        dense = byte(word(arguments, 0), row)
        indices = word(word(arguments, 8), 16 * row) if dense == 0 else 0
        values = word(word(arguments, 16), 16 * row)
        begin_sums(arguments, outputs, word(parameters, _OUTPUTS), row, word(parameters, _STARTED))
        find_norms(parameters, block, scratch, indices, values, found)
        start = 0
        while start < found:
            end = start + CHUNK if start + CHUNK < found else found
            fine = take_chunk(parameters, block, scratch, indices, values, start, end, fine)
            add_chunk(parameters, block, scratch, outputs, row, end - start, dense)
            start = end
        if word(outputs, 0) != 0:
            store_word(word(outputs, 0), 8 * row, fine)
        row += 1
    return 0


FUNCTIONS = (vector_columns, vector_sums)
