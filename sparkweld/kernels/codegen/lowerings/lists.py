"""Lowers list ops to calls of `kernels.functions.lists`; a builder returns a pair for a nullable result, as for string ops."""

from __future__ import annotations

from collections.abc import Callable

from llvmlite import ir

from sparkweld.errors import InternalError
from sparkweld.ir.ops import ListAppend, ListCall, ListCopy, ListStore, MakeList
from sparkweld.ir.ops.lists import NEW
from sparkweld.ir.types import Type
from sparkweld.kernels.codegen.lowerings.constant_data import constant_bytes
from sparkweld.kernels.functions.lists import building, keys, orders
from sparkweld.kernels.functions.lists.elements import build_load, build_store
from sparkweld.kernels.functions.lists.reductions import functions
from sparkweld.kernels.functions.strings.arena import reserve
from sparkweld.kernels.functions.strings.memory_access import build_view

_I64 = ir.IntType(64)
_ZERO = ir.Constant(_I64, 0)


def list_op(op: ListCall) -> Callable[..., ir.Value]:
    """Returns the builder of an op; an op of NEW takes the arena's address last. Raises InternalError without a kernel."""
    element = op.type.element
    match op.fn:
        case "complete":
            return lambda b, v: b.icmp_signed(">=", b.extract_value(v, 1), _ZERO)
        case "filled":
            return _filled
        case "length":
            return lambda b, v: b.extract_value(v, 1)
        case "at":
            return lambda b, v, index: _at(b, v, index, element)
        case "slice":
            return lambda b, v, *bounds: _slice(b, v, bounds, element)
    known = {**functions(element), **orders.functions(element), **keys.functions(element)}.get(op.fn)
    if known is None:
        raise InternalError(f"list.{op.fn} has no kernel for {op.type}")
    return (lambda b, *args: known.build(b, args[-1], *args[:-1])) if op.fn in NEW else known.build


def make_list(op: MakeList) -> Callable[..., ir.Value]:
    """Returns the builder of a new list in the arena, whose address follows the elements."""
    element = op.type.element

    def build(b: ir.IRBuilder, *values: ir.Value) -> ir.Value:
        *elements, arena = values
        start = reserve.build(b, arena, ir.Constant(_I64, len(elements) * element.width))
        fits = b.icmp_signed("!=", start, _ZERO)
        with b.if_then(fits):
            for at, value in enumerate(elements):
                build_store(b, start, ir.Constant(_I64, at), value, element)
        return build_view(b, start, b.select(fits, ir.Constant(_I64, len(elements)), _ZERO))

    return build


def append(op: ListAppend) -> Callable[..., ir.Value]:
    """Returns the builder of a list with one more element; the arena's address follows that element."""
    grow = building.append(op.type.element)
    return lambda b, v, x, arena: grow.build(b, arena, v, x)


def copied(op: ListCopy) -> Callable[..., ir.Value]:
    """Returns the builder of a copy of a list; the arena's address follows the list."""
    copy = building.copied(op.type.element)
    return lambda b, v, arena: copy.build(b, arena, v)


def stored(op: ListStore) -> Callable[..., ir.Value]:
    """Returns the builder of a list with another element; the arena's address follows that element."""
    change = building.stored(op.type.element)
    return lambda b, v, index, x, arena: change.build(b, arena, v, index, x)


def _filled(b: ir.IRBuilder, v: ir.Value) -> ir.Value:
    """Returns the list with its true length n: a list with NULL elements, which are stored as NaN, has the length ~n."""
    size = b.extract_value(v, 1)
    return build_view(b, b.extract_value(v, 0), b.select(b.icmp_signed("<", size, _ZERO), b.not_(size), size))


def _at(b: ir.IRBuilder, v: ir.Value, index: ir.Value, element: Type) -> ir.Value:
    """Returns the element at an index, zero for an index outside the list. It has no branch: it then loads a zero constant."""
    inside = b.and_(b.icmp_signed(">=", index, _ZERO), b.icmp_signed("<", index, b.extract_value(v, 1)))
    address = b.select(inside, b.extract_value(v, 0), constant_bytes(b, bytes(16)))
    return build_load(b, address, b.select(inside, index, _ZERO), element)


def _slice(b: ir.IRBuilder, v: ir.Value, bounds: tuple[ir.Value, ...], element: Type) -> ir.Value:
    """Returns the elements between two indices as a view of the list; negative indices count from the end."""
    size = b.extract_value(v, 1)
    size = b.select(b.icmp_signed("<", size, _ZERO), _ZERO, size)
    start, stop = (_clamped(b, bound, size) for bound in bounds)
    length = b.sub(stop, start)
    empty = b.icmp_signed("<=", length, _ZERO)
    offset = b.mul(start, ir.Constant(_I64, element.width))
    return build_view(b, b.add(b.extract_value(v, 0), offset), b.select(empty, _ZERO, length))


def _clamped(b: ir.IRBuilder, bound: ir.Value, size: ir.Value) -> ir.Value:
    bound = b.select(b.icmp_signed("<", bound, _ZERO), b.add(bound, size), bound)
    bound = b.select(b.icmp_signed("<", bound, _ZERO), _ZERO, bound)
    return b.select(b.icmp_signed(">", bound, size), size, bound)
