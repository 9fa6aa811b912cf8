"""Defines the vector instructions of tree ensembles: sets of rows, steps of a walk, sums of leaves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property, partial, reduce

from llvmlite import ir
from numba.core import types

from sparkweld.ir.layouts.tree_walks import WAYS
from sparkweld.ir.layouts.trees import CHILD_BIT, OFFSET_BIT, PIECE, WALKERS
from sparkweld.kernels.functions.models.library import ModelFunction, model_function, prefer_wide_vectors
from sparkweld.kernels.functions.models.tree_tables import FLOATS, gather, in_registers, index_type, lanes_of, load_table, look_up
from sparkweld.kernels.functions.strings.library import linked
from sparkweld.kernels.functions.strings.memory_access import build_prefetch
from sparkweld.kernels.llvm.llvm_passes import optimise
from sparkweld.kernels.llvm.memory import pointer
from sparkweld.kernels.llvm.numba_frontend import Operation

INT = types.int64
_I1, _I8, _I16, _I32, _I64 = (ir.IntType(bits) for bits in (1, 8, 16, 32, 64))
#: Rows of a word, and words of the set of a chunk's rows, which is one register of 512 bits.
LANES, WORDS = 64, PIECE // 64
_WORD_BYTES = LANES // 8
#: Bytes of a cache line.
_LINE = 64
#: Steps between tests whether all rows have arrived.
_STEPS = 2


class _TreeFunction(ModelFunction):
    """A function that is written with explicit vectors, so the vectoriser is not run."""

    def prepare(self, module: ir.Module) -> None:
        prefer_wide_vectors(module)

    @cached_property
    def bitcode(self) -> bytes:
        module = linked(self)
        optimise(module)
        return module.as_bitcode()


def tree_function(python: Callable[..., object], name: str) -> ModelFunction:
    """Creates the model function of that name."""
    return model_function(*(INT,) * 6, name=name, kind=_TreeFunction)(python)


def fixed(value: int, type: ir.Type = _I64) -> ir.Constant:
    """Returns a constant."""
    return ir.Constant(type, value)


def splat(b: ir.IRBuilder, value: ir.Value, lanes: int) -> ir.Value:
    """Broadcasts the value to `lanes` lanes."""
    one = b.insert_element(fixed(ir.Undefined, ir.VectorType(value.type, lanes)), value, fixed(0, _I32))
    return b.shuffle_vector(one, one, ir.Constant(ir.VectorType(_I32, lanes), [0] * lanes))


def loop(
    b: ir.IRBuilder, end: ir.Value, step: int, body: Callable[..., Sequence[ir.Value] | None], carried: Sequence[ir.Value] = (),
    start: int = 0,
) -> list[ir.Value]:  # fmt: skip
    """Emits for i in range(start, end, step): carried = body(i, *carried); returns the last carried values."""
    before, head = b.block, b.append_basic_block("head")
    inside, behind = b.append_basic_block("inside"), b.append_basic_block("behind")
    b.branch(head)
    b.position_at_end(head)
    at = b.phi(_I64)
    at.add_incoming(fixed(start), before)
    values = [b.phi(value.type) for value in carried]
    for value, first in zip(values, carried, strict=True):
        value.add_incoming(first, before)
    b.cbranch(b.icmp_signed("<", at, end), inside, behind)
    b.position_at_end(inside)
    for value, following in zip(values, body(at, *values) or (), strict=True):
        value.add_incoming(following, b.block)
    at.add_incoming(b.add(at, fixed(step)), b.block)
    b.branch(head)
    b.position_at_end(behind)
    return values


def _field(b: ir.IRBuilder, entry: ir.Value, number: int, size: int) -> ir.Value:
    """Extracts the entry's 16-bit field of that index, times a size."""
    return b.mul(b.and_(b.lshr(entry, fixed(16 * number)), fixed(0xFFFF)), fixed(size))


def tests(bits: int) -> Operation:
    """Builds tests(ranks, begin, end, sets): the sets of rows that pass the tests from `begin` to `end`, on 8- or 16-bit ranks.

    A column's ranks of PIECE rows are contiguous. For tests and sets see `tree_masks`.
    """
    rank_type, size = ir.IntType(bits), bits // 8
    half = ir.VectorType(rank_type, LANES // size)

    def build(b: ir.IRBuilder, ranks: ir.Value, begin: ir.Value, end: ir.Value, sets: ir.Value) -> None:
        def body(at: ir.Value) -> None:
            entry = b.zext(b.load(pointer(b, b.add(begin, at), _I32), align=1), _I64)
            key = splat(b, b.trunc(b.lshr(entry, fixed(16)), rank_type), half.count)
            column, to = b.add(ranks, _field(b, entry, 0, PIECE * size)), b.add(sets, b.mul(at, fixed(PIECE // 8 // 4)))
            for part in range(WORDS * size):
                rank = b.load(pointer(b, b.add(column, fixed(LANES * part)), half), align=1)
                hits = b.bitcast(b.icmp_unsigned("<=", rank, key), ir.IntType(half.count))
                b.store(hits, pointer(b, b.add(to, fixed(half.count // 8 * part)), hits.type), align=4)

        loop(b, b.sub(end, begin), 4, body)

    return Operation(f"tests_{bits}", (INT,) * 4, types.none, build)


def _choices(b: ir.IRBuilder, sets: ir.Value, begin: ir.Value, end: ir.Value) -> None:
    """Builds choices(sets, begin, end): runs the operations from `begin` to `end` (see `tree_masks`)."""
    all_rows = ir.VectorType(_I64, WORDS)

    def body(at: ir.Value) -> None:
        entry = b.load(pointer(b, b.add(begin, at), _I64), align=1)
        to, *read = [pointer(b, b.add(sets, _field(b, entry, number, PIECE // 8)), all_rows) for number in range(4)]
        condition, hit, miss = (b.load(one, align=8) for one in read)
        b.store(b.or_(b.and_(condition, hit), b.and_(b.not_(condition), miss)), to, align=8)

    loop(b, b.sub(end, begin), 8, body)


def _leaf_numbers(b: ir.IRBuilder, sets: ir.Value, planes: ir.Value, count: ir.Value, leaves: ir.Value) -> None:
    """Builds leaf_numbers(sets, planes, count, leaves): the bytes whose bits are the rows of `count` planes, lowest first."""
    bytes_ = ir.VectorType(_I8, LANES)

    def body(at: ir.Value, *found: ir.Value) -> list[ir.Value]:
        slot = b.zext(b.load(b.gep(pointer(b, planes, _I16), [at]), align=2), _I64)
        plane = b.add(sets, b.mul(slot, fixed(PIECE // 8)))
        digit = splat(b, b.trunc(b.shl(fixed(1), at), _I8), LANES)
        more = []
        for word, one in enumerate(found):
            rows = b.load(pointer(b, b.add(plane, fixed(_WORD_BYTES * word)), _I64), align=8)
            set_ = b.bitcast(rows, ir.VectorType(_I1, LANES))
            more.append(b.select(set_, b.or_(one, digit), one))
        return more

    for word, one in enumerate(loop(b, count, 1, body, [ir.Constant(bytes_, [0] * LANES)] * WORDS)):
        b.store(one, pointer(b, b.add(leaves, fixed(LANES * word)), bytes_), align=1)


choices = Operation("choices", (INT,) * 3, types.none, _choices)
leaf_numbers = Operation("leaf_numbers", (INT,) * 4, types.none, _leaf_numbers)


def add_leaves(sums: str) -> Operation:
    """Builds add_leaves(to, leaves, values, count): to[row] += values[leaves[row]], for PIECE byte leaf numbers below `count`.

    It may read `tree_masks.BEYOND` values after the last one.
    """
    lanes, index = lanes_of(sums), index_type(sums)
    vector = ir.VectorType(FLOATS[sums], lanes)

    def build(b: ir.IRBuilder, to: ir.Value, leaves: ir.Value, values: ir.Value, count: ir.Value) -> None:
        def rows(term: Callable[[ir.Value], ir.Value]) -> None:
            def body(at: ir.Value) -> None:
                narrow = b.load(pointer(b, b.add(leaves, at), ir.VectorType(_I8, lanes)), align=1)
                place = b.bitcast(b.gep(pointer(b, to, vector.element), [at]), vector.as_pointer())
                b.store(b.fadd(b.load(place, align=1), term(b.zext(narrow, index))), place, align=1)

            loop(b, fixed(PIECE), lanes, body)

        end = b.append_basic_block("added")
        for registers in (2, 4, 8) if in_registers() else ():
            here, other = b.append_basic_block(f"registers_{registers}"), b.append_basic_block("more")
            b.cbranch(b.icmp_unsigned("<=", count, fixed(registers * lanes)), here, other)
            b.position_at_end(here)
            table = load_table(b, values, sums, registers)
            rows(partial(look_up, b, table))
            b.branch(end)
            b.position_at_end(other)
        rows(lambda leaf: gather(b, values, leaf, vector.element))
        b.branch(end)
        b.position_at_end(end)

    return Operation(f"add_leaves_{sums}", (INT,) * 4, types.none, build)


def _arrive(b: ir.IRBuilder, at: ir.Value, numbers: ir.Value, width: ir.Value, rows: ir.Value) -> None:
    """Builds arrive(at, numbers, width, rows): at[row] = numbers[at[row]] * width, the index of a leaf's terms."""
    wide = splat(b, b.trunc(width, _I32), WALKERS)

    def body(row: ir.Value) -> None:
        place = pointer(b, b.add(at, b.shl(row, fixed(2))), wide.type)
        b.store(b.mul(gather(b, numbers, b.load(place, align=4), _I32), wide), place, align=4)

    loop(b, rows, WALKERS, body)


arrive = Operation("arrive", (INT,) * 4, types.none, _arrive)


def add_arrived(sums: str) -> Operation:
    """Builds add_arrived(to, places, values, rows): to[row] += values[places[row]]."""
    element, lanes = FLOATS[sums], WALKERS

    def build(b: ir.IRBuilder, to: ir.Value, places: ir.Value, values: ir.Value, rows: ir.Value) -> None:
        def body(at: ir.Value) -> None:
            index = b.load(pointer(b, b.add(places, b.shl(at, fixed(2))), ir.VectorType(_I32, lanes)), align=4)
            place = b.bitcast(b.gep(pointer(b, to, element), [at]), ir.VectorType(element, lanes).as_pointer())
            b.store(b.fadd(b.load(place, align=1), gather(b, values, index, element)), place, align=1)

        loop(b, rows, lanes, body)

    return Operation(f"add_arrived_{sums}", (INT,) * 4, types.none, build)


def _enter(b: ir.IRBuilder, to: ir.Value, leaves: ir.Value, entries: ir.Value) -> None:
    """Builds enter(to, leaves, entries): looks PIECE byte numbers up among WAYS int32 entries."""
    floats = ir.VectorType(FLOATS["f32"], lanes_of("f32"))
    numbers = ir.VectorType(_I32, floats.count)
    table = load_table(b, entries, "f32", WAYS // floats.count) if in_registers() else []

    def body(at: ir.Value) -> None:
        narrow = b.load(pointer(b, b.add(leaves, at), ir.VectorType(_I8, floats.count)), align=1)
        index = b.zext(narrow, numbers)
        found = b.bitcast(look_up(b, table, index), numbers) if table else gather(b, entries, index, _I32)
        b.store(found, pointer(b, b.add(to, b.shl(at, fixed(2))), numbers), align=4)

    loop(b, fixed(PIECE), floats.count, body)


def _start(b: ir.IRBuilder, to: ir.Value, root: ir.Value) -> None:
    """Builds start(to, root): stores the int32 node PIECE times."""
    node = splat(b, b.trunc(root, _I32), WALKERS)

    def body(at: ir.Value) -> None:
        b.store(node, pointer(b, b.add(to, b.shl(at, fixed(2))), node.type), align=4)

    loop(b, fixed(PIECE), WALKERS, body)


def _fetch(b: ir.IRBuilder, begin: ir.Value, size: ir.Value) -> None:
    """Builds fetch(begin, size): prefetches bytes to the second-level cache."""
    loop(b, size, _LINE, lambda at: build_prefetch(b, b.add(begin, at), locality=2))


def _fetch_step(b: ir.IRBuilder, size: ir.Value, rows: ir.Value) -> ir.Value:
    """Builds fetch_step(size, rows): the share of `size` bytes per WALKERS of `rows` rows, in whole cache lines."""
    return b.and_(b.add(b.udiv(size, b.udiv(rows, fixed(WALKERS))), fixed(_LINE)), fixed(-_LINE))


fetch_step = Operation("fetch_step", (INT,) * 2, INT, _fetch_step)
fetch = Operation("fetch", (INT,) * 2, types.none, _fetch)
enter = Operation("enter", (INT,) * 3, types.none, _enter)
start = Operation("start", (INT,) * 2, types.none, _start)


def fill(sums: str) -> Operation:
    """Builds fill(to, from, rows): stores the value at `from` `rows` times."""
    element = FLOATS[sums]

    def build(b: ir.IRBuilder, to: ir.Value, one: ir.Value, rows: ir.Value) -> None:
        value = b.load(pointer(b, one, element), align=1)
        loop(b, rows, 1, lambda at: b.store(value, b.gep(pointer(b, to, element), [at]), align=1) and None)

    return Operation(f"fill_{sums}", (INT,) * 3, types.none, build)


def walk(*, sets: bool, trees: bool = False) -> Operation:
    """Builds walk(nodes, depth, ranks, at, starts, members): WALKERS rows step `depth` levels down from the int32 nodes at `at`.

    Each row is a chain of dependent loads; interleaving WALKERS chains hides their latency. A leaf leads to itself, so rows that
    have arrived wait without a branch. A child's number is larger than its parent's, so all rows have arrived when the sum of
    their numbers stays the same.

    `trees`: the nodes are those of WALKERS trees, and all read the ranks of the first row.
    """

    def step(b: ir.IRBuilder, at: ir.Value, row: ir.Value, nodes: ir.Value, starts: ir.Value, members: ir.Value) -> ir.Value:
        node = b.load(b.gep(pointer(b, nodes, _I64), [at]), align=8)
        field = b.trunc(b.lshr(node, fixed(OFFSET_BIT)), _I16)
        offset = b.zext(b.and_(field, fixed(-2, _I16)) if sets else field, _I64)
        rank = b.load(b.bitcast(b.gep(row, [offset]), _I16.as_pointer()), align=2)
        key = b.trunc(node, _I16)
        missed = b.icmp_unsigned(">", rank, key)
        if sets:
            # A node without a set reads the first set and ignores it.
            is_set = b.trunc(field, _I1)
            number = b.select(is_set, b.zext(key, _I64), fixed(0))
            start = b.add(members, b.zext(b.load(b.gep(pointer(b, starts, _I32), [number]), align=4), _I64))
            largest = b.load(pointer(b, b.sub(start, fixed(4)), _I32), align=1)
            wide = b.zext(rank, _I32)
            place = b.select(b.icmp_unsigned("<", wide, largest), wide, largest)
            member = b.load(pointer(b, b.add(start, b.zext(place, _I64)), _I8), align=1)
            missed = b.select(is_set, b.icmp_unsigned("==", member, fixed(0, _I8)), missed)
        # Hidden from LLVM, which would fold the two into the next step's addresses: a single add with carry is cheaper.
        hidden = ir.InlineAsm(ir.FunctionType(_I64, [_I64]), "", "=r,0", side_effect=False)
        return b.call(hidden, [b.add(b.lshr(node, fixed(CHILD_BIT)), b.zext(missed, _I64))])

    def build(b: ir.IRBuilder, nodes: ir.Value, depth: ir.Value, ranks: ir.Value, to: ir.Value, starts: ir.Value,
              members: ir.Value) -> None:  # fmt: skip
        first = pointer(b, ranks, _I8)
        rows = [b.gep(first, [fixed(0 if trees else 2 * number)]) for number in range(WALKERS)]
        places = [pointer(b, b.add(to, fixed(4 * number)), _I32) for number in range(WALKERS)]
        entries = [b.zext(b.load(place, align=4), _I64) for place in places]
        before, head = b.block, b.append_basic_block("head")
        inside, behind = b.append_basic_block("inside"), b.append_basic_block("behind")
        b.branch(head)
        b.position_at_end(head)
        level, moving, total = b.phi(_I64), b.phi(_I1), b.phi(_I64)
        at = [b.phi(_I64) for _ in rows]
        for phi, begin in ((level, fixed(0)), (moving, fixed(1, _I1)), (total, fixed(-1)), *zip(at, entries, strict=True)):
            phi.add_incoming(begin, before)
        b.cbranch(b.and_(moving, b.icmp_signed("<", level, depth)), inside, behind)
        b.position_at_end(inside)
        now: list[ir.Value] = list(at)
        for _ in range(_STEPS):
            now = [step(b, one, row, nodes, starts, members) for one, row in zip(now, rows, strict=True)]
        reached = reduce(b.add, now)
        level.add_incoming(b.add(level, fixed(_STEPS)), inside)
        moving.add_incoming(b.icmp_signed("!=", reached, total), inside)
        total.add_incoming(reached, inside)
        for phi, one in zip(at, now, strict=True):
            phi.add_incoming(one, inside)
        b.branch(head)
        b.position_at_end(behind)
        for place, one in zip(places, at, strict=True):
            b.store(b.trunc(one, _I32), place, align=4)

    return Operation(f"walk{'_trees' if trees else ''}{'_sets' if sets else ''}", (INT,) * 6, types.none, build)
