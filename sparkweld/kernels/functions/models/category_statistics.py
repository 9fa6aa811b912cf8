"""Looks up the statistics of combinations of categories in hash tables: see `sparkweld.ir.layouts.category_tables`."""

from __future__ import annotations

from numba.core import types

from sparkweld.ir.category_combinations import PartKind
from sparkweld.ir.layouts.category_tables import PartWord, TableWord
from sparkweld.ir.ops.category_statistics import CategoryStatistics
from sparkweld.kernels.functions.models.library import INT, model_function, row_access, score_function
from sparkweld.kernels.functions.strings.memory_access import (
    load_f64,
    load_u32,
    multiply_high,
    prefetch,
    store_u32,
    word,
    wrapping_add,
    wrapping_multiply,
)

_load, _store = row_access(types.int64)
_number, _ = row_access(types.float32)

_CATEGORY, _IS_CATEGORY, _IS_ABOVE = int(PartKind.CATEGORY), int(PartKind.IS_CATEGORY), int(PartKind.IS_ABOVE)
_KIND, _ARGUMENT, _OPERAND, _FACTOR, _PART = (8 * at for at in (*PartWord, len(PartWord)))
_PARTS_END, _RECORDS, _HOMES, _OUTPUTS, _FIRST, _FREE, _TABLE = (8 * at for at in (*TableWord, len(TableWord)))
#: While a row's record is read, that of the row this many rows after it is fetched.
_AHEAD = 12


def parameters(op: CategoryStatistics) -> tuple[int, ...]:
    """Returns what the function reads: the number of tables, and the offsets of the arrays in the block."""
    return (op.tables, op.block.offset("tables"), op.block.offset("parts"), op.block.offset("records"))


@model_function(INT, INT, INT, INT)
def add_part(keys: int, rows: int, part: int, column: int) -> int:
    """Adds a part to the keys of all rows."""
    kind = word(part, _KIND)
    factor = word(part, _FACTOR)
    row = 0
    if kind == _CATEGORY:
        while row < rows:
            _store(keys, row, wrapping_add(_load(keys, row), wrapping_multiply(_load(column, row), factor)))
            row += 1
    elif kind == _IS_CATEGORY:
        operand = word(part, _OPERAND)
        while row < rows:
            one = factor if _load(column, row) == operand else 0
            _store(keys, row, wrapping_add(_load(keys, row), one))
            row += 1
    elif kind == _IS_ABOVE:
        border = load_f64(part, _OPERAND)
        while row < rows:
            one = factor if _number(column, row) > border else 0
            _store(keys, row, wrapping_add(_load(keys, row), one))
            row += 1
    else:
        border = load_f64(part, _OPERAND)
        while row < rows:
            one = 0 if _number(column, row) <= border else factor
            _store(keys, row, wrapping_add(_load(keys, row), one))
            row += 1
    return 0


@model_function(INT, INT, INT, INT, INT)
def find_rows(keys: int, rows: int, table: int, records: int, outputs: int) -> int:
    """Stores the statistics of all rows' keys."""
    homes = word(table, _HOMES)
    free = word(table, _FREE)
    width = word(table, _OUTPUTS)
    stride = 8 + 4 * width
    outputs += 8 * word(table, _FIRST)
    row = 0
    while row < rows:
        ahead = row + _AHEAD
        if ahead < rows:
            prefetch(records + stride * multiply_high(word(keys, 8 * ahead), homes))
        key = word(keys, 8 * row)
        at = records + stride * multiply_high(key, homes)
        while word(at, 0) != key and word(at, 0) != free:
            at += stride
        output = 0
        while output < width:
            column = word(outputs, 8 * output)
            if column != 0:
                store_u32(column, 4 * row, load_u32(at, 8 + 4 * output))
            output += 1
        row += 1
    return 0


@score_function
def category_statistics(arguments: int, rows: int, block: int, outputs: int, scratch: int, parameters: int) -> int:
    """Computes `CategoryStatistics`. Scratch: the keys of the rows."""
    table = block + word(parameters, 8)
    end = table + _TABLE * word(parameters, 0)
    parts = block + word(parameters, 16)
    records = block + word(parameters, 24)
    part = parts
    while table < end:
        row = 0
        while row < rows:
            _store(scratch, row, 0)
            row += 1
        last = parts + _PART * word(table, _PARTS_END)
        while part < last:
            add_part(scratch, rows, part, word(arguments, 8 * word(part, _ARGUMENT)))
            part += _PART
        find_rows(scratch, rows, table, records + word(table, _RECORDS), outputs)
        table += _TABLE
    return 0


FUNCTIONS = (add_part, category_statistics, find_rows)
