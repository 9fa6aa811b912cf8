"""Translates one IR loop to Catalyst expressions with the same value on every row, including NULL, NaN and -0.0.

A plain IR value becomes an expression that is never NULL; a nullable one becomes an expression that is NULL where the value
is. The table holds only *exact* equivalents. An op that differs in a bit for some arguments (libm functions, `//` by zero)
has none and is refused (SW380). Spark compares floats with NaN equal to itself and above all others, so NumPy's comparisons
are expressed on top of that. Every expression is total: it returns a value for all arguments and raises for none, under any
ANSI setting.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from sparkweld.contract.expressions import Expression
from sparkweld.ir import Let, Loop, Program, Type
from sparkweld.ir.ops import (
    Call,
    Cast,
    Const,
    Fits,
    IsIn,
    IsValid,
    Lookup,
    MakeOptional,
    Op,
    Read,
    Select,
    ValueOf,
)
from sparkweld.ir.program import body_types
from sparkweld.ir.types import BOOL, DATE, F32, F64, I32, I64
from sparkweld.reasons import refusal
from udf_compiler.backends.catalyst.functions import FUNCTIONS
from udf_compiler.backends.catalyst.nodes import (
    both,
    choice,
    column,
    is_not_null,
    literal,
    negation,
    node,
    or_else,
    size,
    zero,
)

#: Largest tree. A tree duplicates shared values of the program, and above this size a kernel is the better plan.
MAX_NODES = 400

#: Longer tables become neither CASE nor IN.
MAX_TABLE = 32


def equivalent_outputs(program: Program, nullable: Mapping[str, bool], place: str = "") -> list[Expression]:
    """Returns one expression per output of a program of one loop without guards and filter.

    `nullable`: column -> whether Spark's column may hold a NULL, even where the program's input is declared without. Refuses
    SW380 (an op without an exact equivalent) and SW381 (a tree that is too large).
    """
    (loop,) = program.loops
    assert not loop.guards and loop.where is None
    values = {a.column: a.value for a in loop.appends}
    equivalents = CatalystEquivalents(loop, nullable, place)
    inputs = {i.name: i.type for i in program.inputs}
    return [equivalents.of(values[name]) if name in values else equivalents.read(name, inputs[name]) for name in program.outputs]


class CatalystEquivalents:
    """The equivalent Catalyst expressions of one loop's values."""

    def __init__(self, loop: Loop, nullable: Mapping[str, bool], place: str) -> None:
        self._loop, self._nullable, self._place = loop, nullable, place
        self._types: Sequence[Type] = body_types(loop)
        self._known: dict[int, Expression] = {}

    def of(self, value: int) -> Expression:
        if value not in self._known:
            made = self._make(self._loop.body[value])
            if size(made) > MAX_NODES:
                raise refusal("SW381", self._place, limit=MAX_NODES)
            self._known[value] = made
        return self._known[value]

    def read(self, name: str, type: Type) -> Expression:
        """Returns a column; where the program reads it as never NULL but Spark's may be NULL, NULL becomes zero."""
        made = column(name, type)
        return or_else(made, zero(type), type) if self._nullable.get(name, False) and not type.nullable else made

    def _make(self, let: Let) -> Expression:
        types = [self._types[a] for a in let.args]
        if isinstance(let.op, Read):
            return self.read(let.op.column, let.op.type)
        made = expressed(let.op, types, [self.of(a) for a in let.args])
        if made is None:
            name = let.op.fn if isinstance(let.op, Call) else let.op.name
            raise refusal("SW380", self._place, op=name, types=", ".join(map(str, types)) or "no argument")
        return made


def expressed(op: Op, types: list[Type], args: list[Expression]) -> Expression | None:
    """Returns the expression of an op of values of these types; None where it has no exact equivalent."""
    rule = _RULES.get(type(op))
    return None if rule is None else rule(op, types, args)


def _const(op: Const, types: list[Type], args: list[Expression]) -> Expression:
    return literal(op.value, op.type)


def _call(op: Call, types: list[Type], args: list[Expression]) -> Expression | None:
    rule = FUNCTIONS.get(op.fn)
    return None if rule is None or op.ufunc.nout != 1 else rule(types, args)


def _select(op: Select, types: list[Type], args: list[Expression]) -> Expression:
    condition, a, b = args
    return choice(condition, a, b, types[1])


def _is_valid(op: IsValid, types: list[Type], args: list[Expression]) -> Expression:
    return is_not_null(args[0])


def _value_of(op: ValueOf, types: list[Type], args: list[Expression]) -> Expression:
    return or_else(args[0], zero(types[0].plain()), types[0])


def _make_optional(op: MakeOptional, types: list[Type], args: list[Expression]) -> Expression:
    value, valid = args
    if valid == negation(node("IsNaN", BOOL, value)):
        return node("NullIfNaN", types[0], value)
    return value if valid == literal(True, BOOL) else node("If", types[0], valid, value, literal(None, types[0]))


def _cast(op: Cast, types: list[Type], args: list[Expression]) -> Expression | None:
    (of,), (x,), to = types, args, op.to
    if of == to:
        return x
    if of == DATE or to == DATE:
        return node("UnixDate" if of == DATE else "DateFromUnixDate", to, x)
    if of.is_float and to.is_int:
        fits = _fits(Fits(to), types, args)
        wide = to if to == I64 else I32  # Java narrows a double through int
        cast = node("Cast", wide, x)
        return choice(fits, cast if wide == to else node("Cast", to, cast), zero(to), to)
    return node("Cast", to, x)


def _fits(op: Fits, types: list[Type], args: list[Expression]) -> Expression:
    """Expresses trunc(x) in [low, end) as x > low - 1 and x < end.

    Where the float type cannot represent low - 1, the first test is x >= low.
    """
    (of,), (x,) = types, args
    low, end = op.limits(of.dtype)
    exact = of == F64 and op.to != I64 or of == F32 and op.to.dtype.itemsize <= 2
    above = node("GreaterThan", BOOL, x, literal(low - of.dtype.type(1), of)) if exact else None
    above = above or node("GreaterThanOrEqual", BOOL, x, literal(low, of))
    return both(above, node("LessThan", BOOL, x, literal(end, of)))  # NaN fails this: Spark orders it above `end`


def _is_in(op: IsIn, types: list[Type], args: list[Expression]) -> Expression | None:
    """Expresses membership as IN; refuses a float table with a zero, because Spark's sets of doubles distinguish -0.0 from 0.0.

    Spark uses such a set only for longer lists.
    """
    keys = op.table
    if len(keys) > MAX_TABLE or (op.type.is_float and np.any(keys == 0)):
        return None
    if not len(keys):
        return literal(False, BOOL)
    return node("In", BOOL, args[0], *(literal(k, op.type) for k in keys))


def _lookup(op: Lookup, types: list[Type], args: list[Expression]) -> Expression | None:
    keys, values = op.table
    if len(keys) > MAX_TABLE:
        return None
    branches: list[Expression] = []
    for key, value in zip(keys, values, strict=True):
        branches += [node("EqualTo", BOOL, args[0], literal(key, op.type)), literal(value, op.value_type)]
    return node("CaseWhen", op.value_type, *branches, literal(None, op.value_type))


_RULES: dict[type[Op], Callable[[Any, list[Type], list[Expression]], Expression | None]] = {
    Const: _const,
    Call: _call,
    Select: _select,
    IsValid: _is_valid,
    ValueOf: _value_of,
    MakeOptional: _make_optional,
    Cast: _cast,
    Fits: _fits,
    IsIn: _is_in,
    Lookup: _lookup,
}
