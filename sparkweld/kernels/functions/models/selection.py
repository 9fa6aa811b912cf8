"""Gathers the rows of a block that need a model, and scatters the model's results back."""

from __future__ import annotations

from sparkweld.kernels.functions.models.library import INT, model_function
from sparkweld.kernels.functions.strings.memory_access import byte, load_u32, store_byte, store_u32, store_word, word


@model_function(INT, INT, INT)
def kept_rows(to: int, keep: int, rows: int) -> int:
    """Writes the indices, int64, of the rows with a 1 at `keep` to `to`, which has space for all rows; returns their number."""
    found = 0
    row = 0
    while row < rows:
        # Branch-free: the next row overwrites the entry of a dropped row.
        store_word(to, 8 * found, row)
        found += byte(keep, row)
        row += 1
    return found


@model_function(*(INT,) * 6)
def gather(to: int, column: int, width: int, numbers: int, count: int, padded: int) -> int:
    """Gathers the values of these rows, of `width` bytes each, and pads them with zeros up to `padded` rows."""
    at = 0
    if width == 16:
        while at < count:
            row = word(numbers, 8 * at)
            store_word(to, 16 * at, word(column, 16 * row))
            store_word(to, 16 * at + 8, word(column, 16 * row + 8))
            at += 1
    elif width == 8:
        while at < count:
            store_word(to, 8 * at, word(column, 8 * word(numbers, 8 * at)))
            at += 1
    elif width == 4:
        while at < count:
            store_u32(to, 4 * at, load_u32(column, 4 * word(numbers, 8 * at)))
            at += 1
    else:
        while at < count:
            store_byte(to, at, byte(column, word(numbers, 8 * at)))
            at += 1
    end = padded * width
    place = count * width
    while place < end:
        store_byte(to, place, 0)
        place += 1
    return 0


@model_function(*(INT,) * 8)
def gather_columns(table: int, widths: int, columns: int, numbers: int, count: int, padded: int, to: int, room: int) -> int:
    """Applies `gather` to the columns of a table, and replaces their addresses; each result has space for `room` rows."""
    at = 0
    while at < columns:
        width = word(widths, 8 * at)
        gather(to, word(table, 8 * at), width, numbers, count, padded)
        store_word(table, 8 * at, to)
        to += width * room
        at += 1
    return 0


@model_function(*(INT,) * 4)
def go_on(table: int, widths: int, columns: int, rows: int) -> int:
    """Advances the addresses of a table of columns by `rows` rows. An address of 0 marks an unused column and does not change."""
    at = 0
    while at < columns:
        if word(table, 8 * at) != 0:
            store_word(table, 8 * at, word(table, 8 * at) + word(widths, 8 * at) * rows)
        at += 1
    return 0


@model_function(*(INT,) * 5)
def scatter(to: int, column: int, width: int, numbers: int, count: int) -> int:
    """Inverts `gather` for the widths of results, 8 and 4; other rows of `to` do not change."""
    at = 0
    if width == 8:
        while at < count:
            store_word(to, 8 * word(numbers, 8 * at), word(column, 8 * at))
            at += 1
    else:
        while at < count:
            store_u32(to, 4 * word(numbers, 8 * at), load_u32(column, 4 * at))
            at += 1
    return 0


FUNCTIONS = (kept_rows, gather, gather_columns, go_on, scatter)
