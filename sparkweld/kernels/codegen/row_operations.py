"""Builds the row loop's operations: ops, loads and stores of columns, constants, counters.

Each maker returns the same operation for equal arguments, so that one name in the source serves all its calls.
"""

from __future__ import annotations

from functools import lru_cache

from llvmlite import ir
from numba.core import types

from sparkweld.ir.ops import Call, ListCall, Lookup, Op, Region, StrCall
from sparkweld.ir.ops.memory import allocates
from sparkweld.ir.types import BOOL, Type, decode
from sparkweld.kernels.codegen.lowerings import llvm_type, lookup, lowering, position, take
from sparkweld.kernels.codegen.lowerings.constant_data import constant_view
from sparkweld.kernels.codegen.regions import region_result, region_results
from sparkweld.kernels.codegen.stages import column_operation, keep_operation, take_operation
from sparkweld.kernels.functions.lists.elements import of_word
from sparkweld.kernels.functions.strings.memory_access import build_view
from sparkweld.kernels.llvm import memory
from sparkweld.kernels.llvm.numba_frontend import VIEW, Operation, numba_type, results_type, value_type

_I1, _I8, _I64 = ir.IntType(1), ir.IntType(8), ir.IntType(64)

#: Ops with tables may be large, hence the bound.
_remember = lru_cache(maxsize=2048)

column_between, keep, take_kept = _remember(column_operation), _remember(keep_operation), _remember(take_operation)


def _word(type: Type) -> str:
    """Returns a type as a component of an identifier."""
    return str(type).replace("<", "_of_").replace(">", "")


@_remember
def operation_of(op: Op, arguments: tuple[Type, ...], result: Type) -> Operation:
    """Builds an op on values of these types; an op that allocates takes the arena's address as its last argument."""
    build = lowering(op, arguments)
    name = (op.fn if isinstance(op, Call | StrCall | ListCall) else op.name) + "".join(f"_{_word(t)}" for t in arguments[-1:])
    taken = (*map(numba_type, arguments), *((types.int64,) if allocates(op) else ()))
    return Operation(name, taken, VIEW if result.nullable else numba_type(result), build)


@_remember
def results_of(op: Region) -> Operation:
    """Builds the call of a region, which returns all of its results."""
    taken = (*map(numba_type, op.graph.blocks[0].params), *((types.int64,) if allocates(op) else ()))
    return Operation("region", taken, results_type(op.graph.results), lambda b, *xs: region_results(b, op, xs))


@_remember
def result_of(op: Region) -> Operation:
    """Builds the pair of one result of a region."""
    results = results_type(op.graph.results)
    return Operation(f"result{op.output}", (results,), VIEW, lambda b, found: region_result(b, op, found))


@_remember
def view_of(literal: str, type: Type) -> Operation:
    """Builds a constant string or list."""
    return Operation("constant", (), VIEW, lambda b: constant_view(b, decode(literal, type)))


@_remember
def spread(type: Type) -> Operation:
    """Builds the identity on a value, so that a constant or flag gets a column of its own."""
    return Operation("spread", (numba_type(type),), numba_type(type), lambda b, x: x)


@_remember
def nothing(type: types.Type) -> Operation:
    """Builds the placeholder that a row holds for a value that it does not need: zero."""
    return Operation("nothing", (), type, lambda b: ir.Constant(value_type(type), None))


@_remember
def position_of(op: Lookup) -> Operation:
    """Builds the search for a value's key in a table: the key's index, -1 for none."""
    return Operation("position", (numba_type(op.type),), types.int64, lambda b, x: position(b, op, x))


@_remember
def value_at(op: Lookup) -> Operation:
    """Builds the load of a table's value by its key's index."""
    return Operation("take", (types.int64,), numba_type(op.value_type), lambda b, at: take(b, op, at))


@_remember
def is_number() -> Operation:
    """Builds the test whether `position_of` found a key."""
    return Operation("is_number", (types.int64,), types.boolean, lambda b, x: b.icmp_signed(">=", x, ir.Constant(_I64, 0)))


@_remember
def is_present() -> Operation:
    """Builds the test whether a pair that a string op returns is not NULL."""
    def build(b: ir.IRBuilder, pair: ir.Value) -> ir.Value:
        return b.icmp_signed(">=", b.extract_value(pair, 1), ir.Constant(_I64, 0))

    return Operation("is_present", (VIEW,), types.boolean, build)


@_remember
def value_of_pair(type: Type) -> Operation:
    """Builds the value of a pair that a string op returns; for a NULL string, the empty string."""

    def build(b: ir.IRBuilder, pair: ir.Value) -> ir.Value:
        if not type.is_view:
            return of_word(b, b.extract_value(pair, 0), llvm_type(type))
        zero = ir.Constant(_I64, 0)
        present = b.icmp_signed(">=", b.extract_value(pair, 1), zero)
        return b.select(present, pair, build_view(b, zero, zero))

    return Operation(f"of_pair_{_word(type)}", (VIEW,), numba_type(type), build)


@_remember
def load(type: Type) -> Operation:
    """Builds the load of a row's value from a column."""
    def build(b: ir.IRBuilder, address: ir.Value, row: ir.Value) -> ir.Value:
        if type.is_view:
            first = b.shl(row, ir.Constant(_I64, 1))
            second = b.add(first, ir.Constant(_I64, 1))
            return build_view(b, *(memory.load(b, address, at, _I64) for at in (first, second)))
        if type != BOOL:
            return memory.load(b, address, row, llvm_type(type))
        return b.icmp_unsigned("!=", memory.load(b, address, row, _I8), ir.Constant(_I8, 0))

    return Operation(f"load_{_word(type)}", (types.int64, types.int64), numba_type(type), build)


@_remember
def load_valid() -> Operation:
    """Builds the test of a row's NULL byte: whether the value is not NULL."""
    def build(b: ir.IRBuilder, address: ir.Value, row: ir.Value) -> ir.Value:
        return b.icmp_unsigned("==", memory.load(b, address, row, _I8), ir.Constant(_I8, 0))

    return Operation("load_valid", (types.int64, types.int64), types.boolean, build)


@_remember
def store(type: Type) -> Operation:
    """Builds the inverse of `load`."""
    def build(b: ir.IRBuilder, address: ir.Value, row: ir.Value, value: ir.Value) -> None:
        if type.is_view:
            first = b.shl(row, ir.Constant(_I64, 1))
            memory.store(b, address, first, b.extract_value(value, 0))
            memory.store(b, address, b.add(first, ir.Constant(_I64, 1)), b.extract_value(value, 1))
            return
        memory.store(b, address, row, b.zext(value, _I8) if type == BOOL else value)

    return Operation(f"store_{_word(type)}", (types.int64, types.int64, numba_type(type)), types.none, build)


@_remember
def store_null() -> Operation:
    """Builds the inverse of `load_valid`."""
    def build(b: ir.IRBuilder, address: ir.Value, row: ir.Value, valid: ir.Value) -> None:
        memory.store(b, address, row, b.zext(b.not_(valid), _I8))

    return Operation("store_null", (types.int64, types.int64, types.boolean), types.none, build)


@_remember
def or_zero(type: Type) -> Operation:
    """Builds the selection of a value where it is valid, else of zero or the empty string."""
    def build(b: ir.IRBuilder, value: ir.Value, valid: ir.Value) -> ir.Value:
        if type.is_view:
            zero = ir.Constant(_I64, 0)
            return b.select(valid, value, build_view(b, zero, zero))
        return b.select(valid, value, ir.Constant(value.type, 0.0 if type.is_float else 0))

    return Operation(f"or_zero_{_word(type)}", (numba_type(type), types.boolean), numba_type(type), build)


@_remember
def lookup_part(op: Lookup, of: Type, part: int, result: Type) -> Operation:
    """Builds the value (0) or the validity (1) of a lookup in a table of numbers."""
    name = "lookup_valid" if part else "lookup"
    return Operation(name, (numba_type(of),), numba_type(result), lambda b, x: lookup(b, op, x)[part])


@_remember
def count_flagged() -> Operation:
    """Builds the count of flagged rows so far, without padding rows."""
    def build(b: ir.IRBuilder, flagged: ir.Value, decided: ir.Value, row: ir.Value, count: ir.Value) -> ir.Value:
        real = b.icmp_signed("<", row, count)
        return b.add(flagged, b.zext(b.and_(b.not_(decided), real), _I64))

    return Operation("count_flagged", (types.int64, types.boolean, types.int64, types.int64), types.int64, build)


@_remember
def mark_seen(number: int) -> Operation:
    """Builds the two bits for pair `number` of `Loop.some`: some row had the first value, some row had both."""

    def build(b: ir.IRBuilder, seen: ir.Value, among: ir.Value, wanted: ir.Value, row: ir.Value, count: ir.Value) -> ir.Value:
        real = b.and_(among, b.icmp_signed("<", row, count))
        bits = b.select(b.and_(real, wanted), ir.Constant(_I64, 3), b.zext(real, _I64))
        return b.or_(seen, b.shl(bits, ir.Constant(_I64, 2 * number)))

    arguments = (types.int64, types.boolean, types.boolean, types.int64, types.int64)
    return Operation(f"mark_seen{number}", arguments, types.int64, build)


def _build_address(b: ir.IRBuilder, table: ir.Value, entry: ir.Value) -> ir.Value:
    return b.load(b.gep(memory.pointer(b, table, _I64), [entry]))


address = Operation("address", (types.int64, types.int64), types.int64, _build_address)
