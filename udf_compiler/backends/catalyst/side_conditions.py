"""Derives from the filter above a join a condition on the columns of one side, which Spark evaluates before the join.

A filter by a function of columns of both tables keeps all rows of a side until they are joined. ``mode == "AIR" and size < 5``
with `size` of the other table implies ``mode = 'AIR'``. The condition holds for each row that the filter keeps. It also holds
where a guard sends the row to Python, so a function that raises for a joined row still does.

This is an abstract interpretation (Cousot and Cousot, POPL 1977). Each bool value has two conditions on the side's columns. One
holds wherever the value may be True, the other wherever it may be False. Values of the other table's columns may be anything. A
condition may be weaker than necessary, never stronger, so any conjunct of it may be left out.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial, reduce

import numpy as np

from sparkweld.contract.expressions import Expression
from sparkweld.ir import Let, Program, Type
from sparkweld.ir.ops import Call, Cast, Const, IsValid, Op, Read, Select, StrCall, ValueOf
from sparkweld.ir.ops.regions import Arg, Block, Branch, Graph, Jump, Region, Return
from sparkweld.ir.types import BOOL
from udf_compiler.backends.catalyst.expressions import expressed
from udf_compiler.backends.catalyst.nodes import column, is_literal, literal, negation, node, number, size

#: The most alternatives of a condition, those of a conjunction before it is simplified, and the most nodes of its expression.
_ALTERNATIVES = 24
_MOST_PRODUCTS = 4 * _ALTERNATIVES  # the time of simplifying them is quadratic
_MOST_NODES = 150

#: The most visits to blocks of a region, and the most blocks of one path: a graph of many paths implies little.
_MOST_VISITS = 500
_DEEPEST = 100

#: Alternatives, each a conjunction of conditions.
Condition = frozenset[frozenset[Expression]]

ALWAYS: Condition = frozenset((frozenset(),))
NEVER: Condition = frozenset()


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


def side_condition(program: Program, others: set[str]) -> Expression | None:
    """Returns a condition on the inputs that are not in `others`, for rows where none of these is NULL; None if none is implied.

    The program has one loop, and a filter.
    """
    (loop,) = program.loops
    assert loop.where is not None
    values: list[_Value] = []
    for let in loop.body:
        values.append(_value(let, [values[a] for a in let.args], others))
    reached = _truth(values[loop.where]).may
    for guard in loop.guards:
        if loop.body[guard].op != StrCall("valid_utf8"):  # Spark cannot test this; such a row raises only where it is read
            reached = _either(reached, _truth(values[guard]).may_not)
    return None if reached in (ALWAYS, NEVER) else _bounded(reached)


def _value(let: Let, args: Sequence[_Value], others: set[str]) -> _Value:
    op = let.op
    if isinstance(op, Read):
        known = op.column not in others and not op.type.nullable and _is_scalar(op.type)
        return _Known(column(op.column, op.type), op.type) if known else None
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
    return _Truth(_alternatives(holds, True), _alternatives(holds, False))


def _alternatives(holds: Expression, true: bool) -> Condition:
    """Returns a condition for an expression that is true, or false."""
    if holds.op == "Not":
        return _alternatives(holds.args[0], not true)
    if holds.op in ("And", "Or"):
        a, b = (_alternatives(arg, true) for arg in holds.args)
        return _both(a, b) if (holds.op == "And") == true else _either(a, b)
    return frozenset((frozenset((holds if true else negation(holds),)),))


def _logical(fn: str, args: Sequence[_Truth]) -> _Truth:
    if fn == "logical_not":
        return _Truth(args[0].may_not, args[0].may)
    a, b = args
    if fn == "logical_and":
        return _Truth(_both(a.may, b.may), _either(a.may_not, b.may_not))
    return _Truth(_either(a.may, b.may), _both(a.may_not, b.may_not))


def _selected(decides: _Truth, yes: _Truth, no: _Truth) -> _Truth:
    """Returns the selected value; an integer of which nothing is known may also be neither 0 nor 1."""
    return _Truth(_forked(decides, yes.may, no.may), _forked(decides, yes.may_not, no.may_not))


def _forked(decides: _Truth, yes: Condition, no: Condition) -> Condition:
    return _either(_both(decides.may, yes), _both(decides.may_not, no))


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
            truth = _Truth(_both(held.may, made.truth.may), _both(held.may, made.truth.may_not))
            made = _Outcome(truth, _both(held.may, made.returns), _either(held.may_not, made.leaves))
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


def _either(a: Condition, b: Condition) -> Condition:
    """Returns a or b, or a weaker condition."""
    made = _shortest(a | b)
    return made if len(made) <= _ALTERNATIVES else _packed(made)


def _both(a: Condition, b: Condition) -> Condition:
    """Returns a and b, or a weaker condition."""
    if len(a) * len(b) <= _MOST_PRODUCTS:
        made = _shortest(frozenset(x | y for x in a for y in b))
        if len(made) <= _ALTERNATIVES:
            return made
    return frozenset(x | y for x in _packed(a) for y in _packed(b))


def _packed(condition: Condition) -> Condition:
    """Returns the condition as one alternative; one that always holds for a large expression."""
    made = _bounded(condition)
    return ALWAYS if made is None else frozenset((frozenset((made,)),))


def _shortest(alternatives: Condition) -> Condition:
    """Leaves out alternatives that never hold, and those that imply others: ``a or (not a and b)`` becomes ``a or b``."""
    made: set[frozenset[Expression]] = set()
    for each in map(_without_other_constants, alternatives):
        if any(negation(x) in each for x in each):
            continue
        needless = {x for x in each if any(negation(x) in y and y - {negation(x)} <= each - {x} for y in alternatives)}
        made.add(each - set(sorted(needless, key=str)[:1]))
    kept = frozenset(x for x in made if not any(y < x for y in made))
    return kept if kept == alternatives else _shortest(kept)


def _without_other_constants(alternative: frozenset[Expression]) -> frozenset[Expression]:
    """Leaves out that a value does not equal a constant where it equals another one."""
    equal = {x.args[0]: x.args[1] for x in alternative if _is_constant(x)}
    return frozenset(
        x for x in alternative
        if x.op != "Not" or not _is_constant(x.args[0]) or equal.get(x.args[0].args[0]) in (None, x.args[0].args[1])
    )  # fmt: skip


def _is_constant(x: Expression) -> bool:
    """Whether a value equals a constant that has one representation, so not a float, whose zeros are equal."""
    return x.op == "EqualTo" and is_literal(x.args[1]) and x.args[1].type not in ("float", "double")


def _bounded(condition: Condition) -> Expression | None:
    """Returns the expression without the largest conjuncts, if it is too large; None if none is left."""
    condition = _listed(condition)
    common = frozenset.intersection(*condition)
    alternatives = [_joined("And", each - common) for each in condition if each > common]
    conjuncts = list(common)
    if alternatives and len(alternatives) == len(condition):
        conjuncts.append(_joined("Or", alternatives))
    kept: list[Expression] = []
    for each in sorted(conjuncts, key=lambda x: (size(x), str(x))):
        if sum(map(size, kept)) + size(each) <= _MOST_NODES:
            kept.append(each)
    return _joined("And", kept) if kept else None


def _listed(condition: Condition) -> Condition:
    """Writes alternatives that differ only in the constant that equals a value as one with a list of constants.

    Not for floats: Spark looks up a longer list in a set, which distinguishes -0.0 from 0.0.
    """
    groups: dict[tuple[frozenset[Expression], Expression], dict[frozenset[Expression], Expression]] = {}
    for each in sorted(condition, key=_order):
        for atom in sorted(each, key=str):
            if _is_constant(atom):
                groups.setdefault((each - {atom}, atom.args[0]), {})[each] = atom.args[1]
    if not groups:
        return condition
    (rest, value), members = max(groups.items(), key=lambda group: len(group[1]))
    if len(members) < 2:
        return condition
    return _listed((condition - members.keys()) | {rest | {node("In", BOOL, value, *members.values())}})


def _joined(op: str, parts: Collection[Expression]) -> Expression:
    first, *rest = sorted(parts, key=str)
    return reduce(partial(node, op, BOOL), rest, first)


def _order(alternative: frozenset[Expression]) -> list[str]:
    return sorted(map(str, alternative))


__all__ = ["side_condition"]
