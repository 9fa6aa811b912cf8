"""Splits a score into a number of some columns and the terms of strings of other columns, for filters below a join.

The columns `others` come from a joined table. In a score ``t + p1 + p2 + ... + c``, only t reads the columns available
before the join. Each p is a product of a string's feature values and weights, and each c is a constant. With constants for
the first columns, the function itself returns ``t0 + p1 + ... + c`` for each row of the table. The largest of these bounds
all joined rows.

Rounding: sums of these terms in any order differ by less than `slack` times the sum of their magnitudes (see
`model_ranges.SLACK`). The magnitude of t is |t|. Those of the others sum to at most `size`, since the feature values of a
string have norm 1. In the JVM, `MayReach` derives a bound from this.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from sparkweld.contract.expressions import Expression
from sparkweld.contract.replies import PartsReply
from sparkweld.ir import Append, Loop, Program, evaluate
from sparkweld.ir.ops import Array, Call, Const, IsValid, MakeOptional, Optional, Read, Select, StrCall, TextSums, ValueOf
from sparkweld.ir.program import body_types
from sparkweld.ir.types import BOOL, F64, STR
from sparkweld.optimizer.model_ranges import SLACK, is_bounded, text_range
from sparkweld.reasons import refusal
from udf_compiler.backends.catalyst.expressions import CatalystEquivalents
from udf_compiler.backends.catalyst.nodes import both, literal

_VALID_UTF8 = StrCall("valid_utf8")


def score_parts(program: Program, nullable: dict[str, bool], others: set[str]) -> PartsReply:
    """Returns the terms of the program's only output.

    - `own`: the expression of t; `allowed`: an expression that holds where no guard of the first columns fails;
    - `base`: t0, the value of t where each of those columns is 0 or an empty string; `size` and `slack`: see above;
    - `texts`: the columns of `others` whose NULLs make the function raise;
    - `missing`: its result where all others are NULL, or None when it raises for that, too.

    Refuses SW397 for any other program.
    """
    (loop,) = program.loops
    if loop.where is not None or loop.groups is not None or loop.some or len(program.outputs) != 1:
        raise _other("it is not row-local")
    parts = _Parts(loop, others)
    parts.add(parts.score(program.outputs[0]))
    if parts.own is None or not parts.texts:
        raise _other("it is not a sum of a number and of terms of strings")
    allowed = parts.guards()
    equivalents = CatalystEquivalents(loop, nullable, "")
    first, missing = (_row(program, others, parts.own, allowed, is_null) for is_null in (False, True))
    if not first.allowed or not np.isfinite(first.own):
        raise _other("it raises for zeros")
    raises = bool(parts.required)
    if not raises and not np.isfinite(missing.score):
        raise _other("its result is not finite where nothing is joined")
    condition: Expression = literal(True, BOOL)
    for guard in allowed:
        condition = both(condition, equivalents.of(guard))
    return PartsReply(
        own=equivalents.of(parts.own),
        allowed=condition,
        base=first.own,
        size=parts.size,
        slack=SLACK * len(parts.texts),
        texts=tuple(sorted(parts.required)),
        missing=None if raises else missing.score,
    )


class _Parts:
    """The terms of a sum.

    `own` is the value that reads no other column, `size` bounds the magnitude of all other terms, `texts` are the strings
    among these.
    """

    def __init__(self, loop: Loop, others: set[str]) -> None:
        self.loop, self.others = loop, others
        self.own: int | None = None
        self.size = 0.0
        self.texts: list[int] = []
        self.required: set[str] = set()
        #: The columns that each value depends on.
        self.reads: list[frozenset[str]] = []
        for let in loop.body:
            below = frozenset().union(*(self.reads[a] for a in let.args))
            self.reads.append(below | {let.op.column} if isinstance(let.op, Read) else below)

    def score(self, output: str) -> int:
        """Returns the number behind the output, which is NULL where that number is NaN. Refuses SW397."""
        value = {append.column: append.value for append in self.loop.appends}.get(output)
        if value is None:
            raise _other("it is a column")
        let = self.loop.body[value]
        if isinstance(let.op, MakeOptional) and self._is_number(*let.args):
            value = let.args[0]
        if body_types(self.loop)[value] != F64:
            raise _other("it is not a double")
        return value

    def _is_number(self, value: int, valid: int) -> bool:
        """Whether `valid` is the test that the value is not NaN."""
        body = self.loop.body
        denied = body[valid].args[0] if body[valid].op == Call("logical_not") else valid
        return denied != valid and body[denied].op == Call("isnan") and body[denied].args == (value,)

    def add(self, value: int) -> None:
        """Adds the terms of a value. Refuses SW397."""
        op, args = self.loop.body[value].op, self.loop.body[value].args
        if not self.reads[value]:
            known = _constant(self.loop, value)
            if known is None or not np.isfinite(known):
                raise _other("a term is not finite")
            self.size += abs(known)
        elif not self.reads[value] & self.others:
            if self.own is not None:
                raise _other("it has several numbers of its own")
            self.own = value
        elif op == Call("add"):
            for arg in args:
                self.add(arg)
        elif isinstance(op, TextSums) and is_bounded(op) and self.reads[args[0]] <= self.others:
            found = text_range(op)
            if found is None:
                raise _other("a string's terms have no norm")
            self.size += found.low[-1] + found.high[-1]
            self.texts.append(args[0])
            if op.started:
                self.add(args[1 + op.output])
        else:
            raise _other("a term uses columns of both sides, or is not a term of a string")

    def guards(self) -> list[int]:
        """Returns the guards that read none of the other columns.

        Records in `required` the other columns whose NULLs make a vectoriser raise. Refuses SW397.
        """
        found = []
        strict = {self._column(text) for text in self.texts}
        for guard in self._conditions():
            let = self.loop.body[guard]
            if let.op == _VALID_UTF8:
                continue
            if not self.reads[guard] & self.others:
                found.append(guard)
            elif isinstance(let.op, IsValid) and self.reads[guard] <= strict:
                self.required |= self.reads[guard]
            elif not self._always(guard):
                raise _other("it has guards on the other columns")
        return found

    def _column(self, text: int) -> str:
        """Returns the column behind a string that the vectoriser preprocesses; "" where another op decides how NULLs behave."""
        body = self.loop.body
        while isinstance(body[text].op, StrCall | ValueOf) and len(body[text].args) == 1:
            text = body[text].args[0]
        op = body[text].op
        return op.column if isinstance(op, Read) else ""

    def _always(self, guard: int) -> bool:
        """Whether a condition on the NULLs of one column only is true for NULLs and for values."""
        if len(self.reads[guard]) != 1:
            return False

        def value(at: int, valid: bool) -> bool | None:
            op, args = self.loop.body[at].op, self.loop.body[at].args
            if isinstance(op, IsValid):
                return valid if isinstance(self.loop.body[args[0]].op, Read) else None
            if isinstance(op, Const):
                return bool(op.value)
            known = [value(a, valid) for a in args]
            if None in known or not known or not isinstance(op, Call | Select):
                return None
            return bool(np.asarray(op.evaluate(*(np.array([k]) for k in known)))[0])

        return all(value(guard, valid) for valid in (True, False))

    def _conditions(self) -> Iterator[int]:
        rest = list(self.loop.guards)
        while rest:
            guard = rest.pop()
            let = self.loop.body[guard]
            if let.op == Call("logical_and"):
                rest += let.args
            elif not isinstance(let.op, Const) or not let.op.value:
                yield guard


class _Row:
    """The values of a program in one row."""

    def __init__(self, own: float, score: float, allowed: bool) -> None:
        self.own, self.score, self.allowed = own, score, allowed


def _row(program: Program, others: set[str], own: int, guards: list[int], is_null: bool) -> _Row:
    """Evaluates a row in which the other columns are empty or NULL (`is_null`) and the first columns are 0."""
    (loop,) = program.loops
    named = [("own", own), *((f"guard {i}", guard) for i, guard in enumerate(guards))]
    appends = (*loop.appends, *(Append(name, value) for name, value in named))
    outputs = (*program.outputs, *(name for name, _ in named))
    whole = replace(program, loops=(replace(loop, appends=appends, guards=()),), outputs=outputs)
    rows: dict[str, Array] = {}
    for given in program.inputs:
        values: np.ndarray = np.full(1, "", object) if given.type.plain() == STR else np.zeros(1, given.type.dtype)
        valid = not (is_null and given.name in others)
        rows[given.name] = Optional(values, np.full(1, valid)) if given.type.nullable else values
    score, t, *allowed = (getattr(c, "values", c)[0] for c in evaluate(whole, rows, 1).columns.values())
    return _Row(float(t), float(score), all(map(bool, allowed)))


def _constant(loop: Loop, value: int) -> float | None:
    op = loop.body[value].op
    return float(op.value) if isinstance(op, Const) else None


def _other(why: str) -> Exception:
    return refusal("SW397", "", why=why)
