"""Computes the ranks of values among a column's edges, by searches in registers and tables."""

from __future__ import annotations

from collections.abc import Callable

from llvmlite import ir
from numba.core import types

from sparkweld.ir.layouts.trees import LEAST_BITS, PIECE, WALKERS
from sparkweld.kernels.functions.models.tree_tables import FLOATS, gather, in_registers, index_type, lanes_of, load_table, look_up
from sparkweld.kernels.functions.models.tree_vectors import INT, fixed, loop, splat
from sparkweld.kernels.llvm.memory import pointer
from sparkweld.kernels.llvm.numba_frontend import Operation

_I8, _I16, _I64 = (ir.IntType(bits) for bits in (8, 16, 64))
#: Levels of a rank search in registers: the minimum of any table, and all levels of a table of 256 entries.
_LEAST_LEVELS, _MOST_LEVELS = LEAST_BITS, 8
#: Vectors of a rank search that are interleaved, so that one's computation hides another's loads.
_TOGETHER = 4


def _ranks(b: ir.IRBuilder, kind: str, values: ir.Value, table: ir.Value, bits: ir.Value, rows: ir.Value,
           store: Callable[[ir.Value, ir.Value], None]) -> None:  # fmt: skip
    """Emits store(row, ranks from this row on) for vectors of values; the column's table has 2**bits entries; NaN has rank -1.

    The first levels of the search, which are all levels of most columns, are read from registers. There are no branches.
    """
    end = b.append_basic_block("ranked")
    for levels in range(_LEAST_LEVELS, _MOST_LEVELS + 1) if in_registers() else (0,):
        last = levels in (0, _MOST_LEVELS)
        if not last:
            here, other = b.append_basic_block(f"levels_{levels}"), b.append_basic_block("more")
            b.cbranch(b.icmp_unsigned("<=", bits, fixed(levels)), here, other)
            b.position_at_end(here)
        registers = load_table(b, table, kind, (1 << levels) // lanes_of(kind))
        _rank_rows(b, kind, values, table, registers, bits if last else fixed(levels), rows, store)
        b.branch(end)
        b.position_at_end(end if last else other)


def _rank_rows(b: ir.IRBuilder, kind: str, values: ir.Value, table: ir.Value, registers: list[ir.Value], bits: ir.Value,
               rows: ir.Value, store: Callable[[ir.Value, ir.Value], None]) -> None:  # fmt: skip
    """Like `_ranks`, with the table's first entries in registers."""
    lanes, index = lanes_of(kind), index_type(kind)
    vector = ir.VectorType(FLOATS[kind], lanes)
    levels = (len(registers) * lanes).bit_length() - 1 if registers else 0
    size = splat(b, b.trunc(b.shl(fixed(1), bits), index.element), lanes)

    def body(at: ir.Value) -> None:
        starts = [b.add(at, fixed(number * lanes)) for number in range(_TOGETHER)]
        firsts = [b.gep(pointer(b, values, vector.element), [start]) for start in starts]
        x = [b.load(b.bitcast(first, vector.as_pointer()), align=1) for first in firsts]
        places: list[ir.Value] = [ir.Constant(index, [1] * lanes) for _ in x]
        for level in range(levels):
            part = registers[max(0, (1 << level) // lanes) : max(1, (2 << level) // lanes)]
            places = [_below(b, value, look_up(b, part, place), place) for value, place in zip(x, places, strict=True)]
        if levels in (0, _MOST_LEVELS):
            places = _search(b, x, table, places, levels, bits)
        for start, value, place in zip(starts, x, places, strict=True):
            store(start, _or_nan(b, value, b.sub(place, size)))

    loop(b, rows, lanes * _TOGETHER, body)


def _search(b: ir.IRBuilder, x: list[ir.Value], table: ir.Value, places: list[ir.Value], levels: int,
            bits: ir.Value) -> list[ir.Value]:  # fmt: skip
    """Returns the final places of vectors of values in a column's table, from their places after `levels` levels."""

    def body(_: ir.Value, *now: ir.Value) -> list[ir.Value]:
        return [_below(b, v, gather(b, table, place, v.type.element), place) for v, place in zip(x, now, strict=True)]

    return loop(b, bits, 1, body, places, levels)


def _below(b: ir.IRBuilder, value: ir.Value, edge: ir.Value, place: ir.Value) -> ir.Value:
    """Returns the next place to compare in a column's table."""
    left = b.add(place, place)
    return b.select(b.fcmp_ordered(">", value, edge), b.add(left, ir.Constant(left.type, [1] * left.type.count)), left)


def _or_nan(b: ir.IRBuilder, value: ir.Value, rank: ir.Value) -> ir.Value:
    return b.select(b.fcmp_unordered("uno", value, value), ir.Constant(rank.type, [-1] * rank.type.count), rank)


def rank_bytes(width: str) -> Operation:
    """Builds rank_bytes(values, table, bits, to, shifted): ranks of PIECE values as bytes at `to`, and ranks + 1 at `shifted`.

    `shifted` equals `to` for a column without a shifted copy.
    """
    one = ir.Constant(ir.VectorType(_I8, lanes_of(width)), [1] * lanes_of(width))

    def build(b: ir.IRBuilder, values: ir.Value, table: ir.Value, bits: ir.Value, to: ir.Value, shifted: ir.Value) -> None:
        def store(row: ir.Value, ranks: ir.Value) -> None:
            narrow = b.trunc(ranks, one.type)
            b.store(b.add(narrow, one), pointer(b, b.add(shifted, row), one.type), align=1)
            b.store(narrow, pointer(b, b.add(to, row), one.type), align=1)

        _ranks(b, width, values, table, bits, fixed(PIECE), store)

    return Operation(f"rank_bytes_{width}", (INT,) * 5, types.none, build)


def rank_words(width: str) -> Operation:
    """Builds rank_words(values, table, bits, rows, to, shifted, stride, plain, plain_shifted), which writes uint16 ranks.

    It writes them in two layouts, for `rows` rows, a multiple of 64:

    - at `to`, in groups of WALKERS contiguous rows; each group begins `stride` bytes after the one before;
    - at `plain`, contiguous for all rows.

    The shifted copies, ranks + 1, are written at `shifted` and `plain_shifted`. A column without them passes `to` and `plain`.
    """
    one = ir.Constant(ir.VectorType(_I16, lanes_of(width)), [1] * lanes_of(width))

    def build(b: ir.IRBuilder, values: ir.Value, table: ir.Value, bits: ir.Value, rows: ir.Value, to: ir.Value, shifted: ir.Value,
              stride: ir.Value, plain: ir.Value, plain_shifted: ir.Value) -> None:  # fmt: skip
        def store(row: ir.Value, ranks: ir.Value) -> None:
            narrow = b.trunc(ranks, one.type)
            within = b.shl(b.and_(row, fixed(WALKERS - 1)), fixed(1))
            place, more = b.add(b.mul(b.udiv(row, fixed(WALKERS)), stride), within), b.add(narrow, one)
            for at, first, second in ((place, to, shifted), (b.shl(row, fixed(1)), plain, plain_shifted)):
                b.store(more, pointer(b, b.add(second, at), one.type), align=1)
                b.store(narrow, pointer(b, b.add(first, at), one.type), align=1)

        _ranks(b, width, values, table, bits, rows, store)

    return Operation(f"rank_words_{width}", (INT,) * 9, types.none, build)
