"""Combines conditions in disjunctive normal form, each sound for rows with NULLs, and writes them as Catalyst expressions.

A condition has alternatives, each a set of expressions. It holds for a row where all expressions of an alternative are true. In
SQL's logic of three values a comparison with NULL is not true, and neither is its negation. So the conditions of a bool, and of
its negation, both have an alternative for each of its columns that may be NULL. A test in the function then removes it.

Every operation returns an equal or a weaker condition, which holds for more rows.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import partial, reduce

from sparkweld.contract.expressions import Expression
from sparkweld.ir.types import BOOL
from udf_compiler.backends.catalyst.nodes import is_literal, negation, node, size

#: The most alternatives of a condition, those of a conjunction before it is simplified, and the most nodes of its expression.
_ALTERNATIVES = 24
_MOST_PRODUCTS = 4 * _ALTERNATIVES  # the time of simplifying them is quadratic
_MOST_NODES = 150

#: Operators that are NULL where an argument is.
_STRICT = frozenset(
    ("Not", "EqualTo", "LessThan", "LessThanOrEqual", "GreaterThan", "GreaterThanOrEqual", "In", "Cast", "Add", "Subtract",
     "Multiply", "UnaryMinus", "Abs", "UnixDate"))  # fmt: skip

_NONE: frozenset[Expression] = frozenset()

#: Alternatives, each a conjunction of conditions.
Condition = frozenset[frozenset[Expression]]

ALWAYS: Condition = frozenset((frozenset(),))
NEVER: Condition = frozenset()


def either(a: Condition, b: Condition) -> Condition:
    """Returns a or b, or a weaker condition."""
    made = _shortest(a | b)
    return made if len(made) <= _ALTERNATIVES else _packed(made)


def both(a: Condition, b: Condition) -> Condition:
    """Returns a and b, or a weaker condition."""
    if len(a) * len(b) <= _MOST_PRODUCTS:
        made = _shortest(frozenset(x | y for x in a for y in b))
        if len(made) <= _ALTERNATIVES:
            return made
    return frozenset(x | y for x in _packed(a) for y in _packed(b))


def where(holds: Expression, true: bool) -> Condition:
    """Returns a condition for rows in which an expression is true, or is false, or has a column that is NULL."""
    if holds.op == "Not":
        return where(holds.args[0], not true)
    if holds.op in ("And", "Or"):
        a, b = (where(arg, true) for arg in holds.args)
        return both(a, b) if (holds.op == "And") == true else either(a, b)
    alone = frozenset((frozenset((holds if true else _opposite(holds),)),))
    return alone if holds.op == "IsNotNull" and holds.args[0].op == "Column" else either(alone, _where_null(holds))


def conjuncts(condition: Condition) -> list[Expression]:
    """Returns the expressions that all hold where the condition does, without the largest if they are too large."""
    condition = _listed(condition)
    common = frozenset.intersection(*condition)
    alternatives = [_joined("And", each - common) for each in condition if each > common]
    found = list(common)
    if alternatives and len(alternatives) == len(condition):
        found.append(_joined("Or", alternatives))
    kept: list[Expression] = []
    for each in sorted(found, key=lambda x: (size(x), str(x))):
        if sum(map(size, kept)) + size(each) <= _MOST_NODES:
            kept.append(each)
    return kept


def _where_null(made: Expression) -> Condition:
    return frozenset(frozenset((node("IsNull", BOOL, column),)) for column in _nullable_columns(made))


def _opposite(x: Expression) -> Expression:
    """Returns the expression that is true where `x` is false."""
    if x.op in ("IsNull", "IsNotNull"):
        return node("IsNotNull" if x.op == "IsNull" else "IsNull", BOOL, *x.args)
    return negation(x)


def _nullable_columns(made: Expression) -> frozenset[Expression]:
    if made.op == "Column":
        return frozenset((made,) if made.nullable else ())
    return _NONE.union(*map(_nullable_columns, made.args))


def _required(x: Expression) -> frozenset[Expression]:
    """Returns nullable columns that are not NULL where the expression is true, because it would be NULL, too."""
    if x.op == "Column":
        return frozenset((x,) if x.nullable else ())
    return _NONE.union(*map(_required, x.args)) if x.op in _STRICT else frozenset()


def _packed(condition: Condition) -> Condition:
    """Returns the condition as one alternative; one that always holds for a large expression."""
    made = conjuncts(condition)
    return frozenset((frozenset((_joined("And", made),)),)) if made else ALWAYS


def _shortest(alternatives: Condition) -> Condition:
    """Leaves out alternatives that never hold, and those that imply others: ``a or (not a and b)`` becomes ``a or b``."""
    made: set[frozenset[Expression]] = set()
    for each in map(_without_other_constants, map(_without_null_tests, alternatives)):
        if each is None or any(_opposite(x) in each for x in each):
            continue
        needless = {x for x in each if any(_opposite(x) in y and y - {_opposite(x)} <= each - {x} for y in alternatives)}
        made.add(each - set(sorted(needless, key=str)[:1]))
    kept = frozenset(x for x in made if not any(y < x for y in made))
    return kept if kept == alternatives else _shortest(kept)


def _without_null_tests(alternative: frozenset[Expression]) -> frozenset[Expression] | None:
    """Leaves out that a column is not NULL where another expression requires it; None where it has to be NULL, too."""
    required = _NONE.union(*map(_required, alternative))
    if any(node("IsNull", BOOL, column) in alternative for column in required):
        return None
    return alternative - {node("IsNotNull", BOOL, column) for column in required}


def _without_other_constants(alternative: frozenset[Expression] | None) -> frozenset[Expression] | None:
    """Leaves out that a value does not equal a constant where it equals another one."""
    if alternative is None:
        return None
    equal = {x.args[0]: x.args[1] for x in alternative if _is_constant(x)}
    return frozenset(
        x for x in alternative
        if x.op != "Not" or not _is_constant(x.args[0]) or equal.get(x.args[0].args[0]) in (None, x.args[0].args[1])
    )  # fmt: skip


def _is_constant(x: Expression) -> bool:
    """Whether a value equals a constant that has one representation, so not a float, whose zeros are equal."""
    return x.op == "EqualTo" and is_literal(x.args[1]) and x.args[1].type not in ("float", "double")


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


__all__ = ["ALWAYS", "NEVER", "Condition", "both", "conjuncts", "either", "where"]
