"""Derives from the filter above a join a condition on the columns of one side, which Spark evaluates before the join.

A filter by a function of columns of both tables keeps all rows of a side until they are joined. ``mode == "AIR" and size < 5``
with `size` of the other table implies ``mode = 'AIR'``. The condition holds for each row that the filter keeps. It also holds
where a guard sends the row to Python, so a function that raises for a joined row still does.

This is an abstract interpretation (Cousot and Cousot, POPL 1977). Each bool value has two conditions on the side's columns
(`alternatives.py`). One holds wherever the value may be True, the other wherever it may be False. Values of the other table's
columns may be anything. A condition may be weaker than necessary, never stronger, so any conjunct of it may be left out.

An expression of a column that may be NULL stands for the value where no column of it is NULL, and for any value elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from sparkweld.contract.expressions import Expression
from sparkweld.ir import Let, Program, Type
from sparkweld.ir.ops import Call, Cast, Const, IsValid, Op, Read, Select, StrCall, ValueOf
from sparkweld.ir.ops.regions import Arg, Block, Branch, Graph, Jump, Region, Return
from sparkweld.ir.types import BOOL
from udf_compiler.backends.catalyst.alternatives import ALWAYS, NEVER, Condition, both, conjuncts, either, where
from udf_compiler.backends.catalyst.expressions import expressed
from udf_compiler.backends.catalyst.nodes import column, is_literal, literal, number, size

#: The most nodes of the expression of a value.
_MOST_NODES = 150

#: The most visits to blocks of a region, and the most blocks of one path: a graph of many paths implies little.
_MOST_VISITS = 500
_DEEPEST = 100


@dataclass(frozen=True, slots=True)
class _Known:
    """A value that an expression of the side's columns computes."""

    expression: Expression
    type: Type


@dataclass(frozen=True, slots=True)
class _Truth:
    """A bool value, or an integer that is 1 where it is True and else 0: conditions where it may be True, and False."""

    may: Condition
    may_not: Condition


@dataclass(frozen=True, slots=True)
class _Outcome:
    """The result of a region: `truth` where it returns a bool. `leaves`: where it may end without results."""

    truth: _Truth
    returns: Condition
    leaves: Condition


_Value = _Known | _Truth | _Outcome | None
_ANY = _Truth(ALWAYS, ALWAYS)
#: The outcome of a path that no row takes, and of one that leaves the region.
_NOWHERE = _Outcome(_Truth(NEVER, NEVER), NEVER, NEVER)
_LEFT = _Outcome(_Truth(NEVER, NEVER), NEVER, ALWAYS)


def side_condition(program: Program, others: set[str]) -> list[Expression]:
    """Returns the conjuncts of a condition on the inputs that are not in `others`; none if none is implied.

    Each of them is true, not only not false, for each row that the filter keeps. The program has one loop, and a filter.
    """
    (loop,) = program.loops
    assert loop.where is not None
    values: list[_Value] = []
    for let in loop.body:
        values.append(_value(let, [values[a] for a in let.args], others))
    reached = _truth(values[loop.where]).may
    for guard in loop.guards:
        if loop.body[guard].op != StrCall("valid_utf8"):  # Spark cannot test this; such a row raises only where it is read
            reached = either(reached, _truth(values[guard]).may_not)
    return [] if reached in (ALWAYS, NEVER) else conjuncts(reached)


def _value(let: Let, args: Sequence[_Value], others: set[str]) -> _Value:
    op = let.op
    if isinstance(op, Read):
        known = op.column not in others and _is_scalar(op.type)
        return _Known(replace(column(op.column, op.type), nullable=op.type.nullable), op.type) if known else None
    if isinstance(op, Region):
        return _region(op, args)
    if isinstance(op, Select):
        decides, yes, no = let.args
        args = args[0], _decided(decides, yes, args[1], True), _decided(decides, no, args[2], False)
    (first, *_) = (*args, None)
    if isinstance(first, _Outcome):
        if isinstance(op, IsValid):
            return _Truth(first.returns, first.leaves)
        return first.truth if isinstance(op, ValueOf) else None
    if isinstance(op, ValueOf) and isinstance(first, _Known) and first.expression.op == "Column":
        return replace(first, type=first.type.plain())  # zero where it is NULL, which its conditions allow
    return _computed(op, args)


def _computed(op: Op, args: Sequence[_Value]) -> _Value:
    """Returns the value of an op outside of regions' ends."""
    if isinstance(op, Select) and (_is_truth(args[1]) or _is_truth(args[2])):
        return _selected(*map(_truth, args))
    if isinstance(op, Call) and op.fn in ("logical_and", "logical_or", "logical_not"):
        return _logical(op.fn, [_truth(a) for a in args])
    if isinstance(op, Cast) and isinstance(args[0], _Truth) and op.to.is_int:
        return args[0]
    if op == Call("not_equal") and isinstance(args[0], _Truth) and isinstance(args[1], _Known) and _is_zero(args[1]):
        return args[0]
    known = [a for a in args if isinstance(a, _Known)]
    if len(known) < len(args):
        return None
    types = [a.type for a in known]
    if isinstance(op, Const):
        return _Known(literal(op.value, op.type), op.type) if _is_scalar(op.type) else None
    made = expressed(op, types, [a.expression for a in known])
    return None if made is None or size(made) > _MOST_NODES else _folded(_Known(made, op.infer(*types)), op, known)


def _folded(made: _Known, op: Op, args: Sequence[_Known]) -> _Known:
    """Returns the literal of a bool of literals."""
    if made.type != BOOL or not args or not all(is_literal(a.expression) and (a.type.is_int or a.type == BOOL) for a in args):
        return made
    given = (np.array([number(a.expression)], a.type.dtype) for a in args)
    return _Known(literal(bool(np.asarray(op.evaluate(*given))[0]), BOOL), BOOL)


def _is_scalar(type: Type) -> bool:
    return not type.is_list and type.kind != "ts"


def _is_zero(value: _Known) -> bool:
    return is_literal(value.expression) and value.type.is_int and number(value.expression) == 0


def _is_truth(value: _Value) -> bool:
    return isinstance(value, _Truth) or (isinstance(value, _Known) and value.type == BOOL)


def _truth(value: _Value) -> _Truth:
    if isinstance(value, _Truth):
        return value
    if not isinstance(value, _Known) or value.type != BOOL:
        return _ANY
    holds = value.expression
    if is_literal(holds):
        return _Truth(ALWAYS, NEVER) if number(holds) else _Truth(NEVER, ALWAYS)
    return _Truth(where(holds, True), where(holds, False))


def _logical(fn: str, args: Sequence[_Truth]) -> _Truth:
    if fn == "logical_not":
        return _Truth(args[0].may_not, args[0].may)
    a, b = args
    if fn == "logical_and":
        return _Truth(both(a.may, b.may), either(a.may_not, b.may_not))
    return _Truth(either(a.may, b.may), both(a.may_not, b.may_not))


def _selected(decides: _Truth, yes: _Truth, no: _Truth) -> _Truth:
    """Returns the selected value; an integer of which nothing is known may also be neither 0 nor 1."""
    return _Truth(_forked(decides, yes.may, no.may), _forked(decides, yes.may_not, no.may_not))


def _forked(decides: _Truth, yes: Condition, no: Condition) -> Condition:
    return either(both(decides.may, yes), both(decides.may_not, no))


def _region(op: Region, args: Sequence[_Value]) -> _Outcome:
    try:
        return _Walk(op).outcome(0, tuple(args))
    except _TooManyPaths:
        return _Outcome(_ANY, ALWAYS, ALWAYS)


class _TooManyPaths(Exception):
    """A region has a loop, or too many paths."""


class _Walk:
    """Interprets the blocks of one region for all of its paths."""

    def __init__(self, op: Region) -> None:
        self._graph: Graph = op.graph
        self._output = op.output
        self._known: dict[tuple[int, tuple[_Value, ...]], _Outcome] = {}
        self._open: set[int] = set()

    def outcome(self, number: int, args: tuple[_Value, ...]) -> _Outcome:
        """Returns what a block of the graph ends in."""
        key = number, args
        if key not in self._known:
            if number in self._open or len(self._known) > _MOST_VISITS or len(self._open) > _DEEPEST:
                raise _TooManyPaths
            self._open.add(number)
            self._known[key] = self._of_block(self._graph.blocks[number], args)
            self._open.remove(number)
        return self._known[key]

    def _of_block(self, block: Block, args: tuple[_Value, ...]) -> _Outcome:
        values: list[_Value] = []
        for let in block.body:
            given = [values[a] for a in let.args]
            values.append(args[let.op.number] if isinstance(let.op, Arg) else _value(let, given, set()))
        made = self._end(block, values)
        for guard in block.guards:
            held = _truth(values[guard])
            truth = _Truth(both(held.may, made.truth.may), both(held.may, made.truth.may_not))
            made = _Outcome(truth, both(held.may, made.returns), either(held.may_not, made.leaves))
        return made

    def _end(self, block: Block, values: Sequence[_Value]) -> _Outcome:
        end = block.end
        if isinstance(end, Jump):
            return self.outcome(end.target, tuple(values[a] for a in end.args))
        if isinstance(end, Return):
            return _Outcome(_returned(values[end.values[self._output]]), ALWAYS, NEVER)
        if isinstance(end, Branch):
            decides = _truth(values[end.condition])
            yes = self._branch(end, True, values) if decides.may != NEVER else _NOWHERE
            no = self._branch(end, False, values) if decides.may_not != NEVER else _NOWHERE
            returns, leaves = _forked(decides, yes.returns, no.returns), _forked(decides, yes.leaves, no.leaves)
            return _Outcome(_selected(decides, yes.truth, no.truth), returns, leaves)
        return _LEFT

    def _branch(self, end: Branch, taken: bool, values: Sequence[_Value]) -> _Outcome:
        jump = end.yes if taken else end.no
        return self.outcome(jump.target, tuple(_decided(end.condition, a, values[a], taken) for a in jump.args))


def _decided(condition: int, number: int, value: _Value, holds: bool) -> _Value:
    """Returns value `number` where the condition, itself a value, holds or not."""
    return _Known(literal(holds, BOOL), BOOL) if number == condition else value


def _returned(value: _Value) -> _Truth:
    """Returns the bool that a region returns as an integer. Of any other result nothing is known."""
    if isinstance(value, _Known) and is_literal(value.expression) and value.type.is_int and number(value.expression) in (0, 1):
        return _Truth(ALWAYS, NEVER) if number(value.expression) else _Truth(NEVER, ALWAYS)
    if isinstance(value, _Known) and value.expression.op == "Cast" and value.expression.args[0].type == "boolean":
        return _truth(_Known(value.expression.args[0], BOOL))
    return value if isinstance(value, _Truth) else _ANY


__all__ = ["side_condition"]
