"""The vector instructions that tree ensembles are scored with: ranks of values, sets of rows, steps of a walk, sums of leaves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property, partial, reduce

from llvmlite import ir
from numba.core import types

from sparkweld.ir.tree_layouts import CHILD_BIT, LEAST_BITS, OFFSET_BIT, PIECE, WALKERS
from sparkweld.kernels.frontend import Operation
from sparkweld.kernels.memory import pointer
from sparkweld.kernels.models.library import ModelFunction, model_function, prefer_wide_vectors
from sparkweld.kernels.models.tree_tables import FLOATS, gather, in_registers, index_type, lanes_of, load_table, look_up
from sparkweld.kernels.optimising import optimise
from sparkweld.kernels.strings.library import linked

INT = types.int64
_I1, _I8, _I16, _I32, _I64 = (ir.IntType(bits) for bits in (1, 8, 16, 32, 64))
#: Rows of a word, and words of a set of a piece's rows, which is one register of 512 bits.
LANES, WORDS = 64, PIECE // 64
_WORD_BYTES = LANES // 8
#: Levels of a rank search in registers: the least that a table has, and all of one of 256 entries.
_LEAST_LEVELS, _MOST_LEVELS = LEAST_BITS, 8
#: Vectors of a rank search that run side by side, so that one's loads hide another's.
_TOGETHER = 4
#: Steps between looks at whether all rows have arrived.
_STEPS = 2


class _TreeFunction(ModelFunction):
    """A function whose vectors are written out, so nothing is left to be vectorised."""

    def prepare(self, module: ir.Module) -> None:
        prefer_wide_vectors(module)

    @cached_property
    def bitcode(self) -> bytes:
        module = linked(self)
        optimise(module)
        return module.as_bitcode()


def tree_function(python: Callable[..., object], name: str) -> ModelFunction:
    """An entry of that name."""
    return model_function(*(INT,) * 6, name=name, kind=_TreeFunction)(python)


def _number(value: int, type: ir.Type = _I64) -> ir.Constant:
    return ir.Constant(type, value)


def _splat(b: ir.IRBuilder, value: ir.Value, lanes: int) -> ir.Value:
    one = b.insert_element(_number(ir.Undefined, ir.VectorType(value.type, lanes)), value, _number(0, _I32))
    return b.shuffle_vector(one, one, ir.Constant(ir.VectorType(_I32, lanes), [0] * lanes))


def _loop(
    b: ir.IRBuilder, end: ir.Value, step: int, body: Callable[..., Sequence[ir.Value] | None], carried: Sequence[ir.Value] = ()
) -> list[ir.Value]:
    """for i in range(0, end, step): carried = body(i, *carried); gives the last of what is carried."""
    before, head = b.block, b.append_basic_block("head")
    inside, behind = b.append_basic_block("inside"), b.append_basic_block("behind")
    b.branch(head)
    b.position_at_end(head)
    at = b.phi(_I64)
    at.add_incoming(_number(0), before)
    values = [b.phi(value.type) for value in carried]
    for value, first in zip(values, carried, strict=True):
        value.add_incoming(first, before)
    b.cbranch(b.icmp_signed("<", at, end), inside, behind)
    b.position_at_end(inside)
    for value, following in zip(values, body(at, *values) or (), strict=True):
        value.add_incoming(following, b.block)
    at.add_incoming(b.add(at, _number(step)), b.block)
    b.branch(head)
    b.position_at_end(behind)
    return values


def _ranks(b: ir.IRBuilder, kind: str, values: ir.Value, table: ir.Value, bits: ir.Value, rows: ir.Value,
           store: Callable[[ir.Value, ir.Value], None]) -> None:  # fmt: skip
    """store(row, ranks from this row on) for vectors of values, whose column's table has 2**bits entries; -1 is NaN's.

    The first levels of the search, which most columns have no more of, are read from registers. Without branches.
    """
    end = b.append_basic_block("ranked")
    for levels in range(_LEAST_LEVELS, _MOST_LEVELS + 1) if in_registers() else (0,):
        last = levels in (0, _MOST_LEVELS)
        if not last:
            here, other = b.append_basic_block(f"levels_{levels}"), b.append_basic_block("more")
            b.cbranch(b.icmp_unsigned("<=", bits, _number(levels)), here, other)
            b.position_at_end(here)
        registers = load_table(b, table, kind, (1 << levels) // lanes_of(kind))
        _rank_rows(b, kind, values, table, registers, bits if last else _number(levels), rows, store)
        b.branch(end)
        b.position_at_end(end if last else other)


def _rank_rows(b: ir.IRBuilder, kind: str, values: ir.Value, table: ir.Value, registers: list[ir.Value], bits: ir.Value,
               rows: ir.Value, store: Callable[[ir.Value, ir.Value], None]) -> None:  # fmt: skip
    """As `_ranks`, with the table's first entries in registers."""
    lanes, index = lanes_of(kind), index_type(kind)
    vector = ir.VectorType(FLOATS[kind], lanes)
    levels = (len(registers) * lanes).bit_length() - 1 if registers else 0
    size = _splat(b, b.trunc(b.shl(_number(1), bits), index.element), lanes)

    def body(at: ir.Value) -> None:
        starts = [b.add(at, _number(number * lanes)) for number in range(_TOGETHER)]
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

    _loop(b, rows, lanes * _TOGETHER, body)


def _search(b: ir.IRBuilder, x: list[ir.Value], table: ir.Value, places: list[ir.Value], levels: int,
            bits: ir.Value) -> list[ir.Value]:  # fmt: skip
    """The places that vectors of values come to in a column's table after all levels, from those after so many."""
    before, head = b.block, b.append_basic_block("head")
    inside, behind = b.append_basic_block("inside"), b.append_basic_block("behind")
    b.branch(head)
    b.position_at_end(head)
    level = b.phi(_I64)
    level.add_incoming(_number(levels), before)
    now = [b.phi(place.type) for place in places]
    for phi, place in zip(now, places, strict=True):
        phi.add_incoming(place, before)
    b.cbranch(b.icmp_signed("<", level, bits), inside, behind)
    b.position_at_end(inside)
    for value, phi in zip(x, now, strict=True):
        phi.add_incoming(_below(b, value, gather(b, table, phi, value.type.element), phi), inside)
    level.add_incoming(b.add(level, _number(1)), inside)
    b.branch(head)
    b.position_at_end(behind)
    return now


def _below(b: ir.IRBuilder, value: ir.Value, edge: ir.Value, place: ir.Value) -> ir.Value:
    """The place in a column's table to look at next."""
    left = b.add(place, place)
    return b.select(b.fcmp_ordered(">", value, edge), b.add(left, ir.Constant(left.type, [1] * left.type.count)), left)


def _or_nan(b: ir.IRBuilder, value: ir.Value, rank: ir.Value) -> ir.Value:
    return b.select(b.fcmp_unordered("uno", value, value), ir.Constant(rank.type, [-1] * rank.type.count), rank)


def rank_bytes(width: str) -> Operation:
    """rank_bytes(values, table, bits, to, twin): ranks of PIECE values as bytes, at `twin`, which may be `to` for none, + 1."""
    one = ir.Constant(ir.VectorType(_I8, lanes_of(width)), [1] * lanes_of(width))

    def build(b: ir.IRBuilder, values: ir.Value, table: ir.Value, bits: ir.Value, to: ir.Value, twin: ir.Value) -> None:
        def store(row: ir.Value, ranks: ir.Value) -> None:
            narrow = b.trunc(ranks, one.type)
            b.store(b.add(narrow, one), pointer(b, b.add(twin, row), one.type), align=1)
            b.store(narrow, pointer(b, b.add(to, row), one.type), align=1)

        _ranks(b, width, values, table, bits, _number(PIECE), store)

    return Operation(f"rank_bytes_{width}", (INT,) * 5, types.none, build)


def rank_words(width: str) -> Operation:
    """rank_words(values, table, bits, rows, to, twin, stride): ranks as uint16, and at `twin` ranks + 1; `rows` divides by 64.

    Those of WALKERS rows are neighbours, each such group `stride` bytes behind the one before. A `twin` that is `to` is none.
    """
    one = ir.Constant(ir.VectorType(_I16, lanes_of(width)), [1] * lanes_of(width))

    def build(b: ir.IRBuilder, values: ir.Value, table: ir.Value, bits: ir.Value, rows: ir.Value, to: ir.Value, twin: ir.Value,
              stride: ir.Value) -> None:  # fmt: skip
        def store(row: ir.Value, ranks: ir.Value) -> None:
            narrow = b.trunc(ranks, one.type)
            within = b.shl(b.and_(row, _number(WALKERS - 1)), _number(1))
            place = b.add(b.mul(b.udiv(row, _number(WALKERS)), stride), within)
            b.store(b.add(narrow, one), pointer(b, b.add(twin, place), one.type), align=1)
            b.store(narrow, pointer(b, b.add(to, place), one.type), align=1)

        _ranks(b, width, values, table, bits, rows, store)

    return Operation(f"rank_words_{width}", (INT,) * 7, types.none, build)


def _field(b: ir.IRBuilder, entry: ir.Value, number: int, size: int) -> ir.Value:
    """The entry's 16 bits of that number, times a size."""
    return b.mul(b.and_(b.lshr(entry, _number(16 * number)), _number(0xFFFF)), _number(size))


def _tests(b: ir.IRBuilder, ranks: ir.Value, begin: ir.Value, end: ir.Value, sets: ir.Value) -> None:
    """tests(ranks, begin, end, sets): the sets of rows of the tests from `begin` to `end` (see `tree_masks`)."""
    bytes_, first = ir.VectorType(_I8, LANES), begin

    def body(at: ir.Value) -> None:
        entry = b.zext(b.load(pointer(b, b.add(first, at), _I32), align=1), _I64)
        key = _splat(b, b.trunc(b.lshr(entry, _number(16)), _I8), LANES)
        column, to = b.add(ranks, _field(b, entry, 0, PIECE)), b.add(sets, b.mul(at, _number(PIECE // 8 // 4)))
        for word in range(WORDS):
            rank = b.load(pointer(b, b.add(column, _number(LANES * word)), bytes_), align=1)
            hits = b.bitcast(b.icmp_unsigned("<=", rank, key), _I64)
            b.store(hits, pointer(b, b.add(to, _number(_WORD_BYTES * word)), _I64), align=8)

    _loop(b, b.sub(end, begin), 4, body)


def _choices(b: ir.IRBuilder, sets: ir.Value, begin: ir.Value, end: ir.Value) -> None:
    """choices(sets, begin, end): the operations from `begin` to `end` (see `tree_masks`)."""
    all_rows = ir.VectorType(_I64, WORDS)

    def body(at: ir.Value) -> None:
        entry = b.load(pointer(b, b.add(begin, at), _I64), align=1)
        to, *read = [pointer(b, b.add(sets, _field(b, entry, number, PIECE // 8)), all_rows) for number in range(4)]
        condition, hit, miss = (b.load(one, align=8) for one in read)
        b.store(b.or_(b.and_(condition, hit), b.and_(b.not_(condition), miss)), to, align=8)

    _loop(b, b.sub(end, begin), 8, body)


def _leaf_numbers(b: ir.IRBuilder, sets: ir.Value, planes: ir.Value, count: ir.Value, leaves: ir.Value) -> None:
    """leaf_numbers(sets, planes, count, leaves): the bytes whose binary digits are the rows of so many planes, lowest first."""
    bytes_ = ir.VectorType(_I8, LANES)

    def body(at: ir.Value, *found: ir.Value) -> list[ir.Value]:
        slot = b.zext(b.load(b.gep(pointer(b, planes, _I16), [at]), align=2), _I64)
        plane = b.add(sets, b.mul(slot, _number(PIECE // 8)))
        digit = _splat(b, b.trunc(b.shl(_number(1), at), _I8), LANES)
        more = []
        for word, one in enumerate(found):
            rows = b.load(pointer(b, b.add(plane, _number(_WORD_BYTES * word)), _I64), align=8)
            set_ = b.bitcast(rows, ir.VectorType(_I1, LANES))
            more.append(b.select(set_, b.or_(one, digit), one))
        return more

    for word, one in enumerate(_loop(b, count, 1, body, [ir.Constant(bytes_, [0] * LANES)] * WORDS)):
        b.store(one, pointer(b, b.add(leaves, _number(LANES * word)), bytes_), align=1)


tests = Operation("tests", (INT,) * 4, types.none, _tests)
choices = Operation("choices", (INT,) * 3, types.none, _choices)
leaf_numbers = Operation("leaf_numbers", (INT,) * 4, types.none, _leaf_numbers)


def add_leaves(sums: str) -> Operation:
    """add_leaves(to, leaves, values, count): to[row] += values[leaves[row]], for PIECE leaf numbers below `count`, bytes.

    It may read `tree_masks.BEYOND` values behind the last one.
    """
    lanes, index = lanes_of(sums), index_type(sums)
    vector = ir.VectorType(FLOATS[sums], lanes)

    def build(b: ir.IRBuilder, to: ir.Value, leaves: ir.Value, values: ir.Value, count: ir.Value) -> None:
        def rows(term: Callable[[ir.Value], ir.Value]) -> None:
            def body(at: ir.Value) -> None:
                narrow = b.load(pointer(b, b.add(leaves, at), ir.VectorType(_I8, lanes)), align=1)
                place = b.bitcast(b.gep(pointer(b, to, vector.element), [at]), vector.as_pointer())
                b.store(b.fadd(b.load(place, align=1), term(b.zext(narrow, index))), place, align=1)

            _loop(b, _number(PIECE), lanes, body)

        end = b.append_basic_block("added")
        for registers in (2, 4, 8) if in_registers() else ():
            here, other = b.append_basic_block(f"registers_{registers}"), b.append_basic_block("more")
            b.cbranch(b.icmp_unsigned("<=", count, _number(registers * lanes)), here, other)
            b.position_at_end(here)
            table = load_table(b, values, sums, registers)
            rows(partial(look_up, b, table))
            b.branch(end)
            b.position_at_end(other)
        rows(lambda leaf: gather(b, values, leaf, vector.element))
        b.branch(end)
        b.position_at_end(end)

    return Operation(f"add_leaves_{sums}", (INT,) * 4, types.none, build)


def add_arrived(sums: str) -> Operation:
    """add_arrived(to, nodes, numbers, values, width, rows): to[row] += values[numbers[nodes[row]] * width]."""
    element, lanes = FLOATS[sums], WALKERS

    def build(b: ir.IRBuilder, to: ir.Value, nodes: ir.Value, numbers: ir.Value, values: ir.Value, width: ir.Value,
              rows: ir.Value) -> None:  # fmt: skip
        wide = _splat(b, b.trunc(width, _I32), lanes)

        def body(at: ir.Value) -> None:
            node = b.load(pointer(b, b.add(nodes, b.shl(at, _number(2))), wide.type), align=1)
            terms = gather(b, values, b.mul(gather(b, numbers, node, _I32), wide), element)
            place = b.bitcast(b.gep(pointer(b, to, element), [at]), ir.VectorType(element, lanes).as_pointer())
            b.store(b.fadd(b.load(place, align=1), terms), place, align=1)

        _loop(b, rows, lanes, body)

    return Operation(f"add_arrived_{sums}", (INT,) * 6, types.none, build)


def fill(sums: str) -> Operation:
    """fill(to, from, rows): the value at `from`, `rows` times."""
    element = FLOATS[sums]

    def build(b: ir.IRBuilder, to: ir.Value, one: ir.Value, rows: ir.Value) -> None:
        value = b.load(pointer(b, one, element), align=1)
        _loop(b, rows, 1, lambda at: b.store(value, b.gep(pointer(b, to, element), [at]), align=1) and None)

    return Operation(f"fill_{sums}", (INT,) * 3, types.none, build)


def walk(*, sets: bool) -> Operation:
    """walk(nodes, root, depth, ranks, to, starts, members): the nodes, int32, where WALKERS rows end.

    Each of the rows is a chain of loads that wait for each other; that many chains side by side hide it. A leaf leads to itself,
    so rows that have arrived wait without a branch; a child's number is larger than its parent's, so all have arrived when the
    sum of their numbers stays.
    """

    def step(b: ir.IRBuilder, at: ir.Value, row: ir.Value, nodes: ir.Value, starts: ir.Value, members: ir.Value) -> ir.Value:
        node = b.load(b.gep(pointer(b, nodes, _I64), [at]), align=8)
        field = b.trunc(b.lshr(node, _number(OFFSET_BIT)), _I16)
        offset = b.zext(b.and_(field, _number(-2, _I16)) if sets else field, _I64)
        rank = b.load(b.bitcast(b.gep(row, [offset]), _I16.as_pointer()), align=2)
        key = b.trunc(node, _I16)
        missed = b.icmp_unsigned(">", rank, key)
        if sets:
            # What is no set reads the first one, for nothing.
            is_set = b.trunc(field, _I1)
            number = b.select(is_set, b.zext(key, _I64), _number(0))
            start = b.add(members, b.zext(b.load(b.gep(pointer(b, starts, _I32), [number]), align=4), _I64))
            largest = b.load(pointer(b, b.sub(start, _number(4)), _I32), align=1)
            wide = b.zext(rank, _I32)
            place = b.select(b.icmp_unsigned("<", wide, largest), wide, largest)
            member = b.load(pointer(b, b.add(start, b.zext(place, _I64)), _I8), align=1)
            missed = b.select(is_set, b.icmp_unsigned("==", member, _number(0, _I8)), missed)
        # Hidden from LLVM, which would add the two as addresses in the next step: one instruction, with the carry, is fewer.
        hidden = ir.InlineAsm(ir.FunctionType(_I64, [_I64]), "", "=r,0", side_effect=False)
        return b.call(hidden, [b.add(b.lshr(node, _number(CHILD_BIT)), b.zext(missed, _I64))])

    def build(b: ir.IRBuilder, nodes: ir.Value, root: ir.Value, depth: ir.Value, ranks: ir.Value, to: ir.Value,
              starts: ir.Value, members: ir.Value) -> None:  # fmt: skip
        first = pointer(b, ranks, _I8)
        rows = [b.gep(first, [_number(2 * number)]) for number in range(WALKERS)]
        before, head = b.block, b.append_basic_block("head")
        inside, behind = b.append_basic_block("inside"), b.append_basic_block("behind")
        b.branch(head)
        b.position_at_end(head)
        level, moving, total = b.phi(_I64), b.phi(_I1), b.phi(_I64)
        at = [b.phi(_I64) for _ in rows]
        for phi, begin in ((level, _number(0)), (moving, _number(1, _I1)), (total, _number(-1)), *((one, root) for one in at)):
            phi.add_incoming(begin, before)
        b.cbranch(b.and_(moving, b.icmp_signed("<", level, depth)), inside, behind)
        b.position_at_end(inside)
        now: list[ir.Value] = list(at)
        for _ in range(_STEPS):
            now = [step(b, one, row, nodes, starts, members) for one, row in zip(now, rows, strict=True)]
        reached = reduce(b.add, now)
        level.add_incoming(b.add(level, _number(_STEPS)), inside)
        moving.add_incoming(b.icmp_signed("!=", reached, total), inside)
        total.add_incoming(reached, inside)
        for phi, one in zip(at, now, strict=True):
            phi.add_incoming(one, inside)
        b.branch(head)
        b.position_at_end(behind)
        for number, one in enumerate(at):
            b.store(b.trunc(one, _I32), pointer(b, b.add(to, _number(4 * number)), _I32), align=1)

    return Operation("walk_sets" if sets else "walk", (INT,) * 7, types.none, build)
