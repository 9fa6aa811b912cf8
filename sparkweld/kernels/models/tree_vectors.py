"""The vector instructions that tree ensembles are scored with: ranks of values, splits of row masks, sums of leaves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property, reduce

from llvmlite import ir
from numba.core import types

from sparkweld.ir.tree_layouts import (
    BEGIN,
    CHILD_BIT,
    HIT_LEAF,
    JOIN,
    LAST,
    MISS_LEAF,
    OFFSET_BIT,
    PIECE,
    UNION,
    WALKERS,
)
from sparkweld.kernels.frontend import Operation
from sparkweld.kernels.memory import pointer
from sparkweld.kernels.models.library import ModelFunction, model_function, prefer_wide_vectors
from sparkweld.kernels.optimising import optimise
from sparkweld.kernels.strings.library import linked

INT = types.int64
_I1, _I8, _I16, _I32, _I64 = (ir.IntType(bits) for bits in (1, 8, 16, 32, 64))
FLOATS = {"f32": ir.FloatType(), "f64": ir.DoubleType()}
_SIZES = {"f32": 4, "f64": 8}

#: Rows of a mask, and masks of a piece: what LLVM's vectors of bytes and 512-bit registers are made for.
LANES, MASKS = 64, PIECE // 64
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


def _loop(b: ir.IRBuilder, end: ir.Value, step: int, body: Callable[[ir.Value], None]) -> None:
    """for i in range(0, end, step): body(i)"""
    before, head = b.block, b.append_basic_block("head")
    inside, behind = b.append_basic_block("inside"), b.append_basic_block("behind")
    b.branch(head)
    b.position_at_end(head)
    at = b.phi(_I64)
    at.add_incoming(_number(0), before)
    b.cbranch(b.icmp_signed("<", at, end), inside, behind)
    b.position_at_end(inside)
    body(at)
    at.add_incoming(b.add(at, _number(step)), b.block)
    b.branch(head)
    b.position_at_end(behind)


class _Addresses(ir.Instruction):
    """The addresses of several elements, which llvmlite has no builder for."""

    def __init__(self, b: ir.IRBuilder, base: ir.Value, index: ir.Value) -> None:
        super().__init__(b.block, ir.VectorType(base.type, index.type.count), "getelementptr", [base, index])

    def descr(self, buf: list[str]) -> None:
        base, index = self.operands
        element = base.type.pointee
        buf.append(f"getelementptr {element}, {base.type} {base.get_reference()}, {index.type} {index.get_reference()}\n")


def _gather(b: ir.IRBuilder, address: ir.Value, index: ir.Value, element: ir.Type) -> ir.Value:
    """element[index] of each lane."""
    lanes = index.type.count
    addresses = _Addresses(b, pointer(b, address, element), index)
    b._insert(addresses)
    vector = ir.VectorType(element, lanes)
    name = f"llvm.masked.gather.v{lanes}{ {_I32: 'i32', FLOATS['f32']: 'f32', FLOATS['f64']: 'f64'}[element]}.v{lanes}p0"
    arguments = [addresses.type, _I32, ir.VectorType(_I1, lanes), vector]
    gather = b.module.globals.get(name) or ir.Function(b.module, ir.FunctionType(vector, arguments), name)
    ones = ir.Constant(ir.VectorType(_I1, lanes), [1] * lanes)
    return b.call(gather, [addresses, _number(element_size(element), _I32), ones, ir.Constant(vector, ir.Undefined)])


def element_size(element: ir.Type) -> int:
    """Bytes."""
    return element.width // 8 if isinstance(element, ir.IntType) else _SIZES["f32" if element == FLOATS["f32"] else "f64"]


def _search(b: ir.IRBuilder, x: list[ir.Value], table: ir.Value, bits: ir.Value, element: ir.Type) -> list[ir.Value]:
    """Ranks, int32 lanes, of vectors of values in an ascending table of 2**bits - 1 values; -1 for NaN. Without branches."""
    lanes = x[0].type.count
    before, head = b.block, b.append_basic_block("head")
    inside, behind = b.append_basic_block("inside"), b.append_basic_block("behind")
    first = b.lshr(b.shl(_number(1), bits), _number(1))
    b.branch(head)
    b.position_at_end(head)
    half = b.phi(_I64)
    half.add_incoming(first, before)
    ranks = [b.phi(ir.VectorType(_I32, lanes)) for _ in x]
    for rank in ranks:
        rank.add_incoming(ir.Constant(rank.type, [0] * lanes), before)
    b.cbranch(b.icmp_signed(">", half, _number(0)), inside, behind)
    b.position_at_end(inside)
    wide = _splat(b, b.trunc(half, _I32), lanes)
    base = b.add(table, b.mul(b.sub(half, _number(1)), _number(element_size(element))))
    for value, rank in zip(x, ranks, strict=True):
        edge = _gather(b, base, rank, element)
        rank.add_incoming(b.select(b.fcmp_ordered(">", value, edge), b.add(rank, wide), rank), inside)
    half.add_incoming(b.lshr(half, _number(1)), inside)
    b.branch(head)
    b.position_at_end(behind)
    nan = ir.Constant(ranks[0].type, [-1] * lanes)
    return [b.select(b.fcmp_unordered("uno", v, v), nan, r) for v, r in zip(x, ranks, strict=True)]


def _ranks(
    b: ir.IRBuilder, values: ir.Value, table: ir.Value, bits: ir.Value, at: ir.Value, vector: ir.VectorType, together: int
) -> Iterator[tuple[ir.Value, ir.Value]]:
    """(row, ranks from this row on, int32 lanes) of so many vectors of values from row `at` on."""
    element = vector.element
    rows = [b.add(at, _number(number * vector.count)) for number in range(together)]
    x = [b.load(b.bitcast(b.gep(pointer(b, values, element), [row]), vector.as_pointer()), align=1) for row in rows]
    return zip(rows, _search(b, x, table, bits, element), strict=True)


def rank_bytes(width: str) -> Operation:
    """rank_bytes(values, table, bits, to): ranks of PIECE values as bytes."""
    lanes = 64 // _SIZES[width]
    vector = ir.VectorType(FLOATS[width], lanes)

    def build(b: ir.IRBuilder, values: ir.Value, table: ir.Value, bits: ir.Value, to: ir.Value) -> None:
        def body(at: ir.Value) -> None:
            for place, rank in _ranks(b, values, table, bits, at, vector, _TOGETHER):
                narrow = b.trunc(rank, ir.VectorType(_I8, lanes))
                b.store(narrow, pointer(b, b.add(to, place), narrow.type), align=1)

        _loop(b, _number(PIECE), lanes * _TOGETHER, body)

    return Operation(f"rank_bytes_{width}", (INT,) * 4, types.none, build)


def rank_words(width: str) -> Operation:
    """rank_words(values, table, bits, rows, to, twin, stride): ranks as uint16, and at `twin` ranks + 1; `rows` divides by 64.

    Those of WALKERS rows are neighbours, each such group `stride` bytes behind the one before. A `twin` that is `to` is none.
    """
    vector = ir.VectorType(FLOATS[width], WALKERS)

    def build(b: ir.IRBuilder, values: ir.Value, table: ir.Value, bits: ir.Value, rows: ir.Value, to: ir.Value, twin: ir.Value,
              stride: ir.Value) -> None:  # fmt: skip
        one = ir.Constant(ir.VectorType(_I16, WALKERS), [1] * WALKERS)

        def body(at: ir.Value) -> None:
            for place, rank in _ranks(b, values, table, bits, at, vector, _TOGETHER):
                narrow = b.trunc(rank, one.type)
                group = b.mul(b.udiv(place, _number(WALKERS)), stride)
                b.store(b.add(narrow, one), pointer(b, b.add(twin, group), one.type), align=1)
                b.store(narrow, pointer(b, b.add(to, group), one.type), align=1)

        _loop(b, rows, WALKERS * _TOGETHER, body)

    return Operation(f"rank_words_{width}", (INT,) * 7, types.none, build)


def split(kind: int) -> Operation:
    """split(ranks, range, masks, slot, hit, miss, leaves): one operation of the mask form (see `tree_layouts`) on a piece.

    `ranks`: address of the column's. `range`: lowest | (ranks - 1) << 8. `masks`: address of the slots, MASKS words each.
    """

    def build(b: ir.IRBuilder, ranks: ir.Value, bounds: ir.Value, masks: ir.Value, slot: ir.Value, hit: ir.Value,
              miss: ir.Value, leaves: ir.Value) -> None:  # fmt: skip
        low = _splat(b, b.trunc(bounds, _I8), LANES)
        span = _splat(b, b.trunc(b.lshr(bounds, _number(8)), _I8), LANES)
        parts = (slot, hit, miss, _number(UNION))
        rows = [b.add(masks, b.shl(part, _number(6))) for part in parts]
        numbers = [_splat(b, b.trunc(part, _I8), LANES) for part in (hit, miss)]
        for word in range(MASKS):
            here = [pointer(b, b.add(row, _number(8 * word)), _I64) for row in rows]
            at = pointer(b, b.add(ranks, _number(LANES * word)), ir.VectorType(_I8, LANES))
            inside = b.icmp_unsigned("<=", b.sub(b.load(at, align=1), low), span)
            inside = b.bitcast(inside, _I64)
            if kind in (JOIN,) or kind & LAST:
                inside = b.or_(inside, b.load(here[3], align=8))
            if kind in (BEGIN, JOIN):
                b.store(inside, here[3], align=8)
                continue
            rest = b.load(here[0], align=8)
            parts_of = (b.and_(rest, inside), b.and_(rest, b.not_(inside)))
            for part, to, number, is_leaf in zip(parts_of, here[1:3], numbers, (kind & HIT_LEAF, kind & MISS_LEAF), strict=True):
                if not is_leaf:
                    b.store(part, to, align=8)
                    continue
                place = pointer(b, b.add(leaves, _number(LANES * word)), ir.VectorType(_I8, LANES))
                chosen = b.select(b.bitcast(part, ir.VectorType(_I1, LANES)), number, b.load(place, align=1))
                b.store(chosen, place, align=1)

    return Operation(f"split_{kind}", (INT,) * 7, types.none, build)


def add_leaves(sums: str) -> Operation:
    """add_leaves(to, leaves, values, width): to[row] += values[leaves[row] * width], for PIECE leaf numbers that are bytes."""
    element = FLOATS[sums]
    lanes = 64 // _SIZES[sums]

    def build(b: ir.IRBuilder, to: ir.Value, leaves: ir.Value, values: ir.Value, width: ir.Value) -> None:
        wide = _splat(b, b.trunc(width, _I32), lanes)

        def body(at: ir.Value) -> None:
            narrow = ir.VectorType(_I8, lanes)
            leaf = b.zext(b.load(pointer(b, b.add(leaves, at), narrow), align=1), ir.VectorType(_I32, lanes))
            terms = _gather(b, values, b.mul(leaf, wide), element)
            vector = ir.VectorType(element, lanes)
            place = b.bitcast(b.gep(pointer(b, to, element), [at]), vector.as_pointer())
            b.store(b.fadd(b.load(place, align=1), terms), place, align=1)

        _loop(b, _number(PIECE), lanes, body)

    return Operation(f"add_leaves_{sums}", (INT,) * 4, types.none, build)


def add_arrived(sums: str) -> Operation:
    """add_arrived(to, nodes, numbers, values, width, rows): to[row] += values[numbers[nodes[row]] * width]."""
    element, lanes = FLOATS[sums], WALKERS

    def build(b: ir.IRBuilder, to: ir.Value, nodes: ir.Value, numbers: ir.Value, values: ir.Value, width: ir.Value,
              rows: ir.Value) -> None:  # fmt: skip
        wide = _splat(b, b.trunc(width, _I32), lanes)

        def body(at: ir.Value) -> None:
            node = b.load(pointer(b, b.add(nodes, b.shl(at, _number(2))), wide.type), align=1)
            terms = _gather(b, values, b.mul(_gather(b, numbers, node, _I32), wide), element)
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
