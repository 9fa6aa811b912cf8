"""Checks conditions on one side of a join that a filter by a plain UDF of both sides implies."""

from __future__ import annotations

import inspect
import math
import random
from datetime import date
from functools import reduce
from itertools import product
from typing import Any

import pytest

from sparkweld.contract.constants import BATCHED
from tests.helpers.answers import compile_side_condition
from tests.helpers.compile_requests import column, payload, python_step, request, udf
from tests.udf_compiler.backends.catalyst.test_expressions import text

#: Name of an argument -> Spark's type; the side's columns are those with a capital letter.
TYPES = {"A": "long", "S": "string", "X": "double", "D": "date", "b": "long", "t": "string", "y": "double"}


def condition(function, names=None, nulls=False):
    """Returns the condition on the arguments with a capital letter, which may be NULL if `nulls`; or None."""
    names = names or list(inspect.signature(function).parameters)
    columns = [column(name, TYPES[name], nulls or name.islower()) for name in names]
    made = request(
        python_step(r=udf(0, *columns, returns="boolean", evalType=BATCHED)),
        {"kind": "filter", "condition": column("r", "boolean")},
        inputs={name: TYPES[name] for name in names},
        outputs=[],
    )
    for given in made["inputs"]:
        given.update(nullable=nulls or given["name"].islower(), state="dense")  # as the JVM asks
    made["others"] = [name for name in names if name.islower()]
    reply = compile_side_condition(made, [payload(function)])
    assert reply["status"] == "ok", reply
    return reduce(lambda a, b: {"op": "And", "type": "boolean", "args": [a, b]}, reply["bounds"]) if reply["bounds"] else None


def early(A, S, b):
    if S not in ("x", "y") or A < 0:
        return False
    if b == 1:
        return A > 5
    return A == 3


def ranges(A, b):
    if b > 3:
        return 1 <= A <= 2
    return 8 <= A < 9


def caught(A, b):
    try:
        return A > 10 // b
    except ZeroDivisionError:
        return False


def looped(A, b):
    total = 0
    for i in range(b):
        total += i
    return A > total


@pytest.mark.parametrize(
    "function, expected",
    [
        (lambda A, b: A > 3 and b < 5, "LessThan(3, A)"),
        (lambda A, b: b < 5 and A > 3, None),  # a NULL b raises, whatever A is
        (lambda A, b: b is not None and b < 5 and A > 3, "LessThan(3, A)"),
        (lambda A, b: b is None or A > 3, None),
        (lambda A, b: A > 3 or b < 5, None),
        (lambda A, b: A == 3 and 10 // b > A, "EqualTo(A, 3)"),
        (lambda S, b: not (S != "x" or b is None), "EqualTo(S, x)"),
        (lambda S, b: S in ("x", "y", "z") and b is None, "In(S, x, y, z)"),
        (lambda S, b: S.startswith("x") and b is None, None),
        (lambda S, t: S == t, None),
        (lambda X, b: X >= 1.5 and b is None, "And(LessThanOrEqual(1.5, X), Not(IsNaN(X)))"),
        (lambda X, b: (X == 0.5 or X == 1.5) and b is None, "Or(EqualTo(X, 0.5), EqualTo(X, 1.5))"),
        (early, "And(And(In(S, x, y), Not(LessThan(A, 0))), Or(EqualTo(A, 3), LessThan(5, A)))"),
        (ranges, None),
        (caught, None),
        (looped, None),
    ],
)
def test_conditions(function, expected):
    found = condition(function)
    assert (None if found is None else text(found)) == expected


def test_dates_outside_of_pythons_calendar_are_kept():
    found = condition(lambda D, b: D >= date(2020, 1, 1) and b is None)
    assert value(found, {"D": 18262}) is True and value(found, {"D": 18261}) is False
    assert value(found, {"D": 3_000_000}) is True  # the worker raises


def checked_first(A, S, b):
    if S not in ("x", "y") or A is None:
        return False
    return A > 3 and b is None


@pytest.mark.parametrize(
    "function, expected",
    [
        (checked_first, "And(LessThan(3, A), In(S, x, y))"),
        (lambda S, A, b: S == "x" and A > 3 and b is None, "And(EqualTo(S, x), Or(IsNull(A), LessThan(3, A)))"),
        (lambda S, b: S != "x" and b is None, "Or(IsNull(S), Not(EqualTo(S, x)))"),
        (lambda A, b: A is None and b is None, "IsNull(A)"),
        (lambda A, b: A is not None and b is None, "IsNotNull(A)"),
    ],
)
def test_nulls_of_the_own_side(function, expected):
    """A comparison that raises for NULL keeps the row, and one that is False for it does not."""
    assert text(condition(function, nulls=True)) == expected


def many(A, S, b):
    return A != 0 and S in ("a", "c", "d", "e", "f", "g") and A in (1, 2, 3, 4, 5, 6) and b is None


NUMBERS = tuple(i / 4 for i in range(60))


def larger(A, X, b):
    return A != 0 and b is None and X in NUMBERS


def test_many_alternatives():
    alone = "And(EqualTo(S, a), In(A, 1, 2, 3, 4, 5, 6))"
    listed = "And(And(In(A, 1, 2, 3, 4, 5, 6), In(S, c, d, e, f, g)), Not(EqualTo(A, 0)))"
    assert text(condition(many)) == f"Or(And({listed}, Not(EqualTo(S, a))), {alone})"
    assert text(condition(larger)) == "Not(EqualTo(A, 0))"


ATOMS = [
    "A > 1", "A in (1, 3)", "A == 2", "A + 1 < 2", "A >= b", "S == 'x'", "S != t", "S in ('x', 'y')", "S < 'y'", "X > 0.5",
    "X != X", "X == 0.0", "X <= y", "b is None", "b > 1", "10 // b > A", "t in ('x', '')", "t is not None", "y < 0.5",
    "S.startswith('x')", "len(S) > 0", "len(t) == A",
]  # fmt: skip
VALUES = {
    "A": [-1, 0, 1, 2, 3], "S": ["", "x", "xy", "y"], "X": [-0.0, 0.5, 1.0, math.nan], "b": [None, 0, 2],
    "t": [None, "", "x"], "y": [None, 0.25, math.nan],
}  # fmt: skip


def written(choose: random.Random, depth: int) -> str:
    if depth == 0:
        return choose.choice(ATOMS)
    a, b, c = (written(choose, level) for level in (depth - 1, depth - 1, 0))
    return choose.choice([f"({a} and {b})", f"({a} and {b})", f"({a} or {b})", f"(not {a})", f"({a} if {b} else {c})"])


def source(choose: random.Random) -> str:
    lines = ["def f(A, S, X, b, t, y):"]
    for _ in range(choose.randrange(3)):
        result = choose.choice(["False", "True", written(choose, 1)])
        lines += [f"    if {written(choose, choose.randrange(2))}:", f"        return {result}"]
    return "\n".join([*lines, f"    return {written(choose, choose.randrange(3))}"])


OWN_NULLS = {name: [*values, None] if name.isupper() else values for name, values in VALUES.items()}


@pytest.mark.parametrize("values", [VALUES, OWN_NULLS], ids=["values", "nulls"])
def test_no_row_is_lost(values):
    """Where the function returns True, or raises, the condition is true, and not NULL."""
    implied = lost = 0
    for seed in range(40):
        made: dict[str, Any] = {}
        exec(source(random.Random(seed)), made)
        found = condition(made["f"], list(values), nulls=values is OWN_NULLS)
        if found is None:
            continue
        implied += 1
        for row in product(*values.values()):
            given = dict(zip(values, row, strict=True))
            if value(found, given) is not True:
                lost += 1
                assert made["f"](**given) is False, (seed, given)
    assert implied >= 12 and lost > 5000, (implied, lost)


def value(expression: dict[str, Any], row: dict[str, Any]) -> Any:
    """Evaluates an expression as Spark does, with NULL as None."""
    op, args = expression["op"], [value(a, row) for a in expression.get("args", ())]
    if op == "Column":
        return row[expression["name"]]
    if op == "Literal":
        read = {"double": float.fromhex, "string": str, "boolean": bool}.get(expression["type"], int)
        return read(expression["value"])
    if op in ("IsNull", "IsNotNull"):
        return (args[0] is None) == (op == "IsNull")
    if op in ("And", "Or"):
        return (op == "Or") if (op == "Or") in args else None if None in args else op == "And"
    if None in args:
        return False if op == "IsNaN" else None
    if op in ("EqualTo", "LessThan", "LessThanOrEqual", "In"):
        a, *others = ((x != x, x) if isinstance(x, float) and x != x else (False, x) for x in args)
        a = (True, 0.0) if a[0] else a
        others = [(True, 0.0) if b[0] else b for b in others]
        return {"LessThan": a < others[0], "LessThanOrEqual": a <= others[0]}[op] if op.startswith("Less") else a in others
    return {
        "Not": lambda: not args[0],
        "IsNaN": lambda: args[0] != args[0], "Cast": lambda: args[0], "UnixDate": lambda: args[0],
        "Add": lambda: args[0] + args[1], "BitwiseXor": lambda: args[0] ^ args[1], "BitwiseAnd": lambda: args[0] & args[1],
    }[op]()  # fmt: skip
