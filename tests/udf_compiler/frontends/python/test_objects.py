"""Checks objects of a function's own classes in loops: named tuples, dataclasses and plain classes, in variables and in lists."""

from __future__ import annotations

import pytest

from sparkweld.errors import Refusal
from tests.helpers.scalars import check, function_of, traced

CLASSES = """
from collections import namedtuple
from dataclasses import dataclass
from typing import NamedTuple, Optional

Point = namedtuple("Point", "x y")

class Span(NamedTuple):
    start: int
    end: int = 0

    @property
    def length(self):
        return self.end - self.start

@dataclass
class Item:
    name: str
    score: float = 0.5
    note: Optional[str] = None

    def label(self):
        return f"{self.name}:{self.note or '-'}"

@dataclass(frozen=True)
class Frozen:
    name: str
    n: int

@dataclass
class Token:
    text: str
    upper: bool = False

    def __post_init__(self):
        self.upper = self.text.isupper()

class Plain:
    def __init__(self, n):
        self.n = n

    def add(self, k):
        self.n += k
        return self

class Range:
    def __init__(self, low=0.0, high=0.0):
        self.low, self.high = low, high

    def take(self, x):
        if x < self.low:
            self.low = x
        if x > self.high:
            self.high = x
"""
INTS = [[], [3], [1, 2, 3], [5, -1, 5, 0], [7] * 9, [2**40, -(2**41), 1]]
FLOATS = [[], [0.0], [-0.0, 0.0], [1.5, float("nan"), -2.0], [2.0, 2.0, 1.0], [float("inf"), -1e300, 7.25], [0.1] * 10]
WORDS = [[], [""], ["b", "a"], ["x", "", "x"], ["Ab", "é", "straße", "日本語"], ["AB", "C", "d"], ["z"] * 12]

IN_LISTS = {
    "list<i64>": [
        "ps = [Point(x, x * 2) for x in v]\n    return sum(p.x + p.y for p in ps)",
        "ps = [Point(x, x % 3) for x in v]\n    return [b for a, b in sorted(ps)]",
        "ps = []\n    for i, x in enumerate(v):\n        ps.append(Span(i, x))\n"
        "    return max((p.length for p in ps), default=-1)",
        "ps = [Span(x) for x in v if x > 0]\n    return max(ps).start if ps else None",
        "ps = [Plain(x) for x in v]\n    return [p.n for p in ps if p.n % 2]",
        "ps = [Plain(x).add(1) for x in v]\n    return sum(p.n for p in ps[1:])",
        "ps = [Point(x, 0) for x in v]\n    return sum(b.x - a.x for a, b in zip(ps, ps[1:]))",
    ],
    "list<f64>": [
        "ps = [Item(str(i), x) for i, x in enumerate(v)]\n    ps.sort(key=lambda p: p.score)\n    return [p.name for p in ps]",
        "ps = [Item('a', x, 'low' if x < 1 else None) for x in v]\n    return [p.label() for p in ps]",
        "ps = [Point(x, i) for i, x in enumerate(v)]\n    return min(ps, key=lambda p: p.x).y if ps else None",
    ],
    "list<str>": [
        "ps = [Frozen(w, len(w)) for w in v]\n    return [p.name for p in sorted(ps, key=lambda p: (-p.n, p.name))]",
        "ps = [Frozen(name=w, n=len(w)) for w in v]\n    return max(ps, key=lambda p: p.n).name if ps else None",
        "ps = [Token(w) for w in v]\n    return sum(1 for p in ps if p.upper)",
        "ps = [Token(w) for w in v]\n    return next((p.text for p in ps if p.upper), '')",
        "ps = [Frozen(w, i) for i, w in enumerate(v)]\n    return [p.n for p in reversed(ps)] + [len(ps)]",
    ],
}
ROWS = {"list<i64>": INTS, "list<f64>": FLOATS, "list<str>": WORDS}
#: A sort by NaN depends on the algorithm, so such rows run in Python.
OF_NAN = 1

IN_VARIABLES = {
    "list<i64>": [
        "p = Plain(1)\n    for x in v:\n        p.add(x)\n    return p.n",
        "p = Plain(1)\n    for x in v:\n        p.n += x\n        if p.n > 9:\n            p.n = 0\n    return p.n",
        "p = q = Plain(0)\n    for x in v:\n        q = q.add(x)\n    return p.n + q.n * 2",
        "p, q = Plain(0), Plain(5)\n    for x in v:\n        if x > 2:\n            p, q = q, p\n        p.add(x)\n"
        "    return p.n - q.n",
        "ps = [Plain(0), Plain(1)]\n    for x in v:\n        ps[0].add(x)\n        ps[-1].n = x\n"
        "    return ps[0].n * 3 + ps[1].n",
        "best = Point(-1, 0)\n    for i, x in enumerate(v):\n        if x > best.y:\n            best = Point(i, x)\n"
        "    return best.x",
        "best = None\n    for x in v:\n        if best is None or x > best.n:\n            best = Plain(x)\n"
        "    return best.n if best else None",
    ],
    "list<f64>": ["r = Range()\n    for x in v:\n        r.take(x)\n    return r.high - r.low"],
    "list<str>": ["t = Token('')\n    for w in v:\n        t = Token(w + t.text[:2])\n    return f'{t.text}{t.upper}'"],
}


def of_body(body: str) -> str:
    return f"{CLASSES}\ndef f(v):\n    {body}\n"


@pytest.mark.parametrize(("type", "body"), [(type, body) for type, bodies in IN_LISTS.items() for body in bodies])
def test_objects_in_lists(type, body):
    sorts = type == "list<f64>" and ("sort" in body or "min" in body)
    check(of_body(body), (type,), rows=[(x,) for x in ROWS[type]], needless=OF_NAN * sorts)


@pytest.mark.parametrize(("type", "body"), [(type, body) for type, bodies in IN_VARIABLES.items() for body in bodies])
def test_objects_that_loops_carry(type, body):
    check(of_body(body), (type,), rows=[(x,) for x in ROWS[type]])


def test_elements_that_are_none():
    """A list with None among its elements runs in Python, which raises here."""
    body = "ps = [Item('a', x) for x in v]\n    return sum(p.score * 2 for p in ps)"
    check(of_body(body), ("list<f64>?",), rows=[([1.0, None],), (None,), ([2.5],)])


@pytest.mark.parametrize(
    "body",
    ["ps, p = [], Plain(0)\n    for x in v:\n        ps.append(p)\n        p.n += x\n    return sum(p.n for p in ps)",
     "ps = [Plain(x) for x in v]\n    for p in ps:\n        p.n += 1\n    return sum(p.n for p in ps)",
     "ps = [Plain(x) for x in v]\n    return sum(p == ps[0] for p in ps)",
     "p = Plain(0)\n    return sum(p.add(x).n for x in v)",
     "p, d = Plain(0), {}\n    for x in v:\n        d[x] = p\n    return len(d)",
     "p = Plain([])\n    for x in v:\n        p.n.append(x)\n    return len(p.n)"],
)  # fmt: skip
def test_refuses_what_depends_on_identity(body):
    """Lists of the row and callees have copies of objects, so a change of one object would not be seen by all its names."""
    with pytest.raises(Refusal) as refused:
        traced(function_of(of_body(body)), ("list<i64>",))
    assert refused.value.code in ("SW280", "SW282")


def test_a_helper_that_changes_its_argument():
    """A callee that only reads an object is a region, and one that changes it runs in the caller's own block."""
    source = """
class Plain:
    def __init__(self, n):
        self.n = n

def bump(p, k):
    p.n += k
    return p.n

def total(p, v):
    t = 0
    for x in v:
        t += x * p.n
    return t

def f(v):
    p, q = Plain(1), 0
    for x in v:
        q += bump(p, x)
    return q * 10 + total(p, v) + p.n
"""
    check(source, ("list<i64>",), rows=[(x,) for x in INTS if all(abs(y) < 2**20 for y in x)])


def test_a_method_sees_the_last_change():
    source = """
class Scale:
    def __init__(self):
        self.n = 1

    def total(self, v):
        t = 0
        for x in v:
            t += x * self.n
        return t

def f(v):
    s = Scale()
    a = s.total(v)
    s.n = 2
    return a * 1000 + s.total(v)
"""
    check(source, ("list<i64>",), rows=[(x,) for x in INTS])
