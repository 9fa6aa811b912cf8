"""Checks `match` in functions of one value: patterns of values and of tuples, and those that destructure a row's value."""

from __future__ import annotations

import pytest

from sparkweld.errors import Refusal
from tests.helpers.scalars import check

VALUES = """def f(a):
    match a % 5:
        case 0 | 1:
            return "low"
        case int() if a > 3:
            return "high"
    return "other"
"""
TUPLES = """def f(a, b):
    match (a % 3, b):
        case (0, 0.0):
            return 1.0
        case (0, c) | (c, 2.0):
            return c
        case (_,):
            return -1.0
    match [a > 3, b]:
        case [True, c] if c > 1:
            return c
        case [_, c]:
            return -c
"""
TEXTS = """def f(a):
    match a:
        case [b, c]:
            return "two"
        case "a" | "abc":
            return a.upper()
        case str():
            return "text"
"""


@pytest.mark.parametrize(("source", "types"), [(VALUES, ("i64",)), (TUPLES, ("i64", "f64")), (TEXTS, ("str",))])
def test_patterns(source, types):
    check(source, types)


PIECES = """def f(a):
    match a.split(","):
        case [b]:
            return b
        case [b, *c]:
            return "several"
"""
LISTS = """def f(a):
    match a:
        case []:
            return 0.0
        case [b]:
            return b
    return 2.0
"""
NESTED = """def f(a):
    match (a.split(), a):
        case ([b, c], _):
            return "two"
        case (_, b):
            return b
"""
CLASSES = "def f(a):\n    match a:\n        case str(b):\n            return b\n"
MAPPINGS = "def f(a):\n    match {'k': a}:\n        case {'k': b}:\n            return b\n"


ENDS = """def f(a):
    match a.split(","):
        case ["the", b]:
            return b
        case [b, *_, c] if b != c:
            return b + c
        case [] | [""]:
            return "nothing"
        case b:
            return str(len(b))
"""
LOOPS = """def f(a):
    found = []
    for part in a.split(","):
        match part.split("="):
            case [key]:
                found.append(key)
            case [key, value]:
                found.append(value + key)
    return "|".join(found)
"""


@pytest.mark.parametrize("source", [PIECES, NESTED, ENDS, LOOPS])
def test_patterns_of_pieces(source):
    texts = ["", "a", "a,b", "the,cat", "a,b,c", "a,b,a", "a b", "k=v,q,x=y=z", ",", "é,ß"]
    check(source, ("str",), rows=[(text,) for text in texts])


def test_patterns_of_lists():
    check(LISTS, ("list<f64>",), needless=2)  # rows with None


@pytest.mark.parametrize(
    ("source", "type"),
    [(CLASSES, "str"), (MAPPINGS, "str")],
)
def test_patterns_that_take_a_value_apart(source, type):
    """The stand-in of a row's value has another class for CPython: its case would be skipped."""
    with pytest.raises(Refusal) as refused:
        check(source, (type,))
    assert refused.value.code == "SW603"
