"""Lowers constant tables to LLVM: membership and lookup in read-only data.

String keys are found by their hash. All others are found without branches, so that loops vectorise, in one of three ways. A few
keys are compared one by one. Integer keys of a small span index a table. Other keys use a binary search with a fixed number of
steps.
"""

from __future__ import annotations

import numpy as np
from llvmlite import ir

from sparkweld.ir.layouts.key_tables import key_table
from sparkweld.ir.ops import IsIn, Lookup, Steps
from sparkweld.kernels.codegen.lowerings.constant_data import constant_bytes
from sparkweld.kernels.functions.strings import key_tables
from sparkweld.kernels.functions.strings.memory_access import build_view
from sparkweld.kernels.llvm.integers import Builder, constant
from sparkweld.kernels.llvm.memory import mark_parallel

_I1, _I8, _I64 = ir.IntType(1), ir.IntType(8), ir.IntType(64)
_FEW = 8
_MOST_SPAN = 1 << 16


def is_in(b: Builder, op: IsIn, x: ir.Value) -> ir.Value:
    """Whether x equals one of the keys."""
    keys = op.table
    if keys.dtype == object:
        return b.icmp_signed(">=", position(b, op, x), ir.Constant(_I64, 0))
    if len(keys) <= 2 * _FEW:
        found = ir.Constant(_I1, 0)
        for key in keys:
            found = b.or_(found, _equal(b, x, key))
        return found
    if (span := _span(keys)) is not None:
        at, inside = _position(b, x, keys, span)
        return b.and_(inside, _flag(b, _present(keys, span), at))
    return _search(b, x, keys)[1]


def lookup(b: Builder, op: Lookup, x: ir.Value) -> tuple[ir.Value, ir.Value]:
    """Returns the value of x's key, or 0, and whether there is such a key."""
    return _lookup(b, *op.table, x)


def position(b: Builder, op: Lookup | IsIn, x: ir.Value) -> ir.Value:
    """Returns the index of the key that x equals, -1 for none."""
    keys = op.table if isinstance(op, IsIn) else op.table[0]
    if keys.dtype == object:
        return key_tables.find_key.build(b, x, constant_bytes(b, key_table(keys.tolist())))
    at, found = _lookup(b, keys, np.arange(len(keys)), x)
    return b.select(found, at, ir.Constant(_I64, -1))


def take(b: Builder, op: Lookup, at: ir.Value) -> ir.Value:
    """Returns a key's value by the key's index; unspecified for -1."""
    values = op.table[1]
    at = b.select(b.icmp_signed("<", at, ir.Constant(_I64, 0)), ir.Constant(_I64, 0), at)
    if values.dtype == object:
        texts = [text.encode() for text in values.tolist()]
        ends = np.cumsum([0, *map(len, texts)])
        begin, end = (_load(b, part, at) for part in (ends[:-1], ends[1:]))
        return build_view(b, b.add(constant_bytes(b, b"".join(texts)), begin), b.sub(end, begin))
    return _flag(b, values, at) if values.dtype == np.bool_ else _load(b, values, at)


def _lookup(b: Builder, keys: np.ndarray, values: np.ndarray, x: ir.Value) -> tuple[ir.Value, ir.Value]:
    kind = _I1 if values.dtype == np.bool_ else _llvm_type(values.dtype)
    if len(keys) <= _FEW:
        found, value = ir.Constant(_I1, 0), _zero(kind)
        for key, item in zip(keys, values, strict=True):
            hit = _equal(b, x, key)
            found, value = b.or_(found, hit), b.select(hit, ir.Constant(kind, item.item()), value)
        return value, found
    if (span := _span(keys)) is not None:
        at, inside = _position(b, x, keys, span)
        found = b.and_(inside, _flag(b, _present(keys, span), at))
        spread = np.zeros(span, values.dtype)
        spread[keys.astype(np.int64) - int(keys[0])] = values
        values = spread
    else:
        at, found = _search(b, x, keys)
    value = _flag(b, values, at) if values.dtype == np.bool_ else _load(b, values, at)
    return b.select(found, value, _zero(kind)), found


def steps(b: Builder, op: Steps, x: ir.Value) -> ir.Value:
    """Returns the value of the step that contains x."""
    bounds, values = op.table
    first = np.array([np.iinfo(bounds.dtype).min], bounds.dtype)  # every x has reached it
    if len(bounds) and bounds[0] == first[0]:
        bounds, values = bounds[1:], values[1:]
    at = _search(b, x, np.concatenate([first, bounds]))[0]
    return _flag(b, values, at) if values.dtype == np.bool_ else _load(b, values, at)


def _equal(b: Builder, x: ir.Value, key: np.generic) -> ir.Value:
    if key.dtype.kind == "f":
        return b.fcmp_ordered("==", x, constant(x, float(key)))
    return b.icmp_signed("==", x, constant(x, int(key)))


def _span(keys: np.ndarray) -> int | None:
    """Returns the length of a table indexed by key, or None when it would be too large."""
    if keys.dtype.kind != "i":
        return None
    span = int(keys[-1]) - int(keys[0]) + 1
    return span if span <= min(_MOST_SPAN, 64 + 16 * len(keys)) else None


def _position(b: Builder, x: ir.Value, keys: np.ndarray, span: int) -> tuple[ir.Value, ir.Value]:
    """Returns the index in a table of the span (0 when outside), and whether x is in the span."""
    offset = b.sub(b.sext(x, _I64) if x.type.width < 64 else x, ir.Constant(_I64, int(keys[0])))
    inside = b.icmp_unsigned("<", offset, ir.Constant(_I64, span))
    return b.select(inside, offset, ir.Constant(_I64, 0)), inside


def _present(keys: np.ndarray, span: int) -> np.ndarray:
    present = np.zeros(span, np.bool_)
    present[keys.astype(np.int64) - int(keys[0])] = True
    return present


def _search(b: Builder, x: ir.Value, keys: np.ndarray) -> tuple[ir.Value, ir.Value]:
    """Returns the index of the last key <= x, or 0, and whether that key equals x, in ceil(log2(n)) steps."""
    at = ir.Constant(_I64, 0)
    step = 1 << (len(keys) - 1).bit_length()
    while step > 1:
        step //= 2
        ahead = b.add(at, ir.Constant(_I64, step))
        inside = b.icmp_unsigned("<", ahead, ir.Constant(_I64, len(keys)))
        key = _load(b, keys, b.select(inside, ahead, at))
        reached = b.fcmp_ordered(">=", x, key) if keys.dtype.kind == "f" else b.icmp_signed(">=", x, key)
        at = b.select(b.and_(inside, reached), ahead, at)
    key = _load(b, keys, at)
    found = b.fcmp_ordered("==", x, key) if keys.dtype.kind == "f" else b.icmp_signed("==", x, key)
    return at, found


def _flag(b: Builder, flags: np.ndarray, at: ir.Value) -> ir.Value:
    return b.icmp_unsigned("!=", _load(b, flags.astype(np.int8), at), ir.Constant(_I8, 0))


def _load(b: Builder, table: np.ndarray, at: ir.Value) -> ir.Value:
    element = _llvm_type(table.dtype)
    array = ir.ArrayType(element, len(table))
    data = ir.GlobalVariable(b.module, array, b.module.get_unique_name("sparkweld.table"))
    data.linkage, data.global_constant = "internal", True
    data.initializer = ir.Constant(array, [ir.Constant(element, v) for v in table.tolist()])
    return mark_parallel(b.load(b.gep(data, [ir.Constant(_I64, 0), at], inbounds=True)))


def _llvm_type(dtype: np.dtype) -> ir.Type:
    if dtype.kind == "f":
        return ir.FloatType() if dtype.itemsize == 4 else ir.DoubleType()
    return ir.IntType(dtype.itemsize * 8)


def _zero(kind: ir.Type) -> ir.Constant:
    return ir.Constant(kind, 0.0 if isinstance(kind, (ir.FloatType, ir.DoubleType)) else 0)
