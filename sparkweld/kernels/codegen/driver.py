"""Defines the fixed part of every kernel: it feeds a batch to the row loop in blocks and compacts filtered rows.

Numba compiles the Python function `drive` once per process; it is linked to each program's row loop. The differences between
programs are read by `shape_value`: constants of the program's module, which LLVM folds.

The row loop takes whole tiles only (a multiple of TILE rows, which is a multiple of every vector length). So it has no
remainder loop, and a row's result bits do not depend on its position. All whole tiles run in place. The remaining rows are
copied to a scratch tile and padded with zeros, and their results are copied out. The tile is located on the stack or, in a
program with models, in the caller's memory after its head. That memory's address is the last of `columns`, after the blocks'.

With a filter, a block's outputs are written in place after the rows kept so far. They never pass row `start`, as at most as many
rows are kept as were read. Then the kept rows are compacted, by AVX-512's compress where available, one vector at a time. A
compress never writes past the elements that it has read.
"""

from __future__ import annotations

from functools import cache

from llvmlite import ir
from numba.core import types

from sparkweld.ir.layouts.model_memory import MEMORY_HEAD
from sparkweld.kernels.llvm.memory import pointer
from sparkweld.kernels.llvm.numba_frontend import Lowered, Operation, lower_function
from sparkweld.kernels.llvm.target import cpu_features

_I8, _I32, _I64 = ir.IntType(8), ir.IntType(32), ir.IntType(64)

SHAPE = "sparkweld.shape"
ROWS = "sparkweld.rows"


def _shape_value(b: ir.IRBuilder, index: ir.Value) -> ir.Value:
    table = b.module.globals.get(SHAPE) or ir.GlobalVariable(b.module, ir.ArrayType(_I64, 0), SHAPE)
    table.global_constant = True
    return b.load(b.gep(table, [ir.Constant(_I64, 0), index]))


def _load(element: ir.IntType) -> Operation:
    def build(b: ir.IRBuilder, address: ir.Value, index: ir.Value) -> ir.Value:
        value = b.load(b.gep(pointer(b, address, element), [index]), align=1)
        return value if element is _I64 else b.sext(value, _I64)

    return Operation(f"load_{element}", (types.int64, types.int64), types.int64, build)


def _store(element: ir.IntType) -> Operation:
    def build(b: ir.IRBuilder, address: ir.Value, index: ir.Value, value: ir.Value) -> None:
        narrow = value if element is _I64 else b.trunc(value, element)
        b.store(narrow, b.gep(pointer(b, address, element), [index]), align=1)

    return Operation(f"store_{element}", (types.int64,) * 3, types.none, build)


def _copy(b: ir.IRBuilder, to: ir.Value, source: ir.Value, size: ir.Value) -> None:
    copy = b.module.declare_intrinsic("llvm.memcpy", [_I8.as_pointer(), _I8.as_pointer(), _I64])
    b.call(copy, [pointer(b, to, _I8), pointer(b, source, _I8), size, ir.Constant(ir.IntType(1), 0)])


def _clear(b: ir.IRBuilder, to: ir.Value, size: ir.Value) -> None:
    fill = b.module.declare_intrinsic("llvm.memset", [_I8.as_pointer(), _I64])
    b.call(fill, [pointer(b, to, _I8), ir.Constant(_I8, 0), size, ir.Constant(ir.IntType(1), 0)])


def _stack(b: ir.IRBuilder, size: ir.Value) -> ir.Value:
    space = b.alloca(_I8, size=size)
    space.align = 64
    return b.ptrtoint(space, _I64)


def _rows(b: ir.IRBuilder, table: ir.Value, padded: ir.Value, count: ir.Value) -> ir.Value:
    rows = b.module.globals.get(ROWS) or ir.Function(b.module, ir.FunctionType(_I64, [_I64] * 3), ROWS)
    return b.call(rows, [table, padded, count])


def _kept_lanes(b: ir.IRBuilder, keep: ir.Value, row: ir.Value, lanes: int) -> tuple[ir.Value, ir.Value]:
    """Returns the mask of the kept rows among `lanes` rows from `row` on, and their number."""
    flags = ir.VectorType(_I8, lanes)
    bytes = b.load(b.bitcast(b.gep(pointer(b, keep, _I8), [row]), flags.as_pointer()), align=1)
    kept = b.icmp_unsigned("!=", bytes, ir.Constant(flags, [0] * lanes))
    word = b.bitcast(kept, ir.IntType(lanes))
    count = b.module.declare_intrinsic("llvm.ctpop", [word.type])
    return kept, b.zext(b.call(count, [word]), _I64)


def _compressed(b: ir.IRBuilder, values: ir.Value, kept: ir.Value, at: ir.Value) -> None:
    """Stores the kept lanes contiguously. Writes a whole vector; its remaining lanes are unspecified."""
    type = values.type
    name = f"llvm.x86.avx512.mask.compress.v{type.count}{type.element}"
    signature = ir.FunctionType(type, [type, type, kept.type])
    compress = b.module.globals.get(name) or ir.Function(b.module, signature, name)
    b.store(b.call(compress, [values, ir.Constant(type, None), kept]), b.bitcast(at, type.as_pointer()), align=1)


def _compress(element: ir.IntType, lanes: int) -> Operation:
    """Builds an operation that moves the kept ones of `lanes` elements from `row` on to index `found`.

    It returns the new value of `found`, or the old one when the CPU has no compress instruction.
    """

    def build(b: ir.IRBuilder, base: ir.Value, row: ir.Value, found: ir.Value, keep: ir.Value) -> ir.Value:
        if not _has_compress():
            return found
        column = pointer(b, base, element)
        kept, count = _kept_lanes(b, keep, row, lanes)
        values = b.load(b.bitcast(b.gep(column, [row]), ir.VectorType(element, lanes).as_pointer()), align=1)
        _compressed(b, values, kept, b.gep(column, [found]))
        return b.add(found, count)

    return Operation(f"compress_{element}", (types.int64,) * 4, types.int64, build)


def _select_rows(b: ir.IRBuilder, to: ir.Value, row: ir.Value, found: ir.Value, keep: ir.Value, start: ir.Value) -> ir.Value:
    """Like `_compress`, for row numbers: element 0 is row `start`."""
    if not _has_compress():
        return found
    lanes = ir.VectorType(_I32, 16)
    kept, count = _kept_lanes(b, keep, row, 16)
    first = b.insert_element(ir.Constant(lanes, ir.Undefined), b.trunc(b.add(start, row), _I32), ir.Constant(_I32, 0))
    first = b.shuffle_vector(first, ir.Constant(lanes, ir.Undefined), ir.Constant(lanes, [0] * 16))
    numbers = b.add(first, ir.Constant(lanes, list(range(16))))
    _compressed(b, numbers, kept, b.gep(pointer(b, to, _I32), [found]))
    return b.add(found, count)


def _has_compress() -> bool:
    return "avx512f" in cpu_features()


shape_value = Operation("shape_value", (types.int64,), types.int64, _shape_value)
load_i64, load_i32, load_i16, load_i8 = (_load(ir.IntType(bits)) for bits in (64, 32, 16, 8))
store_i64, store_i32, store_i16, store_i8 = (_store(ir.IntType(bits)) for bits in (64, 32, 16, 8))
copy = Operation("copy", (types.int64,) * 3, types.none, _copy)
clear = Operation("clear", (types.int64,) * 2, types.none, _clear)
stack = Operation("stack", (types.int64,), types.int64, _stack)
has_compress = Operation("has_compress", (), types.boolean, lambda b: ir.Constant(ir.IntType(1), int(_has_compress())))
compress_i64, compress_i32 = _compress(_I64, 8), _compress(_I32, 16)
select_rows = Operation("select_rows", (types.int64,) * 5, types.int64, _select_rows)
rows = Operation("rows", (types.int64,) * 3, types.int64, _rows)


# Long: Numba would compile every helper as a further function
def drive(columns: int, n: int, result: int) -> int:
    """Runs the kernel on the addresses of the columns, the number of rows, and the address of the result; all int64."""
    first_output = shape_value(0)
    entries = shape_value(1)
    tile = shape_value(2)
    block = shape_value(3)
    filtered = shape_value(4) != 0
    extra = shape_value(8)
    widths = 9
    table = stack(8 * (entries + 2 + extra))
    if extra > 0:
        scratch = load_i64(columns, entries + 1 + extra) + MEMORY_HEAD
        copy(table + 8 * (entries + 2), columns + 8 * (entries + 2), 8 * extra)
    else:
        scratch = stack(tile * shape_value(5))
    keep = stack(shape_value(6))
    store_i64(table, entries, keep)
    if shape_value(7) != 0:
        store_i64(table, entries + 1, load_i64(columns, entries + 1))
    start = 0
    kept = 0
    flagged = 0
    seen = 0
    while start < n:
        count = n - start
        if count > block:
            count = block
        whole = count & -tile
        if whole > 0:
            count = whole
            padded = whole
            j = 0
            while j < entries:
                done = start if j < first_output else kept
                store_i64(table, j, load_i64(columns, j) + done * shape_value(widths + j))
                j += 1
        else:
            padded = tile
            clear(scratch, tile * shape_value(5))
            place = scratch
            j = 0
            while j < entries:
                width = shape_value(widths + j)
                store_i64(table, j, place)
                if j < first_output and width == 8 and count == 1:  # a call of `memcpy` takes longer than the rest of a small row
                    store_i64(place, 0, load_i64(load_i64(columns, j), start))
                elif j < first_output and width > 0:
                    copy(place, load_i64(columns, j) + start * width, count * width)
                place += tile * width
                j += 1
        word = rows(table, padded, count)
        flagged += word & 0xFFFFFFFF
        seen |= word >> 32
        if padded > count:
            j = first_output
            while j < entries:
                width = shape_value(widths + j)
                if width > 0:
                    copy(load_i64(columns, j) + kept * width, load_i64(table, j), count * width)
                j += 1
        if filtered:
            selection = load_i64(columns, entries) + 4 * kept
            found = 0
            row = 0
            vectors = has_compress() and padded == count
            while vectors and row < count:
                found = select_rows(selection, row, found, keep, start)
                row += 16
            while row < count:
                # Branch-free: the next row overwrites the entry of a dropped row.
                store_i32(selection, found, start + row)
                found += load_i8(keep, row)
                row += 1
            if found < count:
                j = first_output
                while j < entries:
                    width = shape_value(widths + j)
                    base = load_i64(columns, j) + kept * width
                    row = 0
                    place = 0
                    if vectors and width == 8:
                        while row < count:
                            place = compress_i64(base, row, place, keep)
                            row += 8
                    elif vectors and width == 4:
                        while row < count:
                            place = compress_i32(base, row, place, keep)
                            row += 16
                    elif width == 16:
                        while row < found:
                            place = load_i32(selection, row) - start
                            store_i64(base, 2 * row, load_i64(base, 2 * place))
                            store_i64(base, 2 * row + 1, load_i64(base, 2 * place + 1))
                            row += 1
                    elif width == 8:
                        while row < found:
                            store_i64(base, row, load_i64(base, load_i32(selection, row) - start))
                            row += 1
                    elif width == 4:
                        while row < found:
                            store_i32(base, row, load_i32(base, load_i32(selection, row) - start))
                            row += 1
                    elif width == 2:
                        while row < found:
                            store_i16(base, row, load_i16(base, load_i32(selection, row) - start))
                            row += 1
                    elif width == 1:
                        while row < found:
                            store_i8(base, row, load_i8(base, load_i32(selection, row) - start))
                            row += 1
                    j += 1
            kept += found
        else:
            kept += count
        start += count
    while seen > 0:
        if seen & 3 == 1:  # some row had the pair's first value, no row had both
            flagged += 1
        seen >>= 2
    store_i64(result, 0, kept)
    store_i64(result, 1, flagged)
    j = first_output
    while j < entries:
        nulls = load_i64(columns, j + 1)
        found = 0
        if shape_value(widths + j + 1) > 0:
            row = 0
            while row < kept:
                found += load_i8(nulls, row)
                row += 1
        elif nulls != 0:
            clear(nulls, kept)
        store_i64(result, 2 + ((j - first_output) >> 1), found)
        j += 2
    return 0


@cache
def lowered_driver() -> Lowered:
    """Lowers the driver to LLVM, once per process."""
    return lower_function(drive, (types.int64,) * 3, types.int64)
