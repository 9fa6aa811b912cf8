"""Lowers casts between plain types to LLVM: NumPy's ``astype``, with 0 for a float that the integer type cannot hold."""

from __future__ import annotations

from llvmlite import ir

from sparkweld.ir.ops import Cast, Fits
from sparkweld.ir.types import Type
from sparkweld.kernels.llvm.floats import trunc, truth
from sparkweld.kernels.llvm.integers import Builder, constant, is_zero


def fits(b: Builder, op: Fits, x: ir.Value, of: Type) -> ir.Value:
    """Whether the float x, truncated, is a value of `op.to`."""
    low, end = op.limits(of.dtype)
    whole = trunc(b, x)
    above = b.fcmp_ordered(">=", whole, constant(x, float(low)))
    return b.and_(above, b.fcmp_ordered("<", whole, constant(x, float(end))))


def cast(b: Builder, op: Cast, x: ir.Value, of: Type, to_type: ir.Type) -> ir.Value:
    """Casts x of type `of` to `op.to`, whose values in LLVM are of `to_type`."""
    to = op.to
    if x.type == to_type:
        return x
    if to.kind == "bool":
        return truth(b, x) if of.is_float else b.not_(is_zero(b, x))
    if of.is_float and to.is_float:
        return (b.fpext if to.kind == "f64" else b.fptrunc)(x, to_type)
    if of.is_float:
        # fptosi of an out-of-range value is poison, so the operand is replaced first.
        safe = b.select(fits(b, Fits(to), x, of), x, constant(x, 0.0))
        return b.fptosi(safe, to_type)
    if to.is_float:
        return (b.uitofp if of.kind == "bool" else b.sitofp)(x, to_type)
    if to_type.width < x.type.width:
        return b.trunc(x, to_type)
    return (b.zext if of.kind == "bool" else b.sext)(x, to_type)
