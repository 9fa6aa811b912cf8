"""Lowers ops to LLVM instructions, with one table entry per function and family of types."""

from __future__ import annotations

from collections.abc import Callable

from llvmlite import ir

from sparkweld.errors import InternalError
from sparkweld.ir.ops import (
    Call,
    Cast,
    DatePart,
    Fits,
    IsIn,
    ListAppend,
    ListCall,
    ListCopy,
    ListStore,
    MakeList,
    Op,
    RegexCall,
    Select,
    Steps,
    StrCall,
)
from sparkweld.ir.types import Type
from sparkweld.kernels.codegen.lowerings.calendar import date_part
from sparkweld.kernels.codegen.lowerings.conversions import cast, fits
from sparkweld.kernels.codegen.lowerings.lists import append, copied, list_op, make_list, stored
from sparkweld.kernels.codegen.lowerings.strings import compare, string_op
from sparkweld.kernels.codegen.lowerings.tables import is_in, lookup, position, steps, take
from sparkweld.kernels.llvm.floats import FLOATS
from sparkweld.kernels.llvm.integers import BOOLS, INTEGERS

__all__ = ["llvm_type", "lookup", "lowering", "position", "take"]

_LLVM_TYPES: dict[str, ir.Type] = {
    "bool": ir.IntType(1), "i8": ir.IntType(8), "i16": ir.IntType(16), "i32": ir.IntType(32), "i64": ir.IntType(64),
    "f32": ir.FloatType(), "f64": ir.DoubleType(), "date": ir.IntType(32),
    "str": ir.LiteralStructType([ir.IntType(64), ir.IntType(64)]), "ts": ir.IntType(64),
}  # fmt: skip


def llvm_type(type: Type) -> ir.Type:
    """Returns the LLVM type of a plain value in registers (i1 for bool, a view for str and lists)."""
    return _LLVM_TYPES["str" if type.is_list else type.kind]


def lowering(op: Op, types: tuple[Type, ...]) -> Callable[..., ir.Value]:
    """Returns (builder, argument values) -> result value, for an op of these plain argument types.

    The result is plain, except for ops of strings: see `kernels.codegen.lowerings.strings`. Raises InternalError for an op
    without a kernel: an op that is added to `sparkweld.ir` must be added here too.
    """
    match op:
        case Call():
            return _call(op, types)
        case Cast():
            return lambda b, x: cast(b, op, x, types[0], llvm_type(op.to))
        case Fits():
            return lambda b, x: fits(b, op, x, types[0])
        case Select():
            return lambda b, condition, x, y: b.select(condition, x, y)
        case IsIn():
            return lambda b, x: is_in(b, op, x)
        case Steps():
            return lambda b, x: steps(b, op, x)
        case DatePart():
            return lambda b, x: date_part(b, op, x)
        case StrCall() | RegexCall():
            return string_op(op)
        case ListCall():
            return list_op(op)
        case MakeList():
            return make_list(op)
        case ListAppend():
            return append(op)
        case ListCopy():
            return copied(op)
        case ListStore():
            return stored(op)
    raise InternalError(f"{op.name} has no kernel for ({', '.join(map(str, types))})")


def _call(op: Call, types: tuple[Type, ...]) -> Callable[..., ir.Value]:
    if types[0].kind == "str":
        return compare(op.fn)
    table = BOOLS if types[0].kind == "bool" else FLOATS if types[0].is_float else INTEGERS
    key = op.fn if op.output == 0 else f"{op.fn}.{op.output}"
    if key not in table:
        raise InternalError(f"{key} has no kernel for ({', '.join(map(str, types))})")
    return table[key]
