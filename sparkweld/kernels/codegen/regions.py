"""Lowers regions to LLVM functions of scalars, one basic block per block, which the row loop calls.

One call returns all results of a region. A function that creates strings or lists takes the arena's address as its last argument.
If its results are numbers, it frees these strings and lists at its end. So their memory is bounded by what one row needs.
The others read no memory except that of strings and lists, so LLVM moves their calls out of loops and merges them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from llvmlite import ir

from sparkweld.ir.ops import Arg, Call, Const, IsValid, Lookup, MakeOptional, Op, Region, ValueOf
from sparkweld.ir.ops.base import Let
from sparkweld.ir.ops.elementwise import LIBM_ULP
from sparkweld.ir.ops.memory import allocates
from sparkweld.ir.ops.regions import Block, Branch, Graph, Jump, Return, types_of
from sparkweld.ir.printing import print_graph
from sparkweld.ir.types import Type
from sparkweld.kernels.codegen.lowerings import llvm_type, lookup, lowering, position, take
from sparkweld.kernels.codegen.lowerings.constant_data import constant_view
from sparkweld.kernels.codegen.sinking import sunk
from sparkweld.kernels.functions.lists.elements import of_word
from sparkweld.kernels.functions.strings.arena import release
from sparkweld.kernels.functions.strings.memory_access import build_view, word
from sparkweld.kernels.llvm.floats import libm
from sparkweld.kernels.llvm.integers import floor_division

_I1, _I64 = ir.IntType(1), ir.IntType(64)


@dataclass(frozen=True)
class _Value:
    """A value in registers; `valid` is None for a plain one."""

    value: ir.Value
    valid: ir.Value | None = None


def region_results(b: ir.IRBuilder, op: Region, args: Sequence[ir.Value]) -> ir.Value:
    """Returns all results of a region as a structure: whether it ends with results, then their values."""
    graph = op.graph
    name = f"region.{hashlib.sha256(f'{op.steps} {print_graph(graph)}'.encode()).hexdigest()[:16]}"
    function = b.module.globals.get(name) or _Function(b.module, name, sunk(graph), op.steps).function
    return b.call(function, args)


def region_result(b: ir.IRBuilder, op: Region, found: ir.Value) -> ir.Value:
    """Returns one of these results as a pair of 64 bits and a length, negative for NULL, like ops of strings."""
    present, value = b.extract_value(found, 0), b.extract_value(found, 1 + op.output)
    absent = ir.Constant(_I64, -1)
    if op.graph.results[op.output].is_view:
        return b.select(present, value, build_view(b, ir.Constant(_I64, 0), absent))
    return build_view(b, b.bitcast(value, _I64), b.select(present, ir.Constant(_I64, 0), absent))


@dataclass
class _Function:
    """The function of one region.

    `heads` are its basic blocks, and `phis` their arguments. The last phi of a block counts down the remaining steps.
    `calls`: the results of the regions that each block calls. `begin`: the arena's cursor to which it frees, None if it does not.
    """

    module: ir.Module
    name: str
    graph: Graph
    steps: int
    function: ir.Function = field(init=False)
    calls: dict[tuple[int, Let], ir.Value] = field(default_factory=dict)
    heads: list[ir.Block] = field(init=False)
    phis: list[list[ir.PhiInstr]] = field(init=False)
    begin: ir.Value | None = field(init=False)

    def __post_init__(self) -> None:
        graph = self.graph
        self.allocates = any(allocates(let.op) for block in graph.blocks for let in block.body)
        params = [llvm_type(t) for t in graph.blocks[0].params]
        self.result = ir.LiteralStructType([_I1, *map(llvm_type, graph.results)])
        arena = [_I64] if self.allocates else []
        self.function = ir.Function(self.module, ir.FunctionType(self.result, [*params, *arena]), self.name)
        # these attributes let LLVM merge the calls for several results
        texts = any(t.is_view for block in graph.blocks for t in types_of(block))
        for attribute in ("nounwind",) if self.allocates else ("nounwind", "readonly" if texts else "readnone"):
            self.function.attributes.add(attribute)
        entry = self.function.append_basic_block("entry")
        self.heads = [self.function.append_basic_block(f"b{n}") for n in range(len(graph.blocks))]
        self.leave = self.function.append_basic_block("leave")
        self.phis = [self._phis(block, head) for block, head in zip(graph.blocks, self.heads, strict=True)]
        start = ir.IRBuilder(entry)
        frees = self.allocates and not any(t.is_view for t in graph.results)
        self.begin = word.build(start, self.function.args[-1], ir.Constant(_I64, 0)) if frees else None
        start.branch(self.heads[0])
        for phi, value in zip(self.phis[0], (*self.function.args[: len(params)], ir.Constant(_I64, self.steps)), strict=True):
            phi.add_incoming(value, entry)
        for number, block in enumerate(graph.blocks):
            self._block(number, block)
        self._return(ir.IRBuilder(self.leave), ir.Constant(self.result, None))

    def _return(self, b: ir.IRBuilder, found: ir.Value) -> None:
        if self.begin is not None:
            release.build(b, self.function.args[-1], self.begin)
        b.ret(found)

    @staticmethod
    def _phis(block: Block, head: ir.Block) -> list[ir.PhiInstr]:
        b = ir.IRBuilder(head)
        return [b.phi(llvm_type(t)) for t in block.params] + [b.phi(_I64)]

    def _block(self, number: int, block: Block) -> None:
        b = ir.IRBuilder(self.heads[number])
        types, values = types_of(block), list[_Value]()
        for let, type in zip(block.body, types, strict=True):
            operands = [values[a] for a in let.args]
            values.append(self._let(b, number, let, type, operands, tuple(types[a] for a in let.args)))
        if block.guards:
            decided = values[block.guards[0]].value
            for guard in block.guards[1:]:
                decided = b.and_(decided, values[guard].value)
            rest = self.function.append_basic_block(f"b{number}.decided")
            b.cbranch(decided, rest, self.leave)
            b.position_at_end(rest)
        match block.end:
            case Return():
                found = ir.Constant(self.result, [ir.Constant(_I1, 1), *(ir.Constant(t, None) for t in self.result.elements[1:])])
                for at, value in enumerate(block.end.values):
                    found = b.insert_value(found, values[value].value, 1 + at)
                self._return(b, found)
            case Jump():
                b.branch(self._edge(b.block, number, block.end, values))
            case Branch():
                yes, no = (self._edge(b.block, number, jump, values) for jump in (block.end.yes, block.end.no))
                b.cbranch(values[block.end.condition].value, yes, no)
            case _:
                b.branch(self.leave)

    def _edge(self, source: ir.Block, number: int, jump: Jump, values: list[_Value]) -> ir.Block:
        """Returns a new block for the edge of a jump, since both jumps of a branch may have the same target (critical edges)."""
        edge = self.function.append_basic_block(f"b{number}.to{jump.target}")
        b, left = ir.IRBuilder(edge), self.phis[number][-1]
        last = edge
        if jump.target <= number:
            left = b.sub(left, ir.Constant(_I64, 1))
            last = self.function.append_basic_block(f"b{number}.again{jump.target}")
            b.cbranch(self._is_over(b, left), self.leave, last)
            b = ir.IRBuilder(last)
        b.branch(self.heads[jump.target])
        for phi, value in zip(self.phis[jump.target], (*(values[a].value for a in jump.args), left), strict=True):
            phi.add_incoming(value, last)
        return edge

    def _is_over(self, b: ir.IRBuilder, left: ir.Value) -> ir.Value:
        """Whether the step limit or the arena is exhausted.

        A loop over a list that overflowed the arena might not end, because the list's length is undefined.
        """
        over = b.icmp_signed("<", left, ir.Constant(_I64, 0))
        if not self.allocates:
            return over
        cursor, end = (word.build(b, self.function.args[-1], ir.Constant(_I64, offset)) for offset in (0, 8))
        return b.or_(over, b.icmp_signed(">", cursor, end))

    def _let(
        self, b: ir.IRBuilder, number: int, let: Let, type: Type, operands: list[_Value], types: tuple[Type, ...]
    ) -> _Value:
        match let.op:
            case Arg():
                return _Value(self.phis[number][let.op.number])
            case Const():
                value = let.op.value
                return _Value(constant_view(b, value) if type.is_view else ir.Constant(llvm_type(type), value.item()))
            case IsValid():
                return _Value(_validity(operands[0]))
            case ValueOf():
                return _Value(b.select(_validity(operands[0]), operands[0].value, _zero(b, type)))
            case MakeOptional():
                return _Value(operands[0].value, operands[1].value)
            case Lookup() if "str" in (let.op.type.kind, let.op.value_type.kind):
                at = position(b, let.op, operands[0].value)
                return _Value(take(b, let.op, at), b.icmp_signed(">=", at, ir.Constant(_I64, 0)))
            case Lookup():
                return _Value(*lookup(b, let.op, operands[0].value))
        given = [o.value for o in operands] + ([self.function.args[-1]] if allocates(let.op) else [])
        found = self._called(b, number, let.op, let, given) if isinstance(let.op, Region) else _build(b, let.op, types, given)
        return _of_pair(b, found, type) if type.nullable else _Value(found)

    def _called(self, b: ir.IRBuilder, number: int, op: Region, let: Let, given: Sequence[ir.Value]) -> ir.Value:
        """Returns a result of a region, which is called once for all of its results that the block computes."""
        key = number, Let(op.at(0), let.args)
        if key not in self.calls:
            self.calls[key] = region_results(b, op, given)
        return region_result(b, op, self.calls[key])


def _build(b: ir.IRBuilder, op: Op, types: tuple[Type, ...], args: list[ir.Value]) -> ir.Value:
    """Builds an op in its best scalar form; libm functions compute the bits that Python's do."""
    if isinstance(op, Call) and op.fn in LIBM_ULP and not types[0].is_int:
        return libm(op.fn, exact=True)(b, *args)
    if isinstance(op, Call) and types[0].is_int and op.fn in ("floor_divide", "remainder"):
        return floor_division(b, *args)[op.fn == "remainder"]
    return lowering(op, types)(b, *args)


def _validity(value: _Value) -> ir.Value:
    assert value.valid is not None, "the verifier requires a nullable value"
    return value.valid


def _of_pair(b: ir.IRBuilder, pair: ir.Value, type: Type) -> _Value:
    valid = b.icmp_signed(">=", b.extract_value(pair, 1), ir.Constant(_I64, 0))
    if type.is_view:
        return _Value(b.select(valid, pair, _zero(b, type)), valid)
    return _Value(of_word(b, b.extract_value(pair, 0), llvm_type(type)), valid)


def _zero(b: ir.IRBuilder, type: Type) -> ir.Value:
    if type.is_view:
        return build_view(b, ir.Constant(_I64, 0), ir.Constant(_I64, 0))
    return ir.Constant(llvm_type(type), 0.0 if type.is_float else 0)
