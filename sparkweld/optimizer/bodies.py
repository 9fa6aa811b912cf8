"""Rewrites loop bodies value by value: shared code of the passes over values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sparkweld.ir import Append, Let, Loop, Type
from sparkweld.ir.ops import Const, Op


class Body:
    """A loop body under construction. Values are named by position, as in `Loop.body`."""

    def __init__(self) -> None:
        self.lets: list[Let] = []
        self.types: list[Type] = []

    def emit(self, op: Op, *args: int) -> int:
        """Appends a value and returns its position."""
        self.types.append(op.infer(*(self.types[a] for a in args)))
        self.lets.append(Let(op, args))
        return len(self.lets) - 1

    def constant(self, value: object, type: Type) -> int:
        """Appends a constant and returns its position."""
        return self.emit(Const.of(value, type))

    def op(self, value: int) -> Op:
        """Returns the op that computes a value."""
        return self.lets[value].op

    def args(self, value: int) -> tuple[int, ...]:
        """Returns the arguments of the op that computes a value."""
        return self.lets[value].args

    def known(self, value: int) -> Any:
        """Returns the value of a constant; None for any other value."""
        op = self.lets[value].op
        return op.value if isinstance(op, Const) else None

    def is_constant(self, value: int, number: object) -> bool:
        """Whether the value is the constant `number`; -0.0 and 0.0 differ."""
        op = self.lets[value].op
        return isinstance(op, Const) and op == Const.of(number, op.type)


#: Returns the position of `op(*args)` in the new body: an existing value, or one that the rule emits.
Rule = Callable[[Body, Op, tuple[int, ...]], int]


def rewrite_loop(loop: Loop, rule: Rule) -> Loop:
    """Replaces each value of the loop by the rule's result; returns an equal loop when the rule changes nothing."""
    body = Body()
    at: list[int] = []
    for let in loop.body:
        at.append(rule(body, let.op, tuple(at[a] for a in let.args)))
    return Loop(
        loop.name,
        loop.domain,
        tuple(body.lets),
        tuple(Append(a.column, at[a.value]) for a in loop.appends),
        tuple(at[guard] for guard in loop.guards),
        None if loop.where is None else at[loop.where],
        loop.makes,
        tuple((at[among], at[wanted]) for among, wanted in loop.some),
    )
