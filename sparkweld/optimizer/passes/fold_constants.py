"""Folds constants, and simplifies values by algebraic identities that preserve every bit.

Rewrites: an op on constants, by the op's own `evaluate`; and the identities below, which yield the same bits for every input.
Nothing can observe the value stored in place of a NULL. No program may depend on the sign and payload of a NaN (frontends guard
`signbit` and `copysign` of NaN).

Must not rewrite: x + 0.0 (it turns -0.0 into 0.0), x - x, x * 0 or any other identity that NaN, infinity or -0.0 break. Sums and
products are never reordered; a guard that folds to False stays a guard.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from sparkweld.ir import Program, Type
from sparkweld.ir.ops import (
    Array,
    Call,
    Cast,
    IsIn,
    IsValid,
    Lookup,
    MakeOptional,
    ModelOp,
    Op,
    Optional,
    Region,
    Select,
    StrCall,
    ValueOf,
)
from sparkweld.ir.types import BOOL, F32, F64, I8, I16, I32, INTEGERS_OF_TIMES, STR
from sparkweld.optimizer.bodies import Body, rewrite_loop

#: Maximum integer parameter of a string function that is folded.
_LONGEST = 1000
#: Maximum operands of a concatenation that absorbs those of another one, which other values may use too.
_MOST_PARTS = 16


def fold_constants(program: Program) -> Program:
    """Runs one round of folding, arguments first."""
    loops = tuple(rewrite_loop(loop, _fold) for loop in program.loops)
    return program if loops == program.loops else replace(program, loops=loops)


def _fold(body: Body, op: Op, args: tuple[int, ...]) -> int:
    found = _evaluate(body, op, args)
    if found is None and type(op) in _RULES:
        found = _RULES[type(op)](body, op, args)
    return body.emit(op, *args) if found is None else found


def _evaluate(body: Body, op: Op, args: tuple[int, ...]) -> int | None:
    """Emits the constant result of constant arguments; None when there is none."""
    if not args or isinstance(op, MakeOptional | ModelOp):
        return None  # the bytes of a model's block may be absent
    known = [body.known(a) for a in args]
    if any(k is None for k in known) or _raises(op, known) or _is_large(op):
        return None
    result: Array = op.evaluate(*(np.array([k], body.types[a].dtype) for k, a in zip(known, args, strict=True)))
    type = op.infer(*(body.types[a] for a in args))
    if isinstance(result, Optional):
        value, valid = (np.asarray(part).reshape(-1)[0] for part in result)
        return body.emit(MakeOptional(), body.constant(value, type.plain()), body.constant(valid, BOOL))
    value = np.asarray(result).reshape(-1)[0]
    if value != value:
        return None  # the sign of a NaN depends on the machine, and signbit may read it
    if type == STR and any("\ud800" <= c <= "\udfff" for c in value):
        return None  # no constant holds bytes that are not UTF-8
    return body.constant(value, type)


def _raises(op: Op, known: list[np.generic | None]) -> bool:
    """Whether the op is an integer power with a negative exponent, for which NumPy raises.

    A guard has flagged the row, so the value does not matter.
    """
    return isinstance(op, Call) and op.fn == "power" and bool(np.any(np.asarray(known[1]) < 0)) and known[1].dtype.kind == "i"  # type: ignore[union-attr]


def _is_large(op: Op) -> bool:
    """Whether evaluation may be expensive.

    True for a string function whose result may be too long for a constant, and for a region, which may loop for long.
    """
    return isinstance(op, Region) or isinstance(op, StrCall) and any(isinstance(p, int) and p > _LONGEST for p in op.params)


def _is_valid(body: Body, op: Op, args: tuple[int, ...]) -> int | None:
    if isinstance(body.op(args[0]), MakeOptional):
        return body.args(args[0])[1]  # is_valid(optional(v, c)) -> c
    return None


def _value_of(body: Body, op: Op, args: tuple[int, ...]) -> int | None:
    if not isinstance(body.op(args[0]), MakeOptional):
        return None
    value, valid = body.args(args[0])
    if body.is_constant(valid, True):
        return value  # value_of(optional(v, true)) -> v
    return body.emit(Select(), valid, value, body.constant(body.types[value].zero, body.types[value]))  # -> select(c, v, 0)


def _optional(body: Body, op: Op, args: tuple[int, ...]) -> int | None:
    value, valid = args
    inner = body.op(value)
    if isinstance(inner, ValueOf) and isinstance(body.op(valid), IsValid) and body.args(value) == body.args(valid):
        return body.args(value)[0]  # optional(value_of x, is_valid x) -> x
    if isinstance(inner, Select) and body.args(value)[0] == valid:
        return body.emit(op, body.args(value)[1], valid)  # optional(select(c, v, _), c) -> optional(v, c)
    return None


def _cast(body: Body, op: Op, args: tuple[int, ...]) -> int | None:
    assert isinstance(op, Cast)
    (x,) = args
    if body.types[x] == op.to:
        return x
    inner = body.op(x)
    if not isinstance(inner, Cast):
        return None
    (y,) = body.args(x)
    if not keeps_value(body.types[y], inner.to) or not _same_outer(body.types[y], inner.to, op.to):
        return None
    return y if body.types[y] == op.to else body.emit(op, y)  # cast b (cast a x) -> cast b x, where cast a is exact


def keeps_value(of: Type, to: Type) -> bool:
    """Whether every value of `of` is one of `to`, so that the cast preserves the value."""
    if of == to or {of.kind, to.kind} in map(set, INTEGERS_OF_TIMES.items()):
        return True
    if of.kind in INTEGERS_OF_TIMES or to.kind in INTEGERS_OF_TIMES or to == BOOL:
        return False
    if of == BOOL:
        return True
    if of.is_int and to.is_int:
        return of.dtype.itemsize <= to.dtype.itemsize
    return (of, to) == (F32, F64) or (of in (I8, I16) and to.is_float) or (of == I32 and to == F64)


def _same_outer(of: Type, middle: Type, to: Type) -> bool:
    """Whether the outer cast treats `of` as it treats `middle`: an integer too large wraps, a float too large becomes 0."""
    if any(t.kind in INTEGERS_OF_TIMES for t in (of, middle, to)):
        return of == to  # only one integer type casts to and from dates
    return of.is_float == middle.is_float or not to.is_int or keeps_value(of, to)


def _is_in(body: Body, op: Op, args: tuple[int, ...]) -> int | None:
    assert isinstance(op, IsIn)
    return None if op.keys else body.constant(False, BOOL)


def _lookup(body: Body, op: Op, args: tuple[int, ...]) -> int | None:
    assert isinstance(op, Lookup)
    if op.keys:
        return None
    return body.emit(MakeOptional(), body.constant(op.value_type.zero, op.value_type), body.constant(False, BOOL))


def _select(body: Body, op: Op, args: tuple[int, ...]) -> int | None:
    c, a, b = args
    known = body.known(c)
    if known is not None:
        return a if known else b
    if a == b:
        return a
    if _fn(body, c) == "logical_not" and body.types[body.args(c)[0]] == BOOL:
        return body.emit(op, body.args(c)[0], b, a)  # select(not c, a, b) -> select(c, b, a)
    if isinstance(body.op(a), Select) and body.args(a)[0] == c:
        return body.emit(op, c, body.args(a)[1], b)  # select(c, select(c, x, _), b) -> select(c, x, b)
    if isinstance(body.op(b), Select) and body.args(b)[0] == c:
        return body.emit(op, c, a, body.args(b)[2])  # select(c, a, select(c, _, y)) -> select(c, a, y)
    if _fn(body, c) == "isnan" and body.args(c) == (b,) and _nan(body, a):
        return b  # select(isnan x, nan, x) -> x
    if body.types[a] != BOOL:
        return None
    if body.is_constant(a, True):
        return c if body.is_constant(b, False) else body.emit(Call("logical_or"), c, b)
    if body.is_constant(b, False):
        return body.emit(Call("logical_and"), c, a)
    if body.is_constant(a, False) and body.is_constant(b, True):
        return body.emit(Call("logical_not"), c)
    return None


def _str_call(body: Body, op: Op, args: tuple[int, ...]) -> int | None:
    """Flattens concat(concat(a, b), c) to concat(a, b, c) and joins adjacent constants: no string is built only to be copied."""
    assert isinstance(op, StrCall)
    if op.fn == "float_to_str_decided":
        return body.constant(True, BOOL)
    if op.fn != "concat":
        return None
    parts: list[int] = []
    for arg in args:
        inner = body.args(arg) if body.op(arg) == op else (arg,)
        parts += inner if len(parts) + len(inner) + len(args) <= _MOST_PARTS else (arg,)
    joined: list[int] = []
    for part in parts:
        text, before = body.known(part), body.known(joined[-1]) if joined else None
        if text is None:
            joined.append(part)
        elif before is not None:
            joined[-1] = body.constant(before + text, STR)
        elif text:
            joined.append(part)
    if tuple(joined) == args:
        return None
    if len(joined) < 2:
        return joined[0] if joined else body.constant("", STR)
    return body.emit(op, *joined)


def _call(body: Body, op: Op, args: tuple[int, ...]) -> int | None:
    assert isinstance(op, Call)
    if op.fn not in _CALL_RULES:
        return None
    return _CALL_RULES[op.fn](body, op, args)


def _fn(body: Body, value: int) -> str | None:
    op = body.op(value)
    return op.fn if isinstance(op, Call) else None


def _not(body: Body, op: Call, args: tuple[int, ...]) -> int | None:
    (x,) = args
    if body.types[x] != BOOL:
        return None
    fn = _fn(body, x)
    if fn in ("logical_not", "equal", "not_equal"):
        inner = body.args(x)
        if fn != "logical_not":
            return body.emit(Call("not_equal" if fn == "equal" else "equal"), *inner)  # not(a == b) -> a != b
        return inner[0] if body.types[inner[0]] == BOOL else None  # not(not x) -> x
    return body.emit(Call("logical_not"), x) if op.fn == "invert" else None


def _and(body: Body, op: Call, args: tuple[int, ...]) -> int | None:
    return _lattice(body, op, args, "logical_and", unit=True)


def _or(body: Body, op: Call, args: tuple[int, ...]) -> int | None:
    return _lattice(body, op, args, "logical_or", unit=False)


def _lattice(body: Body, op: Call, args: tuple[int, ...], fn: str, unit: bool) -> int | None:
    if any(body.types[a] != BOOL for a in args):
        return None
    for x, y in (args, args[::-1]):
        if x == y or body.is_constant(x, unit):
            return y  # x and true -> x; x or false -> x
        if body.is_constant(x, not unit):
            return x  # x and false -> false; x or true -> true
        if _fn(body, x) == "logical_not" and body.args(x)[0] == y:
            return body.constant(not unit, BOOL)  # x and not x -> false; x or not x -> true
        if _fn(body, x) in ("logical_and", "logical_or") and y in body.args(x):
            return x if _fn(body, x) == fn else y  # y and (y and z) -> y and z; y and (y or z) -> y
    return body.emit(Call(fn), *args) if op.fn != fn else None  # & and | on bools are logical_and and logical_or


def _xor(body: Body, op: Call, args: tuple[int, ...]) -> int | None:
    if any(body.types[a] != BOOL for a in args):
        return None
    for x, y in (args, args[::-1]):
        if body.is_constant(x, False):
            return y
        if body.is_constant(x, True):
            return body.emit(Call("logical_not"), y)
    return None


def _add(body: Body, op: Call, args: tuple[int, ...]) -> int | None:
    for x, y in (args, args[::-1]):
        if body.is_constant(y, -0.0) and body.types[x].is_float:
            return x  # x + -0.0 -> x
        if body.types[x].is_int and body.is_constant(y, 0):
            return x
    return None


def _subtract(body: Body, op: Call, args: tuple[int, ...]) -> int | None:
    return args[0] if body.is_constant(args[1], 0) else None  # x - 0.0 -> x


def _multiply(body: Body, op: Call, args: tuple[int, ...]) -> int | None:
    for x, y in (args, args[::-1]):
        if body.types[x] != BOOL and body.is_constant(y, 1):
            return x  # x * 1 -> x
    return None


def _divide(body: Body, op: Call, args: tuple[int, ...]) -> int | None:
    return args[0] if body.types[args[0]].is_float and body.is_constant(args[1], 1) else None  # x / 1.0 -> x


def _same(body: Body, op: Call, args: tuple[int, ...]) -> int | None:
    return args[0] if body.types[args[0]] == op.infer(*(body.types[a] for a in args)) else None


def _twice(body: Body, op: Call, args: tuple[int, ...]) -> int | None:
    return body.args(args[0])[0] if _fn(body, args[0]) == "negative" else None  # -(-x) -> x


def _isnan(body: Body, op: Call, args: tuple[int, ...]) -> int | None:
    (x,) = args
    known = _nan(body, x)
    if known is not None:
        return body.constant(known, BOOL)
    if not isinstance(body.op(x), Select):
        return None
    c, a, b = body.args(x)
    nans = _nan(body, a), _nan(body, b)
    if nans == (False, True):
        return body.emit(Call("logical_not"), c)  # isnan(select(c, number, nan)) -> not c
    if nans == (True, False):
        return c
    return None


def _nan(body: Body, value: int) -> bool | None:
    """Whether a float is NaN on every row or on none; None when rows may differ."""
    known = body.known(value)
    if known is not None:
        return bool(known != known)
    op = body.op(value)
    if isinstance(op, Cast) and not body.types[body.args(value)[0]].is_float:
        return False
    return None


_CALL_RULES: dict[str, Callable[[Body, Call, tuple[int, ...]], int | None]] = {
    "logical_not": _not,
    "invert": _not,
    "logical_and": _and,
    "bitwise_and": _and,
    "logical_or": _or,
    "bitwise_or": _or,
    "logical_xor": _xor,
    "bitwise_xor": _xor,
    "add": _add,
    "subtract": _subtract,
    "multiply": _multiply,
    "divide": _divide,
    "positive": _same,
    "conjugate": _same,
    "negative": _twice,
    "isnan": _isnan,
}

_RULES: dict[type[Op], Callable[[Body, Op, tuple[int, ...]], int | None]] = {
    IsValid: _is_valid,
    ValueOf: _value_of,
    MakeOptional: _optional,
    Cast: _cast,
    IsIn: _is_in,
    Lookup: _lookup,
    Select: _select,
    Call: _call,
    StrCall: _str_call,
}

__all__ = ["fold_constants", "keeps_value"]
